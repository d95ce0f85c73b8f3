//! An operator's schemas and resource types: read from documents, and held to the rules.
//!
//! A schema document is a SCIM Schema resource (RFC 7643 section 7), a resource type document a
//! SCIM ResourceType resource (section 6); either may be a list of them, or a ListResponse.
//! [`read`] adds them to the standard's and answers all schemas together, or every mistake of
//! every document, each with its file, the attribute and the reason. Half of it is never taken.
//!
//! The standard's own schemas cannot be changed. A resource type document named `User` or `Group`
//! adds extensions to that type; any other name makes a new type with an endpoint of its own.

mod attribute;
mod members;
mod resource_type;
mod schema;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{AttributeType, Invalid, Schema, Schemas, message};

/// How many schemas an operator may add.
pub const SCHEMAS_MAX: usize = 64;
/// How many resource types an operator may add.
pub const RESOURCE_TYPES_MAX: usize = 32;
/// How many attributes one schema may have.
pub const ATTRIBUTES_MAX: usize = 200;
/// How many sub-attributes one attribute may have.
pub const SUB_ATTRIBUTES_MAX: usize = 64;
/// How many canonical values one attribute may have.
pub const CANONICAL_VALUES_MAX: usize = 500;
/// How long a name may be, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// How long a schema's URN may be, in bytes.
pub const URN_BYTES_MAX: usize = 256;

/// The storage numbers below this one are the standard's.
const NUMBER_MIN: u16 = 16;

/// One file's JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What the file is called in errors.
    pub file: String,
    /// What it holds.
    pub content: Value,
}

impl Document {
    /// Reads a file's bytes. No object in it may name a member twice, in any letter case.
    pub fn parse(file: impl Into<String>, bytes: &[u8]) -> Result<Self, Mistake> {
        let file = file.into();
        match message::parse_any(bytes) {
            Ok(content) => Ok(Self { file, content }),
            Err(Invalid { detail, .. }) => {
                let reason = detail.replacen("the body", "it", 1);
                Err(Mistake { file, path: String::new(), reason })
            }
        }
    }

    /// The resources in it: itself, the elements of a list, or the `Resources` of a ListResponse.
    fn resources(&self) -> &[Value] {
        match &self.content {
            Value::Array(resources) => resources,
            Value::Object(fields) => match fields.get("Resources") {
                Some(Value::Array(resources)) => resources,
                _ => std::slice::from_ref(&self.content),
            },
            _ => std::slice::from_ref(&self.content),
        }
    }
}

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistake {
    /// Which file.
    pub file: String,
    /// Which attribute or member: `urn:…:name.sub`, `Application.endpoint`. Empty for the whole file.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.is_empty() {
            true => write!(f, "{}: {}", self.file, self.reason),
            false => write!(f, "{}: `{}`: {}", self.file, self.path, self.reason),
        }
    }
}

/// Adds these documents to the standard's schemas.
///
/// # Errors
/// Every mistake in every document.
pub fn read(schemas: &[Document], resource_types: &[Document]) -> Result<Schemas, Vec<Mistake>> {
    let mut reader = Reader { all: Schemas::standard(), own: Vec::new(), types: Vec::new(), mistakes: Vec::new() };
    for document in schemas {
        document.resources().iter().for_each(|value| reader.schema(&document.file, value));
    }
    for document in resource_types {
        document.resources().iter().for_each(|value| reader.resource_type(&document.file, value));
    }
    reader.together();
    match reader.mistakes.is_empty() {
        true => Ok(reader.all),
        false => Err(reader.mistakes),
    }
}

/// The storage number of a type of this name: from its SHA-256 alone, so that it is the same in
/// every process and after every restart, whatever else is configured. Two names rarely share one;
/// when they do, [`read`] refuses them.
pub fn number(name: &str) -> u16 {
    let hash = Sha256::digest(name.as_bytes());
    let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) % u32::from(u16::MAX - NUMBER_MIN + 1);
    // Less than 65 520, so it fits.
    NUMBER_MIN + number as u16
}

/// What was read so far.
struct Reader {
    all: Schemas,
    /// The schemas that were added, with their files.
    own: Vec<Own>,
    /// The names of the resource type documents, with their files.
    types: Vec<(String, String)>,
    mistakes: Vec<Mistake>,
}

/// A schema that was added.
struct Own {
    file: String,
    schema: Arc<Schema>,
}

