//! Which changes concern a plugin: resource types, operations, and the paths that change.

use provost_tests::guests::{self, plugin};
use provost_tests::server::{TestServer, user};
use serde_json::json;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn set(path: &str, value: &str) -> serde_json::Value {
    json!([{ "op": "replace", "path": path, "value": value }])
}

/// Ana, with one attribute more.
fn with(attribute: &str) -> serde_json::Value {
    let mut body = user("ana");
    body[attribute] = json!("Head");
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_other_paths_does_not_concern_it() {
    let paths = format!("paths = [\"TITLE\", \"{ENTERPRISE}:department\", \"name.givenName\"]");
    let rule = plugin(
        guests::REFUSE_ALL,
        &format!(
            "{paths}\nconfig = {{ operations = [\"patch\", \"replace\", \"delete\"] }}\ngrant = {{ imports = [\"config\", \"state\", \"outbox\"] }}"
        ),
    );
    let server = TestServer::start(&rule).await;
    let path = format!("/Users/{}", server.user("ana").await);
    let calls = async || server.plugins().await[0]["calls"].as_u64().unwrap();
    let before = calls().await;

    server.patch(&path, set("displayName", "Ana")).await.expect(200);
    server.patch(&path, set("name.familyName", "Ruiz")).await.expect(200);
    server.put(&path, with("nickName")).await.expect(200);
    assert_eq!(calls().await, before, "it was not called");

    server.patch(&path, set("title", "Head")).await.scim_error(403, None);
    server.patch(&path, set("name.givenName", "Ana")).await.scim_error(403, None);
    server.patch(&path, set(&format!("{ENTERPRISE}:department"), "R")).await.scim_error(403, None);
    server.put(&path, with("title")).await.scim_error(403, None);
    server.delete(&path).await.scim_error(403, None);
    assert_eq!(calls().await, before + 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_before_it_changes_concerns_it() {
    let stamp = plugin(
        guests::STAMP,
        "config = { set = { title = \"Head\" } }\noperations = [\"patch\"]\ngrant = { imports = [\"config\"], write = [\"title\"] }",
    );
    let rule = plugin(
        guests::REFUSE_ALL,
        "paths = [\"title\"]\nconfig = { operations = [\"patch\"] }\ngrant = { imports = [\"config\", \"state\", \"outbox\"] }",
    );
    let server = TestServer::start(&format!("{stamp}{rule}")).await;
    let path = format!("/Users/{}", server.user("ana").await);

    server.patch(&path, set("displayName", "Ana")).await.scim_error(403, None);

    let other_way = TestServer::start(&format!("{rule}{stamp}")).await;
    let path = format!("/Users/{}", other_way.user("ana").await);
    other_way.patch(&path, set("displayName", "Ana")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn observers_hear_of_their_paths_only() {
    let observer =
        plugin(guests::COUNTS_OBSERVED, "paths = [\"title\"]\ngrant = { imports = [\"config\", \"state\", \"http\"] }");
    let server = TestServer::start(&observer).await;
    let path = format!("/Users/{}", server.user("ana").await);
    let mut ended = server.app.delivery.ended();
    let heard = async |ended: &mut tokio::sync::watch::Receiver<u64>, times: u64| {
        tokio::time::timeout(provost_tests::receiver::PATIENCE, ended.wait_for(|count| *count >= times))
            .await
            .unwrap()
            .unwrap();
        server.plugins().await[0]["calls"].as_u64().unwrap()
    };
    assert_eq!(heard(&mut ended, 1).await, 1, "creates always concern it");

    server.patch(&path, set("displayName", "Ana")).await.expect(200);
    server.patch(&path, set("title", "Head")).await.expect(200);

    assert_eq!(heard(&mut ended, 2).await, 2, "the title's change, and not the name's before it");
    assert!(server.outbox().await.is_empty());
}
