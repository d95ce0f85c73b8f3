//! A store that moves from one engine to the other and back, by command, and is served from there.

use std::path::Path;
use std::process::Output;

use provost_tests::engine::engine;
use provost_tests::guests::{self, plugin};
use provost_tests::server::{TestServer, share_compiled_guests, user};
use provost_tests::{Receiver, binary};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

/// A counter in its plugin's state that shows, a forward that waits, and the engine that keeps them.
fn config(engine: &str, receiver: &Receiver) -> String {
    let counter = "types = [\"User\"]\noperations = [\"create\", \"patch\"]\nconfig = { path = \"title\" }\n\
        grant = { imports = [\"config\", \"state\"], write = [\"title\"] }";
    let (counter, forward) = (plugin(guests::STATE_COUNTER, counter), guests::forward(&receiver.origin()));
    // Nothing is parked, however long the receiver is away.
    format!("attempts_max = 1000000\n[store]\nengine = \"{engine}\"\n{counter}{forward}")
}

fn other() -> &'static str {
    if engine() == "sled" { "fjall" } else { "sled" }
}

async fn copy(from: &Path, to: &Path, rest: &[&str]) -> Output {
    let mut command = Command::new(binary::provost());
    command.current_dir(from).args(["store", "copy", "--from"]).arg(from).arg("--to").arg(to).args(rest);
    command.output().await.expect("the binary runs")
}

async fn check(data: &Path, engine: &str) -> Output {
    let mut command = Command::new(binary::provost());
    command.current_dir(data).env(binary::ENGINE_VARIABLE, engine).arg("--data").arg(data).arg("check");
    command.output().await.expect("the binary runs")
}

#[track_caller]
fn good(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[track_caller]
fn bad(output: Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// All that the server shows, at whatever address it is.
async fn shown(server: &TestServer) -> Value {
    let users = server.get("/Users").await.expect(200).body;
    let groups = server.get("/Groups").await.expect(200).body;
    let tokens = server.admin("GET", "/tokens").await.expect(200).body;
    // What is delivered meanwhile changes nothing but the attempts at what waits.
    let waiting = server.outbox().await.into_iter().map(|row| json!([row["key"], row["resourceId"], row["version"]]));
    let shown = json!({
        "users": users, "groups": groups, "tokens": tokens, "journal": server.journal().await,
        "outbox": waiting.collect::<Vec<_>>(),
    });
    serde_json::from_str(&shown.to_string().replace(&server.app.base_url, "BASE")).expect("it was JSON")
}

/// A new data directory's path, in a place of its own.
fn place() -> TempDir {
    TempDir::new().expect("a temporary directory")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_moves_to_the_other_engine_and_back_and_is_served_from_there() {
    let mut receiver = Receiver::start().await;
    receiver.go_down().await;
    let server = TestServer::start(&config(engine(), &receiver)).await;
    let ana = server.user("ana").await;
    let ben = server.user("ben").await;
    let team = server.group("team", &[&ana, &ben]).await;
    server
        .patch(&format!("/Users/{ana}"), json!([{ "op": "add", "path": "nickName", "value": "A" }]))
        .await
        .expect(200);
    server.delete(&format!("/Users/{ben}")).await.expect(204);
    let before = shown(&server).await;
    let data = server.stop().await;

    let there = place();
    let said = good(copy(data.path(), there.path(), &["--engine", other()]).await);
    for part in
        ["resources\t2 entries", "journal\t", "history\t", "outbox\t", "state\t1 entries", "verified", "0 findings"]
    {
        assert!(said.contains(part), "{part} is missing:\n{said}");
    }
    assert!(good(check(there.path(), other()).await).contains(" 0 findings"));
    assert!(bad(check(there.path(), engine()).await).contains("provost store copy"));

    share_compiled_guests(there.path());
    let server = TestServer::again(there, &config(other(), &receiver)).await;
    assert_eq!(shown(&server).await, before);
    let there = server.stop().await;

    // Back, to the engine that this one is not; and on from where it was.
    let back = place();
    good(copy(there.path(), back.path(), &[]).await);
    share_compiled_guests(back.path());
    let server = TestServer::again(back, &config(engine(), &receiver)).await;
    assert_eq!(shown(&server).await, before);
    assert_eq!(server.get(&format!("/Users/{ana}")).await.expect(200).body["groups"][0]["value"], team.as_str());
    let carol = server.post("/Users", user("carol")).await.expect(201);
    assert_eq!(carol.body["title"], "4", "the plugin counts on behind two creates and a patch");
    receiver.come_up().await;
    assert_eq!(receiver.next().await.method, "PUT", "what waited is delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_use_a_full_target_and_nothing_at_all_are_refused() {
    let server = TestServer::plain().await;
    server.user("ana").await;
    let place = place();
    let to = place.path().join("to");

    let said = bad(copy(server.data(), &to, &[]).await);
    assert!(said.contains("another process") && said.contains(&server.data().display().to_string()), "{said}");
    assert!(!to.exists());

    let data = server.stop().await;
    assert!(bad(copy(data.path(), data.path(), &[]).await).contains("is not empty"));
    assert!(bad(copy(data.path(), &to, &["--engine", "rocks"]).await).contains("sled, fjall"));
    assert!(bad(copy(place.path(), &to, &[]).await).contains("holds no store"));
    assert!(!to.exists());
    good(copy(data.path(), &to, &[]).await);
    assert!(bad(copy(data.path(), &to, &[]).await).contains("is not empty"));
}
