//! The store: everything that must survive, behind one `commit`.
//!
//! A change is a [`Write`], a finished value: nothing here decides anything. Committing it changes
//! the resource, the keys by which it is found, its memberships, its history, the journal, the
//! outbox and the plugins' state in one batch, and returns once that is on disk; `apply` returns
//! earlier, for whoever waits for the disk once after many changes. What it stood on
//! (the resource's version, that a value was free, that a member exists) is expected by the batch
//! itself, so two writers can never both be right about the same thing.
//!
//! Reads are of single moments: a page of a list may show one resource before a change and the
//! next after another. What a read shows may not be on disk yet; what was acknowledged is.
//!
//! The layers, from below: an [`Engine`] (ordered keys, atomic batches), `keys` and `records`
//! (bytes), `catalog` (which attributes are indexed), and above them what the rest of the server
//! calls. The embedded engines are `embedded` (what they share) on a database each, and only
//! `sled.rs` and `fjall.rs` know which database it is; `directory` says which one a directory holds.

mod ancestry;
mod budget;
mod build;
mod catalog;
mod check;
mod commit;
#[cfg(test)]
mod conformance;
mod copy;
#[cfg(test)]
mod crash;
mod directory;
mod embedded;
pub mod engine;
mod fjall;
mod ground;
mod jobs;
mod joins;
mod keys;
mod messages;
mod order;
mod outbox;
mod plan;
mod prune;
mod query;
mod reads;
mod records;
mod sequence;
mod settle;
mod sight;
mod sled;
mod state;
#[cfg(test)]
mod tests;
mod tokens;
mod types;
mod write;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use provost_scim::Schemas;
use tokio::sync::watch;
use uuid::Uuid;

use crate::context::Realm;
use crate::limits::SCAN_RESOURCES_MAX;

pub use ancestry::{Ancestry, Lineage};
pub use build::{IndexState, IndexStatus};
pub use catalog::{Index, IndexError};
pub use check::{Finding, Misfit, Report};
pub use copy::{CopyError, Moved, copy, engine_of};
pub use engine::{Durable, Engine, EngineError, EngineName, Space};
pub use jobs::{EndedRun, JobRecord, OpenRun};
pub use outbox::{OutboxCounts, OutboxKey, OutboxRow};
pub use prune::Pruned;
pub use query::{FindError, Listing, Order, Page, Part, Portion, Position, Query, Start};
pub use reads::{GroupOf, HistoryEntry, JournalEntry};
pub use sight::{Share, Sight};
pub use state::StateError;
pub use tokens::TokenRecord;
pub use write::{CommitError, Stored, Write};

use catalog::Catalog;
use engine::{Batch, BatchError, KeyRange, Scan, Value};
use sequence::Sequences;

/// The format of everything on disk. A store of a newer one is not opened.
const FORMAT: u32 = 1;

/// The realms that this store holds.
const REALMS: [Realm; 1] = [Realm::DEFAULT];

/// How much of the database is kept in memory, in bytes, unless the operator says otherwise.
pub const CACHE_BYTES_DEFAULT: u64 = 256 * 1024 * 1024;

/// How the store is opened.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The data directory; made if it is not there.
    pub dir: PathBuf,
    /// Which engine keeps the data.
    pub engine: EngineName,
    /// How much of the database is kept in memory, in bytes.
    pub cache_bytes: u64,
    /// The attributes that are indexed, beside those that are unique; absent: those that the store
    /// has already, for whoever only looks into it.
    pub indexes: Option<Vec<Index>>,
    /// How many resources, and edges joined to them, one query may look at.
    pub scan_resources_max: usize,
}

