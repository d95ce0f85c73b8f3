//! Operations in the one shape that plugins are shown: lower-case names, a path in each, spelled
//! as the schema spells it, and no secrets.

use serde_json::{Map, Value, json};

use super::apply::{is_read_only, member_path};
use super::{Op, Operation};
use crate::path::{PatchPath, is_secret};
use crate::{Leniency, Place, ResourceType, Schema};

/// The operations as a JSON array. An operation without a path becomes one for each attribute it
/// names, and so does one at an extension's URN. What is never returned, such as a password, is
/// left out, and so are readOnly members that [`super::apply`] would not look at.
pub fn normalised(operations: &[Operation], resource_type: &ResourceType) -> Value {
    let (mut shown, leniency) = (Vec::new(), Leniency::default());
    for operation in operations {
        match (&operation.path, &operation.value) {
            (Some(path), value) => at(operation.op, path, value.as_ref(), resource_type, &leniency, &mut shown),
            (None, Some(Value::Object(fields))) => {
                members(operation.op, None, fields, resource_type, &leniency, &mut shown);
            }
            (None, _) => {}
        }
    }
    Value::Array(shown)
}

fn at(
    op: Op,
    path: &PatchPath,
    value: Option<&Value>,
    resource_type: &ResourceType,
    leniency: &Leniency,
    shown: &mut Vec<Value>,
) {
    let place = path.attribute.place(resource_type);
    if let (Some(Place { extension: Some(schema), attribute: None, .. }), Some(Value::Object(fields))) = (place, value)
    {
        members(op, Some(schema), fields, resource_type, leniency, shown);
        return;
    }
    if let Some(place) = place {
        let sub = path.sub.as_deref().and_then(|sub| place.attribute?.sub_attribute(sub)).or(place.sub);
        if is_secret(&Place { sub, ..place }) {
            return;
        }
    }
    let mut operation = Map::new();
    operation.insert("op".into(), op.as_str().into());
    operation.insert("path".into(), path.canonical(resource_type).to_string().into());
    if let Some(value) = value {
        operation.insert("value".into(), place.map_or_else(|| value.clone(), |place| without_secrets(&place, value)));
    }
    shown.push(json!(operation));
}

fn members(
    op: Op,
    container: Option<&Schema>,
    fields: &Map<String, Value>,
    resource_type: &ResourceType,
    leniency: &Leniency,
    shown: &mut Vec<Value>,
) {
    for (key, value) in fields {
        let Ok(Some((path, place))) = member_path(resource_type, container, key, leniency) else {
            continue;
        };
        let envelope = place.extension.is_none() && place.attribute.is_some_and(|a| a.name == "schemas");
        if !envelope && !is_read_only(&place) {
            at(op, &path, Some(value), resource_type, leniency, shown);
        }
    }
}

/// The value without parts that are never returned.
fn without_secrets(place: &Place<'_>, value: &Value) -> Value {
    let is_hidden = |name: &str| {
        place
            .attribute
            .and_then(|a| a.sub_attribute(name))
            .is_some_and(|sub| is_secret(&Place { extension: None, attribute: Some(sub), sub: None }))
    };
    match value {
        Value::Array(elements) => elements.iter().map(|element| without_secrets(place, element)).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !is_hidden(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        value => value.clone(),
    }
}
