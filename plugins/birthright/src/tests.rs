use provost_sdk::testing::Harness;
use provost_sdk::{RefusalStatus, Value, json};

use super::Birthright;

const ANA: &str = "01930000-0000-7000-8000-00000000000a";
const ENGINEERS: &str = "01930000-0000-7000-8000-0000000000e1";
const SALES: &str = "01930000-0000-7000-8000-0000000000e2";
const APPROVERS: &str = "01930000-0000-7000-8000-0000000000e3";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn birthright() -> Harness {
    let department = format!("{ENTERPRISE}:department");
    let harness = Harness::new::<Birthright>().config(json!({
        "rule": [
            { "when": { &department: ["Engineering", "Research"] }, "groups": ["engineers"] },
            { "when": { &department: ["Sales"], "userType": ["employee"] }, "groups": ["sales"] },
            { "when": { "title": ["Auditor"] }, "groups": ["engineers", "approvers"] },
        ],
        "separate": [{ "groups": ["engineers", "approvers"], "reason": "who builds does not approve" }],
    }));
    [(ENGINEERS, "engineers"), (SALES, "sales"), (APPROVERS, "approvers")]
        .into_iter()
        .fold(harness, |harness, (id, name)| harness.resource("Group", json!({ "id": id, "displayName": name })))
}

fn person(department: &str) -> Value {
    json!({ "id": ANA, "userName": "ana", "userType": "Employee", ENTERPRISE: { "department": department } })
}

fn moves(harness: &mut Harness, before: Value, after: Value) {
    harness.replace("User", before, after).observe().answer.unwrap();
}

#[test]
fn a_joiner_gets_what_the_rules_say_and_a_mover_loses_it_again() {
    let mut birthright = birthright();
    moves(&mut birthright, person("none"), person("engineering"));
    assert_eq!((birthright.members(ENGINEERS), birthright.members(SALES)), (vec![ANA], vec![]));

    moves(&mut birthright, person("Engineering"), person("Sales"));
    assert_eq!((birthright.members(ENGINEERS), birthright.members(SALES)), (vec![], vec![ANA]));

    moves(&mut birthright, person("Sales"), person("Legal"));
    assert_eq!((birthright.members(ENGINEERS), birthright.members(SALES)), (vec![], vec![]));
    assert_eq!(birthright.state(&format!("given:{ANA}")), None);
}

#[test]
fn all_paths_of_a_rule_have_to_fit() {
    let mut birthright = birthright();
    let mut contractor = person("Sales");
    contractor["userType"] = json!("contractor");
    moves(&mut birthright, person("none"), contractor);
    assert!(birthright.members(SALES).is_empty());
}

#[test]
fn what_somebody_gave_by_hand_stays() {
    let mut birthright = birthright().member(ENGINEERS, ANA);
    moves(&mut birthright, person("none"), person("Research"));
    moves(&mut birthright, person("Research"), person("none"));
    assert_eq!(birthright.members(ENGINEERS), [ANA]);
}

#[test]
fn the_same_change_told_twice_writes_once() {
    let mut birthright = birthright();
    let first = birthright.replace("User", person("none"), person("Research")).observe();
    let second = birthright.replace("User", person("none"), person("Research")).observe();
    assert_eq!((first.writes.len(), second.writes.len()), (1, 0));
}

#[test]
fn a_group_that_is_not_there_is_said_or_made() {
    let config = json!({ "rule": [{ "when": { "title": ["Pilot"] }, "groups": ["pilots"] }] });
    let pilot = json!({ "id": ANA, "userName": "ana", "title": "pilot" });
    let mut strict = Harness::new::<Birthright>().config(config.clone());
    let told = strict.replace("User", person("none"), pilot.clone()).observe();
    assert!(told.failure().is_retryable() && told.failure().message().contains("pilots"));

    let mut config = config;
    config["create_groups"] = json!(true);
    let mut generous = Harness::new::<Birthright>().config(config);
    generous.replace("User", person("none"), pilot).observe().answer.unwrap();
    let made = "01930000-0000-7000-8000-000000001000";
    assert_eq!(generous.stored("Group", made).unwrap()["displayName"], "pilots");
    assert_eq!(generous.members(made), [ANA]);
}

#[test]
fn a_combination_that_must_not_be_is_refused_on_every_way_to_it() {
    let auditor = json!({ "id": ANA, "userName": "ana", "title": "Auditor" });
    let by_right = birthright().create("User", auditor).review();
    assert_eq!(by_right.refusal().status, RefusalStatus::Forbidden);
    assert_eq!(by_right.refusal().detail, "who builds does not approve");

    let mut with_hand = birthright().member(APPROVERS, ANA);
    assert_eq!(
        with_hand.replace("User", person("none"), person("Research")).review().refusal().detail,
        by_right.refusal().detail
    );
    assert!(with_hand.replace("User", person("none"), person("Sales")).review().proceeds());

    let approvers = json!({ "id": APPROVERS, "displayName": "approvers" });
    let add = json!([{ "op": "add", "path": "members", "value": [{ "value": ANA }] }]);
    let mut by_hand = birthright().member(ENGINEERS, ANA);
    assert_eq!(
        by_hand.patch("Group", approvers.clone(), add.clone()).review().refusal().detail,
        by_right.refusal().detail
    );
    assert!(birthright().patch("Group", approvers, add).review().proceeds());
}

#[test]
fn a_mover_may_come_from_a_birthright_that_the_new_one_excludes() {
    let mut birthright = birthright();
    moves(&mut birthright, person("none"), person("Research"));
    let config_of_approver = json!({ "rule": [{ "when": { "title": ["Approver"] }, "groups": ["approvers"] }],
        "separate": [{ "groups": ["engineers", "approvers"], "reason": "no" }] });
    let mut birthright = birthright.config(config_of_approver);
    let approver = json!({ "id": ANA, "userName": "ana", "title": "Approver" });

    assert!(birthright.replace("User", person("Research"), approver.clone()).review().proceeds());
    moves(&mut birthright, person("Research"), approver);
    assert_eq!((birthright.members(ENGINEERS), birthright.members(APPROVERS)), (vec![], vec![ANA]));
}

#[test]
fn the_job_applies_the_rules_to_everybody() {
    let mut birthright = birthright().resource("User", person("Sales"));
    assert_eq!(birthright.run("reconcile").report, "the rules were applied to 1 people");
    assert_eq!(birthright.members(SALES), [ANA]);
    assert!(!birthright.run("other").failure().is_retryable());
}

#[test]
fn who_is_deleted_is_forgotten() {
    let mut birthright = birthright();
    moves(&mut birthright, person("none"), person("Sales"));
    birthright.delete("User", person("Sales")).observe().answer.unwrap();
    assert_eq!(birthright.state(&format!("given:{ANA}")), None);
}

#[test]
fn who_is_excepted_has_no_birthright_and_loses_what_was_given() {
    let config = json!({
        "rule": [{ "when": { "userType": ["employee"] }, "groups": ["sales"] }], "except": { "active": [false] },
    });
    let mut birthright = birthright().config(config);
    moves(&mut birthright, person("none"), person("none"));
    assert_eq!(birthright.members(SALES), [ANA]);
    let mut gone = person("none");
    gone["active"] = json!(false);
    moves(&mut birthright, person("none"), gone);
    assert!(birthright.members(SALES).is_empty());
}
