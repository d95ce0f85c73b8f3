//! Schemas and resource types as data (RFC 7643 sections 2, 6 and 7).
//!
//! A schema is read from a JSON file in the form of a SCIM Schema resource. What the file leaves
//! out has the default of RFC 7643 section 2.2. The schemas of the RFCs themselves are in
//! `standard`; an operator's own are read, and held to many more rules, in `definition`.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The type of an attribute's values (RFC 7643 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AttributeType {
    /// Unicode text.
    #[default]
    String,
    /// `true` or `false`.
    Boolean,
    /// Any JSON number.
    Decimal,
    /// A JSON number without fraction or exponent.
    Integer,
    /// An xsd:dateTime.
    DateTime,
    /// Base64 text.
    Binary,
    /// A URI.
    Reference,
    /// An object of sub-attributes.
    Complex,
}

/// When an attribute may be written (RFC 7643 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mutability {
    /// By the server only.
    ReadOnly,
    /// At any time.
    #[default]
    ReadWrite,
    /// At creation, or once when unset.
    Immutable,
    /// At any time, and never shown.
    WriteOnly,
}

/// When an attribute is shown (RFC 7643 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Returned {
    /// In every representation.
    Always,
    /// In none.
    Never,
    /// Unless the request says otherwise.
    #[default]
    Default,
    /// When the request names it.
    Request,
}

/// Where a value may occur once only (RFC 7643 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Uniqueness {
    /// Values may repeat.
    #[default]
    None,
    /// Once among the resources of this type.
    Server,
    /// Once among all resources.
    Global,
}

/// The characteristic, beside those of RFC 7643 section 7, that closes the list of canonical values:
/// any other value is refused. It is published under the same name.
pub const CLOSED: &str = "urn:provost:params:scim:schema:closed";

/// One attribute's definition.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribute {
    /// The name, in the spelling that is emitted.
    pub name: String,
    /// What its values are.
    #[serde(default, rename = "type")]
    pub kind: AttributeType,
    /// Whether it holds a list.
    #[serde(default)]
    pub multi_valued: bool,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Whether a resource (or, for a sub-attribute, its parent) is incomplete without it.
    #[serde(default)]
    pub required: bool,
    /// Suggested values.
    #[serde(default)]
    pub canonical_values: Vec<String>,
    /// Whether the canonical values are all there are (S-3.14); [`CLOSED`] in a schema file.
    #[serde(default, rename = "urn:provost:params:scim:schema:closed")]
    pub closed: bool,
    /// Whether comparison minds letter case.
    #[serde(default)]
    pub case_exact: bool,
    /// When it may be written.
    #[serde(default)]
    pub mutability: Mutability,
    /// When it is shown.
    #[serde(default)]
    pub returned: Returned,
    /// Where a value may occur once only.
    #[serde(default)]
    pub uniqueness: Uniqueness,
    /// What a reference may point to.
    #[serde(default)]
    pub reference_types: Vec<String>,
    /// The parts of a complex attribute; empty otherwise.
    #[serde(default)]
    pub sub_attributes: Vec<Attribute>,
}

impl Attribute {
    /// The sub-attribute of this name, in any letter case.
    pub fn sub_attribute(&self, name: &str) -> Option<&Attribute> {
        self.sub_attributes.iter().find(|a| a.name.eq_ignore_ascii_case(name))
    }

    /// Whether this is `primary` beside a `value`-like element: the one that says which element
    /// of a list is preferred (RFC 7643 section 2.4).
    pub fn is_primary(&self) -> bool {
        self.name == "primary" && self.kind == AttributeType::Boolean
    }
}

/// One schema: a URN and its attributes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Schema {
    /// The schema's URN.
    pub id: String,
    /// For people.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Its attributes, in the order they are emitted.
    pub attributes: Vec<Attribute>,
}

/// A schema file that does not describe a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSchema(String);

