//! Moving a store to another directory, and with it to another engine.
//!
//! Offline: both directories are this process's own for the while. Space by space, every key and
//! value goes over as it is; nothing is understood and nothing is changed. Then the copy is opened
//! again and held against the source, key by key and value by value, and checked as
//! `provost check --data` does.
//!
//! From its first byte until all that is done the target is marked as a copy under way, and no
//! server opens it. So a copy that fails or is cut off can only be deleted.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use provost_scim::Schemas;

use super::directory::{self, Directory, LOCK_FILE, Mark, State};
use super::engine::{Batch, Engine, EngineName, KeyRange, Scan, Space};
use super::{OpenError, Report, Store, StoreConfig, StoreError};

/// How many entries are read and written at a time.
const PART_ENTRIES_MAX: usize = 4_096;

/// How large a part may grow before it is written, in bytes.
const PART_BYTES_MAX: usize = 1024 * 1024;

/// How many parts are on their way to the disk at a time. They share its syncs.
const PARTS_UNDER_WAY_MAX: usize = 8;

/// What was copied of one space.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// How many entries.
    pub entries: u64,
    /// How large their keys and values are, in bytes.
    pub bytes: u64,
}

/// Why a store was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is nothing to copy.
    #[error("`{}` holds no store", dir.display())]
    NoStore {
        /// Which directory.
        dir: PathBuf,
    },
    /// The target holds something.
    #[error("`{}` is not empty; name a directory that is empty or not there yet", dir.display())]
    NotEmpty {
        /// Which directory.
        dir: PathBuf,
    },
    /// A directory could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An engine failed.
    #[error("the copy broke off; delete what is in the target and try again")]
    Store(#[from] StoreError),
    /// A file beside the store could not be copied.
    #[error("`{}` could not be copied", file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was read back is not what was written.
    #[error("the copy of the `{space}` space differs from the original; the target cannot be used")]
    Differs {
        /// Where.
        space: Space,
    },
    /// The copy is faithful, and the store in it does not agree with itself.
    #[error(
        "the copy has {} findings and cannot be used; they are the original's, and `provost check --data` shows them there",
        report.problems
    )]
    Unsound {
        /// What the check found.
        report: Report,
    },
}

/// Copies the store in `from` to the directory and engine of `to`, with those of `files` beside it
/// that are there, and verifies the copy. Tells of each space once it is written.
///
/// # Errors
/// What stood in the way. What is in the target then does not open.
pub async fn copy(
    from: &Path,
    to: &StoreConfig,
    schemas: Arc<Schemas>,
    files: &[&str],
    mut tell: impl FnMut(Space, Moved),
) -> Result<Report, CopyError> {
    let source = open_source(from, to.cache_bytes).await?;
    let mark = Mark { engine: to.engine, state: State::Copying };
    let target = open_target(to, Some(mark)).await?;
    for space in Space::ALL {
        let moved = copy_space(&*source, &*target, space).await?;
        tell(space, moved);
    }
    target.close().await;

    // What counts is what is on disk.
    let target = open_target(to, None).await?;
    for space in Space::ALL {
        compare_space(&*source, &*target, space).await?;
    }
    source.close().await;
    let store = Store::on(target, schemas, to).await?;
    let report = store.check().await?;
    store.close().await;
    if !report.is_sound() {
        return Err(CopyError::Unsound { report });
    }

    for name in files {
        copy_file(&from.join(name), &to.dir.join(name))?;
    }
    directory::write_mark(&to.dir, Mark { state: State::Whole, ..mark })?;
    Ok(report)
}

/// Which engine keeps the store in this directory.
///
/// # Errors
/// When there is none, or another process has it.
pub fn engine_of(dir: &Path) -> Result<EngineName, CopyError> {
    source(dir).map(|(_, engine)| engine)
}

