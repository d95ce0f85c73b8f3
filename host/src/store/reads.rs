//! Reads by key: resources, memberships, the journal, and the past.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use provost_scim::{Member, Resource, ResourceType};
use uuid::Uuid;

use super::engine::{KeyRange, Scan, Space, Value};
use super::keys::Direction;
use super::records::JournalRecord;
use super::{REALMS, Store, StoreError, keys, records, timestamp};
use crate::context::{Actor, Realm};
use crate::hook::{Attribution, Committed, MembershipChange, Operation};

/// How many groups' records are read at a time.
const GROUPS_PER_READ: usize = 256;

/// A group that a resource is a member of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOf {
    /// The group.
    pub id: Uuid,
    /// The group's resource type.
    pub resource_type: String,
    /// The name it is shown under.
    pub display: Option<String>,
}

/// One row of the journal: what was done, without the attributes' values.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalEntry {
    /// Grows along the changes of one resource.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// The request that did it.
    pub request_id: String,
    /// Who asked.
    pub actor: Actor,
    /// What was done.
    pub operation: Operation,
    /// The resource type's name.
    pub resource_type: String,
    /// The resource.
    pub id: Uuid,
    /// Its version afterwards; after a delete, its last.
    pub version: u64,
    /// The attribute paths that changed.
    pub changed_paths: Vec<String>,
    /// How many members joined.
    pub members_added: u64,
    /// How many left.
    pub members_removed: u64,
    /// The plugins that changed the proposal on its way.
    pub changed_by: Vec<Attribution>,
}

/// One past version of a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// The resource as it was.
    pub resource: Resource,
    /// The journal row that made it so.
    pub sequence: u64,
    /// The journal row that ended it.
    pub superseded_by: u64,
    /// When that was.
    pub superseded_at: Timestamp,
}

