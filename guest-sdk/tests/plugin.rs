//! What plugin authors rely on, seen from a plugin.

use provost_sdk::prelude::*;
use provost_sdk::testing::Harness;
use provost_sdk::{Value, log};

const ID: &str = "01930000-0000-7000-8000-00000000000a";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Does what its configuration says, so that each test can say it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Probe {
    proceed: bool,
    patch: Option<Vec<(String, Value)>>,
    replace: Option<Value>,
    enqueue: bool,
    target: Target,
    wait: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Target {
    url: String,
    retries: Vec<u8>,
}

impl Plugin for Probe {
    const INFO: Info = provost_sdk::info!();

    fn check(&self) -> Vec<Finding> {
        if self.target.url.is_empty() { vec![Finding::new("target.url", "is empty")] } else { Vec::new() }
    }

    fn review(&self, change: &Change) -> Result<Verdict> {
        log::info("asked", &[("operation", &change.operation.as_str())]);
        state::put("asked", &change.request_id)?;
        if self.enqueue {
            outbox::enqueue("crm", &json!({ "id": change.resource_id }), outbox::Options::new().deduplicate("one"))?;
        }
        if let Some(operations) = &self.patch {
            let patch = operations.iter().fold(Patch::new(), |patch, (path, value)| patch.replace(path, value.clone()));
            return Ok(patch.into_verdict());
        }
        if let Some(document) = &self.replace {
            return Verdict::replace(document);
        }
        if self.wait {
            return Ok(Verdict::hold("two people must agree", 2));
        }
        if self.proceed { Ok(Verdict::proceed()) } else { Ok(Verdict::forbid("not today")) }
    }
}

fn probe(config: Value) -> Harness {
    Harness::new::<Probe>().config(config)
}

fn ana() -> Value {
    json!({ "userName": "ana" })
}

#[track_caller]
fn finds(config: Value, path: &str, message: &str) {
    let findings = probe(config).check_config();
    assert_eq!(findings, [Finding::new(path, message)]);
}

#[test]
fn what_is_wrong_with_a_configuration_is_told_by_its_path_and_without_its_value() {
    finds(json!({ "target": { "url": 7 } }), "target.url", "does not fit: expected a string");
    finds(json!({ "target": { "uri": "x" } }), "target.uri", "is not known; expected `url` or `retries`");
    finds(json!({ "proceed": "secret" }), "proceed", "does not fit: expected a boolean");
    finds(json!({ "target": { "retries": [1, 300] } }), "target.retries[1]", "does not fit: expected u8");
    finds(
        json!({ "wiat": true }),
        "wiat",
        "is not known; expected one of `proceed`, `patch`, `replace`, `enqueue`, `target`, `wait`",
    );
}

#[test]
fn a_configuration_of_the_right_shape_is_asked_whether_it_makes_sense() {
    finds(json!({}), "target.url", "is empty");
    assert!(probe(json!({ "target": { "url": "https://a.example" } })).check_config().is_empty());
}

#[test]
fn a_missing_key_is_told_by_its_own_path() {
    #[derive(Deserialize)]
    struct Outer {
        #[expect(dead_code, reason = "only its shape matters")]
        target: Inner,
    }
    #[derive(Deserialize)]
    struct Inner {
        #[expect(dead_code, reason = "only its shape matters")]
        url: String,
    }
    impl Plugin for Outer {
        const INFO: Info = provost_sdk::info!();
    }

    let findings = Harness::new::<Outer>().config(json!({ "target": {} })).check_config();

    assert_eq!(findings, [Finding::new("target.url", "is missing")]);
}

#[test]
fn a_call_with_a_broken_configuration_is_a_failure_that_names_the_key() {
    let outcome = probe(json!({ "proceed": 1 })).create("User", ana()).review();

    assert!(outcome.failure().message().contains("`proceed`"), "{:?}", outcome.failure());
    assert!(!outcome.failure().is_retryable());
}

#[test]
fn a_plugin_without_fields_needs_no_configuration() {
    #[derive(Deserialize)]
    struct Unit;
    impl Plugin for Unit {
        const INFO: Info = provost_sdk::info!();
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Empty {}
    impl Plugin for Empty {
        const INFO: Info = provost_sdk::info!();
    }

    assert!(Harness::new::<Unit>().check_config().is_empty());
    assert!(Harness::new::<Unit>().create("User", ana()).review().proceeds());
    assert!(Harness::new::<Empty>().create("User", ana()).review().proceeds());
    assert_eq!(Harness::new::<Empty>().config(json!({ "extra": 1 })).check_config()[0].path, "extra");
    assert_eq!(Harness::new::<Unit>().config(json!({ "extra": 1 })).check_config().len(), 1);
}

#[test]
fn every_method_lets_pass_by_default() {
    #[derive(Deserialize)]
    struct Quiet;
    impl Plugin for Quiet {
        const INFO: Info = provost_sdk::info!();
    }
    let mut quiet = Harness::new::<Quiet>();

    assert!(quiet.create("User", ana()).review().proceeds());
    assert!(quiet.create("User", ana()).observe().answer.is_ok());
}

#[test]
fn a_refusal_leaves_nothing_behind() {
    let mut probe = probe(json!({ "enqueue": true }));

    let outcome = probe.create("User", ana()).review();

    assert_eq!(outcome.refusal().detail, "not today");
    assert!(outcome.messages.is_empty() && probe.outbox().is_empty());
    assert_eq!(probe.state("asked"), None);
}

#[test]
fn a_change_that_goes_on_commits_what_was_staged() {
    let mut probe = probe(json!({ "enqueue": true, "proceed": true }));

    let outcome = probe.create("User", ana()).review();

    assert_eq!(outcome.messages[0].target, "crm");
    assert_eq!(probe.outbox().len(), 1);
    assert_eq!(probe.state("asked").as_deref(), Some("test-request"));
    assert_eq!(outcome.log[0].fields, [("operation".to_owned(), "create".to_owned())]);
}

#[test]
fn a_create_has_no_id_before_its_commit_and_its_message_has_one() {
    let mut probe = probe(json!({ "enqueue": true, "proceed": true }));

    let outcome = probe.create("User", ana()).review();

    assert_eq!(outcome.messages[0].json(), json!({ "id": null }));
    assert!(probe.deliver().answer.is_ok());
    assert!(probe.outbox().is_empty());
}

#[test]
fn a_patch_is_applied_like_a_clients() {
    let config = json!({ "patch": [["nickName", "A"], ["emails[type eq \"work\"].value", "ana@example.com"]] });
    let user = json!({ "userName": "ana", "emails": [{ "type": "work", "value": "old@example.com" }] });

    let outcome = probe(config).create("User", user).review();

    assert_eq!(outcome.document()["nickName"], "A");
    assert_eq!(outcome.document()["emails"][0]["value"], "ana@example.com");
}

#[test]
fn what_the_host_would_not_take_is_the_plugins_fault() {
    for (path, value) in
        [("noSuchAttribute", json!("x")), ("active", json!({})), ("id", json!("x")), ("userName", json!(7))]
    {
        let outcome = probe(json!({ "patch": [[path, value]] })).create("User", ana()).review();

        assert!(outcome.fault().is_some(), "{path}");
    }
}

#[test]
fn a_change_beyond_the_grant_is_the_plugins_fault() {
    let patch = |path: &str| probe(json!({ "patch": [[path, "x"]] })).may_write(["name", "title"]);

    assert_eq!(patch("nickName").create("User", ana()).review().fault(), Some("it may not change `nickName`"));
    assert_eq!(patch("name.givenName").create("User", ana()).review().fault(), None);
}

#[test]
fn a_whole_document_can_take_the_proposed_ones_place() {
    let outcome = probe(json!({ "replace": { "userName": "ana", "title": "Dr" } })).create("User", ana()).review();

    assert_eq!(outcome.document()["title"], "Dr");
}

#[test]
fn a_change_that_is_held_commits_nothing() {
    let mut probe = probe(json!({ "wait": true, "enqueue": true }));

    let outcome = probe.create("User", ana()).review();

    assert!(matches!(outcome.verdict(), Verdict::Hold(hold) if hold.approvals == 2));
    assert!(probe.outbox().is_empty());
}

#[test]
fn a_newer_message_takes_an_older_ones_place() {
    let mut probe = probe(json!({ "enqueue": true, "proceed": true }));

    probe.delete("User", json!({ "id": ID, "userName": "ana" })).review();
    probe.delete("User", json!({ "id": ID, "userName": "ana" })).review();

    assert_eq!(probe.outbox().len(), 1);
}

/// Refuses, and says what it saw.
#[derive(Deserialize)]
struct Witness;

impl Plugin for Witness {
    const INFO: Info = provost_sdk::info!();

    fn review(&self, change: &Change) -> Result<Verdict> {
        let members = |members: &[provost_sdk::Member]| members.iter().map(|m| m.id.clone()).collect::<Vec<_>>();
        Ok(Verdict::forbid(
            json!({
                "id": change.resource_id,
                "paths": change.changed_paths(),
                "name": change.changed("NAME"),
                "given": change.changed("name.givenName"),
                "title": change.changed("title"),
                "department": change.changed("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"),
                "extension": change.changed("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"),
                "operations": change.operations()?,
                "old": change.current::<User>()?.and_then(|user| user.user_name),
                "new": change.proposed::<User>()?.and_then(|user| user.user_name),
                "client": change.caller.client,
                "joins": change.membership().map(|m| members(&m.added)),
                "leaves": change.membership().map(|m| members(&m.removed)),
                "before": change.membership().map(|m| m.total_before),
            })
            .to_string(),
        ))
    }
}

fn saw(outcome: &provost_sdk::testing::Outcome) -> Value {
    provost_sdk::serde_json::from_str(&outcome.refusal().detail).expect("the witness speaks JSON")
}

#[test]
fn a_review_sees_old_and_new_the_paths_the_operations_and_the_caller() {
    let before = json!({ "id": ID, "userName": "ana", "name": { "givenName": "Ana" } });
    let operations = json!([
        { "op": "Replace", "path": "userName", "value": "anna" },
        { "op": "replace", "path": "name.givenName", "value": "Anna" },
        { "op": "add", "path": format!("{ENTERPRISE}:department"), "value": "Sales" },
    ]);

    let outcome = Harness::new::<Witness>().patch("User", before, operations).by("hr", &["scim.write"]).review();

    let saw = saw(&outcome);
    assert_eq!((&saw["id"], &saw["client"]), (&json!(ID), &json!("hr")));
    assert_eq!((&saw["old"], &saw["new"]), (&json!("ana"), &json!("anna")));
    assert_eq!((&saw["name"], &saw["given"], &saw["title"]), (&json!(true), &json!(true), &json!(false)));
    assert_eq!((&saw["department"], &saw["extension"]), (&json!(true), &json!(true)));
    assert_eq!(saw["operations"][0], json!({ "op": "replace", "path": "userName", "value": "anna" }));
}

#[test]
fn a_group_comes_without_members_and_with_how_they_change() {
    let [a, b] = [1, 2].map(|n| format!("01930000-0000-7000-8000-0000000000b{n}"));
    let before = json!({ "id": ID, "displayName": "Staff", "members": [{ "value": a }] });
    let operations = json!([
        { "op": "add", "path": "members", "value": [{ "value": b }] },
        { "op": "remove", "path": format!("members[value eq \"{a}\"]") },
    ]);

    let outcome = Harness::new::<Witness>().patch("Group", before, operations).review();

    let saw = saw(&outcome);
    assert_eq!((&saw["joins"], &saw["leaves"], &saw["before"]), (&json!([b]), &json!([a]), &json!(1)));
}

#[test]
#[should_panic(expected = "the server would refuse the new resource before any plugin is asked")]
fn a_test_with_a_resource_that_no_client_could_send_says_so() {
    Harness::new::<Witness>().create("User", json!({ "active": { "not": "a boolean" } }));
}

#[test]
#[should_panic(expected = "the test has no answer to GET https://a.example/")]
fn a_request_without_a_scripted_answer_says_so() {
    provost_sdk::testing::Host::new().run(|| http::Request::get("https://a.example/").send()).unwrap();
}
