//! `POST /Bulk`: what becomes of each operation, and of those that speak of each other
//! (checklist section 18, golden test 23).

use provost_tests::guests::{self, forward, plugin};
use provost_tests::receiver::Receiver;
use provost_tests::server::{Answer, SCIM_JSON, TestServer, patch, person, user};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const DIAGNOSTICS: &str = "urn:provost:params:scim:api:messages:2.0:Diagnostics";
const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

fn envelope(operations: &[Value]) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations })
}

/// The answer's operations; the request itself is 200.
fn operations(answer: Answer) -> Vec<Value> {
    let body = answer.expect(200).body;
    assert_eq!(body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:BulkResponse"]));
    body["Operations"].as_array().unwrap().clone()
}

async fn bulk(server: &TestServer, asked: &[Value]) -> Vec<Value> {
    operations(server.post("/Bulk", envelope(asked)).await)
}

async fn bulk_until(server: &TestServer, errors: u64, asked: &[Value]) -> Vec<Value> {
    let mut body = envelope(asked);
    body["failOnErrors"] = json!(errors);
    operations(server.post("/Bulk", body).await)
}

fn statuses(operations: &[Value]) -> Vec<&str> {
    operations.iter().map(|operation| operation["status"].as_str().unwrap()).collect()
}

fn post(path: &str, bulk_id: &str, data: Value) -> Value {
    json!({ "method": "POST", "path": path, "bulkId": bulk_id, "data": data })
}

fn new_user(name: &str) -> Value {
    post("/Users", name, user(name))
}

fn group(name: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|member| json!({ "value": member })).collect();
    let schemas = ["urn:ietf:params:scim:schemas:core:2.0:Group"];
    json!({ "schemas": schemas, "displayName": name, "members": members })
}

fn new_group(name: &str, members: &[&str]) -> Value {
    post("/Groups", name, group(name, members))
}

fn managed(name: &str, manager: &str) -> Value {
    let mut body = user(name);
    body[ENTERPRISE] = json!({ "manager": { "value": manager } });
    post("/Users", name, body)
}

/// The id at the end of an operation's location.
fn id_of(operation: &Value) -> String {
    let location = operation["location"].as_str().unwrap_or_else(|| panic!("no location: {operation}"));
    location.rsplit('/').next().unwrap().to_owned()
}

/// What the server shows of an operation's resource.
async fn shown(server: &TestServer, operation: &Value) -> Value {
    let path = operation["location"].as_str().unwrap().strip_prefix(&server.app.base_url).unwrap();
    server.get(path).await.expect(200).body
}

