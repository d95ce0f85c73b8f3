//! An operator's schemas and resource types: what is refused, and with which words; what is made
//! of those that are good.

use std::collections::BTreeSet;

use provost_scim::definition::{self, Document, Mistake};
use provost_scim::schema::CLOSED;
use provost_scim::{AttributeType, Mutability, Returned, Schemas, Uniqueness, discovery, standard};
use serde_json::{Value, json};

use super::*;

const PLATFORM: &str = "urn:example:params:scim:schemas:platform:1.0:User";

fn document(file: &str, content: Value) -> Document {
    Document { file: file.to_owned(), content }
}

fn schema(attributes: Value) -> Value {
    json!({ "schemas": [standard::SCHEMA], "id": PLATFORM, "name": "Platform", "attributes": attributes })
}

fn extends_user() -> Value {
    json!({ "name": "User", "schemaExtensions": [{ "schema": PLATFORM, "required": false }] })
}

fn read(schemas: &[Value], types: &[Value]) -> Result<Schemas, Vec<Mistake>> {
    let named = |prefix: &str, contents: &[Value]| -> Vec<Document> {
        contents
            .iter()
            .enumerate()
            .map(|(n, content)| document(&format!("{prefix}{n}.json"), content.clone()))
            .collect()
    };
    definition::read(&named("s", schemas), &named("t", types))
}

/// What is said of an extension of User with these attributes.
fn said_of(attributes: Value) -> Vec<String> {
    match read(&[schema(attributes)], &[extends_user()]) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    }
}

/// Holds that exactly one thing is said, of this attribute, with these words in it.
#[track_caller]
fn refused(attribute: Value, path: &str, words: &str) {
    let said = said_of(json!([attribute]));
    assert_eq!(said.len(), 1, "{said:#?}");
    let place = format!("s0.json: `{PLATFORM}:{path}`: ");
    assert!(said[0].starts_with(&place) && said[0].contains(words), "{place}…{words}…: {said:?}");
}

#[track_caller]
fn good(attribute: Value) {
    assert_eq!(said_of(json!([attribute])), [""; 0]);
}

#[test]
fn a_definition_has_the_rfcs_defaults_s_3_1() {
    let schemas = read(&[schema(json!([{ "name": "a" }]))], &[extends_user()]).unwrap();
    let a = schemas.schema(PLATFORM).unwrap().attribute("A").unwrap();

    assert_eq!((a.kind, a.multi_valued, a.required, a.case_exact), (AttributeType::String, false, false, false));
    assert_eq!((a.mutability, a.returned, a.uniqueness), (Mutability::ReadWrite, Returned::Default, Uniqueness::None));
    assert!(a.canonical_values.is_empty() && !a.closed);
}

#[test]
fn names_keep_to_the_grammar_and_leave_the_common_attributes_alone() {
    for name in ["a", "A1", "a-b_c"] {
        good(json!({ "name": name }));
    }
    for name in ["", "1a", "a.b", "a b", "a:b", "é", "$ref", "-a", &"a".repeat(65)] {
        refused(json!({ "name": name }), name, "is not an attribute name");
    }
    for name in ["id", "externalId", "META", "schemas"] {
        refused(json!({ "name": name }), name, "cannot be redefined");
    }
    let parts = json!([{ "name": "$ref", "type": "reference", "referenceTypes": ["User"] }, { "name": "id" }]);
    good(json!({ "name": "owner", "type": "complex", "subAttributes": parts }));
    let said = said_of(json!([{ "name": "tag" }, { "name": "TAG" }]));
    assert_eq!(said, [format!("s0.json: `{PLATFORM}:TAG`: is defined twice; letter case does not count")]);
}

