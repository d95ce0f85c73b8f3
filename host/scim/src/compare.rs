//! Values as they are compared: by filters, by sorting, and in the store's index keys.
//!
//! Everything that compares goes through [`Operand`], so that an index and a scan cannot disagree:
//! text is folded where its attribute does not mind letter case, dateTimes are instants, binary
//! values are bytes, and numbers are exact.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::filter::{Operand, Target};
use crate::{Attribute, AttributeType, Attributes, check, fold, instant};

/// A number as it is compared: exactly. As a float alone, 2^53 + 1 would be 2^53.
///
/// ```
/// use provost_scim::compare::Number;
/// assert_ne!(Number::from(9_007_199_254_740_993_i64), Number::from(9_007_199_254_740_992.0));
/// assert_eq!(Number::from(-2_i64), Number::from(-2.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    /// The nearest float. Rounding keeps the order, so this decides unless it is the same.
    nearest: f64,
    /// What has to be added to it: at most half of what lies between two floats around 2^64.
    rest: i16,
}

impl Number {
    /// A JSON number.
    fn of(number: &serde_json::Number) -> Option<Self> {
        let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        whole.map(Self::whole).or_else(|| number.as_f64().map(Self::from))
    }

    /// A whole number of no more than 64 bits.
    fn whole(value: i128) -> Self {
        let nearest = value as f64;
        Self { nearest, rest: (value - nearest as i128) as i16 }
    }

    /// The nearest float, and what has to be added to it: together they sort as the numbers do.
    pub fn parts(self) -> (f64, i16) {
        (self.nearest, self.rest)
    }

    fn order(self, other: Self) -> Ordering {
        self.nearest.total_cmp(&other.nearest).then(self.rest.cmp(&other.rest))
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::whole(value.into())
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::whole(value.into())
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        // Adding zero makes -0 the 0 that it equals.
        Self { nearest: value + 0.0, rest: 0 }
    }
}

/// All values at `target` in a document, in the document's order. What is absent, null, or not of
/// the target's type is no value.
pub fn values_at(document: &Attributes, target: &Target) -> Vec<Operand> {
    let mut values = Vec::new();
    each_in_object(document, &target.steps, &mut |value| {
        values.extend(operand(value, target));
        false
    });
    values
}

/// What a document sorts by: the value of the primary element if there is one, else the first
/// (S-11.3). `None` sorts last when ascending, first when descending (S-11.4).
pub fn sort_value(document: &Attributes, target: &Target) -> Option<Operand> {
    let mut preferred = None;
    let mut level = document;
    for (index, step) in target.steps.iter().enumerate() {
        match level.get(step) {
            Some(Value::Object(object)) => level = object,
            Some(Value::Array(elements)) => {
                let primary = elements.iter().find(|element| element.get("primary") == Some(&Value::Bool(true)));
                let rest = &target.steps[index + 1..];
                if let Some(primary) = primary {
                    each_value(primary, rest, &mut |value| {
                        preferred = operand(value, target);
                        preferred.is_some()
                    });
                }
                break;
            }
            _ => break,
        }
    }
    preferred.or_else(|| values_at(document, target).into_iter().next())
}

/// A total order: values of one type by their meaning, values of different types by type.
pub fn order(left: &Operand, right: &Operand) -> Ordering {
    match (left, right) {
        (Operand::Boolean(left), Operand::Boolean(right)) => left.cmp(right),
        (Operand::Number(left), Operand::Number(right)) => left.order(*right),
        (Operand::Text(left), Operand::Text(right)) => left.cmp(right),
        (Operand::Instant(left), Operand::Instant(right)) => left.cmp(right),
        (Operand::Bytes(left), Operand::Bytes(right)) => left.cmp(right),
        _ => rank(left).cmp(&rank(right)),
    }
}

fn rank(operand: &Operand) -> u8 {
    match operand {
        Operand::Null => 0,
        Operand::Boolean(_) => 1,
        Operand::Number(_) => 2,
        Operand::Text(_) => 3,
        Operand::Instant(_) => 4,
        Operand::Bytes(_) => 5,
    }
}

/// One JSON value as `target` compares it, or nothing if it is not of the target's type.
pub fn operand(value: &Value, target: &Target) -> Option<Operand> {
    match (target.kind, value) {
        (AttributeType::Boolean, Value::Bool(value)) => Some(Operand::Boolean(*value)),
        (AttributeType::Integer, Value::Number(number)) => Number::of(number).map(Operand::Number),
        // A decimal is stored as the nearest float, so what it is compared with is rounded alike.
        (AttributeType::Decimal, Value::Number(number)) => number.as_f64().map(|n| Operand::Number(n.into())),
        (AttributeType::DateTime, Value::String(text)) => instant::parse(text).map(Operand::Instant),
        (AttributeType::Binary, Value::String(text)) => check::binary(text).map(Operand::Bytes),
        (AttributeType::String | AttributeType::Reference, Value::String(text)) => {
            Some(Operand::Text(text_of(text, target)))
        }
        _ => None,
    }
}

/// Whether values here are names that people sign in with, and so are compared as such (S-22.1).
pub fn is_user_name(target: &Target) -> bool {
    target.path == "userName" && !target.case_exact
}

fn text_of(text: &str, target: &Target) -> String {
    if target.case_exact {
        text.to_owned()
    } else if is_user_name(target) {
        fold::user_name(text)
    } else {
        fold::fold(text)
    }
}

/// Whether two values of one attribute are the same value under its case rule.
pub(crate) fn same_value(attribute: &Attribute, left: &Value, right: &Value) -> bool {
    let target = Target {
        path: attribute.name.clone(),
        steps: Vec::new(),
        kind: attribute.kind,
        case_exact: attribute.case_exact || attribute.kind == AttributeType::Reference,
    };
    match (operand(left, &target), operand(right, &target)) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}

/// Whether a value counts as present (S-10.27): not null, not empty, and not only made of such.
pub(crate) fn is_assigned(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => elements.iter().any(is_assigned),
        Value::Object(members) => members.values().any(is_assigned),
    }
}

/// Follows `steps` from a document and shows each value at their end, until one is the answer.
pub(crate) fn each_in_object(
    object: &Map<String, Value>,
    steps: &[String],
    found: &mut dyn FnMut(&Value) -> bool,
) -> bool {
    match steps.split_first() {
        Some((step, rest)) => object.get(step).is_some_and(|value| each_value(value, rest, found)),
        None => false,
    }
}

/// Follows `steps` from a value. A list stands for each of its elements.
pub(crate) fn each_value(value: &Value, steps: &[String], found: &mut dyn FnMut(&Value) -> bool) -> bool {
    match value {
        Value::Array(elements) => elements.iter().any(|element| each_value(element, steps, found)),
        Value::Object(object) if !steps.is_empty() => each_in_object(object, steps, found),
        _ => steps.is_empty() && found(value),
    }
}
