//! Writes the configured values, and asks in writing for `nickName` and `title` only: see `asks.toml`.

use std::collections::BTreeMap;

use provost_sdk::Value;
use provost_sdk::prelude::*;

provost_sdk::manifest!("asks.toml");

/// Path and value, for each path.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asks {
    set: BTreeMap<String, Value>,
    /// Enqueue a message for this target.
    enqueue: Option<String>,
}

impl Plugin for Asks {
    const INFO: Info = Info { name: "asks", ..provost_sdk::info!() };

    fn review(&self, change: &Change) -> Result<Verdict> {
        if let Some(target) = &self.enqueue {
            outbox::enqueue(target, &json!({}), outbox::Options::new())?;
        }
        if change.operation == Operation::Delete {
            return Ok(Verdict::proceed());
        }
        let patch = self.set.iter().fold(Patch::new(), |patch, (path, value)| patch.replace(path, value.clone()));
        Ok(patch.into_verdict())
    }

    fn deliver(&self, _message: &Message) -> Result {
        Ok(())
    }
}

provost_sdk::export!(Asks: before_write, deliver);
