//! What a POST may hold (checklist sections 2, 3, 5 and 6).

use provost_scim::{Leniency, Member, MembershipEdit, check};
use serde_json::{Value, json};

use super::*;

const ONE: &str = "0190b5a0-0000-7000-8000-00000000000a";
const TWO: &str = "0190b5a0-0000-7000-8000-00000000000b";

fn group(members: Value) -> Result<Draft, Invalid> {
    let body = with_schemas(&group_type(), json!({ "displayName": "G", "members": members }));
    check::create(body, &group_type(), &Leniency::default())
}

fn gadget(attributes: Value) -> Result<Value, Invalid> {
    let body = with_schemas(&gadget_type(), attributes);
    check::create(body, &gadget_type(), &Leniency::default()).map(|d| Value::Object(d.attributes))
}

#[test]
fn names_in_any_letter_case_become_the_schemas_own_s_2_14() {
    let body = json!({ "USERNAME": "ana", "Name": { "GIVENNAME": "Ana" }, "eMails": [{ "Value": "a@x", "Primary": true }],
        "EXTERNALID": "7", ENTERPRISE.to_uppercase(): { "Department": "D" } });
    let canonical = json!({ "externalId": "7", "userName": "ana", "name": { "givenName": "Ana" },
        "emails": [{ "value": "a@x", "primary": true }], ENTERPRISE: { "department": "D" } });
    assert_eq!(accepted(body), canonical);
}

#[test]
fn attributes_come_in_the_schemas_order_s_2_12() {
    let attributes = object(accepted(json!({ "title": "T", "name": { "givenName": "A", "familyName": "B" },
        ENTERPRISE: { "department": "D" }, "userName": "a", "externalId": "e" })));
    assert_eq!(attributes.keys().collect::<Vec<_>>(), ["externalId", "userName", "name", "title", ENTERPRISE]);
    assert_eq!(object(attributes["name"].clone()).keys().collect::<Vec<_>>(), ["familyName", "givenName"]);
}

#[test]
fn the_same_attribute_twice_in_different_letter_case_is_a_syntax_error_s_2_11() {
    assert_eq!(refused(json!({ "title": "a", "Title": "b" })), "invalidSyntax: `title` is given twice");
    assert_eq!(
        refused(json!({ "name": { "givenName": "a", "givenname": "b" } })),
        "invalidSyntax: `name.givenName` is given twice"
    );
    assert_eq!(refused(json!({ "externalId": "a", "ExternalID": "b" })), "invalidSyntax: `ExternalID` is given twice");
}

#[test]
fn read_only_values_go_before_anything_looks_at_them_s_6_1() {
    let garbage = json!({ "id": 7, "meta": "x", "groups": { "not": "a list" }, "userName": "ana",
        ENTERPRISE: { "manager": { "value": "1", "displayName": 12 } } });
    assert_eq!(accepted(garbage), json!({ "userName": "ana", ENTERPRISE: { "manager": { "value": "1" } } }));
}

#[test]
fn null_empty_list_and_empty_object_are_unassigned_s_3_13() {
    let nothing = json!({ "userName": "ana", "title": null, "emails": [], "name": {}, "phoneNumbers": [null, {}],
        "addresses": [{ "country": null }], ENTERPRISE: { "department": null }, "externalId": null });
    assert_eq!(accepted(nothing), json!({ "userName": "ana" }));
}

#[test]
fn required_attributes_are_not_demanded_yet() {
    assert_eq!(accepted(json!({})), json!({}));
}

