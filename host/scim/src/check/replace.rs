//! A whole document that takes the place of another: a client's PUT, or a plugin's answer.

use std::sync::Arc;

use serde_json::Value;

use super::value::At;
use super::{Read, Rules, check_schemas, read};
use crate::fold::fold;
use crate::{
    Attribute, AttributeType, Attributes, Draft, Invalid, Leniency, MembershipEdit, Mutability, Resource, ResourceType,
    Returned,
};

/// Reads the body of a PUT (RFC 7644 section 3.5.1).
///
/// What the body leaves out is cleared, members included, with three exceptions: what its sender
/// cannot read (writeOnly, returned never), what cannot change (immutable), and `active`, since a PUT without it
/// must not bring a disabled account back (S-15.3 to S-15.6).
pub fn replace(current: &Resource, body: Value, leniency: &Leniency) -> Result<Draft, Invalid> {
    let resource_type = current.resource_type();
    let read = read(body, resource_type, Rules::body(leniency))?;
    check_schemas(read.schemas.as_ref(), resource_type, leniency)?;

    let mut attributes = read.attributes;
    each_schema(resource_type, current.attributes(), &mut attributes, |container, definitions, old, new| {
        carry(definitions, old, new);
        hold_immutable(container, definitions, old, new)
    })?;
    let membership = match resource_type.has_members {
        true => vec![MembershipEdit::Replace(read.members.unwrap_or_default())],
        false => Vec::new(),
    };
    let attributes = in_order(resource_type, attributes);
    Ok(Draft { resource_type: resource_type.clone(), attributes, membership, secret: read.secret })
}

/// Reads the document that a plugin would like in place of `proposed`.
///
/// The plugin was shown `proposed` and answers with all of it, so touching what is the server's is
/// a mistake here, where a client's is forgiven: an `id`, a `meta` or a schema other than those
/// shown is an error. What it was not shown stays: secrets, and the change to the members unless
/// the document has `members` of its own.
pub fn replacement(
    current: Option<&Resource>,
    proposed: &Draft,
    body: Value,
    leniency: &Leniency,
) -> Result<Draft, Invalid> {
    let resource_type = &proposed.resource_type;
    let read = read(body, resource_type, Rules::body(leniency))?;
    hold_server_attributes(current, proposed, &read)?;

    let mut attributes = read.attributes;
    each_schema(resource_type, &proposed.attributes, &mut attributes, |_, definitions, old, new| {
        carry(definitions, old, new);
        Ok(())
    })?;
    if let Some(current) = current {
        each_schema(resource_type, current.attributes(), &mut attributes, hold_immutable)?;
    }
    let membership = match read.members {
        None => proposed.membership.clone(),
        Some(members) => vec![MembershipEdit::Replace(members)],
    };
    let secret = read.secret.or_else(|| proposed.secret.clone());
    let attributes = in_order(resource_type, attributes);
    Ok(Draft { resource_type: resource_type.clone(), attributes, membership, secret })
}

/// Refuses an `id`, a `meta` or a `schemas` that is not what the plugin was shown.
fn hold_server_attributes(current: Option<&Resource>, proposed: &Draft, read: &Read) -> Result<(), Invalid> {
    let resource_type = &proposed.resource_type;
    let shown = proposed.document(current.map(Resource::stamp));
    let changed = |name: &str| Err(Invalid::mutability(format!("`{name}` belongs to the server")));

    if let Some(id) = &read.id
        && !id.is_null()
        && shown.get("id") != Some(id)
    {
        return changed("id");
    }
    match &read.meta {
        None | Some(Value::Null) => {}
        Some(Value::Object(meta)) => {
            let differs = |(name, value): (&String, &Value)| shown["meta"].get(name) != Some(value);
            if meta.iter().any(differs) {
                return changed("meta");
            }
        }
        Some(_) => return changed("meta"),
    }
    match &read.schemas {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(urns)) => {
            let known = |urn: &Value| urn.as_str().is_some_and(|urn| resource_type.schema_of(urn).is_some());
            let base = |urn: &Value| urn.as_str().is_some_and(|u| u.eq_ignore_ascii_case(&resource_type.schema.id));
            if urns.iter().all(known) && urns.iter().any(base) { Ok(()) } else { changed("schemas") }
        }
        Some(_) => changed("schemas"),
    }
}

