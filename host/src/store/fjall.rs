//! The embedded database fjall 3, one keyspace for each space: log-structured trees under one journal.
//!
//! A batch is written to the journal whole, then to the memtables of its keyspaces, and a flush is
//! one `fdatasync` of the journal. The journal is held while it is synced, so batches that came
//! meanwhile are applied together afterwards and share the next sync.
//!
//! Readers read snapshots, and a snapshot holds whole batches only. What leaves a memtable goes
//! to sorted tables, which one background thread writes and merges.
//!
//! Left alone, fjall bounds neither the memory that waits for that thread nor the wait itself: a
//! memtable grows as long as the thread is busy merging, a queue that it must write to itself can
//! fill, and a writer that fjall holds up waits for ever if the thread has died. So memtables are
//! rotated here, and writers are held up here, before fjall's own measures begin.

use std::io;
use std::thread;
use std::time::Duration;

use fjall::{AbstractTree as _, Database as Fjall, Error, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};

use super::OpenError;
use super::directory::{Directory, LOCK_WAIT, patiently};
use super::embedded::{Change, Database, Embedded, Entry};
use super::engine::{EngineName, KeyRange, Space};

/// How much a keyspace's memtable holds before it is rotated, in bytes. A tree of ten million small
/// keys is then written in some hundred tables, which keeps merging cheap enough; and see
/// [`SEALED_MEMTABLES_MAX`].
const MEMTABLE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How many rotated memtables of a keyspace may wait to be written before writers wait. With the
/// one that is being filled, a keyspace holds at most four: 64 MiB. A load of users fills five
/// keyspaces at a time, and reaches their 320 MiB only if the disk does not follow; all ten
/// together would stand at 640 MiB.
const SEALED_MEMTABLES_MAX: usize = 3;

/// How many unmerged tables of a keyspace may lie over each other before writers wait. Four begin a
/// merge; each one more is one more look for a reader. fjall holds writers up at twenty.
const UNMERGED_TABLES_MAX: usize = 16;

/// How much journal may be kept, in bytes: when there is more, the keyspaces that the oldest part is
/// kept for are written out. This and the part being written, which is of about the same size, is
/// what opening reads after a crash.
const JOURNAL_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// How many table files are kept open. The default, 900, is near the usual limit of a whole process.
const OPEN_FILES_MAX: usize = 256;

/// How many threads write and merge tables. With more than one, fjall's first never rests while
/// another merges: it takes the next merge from the queue and puts it back, over and over.
const WORKER_THREADS: usize = 1;

/// How many batches are applied together at most. More do not make the sync cheaper, and the first
/// of them waits for the last.
const BATCHES_TOGETHER_MAX: usize = 256;

/// How long a writer that is held up rests before it looks again.
const HOLD_UP: Duration = Duration::from_millis(1);

/// A fjall database.
pub struct Keyspaces {
    /// In the order of the spaces' numbers.
    keyspaces: Vec<Keyspace>,
    db: Fjall,
}

/// Opens the database in this directory, or makes it. `cache_bytes` is for blocks of tables, their
/// indexes and filters; what memtables hold comes on top.
///
/// # Errors
/// When it cannot be read or made.
pub fn open(directory: Directory, cache_bytes: u64) -> Result<Embedded<Keyspaces>, OpenError> {
    let path = directory.of(EngineName::Fjall);
    let opened = patiently(
        LOCK_WAIT,
        || {
            Fjall::builder(&path)
                .cache_size(cache_bytes)
                .manual_journal_persist(true)
                .max_cached_files(Some(OPEN_FILES_MAX))
                .max_journaling_size(JOURNAL_BYTES_MAX)
                .worker_threads(WORKER_THREADS)
                .open()
        },
        |error| matches!(error, Error::Locked),
    );
    let unusable = |error: Error| directory.unusable(io::Error::other(error));
    let db = opened.map_err(unusable)?;
    // fjall would rotate at this size by itself, and must not: that is done here.
    let options = || KeyspaceCreateOptions::default().manual_journal_persist(true).max_memtable_size(u64::MAX);
    let keyspaces = Space::ALL.iter().map(|space| db.keyspace(space.as_str(), options)).collect::<Result<_, _>>();
    let database = Keyspaces { keyspaces: keyspaces.map_err(unusable)?, db };
    Embedded::start(database, directory)
}

impl Keyspaces {
    fn of(&self, space: Space) -> &Keyspace {
        &self.keyspaces[space.number()]
    }

