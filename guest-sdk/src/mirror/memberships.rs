//! Memberships at another server: who is in which group there follows from who is in which group here.
//!
//! What is sent is what is true when it is sent, so it does no harm to send it twice, late, or in another order. Only those
//! who are there are members there: whoever comes later is added then.

use super::{Mirror, Twin};
use crate::{Failure, Result, directory};

/// How many members [`Mirror::change_members`] takes at most: each is looked up, and looked at twice, in one call.
pub const CHANGES_MAX: usize = 200;

/// How many members of a group that is sent whole are in one request.
const MEMBERS_MAX: usize = 1_000;

/// Stands before a group in [`Twin::settling`], and comes after every member's id.
const GROUPS_BEGIN: &str = "~";

impl Mirror {
    /// Sends all memberships of one that came or went: of a group its members, and of everybody the groups that they are
    /// in; besides these the `others`, in which somebody was who was deleted here. Then it is [`Mirror::settled`].
    ///
    /// A delivery may send so many requests and no more. What does not fit is a failure that is tried again, and goes on
    /// where it was.
    pub fn settle(&self, id: &str, twin: &Twin, others: &[String]) -> Result {
        let begins = if twin.is_group() { "" } else { GROUPS_BEGIN };
        let mut at = if twin.settling.is_empty() { begins } else { &twin.settling }.to_owned();
        match self.send_members(id, twin, &mut at).and_then(|()| self.send_groups(id, others, &mut at)) {
            Ok(()) => self.settled(id),
            Err(failure) => {
                self.note(id, |twin| twin.settling = at)?;
                Err(failure)
            }
        }
    }

    /// Makes it over there what it is here, whether these are members of a group: [`CHANGES_MAX`] of them at most, by our
    /// ids. The others stay what they are.
    pub fn change_members(&self, group: &str, twin: &Twin, ids: &[String]) -> Result {
        let sent = self.memberships(group, ids)?;
        if sent.0.is_empty() && sent.1.is_empty() {
            return Ok(());
        }
        self.server.room(1)?;
        if !self.server.change_members(&twin.remote, &sent.0, &sent.1)? {
            return Err(self.vanished(group)?);
        }
        // What concerns the other end comes by another way, perhaps just now.
        match self.memberships(group, ids)? == sent {
            true => Ok(()),
            false => Err(Failure::retryable("a membership changed while it was sent")),
        }
    }

    /// Has the members of a group sent once more. They take the place of all that are there, as long as they fit into one
    /// request; of a larger group some would be missing in between, so they are added.
    pub fn doubt_members(&self, group: &str) -> Result {
        let is_small = directory::members(group, None, MEMBERS_MAX as u32)?.len() < MEMBERS_MAX;
        self.unsettled(group, is_small)
    }

    /// Sends the members of a group behind `at`. What may be anything over there is theirs alone from then on.
    fn send_members(&self, group: &str, twin: &Twin, at: &mut String) -> Result {
        while !at.starts_with(GROUPS_BEGIN) {
            let members = directory::members(group, (!at.is_empty()).then_some(at), MEMBERS_MAX as u32)?;
            let twins = self.twins(members.iter().map(|member| &*member.id))?;
            let there: Vec<String> = twins.into_values().filter(Twin::is_there).map(|twin| twin.remote).collect();
            self.server.room(1)?;
            let is_there = match (at.is_empty() && twin.is_foreign, there.is_empty()) {
                (true, _) => self.server.replace_members(&twin.remote, &there)?,
                (false, true) => true,
                (false, false) => self.server.change_members(&twin.remote, &there, &[])?,
            };
            if !is_there {
                return Err(self.vanished(group)?);
            }
            let last = members.last().filter(|_| members.len() == MEMBERS_MAX);
            *at = last.map_or(GROUPS_BEGIN, |member| &member.id).to_owned();
        }
        Ok(())
    }

    /// Sends the memberships of one in the groups behind `at`.
    fn send_groups(&self, id: &str, others: &[String], at: &mut String) -> Result {
        let mut groups = directory::groups_of(id)?;
        groups.extend_from_slice(others);
        groups.sort();
        groups.dedup();
        for group in groups {
            let step = format!("{GROUPS_BEGIN}{group}");
            if step > *at {
                if let Some(twin) = self.twin(&group)? {
                    self.change_members(&group, &twin, &[id.to_owned()])?;
                }
                *at = step;
            }
        }
        Ok(())
    }

    /// By their ids over there: who of these is to be in the group, and who is not.
    fn memberships(&self, group: &str, ids: &[String]) -> Result<(Vec<String>, Vec<String>)> {
        let (mut add, mut remove) = (Vec::new(), Vec::new());
        for (id, twin) in self.twins(ids.iter().map(String::as_str))? {
            let is_in = twin.is_there() && directory::is_member(group, &id)?;
            if is_in { &mut add } else { &mut remove }.push(twin.remote);
        }
        Ok((add, remove))
    }
}
