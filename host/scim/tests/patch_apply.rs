//! What operations do to a draft (S-16.5 to S-16.72), with the worked decisions of section 16.7.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::sync::Arc;

use jiff::Timestamp;
use provost_scim::patch::{PATCH_OP, PatchRequest, apply};
use provost_scim::{Draft, Invalid, Leniency, Mutability, Resource, ResourceType, Schemas, ScimType, Stamp};
use serde_json::{Value, json};
use uuid::Uuid;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

fn user_type() -> Arc<ResourceType> {
    Schemas::standard().resource_type("User").unwrap().clone()
}

/// A user type whose `title` is immutable, and which has simple lists: `tags`, and `emails.notes`.
fn odd_type() -> Arc<ResourceType> {
    let mut user = (*user_type()).clone();
    let mut schema = (*user.schema).clone();
    let mut tags = schema.attribute("nickName").unwrap().clone();
    tags.name = "tags".into();
    tags.multi_valued = true;
    let mut notes = tags.clone();
    notes.name = "notes".into();
    schema.attributes.push(tags);
    for attribute in &mut schema.attributes {
        match attribute.name.as_str() {
            "title" => attribute.mutability = Mutability::Immutable,
            "emails" => attribute.sub_attributes.push(notes.clone()),
            "roles" => {
                let value = attribute.sub_attributes.iter_mut().find(|sub| sub.name == "value").unwrap();
                value.required = true;
                value.mutability = Mutability::Immutable;
            }
            _ => {}
        }
    }
    user.schema = Arc::new(schema);
    Arc::new(user)
}

fn resource(resource_type: Arc<ResourceType>, attributes: Value) -> Resource {
    let stamp = Stamp {
        id: Uuid::from_u128(7),
        version: 1,
        created: Timestamp::UNIX_EPOCH,
        last_modified: Timestamp::UNIX_EPOCH,
    };
    Resource::from_stored(resource_type, stamp, attributes.as_object().unwrap().clone())
}

fn patch_with(start: &Resource, operations: Value, leniency: &Leniency) -> Result<Draft, Invalid> {
    let operations = PatchRequest::parse(json!({ "schemas": [PATCH_OP], "Operations": operations }), leniency)?;
    apply(start.to_draft(), Some(start), &operations, leniency)
}

fn of_user(start: Value, operations: Value, leniency: &Leniency) -> Result<Value, ScimType> {
    let start = resource(user_type(), start);
    patch_with(&start, operations, leniency)
        .map(|draft| Value::Object(draft.attributes))
        .map_err(|error| error.scim_type)
}

fn of_odd(start: Value, operations: Value) -> Result<Value, ScimType> {
    let start = resource(odd_type(), start);
    patch_with(&start, operations, &Leniency::default())
        .map(|draft| Value::Object(draft.attributes))
        .map_err(|error| error.scim_type)
}

#[track_caller]
fn becomes(start: Value, operation: Value, end: Value) {
    assert_eq!(of_user(start, json!([operation]), &Leniency::default()), Ok(end));
}

#[track_caller]
fn fails(start: Value, operation: Value, error: ScimType) {
    assert_eq!(of_user(start, json!([operation]), &Leniency::default()), Err(error));
}

/// The switch is on in `Leniency::default()` or turned on by `on`; strict refuses with `error`.
#[track_caller]
fn switch(on: impl Fn(&mut Leniency), start: Value, operation: Value, end: Value, error: ScimType) {
    let mut lenient = Leniency::strict();
    on(&mut lenient);
    assert_eq!(of_user(start.clone(), json!([operation.clone()]), &lenient), Ok(end));
    assert_eq!(of_user(start, json!([operation]), &Leniency::strict()), Err(error));
}

// Section 16.7. Rows 6 to 9 and 14 are about members, and stand in `patch_members.rs`.

/// S-16.54.
#[test]
fn row_1_replacing_a_complex_attribute_keeps_what_is_not_mentioned() {
    becomes(
        json!({ "name": { "givenName": "A", "familyName": "B" } }),
        json!({ "op": "replace", "path": "name", "value": { "givenName": "C" } }),
        json!({ "name": { "givenName": "C", "familyName": "B" } }),
    );
}

/// S-16.57: every match, not only the first.
#[test]
fn rows_2_and_3_a_filter_and_sub_attribute_set_every_match() {
    let replace = json!({ "op": "replace", "path": "emails[type eq \"work\"].value", "value": "x" });
    becomes(
        json!({ "emails": [{ "value": "a", "type": "work" }, { "value": "b", "type": "home" }] }),
        replace.clone(),
        json!({ "emails": [{ "value": "x", "type": "work" }, { "value": "b", "type": "home" }] }),
    );
    becomes(
        json!({ "emails": [{ "value": "a", "type": "work" }, { "value": "c", "type": "work" }] }),
        replace,
        json!({ "emails": [{ "value": "x", "type": "work" }, { "value": "x", "type": "work" }] }),
    );
}

/// S-16.28, S-16.58, L-P5.
#[test]
fn row_4_a_filter_without_match_makes_the_element_or_is_no_target() {
    for op in ["add", "replace"] {
        switch(
            |l| l.patch.create_on_no_match = true,
            json!({ "emails": [{ "value": "b", "type": "home" }] }),
            json!({ "op": op, "path": "emails[type eq \"work\"].value", "value": "x" }),
            json!({ "emails": [{ "value": "b", "type": "home" }, { "type": "work", "value": "x" }] }),
            ScimType::NoTarget,
        );
    }
}

