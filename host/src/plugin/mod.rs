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
mod cursor;
mod encode;
mod engine;
mod fault;
mod guest;
mod hooks;
mod imports;
mod inspect;
mod jobs;
mod load;
mod memory;
mod set;
mod status;
mod wasi;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use futures::future::join_all;

pub use backing::{Backing, Memory};
pub use config::{ConfigError, DirectoryWrite, Grant, Import, Limit, PluginConfig, check_configs};
pub use jobs::JobConfig;
pub use set::PluginSet;
pub use status::{PluginState, PluginStatus, RecentFault};

use crate::clock::Clock;
use crate::hook::{Author, Roster};
use crate::outbound::Outbound;
use engine::Sandbox;
use set::Plugin;

/// Components inside the binary, by name.
pub type Builtins = &'static [(&'static str, &'static [u8])];

/// The sandbox cannot be set up on this machine at all.
#[derive(Debug, thiserror::Error)]
#[error("the plugin sandbox could not be set up: {0}")]
pub struct SandboxError(String);

/// The sandbox, and the plugins that are in it at present.
pub struct PluginHost {
    set: Arc<PluginSet>,
    roster: Arc<Roster>,
}

/// What all plugins share.
struct House {
    sandbox: Sandbox,
    backing: Backing,
    outbound: Outbound,
    clock: Clock,
    /// Where plugins' own changes go; nowhere, without a server.
    author: OnceLock<Author>,
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
        let house = Arc::new(House { sandbox, backing, outbound, clock, author: OnceLock::new() });
        let plugins = join_all(configs.into_iter().map(|config| Plugin::load(&house, config, builtins))).await;
        house.sandbox.tell_cache();
        let set = Arc::new(PluginSet::new(house, plugins.into_iter().map(Arc::new).collect()));
        Ok(Self { roster: Arc::new(Roster::new(set.clone())), set })
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
        let house = &self.set.house;
        house.author.get_or_init(|| author);
    }

    /// How each plugin is doing, in the operator's order.
    pub fn statuses(&self) -> Vec<PluginStatus> {
        self.set.plugins().map(Plugin::status).collect()
    }

    /// Which set of plugins is the present one, for the pipeline and the workers.
    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// The present set.
    pub fn set(&self) -> &Arc<PluginSet> {
        &self.set
    }
}
