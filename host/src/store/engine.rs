//! The seam under the store: ordered maps of bytes that change together or not at all.
//!
//! An engine knows nothing of resources, groups or plugins. It reads keys, walks ranges, and
//! applies a [`Batch`] if everything the batch expects still holds. Its one promise: a commit
//! that was acknowledged is on disk, whole; one that was not has either happened whole or left
//! nothing behind.
//!
//! There are two embedded engines, `sled` and `fjall`, and what they share is in `embedded.rs`. The
//! suite in `conformance.rs` is what both pass and the next one must.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Deserialize;

/// The engines, by the names that configurations and data directories give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// Embedded, the default.
    Sled,
    /// Embedded; for stores that outgrow the memory.
    Fjall,
}

impl EngineName {
    /// Every engine.
    pub const ALL: [EngineName; 2] = [Self::Sled, Self::Fjall];

    /// The word for it in the configuration, and its directory in the data directory.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Fjall => "fjall",
        }
    }

    /// The one that this one is not.
    pub fn other(self) -> Self {
        match self {
            Self::Sled => Self::Fjall,
            Self::Fjall => Self::Sled,
        }
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EngineName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|engine| engine.as_str() == text);
        named.ok_or_else(|| format!("expected one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// A key, made in `keys.rs` and nowhere else: never empty, and far below the 65 535 bytes that
/// every engine takes.
pub type Key = Vec<u8>;

/// A value.
pub type Value = Vec<u8>;

/// What a walk finds.
pub type Entries = Vec<(Key, Value)>;

/// One ordered map of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Space {
    /// The resources as they are now.
    Resources,
    /// Values that may occur once, and who has them.
    Unique,
    /// Secondary indexes, in the order of their values.
    Index,
    /// Memberships, from both ends.
    Edges,
    /// The resources as they were.
    History,
    /// What was done, in order.
    Journal,
    /// Who joined and who left with each journal row.
    Memberships,
    /// What waits to be sent.
    Outbox,
    /// What plugins remember.
    State,
    /// Tokens, counters, and the store's facts about itself.
    System,
}

impl Space {
    /// Every space, in the order of its number.
    pub const ALL: [Space; 10] = [
        Self::Resources,
        Self::Unique,
        Self::Index,
        Self::Edges,
        Self::History,
        Self::Journal,
        Self::Memberships,
        Self::Outbox,
        Self::State,
        Self::System,
    ];

    /// The space's place in [`Self::ALL`].
    pub fn number(self) -> usize {
        self as usize
    }

    /// The word for findings, and the name of its map on disk.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resources => "resources",
            Self::Unique => "unique",
            Self::Index => "index",
            Self::Edges => "edges",
            Self::History => "history",
            Self::Journal => "journal",
            Self::Memberships => "memberships",
            Self::Outbox => "outbox",
            Self::State => "state",
            Self::System => "system",
        }
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The keys from `from` on, up to but without `until`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key that may be in it.
    pub from: Key,
    /// The first key behind it; absent when nothing is.
    pub until: Option<Key>,
}

impl KeyRange {
    /// Every key that begins so.
    pub fn prefix(prefix: Key) -> Self {
        let until = Self::behind(&prefix);
        Self { from: prefix, until }
    }

    /// The same keys, without those up to and including `key`.
    pub fn after(mut self, key: &[u8]) -> Self {
        let mut next = key.to_vec();
        next.push(0);
        self.from = self.from.max(next);
        self
    }

    /// The keys that are in the other range too.
    pub fn and(self, other: Self) -> Self {
        let until = match (self.until, other.until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Self { from: self.from.max(other.from), until }
    }

    /// The least key that is greater than every key with this prefix.
    pub fn behind(prefix: &[u8]) -> Option<Key> {
        let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
        let mut until = prefix[..=last].to_vec();
        until[last] += 1;
        Some(until)
    }

    /// Whether no key can be in it.
    pub fn is_empty(&self) -> bool {
        self.until.as_ref().is_some_and(|until| *until <= self.from)
    }
}

/// A walk over a range.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Where.
    pub space: Space,
    /// Which keys.
    pub range: KeyRange,
    /// From the last key to the first.
    pub reverse: bool,
    /// How many keys to pass over first.
    pub skip: usize,
    /// How many keys to answer at most.
    pub limit: usize,
    /// Ends the walk with the entry at which this many bytes are reached.
    pub bytes: usize,
    /// Leaves the values empty.
    pub keys_only: bool,
}

impl Scan {
    /// The first `limit` entries of the range.
    pub fn new(space: Space, range: KeyRange, limit: usize) -> Self {
        Self { space, range, reverse: false, skip: 0, limit, bytes: usize::MAX, keys_only: false }
    }

    /// From the last key to the first.
    pub fn reversed(self) -> Self {
        Self { reverse: true, ..self }
    }

    /// Without values.
    pub fn keys(self) -> Self {
        Self { keys_only: true, ..self }
    }

    /// Ends with the entry at which this many bytes are reached.
    pub fn within(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// Passes over the first `skip` keys.
    pub fn skipping(self, skip: usize) -> Self {
        Self { skip, ..self }
    }
}

/// What must hold at the moment of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// The key has exactly this value, or none.
    Value(Space, Key, Option<Value>),
    /// The key has some value.
    Present(Space, Key),
    /// The range holds exactly these keys, in order.
    Range(Space, KeyRange, Vec<Key>),
}

