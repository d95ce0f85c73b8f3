//! Where `bulkId:…` may stand, and what happens to it there.
//!
//! One walk finds every such place by the schema: a reference to a resource, or the `value` beside
//! a `$ref`; in core attributes and in extensions, in the values of PATCH operations and in the
//! filters of their paths (S-18.8). The walk serves three ends: to know what a task refers to, to
//! put ids in place, and to take out what is not there yet.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::PREFIX;
use super::request::{Target, Task};
use crate::error::shown;
use crate::filter::{Filter, Literal};
use crate::patch::{PATCH_OP, take};
use crate::path::PatchPath;
use crate::{Attribute, AttributeType, Invalid, Leniency, Mutability, ResourceType, Schema};

/// What an operation says of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// The other one's name.
    pub(super) bulk_id: String,
    /// Whether the operation cannot be done without it, not even for a moment.
    pub(super) firm: bool,
}

/// Everything that a task refers to, each once.
pub(super) fn references(task: &mut Task, leniency: &Leniency) -> Vec<Reference> {
    let mut found = BTreeMap::new();
    task.visit(leniency, &mut |place: Place<'_>| {
        if let Some((_, bulk_id)) = place.refers() {
            *found.entry(bulk_id.to_owned()).or_insert(false) |= place.firm;
        }
    });
    found.into_iter().map(|(bulk_id, firm)| Reference { bulk_id, firm }).collect()
}

impl Task {
    /// What kind of resource the task is about.
    pub fn resource_type(&self) -> &ResourceType {
        match self {
            Self::Create { resource_type, .. } => resource_type,
            Self::Replace { at, .. } | Self::Patch { at, .. } | Self::Delete { at } => &at.resource_type,
        }
    }

    /// Puts ids in the place of every `bulkId:…`. The first one without an id is the error.
    pub fn resolve(
        &mut self,
        leniency: &Leniency,
        id_of: &dyn Fn(&str) -> Result<Uuid, Invalid>,
    ) -> Result<(), Invalid> {
        let mut first = Ok(());
        self.visit(leniency, &mut |place: Place<'_>| {
            let Some((begins, bulk_id)) = place.refers() else { return };
            match id_of(bulk_id) {
                Ok(id) => place.text.replace_range(begins.., &id.to_string()),
                Err(error) if first.is_ok() => first = Err(error),
                Err(_) => {}
            }
        });
        first
    }

    /// Takes out of a POST what refers to operations that are `later`, and makes the PATCH of it
    /// that puts it back; nothing if there is nothing to take out.
    ///
    /// Elements of a list go one by one, any other value goes whole: half of a reference is none.
    pub fn detach(&mut self, leniency: &Leniency, later: &dyn Fn(&str) -> bool) -> Option<Value> {
        let Self::Create { resource_type, body: Value::Object(fields) } = self else { return None };
        let resource_type = resource_type.clone();
        let mut operations = Vec::new();
        for (name, value) in &mut *fields {
            let Some(extension) = resource_type.extension(name) else { continue };
            let Value::Object(fields) = value else { continue };
            let urn = format!("{}:", extension.schema.id);
            detach_from(fields, &extension.schema, &urn, &resource_type, leniency, later, &mut operations);
        }
        detach_from(fields, &resource_type.schema, "", &resource_type, leniency, later, &mut operations);
        (!operations.is_empty()).then(|| json!({ "schemas": [PATCH_OP], "Operations": operations }))
    }

    fn visit(&mut self, leniency: &Leniency, visit: &mut dyn FnMut(Place<'_>)) {
        let mut visit_target = |at: &mut Target| visit(Place { text: &mut at.id, in_uri: false, firm: true });
        match self {
            Self::Create { .. } => {}
            Self::Replace { at, .. } | Self::Patch { at, .. } | Self::Delete { at } => visit_target(at),
        }
        match self {
            Self::Create { resource_type, body } => {
                Walk { resource_type, leniency, visit, firm: false }.document(body);
            }
            Self::Replace { at, body } => {
                Walk { resource_type: &at.resource_type, leniency, visit, firm: true }.document(body);
            }
            Self::Patch { at, body } => {
                Walk { resource_type: &at.resource_type, leniency, visit, firm: true }.patch(body);
            }
            Self::Delete { .. } => {}
        }
    }
}

