//! What a write stands on: everything that is read before its batch is built.
//!
//! Whatever is read here is expected by the batch, so it holds at the commit or nothing happens.

use std::collections::{BTreeMap, HashSet};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::engine::{Key, Scan, Space, Value};
use super::keys::Direction;
use super::records::{Header, MemberId, StateRecord};
use super::write::{CommitError, Write};
use super::{Store, StoreError, keys, records};
use crate::context::Realm;
use crate::hook::{Operation, PluginName, StagedMessage, StagedState};
use crate::limits::GROUPS_LEFT_MAX;

/// How many edges are read at a time.
const EDGES_PER_READ: usize = 10_000;

/// What a write stands on, as it was read.
#[derive(Default)]
pub(super) struct Ground {
    pub(super) record: Option<(Value, Header)>,
    pub(super) added: Vec<MemberId>,
    pub(super) removed: Vec<MemberId>,
    /// Whether the resource is deleted.
    pub(super) ends: bool,
    /// On a delete: the resource's own memberships, and the groups they are in.
    pub(super) group_edges: Vec<Key>,
    pub(super) groups: Vec<Group>,
    pub(super) state: Vec<State>,
    pub(super) messages: Vec<Outgoing>,
    pub(super) onces: Vec<Once>,
}

pub(super) struct Group {
    pub(super) value: Value,
    pub(super) stored: records::Stored,
}

pub(super) struct State {
    pub(super) plugin: PluginName,
    pub(super) staged: StagedState,
    pub(super) found: Option<Value>,
}

pub(super) struct Outgoing {
    pub(super) plugin: PluginName,
    pub(super) staged: StagedMessage,
    pub(super) once: Option<[u8; 32]>,
}

/// Something that is to be waiting once only, and the row that waits for it already.
pub(super) struct Once {
    pub(super) once: [u8; 32],
    pub(super) waiting: Option<(Key, Value)>,
}

impl Ground {
    pub(super) fn members_before(&self) -> u64 {
        self.record.as_ref().map_or(0, |(_, header)| header.members)
    }

    pub(super) fn members_after(&self) -> u64 {
        (self.members_before() + self.added.len() as u64).saturating_sub(self.removed.len() as u64)
    }
}

impl Store {
    /// Reads what the write stands on.
    pub(super) async fn look(&self, write: &Write) -> Result<Ground, CommitError> {
        let (resource_type, id) = write.subject()?;
        let mut ground = Ground::default();
        if let Some(before) = &write.before {
            let key = keys::resource(write.realm, resource_type.number, id);
            let value = self.get_one(Space::Resources, key).await?.ok_or(CommitError::Clash)?;
            let header = records::decode_header(Space::Resources, &value)?;
            if header.version != before.version() {
                return Err(CommitError::Clash);
            }
            ground.record = Some((value, header));
        }
        match write.operation {
            Operation::Delete => {
                ground.ends = true;
                if resource_type.has_members {
                    ground.removed = self.all_members(write.realm, id).await?;
                }
                self.look_at_groups(write.realm, id, &mut ground).await?;
            }
            _ => self.look_at_members(write, id, &mut ground).await?,
        }
        self.look_at_state(write, &mut ground).await?;
        self.look_at_outbox(write, id, &mut ground).await?;
        Ok(ground)
    }

    /// Holds the difference against the edges: who is in already does not join again.
    async fn look_at_members(&self, write: &Write, group: Uuid, ground: &mut Ground) -> Result<(), CommitError> {
        let change = &write.membership;
        if change.is_empty() {
            return Ok(());
        }
        let mut seen = HashSet::new();
        let all: Vec<_> = change.added.iter().chain(&change.removed).collect();
        if !all.iter().all(|member| seen.insert(member.id)) {
            return Err(CommitError::malformed("a member joins or leaves twice"));
        }
        let edge = |id| (Space::Edges, keys::edge(write.realm, Direction::Members, group, id));
        let edges = self.engine.get(all.iter().map(|member| edge(member.id)).collect()).await?;
        for (index, (member, edge)) in all.iter().zip(edges).enumerate() {
            let joins = index < change.added.len();
            match (joins, edge) {
                (true, None) => {
                    let name = member.resource_type.as_deref();
                    let known = name.and_then(|name| self.schemas.resource_type(name));
                    let known = known.ok_or_else(|| CommitError::malformed("a new member's type is not known"))?;
                    ground.added.push((member.id, known.number));
                }
                (false, Some(edge)) => ground.removed.push((member.id, records::decode_edge(&edge)?)),
                (true, Some(_)) | (false, None) => {}
            }
        }
        Ok(())
    }

