//! Which paths a change touches, and which a grant reaches.

use provost_scim::{changed_paths, covers};
use serde_json::{Value, json};

use super::*;

#[track_caller]
fn check(before: Value, after: Value, paths: &[&str]) {
    let (before, after) = (object(before), object(after));
    assert_eq!(changed_paths(Some(&before), Some(&after), &user_type()), paths);
    assert_eq!(changed_paths(Some(&after), Some(&before), &user_type()), paths, "the other way round");
}

#[test]
fn simple_attributes_are_their_names() {
    check(json!({ "userName": "a" }), json!({ "userName": "a" }), &[]);
    check(json!({ "userName": "a", "title": "x" }), json!({ "userName": "b" }), &["userName", "title"]);
    check(json!({ "externalId": "1" }), json!({ "externalId": "2" }), &["externalId"]);
}

#[test]
fn a_single_complex_attribute_is_told_by_its_parts() {
    check(
        json!({ "name": { "givenName": "A", "familyName": "B" } }),
        json!({ "name": { "givenName": "C", "familyName": "B" } }),
        &["name.givenName"],
    );
    check(
        json!({}),
        json!({ "name": { "givenName": "A", "familyName": "B" } }),
        &["name.familyName", "name.givenName"],
    );
}

#[test]
fn a_list_of_equal_length_is_told_by_its_parts_and_any_other_whole() {
    let emails = |list: Value| json!({ "emails": list });
    let one = emails(json!([{ "value": "a", "type": "work" }]));
    check(one.clone(), emails(json!([{ "value": "b", "type": "work" }])), &["emails.value"]);
    check(one.clone(), emails(json!([{ "value": "b", "type": "home" }])), &["emails.value", "emails.type"]);
    check(one.clone(), emails(json!([{ "value": "a", "type": "work" }, { "value": "b" }])), &["emails"]);
    check(one, json!({}), &["emails"]);
}

#[test]
fn an_extensions_attribute_stands_behind_its_urn() {
    let with = |fields: Value| json!({ ENTERPRISE: fields });
    check(json!({}), with(json!({ "department": "D" })), &[&format!("{ENTERPRISE}:department")]);
    check(
        with(json!({ "manager": { "value": "1" }, "division": "x" })),
        with(json!({ "manager": { "value": "2" }, "division": "x" })),
        &[&format!("{ENTERPRISE}:manager.value")],
    );
}

#[test]
fn a_new_and_a_deleted_resource_change_all_they_have() {
    let state = object(json!({ "userName": "a", "active": true }));
    assert_eq!(changed_paths(None, Some(&state), &user_type()), ["userName", "active"]);
    assert_eq!(changed_paths(Some(&state), None, &user_type()), ["userName", "active"]);
    assert!(changed_paths(None, None, &user_type()).is_empty());
}

#[test]
fn a_grant_reaches_what_is_inside_it_and_nothing_else() {
    let department = format!("{ENTERPRISE}:department");
    let manager = format!("{ENTERPRISE}:manager.value");
    for (grant, path) in [
        ("*", "userName"),
        ("*", department.as_str()),
        ("userName", "userName"),
        ("USERNAME", "userName"),
        ("name", "name.givenName"),
        ("name.givenName", "name.givenName"),
        (ENTERPRISE, department.as_str()),
        (ENTERPRISE, ENTERPRISE),
        (ENTERPRISE, manager.as_str()),
        (department.as_str(), department.as_str()),
    ] {
        assert!(covers(grant, path), "{grant} should reach {path}");
    }
    for (grant, path) in [
        ("name.givenName", "name"),
        ("name", "nameOther"),
        ("name", "nickName"),
        ("userName", "name"),
        ("", "userName"),
        ("department", department.as_str()),
        (department.as_str(), ENTERPRISE),
        ("urn", department.as_str()),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2", department.as_str()),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0", department.as_str()),
        ("ä", "a"),
    ] {
        assert!(!covers(grant, path), "{grant} should not reach {path}");
    }
}
