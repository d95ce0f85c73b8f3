//! One call's own world: what its imports see, what it may still use, what it has done so far.
//!
//! Made fresh for every call and dropped with it, so that nothing a guest does outlives its call
//! except the effects it is asked for.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;
use wasmtime_wasi::{WasiCtxView, WasiView};

use super::House;
use super::config::{Bounds, PluginConfig};
use super::fault::Breach;
use super::imports::state::{SeenState, StagedWrites};
use super::inspect::Exports;
use super::memory::Memory;
use super::sight::Sight;
use super::usage::Usage;
use super::wasi::Wasi;
use crate::context::{Realm, RequestContext};
use crate::hook::{PluginName, StagedMessage};
use crate::trace::Trace;

/// What stays the same from call to call of one plugin.
#[derive(Debug)]
pub(super) struct Identity {
    /// The operator's table, its grant cut down to what the plugin asks for.
    pub(super) config: PluginConfig,
    pub(super) bounds: Bounds,
    /// The operator's configuration for the plugin, as JSON text.
    pub(super) config_json: String,
    /// The hook groups it exports.
    pub(super) exports: Exports,
    /// What it may see of a resource.
    pub(super) sight: Sight,
    /// What of its grants it has used so far.
    pub(super) usage: Usage,
}

impl Identity {
    pub(super) fn name(&self) -> &str {
        &self.config.name.0
    }
}

/// What the host is asking for in this call; some imports answer accordingly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The plugin describes itself or checks its configuration. It can only read that, and log.
    Lifecycle,
    /// A change is reviewed: what the plugin writes is staged.
    BeforeWrite,
    /// A request is judged or its answer shaped: nothing can be written.
    Answering,
    /// A committed change is observed, a message delivered, a job run: what the plugin writes is written.
    After,
}

/// Which request this call belongs to.
#[derive(Debug, Clone)]
pub(super) struct Occasion {
    pub(super) phase: Phase,
    pub(super) request_id: Arc<str>,
    pub(super) realm: Realm,
    /// The request's one time.
    pub(super) now: Timestamp,
    /// Where it is noted what the call has used.
    pub(super) trace: Trace,
    /// The plugins that stand behind a change made in this call, the called one last.
    pub(super) trail: Arc<[PluginName]>,
    /// Whether it is a run of a job, which may ask for more than an answer to somebody who waits.
    pub(super) is_job: bool,
}

impl Occasion {
    /// A call during this request.
    pub(super) fn of(cx: &RequestContext, phase: Phase) -> Self {
        Self {
            phase,
            request_id: cx.request_id.clone(),
            realm: cx.realm,
            now: cx.now,
            trace: cx.trace.clone(),
            trail: cx.trail.clone(),
            is_job: false,
        }
    }
}

/// The store data of one call.
pub(super) struct Guest {
    pub(super) identity: Arc<Identity>,
    pub(super) house: Arc<House>,
    pub(super) occasion: Occasion,
    pub(super) deadline: Instant,
    pub(super) memory: Memory,
    pub(super) wasi: Wasi,
    pub(super) messages: Vec<StagedMessage>,
    pub(super) state: StagedWrites,
    pub(super) state_seen: SeenState,
    pub(super) log_lines: u32,
    pub(super) http_calls: u32,
    host_calls: u32,
    last_host_call: Option<&'static str>,
}

impl Guest {
    pub(super) fn new(identity: Arc<Identity>, house: Arc<House>, occasion: Occasion, deadline: Instant) -> Self {
        Self {
            memory: Memory::new(identity.bounds.memory_bytes),
            identity,
            house,
            occasion,
            deadline,
            wasi: Wasi::default(),
            messages: Vec::new(),
            state: StagedWrites::default(),
            state_seen: SeenState::default(),
            log_lines: 0,
            http_calls: 0,
            host_calls: 0,
            last_host_call: None,
        }
    }

    /// Counts a call to the host. Every import begins with this.
    pub(super) fn enter(&mut self, import: &'static str) -> wasmtime::Result<()> {
        self.last_host_call = Some(import);
        self.identity.usage.import(import);
        self.host_calls += 1;
        let bounds = &self.identity.bounds;
        let allowed = if self.occasion.is_job { bounds.job_host_calls } else { bounds.host_calls };
        if self.host_calls > allowed { Err(Breach::HostCalls(allowed).into()) } else { Ok(()) }
    }

    pub(super) fn host_calls(&self) -> u32 {
        self.host_calls
    }

    /// How many HTTP requests this call may make.
    pub(super) fn http_calls_max(&self) -> u32 {
        let bounds = &self.identity.bounds;
        match self.occasion.phase {
            Phase::After if self.occasion.is_job => bounds.job_http_calls,
            Phase::After => bounds.delivery_http_calls,
            Phase::Lifecycle | Phase::BeforeWrite | Phase::Answering => bounds.http_calls,
        }
    }

    pub(super) fn last_host_call(&self) -> Option<&'static str> {
        self.last_host_call
    }

    pub(super) fn output_bytes(&self) -> usize {
        self.identity.bounds.output_bytes
    }

    pub(super) fn is(&self, phase: Phase) -> bool {
        self.occasion.phase == phase
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.view()
    }
}
