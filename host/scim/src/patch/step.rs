//! What one operation does to one attribute's value (S-16.20 to S-16.63).
//!
//! A single complex value is treated as a list of one, so that a filter and a sub-attribute mean
//! the same in both.

use serde_json::{Map, Value};

use super::apply::emptied;
use super::elements::{self, Listed, settle_primary};
use super::value::{Parts, as_list, is_nothing, read_elements, read_parts, read_whole};
use super::{Op, PATCH_ELEMENTS_MAX};
use crate::compare::same_value;
use crate::filter::{Bound, CompareOp, Filter, Literal};
use crate::{Attribute, AttributeType, Invalid, Leniency, Mutability, Place, ScimType, Switch};

/// One operation at one attribute.
pub(super) struct Step<'a> {
    pub op: Op,
    pub place: Place<'a>,
    pub attribute: &'a Attribute,
    /// The filter in brackets as written, and bound.
    pub filter: Option<&'a Filter>,
    pub selected: Option<Bound>,
    /// Present on `add` and `replace`; on `remove` it lists what goes (L-P4).
    pub value: Option<&'a Value>,
    pub leniency: &'a Leniency,
    /// Whether there is a resource in force, so that immutable parts of elements hold.
    pub in_force: bool,
}

impl Step<'_> {
    /// The attribute's new value. `None` is unassigned.
    pub(super) fn run(&self, old: Option<Value>, looked_at: &mut usize) -> Result<Option<Value>, Invalid> {
        let multi_valued = self.attribute.multi_valued;
        if !multi_valued && self.place.sub.is_none() && self.selected.is_none() {
            return match self.attribute.kind {
                AttributeType::Complex => self.single_complex(old),
                _ => self.single_simple(old),
            };
        }
        let mut elements = match old {
            Some(Value::Array(elements)) => elements,
            Some(single) => vec![single],
            None => Vec::new(),
        };
        self.count(&elements, looked_at)?;
        let before = self.guards_parts().then(|| elements.clone());
        let written = match self.op {
            Op::Remove => self.remove(&mut elements)?,
            Op::Add | Op::Replace => self.write(&mut elements)?,
        };
        if let (Some(before), Some(_)) = (before, &written) {
            self.hold_parts(&before, &elements)?;
        }
        settle_primary(&self.attribute.name, &mut elements, &written.unwrap_or_default())?;
        elements.retain(|element| element.as_object().is_none_or(|element| !element.is_empty()));
        Ok(match (elements.len(), multi_valued) {
            (0, _) => None,
            (_, true) => Some(Value::Array(elements)),
            (_, false) => elements.pop(),
        })
    }

    fn single_simple(&self, old: Option<Value>) -> Result<Option<Value>, Invalid> {
        match self.value {
            Some(value) if self.op == Op::Remove => {
                Ok(old.filter(|old| !Listed::new(value).names(self.attribute, old)))
            }
            Some(value) if !self.clears(self.attribute, value) => {
                read_whole(&self.place, self.attribute, value, self.leniency)
            }
            _ => Ok(None),
        }
    }

    /// Given parts are set, the others stay (S-16.22, S-16.54).
    fn single_complex(&self, old: Option<Value>) -> Result<Option<Value>, Invalid> {
        match self.value {
            Some(value) if self.op == Op::Remove => {
                Ok(old.filter(|old| !Listed::new(value).names(self.attribute, old)))
            }
            Some(value) if !self.clears(self.attribute, value) => {
                let parts = read_parts(&self.place, self.attribute, value, self.leniency)?;
                let mut merged = old.unwrap_or(Value::Null);
                merge(&mut merged, &parts);
                Ok(Some(merged).filter(|merged| merged.as_object().is_some_and(|merged| !merged.is_empty())))
            }
            _ => Ok(None),
        }
    }

    /// Answers which elements were written, or `None` if elements came and went whole.
    fn write(&self, elements: &mut Vec<Value>) -> Result<Option<Vec<usize>>, Invalid> {
        let value = self.value.unwrap_or(&Value::Null);
        let whole = Place { sub: None, ..self.place };
        if self.place.sub.is_none() && self.selected.is_none() {
            return match self.op {
                Op::Add if is_nothing(value) => Ok(Some(Vec::new())),
                Op::Add => {
                    let new = read_elements(&whole, self.attribute, value, self.leniency)?;
                    Ok(Some(elements::add(self.attribute, elements, new)))
                }
                _ => {
                    *elements = match is_nothing(value) {
                        true => Vec::new(),
                        false => read_elements(&whole, self.attribute, value, self.leniency)?,
                    };
                    Ok(None)
                }
            };
        }
        let mut selected = self.select(elements);
        if selected.is_empty() {
            let absent = elements.is_empty() && !self.attribute.multi_valued;
            if absent && self.selected.is_none() {
                elements.push(Value::Object(Map::new()));
                selected.push(0);
            } else {
                return self.create(elements, value);
            }
        }
        match self.place.sub {
            Some(sub) => self.write_part(elements, &selected, sub, value)?,
            None if !is_nothing(value) => self.write_elements(elements, &selected, value)?,
            None if self.op == Op::Add => return Ok(Some(Vec::new())),
            None => {
                remove_at(elements, &selected);
                return Ok(None);
            }
        }
        Ok(Some(selected))
    }

    /// Sets one part of every selected element (S-16.27, S-16.57).
    fn write_part(
        &self,
        elements: &mut [Value],
        selected: &[usize],
        sub: &Attribute,
        value: &Value,
    ) -> Result<(), Invalid> {
        let new = match self.clears(sub, value) {
            true => None,
            false => read_whole(&self.place, sub, value, self.leniency)?,
        };
        if self.op == Op::Add && sub.multi_valued && new.is_none() {
            return Ok(());
        }
        for place in selected {
            let Some(element) = elements[*place].as_object_mut() else { continue };
            match &new {
                None => {
                    element.shift_remove(&sub.name);
                }
                Some(Value::Array(new)) if self.op == Op::Add => {
                    let mut list = element.get(&sub.name).map(as_list).unwrap_or_default();
                    elements::add(sub, &mut list, new.clone());
                    element.insert(sub.name.clone(), Value::Array(list));
                }
                Some(new) => {
                    element.insert(sub.name.clone(), new.clone());
                }
            }
        }
        Ok(())
    }

    /// Merges into every selected element (S-16.26), or puts a new one in its place (S-16.56).
    fn write_elements(&self, elements: &mut Vec<Value>, selected: &[usize], value: &Value) -> Result<(), Invalid> {
        if self.attribute.kind != AttributeType::Complex {
            let new = read_elements(&self.place, self.attribute, value, self.leniency)?;
            let [new] = new.as_slice() else {
                return Err(Invalid::value(format!("`{}` takes one value behind a filter", self.place.path())));
            };
            if self.op == Op::Replace {
                selected.iter().for_each(|place| elements[*place] = new.clone());
                let all = std::mem::take(elements);
                elements::add(self.attribute, elements, all);
            }
            return Ok(());
        }
        let parts = read_parts(&self.place, self.attribute, value, self.leniency)?;
        for place in selected {
            if self.op == Op::Replace {
                let kept = self.kept(&elements[*place]);
                elements[*place] = Value::Object(kept);
            }
            merge(&mut elements[*place], &parts);
        }
        Ok(())
    }

    /// What a replaced element keeps unless it is given anew: the server's parts, immutable parts,
    /// and those by which it was selected.
    fn kept(&self, element: &Value) -> Map<String, Value> {
        let named = self.filter.map(Filter::names).unwrap_or_default();
        let fields = element.as_object().cloned().unwrap_or_default();
        let keep = |name: &str| {
            self.attribute.sub_attribute(name).is_some_and(|sub| {
                matches!(sub.mutability, Mutability::ReadOnly | Mutability::Immutable)
                    || named.iter().any(|named| named.name.eq_ignore_ascii_case(name))
            })
        };
        fields.into_iter().filter(|(name, _)| keep(name)).collect()
    }

    /// A filter that selects nothing describes an element to be made (L-P5), or is `noTarget`.
    fn create(&self, elements: &mut Vec<Value>, value: &Value) -> Result<Option<Vec<usize>>, Invalid> {
        let no_target = || Invalid::no_target(format!("no element of `{}` is selected", self.attribute.name));
        let room = self.attribute.multi_valued || elements.is_empty();
        let described = self.filter.filter(|_| room).and_then(|filter| self.described(filter));
        let described =
            described.filter(|_| self.leniency.allows(Switch::PatchCreateOnNoMatch)).ok_or_else(no_target)?;
        if self.clears(self.place.sub.unwrap_or(self.attribute), value) {
            return Ok(Some(Vec::new()));
        }
        let element = match (self.place.sub, self.attribute.kind, value) {
            (Some(sub), ..) => {
                let mut fields = described;
                fields.insert(sub.name.clone(), value.clone());
                Value::Object(fields)
            }
            (None, AttributeType::Complex, Value::Object(given)) => {
                let mut fields = described;
                for (name, value) in given {
                    let name = self.attribute.sub_attribute(name).map_or(name, |sub| &sub.name);
                    fields.insert(name.clone(), value.clone());
                }
                Value::Object(fields)
            }
            (None, AttributeType::Complex, Value::String(_)) if self.leniency.allows(Switch::PatchScalarForComplex) => {
                let mut fields = described;
                fields.insert("value".to_owned(), value.clone());
                Value::Object(fields)
            }
            (None, ..) => value.clone(),
        };
        let whole = Place { sub: None, ..self.place };
        let element = match self.attribute.multi_valued {
            true => Value::Array(vec![element]),
            false => element,
        };
        let new = read_elements(&whole, self.attribute, &element, self.leniency)?;
        Ok(Some(elements::add(self.attribute, elements, new)))
    }

    /// The parts that a filter demands by `eq` and `and` alone.
    fn described(&self, filter: &Filter) -> Option<Map<String, Value>> {
        let mut fields = Map::new();
        let mut waiting = vec![filter];
        while let Some(filter) = waiting.pop() {
            match filter {
                Filter::And(parts) => waiting.extend(parts.iter().rev()),
                Filter::Compare(path, CompareOp::Eq, literal) => {
                    if self.attribute.kind != AttributeType::Complex {
                        continue;
                    }
                    let sub = self.attribute.sub_attribute(&path.name)?;
                    let value = described_value(sub, literal)?;
                    if sub.mutability == Mutability::ReadOnly || fields.insert(sub.name.clone(), value).is_some() {
                        return None;
                    }
                }
                _ => return None,
            }
        }
        Some(fields)
    }

    /// Takes away elements, or one part of each (S-16.42 to S-16.48). Answers as [`Self::write`].
    fn remove(&self, elements: &mut Vec<Value>) -> Result<Option<Vec<usize>>, Invalid> {
        let mut selected = self.select(elements);
        let nothing = selected.is_empty() && self.selected.is_some();
        if nothing && !self.leniency.allows(Switch::PatchRemoveNoMatchOk) {
            return Err(Invalid::no_target(format!("no element of `{}` is selected", self.attribute.name)));
        }
        let listed = self.value.map(Listed::new);
        let is_listed = |definition: &Attribute, value: &Value| {
            listed.as_ref().is_none_or(|listed| listed.names(definition, value))
        };
        let Some(sub) = self.place.sub else {
            selected.retain(|place| is_listed(self.attribute, &elements[*place]));
            remove_at(elements, &selected);
            return Ok(None);
        };
        for place in selected {
            let Some(element) = elements[place].as_object_mut() else { continue };
            let Some(part) = element.get_mut(&sub.name) else { continue };
            if let (Some(listed), Value::Array(values)) = (&listed, &mut *part) {
                values.retain(|value| !listed.names(sub, value));
                if !values.is_empty() {
                    continue;
                }
            } else if !is_listed(sub, part) {
                continue;
            }
            element.shift_remove(&sub.name);
        }
        Ok(Some(Vec::new()))
    }

    /// The places of the elements that the filter selects, or of all.
    fn select(&self, elements: &[Value]) -> Vec<usize> {
        let selects = |element: &Value| self.selected.as_ref().is_none_or(|bound| bound.matches_element(element));
        elements.iter().enumerate().filter(|(_, element)| selects(element)).map(|(place, _)| place).collect()
    }

    /// Whether this value unassigns: by null or an empty list, or by `""` where L-P20 is on.
    fn clears(&self, definition: &Attribute, value: &Value) -> bool {
        let empty = value.as_str() == Some("") && self.op == Op::Replace && !definition.required;
        is_nothing(value) || (empty && self.leniency.allows(Switch::PatchEmptyStringClears))
    }

    fn guards_parts(&self) -> bool {
        let guarded = |sub: &Attribute| sub.mutability == Mutability::Immutable || sub.required;
        self.attribute.multi_valued && self.attribute.sub_attributes.iter().any(guarded)
    }

    /// Elements that stayed keep their immutable parts, and the parts they must have.
    fn hold_parts(&self, before: &[Value], after: &[Value]) -> Result<(), Invalid> {
        for sub in &self.attribute.sub_attributes {
            let path = || Place { sub: Some(sub), ..self.place }.path();
            for (before, after) in before.iter().zip(after) {
                let (Some(stored), after) = (before.get(&sub.name), after.get(&sub.name)) else { continue };
                let same = after.is_some_and(|after| same_value(sub, stored, after));
                if sub.mutability == Mutability::Immutable && self.in_force && !same {
                    return Err(Invalid::mutability(format!("`{}` cannot change once it has a value", path())));
                }
                if sub.required && after.is_none() {
                    return Err(emptied(self.op, &path()));
                }
            }
        }
        Ok(())
    }

    fn count(&self, elements: &[Value], looked_at: &mut usize) -> Result<(), Invalid> {
        let listed = match (self.op, self.value) {
            (Op::Remove, Some(value)) => Listed::new(value).len(),
            _ => 1,
        };
        *looked_at = looked_at.saturating_add(elements.len().saturating_mul(listed));
        match *looked_at > PATCH_ELEMENTS_MAX {
            true => Err(Invalid::new(
                ScimType::TooMany,
                format!("the operations look at more than {PATCH_ELEMENTS_MAX} list elements"),
            )),
            false => Ok(()),
        }
    }
}

fn described_value(sub: &Attribute, literal: &Literal) -> Option<Value> {
    match literal {
        Literal::Null => None,
        Literal::Boolean(value) => Some(Value::Bool(*value)),
        Literal::Number(value) => Some(Value::Number(value.clone())),
        // The filter is bound, so a string for a boolean reads `true` or `false` (L-P7).
        Literal::String(text) if sub.kind == AttributeType::Boolean => {
            Some(Value::Bool(text.eq_ignore_ascii_case("true")))
        }
        Literal::String(text) => Some(Value::from(text.as_str())),
    }
}

fn merge(element: &mut Value, parts: &Parts) {
    if !element.is_object() {
        *element = Value::Object(Map::new());
    }
    let Value::Object(fields) = element else {
        return;
    };
    for name in &parts.unset {
        fields.shift_remove(name);
    }
    for (name, value) in &parts.set {
        fields.insert(name.clone(), value.clone());
    }
}

fn remove_at(elements: &mut Vec<Value>, places: &[usize]) {
    let mut place = 0;
    let mut leaving = places.iter().copied().peekable();
    elements.retain(|_| {
        let leaves = leaving.next_if_eq(&place).is_some();
        place += 1;
        !leaves
    });
}
