//! Which attributes are found without a scan, and the keys that make it so.
//!
//! Every attribute that the schema calls unique is here by itself; others are the operator's
//! choice. Each has a number of its own, kept on disk, which stands for it in keys. When the
//! choice changes, the next start builds what is new and takes away what is gone.
//!
//! A unique attribute's entries serve as its index too, since they stand in the order of their values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use provost_scim::filter::{Operand, Target};
use provost_scim::{Attribute, AttributeType, Resource, ResourceType, Schemas, Uniqueness, compare};
use serde::{Deserialize, Serialize};
use tracing::info;

use super::engine::{Batch, BatchError, Engine, Expect, Key, KeyRange, Scan, Space};
use super::{OpenError, REALMS, StoreError, keys, order, records};
use crate::context::Realm;

/// How many resources are indexed in one commit when an index is built.
const RESOURCES_PER_COMMIT: usize = 500;

/// How many keys are deleted in one commit when an index goes.
const KEYS_PER_COMMIT: usize = 5_000;

/// The attributes that are indexed unless the operator says otherwise, where a type has them.
const STANDARD: [&str; 5] = ["userName", "externalId", "displayName", "emails.value", "meta.lastModified"];

/// An attribute of a resource type that is to be found without a scan.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// The resource type's number.
    pub type_number: u16,
    /// The attribute.
    pub target: Target,
}

impl Index {
    /// What is indexed unless the operator says otherwise.
    pub fn standard(schemas: &Schemas) -> Vec<Index> {
        let of = |resource_type: &Arc<ResourceType>| {
            let targets = STANDARD.iter().filter_map(|path| Target::resolve(path, resource_type));
            targets.map(|target| Index { type_number: resource_type.number, target }).collect::<Vec<_>>()
        };
        schemas.resource_types.iter().flat_map(of).collect()
    }
}

/// One indexed attribute.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The resource type's number.
    pub type_number: u16,
    /// The number that stands for the attribute in keys.
    pub number: u16,
    /// The attribute.
    pub target: Target,
    /// Whether a value may occur once only, and among what.
    pub uniqueness: Uniqueness,
}

impl Entry {
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

    fn row(&self, ready: bool) -> Row {
        Row {
            type_number: self.type_number,
            number: self.number,
            path: self.target.path.clone(),
            shape: Shape {
                kind: kind_number(&self.target),
                case_exact: self.target.case_exact,
                uniqueness: uniqueness_number(self.uniqueness),
            },
            ready,
        }
    }
}

/// The keys by which one resource is found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries {
    /// Keys of the unique space, each with its attribute's path.
    pub unique: BTreeMap<Key, String>,
    /// Keys of the index.
    pub index: BTreeSet<Key>,
}

/// All indexed attributes.
#[derive(Debug, Clone, Default)]
pub struct Catalog(Vec<Entry>);

impl Catalog {
    /// The indexed attribute of this path.
    pub fn find(&self, type_number: u16, path: &str) -> Option<&Entry> {
        self.of(type_number).find(|entry| entry.target.path == path)
    }

