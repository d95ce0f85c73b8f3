//! Refuses every change in the words of its configuration, and before it does, stages whatever the
//! operator granted: none of that may be left behind.

use provost_sdk::prelude::*;
use provost_sdk::{Refusal, RefusalStatus};

/// The refusal. Without `stage` nothing is staged, but the imports are there.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RefuseAll {
    /// 400, 403, 404 or 409.
    status: u16,
    scim_type: Option<String>,
    detail: String,
    /// Refuse only these operations (`create`, `replace`, `patch`, `delete`); all if empty.
    operations: Vec<String>,
    /// Write state and enqueue a message to this target first.
    stage: Option<String>,
}

impl Default for RefuseAll {
    fn default() -> Self {
        let detail = "not today".to_owned();
        Self { status: 403, scim_type: None, detail, operations: Vec::new(), stage: None }
    }
}

impl Plugin for RefuseAll {
    const INFO: Info = Info { name: "refuse_all", ..provost_sdk::info!() };

    fn review(&self, change: &Change) -> Result<Verdict> {
        if !self.operations.is_empty() && !self.operations.iter().any(|o| o == change.operation.as_str()) {
            return Ok(Verdict::proceed());
        }
        if let Some(target) = &self.stage {
            state::put("refused", &change.request_id)?;
            outbox::enqueue(target, &json!({ "refused": change.request_id }), outbox::Options::new())?;
        }
        Ok(Verdict::reject(Refusal {
            status: match self.status {
                400 => RefusalStatus::BadRequest,
                404 => RefusalStatus::NotFound,
                409 => RefusalStatus::Conflict,
                _ => RefusalStatus::Forbidden,
            },
            scim_type: ScimType::ALL.into_iter().find(|t| Some(t.as_str()) == self.scim_type.as_deref()),
            detail: self.detail.clone(),
        }))
    }
}

provost_sdk::export!(RefuseAll: before_write, deliver);