/// Sends a bulk request that does not say how long it is.
async fn chunked(server: &TestServer, body: &str) -> String {
    let token = &server.token;
    let mut stream = TcpStream::connect(server.app.listens).await.unwrap();
    let mut request = format!(
        "POST /scim/v2/Bulk HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: {SCIM_JSON}\r\n\
         connection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    for chunk in body.as_bytes().chunks(100) {
        request += &format!("{:x}\r\n{}\r\n", chunk.len(), str::from_utf8(chunk).unwrap());
    }
    stream.write_all(format!("{request}0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn members_of(group: &Value) -> Vec<&str> {
    let members = group["members"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut members: Vec<&str> = members.iter().map(|member| member["value"].as_str().unwrap()).collect();
    members.sort_unstable();
    members
}

#[track_caller]
fn error_of(operation: &Value, status: &str, scim_type: Option<&str>) -> String {
    let error = &operation["response"];
    assert_eq!(operation["status"], json!(status), "{operation}");
    assert_eq!(error["status"], json!(status), "{operation}");
    assert!(error["schemas"].as_array().unwrap().contains(&json!("urn:ietf:params:scim:api:messages:2.0:Error")));
    assert_eq!(error["scimType"].as_str(), scim_type, "{operation}");
    assert_eq!(operation.get("version"), None, "{operation}");
    error["detail"].as_str().unwrap().to_owned()
}

/// S-18.1, S-18.4, S-18.5, S-18.9, S-18.12
#[tokio::test(flavor = "multi_thread")]
async fn golden_23_a_forward_reference_is_resolved_and_answers_keep_the_requests_order() {
    let server = TestServer::plain().await;

    let answer = server.post("/Bulk", envelope(&[new_group("staff", &["bulkId:ana"]), new_user("ana")])).await;

    assert_eq!(answer.header("content-type"), SCIM_JSON);
    let answered = operations(answer);
    assert_eq!(statuses(&answered), ["201", "201"]);
    let (staff, ana) = (shown(&server, &answered[0]).await, shown(&server, &answered[1]).await);
    assert_eq!(members_of(&staff), [ana["id"].as_str().unwrap()]);
    for (answered, resource) in answered.iter().zip([staff, ana]) {
        let expected = json!({
            "method": "POST", "bulkId": answered["bulkId"], "status": "201",
            "location": resource["meta"]["location"], "version": resource["meta"]["version"],
        });
        assert_eq!(*answered, expected);
    }
    assert_eq!((&answered[0]["bulkId"], &answered[1]["bulkId"]), (&json!("staff"), &json!("ana")));
}

/// S-18.2, S-18.3, S-18.4, S-18.8
#[tokio::test(flavor = "multi_thread")]
async fn references_work_backward_in_paths_in_filters_and_never_in_free_text() {
    let server = TestServer::plain().await;
    let add = json!([{ "op": "add", "path": "members", "value": [{ "value": "bulkId:ben" }] }]);
    let remove = json!([{ "op": "remove", "path": "members[value eq \"bulkId:ana\"]" }]);

    let answered = bulk(
        &server,
        &[
            new_user("ana"),
            new_user("ben"),
            new_group("staff", &["bulkId:ana"]),
            json!({ "method": "PATCH", "path": "/Groups/bulkId:staff", "data": patch(add), "bulkId": "mine" }),
            json!({ "method": "patch", "path": "Groups/bulkId:staff", "data": remove }),
            json!({ "method": "PUT", "path": "/Users/bulkId:ana", "data": user("bulkId:ben") }),
            new_user("eve"),
            json!({ "method": "DELETE", "path": "/Users/bulkId:eve" }),
        ],
    )
    .await;

    assert_eq!(statuses(&answered), ["201", "201", "201", "200", "200", "200", "201", "204"]);
    let staff = shown(&server, &answered[4]).await;
    assert_eq!(members_of(&staff), [id_of(&answered[1])]);
    assert_eq!(answered[4]["version"], staff["meta"]["version"]);
    assert_eq!((&answered[3]["bulkId"], answered[4].get("bulkId")), (&json!("mine"), None));
    assert_eq!(shown(&server, &answered[5]).await["userName"], "bulkId:ben");
    assert_eq!(answered[0]["location"], answered[5]["location"]);
    assert_eq!(answered[6]["location"], answered[7]["location"]);
    assert_eq!((answered[7]["method"].as_str(), answered[7].get("version")), (Some("DELETE"), None));
    server.get(&format!("/Users/{}", id_of(&answered[7]))).await.scim_error(404, None);
}

/// S-18.10
#[tokio::test(flavor = "multi_thread")]
async fn golden_23_groups_in_a_circle_are_made_whole_with_one_answer_each() {
    let server = TestServer::plain().await;

    let answered = bulk(
        &server,
        &[new_group("a", &["bulkId:b", "bulkId:u"]), new_group("b", &["bulkId:a", "bulkId:b"]), new_user("u")],
    )
    .await;

    assert_eq!(statuses(&answered), ["201", "201", "201"]);
    let (a, b) = (shown(&server, &answered[0]).await, shown(&server, &answered[1]).await);
    let [id_a, id_b, id_u] = [0, 1, 2].map(|n| id_of(&answered[n]));
    let sorted = |mut ids: [String; 2]| {
        ids.sort();
        ids
    };
    assert_eq!(members_of(&a), sorted([id_b.clone(), id_u]));
    assert_eq!(members_of(&b), sorted([id_a, id_b]));
    for (answered, group) in answered.iter().zip([a, b]) {
        assert_eq!(answered["version"], group["meta"]["version"], "the final version");
        assert_eq!((&answered["method"], answered.get("response")), (&json!("POST"), None));
    }
    let report = server.app.store.check().await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

/// S-18.10, S-18.8
#[tokio::test(flavor = "multi_thread")]
async fn managers_in_a_circle_manage_each_other_in_the_end() {
    let server = TestServer::plain().await;

    let answered =
        bulk(&server, &[managed("ana", "bulkId:ben"), managed("ben", "bulkId:eve"), managed("eve", "bulkId:ana")])
            .await;

    assert_eq!(statuses(&answered), ["201", "201", "201"]);
    for (n, manager) in [1, 2, 0].into_iter().enumerate() {
        let resource = shown(&server, &answered[n]).await;
        assert_eq!(resource[ENTERPRISE]["manager"]["value"], json!(id_of(&answered[manager])));
        assert_eq!(answered[n]["version"], resource["meta"]["version"]);
    }
}

/// S-18.6: without a bound all are tried; with one, the rest is neither done nor answered, and
/// what was done before stays.
#[tokio::test(flavor = "multi_thread")]
async fn golden_23_fail_on_errors_stops_after_so_many_errors() {
    let gone = json!({ "method": "DELETE", "path": format!("/Users/{NOBODY}") });
    let asked = [new_user("ana"), gone.clone(), new_user("ben"), gone, new_user("eve")];

    let server = TestServer::plain().await;
    assert_eq!(statuses(&bulk_until(&server, 1, &asked).await), ["201", "404"]);
    assert_eq!(server.count("/Users").await, 1);

    let server = TestServer::plain().await;
    assert_eq!(statuses(&bulk_until(&server, 2, &asked).await), ["201", "404", "201", "404"]);
    assert_eq!(server.count("/Users").await, 2);

    let server = TestServer::plain().await;
    assert_eq!(statuses(&bulk(&server, &asked).await), ["201", "404", "201", "404", "201"]);
    assert_eq!(server.count("/Users").await, 3);
}

/// S-18.13: the error names the limit, before anything is done.
#[tokio::test(flavor = "multi_thread")]
async fn golden_23_too_many_operations_or_bytes_are_413_and_name_the_limit() {
    let server = TestServer::start("[bulk]\noperations_max = 2\npayload_bytes_max = 1000\n").await;
    let three = envelope(&[new_user("a"), new_user("b"), new_user("c")]);
    assert!(three.to_string().len() < 1_000);

    let detail = server.post("/Bulk", three).await.scim_error(413, None);
    assert!(detail.contains("`maxOperations`") && detail.contains('2'), "{detail}");

    let large = envelope(&[new_user(&"a".repeat(1_000))]).to_string();
    let declared = server.request("POST", "/Bulk").header("content-type", SCIM_JSON).body(large.clone());
    // Too large is told before it is asked whether it is JSON.
    let garbage = server.request("POST", "/Bulk").header("content-type", SCIM_JSON).body("x".repeat(1_001));
    for request in [declared, garbage] {
        let detail = server.send(request).await.scim_error(413, None);
        assert!(detail.contains("`maxPayloadSize`") && detail.contains("1000 bytes"), "{detail}");
    }
    let undeclared = chunked(&server, &large).await;
    assert!(undeclared.starts_with("HTTP/1.1 413") && undeclared.contains("`maxPayloadSize`"), "{undeclared}");
    assert_eq!(server.count("/Users").await, 0);
    assert_eq!(statuses(&bulk(&server, &[new_user("a"), new_user("b")]).await), ["201", "201"]);
    let config = server.get("/ServiceProviderConfig").await.expect(200).body;
    assert_eq!(config["bulk"], json!({ "supported": true, "maxOperations": 2, "maxPayloadSize": 1000 }));
}

/// S-18.11: a reference to nothing, or to what failed, fails its operation, and that counts.
#[tokio::test(flavor = "multi_thread")]
async fn golden_23_a_reference_to_an_unknown_or_failed_post_is_an_invalid_value() {
    let server = TestServer::plain().await;
    server.user("taken").await;
    let asked = [
        new_group("lonely", &["bulkId:nobody"]),
        new_group("unlucky", &["bulkId:taken"]),
        new_user("taken"),
        json!({ "method": "DELETE", "path": "/Groups/bulkId:unlucky" }),
        json!({ "method": "PATCH", "path": "/Groups/bulkId:mine", "bulkId": "mine", "data": [] }),
    ];

    let answered = bulk(&server, &asked).await;

    assert!(error_of(&answered[0], "400", Some("invalidValue")).contains("`bulkId:nobody`"));
    assert!(error_of(&answered[1], "400", Some("invalidValue")).contains("`bulkId:taken`"));
    error_of(&answered[2], "409", Some("uniqueness"));
    assert!(error_of(&answered[3], "400", Some("invalidValue")).contains("`bulkId:unlucky`"));
    error_of(&answered[4], "400", Some("invalidValue"));
    assert_eq!(answered[0].get("location"), None, "a POST that failed is nowhere (S-18.4)");
    assert!(answered[3]["location"].as_str().is_some_and(|l| l.ends_with("/Groups/bulkId:unlucky")), "{answered:?}");
    assert_eq!(server.count("/Groups").await, 0);
    // The POST that is referred to comes first, and its error is the first.
    assert_eq!(statuses(&bulk_until(&server, 1, &asked[1..]).await), ["409"]);
    assert_eq!(statuses(&bulk_until(&server, 2, &asked).await), ["400", "409"]);
}

/// S-18.14, S-18.2, S-18.7, S-20.5, S-2.11: a bad operation fails alone, a bad envelope fails all.
#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_operation_fails_alone_and_a_malformed_envelope_fails_everything() {
    let server = TestServer::plain().await;

    let answered = bulk(
        &server,
        &[
            json!({ "method": "GET", "path": "/Users" }),
            json!({ "method": "POST", "path": "/Users", "data": user("nameless") }),
            json!({ "method": "DELETE", "path": "/Gadgets/1" }),
            json!({ "method": "POST", "path": "/Bulk", "bulkId": "more", "data": {} }),
            json!({ "method": "DELETE", "path": "/Users/not-an-id" }),
            json!(7),
            new_user("ana"),
        ],
    )
    .await;

    assert_eq!(statuses(&answered), ["400", "400", "404", "400", "404", "400", "201"]);
    error_of(&answered[0], "400", Some("invalidSyntax"));
    assert!(error_of(&answered[1], "400", Some("invalidSyntax")).contains("`bulkId`"));
    assert_eq!(answered[0]["method"], "GET");
    assert_eq!(server.count("/Users").await, 1);

    let twice = server.post("/Bulk", envelope(&[new_user("ben"), new_user("ben")])).await;
    twice.scim_error(400, Some("invalidValue"));
    let mut unknown = envelope(&[new_user("ben")]);
    unknown["schemas"] = json!(["urn:ietf:params:scim:api:messages:2.0:PatchOp"]);
    server.post("/Bulk", unknown).await.scim_error(400, Some("invalidSyntax"));
    server.post("/Bulk", envelope(&[])).await.scim_error(400, Some("invalidSyntax"));
    let mut never = envelope(&[new_user("ben")]);
    never["failOnErrors"] = json!(0);
    server.post("/Bulk", never).await.scim_error(400, Some("invalidValue"));
    let text = envelope(&[new_user("ben")]).to_string().replacen("\"path\"", "\"PATH\":\"/Groups\",\"path\"", 1);
    let doubled = server.request("POST", "/Bulk").header("content-type", SCIM_JSON).body(text);
    server.send(doubled).await.scim_error(400, Some("invalidSyntax"));
    let plain_text = server.request("POST", "/Bulk").header("content-type", "text/plain").body("{}");
    server.send(plain_text).await.scim_error(415, None);
    assert_eq!(server.count("/Users").await, 1);
}

/// S-18.12: a plugin's veto is that operation's own error, and leaves nothing of that operation.
#[tokio::test(flavor = "multi_thread")]
async fn a_veto_is_the_operations_own_error_and_leaves_nothing() {
    let rest = r#"
types = ["Group"]
config = { status = 409, scim_type = "mutability", detail = "no groups on Sundays", stage = "void" }
grant = { imports = ["config", "state", "outbox"], outbox = ["void"] }"#;
    let server = TestServer::start(&plugin(guests::REFUSE_ALL, rest)).await;

    let answer =
        server.post("/Bulk", envelope(&[new_user("ana"), new_group("staff", &["bulkId:ana"]), new_user("ben")]));
    let answer = answer.await;
    let request_id = answer.header("x-request-id").to_owned();
    let answered = operations(answer);

    assert_eq!(statuses(&answered), ["201", "409", "201"]);
    assert_eq!(error_of(&answered[1], "409", Some("mutability")), "no groups on Sundays");
    let diagnostics = &answered[1]["response"][DIAGNOSTICS];
    assert_eq!((&diagnostics["plugin"], &diagnostics["requestId"]), (&json!("refuse-all"), &json!(request_id)));
    assert_eq!(server.count("/Groups").await, 0);
    assert_eq!(server.journal().await.len(), 2);
    assert!(server.outbox().await.is_empty(), "what the refused call enqueued was kept");
}

/// S-18.10, S-18.11: a circle is whole or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_circle_that_cannot_be_completed_leaves_nothing() {
    let rest = r#"
config = { operations = ["patch"], detail = "groups stay as they are" }
grant = { imports = ["config", "state", "outbox"] }"#;
    let server = TestServer::start(&plugin(guests::REFUSE_ALL, rest)).await;
    let asked =
        [new_group("a", &["bulkId:b"]), new_group("b", &["bulkId:a"]), new_group("c", &["bulkId:a"]), new_user("u")];

    let answered = bulk(&server, &asked).await;

    assert_eq!(error_of(&answered[0], "403", None), "groups stay as they are");
    assert!(error_of(&answered[1], "400", Some("invalidValue")).contains("`bulkId:a`"));
    assert!(error_of(&answered[2], "400", Some("invalidValue")).contains("`bulkId:a`"));
    assert_eq!(statuses(&answered)[3], "201");
    assert!(answered[..3].iter().all(|operation| operation.get("location").is_none()), "{answered:?}");
    assert_eq!(server.count("/Groups").await, 0);
    assert_eq!(statuses(&bulk_until(&server, 1, &asked[..2]).await), ["403", "400"], "what was begun is ended");
    assert_eq!(server.count("/Groups").await, 0);
}

/// S-18.10, S-18.11: so is one of which a member cannot be made.
#[tokio::test(flavor = "multi_thread")]
async fn a_circle_with_a_member_that_cannot_be_made_leaves_nothing() {
    let server = TestServer::plain().await;
    server.user("eve").await;
    let asked = [managed("ana", "bulkId:ben"), managed("ben", "bulkId:eve"), managed("eve", "bulkId:ana")];

    let answered = bulk(&server, &asked).await;

    assert_eq!(statuses(&answered), ["400", "400", "409"]);
    error_of(&answered[2], "409", Some("uniqueness"));
    assert_eq!(server.count("/Users").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_be_neither_completed_nor_deleted_again_is_told_with_its_place() {
    let rest = r#"
config = { operations = ["patch", "delete"], detail = "groups stay as they are" }
grant = { imports = ["config", "state", "outbox"] }"#;
    let server = TestServer::start(&plugin(guests::REFUSE_ALL, rest)).await;

    let answered = bulk(&server, &[new_group("a", &["bulkId:a"])]).await;

    let detail = error_of(&answered[0], "403", None);
    assert!(detail.contains("could not be deleted again") && detail.contains("groups stay as they are"), "{detail}");
    assert_eq!(shown(&server, &answered[0]).await["displayName"], "a");
}

/// S-18.2
#[tokio::test(flavor = "multi_thread")]
async fn an_operations_version_is_its_own_precondition() {
    let server = TestServer::plain().await;
    let created = server.post("/Users", user("ana")).await.expect(201);
    let (path, etag) = (format!("/Users/{}", created.id()), created.header("etag").to_owned());
    let title = |title: &str, version: &str| {
        let data = json!([{ "op": "replace", "path": "title", "value": title }]);
        json!({ "method": "PATCH", "path": path, "version": version, "data": data })
    };

    let answered = bulk(
        &server,
        &[
            title("first", &etag),
            title("second", &etag),
            json!({ "method": "PUT", "path": path, "version": etag, "data": user("ben") }),
            json!({ "method": "DELETE", "path": path, "version": etag }),
            title("third", "W/\"2\""),
        ],
    )
    .await;

    assert_eq!(statuses(&answered), ["200", "412", "412", "412", "200"]);
    error_of(&answered[1], "412", None);
    assert_eq!(answered[3]["location"], created.body["meta"]["location"]);
    let ana = server.get(&path).await.expect(200).body;
    assert_eq!((&ana["title"], &ana["userName"]), (&json!("third"), &json!("ana")));
}

/// S-18.15
#[tokio::test(flavor = "multi_thread")]
async fn permission_is_asked_for_each_operation() {
    let server = TestServer::plain().await;
    let ana = server.user("ana").await;
    let client = provost_tests::server::client();
    let url = format!("http://{}/admin/tokens", server.app.admin_listens);
    let request = client.post(url).bearer_auth(&server.token).json(&json!({ "name": "r", "scopes": ["scim.read"] }));
    let reader = server.send(request).await.expect(201).body["token"].as_str().unwrap().to_owned();
    let path = format!("/Users/{ana}");
    let asked = envelope(&[
        new_user("ben"),
        json!({ "method": "PUT", "path": path, "data": user("eve") }),
        json!({ "method": "PATCH", "path": path, "data": [{ "op": "add", "path": "title", "value": "x" }] }),
        json!({ "method": "DELETE", "path": path }),
        new_group("a", &["bulkId:a"]),
    ]);
    let send = |token: Option<&str>| {
        let request = client.post(format!("{}/Bulk", server.app.base_url)).header("content-type", SCIM_JSON);
        let request = request.body(asked.to_string());
        server.send(token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth))
    };

    let answered = operations(send(Some(&reader)).await);

    assert_eq!(answered.len(), 5);
    for operation in &answered {
        assert!(error_of(operation, "403", None).contains("`scim.write`"), "{operation}");
    }
    send(None).await.scim_error(401, None);
    send(Some("provost_nonsense")).await.scim_error(401, None);
    assert_eq!((server.count("/Users").await, server.count("/Groups").await), (1, 0));
    assert_eq!(server.journal().await.len(), 1);
}

/// S-18.12: transforms, journal rows, and whoever observes.
#[tokio::test(flavor = "multi_thread")]
async fn every_operation_goes_through_the_hooks_and_into_the_journal() {
    let mut receiver = Receiver::start().await;
    let stamp = plugin(
        guests::STAMP,
        "types = [\"User\"]\nconfig = { set = { nickName = \"stamped\" } }\ngrant = { imports = [\"config\"], write = [\"nickName\"] }",
    );
    let server = TestServer::start(&format!("{stamp}{}", forward(&receiver.origin()))).await;
    let external = |name: &str, id: &str| {
        let mut body = user(name);
        body["externalId"] = json!(id);
        post("/Users", name, body)
    };

    let answer = server
        .post(
            "/Bulk",
            envelope(&[
                external("ana", "hr-1"),
                external("ben", "hr-2"),
                new_group("staff", &["bulkId:ana"]),
                json!({ "method": "DELETE", "path": "/Users/bulkId:ben" }),
            ]),
        )
        .await;
    let request_id = answer.header("x-request-id").to_owned();
    let answered = operations(answer);

    assert_eq!(statuses(&answered), ["201", "201", "201", "204"]);
    assert_eq!(shown(&server, &answered[0]).await["nickName"], "stamped");
    let journal = server.journal().await;
    let rows: Vec<_> =
        journal.iter().map(|row| (row["operation"].as_str().unwrap(), row["resourceId"].as_str().unwrap())).collect();
    let ids: Vec<String> = answered.iter().map(id_of).collect();
    assert_eq!(rows, [("create", &*ids[0]), ("create", &*ids[1]), ("create", &*ids[2]), ("delete", &*ids[3])]);
    assert!(journal.iter().all(|row| row["requestId"] == json!(request_id)), "one request has one id: {journal:?}");
    let mut arrived = Vec::new();
    for _ in 0..3 {
        let received = receiver.next().await;
        arrived.push(format!("{} {}", received.method, received.path));
    }
    arrived.sort();
    assert_eq!(arrived, ["DELETE /people/hr-2", "PUT /people/hr-1", "PUT /people/hr-2"]);
}

/// S-18.9: later operations stand on what earlier ones did, and each on its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_result_is_that_of_one_after_another() {
    let server = TestServer::plain().await;
    let old = server.user("ana").await;
    let title = |n: u32| json!({ "method": "PATCH", "path": "/Users/bulkId:ana", "data": [{ "op": "replace", "path": "title", "value": n.to_string() }] });

    let asked = [
        json!({ "method": "DELETE", "path": format!("/Users/{old}") }),
        new_user("ana"),
        post("/Users", "again", user("ANA")),
        title(1),
        title(2),
        title(2),
        title(3),
    ];
    let answered = bulk(&server, &asked).await;

    assert_eq!(statuses(&answered), ["204", "201", "409", "200", "200", "200", "200"]);
    let versions: Vec<&Value> = answered[3..].iter().map(|operation| &operation["version"]).collect();
    assert_eq!(versions, ["W/\"2\"", "W/\"3\"", "W/\"3\"", "W/\"4\""], "what changes nothing makes no version");
    assert_eq!(shown(&server, &answered[6]).await["title"], "3");
    assert_eq!(server.journal().await.len(), 6);
}

/// S-18.13, S-1.4: at the published limits.
#[tokio::test(flavor = "multi_thread")]
async fn as_many_operations_as_are_published_are_taken_and_outlive_the_server() {
    let server = TestServer::plain().await;
    let config = server.get("/ServiceProviderConfig").await.expect(200).body;
    assert_eq!(config["bulk"], json!({ "supported": true, "maxOperations": 1000, "maxPayloadSize": 4_194_304 }));
    let asked: Vec<Value> = (0..1_000).map(|n| post("/Users", &n.to_string(), person(&format!("user-{n}")))).collect();

    let answered = bulk(&server, &asked).await;

    assert_eq!(answered.len(), 1_000);
    assert!(answered.iter().all(|operation| operation["status"] == "201"));
    let server = server.restart(None).await;
    assert_eq!(server.count("/Users").await, 1_000);
    assert_eq!(server.get("/Users?filter=userName%20eq%20%22user-999%22").await.expect(200).body["totalResults"], 1);
    server.post("/Bulk", envelope(&vec![json!({}); 1_001])).await.scim_error(413, None);
}

/// S-1.7
#[tokio::test(flavor = "multi_thread")]
async fn bulk_can_be_switched_off_and_says_so() {
    let server = TestServer::start("[bulk]\noperations_max = 0\n").await;

    server.post("/Bulk", envelope(&[new_user("ana")])).await.scim_error(501, None);

    let config = server.get("/ServiceProviderConfig").await.expect(200).body;
    assert_eq!(config["bulk"]["supported"], json!(false));
    assert_eq!(server.count("/Users").await, 0);
    let answer = server.get("/Bulk").await;
    answer.scim_error(405, None);
    assert_eq!(answer.header("allow"), "POST");
}