impl Schema {
    /// Reads a schema from the JSON text of a SCIM Schema resource, and holds it to the rules of
    /// RFC 7643 section 2: proper and distinct names, sub-attributes in complex attributes only,
    /// and none of them complex again. The schema of schemas itself is the one exception.
    pub fn from_json(text: &str) -> Result<Self, BadSchema> {
        let schema: Self = serde_json::from_str(text).map_err(|e| BadSchema(format!("not a schema: {e}")))?;
        if schema.id.is_empty() {
            return Err(BadSchema("the schema's `id` is empty".into()));
        }
        let depth = if schema.id == crate::standard::SCHEMA { 3 } else { 2 };
        check_definitions(&schema.attributes, &schema.id, depth)?;
        Ok(schema)
    }

    /// The attribute of this name, in any letter case.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|a| a.name.eq_ignore_ascii_case(name))
    }
}

/// Holds the attributes of one level to the rules; `depth` levels are left.
fn check_definitions(attributes: &[Attribute], place: &str, depth: usize) -> Result<(), BadSchema> {
    let mut seen = HashSet::new();
    for attribute in attributes {
        let name = &attribute.name;
        let complex = attribute.kind == AttributeType::Complex;
        if !is_name(name) {
            return Err(BadSchema(format!("{place}: `{name}` is not an attribute name")));
        }
        if !seen.insert(name.to_ascii_lowercase()) {
            return Err(BadSchema(format!("{place}: `{name}` is defined twice")));
        }
        if complex && depth == 1 {
            return Err(BadSchema(format!("{place}: the sub-attribute `{name}` cannot be complex")));
        }
        if complex == attribute.sub_attributes.is_empty() {
            return Err(BadSchema(format!(
                "{place}: `{name}` must have sub-attributes if it is complex, and only then"
            )));
        }
        if complex {
            check_definitions(&attribute.sub_attributes, &format!("{place}: {name}"), depth - 1)?;
        }
    }
    Ok(())
}

/// Whether this is an attribute name of RFC 7643 section 2.1; `$ref` counts as one.
fn is_name(name: &str) -> bool {
    let name = name.strip_prefix('$').unwrap_or(name);
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// One schema extension of a resource type.
#[derive(Debug, Clone, PartialEq)]
pub struct Extension {
    /// The extension's schema.
    pub schema: Arc<Schema>,
    /// Whether every resource must carry it.
    pub required: bool,
}

/// One kind of resource: its endpoint, schema and extensions, with the schemas resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceType {
    /// Equals `meta.resourceType`, and is the id at `/ResourceTypes`.
    pub name: String,
    /// A small number that stands for the name in storage keys: User 1, Group 2, others from 16, by
    /// [`crate::definition::number`].
    pub number: u16,
    /// For people.
    pub description: String,
    /// Relative to the base URI, with its leading slash: `/Users`.
    pub endpoint: String,
    /// The base schema.
    pub schema: Arc<Schema>,
    /// The extensions, in the order they are emitted.
    pub extensions: Vec<Extension>,
    /// Whether `members` of this type are edges in the store rather than part of the document.
    pub has_members: bool,
}

impl ResourceType {
    /// The base schema or the extension of this URN, in any letter case.
    pub fn schema_of(&self, urn: &str) -> Option<&Arc<Schema>> {
        if self.schema.id.eq_ignore_ascii_case(urn) {
            return Some(&self.schema);
        }
        self.extension(urn).map(|e| &e.schema)
    }

    /// The extension of this URN, in any letter case.
    pub fn extension(&self, urn: &str) -> Option<&Extension> {
        self.extensions.iter().find(|e| e.schema.id.eq_ignore_ascii_case(urn))
    }

