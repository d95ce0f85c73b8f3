//! The plugins: other people's code, in the middle of every change, on a short lead.
//!
//! [`PluginHost`] loads the components that the operator configured and implements
//! [`Hooks`](crate::hook::Hooks) with them. A call goes: find the plugin, wait for a seat, make a
//! fresh store, instantiate, hand over JSON, read the verdict, drop everything. What a guest may
//! do is linked into it when it is loaded; what it may use is counted while it runs. What it does
//! wrong comes back as a [`Fault`](crate::hook::Fault), and nothing else of it comes back.
//!
//! A plugin that cannot be loaded is quarantined with its reason, and the server runs on. If its
//! policy is `refuse`, the changes it guards are refused until it is mended.
//!
//! This is the only module that knows the sandbox's engine.

mod backing;
mod backtrace;
mod bindings;
mod call;
mod config;
mod encode;
mod engine;
mod fault;
mod guest;
mod hooks;
mod imports;
mod inspect;
mod load;
mod memory;
mod status;
mod wasi;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::future::join_all;
use tokio::sync::Semaphore;

pub use backing::{Backing, Memory};
pub use config::{ConfigError, Grant, Import, Limit, PluginConfig, check_configs};
pub use status::{PluginState, PluginStatus, RecentFault};

use crate::clock::Clock;
use crate::hook::PluginName;
use crate::limits;
use crate::outbound::Outbound;
use engine::Sandbox;
use guest::Identity;
use inspect::Hooks;
use load::Loaded;
use status::Record;

/// Components inside the binary, by name.
pub type Builtins = &'static [(&'static str, &'static [u8])];

/// The sandbox cannot be set up on this machine at all.
#[derive(Debug, thiserror::Error)]
#[error("the plugin sandbox could not be set up: {0}")]
pub struct SandboxError(String);

/// All plugins, in the operator's order.
pub struct PluginHost {
    house: Arc<House>,
    plugins: Vec<Plugin>,
    places: HashMap<PluginName, usize>,
}

/// What all plugins share.
struct House {
    sandbox: Sandbox,
    backing: Backing,
    outbound: Outbound,
    clock: Clock,
}

/// One plugin, loaded or not.
struct Plugin {
    config: PluginConfig,
    digest: String,
    /// Its hooks, or those that must be assumed while it is not known.
    hooks: Hooks,
    standing: Standing,
    record: Record,
    /// Its own rows of seats.
    hook_seats: Arc<Semaphore>,
    delivery_seats: Arc<Semaphore>,
    may_write: Arc<[String]>,
}

/// Whether a plugin can be called.
enum Standing {
    Ready { identity: Arc<Identity>, loaded: Box<Loaded> },
    Quarantined { reason: String },
    Disabled,
}

impl PluginHost {
    /// Sets up the sandbox and loads every plugin that is enabled, several at a time.
    ///
    /// Compiled components are kept in `cache/wasmtime` under `data_dir`, for the next start. The
    /// clock stamps faults, and is what state that is written after a commit expires by.
    ///
    /// # Errors
    /// When this machine cannot run a sandbox at all. A plugin that cannot be loaded is no error:
    /// it is quarantined.
    pub async fn start(
        configs: Vec<PluginConfig>,
        data_dir: Option<&Path>,
        backing: Backing,
        outbound: Outbound,
        builtins: Builtins,
        clock: Clock,
    ) -> Result<Self, SandboxError> {
        let sandbox = Sandbox::new(data_dir).map_err(|error| SandboxError(format!("{error:#}")))?;
        let house = Arc::new(House { sandbox, backing, outbound, clock });
        let plugins: Vec<Plugin> =
            join_all(configs.into_iter().map(|config| Plugin::load(&house, config, builtins))).await;
        house.sandbox.tell_cache();
        let places = plugins.iter().enumerate().map(|(place, plugin)| (plugin.config.name.clone(), place)).collect();
        Ok(Self { house, plugins, places })
    }

    /// The same without a server: for `provost plugin check` and `provost plugin run`. State lasts
    /// as long as the host, the directory is empty, and nothing compiled is kept.
    ///
    /// # Errors
    /// When this machine cannot run a sandbox at all.
    pub async fn offline(configs: Vec<PluginConfig>, builtins: Builtins) -> Result<Self, SandboxError> {
        Self::start(configs, None, Backing::memory(), Outbound::new(), builtins, Clock::System).await
    }

    /// How each plugin is doing, in the operator's order.
    pub fn statuses(&self) -> Vec<PluginStatus> {
        self.plugins.iter().map(Plugin::status).collect()
    }

    fn plugin(&self, name: &PluginName) -> Option<&Plugin> {
        self.places.get(name).map(|place| &self.plugins[*place])
    }
}

impl Plugin {
    async fn load(house: &Arc<House>, config: PluginConfig, builtins: Builtins) -> Self {
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
            hooks: identity.map_or(Hooks::UNKNOWN, |identity| identity.hooks),
            may_write: config.grant.write.clone().into(),
            digest: outcome.map(|outcome| outcome.digest).unwrap_or_default(),
            config,
            standing,
            record: Record::default(),
            hook_seats: Arc::new(Semaphore::new(seats)),
            delivery_seats: Arc::new(Semaphore::new(seats)),
        }
    }

    fn loaded(&self) -> Option<&Loaded> {
        match &self.standing {
            Standing::Ready { loaded, .. } => Some(loaded),
            Standing::Quarantined { .. } | Standing::Disabled => None,
        }
    }

    fn status(&self) -> PluginStatus {
        let (version, summary) =
            self.loaded().map(|loaded| (loaded.version.clone(), loaded.summary.clone())).unwrap_or_default();
        PluginStatus {
            name: self.config.name.clone(),
            version,
            summary,
            source: self.config.plugin.clone(),
            digest: self.digest.clone(),
            hooks: match &self.standing {
                Standing::Ready { .. } => self.hooks.names(),
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
