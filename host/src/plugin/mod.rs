//! The plugins: other people's code, in the middle of every change, on a short lead.
//!
//! [`PluginHost`] loads the components that the operator configured and implements
//! [`Hooks`](crate::hook::Hooks) with them. A call goes: find the plugin, wait for a seat, make a
//! fresh store, instantiate, hand over JSON, read the verdict, drop everything. What a guest may
//! do is linked into it when it is loaded; what it may use is counted while it runs. What it does
//! wrong comes back as a [`Fault`](crate::hook::Fault), and nothing else of it comes back.
//!
//! A plugin that cannot be loaded is quarantined with its reason, and the server runs on. If its
//! policy is `refuse`, the changes it guards are refused until it is mended. So is one that keeps faulting.
//!
//! Plugins change without a restart. The next set is made ready aside and then takes the present one's place at once, or
//! not at all; whoever began with the old set ends with it.
//!
//! This is the only module that knows the sandbox's engine.

mod asking;
mod backing;
mod backtrace;
mod bindings;
mod breaker;
mod call;
mod change;
mod config;
mod cursor;
mod encode;
mod engine;
mod fault;
mod grant;
mod guest;
mod hooks;
mod imports;
mod inspect;
mod interest;
mod jobs;
mod keep;
mod lane;
mod load;
mod manifest;
mod memory;
mod meter;
mod orders;
mod policy;
mod set;
mod sight;
mod status;
mod usage;
mod wasi;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use tokio::sync::watch;

pub use backing::{Backing, Memory};
pub use breaker::{BreakerState, BreakerStatus};
pub use change::{ChangeError, Changed, Refused, Source, Written};
pub use config::{ConfigError, DirectoryWrite, Grant, Import, Limit, PluginConfig, check_configs};
pub use jobs::JobConfig;
pub use manifest::{Ask, AskedHttp};
pub use orders::{Order, Origin};
pub use policy::{BreakerConfig, FaultPolicy};
pub use set::PluginSet;
pub use status::{GrantStatus, PluginState, PluginStatus, RecentFault};

use crate::clock::Clock;
use crate::hook::{Author, PluginName, Roster};
use crate::outbound::Outbound;
use change::Ledger;
use engine::Sandbox;
use keep::Keep;
use orders::{ORDERS_FILE, Orders};
use set::Standing;

/// Components inside the binary, by name.
pub type Builtins = &'static [(&'static str, &'static [u8])];

/// The plugins cannot be set up at all; nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// This machine cannot run a sandbox.
    #[error("the plugin sandbox could not be set up: {0}")]
    Engine(String),
    /// What was changed by command cannot be read, and without it nobody knows which plugins there are.
    #[error("the plugins are not known: {0}")]
    Orders(String),
}

/// The sandbox, and the plugins that are in it at present.
pub struct PluginHost {
    builtins: Builtins,
    present: RwLock<Arc<PluginSet>>,
    roster: Arc<Roster>,
    /// One change at a time.
    ledger: tokio::sync::Mutex<Ledger>,
    refused: Mutex<Option<Refused>>,
    keep: Option<Keep>,
    orders_file: Option<PathBuf>,
    changes: watch::Sender<u64>,
}

/// What all plugins of a set share. The next set may have another way out, and shares the rest with the one before.
#[derive(Clone)]
struct House {
    sandbox: Arc<Sandbox>,
    backing: Backing,
    outbound: Outbound,
    clock: Clock,
    /// Where plugins' own changes go; nowhere, without a server.
    author: Arc<OnceLock<Author>>,
}

impl House {
    /// Whether the resource types, attributes and secrets that a table names are there. Without a server there is nothing
    /// to hold it against.
    fn has_what_is_named(&self, config: &PluginConfig) -> Result<(), ConfigError> {
        let Backing::Store { schemas, .. } = &self.backing else { return Ok(()) };
        config.check_beside(schemas)?;
        config.check_secrets(|name| self.outbound.has_secret(name))
    }
}

