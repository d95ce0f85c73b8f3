use provost_sdk::testing::{Harness, Outcome};
use provost_sdk::{RefusalStatus, ScimType, Value, json};

use super::Registration;

fn sign_up(config: Value, person: Value) -> Outcome {
    let taken = json!({
        "id": "01930000-0000-7000-8000-00000000000a", "userName": "eva", "emails": [{ "value": "eva@example.com" }],
    });
    let mut registration = Harness::new::<Registration>().config(config).resource("User", taken);
    registration.create("User", person).by("sign-up", &["scim.register"]).review()
}

fn refused(config: Value, person: Value) -> (RefusalStatus, Option<ScimType>, String) {
    let outcome = sign_up(config, person);
    let refusal = outcome.refusal();
    (refusal.status, refusal.scim_type, refusal.detail.clone())
}

fn invalid(detail: &str) -> (RefusalStatus, Option<ScimType>, String) {
    (RefusalStatus::BadRequest, Some(ScimType::InvalidValue), detail.to_owned())
}

#[test]
fn only_the_domains_that_are_allowed_sign_up() {
    let config = json!({ "email_domains": ["example.com"] });
    let with = |emails: Value| json!({ "userName": "ana", "emails": emails });

    assert!(sign_up(config.clone(), with(json!([{ "value": "ana@EXAMPLE.com" }]))).proceeds());
    for emails in [
        json!([]),
        json!([{ "value": "ana@example.com.evil.test" }]),
        json!([{ "value": "@example.com" }]),
        json!([{ "value": "ana@example.com" }, { "value": "ana@elsewhere.test" }]),
    ] {
        let expected = invalid("`emails` must hold addresses of these domains only: example.com");
        assert_eq!(refused(config.clone(), with(emails.clone())), expected, "{emails}");
    }
}

#[test]
fn a_value_that_somebody_has_is_a_conflict_that_does_not_repeat_it() {
    let config = json!({ "unique": ["emails.value"] });
    let person = |email: &str| json!({ "userName": "ana", "emails": [{ "value": email }] });

    let (status, scim_type, detail) = refused(config.clone(), person("eva@example.com"));
    assert_eq!((status, scim_type), (RefusalStatus::Conflict, Some(ScimType::Uniqueness)));
    assert!(detail.contains("emails.value") && !detail.contains("eva"), "{detail}");
    assert!(sign_up(config, person("ana@example.com")).proceeds());
}

#[test]
fn what_is_required_must_be_there_and_reserved_names_are_nobodys() {
    let config = json!({ "required": ["name.givenName", "emails"] });
    assert_eq!(refused(config, json!({ "userName": "ana" })), invalid("`name.givenName` is missing"));

    let config = json!({ "reserved_names": ["admin"] });
    let (status, ..) = refused(config.clone(), json!({ "userName": "Admin" }));
    assert_eq!(status, RefusalStatus::Conflict);
    assert!(sign_up(config, json!({ "userName": "administrator" })).proceeds());
}

#[test]
fn a_password_is_held_to_each_rule() {
    let rules =
        json!({ "length_min": 8, "digit": true, "upper": true, "lower": true, "symbol": true, "unlike": ["userName"] });
    let config = json!({ "password": rules });
    for (password, detail) in [
        ("aB3!", "`password` needs 8 characters"),
        ("abcdefg!H", "`password` needs a digit"),
        ("abcdefg!7", "`password` needs an upper-case letter"),
        ("ABCDEFG!7", "`password` needs a lower-case letter"),
        ("abcdefgH7", "`password` needs a symbol"),
        ("xXannika7!", "`password` holds `userName`"),
    ] {
        let person = json!({ "userName": "Annika", "password": password });
        let mut registration = Harness::new::<Registration>().config(config.clone()).sees_passwords();
        let outcome = registration.create("User", person).by("sign-up", &["scim.register"]).review();
        assert_eq!(outcome.refusal().detail, detail, "{password}");
    }
    assert_eq!(refused(config, json!({ "userName": "ana" })), invalid("`password` is missing"));
}

#[test]
fn a_new_account_begins_as_the_operator_wants() {
    let config = json!({ "sets": { "active": false, "userType": "guest" } });
    let person = json!({ "userName": "ana", "active": true, "userType": "king", "roles": [{ "value": "admin" }] });

    let document = sign_up(config, person).document().clone();

    assert_eq!((&document["active"], &document["userType"]), (&json!(false), &json!("guest")));
    assert_eq!(document.get("roles"), None);
}

#[test]
fn others_are_left_alone() {
    let config = json!({ "email_domains": ["example.com"], "required": ["title"] });
    let mut registration = Harness::new::<Registration>().config(config);
    let person = json!({ "userName": "ana" });

    assert!(registration.create("User", person.clone()).by("hr", &["scim.write"]).review().proceeds());
    let anonymous = registration.create("User", person).by("", &[]).review();
    assert_eq!(anonymous.refusal().status, RefusalStatus::BadRequest);
}

#[test]
fn what_makes_no_sense_is_found() {
    let config = json!({ "email_domains": ["localhost", "a..b"], "reserved_names": ["Root"] });
    let found: Vec<String> =
        Harness::new::<Registration>().config(config).check_config().into_iter().map(|finding| finding.path).collect();
    assert_eq!(found, ["email_domains[0]", "email_domains[1]", "reserved_names"]);
}
