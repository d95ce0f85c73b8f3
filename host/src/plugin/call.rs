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

use futures::FutureExt as _;
use futures::future::BoxFuture;
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
        Ok(Self { store, slow, meter: meter.cloned(), queued, allowed, seat })
    }

    /// How much time there is, for the guest to know.
    pub(super) fn remaining_ms(&self) -> u32 {
        u32::try_from(self.allowed.as_millis()).unwrap_or(u32::MAX)
    }

    /// Makes the call, until the guest answers, fails, or its time is over: what it answered and left behind, or what it
    /// did wrong. If it computes for long, it goes on in the slow lane.
    pub(super) async fn run<T: Send + 'static>(
        self,
        ask: impl for<'a> FnOnce(&'a mut Store<Guest>) -> BoxFuture<'a, wasmtime::Result<T>> + Send + 'static,
    ) -> Result<(T, Guest), Fault> {
        let Self { mut store, slow, meter, queued, allowed, seat } = self;
        let (house, deadline) = (store.data().house.clone(), store.data().deadline);
        let mut guest = Box::pin(async move {
            let answer = timeout_at(deadline, ask(&mut store)).await;
            let answer = answer.unwrap_or_else(|_| Err(Breach::Deadline(allowed).into()));
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

/// Asks a plugin who it is.
pub(super) async fn describe(
    house: &Arc<House>,
    identity: &Arc<Identity>,
    lifecycle: &LifecycleHooksPre<Guest>,
) -> Result<Info, Fault> {
    let call = begin_lifecycle(house, identity).await?;
    let lifecycle = lifecycle.clone();
    let answer = call.run(move |store| {
        async move {
            let hooks = lifecycle.instantiate_async(&mut *store).await.map_err(not_started)?;
            hooks.provost_plugin_lifecycle().call_describe(&mut *store).await
        }
        .boxed()
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
    let (lifecycle, identity) = (lifecycle.clone(), identity.clone());
    let answer = call.run(move |store| {
        async move {
            let hooks = lifecycle.instantiate_async(&mut *store).await.map_err(not_started)?;
            hooks.provost_plugin_lifecycle().call_check_config(&mut *store, &identity.config_json).await
        }
        .boxed()
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
