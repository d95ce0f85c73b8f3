//! The data directory: who has it, and which engine keeps its data.
//!
//! A directory belongs to one process at a time: whoever holds its `lock` file. Its `engine` file
//! is the mark that names the engine whose data it holds, and says of data that is not a store yet
//! what it is instead: one that was begun, or half a copy. The mark comes before the data and is
//! made whole after it, so a crash in between never leaves something that looks like a store.
//!
//! A directory without a mark is from before there were marks: its data says which engine it is of.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::engine::{Engine, EngineName};
use super::{OpenError, fjall, sled};

/// The file that one process at a time holds locked.
pub const LOCK_FILE: &str = "lock";

/// The file that names the engine.
const MARK_FILE: &str = "engine";

/// How long a locked directory is given to be let go. A process that has just started another one
/// shares its open files with it for a moment, locks included.
const DIRECTORY_WAIT: Duration = Duration::from_millis(500);

/// How long a database's own lock is given. Whoever has the directory is the only one who could
/// hold it: a database closed just now, whose background work is not quite over.
pub const LOCK_WAIT: Duration = Duration::from_secs(10);

/// How long to rest between two attempts.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A directory that is this process's own.
pub struct Directory {
    path: PathBuf,
    _lock: File,
}

/// What a directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Whose data it is.
    pub engine: EngineName,
    /// What it is.
    pub state: State,
}

/// What the data in a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A store.
    Whole,
    /// A store that was being made, and nobody was told of yet.
    Begun,
    /// A copy that is not finished.
    Copying,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state {
            State::Whole => write!(f, "{}", self.engine),
            State::Begun => write!(f, "{} begun", self.engine),
            State::Copying => write!(f, "{} copying", self.engine),
        }
    }
}

impl Mark {
    fn parse(text: &str) -> Option<Self> {
        let (engine, state) = text.split_once(' ').unwrap_or((text, ""));
        let state = match state {
            "" => State::Whole,
            "begun" => State::Begun,
            "copying" => State::Copying,
            _ => return None,
        };
        Some(Self { engine: engine.parse().ok()?, state })
    }
}

/// Opens the store of this engine in a directory, or makes it in one that holds none.
///
/// # Errors
/// [`OpenError::InUse`] when another process has the directory, [`OpenError::OtherEngine`] when it
/// holds another engine's data, [`OpenError::Unfinished`] when it holds half a copy.
pub fn open(path: &Path, engine: EngineName, cache_bytes: u64) -> Result<Arc<dyn Engine>, OpenError> {
    let directory = Directory::lock(path)?;
    match directory.holds()? {
        Some(Mark { state: State::Copying, .. }) => {
            return Err(OpenError::Unfinished { dir: path.to_owned() });
        }
        Some(Mark { engine: found, state: State::Whole }) if found != engine => {
            return Err(OpenError::OtherEngine { dir: path.to_owned(), found, wanted: engine });
        }
        Some(Mark { state: State::Whole, .. }) => {}
        Some(Mark { state: State::Begun, .. }) | None => directory.begin(Mark { engine, state: State::Begun })?,
    }
    let opened = start(directory, engine, cache_bytes)?;
    // The engine has the directory now, and with it the lock.
    write_mark(path, Mark { engine, state: State::Whole })?;
    Ok(opened)
}

/// Opens the engine's database in a directory, whatever its mark says.
pub fn start(directory: Directory, engine: EngineName, cache_bytes: u64) -> Result<Arc<dyn Engine>, OpenError> {
    Ok(match engine {
        EngineName::Sled => Arc::new(sled::open(directory, cache_bytes)?),
        EngineName::Fjall => Arc::new(fjall::open(directory, cache_bytes)?),
    })
}

