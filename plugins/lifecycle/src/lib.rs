//! Lifecycle: joiners are welcomed, leavers keep their access until the end of the day and then lose all of it.
//!
//! Who is switched off is marked at once and stripped by the nightly job. Who is switched on again
//! before that is as if nothing had happened.

mod message;

use message::Message;
use provost_sdk::Value;
use provost_sdk::prelude::*;

/// What a life looks like here.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lifecycle {
    /// The path of the attribute that holds the state.
    state: Option<String>,
    #[serde(default)]
    states: States,
    /// Paths that go with the last access, besides all memberships.
    #[serde(default)]
    strips: Vec<String>,
    /// The path of the first day, a `dateTime`.
    start_date: Option<String>,
    #[serde(default)]
    message: Vec<Message>,
}

/// What the states are called.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct States {
    active: String,
    /// Switched off, and not yet stripped.
    leaving: String,
    left: String,
}

impl Default for States {
    fn default() -> Self {
        Self { active: "active".into(), leaving: "leaving".into(), left: "left".into() }
    }
}

/// When somebody was switched off, and what they were before: kept until the night, in the plugin's
/// own memory, which commits with the change.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    since_ms: u64,
    state: Option<String>,
}

/// What a mark's key begins with; the person's id follows.
const LEAVING: &str = "leaving:";

/// The job that strips those who left before it was due.
const STRIP: &str = "strip";

/// The job that sends what is due relative to the first day.
const MESSAGES: &str = "messages";

impl Plugin for Lifecycle {
    const INFO: Info = provost_sdk::info!();

    fn check(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> =
            self.message.iter().enumerate().flat_map(|(at, message)| message.check(at)).collect();
        if self.start_date.is_none() && self.message.iter().any(Message::is_dated) {
            findings.push(Finding::new("start_date", "is missing, and there are messages with `days`"));
        }
        findings
    }

    fn review(&self, change: &Change) -> Result<Verdict> {
        if change.resource_type != "User" {
            return Ok(Verdict::proceed());
        }
        let (before, after) = (change.current::<Resource>()?, change.proposed::<Resource>()?);
        let id = change.resource_id.as_deref();
        match (&before, &after, id) {
            (None, Some(after), _) => Ok(self.begins(after)),
            (Some(before), Some(after), Some(id)) => match (is_active(before), is_active(after)) {
                (true, false) => self.leaves(change, id, before),
                (false, true) => self.returns(id, after),
                _ => Ok(Verdict::proceed()),
            },
            (_, None, Some(id)) => {
                state::delete(&key(id))?;
                Ok(Verdict::proceed())
            }
            _ => Ok(Verdict::proceed()),
        }
    }

    fn run(&self, job: &Job) -> Result<String> {
        match &*job.name {
            STRIP => self.strip(job.due_ms),
            MESSAGES => message::send_due(&self.message, self.start_date.as_deref(), job.now_ms),
            other => Err(Failure::new(format!("there is no job `{other}`; there are `{STRIP}` and `{MESSAGES}`"))),
        }
    }
}

provost_sdk::manifest!("../plugin.toml");
provost_sdk::export!(Lifecycle: before_write, schedule);

impl Lifecycle {
    fn begins(&self, person: &Resource) -> Verdict {
        match &self.state {
            Some(path) if is_active(person) && person.get(path).is_none() => self.enters(&self.states.active),
            _ => Verdict::proceed(),
        }
    }

    fn leaves(&self, change: &Change, id: &str, before: &Resource) -> Result<Verdict> {
        let state = self.state.as_ref().and_then(|path| before.text(path)).map(str::to_owned);
        state::put_json(&key(id), &Mark { since_ms: change.now_ms, state })?;
        Ok(self.enters(&self.states.leaving))
    }

    /// Whoever comes back before the night is what they were; later, they begin anew.
    fn returns(&self, id: &str, after: &Resource) -> Result<Verdict> {
        let Some(path) = &self.state else {
            state::delete(&key(id))?;
            return Ok(Verdict::proceed());
        };
        let mark: Option<Mark> = state::get_json(&key(id))?;
        if mark.is_some() {
            state::delete(&key(id))?;
        }
        // A state that the client itself sets is the client's.
        if after.text(path).is_some_and(|state| ![&self.states.leaving, &self.states.left].contains(&&state.to_owned()))
        {
            return Ok(Verdict::proceed());
        }
        match mark {
            Some(Mark { state: None, .. }) => Ok(Patch::new().remove(path).into_verdict()),
            Some(Mark { state: Some(state), .. }) => Ok(self.enters(&state)),
            None => Ok(self.enters(&self.states.active)),
        }
    }

    fn enters(&self, state: &str) -> Verdict {
        let patch = self.state.iter().fold(Patch::new(), |patch, path| patch.replace(path, state));
        patch.into_verdict()
    }

    /// Takes all access from those who were switched off before `until_ms` and still are.
    fn strip(&self, until_ms: u64) -> Result<String> {
        let mut stripped = 0;
        state::walk_json(LEAVING, |id, mark: Mark| {
            if mark.since_ms >= until_ms {
                return Ok(());
            }
            if let Some(person) = directory::get::<Resource>("User", id)?.filter(|person| !is_active(person)) {
                directory::leave_all(id)?;
                self.mark_left(id, &person)?;
                let told = self.message.iter().filter(|message| message.is_farewell());
                told.map(|message| message.send(id, &person)).collect::<Result<Vec<()>>>()?;
                stripped += 1;
            }
            Ok(state::delete(&key(id))?)
        })?;
        Ok(format!("{stripped} people lost their access"))
    }

    fn mark_left(&self, id: &str, person: &Resource) -> Result {
        let gone = self.strips.iter().filter(|path| person.get(path).is_some());
        let patch = gone.fold(Patch::new(), |patch, path| patch.remove(path));
        let state = self.state.iter().filter(|path| person.text(path) != Some(&*self.states.left));
        let patch = state.fold(patch, |patch, path| patch.replace(path, &*self.states.left));
        if !patch.operations().is_empty() {
            directory::patch("User", id, &patch)?;
        }
        Ok(())
    }
}

fn key(id: &str) -> String {
    format!("{LEAVING}{id}")
}

/// Who is not said to be inactive is active.
fn is_active(person: &Resource) -> bool {
    person.get("active") != Some(&Value::Bool(false))
}

#[cfg(test)]
mod tests;
