//! One call of one guest: a seat, a fresh store and instance, two clocks, and what came of it.
//!
//! While the guest computes, the epoch takes its thread from it every millisecond and looks at the deadline; one that
//! goes on computing moves to the slow lane, and rests in between. While it waits in an import, the outer timeout looks.
//! Whatever happens, the store is dropped with the call, and with it all that the guest had.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};
use wasmtime::{Store, UpdateDeadline};

use super::House;
use super::bindings::lifecycle::LifecycleHooksPre;
use super::bindings::lifecycle::exports::provost::plugin::lifecycle::{Finding, Info};
use super::engine::{Row, Seat};
use super::fault::{self, Breach, not_started};
use super::guest::{Guest, Identity, Occasion, Phase};
use super::meter::Meter;
use crate::context::Realm;
use crate::hook::{Fault, FaultKind};
use crate::limits;
use crate::trace::{Cost, Trace};

/// How many epochs a guest runs between two looks at its deadline.
const EPOCHS_PER_TURN: u64 = 1;

/// How many turns a call computes as fast as it can. What takes longer is no quick answer any more, or none at all.
const BRISK_TURNS: u32 = 2;

/// The turn from which on it goes on in the slow lane.
const FIRST_SLOW_TURN: u32 = BRISK_TURNS + 1;

/// How long a call rests after each turn beyond those, so that guests which compute on every core leave most of each to
/// others.
const REST: Duration = Duration::from_millis(6);

/// A call that is about to happen: its store is ready, its time runs.
pub(super) struct Call {
    house: Arc<House>,
    store: Store<Guest>,
    /// Whether it has computed for longer than a quick answer takes.
    slow: Arc<AtomicBool>,
    /// Where it is measured; nowhere while the plugin is loaded.
    meter: Option<Arc<Meter>>,
    /// How long it waited for its seat.
    queued: Duration,
    allowed: Duration,
    seat: Seat,
}

impl Call {
    /// Waits for a seat and makes the store. The call's time begins now.
    pub(super) async fn begin(
        house: &Arc<House>,
        identity: &Arc<Identity>,
        meter: Option<&Arc<Meter>>,
        own: &Arc<tokio::sync::Semaphore>,
        occasion: Occasion,
        allowed: Duration,
    ) -> Result<Self, Fault> {
        let row = match occasion.phase {
            Phase::Lifecycle | Phase::BeforeWrite | Phase::Answering => Row::Hooks,
            Phase::After => Row::Deliveries,
        };
        let came = Instant::now();
        let (seat, began) = match house.sandbox.free_seat(own, row) {
            Some(seat) => (seat, came),
            None => {
                let seat = house.sandbox.seat(own, row, allowed).await.map_err(|_full| {
                    Fault::new(FaultKind::Busy, format!("no instance became free within {} ms", allowed.as_millis()))
                })?;
                (seat, Instant::now())
            }
        };
        let queued = began.duration_since(came);
        if let Some(meter) = meter {
            meter.queued(queued);
        }
        let deadline = began + allowed;
        let guest = Guest::new(identity.clone(), house.clone(), occasion, deadline);
        let mut store = Store::try_new(&house.sandbox.engine, guest)
            .map_err(|error| Fault::new(FaultKind::Busy, format!("no instance could be made: {error}")))?;
        store.limiter(|guest| &mut guest.memory);
        store.set_max_component_handles(limits::GUEST_HANDLES_MAX);
        store.set_hostcall_fuel(limits::HOST_CALL_BYTES_MAX);
        store.set_epoch_deadline(EPOCHS_PER_TURN);
        let slow = Arc::new(AtomicBool::new(false));
        let (is_slow, mut turns) = (slow.clone(), 0_u32);
        store.epoch_deadline_callback(move |_| {
            if Instant::now() >= deadline {
                return Err(Breach::Deadline(allowed).into());
            }
            turns = turns.saturating_add(1);
            let pause: Pin<Box<dyn Future<Output = ()> + Send>> = match turns {
                ..=BRISK_TURNS => Box::pin(tokio::task::yield_now()),
                FIRST_SLOW_TURN => {
                    is_slow.store(true, Ordering::Relaxed);
                    Box::pin(tokio::task::yield_now())
                }
                _ => Box::pin(tokio::time::sleep(REST)),
            };
            Ok(UpdateDeadline::YieldCustom(EPOCHS_PER_TURN, pause))
        });
        Ok(Self { house: house.clone(), store, slow, meter: meter.cloned(), queued, allowed, seat })
    }

