//! What makes an engine of an embedded database: how batches are checked, applied and made durable.
//!
//! One thread writes: it takes batches from a queue, looks at what each expects, and applies it.
//! Nobody else writes, so what it looked at stays so until it is done. Another thread flushes:
//! every batch applied before a flush began shares its end, and only then is it durable. So sixteen
//! writers, or a thousand operations of one request, pay for a few syncs between them. Reads go past both, on threads that may block.
//!
//! After a write or a flush has failed nothing more is acknowledged, because nobody knows any
//! longer what is on disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc as blocking;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use super::OpenError;
use super::directory::Directory;
use super::engine::{
    Applied, Batch, BatchError, Committed, Engine, EngineError, Entries, Expect, Key, KeyRange, Reads, Scan, Space,
    Value, count_of,
};

/// How many batches may queue for the writing thread; more callers wait outside.
const QUEUE_BATCHES_MAX: usize = 1_024;

/// One change: where, which key, and its new value or none.
pub type Change = (Space, Key, Option<Value>);

/// A database in this process: one ordered map per space. Only one thread at a time writes to it.
pub trait Database: Send + Sync + Sized + 'static {
    /// What it says when something fails.
    type Error: std::error::Error + Send + Sync + 'static;

    /// A key or a value, as it hands them out.
    type Bytes: AsRef<[u8]>;

    /// How many waiting batches are applied at most before the flusher is called for them. One,
    /// where batches can be applied while a flush goes on; more, where they must wait for it, so
    /// that those which waited share the next one.
    const BATCHES_PER_FLUSH: usize;

    /// The value of a key. Who has seen a part of a batch sees all of it from then on.
    ///
    /// # Errors
    /// When it cannot be read.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Self::Bytes>, Self::Error>;

    /// The entries of a range, which is not empty.
    fn range(&self, space: Space, range: &KeyRange) -> impl DoubleEndedIterator<Item = Entry<Self>>;

    /// Makes these changes, all or none of them. They need not be durable yet.
    ///
    /// # Errors
    /// When it is not known whether they are made.
    fn apply(&self, changes: Vec<Change>) -> Result<(), Self::Error>;

    /// Returns once all that was applied before is durable.
    ///
    /// # Errors
    /// When it is not known whether it is.
    fn flush(&self) -> Result<(), Self::Error>;
}

/// One entry of a range.
pub type Entry<D> = Result<(<D as Database>::Bytes, <D as Database>::Bytes), <D as Database>::Error>;

/// An embedded database as an engine.
pub struct Embedded<D: Database> {
    open: RwLock<Option<Arc<Open<D>>>>,
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    shared: Arc<Shared>,
}

/// The open files. Fields are dropped in this order: the directory's lock goes last.
struct Open<D> {
    database: D,
    _directory: Directory,
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

impl<D: Database> Embedded<D> {
    /// Starts an engine on an open database, which lies in this directory.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start(database: D, directory: Directory) -> Result<Self, OpenError> {
        let path = directory.path().to_owned();
        let open = Arc::new(Open { database, _directory: directory });
        let shared = Arc::new(Shared::default());
        let (queue, jobs) = mpsc::channel(QUEUE_BATCHES_MAX);
        let (unflushed, to_flush) = blocking::channel();
        let writer = Worker { open: open.clone(), shared: shared.clone() };
        let flusher = Worker { open: open.clone(), shared: shared.clone() };
        let failed = |source| OpenError::Directory { dir: path.clone(), source };
        let threads = vec![
            start("store-write", move || writer.write(jobs, &unflushed)).map_err(failed)?,
            start("store-flush", move || flusher.flush(&to_flush)).map_err(failed)?,
        ];
        Ok(Self { open: RwLock::new(Some(open)), queue: Mutex::new(Some(queue)), threads: Mutex::new(threads), shared })
    }

