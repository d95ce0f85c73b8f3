//! What is indexed, brought in line with what is wanted, when the store opens.
//!
//! The system space keeps one row for each indexed attribute: its number, what its keys depend on,
//! and how far it is. What is new gets a number and is built while the server serves; what is no
//! longer wanted, or whose keys would look different now, goes in the same way (`build`). Only an
//! attribute that became unique is looked through before anything is served: whether its values
//! are must be known before the next one is taken.

use std::collections::BTreeSet;

use provost_scim::filter::Target;
use provost_scim::{Attribute, AttributeType, ResourceType, Schemas, Uniqueness, compare};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tracing::info;

use super::catalog::{Catalog, Entries, Entry, Index};
use super::engine::{Batch, BatchError, Engine, Expect, Key, KeyRange, Scan, Space, Value};
use super::{OpenError, REALMS, StoreError, commit_plain, keys, records};

/// How many resources are looked through in one commit when an attribute became unique.
const RESOURCES_PER_COMMIT: usize = 500;

/// How many keys are deleted in one commit when an index goes.
pub const KEYS_PER_COMMIT: usize = 5_000;

/// An indexed attribute as the system space keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The resource type's number.
    pub type_number: u16,
    /// The number that stands for the attribute in keys.
    pub number: u16,
    /// The attribute's path.
    pub path: String,
    /// What its keys depend on.
    pub shape: Shape,
    /// How far it is.
    pub state: State,
}

/// What an entry's key depends on. When it changes, all entries must be made anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    kind: u8,
    case_exact: bool,
    uniqueness: u8,
}

/// How far an index is. The order of the variants is how they are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Of a unique attribute: nobody knows which entries are there, since the store has not opened yet.
    Pending,
    /// Every resource's entries are there.
    Whole,
    /// Commits keep it up, and the entries of older resources are being made.
    Building {
        /// The key of the last resource whose entries are there; empty at the beginning.
        after: Key,
        /// How many resources were gone through.
        resources: u64,
    },
    /// Nobody wants it any more, and its entries are being deleted.
    Going,
}

impl Row {
    fn of(entry: &Entry, state: State) -> Self {
        let shape = Shape {
            kind: kind_number(&entry.target),
            case_exact: entry.target.case_exact,
            uniqueness: uniqueness_number(entry.uniqueness),
        };
        let path = entry.target.path.clone();
        Self { type_number: entry.type_number, number: entry.number, path, shape, state }
    }

    /// Whether this is a row of the same attribute, with keys of the same shape.
    fn fits(&self, other: &Self) -> bool {
        (self.type_number, &self.path, &self.shape) == (other.type_number, &other.path, &other.shape)
    }

    /// Whether it is about the very same keys.
    fn is_again(&self, other: &Self) -> bool {
        self.number == other.number && self.fits(other)
    }
}

/// The number of how values become keys. It is another one when that changes, so that the entries of
/// an older release are made anew.
fn kind_number(target: &Target) -> u8 {
    match target.kind {
        // User names were prepared and not folded before.
        AttributeType::String if compare::is_user_name(target) => 9,
        AttributeType::String => 0,
        AttributeType::Boolean => 1,
        AttributeType::DateTime => 3,
        AttributeType::Binary => 4,
        AttributeType::Reference => 5,
        AttributeType::Complex => 6,
        // 2 was a number without its last digits.
        AttributeType::Integer => 7,
        AttributeType::Decimal => 8,
    }
}

fn uniqueness_number(uniqueness: Uniqueness) -> u8 {
    match uniqueness {
        Uniqueness::None => 0,
        Uniqueness::Server => 1,
        Uniqueness::Global => 2,
    }
}