    /// How much time there is, for the guest to know.
    pub(super) fn remaining_ms(&self) -> u32 {
        u32::try_from(self.allowed.as_millis()).unwrap_or(u32::MAX)
    }

    /// When the call must be over.
    pub(super) fn deadline(&self) -> Deadline {
        Deadline { at: self.store.data().deadline, allowed: self.allowed }
    }

    /// Makes the call: what the guest answered and left behind, or what it did wrong. If it computes for long, it goes on
    /// in the slow lane.
    pub(super) async fn run<T, F>(self, ask: impl FnOnce(Store<Guest>) -> F) -> Result<(T, Guest), Fault>
    where
        T: Send + 'static,
        F: Future<Output = (wasmtime::Result<T>, Store<Guest>)> + Send + 'static,
    {
        let Self { house, store, slow, meter, queued, allowed: _, seat } = self;
        let asked = ask(store);
        let mut guest = Box::pin(async move {
            let (answer, store) = asked.await;
            let guest = store.into_data();
            // Only now is there an instance free in the pool.
            drop(seat);
            (guest, answer)
        });
        let brisk = poll_fn(|cx| match guest.as_mut().poll(cx) {
            Poll::Ready(end) => Poll::Ready(Some(end)),
            Poll::Pending if slow.load(Ordering::Relaxed) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        let end = match brisk.await {
            Some(end) => Some(end),
            None => {
                meter.iter().for_each(|meter| meter.slow());
                house.sandbox.slow_lane.run(guest).await
            }
        };
        let (guest, answer) = end.ok_or_else(|| Fault::new(FaultKind::Busy, "the server is stopping"))?;
        guest.close_log();
        if let Some(meter) = meter {
            meter.memory(guest.memory.bytes());
            let (memory_bytes, host_calls) = (guest.memory.bytes() as u64, guest.host_calls());
            guest.occasion.trace.spent(Cost { queued, memory_bytes, host_calls });
        }
        match answer {
            Ok(answer) => Ok((answer, guest)),
            Err(error) => Err(fault::read(&error, &guest)),
        }
    }
}

/// When a call must be over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    allowed: Duration,
}

impl Deadline {
    /// Runs the guest until it answers, fails, or its time is over.
    pub(super) async fn hold<T>(self, guest: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
        timeout_at(self.at, guest).await.unwrap_or_else(|_| Err(Breach::Deadline(self.allowed).into()))
    }
}

/// Asks a plugin who it is.
pub(super) async fn describe(
    house: &Arc<House>,
    identity: &Arc<Identity>,
    lifecycle: &LifecycleHooksPre<Guest>,
) -> Result<Info, Fault> {
    let call = begin_lifecycle(house, identity).await?;
    let (deadline, lifecycle) = (call.deadline(), lifecycle.clone());
    let answer = call.run(|mut store| async move {
        let answer = deadline.hold(async {
            let hooks = lifecycle.instantiate_async(&mut store).await.map_err(not_started)?;
            hooks.provost_plugin_lifecycle().call_describe(&mut store).await
        });
        (answer.await, store)
    });
    answer.await.map(|(info, _)| info)
}

/// Asks a plugin what it thinks of its configuration.
pub(super) async fn check_config(
    house: &Arc<House>,
    identity: &Arc<Identity>,
    lifecycle: &LifecycleHooksPre<Guest>,
) -> Result<Vec<Finding>, Fault> {
    let call = begin_lifecycle(house, identity).await?;
    let (deadline, lifecycle, identity) = (call.deadline(), lifecycle.clone(), identity.clone());
    let answer = call.run(|mut store| async move {
        let answer = deadline.hold(async {
            let hooks = lifecycle.instantiate_async(&mut store).await.map_err(not_started)?;
            hooks.provost_plugin_lifecycle().call_check_config(&mut store, &identity.config_json).await
        });
        (answer.await, store)
    });
    answer.await.map(|(findings, _)| findings)
}

async fn begin_lifecycle(house: &Arc<House>, identity: &Arc<Identity>) -> Result<Call, Fault> {
    let occasion = Occasion {
        phase: Phase::Lifecycle,
        request_id: "load".into(),
        realm: Realm::DEFAULT,
        now: Timestamp::UNIX_EPOCH,
        trace: Trace::default(),
        trail: Arc::default(),
        is_job: false,
    };
    // While a plugin is loaded, nobody else calls it: it needs no row of its own.
    let alone = Arc::new(tokio::sync::Semaphore::new(1));
    Call::begin(house, identity, None, &alone, occasion, Duration::from_millis(limits::LIFECYCLE_MILLIS_MAX)).await
}