/// S-3.2, S-3.8.
#[test]
fn types_are_the_eight_of_the_rfc_and_complex_has_parts_that_are_not_complex() {
    for kind in ["string", "boolean", "decimal", "integer", "dateTime", "binary", "DATETIME"] {
        good(json!({ "name": "a", "type": kind }));
    }
    refused(json!({ "name": "a", "type": "text" }), "a", "`type` cannot be `text`; it is one of string, boolean");
    refused(json!({ "name": "a", "type": 1 }), "a", "`type` must be a string");
    refused(json!({ "name": "a", "type": "complex" }), "a", "must have `subAttributes`");
    refused(json!({ "name": "a", "subAttributes": [{ "name": "b" }] }), "a", "only a complex attribute");
    let inner = json!([{ "name": "b", "type": "complex", "subAttributes": [{ "name": "c" }] }]);
    refused(json!({ "name": "a", "type": "complex", "subAttributes": inner }), "a.b", "cannot be complex");
    good(json!({ "name": "a", "type": "complex", "subAttributes": [{ "name": "b", "multiValued": true }] }));
}

/// S-3.9.
#[test]
fn characteristics_stand_only_where_they_mean_something() {
    let part = json!([{ "name": "b" }]);
    for kind in ["boolean", "dateTime", "binary"] {
        refused(json!({ "name": "a", "type": kind, "uniqueness": "server" }), "a", "can be unique");
    }
    let complex = json!({ "name": "a", "type": "complex", "uniqueness": "global", "subAttributes": part });
    refused(complex, "a", "can be unique");
    let complex = json!({ "name": "a", "type": "complex", "caseExact": true, "subAttributes": part });
    refused(complex, "a", "`caseExact`");
    // As the RFC prints it.
    good(json!({ "name": "a", "type": "complex", "uniqueness": "none", "caseExact": false, "subAttributes": part }));
    for kind in ["boolean", "integer", "decimal", "dateTime"] {
        refused(json!({ "name": "a", "type": kind, "caseExact": true }), "a", "`caseExact`");
    }
    for kind in ["string", "integer", "decimal"] {
        good(json!({ "name": "a", "type": kind, "uniqueness": "global" }));
    }
    refused(json!({ "name": "a", "type": "integer", "canonicalValues": ["1"] }), "a", "only a string");
    refused(json!({ "name": "a", "canonicalValues": ["x", "X"] }), "a", "different");
    good(json!({ "name": "a", "caseExact": true, "canonicalValues": ["x", "X"] }));
    refused(json!({ "name": "a", "canonicalValues": ["x", 1] }), "a", "a list of strings");
    refused(json!({ "name": "a", CLOSED: true }), "a", "there is none");
    good(json!({ "name": "a", "canonicalValues": ["x"], CLOSED: true }));
    refused(json!({ "name": "a", "required": "yes" }), "a", "`required` must be true or false");
    refused(json!({ "name": "a", "mutabilty": "readOnly" }), "a", "`mutabilty` is not a member here");
    refused(json!({ "name": "a", "urn:provost:params:scim:schema:close": true }), "a", "is not a member here");
    good(json!({ "name": "a", "urn:example:note": "ours" }));
}

/// S-3.7.
#[test]
fn a_reference_says_what_it_points_to_and_is_case_exact() {
    good(json!({ "name": "a", "type": "reference", "referenceTypes": ["User", "external", "uri"] }));
    refused(json!({ "name": "a", "type": "reference" }), "a", "needs `referenceTypes`");
    refused(json!({ "name": "a", "referenceTypes": ["User"] }), "a", "only a reference");
    let unknown = json!({ "name": "a", "type": "reference", "referenceTypes": ["Device"] });
    refused(unknown.clone(), "a", "refers to `Device`");
    let list = json!([{ "name": "value" }, { "name": "$ref", "type": "reference", "referenceTypes": ["user"] }]);
    let unknown = json!({ "name": "a", "type": "complex", "multiValued": true, "subAttributes": list });
    refused(unknown, "a.$ref", "refers to `user`");

    let a = json!([{ "name": "a", "type": "reference", "caseExact": false, "referenceTypes": ["uri"] }]);
    let schemas = read(&[schema(a)], &[extends_user()]).unwrap();
    assert!(schemas.schema(PLATFORM).unwrap().attribute("a").unwrap().case_exact);
}