    /// Runs a read where it may block: pages that left the cache come from disk, and a large
    /// commit may hold readers up while it is applied.
    ///
    /// `spawn_blocking` rather than `block_in_place`: measured, the way there and back takes about
    /// 10 µs with either, and this one works on every kind of runtime and leaves the caller's task
    /// free to be cancelled or timed out.
    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&D, &Reads) -> Result<T, EngineError> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, EngineError>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner).clone();
        let shared = self.shared.clone();
        async move {
            let open = open.ok_or_else(closed)?;
            let read = tokio::task::spawn_blocking(move || read(&open.database, &shared.reads));
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

impl<D: Database> Engine for Embedded<D> {
    fn get(&self, keys: Vec<(Space, Key)>) -> BoxFuture<'_, Result<Vec<Option<Value>>, EngineError>> {
        if keys.is_empty() {
            return async { Ok(Vec::new()) }.boxed();
        }
        self.read(move |database, reads| {
            let get = |(space, key): &(Space, Key)| {
                reads.note(*space, 1);
                let value = database.get(*space, key).map_err(|e| unreadable(*space, e))?;
                Ok(value.map(|value| value.as_ref().to_vec()))
            };
            keys.iter().map(get).collect()
        })
    }

    fn scan(&self, scan: Scan) -> BoxFuture<'_, Result<Vec<(Key, Value)>, EngineError>> {
        if scan.range.is_empty() || scan.limit == 0 {
            return async { Ok(Vec::new()) }.boxed();
        }
        self.read(move |database, reads| walk(database, &scan, reads))
    }

    fn scan_each(&self, scans: Vec<Scan>) -> BoxFuture<'_, Result<Vec<Entries>, EngineError>> {
        if scans.is_empty() {
            return async { Ok(Vec::new()) }.boxed();
        }
        self.read(move |database, reads| scans.iter().map(|scan| walk(database, scan, reads)).collect())
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

impl<D: Database> Drop for Embedded<D> {
    fn drop(&mut self) {
        self.shut()();
    }
}

/// What each of the two threads works with.
struct Worker<D> {
    open: Arc<Open<D>>,
    shared: Arc<Shared>,
}

