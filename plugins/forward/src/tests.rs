use provost_sdk::testing::{Harness, Outcome};
use provost_sdk::{Value, http, json};

use super::Forward;

const ID: &str = "01930000-0000-7000-8000-00000000000a";

fn forward(more: Value) -> Harness {
    let mut config = json!({ "url": "https://crm.example/people/" });
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    Harness::new::<Forward>().config(config)
}

/// What was asked of the target: method, path behind the collection, body.
fn sent(outcome: &Outcome) -> (String, String, Value) {
    let [request] = &outcome.requests[..] else { panic!("{:?}", outcome.requests) };
    let path = request.url.strip_prefix("https://crm.example/people/").unwrap();
    let body = serde_json(&request.body);
    (request.method.clone(), path.to_owned(), body)
}

fn serde_json(body: &[u8]) -> Value {
    if body.is_empty() { Value::Null } else { provost_sdk::serde_json::from_slice(body).unwrap() }
}

#[test]
fn a_create_is_put_by_its_external_id() {
    let mut forward = forward(json!({})).answer(201, "");

    let outcome = forward.create("User", json!({ "userName": "ana", "externalId": "e 1/2" })).review();
    assert!(outcome.proceeds() && outcome.requests.is_empty());
    let delivered = forward.deliver();

    let (method, path, body) = sent(&delivered);
    assert_eq!((method.as_str(), path.as_str()), ("PUT", "e%201%2F2"));
    assert_eq!((&body["userName"], &body["meta"]), (&json!("ana"), &Value::Null));
    assert!(delivered.answer.is_ok() && forward.outbox().is_empty());
}

#[test]
fn without_an_external_id_the_record_is_called_by_the_id_that_the_commit_gave() {
    let mut forward = forward(json!({})).answer(201, "");

    forward.create("User", json!({ "userName": "ana" })).review();
    let (_, path, body) = sent(&forward.deliver());

    assert_eq!(body["id"], path);
}

#[test]
fn an_external_id_that_a_url_would_take_for_a_step_is_not_used() {
    for external_id in ["..", "."] {
        let mut forward = forward(json!({})).answer(200, "");
        let user = json!({ "id": ID, "userName": "ana", "externalId": external_id });

        forward.delete("User", user).review();

        assert_eq!(sent(&forward.deliver()).1, ID, "{external_id}");
    }
}

#[test]
fn a_delete_is_deleted_and_one_that_was_never_there_is_as_good() {
    let mut forward = forward(json!({})).answer(404, "");

    forward.delete("User", json!({ "id": ID, "userName": "ana", "externalId": "e1" })).review();
    let delivered = forward.deliver();

    assert_eq!(sent(&delivered), ("DELETE".to_owned(), "e1".to_owned(), Value::Null));
    assert!(delivered.answer.is_ok());
}

#[test]
fn a_new_external_id_leaves_no_old_record_behind() {
    let mut forward = forward(json!({})).answer(204, "").answer(201, "");
    let before = json!({ "id": ID, "userName": "ana", "externalId": "old" });
    let rename = json!([{ "op": "replace", "path": "externalId", "value": "new" }]);

    forward.patch("User", before, rename).review();

    let first = sent(&forward.deliver());
    let second = sent(&forward.deliver());
    assert_eq!((first.0.as_str(), first.1.as_str()), ("DELETE", "old"));
    assert_eq!((second.0.as_str(), second.1.as_str()), ("PUT", "new"));
    assert!(forward.outbox().is_empty());
}

#[test]
fn a_first_external_id_replaces_the_record_that_was_called_by_its_id() {
    let mut forward = forward(json!({})).answer(204, "").answer(201, "");
    let before = json!({ "id": ID, "userName": "ana" });

    forward.replace("User", before, json!({ "userName": "ana", "externalId": "e1" })).review();

    assert_eq!(sent(&forward.deliver()).1, ID);
    assert_eq!(sent(&forward.deliver()).1, "e1");
}

