use provost_sdk::testing::Harness;
use provost_sdk::{Decision, RefusalStatus, Value, json};

use super::Segment;

const ORGANIZATION: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:organization";

fn segment() -> Harness {
    let acme = format!("{ORGANIZATION} eq \"Acme\"");
    let globex = format!("{ORGANIZATION} eq \"Globex\"");
    Harness::new::<Segment>().config(json!({
        "everything": ["console"],
        "part": [
            { "callers": ["acme"], "sees": { "User": acme, "Group": "displayName sw \"acme-\"" },
              "sets": { "User": { ORGANIZATION: "Acme" } } },
            { "callers": ["globex", "auditor"], "sees": { "User": globex } },
            { "callers": ["auditor"], "sees": { "User": "userType eq \"service\" or active eq false" } },
        ],
    }))
}

fn decided(client: &str, resource_type: &str) -> Decision {
    segment().search(resource_type).by(client, &["scim.read"]).decide().unwrap()
}

#[test]
fn each_caller_sees_its_part_of_each_type() {
    assert_eq!(decided("acme", "User"), Decision::narrow(format!("({ORGANIZATION} eq \"Acme\")")));
    assert_eq!(decided("acme", "Group"), Decision::narrow("(displayName sw \"acme-\")"));
    assert_eq!(decided("console", "User"), Decision::allow());
}

#[test]
fn a_type_that_a_part_does_not_name_is_not_there() {
    assert_eq!(decided("globex", "Group"), Decision::narrow("not (id pr)"));
}

#[test]
fn several_parts_are_joined_by_or_each_in_its_own_parentheses() {
    let both = format!("({ORGANIZATION} eq \"Globex\") or (userType eq \"service\" or active eq false)");
    assert_eq!(decided("auditor", "User"), Decision::narrow(both));
}

#[test]
fn who_has_no_part_is_turned_away() {
    for client in ["stranger", "Acme", ""] {
        let Decision::Deny(refusal) = decided(client, "User") else { panic!("{client}") };
        assert_eq!(refusal.status, RefusalStatus::Forbidden);
    }
}

#[test]
fn callers_may_be_told_apart_by_subject_or_claim() {
    let part = json!([{ "callers": ["42"], "sees": { "User": "active eq true" } }]);
    let by = |callers_are: Value| {
        let config = json!({ "callers_are": callers_are, "part": part });
        let mut segment = Harness::new::<Segment>().config(config);
        let asked = segment.search("User").with(|cx| {
            cx.caller.subject = "42".to_owned();
            cx.caller.claims = json!({ "tenant": "42" });
        });
        asked.decide().unwrap()
    };
    assert_eq!(by(json!("subject")), Decision::narrow("(active eq true)"));
    assert_eq!(by(json!({ "claim": "tenant" })), Decision::narrow("(active eq true)"));
    assert!(matches!(by(json!({ "claim": "other" })), Decision::Deny(_)));
}

#[test]
fn a_newcomer_gets_what_its_part_sets_where_its_creator_says_nothing() {
    let enterprise = ORGANIZATION.trim_end_matches(":organization");
    let mut segment = segment();
    let created = segment.create("User", json!({ "userName": "ana" })).by("acme", &[]).review();
    assert_eq!(created.document()[enterprise]["organization"], "Acme");

    let said = json!({ "userName": "ben", enterprise: { "organization": "Globex" } });
    assert!(segment.create("User", said).by("acme", &[]).review().proceeds());
    assert!(segment.create("User", json!({ "userName": "eva" })).by("globex", &[]).review().proceeds());
    assert!(segment.create("User", json!({ "userName": "kim" })).by("auditor", &[]).review().proceeds());
}

#[test]
fn what_makes_no_sense_is_found() {
    let mut segment = Harness::new::<Segment>().config(json!({
        "everything": ["acme"],
        "part": [{ "callers": ["acme"], "sees": { "User": " " } }, { "callers": [], "sees": {} }],
    }));
    let found: Vec<String> = segment.check_config().into_iter().map(|finding| finding.path).collect();
    assert_eq!(found, ["part[0].sees.User", "part[1].callers", "everything"]);
}
