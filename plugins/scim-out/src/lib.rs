//! SCIM out: keeps people and groups at other SCIM servers as they are here.
//!
//! That something is to be sent commits with the change, and is delivered in order per resource and target. What is there
//! already is found and taken over; who leaves is switched off.

mod target;

use provost_sdk::mirror::{self, CHANGES_MAX, Mirror};
use provost_sdk::prelude::*;
use target::Target;

/// Where people have accounts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScimOut {
    target: Vec<Target>,
}

/// One message: this resource is to be looked at.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Look {
    /// And these: the other ends of memberships that change.
    others: Vec<String>,
    /// And all of its members: more change than messages can name.
    all: bool,
}

/// How many groups the message about somebody who is deleted names: as many as fit.
const GROUPS_MAX: usize = 5_000;

/// The job that sends what differs from what was last sent.
const RESYNC: &str = "resync";

/// The job that says who still holds what.
const REPORT: &str = "report";

impl Plugin for ScimOut {
    const INFO: Info = provost_sdk::info!();

    fn check(&self) -> Vec<Finding> {
        let mut found = Findings::new();
        found.unless(!self.target.is_empty(), "target", "is empty");
        for (at, target) in self.target.iter().enumerate() {
            found.filled(format!("target[{at}].name"), &target.name);
            found.url(format!("target[{at}].url"), &target.url);
            found.unless(!target.url.contains(['?', '#']), format!("target[{at}].url"), "has more than a path");
        }
        found.distinct(self.target.iter().map(|target| &*target.name), |at| format!("target[{at}].name"));
        found.into_vec()
    }

    fn review(&self, change: &Change) -> Result<Verdict> {
        let (before, after) = (change.current::<Resource>()?, change.proposed::<Resource>()?);
        let concerns = |target: &&Target| {
            before.iter().chain(&after).any(|resource| target.concerns(&change.resource_type, resource))
        };
        let targets: Vec<&Target> = self.target.iter().filter(concerns).collect();
        let has_groups = targets.iter().any(|target| target.has_groups());
        let looks = Look::at(change, has_groups, outbox::MESSAGES_MAX / targets.len().max(1))?;
        for target in targets {
            looks.iter().try_for_each(|look| outbox::enqueue(&target.name, look, outbox::Options::new()))?;
        }
        Ok(Verdict::proceed())
    }

    fn deliver(&self, message: &Message) -> Result {
        let target = self.target.iter().find(|target| target.name == message.target);
        // The operator gave the target up; nobody waits for this any more.
        let Some(target) = target else { return Ok(()) };
        let id = message.resource_id.as_deref().ok_or(Failure::new("the message names no resource"))?;
        let (look, mirror): (Look, _) = (message.payload()?, Mirror::at(target.server()));
        if look.all && message.attempt == 1 {
            mirror.unsettled(id, true)?;
        }
        target.send(&mirror, &message.resource_type, id, &look.others)
    }

    fn run(&self, job: &Job) -> Result<String> {
        match &*job.name {
            RESYNC => self.resync(job),
            REPORT => self.report(),
            _ => job.unknown(&[RESYNC, REPORT]),
        }
    }
}

provost_sdk::manifest!("../plugin.toml");
provost_sdk::export!(ScimOut: before_write, deliver, schedule);

impl Look {
    /// What is to be looked at after a change, in no more messages than there is room for.
    fn at(change: &Change, has_groups: bool, room: usize) -> Result<Vec<Self>> {
        let one = |others, all| Ok(vec![Self { others, all }]);
        match (change.operation, change.membership()) {
            // Once somebody is deleted, nobody knows what groups they were in.
            (Operation::Delete, _) if has_groups => {
                let groups = directory::groups_of(change.resource_id.as_deref().unwrap_or_default())?;
                one(groups.into_iter().take(GROUPS_MAX).collect(), false)
            }
            (Operation::Replace | Operation::Patch, Some(members)) => {
                let ids = members.added.iter().chain(&members.removed).map(|member| member.id.clone());
                let ids: Vec<String> = ids.collect();
                if ids.len().div_ceil(CHANGES_MAX) > room {
                    return one(Vec::new(), true);
                }
                Ok(ids.chunks(CHANGES_MAX).map(|part| Self { others: part.to_vec(), all: false }).collect())
            }
            _ => one(Vec::new(), false),
        }
    }
}

impl ScimOut {
    fn resync(&self, job: &Job) -> Result<String> {
        let mut count = 0;
        for target in &self.target {
            let mirror = Mirror::at(target.server().for_job());
            for resource_type in target.resource_types() {
                directory::walk(resource_type, "id pr", |resource: Resource| {
                    let id = resource.id().unwrap_or_default();
                    // A run that is tried again goes on where it was.
                    if *resource_type == "Group" && job.attempt == 1 {
                        mirror.doubt_members(id)?;
                    }
                    count += 1;
                    let sent = target.send(&mirror, resource_type, id, &[]);
                    match (sent, directory::get::<Resource>(resource_type, id)?) {
                        (Ok(()), Some(now)) if now == resource => Ok(()),
                        (Err(failure), _) if !failure.is_retryable() => Err(failure),
                        // A delivery may have sent something newer meanwhile; and what is gone over there is made anew.
                        _ => target.send(&mirror, resource_type, id, &[]),
                    }
                })?;
            }
        }
        Ok(format!("{count} people and groups were compared with what {} targets hold", self.target.len()))
    }

    /// Who still holds an account that is switched on, though they are gone or switched off here.
    fn report(&self) -> Result<String> {
        let (mut accounts, mut stray) = (0, 0);
        mirror::walk(|target, id, twin| {
            accounts += u32::from(!twin.is_group());
            let is_on = !twin.is_group() && twin.is_active;
            if is_on && directory::get::<Resource>("User", id)?.is_none_or(|person| !person.is_active()) {
                stray += 1;
                log::warn("an account is still switched on", &[("target", &target), ("id", &id)]);
            }
            Ok(())
        })?;
        Ok(format!("{accounts} accounts are known; {stray} are switched on for people who have left"))
    }
}

#[cfg(test)]
mod tests;
