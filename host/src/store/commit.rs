//! The one way that anything changes: from a [`Write`] to a batch, and from its fate to an answer.
//!
//! A commit looks at the ground it stands on (the record, the edges, what the outbox and the
//! plugins hold), takes its sequence numbers, builds the batch, and hands it over. Whatever was
//! looked at is expected by the batch. When an expectation fails, its meaning says what to do: the
//! decision is stale (`Clash`), a value is taken (`Taken`), or only bookkeeping moved, and the
//! commit looks again by itself.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use futures::FutureExt;
use provost_scim::{Resource, Stamp};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::engine::{Applied, Batch, BatchError, Committed, Durable, EngineError, Expect, Key, Space, Value};
use super::ground::{Ground, Group, Once, Outgoing, State};
use super::keys::Direction;
use super::messages::{decode_message, encode_message};
use super::outbox::OutboxKey;
use super::records::{JournalRecord, MemberId, OutboxRecord, StateRecord, Superseded};
use super::sequence::Taken;
use super::write::{CommitError, Stored, Write};
use super::{Store, keys, millis, records};
use crate::context::Realm;
use crate::hook::{Cause, Message, Operation, PluginName, StagedMessage, Work};
use crate::limits::{OUTBOX_MESSAGES_MAX, STATE_ENTRIES_MAX};

/// How often a commit looks again when only bookkeeping moved under it.
const LOOKS_MAX: u32 = 16;

impl Store {
    /// Applies one write whole. Returns once it is on disk.
    ///
    /// # Errors
    /// [`CommitError::Clash`]: what the write was decided on has changed; decide again. When the
    /// caller goes away in the middle, the write happens whole or not at all.
    pub async fn commit(&self, write: Write) -> Result<Stored, CommitError> {
        let (stored, durable) = self.apply(write).await?;
        durable.await?;
        Ok(stored)
    }

    /// Applies one write whole. Returns once reads see it, with its way to the disk: nobody may be
    /// told that it happened before that, or a later [`Store::barrier`], has ended well.
    ///
    /// # Errors
    /// As [`Store::commit`], as far as it is known before the write is on disk.
    pub async fn apply(&self, write: Write) -> Result<(Stored, Durable), CommitError> {
        write.subject()?;
        for _ in 0..LOOKS_MAX {
            let ground = self.look(&write).await?;
            if let Some(applied) = self.try_apply(&write, &ground).await? {
                return Ok(applied);
            }
        }
        Err(CommitError::Clash)
    }

