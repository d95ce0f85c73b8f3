//! Resources, patches and failures as values.

use provost_sdk::{Failure, Group, Patch, Resource, User, Value, Verdict, directory, http, json, serde_json, state};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A user with something in every corner, some of it unknown to the types.
fn full() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE, "urn:example:Badge"],
        "id": "7",
        "userName": "ana",
        "name": { "givenName": "Ana", "x-nick": "A" },
        "active": false,
        "emails": [{ "value": "ana@example.com", "type": "work", "primary": true, "x-verified": true }],
        "addresses": [{ "locality": "Cádiz", "x-geo": [36.5, -6.3] }],
        "x509Certificates": [{ "value": "AAAA" }],
        (ENTERPRISE): { "department": "Sales", "manager": { "value": "8", "$ref": "../Users/8", "x": 1 }, "y": 2 },
        "urn:example:Badge": { "number": 12 },
        "x-anything": { "deep": [null, { "er": true }] },
        "meta": { "resourceType": "User", "version": "W/\"1\"" },
    })
}

fn resource(value: Value) -> Resource {
    serde_json::from_value(value).expect("a resource is an object")
}

#[test]
fn a_typed_user_keeps_what_it_does_not_know() {
    let user: User = serde_json::from_value(full()).unwrap();

    assert_eq!(user.enterprise.as_ref().unwrap().manager.as_ref().unwrap().value.as_deref(), Some("8"));
    assert_eq!(user.primary_email(), Some("ana@example.com"));
    assert_eq!(serde_json::to_value(&user).unwrap(), full());
}

#[test]
fn a_typed_group_keeps_what_it_does_not_know() {
    let group = json!({ "displayName": "Staff", "urn:example:Cost": { "centre": 7 } });

    let typed: Group = serde_json::from_value(group.clone()).unwrap();

    assert_eq!(serde_json::to_value(&typed).unwrap(), group);
}

#[test]
fn null_is_the_same_as_absent() {
    let user: User =
        serde_json::from_value(json!({ "userName": null, "emails": null, "roles": [{ "value": null }] })).unwrap();

    assert_eq!((user.user_name, user.emails.len(), user.roles.len()), (None, 0, 1));
}

#[test]
fn without_a_primary_the_first_address_counts() {
    let emails = json!({ "emails": [{ "value": "a@x.example" }, { "value": "b@x.example", "primary": true }] });

    let mut user: User = serde_json::from_value(emails).unwrap();
    assert_eq!(user.primary_email(), Some("b@x.example"));
    user.emails.pop();
    assert_eq!(user.primary_email(), Some("a@x.example"));
}

#[test]
fn paths_lead_into_parts_extensions_and_lists() {
    let user = resource(full());

    assert_eq!(user.text("USERNAME"), Some("ana"));
    assert_eq!(user.text("name.givenName"), Some("Ana"));
    assert_eq!(user.text(&format!("{ENTERPRISE}:department")), Some("Sales"));
    assert_eq!(user.text(&format!("{}:manager.value", ENTERPRISE.to_uppercase())), Some("8"));
    assert_eq!(user.get("urn:example:Badge:number"), Some(&json!(12)));
    assert_eq!(user.values("emails.value"), ["ana@example.com"]);
    for nothing in ["nickName", "name.familyName", "userName.x", "emails.value", "urn:example:Nothing:x", "", "."] {
        assert_eq!(user.get(nothing), None, "{nothing}");
    }
}

#[test]
fn setting_makes_what_lies_between_and_keeps_the_spelling_there_is() {
    let mut user = resource(json!({ "username": "ana", "emails": [], (ENTERPRISE): {} }));

    user.set("userName", "anna");
    user.set("name.givenName", "Anna");
    user.set(&format!("{ENTERPRISE}:manager.value"), "8");
    user.set("emails.value", "nowhere to put it");

    let expected = json!({
        "username": "anna", "emails": [], (ENTERPRISE): { "manager": { "value": "8" } }, "name": { "givenName": "Anna" },
    });
    assert_eq!(Value::Object(user.0), expected);
}

