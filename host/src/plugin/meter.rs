//! What is measured of the plugins, for Prometheus. Labels are the names of configured plugins, their versions, and words
//! of ours, so the number of series is bounded.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use super::breaker::BreakerState;
use crate::hook::{HookGroup, PluginName};

/// One call that ended, as what, and how long it took with its waiting.
pub(super) fn call(plugin: &PluginName, group: HookGroup, outcome: &'static str, took: Duration) {
    let name = plugin.0.clone();
    counter!("provost_plugin_calls_total", "plugin" => name.clone(), "hook" => group.as_str(), "outcome" => outcome)
        .increment(1);
    histogram!("provost_plugin_call_seconds", "plugin" => name, "hook" => group.as_str()).record(took);
}

/// An answer that was well formed and broke a rule when it was applied.
pub(super) fn blamed(plugin: &PluginName, group: HookGroup, kind: &'static str) {
    counter!("provost_plugin_calls_blamed_total", "plugin" => plugin.0.clone(), "hook" => group.as_str(), "fault" => kind)
        .increment(1);
}

/// How long a call waited for a seat.
pub(super) fn queued(plugin: &PluginName, group: HookGroup, waited: Duration) {
    histogram!("provost_plugin_queue_seconds", "plugin" => plugin.0.clone(), "hook" => group.as_str()).record(waited);
}

/// How much memory a call had at its end, which is its most: memories only grow.
pub(super) fn memory(plugin: &PluginName, group: HookGroup, bytes: usize) {
    histogram!("provost_plugin_memory_bytes", "plugin" => plugin.0.clone(), "hook" => group.as_str())
        .record(bytes as f64);
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
