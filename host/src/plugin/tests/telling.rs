//! What happens after the commit: observations, deliveries, and requests sent for a plugin.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::guests::{Guest, RESULT, guest};
use super::*;
use crate::hook::{Cause, Committed, Message, Work};

fn message(work: Work) -> Message {
    Message {
        key: "k-1".into(),
        plugin: "p".into(),
        target: "mirror".into(),
        work,
        headers: vec![("x-own".into(), "1".into()), ("IDEMPOTENCY-key".into(), "forged".into())],
        cause: Cause {
            sequence: 5,
            request_id: "r-1".into(),
            actor: (*cx().actor).clone(),
            operation: Operation::Create,
            resource_type: "User".into(),
            id: Uuid::from_u128(7),
            version: 1,
            at_ms: 1_000,
            trail: [].into(),
        },
    }
}

fn committed() -> Committed {
    Committed {
        sequence: 5,
        operation: Operation::Create,
        resource_type: "User".into(),
        id: Uuid::from_u128(7),
        before: None,
        after: None,
        changed_paths: Vec::new(),
        membership: MembershipChange::default(),
    }
}

/// Traps unless the sequence, at its place among the arguments, is 5.
fn observer() -> Guest {
    let name = "provost:plugin/observe@0.1.0#observe";
    let told = "(if (i64.ne (i64.load offset=104 (local.get 0)) (i64.const 5)) (then unreachable))";
    guest()
        .exporting("observe")
        .function(&format!(r#"(func (export "{name}") (param i32) (result i32) {told} (i32.const {RESULT}))"#))
}

fn deliverer(body: &str) -> Guest {
    let name = "provost:plugin/deliver@0.1.0#deliver";
    guest().exporting("deliver").function(&format!(r#"(func (export "{name}") (param i32) (result i32) {body})"#))
}

fn deliver() -> Message {
    message(Work::Deliver { payload: "{}".into() })
}

/// Answers one request with this status, and tells what it was.
async fn peer(status: u16) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = vec![0; 4096];
        let read = stream.read(&mut text).await.unwrap();
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&text[..read]).into_owned()
    });
    (origin, serving)
}

async fn sender(origin: &str, enabled: bool) -> PluginHost {
    // Broken on purpose: what is committed is sent even while the component is quarantined.
    let rest = format!(
        "enabled = {enabled}\n[grant]\nimports = [\"outbox\"]\noutbox = [\"mirror\"]\nhttp = [{{ origin = \"{origin}\", methods = [\"PUT\"], private = true }}]"
    );
    host_of(b"broken", &rest).await
}

fn put(origin: &str) -> Message {
    message(Work::Request {
        method: "PUT".into(),
        url: format!("{origin}/Users/1"),
        body: b"{}".to_vec(),
        credential: None,
    })
}

#[tokio::test]
async fn an_observer_is_told_once_it_is_committed() {
    let host = host_of(&observer().build(), "").await;

    assert_eq!(host.set().observers(&new_user()), ["p".into()]);
    assert!(host.set().reviewers(&new_user()).is_empty());
    host.set().observe(&message(Work::Observe), &committed(), 1).await.unwrap();
    assert_eq!(status(&host).hooks, ["observe"]);
}

#[tokio::test]
async fn an_observation_for_a_plugin_that_observes_no_more_is_done() {
    let host = host_of(&guest().build(), "").await;

    assert_eq!(host.set().observe(&message(Work::Observe), &committed(), 1).await, Ok(()));
}

#[tokio::test]
async fn a_message_is_handed_to_the_plugin_that_enqueued_it() {
    let host = host_of(&deliverer(&format!("(i32.const {RESULT})")).build(), "").await;

    host.set().deliver(&deliver(), 3).await.unwrap();
    assert_eq!(status(&host).calls, 1);
}

#[tokio::test]
async fn a_delivery_has_a_deadline_of_its_own() {
    let spin = deliverer("(loop $again (br $again)) unreachable");
    let host = host_of(&spin.build(), "[limit]\ndelivery_ms = 20").await;

    let outcome = host.set().deliver(&deliver(), 1).await;
    assert!(matches!(&outcome, Err(Trouble::Fault(fault)) if fault.kind == FaultKind::Deadline), "{outcome:?}");
    assert_recorded(&host, FaultKind::Deadline);
}

