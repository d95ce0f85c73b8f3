//! One set of plugins, in the operator's order. It never changes; an upgrade makes another one, and shares with it what
//! stayed as it was.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::Semaphore;

use super::guest::Identity;
use super::inspect::Exports;
use super::load::{self, Loaded};
use super::status::Record;
use super::{Builtins, House, PluginConfig, PluginState, PluginStatus};
use crate::hook::{Act, PluginName};
use crate::limits;

/// All plugins of one moment.
pub struct PluginSet {
    pub(super) house: Arc<House>,
    plugins: Vec<Arc<Plugin>>,
    places: HashMap<PluginName, usize>,
}

/// One plugin, loaded or not.
pub(super) struct Plugin {
    pub(super) config: PluginConfig,
    pub(super) digest: String,
    /// The hook groups it exports, or those that must be assumed while it is not known.
    pub(super) exports: Exports,
    pub(super) standing: Standing,
    pub(super) record: Record,
    /// Its own rows of seats.
    pub(super) hook_seats: Arc<Semaphore>,
    pub(super) delivery_seats: Arc<Semaphore>,
    pub(super) may_write: Arc<[String]>,
}

/// Whether a plugin can be called.
pub(super) enum Standing {
    Ready { identity: Arc<Identity>, loaded: Box<Loaded> },
    Quarantined { reason: String },
    Disabled,
}

impl PluginSet {
    pub(super) fn new(house: Arc<House>, plugins: Vec<Arc<Plugin>>) -> Self {
        let places = plugins.iter().enumerate().map(|(place, plugin)| (plugin.config.name.clone(), place)).collect();
        Self { house, plugins, places }
    }

    /// Every plugin, in the operator's order.
    pub(super) fn plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.iter().map(|plugin| &**plugin)
    }

    pub(super) fn plugin(&self, name: &PluginName) -> Option<&Plugin> {
        self.places.get(name).map(|place| &*self.plugins[*place])
    }

    /// Those that are switched on and that the operator wants asked about this.
    pub(super) fn concerned(&self, act: Act, resource_type: &str) -> impl Iterator<Item = &Plugin> {
        let enabled = self.plugins().filter(|plugin| !matches!(plugin.standing, Standing::Disabled));
        enabled.filter(move |plugin| plugin.config.subscribes(resource_type, act))
    }
}

impl Plugin {
    pub(super) async fn load(house: &Arc<House>, config: PluginConfig, builtins: Builtins) -> Self {
        let (outcome, standing) = match config.enabled {
            false => (None, Standing::Disabled),
            true => {
                let mut outcome = load::load(house, &config, builtins).await;
                let result = std::mem::replace(&mut outcome.result, Err(String::new()));
                let standing = match (outcome.identity.clone(), result) {
                    (Some(identity), Ok(loaded)) => Standing::Ready { identity, loaded: Box::new(loaded) },
                    (_, Err(reason)) => Standing::Quarantined { reason },
                    (None, Ok(_)) => unreachable!("a plugin is loaded with its identity"),
                };
                (Some(outcome), standing)
            }
        };
        let identity = outcome.as_ref().and_then(|outcome| outcome.identity.as_ref());
        let seats =
            identity.map_or(limits::GUEST_CALLS_PER_PLUGIN_DEFAULT as usize, |identity| identity.bounds.concurrency);
        Self {
            exports: identity.map_or(Exports::UNKNOWN, |identity| identity.exports),
            may_write: config.grant.write.clone().into(),
            digest: outcome.map(|outcome| outcome.digest).unwrap_or_default(),
            config,
            standing,
            record: Record::default(),
            hook_seats: Arc::new(Semaphore::new(seats)),
            delivery_seats: Arc::new(Semaphore::new(seats)),
        }
    }

    pub(super) fn loaded(&self) -> Option<&Loaded> {
        match &self.standing {
            Standing::Ready { loaded, .. } => Some(loaded),
            Standing::Quarantined { .. } | Standing::Disabled => None,
        }
    }

    pub(super) fn status(&self) -> PluginStatus {
        let (version, summary) =
            self.loaded().map(|loaded| (loaded.version.clone(), loaded.summary.clone())).unwrap_or_default();
        PluginStatus {
            name: self.config.name.clone(),
            version,
            summary,
            source: self.config.plugin.clone(),
            digest: self.digest.clone(),
            hooks: match &self.standing {
                Standing::Ready { .. } => self.exports.names(),
                Standing::Quarantined { .. } | Standing::Disabled => Vec::new(),
            },
            imports: self
                .loaded()
                .map(|loaded| loaded.imports.iter().map(|import| import.as_str()).collect())
                .unwrap_or_default(),
            on_fault: self.config.on_fault,
            state: match &self.standing {
                Standing::Ready { .. } => PluginState::Ready,
                Standing::Quarantined { reason } => PluginState::Quarantined { reason: reason.clone() },
                Standing::Disabled => PluginState::Disabled,
            },
            calls: self.record.calls.load(Ordering::Relaxed),
            refusals: self.record.refusals.load(Ordering::Relaxed),
            errors: self.record.errors.load(Ordering::Relaxed),
            faults: self.record.faults_by_kind(),
            recent: self.record.recent_faults(),
        }
    }
}
