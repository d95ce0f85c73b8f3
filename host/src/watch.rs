//! Notices when the operator changes a file: the configuration, a component, a manifest beside one. Then the plugins are
//! read again. SIGHUP asks for the same.
//!
//! What is watched are directories, since editors and installers put a new file in the old one's place. A file that is
//! being written is left alone until it has been quiet for a moment.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use crate::config::Config;
use crate::limits::WATCH_QUIET_MILLIS;
use crate::plugin::{PluginHost, Source};

/// How the list of plugins is read again: from the file that the server began with, with the environment over it.
/// Whatever else is different there waits for a restart, and is named in the log.
pub fn source(config: &Config) -> Option<Source> {
    let file = config.file.clone()?;
    let began = config.settings.clone();
    Some(Arc::new(move || {
        let config = Config::load(Some(&file)).map_err(|error| crate::http::error_chain(&error))?;
        for key in differences(&began.0, &config.settings.0) {
            warn!(key, "`{key}` in the configuration is not what this server began with; it needs a restart");
        }
        Ok(config.plugin)
    }))
}

/// Reads the plugins again whenever a file of theirs was changed, until the server stops.
pub async fn run(plugins: Arc<PluginHost>, config_file: Option<PathBuf>, mut stopped: watch::Receiver<bool>) {
    let (noticed, mut notices) = mpsc::unbounded_channel();
    let mut eyes = Eyes::open(config_file, noticed);
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => Some(hangup),
        Err(error) => {
            warn!(%error, "SIGHUP cannot be heard");
            None
        }
    };
    let mut changes = plugins.changes();
    loop {
        eyes.follow(&plugins);
        let asked = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let why = tokio::select! {
            Some(path) = notices.recv() => match eyes.concerns(&path) {
                true => "a changed file",
                false => continue,
            },
            Some(()) = asked => "SIGHUP",
            // A command changed the plugins, and with them which files matter.
            Ok(()) = changes.changed() => continue,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        quiet(&mut notices, &eyes).await;
        info!("the plugins are read again, because of {why}");
        // What is wrong is logged, and stays visible in the listing and in /health.
        let _ = plugins.reload(why).await;
    }
}

/// Returns when no file that matters was touched for a moment.
async fn quiet(notices: &mut mpsc::UnboundedReceiver<PathBuf>, eyes: &Eyes) {
    let moment = Duration::from_millis(WATCH_QUIET_MILLIS);
    let mut until = tokio::time::Instant::now() + moment;
    while let Ok(Some(path)) = tokio::time::timeout_at(until, notices.recv()).await {
        if eyes.concerns(&path) {
            until = tokio::time::Instant::now() + moment;
        }
    }
}

/// The directories that are looked at, and the files in them that matter.
struct Eyes {
    watcher: Option<RecommendedWatcher>,
    config_file: Option<PathBuf>,
    directories: BTreeSet<PathBuf>,
    files: BTreeSet<PathBuf>,
}

impl Eyes {
    fn open(config_file: Option<PathBuf>, noticed: mpsc::UnboundedSender<PathBuf>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| match event {
            Ok(event) if !event.kind.is_access() => event.paths.into_iter().for_each(|path| {
                // Nobody listens any more when the server stops.
                let _ = noticed.send(path);
            }),
            Ok(_) => {}
            Err(error) => warn!(%error, "a change of a file may have been missed; `provost plugin reload` looks again"),
        });
        let watcher = watcher
            .inspect_err(|error| {
                warn!(%error, "files cannot be watched; `provost plugin reload` reads them again");
            })
            .ok();
        Self { watcher, config_file, directories: BTreeSet::new(), files: BTreeSet::new() }
    }

    /// Looks at what the present plugins come from, and no longer at what is gone.
    fn follow(&mut self, plugins: &PluginHost) {
        let Some(watcher) = &mut self.watcher else { return };
        let files = plugins.files().into_iter().chain(self.config_file.clone());
        self.files = files.filter_map(|file| std::path::absolute(file).ok()).collect();
        let parents = self.files.iter().filter_map(|file| file.parent());
        let wanted: BTreeSet<PathBuf> = parents.filter(|directory| directory.is_dir()).map(Path::to_owned).collect();
        for gone in self.directories.difference(&wanted) {
            let _ = watcher.unwatch(gone);
        }
        let mut watched: BTreeSet<PathBuf> = self.directories.intersection(&wanted).cloned().collect();
        for new in wanted.difference(&self.directories) {
            match watcher.watch(new, RecursiveMode::NonRecursive) {
                Ok(()) => drop(watched.insert(new.clone())),
                Err(error) => warn!(%error, "`{}` cannot be watched", new.display()),
            }
        }
        self.directories = watched;
    }

    fn concerns(&self, path: &Path) -> bool {
        self.files.contains(path)
    }
}

/// The keys outside of the plugins' tables that two configurations differ in, dotted.
fn differences(began: &toml::Table, now: &toml::Table) -> Vec<String> {
    let keys: BTreeSet<&String> = began.keys().chain(now.keys()).filter(|key| *key != "plugin").collect();
    let mut different = Vec::new();
    for key in keys {
        compare(key, began.get(key), now.get(key), &mut different);
    }
    different
}

fn compare(path: &str, one: Option<&toml::Value>, other: Option<&toml::Value>, different: &mut Vec<String>) {
    match (one, other) {
        (Some(toml::Value::Table(one)), Some(toml::Value::Table(other))) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            keys.into_iter().for_each(|key| compare(&format!("{path}.{key}"), one.get(key), other.get(key), different));
        }
        (one, other) if one != other => different.push(path.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_restart_is_named_by_its_key_and_never_by_its_value() {
        let began = "[server]\nlisten = \"a\"\n[log]\nlevel = \"info\"\n[[plugin]]\nname = \"p\"".parse().unwrap();
        let now = "[server]\nlisten = \"b\"\nbody_bytes_max = 7\n[[plugin]]\nname = \"q\"".parse().unwrap();

        assert_eq!(differences(&began, &now), ["log", "server.body_bytes_max", "server.listen"]);
        assert!(differences(&began, &began).is_empty());
    }
}
