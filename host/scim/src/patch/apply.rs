//! Working through the operations of one request, in their order.
//!
//! Here it is decided what an operation is about: the whole resource, an extension, `schemas`,
//! members, a secret, or an attribute. What happens to one attribute's value is told in
//! [`super::step`].

use serde_json::Value;

use super::step::Step;
use super::value::{as_list, is_nothing};
use super::{Op, Operation, PATCH_OPERATIONS_MAX, members, no_path, no_value, numbered, too_many_operations};
use crate::compare::same_value;
use crate::filter::{AttrPath, Filter};
use crate::path::{PatchPath, is_name, quoted};
use crate::resource::schema_urns;
use crate::secret::is_password;
use crate::{
    Attribute, AttributeType, Attributes, Draft, Invalid, Leniency, Mutability, NewPassword, Place, Resource,
    ResourceType, Schema, ScimType, Switch,
};

/// Applies operations to a draft, in order, and answers the changed draft.
///
/// `current` is the resource in force, if there is one: its immutable attributes hold. On a draft
/// of a new resource nothing is in force yet.
pub fn apply(
    draft: Draft,
    current: Option<&Resource>,
    operations: &[Operation],
    leniency: &Leniency,
) -> Result<Draft, Invalid> {
    if operations.len() > PATCH_OPERATIONS_MAX {
        return Err(too_many_operations());
    }
    let resource_type = draft.resource_type.clone();
    let mut patch =
        Patch { resource_type: &resource_type, draft, current, leniency, looked_at: 0, emptied: Vec::new() };
    for (index, operation) in operations.iter().enumerate() {
        patch.operation(operation).map_err(|error| numbered(error, operations.len() > 1, index))?;
    }
    patch.finish()
}

struct Patch<'a> {
    resource_type: &'a ResourceType,
    draft: Draft,
    current: Option<&'a Resource>,
    leniency: &'a Leniency,
    /// How many list elements were looked at so far.
    looked_at: usize,
    /// Required places that some operation has unassigned, and what to say if they stay so.
    emptied: Vec<Emptied>,
}

/// A required place that was unassigned. A container has no attribute.
struct Emptied {
    container: Option<String>,
    attribute: Option<String>,
    sub: Option<String>,
    error: Invalid,
}

impl<'a> Patch<'a> {
    fn operation(&mut self, operation: &Operation) -> Result<(), Invalid> {
        match (&operation.path, &operation.value) {
            (Some(path), value) => self.at(operation.op, path, value.as_ref()),
            (None, _) if operation.op == Op::Remove => Err(no_path()),
            (None, None) => Err(no_value(operation.op)),
            (None, Some(Value::Object(fields))) => {
                fields.iter().try_for_each(|(key, value)| self.member(operation.op, None, key, value))
            }
            (None, Some(_)) => Err(Invalid::syntax("an operation without a path needs an object as its `value`")),
        }
    }

    /// One member of a value without a path, or of an extension's object: an operation of its own,
    /// whose path is the key (S-16.20, S-16.51).
    fn member(&mut self, op: Op, container: Option<&Schema>, key: &str, value: &Value) -> Result<(), Invalid> {
        let Some((path, place)) = member_path(self.resource_type, container, key, self.leniency)? else {
            return Ok(());
        };
        if let (None, Some(attribute)) = (place.extension, place.attribute) {
            match attribute.name.as_str() {
                // The server's own, and never a client's wish (S-5.8).
                "meta" => return Ok(()),
                // Beside other attributes it describes the message; it is no wish to drop data.
                "schemas" => return self.check_urns(value).map(|_| ()),
                _ => {}
            }
        }
        if is_read_only(&place) && path.filter.is_none() {
            let switch = match self.says_what_is(&place, value) {
                true => Switch::PatchEqualReadonly,
                false => Switch::PatchIgnoreReadonly,
            };
            return if self.leniency.allows(switch) { Ok(()) } else { Err(read_only(&place)) };
        }
        self.at(op, &path, Some(value))
    }

