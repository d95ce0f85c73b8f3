//! What is measured of the plugins, for Prometheus. Labels are the names of configured plugins, their versions, and words
//! of ours, so the number of series is bounded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use metrics::{Counter, Histogram, counter, gauge, histogram};

use super::breaker::BreakerState;
use crate::hook::{HookGroup, PluginName};

/// What is measured of one plugin. A hook group's series begin with its first call.
pub(super) struct Meters {
    plugin: PluginName,
    groups: [OnceLock<Arc<Meter>>; HookGroup::ALL.len()],
}

/// What is measured of one plugin's calls of one hook group: looked up once, and not at each call.
pub(super) struct Meter {
    plugin: PluginName,
    group: HookGroup,
    took: Histogram,
    queued: Histogram,
    memory: Histogram,
    slow: Counter,
    outcomes: Mutex<BTreeMap<&'static str, Counter>>,
}

impl Meters {
    pub(super) fn new(plugin: PluginName) -> Self {
        Self { plugin, groups: Default::default() }
    }

    pub(super) fn of(&self, group: HookGroup) -> &Arc<Meter> {
        self.groups[group.place()].get_or_init(|| Arc::new(Meter::new(self.plugin.clone(), group)))
    }
}

impl Meter {
    fn new(plugin: PluginName, group: HookGroup) -> Self {
        let (name, hook) = (|| plugin.0.clone(), group.as_str());
        Self {
            took: histogram!("provost_plugin_call_seconds", "plugin" => name(), "hook" => hook),
            queued: histogram!("provost_plugin_queue_seconds", "plugin" => name(), "hook" => hook),
            memory: histogram!("provost_plugin_memory_bytes", "plugin" => name(), "hook" => hook),
            slow: counter!("provost_plugin_slow_calls_total", "plugin" => name(), "hook" => hook),
            outcomes: Mutex::default(),
            plugin,
            group,
        }
    }

    /// One call that ended, as what, and how long it took with its waiting.
    pub(super) fn ended(&self, outcome: &'static str, took: Duration) {
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = outcomes.entry(outcome).or_insert_with(|| {
            let (plugin, hook) = (self.plugin.0.clone(), self.group.as_str());
            counter!("provost_plugin_calls_total", "plugin" => plugin, "hook" => hook, "outcome" => outcome)
        });
        counter.increment(1);
        drop(outcomes);
        self.took.record(took);
    }

    /// How long a call waited for a seat.
    pub(super) fn queued(&self, waited: Duration) {
        self.queued.record(waited);
    }

    /// A call that computed for so long that it went on in the slow lane.
    pub(super) fn slow(&self) {
        self.slow.increment(1);
    }

    /// How much memory a call had at its end, which is its most: memories only grow.
    pub(super) fn memory(&self, bytes: usize) {
        self.memory.record(bytes as f64);
    }
}

/// An answer that was well formed and broke a rule when it was applied.
pub(super) fn blamed(plugin: &PluginName, group: HookGroup, kind: &'static str) {
    counter!("provost_plugin_calls_blamed_total", "plugin" => plugin.0.clone(), "hook" => group.as_str(), "fault" => kind)
        .increment(1);
}

/// A breaker's state: 0 closed, 1 half open, 2 open.
pub(super) fn breaker(plugin: &PluginName, group: HookGroup, state: BreakerState) {
    let value = match state {
        BreakerState::Closed => 0.0,
        BreakerState::HalfOpen => 1.0,
        BreakerState::Open => 2.0,
    };
    gauge!("provost_plugin_breaker_state", "plugin" => plugin.0.clone(), "hook" => group.as_str()).set(value);
}

/// Whether this version is the one that runs: 1, or 0 from then on.
pub(super) fn loaded(plugin: &PluginName, version: &str, runs: bool) {
    let labels = [("plugin", plugin.0.to_string()), ("version", version.to_owned())];
    gauge!("provost_plugin_loaded", &labels).set(if runs { 1.0 } else { 0.0 });
}

/// A change of the set: `applied`, `unchanged` or `refused`.
pub(super) fn change(outcome: &'static str) {
    counter!("provost_plugin_changes_total", "outcome" => outcome).increment(1);
}
