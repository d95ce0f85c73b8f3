//! The guard against mass deletion and mass deactivation.
//!
//! A mistake in an identity provider can ask for the deletion of everybody, one request at a time,
//! and each request is in order. So committed deletions and deactivations are counted for each
//! resource type over the last so many seconds, and beyond the operator's bound the next is
//! refused, until time has passed or an operator has lifted the guard.
//!
//! What is about to be committed has its place in the count already, so many at once cannot slip
//! through; what fails gives its place back. The counts are in memory, and are made anew from the
//! journal at the start.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use provost_scim::Resource;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::{info, warn};
use utoipa::ToSchema;

use super::tally::Tally;
use super::{Pipeline, WriteError};
use crate::context::{Realm, RequestContext};
use crate::hook::{Change, Operation};
use crate::limits::{GUARD_JOURNAL_ROWS_MAX, GUARD_WINDOW_SECONDS_MAX};
use crate::store::{JournalEntry, StoreError};

/// How many rows of the journal are read at a time.
const ROWS_PER_READ: usize = 1_000;

/// `[guard]`: how many may be deleted and deactivated before somebody must look. Absent: any number.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardRules {
    /// Of deletions, for each resource type.
    pub deletions: Option<Bounds>,
    /// Of changes that make `active` false, for each resource type.
    pub deactivations: Option<Bounds>,
}

/// How many of something are let through within a time. Where both bounds are set, the smaller holds.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// So many.
    pub most: Option<u64>,
    /// This share of the resources that there were of the type when the time began, in percent,
    /// rounded up, and one at least.
    pub share_percent: Option<u32>,
    /// Within so many seconds.
    #[serde(default = "an_hour")]
    pub window_seconds: u64,
}

fn an_hour() -> u64 {
    3_600
}

impl GuardRules {
    /// Checks that the bounds make sense.
    ///
    /// # Errors
    /// The key in its table, and what was expected there.
    pub fn check(&self) -> Result<(), (String, String)> {
        for (name, bounds) in [("deletions", self.deletions), ("deactivations", self.deactivations)] {
            let Some(bounds) = bounds else { continue };
            if bounds.most.is_none() && bounds.share_percent.is_none() {
                return Err((name.to_owned(), "expected `most`, `share_percent`, or both".to_owned()));
            }
            if bounds.share_percent.is_some_and(|share| !(1..=100).contains(&share)) {
                return Err((format!("{name}.share_percent"), "expected 1 to 100".to_owned()));
            }
            if !(1..=GUARD_WINDOW_SECONDS_MAX).contains(&bounds.window_seconds) {
                return Err((format!("{name}.window_seconds"), format!("expected 1 to {GUARD_WINDOW_SECONDS_MAX}")));
            }
        }
        Ok(())
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Creation,
    Deletion,
    Deactivation,
}

impl Deed {
    /// What a change does, if the guard minds it.
    fn of(operation: Operation, before: Option<&Resource>, after: Option<&Resource>) -> Option<Self> {
        let inactive = |state: &Resource| state.attributes().get("active") == Some(&Value::Bool(false));
        match (operation, before, after) {
            (Operation::Create, ..) => Some(Self::Creation),
            (Operation::Delete, ..) => Some(Self::Deletion),
            (_, Some(before), Some(after)) if !inactive(before) && inactive(after) => Some(Self::Deactivation),
            _ => None,
        }
    }
}

/// Why a change was refused by the guard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the guard against mass changes lets through {bound} of {resource_type} within {window_seconds} seconds, and {count} were made in the last {window_seconds}; nothing was changed. If this is meant, an operator lifts the guard: `provost guard lift --minutes 10`"
)]
pub struct Guarded {
    /// The bound, in words.
    pub bound: String,
    /// The type of what would have been changed.
    pub resource_type: String,
    /// How many were made within the time.
    pub count: u64,
    /// The time, in seconds.
    pub window_seconds: u64,
}

/// One of the two guards, and what it has seen of each resource type.
#[derive(Debug)]
struct Watch {
    deed: Deed,
    name: &'static str,
    bounds: Bounds,
    /// By the type's name: what it guards against, and creations and deletions, which tell how many
    /// there were at the beginning.
    seen: HashMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    done: Tally,
    created: Tally,
    deleted: Tally,
}

