//! Resources as others show them: a member in its group, a group at its member.
//!
//! Both are made from edges, in the same way wherever they are shown or filtered by, so that a
//! filter never disagrees with what a client sees.

use serde_json::Value;
use uuid::Uuid;

use crate::{Attributes, Member, ResourceType, Schemas};

/// The absolute URI of a resource. `base` is the URL that all endpoints hang under, without a
/// slash at its end.
pub fn location(base: &str, resource_type: &ResourceType, id: Uuid) -> String {
    format!("{base}{}/{id}", resource_type.endpoint)
}

/// One element of `members`: `$ref`, `type` and `display` are the server's to tell (S-6.9).
pub fn member(base: &str, schemas: &Schemas, member: &Member, display: Option<String>) -> Attributes {
    let mut shown = Attributes::new();
    shown.insert("value".to_owned(), Value::String(member.id.to_string()));
    if let Some(of) = member.resource_type.as_deref().and_then(|name| schemas.resource_type(name)) {
        shown.insert("$ref".to_owned(), Value::String(location(base, of, member.id)));
        shown.insert("type".to_owned(), Value::String(of.name.clone()));
    }
    if let Some(display) = display {
        shown.insert("display".to_owned(), Value::String(display));
    }
    shown
}

/// One element of `groups`: whose member somebody is, directly or by way of other groups (RFC 7643
/// section 4.1.2).
pub fn group(base: &str, of: &ResourceType, id: Uuid, direct: bool, display: Option<String>) -> Attributes {
    let mut shown = Attributes::new();
    shown.insert("value".to_owned(), Value::String(id.to_string()));
    shown.insert("$ref".to_owned(), Value::String(location(base, of, id)));
    if let Some(display) = display {
        shown.insert("display".to_owned(), Value::String(display));
    }
    shown.insert("type".to_owned(), Value::from(if direct { "direct" } else { "indirect" }));
    shown
}