#[test]
fn values_must_fit_their_type_and_the_error_names_the_path_s_6_5() {
    for (body, detail) in [
        (json!({ "userName": 7 }), "`userName` must be a string"),
        (json!({ "active": 1 }), "`active` must be true or false"),
        (json!({ "active": "yes" }), "`active` must be true or false"),
        (json!({ "name": "Ana" }), "`name` must be an object"),
        (json!({ "name": [] }), "`name` must be an object"),
        (json!({ "name": { "givenName": ["A"] } }), "`name.givenName` must be a string"),
        (json!({ "emails": { "value": "a" } }), "`emails` must be a list"),
        (json!({ "emails": ["a"] }), "`emails` must be an object"),
        (json!({ "emails": [{ "primary": "maybe" }] }), "`emails.primary` must be true or false"),
        (json!({ "x509Certificates": [{ "value": "!" }] }), "`x509Certificates.value` must be base64"),
        (json!({ "profileUrl": false }), "`profileUrl` must be a URI in a string"),
        (json!({ "externalId": {} }), "`externalId` must be a string"),
        (json!({ ENTERPRISE: "x" }), &*format!("`{ENTERPRISE}` must be an object")),
        (json!({ ENTERPRISE: { "department": 1 } }), &*format!("`{ENTERPRISE}:department` must be a string")),
        (
            json!({ ENTERPRISE: { "manager": { "value": 1 } } }),
            &*format!("`{ENTERPRISE}:manager.value` must be a string"),
        ),
    ] {
        assert_eq!(refused(body), format!("invalidValue: {detail}"));
    }
}

#[test]
fn an_integer_has_no_fraction_and_no_exponent_s_3_4() {
    assert_eq!(gadget(json!({ "size": 12 })).unwrap(), json!({ "size": 12 }));
    for size in ["1.0", "1e3", "1.5"] {
        let size: Value = serde_json::from_str(size).unwrap();
        let expected = "invalidValue: `size` must be a whole number without fraction or exponent";
        assert_eq!(said(gadget(json!({ "size": size }))), expected);
    }
}

