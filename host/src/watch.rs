//! Notices when the operator changes a file: the configuration, a component, a manifest beside one, the authorities that
//! requests trust. Then the plugins are read again, with the secrets and settings that their requests leave with. SIGHUP
//! asks for the same.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use provost_scim::Schemas;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::Config;
use crate::eyes::Eyes;
use crate::plugin::{PluginHost, Source, Written};

/// The tables that are applied when the configuration is read again.
const APPLIED: [&str; 3] = ["plugin", "secret", "outbound"];

/// How the plugins, the secrets and `[outbound]` are read again: from the file that the server began with, with the
/// environment over it, held against the schemas that are served. Whatever else is different there waits for a restart,
/// and is named in the log.
pub fn source(config: &Config, schemas: Arc<Schemas>) -> Option<Source> {
    let file = config.file.clone()?;
    let began = config.settings.clone();
    Some(Arc::new(move || {
        let config = Config::load(Some(&file)).map_err(|error| crate::http::error_chain(&error))?;
        for key in differences(&began.0, &config.settings.0) {
            warn!(key, "`{key}` in the configuration is not what this server began with; it needs a restart");
        }
        config.check_beside(&schemas).map_err(|error| crate::http::error_chain(&error))?;
        config.remarks.iter().for_each(|remark| warn!("{remark}"));
        Ok(Written { plugins: config.plugin, outbound: config.outbound, secrets: config.secret })
    }))
}

/// Waits for changes of the plugins' files, and for SIGHUP.
pub struct Watch {
    plugins: Arc<PluginHost>,
    config_file: Option<PathBuf>,
    eyes: Eyes,
    hangup: Option<Signal>,
}

impl Watch {
    /// From here on nothing is missed.
    pub fn open(plugins: Arc<PluginHost>, config_file: Option<PathBuf>) -> Self {
        let eyes = Eyes::open("`provost plugin reload` reads the plugins again");
        let hangup = signal(SignalKind::hangup()).inspect_err(|error| warn!(%error, "SIGHUP cannot be heard")).ok();
        let mut watch = Self { plugins, config_file, eyes, hangup };
        watch.follow();
        watch
    }

    fn follow(&mut self) {
        self.eyes.follow(self.plugins.files().into_iter().chain(self.config_file.clone()));
    }

    /// Reads the plugins again whenever a file of theirs was changed, until the server stops.
    pub async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut changes = self.plugins.changes();
        loop {
            let hangup = &mut self.hangup;
            let why = tokio::select! {
                () = self.eyes.changed() => "a changed file",
                Some(()) = async { hangup.as_mut()?.recv().await } => "SIGHUP",
                // A command changed the plugins, and with them which files matter.
                Ok(()) = changes.changed() => {
                    self.follow();
                    continue;
                }
                _ = stopped.wait_for(|stopped| *stopped) => return,
            };
            info!("the plugins are read again, because of {why}");
            // What is wrong is logged, and stays visible in the listing and in /health.
            let _ = self.plugins.reload(why).await;
        }
    }
}

/// The keys that two configurations differ in and that wait for a restart, dotted.
fn differences(began: &toml::Table, now: &toml::Table) -> Vec<String> {
    let keys: BTreeSet<&String> =
        began.keys().chain(now.keys()).filter(|key| !APPLIED.contains(&key.as_str())).collect();
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
        let began =
            "[server]\nlisten = \"a\"\n[log]\nlevel = \"info\"\n[[plugin]]\nname = \"p\"\n[secret.s]\nenv = \"S\"";
        let now = "[server]\nlisten = \"b\"\nbody_bytes_max = 7\n[[plugin]]\nname = \"q\"\n[outbound]\nconnect_ms = 1";
        let (began, now) = (began.parse().unwrap(), now.parse().unwrap());

        assert_eq!(differences(&began, &now), ["log", "server.body_bytes_max", "server.listen"]);
        assert!(differences(&began, &began).is_empty());
    }
}