/// S-16.25, S-16.70.
#[test]
fn row_5_a_new_primary_element_takes_it_from_the_old_one() {
    becomes(
        json!({ "emails": [{ "value": "a", "type": "work", "primary": true }] }),
        json!({ "op": "add", "path": "emails", "value": [{ "value": "b", "type": "home", "primary": true }] }),
        json!({ "emails": [
            { "value": "a", "type": "work", "primary": false },
            { "value": "b", "type": "home", "primary": true },
        ] }),
    );
}

/// S-16.49.
#[test]
fn row_10_a_required_attribute_cannot_be_removed() {
    fails(json!({ "userName": "a" }), json!({ "op": "remove", "path": "userName" }), ScimType::Mutability);
}

/// S-16.11, S-16.14.
#[test]
fn row_11_a_qualified_path_makes_the_extension() {
    let start = resource(user_type(), json!({ "userName": "a" }));
    let operations = json!([{ "op": "replace", "path": format!("{ENTERPRISE}:department"), "value": "X" }]);

    let draft = patch_with(&start, operations, &Leniency::default()).unwrap();

    assert_eq!(Value::Object(draft.attributes.clone()), json!({ "userName": "a", ENTERPRISE: { "department": "X" } }));
    assert_eq!(draft.document(None)["schemas"], json!([CORE, ENTERPRISE]));
}

/// S-16.6, S-16.40.
#[test]
fn row_12_one_wrong_operation_fails_the_whole_request() {
    let operations = json!([{ "op": "replace", "path": "displayName", "value": "N" }, { "op": "remove" }]);

    assert_eq!(of_user(json!({ "title": "T" }), operations, &Leniency::default()), Err(ScimType::NoTarget));
}

/// S-16.20, S-16.51.
#[test]
fn row_13_a_value_without_a_path_names_its_attributes() {
    becomes(
        json!({ "active": true }),
        json!({ "op": "replace", "value": { "active": false } }),
        json!({ "active": false }),
    );
    fails(json!({}), json!({ "op": "add", "value": "x" }), ScimType::InvalidSyntax);
}

/// S-16.12, S-16.13.
#[test]
fn row_15_an_unknown_attribute_is_invalid_path() {
    for path in ["foo.bar", "foo", "emails.foo", "emails[type pr].foo", "urn:example:X:foo", "title.value", CORE] {
        fails(json!({}), json!({ "op": "replace", "path": path, "value": 1 }), ScimType::InvalidPath);
    }
}

/// S-16.12.
#[test]
fn row_16_a_wrong_filter_is_invalid_filter() {
    for path in ["emails[type eq].value", "emails[foo eq 1]", "emails[primary gt true]", "emails[type eq 5].value"] {
        fails(json!({}), json!({ "op": "replace", "path": path, "value": "x" }), ScimType::InvalidFilter);
    }
}

// Order and atomicity.

/// S-16.5.
#[test]
fn each_operation_sees_what_the_one_before_has_left() {
    let operations = json!([
        { "op": "add", "path": "emails", "value": { "value": "a", "type": "work" } },
        { "op": "replace", "path": "emails[value eq \"a\"].value", "value": "b" },
        { "op": "remove", "path": "nickName" },
        { "op": "add", "path": "nickName", "value": "n" },
    ]);

    let end = of_user(json!({ "nickName": "o" }), operations, &Leniency::default());

    assert_eq!(end, Ok(json!({ "emails": [{ "value": "b", "type": "work" }], "nickName": "n" })));
}

/// S-16.7.
#[test]
fn a_required_attribute_may_go_if_it_comes_back() {
    let operations = json!([{ "op": "remove", "path": "userName" }, { "op": "add", "path": "userName", "value": "b" }]);

    assert_eq!(of_user(json!({ "userName": "a" }), operations, &Leniency::default()), Ok(json!({ "userName": "b" })));
}

#[test]
fn a_required_attribute_that_was_absent_may_stay_absent() {
    becomes(json!({}), json!({ "op": "remove", "path": "userName" }), json!({}));
    becomes(json!({}), json!({ "op": "replace", "path": "userName", "value": null }), json!({}));
}

/// S-16.4, S-16.60.
#[test]
fn a_required_attribute_cannot_be_unassigned_by_a_value() {
    for value in [json!(null), json!([])] {
        fails(
            json!({ "userName": "a" }),
            json!({ "op": "replace", "path": "userName", "value": value }),
            ScimType::InvalidValue,
        );
        fails(
            json!({ "userName": "a" }),
            json!({ "op": "add", "value": { "userName": value } }),
            ScimType::InvalidValue,
        );
    }
}

// add

/// S-16.21.
#[test]
fn add_sets_a_single_value() {
    let add = json!({ "op": "add", "path": "NICKNAME", "value": "b" });
    becomes(json!({}), add.clone(), json!({ "nickName": "b" }));
    becomes(json!({ "nickName": "a" }), add, json!({ "nickName": "b" }));
    becomes(
        json!({ "externalId": "a" }),
        json!({ "op": "add", "path": "externalId", "value": "b" }),
        json!({ "externalId": "b" }),
    );
}