/// S-3.12, S-3.16, S-3.17.
#[test]
fn characteristics_do_not_contradict_each_other() {
    refused(json!({ "name": "a", "mutability": "readOnly", "required": true }), "a", "nobody could supply it");
    refused(json!({ "name": "a", "mutability": "writeOnly" }), "a", "must say `\"returned\": \"never\"`");
    good(json!({ "name": "a", "mutability": "writeOnly", "returned": "never" }));
    good(json!({ "name": "a", "mutability": "immutable", "returned": "never" }));
    refused(json!({ "name": "a", "returned": "never" }), "a", "must be `writeOnly` or `immutable`");
    let secret = json!({ "name": "a", "mutability": "writeOnly", "returned": "never", "uniqueness": "server" });
    refused(secret, "a", "cannot be unique");
    let inner = json!({ "name": "a", "type": "complex", "mutability": "readOnly", "subAttributes": [{ "name": "b" }] });
    refused(inner, "a.b", "must be `readOnly`");

    let list = |sub: Value| json!({ "name": "a", "type": "complex", "multiValued": true, "subAttributes": [sub] });
    refused(list(json!({ "name": "primary" })), "a.primary", "a meaning of its own");
    refused(list(json!({ "name": "type", "type": "integer" })), "a.type", "a meaning of its own");
    refused(list(json!({ "name": "display", "multiValued": true })), "a.display", "a meaning of its own");
    refused(list(json!({ "name": "$ref" })), "a.$ref", "a meaning of its own");
    good(list(json!({ "name": "primary", "type": "boolean" })));
}

/// S-1.12.
#[test]
fn a_schemas_urn_is_one_is_its_own_and_is_no_messages() {
    let with = |id: &str| {
        let mut schema = schema(json!([{ "name": "a" }]));
        schema["id"] = json!(id);
        let types = json!({ "name": "User", "schemaExtensions": [{ "schema": id }] });
        read(&[schema], &[types]).err().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for id in ["urn:example:x", "URN:example:a.b:1.0_~-", "urn:ietf:params:scim:schemas:extension:acme:2.0:User"] {
        assert!(with(id).is_empty(), "{id}: {:?}", with(id));
    }
    for id in
        ["", "example", "urn:x", "urn:x:y", "urn:example:", "urn:example::a", "urn:example:a b", "urn:example:a/b"]
    {
        assert!(with(id)[0].contains("must be a URN"), "{id}: {:?}", with(id));
    }
    assert!(with("http://example.org/schema")[0].contains("must be a URN"));
    assert!(with(&format!("urn:example:{}", "a".repeat(300)))[0].contains("longer than 256 bytes"));
    assert!(with("urn:ietf:params:scim:api:messages:2.0:Error")[0].contains("a message's"));
    assert!(with("urn:ietf:params:scim:schemas:core:2.0:Device")[0].contains("the standard's own"));
    for id in [standard::USER, &standard::GROUP.to_uppercase(), standard::SCHEMA, ENTERPRISE] {
        assert!(with(id).iter().any(|said| said.contains("cannot be replaced")), "{id}: {:?}", with(id));
    }
}

#[test]
fn two_schemas_cannot_share_a_urn_nor_read_like_each_others_attributes() {
    let mut other = schema(json!([{ "name": "a" }]));
    other["id"] = json!(PLATFORM.to_uppercase());
    let said = read(&[schema(json!([{ "name": "a" }])), other], &[extends_user()]).unwrap_err();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].file == "s1.json" && said[0].reason.contains("is defined twice, here and in s0.json"), "{said:?}");

    let mut longer = schema(json!([{ "name": "b" }]));
    longer["id"] = json!(format!("{PLATFORM}:A"));
    let both = json!({ "name": "User",
        "schemaExtensions": [{ "schema": PLATFORM }, { "schema": format!("{PLATFORM}:A") }] });
    let said = read(&[schema(json!([{ "name": "a" }])), longer], &[both]).unwrap_err();
    assert!(said.len() == 1 && said[0].file == "s1.json", "{said:?}");
    assert!(said[0].reason.contains("reads like an attribute"), "{said:?}");
}