/// Takes out of the attributes of one schema what refers to later operations.
fn detach_from(
    fields: &mut Map<String, Value>,
    schema: &Schema,
    urn: &str,
    resource_type: &ResourceType,
    leniency: &Leniency,
    later: &dyn Fn(&str) -> bool,
    operations: &mut Vec<Value>,
) {
    let is_later = |attribute: &Attribute, value: &mut Value| {
        let mut found = false;
        let mut visit = |place: Place<'_>| found |= place.refers().is_some_and(|(_, bulk_id)| later(bulk_id));
        Walk { resource_type, leniency, visit: &mut visit, firm: false }.attribute(attribute, value);
        found
    };
    let names: Vec<String> = fields.keys().cloned().collect();
    for name in names {
        let (Some(attribute), Some(value)) = (schema.attribute(&name), fields.get_mut(&name)) else { continue };
        let detached = match value {
            Value::Array(elements) => {
                let detached: Vec<Value> = elements.extract_if(.., |element| is_later(attribute, element)).collect();
                (!detached.is_empty()).then_some(Value::Array(detached))
            }
            value => is_later(attribute, value).then(|| value.take()),
        };
        if let Some(detached) = detached {
            if !matches!(fields.get(&name), Some(Value::Array(left)) if !left.is_empty()) {
                fields.remove(&name);
            }
            operations.push(json!({ "op": "add", "path": format!("{urn}{}", attribute.name), "value": detached }));
        }
    }
}

/// A text that may be a reference.
struct Place<'a> {
    text: &'a mut String,
    /// Whether it may stand at the end of a URI: `…/Users/bulkId:ana`.
    in_uri: bool,
    firm: bool,
}

impl Place<'_> {
    /// Where a reference begins in the text, and whom it names.
    fn refers(&self) -> Option<(usize, &str)> {
        let begins = match self.text.starts_with(PREFIX) {
            true => 0,
            false if self.in_uri => self.text.find(&format!("/{PREFIX}"))? + 1,
            false => return None,
        };
        Some((begins, &self.text[begins + PREFIX.len()..]))
    }
}

/// How an attribute points to a resource.
#[derive(Clone, Copy)]
enum Pointer {
    Id,
    Uri,
}

/// How the attribute by itself points to a resource, if it does. A text in the place of a complex
/// value means its `value` (L-P8, L-P9, L-B12).
fn pointer(attribute: &Attribute) -> Option<Pointer> {
    let to_resource = |of: &String| !matches!(of.as_str(), "external" | "uri");
    match attribute.kind {
        AttributeType::Reference if attribute.name == "$ref" => Some(Pointer::Uri),
        AttributeType::Reference => attribute.reference_types.iter().any(to_resource).then_some(Pointer::Uri),
        AttributeType::Complex if attribute.sub_attribute("$ref").is_some() => Some(Pointer::Id),
        _ => None,
    }
}

/// How a part of an attribute does.
fn part_pointer(attribute: &Attribute, part: &Attribute) -> Option<Pointer> {
    match part.mutability {
        Mutability::ReadOnly => None,
        _ if part.name == "value" && attribute.sub_attribute("$ref").is_some() => Some(Pointer::Id),
        _ => pointer(part),
    }
}

/// The walk through one body. What cannot be understood is passed over: the operation will say
/// itself what is wrong with it.
struct Walk<'a> {
    resource_type: &'a ResourceType,
    leniency: &'a Leniency,
    visit: &'a mut dyn FnMut(Place<'_>),
    /// Whether nothing can be left out for a while.
    firm: bool,
}

