//! A rule says no: in its own words, and nothing is left behind.

use jiff::Timestamp;
use provost::context::Realm;
use provost_tests::guests::{self, plugin};
use provost_tests::server::{TestServer, user};
use serde_json::{Value, json};

const DIAGNOSTICS: &str = "urn:provost:params:scim:api:messages:2.0:Diagnostics";

/// Everything that a refused change could have left.
async fn assert_nothing_is_left(server: &TestServer) {
    assert_eq!(server.count("/Users").await, 0);
    assert_eq!(server.count("/Groups").await, 0);
    assert!(server.journal().await.is_empty());
    assert!(server.outbox().await.is_empty());
    let state =
        server.app.store.state_scan(Realm::DEFAULT, &"refuse-all".into(), "", None, 10, Timestamp::UNIX_EPOCH).await;
    assert!(state.unwrap().is_empty(), "the refused call's state was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_veto_arrives_as_the_scim_error_that_the_plugin_worded() {
    let rest = r#"
config = { status = 409, scim_type = "uniqueness", detail = "names are taken on Sundays" }
grant = { imports = ["config", "state", "outbox"] }"#;
    let server = TestServer::start(&plugin(guests::REFUSE_ALL, rest)).await;

    let answer = server.post("/Users", user("ana")).await;

    assert_eq!(answer.scim_error(409, Some("uniqueness")), "names are taken on Sundays");
    let diagnostics = &answer.body[DIAGNOSTICS];
    assert_eq!(diagnostics["plugin"], "refuse-all");
    assert_eq!(diagnostics["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(diagnostics["requestId"], answer.header("x-request-id"));
    assert!(answer.body["schemas"].as_array().unwrap().contains(&json!(DIAGNOSTICS)));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_status_reaches_the_client_as_it_is() {
    for status in [400, 403, 404, 409] {
        let rest = format!(
            "config = {{ status = {status}, detail = \"no\" }}\ngrant = {{ imports = [\"config\", \"state\", \"outbox\"] }}"
        );
        let server = TestServer::start(&plugin(guests::REFUSE_ALL, &rest)).await;

        assert_eq!(server.post("/Users", user("ana")).await.scim_error(status, None), "no");
    }
}

/// S-6.11
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_create_leaves_nothing_behind() {
    let rest = r#"
config = { stage = "void" }
grant = { imports = ["config", "state", "outbox"], outbox = ["void"] }"#;
    let server = TestServer::start(&plugin(guests::REFUSE_ALL, rest)).await;

    server.post("/Users", user("ana")).await.scim_error(403, None);

    assert_nothing_is_left(&server).await;
    // The name is free: nothing of the refused change holds it.
    let server = server.restart(Some("")).await;
    server.user("ana").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_delete_leaves_every_membership_as_it_was() {
    let rest = r#"
config = { operations = ["delete"] }
grant = { imports = ["config", "state", "outbox"] }"#;
    let server = TestServer::start(&plugin(guests::REFUSE_ALL, rest)).await;
    let (ana, ben) = (server.user("ana").await, server.user("ben").await);
    let group = server.group("staff", &[&ana, &ben]).await;
    let before = server.get(&format!("/Groups/{group}")).await;
    let journal = server.journal().await.len();

    server.delete(&format!("/Users/{ana}")).await.scim_error(403, None);
    server.delete(&format!("/Groups/{group}")).await.scim_error(403, None);

    assert_eq!(server.get(&format!("/Groups/{group}")).await.body, before.body);
    let shown = server.get(&format!("/Users/{ana}")).await.expect(200);
    assert_eq!(shown.body["groups"][0]["value"], json!(group));
    assert_eq!(server.journal().await.len(), journal);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_patch_changes_neither_attributes_nor_members() {
    let rest = r#"
config = { operations = ["patch", "replace"] }
grant = { imports = ["config", "state", "outbox"] }"#;
    let server = TestServer::start(&plugin(guests::REFUSE_ALL, rest)).await;
    let (ana, ben) = (server.user("ana").await, server.user("ben").await);
    let group = server.group("staff", &[&ana]).await;
    let path = format!("/Groups/{group}");
    let before = server.get(&path).await;

    let operations = json!([
        { "op": "add", "path": "members", "value": [{ "value": ben }] },
        { "op": "replace", "path": "displayName", "value": "crew" },
    ]);
    server.patch(&path, operations).await.scim_error(403, None);

    let after = server.get(&path).await;
    assert_eq!((&after.body, after.header("etag")), (&before.body, before.header("etag")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_forbidden_with_its_reason_until_approvals_exist() {
    let rest = "config = { reason = \"the board must agree\" }\ngrant = { imports = [\"config\"] }";
    let server = TestServer::start(&plugin(guests::HOLDS, rest)).await;

    let answer = server.post("/Users", user("ana")).await;

    assert_eq!(answer.scim_error(403, None), "the board must agree");
    assert_eq!(answer.body[DIAGNOSTICS]["plugin"], "holds");
    assert_eq!(server.count("/Users").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_refusal_is_final() {
    let first = r#"
config = { detail = "first" }
grant = { imports = ["config", "state", "outbox"] }"#;
    let second = plugin(guests::ECHO_SEEN, "grant = { imports = [\"config\"] }");
    let server = TestServer::start(&format!("{}{second}", plugin(guests::REFUSE_ALL, first))).await;

    assert_eq!(server.post("/Users", user("ana")).await.scim_error(403, None), "first");

    let calls: Vec<Value> = server.plugins().await.into_iter().map(|p| p["calls"].clone()).collect();
    assert_eq!(calls, [json!(1), json!(0)]);
}

/// What `echo_seen` saw, from its refusal.
fn seen(answer: &provost_tests::Answer) -> Value {
    serde_json::from_str(&answer.scim_error(403, None)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_sees_old_and_new_the_operations_the_changed_paths_and_the_caller() {
    let rest = r#"
config = { operations = ["patch"], paths = ["title", "name.givenName"] }
grant = { imports = ["config"] }"#;
    let server = TestServer::start(&plugin(guests::ECHO_SEEN, rest)).await;
    let mut body = user("ana");
    body["title"] = json!("Engineer");
    let id = server.post("/Users", body).await.expect(201).id();

    let operations = json!([
        { "op": "Replace", "path": "TITLE", "value": "Head" },
        { "op": "add", "path": "name.givenName", "value": "Ana" },
    ]);
    let answer = server.patch(&format!("/Users/{id}"), operations).await;

    let seen = seen(&answer);
    assert_eq!(seen["operation"], "patch");
    assert_eq!(seen["resourceType"], "User");
    assert_eq!(seen["resourceId"], json!(id));
    assert_eq!(seen["requestId"], answer.header("x-request-id"));
    assert_eq!(seen["old"], json!({ "title": "Engineer", "name.givenName": null }));
    assert_eq!(seen["new"], json!({ "title": "Head", "name.givenName": "Ana" }));
    assert_eq!(seen["changedPaths"].clone().sorted(), json!(["name.givenName", "title"]));
    assert_eq!(seen["operations"][0], json!({ "op": "replace", "path": "title", "value": "Head" }));
    assert_eq!(seen["caller"]["subject"], "admin");
    assert_eq!(seen["caller"]["scopes"], json!(["scim.read", "scim.write", "admin", "scim.try", "admin.values"]));
    assert!(seen["remainingMs"].as_u64().is_some_and(|ms| ms > 0 && ms <= 500), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_sees_a_groups_membership_as_a_difference_and_never_the_list() {
    let rest = "config = { operations = [\"patch\"] }\ngrant = { imports = [\"config\"] }";
    let server = TestServer::start(&plugin(guests::ECHO_SEEN, rest)).await;
    let (ana, ben) = (server.user("ana").await, server.user("ben").await);
    let group = server.group("staff", &[&ana]).await;

    let operations = json!([
        { "op": "add", "path": "members", "value": [{ "value": ben }] },
        { "op": "remove", "path": format!("members[value eq \"{ana}\"]") },
    ]);
    let seen = seen(&server.patch(&format!("/Groups/{group}"), operations).await);

    let expected = json!({
        "added": [{ "id": ben, "type": "User" }], "removed": [{ "id": ana, "type": "User" }], "totalBefore": 1,
    });
    assert_eq!(seen["membership"], expected);
    assert_eq!(seen["changedPaths"], json!(["members"]));
    for names in ["oldNames", "newNames"] {
        assert!(!seen[names].as_array().unwrap().contains(&json!("members")), "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_never_sees_a_password() {
    let server = TestServer::start(&plugin(guests::ECHO_SEEN, "grant = { imports = [\"config\"] }")).await;
    let mut body = user("ana");
    body["password"] = json!("t0p-s3cret");

    let answer = server.post("/Users", body).await;

    let names = seen(&answer)["newNames"].clone();
    assert!(!names.as_array().unwrap().contains(&json!("password")), "{names}");
}

/// Changed paths have no promised order.
trait Sorted {
    fn sorted(self) -> Value;
}

impl Sorted for Value {
    fn sorted(self) -> Value {
        let mut list = self.as_array().unwrap().clone();
        list.sort_by_key(|v| v.as_str().unwrap().to_owned());
        Value::Array(list)
    }
}