impl Catalog {
    /// Brings the rows on disk in line with what is wanted: these indexes, or, if none are named,
    /// those that are there.
    ///
    /// # Errors
    /// [`OpenError::NotUnique`] when an attribute became unique and its stored values are not.
    pub async fn open(engine: &dyn Engine, schemas: &Schemas, wanted: Option<&[Index]>) -> Result<Self, OpenError> {
        let stored = engine.get(vec![(Space::System, keys::catalog())]).await.map_err(StoreError::from)?.remove(0);
        let stored: Vec<Row> = match stored {
            Some(value) => records::decode(Space::System, &value)?,
            None => Vec::new(),
        };
        let wanted = wanted.map_or_else(|| already_there(schemas, &stored), <[Index]>::to_vec);
        let (entries, mut rows) = settle_numbers(&attributes(schemas, &wanted), &stored)?;

        let pending: Vec<&Row> = rows.iter().filter(|row| row.state == State::Pending).collect();
        if !pending.is_empty() {
            // Until it is known whether the values are unique, what is there stays as it is.
            let others = stored.iter().filter(|old| !pending.iter().any(|row| row.is_again(old)));
            write(engine, &others.chain(pending.iter().copied()).cloned().collect::<Vec<_>>()).await?;
            for row in &pending {
                clear(engine, row).await?;
            }
            for row in &pending {
                let entry =
                    entries.iter().find(|entry| (entry.type_number, entry.number) == (row.type_number, row.number));
                build_unique(engine, schemas, entry.expect("each row but those that go has its entry")).await?;
            }
        }
        for row in &mut rows {
            row.state = match &row.state {
                State::Pending => State::Whole,
                // Nothing is there that could lack an entry.
                State::Building { resources: 0, .. } if is_empty(engine, row.type_number).await? => State::Whole,
                state => state.clone(),
            };
        }
        let going = stored.iter().filter(|old| !rows.iter().any(|row| row.is_again(old)));
        let going: Vec<Row> = going.map(|old| Row { state: State::Going, ..old.clone() }).collect();
        rows.extend(going);
        if rows != stored {
            write(engine, &rows).await?;
        }
        for (entry, row) in entries.iter().zip(&rows) {
            if row.state == State::Whole {
                entry.set_whole();
            }
        }
        Ok(Self { entries, rows: Mutex::new(rows) })
    }
}

/// Gives each attribute its old number, or a new one, with a row in the same place.
fn settle_numbers(wanted: &[(u16, Target, Uniqueness)], stored: &[Row]) -> Result<(Vec<Entry>, Vec<Row>), StoreError> {
    let mut taken: BTreeSet<u16> = stored.iter().map(|row| row.number).collect();
    let (mut entries, mut rows): (Vec<Entry>, Vec<Row>) = (Vec::new(), Vec::new());
    for (type_number, target, uniqueness) in wanted {
        let old = |type_number: u16, state: fn(&State) -> bool| {
            let wanted = Row::of(&Entry::new(type_number, 0, target.clone(), *uniqueness), State::Pending);
            stored.iter().find(move |row| row.fits(&wanted) && state(&row.state))
        };
        // Several types share a number where a value is unique among them all: all whole, or none.
        let peers = wanted.iter().filter(|(_, other, among)| {
            *uniqueness == Uniqueness::Global && *among == *uniqueness && other.path == target.path
        });
        let peers: Vec<u16> = peers.map(|(number, ..)| *number).chain([*type_number]).collect();
        let whole: Vec<_> = peers.iter().map(|peer| old(*peer, |state| *state == State::Whole)).collect();
        let numbers: BTreeSet<Option<u16>> = whole.iter().map(|row| row.map(|row| row.number)).collect();
        // A type that is gone would leave its values among the others'.
        let left = stored.iter().any(|row| numbers.contains(&Some(row.number)) && !peers.contains(&row.type_number));
        let shared = || {
            let of_peer = |row: &&Row| *uniqueness == Uniqueness::Global && row.path == target.path;
            let earlier = rows.iter().find(of_peer).map(|row| row.number);
            earlier.or_else(|| old(*type_number, |state| *state == State::Pending).map(|row| row.number))
        };
        let fresh = || (1..=u16::MAX).find(|number| !taken.contains(number));
        let exhausted = || StoreError::unavailable("too many removed indexes wait for their entries to be deleted");

        let (number, state) = match (numbers.first(), uniqueness) {
            (Some(Some(number)), _) if numbers.len() == 1 && !left => (*number, State::Whole),
            (_, Uniqueness::Server | Uniqueness::Global) => {
                (shared().or_else(fresh).ok_or_else(exhausted)?, State::Pending)
            }
            (_, Uniqueness::None) => match old(*type_number, |state| matches!(state, State::Building { .. })) {
                Some(row) => (row.number, row.state.clone()),
                None => (fresh().ok_or_else(exhausted)?, State::Building { after: Key::new(), resources: 0 }),
            },
        };
        taken.insert(number);
        let entry = Entry::new(*type_number, number, target.clone(), *uniqueness);
        rows.push(Row::of(&entry, state));
        entries.push(entry);
    }
    Ok((entries, rows))
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

/// The indexes that somebody wanted when the store was open last.
fn already_there(schemas: &Schemas, stored: &[Row]) -> Vec<Index> {
    let is_wanted = |row: &&Row| {
        let chosen = row.shape.uniqueness == uniqueness_number(Uniqueness::None);
        chosen && matches!(row.state, State::Whole | State::Building { .. })
    };
    let wanted = stored.iter().filter(is_wanted);
    let index = |row: &Row| {
        let target = Target::resolve(&row.path, schemas.numbered(row.type_number)?)?;
        Some(Index { type_number: row.type_number, target })
    };
    wanted.filter_map(index).collect()
}

/// What writes these rows.
pub fn put_rows(batch: &mut Batch, rows: &[Row]) {
    batch.put(Space::System, keys::catalog(), records::encode(&rows));
}

async fn write(engine: &dyn Engine, rows: &[Row]) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    put_rows(&mut batch, rows);
    commit_plain(engine, batch).await
}

