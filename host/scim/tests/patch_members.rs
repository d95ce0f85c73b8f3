//! Operations on a group's members become edits, made without the list (rows 6 to 9 and 14 of
//! section 16.7).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::sync::Arc;

use jiff::Timestamp;
use provost_scim::filter::Filter;
use provost_scim::patch::{PATCH_OP, PatchRequest, apply};
use provost_scim::{Leniency, Member, MembershipEdit, Resource, ResourceType, Schemas, ScimType, Stamp};
use serde_json::{Value, json};
use uuid::Uuid;

fn group_type() -> Arc<ResourceType> {
    Schemas::standard().resource_type("Group").unwrap().clone()
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn member(n: u128) -> Member {
    Member { id: id(n), resource_type: None }
}

fn run(operations: Value, leniency: &Leniency) -> Result<Vec<MembershipEdit>, ScimType> {
    let stamp = Stamp { id: id(1), version: 1, created: Timestamp::UNIX_EPOCH, last_modified: Timestamp::UNIX_EPOCH };
    let attributes = json!({ "displayName": "Staff" }).as_object().unwrap().clone();
    let group = Resource::from_stored(group_type(), stamp, attributes);
    let body = json!({ "schemas": [PATCH_OP], "Operations": operations });
    let patched = PatchRequest::parse(body, leniency)
        .and_then(|operations| apply(group.to_draft(), Some(&group), &operations, leniency))
        .map_err(|error| error.scim_type)?;
    assert!(!patched.attributes.contains_key("members"));
    Ok(patched.membership)
}

#[track_caller]
fn edits(operation: Value, expected: impl Into<Vec<MembershipEdit>>) {
    assert_eq!(run(json!([operation]), &Leniency::default()), Ok(expected.into()));
}

#[track_caller]
fn fails(operation: Value, expected: ScimType) {
    assert_eq!(run(json!([operation]), &Leniency::default()), Err(expected));
}

/// S-16.44.
#[test]
fn row_6_remove_by_id_names_the_id() {
    let path = format!("members[value eq \"{}\"]", id(2));
    edits(json!({ "op": "remove", "path": path }), [MembershipEdit::Remove(vec![id(2)])]);
    let either = format!("members[VALUE eq \"{}\" or (value eq \"{}\" or value eq \"no id\")]", id(2), id(3));
    edits(json!({ "op": "remove", "path": either }), [MembershipEdit::Remove(vec![id(2), id(3)])]);
    edits(json!({ "op": "remove", "path": "members[value eq \"no id\"]" }), []);
}

/// S-16.43.
#[test]
fn row_7_remove_without_a_filter_clears() {
    edits(json!({ "op": "remove", "path": "members" }), [MembershipEdit::Clear]);
    edits(json!({ "op": "remove", "path": "Members", "value": null }), [MembershipEdit::Clear]);
}

/// S-16.48, L-P4.
#[test]
fn row_8_remove_with_a_value_takes_only_what_is_listed() {
    for value in [json!([{ "value": id(2) }]), json!({ "Value": id(2) }), json!([id(2)]), json!(id(2))] {
        let remove = json!([{ "op": "remove", "path": "members", "value": value }]);
        assert_eq!(run(remove.clone(), &Leniency::default()), Ok(vec![MembershipEdit::Remove(vec![id(2)])]));
        assert_eq!(run(remove, &Leniency::strict()), Err(ScimType::InvalidSyntax));
    }
    for nobody in [json!([]), json!(["no id"]), json!({ "value": "no id" })] {
        edits(json!({ "op": "remove", "path": "members", "value": nobody }), []);
    }
    for unclear in [json!([{}]), json!(5), json!([{ "display": "x" }])] {
        fails(json!({ "op": "remove", "path": "members", "value": unclear }), ScimType::InvalidValue);
    }
}

/// S-16.25.
#[test]
fn row_9_add_names_who_joins() {
    let add = MembershipEdit::Add(vec![member(1)]);
    edits(json!({ "op": "add", "path": "members", "value": [{ "value": id(1) }] }), [add.clone()]);
    edits(
        json!({ "op": "add", "path": "members", "value": { "value": id(1), "display": "x", "$ref": null } }),
        [add.clone()],
    );
    edits(json!({ "op": "add", "value": { "MEMBERS": [{ "value": id(1) }, { "value": id(1) }] } }), [add]);
    edits(json!({ "op": "add", "path": "members", "value": [] }), []);
    edits(json!({ "op": "add", "path": "members", "value": null }), []);
    fails(json!({ "op": "add", "path": "members", "value": [{ "value": "no id" }] }), ScimType::InvalidValue);
    fails(json!({ "op": "add", "path": "members", "value": [{ "display": "x" }] }), ScimType::InvalidValue);
}

/// S-16.50, S-16.61.
#[test]
fn row_14_a_members_parts_are_immutable() {
    let path = |sub: &str| format!("members[value eq \"{}\"]{sub}", id(1));
    for (op, sub) in
        [("replace", ".value"), ("replace", ".display"), ("add", ".type"), ("replace", ""), ("remove", ".value")]
    {
        fails(json!({ "op": op, "path": path(sub), "value": { "value": id(9) } }), ScimType::Mutability);
    }
    fails(json!({ "op": "replace", "path": "members.value", "value": "9" }), ScimType::Mutability);
    fails(json!({ "op": "replace", "path": path(".displayName"), "value": "9" }), ScimType::InvalidPath);
}

/// S-16.53, S-16.61.
#[test]
fn replace_names_exactly_who_stays() {
    edits(
        json!({ "op": "replace", "path": "members", "value": [{ "value": id(1), "type": "User" }, { "value": id(2) }] }),
        [MembershipEdit::Replace(vec![Member { id: id(1), resource_type: Some("User".into()) }, member(2)])],
    );
    edits(json!({ "op": "replace", "path": "members", "value": [] }), [MembershipEdit::Clear]);
    edits(json!({ "op": "replace", "value": { "members": null } }), [MembershipEdit::Clear]);
}

#[test]
fn any_other_filter_is_left_to_the_store() {
    let where_ = |filter: &str| MembershipEdit::RemoveWhere(Filter::parse(filter).unwrap());
    for filter in ["type eq \"User\"", "not (value eq \"x\")", "value sw \"1\"", "value eq \"x\" and type eq \"User\""]
    {
        edits(json!({ "op": "remove", "path": format!("members[{filter}]") }), [where_(filter)]);
    }
    fails(json!({ "op": "remove", "path": "members[displayName eq \"x\"]" }), ScimType::InvalidFilter);
    fails(json!({ "op": "remove", "path": "members[value eq 5]" }), ScimType::InvalidFilter);

    let both = format!("type eq \"User\" and (value eq \"{}\" or value eq \"{}\")", id(1), id(2));
    let operation = json!({ "op": "remove", "path": "members[type eq \"User\"]", "value": [id(1), id(2)] });
    let expected = Filter::parse(&both).unwrap().to_tree();
    let Ok(edits) = run(json!([operation]), &Leniency::default()) else { panic!("refused") };
    let [MembershipEdit::RemoveWhere(filter)] = edits.as_slice() else { panic!("{edits:?}") };
    assert_eq!(filter.to_tree(), expected);
}

#[test]
fn remove_needs_both_the_filter_and_the_list() {
    let path = format!("members[value eq \"{}\" or value eq \"{}\"]", id(1), id(2));
    edits(json!({ "op": "remove", "path": path, "value": [id(2), id(3)] }), [MembershipEdit::Remove(vec![id(2)])]);
    edits(json!({ "op": "remove", "path": path, "value": [] }), []);
}

#[test]
fn add_at_an_id_says_who_joins() {
    let path = format!("members[value eq \"{}\"]", id(1));
    let add = |value: Value| json!({ "op": "add", "path": path, "value": value });
    edits(
        add(json!({ "type": "User" })),
        [MembershipEdit::Add(vec![Member { id: id(1), resource_type: Some("User".into()) }])],
    );
    fails(add(json!({ "value": id(2) })), ScimType::Mutability);
    assert_eq!(run(json!([add(json!({}))]), &Leniency::strict()), Err(ScimType::Mutability));
}

/// L-P9.
#[test]
fn scalar_members_are_read_only_if_switched_on() {
    for value in [json!(id(1)), json!([id(1)])] {
        let add = json!([{ "op": "add", "path": "members", "value": value }]);
        assert_eq!(run(add.clone(), &Leniency::default()), Ok(vec![MembershipEdit::Add(vec![member(1)])]));
        assert_eq!(run(add, &Leniency::strict()), Err(ScimType::InvalidValue));
    }
}

/// L-P15.
#[test]
fn unknown_parts_of_a_member_are_dropped_only_if_switched_on() {
    let add = json!([{ "op": "add", "path": "members", "value": [{ "value": id(1), "displayName": "x" }] }]);
    assert_eq!(run(add.clone(), &Leniency::default()), Ok(vec![MembershipEdit::Add(vec![member(1)])]));
    assert_eq!(run(add, &Leniency::strict()), Err(ScimType::InvalidValue));
}

/// S-16.5, S-16.7.
#[test]
fn edits_keep_the_order_of_the_operations() {
    let operations = json!([
        { "op": "remove", "path": "members" },
        { "op": "add", "path": "members", "value": [{ "value": id(1) }] },
        { "op": "replace", "path": "displayName", "value": "N" },
        { "op": "remove", "path": format!("members[value eq \"{}\"]", id(1)) },
    ]);

    assert_eq!(
        run(operations, &Leniency::default()),
        Ok(vec![MembershipEdit::Clear, MembershipEdit::Add(vec![member(1)]), MembershipEdit::Remove(vec![id(1)]),])
    );
}

/// What `Group-Overhead-Bypass` passes over, as Janssen documents it.
#[test]
fn removing_and_replacing_by_name_is_told_from_everything_else() {
    let selects = |op: &str, path: &str| {
        let operation = json!({ "op": op, "path": path, "value": { "value": id(2) } });
        let body = json!({ "schemas": [PATCH_OP], "Operations": [operation] });
        PatchRequest::parse(body, &Leniency::default()).unwrap()[0].selects_members_by_display(&group_type())
    };
    let by_name = "members[value eq \"1\" or not (DISPLAY eq \"Joe\")]";
    let qualified = format!("{}:Members[display pr]", group_type().schema.id);
    assert!(selects("remove", by_name) && selects("Replace", by_name) && selects("remove", &qualified));
    assert!(!selects("add", by_name));
    for path in ["members", "members[value eq \"display\"]", "displayName", "urn:other:members[display pr]"] {
        assert!(!selects("remove", path), "{path}");
    }
}
