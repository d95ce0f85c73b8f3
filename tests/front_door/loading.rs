//! Components that cannot be used: each is refused at load with one clear sentence, and the server runs on.

use provost_tests::guests::{self, plugin};
use provost_tests::server::{TestServer, user};
use serde_json::Value;

/// Starts with this table and hands over why its plugin is quarantined. What it exports is known.
async fn quarantined(table: &str) -> String {
    quarantined_and(table, 200).await
}

/// The same, where nobody can tell what it exports: it may be a gatekeeper, so reads wait as well.
async fn unreadable(table: &str) -> String {
    quarantined_and(table, 503).await
}

async fn quarantined_and(table: &str, read: u16) -> String {
    let server = TestServer::start(table).await;
    let status = server.plugins().await[0].clone();
    let reason = status["reason"].as_str().unwrap_or_else(|| panic!("not quarantined: {status}"));

    let health = server.health().await.expect(200);
    assert_eq!(health.body["status"], "degraded");
    server.get("/Users").await.expect(read);
    // It guards writes with `refuse`, the default.
    server.post("/Users", user("ana")).await.scim_error(503, None);
    assert!(!reason.contains('\n'), "more than one sentence: {reason}");
    reason.to_owned()
}

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".wasm").tempfile().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    file
}

fn table(path: &str, rest: &str) -> String {
    format!("[[plugin]]\nname = \"broken\"\nplugin = \"{path}\"\n{rest}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_component_is_refused() {
    let garbage = file(b"this is not wasm");
    let core_module = file(b"\0asm\x01\0\0\0");
    let whole = std::fs::read(guests::STAMP).unwrap();
    let truncated = file(&whole[..whole.len() / 2]);

    let reasons = [
        unreadable(&table(garbage.path().to_str().unwrap(), "")).await,
        unreadable(&table(core_module.path().to_str().unwrap(), "")).await,
        unreadable(&table(truncated.path().to_str().unwrap(), "")).await,
        unreadable(&table("/nowhere/none.wasm", "")).await,
        unreadable(&table("builtin:nothing", "")).await,
    ];

    for (at, reason) in reasons.iter().enumerate() {
        assert!(reason.contains("broken"), "{reason}");
        assert!(!reasons[..at].contains(reason), "two different mistakes, one sentence: {reason}");
    }
    assert!(reasons[3].contains("/nowhere/none.wasm"), "{}", reasons[3]);
    assert!(reasons[4].contains("builtin:nothing") && reasons[4].contains("forward"), "{}", reasons[4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ungranted_import_is_named() {
    let reason = quarantined(&plugin(guests::STATE_COUNTER, "grant = { imports = [\"config\"] }")).await;

    assert!(reason.contains("`state`") && reason.contains("state-counter"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_wit_version_is_told_apart() {
    // The version stands in the component's import and export names.
    let mut bytes = std::fs::read(guests::STAMP).unwrap();
    replace_all(&mut bytes, b"@0.1.0", b"@0.9.0");
    let other = file(&bytes);

    let reason = unreadable(&table(other.path().to_str().unwrap(), "grant = { imports = [\"config\"] }")).await;

    assert!(reason.contains("0.9.0") && reason.contains("0.1"), "{reason}");
}

fn replace_all(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    // WASI's own versions are left alone: only names of this package change.
    let package = b"provost:plugin/";
    let mut at = 0;
    while at + from.len() <= bytes.len() {
        let behind_ours = bytes[at.saturating_sub(40)..at].windows(package.len()).any(|w| w == package);
        if &bytes[at..at + from.len()] == from && behind_ours {
            bytes[at..at + from.len()].copy_from_slice(to);
        }
        at += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_than_the_pinned_one_is_refused() {
    let pin = "0".repeat(64);
    let rest = format!("sha256 = \"{pin}\"\ngrant = {{ imports = [\"config\"] }}");

    let reason = unreadable(&plugin(guests::STAMP, &rest)).await;

    assert!(reason.contains("pinned") && reason.contains("sha256"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_the_plugin_does_not_understand_is_refused_with_its_key() {
    let rest = "config = { statsu = 403 }\ngrant = { imports = [\"config\", \"state\", \"outbox\"] }";

    let reason = quarantined(&plugin(guests::REFUSE_ALL, rest)).await;

    assert!(reason.contains("statsu"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_is_not_enabled_is_not_asked() {
    let rest = "enabled = false\ngrant = { imports = [\"config\", \"state\", \"outbox\"] }";
    let server = TestServer::start(&plugin(guests::REFUSE_ALL, rest)).await;

    server.post("/Users", user("ana")).await.expect(201);

    assert_eq!(server.health().await.body["status"], "ok");
    assert_eq!(server.plugins().await[0]["state"], Value::from("disabled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn compiled_components_are_kept_across_restarts() {
    let server = TestServer::start(&plugin(guests::STAMP, "grant = { imports = [\"config\"] }")).await;
    let compiled = || {
        let mut files = Vec::new();
        let mut waiting = vec![server.data().join("cache")];
        while let Some(path) = waiting.pop() {
            match std::fs::read_dir(&path) {
                Ok(entries) => waiting.extend(entries.map(|entry| entry.unwrap().path())),
                Err(_) => files.push(path),
            }
        }
        files.len()
    };

    assert!(compiled() > 0, "nothing was kept");
}
