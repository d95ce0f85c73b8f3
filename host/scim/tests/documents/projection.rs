//! What an answer shows (checklist section 8, S-3.17).

use provost_scim::project::{supplied, without_secrets};
use provost_scim::{Leniency, Projection};
use serde_json::{Value, json};

use super::*;

fn only(names: &[&str]) -> Projection {
    Projection::from_query(names, &[], &Leniency::default()).unwrap()
}

fn except(names: &[&str]) -> Projection {
    Projection::from_query(&[], names, &Leniency::default()).unwrap()
}

/// What the projection leaves of a full user, without `schemas` and `id`, which must be there.
#[track_caller]
fn shown(projection: &Projection) -> Value {
    let document = object(json!({ "schemas": [CORE, ENTERPRISE], "id": "1", "externalId": "x", "userName": "ana",
        "name": { "givenName": "A", "familyName": "B" }, "password": "secret",
        "emails": [{ "value": "a@x", "type": "work" }, { "value": "b@x" }],
        ENTERPRISE: { "department": "D", "manager": { "value": "9", "displayName": "M" } },
        "meta": { "resourceType": "User", "version": "W/\"1\"" }, "unheard": 1 }));
    let mut shown = projection.apply(&user_type(), document);
    assert_eq!(shown.remove("schemas"), Some(json!([CORE, ENTERPRISE])), "S-8.8");
    assert_eq!(shown.remove("id"), Some(json!("1")), "S-8.8");
    Value::Object(shown)
}

#[test]
fn by_default_everything_shows_but_secrets_and_what_no_schema_knows_s_8_4() {
    let expected = json!({ "externalId": "x", "userName": "ana", "name": { "givenName": "A", "familyName": "B" },
        "emails": [{ "value": "a@x", "type": "work" }, { "value": "b@x" }],
        ENTERPRISE: { "department": "D", "manager": { "value": "9", "displayName": "M" } },
        "meta": { "resourceType": "User", "version": "W/\"1\"" } });
    assert_eq!(shown(&Projection::Default), expected);
}

#[test]
fn attributes_shows_exactly_what_is_named_s_8_3_s_8_6() {
    for (names, expected) in [
        (&["userName"][..], json!({ "userName": "ana" })),
        (&["USERNAME, externalid"], json!({ "userName": "ana", "externalId": "x" })),
        (&["userName", "meta"], json!({ "userName": "ana", "meta": { "resourceType": "User", "version": "W/\"1\"" } })),
        (&["meta.version"], json!({ "meta": { "version": "W/\"1\"" } })),
        (&["name.givenName"], json!({ "name": { "givenName": "A" } })),
        (&["name,name.givenName"], json!({ "name": { "givenName": "A", "familyName": "B" } })),
        (&["emails.value"], json!({ "emails": [{ "value": "a@x" }, { "value": "b@x" }] })),
        (&["emails.type"], json!({ "emails": [{ "type": "work" }] })),
        (&["urn:ietf:params:scim:schemas:core:2.0:User:userName"], json!({ "userName": "ana" })),
        (&[ENTERPRISE], json!({ ENTERPRISE: { "department": "D", "manager": { "value": "9", "displayName": "M" } } })),
        (&[&format!("{ENTERPRISE}:manager.value")], json!({ ENTERPRISE: { "manager": { "value": "9" } } })),
        (&["department"], json!({ ENTERPRISE: { "department": "D" } })),
        (&["id"], json!({})),
        (&["nonsense", "a.b.c"], json!({})),
        (&["password"], json!({})),
    ] {
        assert_eq!(shown(&only(names)), expected, "{names:?}");
    }
}

#[test]
fn excluded_attributes_take_away_what_is_named_s_8_3() {
    let all = shown(&Projection::Default);
    let without = |path: &[&str]| {
        let mut all = all.clone();
        let (last, parents) = path.split_last().unwrap();
        let parent = parents.iter().fold(&mut all, |value, name| value.get_mut(*name).unwrap());
        parent.as_object_mut().unwrap().remove(*last);
        all
    };
    for (name, expected) in [
        ("userName", without(&["userName"])),
        ("name.givenName", without(&["name", "givenName"])),
        ("name.givenName, name.familyName", without(&["name"])),
        ("NAME", without(&["name"])),
        (ENTERPRISE, without(&[ENTERPRISE])),
        (&format!("{ENTERPRISE}:department"), without(&[ENTERPRISE, "department"])),
        ("meta", without(&["meta"])),
        ("id,schemas", all.clone()),
        ("nonsense", all.clone()),
    ] {
        assert_eq!(shown(&except(&[name])), expected, "{name}");
    }
}