    /// Whether a readOnly value is what the resource has already (L-P11).
    fn says_what_is(&self, place: &Place<'_>, value: &Value) -> bool {
        let Some(definition) = place.sub.or(place.attribute) else {
            return false;
        };
        if place.extension.is_none() && place.sub.is_none() && definition.name == "id" {
            return self.current.is_some_and(|current| value.as_str() == Some(current.id().to_string().as_str()));
        }
        match stored(&self.draft.attributes, place) {
            Some(stored) => same_value(definition, stored, value),
            None => is_nothing(value),
        }
    }

    fn at(&mut self, op: Op, path: &PatchPath, value: Option<&Value>) -> Result<(), Invalid> {
        let lost = || Invalid::path(format!("{} is not an attribute of {}", quoted(path), self.resource_type.name));
        let mut place = path.attribute.place(self.resource_type).ok_or_else(lost)?;
        let Some(attribute) = place.attribute else {
            let schema = place.extension.filter(|_| path.filter.is_none()).ok_or_else(lost)?;
            return self.container(op, schema, value);
        };
        if self.resource_type.has_members && place.extension.is_none() && attribute.name == "members" {
            let edit = members::edit(op, path, value, self.resource_type, attribute, self.leniency)?;
            self.draft.membership.extend(edit);
            return Ok(());
        }
        if let Some(sub) = &path.sub {
            place.sub = Some(attribute.sub_attribute(sub).ok_or_else(lost)?);
        }
        if place.extension.is_none() && is_password(attribute) {
            return self.password(op, path, value);
        }
        if is_read_only(&place) {
            return Err(read_only(&place));
        }
        if path.filter.is_some() && !attribute.multi_valued && attribute.kind != AttributeType::Complex {
            return Err(Invalid::path(format!("{} has no elements to select", quoted(&path.attribute))));
        }
        if place.extension.is_none() && attribute.name == "schemas" {
            return self.schemas(op, attribute, path.filter.as_ref(), value);
        }
        self.change(op, place, attribute, path.filter.as_ref(), value)
    }

    /// An operation at the password. It is set or unassigned, and never compared with anything, since
    /// that would tell it (S-21.6).
    fn password(&mut self, op: Op, path: &PatchPath, value: Option<&Value>) -> Result<(), Invalid> {
        if path.filter.is_some() || path.sub.is_some() {
            return Err(Invalid::path("`password` has no parts to select"));
        }
        match (op, value) {
            (Op::Remove, None | Some(Value::Null)) => self.draft.clear_password(),
            (Op::Remove, Some(_)) => return Err(Invalid::syntax("a `remove` of `password` takes no `value`")),
            (Op::Add | Op::Replace, None) => return Err(no_value(op)),
            (Op::Add, Some(value)) if is_nothing(value) => {}
            (Op::Replace, Some(value)) if is_nothing(value) => self.draft.clear_password(),
            (Op::Add | Op::Replace, Some(Value::String(text))) => self.draft.secret = Some(NewPassword::new(text)),
            (Op::Add | Op::Replace, Some(_)) => return Err(Invalid::value("`password` must be a string")),
        }
        Ok(())
    }

    /// Changes one attribute's value.
    fn change(
        &mut self,
        op: Op,
        place: Place<'_>,
        attribute: &Attribute,
        filter: Option<&Filter>,
        value: Option<&Value>,
    ) -> Result<(), Invalid> {
        let value = match op {
            Op::Remove => value.filter(|value| !value.is_null()),
            Op::Add | Op::Replace => Some(value.ok_or_else(|| no_value(op))?),
        };
        if op == Op::Remove && value.is_some() && !self.leniency.allows(Switch::PatchRemoveWithValue) {
            return Err(Invalid::syntax("a `remove` takes no `value`; select elements by a filter"));
        }
        let whole = Place { sub: None, ..place };
        let selected = match filter {
            Some(filter) => Some(filter.bind_element(attribute, self.leniency)?),
            None => None,
        };
        let step = Step {
            op,
            place,
            attribute,
            filter,
            selected,
            value,
            leniency: self.leniency,
            in_force: self.current.is_some(),
        };
        let before = stored(&self.draft.attributes, &whole).cloned();
        let after = step.run(before.clone(), &mut self.looked_at)?;
        let after = self.hold_immutable(&whole, attribute, after)?;
        self.note_emptied(op, &whole, attribute, before.as_ref(), after.as_ref());
        self.put(&whole, attribute, after);
        Ok(())
    }

