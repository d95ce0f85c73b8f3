//! Drafts, which anyone may propose, and resources, which only validation makes.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::secret::{NewPassword, PASSWORD};
use crate::{Attribute, Attributes, ResourceType, instant};

/// A proposal: what a client or a plugin would like a resource to be.
///
/// After [`crate::check`] the attribute names stand in the schema's spelling, readOnly attributes
/// are gone and every value present fits its type; required attributes may still be missing, so
/// that a rule can make them up. `id`, `meta` and `schemas` are never among the attributes: the
/// first two are the server's, the third is derived from the extensions present.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// What kind of resource is proposed.
    pub resource_type: Arc<ResourceType>,
    /// Core attributes by name, extension containers by schema URN. Never holds `members` of a
    /// resource type with membership: those are edits, below.
    pub attributes: Attributes,
    /// What the proposal does to the group's members, in order. Empty for other resource types.
    pub membership: Vec<MembershipEdit>,
    /// The password that the proposal sets. Among the attributes stands, under `password`, only the
    /// hash of the one in force.
    pub secret: Option<NewPassword>,
}

impl Draft {
    /// The proposal as a whole SCIM document, without members. With the stamp of the resource it
    /// changes it shows that `id` and `meta`; a draft of a new resource has no `id` yet.
    pub fn document(&self, stamp: Option<Stamp>) -> Attributes {
        whole(self.entries(stamp))
    }

    /// The same, its values not copied.
    pub fn entries(&self, stamp: Option<Stamp>) -> Entries<'_> {
        entries(&self.resource_type, stamp, &self.attributes)
    }

    /// Which paths differ from the state before, a new password's included: it differs, or it would
    /// not be proposed.
    pub fn changed_paths(&self, before: Option<&Attributes>) -> Vec<String> {
        let mut paths = crate::changed_paths(before, Some(&self.attributes), &self.resource_type);
        if self.secret.is_some() && !paths.iter().any(|path| path == PASSWORD) {
            paths.push(PASSWORD.to_owned());
        }
        paths
    }
}

/// One step of a change to a group's members. Members are edges, never a list in a document,
/// so a change is described without the list.
#[derive(Debug, Clone, PartialEq)]
pub enum MembershipEdit {
    /// These join; those already in stay as they are.
    Add(Vec<Member>),
    /// These leave; those not in are ignored.
    Remove(Vec<Uuid>),
    /// Every member that the filter selects leaves. Attribute paths inside are relative to a
    /// member: `value`, `type`, `$ref`, `display`.
    RemoveWhere(crate::filter::Filter),
    /// All leave.
    Clear,
    /// Exactly these are members afterwards.
    Replace(Vec<Member>),
}

/// One member of a group, by id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Member {
    /// The member's `id`.
    pub id: Uuid,
    /// The member's resource type (`User`, `Group`), if the client named it or the store knows it.
    pub resource_type: Option<String>,
}

/// What the server, never a client, decides about a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The resource's `id`.
    pub id: Uuid,
    /// Counts the resource's states, from 1. Its ETag is `W/"<version>"`.
    pub version: u64,
    /// `meta.created`.
    pub created: Timestamp,
    /// `meta.lastModified`.
    pub last_modified: Timestamp,
}

/// A resource that satisfies its schema. Made by [`crate::validate`], or read back from the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    resource_type: Arc<ResourceType>,
    stamp: Stamp,
    attributes: Attributes,
}

impl Stamp {
    /// The ETag, equal to `meta.version` (RFC 7644 section 3.14): weak, quotes included.
    pub fn etag(&self) -> String {
        format!("W/\"{}\"", self.version)
    }
}

impl Resource {
    /// Puts a stored resource together again. For the store, which only ever stored what
    /// [`crate::validate`] had made.
    pub fn from_stored(resource_type: Arc<ResourceType>, stamp: Stamp, attributes: Attributes) -> Self {
        Self { resource_type, stamp, attributes }
    }

    /// What kind of resource this is.
    pub fn resource_type(&self) -> &Arc<ResourceType> {
        &self.resource_type
    }

    /// `id`, version and times.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The resource's `id`.
    pub fn id(&self) -> Uuid {
        self.stamp.id
    }

    /// Counts the resource's states, from 1.
    pub fn version(&self) -> u64 {
        self.stamp.version
    }

    /// The ETag, equal to `meta.version` (RFC 7644 section 3.14): weak, quotes included.
    pub fn etag(&self) -> String {
        self.stamp.etag()
    }

