//! Which attributes are found without a scan, and the keys that make it so.
//!
//! Every attribute that the schema calls unique is here by itself; beside them stand the usual
//! ones and the operator's choice. Each has a number of its own, kept on disk (`settle`), which
//! stands for it in keys. An index that does not hold all its entries yet is kept up by every
//! commit and used by no plan, until `build` has made it whole.
//!
//! A unique attribute's entries serve as its index too, since they stand in the order of their values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use provost_scim::filter::{Operand, Target};
use provost_scim::{Resource, ResourceType, Returned, Schemas, Uniqueness, compare};
use tokio::sync::Mutex;

use super::engine::{Key, Space};
use super::plan::{is_groups, is_members};
use super::settle::{Row, State};
use super::{keys, order};
use crate::context::Realm;

/// The attributes that are indexed in any case, where a type has them.
const STANDARD: [&str; 5] = ["userName", "externalId", "displayName", "emails.value", "meta.lastModified"];

/// An attribute of a resource type that is to be found without a scan.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// The resource type's number.
    pub type_number: u16,
    /// The attribute.
    pub target: Target,
}

/// Why an attribute cannot be indexed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// No such type.
    #[error("`{attribute}` of `{resource_type}` cannot be indexed: there is no such resource type, only {known}")]
    UnknownType {
        /// The type as it was written.
        resource_type: String,
        /// The attribute as it was written.
        attribute: String,
        /// The types there are.
        known: String,
    },
    /// The attribute is not one that can be looked up.
    #[error("`{attribute}` of `{resource_type}` cannot be indexed: {reason}")]
    Attribute {
        /// The type.
        resource_type: String,
        /// The attribute as it was written.
        attribute: String,
        /// Why, and what to do.
        reason: &'static str,
    },
}

impl Index {
    /// What is indexed in any case.
    pub fn standard(schemas: &Schemas) -> Vec<Index> {
        let of = |resource_type: &Arc<ResourceType>| {
            let targets = STANDARD.iter().filter_map(|path| Target::resolve(path, resource_type));
            targets.map(|target| Index { type_number: resource_type.number, target }).collect::<Vec<_>>()
        };
        schemas.resource_types.iter().flat_map(of).collect()
    }

    /// An attribute as the operator names it: as in a filter, an extension's behind its URN.
    ///
    /// # Errors
    /// The type, the attribute, and why it cannot be indexed.
    pub fn named(schemas: &Schemas, resource_type: &str, attribute: &str) -> Result<Index, IndexError> {
        let Some(found) = schemas.resource_type(resource_type) else {
            let known: Vec<String> = schemas.resource_types.iter().map(|known| format!("`{}`", known.name)).collect();
            return Err(IndexError::UnknownType {
                resource_type: resource_type.to_owned(),
                attribute: attribute.to_owned(),
                known: known.join(", "),
            });
        };
        let refused = |reason| IndexError::Attribute {
            resource_type: resource_type.to_owned(),
            attribute: attribute.to_owned(),
            reason,
        };
        let place = found.place(attribute).ok_or_else(|| refused("the type has no such attribute"))?;
        if [place.attribute, place.sub].into_iter().flatten().any(|part| part.returned == Returned::Never) {
            return Err(refused("it is never returned, so nobody may search for it"));
        }
        // A complex attribute stands for its `value`, as in filters (S-10.23).
        let value = || Target::resolve(&format!("{}.value", place.path()), found);
        let target = Target::resolve(attribute, found).or_else(value);
        let target = target.ok_or_else(|| refused("it is complex; name one of its sub-attributes"))?;
        let root = target.steps.first().map_or("", String::as_str);
        if is_members(root, found) || is_groups(root, found) {
            return Err(refused("it is computed from memberships, which are found without a scan already"));
        }
        if target.path == "meta.location" {
            return Err(refused("it depends on how the server is reached; compare `id`"));
        }
        Ok(Index { type_number: found.number, target })
    }
}

/// One indexed attribute.
#[derive(Debug)]
pub struct Entry {
    /// The resource type's number.
    pub type_number: u16,
    /// The number that stands for the attribute in keys.
    pub number: u16,
    /// The attribute.
    pub target: Target,
    /// Whether a value may occur once only, and among what.
    pub uniqueness: Uniqueness,
    whole: AtomicBool,
}

