//! Which attributes a change touches, and whether a grant reaches them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Attribute, AttributeType, Attributes, ResourceType};

/// The canonical paths at which two states of a resource differ, in the schema's order.
///
/// A simple attribute is its name; a single complex attribute is told by its parts
/// (`name.givenName`), a list of as many elements as before as well (`emails.value`), and any
/// other list as a whole (`emails`). An extension's attribute stands behind its URN.
pub fn changed_paths(
    before: Option<&Attributes>,
    after: Option<&Attributes>,
    resource_type: &ResourceType,
) -> Vec<String> {
    let empty = Attributes::new();
    let (before, after) = (before.unwrap_or(&empty), after.unwrap_or(&empty));
    let mut paths = Vec::new();
    let external_id = crate::standard::common("externalId").into_iter();
    differences("", external_id.chain(&resource_type.schema.attributes), before, after, &mut paths);
    for extension in &resource_type.extensions {
        let urn = &extension.schema.id;
        let fields = |state: &Attributes| state.get(urn).and_then(Value::as_object).cloned().unwrap_or_default();
        let attributes = extension.schema.attributes.iter();
        differences(&format!("{urn}:"), attributes, &fields(before), &fields(after), &mut paths);
    }
    paths
}

fn differences<'a>(
    prefix: &str,
    attributes: impl Iterator<Item = &'a Attribute>,
    before: &Attributes,
    after: &Attributes,
    paths: &mut Vec<String>,
) {
    for attribute in attributes {
        let name = &attribute.name;
        let (old, new) = (before.get(name), after.get(name));
        if old == new {
            continue;
        }
        let nothing = Value::Object(Attributes::new());
        let parts = match (old, new) {
            _ if attribute.kind != AttributeType::Complex => BTreeSet::new(),
            (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() => {
                old.iter().zip(new).flat_map(|(old, new)| parts(attribute, old, new)).collect()
            }
            (old, new) if !attribute.multi_valued => {
                parts(attribute, old.unwrap_or(&nothing), new.unwrap_or(&nothing)).collect()
            }
            _ => BTreeSet::new(),
        };
        if parts.is_empty() {
            paths.push(format!("{prefix}{name}"));
        }
        paths.extend(parts.into_iter().map(|part| format!("{prefix}{name}.{}", attribute.sub_attributes[part].name)));
    }
}

/// Which sub-attributes differ, by their places in the schema.
fn parts<'a>(attribute: &'a Attribute, old: &'a Value, new: &'a Value) -> impl Iterator<Item = usize> + 'a {
    let subs = attribute.sub_attributes.iter().enumerate();
    subs.filter(|(_, sub)| old.get(&sub.name) != new.get(&sub.name)).map(|(place, _)| place)
}

/// Whether a grant reaches a path: `*` reaches all, an attribute its sub-attributes, an extension's
/// URN its attributes; never the other way round. Letter case does not matter.
///
/// ```
/// use provost_scim::covers;
/// assert!(covers("name", "name.givenName"));
/// assert!(!covers("name.givenName", "name"));
/// ```
pub fn covers(grant: &str, path: &str) -> bool {
    if grant == "*" {
        return true;
    }
    let (Some(head), Some(rest)) = (path.get(..grant.len()), path.get(grant.len()..)) else {
        return false;
    };
    if grant.is_empty() || !head.eq_ignore_ascii_case(grant) {
        return false;
    }
    match rest.as_bytes().first() {
        None => true,
        // Dots end an attribute only; inside a URN they are part of the URN.
        Some(b'.') => !rest.contains(':'),
        // An attribute's name has no colon, so this is a whole URN and not the front of one.
        Some(b':') => !rest[1..].contains(':'),
        Some(_) => false,
    }
}
