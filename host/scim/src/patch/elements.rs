//! The elements of one list: which are there already, and which one is primary.

use std::collections::HashMap;

use serde_json::Value;

use crate::compare::{operand, same_value};
use crate::filter::{Operand, Target};
use crate::{Attribute, AttributeType, Invalid};

/// Adds elements that are not there yet (S-16.24, S-16.25, S-16.31). Answers the places of those
/// that were written or found.
///
/// An element with a `value` is there if one with the same `value` and `type` is; what else is
/// said about it is merged into that one. Any other element is there if an equal one is.
pub(super) fn add(attribute: &Attribute, elements: &mut Vec<Value>, new: Vec<Value>) -> Vec<usize> {
    let mut known = Known::default();
    for (place, element) in elements.iter().enumerate() {
        known.insert(attribute, element, place);
    }
    let mut written = Vec::with_capacity(new.len());
    for element in new {
        match known.find(attribute, &element, elements) {
            Some(place) => {
                merge_new(attribute, &mut elements[place], element);
                written.push(place);
            }
            None => {
                known.insert(attribute, &element, elements.len());
                written.push(elements.len());
                elements.push(element);
            }
        }
    }
    written
}

/// Takes over what differs, so that an equal spelling in another letter case stays as it was.
fn merge_new(attribute: &Attribute, old: &mut Value, new: Value) {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return;
    };
    for (name, value) in new {
        let same = match (attribute.sub_attribute(&name), old.get(&name)) {
            (Some(sub), Some(stored)) => same_value(sub, stored, &value),
            (Some(sub), None) => sub.is_primary() && value == Value::Bool(false),
            (None, _) => true,
        };
        if !same {
            old.insert(name, value);
        }
    }
}

/// The places of elements, by what makes them the same.
#[derive(Default)]
struct Known {
    by_identity: HashMap<String, usize>,
    by_value: HashMap<String, usize>,
}

impl Known {
    fn insert(&mut self, attribute: &Attribute, element: &Value, place: usize) {
        self.by_identity.entry(identity(attribute, element)).or_insert(place);
        if let Some(value) = part_key(attribute, element, "value") {
            self.by_value.entry(value).or_insert(place);
        }
    }

    fn find(&self, attribute: &Attribute, element: &Value, elements: &[Value]) -> Option<usize> {
        if let Some(place) = self.by_identity.get(&identity(attribute, element)) {
            return Some(*place);
        }
        // Said without a type, and nothing said that is not so: it is there.
        let untyped = element.get("type").is_none();
        let place = *self.by_value.get(&part_key(attribute, element, "value")?)?;
        (untyped && says_no_more(attribute, &elements[place], element)).then_some(place)
    }
}

fn says_no_more(attribute: &Attribute, old: &Value, new: &Value) -> bool {
    new.as_object().is_some_and(|new| {
        new.iter().all(|(name, value)| match (attribute.sub_attribute(name), old.get(name)) {
            (Some(sub), Some(stored)) => same_value(sub, stored, value),
            (Some(sub), None) => sub.is_primary() && *value == Value::Bool(false),
            (None, _) => false,
        })
    })
}

/// What makes an element the same as another: its `value` and `type`, or else all it says.
fn identity(attribute: &Attribute, element: &Value) -> String {
    if attribute.kind != AttributeType::Complex {
        return key(attribute, element);
    }
    let mut identity = String::new();
    let has_value = element.get("value").is_some();
    for sub in &attribute.sub_attributes {
        if has_value && sub.name != "value" && sub.name != "type" || sub.is_primary() {
            continue;
        }
        if let Some(part) = part_key(attribute, element, &sub.name) {
            identity.push_str(&format!("{}={part:?};", sub.name));
        }
    }
    identity
}

fn part_key(attribute: &Attribute, element: &Value, name: &str) -> Option<String> {
    let sub = attribute.sub_attribute(name)?;
    Some(key(sub, element.get(&sub.name)?))
}

/// A text that equal values share.
fn key(attribute: &Attribute, value: &Value) -> String {
    let target = Target {
        path: attribute.name.clone(),
        steps: Vec::new(),
        kind: attribute.kind,
        case_exact: attribute.case_exact || attribute.kind == AttributeType::Reference,
    };
    match operand(value, &target) {
        Some(Operand::Text(text)) => text,
        Some(operand) => format!("{operand:?}"),
        None => value.to_string(),
    }
}

/// Which elements a list of values names, for a `remove` that carries one (L-P4): by their `value`,
/// or by all that is said if there is none. A string is a `value`.
pub(super) struct Listed(Vec<Value>);

impl Listed {
    pub(super) fn new(value: &Value) -> Self {
        Self(super::value::as_list(value))
    }

    pub(super) fn names(&self, attribute: &Attribute, element: &Value) -> bool {
        self.0.iter().any(|listed| match (listed, element) {
            (Value::Object(listed), Value::Object(element)) => {
                let value = listed.iter().find(|(name, _)| name.eq_ignore_ascii_case("value"));
                let mut said: Vec<_> = match value {
                    Some((name, value)) => vec![(name, value)],
                    None => listed.iter().collect(),
                };
                said.retain(|(_, value)| !value.is_null());
                let matches = |(name, value): &(&String, &Value)| {
                    let Some(sub) = attribute.sub_attribute(name) else { return false };
                    element.get(&sub.name).is_some_and(|stored| same_value(sub, stored, value))
                };
                !said.is_empty() && said.iter().all(matches)
            }
            (listed, Value::Object(element)) => match (attribute.sub_attribute("value"), element.get("value")) {
                (Some(sub), Some(stored)) => same_value(sub, stored, listed),
                _ => false,
            },
            (Value::Object(listed), element) => {
                listed.get("value").is_some_and(|value| same_value(attribute, element, value))
            }
            (listed, element) => same_value(attribute, element, listed),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Keeps at most one element primary: the one that was just written as such (S-16.70). Two in one
/// operation are refused (S-16.71).
pub(super) fn settle_primary(path: &str, elements: &mut [Value], written: &[usize]) -> Result<(), Invalid> {
    let is_primary = |element: &Value| element.get("primary") == Some(&Value::Bool(true));
    let mut chosen = None;
    for place in written.iter().copied().filter(|place| elements.get(*place).is_some_and(is_primary)) {
        if chosen.is_some_and(|chosen| chosen != place) {
            return Err(Invalid::value(format!("one operation cannot make two elements of `{path}` primary")));
        }
        chosen = Some(place);
    }
    let Some(chosen) = chosen else {
        return Ok(());
    };
    for (place, element) in elements.iter_mut().enumerate() {
        if place != chosen && is_primary(element) {
            element["primary"] = Value::Bool(false);
        }
    }
    Ok(())
}