/// S-16.22, S-16.23.
#[test]
fn add_merges_into_a_complex_value_and_makes_it() {
    becomes(
        json!({ "name": { "givenName": "A" } }),
        json!({ "op": "add", "path": "name", "value": { "FAMILYNAME": "B" } }),
        json!({ "name": { "givenName": "A", "familyName": "B" } }),
    );
    becomes(
        json!({}),
        json!({ "op": "add", "path": "name.givenName", "value": "A" }),
        json!({ "name": { "givenName": "A" } }),
    );
    becomes(
        json!({}),
        json!({ "op": "add", "path": format!("{ENTERPRISE}:manager.value"), "value": "m" }),
        json!({ ENTERPRISE: { "manager": { "value": "m" } } }),
    );
}

/// S-16.4, L-P14.
#[test]
fn a_null_part_of_a_complex_value_is_unassigned() {
    becomes(
        json!({ "name": { "givenName": "A", "familyName": "B" } }),
        json!({ "op": "replace", "path": "name", "value": { "givenName": null } }),
        json!({ "name": { "familyName": "B" } }),
    );
    becomes(
        json!({}),
        json!({ "op": "add", "path": format!("{ENTERPRISE}:manager"), "value": { "$ref": null, "value": "m" } }),
        json!({ ENTERPRISE: { "manager": { "value": "m" } } }),
    );
}

/// S-16.25, S-16.30, S-16.31.
#[test]
fn add_appends_what_is_not_there_yet() {
    let start = json!({ "emails": [{ "value": "a@x", "type": "work" }] });
    let add = |value: Value| json!({ "op": "add", "path": "emails", "value": value });

    for there in [
        json!({ "value": "A@X", "type": "Work" }),
        json!([{ "value": "a@x" }]),
        json!([{ "value": "a@x", "type": "work", "primary": false }]),
        json!([]),
        json!(null),
    ] {
        becomes(start.clone(), add(there), start.clone());
    }
    becomes(
        start.clone(),
        add(json!({ "value": "a@x", "type": "home" })),
        json!({ "emails": [{ "value": "a@x", "type": "work" }, { "value": "a@x", "type": "home" }] }),
    );
    becomes(
        start,
        add(json!([{ "value": "a@x", "type": "work", "display": "A" }, { "value": "b" }, { "value": "B" }])),
        json!({ "emails": [{ "value": "a@x", "type": "work", "display": "A" }, { "value": "b" }] }),
    );
}

/// S-16.31.
#[test]
fn elements_without_a_value_are_there_if_an_equal_one_is() {
    let start = json!({ "addresses": [{ "locality": "Oslo", "type": "work" }] });
    let add = |value: Value| json!({ "op": "add", "path": "addresses", "value": value });

    becomes(start.clone(), add(json!([{ "locality": "OSLO", "type": "work" }])), start.clone());
    becomes(
        start,
        add(json!([{ "locality": "Oslo" }])),
        json!({ "addresses": [{ "locality": "Oslo", "type": "work" }, { "locality": "Oslo" }] }),
    );
}

/// S-16.24.
#[test]
fn add_appends_to_a_simple_list() {
    let add = |value: Value| json!([{ "op": "add", "path": "tags", "value": value }]);

    assert_eq!(of_odd(json!({}), add(json!("a"))), Ok(json!({ "tags": ["a"] })));
    assert_eq!(of_odd(json!({ "tags": ["a"] }), add(json!(["A", "b", "b"]))), Ok(json!({ "tags": ["a", "b"] })));
}

/// S-16.26.
#[test]
fn add_at_a_filter_merges_into_every_match() {
    becomes(
        json!({ "emails": [{ "value": "a", "type": "work" }, { "value": "b", "type": "work" }, { "value": "c" }] }),
        json!({ "op": "add", "path": "emails[type eq \"work\"]", "value": { "display": "D" } }),
        json!({ "emails": [
            { "value": "a", "type": "work", "display": "D" },
            { "value": "b", "type": "work", "display": "D" },
            { "value": "c" },
        ] }),
    );
}

/// S-16.29, S-16.59.
#[test]
fn a_sub_attribute_of_a_list_is_set_in_every_element() {
    for op in ["add", "replace"] {
        becomes(
            json!({ "emails": [{ "value": "a" }, { "value": "b" }] }),
            json!({ "op": op, "path": "emails.type", "value": "work" }),
            json!({ "emails": [{ "value": "a", "type": "work" }, { "value": "b", "type": "work" }] }),
        );
        fails(json!({}), json!({ "op": op, "path": "emails.type", "value": "work" }), ScimType::NoTarget);
    }
}

/// S-16.27, S-16.45, S-16.57.
#[test]
fn a_list_inside_an_element_is_a_list_too() {
    let start = json!({ "emails": [{ "value": "a", "notes": ["x"] }] });
    let with = |notes: Value| Ok(json!({ "emails": [{ "value": "a", "notes": notes }] }));
    let path = "emails[value eq \"a\"].notes";

    let end = of_odd(start.clone(), json!([{ "op": "add", "path": path, "value": ["x", "y"] }]));
    assert_eq!(end, with(json!(["x", "y"])));
    let end = of_odd(start.clone(), json!([{ "op": "replace", "path": path, "value": "z" }]));
    assert_eq!(end, with(json!(["z"])));
    let end = of_odd(start, json!([{ "op": "remove", "path": path }]));
    assert_eq!(end, Ok(json!({ "emails": [{ "value": "a" }] })));
}

// remove