    /// Waits until the background thread has caught up with this keyspace.
    fn hold_up(&self, keyspace: &Keyspace) -> Result<(), Error> {
        while keyspace.sealed_memtable_count() >= SEALED_MEMTABLES_MAX
            || keyspace.l0_table_count() >= UNMERGED_TABLES_MAX
        {
            // Nothing is synced by this; it fails if the thread has, and then nobody catches up.
            self.db.persist(PersistMode::Buffer)?;
            thread::sleep(HOLD_UP);
        }
        Ok(())
    }
}

impl Database for Keyspaces {
    type Error = Error;
    type Bytes = fjall::Slice;
    const BATCHES_PER_FLUSH: usize = BATCHES_TOGETHER_MAX;

    fn get(&self, space: Space, key: &[u8]) -> fjall::Result<Option<fjall::Slice>> {
        self.db.snapshot().get(self.of(space), key)
    }

    fn range(&self, space: Space, range: &KeyRange) -> impl DoubleEndedIterator<Item = Entry<Self>> {
        let snapshot = self.db.snapshot();
        let entries = match &range.until {
            Some(until) => snapshot.range(self.of(space), range.from.as_slice()..until.as_slice()),
            None => snapshot.range(self.of(space), range.from.as_slice()..),
        };
        entries.map(fjall::Guard::into_inner)
    }

    fn apply(&self, changes: Vec<Change>) -> fjall::Result<()> {
        let mut touched: Vec<Space> = changes.iter().map(|(space, _, _)| *space).collect();
        touched.sort_unstable();
        touched.dedup();
        for space in &touched {
            self.hold_up(self.of(*space))?;
        }
        let mut batch = fjall::OwnedWriteBatch::with_capacity(self.db.clone(), changes.len());
        for (space, key, value) in changes {
            match value {
                Some(value) => batch.insert(self.of(space), key, value),
                None => batch.remove(self.of(space), key),
            }
        }
        batch.commit()?;
        for keyspace in touched.into_iter().map(|space| self.of(space)) {
            if keyspace.tree.active_memtable().size() >= MEMTABLE_BYTES_MAX {
                keyspace.rotate_memtable()?;
            }
        }
        Ok(())
    }

    /// `fdatasync` suffices: it writes the file's length and blocks with it, and nobody asks when
    /// the journal was last touched.
    fn flush(&self) -> fjall::Result<()> {
        self.db.persist(PersistMode::SyncData)
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{Open, conformance};
    use super::super::engine::{Batch, BatchError, EngineError};
    use super::super::{directory, embedded};
    use super::*;

    const CACHE_BYTES: u64 = 16 * 1024 * 1024;

    const OPEN: Open = |dir| directory::open(dir, EngineName::Fjall, CACHE_BYTES).unwrap();

    conformance!(OPEN);

    #[tokio::test]
    async fn what_was_applied_before_a_failed_flush_never_becomes_durable() {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(Directory::lock(dir.path()).unwrap(), CACHE_BYTES).unwrap();
        embedded::tests::what_was_applied_before_a_failed_flush_never_becomes_durable(engine).await;
    }

    #[tokio::test]
    async fn after_a_failed_flush_nothing_is_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(Directory::lock(dir.path()).unwrap(), CACHE_BYTES).unwrap();
        embedded::tests::after_a_failed_flush_nothing_is_acknowledged(engine).await;
    }

    #[tokio::test]
    async fn when_tables_cannot_be_written_the_engine_stops_and_holds_nobody_up_for_ever() {
        const BATCH_BYTES: usize = 1024 * 1024;
        // All that may wait in memory, and once as much again.
        let batches = 2 * (SEALED_MEMTABLES_MAX + 1) * (MEMTABLE_BYTES_MAX as usize / BATCH_BYTES);
        let dir = tempfile::tempdir().unwrap();
        let engine = OPEN(dir.path());
        // The journal lies elsewhere, and goes on.
        std::fs::remove_dir_all(dir.path().join("fjall/keyspaces")).unwrap();

        let mut failed = None;
        for n in 0..batches {
            let mut batch = Batch::default();
            batch.put(Space::Resources, n.to_be_bytes().to_vec(), vec![7; BATCH_BYTES]);
            if let Err(error) = engine.commit(batch).await {
                failed = Some(error);
                break;
            }
        }

        assert!(matches!(failed, Some(BatchError::Failed(EngineError::Stopped { .. }))), "{failed:?}");
        assert!(engine.has_stopped());
        engine.close().await;
    }
}