impl PluginHost {
    /// Sets up the sandbox and loads every plugin that is enabled, several at a time.
    ///
    /// Compiled components are kept in `cache/wasmtime` under `data_dir`, for the next start, and the
    /// components themselves in `plugins`: what does not load comes back as it was last good. What
    /// was changed by command stands in `plugins.toml` there, and is laid over `configs`. The
    /// clock stamps faults, and is what state that is written after a commit expires by.
    ///
    /// # Errors
    /// When this machine cannot run a sandbox at all, or `plugins.toml` cannot be read. A plugin that
    /// cannot be loaded is no error: it is quarantined.
    pub async fn start(
        configs: Vec<PluginConfig>,
        data_dir: Option<&Path>,
        backing: Backing,
        outbound: Outbound,
        builtins: Builtins,
        clock: Clock,
    ) -> Result<Self, SandboxError> {
        let sandbox = Sandbox::new(data_dir).map_err(|error| SandboxError::Engine(format!("{error:#}")))?;
        let author = Arc::default();
        let house = Arc::new(House { sandbox: Arc::new(sandbox), backing, outbound, clock, author });
        let orders_file = data_dir.map(|data| data.join(ORDERS_FILE));
        let orders = orders_file.as_deref().map_or_else(|| Ok(Orders::default()), Orders::read);
        let host = Self {
            present: RwLock::new(Arc::new(PluginSet::new(house.clone(), Vec::new()))),
            roster: Arc::new(Roster::new(Arc::new(PluginSet::new(house.clone(), Vec::new())))),
            builtins,
            ledger: tokio::sync::Mutex::default(),
            refused: Mutex::default(),
            keep: data_dir.map(Keep::under),
            orders_file,
            changes: watch::channel(0).0,
        };
        host.begin(configs, orders.map_err(SandboxError::Orders)?).await;
        house.sandbox.tell_cache();
        Ok(host)
    }

    /// The same without a server: for `provost plugin check` and `provost plugin run`. State lasts
    /// as long as the host, the directory is empty, and nothing compiled is kept.
    ///
    /// # Errors
    /// When this machine cannot run a sandbox at all.
    pub async fn offline(configs: Vec<PluginConfig>, builtins: Builtins) -> Result<Self, SandboxError> {
        Self::start(configs, None, Backing::memory(), Outbound::new(), builtins, Clock::System).await
    }

    /// Says once where plugins' own changes go. Until then they are told that it is not possible now.
    pub fn write_through(&self, author: Author) {
        self.set().house.author.get_or_init(|| author);
    }

    /// How each plugin is doing, in the operator's order.
    pub fn statuses(&self) -> Vec<PluginStatus> {
        let refused = self.refused();
        let set = self.set();
        let statuses = set.plugins().map(|plugin| {
            let mut status = plugin.status(plugin.origin());
            let why = refused.as_ref().and_then(|refused| refused.reason_of(&status.name));
            if let (PluginState::Ready, Some(reason)) = (&status.state, why) {
                status.state = PluginState::Outdated { reason: reason.to_owned() };
            }
            status
        });
        statuses.collect()
    }

    /// The last change that was refused, if what it wanted has not come since.
    pub fn refused(&self) -> Option<Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a plugin asks for, what it is granted, and what of it it has used since it was loaded; absent if there is no
    /// such plugin.
    pub fn grants(&self, name: &PluginName) -> Option<GrantStatus> {
        let set = self.set();
        let plugin = set.plugin(name)?;
        let used = match &plugin.standing {
            Standing::Ready { identity, .. } => identity.usage.counts(),
            Standing::Quarantined { .. } | Standing::Disabled => Default::default(),
        };
        let refused = self.refused();
        Some(GrantStatus {
            name: name.clone(),
            manifest: plugin.ask.is_some(),
            asked: plugin.ask.as_ref().map(grant::asked),
            granted: grant::granted(&plugin.written.grant),
            effective: grant::granted(&plugin.config.grant),
            used,
            refused: refused.as_ref().and_then(|refused| refused.reason_of(name)).map(str::to_owned),
        })
    }

    /// Closes a plugin's breakers. Answers whether there is such a plugin.
    pub fn close_breakers(&self, name: &PluginName, by: &str) -> bool {
        let set = self.set();
        let Some(plugin) = set.plugin(name) else { return false };
        plugin.breakers.close();
        tracing::info!(plugin.name = %name, by, "the breakers of plugin `{name}` were closed by {by}");
        true
    }

    /// The files of the components that are configured, those that their manifests could stand in, and that of the
    /// authorities that their requests trust.
    pub fn files(&self) -> Vec<PathBuf> {
        let set = self.set();
        let authorities = set.house.outbound.file().map(Path::to_owned);
        let sources = set.plugins().map(|plugin| plugin.written.plugin.as_str());
        let files = sources.filter(|source| !source.starts_with(load::BUILTIN_PREFIX)).map(PathBuf::from);
        let files = files.flat_map(|file| [manifest::beside(&file), file.with_file_name(manifest::BESIDE), file]);
        files.chain(authorities).collect()
    }

    /// Counts the changes that were applied or refused; tells whenever there was one more.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Which set of plugins is the present one, for the pipeline and the workers.
    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// The present set.
    pub fn set(&self) -> Arc<PluginSet> {
        self.present.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