/// S-16.41, S-16.42, S-16.43, S-16.47.
#[test]
fn remove_unassigns() {
    let remove = |path: &str| json!({ "op": "remove", "path": path });
    becomes(json!({ "title": "t" }), remove("title"), json!({}));
    becomes(json!({}), remove("title"), json!({}));
    becomes(json!({ "name": { "givenName": "A" } }), remove("name"), json!({}));
    becomes(
        json!({ "name": { "givenName": "A", "familyName": "B" } }),
        remove("name.givenName"),
        json!({ "name": { "familyName": "B" } }),
    );
    becomes(json!({ "name": { "givenName": "A" } }), remove("name.givenName"), json!({}));
    becomes(json!({ "emails": [{ "value": "a" }, { "value": "b" }] }), remove("emails"), json!({}));
    becomes(json!({}), remove("emails.type"), json!({}));
}

/// S-16.44, S-16.45, S-16.46, L-P19.
#[test]
fn remove_at_a_filter_takes_every_match() {
    let emails = json!({ "emails": [{ "value": "a", "type": "x" }, { "value": "b" }, { "value": "c", "type": "x" }] });
    let remove = |path: &str| json!({ "op": "remove", "path": path });

    becomes(emails.clone(), remove("emails[type eq \"x\"]"), json!({ "emails": [{ "value": "b" }] }));
    becomes(emails.clone(), remove("emails[value pr]"), json!({}));
    becomes(
        emails.clone(),
        remove("emails[type pr].type"),
        json!({ "emails": [{ "value": "a" }, { "value": "b" }, { "value": "c" }] }),
    );
    becomes(
        json!({ "emails": [{ "type": "x" }, { "value": "b" }] }),
        remove("emails[type pr].type"),
        json!({ "emails": [{ "value": "b" }] }),
    );
    switch(
        |l| l.patch.remove_no_match_ok = true,
        emails.clone(),
        remove("emails[type eq \"y\"]"),
        emails,
        ScimType::NoTarget,
    );
}

/// S-16.48, L-P4.
#[test]
fn remove_with_a_value_takes_only_what_is_listed() {
    let on = |l: &mut Leniency| l.patch.remove_with_value = true;
    let emails = json!({ "emails": [{ "value": "a", "type": "x" }, { "value": "b" }] });
    let without_a = json!({ "emails": [{ "value": "b" }] });
    let remove = |path: &str, value: Value| json!({ "op": "remove", "path": path, "value": value });

    for value in [json!([{ "value": "A" }]), json!({ "value": "a" }), json!(["a", "z"]), json!("a")] {
        switch(on, emails.clone(), remove("emails", value), without_a.clone(), ScimType::InvalidSyntax);
    }
    for value in [json!([]), json!([{ "value": "z" }]), json!([{}]), json!([{ "foo": "a" }]), json!(5)] {
        switch(on, emails.clone(), remove("emails", value), emails.clone(), ScimType::InvalidSyntax);
    }
    switch(on, json!({ "title": "t" }), remove("title", json!("u")), json!({ "title": "t" }), ScimType::InvalidSyntax);
    switch(on, json!({ "title": "t" }), remove("title", json!("T")), json!({}), ScimType::InvalidSyntax);
    switch(
        on,
        emails.clone(),
        remove("emails[type eq \"x\"]", json!([{ "value": "b" }])),
        emails.clone(),
        ScimType::InvalidSyntax,
    );
    becomes(emails, remove("emails", json!(null)), json!({}));
}

// replace

/// S-16.52, S-16.55.
#[test]
fn replace_sets_and_acts_as_add_where_there_is_nothing() {
    becomes(
        json!({ "title": "t" }),
        json!({ "op": "replace", "path": "title", "value": "u" }),
        json!({ "title": "u" }),
    );
    becomes(json!({}), json!({ "op": "replace", "path": "title", "value": "u" }), json!({ "title": "u" }));
    becomes(
        json!({}),
        json!({ "op": "replace", "path": "name", "value": { "givenName": "A" } }),
        json!({ "name": { "givenName": "A" } }),
    );
}

/// S-16.51, S-16.53, L-P17.
#[test]
fn replace_takes_the_place_of_the_whole_list() {
    let start = json!({ "emails": [{ "value": "a" }, { "value": "b" }] });
    let end = json!({ "emails": [{ "value": "c" }] });
    becomes(start.clone(), json!({ "op": "replace", "path": "emails", "value": [{ "value": "c" }] }), end.clone());
    becomes(start.clone(), json!({ "op": "replace", "path": "emails", "value": { "value": "c" } }), end.clone());
    becomes(start.clone(), json!({ "op": "replace", "value": { "emails": [{ "value": "c" }] } }), end);
    becomes(start.clone(), json!({ "op": "replace", "path": "emails", "value": [] }), json!({}));
    becomes(start, json!({ "op": "replace", "path": "emails", "value": null }), json!({}));
}

/// S-16.56.
#[test]
fn replace_at_a_filter_puts_a_new_element_in_place_and_keeps_what_selected_it() {
    becomes(
        json!({ "emails": [{ "value": "a", "type": "work", "display": "D" }, { "value": "b" }] }),
        json!({ "op": "replace", "path": "emails[type eq \"work\"]", "value": { "value": "x" } }),
        json!({ "emails": [{ "type": "work", "value": "x" }, { "value": "b" }] }),
    );
    becomes(
        json!({ "emails": [{ "value": "a", "type": "work" }] }),
        json!({ "op": "replace", "path": "emails[type eq \"work\"]", "value": { "value": "x", "type": "home" } }),
        json!({ "emails": [{ "value": "x", "type": "home" }] }),
    );
    becomes(
        json!({ "emails": [{ "value": "a", "type": "work" }, { "value": "b" }] }),
        json!({ "op": "replace", "path": "emails[type eq \"work\"]", "value": null }),
        json!({ "emails": [{ "value": "b" }] }),
    );
}

