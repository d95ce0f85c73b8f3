//! Only a whole draft becomes a resource (RFC 7643 section 2 and 6, S-3.19, S-3.20, S-6.5).

use provost_scim::{Leniency, PasswordHash, check, validate};
use serde_json::{Value, json};

use super::*;

fn outcome(resource_type: Arc<ResourceType>, attributes: Value) -> Result<Resource, Invalid> {
    validate(Draft { resource_type, attributes: object(attributes), membership: vec![], secret: None }, stamp())
}

#[test]
fn required_attributes_are_there_and_not_empty_s_6_5() {
    for attributes in [json!({}), json!({ "userName": "" }), json!({ "userName": null })] {
        assert_eq!(said(outcome(user_type(), attributes)), "invalidValue: `userName` is required");
    }
    assert_eq!(said(outcome(group_type(), json!({}))), "invalidValue: `displayName` is required");
    assert!(outcome(user_type(), json!({ "userName": " " })).is_ok());
    assert!(outcome(group_type(), json!({ "displayName": "G" })).is_ok());
}

#[test]
fn members_are_not_looked_for_in_the_document_even_if_required() {
    let mut groups = ResourceType::clone(&group_type());
    let members = Arc::make_mut(&mut groups.schema).attributes.iter_mut().find(|a| a.name == "members");
    members.unwrap().required = true;
    assert!(outcome(Arc::new(groups), json!({ "displayName": "G" })).is_ok());
}

#[test]
fn a_required_extension_must_be_there_and_complete_s_3_19() {
    assert_eq!(said(outcome(gadget_type(), json!({}))), "invalidValue: `urn:example:Warranty` is required");
    let incomplete = json!({ "urn:example:Warranty": { "terms": "x" } });
    assert_eq!(said(outcome(gadget_type(), incomplete)), "invalidValue: `urn:example:Warranty:until` is required");
}

#[test]
fn required_parts_are_demanded_of_the_elements_that_are_there_s_3_20() {
    let with = |extra: Value| {
        let mut attributes = extra;
        attributes["urn:example:Warranty"] = json!({ "until": "2026-01-01T00:00:00.000Z" });
        outcome(gadget_type(), attributes)
    };
    assert!(with(json!({})).is_ok());
    let element = json!({ "parts": [{ "value": "a" }, { "primary": true }] });
    assert_eq!(said(with(element)), "invalidValue: `parts.value` is required");
    assert_eq!(said(with(json!({ "owner": { "secret": "s" } }))), "invalidValue: `owner.value` is required");
}

#[test]
fn a_draft_that_a_rule_has_spoilt_is_refused() {
    for (attributes, said_of_it) in [
        (json!({ "userName": 7 }), "invalidValue: `userName` must be a string"),
        (json!({ "userName": "a", "active": "true" }), "invalidValue: `active` must be true or false"),
        (json!({ "userName": "a", "oops": 1 }), "invalidValue: no schema here knows `oops`"),
        (
            json!({ "userName": "a", "emails": [{ "value": "a", "primary": true }, { "value": "b", "primary": true }] }),
            "invalidValue: `emails` has more than one primary element",
        ),
    ] {
        assert_eq!(said(outcome(user_type(), attributes)), said_of_it);
    }
}

#[test]
fn an_extension_whose_container_is_empty_is_gone_s_15_11() {
    let resource = outcome(user_type(), json!({ "userName": "a", ENTERPRISE: { "department": null } })).unwrap();
    assert_eq!(resource.document()["schemas"], json!([CORE]));
    assert!(!resource.attributes().contains_key(ENTERPRISE));
}

#[test]
fn a_resource_has_a_largest_size() {
    let title = |bytes: usize| json!({ "userName": "a", "title": "x".repeat(bytes) });
    let too_large = format!("invalidValue: the resource is larger than {} bytes", check::RESOURCE_BYTES_MAX);
    assert_eq!(said(outcome(user_type(), title(check::RESOURCE_BYTES_MAX))), too_large);
    assert!(outcome(user_type(), title(check::RESOURCE_BYTES_MAX - 100)).is_ok());
}

#[test]
fn a_password_is_never_stored_s_21_1() {
    let resource = outcome(user_type(), json!({ "userName": "a", "password": "secret" })).unwrap();
    assert!(!serde_json::to_string(resource.attributes()).unwrap().contains("secret"));
    assert_eq!(resource.password_hash(), None);
}

/// S-21.2
#[test]
fn of_a_password_only_its_hash_becomes_part_of_a_resource() {
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA";
    let unsealed = create(user(json!({ "userName": "a", "password": "s3cret" }))).unwrap();
    let resource = validate(unsealed.clone(), stamp()).unwrap();
    assert!(!format!("{resource:?}").contains("s3cret") && resource.password_hash().is_none());

    let mut sealed = unsealed;
    sealed.seal(&PasswordHash::parse(hash).unwrap());
    assert_eq!(sealed.secret, None);
    assert_eq!(validate(sealed, stamp()).unwrap().password_hash().unwrap().as_str(), hash);

    for none in ["", "s3cret", "$2b$10$abc", "$argon2i$v=19$m=1,t=1,p=1$a$b", "$argon2id$ with a space"] {
        assert_eq!(PasswordHash::parse(none), None, "{none}");
    }
}

#[test]
fn the_document_shows_what_the_server_decided() {
    let resource = outcome(user_type(), json!({ "title": "T", "userName": "a", ENTERPRISE: { "department": "D" } }));
    let document = Value::Object(resource.unwrap().document());
    let expected = json!({
        "schemas": [CORE, ENTERPRISE],
        "id": "0190b5a0-0000-7000-8000-000000000001",
        "userName": "a",
        "title": "T",
        ENTERPRISE: { "department": "D" },
        "meta": { "resourceType": "User", "created": "2026-01-02T03:04:05.000Z",
            "lastModified": "2026-01-02T03:04:05.678Z", "version": "W/\"3\"" },
    });
    assert_eq!(document.to_string(), expected.to_string());
}

#[test]
fn a_draft_of_a_new_resource_has_no_id() {
    let draft = check::create(user(json!({ "userName": "a" })), &user_type(), &Leniency::default()).unwrap();
    let expected = json!({ "schemas": [CORE], "userName": "a", "meta": { "resourceType": "User" } });
    assert_eq!(Value::Object(draft.document(None)), expected);
    assert_eq!(draft.document(Some(stamp()))["id"], "0190b5a0-0000-7000-8000-000000000001");
}
