//! Birthright: group memberships that follow from what a person is, and combinations that may not be.
//!
//! After a change of a person is committed, the rules run again and the difference is applied: old
//! birthright goes, new comes. What the plugin gave it remembers, so memberships that somebody gave
//! by hand stay. Before a change, combinations that must not be are refused.

mod memberships;

use std::collections::{BTreeMap, BTreeSet};

use provost_sdk::Value;
use provost_sdk::prelude::*;

/// The rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Birthright {
    #[serde(default)]
    rule: Vec<Rule>,
    #[serde(default)]
    separate: Vec<Separate>,
    /// Who has no birthright at all, whatever the rules say: as `rule.when`. Nobody, if empty.
    #[serde(default)]
    except: BTreeMap<String, Vec<Value>>,
    /// Whether a group that a rule names, and that is not there, is made.
    #[serde(default)]
    create_groups: bool,
}

/// Who has a birthright to which groups.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// By path: the values of which one has to be there. All paths have to fit.
    when: BTreeMap<String, Vec<Value>>,
    /// The groups' `displayName`s.
    groups: Vec<String>,
}

/// Groups of which nobody may be in two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Separate {
    groups: Vec<String>,
    /// For the client.
    reason: String,
}

/// The job that applies the rules to everybody.
const RECONCILE: &str = "reconcile";

impl Plugin for Birthright {
    const INFO: Info = provost_sdk::info!();

    fn check(&self) -> Vec<Finding> {
        let rules = self.rule.iter().enumerate().filter(|(_, rule)| rule.when.is_empty() || rule.groups.is_empty());
        let rules = rules.map(|(at, _)| Finding::new(format!("rule[{at}]"), "needs `when` and `groups`"));
        let separate = self.separate.iter().enumerate().filter(|(_, separate)| separate.groups.len() < 2);
        let separate = separate.map(|(at, _)| Finding::new(format!("separate[{at}].groups"), "needs two at least"));
        rules.chain(separate).collect()
    }

    fn review(&self, change: &Change) -> Result<Verdict> {
        let conflict = match &*change.resource_type {
            "User" => self.conflict_of_person(change)?,
            "Group" => self.conflict_of_group(change)?,
            _ => None,
        };
        Ok(conflict.map_or_else(Verdict::proceed, |separate| Verdict::forbid(&*separate.reason)))
    }

    fn observe(&self, change: &Change, _sequence: u64) -> Result {
        let (true, Some(id)) = (change.resource_type == "User", &change.resource_id) else { return Ok(()) };
        match change.proposed::<Resource>()? {
            Some(person) => self.apply(id, &person),
            // Its memberships went with it.
            None => Ok(state::delete(&memberships::given_key(id))?),
        }
    }

    fn run(&self, job: &Job) -> Result<String> {
        if job.name != RECONCILE {
            return Err(Failure::new(format!("this plugin has one job, `{RECONCILE}`")));
        }
        let mut people = 0;
        directory::walk("User", "id pr", |person: Resource| {
            people += 1;
            let id = person.id().unwrap_or_default().to_owned();
            self.apply(&id, &person)
        })?;
        Ok(format!("the rules were applied to {people} people"))
    }
}

provost_sdk::manifest!("../plugin.toml");
provost_sdk::export!(Birthright: before_write, observe, schedule);

impl Birthright {
    /// The names of the groups that follow from what the person is.
    fn due(&self, person: &Resource) -> BTreeSet<&str> {
        if !self.except.is_empty() && fits(&self.except, person) {
            return BTreeSet::new();
        }
        let rules = self.rule.iter().filter(|rule| fits(&rule.when, person));
        rules.flat_map(|rule| &rule.groups).map(String::as_str).collect()
    }

    fn apply(&self, id: &str, person: &Resource) -> Result {
        let mut groups = BTreeSet::new();
        for name in self.due(person) {
            match memberships::find(name)? {
                Some(group) => groups.insert(group),
                None if self.create_groups => groups.insert(memberships::create(name)?),
                None => {
                    let message = format!("there is no group `{name}`; make it, or set `create_groups`");
                    return Err(Failure::retryable(message));
                }
            };
        }
        memberships::settle(id, &groups)
    }

    /// The rule against a combination that the person would be in: by birthright alone, or together
    /// with what was given by hand.
    fn conflict_of_person(&self, change: &Change) -> Result<Option<&Separate>> {
        let Some(person) = change.proposed::<Resource>()? else { return Ok(None) };
        let due = self.due(&person);
        for separate in &self.separate {
            let (by_right, others): (Vec<&String>, Vec<&String>) =
                separate.groups.iter().partition(|name| due.contains(name.as_str()));
            if by_right.len() > 1 {
                return Ok(Some(separate));
            }
            let Some(id) = change.resource_id.as_deref().filter(|_| !by_right.is_empty()) else { continue };
            for name in others {
                if memberships::stays(name, id)? {
                    return Ok(Some(separate));
                }
            }
        }
        Ok(None)
    }

    /// The rule against what a newcomer of this group would be in.
    fn conflict_of_group(&self, change: &Change) -> Result<Option<&Separate>> {
        let (Some(group), Some(membership)) = (change.proposed::<Group>()?, change.membership()) else {
            return Ok(None);
        };
        let name = group.display_name.unwrap_or_default();
        for separate in self.separate.iter().filter(|separate| separate.groups.contains(&name)) {
            for other in separate.groups.iter().filter(|other| **other != name) {
                let Some(other) = memberships::find(other)? else { continue };
                for member in &membership.added {
                    if directory::is_member(&other, &member.id)? {
                        return Ok(Some(separate));
                    }
                }
            }
        }
        Ok(None)
    }
}

/// Whether the person has one of the values at each of these paths.
fn fits(when: &BTreeMap<String, Vec<Value>>, person: &Resource) -> bool {
    when.iter().all(|(path, wanted)| {
        let values = person.values(path);
        values.iter().any(|value| wanted.iter().any(|wanted| same(wanted, value)))
    })
}

/// Texts are the same in any letter case.
fn same(wanted: &Value, value: &Value) -> bool {
    match (wanted, value) {
        (Value::String(wanted), Value::String(value)) => wanted.to_lowercase() == value.to_lowercase(),
        (wanted, value) => wanted == value,
    }
}

#[cfg(test)]
mod tests;