#[test]
fn every_mistake_of_every_document_is_told_at_once() {
    let first = schema(json!([
        { "name": "1" }, { "type": "string" }, 7,
        { "name": "a", "type": "complex", "subAttributes": [{ "name": "b", "type": "complex" }, { "name": "B" }] },
    ]));
    let second = json!({ "id": "urn:example:other", "attributes": [] });
    let types = json!([{ "name": "User", "endpoint": "/People" }, { "name": "Thing" }]);
    let said = read(&[first, second], &[types]).unwrap_err();
    let told: Vec<_> =
        said.iter().map(|m| format!("{} {} {}", m.file, m.path.replace(PLATFORM, "P"), m.reason)).collect();

    for beginning in [
        "s0.json P:1 is not an attribute name",
        "s0.json P an attribute has no `name`",
        "s0.json P must be a JSON object",
        "s0.json P:a.b a sub-attribute cannot be complex",
        "s0.json P:a.B is defined twice",
        "s1.json urn:example:other a schema has no `name`",
        "s1.json urn:example:other a schema has no `attributes`",
        "t0.json User.endpoint the endpoint of User is `/Users`",
        "t0.json Thing.endpoint is missing; by custom it is `/Things`",
        "t0.json Thing.schema is missing",
        "s0.json P no resource type uses this schema",
    ] {
        assert!(told.iter().any(|said| said.starts_with(beginning)), "{beginning}\n{told:#?}");
    }
    assert_eq!(said.len(), 12, "{told:#?}");
}