impl Store {
    /// One resource. Its memberships are not read.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn get(
        &self,
        realm: Realm,
        resource_type: &Arc<ResourceType>,
        id: Uuid,
    ) -> Result<Option<Resource>, StoreError> {
        let value = self.get_one(Space::Resources, keys::resource(realm, resource_type.number, id)).await?;
        let stored = value.map(|value| records::decode_resource(Space::Resources, resource_type, id, &value));
        Ok(stored.transpose()?.map(|stored| stored.resource))
    }

    /// Several resources of one type; those that do not exist are left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn get_all(
        &self,
        realm: Realm,
        resource_type: &Arc<ResourceType>,
        ids: &[Uuid],
    ) -> Result<Vec<Resource>, StoreError> {
        let key = |id: &Uuid| (Space::Resources, keys::resource(realm, resource_type.number, *id));
        let values = self.engine.get(ids.iter().map(key).collect()).await?;
        let found = ids.iter().zip(values).filter_map(|(id, value)| Some((*id, value?)));
        found
            .map(|(id, value)| Ok(records::decode_resource(Space::Resources, resource_type, id, &value)?.resource))
            .collect()
    }

    /// The resource type of each id; nothing for ids that do not exist.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn types_of(&self, realm: Realm, ids: &[Uuid]) -> Result<Vec<Option<String>>, StoreError> {
        let types = &self.schemas.resource_types;
        let key = |id, number| (Space::Resources, keys::resource(realm, number, id));
        let keys = ids.iter().flat_map(|id| types.iter().map(move |t| key(*id, t.number))).collect();
        let found = self.engine.get(keys).await?;
        let of =
            |found: &[Option<Value>]| found.iter().position(Option::is_some).map(|place| types[place].name.clone());
        Ok(found.chunks(types.len().max(1)).map(of).collect())
    }

    /// The members of a group, by id, behind `after`. Nothing left means the end.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn members(
        &self,
        realm: Realm,
        group: Uuid,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Member>, StoreError> {
        let mut range = keys::edges(realm, Direction::Members, group);
        if let Some(after) = after {
            range = range.after(&keys::edge(realm, Direction::Members, group, after));
        }
        self.members_at(self.engine.scan(Scan::new(Space::Edges, range, limit)).await?)
    }

    fn members_at(&self, edges: Vec<(Vec<u8>, Value)>) -> Result<Vec<Member>, StoreError> {
        let member = |(key, value): (Vec<u8>, Value)| {
            let (_, id) = keys::ends(&key).ok_or(StoreError::Corrupt { space: Space::Edges })?;
            Ok(self.member(id, records::decode_edge(&value)?))
        };
        edges.into_iter().map(member).collect()
    }

    /// Each of these ids as a member of the group; nothing for those that are not.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn members_among(
        &self,
        realm: Realm,
        group: Uuid,
        ids: &[Uuid],
    ) -> Result<Vec<Option<Member>>, StoreError> {
        let edge = |id: &Uuid| (Space::Edges, keys::edge(realm, Direction::Members, group, *id));
        let found = self.engine.get(ids.iter().map(edge).collect()).await?;
        let member = |(id, value): (&Uuid, Option<Value>)| {
            value.map(|value| Ok(self.member(*id, records::decode_edge(&value)?))).transpose()
        };
        ids.iter().zip(found).map(member).collect()
    }

    /// Whether somebody is a direct member of a group.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn is_member(&self, realm: Realm, group: Uuid, id: Uuid) -> Result<bool, StoreError> {
        Ok(self.members_among(realm, group, &[id]).await?.pop().flatten().is_some())
    }

    /// How many members a group has; none if it does not exist. Reads none of the edges.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn member_count(&self, realm: Realm, group: Uuid) -> Result<u64, StoreError> {
        match self.group_record(realm, group).await? {
            Some((_, value)) => Ok(records::decode_header(Space::Resources, &value)?.members),
            None => Ok(0),
        }
    }

    /// How many members each of these has. Reads none of the edges.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn member_counts(&self, realm: Realm, groups: &[&Resource]) -> Result<Vec<u64>, StoreError> {
        let key =
            |group: &&Resource| (Space::Resources, keys::resource(realm, group.resource_type().number, group.id()));
        let found = self.engine.get(groups.iter().map(key).collect()).await?;
        let members = |value: Option<Value>| match value {
            Some(value) => Ok(records::decode_header(Space::Resources, &value)?.members),
            None => Ok(0),
        };
        found.into_iter().map(members).collect()
    }

    /// The first members of several groups, by id: of each as many as are asked for, in one read.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn members_of_each(
        &self,
        realm: Realm,
        groups: &[(Uuid, usize)],
    ) -> Result<Vec<Vec<Member>>, StoreError> {
        let edges = |group| keys::edges(realm, Direction::Members, group);
        let scan = |(group, limit): &(Uuid, usize)| Scan::new(Space::Edges, edges(*group), *limit);
        let found = self.engine.scan_each(groups.iter().map(scan).collect()).await?;
        found.into_iter().map(|edges| self.members_at(edges)).collect()
    }

    /// The name each member is shown under, if it has one; in one read.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn displays(&self, realm: Realm, members: &[Member]) -> Result<Vec<Option<String>>, StoreError> {
        let key = |member: &Member| {
            let of = self.schemas.resource_type(member.resource_type.as_deref()?)?;
            Some((Space::Resources, keys::resource(realm, of.number, member.id)))
        };
        let keys: Vec<_> = members.iter().map(key).collect();
        let mut values = self.engine.get(keys.iter().flatten().cloned().collect()).await?.into_iter();
        let display = |key: &Option<_>| match key.as_ref().and_then(|_| values.next().flatten()) {
            Some(value) => records::decode_display(&value),
            None => Ok(None),
        };
        keys.iter().map(display).collect()
    }

    /// The groups that somebody is a direct member of, by id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn groups_of(&self, realm: Realm, member: Uuid) -> Result<Vec<GroupOf>, StoreError> {
        let ids = self.group_ids_of(realm, member).await?;
        Ok(self.groups(realm, ids.into_iter().collect(), true).await?.into_values().collect())
    }

    /// These groups by id, with their names if these are wanted. Records are read only for that, or
    /// where more than one type has members.
    pub(super) async fn groups(
        &self,
        realm: Realm,
        ids: BTreeSet<Uuid>,
        names: bool,
    ) -> Result<BTreeMap<Uuid, GroupOf>, StoreError> {
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let mut types = self.schemas.resource_types.iter().filter(|t| t.has_members);
        if let (false, Some(only), None) = (names, types.next(), types.next()) {
            let group = |id| (id, GroupOf { id, resource_type: only.name.clone(), display: None });
            return Ok(ids.into_iter().map(group).collect());
        }
        let mut groups = BTreeMap::new();
        for part in ids.chunks(GROUPS_PER_READ) {
            for (id, record) in part.iter().zip(self.group_records(realm, part).await?) {
                // A group may go between two reads.
                let Some((resource_type, value)) = record else { continue };
                let display = records::decode_display(&value)?;
                groups.insert(*id, GroupOf { id: *id, resource_type: resource_type.name.clone(), display });
            }
        }
        Ok(groups)
    }

    /// The ids of those groups.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn group_ids_of(&self, realm: Realm, member: Uuid) -> Result<Vec<Uuid>, StoreError> {
        let range = keys::edges(realm, Direction::Groups, member);
        let edges = self.engine.scan(Scan::new(Space::Edges, range, usize::MAX).keys()).await?;
        let group = |(key, _): (Vec<u8>, Value)| keys::ends(&key).map(|(_, group)| group);
        edges.into_iter().map(|e| group(e).ok_or(StoreError::Corrupt { space: Space::Edges })).collect()
    }

    /// How many resources of a type there are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count(&self, realm: Realm, resource_type: &ResourceType) -> Result<u64, StoreError> {
        self.get_count(keys::resource_count(realm, resource_type.number)).await
    }

    /// The journal behind `after`, in order, as far as it is settled.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn journal(&self, realm: Realm, after: u64, limit: usize) -> Result<Vec<JournalEntry>, StoreError> {
        let range = KeyRange {
            from: keys::journal(realm, after.saturating_add(1)),
            until: Some(keys::journal(realm, self.settled().saturating_add(1))),
        };
        let rows = self.engine.scan(Scan::new(Space::Journal, range, limit)).await?;
        rows.iter().map(|(key, value)| self.journal_entry(key, value)).collect()
    }

    /// The last rows of the journal, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn journal_tail(&self, realm: Realm, limit: usize) -> Result<Vec<JournalEntry>, StoreError> {
        let range = KeyRange { from: keys::journal(realm, 0), until: Some(keys::journal(realm, self.settled() + 1)) };
        let rows = self.engine.scan(Scan::new(Space::Journal, range, limit).reversed()).await?;
        rows.iter().rev().map(|(key, value)| self.journal_entry(key, value)).collect()
    }

    /// The last rows of the journal before this sequence number, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn journal_before(
        &self,
        realm: Realm,
        before: u64,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        let until = before.min(self.settled().saturating_add(1));
        let range = KeyRange { from: keys::journal(realm, 0), until: Some(keys::journal(realm, until)) };
        let rows = self.engine.scan(Scan::new(Space::Journal, range, limit).reversed()).await?;
        rows.iter().rev().map(|(key, value)| self.journal_entry(key, value)).collect()
    }

    fn journal_entry(&self, key: &[u8], value: &[u8]) -> Result<JournalEntry, StoreError> {
        let row: JournalRecord = records::decode(Space::Journal, value)?;
        Ok(JournalEntry {
            sequence: keys::sequence(key).ok_or(StoreError::Corrupt { space: Space::Journal })?,
            at: timestamp(Space::Journal, row.at)?,
            request_id: row.request_id,
            actor: row.actor,
            operation: row.operation,
            resource_type: self.type_name(row.type_number),
            id: row.id,
            version: row.version,
            changed_paths: row.changed_paths,
            members_added: row.added,
            members_removed: row.removed,
            changed_by: row.changed_by,
        })
    }

    /// A committed change as observers hear of it, put together again from the journal and the
    /// history. Nothing, if either was pruned.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn change(&self, sequence: u64) -> Result<Option<Committed>, StoreError> {
        for realm in REALMS {
            let Some(value) = self.get_one(Space::Journal, keys::journal(realm, sequence)).await? else { continue };
            let row: JournalRecord = records::decode(Space::Journal, &value)?;
            let Some(resource_type) = self.schemas.numbered(row.type_number) else { return Ok(None) };
            let version = |version| self.version(realm, resource_type, row.id, version);
            let (before, after) = match row.operation {
                Operation::Create => (None, Some(version(row.version).await?)),
                Operation::Replace | Operation::Patch => {
                    (Some(version(row.version - 1).await?), Some(version(row.version).await?))
                }
                Operation::Delete => (Some(version(row.version).await?), None),
            };
            if matches!(before, Some(None)) || matches!(after, Some(None)) {
                return Ok(None);
            }
            let mut membership = MembershipChange { total_before: row.total_before, ..MembershipChange::default() };
            if row.added + row.removed > 0 {
                let range = keys::memberships(realm, sequence);
                for (_, part) in self.engine.scan(Scan::new(Space::Memberships, range, usize::MAX)).await? {
                    records::decode_memberships(&part, &self.schemas, &mut membership)?;
                }
            }
            return Ok(Some(Committed {
                sequence,
                operation: row.operation,
                resource_type: resource_type.name.clone(),
                id: row.id,
                before: before.flatten(),
                after: after.flatten(),
                changed_paths: row.changed_paths,
                membership,
            }));
        }
        Ok(None)
    }

    /// A resource at one version, current or past.
    async fn version(
        &self,
        realm: Realm,
        resource_type: &Arc<ResourceType>,
        id: Uuid,
        version: u64,
    ) -> Result<Option<Resource>, StoreError> {
        // The current record first: if it moves to the history meanwhile, it is found there.
        if let Some(current) = self.get(realm, resource_type, id).await?
            && current.version() == version
        {
            return Ok(Some(current));
        }
        let Some(value) = self.get_one(Space::History, keys::history(realm, id, version)).await? else {
            return Ok(None);
        };
        let (_, record) = records::decode_history(&value)?;
        Ok(Some(records::decode_resource(Space::History, resource_type, id, record)?.resource))
    }

    /// The past versions of a resource, oldest first; also of one that was deleted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn history(&self, realm: Realm, id: Uuid) -> Result<Vec<HistoryEntry>, StoreError> {
        let rows = self.engine.scan(Scan::new(Space::History, keys::histories(realm, id), usize::MAX)).await?;
        let entry = |(_, value): &(Vec<u8>, Value)| {
            let (superseded, record) = records::decode_history(value)?;
            let header = records::decode_header(Space::History, record)?;
            let corrupt = StoreError::Corrupt { space: Space::History };
            let resource_type = self.schemas.numbered(header.type_number).ok_or(corrupt)?;
            let stored = records::decode_resource(Space::History, resource_type, id, record)?;
            Ok(HistoryEntry {
                resource: stored.resource,
                sequence: stored.sequence,
                superseded_by: superseded.by,
                superseded_at: timestamp(Space::History, superseded.at)?,
            })
        };
        rows.iter().map(entry).collect()
    }

    /// A group's record, whichever type with members it has.
    pub(super) async fn group_record(
        &self,
        realm: Realm,
        group: Uuid,
    ) -> Result<Option<(Arc<ResourceType>, Value)>, StoreError> {
        Ok(self.group_records(realm, &[group]).await?.pop().flatten())
    }

    /// The records of several groups, in one read.
    pub(super) async fn group_records(
        &self,
        realm: Realm,
        groups: &[Uuid],
    ) -> Result<Vec<Option<(Arc<ResourceType>, Value)>>, StoreError> {
        let types: Vec<_> = self.schemas.resource_types.iter().filter(|t| t.has_members).collect();
        let key = |id, number| (Space::Resources, keys::resource(realm, number, id));
        let keys = groups.iter().flat_map(|id| types.iter().map(move |t| key(*id, t.number))).collect();
        let mut found = self.engine.get(keys).await?.into_iter();
        let mut record = |_: &Uuid| {
            // Each group's keys stand together; all are taken, so that the next group's come next.
            let of_one: Vec<_> = found.by_ref().take(types.len()).collect();
            types.iter().zip(of_one).find_map(|(resource_type, value)| Some(((*resource_type).clone(), value?)))
        };
        Ok(groups.iter().map(&mut record).collect())
    }

    fn member(&self, id: Uuid, type_number: u16) -> Member {
        Member { id, resource_type: records::type_name(&self.schemas, type_number) }
    }

    /// The name of a type that this store has or once had, or its number if nothing is known of it.
    pub(super) fn type_name(&self, number: u16) -> String {
        self.type_names.get(&number).cloned().unwrap_or_else(|| format!("type {number}"))
    }
}
