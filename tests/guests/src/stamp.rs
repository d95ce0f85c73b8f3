//! Writes the configured values, whatever was there.

use std::collections::BTreeMap;

use provost_sdk::Value;
use provost_sdk::prelude::*;

/// Path and value, for each path: `{ "set": { "nickName": "stamped" }, "remove": ["title"] }`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Stamp {
    set: BTreeMap<String, Value>,
    remove: Vec<String>,
    /// As a whole document instead of a patch.
    replace: bool,
}

impl Plugin for Stamp {
    const INFO: Info = Info { name: "stamp", ..provost_sdk::info!() };

    fn review(&self, change: &Change) -> Result<Verdict> {
        let Some(mut resource) = change.proposed::<Resource>()? else { return Ok(Verdict::proceed()) };
        if self.replace {
            self.set.iter().for_each(|(path, value)| resource.set(path, value.clone()));
            self.remove.iter().for_each(|path| resource.remove(path));
            return Verdict::replace(&resource);
        }
        let patch = self.set.iter().fold(Patch::new(), |patch, (path, value)| patch.replace(path, value.clone()));
        Ok(self.remove.iter().fold(patch, |patch, path| patch.remove(path)).into_verdict())
    }
}

provost_sdk::export!(Stamp: before_write);
