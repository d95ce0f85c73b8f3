//! One set of plugins, in the operator's order. It never changes; an upgrade makes another one, and shares with it what
//! stayed as it was.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::breaker::Breakers;
use super::fault::unavailable;
use super::guest::Identity;
use super::inspect::Exports;
use super::interest::Interests;
use super::load::{self, Fetched, Loaded, Predecessor};
use super::manifest::Ask;
use super::meter::Meters;
use super::orders::Origin;
use super::status::Record;
use super::{House, PluginConfig, PluginState, PluginStatus};
use crate::hook::{Act, Attribution, Consulted, Fault, HookGroup, PluginName};
use crate::limits;

/// All plugins of one moment.
pub struct PluginSet {
    pub(super) house: Arc<House>,
    plugins: Vec<Arc<Plugin>>,
    places: HashMap<PluginName, usize>,
    interests: Interests,
}

/// One plugin, loaded or not.
pub(super) struct Plugin {
    /// The operator's table.
    pub(super) written: PluginConfig,
    /// The same, cut down to what the plugin asks for.
    pub(super) config: PluginConfig,
    pub(super) digest: String,
    /// The manifest that stood beside the component.
    pub(super) beside: Option<String>,
    /// What it asks for in writing.
    pub(super) ask: Option<Ask>,
    /// The hook groups it exports, or those that must be assumed while it is not known.
    pub(super) exports: Exports,
    pub(super) standing: Standing,
    pub(super) record: Record,
    pub(super) breakers: Breakers,
    pub(super) meters: Meters,
    /// Since when it is what it is.
    pub(super) since: Timestamp,
    /// Where its table stands.
    origin: Mutex<Origin>,
    /// Why this is not what the operator configured, but what was last good.
    outdated: Mutex<Option<String>>,
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
        let places = plugins.iter().enumerate().map(|(place, plugin)| (plugin.written.name.clone(), place)).collect();
        let interests = Interests::of(&plugins);
        Self { house, plugins, places, interests }
    }

    /// Every plugin, in the operator's order.
    pub(super) fn plugins(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        self.plugins.iter()
    }

    pub(super) fn plugin(&self, name: &PluginName) -> Option<&Arc<Plugin>> {
        self.places.get(name).map(|place| &self.plugins[*place])
    }

    /// Those that are switched on, have this hook, and that the operator wants asked about this.
    pub(super) fn concerned(&self, group: HookGroup, act: Act, resource_type: &str) -> impl Iterator<Item = &Plugin> {
        self.interests.places(group, act, resource_type).iter().map(|place| &*self.plugins[*place])
    }
}

impl Plugin {
    /// A plugin that the operator switched off.
    pub(super) fn disabled(house: &House, config: PluginConfig) -> Self {
        Self::new(house, config, None, None, Standing::Disabled)
    }

    /// Loads a plugin; if it cannot be loaded, it is there all the same, with the reason.
    pub(super) async fn load(
        house: &Arc<House>,
        config: PluginConfig,
        fetched: Result<&Fetched, &String>,
        predecessor: Option<Predecessor<'_>>,
    ) -> Self {
        let mut outcome = load::load(house, &config, fetched, predecessor).await;
        let standing = match (outcome.identity.clone(), outcome.result) {
            (Some(identity), Ok(loaded)) => Standing::Ready { identity, loaded: Box::new(loaded) },
            (_, Err(reason)) => Standing::Quarantined { reason },
            (None, Ok(_)) => unreachable!("a plugin is loaded with its identity"),
        };
        let fetched = fetched.ok();
        let mut plugin = Self::new(house, config, outcome.identity.take(), fetched, standing);
        plugin.ask = outcome.ask;
        plugin
    }

    fn new(
        house: &House,
        written: PluginConfig,
        identity: Option<Arc<Identity>>,
        fetched: Option<&Fetched>,
        standing: Standing,
    ) -> Self {
        let identity = identity.as_ref();
        let seats =
            identity.map_or(limits::GUEST_CALLS_PER_PLUGIN_DEFAULT as usize, |identity| identity.bounds.concurrency);
        let config = identity.map_or_else(|| written.clone(), |identity| identity.config.clone());
        Self {
            exports: identity.map_or(Exports::UNKNOWN, |identity| identity.exports),
            may_write: config.grant.write.clone().into(),
            digest: fetched.map(|fetched| fetched.digest.clone()).unwrap_or_default(),
            beside: fetched.and_then(|fetched| fetched.beside.clone()),
            ask: None,
            meters: Meters::new(written.name.clone()),
            breakers: Breakers::new(written.name.clone(), written.breaker, house.clock.clone()),
            since: house.clock.now(),
            origin: Mutex::new(Origin::Configuration),
            outdated: Mutex::default(),
            written,
            config,
            standing,
            record: Record::default(),
            hook_seats: Arc::new(Semaphore::new(seats)),
            delivery_seats: Arc::new(Semaphore::new(seats)),
        }
    }

