//! What is kept of the plugins between two starts, under `plugins` in the data directory: the components that were last
//! good, each under its SHA-256, and the record of which plugin ran which one with which table.
//!
//! Everything here is written beside its place, synced and then moved there, so that a crash leaves the old file or the
//! new one. Tables may hold what only the operator should read, so the directory is the owner's alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::PluginConfig;
use super::manifest::Ask;
use crate::hook::PluginName;

/// The directory's name.
const DIRECTORY: &str = "plugins";

/// The record of the last good set.
const RECORD: &str = "set.json";

/// What a component's file ends with.
const COMPONENT: &str = "wasm";

/// The directory.
#[derive(Debug, Clone)]
pub(super) struct Keep {
    directory: PathBuf,
}

/// Which plugins were last good, and as what.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    pub(super) plugins: BTreeMap<PluginName, LastGood>,
}

/// One plugin, as it was last good.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LastGood {
    /// The component's SHA-256, and with it its file's name.
    pub(super) digest: String,
    /// The operator's table.
    pub(super) table: PluginConfig,
    /// The manifest that stood beside the component.
    pub(super) beside: Option<String>,
    /// What it asked for, and the operator thereby accepted.
    pub(super) ask: Option<Ask>,
}

impl Keep {
    pub(super) fn under(data_dir: &Path) -> Self {
        Self { directory: data_dir.join(DIRECTORY) }
    }

    /// Where the component with this digest is kept.
    pub(super) fn component(&self, digest: &str) -> PathBuf {
        self.directory.join(format!("{digest}.{COMPONENT}"))
    }

    /// Keeps a component, unless it is kept already, and the manifest that stood beside it.
    pub(super) fn put(&self, digest: &str, bytes: &[u8], beside: Option<&str>) -> io::Result<PathBuf> {
        let path = self.component(digest);
        if !path.exists() {
            self.write(&path, bytes)?;
        }
        if let Some(text) = beside {
            self.write(&super::manifest::beside(&path), text.as_bytes())?;
        }
        Ok(path)
    }

    /// The record; empty if there is none yet.
    pub(super) fn read(&self) -> io::Result<Kept> {
        match fs::read(self.directory.join(RECORD)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kept::default()),
            Err(error) => Err(error),
        }
    }

    /// Writes the record down.
    pub(super) fn record(&self, kept: &Kept) -> io::Result<()> {
        self.write(&self.directory.join(RECORD), &serde_json::to_vec_pretty(kept)?)
    }

    /// Deletes every component but these, so that no more are kept than can be needed.
    pub(super) fn prune(&self, needed: &BTreeSet<String>) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let digest = name.split('.').next().unwrap_or_default();
            if is_digest(digest) && !needed.contains(digest) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// The digest of a component that is kept here; absent for other files.
    pub(super) fn digest_of(&self, source: &str) -> Option<String> {
        let inside = Path::new(source).strip_prefix(&self.directory).ok()?;
        let digest = inside.file_stem()?.to_str()?;
        is_digest(digest).then(|| digest.to_owned())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        make_private(&self.directory)?;
        write_whole(path, bytes)
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Writes a file that only its owner can read, whole or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let _ = fs::remove_file(&new);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(directory) => fs::File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

fn make_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_kept_by_digest_and_pruned_when_nobody_needs_them() {
        let data = tempfile::tempdir().unwrap();
        let keep = Keep::under(data.path());
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        let path = keep.put(&one, b"one", Some("[ask]")).unwrap();
        keep.put(&two, b"two", None).unwrap();

        assert_eq!(keep.digest_of(path.to_str().unwrap()), Some(one.clone()));
        assert_eq!(keep.digest_of("/elsewhere/x.wasm"), None);
        keep.record(&Kept::default()).unwrap();
        keep.prune(&BTreeSet::from([two.clone()])).unwrap();

        assert!(!path.exists() && keep.component(&two).exists());
        assert_eq!(fs::read_dir(data.path().join(DIRECTORY)).unwrap().count(), 2, "the record and one component");
        assert!(keep.read().unwrap().plugins.is_empty());
    }

    #[test]
    fn a_record_that_is_damaged_is_an_error_and_not_an_empty_one() {
        let data = tempfile::tempdir().unwrap();
        let keep = Keep::under(data.path());
        keep.record(&Kept::default()).unwrap();
        fs::write(data.path().join(DIRECTORY).join(RECORD), "{").unwrap();

        assert!(keep.read().is_err());
    }
}
