//! The embedded database sled 0.34, one tree for each space.
//!
//! A batch is one sled transaction over finished values. Batches are applied while a flush goes on.
//!
//! Two things are never done. `flush_async` is not called: in 0.34.7 its jobs fill the pool that
//! must write the buffers they wait for, and everybody hangs. And the periodic flush is off, since
//! the engine has a flusher of its own.

use std::convert::Infallible;
use std::io;

use sled::transaction::{ConflictableTransactionError, TransactionError, Transactional, TransactionalTree};
use sled::{IVec, Tree};

use super::OpenError;
use super::directory::{Directory, LOCK_WAIT, patiently};
use super::embedded::{Change, Database, Embedded, Entry};
use super::engine::{EngineName, KeyRange, Space};

/// A sled database.
pub struct Sled {
    trees: Vec<Tree>,
    db: sled::Db,
}

/// Opens the database in this directory, or makes it.
///
/// # Errors
/// When it cannot be read or made.
pub fn open(directory: Directory, cache_bytes: u64) -> Result<Embedded<Sled>, OpenError> {
    let path = directory.of(EngineName::Sled);
    let config = sled::Config::new().path(path).cache_capacity(cache_bytes).flush_every_ms(None);
    let unusable = |error: sled::Error| directory.unusable(io::Error::other(error));
    let db = patiently(LOCK_WAIT, || config.open(), is_locked).map_err(unusable)?;
    let trees = Space::ALL.iter().map(|space| db.open_tree(space.as_str())).collect::<Result<_, _>>();
    let database = Sled { trees: trees.map_err(unusable)?, db };
    Embedded::start(database, directory)
}

/// sled has no error of its own for a file that somebody holds locked.
fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

impl Sled {
    fn tree(&self, space: Space) -> &Tree {
        &self.trees[space.number()]
    }
}

impl Database for Sled {
    type Error = sled::Error;
    type Bytes = IVec;
    const BATCHES_PER_FLUSH: usize = 1;

    fn get(&self, space: Space, key: &[u8]) -> sled::Result<Option<IVec>> {
        self.tree(space).get(key)
    }

    fn range(&self, space: Space, range: &KeyRange) -> impl DoubleEndedIterator<Item = Entry<Self>> {
        match &range.until {
            Some(until) => self.tree(space).range(range.from.as_slice()..until.as_slice()),
            None => self.tree(space).range(range.from.as_slice()..),
        }
    }

    fn apply(&self, changes: Vec<Change>) -> sled::Result<()> {
        let mut staged: Vec<Option<sled::Batch>> = Space::ALL.iter().map(|_| None).collect();
        for (space, key, value) in changes {
            let staged = staged[space.number()].get_or_insert_default();
            match value {
                Some(value) => staged.insert(key, value),
                None => staged.remove(key),
            }
        }
        let (trees, staged): (Vec<&Tree>, Vec<sled::Batch>) =
            self.trees.iter().zip(staged).filter_map(|(tree, batch)| Some((tree, batch?))).unzip();
        let applied = trees[..].transaction(|views: &Vec<TransactionalTree>| {
            views.iter().zip(&staged).try_for_each(|(view, batch)| view.apply_batch(batch))?;
            Ok::<_, ConflictableTransactionError<Infallible>>(())
        });
        applied.map_err(|error| match error {
            TransactionError::Storage(error) => error,
            TransactionError::Abort(never) => match never {},
        })
    }

    fn flush(&self) -> sled::Result<()> {
        self.db.flush().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{Open, conformance};
    use super::super::{directory, embedded};
    use super::*;

    const CACHE_BYTES: u64 = 16 * 1024 * 1024;

    const OPEN: Open = |dir| directory::open(dir, EngineName::Sled, CACHE_BYTES).unwrap();

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
}
