//! The embedded engine: sled 0.34, one tree for each space.
//!
//! One thread writes: it takes batches from a queue, looks at what each expects, and applies it
//! as one sled transaction over finished values. Another thread flushes: every batch applied
//! before a flush began shares its end, and only then is it durable. So sixteen writers, or a
//! thousand operations of one request, pay for one sync between them.
//!
//! Three things are never done. `flush_async` is not called: in 0.34.7 its jobs fill the pool
//! that must write the buffers they wait for, and everybody hangs. The periodic flush is off,
//! since this is the only flusher. And after a write or a flush has failed nothing more is
//! acknowledged, because nobody knows any longer what is on disk.

use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc as blocking;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use sled::Tree;
use sled::transaction::{ConflictableTransactionError, Transactional, TransactionalTree};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use super::OpenError;
use super::engine::{
    Applied, Batch, BatchError, Committed, Engine, EngineError, Entries, Expect, Key, KeyRange, Reads, Scan, Space,
    Value, count_of,
};

/// How many batches may queue for the writing thread; more callers wait outside.
const QUEUE_BATCHES_MAX: usize = 1_024;

/// The file in the data directory that one process at a time holds locked.
const LOCK_FILE: &str = "lock";

/// The directory in the data directory that is sled's own.
const SLED_DIRECTORY: &str = "sled";

/// How long a locked directory is given to be let go. A process that has just started another one
/// shares its open files with it for a moment, locks included.
const LOCK_WAIT: Duration = Duration::from_millis(500);

/// How long sled's own lock is given. Whoever has the directory's lock is the only one who could
/// hold it: a database closed just now, whose background work is not quite over.
const SLED_LOCK_WAIT: Duration = Duration::from_secs(10);

/// How long to rest between two attempts.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A sled database as an engine.
pub struct SledEngine {
    open: RwLock<Option<Arc<Open>>>,
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    shared: Arc<Shared>,
}

/// The open files. Fields are dropped in this order: the lock goes last.
struct Open {
    trees: Vec<Tree>,
    db: sled::Db,
    _lock: File,
}

/// What outlives the files.
#[derive(Default)]
struct Shared {
    reads: Reads,
    failed: OnceLock<String>,
    #[cfg(test)]
    flush_fails: std::sync::atomic::AtomicBool,
}

/// A batch, and who waits until it is applied.
struct Job {
    batch: Batch,
    answer: oneshot::Sender<Result<Applied, BatchError>>,
}

/// Who waits until a batch that is applied is durable.
type Unflushed = oneshot::Sender<Result<(), EngineError>>;

impl SledEngine {
    /// Opens the database in this data directory, or makes it.
    ///
    /// # Errors
    /// [`OpenError::InUse`] when another process has it.
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, OpenError> {
        let open = Arc::new(open(dir, cache_bytes)?);
        let shared = Arc::new(Shared::default());
        let (queue, jobs) = mpsc::channel(QUEUE_BATCHES_MAX);
        let (unflushed, to_flush) = blocking::channel();
        let writer = Worker { open: open.clone(), shared: shared.clone() };
        let flusher = Worker { open: open.clone(), shared: shared.clone() };
        let threads = vec![
            start(dir, "store-write", move || writer.write(jobs, &unflushed))?,
            start(dir, "store-flush", move || flusher.flush(&to_flush))?,
        ];
        Ok(Self { open: RwLock::new(Some(open)), queue: Mutex::new(Some(queue)), threads: Mutex::new(threads), shared })
    }

    /// Makes every flush fail.
    #[cfg(test)]
    fn break_flush(&self) {
        self.shared.flush_fails.store(true, std::sync::atomic::Ordering::SeqCst);
    }

    /// Runs a read where it may block: pages that left the cache come from disk, and a large
    /// commit holds readers up while it is applied.
    ///
    /// `spawn_blocking` rather than `block_in_place`: measured, the way there and back takes about
    /// 10 µs with either, and this one works on every kind of runtime and leaves the caller's task
    /// free to be cancelled or timed out.
    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Open, &Reads) -> Result<T, EngineError> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, EngineError>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner).clone();
        let shared = self.shared.clone();
        async move {
            let open = open.ok_or_else(closed)?;
            let read = tokio::task::spawn_blocking(move || read(&open, &shared.reads));
            read.await.unwrap_or_else(|_| Err(stopped("a read broke off")))
        }
        .boxed()
    }

    /// Lets no more work in, and answers what there is left to wait for.
    fn shut(&self) -> impl FnOnce() + Send + 'static {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let threads: Vec<_> = self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        let open = self.open.write().unwrap_or_else(PoisonError::into_inner).take();
        move || {
            // A thread that panicked has said so.
            threads.into_iter().map(JoinHandle::join).for_each(drop);
            drop(open);
        }
    }
}