impl Watch {
    fn new(deed: Deed, name: &'static str, bounds: Bounds) -> Self {
        Self { deed, name, bounds, seen: HashMap::new() }
    }

    fn of(&mut self, resource_type: &str) -> &mut Seen {
        let seconds = self.bounds.window_seconds;
        let tally = || Tally::over(seconds);
        let new = || Seen { done: tally(), created: tally(), deleted: tally() };
        self.seen.entry(resource_type.to_owned()).or_insert_with(new)
    }

    /// Counts what is about to be committed.
    fn reserve(&mut self, deed: Deed, resource_type: &str, at: Timestamp) {
        if deed == self.deed {
            self.of(resource_type).done.add(at);
        }
    }

    /// Takes that back.
    fn forget(&mut self, deed: Deed, resource_type: &str, at: Timestamp) {
        if deed == self.deed {
            self.of(resource_type).done.take_back(at);
        }
    }

    /// Counts what is committed, and so has changed how many there are.
    fn settle(&mut self, deed: Deed, resource_type: &str, at: Timestamp) {
        match deed {
            Deed::Creation => self.of(resource_type).created.add(at),
            Deed::Deletion => self.of(resource_type).deleted.add(at),
            Deed::Deactivation => {}
        }
    }

    /// Whether one more is let through, with so many resources of the type there are now.
    fn admit(&mut self, resource_type: &str, there_are: u64, now: Timestamp) -> Result<(), Guarded> {
        let Watch { name, bounds, .. } = *self;
        let seen = self.of(resource_type);
        let count = seen.done.count(now);
        let at_first = (there_are + seen.deleted.count(now)).saturating_sub(seen.created.count(now));
        let share = |percent: u32| at_first.saturating_mul(u64::from(percent)).div_ceil(100).max(1);
        let refused = |bound: String| {
            let (resource_type, window_seconds) = (resource_type.to_owned(), bounds.window_seconds);
            Err(Guarded { bound, resource_type, count, window_seconds })
        };
        match (bounds.most, bounds.share_percent) {
            (Some(most), _) if count >= most => refused(format!("{most} {name}")),
            (_, Some(percent)) if count >= share(percent) => refused(format!("{name} of {percent} percent")),
            _ => Ok(()),
        }
    }
}

/// Both guards of one server.
#[derive(Debug)]
pub struct Guard(Mutex<Watches>);

#[derive(Debug)]
struct Watches {
    watches: Vec<Watch>,
    lifted_until: Option<Timestamp>,
}

/// The guard, as operators see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GuardStatus {
    /// Until when everything is let through; null while the bounds hold.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub lifted_until: Option<Timestamp>,
    /// What is guarded against; empty without `[guard]`.
    pub guards: Vec<WatchStatus>,
}

/// One of the two guards, as operators see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = GuardBounds)]
pub struct WatchStatus {
    /// What it is against: `deletions` or `deactivations`.
    pub of: &'static str,
    /// So many are let through.
    #[schema(required)]
    pub most: Option<u64>,
    /// This share of the resources of a type is let through, in percent.
    #[schema(required)]
    pub share_percent: Option<u32>,
    /// Within so many seconds.
    pub window_seconds: u64,
    /// How many there were within the time, for each resource type that had any.
    pub counts: Vec<GuardCount>,
}

/// How many of one resource type were counted.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GuardCount {
    /// The resource type's name.
    pub resource_type: String,
    /// So many.
    pub count: u64,
}

/// A place in the counts, given back unless it is kept.
#[must_use]
pub(super) struct Place {
    guard: Arc<Guard>,
    deed: Deed,
    resource_type: String,
    at: Timestamp,
    kept: bool,
}

impl Place {
    /// The change is committed.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for watch in &mut self.guard.lock().watches {
            match self.kept {
                true => watch.settle(self.deed, &self.resource_type, self.at),
                false => watch.forget(self.deed, &self.resource_type, self.at),
            }
        }
    }
}