    /// Whether this write could be applied as things are now. Nothing is written, and nothing is
    /// reserved.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn weigh(&self, write: &Write) -> Result<(), CommitError> {
        write.subject()?;
        let ground = self.look(write).await?;
        let Assembly { batch, meanings, .. } = self.plan(write, &ground, 0)?;
        for (expect, meaning) in batch.expect.iter().zip(meanings) {
            let Meaning::Free(attribute) = meaning else { continue };
            let Expect::Value(space, key, None) = expect else { continue };
            let found = self.engine.get(vec![(*space, key.clone())]).await?;
            if found.into_iter().flatten().next().is_some() {
                return Err(CommitError::Taken { attribute });
            }
        }
        Ok(())
    }

    /// One attempt. Nothing comes back when only bookkeeping moved.
    pub(super) async fn try_apply(
        &self,
        write: &Write,
        ground: &Ground,
    ) -> Result<Option<(Stored, Durable)>, CommitError> {
        let taken = self.sequences.take(1 + ground.groups.len() as u64);
        let sequence = taken.first();
        let plan = match self.plan(write, ground, sequence) {
            Ok(plan) => plan,
            Err(error) => {
                taken.settle();
                return Err(error);
            }
        };
        let Assembly { batch, meanings, counts } = plan;
        match self.hand_over(batch, taken).await {
            Ok(Applied { committed: Committed { keys_written }, durable }) => {
                self.keys_written.fetch_add(keys_written as u64, Ordering::Relaxed);
                Ok(Some((Stored { sequence, members: ground.members_after(), keys_written }, durable)))
            }
            Err(BatchError::Failed(error)) => Err(error.into()),
            Err(BatchError::Over(index)) => {
                Err(counts.into_iter().nth(index).map_or(CommitError::Clash, Bound::passed))
            }
            Err(BatchError::Clash(index)) => match meanings.into_iter().nth(index) {
                Some(Meaning::Bookkeeping) => Ok(None),
                Some(Meaning::Free(attribute)) => Err(CommitError::Taken { attribute }),
                Some(Meaning::Decision) | None => Err(CommitError::Clash),
            },
        }
    }

    /// Gives the batch to the engine, in a task of its own: its numbers stay taken until it is
    /// durable or known to have left nothing, even if whoever asked has gone.
    async fn hand_over(&self, batch: Batch, taken: Taken) -> Result<Applied, BatchError> {
        let engine = self.engine.clone();
        let (tell, told) = oneshot::channel();
        tokio::spawn(async move {
            // Whoever is told may have gone; nobody else cares.
            match engine.apply(batch).await {
                Ok(Applied { committed, durable }) => {
                    let (tell_end, end) = oneshot::channel();
                    let end = async { end.await.unwrap_or_else(|_| Err(broke_off())) };
                    drop(tell.send(Ok(Applied { committed, durable: end.boxed() })));
                    let flushed = durable.await;
                    if flushed.is_ok() {
                        taken.settle();
                    }
                    drop(tell_end.send(flushed));
                }
                Err(failed @ BatchError::Failed(_)) => drop(tell.send(Err(failed))),
                Err(refused @ (BatchError::Clash(_) | BatchError::Over(_))) => {
                    taken.settle();
                    drop(tell.send(Err(refused)));
                }
            }
        });
        told.await.unwrap_or_else(|_| Err(broke_off().into()))
    }

    /// Builds the batch.
    fn plan(&self, write: &Write, ground: &Ground, sequence: u64) -> Result<Assembly, CommitError> {
        let (resource_type, id) = write.subject()?;
        let mut plan = Assembly::default();
        self.plan_resource(&mut plan, write, ground, sequence)?;
        plan_edges(&mut plan, write.realm, id, ground);

        let version = write.after.as_ref().or(write.before.as_ref()).map_or(0, Resource::version);
        let at = millis(write.now);
        let journal = JournalRecord {
            at,
            request_id: write.request_id.to_string(),
            actor: (*write.actor).clone(),
            operation: write.operation,
            type_number: resource_type.number,
            id,
            version,
            changed_paths: write.changed_paths.clone(),
            added: ground.added.len() as u64,
            removed: ground.removed.len() as u64,
            total_before: ground.members_before(),
            changed_by: write.changed_by.clone(),
        };
        plan.journal(write.realm, sequence, &journal, &ground.added, &ground.removed);

        let cause = Cause {
            sequence,
            request_id: journal.request_id.clone(),
            actor: journal.actor.clone(),
            operation: write.operation,
            resource_type: resource_type.name.clone(),
            id,
            version,
            at_ms: at,
            trail: write.trail.clone(),
        };
        let mut rows = Rows { store: self, realm: write.realm, cause, next: 0 };
        for Once { once, waiting } in &ground.onces {
            rows.replace(&mut plan, once, waiting.as_ref())?;
        }
        for Outgoing { plugin, staged, once } in &ground.messages {
            rows.message(&mut plan, plugin, staged, *once);
        }
        for observer in &write.observers {
            rows.observation(&mut plan, observer);
        }
        let cause = rows.cause;
        for (group, sequence) in ground.groups.iter().zip(sequence + 1..) {
            self.plan_group(&mut plan, write, group, &cause, sequence);
        }
        plan_state(&mut plan, write.realm, &ground.state);
        Ok(plan)
    }

    /// The resource itself: its record, its history, the keys by which it is found.
    fn plan_resource(
        &self,
        plan: &mut Assembly,
        write: &Write,
        ground: &Ground,
        sequence: u64,
    ) -> Result<(), CommitError> {
        let (resource_type, id) = write.subject()?;
        let key = keys::resource(write.realm, resource_type.number, id);
        let record = ground.record.as_ref().map(|(value, header)| (value, header.version));
        plan.expect(
            Meaning::Decision,
            Expect::Value(Space::Resources, key.clone(), record.map(|(value, _)| value.clone())),
        );
        if let Some((value, version)) = record {
            plan.history(write.realm, id, version, Superseded { at: millis(write.now), by: sequence }, value);
        }
        plan.batch.changes.push((
            Space::Resources,
            key,
            write.after.as_ref().map(|after| records::encode_resource(after, sequence, ground.members_after())),
        ));
        let by = match write.operation {
            Operation::Create => 1,
            Operation::Delete => -1,
            Operation::Replace | Operation::Patch => 0,
        };
        plan.count(Bound::None, keys::resource_count(write.realm, resource_type.number), by);
        self.plan_entries(plan, write.realm, write.before.as_ref(), write.after.as_ref());
        Ok(())
    }

    /// The difference between the keys by which a resource was found and will be.
    fn plan_entries(&self, plan: &mut Assembly, realm: Realm, before: Option<&Resource>, after: Option<&Resource>) {
        let entries =
            |resource: Option<&Resource>| resource.map(|r| self.catalog.entries(realm, r)).unwrap_or_default();
        let (old, mut new) = (entries(before), entries(after));
        for key in old.index.union(&old.building).filter(|key| !new.has_index(key)) {
            plan.batch.delete(Space::Index, key.clone());
        }
        // What is being built gets all entries, those that were before included: see `build`.
        for key in new.index.difference(&old.index).chain(&new.building) {
            plan.batch.put(Space::Index, key.clone(), Value::new());
        }
        for (key, _) in old.unique {
            if new.unique.remove(&key).is_none() {
                plan.batch.delete(Space::Unique, key);
            }
        }
        let Some(after) = after else { return };
        for (key, attribute) in new.unique {
            plan.expect(Meaning::Free(attribute), Expect::Value(Space::Unique, key.clone(), None));
            let owner = records::encode_owner(after.resource_type().number, after.id());
            plan.batch.put(Space::Unique, key, owner);
        }
    }

    /// A group that loses a deleted member: a version of its own, with all that goes with it.
    fn plan_group(&self, plan: &mut Assembly, write: &Write, group: &Group, cause: &Cause, sequence: u64) {
        let Group { value, stored } = group;
        let (before, realm) = (&stored.resource, write.realm);
        let (resource_type, id, stamp) = (before.resource_type(), before.id(), before.stamp());
        let last_modified = stamp.last_modified.max(write.now);
        let stamp = Stamp { version: stamp.version + 1, last_modified, ..stamp };
        let after = Resource::from_stored(resource_type.clone(), stamp, before.attributes().clone());

        let key = keys::resource(realm, resource_type.number, id);
        plan.expect(Meaning::Bookkeeping, Expect::Value(Space::Resources, key.clone(), Some(value.clone())));
        let members = stored.members.saturating_sub(1);
        plan.batch.put(Space::Resources, key, records::encode_resource(&after, sequence, members));
        plan.history(realm, id, before.version(), Superseded { at: millis(write.now), by: sequence }, value);
        self.plan_entries(plan, realm, Some(before), Some(&after));

        let gone = (cause.id, write.before.as_ref().map_or(0, |r| r.resource_type().number));
        let journal = JournalRecord {
            at: cause.at_ms,
            request_id: cause.request_id.clone(),
            actor: cause.actor.clone(),
            operation: Operation::Patch,
            type_number: resource_type.number,
            id,
            version: stamp.version,
            changed_paths: vec!["members".to_owned()],
            added: 0,
            removed: 1,
            total_before: stored.members,
            changed_by: Vec::new(),
        };
        plan.journal(realm, sequence, &journal, &[], &[gone]);
        let cause = Cause {
            sequence,
            operation: Operation::Patch,
            resource_type: resource_type.name.clone(),
            id,
            version: stamp.version,
            ..cause.clone()
        };
        let mut rows = Rows { store: self, realm, cause, next: 0 };
        for observer in &write.group_observers {
            rows.observation(plan, observer);
        }
    }
}