#[tokio::test]
async fn an_open_breaker_fails_a_delivery_without_calling_and_leaves_it_to_be_tried_again() {
    let host = host_of(&deliverer("unreachable").build(), "breaker = { faults = 2 }").await;
    for _ in 0..2 {
        let outcome = host.set().deliver(&deliver(), 1).await;
        assert!(matches!(&outcome, Err(Trouble::Fault(fault)) if fault.kind == FaultKind::Trap), "{outcome:?}");
    }

    let outcome = host.set().deliver(&deliver(), 1).await;

    // A fault, and not an error that cannot be helped: the outbox tries again.
    assert!(matches!(&outcome, Err(Trouble::Fault(fault)) if fault.kind == FaultKind::Unavailable), "{outcome:?}");
    assert_eq!(status(&host).faults["trap"], 2);
    assert_eq!(status(&host).breakers[0].hook, crate::hook::HookGroup::Deliver);
}

#[tokio::test]
async fn a_message_that_nobody_delivers_any_more_is_not_tried_again() {
    let host = host_of(&guest().build(), "").await;

    let outcome = host.set().deliver(&deliver(), 1).await;
    assert!(matches!(outcome, Err(Trouble::Error { retryable: false, .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_message_of_a_plugin_that_is_gone_waits() {
    let host = Bench::new().host().await;

    let outcome = host.set().deliver(&deliver(), 1).await;
    assert!(matches!(&outcome, Err(Trouble::Fault(fault)) if fault.kind == FaultKind::Unavailable), "{outcome:?}");
}

#[tokio::test]
async fn an_enqueued_request_is_sent_with_the_hosts_own_idempotency_key() {
    let (origin, serving) = peer(204).await;
    let host = sender(&origin, true).await;

    host.set().send(&put(&origin), 1).await.unwrap();

    let seen = serving.await.unwrap();
    assert!(seen.starts_with("PUT /Users/1 HTTP/1.1\r\n") && seen.ends_with("{}"), "{seen}");
    assert!(seen.contains("idempotency-key: k-1\r\n") && seen.contains("x-own: 1\r\n"), "{seen}");
    assert!(!seen.contains("forged"), "{seen}");
}

#[tokio::test]
async fn an_answer_decides_whether_a_request_is_sent_again() {
    for (answer, again) in [
        (301, false),
        (400, false),
        (401, false),
        (404, false),
        (409, false),
        (408, true),
        (425, true),
        (429, true),
        (500, true),
        (503, true),
    ] {
        let (origin, serving) = peer(answer).await;
        let outcome = sender(&origin, true).await.set().send(&put(&origin), 1).await;
        assert!(
            matches!(&outcome, Err(Trouble::Error { retryable, message }) if *retryable == again && message.contains(&answer.to_string())),
            "{answer}: {outcome:?}"
        );
        serving.await.unwrap();
    }
}

#[tokio::test]
async fn a_receiver_that_is_down_is_tried_again_and_one_that_is_not_granted_never() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let origin = format!("http://{gone}");
    let host = sender(&origin, true).await;

    let down = host.set().send(&put(&origin), 1).await;
    assert!(matches!(down, Err(Trouble::Error { retryable: true, .. })), "{down:?}");
    let elsewhere = host.set().send(&put("http://127.0.0.1:1"), 1).await;
    assert!(matches!(elsewhere, Err(Trouble::Error { retryable: false, .. })), "{elsewhere:?}");
}

#[tokio::test]
async fn nothing_is_sent_for_a_plugin_that_is_switched_off() {
    let outcome = sender("http://127.0.0.1:1", false).await.set().send(&put("http://127.0.0.1:1"), 1).await;

    assert!(matches!(&outcome, Err(Trouble::Fault(fault)) if fault.kind == FaultKind::Unavailable), "{outcome:?}");
}
