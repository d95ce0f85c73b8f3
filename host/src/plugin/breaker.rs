//! Breakers: a plugin that keeps faulting is left alone for a while, each hook group by itself.
//!
//! Closed, calls are made and faults counted. After too many within the window the breaker is open: no call is made, and
//! whoever would have asked hears so at once. When it has rested, one call at a time tries: if it ends well the breaker
//! closes, if it faults it is open again. After too many openings in a row the whole plugin is quarantined, until an
//! operator enables it or another version comes.
//!
//! Refusals and the errors that a plugin reports are answers and no faults. Waiting for a free instance in vain is
//! somebody else's doing as often as its own, so that counts neither way.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tracing::{info, warn};
use utoipa::ToSchema;

use super::meter;
use super::policy::BreakerConfig;
use crate::clock::Clock;
use crate::hook::{Fault, FaultKind, HookGroup, PluginName, Trouble};

/// Every breaker of one plugin.
#[derive(Debug)]
pub(super) struct Breakers {
    plugin: PluginName,
    config: BreakerConfig,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    groups: [Breaker; HookGroup::ALL.len()],
    quarantine: Option<String>,
}

#[derive(Debug, Default)]
struct Breaker {
    gate: Gate,
    /// How often it has opened since it last proved itself.
    openings: u32,
    /// It closed after a try, and no other call has ended well since.
    on_trial: bool,
    /// The last fault's kind and time, for whoever asks why.
    last: Option<(FaultKind, Timestamp)>,
}

#[derive(Debug)]
enum Gate {
    Closed { faults: VecDeque<Timestamp> },
    Open { until: Timestamp },
    Trying,
}

impl Default for Gate {
    fn default() -> Self {
        Self::Closed { faults: VecDeque::new() }
    }
}

/// A breaker as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BreakerStatus {
    /// Whose calls it breaks.
    pub hook: HookGroup,
    /// Whether calls are made.
    pub state: BreakerState,
    /// Until when none are, if it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// What opened it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_fault: Option<FaultKind>,
}

/// Whether calls are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerState {
    /// They are.
    Closed,
    /// One at a time.
    HalfOpen,
    /// None is.
    Open,
}

/// Leave to make one call. Whoever has it says how the call ended, or drops it.
pub(super) struct Pass<'a> {
    breakers: &'a Breakers,
    group: HookGroup,
    tries: bool,
    settled: bool,
}

impl Breakers {
    pub(super) fn new(plugin: PluginName, config: BreakerConfig, clock: Clock) -> Self {
        Self { plugin, config, clock, state: Mutex::default() }
    }

