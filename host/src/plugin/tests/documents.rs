//! What is in the documents that guests get, and what never is.

use provost_scim::{Member, Resource, Stamp};
use serde_json::Value;

use super::*;
use crate::plugin::encode;
use crate::plugin::sight::Sight;

fn stored(type_name: &str, attributes: Value) -> Resource {
    let resource_type = Schemas::standard().resource_type(type_name).unwrap().clone();
    let at = jiff::Timestamp::UNIX_EPOCH;
    let stamp = Stamp { id: Uuid::from_u128(7), version: 3, created: at, last_modified: at };
    let Value::Object(attributes) = attributes else { panic!("not an object") };
    Resource::from_stored(resource_type, stamp, attributes)
}

fn json_of(text: Option<&String>) -> Value {
    serde_json::from_str(text.unwrap()).unwrap()
}

/// The operations of a patch, as a guest gets them.
fn operations(type_name: &str, operations: Value) -> Value {
    let current = stored(type_name, json!({}));
    let proposed = Some(current.to_draft());
    let change = Change {
        operation: Operation::Patch,
        resource_type: type_name.into(),
        current: Some(current),
        proposed,
        operations: Some(operations),
        ..new_user()
    };
    json_of(encode::change(&change, &Sight::default(), false).operations.as_ref())
}

#[test]
fn a_guest_sees_a_whole_resource_but_its_password() {
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let user = stored("User", json!({ "userName": "ana", "password": "s3cret", enterprise: { "department": "d" } }));

    let told = json_of(Some(&encode::resource(&user, &Sight::default())));
    assert_eq!((&told["userName"], &told[enterprise]["department"]), (&json!("ana"), &json!("d")));
    assert_eq!((&told["id"], &told["meta"]["version"]), (&json!(user.id()), &json!("W/\"3\"")));
    assert!(!told.to_string().contains("s3cret"));
}

#[test]
fn both_states_of_a_change_are_told_and_the_id_only_once_there_is_one() {
    let current = stored("User", json!({ "userName": "old", "password": "s3cret" }));
    let change = Change { current: Some(current.clone()), ..new_user() };

    let told = encode::change(&change, &Sight::default(), false);
    assert_eq!(json_of(told.current.as_ref())["userName"], "old");
    let proposed = json_of(told.proposed.as_ref());
    assert_eq!((&proposed["userName"], &proposed["id"]), (&json!("ana"), &json!(current.id())));
    assert!(!format!("{told:?}").contains("s3cret"));

    let created = json_of(encode::change(&new_user(), &Sight::default(), false).proposed.as_ref());
    assert_eq!(created.get("id"), None);
}

#[test]
fn patch_operations_are_told_without_passwords_however_they_are_written() {
    let urn = "urn:ietf:params:scim:schemas:core:2.0:User";
    let written = json!([
        { "op": "replace", "path": "password", "value": "s3cret" },
        { "op": "replace", "path": "PASSWORD", "value": "s3cret" },
        { "op": "replace", "path": format!("{urn}:password"), "value": "s3cret" },
        { "op": "add", "value": { "password": "s3cret", "title": "t" } },
        { "op": "add", "value": { "Password": "s3cret", format!("{urn}:password"): "s3cret" } },
        { "op": "add", "value": { urn: { "password": "s3cret" } } },
        { "op": "add", "path": urn, "value": { "password": "s3cret" } },
        { "op": "replace", "path": "title", "value": "kept" },
    ]);

    let told = operations("User", written);
    assert!(!told.to_string().contains("s3cret"), "{told}");
    assert_eq!(told.as_array().unwrap().len(), 8, "that they were touched is told");
    assert_eq!(told[3], json!({ "op": "add", "value": { "title": "t" } }));
    assert_eq!(told[7], json!({ "op": "replace", "path": "title", "value": "kept" }));
}

#[test]
fn members_are_told_as_a_difference_and_never_in_operations_or_documents() {
    let id = Uuid::from_u128(9).to_string();
    let told = operations(
        "Group",
        json!([
            { "op": "add", "path": "members", "value": [{ "value": id }] },
            { "op": "replace", "value": { "members": [{ "value": id }], "displayName": "d" } },
        ]),
    );
    assert!(!told.to_string().contains(&id), "{told}");
    assert_eq!(told[1]["value"], json!({ "displayName": "d" }));

    let joins = Member { id: Uuid::from_u128(9), resource_type: Some("User".into()) };
    let membership = MembershipChange { added: vec![joins], removed: Vec::new(), total_before: 100_000 };
    let change = Change { membership, proposed: None, ..new_user() };
    let told = encode::change(&change, &Sight::default(), false).membership.unwrap();
    assert_eq!((told.added[0].id.as_str(), told.total_before), (id.as_str(), 100_000));
    assert!(encode::change(&new_user(), &Sight::default(), false).membership.is_none());
}