/// Runs `visit` over the base schema and each extension, with the old and new values of each.
///
/// A container that ends up empty is gone, as if it had never been made.
fn each_schema(
    resource_type: &Arc<ResourceType>,
    old: &Attributes,
    new: &mut Attributes,
    mut visit: impl FnMut(Option<&str>, &[Attribute], &Attributes, &mut Attributes) -> Result<(), Invalid>,
) -> Result<(), Invalid> {
    visit(None, &resource_type.schema.attributes, old, new)?;
    for extension in &resource_type.extensions {
        let urn = &extension.schema.id;
        let Some(Value::Object(old)) = old.get(urn) else { continue };
        let mut fields = match new.remove(urn) {
            Some(Value::Object(fields)) => fields,
            _ => Attributes::new(),
        };
        visit(Some(urn), &extension.schema.attributes, old, &mut fields)?;
        if !fields.is_empty() {
            new.insert(urn.clone(), Value::Object(fields));
        }
    }
    Ok(())
}

/// Takes over from `old` what `new` leaves out and cannot mean to clear: what its sender cannot
/// read, inside a single complex value too, what cannot change, and `active`.
fn carry(definitions: &[Attribute], old: &Attributes, new: &mut Attributes) {
    let unseen = |a: &Attribute| a.mutability == Mutability::WriteOnly || a.returned == Returned::Never;
    let stays = |a: &Attribute| unseen(a) || a.mutability != Mutability::ReadWrite || a.name == "active";
    for attribute in definitions {
        let name = &attribute.name;
        let Some(stored) = old.get(name) else { continue };
        match (stored, new.get_mut(name)) {
            (_, None) if stays(attribute) => {
                new.insert(name.clone(), stored.clone());
            }
            (Value::Object(stored), Some(Value::Object(given))) => {
                for sub in attribute.sub_attributes.iter().filter(|sub| unseen(sub)) {
                    if let Some(secret) = stored.get(&sub.name) {
                        given.entry(sub.name.clone()).or_insert_with(|| secret.clone());
                    }
                }
            }
            _ => {}
        }
    }
}

/// Refuses another value for an immutable attribute that has one (S-15.7), or for an immutable
/// part of a single complex attribute. Elements of a list come and go whole (S-15.8).
fn hold_immutable(
    container: Option<&str>,
    definitions: &[Attribute],
    old: &Attributes,
    new: &mut Attributes,
) -> Result<(), Invalid> {
    for attribute in definitions {
        let at = At::attribute(container, &attribute.name);
        let (Some(stored), Some(given)) = (old.get(&attribute.name), new.get_mut(&attribute.name)) else {
            continue;
        };
        if attribute.mutability == Mutability::Immutable {
            hold(at, attribute, stored, given)?;
        } else if let (Value::Object(stored), Value::Object(given)) = (stored, given) {
            for sub in attribute.sub_attributes.iter().filter(|s| s.mutability == Mutability::Immutable) {
                let Some(stored) = stored.get(&sub.name) else { continue };
                hold(at.sub(&sub.name), sub, stored, given.entry(sub.name.clone()).or_insert(stored.clone()))?;
            }
        }
    }
    Ok(())
}

/// An equal value keeps the stored spelling; a different one is refused.
fn hold(at: At<'_>, attribute: &Attribute, stored: &Value, given: &mut Value) -> Result<(), Invalid> {
    let same = match (&stored, &given) {
        (Value::String(a), Value::String(b)) if attribute.kind == AttributeType::String && !attribute.case_exact => {
            fold(a) == fold(b)
        }
        (a, b) => a == b,
    };
    if !same {
        return Err(Invalid::mutability(format!("{at} cannot change once it has a value")));
    }
    *given = stored.clone();
    Ok(())
}

/// The attributes in the order a checked draft has them: `externalId`, the schema's, extensions.
fn in_order(resource_type: &ResourceType, mut attributes: Attributes) -> Attributes {
    let core = resource_type.schema.attributes.iter().map(|a| a.name.as_str());
    let extensions = resource_type.extensions.iter().map(|e| e.schema.id.as_str());
    let mut ordered = Attributes::new();
    for name in std::iter::once("externalId").chain(core).chain(extensions) {
        if let Some((name, value)) = attributes.remove_entry(name) {
            ordered.insert(name, value);
        }
    }
    ordered
}
