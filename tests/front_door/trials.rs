//! Trials and explanations: what would happen, and what happened, plugin by plugin.

use provost_tests::guests::{self, forward, plugin};
use provost_tests::receiver::Receiver;
use provost_tests::server::{Answer, SCIM_JSON, TestServer, user};
use serde_json::{Value, json};

const TRIAL: &str = "urn:provost:params:scim:api:messages:2.0:Trial";

fn stamp(title: &str) -> String {
    let rest = format!(
        "config = {{ set = {{ title = \"{title}\" }} }}\ngrant = {{ imports = [\"config\"], write = [\"title\"] }}"
    );
    plugin(guests::STAMP, &rest)
}

/// Tries a change out: the trial's answer.
async fn tried(server: &TestServer, method: &str, path: &str, body: Value) -> Value {
    let request = server.with_body(method, path, body).header("prefer", "dry-run");
    let answer = server.send(request).await.expect(200);
    assert_eq!(answer.header("preference-applied"), "dry-run");
    assert_eq!(answer.body["schemas"], json!([TRIAL]));
    assert!(answer.headers.get("location").is_none() && answer.headers.get("etag").is_none());
    answer.body
}

async fn journal_rows(server: &TestServer) -> usize {
    server.journal().await.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_is_tried_out_tells_all_and_leaves_nothing() {
    let receiver = Receiver::start().await;
    let tables = format!("{}{}", stamp("Pilot"), forward(&receiver.origin()));
    let server = TestServer::start(&tables).await;

    let trial = tried(&server, "POST", "/Users", user("ana")).await;

    assert_eq!(trial["status"], "201");
    assert_eq!((&trial["resource"]["userName"], &trial["resource"]["title"]), (&json!("ana"), &json!("Pilot")));
    assert_eq!(trial["resource"].get("id"), None, "what was never made has no name");
    let [stamped, sent] = &trial["plugins"].as_array().unwrap()[..] else { panic!("{trial}") };
    assert_eq!((&stamped["plugin"], &stamped["verdict"]), (&json!("stamp"), &json!("changed")));
    assert_eq!(stamped["changes"], json!([{ "path": "title", "after": "Pilot" }]));
    assert_eq!((&sent["plugin"], &sent["verdict"]), (&json!("crm"), &json!("proceed")));
    assert_eq!((&trial["messages"][0]["target"], &trial["messages"][0]["plugin"]), (&json!("crm"), &json!("crm")));
    assert_eq!(server.count("/Users").await, 0);
    assert_eq!((journal_rows(&server).await, server.outbox().await.len()), (0, 0));
    assert!(receiver.all().is_empty());
    server.post("/Users", user("ana")).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_and_deletes_that_are_tried_out_leave_everything_as_it_was() {
    let server = TestServer::plain().await;
    let id = server.user("ana").await;
    let path = format!("/Users/{id}");
    let before = server.get(&path).await.body;
    let rows = journal_rows(&server).await;

    let patch = provost_tests::server::patch(json!([{ "op": "add", "path": "title", "value": "Pilot" }]));
    let patched = tried(&server, "PATCH", &path, patch).await;
    assert_eq!((&patched["status"], &patched["resource"]["title"]), (&json!("200"), &json!("Pilot")));
    assert_eq!(patched["changedPaths"], json!(["title"]));
    let replaced = tried(&server, "PUT", &path, user("ben")).await;
    assert_eq!(replaced["resource"]["userName"], "ben");
    let deleted = tried(&server, "DELETE", &path, Value::Null).await;
    assert_eq!((&deleted["status"], deleted.get("resource")), (&json!("204"), None));

    assert_eq!(server.get(&path).await.body, before);
    assert_eq!(journal_rows(&server).await, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_tells_how_a_change_would_fail() {
    let server = TestServer::start(&plugin(
        guests::REFUSE_ALL,
        "types = [\"Group\"]\ngrant = { imports = [\"config\", \"state\", \"outbox\"] }",
    ))
    .await;
    server.user("ana").await;

    let taken = tried(&server, "POST", "/Users", user("ana")).await;
    assert_eq!((&taken["status"], &taken["error"]["scimType"]), (&json!("409"), &json!("uniqueness")));
    let group = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "staff" });
    let refused = tried(&server, "POST", "/Groups", group).await;
    assert_eq!((&refused["status"], &refused["plugins"][0]["verdict"]), (&json!("403"), &json!("refused")));
    assert!(refused.get("messages").is_none() && refused.get("changedPaths").is_none(), "{refused}");
    let missing = tried(&server, "DELETE", "/Users/01930000-0000-7000-8000-000000000001", Value::Null).await;
    assert_eq!(missing["status"], "404");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_groups_members_are_told_as_a_difference() {
    let server = TestServer::plain().await;
    let (ana, ben) = (server.user("ana").await, server.user("ben").await);
    let group = server.group("staff", &[&ana]).await;
    let operations = json!([
        { "op": "add", "path": "members", "value": [{ "value": ben }] },
        { "op": "remove", "path": format!("members[value eq \"{ana}\"]") },
    ]);

    let path = format!("/Groups/{group}");
    let trial = tried(&server, "PATCH", &path, provost_tests::server::patch(operations)).await;

    assert_eq!(trial["membership"]["added"][0]["value"], json!(ben));
    assert_eq!(trial["membership"]["removed"][0]["value"], json!(ana));
    assert_eq!(trial["resource"].get("members"), None);
    assert_eq!(server.get(&path).await.body["members"][0]["value"], json!(ana));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_try_is_refused_and_nothing_is_changed() {
    let server = TestServer::plain().await;
    for scopes in [&["scim.write"][..], &["scim.try"][..]] {
        let token = server.new_token(scopes).await;
        let request = provost_tests::server::client().post(format!("{}/Users", server.app.base_url));
        let request =
            request.header("content-type", SCIM_JSON).header("prefer", "dry-run").body(user("ana").to_string());
        let answer = server.send(request.bearer_auth(&token)).await;
        let told = answer.body["status"].as_str().unwrap_or_default();
        assert_eq!(told, "403", "{}", answer.body);
    }
    assert_eq!(server.count("/Users").await, 0);

    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{ "method": "POST", "path": "/Users", "bulkId": "1", "data": user("ana") }],
    });
    assert_eq!(tried(&server, "POST", "/Bulk", bulk).await["status"], "501");
    assert_eq!(server.count("/Users").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preference_that_is_not_for_a_change_is_ignored() {
    let server = TestServer::plain().await;
    server.user("ana").await;
    let request = server.request("GET", "/Users").header("prefer", "dry-run");
    assert_eq!(server.send(request).await.expect(200).body["totalResults"], 1);
    let search = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"] });
    let request = server.with_body("POST", "/Users/.search", search).header("prefer", "dry-run");
    assert_eq!(server.send(request).await.expect(200).body["totalResults"], 1);
}

fn request_id(answer: &Answer) -> String {
    answer.header("x-request-id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_request_can_be_explained_with_values_for_those_who_may_see_them() {
    let server = TestServer::start(&stamp("Pilot")).await;
    let id = request_id(&server.post("/Users", user("ana")).await.expect(201));

    let told = server.admin("GET", &format!("/requests/{id}")).await.expect(200).body;

    assert_eq!(
        (&told["status"], &told["method"], &told["route"]),
        (&json!(201), &json!("POST"), &json!("/scim/v2/Users"))
    );
    let step = &told["plugins"][0];
    assert_eq!(
        (&step["plugin"], &step["hook"], &step["verdict"]),
        (&json!("stamp"), &json!("before-write"), &json!("changed"))
    );
    assert_eq!(step["changes"], json!([{ "path": "title", "after": "Pilot" }]));
    assert!(step["micros"].as_u64() > Some(0) && step["memoryBytes"].as_u64() > Some(0), "{step}");
    assert_eq!(step["hostCalls"], 1);
    assert_eq!(server.admin("GET", "/requests").await.expect(200).body["requests"][0]["requestId"], json!(id));

    let blind = server.new_token(&["admin"]).await;
    let url = format!("http://{}/admin/requests/{id}", server.app.admin_listens);
    let told = server.send(provost_tests::server::client().get(url).bearer_auth(blind)).await.expect(200).body;
    assert_eq!(told["plugins"][0]["changes"], json!([{ "path": "title" }]));
    assert!(!told.to_string().contains("Pilot"));
    server.admin("GET", "/requests/nonsense").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_explained_and_a_request_without_plugins_is_not_kept() {
    let server =
        TestServer::start(&plugin(guests::PANICS, "types = [\"Group\"]\ngrant = { imports = [\"config\", \"log\"] }"))
            .await;
    let plain = request_id(&server.post("/Users", user("ana")).await.expect(201));
    server.admin("GET", &format!("/requests/{plain}")).await.expect(404);

    let group = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "staff" });
    let id = request_id(&server.post("/Groups", group).await.expect(503));
    let told = server.admin("GET", &format!("/requests/{id}")).await.expect(200).body;
    assert_eq!((&told["plugins"][0]["verdict"], &told["plugins"][0]["fault"]), (&json!("fault"), &json!("trap")));
}
