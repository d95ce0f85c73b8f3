//! The schemas as data (checklist sections 3 and 4).

use provost_scim::standard::{common, common_attributes};
use provost_scim::{AttributeType, Mutability, Returned, Schema, Schemas, Uniqueness};

use super::*;

#[test]
fn what_a_schema_leaves_out_has_the_rfcs_default_s_3_1() {
    let schema = Schema::from_json(r#"{ "id": "urn:x", "name": "X", "attributes": [{ "name": "a" }] }"#).unwrap();
    let a = schema.attribute("A").unwrap();
    assert_eq!((a.kind, a.multi_valued, a.required, a.case_exact), (AttributeType::String, false, false, false));
    assert_eq!((a.mutability, a.returned, a.uniqueness), (Mutability::ReadWrite, Returned::Default, Uniqueness::None));
}

#[test]
fn a_schema_file_that_makes_no_sense_is_refused_with_the_reason() {
    let inside = |attributes: &str| format!(r#"{{ "id": "urn:x", "name": "X", "attributes": [{attributes}] }}"#);
    for (text, reason) in [
        ("[]".to_owned(), "not a schema: invalid length 0, expected struct Schema with 4 elements at line 1 column 2"),
        (r#"{ "id": "", "name": "X", "attributes": [] }"#.into(), "the schema's `id` is empty"),
        (inside(r#"{ "name": "1a" }"#), "urn:x: `1a` is not an attribute name"),
        (inside(r#"{ "name": "a.b" }"#), "urn:x: `a.b` is not an attribute name"),
        (inside(r#"{ "name": "a" }, { "name": "A" }"#), "urn:x: `A` is defined twice"),
        (
            inside(r#"{ "name": "a", "type": "complex" }"#),
            "urn:x: `a` must have sub-attributes if it is complex, and only then",
        ),
        (
            inside(
                r#"{ "name": "a", "type": "complex", "subAttributes": [{ "name": "b", "type": "complex", "subAttributes": [{ "name": "c" }] }] }"#,
            ),
            "urn:x: a: the sub-attribute `b` cannot be complex",
        ),
    ] {
        assert_eq!(Schema::from_json(&text).unwrap_err().to_string(), reason);
    }
    let kind = Schema::from_json(&inside(r#"{ "name": "a", "type": "text" }"#)).unwrap_err().to_string();
    assert!(kind.contains("unknown variant `text`"), "{kind}");
}

#[test]
fn errata_and_prose_win_over_the_printed_json_section_4() {
    let user = user_type();
    let group = group_type();
    let user = |path: &str| {
        let p = user.place(path).unwrap();
        p.sub.or(p.attribute).unwrap().clone()
    };
    let group = |path: &str| {
        let p = group.place(path).unwrap();
        p.sub.or(p.attribute).unwrap().clone()
    };

    assert!(group("displayName").required);
    assert_eq!(group("members.display").mutability, Mutability::ReadOnly);
    assert_eq!(group("members.value").mutability, Mutability::Immutable);
    assert_eq!(user("userName").uniqueness, Uniqueness::Server);
    assert_eq!(user("addresses.primary").kind, AttributeType::Boolean);
    assert_eq!(user("groups.$ref").reference_types, ["Group"]);
    assert!(user("ims.type").canonical_values.contains(&"other".to_owned()));
    assert_eq!(user("x509Certificates.value").kind, AttributeType::Binary);
    assert_eq!((user("password").mutability, user("password").returned), (Mutability::WriteOnly, Returned::Never));
    for exact in [
        "profileUrl",
        "password",
        "photos.value",
        "groups.value",
        "groups.$ref",
        "x509Certificates.value",
        &format!("{ENTERPRISE}:manager.value"),
        &format!("{ENTERPRISE}:manager.$ref"),
        "id",
        "externalId",
        "meta.version",
    ] {
        assert!(user(exact).case_exact, "{exact}");
    }
    for folded in ["userName", "emails.value", "displayName", "title"] {
        assert!(!user(folded).case_exact, "{folded}");
    }
}

#[test]
fn common_attributes_stand_on_every_type_section_5() {
    let names: Vec<_> = common_attributes().iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["schemas", "id", "externalId", "meta"]);
    assert_eq!(common("ID").unwrap().returned, Returned::Always);
    assert_eq!(common("externalid").unwrap().mutability, Mutability::ReadWrite);
    assert_eq!(
        group_type().attribute("META").unwrap().sub_attribute("lastmodified").unwrap().kind,
        AttributeType::DateTime
    );
}

#[test]
fn paths_are_found_however_they_are_written_s_10_6_s_10_7() {
    let user = user_type();
    for (written, canonical) in [
        ("username", "userName"),
        ("NAME.givenname", "name.givenName"),
        ("urn:ietf:params:scim:schemas:core:2.0:User:name.familyName", "name.familyName"),
        ("URN:IETF:params:scim:schemas:core:2.0:user:ID", "id"),
        ("meta.created", "meta.created"),
        ("members.$ref", ""),
        ("groups.$REF", "groups.$ref"),
        (ENTERPRISE, ENTERPRISE),
        (&ENTERPRISE.to_lowercase(), ENTERPRISE),
        (&format!("{ENTERPRISE}:Department"), &format!("{ENTERPRISE}:department")),
        ("department", &format!("{ENTERPRISE}:department")),
        ("manager.value", &format!("{ENTERPRISE}:manager.value")),
        (&format!("{ENTERPRISE}:userName"), ""),
        (CORE, ""),
        ("name.given.first", ""),
        ("userName.x", ""),
        ("urn:other:userName", ""),
        ("", ""),
        (".", ""),
        ("é", ""),
    ] {
        assert_eq!(user.place(written).map(|p| p.path()).unwrap_or_default(), canonical, "{written}");
    }
}

#[test]
fn a_bare_name_that_two_extensions_share_means_neither_s_10_7() {
    let schema = |id: &str| {
        let text = format!(r#"{{ "id": "{id}", "name": "X", "attributes": [{{ "name": "grade" }}] }}"#);
        Extension { schema: Arc::new(Schema::from_json(&text).unwrap()), required: false }
    };
    let mut user = ResourceType::clone(&user_type());
    user.extensions.push(schema("urn:x:1"));
    assert!(user.place("grade").is_some());
    user.extensions.push(schema("urn:x:1:more"));
    assert!(user.place("grade").is_none());
    assert_eq!(user.place("urn:x:1:more:grade").unwrap().path(), "urn:x:1:more:grade");
}

#[test]
fn schemas_are_found_in_any_letter_case_s_1_15() {
    assert_eq!(Schemas::standard().schema(&CORE.to_uppercase()).unwrap().id, CORE);
    assert!(Schemas::standard().schema("urn:ietf:params:scim:api:messages:2.0:Error").is_none());
}