/// S-16.44, S-16.56, S-10.24.
#[test]
fn the_elements_of_a_simple_list_are_selected_by_their_value() {
    let start = json!({ "tags": ["a", "b"] });
    let run = |operation: Value| of_odd(start.clone(), json!([operation]));

    assert_eq!(run(json!({ "op": "remove", "path": "tags[value eq \"A\"]" })), Ok(json!({ "tags": ["b"] })));
    let replace = json!({ "op": "replace", "path": "tags[value eq \"a\"]", "value": "c" });
    assert_eq!(run(replace), Ok(json!({ "tags": ["c", "b"] })));
    let replace = json!({ "op": "replace", "path": "tags[value eq \"z\"]", "value": "z" });
    assert_eq!(run(replace), Ok(json!({ "tags": ["a", "b", "z"] })));
    assert_eq!(run(json!({ "op": "remove", "path": "tags", "value": ["b"] })), Ok(json!({ "tags": ["a"] })));
}

/// S-16.13, S-16.58, S-10.22.
#[test]
fn brackets_take_a_single_complex_value_for_a_list_of_one() {
    let manager = |value: &str| json!({ ENTERPRISE: { "manager": { "value": value } } });
    let replace = |id: &str| {
        let path = format!("{ENTERPRISE}:manager[value eq \"{id}\"].value");
        json!({ "op": "replace", "path": path, "value": "n" })
    };
    becomes(manager("m"), replace("m"), manager("n"));
    fails(manager("m"), replace("x"), ScimType::NoTarget);
    becomes(json!({}), replace("x"), manager("n"));
    fails(
        json!({ "title": "t" }),
        json!({ "op": "replace", "path": "title[value eq \"t\"]", "value": "u" }),
        ScimType::InvalidPath,
    );
}

// Values

/// S-16.63.
#[test]
fn values_are_held_to_their_types_and_written_one_way() {
    fails(json!({}), json!({ "op": "add", "path": "title", "value": 5 }), ScimType::InvalidValue);
    fails(json!({}), json!({ "op": "add", "path": "title", "value": ["x"] }), ScimType::InvalidValue);
    fails(json!({}), json!({ "op": "add", "path": "name", "value": "x" }), ScimType::InvalidValue);
    fails(json!({}), json!({ "op": "add", "path": "active", "value": "yes" }), ScimType::InvalidValue);
    fails(json!({}), json!({ "op": "add", "path": "emails", "value": [5] }), ScimType::InvalidValue);
    fails(
        json!({}),
        json!({ "op": "add", "path": "x509Certificates", "value": { "value": "!" } }),
        ScimType::InvalidValue,
    );
    becomes(
        json!({}),
        json!({ "op": "add", "path": "x509Certificates", "value": { "value": "-_8" } }),
        json!({ "x509Certificates": [{ "value": "+/8=" }] }),
    );
    becomes(
        json!({}),
        json!({ "op": "add", "path": "EMAILS", "value": { "VALUE": "a", "Primary": true } }),
        json!({ "emails": [{ "value": "a", "primary": true }] }),
    );
}

// Mutability

/// S-16.17.
#[test]
fn the_servers_attributes_cannot_be_written() {
    for path in ["id", "meta", "meta.created", "groups", "groups[value eq \"g\"]", "groups.value"] {
        fails(json!({}), json!({ "op": "replace", "path": path, "value": "x" }), ScimType::Mutability);
        fails(json!({}), json!({ "op": "remove", "path": path }), ScimType::Mutability);
    }
    let path = format!("{ENTERPRISE}:manager.displayName");
    fails(json!({}), json!({ "op": "add", "path": path, "value": "x" }), ScimType::Mutability);
}

/// S-16.17: they are not the target.
#[test]
fn read_only_parts_inside_a_value_are_dropped() {
    becomes(
        json!({}),
        json!({ "op": "add", "path": format!("{ENTERPRISE}:manager"), "value": { "value": "m", "displayName": "M" } }),
        json!({ ENTERPRISE: { "manager": { "value": "m" } } }),
    );
}

/// S-16.62, S-5.8, L-P11, L-P12.
#[test]
fn without_a_path_equal_read_only_members_are_ignored() {
    let same = Uuid::from_u128(7).to_string();
    let replace = |value: Value| json!({ "op": "replace", "value": value });
    let end = json!({ "title": "t" });

    becomes(
        json!({}),
        replace(json!({ "id": same, "title": "t", "meta": { "version": "x" }, "groups": [] })),
        end.clone(),
    );
    becomes(json!({}), replace(json!({ "schemas": [CORE], "title": "t" })), end.clone());
    for other in [json!({ "id": "other", "title": "t" }), json!({ "groups": [{ "value": "g" }], "title": "t" })] {
        fails(json!({}), replace(other.clone()), ScimType::Mutability);
        switch(|l| l.patch.ignore_readonly = true, json!({}), replace(other), end.clone(), ScimType::Mutability);
    }
}

