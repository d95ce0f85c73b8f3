//! What guests answer, and what the host makes of it.

use super::guests::{RESULT, answering, guest, patching, replacing, reviewer, slice};
use super::*;
use crate::hook::{Hold, OnFault, Refusal, RefusalStatus};
use crate::plugin::sight::Sight;

const ERR: u8 = 1;

#[tokio::test]
async fn a_plugin_describes_itself_and_is_asked() {
    let host = host_of(&reviewer("(i32.const 1024)").build(), "[grant]\nwrite = [\"displayName\"]").await;

    let reviewers = host.set().reviewers(&new_user());
    assert_eq!(reviewers.len(), 1);
    assert_eq!(reviewers[0].attribution.version, "9.8.7");
    assert_eq!(reviewers[0].on_fault, OnFault::Refuse);
    assert_eq!(&*reviewers[0].may_write, ["displayName"]);
    assert_eq!(review(&host).await, Ok((Verdict::Proceed, Effects::default())));

    let status = status(&host);
    assert_eq!((status.version.as_str(), status.summary.as_str()), ("9.8.7", "a guest by hand"));
    assert_eq!((status.hooks, status.state, status.calls), (vec!["before-write"], PluginState::Ready, 1));
}

#[tokio::test]
async fn a_patch_and_a_replacement_come_back_as_json() {
    let operations = r#"[{"op":"add","path":"title","value":"x"}]"#;
    let host = host_of(&patching(operations), "").await;
    let (verdict, _) = review(&host).await.unwrap();
    assert_eq!(verdict, Verdict::Patch(serde_json::from_str(operations).unwrap()));

    let host = host_of(&replacing(r#"{"userName":"b"}"#), "").await;
    let (verdict, _) = review(&host).await.unwrap();
    assert_eq!(verdict, Verdict::Replace(json!({ "userName": "b" })));
}

#[tokio::test]
async fn a_refusal_carries_the_plugins_own_words() {
    // ok(reject({ conflict, some(uniqueness), "taken" }))
    let mut result = vec![0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 3, 1, 1, 0];
    result.extend(slice(2048, 5));
    let host = host_of(&answering(&result, "taken"), "").await;

    let (verdict, _) = review(&host).await.unwrap();
    let refusal = Refusal {
        status: RefusalStatus::Conflict,
        scim_type: Some(provost_scim::ScimType::Uniqueness),
        detail: "taken".into(),
    };
    assert_eq!(verdict, Verdict::Reject(refusal));
    assert_eq!((status(&host).refusals, status(&host).errors), (1, 0));
}

#[tokio::test]
async fn a_hold_carries_its_approvals_and_its_end() {
    // ok(hold({ "wait", 2, some(60) }))
    let mut result = vec![0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0];
    result.extend(slice(2048, 4));
    result.extend([2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0]);
    let host = host_of(&answering(&result, "wait"), "").await;

    let (verdict, _) = review(&host).await.unwrap();
    assert_eq!(verdict, Verdict::Hold(Hold { reason: "wait".into(), approvals: 2, expires_s: Some(60) }));
}

#[tokio::test]
async fn a_plugins_error_is_neither_a_refusal_nor_a_fault() {
    // err({ "cannot tell", retryable })
    let mut result = vec![ERR, 0, 0, 0, 0, 0, 0, 0];
    result.extend(slice(2048, 11));
    result.push(1);
    let host = host_of(&answering(&result, "cannot tell"), "").await;

    let expected = Trouble::Error { message: "cannot tell".into(), retryable: true };
    assert_eq!(review(&host).await, Err(expected));
    let status = status(&host);
    assert_eq!((status.errors, status.refusals, status.faults.len()), (1, 0, 0));
}

#[test]
fn a_guest_gets_no_password() {
    let document =
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ana","meta":{"resourceType":"User"}}"#;
    let told = crate::plugin::encode::change(&new_user(), &Sight::default(), false);

    assert_eq!(told.proposed.as_deref(), Some(document));
    assert_eq!(told.changed_paths, ["userName", "password"]);
}

/// S-21.1
#[test]
fn a_guest_that_may_see_a_new_password_sees_it_and_never_the_stored_hash() {
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA";
    let mut change = new_user();
    change.proposed.as_mut().unwrap().attributes.insert("password".into(), json!(hash));

    let told = crate::plugin::encode::change(&change, &Sight::default(), true);
    assert!(told.proposed.as_ref().unwrap().contains(r#""password":"s3cret""#), "{told:?}");
    change.proposed.as_mut().unwrap().secret = None;
    let unchanged = crate::plugin::encode::change(&change, &Sight::default(), true);
    assert!(!format!("{told:?}{unchanged:?}").contains("argon2id"));
}

#[tokio::test]
async fn plugins_are_asked_in_the_operators_order_and_only_about_what_they_subscribed_to() {
    let proceed = reviewer(&format!("(i32.const {RESULT})")).build();
    let host = Bench::new()
        .with("zebra", &proceed, "")
        .with("groups", &proceed, "types = [\"Group\"]")
        .with("deletes", &proceed, "operations = [\"delete\"]")
        .with("off", &proceed, "enabled = false")
        .with("silent", &guest().build(), "")
        .with("broken", b"not a component", "on_fault = \"skip\"")
        .with("ape", &proceed, "types = [\"User\"]\noperations = [\"create\"]")
        .host()
        .await;

    let asked: Vec<String> =
        host.set().reviewers(&new_user()).iter().map(|r| r.attribution.plugin.to_string()).collect();
    assert_eq!(asked, ["zebra", "broken", "ape"]);
    let states: Vec<bool> = host.statuses().iter().map(|s| s.state == PluginState::Ready).collect();
    assert_eq!(states, [true, true, true, false, true, false, true]);
}

#[tokio::test]
async fn a_quarantined_plugin_is_asked_and_answers_that_it_is_unavailable() {
    let host = host_of(b"not a component", "").await;

    let fault = fault(&host).await;
    assert_eq!(fault.kind, FaultKind::Unavailable);
    assert!(fault.detail.contains("is not WebAssembly"), "{fault}");
    let status = status(&host);
    assert_eq!(status.faults["unavailable"], 1);
    assert!(status.recent.is_empty(), "what could not be called did nothing wrong: {:?}", status.recent);
}

#[tokio::test]
async fn a_blamed_plugin_has_the_fault_on_its_record() {
    let host = host_of(&reviewer("(i32.const 1024)").build(), "").await;
    let reviewers = host.set().reviewers(&new_user());

    host.set().blame(&reviewers[0], &Fault::new(FaultKind::Output, "touched `id`"));

    let status = status(&host);
    assert_eq!(status.faults["output"], 1);
    assert_eq!((status.recent[0].detail.as_str(), &status.recent[0].request_id), ("touched `id`", &None));
}