#[test]
fn by_id_the_external_id_does_not_matter() {
    let mut forward = forward(json!({ "id": "id" })).answer(200, "");
    let before = json!({ "id": ID, "userName": "ana", "externalId": "old" });
    let rename = json!([{ "op": "replace", "path": "externalId", "value": "new" }]);

    let outcome = forward.patch("User", before, rename).review();

    assert_eq!(outcome.messages.len(), 1);
    assert_eq!(sent(&forward.deliver()).1, ID);
}

#[test]
fn attributes_can_be_left_out() {
    let mut forward = forward(json!({ "leave_out": ["nickName", "emails.type"] })).answer(200, "");
    let user = json!({ "userName": "ana", "nickName": "A", "emails": [{ "value": "a@example.com", "type": "work" }] });

    let outcome = forward.create("User", user).review();
    let (_, _, body) = sent(&forward.deliver());

    assert_eq!((&body["nickName"], &body["emails"]), (&Value::Null, &json!([{ "value": "a@example.com" }])));
    assert!(!outcome.messages[0].payload.as_ref().unwrap().contains("nickName"), "it does not even wait in the outbox");
}

#[test]
fn the_target_goes_by_the_name_the_operator_chose() {
    let target = |more: Value| {
        let outcome = forward(more).create("User", json!({ "userName": "ana" })).review();
        outcome.messages[0].target.clone()
    };

    assert_eq!(target(json!({})), "forward");
    assert_eq!(target(json!({ "target": "crm" })), "crm");
}

#[test]
fn other_resource_types_are_not_forwarded() {
    let group = || json!({ "displayName": "Staff" });

    assert!(forward(json!({})).create("Group", group()).review().messages.is_empty());
    let both = json!({ "resource_types": ["User", "Group"] });
    assert_eq!(forward(both).create("Group", group()).review().messages.len(), 1);
}

#[test]
fn every_attempt_carries_the_same_idempotency_key() {
    let mut forward = forward(json!({})).answer(503, "").answer(200, "");
    forward.create("User", json!({ "userName": "ana" })).review();
    let key = forward.outbox()[0].key.clone();

    for _ in 0..2 {
        let outcome = forward.deliver();
        let request = &outcome.requests[0];
        assert!(request.headers.contains(&("idempotency-key".to_owned(), key.clone())), "{request:?}");
    }
}

#[track_caller]
fn check(status: u16, delivered: bool, retried: bool) {
    let mut forward = forward(json!({})).answer(status, "");
    forward.create("User", json!({ "userName": "ana" })).review();
    let outcome = forward.deliver();

    assert_eq!(outcome.answer.is_ok(), delivered, "{status}");
    if !delivered {
        assert_eq!(outcome.failure().is_retryable(), retried, "{status}");
        assert_eq!(forward.outbox().len(), 1, "{status}");
    }
}

#[test]
fn an_answer_is_taken_for_what_it_means() {
    for status in [200, 201, 202, 204] {
        check(status, true, false);
    }
    for status in [408, 425, 429, 500, 502, 503, 504] {
        check(status, false, true);
    }
    for status in [301, 304, 400, 401, 403, 404, 409, 410, 422] {
        check(status, false, false);
    }
}

#[test]
fn a_target_that_is_not_there_is_tried_again_and_one_that_is_not_granted_is_not() {
    for (error, retried) in [
        (http::Error::Timeout, true),
        (http::Error::Connect("refused".to_owned()), true),
        (http::Error::Denied("this origin".to_owned()), false),
    ] {
        let mut forward = forward(json!({})).fails(error);
        forward.create("User", json!({ "userName": "ana" })).review();

        assert_eq!(forward.deliver().failure().is_retryable(), retried);
    }
}

#[test]
fn a_configuration_that_makes_no_sense_is_found_by_its_key() {
    let find = |more: Value| forward(more).check_config().into_iter().map(|finding| finding.path).collect::<Vec<_>>();

    assert!(find(json!({})).is_empty());
    assert_eq!(find(json!({ "url": "crm.example" })), ["url"]);
    assert_eq!(find(json!({ "url": "https://crm.example/?a" })), ["url"]);
    assert_eq!(find(json!({ "id": "userName" })), ["id"]);
    assert_eq!(find(json!({ "uri": "" })), ["uri"]);
    assert_eq!(Harness::new::<Forward>().check_config()[0].path, "url");
}
