//! Which attributes an answer shows: `attributes`, `excludedAttributes`, and each attribute's own
//! `returned` (RFC 7644 section 3.9).
//!
//! Whatever was asked, `schemas` and `id` are shown, and what is returned `never` is not. A name
//! that means nothing to a resource type selects nothing there (S-8.9).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Attribute, Attributes, Invalid, Leniency, Place, ResourceType, Returned, Schema, Switch, covers};

/// How many attribute names one request may list.
pub const PROJECTION_NAMES_MAX: usize = 256;

/// What a request asks to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Projection {
    /// What is shown by default.
    #[default]
    Default,
    /// Only these, beside what is always shown.
    Only(Vec<String>),
    /// The default without these.
    Except(Vec<String>),
}

impl Projection {
    /// Reads the query parameters `attributes` and `excludedAttributes`: comma lists, each of
    /// which may be given several times (S-8.5). An empty list is as good as none.
    pub fn from_query<S: AsRef<str>>(attributes: &[S], excluded: &[S], leniency: &Leniency) -> Result<Self, Invalid> {
        let names = |lists: &[S]| lists.iter().flat_map(|list| split_list(list.as_ref())).collect();
        Self::of(names(attributes), names(excluded), leniency)
    }

    /// Reads the same from the members of a search request: arrays of names (RFC 7644 section
    /// 3.4.3), or one comma list in a string where that is forgiven (L-Q3).
    pub fn from_json(
        attributes: Option<&Value>,
        excluded: Option<&Value>,
        leniency: &Leniency,
    ) -> Result<Self, Invalid> {
        let names = |member: &str, value: Option<&Value>| match value {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(list)) if leniency.allows(Switch::SearchAttributesString) => Ok(split_list(list)),
            Some(Value::Array(names)) => {
                let text = |name: &Value| name.as_str().map(|n| n.trim().to_owned());
                let wrong = || Invalid::value(format!("`{member}` must be a list of attribute names"));
                names.iter().map(text).collect::<Option<Vec<_>>>().ok_or_else(wrong)
            }
            Some(_) => Err(Invalid::value(format!("`{member}` must be a list of attribute names"))),
        };
        Self::of(names("attributes", attributes)?, names("excludedAttributes", excluded)?, leniency)
    }

    fn of(only: Vec<String>, except: Vec<String>, leniency: &Leniency) -> Result<Self, Invalid> {
        if only.len() + except.len() > PROJECTION_NAMES_MAX {
            return Err(Invalid::value(format!("more than {PROJECTION_NAMES_MAX} attributes are named")));
        }
        // A value path stands for its attribute, or for nothing (L-Q4).
        let plain = |name: String| match name.split_once('[') {
            Some((attribute, _)) => {
                leniency.allows(Switch::ProjectionValuepath).then(|| attribute.trim_end().to_owned())
            }
            None => Some(name),
        };
        match (only.is_empty(), except.is_empty()) {
            (true, true) => Ok(Self::Default),
            (false, true) => Ok(Self::Only(only.into_iter().filter_map(plain).collect())),
            (true, false) => Ok(Self::Except(except.into_iter().filter_map(plain).collect())),
            (false, false) => Err(Invalid::value("`attributes` and `excludedAttributes` cannot be used together")),
        }
    }

    /// Whether a read shows anything of this attribute, so that what is not wanted need not be
    /// fetched: `members`, `groups`. The name is an attribute of the base schema.
    pub fn wants(&self, resource_type: &ResourceType, name: &str) -> bool {
        let Some(attribute) = resource_type.attribute(name) else {
            return false;
        };
        let sample = match attribute.sub_attributes.is_empty() {
            true => Value::Bool(true),
            false => attribute.sub_attributes.iter().map(|s| (s.name.clone(), Value::Bool(true))).collect(),
        };
        View::new(self, resource_type, &[]).attribute(None, attribute, sample).is_some()
    }

    /// Whether a read shows anything of one part of such an attribute: `members`, `display`.
    pub fn wants_part(&self, resource_type: &ResourceType, name: &str, part: &str) -> bool {
        let Some((attribute, part)) = resource_type.attribute(name).and_then(|a| Some((a, a.sub_attribute(part)?)))
        else {
            return false;
        };
        let sample = Attributes::from_iter([(part.name.clone(), Value::Bool(true))]);
        View::new(self, resource_type, &[]).attribute(None, attribute, Value::Object(sample)).is_some()
    }

    /// The same without one part of an attribute of the base schema, even if it was asked for.
    pub fn without_part(&self, resource_type: &ResourceType, name: &str, part: &str) -> Self {
        let dropped = format!("{name}.{part}");
        let names = match self {
            Self::Default => return Self::Except(vec![dropped]),
            Self::Except(names) => return Self::Except(names.iter().cloned().chain([dropped]).collect()),
            Self::Only(names) => names,
        };
        // The whole attribute stands for its other parts.
        let parts = resource_type.attribute(name).map_or(&[][..], |attribute| &attribute.sub_attributes);
        let others = || parts.iter().filter(|p| p.name != part).map(|p| format!("{name}.{}", p.name)).collect();
        let kept = |asked: &String| match resource_type.place(asked).map(|place| place.path()) {
            Some(path) if path == dropped => Vec::new(),
            Some(path) if path == name => others(),
            _ => vec![asked.clone()],
        };
        Self::Only(names.iter().flat_map(kept).collect())
    }

    /// The same with an attribute of the base schema shown only if it was asked for (L-Q7).
    pub fn on_request(&self, name: &str) -> Self {
        match self {
            Self::Default => Self::Except(vec![name.to_owned()]),
            Self::Except(names) => Self::Except(names.iter().cloned().chain([name.to_owned()]).collect()),
            Self::Only(_) => self.clone(),
        }
    }

    /// What a read or a list shows of a whole document.
    pub fn apply(&self, resource_type: &ResourceType, document: Attributes) -> Attributes {
        self.apply_to_write(resource_type, document, &[])
    }

    /// What the answer to a write shows of the whole document. Attributes that are returned on
    /// request show up as well if the client supplied them in this request (S-3.17): `supplied`
    /// holds their canonical paths.
    pub fn apply_to_write(
        &self,
        resource_type: &ResourceType,
        document: Attributes,
        supplied: &[String],
    ) -> Attributes {
        let view = View::new(self, resource_type, supplied);
        let mut shown = Attributes::new();
        for (name, value) in document {
            if let Some(extension) = resource_type.extension(&name) {
                let Value::Object(fields) = value else { continue };
                let fields = view.container(&extension.schema, fields);
                if !fields.is_empty() {
                    shown.insert(name, Value::Object(fields));
                }
            } else if let Some(attribute) = resource_type.attribute(&name)
                && let Some(value) = view.attribute(None, attribute, value)
            {
                shown.insert(name, value);
            }
        }
        shown
    }
}

