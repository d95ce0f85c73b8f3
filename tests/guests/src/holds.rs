//! Answers that people must agree first.

use provost_sdk::Hold;
use provost_sdk::prelude::*;

/// How many, why, and for how long.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Holds {
    reason: String,
    approvals: u32,
    expires_s: Option<u64>,
}

impl Default for Holds {
    fn default() -> Self {
        Self { reason: "two people must agree".to_owned(), approvals: 2, expires_s: None }
    }
}

impl Plugin for Holds {
    const INFO: Info = Info { name: "holds", ..provost_sdk::info!() };

    fn review(&self, _change: &Change) -> Result<Verdict> {
        let Self { reason, approvals, expires_s } = self;
        Ok(Verdict::Hold(Hold { reason: reason.clone(), approvals: *approvals, expires_s: *expires_s }))
    }
}

provost_sdk::export!(Holds: before_write);