#[test]
fn a_file_that_is_no_json_or_says_a_thing_twice_is_named() {
    let said = |text: &str| Document::parse("x.json", text.as_bytes()).unwrap_err().to_string();
    assert!(said("{").starts_with("x.json: it is not proper JSON"), "{}", said("{"));
    assert_eq!(said(" "), "x.json: it is empty");
    assert!(said(r#"{ "name": 1, "Name": 2 }"#).starts_with("x.json: "));
    assert!(Document::parse("x.json", b"[]").is_ok());
    let list = document("x.json", json!({ "Resources": [schema(json!([{ "name": "a" }]))] }));
    assert!(definition::read(&[list], &[document("y.json", json!([extends_user()]))]).is_ok());
    let kind = read(
        &[json!({ "schemas": [standard::USER], "id": "urn:example:a", "name": "A", "attributes": [{ "name": "a" }] })],
        &[json!({ "name": "User", "schemaExtensions": [{ "schema": "urn:example:a" }] })],
    );
    assert!(kind.unwrap_err()[0].reason.contains("`schemas` must name"));
}

/// A whole type, in these words; the schema is there.
fn typed(changes: Value) -> Vec<String> {
    let mut body = json!({ "name": "Application", "endpoint": "/Applications", "schema": PLATFORM });
    for (name, value) in object(changes) {
        body[name] = value;
    }
    let said = read(&[schema(json!([{ "name": "a" }]))], &[body, extends_user()]).err().unwrap_or_default();
    said.iter().map(ToString::to_string).collect()
}

#[test]
fn a_new_type_has_a_name_an_endpoint_and_a_schema_of_its_own_s_1_6() {
    assert_eq!(typed(json!({})), [""; 0]);
    assert_eq!(typed(json!({ "endpoint": "Applications", "id": "Application" })), [""; 0]);
    for (change, path, words) in [
        (json!({ "name": "a b" }), "a b", "is not a name"),
        (json!({ "name": "user" }), "user", "by letter case only"),
        (json!({ "id": "App" }), "Application.id", "the same as `name`"),
        (json!({ "endpoint": "/a/b" }), "Application.endpoint", "one path segment"),
        (json!({ "endpoint": "/{id}" }), "Application.endpoint", "one path segment"),
        (json!({ "endpoint": "/.search" }), "Application.endpoint", "one path segment"),
        (json!({ "endpoint": "" }), "Application.endpoint", "one path segment"),
        (json!({ "endpoint": "/users" }), "Application.endpoint", "the endpoint of User already"),
        (json!({ "endpoint": "/me" }), "Application.endpoint", "an endpoint of the protocol"),
        (json!({ "endpoint": "/Bulk" }), "Application.endpoint", "an endpoint of the protocol"),
        (json!({ "endpoint": "/schemas" }), "Application.endpoint", "an endpoint of the protocol"),
        (json!({ "endpoint": "/ResourceTypes" }), "Application.endpoint", "an endpoint of the protocol"),
        (json!({ "endpoint": "/ServiceProviderConfig" }), "Application.endpoint", "an endpoint of the protocol"),
        (json!({ "schema": "urn:example:none" }), "Application.schema", "there is no schema `urn:example:none`"),
        (json!({ "schema": standard::SCHEMA }), "Application.schema", "there is no schema"),
        (json!({ "schema": standard::GROUP }), "Application.schema", "only Group has members"),
        (json!({ "schemaExtensions": [{}] }), "Application.schemaExtensions", "has no `schema`"),
        (json!({ "schemaExtensions": [{ "schema": PLATFORM }] }), "Application.schemaExtensions", "a base schema"),
        (
            json!({ "schemaExtensions": [{ "schema": standard::USER }] }),
            "Application.schemaExtensions",
            "a base schema",
        ),
        (
            json!({ "schemaExtensions": [{ "schema": ENTERPRISE }, { "schema": ENTERPRISE.to_uppercase() }] }),
            "Application.schemaExtensions",
            "is named twice",
        ),
        (json!({ "members": true }), "Application", "`members` is not a member here"),
    ] {
        let said = typed(change.clone());
        let place = format!("t0.json: `{path}`: ");
        assert!(said.iter().any(|s| s.starts_with(&place) && s.contains(words)), "{change}: {said:?}");
    }
    let twice = read(&[schema(json!([{ "name": "a" }]))], &[extends_user(), extends_user()]).unwrap_err();
    assert!(twice[0].file == "t1.json" && twice[0].reason.contains("is defined twice, here and in t0.json"));
}

#[test]
fn groups_of_a_new_type_are_computed_or_are_called_otherwise() {
    let of = |attribute: Value| {
        let types = json!({ "name": "Application", "endpoint": "/Applications", "schema": PLATFORM });
        read(&[schema(json!([attribute]))], &[types]).err().unwrap_or_default()
    };
    assert!(of(json!({ "name": "groups", "multiValued": true }))[0].reason.contains("computed from memberships"));
    let user = user_type().attribute("groups").unwrap().clone();
    let published = discovery::schema(&Schema { attributes: vec![user], ..(*user_type().schema).clone() }, "");
    assert!(of(published["attributes"][0].clone()).is_empty());
}

#[test]
fn a_standard_type_keeps_what_it_has_and_gains_extensions_s_1_16() {
    let more = json!({ "name": "User", "schemaExtensions": [
        { "schema": PLATFORM, "required": true }, { "schema": ENTERPRISE, "required": true }] });
    let schemas = read(&[schema(json!([{ "name": "a" }]))], &[more]).unwrap();
    let user = schemas.resource_type("User").unwrap();

    let extensions: Vec<_> = user.extensions.iter().map(|e| (e.schema.id.as_str(), e.required)).collect();
    assert_eq!(extensions, [(ENTERPRISE, true), (PLATFORM, true)]);
    assert_eq!((user.number, &*user.endpoint, &*user.schema.id), (1, "/Users", standard::USER));
    let published = discovery::resource_types(&schemas, "");
    let said: BTreeSet<_> =
        published[0]["schemaExtensions"].as_array().unwrap().iter().map(|e| e["schema"].to_string()).collect();
    assert!(said.contains(&json!(PLATFORM).to_string()));
    let schema_ids: Vec<_> = discovery::schemas(&schemas, "").iter().map(|s| s["id"].clone()).collect();
    assert!(schema_ids.contains(&json!(PLATFORM)), "S-1.13");
    assert!(Schemas::standard().schema(PLATFORM).is_none(), "the standard's own stay as they are");
}

#[test]
fn a_types_number_hangs_on_its_name_alone() {
    assert_eq!(definition::number("Application"), definition::number("Application"));
    assert_eq!(definition::number("Application"), 52_718, "a number that changes would lose stored resources");
    for name in ["Application", "Device", "a", "ServiceAccount"] {
        assert!(definition::number(name) >= 16);
    }
    // Found by trying: these two share a number.
    let (one, other) = twins();
    let types = json!([
        { "name": one, "endpoint": "/Ones", "schema": PLATFORM }, { "name": other, "endpoint": "/Others", "schema": PLATFORM },
    ]);
    let said = read(&[schema(json!([{ "name": "a" }]))], &[types]).unwrap_err();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].reason.contains("shares the storage number"), "{said:?}");
}