/// S-16.32, S-16.50, S-16.61.
#[test]
fn an_immutable_attribute_is_set_once() {
    let run = |start: Value, operation: Value| of_odd(start, json!([operation]));
    let set = json!({ "title": "t" });
    for op in ["add", "replace"] {
        let write = |value: &str| json!({ "op": op, "path": "title", "value": value });
        assert_eq!(run(json!({}), write("t")), Ok(set.clone()));
        assert_eq!(run(set.clone(), write("T")), Ok(set.clone()));
        assert_eq!(run(set.clone(), write("u")), Err(ScimType::Mutability));
    }
    assert_eq!(run(set.clone(), json!({ "op": "remove", "path": "title" })), Err(ScimType::Mutability));
    assert_eq!(run(json!({}), json!({ "op": "remove", "path": "title" })), Ok(json!({})));
    let back = json!([{ "op": "remove", "path": "title" }, { "op": "add", "path": "title", "value": "t" }]);
    assert_eq!(of_odd(set, back), Err(ScimType::Mutability));
}

#[test]
fn nothing_is_in_force_before_a_resource_is_created() {
    let draft = resource(odd_type(), json!({ "title": "t" })).to_draft();
    let operations = provost_scim::patch::parse_operations(json!([{ "op": "replace", "path": "title", "value": "u" }]));

    let draft = apply(draft, None, &operations.unwrap(), &Leniency::default()).unwrap();

    assert_eq!(draft.attributes["title"], "u");
}

/// S-16.50, S-16.61.
#[test]
fn elements_come_and_go_but_keep_their_immutable_and_required_parts() {
    let start = json!({ "roles": [{ "value": "a" }, { "value": "b" }] });
    let run = |operation: Value| of_odd(start.clone(), json!([operation]));

    for (op, path, value, error) in [
        ("replace", "roles[value eq \"a\"].value", json!("c"), ScimType::Mutability),
        ("replace", "roles[value eq \"a\"]", json!({ "value": "c" }), ScimType::Mutability),
        ("add", "roles.value", json!("c"), ScimType::Mutability),
    ] {
        assert_eq!(run(json!({ "op": op, "path": path, "value": value })), Err(error));
    }
    assert_eq!(run(json!({ "op": "remove", "path": "roles[value eq \"a\"].value" })), Err(ScimType::Mutability));
    let same = json!({ "op": "replace", "path": "roles[value eq \"a\"].value", "value": "a" });
    assert_eq!(run(same), Ok(start.clone()));
    let gone = json!({ "op": "remove", "path": "roles[value eq \"a\"]" });
    assert_eq!(run(gone), Ok(json!({ "roles": [{ "value": "b" }] })));
    let whole = json!({ "op": "replace", "path": "roles", "value": [{ "value": "c" }] });
    assert_eq!(run(whole), Ok(json!({ "roles": [{ "value": "c" }] })));
}

/// S-21.6, S-21.4
#[test]
fn a_password_is_set_or_unassigned_and_never_stands_among_the_attributes() {
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA";
    let start = resource(user_type(), json!({ "title": "t", "password": hash }));
    let run = |operations: Value| patch_with(&start, operations, &Leniency::default());
    let new = |draft: &Draft| draft.secret.as_ref().map(|password| password.reveal().to_owned());

    for operation in [
        json!({ "op": "replace", "path": "password", "value": "s3cret" }),
        json!({ "op": "add", "path": format!("{CORE}:PASSWORD"), "value": "s3cret" }),
        json!({ "op": "add", "value": { "Password": "s3cret" } }),
        json!({ "op": "replace", "value": { format!("{CORE}:password"): "s3cret" } }),
    ] {
        let draft = run(json!([operation])).unwrap();
        assert_eq!(new(&draft).as_deref(), Some("s3cret"), "{operation}");
        assert!(!format!("{draft:?}").contains("s3cret"), "{draft:?}");
        assert_eq!(draft.changed_paths(Some(start.attributes())), ["password"]);
    }
    let twice = json!([
        { "op": "replace", "path": "password", "value": "one" }, { "op": "add", "path": "password", "value": "two" },
    ]);
    assert_eq!(new(&run(twice).unwrap()).as_deref(), Some("two"));

    for operation in [
        json!({ "op": "remove", "path": "password" }),
        json!({ "op": "replace", "path": "password", "value": null }),
        json!({ "op": "replace", "value": { "password": null } }),
    ] {
        let draft = run(json!([{ "op": "add", "path": "password", "value": "x" }, operation])).unwrap();
        assert_eq!((new(&draft), draft.password_hash()), (None, None));
        assert_eq!(draft.changed_paths(Some(start.attributes())), ["password"]);
    }
    let untouched = run(json!([{ "op": "add", "path": "password", "value": null }])).unwrap();
    assert_eq!(untouched.attributes, *start.attributes());

    for (operation, why) in [
        (json!({ "op": "remove", "path": "password", "value": "guess" }), ScimType::InvalidSyntax),
        (json!({ "op": "replace", "path": "password", "value": 7 }), ScimType::InvalidValue),
        (json!({ "op": "replace", "path": "password[value eq \"x\"]", "value": "y" }), ScimType::InvalidPath),
    ] {
        let error = run(json!([operation])).unwrap_err();
        assert_eq!(error.scim_type, why, "{operation}");
        assert!(!error.detail.contains("guess"));
    }
}

// primary

/// S-16.71.
#[test]
fn one_operation_cannot_make_two_elements_primary() {
    let emails = json!({ "emails": [{ "value": "a", "type": "x" }, { "value": "b", "type": "x" }] });
    for operation in [
        json!({ "op": "replace", "path": "emails[type eq \"x\"].primary", "value": true }),
        json!({ "op": "add", "path": "emails[type eq \"x\"]", "value": { "primary": true } }),
        json!({ "op": "add", "path": "emails", "value": [
            { "value": "c", "primary": true }, { "value": "d", "primary": true },
        ] }),
        json!({ "op": "replace", "path": "emails", "value": [
            { "value": "c", "primary": true }, { "value": "d", "primary": true },
        ] }),
    ] {
        fails(emails.clone(), operation, ScimType::InvalidValue);
    }
}

