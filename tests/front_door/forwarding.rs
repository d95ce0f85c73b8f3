//! Forwarding: committed with the change, delivered at least once, in order per resource.

use provost_tests::guests::{self, forward, plugin};
use provost_tests::receiver::Receiver;
use provost_tests::server::{TestServer, user};
use serde_json::{Value, json};

fn person(user_name: &str, external_id: &str) -> Value {
    let mut body = user(user_name);
    body["externalId"] = json!(external_id);
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_mirrored_by_external_id() {
    let mut receiver = Receiver::start().await;
    let server = TestServer::start(&forward(&receiver.origin())).await;

    let id = server.post("/Users", person("ana", "hr 1")).await.expect(201).id();
    let put = receiver.next().await;
    assert_eq!((put.method.as_str(), put.path.as_str()), ("PUT", "/people/hr%201"));
    assert_eq!(put.body["userName"], "ana");
    assert!(!put.key.is_empty());

    let path = format!("/Users/{id}");
    server.patch(&path, json!([{ "op": "add", "path": "title", "value": "Head" }])).await.expect(200);
    assert_eq!(receiver.next().await.body["title"], "Head");

    server.patch(&path, json!([{ "op": "replace", "path": "externalId", "value": "hr-2" }])).await.expect(200);
    let (old, new) = (receiver.next().await, receiver.next().await);
    assert_eq!((old.method.as_str(), old.path.as_str()), ("DELETE", "/people/hr%201"));
    assert_eq!((new.method.as_str(), new.path.as_str()), ("PUT", "/people/hr-2"));

    server.delete(&path).await.expect(204);
    let gone = receiver.next().await;
    assert_eq!((gone.method.as_str(), gone.path.as_str()), ("DELETE", "/people/hr-2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_while_the_receiver_was_down_arrives_in_order_when_it_is_back() {
    let mut receiver = Receiver::start().await;
    let server = TestServer::start(&forward(&receiver.origin())).await;
    receiver.go_down().await;

    let id = server.post("/Users", person("ana", "hr-1")).await.expect(201).id();
    for n in 1..=5 {
        let title = json!([{ "op": "replace", "path": "title", "value": format!("title {n}") }]);
        server.patch(&format!("/Users/{id}"), title).await.expect(200);
    }
    assert_eq!(server.outbox().await.len(), 6);
    receiver.come_up().await;

    let mut keys = Vec::new();
    for n in 0..=5 {
        let received = receiver.next().await;
        let expected = if n == 0 { Value::Null } else { json!(format!("title {n}")) };
        assert_eq!(received.body["title"], expected);
        keys.push(received.key);
    }
    keys.dedup();
    assert_eq!(keys.len(), 6, "each message has a key of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_survive_a_restart_under_the_same_key() {
    let mut receiver = Receiver::start().await;
    let server = TestServer::start(&forward(&receiver.origin())).await;
    receiver.go_down().await;
    server.post("/Users", person("ana", "hr-1")).await.expect(201);
    let key = server.outbox().await[0]["idempotencyKey"].clone();

    let server = server.restart(None).await;
    receiver.come_up().await;

    assert_eq!(json!(receiver.next().await.key), key);
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hopeless_message_is_parked_and_holds_its_resource_until_an_operator_speaks() {
    let mut receiver = Receiver::start().await;
    let server = TestServer::start(&forward(&receiver.origin())).await;
    receiver.answer(422);
    let id = server.post("/Users", person("ana", "hr-1")).await.expect(201).id();
    receiver.next().await;
    parked(&server, 1).await;
    server.patch(&format!("/Users/{id}"), json!([{ "op": "add", "path": "title", "value": "x" }])).await.expect(200);
    // Another person's message is not held.
    receiver.answer(200);
    server.post("/Users", person("ben", "hr-2")).await.expect(201);
    assert_eq!(receiver.next().await.path, "/people/hr-2");
    let rows = outbox_of(&server, 2).await;
    assert_eq!(rows.iter().map(|row| row["state"].as_str().unwrap()).collect::<Vec<_>>(), ["parked", "waiting"]);
    assert!(rows[0]["lastError"].as_str().unwrap().contains("422"), "{}", rows[0]);

    let key = rows[0]["key"].as_str().unwrap();
    server.admin("POST", &format!("/outbox/{key}/redrive")).await.expect(200);

    assert_eq!(receiver.next().await.body.get("title"), None);
    assert_eq!(receiver.next().await.body["title"], "x");
    server.admin("POST", "/outbox/1-999/redrive").await.expect(404);
    server.admin("POST", "/outbox/nonsense/redrive").await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_message_is_given_up_and_the_next_one_goes() {
    let mut receiver = Receiver::start().await;
    let server = TestServer::start(&forward(&receiver.origin())).await;
    receiver.answer(400);
    let id = server.post("/Users", person("ana", "hr-1")).await.expect(201).id();
    receiver.next().await;
    let rows = parked(&server, 1).await;
    receiver.answer(200);
    server.patch(&format!("/Users/{id}"), json!([{ "op": "add", "path": "title", "value": "x" }])).await.expect(200);

    server.admin("DELETE", &format!("/outbox/{}", rows[0]["key"].as_str().unwrap())).await.expect(200);

    assert_eq!(receiver.next().await.body["title"], "x");
}

/// Waits until so many messages are parked.
async fn parked(server: &TestServer, count: usize) -> Vec<Value> {
    rows(server, "/outbox?parked=true", count).await
}

/// Waits until so many messages are left, parked or not.
async fn outbox_of(server: &TestServer, count: usize) -> Vec<Value> {
    rows(server, "/outbox", count).await
}

/// Looks again after each delivery that ended, until there are so many rows.
async fn rows(server: &TestServer, path: &str, count: usize) -> Vec<Value> {
    let mut ended = server.app.delivery.ended();
    tokio::time::timeout(provost_tests::receiver::PATIENCE, async {
        loop {
            let rows = server.admin("GET", path).await.expect(200).body["messages"].clone();
            if rows.as_array().unwrap().len() == count {
                return rows.as_array().unwrap().clone();
            }
            ended.changed().await.unwrap();
        }
    })
    .await
    .expect("the outbox should have come to this")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_keeps_failing_is_parked_after_its_attempts() {
    let rest = "grant = { imports = [\"config\", \"outbox\"], outbox = [\"void\"] }";
    let table = format!("attempts_max = 3\n{}", plugin(guests::DELIVER_FAILS, rest));
    let server = TestServer::start(&table).await;

    server.post("/Users", user("ana")).await.expect(201);

    let rows = parked(&server, 1).await;
    assert_eq!((&rows[0]["attempts"], &rows[0]["state"]), (&json!(3), &json!("parked")));
    assert!(rows[0]["lastError"].as_str().unwrap().contains("the void does not answer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enqueued_request_is_sent_by_the_host_itself() {
    let mut receiver = Receiver::start().await;
    let origin = receiver.origin();
    let rest = format!(
        "config = {{ url = \"{origin}/hook\", times = 3 }}\n[plugin.grant]\nimports = [\"config\", \"outbox\"]\n\
         outbox = [\"hook\"]\nhttp = [{{ origin = \"{origin}\", methods = [\"POST\"], private = true }}]"
    );
    let server = TestServer::start(&plugin(guests::ENQUEUE_REQUEST, &rest)).await;

    let created = server.post("/Users", user("ana")).await.expect(201);

    let mut keys = Vec::new();
    for number in 1..=3 {
        let received = receiver.next().await;
        assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", "/hook"));
        assert_eq!(received.body["number"], number);
        assert_eq!(received.body["requestId"], created.header("x-request-id"));
        keys.push(received.key);
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enqueue_outside_the_grant_is_denied_and_nothing_is_stored() {
    let receiver = Receiver::start().await;
    let origin = receiver.origin();
    for grant in [
        // Another target, no origin, another method, a private address that was not granted as one.
        format!("outbox = [\"other\"]\nhttp = [{{ origin = \"{origin}\", methods = [\"POST\"], private = true }}]"),
        "outbox = [\"hook\"]".to_owned(),
        format!("outbox = [\"hook\"]\nhttp = [{{ origin = \"{origin}\", methods = [\"PUT\"], private = true }}]"),
    ] {
        let rest = format!(
            "config = {{ url = \"{origin}/hook\" }}\n[plugin.grant]\nimports = [\"config\", \"outbox\"]\n{grant}"
        );
        let server = TestServer::start(&plugin(guests::ENQUEUE_REQUEST, &rest)).await;

        let answer = server.post("/Users", user("ana")).await;

        assert!(matches!(answer.status, 500 | 503), "{grant}: {}", answer.body);
        assert!(server.outbox().await.is_empty());
        assert_eq!(server.count("/Users").await, 0);
    }
    assert!(receiver.all().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn observers_hear_of_every_commit_in_order_with_old_and_new() {
    let mut receiver = Receiver::start().await;
    let origin = receiver.origin();
    let rest = format!(
        "config = {{ url = \"{origin}/seen\" }}\n[plugin.grant]\nimports = [\"config\", \"state\", \"http\"]\n\
         http = [{{ origin = \"{origin}\", methods = [\"POST\"], private = true }}]"
    );
    let server = TestServer::start(&plugin(guests::COUNTS_OBSERVED, &rest)).await;

    let id = server.post("/Users", user("ana")).await.expect(201).id();
    server.patch(&format!("/Users/{id}"), json!([{ "op": "add", "path": "title", "value": "x" }])).await.expect(200);
    server.delete(&format!("/Users/{id}")).await.expect(204);

    let seen = [receiver.next().await.body, receiver.next().await.body, receiver.next().await.body];
    let facts: Vec<_> = seen.iter().map(|s| (s["operation"].as_str().unwrap(), s["count"].as_u64().unwrap())).collect();
    assert_eq!(facts, [("create", 1), ("patch", 2), ("delete", 3)]);
    assert_eq!((&seen[0]["before"], &seen[0]["after"]["userName"]), (&Value::Null, &json!("ana")));
    assert_eq!((&seen[1]["before"].get("title"), &seen[1]["after"]["title"]), (&None, &json!("x")));
    assert_eq!((&seen[2]["before"]["title"], &seen[2]["after"]), (&json!("x"), &Value::Null));
    let sequences: Vec<u64> = seen.iter().map(|s| s["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.is_sorted(), "{sequences:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_observer_changes_no_answer_and_is_told_again() {
    let mut receiver = Receiver::start().await;
    receiver.answer(503);
    let origin = receiver.origin();
    let rest = format!(
        "config = {{ url = \"{origin}/seen\" }}\n[plugin.grant]\nimports = [\"config\", \"state\", \"http\"]\n\
         http = [{{ origin = \"{origin}\", methods = [\"POST\"], private = true }}]"
    );
    let server = TestServer::start(&plugin(guests::COUNTS_OBSERVED, &rest)).await;

    server.post("/Users", user("ana")).await.expect(201);

    receiver.next().await;
    receiver.answer(200);
    let mut again = receiver.next().await;
    while again.status != 200 {
        again = receiver.next().await;
    }
    assert!(again.body["attempt"].as_u64().unwrap() >= 2, "{}", again.body);
}
