//! What a PUT, or a plugin's whole document, makes of a resource (checklist section 15).

use provost_scim::{Leniency, MembershipEdit, check};
use serde_json::{Value, json};

use super::*;

const ONE: &str = "0190b5a0-0000-7000-8000-00000000000a";

/// What is left after a PUT of `body` on a gadget that has `before`.
fn put(before: Value, body: Value) -> Result<Value, Invalid> {
    let current = stored_as(gadget_type(), before);
    let body = with_schemas(&gadget_type(), body);
    check::replace(&current, body, &Leniency::default()).map(|d| Value::Object(d.attributes))
}

#[test]
fn what_the_body_leaves_out_is_cleared_s_15_3() {
    let current = stored(
        json!({ "userName": "a", "title": "T", "emails": [{ "value": "x" }], ENTERPRISE: { "department": "D" } }),
    );
    let draft = check::replace(&current, user(json!({ "userName": "b" })), &Leniency::default()).unwrap();
    assert_eq!(Value::Object(draft.attributes), json!({ "userName": "b" }));
    assert_eq!(draft.membership, []);
}

#[test]
fn an_omitted_active_stays_as_it_was_s_15_5() {
    let current = stored(json!({ "userName": "a", "active": false }));
    for body in [json!({ "userName": "a" }), json!({ "userName": "a", "active": null })] {
        let draft = check::replace(&current, user(body), &Leniency::default()).unwrap();
        assert_eq!(draft.attributes["active"], json!(false));
    }
    let draft = check::replace(&current, user(json!({ "userName": "a", "active": true })), &Leniency::default());
    assert_eq!(draft.unwrap().attributes["active"], json!(true));
}

#[test]
fn omitted_write_only_values_stay_s_15_4() {
    let expected = json!({ "size": 1, "pin": "1234" });
    assert_eq!(put(json!({ "pin": "1234" }), json!({ "size": 1 })).unwrap(), expected);
    assert_eq!(put(json!({ "pin": "1234" }), json!({ "pin": "5" })).unwrap(), json!({ "pin": "5" }));
}

#[test]
fn an_omitted_password_stays_and_a_new_one_stands_beside_it_s_15_4() {
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA";
    let current = stored(json!({ "userName": "a", "password": hash }));
    let put = |body| check::replace(&current, user(body), &Leniency::default()).unwrap();
    for silent in [json!({ "userName": "b" }), json!({ "userName": "b", "password": null })] {
        let draft = put(silent);
        assert_eq!((draft.password_hash().unwrap().as_str(), &draft.secret), (hash, &None));
        assert_eq!(draft.changed_paths(Some(current.attributes())), ["userName"]);
    }
    let draft = put(json!({ "userName": "a", "password": "s3cret" }));
    assert_eq!(draft.secret.as_ref().unwrap().reveal(), "s3cret");
    assert_eq!(draft.changed_paths(Some(current.attributes())), ["password"]);

    // A plugin that does not speak of it keeps it, the new one as well as the stored one.
    let kept = check::replacement(Some(&current), &draft, json!({ "userName": "c" }), &Leniency::default()).unwrap();
    assert_eq!((kept.secret, kept.attributes["password"].as_str()), (draft.secret, Some(hash)));
}

#[test]
fn what_the_sender_cannot_read_inside_a_complex_value_stays_s_15_4() {
    let before = json!({ "owner": { "value": "a", "secret": "s" } });
    assert_eq!(
        put(before.clone(), json!({ "owner": { "value": "b" } })).unwrap(),
        json!({ "owner": { "value": "b", "secret": "s" } })
    );
    assert_eq!(put(before, json!({})).unwrap(), json!({}));
}

#[test]
fn an_immutable_value_stays_and_cannot_become_another_s_15_6_s_15_7() {
    let before = json!({ "serial": "Ab1" });
    assert_eq!(put(before.clone(), json!({})).unwrap(), before);
    assert_eq!(put(before.clone(), json!({ "serial": "aB1" })).unwrap(), before);
    assert_eq!(put(json!({}), json!({ "serial": "x" })).unwrap(), json!({ "serial": "x" }));
    let outcome = put(before, json!({ "serial": "other" }));
    assert_eq!(said(outcome), "mutability: `serial` cannot change once it has a value");
}

#[test]
fn an_immutable_part_of_a_complex_value_stays_too_s_15_7() {
    let before = json!({ "owner": { "value": "a", "since": "2026-01-01T00:00:00.000Z" } });
    let outcome = put(before.clone(), json!({ "owner": { "value": "a", "since": "2026-01-02T00:00:00Z" } }));
    assert_eq!(said(outcome), "mutability: `owner.since` cannot change once it has a value");
    assert_eq!(put(before.clone(), json!({ "owner": { "value": "a" } })).unwrap(), before);
    assert_eq!(
        put(before.clone(), json!({ "owner": { "value": "a", "since": "2026-01-01T01:00:00+01:00" } })).unwrap(),
        before
    );
    assert_eq!(put(before, json!({})).unwrap(), json!({}));
}