impl StoreConfig {
    /// The usual choices for this directory.
    pub fn new(dir: impl Into<PathBuf>, schemas: &Schemas) -> Self {
        Self {
            dir: dir.into(),
            engine: EngineName::Sled,
            cache_bytes: CACHE_BYTES_DEFAULT,
            indexes: Some(Index::standard(schemas)),
            scan_resources_max: SCAN_RESOURCES_MAX,
        }
    }
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process works on it.
    #[error("another process is using the data directory `{}`; stop it, or choose another directory", dir.display())]
    InUse {
        /// Which directory.
        dir: PathBuf,
    },
    /// The directory, or what is in it, could not be read or written.
    #[error("the data directory `{}` could not be opened", dir.display())]
    Directory {
        /// Which directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It holds another engine's data.
    #[error(
        "the data directory `{dir}` holds a store of the engine `{found}`, and `{wanted}` is asked for; set `store.engine = \"{found}\"`, or move it: `provost store copy --from {dir} --to NEW --engine {wanted}`",
        dir = dir.display()
    )]
    OtherEngine {
        /// Which directory.
        dir: PathBuf,
        /// The engine that made it.
        found: EngineName,
        /// The engine that was to open it.
        wanted: EngineName,
    },
    /// It holds half a copy.
    #[error(
        "the data directory `{}` holds a copy that was not finished, and no store; delete it and run `provost store copy` again",
        dir.display()
    )]
    Unfinished {
        /// Which directory.
        dir: PathBuf,
    },
    /// Its mark names no engine.
    #[error("`{}` names no engine that this release knows; use the release that wrote it or a later one", file.display())]
    UnknownEngine {
        /// The mark.
        file: PathBuf,
    },
    /// A later release wrote it.
    #[error(
        "the store has format {found}, and this release knows formats up to {known}; use the release that wrote it or a later one"
    )]
    Newer {
        /// The format on disk.
        found: u32,
        /// The newest known.
        known: u32,
    },
    /// An attribute became unique, and its stored values are not.
    #[error("`{attribute}` of {resource_type} is to be unique, but stored resources share values of it")]
    NotUnique {
        /// The resource type.
        resource_type: String,
        /// The attribute's path.
        attribute: String,
    },
    /// Resources of a type are stored, and the configuration no longer has the type.
    #[error(
        "the store holds {resources} resources of the type `{resource_type}`, which the configuration no longer has; put its definition back, and delete them first if it is to go"
    )]
    TypeGone {
        /// The resource type.
        resource_type: String,
        /// How many there are.
        resources: u64,
    },
    /// A new type's number belongs to another type, which the store had once.
    #[error(
        "the resource type `{resource_type}` shares its storage number with `{known}`, which this store has had; give it another name"
    )]
    NumberTaken {
        /// The new type.
        resource_type: String,
        /// The one that has the number.
        known: String,
    },
    /// The store failed while it was opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the store gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The engine gave none.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A record does not make sense.
    #[error("a record in the `{space}` space cannot be read; `provost check --data` says more")]
    Corrupt {
        /// Where.
        space: Space,
    },
    /// Something stands in the way.
    #[error("{reason}")]
    Unavailable {
        /// One sentence.
        reason: String,
    },
}

impl StoreError {
    /// A failure that has no better name.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into() }
    }
}

/// Everything that must survive.
pub struct Store {
    engine: Arc<dyn Engine>,
    schemas: Arc<Schemas>,
    catalog: Catalog,
    type_names: types::Names,
    sequences: Sequences,
    instance: Uuid,
    cursor_key: [u8; 32],
    /// How many resources and memberships one list may look at.
    scan_resources_max: usize,
    keys_written: AtomicU64,
    base_url: OnceLock<String>,
}

impl Store {
    /// Opens the embedded store, or makes it.
    ///
    /// # Errors
    /// [`OpenError::InUse`] when another process works on the directory, [`OpenError::OtherEngine`]
    /// when another engine's data is in it.
    pub async fn open(config: &StoreConfig, schemas: Arc<Schemas>) -> Result<Self, OpenError> {
        let (dir, engine, cache_bytes) = (config.dir.clone(), config.engine, config.cache_bytes);
        let engine = tokio::task::spawn_blocking(move || directory::open(&dir, engine, cache_bytes));
        let engine = engine.await.map_err(|_| StoreError::unavailable("opening the store broke off"))??;
        Self::on(engine, schemas, config).await
    }

    /// Opens a store on an engine.
    async fn on(engine: Arc<dyn Engine>, schemas: Arc<Schemas>, config: &StoreConfig) -> Result<Self, OpenError> {
        let instance = settle_format(&*engine).await?;
        let type_names = types::settle(&*engine, &schemas).await?;
        let cursor_key = settle_cursor_key(&*engine).await?;
        let catalog = Catalog::open(&*engine, &schemas, config.indexes.as_deref()).await?;
        let sequences = Sequences::after(last_sequence(&*engine).await?);
        Ok(Self {
            engine,
            schemas,
            catalog,
            type_names,
            sequences,
            instance,
            cursor_key,
            scan_resources_max: config.scan_resources_max,
            keys_written: AtomicU64::new(0),
            base_url: OnceLock::new(),
        })
    }

    /// Says once where clients reach the server: filters on `$ref` compare with URIs made from it.
    pub fn reached_at(&self, base_url: &str) {
        self.base_url.get_or_init(|| base_url.to_owned());
    }

    /// Waits for what is under way, and lets go of the files. Later calls fail.
    pub async fn close(&self) {
        self.engine.close().await;
    }

    /// Returns once everything that a read has shown until now is on disk. For an answer that
    /// acknowledges what somebody else has just changed.
    ///
    /// # Errors
    /// When it cannot be made durable.
    pub async fn barrier(&self) -> Result<(), StoreError> {
        match self.engine.commit(Batch::default()).await {
            Ok(_) => Ok(()),
            Err(BatchError::Failed(error)) => Err(error.into()),
            // A batch without expectations and counts meets none that fails.
            Err(BatchError::Clash(_) | BatchError::Over(_)) => Ok(()),
        }
    }