fn broke_off() -> EngineError {
    EngineError::Stopped { reason: "a commit broke off".to_owned() }
}

/// What a failed expectation says.
enum Meaning {
    /// The write was decided on something that changed.
    Decision,
    /// The value of this attribute is not free.
    Free(String),
    /// Something moved that nobody decided on.
    Bookkeeping,
}

/// What a count may not pass.
enum Bound {
    None,
    Outbox,
    State(PluginName),
}

impl Bound {
    fn passed(self) -> CommitError {
        match self {
            Self::None => CommitError::Clash,
            Self::Outbox => CommitError::OutboxFull { messages_max: OUTBOX_MESSAGES_MAX },
            Self::State(plugin) => CommitError::StateFull { plugin, entries_max: STATE_ENTRIES_MAX },
        }
    }

    fn max(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Outbox => Some(OUTBOX_MESSAGES_MAX),
            Self::State(_) => Some(STATE_ENTRIES_MAX),
        }
    }
}

/// A batch under construction, with the meaning of each expectation and count.
#[derive(Default)]
struct Assembly {
    batch: Batch,
    meanings: Vec<Meaning>,
    counts: Vec<Bound>,
}

impl Assembly {
    fn expect(&mut self, meaning: Meaning, expect: Expect) {
        self.meanings.push(meaning);
        self.batch.expect.push(expect);
    }