/// S-16.70, S-16.72.
#[test]
fn the_last_operation_decides_who_is_primary() {
    let start = json!({ "emails": [{ "value": "a", "primary": true }, { "value": "b" }] });
    let operations = json!([
        { "op": "replace", "path": "emails[value eq \"b\"].primary", "value": true },
        { "op": "add", "path": "emails", "value": { "value": "c" } },
    ]);

    let end = of_user(start.clone(), operations, &Leniency::default());

    assert_eq!(
        end,
        Ok(
            json!({ "emails": [{ "value": "a", "primary": false }, { "value": "b", "primary": true }, { "value": "c" }] })
        )
    );
    becomes(start.clone(), json!({ "op": "add", "path": "emails", "value": { "value": "a", "primary": true } }), start);
}

/// S-16.72.
#[test]
fn removing_the_primary_element_promotes_no_other() {
    becomes(
        json!({ "emails": [{ "value": "a", "primary": true }, { "value": "b" }] }),
        json!({ "op": "remove", "path": "emails[primary eq true]" }),
        json!({ "emails": [{ "value": "b" }] }),
    );
}

// Extensions and schemas

/// S-16.15.
#[test]
fn an_extension_is_addressed_by_its_urn() {
    let start = json!({ "title": "t", ENTERPRISE: { "department": "R", "division": "D" } });
    let merged = json!({ "title": "t", ENTERPRISE: { "department": "S", "division": "D" } });
    for op in ["add", "replace"] {
        becomes(start.clone(), json!({ "op": op, "path": ENTERPRISE, "value": { "Department": "S" } }), merged.clone());
        becomes(start.clone(), json!({ "op": op, "value": { ENTERPRISE: { "department": "S" } } }), merged.clone());
        fails(start.clone(), json!({ "op": op, "path": ENTERPRISE, "value": "x" }), ScimType::InvalidValue);
    }
    becomes(start.clone(), json!({ "op": "remove", "path": ENTERPRISE }), json!({ "title": "t" }));
    becomes(start.clone(), json!({ "op": "replace", "path": ENTERPRISE, "value": null }), json!({ "title": "t" }));
    becomes(json!({}), json!({ "op": "remove", "path": ENTERPRISE }), json!({}));
    fails(
        start.clone(),
        json!({ "op": "remove", "path": ENTERPRISE, "value": { "department": "R" } }),
        ScimType::InvalidSyntax,
    );
}

/// S-16.14.
#[test]
fn with_its_last_attribute_an_extension_goes() {
    becomes(
        json!({ ENTERPRISE: { "department": "R" } }),
        json!({ "op": "remove", "path": format!("{ENTERPRISE}:department") }),
        json!({}),
    );
}

/// S-16.5, S-16.16, L-B2.
#[test]
fn schemas_follow_the_extensions_and_never_lose_the_base() {
    let start = json!({ ENTERPRISE: { "department": "R" } });
    let op = |op: &str, path: &str, value: Value| json!({ "op": op, "path": path, "value": value });

    becomes(start.clone(), op("add", "schemas", json!([ENTERPRISE])), start.clone());
    becomes(start.clone(), op("remove", "schemas", json!([ENTERPRISE])), json!({}));
    becomes(start.clone(), json!({ "op": "remove", "path": format!("schemas[value eq \"{ENTERPRISE}\"]") }), json!({}));
    becomes(start.clone(), op("replace", "schemas", json!([CORE])), json!({}));
    becomes(start.clone(), op("replace", "schemas", json!([CORE, ENTERPRISE])), start.clone());
    fails(start.clone(), json!({ "op": "remove", "path": "schemas" }), ScimType::InvalidValue);
    fails(start.clone(), op("remove", "schemas", json!([CORE])), ScimType::InvalidValue);
    fails(start.clone(), op("replace", "schemas", json!([ENTERPRISE])), ScimType::InvalidValue);
    fails(start.clone(), op("replace", "schemas", json!(null)), ScimType::InvalidValue);
    becomes(start.clone(), json!({ "op": "replace", "value": { "schemas": [CORE] } }), start.clone());
    switch(
        |l| l.body.unknown_schema_urns = true,
        start.clone(),
        op("add", "schemas", json!(["urn:example:X"])),
        start,
        ScimType::InvalidValue,
    );
}

/// S-16.14, S-16.49, S-16.60.
#[test]
fn a_required_extension_cannot_go() {
    let mut user = (*user_type()).clone();
    user.extensions[0].required = true;
    let start = resource(Arc::new(user), json!({ ENTERPRISE: { "department": "R" } }));
    let run = |operation: Value| patch_with(&start, json!([operation]), &Leniency::default()).unwrap_err().scim_type;

    assert_eq!(run(json!({ "op": "remove", "path": ENTERPRISE })), ScimType::Mutability);
    assert_eq!(run(json!({ "op": "replace", "path": ENTERPRISE, "value": null })), ScimType::InvalidValue);
}

// Leniencies, on and off