async fn is_empty(engine: &dyn Engine, type_number: u16) -> Result<bool, StoreError> {
    for realm in REALMS {
        let first = Scan::new(Space::Resources, keys::resources(realm, type_number), 1).keys();
        if !engine.scan(first).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The next entries of an attribute that are still there, as what deletes them.
pub async fn deletions(engine: &dyn Engine, row: &Row) -> Result<Option<Batch>, StoreError> {
    for realm in REALMS {
        for (space, type_number) in
            [(Space::Index, row.type_number), (Space::Unique, row.type_number), (Space::Unique, keys::ANY_TYPE)]
        {
            let range = KeyRange::prefix(keys::values(realm, type_number, row.number));
            let found = engine.scan(Scan::new(space, range, KEYS_PER_COMMIT).keys()).await?;
            if !found.is_empty() {
                let mut batch = Batch::default();
                found.into_iter().for_each(|(key, _)| batch.delete(space, key));
                return Ok(Some(batch));
            }
        }
    }
    Ok(None)
}

/// Deletes all entries of an attribute.
async fn clear(engine: &dyn Engine, row: &Row) -> Result<(), StoreError> {
    while let Some(batch) = deletions(engine, row).await? {
        commit_plain(engine, batch).await?;
    }
    Ok(())
}

/// Makes the entries of a unique attribute for every resource there is, while nobody writes.
async fn build_unique(engine: &dyn Engine, schemas: &Schemas, entry: &Entry) -> Result<(), OpenError> {
    let resource_type = schemas.numbered(entry.type_number);
    let resource_type = resource_type.expect("the catalog names only types of these schemas");
    let not_unique =
        || OpenError::NotUnique { resource_type: resource_type.name.clone(), attribute: entry.target.path.clone() };
    let mut built = 0;
    for realm in REALMS {
        let mut range = keys::resources(realm, entry.type_number);
        loop {
            let scan = Scan::new(Space::Resources, range.clone(), RESOURCES_PER_COMMIT);
            let found = engine.scan(scan).await.map_err(StoreError::from)?;
            let Some((last, _)) = found.last() else { break };
            range = range.after(last);
            let mut batch = Batch::default();
            // Two of this very batch would put one key twice, and an expectation cannot see that.
            let mut seen = BTreeSet::new();
            for (key, value) in &found {
                let id = keys::last_id(key).ok_or(StoreError::Corrupt { space: Space::Resources })?;
                let stored = records::decode_resource(Space::Resources, resource_type, id, value)?;
                let entries = Entries::of(std::iter::once(entry), realm, &stored.resource);
                for key in entries.unique.into_keys() {
                    if !seen.insert(key.clone()) {
                        return Err(not_unique());
                    }
                    batch.expect.push(Expect::Value(Space::Unique, key.clone(), None));
                    batch.put(Space::Unique, key, records::encode_owner(entry.type_number, id));
                }
                let index = entries.index.into_iter().chain(entries.building);
                index.for_each(|key| batch.put(Space::Index, key, Value::new()));
                built += 1;
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
        let (name, attribute) = (&resource_type.name, &entry.target.path);
        info!(
            resource_type = name,
            attribute,
            resources = built,
            "looked through {built} values of {name}.{attribute}, which became unique"
        );
    }
    Ok(())
}