    /// Core attributes by name, extension containers by URN; without `id`, `meta`, `schemas` and
    /// `members`.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The whole SCIM document: `schemas`, `id`, the attributes in the schema's order, extension
    /// containers, `meta`. Without members and the other computed attributes, and without
    /// `meta.location`, which depends on where the server is reached.
    pub fn document(&self) -> Attributes {
        whole(self.entries())
    }

    /// The same, its values not copied.
    pub fn entries(&self) -> Entries<'_> {
        entries(&self.resource_type, Some(self.stamp), &self.attributes)
    }

    /// The resource as a proposal again, to be changed. What its schema no longer knows stays
    /// behind: it was never shown, and goes with the next write.
    pub fn to_draft(&self) -> Draft {
        let mut attributes = self.attributes.clone();
        attributes.retain(|name, value| keep_known(&self.resource_type, name, value));
        Draft { resource_type: self.resource_type.clone(), attributes, membership: Vec::new(), secret: None }
    }
}

/// Takes out of one attribute, or of one extension's container, what the schema does not know.
/// Whether anything is left.
fn keep_known(resource_type: &ResourceType, name: &str, value: &mut Value) -> bool {
    let known = std::iter::once("externalId").chain(resource_type.schema.attributes.iter().map(|a| a.name.as_str()));
    if known.into_iter().any(|known| known == name) {
        return resource_type.attribute(name).is_none_or(|attribute| keep_parts(&attribute.sub_attributes, value));
    }
    let Some(extension) = resource_type.extensions.iter().find(|e| e.schema.id == name) else { return false };
    let Value::Object(fields) = value else { return true };
    fields.retain(|name, value| {
        let attribute = extension.schema.attributes.iter().find(|a| a.name == *name);
        attribute.is_some_and(|attribute| keep_parts(&attribute.sub_attributes, value))
    });
    !fields.is_empty()
}

fn keep_parts(parts: &[Attribute], value: &mut Value) -> bool {
    match value {
        Value::Object(fields) if !parts.is_empty() => {
            fields.retain(|name, _| parts.iter().any(|part| part.name == *name));
            !fields.is_empty()
        }
        Value::Array(elements) if !parts.is_empty() => {
            elements.retain_mut(|element| keep_parts(parts, element));
            !elements.is_empty()
        }
        _ => true,
    }
}

/// Reads an id exactly as this server writes it; any other spelling is no id of ours (S-5.6).
pub fn parse_id(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text).then_some(id)
}

/// The URNs of a document: the base schema, and each extension that has a container (S-5.3).
pub fn schema_urns<'a>(resource_type: &'a ResourceType, attributes: &Attributes) -> Vec<&'a str> {
    let extensions = resource_type.extensions.iter().map(|e| e.schema.id.as_str());
    let present = extensions.filter(|urn| attributes.contains_key(*urn));
    std::iter::once(resource_type.schema.id.as_str()).chain(present).collect()
}

/// A document's names and values, in its order.
pub type Entries<'a> = Vec<(&'a str, Cow<'a, Value>)>;

fn entries<'a>(resource_type: &'a ResourceType, stamp: Option<Stamp>, attributes: &'a Attributes) -> Entries<'a> {
    let core = resource_type.schema.attributes.iter().map(|a| a.name.as_str());
    let extensions = resource_type.extensions.iter().map(|e| e.schema.id.as_str());
    let names = std::iter::once("externalId").chain(core).chain(extensions);

    let mut entries = vec![("schemas", Cow::Owned(schema_urns(resource_type, attributes).into()))];
    entries.extend(stamp.map(|stamp| ("id", Cow::Owned(stamp.id.to_string().into()))));
    entries.extend(names.filter_map(|name| Some((name, Cow::Borrowed(attributes.get(name)?)))));
    entries.push(("meta", Cow::Owned(meta(resource_type, stamp).into())));
    entries
}

fn whole(entries: Entries<'_>) -> Attributes {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value.into_owned())).collect()
}

fn meta(resource_type: &ResourceType, stamp: Option<Stamp>) -> Attributes {
    let mut meta = Attributes::new();
    meta.insert("resourceType".into(), Value::from(resource_type.name.as_str()));
    if let Some(stamp) = stamp {
        meta.insert("created".into(), instant::print(stamp.created).into());
        meta.insert("lastModified".into(), instant::print(stamp.last_modified).into());
        meta.insert("version".into(), stamp.etag().into());
    }
    meta
}