impl Entry {
    /// An attribute whose entries are not known to be all there.
    pub fn new(type_number: u16, number: u16, target: Target, uniqueness: Uniqueness) -> Self {
        Self { type_number, number, target, uniqueness, whole: AtomicBool::new(false) }
    }

    /// Whether the entries of all resources are there.
    pub fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Acquire)
    }

    /// Lets plans use it from now on.
    pub fn set_whole(&self) {
        self.whole.store(true, Ordering::Release);
    }

    /// Where the entries stand that can be walked in the order of their values.
    pub fn space(&self) -> Space {
        if self.uniqueness == Uniqueness::Server { Space::Unique } else { Space::Index }
    }

    /// What all these entries' keys begin with.
    pub fn values(&self, realm: Realm) -> Key {
        keys::values(realm, self.type_number, self.number)
    }

    fn unique_values(&self, realm: Realm) -> Key {
        let among = if self.uniqueness == Uniqueness::Global { keys::ANY_TYPE } else { self.type_number };
        keys::values(realm, among, self.number)
    }

    /// The key that only one resource can have for this value.
    pub fn unique_key(&self, realm: Realm, value: &Operand) -> Option<Key> {
        let mut key = self.unique_values(realm);
        order::encode(value, &mut key).then_some(key)
    }

    fn index_key(&self, realm: Realm, value: &Operand, resource: &Resource) -> Option<Key> {
        let mut key = self.values(realm);
        order::encode(value, &mut key).then(|| keys::index(key, resource.id()))
    }
}

/// The keys by which one resource is found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries {
    /// Keys of the unique space, each with its attribute's path.
    pub unique: BTreeMap<Key, String>,
    /// Keys of the index.
    pub index: BTreeSet<Key>,
    /// Keys of those parts of the index that are being built.
    pub building: BTreeSet<Key>,
}

impl Entries {
    /// The keys by which this resource is found among these attributes.
    pub fn of<'a>(attributes: impl Iterator<Item = &'a Entry>, realm: Realm, resource: &Resource) -> Self {
        let document = resource.document();
        let mut entries = Self::default();
        for entry in attributes {
            let index = if entry.is_whole() { &mut entries.index } else { &mut entries.building };
            for value in compare::values_at(&document, &entry.target) {
                if entry.uniqueness != Uniqueness::None
                    && let Some(key) = entry.unique_key(realm, &value)
                {
                    entries.unique.insert(key, entry.target.path.clone());
                }
                if entry.space() == Space::Index
                    && let Some(key) = entry.index_key(realm, &value, resource)
                {
                    index.insert(key);
                }
            }
        }
        entries
    }

    /// Whether this is a key of the index, or of a part of it that is being built.
    pub fn has_index(&self, key: &Key) -> bool {
        self.index.contains(key) || self.building.contains(key)
    }
}

/// All indexed attributes.
#[derive(Debug)]
pub struct Catalog {
    pub(super) entries: Vec<Entry>,
    /// What the system space says of them, and of those whose entries are going. Whoever changes
    /// it there holds it here.
    pub(super) rows: Mutex<Vec<Row>>,
}

impl Catalog {
    /// The indexed attribute of this path, if the entries of all resources are there.
    pub fn find(&self, type_number: u16, path: &str) -> Option<&Entry> {
        self.of(type_number).find(|entry| entry.target.path == path && entry.is_whole())
    }

    /// The indexed attributes of a type.
    pub fn of(&self, type_number: u16) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.type_number == type_number)
    }

    /// The keys by which this resource is found.
    pub fn entries(&self, realm: Realm, resource: &Resource) -> Entries {
        Entries::of(self.of(resource.resource_type().number), realm, resource)
    }

    /// The numbers of those whose entries are being deleted.
    pub async fn going(&self) -> BTreeSet<u16> {
        let rows = self.rows.lock().await;
        rows.iter().filter(|row| row.state == State::Going).map(|row| row.number).collect()
    }
}