    /// The indexed attributes of a type.
    pub fn of(&self, type_number: u16) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter(move |entry| entry.type_number == type_number)
    }

    /// The keys by which this resource is found.
    pub fn entries(&self, realm: Realm, resource: &Resource) -> Entries {
        Self::entries_of(self.of(resource.resource_type().number), realm, resource)
    }

    fn entries_of<'a>(of: impl Iterator<Item = &'a Entry>, realm: Realm, resource: &Resource) -> Entries {
        let document = resource.document();
        let mut entries = Entries::default();
        for entry in of {
            for value in compare::values_at(&document, &entry.target) {
                if entry.uniqueness != Uniqueness::None
                    && let Some(key) = entry.unique_key(realm, &value)
                {
                    entries.unique.insert(key, entry.target.path.clone());
                }
                if entry.space() == Space::Index
                    && let Some(key) = entry.index_key(realm, &value, resource)
                {
                    entries.index.insert(key);
                }
            }
        }
        entries
    }

    /// Brings the keys on disk in line with what is wanted.
    ///
    /// # Errors
    /// [`OpenError::NotUnique`] when an attribute became unique and its stored values are not.
    pub async fn open(engine: &dyn Engine, schemas: &Schemas, wanted: &[Index]) -> Result<Self, OpenError> {
        let stored = engine.get(vec![(Space::System, keys::catalog())]).await.map_err(StoreError::from)?.remove(0);
        let stored: Vec<Row> = match stored {
            Some(value) => records::decode(Space::System, &value)?,
            None => Vec::new(),
        };
        let (catalog, kept) = Self::settle_numbers(schemas, wanted, &stored);
        let all_ready = catalog.0.iter().all(|entry| kept.contains(&entry.number));
        if all_ready && kept.len() == stored.len() {
            return Ok(catalog);
        }

        // Written first as not ready: after a crash in the middle, the next start does it again.
        catalog.write(engine, |entry| kept.contains(&entry.number)).await?;
        for row in stored.iter().filter(|row| !kept.contains(&row.number)) {
            clear(engine, row.type_number, row.number).await?;
        }
        let new: Vec<&Entry> = catalog.0.iter().filter(|entry| !kept.contains(&entry.number)).collect();
        for entry in &new {
            clear(engine, entry.type_number, entry.number).await?;
        }
        for entry in new {
            build(engine, schemas, entry).await?;
        }
        catalog.write(engine, |_| true).await?;
        Ok(catalog)
    }

    /// Gives each attribute its old number, or a new one. Answers the numbers whose entries on disk
    /// are whole and of the right shape, and so can stay.
    fn settle_numbers(schemas: &Schemas, wanted: &[Index], stored: &[Row]) -> (Self, BTreeSet<u16>) {
        let mut next = stored.iter().map(|row| row.number).max().unwrap_or(0) + 1;
        let mut entries: Vec<Entry> = Vec::new();
        let mut kept = BTreeSet::new();
        let mut broken = BTreeSet::new();
        for (type_number, target, uniqueness) in attributes(schemas, wanted) {
            let mut entry = Entry { type_number, number: 0, target, uniqueness };
            let whole = stored.iter().find(|row| **row == Row { number: row.number, ..entry.row(true) });
            let number = whole.map(|row| row.number).or_else(|| shared_number(&entries, &entry));
            entry.number = number.unwrap_or(next);
            next = next.max(entry.number + 1);
            if whole.is_some() {
                kept.insert(entry.number)
            } else {
                broken.insert(entry.number)
            };
            entries.push(entry);
        }
        // Several types share a number where a value is unique among them all: all whole, or none.
        (Self(entries), kept.difference(&broken).copied().collect())
    }

    async fn write(&self, engine: &dyn Engine, ready: impl Fn(&Entry) -> bool) -> Result<(), OpenError> {
        let rows: Vec<Row> = self.0.iter().map(|entry| entry.row(ready(entry))).collect();
        let mut batch = Batch::default();
        batch.put(Space::System, keys::catalog(), records::encode(&rows));
        commit(engine, batch).await
    }
}

/// An indexed attribute as the system space keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    type_number: u16,
    number: u16,
    path: String,
    shape: Shape,
    /// Whether every resource's entries are there.
    ready: bool,
}

/// What an entry's key depends on. When it changes, all entries must be made anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Shape {
    kind: u8,
    case_exact: bool,
    uniqueness: u8,
}

/// The number of how values become keys. It is another one when that changes, so that the entries of
/// an older release are made anew.
fn kind_number(target: &Target) -> u8 {
    match target.kind {
        // User names were prepared and not folded before.
        AttributeType::String if compare::is_user_name(target) => 7,
        AttributeType::String => 0,
        AttributeType::Boolean => 1,
        AttributeType::Decimal | AttributeType::Integer => 2,
        AttributeType::DateTime => 3,
        AttributeType::Binary => 4,
        AttributeType::Reference => 5,
        AttributeType::Complex => 6,
    }
}

fn uniqueness_number(uniqueness: Uniqueness) -> u8 {
    match uniqueness {
        Uniqueness::None => 0,
        Uniqueness::Server => 1,
        Uniqueness::Global => 2,
    }
}

/// What is to be indexed: what the schemas call unique, and what is wanted beside.
fn attributes(schemas: &Schemas, wanted: &[Index]) -> Vec<(u16, Target, Uniqueness)> {
    let mut all: Vec<(u16, Target, Uniqueness)> = Vec::new();
    for resource_type in &schemas.resource_types {
        for (path, uniqueness) in unique_paths(resource_type) {
            if let Some(target) = Target::resolve(&path, resource_type) {
                all.push((resource_type.number, target, uniqueness));
            }
        }
    }
    for Index { type_number, target } in wanted {
        if !all.iter().any(|(number, known, _)| number == type_number && known.path == target.path) {
            all.push((*type_number, target.clone(), Uniqueness::None));
        }
    }
    all
}

