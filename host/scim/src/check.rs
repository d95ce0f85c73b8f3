//! From a body to a draft, and from a draft to a resource.
//!
//! [`create`], [`replace`] and [`replacement`] read what a client or a plugin sent: names in any
//! letter case become the schema's, readOnly attributes go before anything looks at them, every
//! value is held to its type and written the one way it is stored. Required attributes may still
//! be missing: a rule may make them up.
//!
//! [`validate`] is the end of that road. It looks at everything once more, since rules may have
//! changed it, demands what is required, and alone makes a [`Resource`].

mod membership;
mod misfits;
mod replace;
mod shaped;
mod value;

use std::io;
use std::sync::Arc;

use serde_json::Value;

use crate::error::shown;
use crate::secret::{PASSWORD, is_password};
use crate::{
    Attribute, AttributeType, Attributes, Draft, Invalid, Leniency, Member, MembershipEdit, Mutability, NewPassword,
    PasswordHash, Resource, ResourceType, Stamp, Switch, standard,
};

pub use membership::members;
pub use misfits::misfits;
pub use replace::{replace, replacement};
pub use shaped::shaped;
pub use value::{Rules, binary, value, value_at};

use value::{At, Owner, check_fields, check_value, container_of};

/// How large a resource may be, as the JSON of its attributes without members.
pub const RESOURCE_BYTES_MAX: usize = 1024 * 1024;

/// Reads the body of a POST (RFC 7644 section 3.3).
pub fn create(body: Value, resource_type: &Arc<ResourceType>, leniency: &Leniency) -> Result<Draft, Invalid> {
    let read = read(body, resource_type, Rules::body(leniency))?;
    check_schemas(read.schemas.as_ref(), resource_type, leniency)?;
    let membership = match read.members {
        Some(members) if !members.is_empty() => vec![MembershipEdit::Add(members)],
        _ => Vec::new(),
    };
    Ok(Draft { resource_type: resource_type.clone(), attributes: read.attributes, membership, secret: read.secret })
}

/// Holds a draft to its schema and makes it a resource.
///
/// Required attributes are there and not empty, in each element that is present as well (S-3.20);
/// an extension that is present, or must be, is complete (S-3.19); values fit their types; no list
/// has two primary elements; the whole is no larger than [`RESOURCE_BYTES_MAX`]. How deep a
/// resource may nest is bounded by its schema. Of a password only a hash is taken: a new one that is
/// not sealed yet, or what is no hash, is left out (S-21.2).
pub fn validate(draft: Draft, stamp: Stamp) -> Result<Resource, Invalid> {
    let resource_type = draft.resource_type;
    let attributes = read(Value::Object(draft.attributes), &resource_type, Rules::Outcome)?.attributes;
    require(None, &resource_type.schema.attributes, &attributes, &resource_type)?;
    for extension in &resource_type.extensions {
        let urn = extension.schema.id.as_str();
        match attributes.get(urn) {
            Some(Value::Object(fields)) => require(Some(urn), &extension.schema.attributes, fields, &resource_type)?,
            _ if extension.required => return Err(Invalid::value(format!("`{urn}` is required"))),
            _ => {}
        }
    }
    if byte_size(&attributes) > RESOURCE_BYTES_MAX {
        return Err(Invalid::value(format!("the resource is larger than {RESOURCE_BYTES_MAX} bytes")));
    }
    Ok(Resource::from_stored(resource_type, stamp, attributes))
}

/// A document taken apart and checked.
struct Read {
    attributes: Attributes,
    /// Present if the document names `members`, even without any.
    members: Option<Vec<Member>>,
    schemas: Option<Value>,
    id: Option<Value>,
    meta: Option<Value>,
    secret: Option<NewPassword>,
}