    /// An immutable attribute keeps the value in force (S-16.32, S-16.50, S-16.61), and so do the
    /// immutable parts of a single complex one.
    fn hold_immutable(
        &self,
        place: &Place<'_>,
        attribute: &Attribute,
        after: Option<Value>,
    ) -> Result<Option<Value>, Invalid> {
        let Some(in_force) = self.current.and_then(|current| stored(current.attributes(), place)) else {
            return Ok(after);
        };
        let changed = |path: String| Invalid::mutability(format!("`{path}` cannot change once it has a value"));
        if attribute.mutability == Mutability::Immutable {
            return match after {
                Some(after) if same_value(attribute, in_force, &after) => Ok(Some(in_force.clone())),
                _ => Err(changed(place.path())),
            };
        }
        if attribute.multi_valued {
            return Ok(after);
        }
        for sub in attribute.sub_attributes.iter().filter(|sub| sub.mutability == Mutability::Immutable) {
            let (Some(stored), Some(after)) = (in_force.get(&sub.name), after.as_ref()) else { continue };
            if !after.get(&sub.name).is_some_and(|after| same_value(sub, stored, after)) {
                return Err(changed(Place { sub: Some(sub), ..*place }.path()));
            }
        }
        Ok(after)
    }

    /// Remembers what a resource must have and has just lost. A later operation may give it back.
    fn note_emptied(
        &mut self,
        op: Op,
        place: &Place<'_>,
        attribute: &Attribute,
        before: Option<&Value>,
        after: Option<&Value>,
    ) {
        let container = place.extension.map(|schema| schema.id.clone());
        let mut note = |sub: Option<&Attribute>| {
            let path = Place { sub, ..*place }.path();
            self.emptied.push(Emptied {
                container: container.clone(),
                attribute: Some(attribute.name.clone()),
                sub: sub.map(|sub| sub.name.clone()),
                error: emptied(op, &path),
            });
        };
        match (before, after) {
            (Some(_), None) if attribute.required => note(None),
            (Some(before), Some(after)) if !attribute.multi_valued => {
                for sub in attribute.sub_attributes.iter().filter(|sub| sub.required) {
                    if before.get(&sub.name).is_some() && after.get(&sub.name).is_none() {
                        note(Some(sub));
                    }
                }
            }
            _ => {}
        }
    }

    fn put(&mut self, place: &Place<'_>, attribute: &Attribute, value: Option<Value>) {
        let Some(schema) = place.extension else {
            set(&mut self.draft.attributes, &attribute.name, value);
            return;
        };
        let mut container = match self.draft.attributes.get_mut(&schema.id).map(Value::take) {
            Some(Value::Object(container)) => container,
            _ => Attributes::new(),
        };
        set(&mut container, &attribute.name, value);
        // With its last attribute an extension goes as a whole (S-16.14).
        let container = (!container.is_empty()).then_some(Value::Object(container));
        set(&mut self.draft.attributes, &schema.id, container);
    }

    /// An operation at an extension's URN (S-16.15).
    fn container(&mut self, op: Op, schema: &Schema, value: Option<&Value>) -> Result<(), Invalid> {
        match (op, value) {
            (Op::Remove, None | Some(Value::Null)) => self.drop_extension(op, schema),
            (Op::Remove, Some(_)) => Err(Invalid::syntax("a `remove` at an extension takes no `value`")),
            (Op::Add | Op::Replace, None) => Err(no_value(op)),
            (Op::Add | Op::Replace, Some(value)) if is_nothing(value) => self.drop_extension(op, schema),
            (Op::Add | Op::Replace, Some(Value::Object(fields))) => {
                fields.iter().try_for_each(|(key, value)| self.member(op, Some(schema), key, value))
            }
            (Op::Add | Op::Replace, Some(_)) => Err(Invalid::value(format!("`{}` must be an object", schema.id))),
        }
    }

