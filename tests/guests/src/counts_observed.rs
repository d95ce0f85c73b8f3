//! Observes: counts the changes of each resource in its state, and tells a URL of each.

use provost_sdk::prelude::*;

/// Who is told.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CountsObserved {
    /// Where each change is posted to by `http`.
    url: Option<String>,
}

impl Plugin for CountsObserved {
    const INFO: Info = Info { name: "counts_observed", ..provost_sdk::info!() };

    fn observe(&self, change: &Change, sequence: u64) -> Result {
        let id = change.resource_id.clone().unwrap_or_default();
        let key = format!("count/{id}");
        let count = state::get_json::<u64>(&key)?.unwrap_or(0) + 1;
        state::put_json(&key, &count)?;

        let seen = json!({
            "id": id,
            "resourceType": change.resource_type,
            "operation": change.operation.as_str(),
            "sequence": sequence,
            "count": count,
            "attempt": change.attempt,
            "changedPaths": change.changed_paths(),
            "before": change.current::<Resource>()?,
            "after": change.proposed::<Resource>()?,
        });
        match &self.url {
            Some(url) => post(url, &change.request_id, &seen),
            None => Ok(()),
        }
    }
}

fn post(url: &str, key: &str, seen: &impl Serialize) -> Result {
    let answer = http::Request::post(url).json(seen)?.header("idempotency-key", key).send()?;
    if answer.is_success() { Ok(()) } else { Err(Failure::retryable(format!("answered {}", answer.status))) }
}

provost_sdk::export!(CountsObserved: observe);
