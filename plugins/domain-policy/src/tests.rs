use provost_sdk::json;
use provost_sdk::testing::Harness;
use provost_sdk::{RefusalStatus, ScimType, Value};

use super::DomainPolicy;
use super::shape::Shape;

const ID: &str = "01930000-0000-7000-8000-00000000000a";

fn policy(config: Value) -> Harness {
    Harness::new::<DomainPolicy>().config(config)
}

fn domains() -> Harness {
    policy(json!({ "email_domains": ["example.com", "*.example.org"] }))
}

fn ana(address: &str) -> Value {
    json!({ "id": ID, "userName": "ana", "emails": [{ "value": address }] })
}

#[test]
fn an_address_in_an_allowed_domain_passes_in_any_letter_case() {
    for address in
        ["ana@example.com", "ana@EXAMPLE.com", "ana@mail.example.org", "ana@a.b.example.org", "a@b@example.com"]
    {
        assert!(domains().create("User", ana(address)).review().proceeds(), "{address}");
    }
}

#[test]
fn an_address_in_another_domain_is_refused_by_the_attributes_name_alone() {
    let outcome = domains().create("User", ana("ana@evil.test")).review();

    let refusal = outcome.refusal();
    assert_eq!((refusal.status, refusal.scim_type), (RefusalStatus::BadRequest, Some(ScimType::InvalidValue)));
    assert!(refusal.detail.contains("`emails`") && !refusal.detail.contains("evil"), "{}", refusal.detail);
}

#[test]
fn a_domain_that_only_looks_alike_is_refused() {
    let lookalikes = [
        "ana@notexample.com",
        "ana@example.com.evil.test",
        "ana@example.org",
        "ana@.example.org",
        "@example.com",
        "example.com",
    ];
    for address in lookalikes {
        domains().create("User", ana(address)).review().refusal();
    }
}

#[test]
fn every_address_counts() {
    let emails = json!([{ "value": "ana@example.com" }, { "value": "ana@evil.test" }]);

    domains().create("User", json!({ "userName": "ana", "emails": emails })).review().refusal();
}

#[test]
fn who_was_here_before_the_policy_can_still_be_deactivated() {
    let deactivate = json!([{ "op": "replace", "path": "active", "value": false }]);

    assert!(domains().patch("User", ana("ana@evil.test"), deactivate).review().proceeds());
    assert!(domains().delete("User", ana("ana@evil.test")).review().proceeds());
}

#[test]
fn a_change_to_an_address_is_judged() {
    let rename = json!([{ "op": "replace", "path": "emails", "value": [{ "value": "ana@evil.test" }] }]);

    domains().patch("User", ana("ana@example.com"), rename).review().refusal();
}

#[test]
fn one_of_the_shapes_has_to_fit_the_user_name() {
    let shapes = || policy(json!({ "user_name": ["{letters}.{letters}", "svc-{word}"] }));

    assert!(shapes().create("User", json!({ "userName": "ana.ruiz" })).review().proceeds());
    assert!(shapes().create("User", json!({ "userName": "SVC-backup_2" })).review().proceeds());
    let outcome = shapes().create("User", json!({ "userName": "ana" })).review();
    assert!(outcome.refusal().detail.contains("`userName`"));
}

#[test]
fn without_a_key_there_is_no_rule() {
    assert!(policy(json!({})).create("User", ana("ana@evil.test")).review().proceeds());
}

#[test]
fn a_group_is_none_of_its_business() {
    let mut policy = policy(json!({ "email_domains": ["example.com"], "user_name": ["{letters}"] }));

    assert!(policy.create("Group", json!({ "displayName": "Staff" })).review().proceeds());
}

#[test]
fn a_configuration_that_makes_no_sense_is_found_by_its_key() {
    let config = json!({ "email_domains": ["example.com", "@example.com"], "user_name": ["{first}", "{letters"] });

    let findings = policy(config).check_config();

    let paths: Vec<_> = findings.iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(paths, ["email_domains[1]", "user_name[0]", "user_name[1]"]);
    assert_eq!(policy(json!({ "domains": [] })).check_config()[0].path, "domains");
}

#[track_caller]
fn check(shape: &str, fitting: &[&str], others: &[&str]) {
    let parsed = Shape::parse(shape).unwrap();
    for text in fitting {
        assert!(parsed.fits(text), "`{shape}` should fit `{text}`");
    }
    for text in others {
        assert!(!parsed.fits(text), "`{shape}` should not fit `{text}`");
    }
}

#[test]
fn shapes_fit_whole_texts() {
    check("ana", &["ana", "ANA"], &["", "an", "anna", "ana "]);
    check("{letter}{digit}{digit}", &["a12", "É07"], &["a1", "a123", "1a2"]);
    check("{letters}.{letters}", &["a.b", "ana.ruiz"], &[".ruiz", "ana.", "ana.ruiz.2", "ana"]);
    check("{word}@example.com", &["ana-2_x@example.com"], &["@example.com", "a.b@example.com"]);
    check("{any}-x", &["a-x", "-x-x", "a-x-x"], &["-x", "a-y"]);
    check("{letters}{letters}", &["ab", "abc"], &["a"]);
}

#[test]
fn a_hostile_name_costs_no_more_than_its_length() {
    let shape = Shape::parse(&"{any}a".repeat(30)).unwrap();

    assert!(!shape.fits(&"a".repeat(20_000).replace("aaaa", "aaab")));
}
