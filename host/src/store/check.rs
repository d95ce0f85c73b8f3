//! Whether everything on disk agrees with everything else.
//!
//! A walk over all spaces, for a store that nobody writes to meanwhile. It asks of each record
//! what the code that wrote it promised, in both directions: what a resource needs is there, and
//! what is there belongs to a resource. Findings name spaces, ids and attributes, never values.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use provost_scim::{Resource, Uniqueness};
use uuid::Uuid;

use super::catalog::Entries;
use super::engine::{Key, Scan, Space, Value, count_of};
use super::keys::Direction;
use super::messages::decode_message;
use super::prune::Horizon;
use super::records::{JournalRecord, StateRecord, Stored};
use super::{REALMS, Store, StoreError, keys, records};
use crate::context::Realm;
use crate::hook::{MembershipChange, Operation, PluginName};

/// How many findings are told one by one.
const FINDINGS_MAX: usize = 1_000;

/// How many records are read at a time.
const RECORDS_PER_READ: usize = 1_000;

/// One thing that does not agree with another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where it was seen.
    pub space: Space,
    /// Which resource it is about, if any.
    pub id: Option<Uuid>,
    /// What is wrong, in one sentence.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) => write!(f, "{}, resource {id}: {}", self.space, self.problem),
            None => write!(f, "{}: {}", self.space, self.problem),
        }
    }
}

/// A resource that does not fit its schema as it is now. The store is sound; the schema changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The resource's type.
    pub resource_type: String,
    /// The resource.
    pub id: Uuid,
    /// Which attribute, and what its schema expects of it, in one sentence.
    pub problem: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} does not fit its schema: {}", self.resource_type, self.id, self.problem)
    }
}

/// What a check saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many keys each space holds.
    pub keys: BTreeMap<Space, u64>,
    /// What is wrong; the first so many.
    pub findings: Vec<Finding>,
    /// How much is wrong in all.
    pub problems: u64,
    /// What no longer fits its schema; the first so many.
    pub misfits: Vec<Misfit>,
    /// How many resources there are that no longer fit.
    pub unfit: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems == 0
    }

    /// Whether every resource fits its schema.
    pub fn fits(&self) -> bool {
        self.unfit == 0
    }

    /// Whether there was more to tell than is told one by one.
    pub fn is_cut(&self) -> bool {
        self.findings.len() >= FINDINGS_MAX || self.misfits.len() >= FINDINGS_MAX
    }

    fn fit(&mut self, resource: &Resource) {
        let misfits = provost_scim::check::misfits(resource);
        self.unfit += u64::from(!misfits.is_empty());
        let room = FINDINGS_MAX.saturating_sub(self.misfits.len());
        self.misfits.extend(misfits.into_iter().take(room).map(|misfit| Misfit {
            resource_type: resource.resource_type().name.clone(),
            id: resource.id(),
            problem: misfit.detail,
        }));
    }

    fn find(&mut self, space: Space, id: impl Into<Option<Uuid>>, problem: impl Into<String>) {
        self.problems += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { space, id: id.into(), problem: problem.into() });
        }
    }
}

impl Store {
    /// Walks through everything and reports what does not agree.
    ///
    /// # Errors
    /// When the store cannot be read at all; a record that cannot be read is a finding.
    pub async fn check(&self) -> Result<Report, StoreError> {
        let mut report = Report::default();
        for realm in REALMS {
            let horizon = self.horizon(realm).await?;
            let mut walk = Walk { store: self, realm, horizon, report: &mut report };
            walk.resources().await?;
            walk.entries(Space::Unique).await?;
            walk.entries(Space::Index).await?;
            walk.edges().await?;
            walk.history().await?;
            walk.journal().await?;
            walk.outbox().await?;
            walk.state().await?;
        }
        Ok(report)
    }
}

/// What was there of the keys that were asked for.
type There = HashMap<(Space, Key), Value>;

/// A membership, as one of its two keys tells it.
struct Edge {
    group: Uuid,
    member: Uuid,
    type_number: u16,
    /// The other key.
    back: (Space, Key),
}

impl Edge {
    fn read(realm: Realm, key: &[u8], value: &[u8]) -> Option<Self> {
        let (from, to) = keys::ends(key)?;
        let type_number = records::decode_edge(value).ok()?;
        let is_forward = keys::edge(realm, Direction::Members, from, to) == key;
        let (group, member, other) =
            if is_forward { (from, to, Direction::Groups) } else { (to, from, Direction::Members) };
        Some(Self { group, member, type_number, back: (Space::Edges, keys::edge(realm, other, to, from)) })
    }

