//! The values inside operations: what counts as nothing, and how a client's shapes become the
//! ones that [`crate::check`] reads.

use serde_json::{Map, Value};

use crate::check::{self, Rules};
use crate::{Attribute, AttributeType, Invalid, Leniency, Place, Switch};

/// What an object does to a complex value: parts that are set, and parts that are unassigned by
/// `null` or an empty list (L-P14).
pub(super) struct Parts {
    pub set: Map<String, Value>,
    pub unset: Vec<String>,
}

/// Whether assigning this unassigns (RFC 7643 section 2.5).
pub(super) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.iter().all(Value::is_null),
        _ => false,
    }
}

/// Reads the value of a single attribute or sub-attribute, or of a whole list.
pub(super) fn read_whole(
    place: &Place<'_>,
    definition: &Attribute,
    value: &Value,
    leniency: &Leniency,
) -> Result<Option<Value>, Invalid> {
    let value = match definition.multi_valued {
        true => {
            note_single(value, leniency);
            Value::Array(as_list(value).into_iter().map(|element| unscalar(definition, element, leniency)).collect())
        }
        false => unwrapped(definition, value, leniency),
    };
    check::value_at(place, value, Rules::patch(leniency))
}

/// Reads the elements of a list. One that stands alone is a list of one (L-P17).
pub(super) fn read_elements(
    place: &Place<'_>,
    definition: &Attribute,
    value: &Value,
    leniency: &Leniency,
) -> Result<Vec<Value>, Invalid> {
    Ok(match read_whole(place, definition, value, leniency)? {
        Some(Value::Array(elements)) => elements,
        Some(single) => vec![single],
        None => Vec::new(),
    })
}

/// Reads one complex value: an object, or a string that means its `value` (L-P8).
pub(super) fn read_parts(
    place: &Place<'_>,
    definition: &Attribute,
    value: &Value,
    leniency: &Leniency,
) -> Result<Parts, Invalid> {
    let value = match value {
        Value::Array(elements) if definition.multi_valued && elements.len() == 1 => &elements[0],
        value => value,
    };
    let mut unset = Vec::new();
    if let Value::Object(fields) = value {
        for (name, value) in fields {
            if let Some(sub) = definition.sub_attribute(name)
                && is_nothing(value)
            {
                unset.push(sub.name.clone());
            }
        }
    }
    let listed = matches!(value, Value::Array(_)) && definition.multi_valued;
    if listed {
        return Err(Invalid::value(format!("`{}` takes one object behind a filter", place.path())));
    }
    let checked = read_elements(place, definition, value, leniency)?.into_iter().next();
    match checked {
        Some(Value::Object(set)) => Ok(Parts { set, unset }),
        _ => Ok(Parts { set: Map::new(), unset }),
    }
}

/// Notes a single value that stands for a list of one (L-P17).
pub(super) fn note_single(value: &Value, leniency: &Leniency) {
    if !matches!(value, Value::Array(_) | Value::Null) {
        leniency.noted.note(Switch::PatchSingleObject);
    }
}

/// The value as a list.
pub(super) fn as_list(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(elements) => elements.clone(),
        Value::Null => Vec::new(),
        single => vec![single.clone()],
    }
}

/// A string in a list of complex elements means the element's `value` (L-P8).
fn unscalar(definition: &Attribute, element: Value, leniency: &Leniency) -> Value {
    let has_value = definition.kind == AttributeType::Complex && definition.sub_attribute("value").is_some();
    match element {
        Value::String(_) if has_value && leniency.allows(Switch::PatchScalarForComplex) => {
            Value::Object(Map::from_iter([("value".to_owned(), element)]))
        }
        element => element,
    }
}

/// `[{"value": "Babs"}]` for a simple single attribute is `"Babs"` (L-P10).
fn unwrapped(definition: &Attribute, value: &Value, leniency: &Leniency) -> Value {
    let inner = match value {
        Value::Array(elements) if elements.len() == 1 => &elements[0],
        value => value,
    };
    let inner = match inner {
        Value::Object(fields) if fields.len() == 1 => fields.get("value").unwrap_or(inner),
        inner => inner,
    };
    let wrapped = !std::ptr::eq(inner, value) && definition.kind != AttributeType::Complex;
    if wrapped && leniency.allows(Switch::PatchWrappedScalar) { inner.clone() } else { value.clone() }
}