impl Guard {
    pub(super) fn new(rules: &GuardRules) -> Self {
        let deletions = rules.deletions.map(|bounds| Watch::new(Deed::Deletion, "deletions", bounds));
        let deactivations = rules.deactivations.map(|bounds| Watch::new(Deed::Deactivation, "deactivations", bounds));
        let watches = deletions.into_iter().chain(deactivations).collect();
        Self(Mutex::new(Watches { watches, lifted_until: None }))
    }

    fn lock(&self) -> MutexGuard<'_, Watches> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets everything through for a time, whatever was counted. What happens meanwhile is counted.
    pub fn lift(&self, cx: &RequestContext, minutes: u32) -> Timestamp {
        let until = cx.now.saturating_add(SignedDuration::from_mins(i64::from(minutes))).unwrap_or(cx.now);
        self.lock().lifted_until = Some(until);
        let actor = &cx.actor;
        warn!(
            request.id = %cx.request_id, subject = actor.subject, client = actor.client.as_deref(), minutes,
            "the guard against mass changes is lifted for {minutes} minutes by `{}`", actor.subject
        );
        until
    }

    /// Which bounds there are, how much of them is used up, and whether they hold.
    pub fn status(&self, now: Timestamp) -> GuardStatus {
        let mut guard = self.lock();
        let lifted = guard.lifted_until.filter(|until| *until > now);
        let shown = |watch: &mut Watch| {
            let Bounds { most, share_percent, window_seconds } = watch.bounds;
            let mut counts: Vec<(&String, u64)> =
                watch.seen.iter_mut().map(|(of, seen)| (of, seen.done.count(now))).collect();
            counts.sort();
            let counted = |(of, count): (&String, u64)| GuardCount { resource_type: of.clone(), count };
            let counts = counts.into_iter().map(counted).collect();
            WatchStatus { of: watch.name, most, share_percent, window_seconds, counts }
        };
        GuardStatus { lifted_until: lifted, guards: guard.watches.iter_mut().map(shown).collect() }
    }

    fn is_off(&self) -> bool {
        self.lock().watches.is_empty()
    }

    /// The longest time that is looked back on, in seconds.
    fn window_seconds(&self) -> Option<u64> {
        self.lock().watches.iter().map(|watch| watch.bounds.window_seconds).max()
    }

    fn note(&self, deed: Deed, resource_type: &str, at: Timestamp) {
        for watch in &mut self.lock().watches {
            watch.reserve(deed, resource_type, at);
            watch.settle(deed, resource_type, at);
        }
    }
}

impl Pipeline {
    /// The guard against mass changes.
    pub fn guard(&self) -> &Arc<Guard> {
        &self.guard
    }

    /// Takes a place in the counts for a change that is about to be committed.
    ///
    /// # Errors
    /// [`WriteError::Guarded`] beyond a bound.
    pub(super) async fn take_place(
        &self,
        cx: &RequestContext,
        change: &Change,
        after: Option<&Resource>,
    ) -> Result<Option<Place>, WriteError> {
        if self.guard.is_off() {
            return Ok(None);
        }
        let Some(deed) = Deed::of(change.operation, change.current.as_ref(), after) else { return Ok(None) };
        let resource_type = change.resource_type.clone();
        let there_are = match self.schemas.resource_type(&resource_type) {
            Some(of) if deed != Deed::Creation => self.store.count(cx.realm, of).await?,
            _ => 0,
        };
        let mut guard = self.guard.lock();
        if guard.lifted_until.is_none_or(|until| until <= cx.now) {
            for watch in guard.watches.iter_mut().filter(|watch| watch.deed == deed) {
                if let Err(guarded) = watch.admit(&resource_type, there_are, cx.now) {
                    warn!(request.id = %cx.request_id, resource.type = resource_type, bound = guarded.bound,
                        "the guard against mass changes refused request {}", cx.request_id);
                    return Err(guarded.into());
                }
            }
        }
        guard.watches.iter_mut().for_each(|watch| watch.reserve(deed, &resource_type, cx.now));
        drop(guard);
        Ok(Some(Place { guard: self.guard.clone(), deed, resource_type, at: cx.now, kept: false }))
    }