#[test]
fn a_decimal_is_written_with_a_fraction_s_3_4() {
    assert_eq!(gadget(json!({ "weight": 3 })).unwrap().to_string(), r#"{"weight":3.0}"#);
    assert_eq!(said(gadget(json!({ "weight": "3" }))), "invalidValue: `weight` must be a number");
}

#[test]
fn a_date_time_is_written_in_utc_with_milliseconds_s_3_5() {
    for (given, written) in [
        ("2011-05-13T04:42:34Z", "2011-05-13T04:42:34.000Z"),
        ("2011-05-13T06:42:34+02:00", "2011-05-13T04:42:34.000Z"),
        ("2011-05-13T04:42:34", "2011-05-13T04:42:34.000Z"),
        ("2011-05-13T04:42:34.1234567890123Z", "2011-05-13T04:42:34.123Z"),
        ("2011-05-13T04:42:34.1-14:00", "2011-05-13T18:42:34.100Z"),
        ("2024-02-29T23:59:59.9994Z", "2024-02-29T23:59:59.999Z"),
    ] {
        assert_eq!(gadget(json!({ "built": given })).unwrap(), json!({ "built": written }), "{given}");
    }
}

#[test]
fn a_date_time_without_date_time_or_sense_is_refused_s_3_5() {
    for given in [
        "2011-05-13",
        "04:42:34",
        "",
        "Z",
        "2011-05-13 04:42:34Z",
        "2011-13-01T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2011-05-13T04:42:60Z",
        "2011-05-13T04:42:34.Z",
        "2011-05-13T04:42:34+2:00x",
        "2011-05-13T04:42:34+15:00",
        "2011-05-13T04:42:34+02",
        "12011-05-13T04:42:34Z",
        "2011-05-13T04:42:34Ä",
        "0000-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
        "2011-05-13T04:42:34[Europe/Paris]",
        "2011-05-13T04:42:34+-1:00",
    ] {
        assert!(said(gadget(json!({ "built": given }))).contains("`built` must be a dateTime"), "{given}");
    }
}

#[test]
fn binary_is_read_liberally_and_written_padded_s_3_6() {
    for given in ["+/8=", "-_8", "-_8=", "+/\r\n8"] {
        assert_eq!(gadget(json!({ "blob": given })).unwrap(), json!({ "blob": "+/8=" }), "{given}");
    }
}

#[test]
fn boolean_strings_are_forgiven_by_a_switch_l_b5() {
    assert_eq!(accepted(json!({ "active": "False" })), json!({ "active": false }));
    let mut strict = Leniency::default();
    strict.body.bool_strings = false;
    let outcome = check::create(user(json!({ "active": "False" })), &user_type(), &strict);
    assert_eq!(said(outcome), "invalidValue: `active` must be true or false");
}

#[test]
fn unknown_attributes_are_dropped_or_refused_by_a_switch_l_b3() {
    let body = json!({ "userName": "a", "shoeSize": 7, "name": { "pet": "x" }, "urn:no:such": { "a": 1 } });
    assert_eq!(accepted(body.clone()), json!({ "userName": "a" }));

    let strict = Leniency::strict();
    for (unknown, name) in [
        (json!({ "shoeSize": 7 }), "shoeSize"),
        (json!({ "name": { "pet": "x" } }), "name.pet"),
        (json!({ ENTERPRISE: { "pet": "x" } }), &*format!("{ENTERPRISE}:pet")),
    ] {
        let outcome = check::create(user(unknown), &user_type(), &strict);
        assert_eq!(said(outcome), format!("invalidValue: no schema here knows `{name}`"));
    }
}

#[test]
fn a_manager_may_be_a_bare_id_by_a_switch_l_b12() {
    let body = json!({ ENTERPRISE: { "manager": "26118915" } });
    assert_eq!(accepted(body.clone()), json!({ ENTERPRISE: { "manager": { "value": "26118915" } } }));
    let mut strict = Leniency::default();
    strict.body.enterprise_manager_string = false;
    let expected = format!("invalidValue: `{ENTERPRISE}:manager` must be an object");
    assert_eq!(said(check::create(user(body), &user_type(), &strict)), expected);
}

#[test]
fn a_country_may_be_any_text_by_a_switch_l_b11() {
    let body = json!({ "addresses": [{ "country": "Bermuda" }] });
    assert_eq!(accepted(body.clone()), body);
    let mut strict = Leniency::default();
    strict.body.country_free_text = false;
    let expected = "invalidValue: `addresses.country` must be two letters of ISO 3166-1";
    assert_eq!(said(check::create(user(body), &user_type(), &strict)), expected);
    assert!(check::create(user(json!({ "addresses": [{ "country": "BM" }] })), &user_type(), &strict).is_ok());
}

#[test]
fn a_password_stands_beside_the_attributes_and_never_among_them_s_21_1() {
    let draft = create(user(json!({ "userName": "a", "PassWord": "s3cret" }))).unwrap();
    assert_eq!(draft.secret.as_ref().unwrap().reveal(), "s3cret");
    assert!(!format!("{draft:?}").contains("s3cret"));
    assert_eq!(Value::Object(draft.document(None)).get("password"), None);
    assert_eq!(Value::Object(draft.attributes), json!({ "userName": "a" }));

    assert_eq!(create(user(json!({ "userName": "a", "password": null }))).unwrap().secret, None);
    assert_eq!(refused(json!({ "password": { "odd": 1 } })), "invalidValue: `password` must be a string");
    assert_eq!(refused(json!({ "password": "a", "Password": "b" })), "invalidSyntax: `Password` is given twice");
    // A hash that a client sends is a password like any other.
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA";
    let draft = create(user(json!({ "userName": "a", "password": hash }))).unwrap();
    assert_eq!((draft.password_hash(), draft.secret.unwrap().reveal()), (None, hash));
}

/// S-3.10
#[test]
fn no_list_has_two_primary_elements_s_6_7() {
    let two = json!({ "emails": [{ "value": "a", "primary": true }, { "value": "b", "primary": "TRUE" }] });
    assert_eq!(refused(two), "invalidValue: `emails` has more than one primary element");
    let one = json!({ "emails": [{ "value": "a", "primary": true }, { "value": "b", "primary": false }] });
    assert_eq!(accepted(one.clone()), one);
}

#[test]
fn elements_that_are_the_same_in_every_part_collapse_s_3_11() {
    let twice =
        json!({ "emails": [{ "value": "a", "type": "work" }, { "type": "work", "value": "a" }, { "value": "a" }] });
    assert_eq!(accepted(twice), json!({ "emails": [{ "value": "a", "type": "work" }, { "value": "a" }] }));
}

#[test]
fn spaces_and_letter_case_of_values_stay_as_sent_s_3_15() {
    let body = json!({ "userName": " Ana ", "emails": [{ "value": "A@X", "type": "Home Office" }] });
    assert_eq!(accepted(body.clone()), body);
}

/// S-5.2
#[test]
fn schemas_must_name_the_base_schema_s_5_1() {
    let of = |schemas: Value| check::create(json!({ "schemas": schemas }), &user_type(), &Leniency::default());
    for wrong in [json!(null), json!([]), json!([ENTERPRISE]), json!(["urn:other"])] {
        assert_eq!(said(of(wrong)), format!("invalidSyntax: `schemas` must contain `{CORE}`"));
    }
    for wrong in [json!(CORE), json!({}), json!([7])] {
        assert_eq!(said(of(wrong)), "invalidSyntax: `schemas` must be a list of URNs");
    }
    assert!(of(json!([CORE.to_uppercase()])).is_ok());
    let missing = check::create(json!({}), &user_type(), &Leniency::default());
    assert_eq!(said(missing), format!("invalidSyntax: `schemas` must contain `{CORE}`"));
}

#[test]
fn a_missing_schemas_is_inferred_by_a_switch_l_b4() {
    let mut lenient = Leniency::default();
    lenient.body.infer_schemas = true;
    assert!(check::create(json!({ "userName": "a" }), &user_type(), &lenient).is_ok());
    assert!(check::create(json!({ "schemas": ["urn:other"] }), &user_type(), &lenient).is_err());
}

#[test]
fn unknown_urns_in_schemas_are_ignored_or_refused_by_a_switch_l_b2() {
    let body = json!({ "schemas": [CORE, "urn:unknown"] });
    assert!(create(body.clone()).is_ok());
    let outcome = check::create(body, &user_type(), &Leniency::strict());
    assert_eq!(said(outcome), "invalidValue: `schemas` names a schema that User does not have");
}

#[test]
fn an_extension_counts_by_its_container_not_by_schemas_s_5_3() {
    assert_eq!(accepted(json!({ ENTERPRISE: { "department": "D" } })), json!({ ENTERPRISE: { "department": "D" } }));
    let named = create(json!({ "schemas": [CORE, ENTERPRISE] })).unwrap();
    assert_eq!(named.document(None)["schemas"], json!([CORE]));
}

#[test]
fn a_body_that_is_no_object_is_a_syntax_error_s_6_5() {
    for body in [json!([]), json!("x"), json!(null), json!(1)] {
        assert_eq!(said(create(body)), "invalidSyntax: a User must be a JSON object");
    }
}

#[test]
fn members_leave_the_document_and_repeated_ones_collapse_s_6_9() {
    let draft = group(json!([
        { "value": ONE, "$ref": 7, "display": [] },
        { "value": TWO, "type": "group", "unknown": 1 },
        { "Value": ONE, "type": "User" },
        null,
    ]));
    let draft = draft.unwrap();
    let member = |id: &str, kind: &str| Member { id: id.parse().unwrap(), resource_type: Some(kind.into()) };
    assert_eq!(draft.membership, [MembershipEdit::Add(vec![member(ONE, "User"), member(TWO, "Group")])]);
    assert_eq!(Value::Object(draft.attributes), json!({ "displayName": "G" }));
}

#[test]
fn no_members_are_no_edit() {
    for members in [json!(null), json!([])] {
        assert_eq!(group(members).unwrap().membership, []);
    }
}

#[test]
fn a_bad_member_is_named_s_6_9() {
    for (members, detail) in [
        (json!([{ "value": "no-id" }]), "`members.value` must be the id of a resource"),
        (json!([{ "value": ONE.to_uppercase() }]), "`members.value` must be the id of a resource"),
        (json!([{ "value": ONE.replace('-', "") }]), "`members.value` must be the id of a resource"),
        (json!([{ "value": 7 }]), "`members.value` must be the id of a resource"),
        (json!([{ "type": "User" }]), "`members.value` is required"),
        (json!([{ "value": ONE, "type": 7 }]), "`members.type` must be a string"),
        (json!([ONE]), "each element of `members` must be an object"),
        (json!({ "value": ONE }), "`members` must be a list"),
    ] {
        assert_eq!(said(group(members)), format!("invalidValue: {detail}"));
    }
}