    fn count(&mut self, bound: Bound, key: Key, by: i64) {
        if by != 0 {
            self.batch.count(Space::System, key, by, bound.max());
            self.counts.push(bound);
        }
    }

    fn history(&mut self, realm: Realm, id: Uuid, version: u64, superseded: Superseded, record: &[u8]) {
        let key = keys::history(realm, id, version);
        self.batch.put(Space::History, key, records::encode_history(superseded, record));
    }

    fn journal(
        &mut self,
        realm: Realm,
        sequence: u64,
        journal: &JournalRecord,
        added: &[MemberId],
        removed: &[MemberId],
    ) {
        self.batch.put(Space::Journal, keys::journal(realm, sequence), records::encode(journal));
        for (part, value) in (0..).zip(records::encode_memberships(added, removed)) {
            self.batch.put(Space::Memberships, keys::membership(realm, sequence, part), value);
        }
    }
}

/// The outbox rows of one journal row, counted from 0.
struct Rows<'a> {
    store: &'a Store,
    realm: Realm,
    cause: Cause,
    next: u32,
}

impl Rows<'_> {
    /// Makes room for a newer message: the waiting one goes, if there is one.
    fn replace(&self, plan: &mut Assembly, once: &[u8; 32], waiting: Option<&(Key, Value)>) -> Result<(), CommitError> {
        let key = keys::outbox_once(self.realm, once);
        plan.expect(Meaning::Bookkeeping, Expect::Value(Space::Outbox, key, waiting.map(|(row, _)| row.clone())));
        if let Some((row, value)) = waiting {
            let record = decode_message(value)?;
            plan.expect(Meaning::Bookkeeping, Expect::Value(Space::Outbox, row.clone(), Some(value.clone())));
            plan.batch.delete(Space::Outbox, row.clone());
            plan.count(Bound::Outbox, keys::outbox_count(self.realm), -1);
            plan.count(Bound::None, keys::parked_count(self.realm), -i64::from(record.parked.is_some()));
        }
        Ok(())
    }

    fn message(&mut self, plan: &mut Assembly, plugin: &PluginName, staged: &StagedMessage, once: Option<[u8; 32]>) {
        let delay = i64::try_from(staged.delay_s.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let not_before = self.cause.at_ms.saturating_add(delay).min(jiff::Timestamp::MAX.as_millisecond());
        self.row(plan, plugin, &staged.target, staged.work.clone(), staged.headers.clone(), not_before, once);
    }

    fn observation(&mut self, plan: &mut Assembly, observer: &PluginName) {
        let at = self.cause.at_ms;
        self.row(plan, observer, "", Work::Observe, Vec::new(), at, None);
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one row")]
    fn row(
        &mut self,
        plan: &mut Assembly,
        plugin: &PluginName,
        target: &str,
        work: Work,
        headers: Vec<(String, String)>,
        not_before: i64,
        once: Option<[u8; 32]>,
    ) {
        let key = OutboxKey { realm: self.realm, sequence: self.cause.sequence, index: self.next };
        self.next += 1;
        let message = Message {
            key: key.idempotency_key(self.store.instance),
            plugin: plugin.clone(),
            target: target.to_owned(),
            work,
            headers,
            cause: self.cause.clone(),
        };
        let record = OutboxRecord { message, attempts: 0, not_before, parked: None, last_error: None, once };
        let row = keys::outbox(key);
        if let Some(once) = once {
            plan.batch.put(Space::Outbox, keys::outbox_once(self.realm, &once), row.clone());
        }
        plan.batch.put(Space::Outbox, row, encode_message(&record));
        plan.count(Bound::Outbox, keys::outbox_count(self.realm), 1);
    }
}

/// Memberships from both ends: who joins, who leaves, and what ends with a deleted resource.
fn plan_edges(plan: &mut Assembly, realm: Realm, id: Uuid, ground: &Ground) {
    let both = |group, member| {
        [keys::edge(realm, Direction::Members, group, member), keys::edge(realm, Direction::Groups, member, group)]
    };
    let mut gone: HashSet<Key> = ground.removed.iter().flat_map(|(member, _)| both(id, *member)).collect();
    if ground.ends {
        let range = keys::edges(realm, Direction::Groups, id);
        plan.expect(Meaning::Bookkeeping, Expect::Range(Space::Edges, range, ground.group_edges.clone()));
        let groups = ground.group_edges.iter().filter_map(|key| keys::ends(key));
        gone.extend(groups.flat_map(|(member, group)| both(group, member)));
    }
    gone.into_iter().for_each(|key| plan.batch.delete(Space::Edges, key));
    for (member, type_number) in &ground.added {
        let record = keys::resource(realm, *type_number, *member);
        plan.expect(Meaning::Decision, Expect::Present(Space::Resources, record));
        for key in both(id, *member) {
            plan.batch.put(Space::Edges, key, records::encode_edge(*type_number));
        }
    }
}

fn plan_state(plan: &mut Assembly, realm: Realm, writes: &[State]) {
    let mut by: HashMap<&PluginName, i64> = HashMap::new();
    for State { plugin, staged, found } in writes {
        let key = keys::state(realm, plugin, &staged.key);
        plan.expect(Meaning::Bookkeeping, Expect::Value(Space::State, key.clone(), found.clone()));
        *by.entry(plugin).or_default() += i64::from(staged.value.is_some()) - i64::from(found.is_some());
        if staged.value.is_some() || found.is_some() {
            let value = staged.value.clone().map(|value| records::encode(&StateRecord::new(value, staged.expires)));
            plan.batch.changes.push((Space::State, key, value));
        }
    }
    for (plugin, by) in by {
        plan.count(Bound::State(plugin.clone()), keys::state_count(realm, plugin), by);
    }
}

/// Commits many writes of new resources as one batch: a large directory for tests, in seconds.
#[cfg(test)]
pub(super) async fn merged(store: &Store, writes: Vec<Write>) {
    let taken = store.sequences.take(writes.len() as u64);
    let mut all = Batch::default();
    for (write, sequence) in writes.iter().zip(taken.first()..) {
        let Batch { expect, changes, counts } = store.plan(write, &Ground::default(), sequence).unwrap().batch;
        all.expect.extend(expect);
        all.changes.extend(changes);
        all.counts.extend(counts);
    }
    store.engine.commit(all).await.unwrap();
    taken.settle();
}
