//! What a server says about itself: `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas`
//! (RFC 7644 section 4).
//!
//! `base` is the URL that all endpoints hang under, without a slash at its end. Every schema that a
//! resource may name is listed, discovery's own included; messages are not schemas (S-1.12, S-1.13).

use serde_json::{Value, json};

use crate::schema::{CLOSED, Extension};
use crate::standard::{RESOURCE_TYPE, SCHEMA, SERVICE_PROVIDER_CONFIG};
use crate::{Attribute, AttributeType, Attributes, ResourceType, Returned, Schema, Schemas};

/// What a server can do, as far as it may differ from one to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// How many resources one answer holds at most.
    pub max_results: u64,
    /// How many a page holds when the request does not say.
    pub default_page_size: u64,
    /// How many seconds a cursor can be used at least.
    pub cursor_timeout: u64,
    /// Where a person can read more.
    pub documentation_uri: Option<String>,
    /// Bulk requests, if there are any.
    pub bulk: Option<BulkFacts>,
    /// Whether passwords can be set (S-21.7).
    pub change_password: bool,
}

/// The bounds of a bulk request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkFacts {
    /// How many operations it may hold.
    pub max_operations: u64,
    /// How many bytes it may have.
    pub max_payload_bytes: u64,
}

/// The one object at `/ServiceProviderConfig` (RFC 7643 section 5, RFC 9865 section 4).
pub fn service_provider_config(facts: &Facts, base: &str) -> Attributes {
    let bulk = facts.bulk.map_or((0, 0), |b| (b.max_operations, b.max_payload_bytes));
    let mut config = object(json!({
        "schemas": [SERVICE_PROVIDER_CONFIG],
        "patch": { "supported": true },
        "bulk": { "supported": facts.bulk.is_some(), "maxOperations": bulk.0, "maxPayloadSize": bulk.1 },
        "filter": { "supported": true, "maxResults": facts.max_results },
        "changePassword": { "supported": facts.change_password },
        "sort": { "supported": true },
        "etag": { "supported": true },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "OAuth Bearer Token",
            "description": "A token in the Authorization header, as RFC 6750 describes it",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "pagination": {
            "cursor": true,
            "index": true,
            "defaultPaginationMethod": "index",
            "defaultPageSize": facts.default_page_size,
            "maxPageSize": facts.max_results,
            "cursorTimeout": facts.cursor_timeout,
        },
    }));
    if let Some(uri) = &facts.documentation_uri {
        config.insert("documentationUri".into(), uri.as_str().into());
    }
    with_meta(config, "ServiceProviderConfig", format!("{base}/ServiceProviderConfig"))
}

/// Every resource type, for the list at `/ResourceTypes`.
pub fn resource_types(schemas: &Schemas, base: &str) -> Vec<Attributes> {
    schemas.resource_types.iter().map(|t| resource_type(t, base)).collect()
}

/// One resource type, at `/ResourceTypes/{name}`; its id is its name (S-1.15).
pub fn resource_type(resource_type: &ResourceType, base: &str) -> Attributes {
    let extension = |e: &Extension| json!({ "schema": e.schema.id, "required": e.required });
    let mut body = object(json!({
        "schemas": [RESOURCE_TYPE],
        "id": resource_type.name,
        "name": resource_type.name,
        "description": resource_type.description,
        "endpoint": resource_type.endpoint,
        "schema": resource_type.schema.id,
    }));
    if !resource_type.extensions.is_empty() {
        let extensions = resource_type.extensions.iter().map(extension).collect();
        body.insert("schemaExtensions".into(), extensions);
    }
    with_meta(body, "ResourceType", format!("{base}/ResourceTypes/{}", resource_type.name))
}

/// Every schema, for the list at `/Schemas`.
pub fn schemas(schemas: &Schemas, base: &str) -> Vec<Attributes> {
    schemas.schemas.iter().map(|s| schema(s, base)).collect()
}

/// One schema, at `/Schemas/{urn}`; [`Schemas::schema`] finds it by its URN in any letter case.
pub fn schema(schema: &Schema, base: &str) -> Attributes {
    let body = object(json!({
        "schemas": [SCHEMA],
        "id": schema.id,
        "name": schema.name,
        "description": schema.description,
        "attributes": schema.attributes.iter().map(attribute).collect::<Vec<_>>(),
    }));
    with_meta(body, "Schema", format!("{base}/Schemas/{}", schema.id))
}

/// The schema of a type with members, as a server publishes it whose lists leave `members` out
/// unless they are asked for (L-Q7).
pub fn with_members_on_request(mut schema: Attributes) -> Attributes {
    let attributes = schema.get_mut("attributes").and_then(Value::as_array_mut);
    let members = attributes.into_iter().flatten().find(|attribute| attribute["name"] == "members");
    if let Some(members) = members {
        members["returned"] = json!(Returned::Request);
    }
    schema
}

/// One attribute's definition with every characteristic that its type has: complex attributes
/// have neither `caseExact` nor `uniqueness`, and neither have booleans and dateTimes; binary has
/// no `uniqueness` (RFC 7643 section 2.3).
fn attribute(attribute: &Attribute) -> Value {
    let textual = matches!(attribute.kind, AttributeType::String | AttributeType::Reference | AttributeType::Binary);
    let numeric = matches!(attribute.kind, AttributeType::Integer | AttributeType::Decimal);
    let mut body = object(json!({
        "name": attribute.name,
        "type": attribute.kind,
        "multiValued": attribute.multi_valued,
        "description": attribute.description,
        "required": attribute.required,
    }));
    if !attribute.canonical_values.is_empty() {
        body.insert("canonicalValues".into(), attribute.canonical_values.clone().into());
    }
    if attribute.closed {
        body.insert(CLOSED.into(), true.into());
    }
    if textual {
        body.insert("caseExact".into(), attribute.case_exact.into());
    }
    body.insert("mutability".into(), json!(attribute.mutability));
    body.insert("returned".into(), json!(attribute.returned));
    if numeric || (textual && attribute.kind != AttributeType::Binary) {
        body.insert("uniqueness".into(), json!(attribute.uniqueness));
    }
    if !attribute.reference_types.is_empty() {
        body.insert("referenceTypes".into(), attribute.reference_types.clone().into());
    }
    if !attribute.sub_attributes.is_empty() {
        let subs = attribute.sub_attributes.iter().map(self::attribute).collect();
        body.insert("subAttributes".into(), subs);
    }
    Value::Object(body)
}

fn with_meta(mut body: Attributes, resource_type: &str, location: String) -> Attributes {
    body.insert("meta".into(), json!({ "resourceType": resource_type, "location": location }));
    body
}

/// The fields of a literal object.
fn object(value: Value) -> Attributes {
    match value {
        Value::Object(fields) => fields,
        _ => Attributes::new(),
    }
}