/// The whole document but for what is returned `never`: what a rule may see without a grant for
/// secrets.
pub fn without_secrets(resource_type: &ResourceType, mut document: Attributes) -> Attributes {
    drop_secrets(&resource_type.schema.attributes, &mut document);
    for extension in &resource_type.extensions {
        if let Some(Value::Object(fields)) = document.get_mut(&extension.schema.id) {
            drop_secrets(&extension.schema.attributes, fields);
        }
    }
    document
}

fn drop_secrets(attributes: &[Attribute], fields: &mut Attributes) {
    for attribute in attributes {
        if attribute.returned == Returned::Never {
            fields.remove(&attribute.name);
            continue;
        }
        let elements = match fields.get_mut(&attribute.name) {
            Some(Value::Array(elements)) => elements.as_mut_slice(),
            Some(single) => std::slice::from_mut(single),
            None => continue,
        };
        for element in elements.iter_mut().filter_map(Value::as_object_mut) {
            drop_secrets(&attribute.sub_attributes, element);
        }
    }
}

/// The canonical paths that a body of POST or PUT names, for [`Projection::apply_to_write`]. For a
/// PATCH, see [`crate::patch::supplied`].
pub fn supplied(resource_type: &ResourceType, body: &Value) -> Vec<String> {
    let mut paths = BTreeSet::new();
    for (name, value) in body.as_object().into_iter().flatten() {
        if let Some(place) = resource_type.place(name) {
            supplied_at(place, value, &mut paths);
        }
    }
    paths.into_iter().collect()
}

/// The paths that a value names at its place: an extension's attributes, the parts of complex
/// values, or else the place itself.
pub(crate) fn supplied_at(place: Place<'_>, value: &Value, paths: &mut BTreeSet<String>) {
    match (place, value) {
        (Place { extension: Some(schema), attribute: None, .. }, Value::Object(fields)) => {
            for (name, value) in fields {
                if let Some(attribute) = schema.attribute(name) {
                    supplied_at(Place { attribute: Some(attribute), ..place }, value, paths);
                }
            }
        }
        (Place { attribute: Some(attribute), sub: None, .. }, Value::Object(fields)) => {
            let subs = fields.keys().filter_map(|name| attribute.sub_attribute(name));
            paths.extend(subs.map(|sub| Place { sub: Some(sub), ..place }.path()));
        }
        (Place { attribute: Some(attribute), sub: None, .. }, Value::Array(elements))
            if !attribute.sub_attributes.is_empty() =>
        {
            elements.iter().for_each(|element| supplied_at(place, element, paths));
        }
        _ => {
            paths.insert(place.path());
        }
    }
}

