//! Shapes answers: sets and removes attributes, for some clients or for all.

use std::collections::BTreeMap;

use provost_sdk::prelude::*;
use provost_sdk::{Resource, Value};

/// `{ "clients": ["shop"], "set": { "title": "***" }, "remove": ["emails"] }`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Masks {
    clients: Vec<String>,
    /// Path and value.
    set: BTreeMap<String, Value>,
    /// Appended to the text at this path: shows in which order plugins are asked.
    append: BTreeMap<String, String>,
    remove: Vec<String>,
    /// Writes here how many resources came in one call, and whether any had members or a password.
    count_at: Option<String>,
    /// Writes here each resource as it was shown, in JSON.
    echo_at: Option<String>,
}

impl Plugin for Masks {
    const INFO: Info = Info { name: "masks", ..provost_sdk::info!() };

    fn shape(&self, context: &Context, resources: &mut [Resource]) -> Result {
        let client = context.caller.client.clone().unwrap_or_default();
        if !self.clients.is_empty() && !self.clients.contains(&client) {
            return Ok(());
        }
        let count = resources.len();
        for resource in resources {
            if let Some(path) = &self.echo_at {
                resource.set(path, json!(resource).to_string());
            }
            self.set.iter().for_each(|(path, value)| resource.set(path, value.clone()));
            self.append.iter().for_each(|(path, end)| resource.map_text(path, |text| format!("{text}{end}")));
            self.remove.iter().for_each(|path| resource.remove(path));
            if let Some(path) = &self.count_at {
                let told = [("members", "members"), ("password", "password")];
                let seen = told.into_iter().filter(|(name, _)| resource.get(name).is_some()).map(|(_, word)| word);
                let seen: Vec<&str> = seen.collect();
                resource.set(path, format!("{} of {count} {}", context.operation.as_str(), seen.join(" ")).trim());
            }
        }
        Ok(())
    }
}

provost_sdk::export!(Masks: shape);