    /// Whether a call may be made now.
    pub(super) fn admit(&self, group: HookGroup) -> Result<Pass<'_>, Fault> {
        let mut state = self.state();
        if let Some(reason) = &state.quarantine {
            return Err(Fault::new(FaultKind::Unavailable, reason.clone()));
        }
        let breaker = state.breaker(group);
        let unavailable = |detail: String| Fault::new(FaultKind::Unavailable, detail);
        let tries = match &breaker.gate {
            Gate::Closed { .. } => false,
            Gate::Open { until } => {
                let left = until.duration_since(self.clock.now());
                if left.is_positive() {
                    let seconds = u64::try_from(left.as_millis().div_euclid(1_000) + 1).unwrap_or(1);
                    return Err(unavailable(format!("its breaker is open until {until}")).for_seconds(seconds));
                }
                true
            }
            Gate::Trying => {
                return Err(
                    unavailable("its breaker is half open, and another call is trying".to_owned()).for_seconds(1)
                );
            }
        };
        if tries {
            breaker.gate = Gate::Trying;
            self.tell(group, BreakerState::HalfOpen);
        }
        Ok(Pass { breakers: self, group, tries, settled: false })
    }

    /// An answer that was well formed broke a rule when it was applied. Right after a try this shows that nothing is
    /// mended.
    pub(super) fn blame(&self, group: HookGroup, kind: FaultKind) {
        let now = self.clock.now();
        let mut state = self.state();
        match state.breaker(group).on_trial {
            true => self.open(&mut state, group, kind, now),
            false => self.count(&mut state, group, kind, now),
        }
    }

    /// Closes every breaker and lifts the quarantine.
    pub(super) fn close(&self) {
        *self.state() = State::default();
        HookGroup::ALL.into_iter().for_each(|group| self.tell(group, BreakerState::Closed));
    }

    /// Why the whole plugin is left alone, if it is.
    pub(super) fn quarantine(&self) -> Option<String> {
        self.state().quarantine.clone()
    }

    /// The breakers that are not closed.
    pub(super) fn statuses(&self) -> Vec<BreakerStatus> {
        let state = self.state();
        let shown = HookGroup::ALL.into_iter().zip(&state.groups).filter_map(|(hook, breaker)| {
            let (state, until) = match &breaker.gate {
                Gate::Closed { .. } => return None,
                Gate::Trying => (BreakerState::HalfOpen, None),
                Gate::Open { until } => (BreakerState::Open, Some(*until)),
            };
            Some(BreakerStatus { hook, state, until, last_fault: breaker.last.map(|(kind, _)| kind) })
        });
        shown.collect()
    }

    fn ended_well(&self, group: HookGroup, tried: bool) {
        let mut state = self.state();
        let breaker = state.breaker(group);
        if tried {
            breaker.gate = Gate::default();
            breaker.on_trial = true;
            self.tell(group, BreakerState::Closed);
            let plugin = &self.plugin;
            info!(plugin.name = %plugin, hook = %group, "the breaker of plugin `{plugin}` for {group} is closed again");
        } else if breaker.on_trial && matches!(breaker.gate, Gate::Closed { .. }) {
            breaker.on_trial = false;
            breaker.openings = 0;
        }
    }

    fn faulted(&self, group: HookGroup, kind: FaultKind, tried: bool) {
        let now = self.clock.now();
        let mut state = self.state();
        match tried {
            true => self.open(&mut state, group, kind, now),
            false => self.count(&mut state, group, kind, now),
        }
    }

    /// Nothing is known about the plugin: the next call may try at once.
    fn untold(&self, group: HookGroup, tried: bool) {
        if tried {
            self.state().breaker(group).gate = Gate::Open { until: self.clock.now() };
            self.tell(group, BreakerState::Open);
        }
    }

    fn count(&self, state: &mut State, group: HookGroup, kind: FaultKind, now: Timestamp) {
        let window = seconds(self.config.window_seconds);
        let breaker = state.breaker(group);
        // A call that began before the breaker opened says nothing new.
        let Gate::Closed { faults } = &mut breaker.gate else { return };
        if self.config.faults == 0 {
            return;
        }
        faults.push_back(now);
        while faults.front().is_some_and(|first| now.duration_since(*first) > window) {
            faults.pop_front();
        }
        if faults.len() >= self.config.faults as usize {
            self.open(state, group, kind, now);
        }
    }

    fn open(&self, state: &mut State, group: HookGroup, kind: FaultKind, now: Timestamp) {
        let until = now.checked_add(seconds(self.config.open_seconds)).unwrap_or(Timestamp::MAX);
        let breaker = state.breaker(group);
        breaker.gate = Gate::Open { until };
        breaker.openings = breaker.openings.saturating_add(1);
        breaker.on_trial = false;
        breaker.last = Some((kind, now));
        let (openings, plugin) = (breaker.openings, &self.plugin);
        self.tell(group, BreakerState::Open);
        warn!(
            plugin.name = %plugin, hook = %group, fault = %kind, openings, %until,
            "the breaker of plugin `{plugin}` for {group} is open until {until}: it keeps faulting, last by {kind}"
        );
        if self.config.openings > 0 && openings >= self.config.openings {
            let reason = format!(
                "plugin `{plugin}`: its breaker for {group} opened {openings} times in a row, last by a fault of the kind `{kind}`; mend it, then `provost plugin enable {plugin}` or another version ends the quarantine"
            );
            warn!(plugin.name = %plugin, hook = %group, "quarantined: {reason}");
            state.quarantine = Some(reason);
        }
    }

    fn tell(&self, group: HookGroup, state: BreakerState) {
        meter::breaker(&self.plugin, group, state);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn breaker(&mut self, group: HookGroup) -> &mut Breaker {
        &mut self.groups[group.place()]
    }
}

impl Pass<'_> {
    /// Says how the call ended.
    pub(super) fn settle<T>(mut self, outcome: &Result<T, Trouble>) {
        self.settled = true;
        match outcome {
            Ok(_) | Err(Trouble::Error { .. }) => self.breakers.ended_well(self.group, self.tries),
            Err(Trouble::Fault(fault)) => match fault.kind {
                FaultKind::Busy | FaultKind::Unavailable => self.breakers.untold(self.group, self.tries),
                kind => self.breakers.faulted(self.group, kind, self.tries),
            },
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        // The caller went away in the middle of its call.
        if !self.settled {
            self.breakers.untold(self.group, self.tries);
        }
    }
}