fn twins() -> (String, String) {
    let mut seen = std::collections::BTreeMap::new();
    for n in 0.. {
        let name = format!("Type{n}");
        if let Some(other) = seen.insert(definition::number(&name), name.clone()) {
            return (other, name);
        }
    }
    unreachable!("there are only so many numbers")
}

#[test]
fn everything_has_a_bound() {
    let many = |n: usize| (0..n).map(|n| json!({ "name": format!("a{n}") })).collect::<Vec<_>>();
    let said = said_of(json!(many(definition::ATTRIBUTES_MAX + 1)));
    assert!(said.len() == 1 && said[0].contains("more than 200 attributes"), "{said:?}");
    let subs = many(definition::SUB_ATTRIBUTES_MAX + 1);
    refused(json!({ "name": "a", "type": "complex", "subAttributes": subs }), "a", "more than 64 sub-attributes");
    let values: Vec<_> = (0..=definition::CANONICAL_VALUES_MAX).map(|n| n.to_string()).collect();
    refused(json!({ "name": "a", "canonicalValues": values }), "a", "more than 500");

    let schemas: Vec<_> = (0..=definition::SCHEMAS_MAX)
        .map(|n| json!({ "id": format!("urn:example:s{n}"), "name": "S", "attributes": [{ "name": "a" }] }))
        .collect();
    let extensions: Vec<_> = schemas.iter().map(|s| json!({ "schema": s["id"] })).collect();
    let said = read(&schemas, &[json!({ "name": "User", "schemaExtensions": extensions })]).unwrap_err();
    assert!(said.len() == 1 && said[0].reason.contains("more than 64 schemas"), "{said:?}");
    let types: Vec<_> = (0..=definition::RESOURCE_TYPES_MAX)
        .map(|n| json!({ "name": format!("T{n}"), "endpoint": format!("/T{n}"), "schema": PLATFORM }))
        .collect();
    let said = read(&[schema(json!([{ "name": "a" }]))], &types).unwrap_err();
    assert!(said.len() == 1 && said[0].reason.contains("more than 32 resource types"), "{said:?}");
}

#[test]
fn a_published_definition_reads_back_as_it_was() {
    let attributes = json!([{ "name": "state", "canonicalValues": ["a"], CLOSED: true },
        { "name": "at", "type": "dateTime", "returned": "request" },
        { "name": "ref", "type": "reference", "referenceTypes": ["User"] }]);
    let schemas = read(&[schema(attributes)], &[extends_user()]).unwrap();
    let known = schemas.schema(PLATFORM).unwrap();
    let published = Value::Object(discovery::schema(known, "https://scim.example"));

    assert_eq!(published["attributes"][0][CLOSED], true);
    assert!(published["attributes"][1].get(CLOSED).is_none());
    let again = read(&[published], &[extends_user()]).unwrap();
    assert_eq!(again.schema(PLATFORM).unwrap(), known);
}