impl Directory {
    /// Takes the directory for this process, and makes it if it is not there.
    ///
    /// # Errors
    /// [`OpenError::InUse`] when another process has it.
    pub fn lock(path: &Path) -> Result<Self, OpenError> {
        fs::create_dir_all(path).map_err(|source| unusable(path, source))?;
        let lock = File::create(path.join(LOCK_FILE)).map_err(|source| unusable(path, source))?;
        let locked = patiently(DIRECTORY_WAIT, || lock.try_lock(), |e| matches!(e, TryLockError::WouldBlock));
        locked.map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::InUse { dir: path.to_owned() },
            TryLockError::Error(source) => unusable(path, source),
        })?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where this engine's database lies in it.
    pub fn of(&self, engine: EngineName) -> PathBuf {
        self.path.join(engine.as_str())
    }

    /// The directory, or what is in it, failed.
    pub fn unusable(&self, source: io::Error) -> OpenError {
        unusable(&self.path, source)
    }

    /// What it holds, if anything.
    ///
    /// # Errors
    /// When its mark cannot be read.
    pub fn holds(&self) -> Result<Option<Mark>, OpenError> {
        let there = |engine: &EngineName| self.of(*engine).is_dir();
        let file = self.path.join(MARK_FILE);
        match fs::read_to_string(&file) {
            Ok(text) => {
                let mark = Mark::parse(text.trim()).ok_or(OpenError::UnknownEngine { file })?;
                // The mark of a store that somebody took away says nothing of what is there now.
                if mark.state != State::Whole || there(&mark.engine) {
                    return Ok(Some(mark));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(self.unusable(source)),
        }
        let engine = EngineName::ALL.iter().copied().find(there);
        Ok(engine.map(|engine| Mark { engine, state: State::Whole }))
    }

    /// Sets the mark of something new, and clears the ground for it: what lies there was begun
    /// once, and nothing in it was ever acknowledged.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(&self, mark: Mark) -> Result<(), OpenError> {
        write_mark(&self.path, mark)?;
        for engine in EngineName::ALL {
            match fs::remove_dir_all(self.of(engine)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.unusable(error)),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

/// Sets the mark, durably. Only who has the directory may.
///
/// # Errors
/// When it cannot be written.
pub fn write_mark(dir: &Path, mark: Mark) -> Result<(), OpenError> {
    let file = dir.join(MARK_FILE);
    let text = format!("{mark}\n");
    if fs::read(&file).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    let new = dir.join(format!("{MARK_FILE}.new"));
    let write = || {
        let mut writer = File::create(&new)?;
        writer.write_all(text.as_bytes())?;
        writer.sync_all()?;
        fs::rename(&new, &file)?;
        // The name is in the directory, which has a sync of its own.
        File::open(dir)?.sync_all()
    };
    write().map_err(|source| unusable(dir, source))
}

/// Tries again for a while, as long as it fails in a way that may pass.
pub fn patiently<T, E>(
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

fn unusable(dir: &Path, source: io::Error) -> OpenError {
    OpenError::Directory { dir: dir.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CACHE_BYTES: u64 = 1 << 20;

    fn mark(dir: &Path) -> String {
        fs::read_to_string(dir.join(MARK_FILE)).unwrap()
    }

    #[test]
    fn a_directory_belongs_to_one_engine_at_a_time() {
        for engine in EngineName::ALL {
            let dir = tempfile::tempdir().unwrap();
            let first = open(dir.path(), engine, CACHE_BYTES).unwrap();

            let second = open(dir.path(), engine, CACHE_BYTES).err().unwrap();

            assert!(matches!(second, OpenError::InUse { .. }), "{second:?}");
            let sentence = second.to_string();
            assert!(sentence.starts_with("another process is using the data directory"), "{sentence}");
            drop(first);
            open(dir.path(), engine, CACHE_BYTES).unwrap();
        }
    }

    #[test]
    fn a_directory_of_one_engine_is_refused_to_the_other_with_a_way_out() {
        for (own, other) in [(EngineName::Sled, EngineName::Fjall), (EngineName::Fjall, EngineName::Sled)] {
            let dir = tempfile::tempdir().unwrap();
            drop(open(dir.path(), own, CACHE_BYTES).unwrap());

            let refused = open(dir.path(), other, CACHE_BYTES).err().unwrap().to_string();

            for part in [own.as_str(), other.as_str(), "provost store copy", &dir.path().display().to_string()] {
                assert!(refused.contains(part), "{refused}");
            }
            assert!(!dir.path().join(other.as_str()).exists());
            assert_eq!(mark(dir.path()), format!("{own}\n"));
            drop(open(dir.path(), own, CACHE_BYTES).unwrap());
        }
    }

    #[test]
    fn a_directory_without_a_mark_is_of_the_engine_whose_data_it_holds() {
        for (own, other) in [(EngineName::Sled, EngineName::Fjall), (EngineName::Fjall, EngineName::Sled)] {
            let dir = tempfile::tempdir().unwrap();
            drop(open(dir.path(), own, CACHE_BYTES).unwrap());
            fs::remove_file(dir.path().join(MARK_FILE)).unwrap();

            let refused = open(dir.path(), other, CACHE_BYTES).err().unwrap();
            assert!(matches!(refused, OpenError::OtherEngine { found, .. } if found == own), "{refused:?}");
            drop(open(dir.path(), own, CACHE_BYTES).unwrap());
            assert_eq!(mark(dir.path()), format!("{own}\n"));
        }
    }

    #[test]
    fn a_store_that_was_only_begun_is_made_again_by_either_engine() {
        for (begun, next) in [(EngineName::Fjall, EngineName::Fjall), (EngineName::Fjall, EngineName::Sled)] {
            let dir = tempfile::tempdir().unwrap();
            let half = dir.path().join(begun.as_str());
            fs::create_dir(&half).unwrap();
            // As a crash leaves it: a journal, and not yet the file that says what it is.
            fs::write(half.join("0.jnl"), "half").unwrap();
            write_mark(dir.path(), Mark { engine: begun, state: State::Begun }).unwrap();

            drop(open(dir.path(), next, CACHE_BYTES).unwrap());

            assert_eq!(mark(dir.path()), format!("{next}\n"));
            assert_eq!(half.exists(), begun == next);
        }
    }

    #[test]
    fn half_a_copy_and_an_unknown_mark_do_not_open() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path(), EngineName::Sled, CACHE_BYTES).unwrap());

        write_mark(dir.path(), Mark { engine: EngineName::Sled, state: State::Copying }).unwrap();
        let refused = open(dir.path(), EngineName::Sled, CACHE_BYTES).err().unwrap();
        assert!(matches!(refused, OpenError::Unfinished { .. }), "{refused:?}");

        for unknown in ["rocks\n", "sled melting\n", ""] {
            fs::write(dir.path().join(MARK_FILE), unknown).unwrap();
            let refused = open(dir.path(), EngineName::Sled, CACHE_BYTES).err().unwrap();
            assert!(matches!(refused, OpenError::UnknownEngine { .. }), "{refused:?}");
        }
        assert!(dir.path().join("sled").exists(), "a refused directory keeps its data");
    }
}
