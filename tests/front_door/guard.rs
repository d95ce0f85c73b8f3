//! The guard against mass deletion and mass deactivation.

use jiff::Timestamp;
use provost::clock::Clock;
use provost_tests::guests::{self, plugin};
use provost_tests::server::{TestServer, client, user};
use serde_json::{Value, json};

fn clock() -> Clock {
    Clock::fixed("2026-01-01T12:00:00Z".parse::<Timestamp>().unwrap())
}

async fn users(server: &TestServer, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(server.user(&format!("user-{number}")).await);
    }
    ids
}

async fn lift(server: &TestServer, body: Value) -> provost_tests::Answer {
    let url = format!("http://{}/admin/guard/lift", server.app.admin_listens);
    server.send(client().post(url).bearer_auth(&server.token).json(&body)).await
}

fn deactivation() -> Value {
    json!([{ "op": "replace", "path": "active", "value": false }])
}

const THREE: &str = "[guard]\ndeletions = { most = 3, window_seconds = 600 }\n";

#[tokio::test(flavor = "multi_thread")]
async fn so_many_are_deleted_and_no_more_and_the_refusal_says_how_to_go_on() {
    let clock = clock();
    let server = TestServer::at(clock.clone(), THREE).await;
    let ids = users(&server, 8).await;
    let group = server.group("staff", &[&ids[0], &ids[7]]).await;

    for id in &ids[..3] {
        server.delete(&format!("/Users/{id}")).await.expect(204);
    }
    let (journal, before) = (server.journal().await.len(), server.get(&format!("/Users/{}", ids[7])).await.body);
    let detail = server.delete(&format!("/Users/{}", ids[7])).await.scim_error(403, None);
    for said in ["3 deletions of User", "600 seconds", "3 were made", "nothing was changed", "provost guard lift"] {
        assert!(detail.contains(said), "{said}: {detail}");
    }
    assert_eq!(server.journal().await.len(), journal);
    assert_eq!(server.get(&format!("/Users/{}", ids[7])).await.expect(200).body, before);
    // What is no deletion, and what is of another type, goes on.
    server.user("one-more").await;
    server.patch(&format!("/Users/{}", ids[7]), deactivation()).await.expect(200);
    server.delete(&format!("/Groups/{group}")).await.expect(204);
    // A missing one is missing, and uses up nothing.
    server.delete(&format!("/Users/{}", ids[0])).await.scim_error(404, None);

    clock.advance_ms(600_000);
    server.delete(&format!("/Users/{}", ids[7])).await.scim_error(403, None);
    clock.advance_ms(11_000);
    for id in &ids[3..6] {
        server.delete(&format!("/Users/{id}")).await.expect(204);
    }
    server.delete(&format!("/Users/{}", ids[6])).await.scim_error(403, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_do_not_slip_through() {
    let server = TestServer::at(clock(), THREE).await;
    let ids = users(&server, 12).await;
    let paths: Vec<String> = ids.iter().map(|id| format!("/Users/{id}")).collect();

    let answers = futures::future::join_all(paths.iter().map(|path| server.delete(path))).await;

    assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 3);
    assert_eq!(answers.iter().filter(|answer| answer.status == 403).count(), 9);
    assert_eq!(server.count("/Users").await, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_nothing() {
    let clock = clock();
    let config =
        "[guard]\ndeletions = { most = 3, window_seconds = 600 }\ndeactivations = { most = 2, window_seconds = 600 }\n";
    let server = TestServer::at(clock.clone(), config).await;
    let ids = users(&server, 9).await;
    for id in &ids[..2] {
        server.delete(&format!("/Users/{id}")).await.expect(204);
    }
    server.patch(&format!("/Users/{}", ids[2]), deactivation()).await.expect(200);
    // Making somebody active, or changing something else, is none.
    server
        .patch(&format!("/Users/{}", ids[2]), json!([{ "op": "replace", "path": "active", "value": true }]))
        .await
        .expect(200);
    server
        .patch(&format!("/Users/{}", ids[2]), json!([{ "op": "add", "path": "title", "value": "x" }]))
        .await
        .expect(200);
    let counted = server.admin("GET", "/guard").await.expect(200).body;

    let server = server.restart(None).await;

    assert_eq!(server.admin("GET", "/guard").await.expect(200).body, counted);
    server.delete(&format!("/Users/{}", ids[3])).await.expect(204);
    server.delete(&format!("/Users/{}", ids[4])).await.scim_error(403, None);
    server.patch(&format!("/Users/{}", ids[5]), deactivation()).await.expect(200);
    server.patch(&format!("/Users/{}", ids[6]), deactivation()).await.scim_error(403, None);
    // But what is past is past, also for a new start.
    clock.advance_ms(700_000);
    let server = server.restart(None).await;
    server.delete(&format!("/Users/{}", ids[4])).await.expect(204);
    assert_eq!(
        server.admin("GET", "/guard").await.body["guards"][0]["counts"],
        json!([{ "resourceType": "User", "count": 1 }])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_lifts_it_for_a_time_and_it_comes_back() {
    let clock = clock();
    let server = TestServer::at(clock.clone(), THREE).await;
    let ids = users(&server, 8).await;
    for id in &ids[..3] {
        server.delete(&format!("/Users/{id}")).await.expect(204);
    }
    server.delete(&format!("/Users/{}", ids[3])).await.scim_error(403, None);

    for senseless in [json!({ "minutes": 0 }), json!({ "minutes": 1_441 }), json!({}), json!({ "minutes": 5, "x": 1 })]
    {
        lift(&server, senseless).await.expect(400);
    }
    let status = lift(&server, json!({ "minutes": 5 })).await.expect(200).body;
    assert_eq!(status["liftedUntil"], "2026-01-01T12:05:00Z");
    for id in &ids[3..6] {
        server.delete(&format!("/Users/{id}")).await.expect(204);
    }
    let status = server.admin("GET", "/guard").await.expect(200).body;
    assert_eq!(status["guards"][0]["counts"], json!([{ "resourceType": "User", "count": 6 }]), "{status}");

    clock.advance_ms(300_000);
    server.delete(&format!("/Users/{}", ids[6])).await.scim_error(403, None);
    assert_eq!(server.admin("GET", "/guard").await.body["liftedUntil"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_operator_sees_and_lifts_it() {
    let server = TestServer::at(clock(), THREE).await;
    let token = server.new_token(&["scim.read", "scim.write"]).await;
    let url = |path: &str| format!("http://{}/admin/guard{path}", server.app.admin_listens);

    let body = json!({ "minutes": 5 });
    server.send(client().post(url("/lift")).bearer_auth(&token).json(&body)).await.expect(403);
    server.send(client().get(url("")).bearer_auth(&token)).await.expect(403);
    server.send(client().post(url("/lift")).json(&body)).await.expect(401);
    assert_eq!(server.admin("GET", "/guard").await.expect(200).body["liftedUntil"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_request_counts_each_of_its_operations() {
    let server = TestServer::at(clock(), THREE).await;
    let ids = users(&server, 6).await;
    let operations: Vec<Value> =
        ids.iter().map(|id| json!({ "method": "DELETE", "path": format!("/Users/{id}") })).collect();
    let bulk = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations });

    let answer = server.post("/Bulk", bulk).await.expect(200).body;

    let statuses: Vec<&str> =
        answer["Operations"].as_array().unwrap().iter().map(|done| done["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["204", "204", "204", "403", "403", "403"]);
    assert_eq!(server.count("/Users").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_is_of_what_there_was() {
    let server = TestServer::at(clock(), "[guard]\ndeletions = { share_percent = 20 }\n").await;
    let ids = users(&server, 10).await;
    // All ten are new, and nobody was there at the beginning: one may go, and the others only an hour later.
    server.delete(&format!("/Users/{}", ids[0])).await.expect(204);
    server.delete(&format!("/Users/{}", ids[1])).await.scim_error(403, None);

    let clock = clock();
    let server = TestServer::at(clock.clone(), "[guard]\ndeletions = { share_percent = 20 }\n").await;
    let ids = users(&server, 10).await;
    clock.advance_ms(4_000_000);
    for id in &ids[..2] {
        server.delete(&format!("/Users/{id}")).await.expect(204);
    }
    let detail = server.delete(&format!("/Users/{}", ids[2])).await.scim_error(403, None);
    assert!(detail.contains("20 percent") && detail.contains("3600 seconds"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deactivations_count_however_they_are_worded_and_whoever_makes_them() {
    let rest = r#"
types = ["User"]
config = { set = { active = false } }
operations = ["replace"]
grant = { imports = ["config"], write = ["active"] }"#;
    let config = "[guard]\ndeactivations = { most = 3 }\n".to_owned() + &plugin(guests::STAMP, rest);
    let server = TestServer::at(clock(), &config).await;
    let ids = users(&server, 6).await;
    let path = |place: usize| format!("/Users/{}", ids[place]);
    let mut inactive = user("user-0");
    inactive["active"] = json!(false);

    server.patch(&path(1), deactivation()).await.expect(200);
    server.patch(&path(2), json!([{ "op": "Replace", "value": { "active": "False" } }])).await.expect(200);
    // A plugin makes this one inactive.
    server.put(&path(0), user("user-0")).await.expect(200);
    for answer in [server.patch(&path(3), deactivation()).await, server.put(&path(3), user("user-3")).await] {
        assert!(answer.scim_error(403, None).contains("3 deactivations of User"), "{}", answer.body);
    }
    // Who is inactive already is not made so again; who is made so from the start was never active.
    server.put(&path(0), inactive).await.expect(200);
    let mut born = user("born");
    born["active"] = json!(false);
    server.post("/Users", born).await.expect(201);
    server.delete(&path(4)).await.expect(204);
    assert_eq!(server.get(&path(3)).await.body["active"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_refuses_uses_up_nothing() {
    let rest = "config = { operations = [\"delete\"] }\ngrant = { imports = [\"config\", \"state\", \"outbox\"] }";
    let server = TestServer::at(clock(), &(THREE.to_owned() + &plugin(guests::REFUSE_ALL, rest))).await;
    let ids = users(&server, 5).await;
    for id in &ids {
        assert_eq!(server.delete(&format!("/Users/{id}")).await.scim_error(403, None), "not today");
    }
    let server = server.restart(Some(THREE)).await;
    for id in &ids[..3] {
        server.delete(&format!("/Users/{id}")).await.expect(204);
    }
    server.delete(&format!("/Users/{}", ids[3])).await.scim_error(403, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_guard_there_is_none() {
    let server = TestServer::plain().await;
    for id in users(&server, 12).await {
        server.delete(&format!("/Users/{id}")).await.expect(204);
    }
    assert_eq!(server.admin("GET", "/guard").await.expect(200).body, json!({ "liftedUntil": null, "guards": [] }));
}
