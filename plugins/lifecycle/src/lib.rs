//! Lifecycle: joiners are welcomed, leavers keep their access until the end of the day and then lose all of it.
//!
//! Who is switched off is marked at once and stripped by the nightly job. Who is switched on again
//! before that is as if nothing had happened.

mod message;

use message::Message;
use provost_sdk::prelude::*;
use provost_sdk::state::Table;

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

/// By the person's id.
const LEAVING: Table<Mark> = Table::new("leaving:");

/// The job that strips those who left before it was due.
const STRIP: &str = "strip";

/// The job that sends what is due relative to the first day.
const MESSAGES: &str = "messages";

impl Plugin for Lifecycle {
    const INFO: Info = provost_sdk::info!();

    fn check(&self) -> Vec<Finding> {
        let mut found = Findings::new();
        self.message.iter().enumerate().for_each(|(at, message)| message.check(at, &mut found));
        let is_missing = self.start_date.is_none() && self.message.iter().any(Message::is_dated);
        found.unless(!is_missing, "start_date", "is missing, and there are messages with `days`");
        found.into_vec()
    }

    fn review(&self, change: &Change) -> Result<Verdict> {
        if change.resource_type != "User" {
            return Ok(Verdict::proceed());
        }
        let (before, after) = (change.current::<Resource>()?, change.proposed::<Resource>()?);
        let id = change.resource_id.as_deref().unwrap_or_default();
        match (before, after) {
            (None, Some(after)) => return Ok(self.begins(&after)),
            (Some(before), Some(after)) => match (before.is_active(), after.is_active()) {
                (true, false) => return self.leaves(change, id, &before),
                (false, true) => return self.returns(id, &after),
                _ => {}
            },
            (_, None) => LEAVING.delete(id)?,
        }
        Ok(Verdict::proceed())
    }

    fn run(&self, job: &Job) -> Result<String> {
        match &*job.name {
            STRIP => self.strip(job.due_ms),
            MESSAGES => message::send_due(&self.message, self.start_date.as_deref(), job.now_ms),
            _ => job.unknown(&[STRIP, MESSAGES]),
        }
    }
}

provost_sdk::manifest!("../plugin.toml");
provost_sdk::export!(Lifecycle: before_write, schedule);

impl Lifecycle {
    fn begins(&self, person: &Resource) -> Verdict {
        match &self.state {
            Some(path) if person.is_active() && person.get(path).is_none() => self.enters(&self.states.active),
            _ => Verdict::proceed(),
        }
    }

    fn leaves(&self, change: &Change, id: &str, before: &Resource) -> Result<Verdict> {
        let state = self.state.as_ref().and_then(|path| before.text(path)).map(str::to_owned);
        LEAVING.put(id, &Mark { since_ms: change.now_ms, state })?;
        Ok(self.enters(&self.states.leaving))
    }

    /// Whoever comes back before the night is what they were; later, they begin anew.
    fn returns(&self, id: &str, after: &Resource) -> Result<Verdict> {
        let mark = LEAVING.take(id)?;
        let Some(path) = &self.state else { return Ok(Verdict::proceed()) };
        // A state that the client itself sets is the client's.
        let ours = [&*self.states.leaving, &*self.states.left];
        if after.text(path).is_some_and(|state| !ours.contains(&state)) {
            return Ok(Verdict::proceed());
        }
        match mark {
            Some(Mark { state: None, .. }) => Ok(Patch::new().remove(path).into_verdict()),
            Some(Mark { state: Some(state), .. }) => Ok(self.enters(&state)),
            None => Ok(self.enters(&self.states.active)),
        }
    }

    fn enters(&self, state: &str) -> Verdict {
        self.state.iter().fold(Patch::new(), |patch, path| patch.replace(path, state)).into_verdict()
    }

    /// Takes all access from those who were switched off before `until_ms` and still are.
    fn strip(&self, until_ms: u64) -> Result<String> {
        let mut stripped = 0;
        LEAVING.walk(|id, mark| {
            if mark.since_ms >= until_ms {
                return Ok(());
            }
            if let Some(person) = directory::get::<Resource>("User", id)?.filter(|person| !person.is_active()) {
                directory::leave_all(id)?;
                self.mark_left(id, &person)?;
                let mut farewells = self.message.iter().filter(|message| !message.is_dated());
                farewells.try_for_each(|message| message.send(id, &person))?;
                stripped += 1;
            }
            Ok(LEAVING.delete(id)?)
        })?;
        Ok(format!("{stripped} people lost their access"))
    }

    fn mark_left(&self, id: &str, person: &Resource) -> Result {
        let gone = self.strips.iter().filter(|path| person.get(path).is_some());
        let patch = gone.fold(Patch::new(), |patch, path| patch.remove(path));
        let state = self.state.iter().filter(|path| person.text(path) != Some(&*self.states.left));
        let patch = state.fold(patch, |patch, path| patch.replace(path, &*self.states.left));
        if patch.is_empty() { Ok(()) } else { directory::patch("User", id, &patch).map(drop) }
    }
}

#[cfg(test)]
mod tests;
