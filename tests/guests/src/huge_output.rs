//! Answers correctly, and at far too great length.

use provost_sdk::prelude::*;

/// How long, and as what.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HugeOutput {
    bytes: usize,
    /// `patch`, `replace`, `reject` or `failure`.
    kind: String,
}

impl Default for HugeOutput {
    fn default() -> Self {
        Self { bytes: 16 * 1024 * 1024, kind: "patch".to_owned() }
    }
}

impl Plugin for HugeOutput {
    const INFO: Info = Info { name: "huge_output", ..provost_sdk::info!() };

    fn review(&self, _change: &Change) -> Result<Verdict> {
        let text = "x".repeat(self.bytes);
        match self.kind.as_str() {
            "replace" => Ok(Verdict::Replace(json!({ "userName": text }))),
            "reject" => Ok(Verdict::forbid(text)),
            "failure" => Err(Failure::new(text)),
            _ => Ok(Patch::new().replace("nickName", text).into_verdict()),
        }
    }
}

provost_sdk::export!(HugeOutput: before_write);
