//! Changes the directory as it is configured to, by an observation, in a job, or (in vain) during a
//! review, and tells a URL what became of each change.

use provost_sdk::directory::{Action, Write, WriteError};
use provost_sdk::prelude::*;

/// The changes, in order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WritesDirectory {
    /// Who is told; in a review, the client is.
    #[serde(default)]
    url: Option<String>,
    /// When: `observe`, `review` or `run`.
    when: String,
    writes: Vec<Wish>,
}

/// One change. `ID` stands for the observed resource.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    action: String,
    #[serde(rename = "type")]
    resource_type: String,
    id: Option<String>,
    body: Option<String>,
    if_match: Option<String>,
}

impl Plugin for WritesDirectory {
    const INFO: Info = Info { name: "writes_directory", ..provost_sdk::info!() };

    fn review(&self, change: &Change) -> Result<Verdict> {
        match self.when == "review" {
            true => Ok(Verdict::forbid(self.outcomes(change).to_string())),
            false => Ok(Verdict::proceed()),
        }
    }

    fn observe(&self, change: &Change, _sequence: u64) -> Result {
        // Not its own changes.
        if self.when != "observe" || change.caller.subject.starts_with("plugin:") {
            return Ok(());
        }
        self.tell(&self.outcomes(change))
    }

    fn run(&self, job: &Job) -> Result<String> {
        let outcomes = self.outcomes(job);
        self.tell(&outcomes)?;
        Ok(format!("{} changes were tried", self.writes.len()))
    }
}

impl WritesDirectory {
    fn outcomes(&self, context: &Context) -> Value {
        let id = context.resource_id.clone().unwrap_or_default();
        self.writes.iter().map(|wish| wish.outcome(&id)).collect()
    }

    fn tell(&self, outcomes: &Value) -> Result {
        if let Some(url) = &self.url {
            http::Request::post(url).json(outcomes)?.send()?;
        }
        Ok(())
    }
}

impl Wish {
    fn outcome(&self, id: &str) -> Value {
        let write = Write {
            action: match self.action.as_str() {
                "create" => Action::Create,
                "replace" => Action::Replace,
                "patch" => Action::Patch,
                _ => Action::Delete,
            },
            resource_type: self.resource_type.clone(),
            id: self.id.as_ref().map(|wanted| wanted.replace("ID", id)),
            body: self.body.as_ref().map(|body| body.replace("ID", id)),
            if_match: self.if_match.clone(),
        };
        match directory::apply(write) {
            Ok(stored) => {
                json!({ "done": stored.map(|text| serde_json::from_str::<Value>(&text).unwrap_or_default()) })
            }
            Err(WriteError::Denied(why)) => json!({ "denied": why }),
            Err(WriteError::Refused { status, scim_type, detail }) => {
                json!({ "refused": status, "scimType": scim_type, "detail": detail })
            }
            Err(WriteError::Looped(why)) => json!({ "looped": why }),
            Err(WriteError::Unavailable(why)) => json!({ "unavailable": why }),
        }
    }
}

use provost_sdk::{Context, Value, serde_json};

provost_sdk::export!(WritesDirectory: before_write, observe, schedule);
