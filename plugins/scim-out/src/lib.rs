//! SCIM out: keeps the accounts of other SCIM servers as the people are here.
//!
//! What is to be sent commits with the change and is delivered in order per person and target. An
//! account that is there already is found and taken over; who leaves is switched off.

mod account;
mod target;

use account::Account;
use provost_sdk::prelude::*;
use target::Target;

/// Where people have accounts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScimOut {
    target: Vec<Target>,
}

/// One message: what the person is now, as the target is to have it; absent for who has no account
/// there any more.
#[derive(Debug, Serialize, Deserialize)]
struct Wanted {
    person: Option<Resource>,
}

/// The job that sends what differs from what was last sent, of everybody.
const RESYNC: &str = "resync";

/// The job that says who still holds what.
const REPORT: &str = "report";

impl Plugin for ScimOut {
    const INFO: Info = provost_sdk::info!();

    fn check(&self) -> Vec<Finding> {
        let empty = self.target.is_empty().then(|| Finding::new("target", "is empty"));
        let each = self.target.iter().enumerate().flat_map(|(at, target)| target.check(at));
        let twice = self
            .target
            .iter()
            .enumerate()
            .filter(|(at, target)| self.target[..*at].iter().any(|other| other.name == target.name));
        let twice = twice.map(|(at, _)| Finding::new(format!("target[{at}].name"), "is another target's, too"));
        empty.into_iter().chain(each).chain(twice).collect()
    }

    fn review(&self, change: &Change) -> Result<Verdict> {
        if change.resource_type != "User" {
            return Ok(Verdict::proceed());
        }
        let (before, after) = (change.current::<Resource>()?, change.proposed::<Resource>()?);
        for target in &self.target {
            let concerned = |person: &&Resource| target.concerns(person);
            let (was, person) = (before.as_ref().filter(concerned), after.as_ref().filter(concerned));
            if was.is_some() || person.is_some() {
                let person = person.map(|person| target.account_of(person));
                outbox::enqueue(&target.name, &Wanted { person }, outbox::Options::new())?;
            }
        }
        Ok(Verdict::proceed())
    }

    fn deliver(&self, message: &Message) -> Result {
        let target = self.target.iter().find(|target| target.name == message.target);
        // The operator gave the target up; nobody waits for this any more.
        let Some(target) = target else { return Ok(()) };
        let id = message.resource_id.as_deref().ok_or(Failure::new("the message names no resource"))?;
        let Wanted { person } = message.payload()?;
        Account::of(target, id)?.becomes(person)
    }

    fn run(&self, job: &Job) -> Result<String> {
        match &*job.name {
            RESYNC => self.resync(),
            REPORT => self.report(),
            other => Err(Failure::new(format!("there is no job `{other}`; there are `{RESYNC}` and `{REPORT}`"))),
        }
    }
}

provost_sdk::manifest!("../plugin.toml");
provost_sdk::export!(ScimOut: before_write, deliver, schedule);

impl ScimOut {
    fn resync(&self) -> Result<String> {
        let mut people = 0;
        directory::walk("User", "id pr", |person: Resource| {
            people += 1;
            let id = person.id().unwrap_or_default().to_owned();
            let mut person = Some(person);
            loop {
                for target in &self.target {
                    let wanted = person.as_ref().filter(|person| target.concerns(person));
                    Account::of(target, &id)?.becomes(wanted.map(|person| target.account_of(person)))?;
                }
                // A delivery may have sent something newer meanwhile.
                let now = directory::get::<Resource>("User", &id)?;
                if now == person {
                    return Ok(());
                }
                person = now;
            }
        })?;
        Ok(format!("{people} people were compared with {} targets", self.target.len()))
    }

    /// Who still holds an account that is switched on, though they are gone or switched off here.
    fn report(&self) -> Result<String> {
        let (mut accounts, mut stray) = (0, 0);
        account::walk(|target, id, is_active| {
            accounts += 1;
            if is_active {
                let person = directory::get::<Resource>("User", id)?;
                let has_left = person.is_none_or(|person| person.get("active") == Some(&false.into()));
                if has_left {
                    stray += 1;
                    log::warn("an account is still switched on", &[("target", &target), ("id", &id)]);
                }
            }
            Ok(())
        })?;
        Ok(format!("{accounts} accounts are known; {stray} are switched on for people who have left"))
    }
}

#[cfg(test)]
mod tests;
