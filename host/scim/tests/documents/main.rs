//! Documents in and out: what is accepted, what is stored, what is shown. Tests are named for their
//! claim and cite the rule of the conformance checklist (S-numbers) they hold.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod changes;
mod create;
mod definitions;
mod discovery;
mod messages;
mod misfits;
mod projection;
mod properties;
mod replace;
mod schemas;
mod searches;
mod tables;
mod text;
mod validate;
mod versions;

use std::sync::Arc;

use provost_scim::schema::Extension;
use provost_scim::standard::{ENTERPRISE_USER, USER};
use provost_scim::{Attributes, Draft, Invalid, Leniency, Resource, ResourceType, Schema, Schemas, Stamp, check};
use serde_json::{Value, json};

fn user_type() -> Arc<ResourceType> {
    Schemas::standard().resource_type("User").unwrap().clone()
}

fn group_type() -> Arc<ResourceType> {
    Schemas::standard().resource_type("Group").unwrap().clone()
}

/// A type with every value type and every mutability and returned, and a required extension.
fn gadget_type() -> Arc<ResourceType> {
    let schema = Schema::from_json(
        r#"{ "id": "urn:example:Gadget", "name": "Gadget", "attributes": [
            { "name": "serial", "mutability": "immutable" },
            { "name": "size", "type": "integer" },
            { "name": "weight", "type": "decimal" },
            { "name": "built", "type": "dateTime" },
            { "name": "blob", "type": "binary" },
            { "name": "tags", "multiValued": true },
            { "name": "state", "mutability": "readOnly" },
            { "name": "pin", "mutability": "writeOnly", "returned": "never" },
            { "name": "label", "returned": "always" },
            { "name": "notes", "returned": "request" },
            { "name": "owner", "type": "complex", "subAttributes": [
                { "name": "value", "required": true },
                { "name": "since", "type": "dateTime", "mutability": "immutable" },
                { "name": "secret", "returned": "never" } ] },
            { "name": "parts", "type": "complex", "multiValued": true, "subAttributes": [
                { "name": "value", "required": true, "returned": "always" },
                { "name": "aliases", "multiValued": true },
                { "name": "primary", "type": "boolean" } ] } ] }"#,
    );
    let extension = Schema::from_json(
        r#"{ "id": "urn:example:Warranty", "name": "Warranty", "attributes": [
            { "name": "until", "type": "dateTime", "required": true },
            { "name": "terms", "returned": "request" } ] }"#,
    );
    Arc::new(ResourceType {
        name: "Gadget".into(),
        number: 16,
        description: String::new(),
        endpoint: "/Gadgets".into(),
        schema: Arc::new(schema.unwrap()),
        extensions: vec![Extension { schema: Arc::new(extension.unwrap()), required: true }],
        has_members: false,
    })
}

/// A user body with `schemas` and these attributes.
fn user(attributes: Value) -> Value {
    with_schemas(&user_type(), attributes)
}

fn with_schemas(resource_type: &ResourceType, mut body: Value) -> Value {
    body.as_object_mut().unwrap().entry("schemas").or_insert(json!([resource_type.schema.id]));
    body
}

fn create(body: Value) -> Result<Draft, Invalid> {
    check::create(body, &user_type(), &Leniency::default())
}

/// The attributes that a POST of a user with these attributes proposes.
#[track_caller]
fn accepted(attributes: Value) -> Value {
    Value::Object(create(user(attributes)).unwrap().attributes)
}

/// Why a POST of a user with these attributes is refused: `"<scimType>: <detail>"`.
#[track_caller]
fn refused(attributes: Value) -> String {
    said(create(user(attributes)).map(|d| d.attributes))
}

#[track_caller]
fn said<T: std::fmt::Debug>(outcome: Result<T, Invalid>) -> String {
    let invalid = outcome.unwrap_err();
    format!("{}: {}", invalid.scim_type, invalid.detail)
}

fn stamp() -> Stamp {
    Stamp {
        id: "0190b5a0-0000-7000-8000-000000000001".parse().unwrap(),
        version: 3,
        created: "2026-01-02T03:04:05Z".parse().unwrap(),
        last_modified: "2026-01-02T03:04:05.678901Z".parse().unwrap(),
    }
}

/// A stored user with these attributes.
#[track_caller]
fn stored(attributes: Value) -> Resource {
    stored_as(user_type(), attributes)
}

#[track_caller]
fn stored_as(resource_type: Arc<ResourceType>, attributes: Value) -> Resource {
    let Value::Object(attributes) = attributes else { panic!("not an object") };
    Resource::from_stored(resource_type, stamp(), attributes)
}

fn object(value: Value) -> Attributes {
    match value {
        Value::Object(fields) => fields,
        _ => panic!("not an object"),
    }
}

const CORE: &str = USER;
const ENTERPRISE: &str = ENTERPRISE_USER;
