//! Denies some clients some things, and tells in the detail what it was asked.

use provost_sdk::prelude::*;
use provost_sdk::{Decision, Inquiry, Resource};

/// Whom, of which types, and what: `read`, `search`, `create` … An empty list stands for all.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Denies {
    clients: Vec<String>,
    types: Vec<String>,
    operations: Vec<String>,
    /// Denies as if there were no such thing.
    not_found: bool,
    /// Fails instead.
    fail: bool,
    /// The detail is the whole target as it was shown, in JSON.
    echo: bool,
}

impl Plugin for Denies {
    const INFO: Info = Info { name: "denies", ..provost_sdk::info!() };

    fn decide(&self, inquiry: &Inquiry) -> Result<Decision> {
        let client = inquiry.caller.client.as_deref().unwrap_or_default();
        let among = |list: &[String], one: &str| list.is_empty() || list.iter().any(|listed| listed == one);
        let operation = inquiry.operation.as_str();
        let meant = among(&self.clients, client)
            && among(&self.types, &inquiry.resource_type)
            && among(&self.operations, operation);
        if !meant {
            return Ok(Decision::allow());
        }
        if self.fail {
            return Err(Failure::retryable("it cannot tell now"));
        }
        let target = inquiry.target::<Resource>()?;
        if self.echo {
            return Ok(Decision::forbid(json!(target).to_string()));
        }
        let name = target.as_ref().and_then(|target| target.text("userName")).unwrap_or("nobody in particular");
        let detail = format!("no {operation} of {}: {name}", inquiry.resource_type);
        Ok(if self.not_found { Decision::not_found(detail) } else { Decision::forbid(detail) })
    }
}

provost_sdk::export!(Denies: access);