impl Reader {
    fn mistake(&mut self, file: &str, path: impl Into<String>, reason: impl Into<String>) {
        self.mistakes.push(Mistake { file: file.to_owned(), path: path.into(), reason: reason.into() });
    }

    /// What can only be asked once everything is there.
    fn together(&mut self) {
        self.hold_counts();
        self.hold_numbers();
        self.hold_references();
        self.hold_use();
        self.hold_urns_apart();
    }

    fn hold_counts(&mut self) {
        if let Some(over) = self.own.get(SCHEMAS_MAX) {
            let (file, urn) = (over.file.clone(), over.schema.id.clone());
            self.mistake(&file, urn, format!("there are more than {SCHEMAS_MAX} schemas"));
        }
        if let Some((name, file)) = self.types.get(RESOURCE_TYPES_MAX).cloned() {
            self.mistake(&file, name, format!("there are more than {RESOURCE_TYPES_MAX} resource types"));
        }
    }

    /// No two types may share a number in storage.
    fn hold_numbers(&mut self) {
        for (name, file) in self.types.clone() {
            let Some(this) = self.all.resource_type(&name) else { continue };
            let other = self.all.resource_types.iter().find(|t| t.number == this.number && t.name < this.name);
            if let Some(other) = other {
                let (number, other) = (this.number, other.name.clone());
                let reason =
                    format!("shares the storage number {number} with `{other}`; give one of them another name");
                self.mistake(&file, name, reason);
            }
        }
    }

    /// A reference points to a resource type of this server, or outside.
    fn hold_references(&mut self) {
        let mut wrong = Vec::new();
        for Own { file, schema } in &self.own {
            for attribute in &schema.attributes {
                let path = format!("{}:{}", schema.id, attribute.name);
                let subs = attribute.sub_attributes.iter().map(|sub| (format!("{path}.{}", sub.name), sub));
                for (path, attribute) in std::iter::once((path.clone(), attribute)).chain(subs) {
                    let known = |to: &&String| {
                        matches!(to.as_str(), "external" | "uri") || self.all.resource_type(to.as_str()).is_some()
                    };
                    let unknown = attribute.reference_types.iter().filter(|to| !known(to));
                    wrong.extend(unknown.map(|to| (file.clone(), path.clone(), to.clone())));
                }
            }
        }
        for (file, path, to) in wrong {
            let reason = format!("refers to `{to}`, which is no resource type here, nor `external` or `uri`");
            self.mistake(&file, path, reason);
        }
    }

    /// A schema that no type uses does nothing, which nobody can have meant.
    fn hold_use(&mut self) {
        let types = &self.all.resource_types;
        let idle = self.own.iter().filter(|own| types.iter().all(|of| of.schema_of(&own.schema.id).is_none()));
        for (file, urn) in idle.map(|own| (own.file.clone(), own.schema.id.clone())).collect::<Vec<_>>() {
            self.mistake(&file, urn, "no resource type uses this schema; name it in one, or take the file away");
        }
    }

    /// `urn:a:b` cannot be a schema beside `urn:a` with an attribute `b`: the same words would
    /// mean both.
    fn hold_urns_apart(&mut self) {
        let mut wrong = Vec::new();
        for Own { file, schema: long } in &self.own {
            let types = self.all.resource_types.iter().filter(|of| of.schema_of(&long.id).is_some());
            let beside =
                types.flat_map(|of| std::iter::once(&of.schema).chain(of.extensions.iter().map(|e| &e.schema)));
            let clash = beside.into_iter().find(|short| {
                let rest = long.id.get(short.id.len()..).and_then(|rest| rest.strip_prefix(':'));
                let begins = long.id.get(..short.id.len()).is_some_and(|head| head.eq_ignore_ascii_case(&short.id));
                begins && rest.is_some_and(|rest| short.attribute(rest).is_some())
            });
            wrong.extend(clash.map(|short| (file.clone(), long.id.clone(), short.id.clone())));
        }
        for (file, path, short) in wrong {
            self.mistake(&file, path, format!("reads like an attribute of `{short}`; choose another URN"));
        }
    }
}

/// Whether values of this type can be unique (S-3.9).
fn can_be_unique(kind: AttributeType) -> bool {
    match kind {
        AttributeType::String | AttributeType::Integer | AttributeType::Decimal | AttributeType::Reference => true,
        AttributeType::Boolean | AttributeType::DateTime | AttributeType::Binary | AttributeType::Complex => false,
    }
}

/// Whether this is a name of RFC 7643 section 2.1, without `$`.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= NAME_BYTES_MAX
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
