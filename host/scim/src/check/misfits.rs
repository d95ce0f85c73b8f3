//! What a stored resource has that its schema would not accept now.
//!
//! A store outlives the configuration it was written under. Nothing here changes anything: a
//! resource that no longer fits is still shown, as far as its schema knows it, and the next write
//! is held to the schema as any other.

use serde_json::Value;

use super::value::{At, Rules, check_value};
use super::{require, standard};
use crate::{Attribute, Attributes, Invalid, Resource, ResourceType};

/// Every attribute of a stored resource that does not fit its schema, one sentence each. They name
/// the attribute and what is expected of it, and never a value.
pub fn misfits(resource: &Resource) -> Vec<Invalid> {
    let resource_type = resource.resource_type();
    let stored = resource.attributes();
    let external_id = standard::common("externalId").map(std::slice::from_ref).unwrap_or_default();
    let mut found = Vec::new();

    for (name, value) in stored {
        let core = external_id.iter().chain(&resource_type.schema.attributes).find(|a| a.name == *name);
        let extension = resource_type.extensions.iter().find(|e| e.schema.id == *name);
        match (core, extension, value) {
            (Some(attribute), _, value) => found.extend(unfit(None, attribute, value)),
            (None, Some(extension), Value::Object(fields)) => {
                let urn = Some(extension.schema.id.as_str());
                for (name, value) in fields {
                    match extension.schema.attributes.iter().find(|a| a.name == *name) {
                        Some(attribute) => found.extend(unfit(urn, attribute, value)),
                        None => found.push(unknown(At::attribute(urn, name))),
                    }
                }
            }
            (None, Some(_), _) => found.push(Invalid::value(format!("`{name}` must be an object"))),
            (None, None, _) => found.push(unknown(At::attribute(None, name))),
        }
    }

    found.extend(missing(None, &resource_type.schema.attributes, stored, resource_type));
    for extension in &resource_type.extensions {
        let urn = extension.schema.id.as_str();
        match stored.get(urn) {
            Some(Value::Object(fields)) => {
                found.extend(missing(Some(urn), &extension.schema.attributes, fields, resource_type));
            }
            None if extension.required => found.push(Invalid::value(format!("`{urn}` is required"))),
            _ => {}
        }
    }
    found
}

pub(super) fn unfit(container: Option<&str>, attribute: &Attribute, value: &Value) -> Option<Invalid> {
    check_value(At::attribute(container, &attribute.name), attribute, value.clone(), Rules::Outcome).err()
}

pub(super) fn unknown(at: At<'_>) -> Invalid {
    Invalid::value(format!("no schema here knows {at}"))
}

fn missing<'a>(
    container: Option<&'a str>,
    attributes: &'a [Attribute],
    values: &'a Attributes,
    resource_type: &'a ResourceType,
) -> impl Iterator<Item = Invalid> + 'a {
    let one = move |attribute| require(container, std::slice::from_ref(attribute), values, resource_type).err();
    attributes.iter().filter_map(one)
}