impl Engine for SledEngine {
    fn get(&self, keys: Vec<(Space, Key)>) -> BoxFuture<'_, Result<Vec<Option<Value>>, EngineError>> {
        if keys.is_empty() {
            return async { Ok(Vec::new()) }.boxed();
        }
        self.read(move |open, reads| {
            let get = |(space, key): &(Space, Key)| {
                reads.note(*space, 1);
                Ok(open.tree(*space).get(key).map_err(|e| unreadable(*space, e))?.map(|value| value.to_vec()))
            };
            keys.iter().map(get).collect()
        })
    }

    fn scan(&self, scan: Scan) -> BoxFuture<'_, Result<Vec<(Key, Value)>, EngineError>> {
        if scan.range.is_empty() || scan.limit == 0 {
            return async { Ok(Vec::new()) }.boxed();
        }
        self.read(move |open, reads| open.walk(&scan, reads))
    }

    fn scan_each(&self, scans: Vec<Scan>) -> BoxFuture<'_, Result<Vec<Entries>, EngineError>> {
        if scans.is_empty() {
            return async { Ok(Vec::new()) }.boxed();
        }
        self.read(move |open, reads| scans.iter().map(|scan| open.walk(scan, reads)).collect())
    }

    fn apply(&self, batch: Batch) -> BoxFuture<'_, Result<Applied, BatchError>> {
        async move {
            let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let queue = queue.ok_or_else(closed)?;
            let (answer, answered) = oneshot::channel();
            let sent = queue.send(Job { batch, answer }).await;
            // A clone of the queue that outlives this call would keep the writing thread from ending.
            drop(queue);
            sent.map_err(|_| stopped("its writing thread has ended"))?;
            answered.await.unwrap_or_else(|_| Err(stopped("its writing thread has ended").into()))
        }
        .boxed()
    }

    fn reads(&self) -> &Reads {
        &self.shared.reads
    }

    fn has_stopped(&self) -> bool {
        self.shared.failed.get().is_some()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        let rest = self.shut();
        // Waiting takes as long as the batches under way do.
        async move { drop(tokio::task::spawn_blocking(rest).await) }.boxed()
    }
}

impl Drop for SledEngine {
    fn drop(&mut self) {
        self.shut()();
    }
}

impl Open {
    fn tree(&self, space: Space) -> &Tree {
        &self.trees[space.number()]
    }

    fn range(&self, space: Space, range: &KeyRange) -> sled::Iter {
        match &range.until {
            Some(until) => self.tree(space).range(range.from.as_slice()..until.as_slice()),
            None => self.tree(space).range(range.from.as_slice()..),
        }
    }

    fn walk(&self, scan: &Scan, reads: &Reads) -> Result<Entries, EngineError> {
        if scan.range.is_empty() {
            return Ok(Vec::new());
        }
        let range = self.range(scan.space, &scan.range);
        let found: Result<Vec<_>, _> = if scan.reverse {
            range.rev().skip(scan.skip).take(scan.limit).map(|e| entry(scan, e)).collect()
        } else {
            range.skip(scan.skip).take(scan.limit).map(|e| entry(scan, e)).collect()
        };
        let found = found?;
        reads.note(scan.space, scan.skip + found.len());
        Ok(found)
    }
}

/// What each of the two threads works with.
struct Worker {
    open: Arc<Open>,
    shared: Arc<Shared>,
}

impl Worker {
    fn write(self, mut jobs: mpsc::Receiver<Job>, unflushed: &blocking::Sender<Unflushed>) {
        while let Some(Job { batch, answer }) = jobs.blocking_recv() {
            let outcome = match self.shared.failed.get() {
                Some(reason) => Err(stopped(reason).into()),
                None => catch_unwind(AssertUnwindSafe(|| self.apply(&batch)))
                    .unwrap_or_else(|_| Err(self.fail("applying a batch panicked").into())),
            };
            let applied = outcome.map(|committed| {
                let (flushed, durable) = oneshot::channel();
                // The receiver ends only after this thread has.
                drop(unflushed.send(flushed));
                let durable = async { durable.await.unwrap_or_else(|_| Err(stopped("its flushing thread has ended"))) };
                Applied { committed, durable: durable.boxed() }
            });
            // Whoever asked may have gone; nobody else cares.
            drop(answer.send(applied));
        }
    }