#[test]
fn both_parameters_at_once_are_refused_s_8_2() {
    let outcome = Projection::from_query(&["userName"], &["name"], &Leniency::default());
    assert_eq!(said(outcome), "invalidValue: `attributes` and `excludedAttributes` cannot be used together");
    let empty = Projection::from_query(&["userName"], &[" , "], &Leniency::default()).unwrap();
    assert_eq!(empty, Projection::Only(vec!["userName".into()]));
}

#[test]
fn a_list_without_names_asks_for_nothing_special() {
    assert_eq!(only(&["", ","]), Projection::Default);
}

#[test]
fn a_value_path_stands_for_its_attribute_or_for_nothing_l_q4() {
    let names = [r#"emails[type eq "a,b]" and x eq 1],userName"#];
    assert_eq!(only(&names), Projection::Only(vec!["emails".into(), "userName".into()]));
    let strict = Projection::from_query(&names, &[], &Leniency::strict()).unwrap();
    assert_eq!(strict, Projection::Only(vec!["userName".into()]));
    let nothing_left = Projection::from_query(&["emails[type pr]"], &[], &Leniency::strict()).unwrap();
    assert_eq!(shown(&nothing_left), json!({}));
}

#[test]
fn a_search_request_has_arrays_or_a_forgiven_string_l_q3() {
    let of = |value: Value, leniency: &Leniency| Projection::from_json(Some(&value), None, leniency);
    let names = Projection::Only(vec!["a".into(), "b".into()]);
    assert_eq!(of(json!(["a", " b"]), &Leniency::strict()).unwrap(), names);
    assert_eq!(of(json!("a, b"), &Leniency::default()).unwrap(), names);
    assert_eq!(of(json!(null), &Leniency::default()).unwrap(), Projection::Default);
    for (value, leniency) in
        [(json!("a,b"), Leniency::strict()), (json!([1]), Leniency::default()), (json!({}), Leniency::default())]
    {
        assert_eq!(said(of(value, &leniency)), "invalidValue: `attributes` must be a list of attribute names");
    }
}

#[test]
fn the_number_of_names_has_a_bound() {
    let many = "a,".repeat(300);
    assert!(said(Projection::from_query(&[many.as_str()], &[], &Leniency::default())).contains("more than 256"));
}

/// What is shown of a gadget, whose attributes have every kind of `returned`.
fn gadget(projection: &Projection, supplied: &[&str]) -> Value {
    let document = object(json!({ "id": "1", "size": 1, "pin": "1", "label": "L", "notes": "N",
        "owner": { "value": "o", "secret": "s" }, "parts": [{ "value": "p", "primary": true, "aliases": ["x"] }],
        "urn:example:Warranty": { "until": "2026-01-01T00:00:00.000Z", "terms": "T" } }));
    let supplied: Vec<String> = supplied.iter().map(|s| (*s).to_owned()).collect();
    let mut shown = projection.apply_to_write(&gadget_type(), document, &supplied);
    assert_eq!(shown.remove("id"), Some(json!("1")));
    assert_eq!(shown.remove("label"), Some(json!("L")), "returned always");
    Value::Object(shown)
}

#[test]
fn returned_request_shows_only_when_named_or_supplied_s_3_17_s_8_10() {
    let all = gadget(&Projection::Default, &[]);
    assert!(all.get("notes").is_none() && all["urn:example:Warranty"].get("terms").is_none());
    assert_eq!(gadget(&only(&["notes"]), &[]), json!({ "notes": "N" }));
    assert_eq!(gadget(&Projection::Default, &["notes"])["notes"], "N");
    assert_eq!(gadget(&Projection::Default, &["urn:example:Warranty"])["urn:example:Warranty"]["terms"], "T");
    assert!(gadget(&except(&["notes"]), &["notes"]).get("notes").is_none());
    assert_eq!(gadget(&only(&["size"]), &["notes"]), json!({ "size": 1 }));
    let container = gadget(&only(&["urn:example:Warranty"]), &[]);
    assert_eq!(container, json!({ "urn:example:Warranty": { "until": "2026-01-01T00:00:00.000Z" } }));
}

#[test]
fn returned_never_shows_in_no_way_s_8_4() {
    for projection in [Projection::Default, only(&["pin,owner.secret,owner"]), except(&["size"])] {
        let text = gadget(&projection, &["pin", "owner", "owner.secret"]).to_string();
        assert!(!text.contains("pin") && !text.contains("secret"), "{text}");
    }
}

#[test]
fn returned_always_parts_come_with_their_element_s_8_6() {
    assert_eq!(gadget(&only(&["parts.primary"]), &[]), json!({ "parts": [{ "value": "p", "primary": true }] }));
    assert_eq!(gadget(&except(&["parts.value,parts.primary,parts.aliases"]), &[])["parts"], json!([{ "value": "p" }]));
}

#[test]
fn members_are_wanted_only_if_something_of_them_shows() {
    let group = group_type();
    for (projection, wanted) in [
        (Projection::Default, true),
        (only(&["displayName"]), false),
        (only(&["members"]), true),
        (only(&["Members.value"]), true),
        (except(&["members"]), false),
        (except(&["members.display"]), true),
        (except(&["members.value,members.$ref,members.type,members.display"]), false),
    ] {
        assert_eq!(projection.wants(&group, "members"), wanted, "{projection:?}");
    }
    assert!(!only(&["password"]).wants(&user_type(), "password"));
    assert!(!Projection::Default.wants(&user_type(), "nonsense"));
}

#[test]
fn a_document_without_secrets_lacks_nothing_else() {
    let document = object(json!({ "id": "1", "pin": "1", "notes": "N", "owner": { "value": "o", "secret": "s" },
        "urn:example:Warranty": { "terms": "T" } }));
    let expected =
        json!({ "id": "1", "notes": "N", "owner": { "value": "o" }, "urn:example:Warranty": { "terms": "T" } });
    assert_eq!(Value::Object(without_secrets(&gadget_type(), document)), expected);
}

#[test]
fn what_a_body_names_is_supplied_however_it_is_spelt() {
    let body = json!({ "USERNAME": "a", ENTERPRISE.to_lowercase(): { "Department": "d", "manager": { "VALUE": "1" } },
        "emails": [{ "value": "a" }, { "type": "work" }], "nonsense": 1 });
    let [department, manager] = ["department", "manager.value"].map(|name| format!("{ENTERPRISE}:{name}"));
    assert_eq!(supplied(&user_type(), &body), ["emails.type", "emails.value", &department, &manager, "userName"]);
}

#[test]
fn a_part_is_wanted_if_any_of_it_shows() {
    let group = group_type();
    let wanted = |projection: &Projection| projection.wants_part(&group, "members", "display");
    for projection in [only(&["members"]), only(&["Members.Display"]), except(&["members.value"]), Projection::Default]
    {
        assert!(wanted(&projection), "{projection:?}");
    }
    for projection in
        [only(&["members.value"]), only(&["displayName"]), except(&["members"]), except(&["members.display"])]
    {
        assert!(!wanted(&projection), "{projection:?}");
    }
    assert!(!Projection::Default.wants_part(&group, "members", "nothing"));
    assert!(!Projection::Default.wants_part(&group, "nothing", "display"));
}

#[test]
fn a_part_that_is_left_out_does_not_show_whatever_is_asked_for() {
    let group = group_type();
    let member = json!({ "value": "1", "type": "User", "display": "Ana" });
    let urn = format!("{}:members", group.schema.id);
    let cases = [
        (Projection::Default, json!([{ "value": "1", "type": "User" }])),
        (except(&["members.type"]), json!([{ "value": "1" }])),
        (only(&["members"]), json!([{ "value": "1", "type": "User" }])),
        (only(&[&urn]), json!([{ "value": "1", "type": "User" }])),
        (only(&["MEMBERS.display", "members.type"]), json!([{ "type": "User" }])),
        (only(&["members.display"]), Value::Null),
        (only(&["displayName"]), Value::Null),
        (except(&["members"]), Value::Null),
    ];
    for (projection, expected) in cases {
        let document = object(json!({ "displayName": "staff", "members": [member] }));
        let mut shown = projection.without_part(&group, "members", "display").apply(&group, document);
        assert_eq!(shown.remove("members").unwrap_or_default(), expected, "{projection:?}");
    }
}

#[test]
fn what_shows_on_request_shows_only_where_it_is_named_l_q7() {
    let group = group_type();
    let shows = |projection: Projection| projection.on_request("members").wants(&group, "members");
    assert!(shows(only(&["members"])) && shows(only(&["members.value"])));
    assert!(!shows(Projection::Default) && !shows(except(&["displayName"])) && !shows(except(&["members"])));
}