/// A change to a number that several writers count in: added under the commit lock, so that
/// nobody clashes over it. A number never falls below zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Where.
    pub space: Space,
    /// Which number.
    pub key: Key,
    /// What is added.
    pub by: i64,
    /// A growing number may not pass this.
    pub max: Option<u64>,
}

/// Changes that happen together or not at all. No key is put or deleted twice.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// What must hold.
    pub expect: Vec<Expect>,
    /// What is written; without a value, deleted.
    pub changes: Vec<(Space, Key, Option<Value>)>,
    /// What is counted.
    pub counts: Vec<Count>,
}

impl Batch {
    /// Writes a value.
    pub fn put(&mut self, space: Space, key: Key, value: Value) {
        self.changes.push((space, key, Some(value)));
    }

    /// Deletes a key.
    pub fn delete(&mut self, space: Space, key: Key) {
        self.changes.push((space, key, None));
    }

    /// Adds to a number.
    pub fn count(&mut self, space: Space, key: Key, by: i64, max: Option<u64>) {
        if by != 0 {
            self.counts.push(Count { space, key, by, max });
        }
    }
}

/// A number as [`Count`] keeps it.
pub fn count_of(value: Option<&[u8]>) -> u64 {
    value.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// How many keys were written, deleted or counted.
    pub keys_written: usize,
}

/// A batch that reads see, and that is perhaps not on disk yet.
pub struct Applied {
    /// What the batch did.
    pub committed: Committed,
    /// Ends once the batch, and every batch applied before it, is on disk. Nobody has to wait for
    /// it: what was applied becomes durable anyway.
    pub durable: Durable,
}

/// The end of a batch's way to the disk.
pub type Durable = BoxFuture<'static, Result<(), EngineError>>;

/// Why an engine gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// Reading failed.
    #[error("the `{space}` space could not be read")]
    Read {
        /// Where.
        space: Space,
        /// What the engine said.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The engine failed once and takes nothing more, since it no longer knows what is on disk.
    #[error("the store has stopped and must be opened again: {reason}")]
    Stopped {
        /// What failed first.
        reason: String,
    },
}

/// Why a batch was not applied.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BatchError {
    /// The expectation with this index does not hold.
    #[error("expectation {0} does not hold")]
    Clash(usize),
    /// The count with this index would pass its bound.
    #[error("count {0} would pass its bound")]
    Over(usize),
    /// It is not known whether the batch is on disk, and nothing more is taken.
    #[error(transparent)]
    Failed(#[from] EngineError),
}

/// How many keys were read from each space since the start: a number for tests and metrics.
#[derive(Debug, Default)]
pub struct Reads([AtomicU64; Space::ALL.len()]);

impl Reads {
    /// Notes that so many keys were looked at.
    pub fn note(&self, space: Space, keys: usize) {
        self.0[space.number()].fetch_add(keys as u64, Ordering::Relaxed);
    }

    /// How many keys of this space were looked at.
    pub fn of(&self, space: Space) -> u64 {
        self.0[space.number()].load(Ordering::Relaxed)
    }
}

/// Ordered maps of bytes, one per space, that can change many keys in many spaces at once, or none.
///
/// A batch can be read as soon as it is applied, which is before it is durable. Who has read a part
/// of it reads all of it from then on.
pub trait Engine: Send + Sync + 'static {
    /// The values of these keys, in their order.
    fn get(&self, keys: Vec<(Space, Key)>) -> BoxFuture<'_, Result<Vec<Option<Value>>, EngineError>>;

    /// Walks a range. Each entry is as it was at some moment of the walk.
    fn scan(&self, scan: Scan) -> BoxFuture<'_, Result<Vec<(Key, Value)>, EngineError>>;

    /// Walks several ranges in one read: the entries of each, in the order of the scans.
    fn scan_each(&self, scans: Vec<Scan>) -> BoxFuture<'_, Result<Vec<Entries>, EngineError>> {
        async move {
            let mut found = Vec::with_capacity(scans.len());
            for scan in scans {
                found.push(self.scan(scan).await?);
            }
            Ok(found)
        }
        .boxed()
    }

    /// Applies the batch if all it expects holds, and returns once reads see it, which may be before
    /// it is durable. Expectations are looked at in order, counts after them.
    ///
    /// If the future is dropped, the batch may still be applied: whole or not at all.
    fn apply(&self, batch: Batch) -> BoxFuture<'_, Result<Applied, BatchError>>;

    /// Applies the batch, and returns once it is durable.
    ///
    /// If the future is dropped, the batch may still be applied: whole or not at all.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, BatchError>> {
        async move {
            let Applied { committed, durable } = self.apply(batch).await?;
            durable.await?;
            Ok(committed)
        }
        .boxed()
    }

    /// The read counters.
    fn reads(&self) -> &Reads;

    /// Whether the engine failed once and takes nothing more.
    fn has_stopped(&self) -> bool;

    /// Waits for what is under way, and lets go of the files. Later calls fail.
    fn close(&self) -> BoxFuture<'_, ()>;
}