fn seconds(seconds: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: HookGroup = HookGroup::BeforeWrite;

    fn breakers(clock: &Clock) -> Breakers {
        let config = BreakerConfig { faults: 3, window_seconds: 60, open_seconds: 30, openings: 2 };
        Breakers::new("p".into(), config, clock.clone())
    }

    fn clock() -> Clock {
        Clock::fixed(Timestamp::UNIX_EPOCH)
    }

    fn call(breakers: &Breakers, ended: Result<(), Trouble>) -> bool {
        breakers.admit(GROUP).map(|pass| pass.settle(&ended)).is_ok()
    }

    fn trap() -> Result<(), Trouble> {
        Err(Fault::new(FaultKind::Trap, "x").into())
    }

    #[test]
    fn it_opens_at_so_many_faults_within_the_window_and_no_sooner() {
        let clock = clock();
        let breakers = breakers(&clock);
        assert!(call(&breakers, trap()) && call(&breakers, trap()));
        clock.advance_ms(60_001);
        assert!(call(&breakers, trap()) && call(&breakers, trap()), "the first two have left the window");
        assert!(breakers.statuses().is_empty());
        assert!(call(&breakers, trap()));

        let refused = breakers.admit(GROUP).err().unwrap();

        assert_eq!((refused.kind, refused.retry_after_s), (FaultKind::Unavailable, Some(31)));
        assert!(breakers.admit(HookGroup::Shape).is_ok(), "the other groups go on");
        assert_eq!(breakers.statuses()[0].state, BreakerState::Open);
    }

    #[test]
    fn one_call_at_a_time_tries_and_closes_it_when_it_ends_well() {
        let clock = clock();
        let breakers = breakers(&clock);
        (0..3).for_each(|_| assert!(call(&breakers, trap())));
        clock.advance_ms(30_000);

        let trying = breakers.admit(GROUP).unwrap();
        assert!(breakers.admit(GROUP).is_err(), "another call is trying");
        trying.settle(&Ok(()));

        assert!(breakers.statuses().is_empty());
        assert!(call(&breakers, trap()) && call(&breakers, Ok(())), "it counts from nothing again");
    }

    #[test]
    fn a_try_that_faults_opens_it_again_and_the_second_time_quarantines() {
        let clock = clock();
        let breakers = breakers(&clock);
        (0..3).for_each(|_| assert!(call(&breakers, trap())));
        assert_eq!(breakers.quarantine(), None);
        clock.advance_ms(30_000);
        assert!(call(&breakers, trap()));

        assert!(breakers.quarantine().unwrap().contains("2 times in a row"));
        clock.advance_ms(1_000_000);
        assert!(!call(&breakers, Ok(())), "time alone does not end a quarantine");
        breakers.close();
        assert!(call(&breakers, Ok(())) && breakers.quarantine().is_none());
    }

    #[test]
    fn openings_are_in_a_row_only_while_nothing_ends_well() {
        let clock = clock();
        let breakers = breakers(&clock);
        for _ in 0..5 {
            (0..3).for_each(|_| assert!(call(&breakers, trap())));
            clock.advance_ms(30_000);
            assert!(call(&breakers, Ok(())) && call(&breakers, Ok(())));
        }
        assert_eq!(breakers.quarantine(), None);
    }

    #[test]
    fn blame_right_after_a_try_opens_it_again() {
        let clock = clock();
        let breakers = breakers(&clock);
        (0..3).for_each(|_| breakers.blame(GROUP, FaultKind::Output));
        clock.advance_ms(30_000);
        assert!(call(&breakers, Ok(())));
        breakers.blame(GROUP, FaultKind::Output);

        assert!(breakers.quarantine().is_some(), "it opened twice in a row");
    }

    #[test]
    fn a_try_that_nobody_waits_for_leaves_room_for_the_next() {
        let clock = clock();
        let breakers = breakers(&clock);
        (0..3).for_each(|_| assert!(call(&breakers, trap())));
        clock.advance_ms(30_000);
        drop(breakers.admit(GROUP).unwrap());

        assert!(call(&breakers, Ok(())));
        assert!(breakers.statuses().is_empty());
    }

    #[test]
    fn errors_refusals_and_full_rows_open_nothing() {
        let clock = clock();
        let breakers = breakers(&clock);
        for _ in 0..10 {
            assert!(call(&breakers, Err(Trouble::Error { message: "?".into(), retryable: true })));
            assert!(call(&breakers, Err(Fault::new(FaultKind::Busy, "full").into())));
        }
        let off = Breakers::new("p".into(), BreakerConfig { faults: 0, ..BreakerConfig::default() }, clock);
        (0..100).for_each(|_| assert!(call(&off, trap())));
    }
}