impl Walk<'_> {
    /// The body of a POST or a PUT.
    fn document(&mut self, body: &mut Value) {
        let Value::Object(fields) = body else { return };
        let resource_type = self.resource_type;
        for (name, value) in fields {
            match resource_type.extension(name) {
                Some(extension) => self.container(&extension.schema, value),
                None => self.field(&resource_type.schema, name, value),
            }
        }
    }

    /// The values of an extension.
    fn container(&mut self, schema: &Schema, value: &mut Value) {
        let Value::Object(fields) = value else { return };
        for (name, value) in fields {
            self.field(schema, name, value);
        }
    }

    fn field(&mut self, schema: &Schema, name: &str, value: &mut Value) {
        let Some(attribute) = schema.attribute(name) else { return };
        let firm = self.firm;
        self.firm |= attribute.required;
        self.attribute(attribute, value);
        self.firm = firm;
    }

    /// The body of a PATCH.
    fn patch(&mut self, body: &mut Value) {
        let Some(Value::Array(operations)) = member(body, "Operations") else { return };
        for operation in operations {
            let Value::Object(fields) = operation else { continue };
            // Taken out for as long as both are looked at; an operation that gives one twice is wrong.
            let (Ok(path), Ok(value)) = (take(fields, "path"), take(fields, "value")) else { continue };
            let (mut path, mut value) = (path, value);
            match (&mut path, &mut value) {
                (Some(Value::String(path)), value) if !path.is_empty() => self.at_path(path, value.as_mut()),
                (_, Some(Value::Object(fields))) => self.keyed(fields),
                _ => {}
            }
            let parts = [("path", path), ("value", value)];
            fields.extend(parts.into_iter().filter_map(|(name, part)| Some((name.to_owned(), part?))));
        }
    }

    /// The value of an operation without a path: each key is one (L-P2, L-P3, L-P23).
    fn keyed(&mut self, fields: &mut Map<String, Value>) {
        for (mut key, mut value) in std::mem::take(fields) {
            self.at_path(&mut key, Some(&mut value));
            fields.insert(key, value);
        }
    }

    /// A path, and the value that goes there.
    fn at_path(&mut self, text: &mut String, value: Option<&mut Value>) {
        let Ok(mut path) = PatchPath::parse(text, self.leniency) else { return };
        let Some(place) = path.attribute.place(self.resource_type) else { return };
        if let (Some(attribute), Some(filter)) = (place.attribute, &mut path.filter) {
            let written = filter.clone();
            self.filter(attribute, filter);
            if *filter != written {
                *text = path.to_string();
            }
        }
        let Some(value) = value else { return };
        let part = path.sub.as_deref().zip(place.attribute).and_then(|(sub, attribute)| attribute.sub_attribute(sub));
        match (place.extension, place.attribute, place.sub.or(part)) {
            (Some(schema), None, _) => self.container(schema, value),
            (_, Some(attribute), Some(part)) => self.part(attribute, part, value),
            (_, Some(attribute), None) => self.attribute(attribute, value),
            (None, None, _) => {}
        }
    }

    /// A filter in brackets behind `attribute`.
    fn filter(&mut self, attribute: &Attribute, filter: &mut Filter) {
        match filter {
            Filter::And(parts) | Filter::Or(parts) => parts.iter_mut().for_each(|part| self.filter(attribute, part)),
            Filter::Not(part) => self.filter(attribute, part),
            Filter::Compare(path, _, Literal::String(text)) => {
                let part = attribute.sub_attribute(&path.name);
                self.text(part.and_then(|part| part_pointer(attribute, part)), text);
            }
            Filter::Compare(..) | Filter::Present(_) | Filter::Element(..) => {}
        }
    }

    fn attribute(&mut self, attribute: &Attribute, value: &mut Value) {
        if attribute.mutability == Mutability::ReadOnly {
            return;
        }
        match value {
            Value::Array(elements) => elements.iter_mut().for_each(|element| self.element(attribute, element)),
            value => self.element(attribute, value),
        }
    }

    fn element(&mut self, attribute: &Attribute, value: &mut Value) {
        match value {
            Value::String(text) => self.text(pointer(attribute), text),
            Value::Object(fields) => {
                for (name, value) in fields {
                    if let Some(part) = attribute.sub_attribute(name) {
                        self.part(attribute, part, value);
                    }
                }
            }
            _ => {}
        }
    }

    fn part(&mut self, attribute: &Attribute, part: &Attribute, value: &mut Value) {
        let pointer = part_pointer(attribute, part);
        match value {
            Value::String(text) => self.text(pointer, text),
            Value::Array(texts) => texts.iter_mut().for_each(|text| {
                if let Value::String(text) = text {
                    self.text(pointer, text);
                }
            }),
            _ => {}
        }
    }

    fn text(&mut self, pointer: Option<Pointer>, text: &mut String) {
        if let Some(pointer) = pointer {
            (self.visit)(Place { text, in_uri: matches!(pointer, Pointer::Uri), firm: self.firm });
        }
    }
}

/// A member of an object, in any letter case.
fn member<'a>(body: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    body.as_object_mut()?.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A reference to nothing (S-18.11).
pub fn no_such_post(bulk_id: &str) -> Invalid {
    Invalid::value(format!("`{PREFIX}{}` names no POST of this request", shown(bulk_id)))
}

/// A reference to a POST that failed (S-18.11).
pub fn failed_post(bulk_id: &str) -> Invalid {
    Invalid::value(format!("the POST that `{PREFIX}{}` names did not happen", shown(bulk_id)))
}

/// A reference, in a circle, to a POST that failed: nothing of the circle is kept.
pub fn failed_circle(bulk_id: &str) -> Invalid {
    let bulk_id = shown(bulk_id);
    Invalid::value(format!("this refers in a circle to the POST that `{PREFIX}{bulk_id}` names, which did not happen"))
}
