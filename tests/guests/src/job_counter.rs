//! A job that counts its runs in its state, and tells a URL of each.

use provost_sdk::prelude::*;

/// Who is told, and how it ends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobCounter {
    url: String,
    /// How many runs fail before one ends well.
    #[serde(default)]
    fails: u64,
    /// Whether trying such a run again may help.
    #[serde(default)]
    retryable: bool,
    /// Tells of the end of each run as well.
    #[serde(default)]
    tells_end: bool,
}

impl Plugin for JobCounter {
    const INFO: Info = Info { name: "job_counter", ..provost_sdk::info!() };

    fn run(&self, job: &Job) -> Result<String> {
        let count = state::get_json::<u64>("runs")?.unwrap_or(0) + 1;
        state::put_json("runs", &count)?;
        let mut seen = json!({
            "job": job.name,
            "dueMs": job.due_ms,
            "nowMs": job.now_ms,
            "lastSuccessMs": job.last_success_ms,
            "byHand": job.by_hand,
            "attempt": job.attempt,
            "subject": job.caller.subject,
            "scopes": job.caller.scopes,
            "operation": job.operation.as_str(),
            "count": count,
        });
        http::Request::post(&self.url).json(&seen)?.send()?;
        if self.tells_end {
            seen["ended"] = json!(true);
            http::Request::post(&self.url).json(&seen)?.send()?;
        }
        match (count <= self.fails, self.retryable) {
            (true, true) => Err(Failure::retryable("not this time")),
            (true, false) => Err(Failure::new("never")),
            (false, _) => Ok(format!("run {count}\nis done")),
        }
    }
}

provost_sdk::export!(JobCounter: schedule);