    fn member_record(&self, realm: Realm) -> (Space, Key) {
        (Space::Resources, keys::resource(realm, self.type_number, self.member))
    }

    fn group_record(&self, realm: Realm, type_number: u16) -> (Space, Key) {
        (Space::Resources, keys::resource(realm, type_number, self.group))
    }
}

struct Walk<'a> {
    store: &'a Store,
    realm: Realm,
    horizon: Horizon,
    report: &'a mut Report,
}

impl Walk<'_> {
    /// Every record with its index entries, its history, its last journal row, its member count.
    async fn resources(&mut self) -> Result<(), StoreError> {
        let mut counts: BTreeMap<u16, u64> = BTreeMap::new();
        let mut from = None;
        while let Some(part) = self.part(Space::Resources, &mut from).await? {
            let resources: Vec<_> = part.iter().filter_map(|(key, value)| self.resource(key, value)).collect();
            let entries: Vec<_> =
                resources.iter().map(|stored| self.store.catalog.entries(self.realm, &stored.resource)).collect();
            let mut wanted = Vec::new();
            for (stored, entries) in resources.iter().zip(&entries) {
                wanted.extend(entries.unique.keys().map(|key| (Space::Unique, key.clone())));
                wanted.extend(entries.index.iter().map(|key| (Space::Index, key.clone())));
                wanted.push((Space::Journal, keys::journal(self.realm, stored.sequence)));
            }
            let there = self.fetch(wanted).await?;
            for (stored, entries) in resources.iter().zip(&entries) {
                *counts.entry(stored.resource.resource_type().number).or_default() += 1;
                self.report.fit(&stored.resource);
                self.entries_of(&stored.resource, entries, &there);
                self.journal_of(stored, &there);
                self.past_of(stored).await?;
                self.members_of(stored).await?;
            }
        }
        for resource_type in &self.store.schemas.resource_types {
            let counted = self.store.count(self.realm, resource_type).await?;
            let there = counts.get(&resource_type.number).copied().unwrap_or(0);
            if counted != there {
                let name = &resource_type.name;
                self.report.find(
                    Space::System,
                    None,
                    format!("{there} of type {name} are there, and {counted} are counted"),
                );
            }
        }
        Ok(())
    }

    /// A record, read; or a finding.
    fn resource(&mut self, key: &[u8], value: &[u8]) -> Option<Stored> {
        let id = keys::last_id(key)?;
        let Ok(header) = records::decode_header(Space::Resources, value) else {
            self.report.find(Space::Resources, id, "the record cannot be read");
            return None;
        };
        if *key != *keys::resource(self.realm, header.type_number, id) {
            self.report.find(Space::Resources, id, "the record says another type than its key");
        }
        let Some(resource_type) = self.store.schemas.numbered(header.type_number) else {
            self.report.find(Space::Resources, id, format!("no schema has the type number {}", header.type_number));
            return None;
        };
        let stored = records::decode_resource(Space::Resources, resource_type, id, value).ok();
        if stored.is_none() {
            self.report.find(Space::Resources, id, "the record's attributes cannot be read");
        }
        stored
    }

    fn entries_of(&mut self, resource: &Resource, entries: &Entries, there: &There) {
        let owner = records::encode_owner(resource.resource_type().number, resource.id());
        for (key, attribute) in &entries.unique {
            if there.get(&(Space::Unique, key.clone())) != Some(&owner) {
                self.report.find(Space::Unique, resource.id(), format!("its `{attribute}` is not kept as its own"));
            }
        }
        for _ in entries.index.iter().filter(|key| !there.contains_key(&(Space::Index, (*key).clone()))) {
            self.report.find(Space::Index, resource.id(), "an index entry is missing");
        }
    }

    /// The journal row of the last change.
    fn journal_of(&mut self, stored: &Stored, there: &There) {
        let (id, version) = (stored.resource.id(), stored.resource.version());
        let problem = match self.journal_row(stored.sequence, there) {
            Some(row) if row.id == id && row.version == version && row.operation != Operation::Delete => return,
            Some(_) => "the journal row of its last change is about something else",
            None if stored.sequence <= self.horizon.journal => return,
            None => "the journal row of its last change is missing",
        };
        self.report.find(Space::Journal, id, problem);
    }

    /// The versions before this one, without a gap.
    async fn past_of(&mut self, stored: &Stored) -> Result<(), StoreError> {
        let (id, version) = (stored.resource.id(), stored.resource.version());
        if version == 1 {
            return Ok(());
        }
        let range = keys::histories(self.realm, id);
        let past = self.store.engine.scan(Scan::new(Space::History, range, usize::MAX).keys()).await?;
        let versions: Vec<u64> = past.iter().filter_map(|(key, _)| Some(keys::history_parts(key)?.1)).collect();
        let chained = versions.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let begins = versions.first().is_none_or(|first| *first == 1 || self.horizon.history > 0);
        let ends = match versions.last() {
            Some(last) => last + 1 == version,
            None => stored.sequence <= self.horizon.history,
        };
        if !(chained && begins && ends) {
            self.report.find(Space::History, id, format!("the versions before {version} are not all there"));
        }
        Ok(())
    }

    async fn members_of(&mut self, stored: &Stored) -> Result<(), StoreError> {
        let (id, counted) = (stored.resource.id(), stored.members);
        let members = match stored.resource.resource_type().has_members {
            true => self.store.all_members(self.realm, id).await?.len() as u64,
            false => 0,
        };
        if members != counted {
            self.report.find(Space::Edges, id, format!("has {members} members, and counts {counted}"));
        }
        Ok(())
    }

    /// Reads many keys at once. What is not there is left out.
    async fn fetch(&self, mut keys: Vec<(Space, Key)>) -> Result<There, StoreError> {
        keys.sort_unstable();
        keys.dedup();
        let values = self.store.engine.get(keys.clone()).await?;
        Ok(keys.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?))).collect())
    }

    fn journal_row(&self, sequence: u64, there: &There) -> Option<JournalRecord> {
        let value = there.get(&(Space::Journal, keys::journal(self.realm, sequence)))?;
        records::decode(Space::Journal, value).ok()
    }

    /// Every key of an index leads to a resource that has it, unless the whole index is going.
    async fn entries(&mut self, space: Space) -> Result<(), StoreError> {
        let going = self.store.catalog.going().await;
        let mut from = None;
        while let Some(mut part) = self.part(space, &mut from).await? {
            part.retain(|(key, _)| keys::attribute(key).is_none_or(|number| !going.contains(&number)));
            let owners: Vec<_> = part.iter().map(|(key, value)| self.entry_owner(space, key, value)).collect();
            let record = |(number, id)| (Space::Resources, keys::resource(self.realm, number, id));
            let there = self.fetch(owners.iter().flatten().map(|owner| record(*owner)).collect()).await?;
            for ((key, _), owner) in part.iter().zip(owners) {
                let Some((number, id)) = owner else {
                    self.report.find(space, None, "an entry cannot be read");
                    continue;
                };
                let known = self.store.schemas.numbered(number).zip(there.get(&record((number, id))));
                let stored = known.and_then(|(resource_type, record)| {
                    records::decode_resource(Space::Resources, resource_type, id, record).ok()
                });
                let has = stored.is_some_and(|stored| {
                    let entries = self.store.catalog.entries(self.realm, &stored.resource);
                    entries.unique.contains_key(key) || entries.has_index(key)
                });
                if !has {
                    self.report.find(space, id, "an entry leads to a resource that does not have its value");
                }
            }
        }
        Ok(())
    }

    fn entry_owner(&self, space: Space, key: &[u8], value: &[u8]) -> Option<(u16, Uuid)> {
        if space == Space::Unique {
            return records::decode_owner(value).ok();
        }
        let number = u16::from_be_bytes(key.get(4..6)?.try_into().ok()?);
        let known = |entry: &&super::catalog::Entry| key.starts_with(&entry.values(self.realm));
        self.store.catalog.of(number).find(known).filter(|entry| entry.uniqueness != Uniqueness::Server)?;
        Some((number, keys::last_id(key)?))
    }

    /// Every membership stands at both ends, and both ends exist.
    async fn edges(&mut self) -> Result<(), StoreError> {
        let realm = self.realm;
        let groups: Vec<u16> =
            self.store.schemas.resource_types.iter().filter(|t| t.has_members).map(|t| t.number).collect();
        let mut from = None;
        while let Some(part) = self.part(Space::Edges, &mut from).await? {
            let edges: Vec<_> = part.iter().map(|(key, value)| Edge::read(realm, key, value)).collect();
            let mut wanted = Vec::new();
            for edge in edges.iter().flatten() {
                wanted.push(edge.back.clone());
                wanted.push(edge.member_record(realm));
                wanted.extend(groups.iter().map(|number| edge.group_record(realm, *number)));
            }
            let there = self.fetch(wanted).await?;
            for ((_, value), edge) in part.iter().zip(edges) {
                let Some(edge) = edge else {
                    self.report.find(Space::Edges, None, "an edge cannot be read");
                    continue;
                };
                let (group, member) = (edge.group, edge.member);
                if there.get(&edge.back) != Some(value) {
                    self.report.find(Space::Edges, group, format!("its membership of {member} stands at one end only"));
                }
                if !there.contains_key(&edge.member_record(realm)) {
                    self.report.find(Space::Edges, group, format!("its member {member} does not exist"));
                }
                if !groups.iter().any(|number| there.contains_key(&edge.group_record(realm, *number))) {
                    self.report.find(Space::Edges, group, format!("has the member {member}, and does not exist"));
                }
            }
        }
        Ok(())
    }

    /// Every past version can be read, and the journal rows that made it and ended it are there.
    async fn history(&mut self) -> Result<(), StoreError> {
        let mut from = None;
        while let Some(part) = self.part(Space::History, &mut from).await? {
            let read = |(key, value): &(Key, Value)| {
                let (superseded, record) = records::decode_history(value).ok()?;
                let header = records::decode_header(Space::History, record).ok()?;
                Some((keys::history_parts(key)?, header, superseded.by))
            };
            let versions: Vec<_> = part.iter().map(read).collect();
            let rows = versions.iter().flatten().flat_map(|(_, header, ended)| [header.sequence, *ended]);
            let there = self.fetch(rows.map(|row| (Space::Journal, keys::journal(self.realm, row))).collect()).await?;
            for version in versions {
                let Some(((id, version), header, ended)) = version else {
                    self.report.find(Space::History, None, "a past version cannot be read");
                    continue;
                };
                if header.version != version {
                    self.report.find(Space::History, id, format!("version {version} says that it is another"));
                }
                for (sequence, did) in [(header.sequence, "made"), (ended, "ended")] {
                    let row = self.journal_row(sequence, &there);
                    if row.is_none_or(|row| row.id != id) && sequence > self.horizon.journal {
                        let problem = format!("no journal row tells what {did} version {version}");
                        self.report.find(Space::History, id, problem);
                    }
                }
            }
        }
        Ok(())
    }

    /// Every journal row can be read, and its membership parts are all there and belong to it.
    async fn journal(&mut self) -> Result<(), StoreError> {
        let mut from = None;
        while let Some(part) = self.part(Space::Journal, &mut from).await? {
            for (key, value) in part {
                let row: Option<JournalRecord> = records::decode(Space::Journal, &value).ok();
                let (Some(sequence), Some(row)) = (keys::sequence(&key), row) else {
                    self.report.find(Space::Journal, None, "a journal row cannot be read");
                    continue;
                };
                if row.added + row.removed > 0 {
                    self.memberships_of(sequence, &row).await?;
                }
            }
        }
        let mut from = None;
        while let Some(part) = self.part(Space::Memberships, &mut from).await? {
            let sequences: Vec<u64> = part.iter().filter_map(|(key, _)| keys::sequence(key)).collect();
            let rows = sequences.iter().map(|row| (Space::Journal, keys::journal(self.realm, *row)));
            let there = self.fetch(rows.collect()).await?;
            for sequence in sequences {
                let row = self.journal_row(sequence, &there);
                if row.is_none_or(|row| row.added + row.removed == 0) {
                    self.report.find(Space::Memberships, None, format!("no journal row {sequence} speaks of members"));
                }
            }
        }
        Ok(())
    }

    async fn memberships_of(&mut self, sequence: u64, row: &JournalRecord) -> Result<(), StoreError> {
        let mut change = MembershipChange::default();
        let scan = Scan::new(Space::Memberships, keys::memberships(self.realm, sequence), usize::MAX);
        for (_, value) in self.store.engine.scan(scan).await? {
            if records::decode_memberships(&value, &self.store.schemas, &mut change).is_err() {
                self.report.find(Space::Memberships, row.id, "a part of a membership change cannot be read");
            }
        }
        if (change.added.len() as u64, change.removed.len() as u64) != (row.added, row.removed) {
            let problem = format!("journal row {sequence} counts other members than it names");
            self.report.find(Space::Memberships, row.id, problem);
        }
        Ok(())
    }

    /// Every message can be read, has its cause in the journal, and is counted.
    async fn outbox(&mut self) -> Result<(), StoreError> {
        let (mut all, mut parked) = (0, 0);
        let mut from = None;
        while let Some(part) = self.part(Space::Outbox, &mut from).await? {
            for (key, value) in part {
                if key.starts_with(&keys::outbox_onces(self.realm).from) {
                    let row = self.store.get_one(Space::Outbox, value).await?;
                    let row = row.and_then(|row| decode_message(&row).ok());
                    let names = row.and_then(|row| row.once).map(|once| keys::outbox_once(self.realm, &once));
                    if names.as_ref() != Some(&key) {
                        self.report.find(
                            Space::Outbox,
                            None,
                            "a note of a message that waits once leads to another one",
                        );
                    }
                    continue;
                }
                let record = decode_message(&value).ok();
                let (Some(name), Some(record)) = (keys::outbox_parts(&key), record) else {
                    self.report.find(Space::Outbox, None, "a message cannot be read");
                    continue;
                };
                all += 1;
                parked += u64::from(record.parked.is_some());
                let cause = &record.message.cause;
                if cause.sequence != name.sequence || record.message.key != name.idempotency_key(self.store.instance) {
                    self.report.find(Space::Outbox, cause.id, format!("message {name} says another key than its own"));
                }
                let row = self.fetch(vec![(Space::Journal, keys::journal(self.realm, name.sequence))]).await?;
                if self.journal_row(name.sequence, &row).is_none_or(|row| row.id != cause.id) {
                    self.report.find(
                        Space::Outbox,
                        cause.id,
                        format!("no journal row tells what caused message {name}"),
                    );
                }
                if let Some(once) = record.once
                    && self.store.get_one(Space::Outbox, keys::outbox_once(self.realm, &once)).await? != Some(key)
                {
                    self.report.find(
                        Space::Outbox,
                        cause.id,
                        format!("message {name} is to wait once, and is not noted"),
                    );
                }
            }
        }
        let counted = self.store.outbox_counts(self.realm).await?;
        if (counted.waiting + counted.parked, counted.parked) != (all, parked) {
            self.report.find(Space::System, None, "the outbox holds another number of messages than is counted");
        }
        Ok(())
    }

    /// Every entry of a plugin's state can be read, and is counted.
    async fn state(&mut self) -> Result<(), StoreError> {
        let mut there: BTreeMap<PluginName, u64> = BTreeMap::new();
        let mut from = None;
        while let Some(part) = self.part(Space::State, &mut from).await? {
            for (key, value) in part {
                let readable = records::decode::<StateRecord>(Space::State, &value).is_ok();
                match keys::state_parts(&key) {
                    Some((plugin, _)) if readable => *there.entry(plugin).or_default() += 1,
                    _ => self.report.find(Space::State, None, "an entry cannot be read"),
                }
            }
        }
        let counts = Scan::new(Space::System, keys::state_counts(self.realm), usize::MAX);
        let counts = self.store.engine.scan(counts).await?.into_iter();
        let mut counted: BTreeMap<PluginName, u64> =
            counts.filter_map(|(key, value)| Some((keys::state_count_plugin(&key)?, count_of(Some(&value))))).collect();
        counted.retain(|_, count| *count > 0);
        if counted != there {
            self.report.find(Space::System, None, "plugins remember another number of entries than is counted");
        }
        Ok(())
    }

    /// The next records of a space; nothing at the end. Counts them.
    async fn part(&mut self, space: Space, from: &mut Option<Key>) -> Result<Option<Vec<(Key, Value)>>, StoreError> {
        let mut range = keys::realm(self.realm);
        if let Some(from) = from {
            range = range.after(from);
        }
        let part = self.store.engine.scan(Scan::new(space, range, RECORDS_PER_READ)).await?;
        let Some((last, _)) = part.last() else { return Ok(None) };
        *from = Some(last.clone());
        *self.report.keys.entry(space).or_default() += part.len() as u64;
        Ok(Some(part))
    }
}