#[test]
fn read_only_values_in_the_body_are_ignored_s_15_1() {
    let current = stored(json!({ "userName": "a" }));
    let body = user(json!({ "userName": "a", "id": "another", "meta": { "version": "x" }, "groups": 1 }));
    let draft = check::replace(&current, body, &Leniency::default()).unwrap();
    assert_eq!(Value::Object(draft.attributes), json!({ "userName": "a" }));
}

#[test]
fn members_are_replaced_and_omitted_members_are_none_s_15_8() {
    let current = stored_as(group_type(), json!({ "displayName": "G" }));
    let put = |members: Option<Value>| {
        let mut body = with_schemas(&group_type(), json!({ "displayName": "G" }));
        if let Some(members) = members {
            body["members"] = members;
        }
        check::replace(&current, body, &Leniency::default()).unwrap().membership
    };
    assert_eq!(put(None), [MembershipEdit::Replace(vec![])]);
    assert_eq!(put(Some(json!(null))), [MembershipEdit::Replace(vec![])]);
    let [MembershipEdit::Replace(members)] = &put(Some(json!([{ "value": ONE }])))[..] else { panic!() };
    assert_eq!(members[0].id.to_string(), ONE);
}

#[test]
fn the_body_of_a_put_needs_schemas_too() {
    let outcome = check::replace(&stored(json!({})), json!({ "userName": "a" }), &Leniency::default());
    assert_eq!(said(outcome), format!("invalidSyntax: `schemas` must contain `{CORE}`"));
}

/// What a plugin's document makes of a proposal on top of a stored user.
fn answer(current: Option<&Resource>, document: Value) -> Result<Draft, Invalid> {
    let proposed = create(user(json!({ "userName": "a", "title": "T", "active": false }))).unwrap();
    check::replacement(current, &proposed, document, &Leniency::default())
}

#[test]
fn a_plugin_may_answer_with_the_document_it_was_shown() {
    let current = stored(json!({ "userName": "old" }));
    let proposed = create(user(json!({ "userName": "a", ENTERPRISE: { "department": "D" } }))).unwrap();
    for current in [None, Some(&current)] {
        let shown = Value::Object(proposed.document(current.map(Resource::stamp)));
        let draft = check::replacement(current, &proposed, shown, &Leniency::default()).unwrap();
        assert_eq!(draft, proposed);
    }
}

#[test]
fn a_plugin_may_leave_out_what_is_the_servers_and_clear_the_rest() {
    let draft = answer(None, json!({ "userName": "b" })).unwrap();
    assert_eq!(Value::Object(draft.attributes), json!({ "userName": "b", "active": false }));
}

#[test]
fn a_plugin_cannot_touch_id_meta_or_the_core_schemas() {
    let current = stored(json!({ "userName": "old" }));
    for (name, document) in [
        ("id", json!({ "id": "another" })),
        ("meta", json!({ "meta": { "version": "W/\"9\"" } })),
        ("meta", json!({ "meta": { "location": "https://x" } })),
        ("meta", json!({ "meta": 1 })),
        ("schemas", json!({ "schemas": [ENTERPRISE] })),
        ("schemas", json!({ "schemas": [CORE, "urn:other"] })),
        ("schemas", json!({ "schemas": CORE })),
    ] {
        let expected = format!("mutability: `{name}` belongs to the server");
        assert_eq!(said(answer(Some(&current), document.clone())), expected, "{document}");
    }
    // A new resource has no id yet, so none can be right.
    let id = json!({ "id": stamp().id });
    assert_eq!(said(answer(None, id.clone())), "mutability: `id` belongs to the server");
    assert!(answer(Some(&current), id).is_ok());
}

#[test]
fn a_plugin_is_held_to_what_is_stored_not_to_what_was_proposed() {
    let current = stored_as(gadget_type(), json!({ "serial": "one", "pin": "1" }));
    let proposed = check::create(
        with_schemas(&gadget_type(), json!({ "serial": "one", "pin": "2" })),
        &gadget_type(),
        &Leniency::default(),
    );
    let proposed = proposed.unwrap();
    let other = check::replacement(Some(&current), &proposed, json!({ "serial": "two" }), &Leniency::default());
    assert_eq!(said(other), "mutability: `serial` cannot change once it has a value");

    let silent = check::replacement(Some(&current), &proposed, json!({}), &Leniency::default()).unwrap();
    assert_eq!(Value::Object(silent.attributes), json!({ "serial": "one", "pin": "2" }));

    let on_create = check::replacement(None, &proposed, json!({ "serial": "two" }), &Leniency::default()).unwrap();
    assert_eq!(on_create.attributes["serial"], "two");
}

#[test]
fn a_plugin_that_says_nothing_of_members_keeps_the_change_to_them() {
    let body = with_schemas(&group_type(), json!({ "displayName": "G", "members": [{ "value": ONE }] }));
    let proposed = check::create(body, &group_type(), &Leniency::default()).unwrap();
    let answer = |document| check::replacement(None, &proposed, document, &Leniency::default()).unwrap().membership;
    assert_eq!(answer(json!({ "displayName": "H" })), proposed.membership);
    assert_eq!(answer(json!({ "displayName": "H", "members": [] })), [MembershipEdit::Replace(vec![])]);
}
