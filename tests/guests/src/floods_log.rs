//! Writes far more log lines than anybody wants, some of them far too long.

use provost_sdk::prelude::*;

/// How many lines.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FloodsLog {
    lines: u32,
    line_bytes: usize,
}

impl Default for FloodsLog {
    fn default() -> Self {
        Self { lines: 100_000, line_bytes: 10_000 }
    }
}

impl Plugin for FloodsLog {
    const INFO: Info = Info { name: "floods_log", ..provost_sdk::info!() };

    fn review(&self, _change: &Change) -> Result<Verdict> {
        let message = "x".repeat(self.line_bytes);
        for line in 0..self.lines {
            log::info(&message, &[("line", &line)]);
        }
        Ok(Verdict::proceed())
    }
}

provost_sdk::export!(FloodsLog: before_write);
