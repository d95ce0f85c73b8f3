//! Segment: each caller sees and changes only its part of the directory.
//!
//! What a part is, the operator says with a SCIM filter for each resource type. The host joins it
//! to whatever the caller asks for; a filter of the caller's own can only make it narrower.

use std::collections::{BTreeMap, BTreeSet};

use provost_sdk::prelude::*;
use provost_sdk::{Attributes, Caller};

/// Whose part is what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Segment {
    #[serde(default)]
    callers_are: CallersAre,
    /// Callers that see and change everything.
    #[serde(default)]
    everything: Vec<String>,
    part: Vec<Part>,
}

/// What callers are told apart by.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CallersAre {
    /// The client's name: for a token made by the server, the name it was given.
    #[default]
    Client,
    /// The credential's subject.
    Subject,
    /// The value of this claim.
    Claim(String),
}

/// One part of the directory.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    callers: Vec<String>,
    /// By resource type: the filter that says what belongs to it. A type that is not named is no
    /// business of these callers.
    sees: BTreeMap<String, String>,
    /// By resource type: what a new resource gets, where its creator does not say.
    #[serde(default)]
    sets: BTreeMap<String, Attributes>,
}

impl Plugin for Segment {
    const INFO: Info = provost_sdk::info!();

    fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.part.is_empty() {
            findings.push(Finding::new("part", "is empty: nobody but `everything` would see anything"));
        }
        for (at, part) in self.part.iter().enumerate() {
            if part.callers.is_empty() {
                findings.push(Finding::new(format!("part[{at}].callers"), "is empty"));
            }
            let empty = part.sees.iter().filter(|(_, filter)| filter.trim().is_empty());
            findings.extend(empty.map(|(kind, _)| {
                Finding::new(format!("part[{at}].sees.{kind}"), "is empty; `everything` is for those who see all")
            }));
        }
        let known: BTreeSet<&String> = self.part.iter().flat_map(|part| &part.callers).collect();
        let both = self.everything.iter().filter(|caller| known.contains(caller));
        findings.extend(both.map(|caller| Finding::new("everything", format!("`{caller}` has a part, too"))));
        findings
    }

    fn decide(&self, inquiry: &Inquiry) -> Result<Decision> {
        let caller = self.caller(&inquiry.caller);
        if self.everything.contains(&caller) {
            return Ok(Decision::allow());
        }
        let parts: Vec<&Part> = self.parts(&caller).collect();
        if parts.is_empty() {
            return Ok(Decision::forbid("this client has no part of the directory"));
        }
        let filters = parts.iter().filter_map(|part| part.sees.get(&inquiry.resource_type).cloned());
        let filters: Vec<String> = filters.collect();
        match filters.is_empty() {
            true => Ok(Decision::narrow(NOTHING)),
            false => Ok(Decision::narrow(filter::or(filters))),
        }
    }

    fn review(&self, change: &Change) -> Result<Verdict> {
        let (Operation::Create, Some(proposed)) = (change.operation, change.proposed::<Resource>()?) else {
            return Ok(Verdict::proceed());
        };
        let caller = self.caller(&change.caller);
        let mut own = self.parts(&caller);
        // Who has several parts has to say in which the newcomer belongs.
        let (Some(part), None) = (own.next(), own.next()) else { return Ok(Verdict::proceed()) };
        let Some(sets) = part.sets.get(&change.resource_type) else { return Ok(Verdict::proceed()) };
        let missing = sets.iter().filter(|(path, _)| proposed.get(path).is_none());
        Ok(missing.fold(Patch::new(), |patch, (path, value)| patch.add(path, value.clone())).into_verdict())
    }
}

provost_sdk::manifest!("../plugin.toml");
provost_sdk::export!(Segment: access, before_write);

/// Matches no resource: each has an `id`.
const NOTHING: &str = "not (id pr)";

impl Segment {
    /// What this caller is called; empty if it has no such name.
    fn caller(&self, caller: &Caller) -> String {
        match &self.callers_are {
            CallersAre::Client => caller.client.clone().unwrap_or_default(),
            CallersAre::Subject => caller.subject.clone(),
            CallersAre::Claim(name) => caller.claims[name].as_str().unwrap_or_default().to_owned(),
        }
    }

    fn parts<'a>(&'a self, caller: &'a str) -> impl Iterator<Item = &'a Part> {
        self.part.iter().filter(move |part| part.callers.iter().any(|known| known == caller))
    }
}

#[cfg(test)]
mod tests;
