//! `/Me`: one's own resource, and how people register (story K).

use provost_tests::guests::{self, plugin};
use provost_tests::server::{TestServer, client, patch, user};
use provost_tests::{Answer, binary};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

const BY_TOKEN: &str = "[scim.me]\nbind = \"token\"\n";

/// The least that a hash may cost: these tests are not about costs.
const CHEAP: &str = "[scim.passwords]\nmemory_kib = 7168\niterations = 1\n";

/// Makes a token of these scopes, with whatever else it should have.
async fn token(server: &TestServer, scopes: &[&str], rest: Value) -> String {
    let mut new = json!({ "name": "test", "scopes": scopes });
    new.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    let url = format!("http://{}/admin/tokens", server.app.admin_listens);
    let made = server.send(client().post(url).bearer_auth(&server.token).json(&new)).await;
    made.expect(201).body["token"].as_str().unwrap().to_owned()
}

/// A request under somebody's token, or under none.
async fn send(server: &TestServer, token: Option<&str>, method: &str, path: &str, body: Value) -> Answer {
    let url = format!("{}{path}", server.app.base_url);
    let mut request = client().request(Method::from_bytes(method.as_bytes()).unwrap(), url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if !body.is_null() {
        request = request.header("content-type", "application/scim+json").body(body.to_string());
    }
    server.send(request).await
}

/// Ana, with an address, a role and a title, and a token of these scopes for her.
async fn ana(server: &TestServer, scopes: &[&str]) -> (String, String) {
    let mut body = user("ana");
    body["title"] = json!("Head");
    body["emails"] = json!([{ "value": "ana@example.org", "type": "work" }]);
    body["roles"] = json!([{ "value": "auditor" }]);
    let id = server.post("/Users", body).await.expect(201).id();
    let token = token(server, scopes, json!({ "for": id })).await;
    (id, token)
}

/// S-14.5, S-1.3
#[tokio::test(flavor = "multi_thread")]
async fn me_is_the_callers_own_resource_under_its_permanent_address() {
    let server = TestServer::start(BY_TOKEN).await;
    let (id, token) = ana(&server, &["scim.me", "scim.me.delete"]).await;
    let location = format!("{}/Users/{id}", server.app.base_url);
    let me = async |method: &str, body: Value| send(&server, Some(&token), method, "/Me", body).await;

    let shown = me("GET", Value::Null).await.expect(200);
    assert_eq!(shown.body, server.get(&format!("/Users/{id}")).await.body);
    for answer in [
        &shown,
        &me("PATCH", patch(json!([{ "op": "replace", "path": "displayName", "value": "Ana" }]))).await.expect(200),
        &me("PUT", me("GET", Value::Null).await.body).await.expect(200),
    ] {
        assert_eq!((answer.header("location"), &answer.body["meta"]["location"]), (&*location, &json!(location)));
        assert_eq!(
            (answer.body["id"].as_str(), &answer.body["meta"]["version"]),
            (Some(&*id), &json!(answer.header("etag")))
        );
    }
    assert_eq!(server.get(&format!("/Users/{id}")).await.body["displayName"], "Ana");

    // Projections and preconditions are those of the resource.
    let part = send(&server, Some(&token), "GET", "/Me?attributes=title", Value::Null).await.expect(200).body;
    assert_eq!((&part["title"], part.get("userName")), (&json!("Head"), None));
    let etag = me("GET", Value::Null).await.header("etag").to_owned();
    let url = format!("{}/Me", server.app.base_url);
    let request = client().get(&url).bearer_auth(&token).header("if-none-match", &etag);
    server.send(request).await.expect(304);
    let request = client().delete(&url).bearer_auth(&token).header("if-match", "W/\"99\"");
    server.send(request).await.scim_error(412, None);
    me("POST", user("x")).await.scim_error(403, None);

    me("DELETE", Value::Null).await.expect(204);
    server.get(&format!("/Users/{id}")).await.scim_error(404, None);
    me("GET", Value::Null).await.scim_error(404, None);
    me("PATCH", patch(json!([{ "op": "remove", "path": "title" }]))).await.scim_error(404, None);
}

/// S-14.5
#[tokio::test(flavor = "multi_thread")]
async fn without_a_binding_me_is_not_implemented() {
    let server = TestServer::plain().await;
    let token = token(&server, &["scim.me", "scim.me.delete", "scim.register"], json!({})).await;

    for (method, body) in [
        ("GET", Value::Null),
        ("POST", user("x")),
        ("PUT", user("x")),
        ("PATCH", patch(json!([{ "op": "remove", "path": "title" }]))),
        ("DELETE", Value::Null),
    ] {
        let detail = send(&server, Some(&token), method, "/Me", body).await.scim_error(501, None);
        assert!(detail.contains("scim.me."), "{method}: {detail}");
    }
    assert_eq!(server.count("/Users").await, 0);
}

/// S-14.6
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_says_who_its_bearer_is() {
    for (attribute, claim, other) in [
        ("userName", "ANA", "ben"),
        ("externalId", "hr-7", "HR-7"),
        ("emails.value", "Ana@example.org", "x@y"),
        ("id", "ID", "7"),
    ] {
        let config = format!("[scim.me]\nbind = \"claim\"\nclaim = \"sub\"\nattribute = \"{attribute}\"\n");
        let server = TestServer::start(&config).await;
        let mut body = user("ana");
        body["externalId"] = json!("hr-7");
        body["emails"] = json!([{ "value": "ana@example.org" }]);
        let id = server.post("/Users", body).await.expect(201).id();
        let as_claimed = async |claims: Value| {
            let token = token(&server, &["scim.me"], json!({ "claims": claims })).await;
            send(&server, Some(&token), "GET", "/Me", Value::Null).await
        };

        let claim = if claim == "ID" { id.as_str() } else { claim };
        assert_eq!(as_claimed(json!({ "sub": claim })).await.expect(200).id(), id, "{attribute}");
        as_claimed(json!({ "sub": other })).await.scim_error(404, None);
        as_claimed(json!({ "name": claim })).await.scim_error(404, None);
        as_claimed(json!({ "sub": "" })).await.scim_error(404, None);
        as_claimed(json!({ "sub": "x\" or userName pr or userName eq \"" })).await.scim_error(404, None);
        send(&server, Some(&server.token), "GET", "/Me", Value::Null).await.scim_error(404, None);
    }
}

/// S-14.6
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_fits_two_people_is_nobodys() {
    let server = TestServer::start("[scim.me]\nbind = \"claim\"\nattribute = \"externalId\"\n").await;
    let token = token(&server, &["scim.me"], json!({ "claims": { "sub": "7" } })).await;
    let mut ids = Vec::new();
    for name in ["ana", "ben"] {
        let mut body = user(name);
        body["externalId"] = json!("7");
        ids.push(server.post("/Users", body).await.expect(201).id());
    }
    let me = async || send(&server, Some(&token), "GET", "/Me", Value::Null).await;

    me().await.scim_error(404, None);
    server.delete(&format!("/Users/{}", ids[0])).await.expect(204);
    assert_eq!(me().await.expect(200).id(), ids[1]);
}

/// S-24.5
#[tokio::test(flavor = "multi_thread")]
async fn people_change_of_themselves_what_the_operator_lets_them() {
    let server = TestServer::start(&format!("{CHEAP}{BY_TOKEN}")).await;
    let (id, token) = ana(&server, &["scim.me"]).await;
    let other = server.user("ben").await;
    let change = async |operations: Value| send(&server, Some(&token), "PATCH", "/Me", patch(operations)).await;
    let before = server.get(&format!("/Users/{id}")).await.body;
    let journal = server.journal().await.len();
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    for (operation, path) in [
        (json!({ "op": "replace", "path": "active", "value": false }), "active"),
        (json!({ "op": "add", "path": "roles", "value": [{ "value": "admin" }] }), "roles"),
        (json!({ "op": "replace", "path": "roles[value eq \"auditor\"].value", "value": "admin" }), "roles.value"),
        (json!({ "op": "add", "path": "entitlements", "value": [{ "value": "all" }] }), "entitlements"),
        (json!({ "op": "replace", "path": "userName", "value": "boss" }), "userName"),
        (json!({ "op": "add", "value": { "EXTERNALID": "hr-1" } }), "externalId"),
        (json!({ "op": "replace", "path": "userType", "value": "Employee" }), "userType"),
        (json!({ "op": "add", "path": format!("{enterprise}:department"), "value": "Board" }), "department"),
        (json!({ "op": "add", "path": enterprise, "value": { "manager": { "value": "x" } } }), "manager"),
    ] {
        // What is allowed in the same request happens as little as the rest.
        let allowed = json!({ "op": "replace", "path": "title", "value": "Boss" });
        let detail = change(json!([allowed, operation])).await.scim_error(403, None);
        assert!(detail.contains(path), "{operation}: {detail}");
    }
    change(json!([{ "op": "add", "path": "groups", "value": [{ "value": other }] }]))
        .await
        .scim_error(400, Some("mutability"));
    let mut whole = before.clone();
    whole["userName"] = json!("boss");
    let replaced = send(&server, Some(&token), "PUT", "/Me", whole).await;
    assert!(replaced.scim_error(403, None).contains("userName"));
    for path in [format!("/Users/{other}"), format!("/Users/{id}"), "/Users".to_owned()] {
        send(&server, Some(&token), "GET", &path, Value::Null).await.scim_error(403, None);
    }
    assert_eq!(server.get(&format!("/Users/{id}")).await.body, before);
    assert_eq!(server.journal().await.len(), journal);

    change(json!([
        { "op": "replace", "path": "emails[type eq \"work\"].value", "value": "ana@example.com" },
        { "op": "add", "path": "name.givenName", "value": "Ana" },
        { "op": "add", "path": "password", "value": "correct horse" },
    ]))
    .await
    .expect(200);
    // To say what is so already is to change nothing.
    change(json!([{ "op": "replace", "path": "userName", "value": "ana" }])).await.expect(200);
    assert_eq!(server.journal().await.len(), journal + 1);

    // The operator may see it otherwise; and who may write everything may do so here.
    let config = "[scim.me]\nbind = \"token\"\nwritable = [\"USERNAME\"]\n";
    let server = server.restart(Some(config)).await;
    let change = async |token: &str, operations| send(&server, Some(token), "PATCH", "/Me", patch(operations)).await;
    change(&token, json!([{ "op": "replace", "path": "userName", "value": "boss" }])).await.expect(200);
    change(&token, json!([{ "op": "remove", "path": "title" }])).await.scim_error(403, None);
    let writer = self::token(&server, &["scim.write"], json!({ "for": id })).await;
    change(&writer, json!([{ "op": "remove", "path": "title" }])).await.expect(200);
}

/// S-14.6, S-24.9
#[tokio::test(flavor = "multi_thread")]
async fn deleting_oneself_is_a_right_of_its_own_and_a_deactivated_account_has_none() {
    let server = TestServer::start(BY_TOKEN).await;
    let (id, token) = ana(&server, &["scim.me"]).await;
    let me = async |method: &str| send(&server, Some(&token), method, "/Me", Value::Null).await;
    assert!(me("DELETE").await.scim_error(403, None).contains("scim.me.delete"));

    let path = format!("/Users/{id}");
    server.patch(&path, json!([{ "op": "replace", "path": "active", "value": false }])).await.expect(200);
    me("GET").await.scim_error(403, None);
    server.patch(&path, json!([{ "op": "replace", "path": "active", "value": true }])).await.expect(200);
    me("GET").await.expect(200);

    let deleter = self::token(&server, &["scim.me.delete"], json!({ "for": id })).await;
    send(&server, Some(&deleter), "GET", "/Me", Value::Null).await.scim_error(403, None);
    send(&server, Some(&deleter), "DELETE", "/Me", Value::Null).await.expect(204);
    server.get(&path).await.scim_error(404, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_sees_what_the_credential_says_of_its_bearer() {
    let echo = plugin(guests::ECHO_SEEN, "config = { operations = [\"patch\"] }\ngrant = { imports = [\"config\"] }");
    let server = TestServer::start(&format!("{BY_TOKEN}{echo}")).await;
    let id = server.user("ana").await;
    let token = token(&server, &["scim.me"], json!({ "for": id, "claims": { "sub": "ana", "level": "2" } })).await;

    let operations = patch(json!([{ "op": "replace", "path": "title", "value": "Head" }]));
    let answer = send(&server, Some(&token), "PATCH", "/Me", operations).await;

    let seen: Value = serde_json::from_str(&answer.scim_error(403, None)).unwrap();
    assert_eq!(seen["caller"]["scopes"], json!(["scim.me"]));
    assert_eq!(seen["caller"]["claims"], json!({ "sub": "ana", "level": "2" }));
    assert_eq!(seen["resourceId"], json!(id));
    // What is kept of the caller is who it was.
    assert!(!server.journal().await.iter().any(|entry| entry.to_string().contains("level")));
}

/// The policy of story K, and who may ask for its judgement.
fn registration(rest: &str) -> String {
    let policy = r#"config = { domain = "example.org", unique_emails = true, digit = true }
grant = { imports = ["config", "directory"], directory = ["User"], read_sensitive = ["password"] }"#;
    let policy = plugin(guests::REGISTRATION_POLICY, policy);
    format!("{CHEAP}[scim.me]\nbind = \"token\"\nregistration = {{ policy = \"registration-policy\"{rest} }}\n{policy}")
}

fn applicant(name: &str) -> Value {
    let mut body = user(name);
    body["emails"] = json!([{ "value": format!("{name}@example.org"), "primary": true }]);
    body["password"] = json!("correct h0rse");
    body
}

/// Story K; S-14.5, S-1.3
#[tokio::test(flavor = "multi_thread")]
async fn people_register_through_an_application_under_the_operators_policy() {
    let server = TestServer::start(&registration("")).await;
    let token = token(&server, &["scim.register"], json!({})).await;
    let register = async |body: Value| send(&server, Some(&token), "POST", "/Me", body).await;
    let but = |name: &str, attribute: &str, value: Value| {
        let mut body = applicant(name);
        body[attribute] = value;
        body
    };

    let created = register(applicant("ana")).await.expect(201);
    let location = format!("{}/Users/{}", server.app.base_url, created.id());
    assert_eq!((created.header("location"), &created.body["meta"]["location"]), (&*location, &json!(location)));
    assert_eq!((created.body.get("password"), created.body.get("active")), (None, None));
    assert_eq!(server.journal().await[0]["client"], "test");

    for (body, status, scim_type, said) in [
        (but("ben", "emails", json!([{ "value": "ben@example.com" }])), 400, Some("invalidValue"), "example.org"),
        (but("ben", "emails", json!([{ "value": "ANA@example.org" }])), 409, Some("uniqueness"), "e-mail"),
        (but("ben", "password", json!("no digits here")), 400, Some("invalidValue"), "needs a digit"),
        (but("ben", "password", Value::Null), 400, Some("invalidValue"), "`password` is missing"),
        (but("ben", "password", json!("sh0rt")), 400, Some("invalidValue"), "at least 8"),
        (but("ANA", "emails", json!([{ "value": "a@example.org" }])), 409, Some("uniqueness"), "userName"),
        (but("ben", "userName", Value::Null), 400, Some("invalidValue"), "userName"),
        (but("ben", "roles", json!([{ "value": "admin" }])), 403, None, "roles"),
        (but("ben", "active", json!(true)), 403, None, "active"),
        (but("ben", "externalId", json!("hr-1")), 403, None, "externalId"),
    ] {
        let detail = register(body.clone()).await.scim_error(status, scim_type);
        assert!(detail.contains(said), "{body}: {detail}");
    }
    assert_eq!(server.count("/Users").await, 1);
    assert_eq!(server.journal().await.len(), 1);

    // The application's token registers, and does nothing else.
    for (method, path) in [("GET", "/Me"), ("DELETE", "/Me"), ("GET", "/Users"), ("POST", "/Users"), ("PUT", "/Me")] {
        let body = if method == "GET" || method == "DELETE" { Value::Null } else { applicant("cleo") };
        send(&server, Some(&token), method, path, body).await.scim_error(403, None);
    }
    send(&server, None, "POST", "/Me", applicant("cleo")).await.scim_error(401, None);
    send(&server, Some(&server.token), "POST", "/Me", applicant("cleo")).await.scim_error(403, None);
    assert_eq!(server.count("/Users").await, 1);
}

/// S-6.12
#[tokio::test(flavor = "multi_thread")]
async fn who_registers_without_a_credential_waits_to_be_confirmed_and_comes_one_at_a_time() {
    let server = TestServer::start(&registration(", anonymous = true, per_minute = 1")).await;

    let created = send(&server, None, "POST", "/Me", applicant("ana")).await.expect(201);
    assert_eq!(created.body["active"], false);
    assert_eq!(server.get(&format!("/Users/{}", created.id())).await.body["active"], false);
    assert_eq!(server.journal().await[0]["subject"], "anonymous");

    let refused = send(&server, None, "POST", "/Me", applicant("ben")).await;
    refused.scim_error(429, None);
    assert!((1..=60).contains(&refused.header("retry-after").parse::<u32>().unwrap()), "{refused:?}");
    // A credential is counted by nobody, and a bad one is no better than before.
    let token = token(&server, &["scim.register"], json!({})).await;
    let registered = send(&server, Some(&token), "POST", "/Me", applicant("cleo")).await.expect(201);
    assert_eq!(registered.body.get("active"), None);
    send(&server, Some("provost_nonsense"), "POST", "/Me", applicant("dora")).await.scim_error(401, None);
    send(&server, None, "GET", "/Me", Value::Null).await.scim_error(401, None);
    send(&server, None, "POST", "/Users", applicant("dora")).await.scim_error(401, None);
    assert_eq!(server.count("/Users").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_registers_while_the_policy_cannot_judge() {
    let gone = "[[plugin]]\nname = \"rule\"\nplugin = \"no-such-file.wasm\"\n";
    let observer = plugin(guests::COUNTS_OBSERVED, "grant = { imports = [\"config\", \"state\", \"http\"] }");
    for (policy, table) in [("rule", gone.to_owned()), ("counts-observed", observer)] {
        let config = format!("[scim.me]\nregistration = {{ policy = \"{policy}\" }}\n{table}");
        let server = TestServer::start(&config).await;
        let token = token(&server, &["scim.register"], json!({})).await;

        let answer = send(&server, Some(&token), "POST", "/Me", applicant("ana")).await;

        let detail = answer.scim_error(503, None);
        assert!(detail.contains(policy) && !answer.header("retry-after").is_empty(), "{answer:?}");
        assert!(server.journal().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_of_me_that_makes_no_sense_is_told_by_its_key() {
    let data = tempfile::TempDir::new().unwrap();
    let rule = |rest: &str| format!("[[plugin]]\nname = \"rule\"\nplugin = \"builtin:domain-policy\"\n{rest}\n");
    let registration = "[scim.me]\nregistration = { policy = \"rule\" }\n";
    for (text, key, said) in [
        ("[scim.me]\nbind = \"claim\"\nattribute = \"title\"\n".to_owned(), "scim.me.attribute", "indexed"),
        ("[scim.me]\nbind = \"claim\"\nattribute = \"password\"\n".to_owned(), "scim.me.attribute", "indexed"),
        ("[scim.me]\nbind = \"claim\"\nclaim = \"\"\n".to_owned(), "scim.me.claim", "sub"),
        ("[scim.me]\nwritable = [\"shoeSize\"]\n".to_owned(), "scim.me.writable", "shoeSize"),
        (registration.to_owned(), "scim.me.registration.policy", "no plugin `rule`"),
        (format!("{registration}{}", rule("enabled = false")), "scim.me.registration.policy", "switched off"),
        (format!("{registration}{}", rule("on_fault = \"skip\"")), "scim.me.registration.policy", "on_fault"),
        (format!("{registration}{}", rule("types = [\"Group\"]")), "scim.me.registration.policy", "types"),
        (format!("{registration}{}", rule("operations = [\"patch\"]")), "scim.me.registration.policy", "operations"),
        (
            format!("[scim.me]\nregistration = {{ policy = \"rule\", per_minute = 0 }}\n{}", rule("")),
            "scim.me.registration.per_minute",
            "1 to",
        ),
        ("[scim.passwords]\nlength_min = 0\n".to_owned(), "scim.passwords.length_min", "1 to"),
        ("[scim.passwords]\nmemory_kib = 64\n".to_owned(), "scim.passwords.memory_kib", "7168 to"),
        (rule("grant = { read_sensitive = [\"pin\"] }"), "grant.read_sensitive", "password"),
    ] {
        std::fs::write(data.path().join("provost.toml"), &text).unwrap();
        let mut command = Command::new(binary::provost());
        let output = command.current_dir(data.path()).arg("check").output().await.unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains(key) && told.contains(said), "{text}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_for_one_person_and_with_claims_by_command() {
    let server = TestServer::start(BY_TOKEN).await;
    let id = server.user("ana").await;
    let provost = async |arguments: &[&str]| {
        let mut command = Command::new(binary::provost());
        command.current_dir(server.data()).arg("--data").arg(server.data()).args(arguments);
        let output = command.output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };

    let (made, token, _) = provost(&["token", "create", "ana's phone", "--for", &id, "--claim", "sub=ana"]).await;
    assert!(made);
    assert_eq!(send(&server, Some(token.trim()), "GET", "/Me", Value::Null).await.expect(200).id(), id);
    send(&server, Some(token.trim()), "GET", "/Users", Value::Null).await.scim_error(403, None);
    let (_, listed, _) = provost(&["token", "list"]).await;
    assert!(listed.contains(&format!("scim.me\tnever expires\tfor {id}\tclaims sub")), "{listed}");

    for (arguments, said) in [
        (["--for", "00000000-0000-0000-0000-000000000000"], "there is no User"),
        (["--claim", "sub"], "NAME=VALUE"),
        (["--scope", "scim.everything"], "scim.register"),
    ] {
        let (made, _, told) = provost(&[&["token", "create", "x"], &arguments[..]].concat()).await;
        assert!(!made && told.contains(said), "{arguments:?}: {told}");
    }
}