/// Takes a document apart: what is the server's, what are edges, what are attributes; and checks
/// the last, core attributes first, then extensions, each in the schema's order.
fn read(body: Value, resource_type: &ResourceType, rules: Rules<'_>) -> Result<Read, Invalid> {
    let Value::Object(document) = body else {
        return Err(Invalid::syntax(format!("a {} must be a JSON object", resource_type.name)));
    };
    let mut schemas = None;
    let mut id = None;
    let mut meta = None;
    let mut external_id = None;
    let mut members = None;
    let mut password = None;
    let mut containers: Vec<Option<Value>> = vec![None; resource_type.extensions.len()];
    let mut core = Attributes::new();

    for (name, value) in document {
        let common = standard::common(&name).map(|a| a.name.as_str());
        let extension = resource_type.extensions.iter().position(|e| e.schema.id.eq_ignore_ascii_case(&name));
        let slot = match (common, extension) {
            (Some("schemas"), _) => &mut schemas,
            (Some("id"), _) => &mut id,
            (Some("meta"), _) => &mut meta,
            (Some(_), _) => &mut external_id,
            (None, Some(index)) => &mut containers[index],
            (None, None) if resource_type.has_members && name.eq_ignore_ascii_case("members") => &mut members,
            (None, None) if names_password(&name, resource_type) => &mut password,
            (None, None) => {
                core.insert(name, value);
                continue;
            }
        };
        if slot.is_some() {
            return Err(Invalid::syntax(format!("`{}` is given twice", shown(&name))));
        }
        *slot = Some(value);
    }

    let secret = match password {
        None | Some(Value::Null) => None,
        // The server's own document: the hash of the password in force, or nothing.
        Some(Value::String(text)) if rules.keeps_read_only() => {
            core.extend(PasswordHash::parse(&text).map(|_| (PASSWORD.to_owned(), Value::String(text))));
            None
        }
        Some(Value::String(text)) => Some(NewPassword::new(text)),
        Some(_) => return Err(Invalid::value("`password` must be a string")),
    };
    let mut attributes = Attributes::new();
    if let (Some(value), Some(attribute)) = (external_id, standard::common("externalId"))
        && let Some(value) = check_value(At::attribute(None, &attribute.name), attribute, value, rules)?
    {
        attributes.insert(attribute.name.clone(), value);
    }
    let owner = Owner { container: None, parent: None };
    attributes.extend(check_fields(owner, &resource_type.schema.attributes, core, rules)?);
    for (extension, value) in resource_type.extensions.iter().zip(containers) {
        let Some(value) = value else { continue };
        let urn = &extension.schema.id;
        if let Some(value) = container_of(urn, &extension.schema.attributes, value, rules)? {
            attributes.insert(urn.clone(), value);
        }
    }
    let members = members.map(|value| membership::members(value, rules)).transpose()?;
    Ok(Read { attributes, members, schemas, id, meta, secret })
}

/// Whether this names the base schema's password.
fn names_password(name: &str, resource_type: &ResourceType) -> bool {
    name.eq_ignore_ascii_case(PASSWORD) && resource_type.schema.attribute(name).is_some_and(is_password)
}

/// Holds `schemas` to S-5.1 and S-5.2: it names the base schema, and nothing that the resource type
/// does not declare. Which extensions it names does not matter: the containers say so (S-5.3).
fn check_schemas(given: Option<&Value>, resource_type: &ResourceType, leniency: &Leniency) -> Result<(), Invalid> {
    let base = resource_type.schema.id.as_str();
    let urns = match given {
        None | Some(Value::Null) => &[],
        Some(Value::Array(urns)) => urns.as_slice(),
        Some(_) => return Err(Invalid::syntax("`schemas` must be a list of URNs")),
    };
    let mut has_base = urns.is_empty() && leniency.allows(Switch::BodyInferSchemas);
    for urn in urns {
        let Value::String(urn) = urn else {
            return Err(Invalid::syntax("`schemas` must be a list of URNs"));
        };
        if urn.eq_ignore_ascii_case(base) {
            has_base = true;
        } else if resource_type.extension(urn).is_none() && !leniency.allows(Switch::BodyUnknownSchemaUrns) {
            return Err(Invalid::value(format!("`schemas` names a schema that {} does not have", resource_type.name)));
        }
    }
    if has_base { Ok(()) } else { Err(Invalid::syntax(format!("`schemas` must contain `{base}`"))) }
}

/// Demands the required attributes of one object, and those of the elements inside it. Members
/// are edges and readOnly values the server's, so neither is looked for.
fn require(
    container: Option<&str>,
    attributes: &[Attribute],
    values: &Attributes,
    resource_type: &ResourceType,
) -> Result<(), Invalid> {
    for attribute in attributes {
        let is_edges = container.is_none() && resource_type.has_members && attribute.name == "members";
        if is_edges || attribute.mutability == Mutability::ReadOnly {
            continue;
        }
        let at = At::attribute(container, &attribute.name);
        let value = values.get(&attribute.name);
        if attribute.required && value.is_none_or(is_empty) {
            return Err(Invalid::value(format!("{at} is required")));
        }
        if attribute.kind != AttributeType::Complex {
            continue;
        }
        let elements = match value {
            Some(Value::Array(elements)) => elements.as_slice(),
            Some(single) => std::slice::from_ref(single),
            None => &[],
        };
        for sub in attribute.sub_attributes.iter().filter(|s| s.required && s.mutability != Mutability::ReadOnly) {
            if elements.iter().any(|e| e.get(&sub.name).is_none_or(is_empty)) {
                return Err(Invalid::value(format!("{} is required", at.sub(&sub.name))));
            }
        }
    }
    Ok(())
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

/// How many bytes the attributes take as JSON.
fn byte_size(attributes: &Attributes) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, attributes) {
        Ok(()) => count.0,
        Err(_) => usize::MAX,
    }
}