    pub(super) async fn all_members(&self, realm: Realm, group: Uuid) -> Result<Vec<MemberId>, StoreError> {
        let mut members = Vec::new();
        let range = keys::edges(realm, Direction::Members, group);
        super::each_part(&*self.engine, Space::Edges, range, EDGES_PER_READ, |part| {
            for (key, value) in part {
                let (_, id) = keys::ends(&key).ok_or(StoreError::Corrupt { space: Space::Edges })?;
                members.push((id, records::decode_edge(&value)?));
            }
            Ok(())
        })
        .await?;
        Ok(members)
    }

    /// The groups that lose a deleted resource.
    async fn look_at_groups(&self, realm: Realm, member: Uuid, ground: &mut Ground) -> Result<(), CommitError> {
        let scan = Scan::new(Space::Edges, keys::edges(realm, Direction::Groups, member), GROUPS_LEFT_MAX + 1);
        ground.group_edges = self.engine.scan(scan.keys()).await?.into_iter().map(|(key, _)| key).collect();
        if ground.group_edges.len() > GROUPS_LEFT_MAX {
            return Err(CommitError::TooManyGroups { groups_max: GROUPS_LEFT_MAX });
        }
        let corrupt = || StoreError::Corrupt { space: Space::Edges };
        let groups: Option<Vec<Uuid>> =
            ground.group_edges.iter().map(|key| keys::ends(key).map(|(_, group)| group)).collect();
        let mut groups = groups.ok_or_else(corrupt)?;
        // A group that holds itself is going anyway.
        groups.retain(|group| *group != member);
        let records = self.group_records(realm, &groups).await?;
        for (group, record) in groups.into_iter().zip(records) {
            let (resource_type, value) = record.ok_or(CommitError::Clash)?;
            let stored = records::decode_resource(Space::Resources, &resource_type, group, &value)?;
            ground.groups.push(Group { value, stored });
        }
        Ok(())
    }

    async fn look_at_state(&self, write: &Write, ground: &mut Ground) -> Result<(), CommitError> {
        let staged: BTreeMap<(&PluginName, &str), &StagedState> = write
            .effects
            .iter()
            .flat_map(|(plugin, effects)| effects.state.iter().map(move |s| ((plugin, s.key.as_str()), s)))
            .collect();
        if staged.is_empty() {
            return Ok(());
        }
        let keys = staged.keys().map(|(plugin, key)| (Space::State, keys::state(write.realm, plugin, key)));
        let found = self.engine.get(keys.collect()).await?;
        for (((plugin, _), staged), found) in staged.into_iter().zip(found) {
            if let Some(expected) = &staged.expected {
                let record: Option<StateRecord> =
                    found.as_deref().map(|value| records::decode(Space::State, value)).transpose()?;
                let alive = record.filter(|record| record.is_alive(write.now)).map(|record| record.value);
                if alive != *expected {
                    return Err(CommitError::Clash);
                }
            }
            ground.state.push(State { plugin: plugin.clone(), staged: staged.clone(), found });
        }
        Ok(())
    }

    /// Which messages go out, and which waiting ones they take the place of.
    async fn look_at_outbox(&self, write: &Write, id: Uuid, ground: &mut Ground) -> Result<(), CommitError> {
        for (plugin, effects) in &write.effects {
            for staged in &effects.messages {
                let once = staged.deduplicate.as_ref().map(|text| once(plugin, &staged.target, id, text));
                if once.is_some() {
                    ground.messages.retain(|earlier| earlier.once != once);
                }
                ground.messages.push(Outgoing { plugin: plugin.clone(), staged: staged.clone(), once });
            }
        }
        let onces: Vec<[u8; 32]> = ground.messages.iter().filter_map(|message| message.once).collect();
        let keys = onces.iter().map(|once| (Space::Outbox, keys::outbox_once(write.realm, once))).collect();
        let waiting = self.engine.get(keys).await?;
        for (once, waiting) in onces.into_iter().zip(waiting) {
            let row = match &waiting {
                Some(key) => Some(self.get_one(Space::Outbox, key.clone()).await?.ok_or(CommitError::Clash)?),
                None => None,
            };
            ground.onces.push(Once { once, waiting: waiting.zip(row) });
        }
        Ok(())
    }
}

/// What stands for "one such message for this resource".
fn once(plugin: &PluginName, target: &str, id: Uuid, text: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [plugin.0.as_bytes(), target.as_bytes(), id.as_bytes(), text.as_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
