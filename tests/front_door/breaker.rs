//! Breakers: a plugin that keeps faulting is left alone for a while, says until when, and harms nobody else.

use jiff::Timestamp;
use provost::clock::Clock;
use provost_tests::guests::{self, plugin};
use provost_tests::server::{TestServer, user};
use serde_json::json;

fn clock() -> Clock {
    Clock::fixed(Timestamp::UNIX_EPOCH)
}

fn trapping(rest: &str) -> String {
    let breaker = "breaker = { faults = 2, window_seconds = 60, open_seconds = 30, openings = 3 }";
    plugin(guests::TRAPS_AT_ZERO, &format!("{rest}\n{breaker}\ngrant = {{ imports = [\"config\"] }}"))
}

/// Posts users that make the guest trap, until its breaker is open.
async fn open(server: &TestServer) {
    for name in ["x10", "x20"] {
        server.post("/Users", user(name)).await.scim_error(503, None);
    }
}

async fn breaker(server: &TestServer) -> serde_json::Value {
    server.plugins().await[0]["breakers"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_breaker_answers_at_once_with_when_to_come_back_and_closes_after_a_good_try() {
    let clock = clock();
    // Servers of one process share their metrics, so this plugin has a name of its own.
    let table = trapping("").replace("name = \"traps-at-zero\"", "name = \"mended\"");
    let server = TestServer::at(clock.clone(), &table).await;
    server.post("/Users", user("ana")).await.expect(201);
    open(&server).await;

    let refused = server.post("/Users", user("bea")).await;

    refused.scim_error(503, None);
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((25..=31).contains(&seconds), "{seconds}");
    assert_eq!(
        (&breaker(&server).await["state"], &breaker(&server).await["last_fault"]),
        (&json!("open"), &json!("trap"))
    );
    assert_eq!(server.count("/Users").await, 1);
    assert_eq!(server.plugins().await[0]["faults"]["trap"], 2, "the guest was not called again");

    clock.advance_ms(30_000);
    server.post("/Users", user("bea")).await.expect(201);

    assert!(breaker(&server).await.is_null());
    let metrics = server.metrics().await;
    assert!(metrics.contains("provost_plugin_breaker_state{plugin=\"mended\",hook=\"before-write\"} 0"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_faults_are_skipped_the_change_goes_on_past_an_open_breaker() {
    let server =
        TestServer::at(clock(), &trapping("on_fault = { before_write = \"skip\", access = \"refuse\" }")).await;

    for name in ["x10", "x20", "x30", "ana"] {
        server.post("/Users", user(name)).await.expect(201);
    }

    assert_eq!(breaker(&server).await["state"], "open");
    let faults = server.plugins().await[0]["faults"].clone();
    assert_eq!(faults, json!({ "trap": 2, "unavailable": 2 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_harms_no_other_plugin() {
    let stamp =
        "config = { set = { nickName = \"stamped\" } }\ngrant = { imports = [\"config\"], write = [\"nickName\"] }";
    let both = format!("{}{}", trapping("on_fault = \"skip\""), plugin(guests::STAMP, stamp));
    let server = TestServer::at(clock(), &both).await;

    for name in ["x10", "x20", "x30", "ana"] {
        assert_eq!(server.post("/Users", user(name)).await.expect(201).body["nickName"], "stamped");
    }

    assert_eq!(breaker(&server).await["state"], "open");
    assert_eq!(server.plugins().await[1]["faults"], json!({}));
    assert_eq!(server.plugins().await[1]["calls"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_openings_in_a_row_quarantine_until_an_operator_enables_it() {
    let clock = clock();
    let server = TestServer::at(clock.clone(), &trapping("")).await;
    open(&server).await;
    for name in ["x30", "x40"] {
        clock.advance_ms(30_000);
        server.post("/Users", user(name)).await.scim_error(503, None);
    }

    let status = server.plugins().await[0].clone();
    assert_eq!(status["state"], "quarantined");
    assert!(status["reason"].as_str().unwrap().contains("3 times in a row"), "{status}");
    assert_eq!(server.health().await.body["status"], "degraded");
    clock.advance_ms(3_600_000);
    server.post("/Users", user("ana")).await.scim_error(503, None);

    server.admin("POST", "/plugins/traps-at-zero/enable").await.expect(200);

    server.post("/Users", user("ana")).await.expect(201);
    assert_eq!(server.health().await.body["status"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_closes_a_breaker_by_hand() {
    let server = TestServer::at(clock(), &trapping("")).await;
    open(&server).await;
    server.post("/Users", user("ana")).await.scim_error(503, None);

    server.admin("POST", "/plugins/traps-at-zero/close-breaker").await.expect(200);

    server.post("/Users", user("ana")).await.expect(201);
    server.admin("POST", "/plugins/nobody/close-breaker").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_that_is_switched_off_never_opens() {
    let off = plugin(guests::TRAPS_AT_ZERO, "breaker = { faults = 0 }\ngrant = { imports = [\"config\"] }");
    let server = TestServer::at(clock(), &off).await;
    for n in 1..=12 {
        server.post("/Users", user(&format!("x{n}0"))).await.scim_error(503, None);
    }

    server.post("/Users", user("ana")).await.expect(201);
    assert_eq!(server.plugins().await[0]["faults"], json!({ "trap": 12 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_measured_by_plugin_hook_and_outcome() {
    let measured = format!(
        "[[plugin]]\nname = \"measured\"\nplugin = \"{}\"\nbreaker = {{ faults = 1 }}\ngrant = {{ imports = [\"config\"] }}\n",
        guests::TRAPS_AT_ZERO
    );
    let server = TestServer::at(clock(), &measured).await;
    server.post("/Users", user("ana")).await.expect(201);
    server.post("/Users", user("x10")).await.scim_error(503, None);
    server.post("/Users", user("bea")).await.scim_error(503, None);

    let metrics = server.metrics().await;

    for sample in [
        "provost_plugin_calls_total{plugin=\"measured\",hook=\"before-write\",outcome=\"proceed\"} 1",
        "provost_plugin_calls_total{plugin=\"measured\",hook=\"before-write\",outcome=\"trap\"} 1",
        "provost_plugin_calls_total{plugin=\"measured\",hook=\"before-write\",outcome=\"unavailable\"} 1",
        "provost_plugin_call_seconds_count{plugin=\"measured\",hook=\"before-write\"} 3",
        "provost_plugin_queue_seconds_count{plugin=\"measured\",hook=\"before-write\"} 2",
        "provost_plugin_memory_bytes_count{plugin=\"measured\",hook=\"before-write\"} 2",
        "provost_plugin_breaker_state{plugin=\"measured\",hook=\"before-write\"} 2",
    ] {
        assert!(metrics.contains(sample), "no `{sample}` in\n{metrics}");
    }
    assert!(!metrics.contains("ana") && !metrics.contains("x10"), "an attribute's value leaked");
}