fn unique_paths(resource_type: &ResourceType) -> Vec<(String, Uniqueness)> {
    let mut paths = Vec::new();
    let mut collect = |prefix: &str, attributes: &[Attribute]| {
        for attribute in attributes.iter().filter(|a| a.name != "id") {
            let path = format!("{prefix}{}", attribute.name);
            let subs = attribute.sub_attributes.iter().map(|sub| (format!("{path}.{}", sub.name), sub.uniqueness));
            paths.extend(subs);
            paths.push((path, attribute.uniqueness));
        }
    };
    collect("", &resource_type.schema.attributes);
    for extension in &resource_type.extensions {
        collect(&format!("{}:", extension.schema.id), &extension.schema.attributes);
    }
    paths.retain(|(_, uniqueness)| *uniqueness != Uniqueness::None);
    paths
}

/// The number that another type's attribute has already, if values are unique among both.
fn shared_number(entries: &[Entry], entry: &Entry) -> Option<u16> {
    let shares = |e: &&Entry| e.uniqueness == Uniqueness::Global && e.target.path == entry.target.path;
    entries.iter().find(shares).filter(|_| entry.uniqueness == Uniqueness::Global).map(|e| e.number)
}

/// Deletes all entries of an attribute.
async fn clear(engine: &dyn Engine, type_number: u16, number: u16) -> Result<(), OpenError> {
    for realm in REALMS {
        for (space, type_number) in
            [(Space::Index, type_number), (Space::Unique, type_number), (Space::Unique, keys::ANY_TYPE)]
        {
            let range = KeyRange::prefix(keys::values(realm, type_number, number));
            loop {
                let scan = Scan::new(space, range.clone(), KEYS_PER_COMMIT).keys();
                let found = engine.scan(scan).await.map_err(StoreError::from)?;
                if found.is_empty() {
                    break;
                }
                let mut batch = Batch::default();
                found.into_iter().for_each(|(key, _)| batch.delete(space, key));
                commit(engine, batch).await?;
            }
        }
    }
    Ok(())
}

/// Makes the entries of an attribute for every resource there is.
async fn build(engine: &dyn Engine, schemas: &Schemas, entry: &Entry) -> Result<(), OpenError> {
    let resource_type = schemas.numbered(entry.type_number);
    let resource_type = resource_type.expect("the catalog names only types of these schemas");
    let mut built = 0;
    for realm in REALMS {
        let mut range = keys::resources(realm, entry.type_number);
        loop {
            let scan = Scan::new(Space::Resources, range.clone(), RESOURCES_PER_COMMIT);
            let found = engine.scan(scan).await.map_err(StoreError::from)?;
            let Some((last, _)) = found.last() else { break };
            range = range.after(last);
            let mut batch = Batch::default();
            for (key, value) in &found {
                let id = keys::last_id(key).ok_or(StoreError::Corrupt { space: Space::Resources })?;
                let stored = records::decode_resource(Space::Resources, resource_type, id, value)?;
                let entries = Catalog::entries_of(std::iter::once(entry), realm, &stored.resource);
                for key in entries.unique.into_keys() {
                    batch.expect.push(Expect::Value(Space::Unique, key.clone(), None));
                    batch.put(Space::Unique, key, records::encode_owner(entry.type_number, id));
                }
                entries.index.into_iter().for_each(|key| batch.put(Space::Index, key, Vec::new()));
                built += 1;
            }
            // Two of this very batch would put one key twice, and an expectation cannot see that.
            let mut seen = BTreeSet::new();
            let not_unique = || OpenError::NotUnique {
                resource_type: resource_type.name.clone(),
                attribute: entry.target.path.clone(),
            };
            let unique = batch.changes.iter().filter(|(space, ..)| *space == Space::Unique);
            if !unique.into_iter().all(|(_, key, _)| seen.insert(key)) {
                return Err(not_unique());
            }
            match engine.commit(batch).await {
                Ok(_) => {}
                Err(BatchError::Clash(_)) => return Err(not_unique()),
                Err(BatchError::Failed(error)) => return Err(StoreError::from(error).into()),
                Err(BatchError::Over(_)) => unreachable!("nothing was counted"),
            }
        }
    }
    if built > 0 {
        info!(
            resource_type = resource_type.name,
            attribute = entry.target.path,
            resources = built,
            "built the index of {}.{} for {built} resources",
            resource_type.name,
            entry.target.path
        );
    }
    Ok(())
}

async fn commit(engine: &dyn Engine, batch: Batch) -> Result<(), OpenError> {
    match engine.commit(batch).await {
        Ok(_) => Ok(()),
        Err(BatchError::Failed(error)) => Err(StoreError::from(error).into()),
        Err(BatchError::Clash(_) | BatchError::Over(_)) => unreachable!("nothing was expected or counted"),
    }
}
