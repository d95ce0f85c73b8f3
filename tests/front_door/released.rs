//! Old guests: components that were built against a released interface are loaded and called as they are.

use provost::clock::Clock;
use provost_tests::guests::plugin;
use provost_tests::receiver::{PATIENCE, Receiver};
use provost_tests::server::{TestServer, user};
use serde_json::json;

/// The component of this hook group, under the group's name.
fn released(group: &str, rest: &str) -> String {
    plugin(&format!("{}/released/0.1.0/{group}.wasm", env!("CARGO_MANIFEST_DIR")), rest)
}

/// A server with this one plugin, which is ready and exports its group.
async fn server(group: &str, rest: &str) -> TestServer {
    let server = TestServer::start(&released(group, rest)).await;
    is_ready(&server, group).await;
    server
}

async fn is_ready(server: &TestServer, group: &str) {
    let plugin = &server.plugins().await[0];
    assert_eq!(plugin["state"], "ready", "{plugin}");
    assert!(plugin["hooks"].as_array().unwrap().contains(&json!(group)), "{plugin}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_before_write_transforms() {
    let rest = "config = { set = { nickName = \"old\" } }\ngrant = { imports = [\"config\"], write = [\"nickName\"] }";
    let server = server("before-write", rest).await;
    assert_eq!(server.post("/Users", user("ana")).await.expect(201).body["nickName"], "old");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_observe_is_told() {
    let mut receiver = Receiver::start().await;
    let origin = receiver.origin();
    let rest = format!(
        "config = {{ url = \"{origin}/seen\" }}\n[plugin.grant]\nimports = [\"config\", \"state\", \"http\"]\n\
         http = [{{ origin = \"{origin}\", methods = [\"POST\"], private = true }}]"
    );
    let server = server("observe", &rest).await;
    server.user("ana").await;
    assert_eq!(receiver.next().await.body["operation"], "create");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_deliver_is_handed_its_messages() {
    let rest = "config = { until_attempt = 1 }\ngrant = { imports = [\"config\", \"outbox\"], outbox = [\"void\"] }";
    let server = server("deliver", rest).await;
    let mut ended = server.app.delivery.ended();
    server.user("ana").await;
    let delivered = async {
        while *ended.borrow_and_update() < 2 {
            ended.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, delivered).await.expect("two attempts");
    assert!(server.outbox().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_access_narrows() {
    let rest = "grant = { imports = [\"config\"] }\n[plugin.config.clients.\"first administrator\"]\n\
                User = 'userName sw \"a\"'";
    let server = server("access", rest).await;
    server.user("ana").await;
    let outside = server.post("/Users", user("ben")).await;
    outside.scim_error(403, None);
    assert_eq!(server.count("/Users").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_shape_masks() {
    let rest = "config = { set = { title = \"***\" } }\ngrant = { imports = [\"config\"], write = [\"title\"] }";
    let server = server("shape", rest).await;
    let id = server.user("ana").await;
    assert_eq!(server.get(&format!("/Users/{id}")).await.expect(200).body["title"], "***");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_schedule_runs_its_job() {
    let mut receiver = Receiver::start().await;
    let (origin, clock) = (receiver.origin(), Clock::fixed("2026-03-02T08:00:00Z".parse().unwrap()));
    let rest = format!(
        "config = {{ url = \"{origin}/ran\" }}\n[[plugin.job]]\nname = \"tick\"\nevery = \"5m\"\n[plugin.grant]\n\
         imports = [\"config\", \"state\", \"http\"]\n\
         http = [{{ origin = \"{origin}\", methods = [\"POST\"], private = true }}]"
    );
    let server = TestServer::at(clock.clone(), &released("schedule", &rest)).await;
    is_ready(&server, "schedule").await;
    clock.advance_ms(300_000);
    assert_eq!(receiver.next().await.body["job"], "tick");
}
