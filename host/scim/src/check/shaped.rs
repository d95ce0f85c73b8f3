//! What a rule made of a document, for showing.

use serde_json::Value;

use super::misfits::{unfit, unknown};
use super::standard;
use super::value::At;
use crate::{Attribute, Attributes, Invalid, ResourceType};

/// Holds a shaped document to its schema: the schema knows every attribute, and every value that
/// is not as it was is of its attribute's type. Required attributes may be missing. What belongs to
/// the server (`id`, `meta`, `schemas`) is not looked at.
///
/// # Errors
/// The first attribute that does not fit, and what is expected of it; never a value.
pub fn shaped(before: &Attributes, after: &Attributes, resource_type: &ResourceType) -> Result<(), Invalid> {
    for (name, value) in after {
        let common = standard::common(name).filter(|common| common.name == *name);
        if common.is_some_and(|common| common.name != "externalId") || before.get(name) == Some(value) {
            continue;
        }
        let known = common.or_else(|| resource_type.schema.attributes.iter().find(|a| a.name == *name));
        let extension = resource_type.extensions.iter().find(|e| e.schema.id == *name);
        match (known, extension, value) {
            (Some(attribute), _, value) => fits(None, attribute, value)?,
            (None, Some(extension), Value::Object(fields)) => {
                let urn = Some(extension.schema.id.as_str());
                for (name, value) in fields {
                    let attribute = extension.schema.attributes.iter().find(|a| a.name == *name);
                    fits(urn, attribute.ok_or_else(|| unknown(At::attribute(urn, name)))?, value)?;
                }
            }
            (None, Some(_), _) => return Err(Invalid::value(format!("`{name}` must be an object"))),
            (None, None, _) => return Err(unknown(At::attribute(None, name))),
        }
    }
    Ok(())
}

fn fits(container: Option<&str>, attribute: &Attribute, value: &Value) -> Result<(), Invalid> {
    unfit(container, attribute, value).map_or(Ok(()), Err)
}