    fn drop_extension(&mut self, op: Op, schema: &Schema) -> Result<(), Invalid> {
        let Some(extension) = self.resource_type.extension(&schema.id) else {
            return Ok(());
        };
        for attribute in &schema.attributes {
            let place = Place { extension: Some(schema), attribute: Some(attribute), sub: None };
            self.hold_immutable(&place, attribute, None)?;
        }
        let had = self.draft.attributes.shift_remove(&schema.id).is_some();
        if had && extension.required {
            let error = emptied(op, &schema.id);
            self.emptied.push(Emptied { container: Some(schema.id.clone()), attribute: None, sub: None, error });
        }
        Ok(())
    }

    /// An operation at `schemas` (S-16.16). Which extensions a resource has follows from their
    /// data, so adding a URN alone changes nothing, and taking one away takes its data.
    fn schemas(
        &mut self,
        op: Op,
        attribute: &Attribute,
        filter: Option<&Filter>,
        value: Option<&Value>,
    ) -> Result<(), Invalid> {
        let resource_type = self.resource_type;
        let present = schema_urns(resource_type, &self.draft.attributes).into_iter();
        let leaving: Vec<&str> = match (op, filter, value.filter(|value| op != Op::Remove || !value.is_null())) {
            (Op::Remove, None, None) => present.collect(),
            (Op::Remove, None, Some(value)) if self.leniency.allows(Switch::PatchRemoveWithValue) => {
                let urns = self.check_urns(value)?;
                present.filter(|urn| urns.iter().any(|listed| listed.eq_ignore_ascii_case(urn))).collect()
            }
            (Op::Remove, Some(filter), None) => {
                let bound = filter.bind_element(attribute, self.leniency)?;
                present.filter(|urn| bound.matches_element(&Value::from(*urn))).collect()
            }
            (Op::Remove, ..) => return Err(Invalid::syntax("a `remove` at `schemas` takes no `value`")),
            (Op::Add | Op::Replace, Some(_), _) => {
                return Err(Invalid::path("`schemas` cannot be rewritten in place"));
            }
            (Op::Add | Op::Replace, None, None) => return Err(no_value(op)),
            (Op::Add, None, Some(value)) => return self.check_urns(value).map(|_| ()),
            (Op::Replace, None, Some(value)) => {
                let urns = self.check_urns(value)?;
                present.filter(|urn| !urns.iter().any(|listed| listed.eq_ignore_ascii_case(urn))).collect()
            }
        };
        if leaving.contains(&resource_type.schema.id.as_str()) {
            return Err(Invalid::value(format!("`schemas` must keep `{}`", resource_type.schema.id)));
        }
        for extension in &resource_type.extensions {
            if leaving.contains(&extension.schema.id.as_str()) {
                self.drop_extension(op, &extension.schema)?;
            }
        }
        Ok(())
    }

    /// The URNs in a value for `schemas`, if the resource type declares them (L-B2).
    fn check_urns(&self, value: &Value) -> Result<Vec<String>, Invalid> {
        let mut urns = Vec::new();
        for urn in as_list(value) {
            let Value::String(urn) = urn else {
                return Err(Invalid::value("`schemas` must be a list of URNs"));
            };
            if self.resource_type.schema_of(&urn).is_none() && !self.leniency.allows(Switch::BodyUnknownSchemaUrns) {
                let name = &self.resource_type.name;
                return Err(Invalid::value(format!("`schemas` names a schema that {name} does not have")));
            }
            urns.push(urn);
        }
        Ok(urns)
    }

    /// The outcome, unless something required is still missing that was there before (S-16.49,
    /// S-16.60).
    fn finish(self) -> Result<Draft, Invalid> {
        for emptied in self.emptied {
            let attributes = match &emptied.container {
                None => Some(&self.draft.attributes),
                Some(urn) => self.draft.attributes.get(urn).and_then(Value::as_object),
            };
            let missing = match (&emptied.attribute, &emptied.sub, attributes) {
                (None, ..) => attributes.is_none(),
                // Without its extension, an attribute is not demanded (S-3.19).
                (Some(_), _, None) => false,
                (Some(name), None, Some(attributes)) => !attributes.contains_key(name),
                (Some(name), Some(sub), Some(attributes)) => {
                    attributes.get(name).is_some_and(|parent| parent.get(sub).is_none())
                }
            };
            if missing {
                return Err(emptied.error);
            }
        }
        Ok(self.draft)
    }
}