    /// Whether the store failed once and takes no more changes, since it no longer knows what is on disk.
    pub fn has_stopped(&self) -> bool {
        self.engine.has_stopped()
    }

    /// The store's own id, made when it was.
    pub fn instance(&self) -> Uuid {
        self.instance
    }

    /// The key under which cursors are sealed: random, made when the store was first opened, so that
    /// cursors outlive a restart.
    pub fn cursor_key(&self) -> &[u8; 32] {
        &self.cursor_key
    }

    /// How many keys changes have written, deleted or counted since the start.
    pub fn keys_written(&self) -> u64 {
        self.keys_written.load(Ordering::Relaxed)
    }

    /// How many keys of a space were read since the start.
    pub fn keys_read(&self, space: Space) -> u64 {
        self.engine.reads().of(space)
    }

    /// The highest journal sequence up to which every row is on disk.
    pub fn settled(&self) -> u64 {
        self.sequences.settled()
    }

    /// Tells whenever rows of the journal and the outbox have become durable, and up to where.
    pub fn outbox_ready(&self) -> watch::Receiver<u64> {
        self.sequences.watch()
    }

    async fn get_one(&self, space: Space, key: engine::Key) -> Result<Option<Value>, StoreError> {
        Ok(self.engine.get(vec![(space, key)]).await?.pop().flatten())
    }

    async fn get_count(&self, key: engine::Key) -> Result<u64, StoreError> {
        Ok(engine::count_of(self.get_one(Space::System, key).await?.as_deref()))
    }
}

/// Reads the format and the store's id, or writes them into a new store.
async fn settle_format(engine: &dyn Engine) -> Result<Uuid, OpenError> {
    let keys = vec![(Space::System, keys::format()), (Space::System, keys::instance())];
    let corrupt = || StoreError::Corrupt { space: Space::System };
    let found = engine.get(keys).await.map_err(StoreError::from)?;
    match found.as_slice() {
        [Some(format), Some(instance)] => {
            let found: u32 = format.as_slice().try_into().map(u32::from_be_bytes).map_err(|_| corrupt())?;
            if found > FORMAT {
                return Err(OpenError::Newer { found, known: FORMAT });
            }
            Ok(Uuid::from_slice(instance).map_err(|_| corrupt())?)
        }
        [None, None] => {
            let instance = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
            let mut batch = Batch::default();
            batch.put(Space::System, keys::format(), FORMAT.to_be_bytes().to_vec());
            batch.put(Space::System, keys::instance(), instance.as_bytes().to_vec());
            commit_plain(engine, batch).await?;
            Ok(instance)
        }
        _ => Err(corrupt().into()),
    }
}

/// Reads the key that cursors are sealed with, or makes it.
async fn settle_cursor_key(engine: &dyn Engine) -> Result<[u8; 32], OpenError> {
    let place = vec![(Space::System, keys::cursor_key())];
    if let [Some(key)] = engine.get(place).await.map_err(StoreError::from)?.as_slice() {
        return Ok(key.as_slice().try_into().map_err(|_| StoreError::Corrupt { space: Space::System })?);
    }
    let key: [u8; 32] = rand::random();
    let mut batch = Batch::default();
    batch.put(Space::System, keys::cursor_key(), key.to_vec());
    commit_plain(engine, batch).await?;
    Ok(key)
}

/// The last sequence that any realm's journal holds.
async fn last_sequence(engine: &dyn Engine) -> Result<u64, StoreError> {
    let mut last = 0;
    for realm in REALMS {
        let scan = Scan::new(Space::Journal, keys::realm(realm), 1).reversed().keys();
        if let [(key, _)] = engine.scan(scan).await?.as_slice() {
            let sequence = keys::sequence(key).ok_or(StoreError::Corrupt { space: Space::Journal })?;
            last = last.max(sequence);
        }
    }
    Ok(last)
}

/// Commits a batch that nobody can clash with.
async fn commit_plain(engine: &dyn Engine, batch: Batch) -> Result<(), StoreError> {
    match engine.commit(batch).await {
        Ok(_) => Ok(()),
        Err(BatchError::Failed(error)) => Err(error.into()),
        Err(error) => Err(StoreError::unavailable(format!("a batch without conditions was refused: {error}"))),
    }
}

/// Milliseconds since the epoch: how every time is kept.
fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

fn timestamp(space: Space, millis: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(millis).map_err(|_| StoreError::Corrupt { space })
}

/// Walks a whole range in parts of bounded size.
async fn each_part(
    engine: &dyn Engine,
    space: Space,
    mut range: KeyRange,
    limit: usize,
    mut part: impl FnMut(Vec<(engine::Key, Value)>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    loop {
        let found = engine.scan(Scan::new(space, range.clone(), limit)).await?;
        let Some((last, _)) = found.last() else { return Ok(()) };
        range = range.after(last);
        let ended = found.len() < limit;
        part(found)?;
        if ended {
            return Ok(());
        }
    }
}
