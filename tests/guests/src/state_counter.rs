//! Numbers every change by a counter in its state, with compare-and-put, and writes the number
//! into an attribute.

use provost_sdk::prelude::*;

/// Which attribute shows the number; none unless it is set.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StateCounter {
    path: Option<String>,
    /// How long the counter lives without a change.
    ttl_s: Option<u64>,
}

impl Plugin for StateCounter {
    const INFO: Info = Info { name: "state_counter", ..provost_sdk::info!() };

    fn review(&self, _change: &Change) -> Result<Verdict> {
        let stored = state::get("counter")?;
        let count: u64 = stored.as_deref().map(serde_json::from_slice).transpose()?.unwrap_or(0);
        let next = (count + 1).to_string();
        match self.ttl_s {
            Some(ttl_s) => state::put_for("counter", &next, std::time::Duration::from_secs(ttl_s))?,
            None => state::compare_and_put("counter", stored.as_deref(), Some(next.as_bytes()))?,
        }
        let patch = self.path.as_ref().map(|path| Patch::new().replace(path, next));
        Ok(patch.unwrap_or_default().into_verdict())
    }
}

use provost_sdk::serde_json;

provost_sdk::export!(StateCounter: before_write);
