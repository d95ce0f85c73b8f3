//! Refuses, and tells in the refusal's detail what it saw, as JSON.

use provost_sdk::prelude::*;

/// What to look at.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct EchoSeen {
    /// The paths whose old and new values are told.
    paths: Vec<String>,
    /// Refuse only these operations (`create`, `replace`, `patch`, `delete`); all if empty.
    operations: Vec<String>,
}

impl Plugin for EchoSeen {
    const INFO: Info = Info { name: "echo_seen", ..provost_sdk::info!() };

    fn review(&self, change: &Change) -> Result<Verdict> {
        if !self.operations.is_empty() && !self.operations.iter().any(|o| o == change.operation.as_str()) {
            return Ok(Verdict::proceed());
        }
        let (before, after) = (change.current::<Resource>()?, change.proposed::<Resource>()?);
        let seen = |resource: &Option<Resource>| {
            let values =
                self.paths.iter().map(|path| (path.clone(), json!(resource.as_ref().and_then(|r| r.get(path)))));
            resource.as_ref().map(|_| provost_sdk::Attributes::from_iter(values))
        };
        let members = |members: &[provost_sdk::Member]| -> Vec<_> {
            members.iter().map(|member| json!({ "id": member.id, "type": member.resource_type })).collect()
        };
        let membership = change.membership().map(|membership| {
            json!({
                "added": members(&membership.added),
                "removed": members(&membership.removed),
                "totalBefore": membership.total_before,
            })
        });
        let names = |resource: &Option<Resource>| resource.as_ref().map(|r| r.0.keys().cloned().collect::<Vec<_>>());
        let facts = json!({
            "operation": change.operation.as_str(),
            "resourceType": change.resource_type,
            "resourceId": change.resource_id,
            "requestId": change.request_id,
            "realm": change.realm,
            "attempt": change.attempt,
            "dryRun": change.dry_run,
            "nowMs": change.now_ms,
            "remainingMs": u64::try_from(change.remaining.as_millis())?,
            "caller": {
                "subject": change.caller.subject,
                "client": change.caller.client,
                "scopes": change.caller.scopes,
                "claims": change.caller.claims,
            },
            "changedPaths": change.changed_paths(),
            "operations": change.operations()?,
            "membership": membership,
            "old": seen(&before),
            "new": seen(&after),
            "oldNames": names(&before),
            "newNames": names(&after),
        });
        Ok(Verdict::forbid(facts.to_string()))
    }
}

provost_sdk::export!(EchoSeen: before_write);
