//! Files that are looked at, to tell when something else may stand in them.
//!
//! What is watched are directories, since editors and installers put a new file in the old one's place, and mounted
//! configurations another directory behind a link. So an event there only says that it is time to look. A change is what
//! a look finds different: another file behind the name, of another length or time. It is told when two looks, a moment
//! apart, find the same: a file that is being written is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tracing::warn;

use crate::limits::WATCH_QUIET_MILLIS;

/// What a look at one file finds; absent if there is none.
type Look = Option<(u64, u64, u64, [i64; 4])>;

/// The files that matter, and the directories that are watched for them.
pub struct Eyes {
    watcher: Option<RecommendedWatcher>,
    /// Told at every event, and remembered until somebody looks.
    stirred: Arc<Notify>,
    directories: BTreeSet<PathBuf>,
    /// The files as they were found when they were last told of, or first followed.
    files: BTreeMap<PathBuf, Look>,
    /// What an operator can do where files cannot be watched.
    instead: String,
}

impl Eyes {
    /// Watches nothing yet. Where nothing can be watched, the log says what to do `instead`.
    pub fn open(instead: impl Into<String>) -> Self {
        let instead = instead.into();
        let stirred = Arc::new(Notify::new());
        let (stir, missed) = (stirred.clone(), instead.clone());
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            match event {
                // Reading is no change, and this server reads its files itself.
                Ok(event) if event.kind.is_access() => return,
                Ok(_) => {}
                Err(error) => warn!(%error, "a change of a file may have been missed; {missed}"),
            }
            stir.notify_one();
        });
        let watcher = watcher.inspect_err(|error| warn!(%error, "files cannot be watched; {instead}")).ok();
        Self { watcher, stirred, directories: BTreeSet::new(), files: BTreeMap::new(), instead }
    }

    /// Looks at these files from now on, and at no others.
    pub fn follow(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        let files: BTreeSet<PathBuf> = files.into_iter().filter_map(|file| std::path::absolute(file).ok()).collect();
        let parents = files.iter().filter_map(|file| file.parent());
        self.watch(parents.filter(|directory| directory.is_dir()).map(Path::to_owned).collect());
        // Behind the watch, so that whatever comes after this look is an event.
        let mut known = std::mem::take(&mut self.files);
        let found = files.into_iter().map(|file| match known.remove_entry(&file) {
            Some(entry) => entry,
            None => {
                let found = look(&file);
                (file, found)
            }
        });
        self.files = found.collect();
    }

    fn watch(&mut self, wanted: BTreeSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        for gone in self.directories.difference(&wanted) {
            let _ = watcher.unwatch(gone);
        }
        let mut watched: BTreeSet<PathBuf> = self.directories.intersection(&wanted).cloned().collect();
        for new in wanted.difference(&self.directories) {
            match watcher.watch(new, RecursiveMode::NonRecursive) {
                Ok(()) => drop(watched.insert(new.clone())),
                Err(error) => warn!(%error, "`{}` cannot be watched; {}", new.display(), self.instead),
            }
        }
        self.directories = watched;
    }

    /// Returns when a file has changed, and has been left alone for a moment. Whoever stops waiting misses nothing: the
    /// next wait begins with a look.
    pub async fn changed(&mut self) {
        let moment = Duration::from_millis(WATCH_QUIET_MILLIS);
        loop {
            let mut found = self.look();
            if found != self.files {
                loop {
                    tokio::time::sleep(moment).await;
                    let again = self.look();
                    if again == found {
                        self.files = found;
                        return;
                    }
                    found = again;
                }
            }
            // One look a moment is enough, whatever else happens in the directories.
            tokio::time::sleep(moment).await;
            self.stirred.notified().await;
        }
    }

    fn look(&self) -> BTreeMap<PathBuf, Look> {
        self.files.keys().map(|file| (file.clone(), look(file))).collect()
    }
}

/// What stands behind this name now, links followed.
fn look(file: &Path) -> Look {
    let found = fs::metadata(file).ok()?;
    let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
    Some((found.dev(), found.ino(), found.len(), times))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a test waits for an event before it is red.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn eyes(file: &Path) -> Eyes {
        let mut eyes = Eyes::open("look yourself");
        eyes.follow([file.to_owned()]);
        eyes
    }

    async fn changed(eyes: &mut Eyes) {
        tokio::time::timeout(PATIENCE, eyes.changed()).await.expect("the change is noticed");
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_written_or_taken_away_is_told_of_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let (file, new) = (directory.path().join("file"), directory.path().join("new"));
        let mut eyes = eyes(&file);

        fs::write(&new, "one").unwrap();
        fs::rename(&new, &file).unwrap();
        changed(&mut eyes).await;
        fs::write(&file, "two").unwrap();
        changed(&mut eyes).await;
        fs::remove_file(&file).unwrap();
        changed(&mut eyes).await;

        assert_eq!(eyes.files[&file], None);
    }

    #[tokio::test]
    async fn what_is_mounted_behind_links_is_told_of_when_the_links_lead_elsewhere() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for version in ["one", "two"] {
            fs::create_dir(path(version)).unwrap();
            fs::write(path(version).join("file"), version).unwrap();
        }
        std::os::unix::fs::symlink("one", path("present")).unwrap();
        std::os::unix::fs::symlink("present/file", path("file")).unwrap();
        let mut eyes = eyes(&path("file"));

        std::os::unix::fs::symlink("two", path("next")).unwrap();
        fs::rename(path("next"), path("present")).unwrap();

        changed(&mut eyes).await;
        assert_eq!(fs::read_to_string(path("file")).unwrap(), "two");
    }

    #[tokio::test]
    async fn whoever_stops_waiting_hears_of_the_change_the_next_time_and_neighbours_are_no_change() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        let mut eyes = eyes(&file);
        fs::write(directory.path().join("other"), "noise").unwrap();
        eyes.stirred.notified().await;

        assert!(futures::FutureExt::now_or_never(eyes.changed()).is_none());
        fs::write(&file, "one").unwrap();
        eyes.stirred.notified().await;

        changed(&mut eyes).await;
        assert!(futures::FutureExt::now_or_never(eyes.changed()).is_none(), "it is told of once");
    }
}