/// The path that a key of a value without a path stands for, and where it leads. `None` is a key
/// that no schema knows, where that is forgiven (L-B3, L-P15).
pub(super) fn member_path<'a>(
    resource_type: &'a ResourceType,
    container: Option<&Schema>,
    key: &str,
    leniency: &Leniency,
) -> Result<Option<(PatchPath, Place<'a>)>, Invalid> {
    let allowed = match key {
        key if is_name(key) || (container.is_none() && resource_type.extension(key).is_some()) => true,
        key if key.contains('[') => leniency.allows(Switch::PatchValuepathKeys),
        key if key.contains(':') => container.is_none() && leniency.allows(Switch::PatchUrnKeys),
        key if key.contains('.') => leniency.allows(Switch::PatchDottedKeys),
        _ => true,
    };
    let lost = || Invalid::path(format!("{} is not an attribute of {}", quoted(&key), resource_type.name));
    if !allowed {
        return Err(lost());
    }
    let text = match container {
        Some(schema) => format!("{}:{key}", schema.id),
        None => key.to_owned(),
    };
    let mut path = match PatchPath::parse(&text, leniency) {
        Ok(path) => path,
        Err(error) if error.scim_type == ScimType::InvalidPath => {
            return if leniency.allows(Switch::BodyUnknownAttributes) { Ok(None) } else { Err(lost()) };
        }
        Err(error) => return Err(error),
    };
    let sub = path.attribute.sub.clone().or(path.sub.clone());
    let parent = AttrPath { sub: None, ..path.attribute.clone() };
    let place = match (path.attribute.place(resource_type), &path.sub) {
        (Some(Place { attribute: Some(attribute), extension, .. }), Some(sub)) => {
            attribute.sub_attribute(sub).map(|sub| Place { extension, attribute: Some(attribute), sub: Some(sub) })
        }
        (place, _) => place,
    };
    match place {
        Some(place) => {
            // A container's key means that extension's attribute, though another may share its name.
            if let (Some(schema), true) = (container, path.attribute.schema.is_none()) {
                path.attribute.schema = Some(schema.id.clone());
            }
            Ok(Some((path, place)))
        }
        None => {
            let of_known = sub.is_some() && parent.place(resource_type).is_some();
            let dropped = (of_known && leniency.allows(Switch::PatchUnknownSubattrs))
                || leniency.allows(Switch::BodyUnknownAttributes);
            if dropped { Ok(None) } else { Err(lost()) }
        }
    }
}

pub(super) fn is_read_only(place: &Place<'_>) -> bool {
    [place.attribute, place.sub].into_iter().flatten().any(|attribute| attribute.mutability == Mutability::ReadOnly)
}

fn read_only(place: &Place<'_>) -> Invalid {
    Invalid::mutability(format!("`{}` is the server's and cannot be written", place.path()))
}

/// What is said of a required place that ends up unassigned: by `remove` it is a matter of
/// mutability (S-16.49), by a null or an empty value a matter of that value (S-16.60).
pub(super) fn emptied(op: Op, path: &str) -> Invalid {
    match op {
        Op::Remove => Invalid::mutability(format!("`{path}` is required and cannot be removed")),
        Op::Add | Op::Replace => Invalid::value(format!("`{path}` is required and cannot be unassigned")),
    }
}

/// The value at a place without a filter.
fn stored<'v>(attributes: &'v Attributes, place: &Place<'_>) -> Option<&'v Value> {
    let attributes = match place.extension {
        Some(schema) => attributes.get(&schema.id)?.as_object()?,
        None => attributes,
    };
    let value = attributes.get(&place.attribute?.name)?;
    match place.sub {
        Some(sub) => value.get(&sub.name),
        None => Some(value),
    }
}

fn set(attributes: &mut Attributes, name: &str, value: Option<Value>) {
    match value {
        Some(value) => {
            attributes.insert(name.to_owned(), value);
        }
        None => {
            attributes.shift_remove(name);
        }
    }
}