    fn flush(self, unflushed: &blocking::Receiver<Unflushed>) {
        while let Ok(first) = unflushed.recv() {
            let together: Vec<Unflushed> = std::iter::once(first).chain(unflushed.try_iter()).collect();
            let flushed = match self.shared.failed.get() {
                Some(reason) => Err(stopped(reason)),
                None => self.flush_once(),
            };
            for waiting in together {
                drop(waiting.send(flushed.clone()));
            }
        }
    }

    fn flush_once(&self) -> Result<(), EngineError> {
        #[cfg(test)]
        if self.shared.flush_fails.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(self.fail("a flush failed, as the test wanted"));
        }
        match catch_unwind(AssertUnwindSafe(|| self.open.db.flush())) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.fail(&format!("a flush failed: {error}"))),
            Err(_) => Err(self.fail("a flush panicked")),
        }
    }

    /// Applies one batch, if all it expects holds. Only this thread writes, so what was looked at
    /// stays so until it is done.
    fn apply(&self, batch: &Batch) -> Result<Committed, BatchError> {
        for (index, expect) in batch.expect.iter().enumerate() {
            if !self.holds(expect).map_err(|e| self.fail(&format!("an expectation could not be read: {e}")))? {
                return Err(BatchError::Clash(index));
            }
        }
        let mut staged: Vec<Option<sled::Batch>> = Space::ALL.iter().map(|_| None).collect();
        let counted = self.count(batch)?;
        for (space, key, value) in &counted {
            staged[space.number()].get_or_insert_default().insert(key.as_slice(), &value.to_be_bytes());
        }
        for (space, key, value) in &batch.changes {
            let staged = staged[space.number()].get_or_insert_default();
            match value {
                Some(value) => staged.insert(key.as_slice(), value.as_slice()),
                None => staged.remove(key.as_slice()),
            }
        }
        let (trees, staged): (Vec<&Tree>, Vec<sled::Batch>) =
            self.open.trees.iter().zip(staged).filter_map(|(tree, batch)| Some((tree, batch?))).unzip();
        // sled cannot span a transaction over nothing.
        if trees.is_empty() {
            return Ok(Committed { keys_written: 0 });
        }
        let applied = trees[..].transaction(|views: &Vec<TransactionalTree>| {
            views.iter().zip(&staged).try_for_each(|(view, batch)| view.apply_batch(batch))?;
            Ok::<_, ConflictableTransactionError<()>>(())
        });
        applied.map_err(|error| self.fail(&format!("a batch could not be applied: {error:?}")))?;
        Ok(Committed { keys_written: batch.changes.len() + counted.len() })
    }

    fn holds(&self, expect: &Expect) -> sled::Result<bool> {
        match expect {
            Expect::Value(space, key, value) => Ok(self.open.tree(*space).get(key)?.as_deref() == value.as_deref()),
            Expect::Present(space, key) => self.open.tree(*space).contains_key(key),
            Expect::Range(space, range, keys) => {
                let mut expected = keys.iter();
                for entry in self.open.range(*space, range) {
                    let (key, _) = entry?;
                    if expected.next().is_none_or(|expected| *expected != *key) {
                        return Ok(false);
                    }
                }
                Ok(expected.next().is_none())
            }
        }
    }

    /// The new numbers. Several changes to one number add up.
    fn count(&self, batch: &Batch) -> Result<Vec<(Space, Key, u64)>, BatchError> {
        let mut counted: Vec<(Space, Key, u64)> = Vec::new();
        for (index, count) in batch.counts.iter().enumerate() {
            let place = counted.iter().position(|(space, key, _)| *space == count.space && *key == count.key);
            let place = match place {
                Some(place) => place,
                None => {
                    let value = self.open.tree(count.space).get(&count.key);
                    let value = value.map_err(|e| self.fail(&format!("a count could not be read: {e}")))?;
                    counted.push((count.space, count.key.clone(), count_of(value.as_deref())));
                    counted.len() - 1
                }
            };
            let number = &mut counted[place].2;
            *number = number.saturating_add_signed(count.by);
            if count.by > 0 && count.max.is_some_and(|max| *number > max) {
                return Err(BatchError::Over(index));
            }
        }
        Ok(counted)
    }

    /// Notes that nothing may be acknowledged any more.
    fn fail(&self, reason: &str) -> EngineError {
        error!(reason, "the store has failed and takes no more changes: {reason}");
        stopped(self.shared.failed.get_or_init(|| reason.to_owned()))
    }
}