    /// Counts what the journal says of the time before this start, so that a restart forgets nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn recount(&self, now: Timestamp) -> Result<(), StoreError> {
        let Some(seconds) = self.guard.window_seconds() else { return Ok(()) };
        let back = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        let since = now.saturating_sub(back).unwrap_or(now);
        let (mut before, mut rows) = (u64::MAX, 0);
        loop {
            let entries = self.store.journal_before(Realm::DEFAULT, before, ROWS_PER_READ).await?;
            // Requests are numbered at their end and timed at their beginning, so the times of
            // neighbours may be the other way round.
            let recent = entries.iter().any(|entry| entry.at >= since);
            let Some(first) = entries.first().filter(|_| recent) else { return Ok(()) };
            before = first.sequence;
            rows += entries.len();
            for entry in entries.iter().filter(|entry| entry.at >= since) {
                if let Some(deed) = self.deed_of(entry).await? {
                    self.guard.note(deed, &entry.resource_type, entry.at);
                }
            }
            if rows >= GUARD_JOURNAL_ROWS_MAX {
                info!("the guard against mass changes has looked at the last {rows} changes, and at none before them");
                return Ok(());
            }
        }
    }

    /// What a past change did. Whether it made somebody inactive is told by the states around it.
    async fn deed_of(&self, entry: &JournalEntry) -> Result<Option<Deed>, StoreError> {
        match entry.operation {
            Operation::Create | Operation::Delete => Ok(Deed::of(entry.operation, None, None)),
            _ if entry.changed_paths.iter().all(|path| path != "active") => Ok(None),
            operation => {
                let change = self.store.change(entry.sequence).await?;
                Ok(change.and_then(|change| Deed::of(operation, change.before.as_ref(), change.after.as_ref())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn deletions(most: Option<u64>, share_percent: Option<u32>) -> Watch {
        Watch::new(Deed::Deletion, "deletions", Bounds { most, share_percent, window_seconds: 600 })
    }

    /// How many of a hundred tries at one moment are let through.
    fn let_through(watch: &mut Watch, mut there_are: u64, now: Timestamp) -> u64 {
        let before = there_are;
        for _ in 0..100 {
            if watch.admit("User", there_are, now).is_ok() {
                watch.reserve(Deed::Deletion, "User", now);
                watch.settle(Deed::Deletion, "User", now);
                there_are -= 1;
            }
        }
        before - there_are
    }

    #[test]
    fn exactly_so_many_are_let_through_and_more_when_the_time_has_passed() {
        let mut watch = deletions(Some(7), None);

        assert_eq!(let_through(&mut watch, 100, at(0)), 7);
        assert_eq!(let_through(&mut watch, 93, at(600)), 0, "the whole window");
        assert_eq!(let_through(&mut watch, 93, at(611)), 7);
        assert_eq!(watch.admit("Group", 5, at(611)), Ok(()), "each type has its own count");
    }

    #[test]
    fn a_share_is_of_what_there_was_at_the_beginning_and_is_never_nothing() {
        for (there_are, percent, through) in
            [(100, 10, 10), (95, 10, 10), (5, 10, 1), (1, 1, 1), (3, 100, 3), (10, 34, 4)]
        {
            assert_eq!(let_through(&mut deletions(None, Some(percent)), there_are, at(0)), through, "{there_are}");
        }
        // What was made meanwhile does not make the share larger.
        let mut watch = deletions(None, Some(10));
        (0..900).for_each(|_| watch.settle(Deed::Creation, "User", at(0)));
        assert_eq!(let_through(&mut watch, 1_000, at(1)), 10);
    }

    #[test]
    fn the_smaller_bound_holds_and_what_fails_gives_its_place_back() {
        let mut watch = deletions(Some(3), Some(50));

        assert_eq!(let_through(&mut watch, 100, at(0)), 3);
        watch.forget(Deed::Deletion, "User", at(0));
        assert_eq!(let_through(&mut watch, 98, at(1)), 1);
        assert_eq!(let_through(&mut deletions(Some(30), Some(50)), 10, at(0)), 5);
    }
}