impl<D: Database> Worker<D> {
    fn write(self, mut jobs: mpsc::Receiver<Job>, unflushed: &blocking::Sender<Vec<Unflushed>>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut together = Vec::new();
            let mut next = Some(first);
            while let Some(Job { batch, answer }) = next {
                let applied = self.write_one(batch).map(|committed| {
                    let (flushed, durable) = oneshot::channel();
                    together.push(flushed);
                    let ended = || Err(stopped("its flushing thread has ended"));
                    let durable = async move { durable.await.unwrap_or_else(|_| ended()) };
                    Applied { committed, durable: durable.boxed() }
                });
                // Whoever asked may have gone; nobody else cares.
                drop(answer.send(applied));
                let more = together.len() < D::BATCHES_PER_FLUSH;
                next = if more { jobs.try_recv().ok() } else { None };
            }
            if !together.is_empty() {
                // The receiver ends only after this thread has.
                drop(unflushed.send(together));
            }
        }
    }

    fn write_one(&self, batch: Batch) -> Result<Committed, BatchError> {
        match self.shared.failed.get() {
            Some(reason) => Err(stopped(reason).into()),
            None => catch_unwind(AssertUnwindSafe(|| self.apply(batch)))
                .unwrap_or_else(|_| Err(self.fail("applying a batch panicked").into())),
        }
    }

    fn flush(self, unflushed: &blocking::Receiver<Vec<Unflushed>>) {
        while let Ok(first) = unflushed.recv() {
            let together: Vec<Unflushed> = std::iter::once(first).chain(unflushed.try_iter()).flatten().collect();
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
        match catch_unwind(AssertUnwindSafe(|| self.open.database.flush())) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.fail(&format!("a flush failed: {error}"))),
            Err(_) => Err(self.fail("a flush panicked")),
        }
    }

    /// Applies one batch, if all it expects holds.
    fn apply(&self, batch: Batch) -> Result<Committed, BatchError> {
        for (index, expect) in batch.expect.iter().enumerate() {
            if !self.holds(expect).map_err(|e| self.fail(&format!("an expectation could not be read: {e}")))? {
                return Err(BatchError::Clash(index));
            }
        }
        let counted = self.count(&batch)?;
        let mut changes = batch.changes;
        changes.extend(counted.into_iter().map(|(space, key, number)| (space, key, Some(number.to_be_bytes().into()))));
        let keys_written = changes.len();
        if keys_written > 0 {
            let applied = self.open.database.apply(changes);
            applied.map_err(|error| self.fail(&format!("a batch could not be applied: {error}")))?;
        }
        Ok(Committed { keys_written })
    }

    fn holds(&self, expect: &Expect) -> Result<bool, D::Error> {
        let database = &self.open.database;
        match expect {
            Expect::Value(space, key, value) => {
                Ok(database.get(*space, key)?.as_ref().map(AsRef::as_ref) == value.as_deref())
            }
            Expect::Present(space, key) => Ok(database.get(*space, key)?.is_some()),
            Expect::Range(_, range, keys) if range.is_empty() => Ok(keys.is_empty()),
            Expect::Range(space, range, keys) => {
                let mut expected = keys.iter();
                for entry in database.range(*space, range) {
                    let (key, _) = entry?;
                    if expected.next().is_none_or(|expected| expected != key.as_ref()) {
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
                    let value = self.open.database.get(count.space, &count.key);
                    let value = value.map_err(|e| self.fail(&format!("a count could not be read: {e}")))?;
                    counted.push((count.space, count.key.clone(), count_of(value.as_ref().map(AsRef::as_ref))));
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

/// Walks one range.
fn walk<D: Database>(database: &D, scan: &Scan, reads: &Reads) -> Result<Entries, EngineError> {
    if scan.range.is_empty() || scan.limit == 0 {
        return Ok(Vec::new());
    }
    let range = database.range(scan.space, &scan.range);
    let found = match scan.reverse {
        true => take::<D>(range.rev().skip(scan.skip), scan),
        false => take::<D>(range.skip(scan.skip), scan),
    };
    let found = found.map_err(|e| unreadable(scan.space, e))?;
    reads.note(scan.space, scan.skip + found.len());
    Ok(found)
}

/// Takes what the scan wants of a range.
fn take<D: Database>(range: impl Iterator<Item = Entry<D>>, scan: &Scan) -> Result<Entries, D::Error> {
    let mut found = Vec::new();
    let mut bytes = 0;
    for entry in range.take(scan.limit) {
        let (key, value) = entry?;
        let (key, value) = (key.as_ref(), if scan.keys_only { &[] } else { value.as_ref() });
        bytes += key.len() + value.len();
        found.push((key.to_vec(), value.to_vec()));
        if bytes >= scan.bytes {
            break;
        }
    }
    Ok(found)
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

fn unreadable(space: Space, error: impl std::error::Error + Send + Sync + 'static) -> EngineError {
    EngineError::Read { space, source: Arc::new(error) }
}

fn stopped(reason: &str) -> EngineError {
    EngineError::Stopped { reason: reason.to_owned() }
}

fn closed() -> EngineError {
    stopped("it was closed")
}

#[cfg(test)]
impl<D: Database> Embedded<D> {
    /// Whether every flush fails from now on.
    pub fn flushes_fail(&self, fail: bool) {
        self.shared.flush_fails.store(fail, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn write(n: u8) -> Batch {
        let mut batch = Batch::default();
        batch.put(Space::State, vec![n], vec![n]);
        batch
    }

    /// For every embedded engine: what was applied, when the disk breaks the promise.
    pub async fn what_was_applied_before_a_failed_flush_never_becomes_durable<D: Database>(engine: Embedded<D>) {
        engine.flushes_fail(true);
        let applied = engine.apply(write(1)).await.unwrap();

        assert!(matches!(applied.durable.await, Err(EngineError::Stopped { .. })));
        let barrier = engine.commit(Batch::default()).await;
        assert!(matches!(barrier, Err(BatchError::Failed(EngineError::Stopped { .. }))), "{barrier:?}");
    }

    /// For every embedded engine: the promise, when the disk breaks it.
    pub async fn after_a_failed_flush_nothing_is_acknowledged<D: Database>(engine: Embedded<D>) {
        engine.commit(write(1)).await.unwrap();

        engine.flushes_fail(true);
        let failed = engine.commit(write(2)).await;
        let barrier = engine.commit(Batch::default()).await;
        assert!(matches!(barrier, Err(BatchError::Failed(EngineError::Stopped { .. }))), "{barrier:?}");
        assert!(engine.has_stopped());
        engine.flushes_fail(false);
        let later = engine.commit(write(3)).await;

        assert!(matches!(failed, Err(BatchError::Failed(EngineError::Stopped { .. }))), "{failed:?}");
        assert!(matches!(later, Err(BatchError::Failed(EngineError::Stopped { .. }))), "{later:?}");
        assert_eq!(engine.get(vec![(Space::State, vec![3])]).await.unwrap(), [None]);
    }
}