    /// The common attribute (`id`, `externalId`, `meta`, `schemas`) or the base schema's attribute
    /// of this bare name, in any letter case. Extension attributes are found by [`Self::place`].
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        crate::standard::common(name).or_else(|| self.schema.attribute(name))
    }

    /// Looks up a path as a client writes it: `userName`, `name.givenName`, an extension's URN,
    /// or an attribute behind either schema's URN and a colon. An extension's attribute may stand
    /// bare if no other has its name. Letter case does not matter (S-10.2, S-10.6, S-10.7).
    ///
    /// The URN holds dots and colons itself, so the longest known URN is taken off first.
    pub fn place(&self, path: &str) -> Option<Place<'_>> {
        let urns = std::iter::once(&self.schema).chain(self.extensions.iter().map(|e| &e.schema));
        let prefix = urns.filter(|s| starts_with_urn(path, &s.id)).max_by_key(|s| s.id.len());
        let Some(schema) = prefix else {
            return self.bare_place(path);
        };
        let is_extension = !Arc::ptr_eq(schema, &self.schema);
        let extension = is_extension.then_some(&**schema);
        match path[schema.id.len()..].strip_prefix(':') {
            None => is_extension.then_some(Place { extension, attribute: None, sub: None }),
            Some(rest) => {
                let (name, sub) = split(rest);
                let attribute = if is_extension { schema.attribute(name) } else { self.attribute(name) };
                Place::of(extension, attribute?, sub)
            }
        }
    }

    fn bare_place(&self, path: &str) -> Option<Place<'_>> {
        let (name, sub) = split(path);
        if let Some(attribute) = self.attribute(name) {
            return Place::of(None, attribute, sub);
        }
        let mut found = self.extensions.iter().filter_map(|e| Some((&*e.schema, e.schema.attribute(name)?)));
        match (found.next(), found.next()) {
            (Some((schema, attribute)), None) => Place::of(Some(schema), attribute, sub),
            _ => None,
        }
    }
}

fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('.') {
        Some((name, sub)) => (name, Some(sub)),
        None => (path, None),
    }
}

/// Whether `path` is this URN, or starts with it and a colon.
fn starts_with_urn(path: &str, urn: &str) -> bool {
    let (Some(head), Some(rest)) = (path.get(..urn.len()), path.get(urn.len()..)) else {
        return false;
    };
    head.eq_ignore_ascii_case(urn) && (rest.is_empty() || rest.starts_with(':'))
}

/// Where a path leads in a resource type: an extension's container, an attribute, a sub-attribute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place<'a> {
    /// The extension whose container holds it; absent for the base schema and common attributes.
    pub extension: Option<&'a Schema>,
    /// The attribute; absent when the path names the container itself.
    pub attribute: Option<&'a Attribute>,
    /// The sub-attribute.
    pub sub: Option<&'a Attribute>,
}

impl<'a> Place<'a> {
    fn of(extension: Option<&'a Schema>, attribute: &'a Attribute, sub: Option<&str>) -> Option<Self> {
        let sub = match sub {
            Some(name) => Some(attribute.sub_attribute(name)?),
            None => None,
        };
        Some(Self { extension, attribute: Some(attribute), sub })
    }

    /// The canonical path: `userName`, `name.givenName`, `urn:…:2.0:User:department`.
    pub fn path(&self) -> String {
        let mut path = self.extension.map(|e| e.id.clone()).unwrap_or_default();
        if let Some(attribute) = self.attribute {
            if !path.is_empty() {
                path.push(':');
            }
            path.push_str(&attribute.name);
        }
        if let Some(sub) = self.sub {
            path.push('.');
            path.push_str(&sub.name);
        }
        path
    }
}

/// All schemas and resource types that a server speaks.
#[derive(Debug, Clone)]
pub struct Schemas {
    /// Every schema, discovery's own included, in the order they are listed.
    pub schemas: Vec<Arc<Schema>>,
    /// Every resource type, in the order they are listed.
    pub resource_types: Vec<Arc<ResourceType>>,
}

impl Schemas {
    /// What the RFCs define: User with EnterpriseUser, Group, and discovery's own three schemas.
    pub fn standard() -> Self {
        crate::standard::schemas()
    }

    /// The schema of this URN, in any letter case (S-1.15).
    pub fn schema(&self, urn: &str) -> Option<&Arc<Schema>> {
        self.schemas.iter().find(|s| s.id.eq_ignore_ascii_case(urn))
    }

    /// The resource type of this exact name.
    pub fn resource_type(&self, name: &str) -> Option<&Arc<ResourceType>> {
        self.resource_types.iter().find(|t| t.name == name)
    }

    /// The resource type with this storage number.
    pub fn numbered(&self, number: u16) -> Option<&Arc<ResourceType>> {
        self.resource_types.iter().find(|t| t.number == number)
    }
}