async fn open_source(dir: &Path, cache_bytes: u64) -> Result<Arc<dyn Engine>, CopyError> {
    let dir = dir.to_owned();
    blocking(move || {
        let (directory, engine) = source(&dir)?;
        Ok(directory::start(directory, engine, cache_bytes)?)
    })
    .await
}

fn source(dir: &Path) -> Result<(Directory, EngineName), CopyError> {
    let dir = dir.to_owned();
    // Nothing is made where nothing is.
    if !dir.is_dir() {
        return Err(CopyError::NoStore { dir });
    }
    let directory = Directory::lock(&dir)?;
    match directory.holds()? {
        Some(Mark { engine, state: State::Whole }) => Ok((directory, engine)),
        Some(Mark { state: State::Copying, .. }) => Err(OpenError::Unfinished { dir }.into()),
        Some(Mark { state: State::Begun, .. }) | None => Err(CopyError::NoStore { dir }),
    }
}

/// Opens the target, which is new if it is to be marked.
async fn open_target(to: &StoreConfig, mark: Option<Mark>) -> Result<Arc<dyn Engine>, CopyError> {
    let (dir, engine, cache_bytes) = (to.dir.clone(), to.engine, to.cache_bytes);
    blocking(move || {
        // A lock is what an attempt leaves that came no further.
        let only_lock = |mut entries: fs::ReadDir| entries.all(|e| e.is_ok_and(|e| e.file_name() == LOCK_FILE));
        if mark.is_some() && !fs::read_dir(&dir).map_or(!dir.exists(), only_lock) {
            return Err(CopyError::NotEmpty { dir });
        }
        let directory = Directory::lock(&dir)?;
        if let Some(mark) = mark {
            directory.begin(mark)?;
        }
        Ok(directory::start(directory, engine, cache_bytes)?)
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CopyError> + Send + 'static,
) -> Result<T, CopyError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(StoreError::unavailable("opening a directory broke off").into()))
}

/// One part of a space, behind what came before.
fn part(space: Space, range: &KeyRange) -> Scan {
    Scan::new(space, range.clone(), PART_ENTRIES_MAX).within(PART_BYTES_MAX)
}

pub(super) async fn copy_space(source: &dyn Engine, target: &dyn Engine, space: Space) -> Result<Moved, StoreError> {
    let mut moved = Moved::default();
    let mut range = KeyRange::prefix(Vec::new());
    let mut under_way = FuturesUnordered::new();
    loop {
        let found = source.scan(part(space, &range)).await?;
        let Some((last, _)) = found.last() else { break };
        range = range.after(last);
        let mut batch = Batch::default();
        for (key, value) in found {
            moved.entries += 1;
            moved.bytes += (key.len() + value.len()) as u64;
            batch.put(space, key, value);
        }
        under_way.push(super::commit_plain(target, batch));
        if under_way.len() >= PARTS_UNDER_WAY_MAX {
            under_way.next().await.transpose()?;
        }
    }
    while under_way.next().await.transpose()?.is_some() {}
    Ok(moved)
}

/// The same walk over both yields the same parts, or they are not the same.
pub(super) async fn compare_space(source: &dyn Engine, target: &dyn Engine, space: Space) -> Result<(), CopyError> {
    let mut range = KeyRange::prefix(Vec::new());
    loop {
        let (original, copied) =
            futures::future::try_join(source.scan(part(space, &range)), target.scan(part(space, &range)))
                .await
                .map_err(StoreError::from)?;
        if original != copied {
            return Err(CopyError::Differs { space });
        }
        let Some((last, _)) = original.last() else { return Ok(()) };
        range = range.after(last);
    }
}

/// Copies a file, if it is there, with its permissions.
fn copy_file(from: &Path, to: &Path) -> Result<(), CopyError> {
    let copied = fs::copy(from, to).and_then(|_| File::open(to)?.sync_all());
    match copied {
        Err(source) if from.exists() => Err(CopyError::File { file: from.to_owned(), source }),
        Ok(()) | Err(_) => Ok(()),
    }
}