/// Splits at the commas that stand outside brackets: the filter of a value path may hold some.
fn split_list(list: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for c in list.chars() {
        let separates = c == ',' && depth == 0;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if depth > 0 => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        match names.last_mut() {
            Some(name) if !separates => name.push(c),
            _ => names.push(String::new()),
        }
    }
    names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// A projection that knows one resource type: its names are canonical paths.
struct View<'a> {
    asked: Projection,
    supplied: &'a [String],
}

/// How much of an attribute is shown.
#[derive(Clone, Copy, PartialEq)]
enum Extent {
    /// Nothing.
    Hidden,
    /// The sub-attributes that were named, and those that are always shown.
    Parts,
    /// What it shows by default.
    Whole,
}

impl<'a> View<'a> {
    fn new(projection: &Projection, resource_type: &ResourceType, supplied: &'a [String]) -> Self {
        let paths = |names: &[String]| {
            names.iter().filter_map(|name| resource_type.place(name)).map(|place| place.path()).collect()
        };
        let asked = match projection {
            Projection::Default => Projection::Default,
            Projection::Only(names) => Projection::Only(paths(names)),
            Projection::Except(names) => Projection::Except(paths(names)),
        };
        Self { asked, supplied }
    }

    /// An extension's container, attribute by attribute.
    fn container(&self, schema: &Schema, fields: Attributes) -> Attributes {
        let show = |(name, value): (String, Value)| {
            let value = self.attribute(Some(&schema.id), schema.attribute(&name)?, value)?;
            Some((name, value))
        };
        fields.into_iter().filter_map(show).collect()
    }

    /// What is left of one attribute's value; nothing if all of it is hidden.
    fn attribute(&self, container: Option<&str>, attribute: &Attribute, value: Value) -> Option<Value> {
        let path = match container {
            Some(urn) => format!("{urn}:{}", attribute.name),
            None => attribute.name.clone(),
        };
        let extent = self.extent(container, &path, attribute);
        if extent == Extent::Hidden {
            return None;
        }
        match value {
            Value::Array(elements) if !attribute.sub_attributes.is_empty() => {
                let parts = |element| self.element(extent, &path, attribute, element);
                let elements: Vec<_> = elements.into_iter().filter_map(parts).collect();
                (!elements.is_empty()).then_some(Value::Array(elements))
            }
            value => self.element(extent, &path, attribute, value),
        }
    }

    /// One value, or one element of a list: an object keeps the sub-attributes that are shown.
    fn element(&self, extent: Extent, path: &str, attribute: &Attribute, value: Value) -> Option<Value> {
        let Value::Object(fields) = value else {
            return Some(value);
        };
        let show = |(name, _): &(String, Value)| {
            let sub = attribute.sub_attributes.iter().find(|s| s.name == *name);
            sub.is_some_and(|sub| self.shows_part(extent, &format!("{path}.{name}"), sub))
        };
        let shown: Attributes = fields.into_iter().filter(show).collect();
        (!shown.is_empty()).then_some(Value::Object(shown))
    }

    fn extent(&self, container: Option<&str>, path: &str, attribute: &Attribute) -> Extent {
        let named = |names: &[String]| names.iter().any(|n| n == path);
        let with_container = |names: &[String]| names.iter().any(|n| Some(n.as_str()) == container);
        let has_part =
            |names: &[String]| names.iter().any(|n| n.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')));
        let is_default = attribute.returned == Returned::Default;
        let shown = match (attribute.returned, &self.asked) {
            (Returned::Always, _) => true,
            (Returned::Never, _) => false,
            (_, Projection::Default) => is_default || self.was_supplied(path),
            (_, Projection::Only(names)) if !named(names) && has_part(names) => return Extent::Parts,
            (_, Projection::Only(names)) => named(names) || (is_default && with_container(names)),
            (_, Projection::Except(names)) => {
                !named(names) && !with_container(names) && (is_default || self.was_supplied(path))
            }
        };
        if shown { Extent::Whole } else { Extent::Hidden }
    }

    fn shows_part(&self, extent: Extent, path: &str, sub: &Attribute) -> bool {
        let named = |names: &[String]| names.iter().any(|n| n == path);
        let is_default = sub.returned == Returned::Default;
        match (sub.returned, &self.asked) {
            (Returned::Always, _) => true,
            (Returned::Never, _) => false,
            (_, Projection::Default) => is_default || self.was_supplied(path),
            (_, Projection::Only(names)) => named(names) || (is_default && extent == Extent::Whole),
            (_, Projection::Except(names)) => !named(names) && (is_default || self.was_supplied(path)),
        }
    }

    fn was_supplied(&self, path: &str) -> bool {
        self.supplied.iter().any(|supplied| covers(supplied, path) || covers(path, supplied))
    }
}
