//! What waits, plugin by plugin, for the metrics: how many messages, since when the oldest, and how late they arrive.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use metrics::{gauge, histogram};

use crate::hook::{Message, PluginName};
use crate::store::OutboxKey;

/// The messages that wait, parked ones as well. As many are in their lanes.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    plugins: BTreeMap<PluginName, BTreeSet<(i64, OutboxKey)>>,
    waiting: HashMap<OutboxKey, (PluginName, i64)>,
}

impl Backlog {
    /// A message waits.
    pub(super) fn join(&mut self, key: OutboxKey, message: &Message) {
        let (plugin, at_ms) = (message.plugin.clone(), message.cause.at_ms);
        self.plugins.entry(plugin.clone()).or_default().insert((at_ms, key));
        self.tell(&plugin);
        self.waiting.insert(key, (plugin, at_ms));
    }

    /// A message is gone: delivered or dropped.
    pub(super) fn leave(&mut self, key: OutboxKey) {
        let Some((plugin, at_ms)) = self.waiting.remove(&key) else { return };
        if let Some(waiting) = self.plugins.get_mut(&plugin) {
            waiting.remove(&(at_ms, key));
        }
        self.tell(&plugin);
        self.plugins.retain(|_, waiting| !waiting.is_empty());
    }

    /// How many wait for a plugin, and the time of the oldest one's change, in milliseconds since the Unix epoch.
    fn state(&self, plugin: &PluginName) -> (usize, Option<i64>) {
        let waiting = self.plugins.get(plugin);
        (waiting.map_or(0, BTreeSet::len), waiting.and_then(|waiting| Some(waiting.first()?.0)))
    }

    fn tell(&self, plugin: &PluginName) {
        let (depth, oldest) = self.state(plugin);
        gauge!("provost_outbox_messages", "plugin" => plugin.0.clone()).set(depth as f64);
        // A time and not an age, since an age would stand still while nothing happens.
        let oldest = oldest.map_or(f64::NAN, |at_ms| at_ms as f64 / 1_000.0);
        gauge!("provost_outbox_oldest_timestamp_seconds", "plugin" => plugin.0.clone()).set(oldest);
    }
}

/// A message was delivered, so long after its change.
pub(super) fn delivered(message: &Message, now: Timestamp) {
    let lag_ms = now.as_millisecond().saturating_sub(message.cause.at_ms).max(0);
    histogram!("provost_delivery_lag_seconds", "plugin" => message.plugin.0.clone()).record(lag_ms as f64 / 1_000.0);
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::context::{Actor, Realm};
    use std::sync::Arc;

    use crate::hook::{Cause, Operation, Work};

    fn message(plugin: &str, at_ms: i64) -> Message {
        Message {
            key: "k".to_owned(),
            plugin: plugin.into(),
            target: String::new(),
            work: Work::Observe,
            headers: Vec::new(),
            cause: Cause {
                sequence: 1,
                request_id: "r".to_owned(),
                actor: Actor::default(),
                operation: Operation::Patch,
                resource_type: "User".to_owned(),
                id: Uuid::from_u128(1),
                version: 1,
                at_ms,
                trail: Arc::default(),
            },
        }
    }

    #[test]
    fn each_plugin_has_its_own_depth_and_its_own_oldest() {
        let key = |sequence| OutboxKey { realm: Realm::DEFAULT, sequence, index: 0 };
        let (a, b) = (PluginName::from("a"), PluginName::from("b"));
        let mut backlog = Backlog::default();
        backlog.join(key(1), &message("a", 10));
        backlog.join(key(2), &message("a", 20));
        backlog.join(key(3), &message("b", 30));
        assert_eq!((backlog.state(&a), backlog.state(&b)), ((2, Some(10)), (1, Some(30))));

        backlog.leave(key(1));
        backlog.leave(key(1));
        backlog.leave(key(3));

        assert_eq!((backlog.state(&a), backlog.state(&b)), ((1, Some(20)), (0, None)));
        assert_eq!((backlog.plugins.len(), backlog.waiting.len()), (1, 1));
    }
}