#[test]
fn removing_looks_into_lists() {
    let mut user = resource(full());

    for path in ["emails.type", "name", &format!("{ENTERPRISE}:manager.$ref"), "urn:example:Badge", "nothing.at.all"] {
        user.remove(path);
    }

    assert!(user.get("name").is_none() && user.get("urn:example:Badge").is_none());
    assert_eq!(user.values("emails.type"), Vec::<&Value>::new());
    assert_eq!(user.get(&format!("{ENTERPRISE}:manager")), Some(&json!({ "value": "8", "x": 1 })));
}

#[track_caller]
fn between(before: Value, after: Value, operations: Value) {
    assert_eq!(Value::from(Patch::between(&before, &after).expect("JSON is JSON").operations()), operations);
}

#[test]
fn the_smallest_patch_names_what_differs() {
    between(full(), full(), json!([]));
    between(
        json!({ "title": "a" }),
        json!({ "title": "b" }),
        json!([{ "op": "replace", "path": "title", "value": "b" }]),
    );
    between(json!({ "title": "a" }), json!({}), json!([{ "op": "remove", "path": "title" }]));
    between(json!({ "title": "a" }), json!({ "title": null }), json!([{ "op": "remove", "path": "title" }]));
    between(json!({}), json!({ "title": null }), json!([]));
    between(
        json!({ "name": { "givenName": "a", "familyName": "b", "formatted": "c" } }),
        json!({ "name": { "givenName": "A", "familyName": "b" } }),
        json!([{ "op": "remove", "path": "name.formatted" }, { "op": "replace", "path": "name.givenName", "value": "A" }]),
    );
    between(
        json!({ "emails": [{ "value": "a" }, { "value": "b" }] }),
        json!({ "emails": [{ "value": "a" }] }),
        json!([{ "op": "replace", "path": "emails", "value": [{ "value": "a" }] }]),
    );
}

#[test]
fn an_extension_is_patched_attribute_by_attribute() {
    let path = |attribute: &str| format!("{ENTERPRISE}:{attribute}");

    between(
        json!({ (ENTERPRISE): { "department": "a", "manager": { "value": "1", "displayName": "x" } } }),
        json!({ (ENTERPRISE): { "department": "b", "manager": { "value": "2", "displayName": "x" } } }),
        json!([
            { "op": "replace", "path": path("department"), "value": "b" },
            { "op": "replace", "path": path("manager.value"), "value": "2" },
        ]),
    );
    between(
        json!({ "schemas": ["a"] }),
        json!({ "schemas": ["a", ENTERPRISE], (ENTERPRISE): { "department": "b" } }),
        json!([{ "op": "replace", "path": path("department"), "value": "b" }]),
    );
    between(
        json!({ (ENTERPRISE): { "department": "b" } }),
        json!({}),
        json!([{ "op": "remove", "path": path("department") }]),
    );
}

#[test]
fn no_difference_is_no_patch() {
    let user = User { user_name: Some("ana".to_owned()), ..User::default() };

    assert_eq!(Verdict::changes_between(&user, &user).unwrap(), Verdict::Proceed);
    assert_eq!(Patch::new().into_verdict(), Verdict::Proceed);
}

#[test]
fn a_filter_cannot_be_widened_by_the_text_in_it() {
    assert_eq!(
        directory::eq("userName", r#"x" or userName pr or "a" eq "a"#),
        r#"userName eq "x\" or userName pr or \"a\" eq \"a""#
    );
}

#[test]
fn an_error_becomes_a_failure_that_tells_all_and_knows_whether_it_may_pass() {
    fn fails<E: std::error::Error + 'static>(error: E) -> Failure {
        (|| -> provost_sdk::Result { Err(error)? })().unwrap_err()
    }

    assert!(fails(http::Error::Timeout).is_retryable());
    assert!(!fails(http::Error::Denied("it".to_owned())).is_retryable());
    assert!(fails(state::Error::Conflict).is_retryable());
    assert!(!fails(state::Error::Quota).is_retryable());
    assert!(fails(directory::Error::Unavailable("later".to_owned())).is_retryable());
    let parse = "x".parse::<u8>().unwrap_err();
    assert_eq!(fails(parse.clone()).message(), parse.to_string());
    assert!(!fails(parse).is_retryable());
}
