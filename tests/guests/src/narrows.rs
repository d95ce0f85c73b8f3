//! Narrows what each client may see and change to what the operator's filters match.

use std::collections::BTreeMap;

use provost_sdk::prelude::*;
use provost_sdk::{Decision, Inquiry};

/// By the client's name, a filter for each resource type: `{ "shop": { "User": "title eq \"x\"" } }`.
/// Whoever is not named sees everything, and so does a client of the types it has no filter for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Narrows {
    clients: BTreeMap<String, BTreeMap<String, String>>,
}

impl Plugin for Narrows {
    const INFO: Info = Info { name: "narrows", ..provost_sdk::info!() };

    fn decide(&self, inquiry: &Inquiry) -> Result<Decision> {
        let client = inquiry.caller.client.as_deref().unwrap_or_default();
        let filter = self.clients.get(client).and_then(|types| types.get(&inquiry.resource_type));
        Ok(filter.map_or(Decision::Allow, Decision::narrow))
    }
}

provost_sdk::export!(Narrows: access);