    /// The operator's name for it.
    pub(super) fn name(&self) -> &str {
        &self.config.name.0
    }

    /// It, as somebody who is asked.
    pub(super) fn consulted(&self, group: HookGroup) -> Consulted {
        let version = self.loaded().map(|loaded| loaded.version.clone()).unwrap_or_default();
        Consulted {
            attribution: Attribution { plugin: self.config.name.clone(), version },
            group,
            on_fault: self.config.on_fault.at(group),
            may_write: self.may_write.clone(),
        }
    }

    /// What a call of it needs.
    pub(super) fn ready(&self) -> Result<(&Arc<Identity>, &Loaded), Fault> {
        match &self.standing {
            Standing::Ready { identity, loaded } => Ok((identity, loaded)),
            Standing::Quarantined { reason } => Err(unavailable(reason.clone())),
            Standing::Disabled => Err(unavailable("the plugin is switched off")),
        }
    }

    pub(super) fn lacks(&self, group: HookGroup) -> Fault {
        unavailable(format!("plugin `{}` exports no `{group}`", self.config.name))
    }

    /// Notes that this is what was last good, and why; and which table the operator has now.
    pub(super) fn last_good_of(mut self, written: PluginConfig, reason: String) -> Self {
        self.written = written;
        self.outdated = Mutex::new(Some(reason));
        self
    }

    /// Where its table stands; it may come to stand elsewhere and say the same.
    pub(super) fn origin(&self) -> Origin {
        *self.origin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stands_in(&self, origin: Origin) {
        *self.origin.lock().unwrap_or_else(PoisonError::into_inner) = origin;
    }

    /// Why this is what was last good, if it is.
    pub(super) fn outdated(&self) -> Option<String> {
        self.outdated.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.standing, Standing::Ready { .. })
    }

    /// Why it could not be loaded, if so.
    pub(super) fn unloaded(&self) -> Option<&str> {
        match &self.standing {
            Standing::Quarantined { reason } => Some(reason),
            Standing::Ready { .. } | Standing::Disabled => None,
        }
    }

    pub(super) fn loaded(&self) -> Option<&Loaded> {
        match &self.standing {
            Standing::Ready { loaded, .. } => Some(loaded),
            Standing::Quarantined { .. } | Standing::Disabled => None,
        }
    }

    pub(super) fn status(&self, origin: Origin) -> PluginStatus {
        let (version, summary) =
            self.loaded().map(|loaded| (loaded.version.clone(), loaded.summary.clone())).unwrap_or_default();
        PluginStatus {
            name: self.written.name.clone(),
            version,
            summary,
            source: self.written.plugin.clone(),
            origin,
            digest: self.digest.clone(),
            since: self.since,
            breakers: self.breakers.statuses(),
            hooks: match &self.standing {
                Standing::Ready { .. } => self.exports.names(),
                Standing::Quarantined { .. } | Standing::Disabled => Vec::new(),
            },
            imports: self
                .loaded()
                .map(|loaded| loaded.imports.iter().map(|import| import.as_str()).collect())
                .unwrap_or_default(),
            on_fault: self.written.on_fault.clone(),
            state: match (&self.standing, self.breakers.quarantine()) {
                (Standing::Disabled, _) => PluginState::Disabled,
                (Standing::Quarantined { reason }, _) => PluginState::Quarantined { reason: reason.clone() },
                (Standing::Ready { .. }, Some(reason)) => PluginState::Quarantined { reason },
                (Standing::Ready { .. }, None) => match self.outdated() {
                    Some(reason) => PluginState::Outdated { reason },
                    None => PluginState::Ready,
                },
            },
            calls: self.record.calls.load(Ordering::Relaxed),
            refusals: self.record.refusals.load(Ordering::Relaxed),
            errors: self.record.errors.load(Ordering::Relaxed),
            faults: self.record.faults_by_kind(),
            recent: self.record.recent_faults(),
        }
    }
}