fn open(dir: &Path, cache_bytes: u64) -> Result<Open, OpenError> {
    let unusable = |source: io::Error| OpenError::Directory { dir: dir.to_owned(), source };
    fs::create_dir_all(dir).map_err(unusable)?;
    let lock = File::create(dir.join(LOCK_FILE)).map_err(unusable)?;
    patiently(LOCK_WAIT, || lock.try_lock(), |error| matches!(error, TryLockError::WouldBlock)).map_err(|error| {
        match error {
            TryLockError::WouldBlock => OpenError::InUse { dir: dir.to_owned() },
            TryLockError::Error(source) => unusable(source),
        }
    })?;
    let config = sled::Config::new().path(dir.join(SLED_DIRECTORY)).cache_capacity(cache_bytes).flush_every_ms(None);
    let unusable = |error: sled::Error| unusable(io::Error::other(error));
    let db = patiently(SLED_LOCK_WAIT, || config.open(), is_locked).map_err(unusable)?;
    let trees = Space::ALL.iter().map(|space| db.open_tree(space.as_str())).collect::<Result<_, _>>();
    Ok(Open { trees: trees.map_err(unusable)?, db, _lock: lock })
}

/// Tries again for a while, as long as it fails in a way that may pass.
fn patiently<T, E>(
    wait: Duration,
    mut attempt: impl FnMut() -> Result<T, E>,
    may_pass: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let start = Instant::now();
    loop {
        match attempt() {
            Err(error) if may_pass(&error) && start.elapsed() < wait => thread::sleep(LOCK_PAUSE),
            outcome => return outcome,
        }
    }
}

/// sled has no error of its own for a file that somebody holds locked.
fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

fn start(dir: &Path, name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map_err(|source| OpenError::Directory { dir: dir.to_owned(), source })
}

fn entry(scan: &Scan, entry: sled::Result<(sled::IVec, sled::IVec)>) -> Result<(Key, Value), EngineError> {
    let (key, value) = entry.map_err(|e| unreadable(scan.space, e))?;
    let value = if scan.keys_only { Value::new() } else { value.to_vec() };
    Ok((key.to_vec(), value))
}

fn unreadable(space: Space, error: sled::Error) -> EngineError {
    EngineError::Read { space, source: Arc::new(error) }
}

fn stopped(reason: &str) -> EngineError {
    EngineError::Stopped { reason: reason.to_owned() }
}

fn closed() -> EngineError {
    stopped("it was closed")
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{Open, conformance};
    use super::*;

    const OPEN: Open = |dir| Arc::new(SledEngine::open(dir, 16 * 1024 * 1024).unwrap());

    conformance!(OPEN);

    fn write(n: u8) -> Batch {
        let mut batch = Batch::default();
        batch.put(Space::State, vec![n], vec![n]);
        batch
    }

    #[test]
    fn a_directory_belongs_to_one_engine_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = SledEngine::open(dir.path(), 1 << 20).unwrap();

        let second = SledEngine::open(dir.path(), 1 << 20).err().unwrap();

        assert!(matches!(second, OpenError::InUse { .. }), "{second:?}");
        let sentence = second.to_string();
        assert!(sentence.starts_with("another process is using the data directory"), "{sentence}");
        drop(first);
        SledEngine::open(dir.path(), 1 << 20).unwrap();
    }

    #[tokio::test]
    async fn what_was_applied_before_a_failed_flush_never_becomes_durable() {
        let dir = tempfile::tempdir().unwrap();
        let engine = SledEngine::open(dir.path(), 1 << 20).unwrap();

        engine.break_flush();
        let applied = engine.apply(write(1)).await.unwrap();

        assert!(matches!(applied.durable.await, Err(EngineError::Stopped { .. })));
        let barrier = engine.commit(Batch::default()).await;
        assert!(matches!(barrier, Err(BatchError::Failed(EngineError::Stopped { .. }))), "{barrier:?}");
    }

    #[tokio::test]
    async fn after_a_failed_flush_nothing_is_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let engine = SledEngine::open(dir.path(), 1 << 20).unwrap();
        engine.commit(write(1)).await.unwrap();

        engine.break_flush();
        let failed = engine.commit(write(2)).await;
        let applied = engine.apply(Batch::default()).await.map(drop);
        assert!(matches!(applied, Err(BatchError::Failed(EngineError::Stopped { .. }))), "{applied:?}");
        let barrier = engine.commit(Batch::default()).await;
        assert!(matches!(barrier, Err(BatchError::Failed(EngineError::Stopped { .. }))), "{barrier:?}");
        assert!(engine.has_stopped());
        engine.shared.flush_fails.store(false, std::sync::atomic::Ordering::SeqCst);
        let later = engine.commit(write(3)).await;

        assert!(matches!(failed, Err(BatchError::Failed(EngineError::Stopped { .. }))), "{failed:?}");
        assert!(matches!(later, Err(BatchError::Failed(EngineError::Stopped { .. }))), "{later:?}");
        assert_eq!(engine.get(vec![(Space::State, vec![3])]).await.unwrap(), [None]);
    }
}