/// L-P2, L-P3, L-P23.
#[test]
fn keys_without_a_path_may_be_paths() {
    let op = |value: Value| json!({ "op": "replace", "value": value });
    switch(
        |l| l.patch.dotted_keys = true,
        json!({}),
        op(json!({ "name.givenName": "K", "displayName": "B" })),
        json!({ "name": { "givenName": "K" }, "displayName": "B" }),
        ScimType::InvalidPath,
    );
    switch(
        |l| l.patch.urn_keys = true,
        json!({}),
        op(json!({ format!("{ENTERPRISE}:employeeNumber"): "5" })),
        json!({ ENTERPRISE: { "employeeNumber": "5" } }),
        ScimType::InvalidPath,
    );
    switch(
        |l| l.patch.valuepath_keys = true,
        json!({ "emails": [{ "value": "a", "type": "work" }] }),
        op(json!({ "emails[type eq \"work\"].value": "b" })),
        json!({ "emails": [{ "value": "b", "type": "work" }] }),
        ScimType::InvalidPath,
    );
}

/// L-B3, L-P15.
#[test]
fn unknown_names_are_dropped_only_if_switched_on() {
    switch(
        |l| l.body.unknown_attributes = true,
        json!({}),
        json!({ "op": "add", "value": { "foo": 1, "title": "t" } }),
        json!({ "title": "t" }),
        ScimType::InvalidPath,
    );
    switch(
        |l| l.patch.unknown_subattrs = true,
        json!({}),
        json!({ "op": "add", "path": "emails", "value": [{ "value": "a", "foo": 1 }] }),
        json!({ "emails": [{ "value": "a" }] }),
        ScimType::InvalidValue,
    );
}

/// L-P6, L-P7.
#[test]
fn boolean_strings_are_read_only_if_switched_on() {
    switch(
        |l| l.patch.bool_strings = true,
        json!({ "active": true }),
        json!({ "op": "replace", "path": "active", "value": "False" }),
        json!({ "active": false }),
        ScimType::InvalidValue,
    );
    switch(
        |l| l.patch.bool_in_filter = true,
        json!({ "roles": [{ "value": "a", "primary": true }] }),
        json!({ "op": "replace", "path": "roles[primary eq \"True\"].display", "value": "D" }),
        json!({ "roles": [{ "value": "a", "primary": true, "display": "D" }] }),
        ScimType::InvalidFilter,
    );
}

/// S-16.28, L-P5.
#[test]
fn an_element_is_made_only_from_equalities() {
    becomes(
        json!({}),
        json!({ "op": "add", "path": "roles[primary eq \"True\"].value", "value": "x" }),
        json!({ "roles": [{ "value": "x", "primary": true }] }),
    );
    becomes(
        json!({}),
        json!({ "op": "replace", "path": "addresses[type eq \"work\" and primary eq false]", "value": { "Locality": "O" } }),
        json!({ "addresses": [{ "locality": "O", "type": "work", "primary": false }] }),
    );
    for filter in [
        "type eq \"a\" or type eq \"b\"",
        "not (type eq \"a\")",
        "type co \"a\"",
        "type ne \"a\"",
        "type eq \"a\" and type eq \"b\"",
        "type eq null and value eq \"a\"",
    ] {
        fails(
            json!({}),
            json!({ "op": "replace", "path": format!("emails[{filter}].display"), "value": "x" }),
            ScimType::NoTarget,
        );
    }
}

/// L-P8.
#[test]
fn a_string_for_a_complex_attribute_is_its_value_only_if_switched_on() {
    switch(
        |l| l.patch.scalar_for_complex = true,
        json!({}),
        json!({ "op": "add", "path": format!("{ENTERPRISE}:manager"), "value": "m" }),
        json!({ ENTERPRISE: { "manager": { "value": "m" } } }),
        ScimType::InvalidValue,
    );
}

/// L-P10.
#[test]
fn a_wrapped_scalar_is_unwrapped_only_if_switched_on() {
    for value in [json!([{ "value": "Babs" }]), json!({ "value": "Babs" }), json!(["Babs"])] {
        switch(
            |l| l.patch.wrapped_scalar = true,
            json!({}),
            json!({ "op": "add", "path": "nickName", "value": value }),
            json!({ "nickName": "Babs" }),
            ScimType::InvalidValue,
        );
    }
}

/// L-P20.
#[test]
fn an_empty_string_unassigns_only_if_switched_on() {
    let mut lenient = Leniency::default();
    lenient.patch.empty_string_clears = true;
    let replace = json!([{ "op": "replace", "path": "title", "value": "" }]);

    assert_eq!(of_user(json!({ "title": "t" }), replace.clone(), &lenient), Ok(json!({})));
    assert_eq!(of_user(json!({ "title": "t" }), replace, &Leniency::default()), Ok(json!({ "title": "" })));
    let nobody = json!([{ "op": "replace", "path": "emails[type eq \"work\"].value", "value": "" }]);
    assert_eq!(
        of_user(json!({ "title": "t" }), nobody, &lenient),
        Ok(json!({ "title": "t" })),
        "nothing makes nothing"
    );
    let user_name = json!([{ "op": "replace", "path": "userName", "value": "" }]);
    assert_eq!(of_user(json!({ "userName": "a" }), user_name, &lenient), Ok(json!({ "userName": "" })));
}

#[test]
fn what_one_request_may_look_at_is_bounded() {
    let emails: Vec<Value> = (0..2_000).map(|n| json!({ "value": n.to_string() })).collect();
    let operations = vec![json!({ "op": "remove", "path": "emails[value eq \"x\"]" }); 600];

    assert_eq!(of_user(json!({ "emails": emails }), json!(operations), &Leniency::default()), Err(ScimType::TooMany));
}
