//! The delivery worker: takes committed messages out of the outbox and sees them delivered.
//!
//! At least once, in order per resource: a row leaves the outbox only after its receiver said
//! yes, and a lane's next message waits for that. A failure is tried again with backoff and
//! jitter, then parked for an operator. Everything survives a kill, since the rows are the truth
//! and the lanes in memory are only made from them.
//!
//! Nothing here can change or fail the answer to a request: that was given before.

mod backlog;
mod lanes;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tracing::{debug, error, info, warn};

use crate::clock::Clock;
use crate::hook::{Hooks, Roster, Trouble, Work};
use crate::limits::{DELIVERIES_MAX, DELIVERY_ATTEMPTS_MAX, DELIVERY_BACKOFF_MILLIS_MAX, DELIVERY_BACKOFF_MILLIS_MIN};
use crate::store::{OutboxKey, OutboxRow, Store, StoreError};
use backlog::Backlog;
use lanes::{Lane, Lanes};

/// How many rows are read at a time.
const ROWS_PER_READ: usize = 1_000;

/// How long the worker rests after the store failed it, in milliseconds.
const STORE_PAUSE_MILLIS: u64 = 1_000;

/// How persistent deliveries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// After so many failed attempts a message is parked.
    pub attempts_max: u32,
    /// The first wait, in milliseconds; it doubles from there.
    pub backoff_millis_min: u64,
    /// The longest wait, in milliseconds.
    pub backoff_millis_max: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts_max: DELIVERY_ATTEMPTS_MAX,
            backoff_millis_min: DELIVERY_BACKOFF_MILLIS_MIN,
            backoff_millis_max: DELIVERY_BACKOFF_MILLIS_MAX,
        }
    }
}

impl Patience {
    /// How long to wait after this many failed attempts: doubling, with the upper half left to chance,
    /// so that a receiver that comes back is not met by everybody at once.
    fn backoff(&self, attempts: u32, chance: f64) -> SignedDuration {
        let doubled = self.backoff_millis_min.saturating_mul(1 << attempts.saturating_sub(1).min(32));
        let longest = doubled.min(self.backoff_millis_max);
        let millis = longest / 2 + (longest as f64 / 2.0 * chance) as u64;
        SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

/// What an operator does to a waiting message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Redrive(OutboxKey),
    Drop(OutboxKey),
}

/// The running worker's handle.
#[derive(Clone)]
pub struct Delivery {
    store: Arc<Store>,
    orders: mpsc::UnboundedSender<(Order, Lane)>,
    ended: watch::Receiver<u64>,
}

impl Delivery {
    /// Starts the worker. It ends, with no delivery left half way, after `stop` turns true.
    pub fn start(
        store: Arc<Store>,
        roster: Arc<Roster>,
        clock: Clock,
        patience: Patience,
        stop: watch::Receiver<bool>,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (orders, inbox) = mpsc::unbounded_channel();
        let (count, ended) = watch::channel(0);
        let worker = Worker {
            store: store.clone(),
            roster,
            clock,
            patience,
            lanes: Lanes::default(),
            backlog: Backlog::default(),
            seen: None,
            ended: count,
        };
        let running = tokio::spawn(worker.run(inbox, stop));
        (Self { store, orders, ended }, running)
    }

    /// Counts the attempts that have ended, well or badly; tells whenever one more has.
    pub fn ended(&self) -> watch::Receiver<u64> {
        self.ended.clone()
    }

    /// Tries a parked message again, from its first attempt on. Answers whether it was there.
    ///
    /// # Errors
    /// When the store cannot note it.
    pub async fn redrive(&self, key: OutboxKey) -> Result<bool, StoreError> {
        let Some(row) = self.store.outbox_redrive(key).await? else { return Ok(false) };
        self.order(Order::Redrive(key), &row);
        Ok(true)
    }

    /// Gives a message up for good. Answers whether it was there.
    ///
    /// # Errors
    /// When the store cannot delete it.
    pub async fn drop_message(&self, key: OutboxKey) -> Result<bool, StoreError> {
        let Some(row) = self.store.outbox_row(key).await? else { return Ok(false) };
        let dropped = self.store.outbox_done(key).await?;
        self.order(Order::Drop(key), &row);
        Ok(dropped)
    }

    fn order(&self, order: Order, row: &OutboxRow) {
        // A worker that has ended needs no orders: the row says it all to the next one.
        let _ = self.orders.send((order, Lane::of(&row.message)));
    }
}

/// How one delivery ended.
enum Outcome {
    Done,
    Again(Timestamp),
    Parked,
}

struct Worker {
    store: Arc<Store>,
    roster: Arc<Roster>,
    clock: Clock,
    patience: Patience,
    lanes: Lanes,
    backlog: Backlog,
    seen: Option<OutboxKey>,
    ended: watch::Sender<u64>,
}

impl Worker {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<(Order, Lane)>, mut stop: watch::Receiver<bool>) {
        let mut ready = self.store.outbox_ready();
        let slots = Arc::new(Semaphore::new(DELIVERIES_MAX));
        let mut under_way = JoinSet::new();
        loop {
            let settled = *ready.borrow_and_update();
            if let Err(error) = self.take_in(settled).await {
                error!(%error, "the outbox could not be read; deliveries rest for a moment");
                tokio::time::sleep(Duration::from_millis(STORE_PAUSE_MILLIS)).await;
                continue;
            }
            self.send_due(&slots, &mut under_way);
            let wait = self.until_next(slots.available_permits());
            tokio::select! {
                _ = ready.changed() => {}
                Some(order) = inbox.recv() => self.obey(order),
                Some(ended) = under_way.join_next() => self.settle(ended),
                () = wait => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        while let Some(ended) = under_way.join_next().await {
            self.settle(ended);
        }
        debug!("deliveries have stopped");
    }

    /// Reads the rows that became durable since the last look into their lanes.
    async fn take_in(&mut self, settled: u64) -> Result<(), StoreError> {
        loop {
            let rows = self.store.outbox_rows(self.seen, settled, ROWS_PER_READ).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            self.seen = Some(last.key);
            for row in &rows {
                self.lanes.join(row);
                self.backlog.join(row.key, &row.message);
            }
        }
    }

    fn send_due(&mut self, slots: &Arc<Semaphore>, under_way: &mut JoinSet<(Lane, OutboxKey, Outcome)>) {
        while let Ok(slot) = slots.clone().try_acquire_owned() {
            let Some((lane, key)) = self.lanes.take_due(self.clock.now()) else { return };
            let delivery = One {
                store: self.store.clone(),
                hooks: self.roster.now(),
                clock: self.clock.clone(),
                patience: self.patience,
            };
            under_way.spawn(async move {
                let outcome = delivery.attempt(key).await;
                drop(slot);
                (lane, key, outcome)
            });
        }
    }

    /// Until a head's time comes, if there is a slot to send it.
    fn until_next(&self, slots: usize) -> impl Future<Output = ()> + use<> {
        let next = self.lanes.next_due().filter(|_| slots > 0);
        let clock = self.clock.clone();
        async move {
            match next {
                Some(at) => clock.until(at).await,
                None => std::future::pending().await,
            }
        }
    }

    fn obey(&mut self, (order, lane): (Order, Lane)) {
        match order {
            Order::Redrive(key) => self.lanes.redrive(lane, key, self.clock.now()),
            Order::Drop(key) => {
                self.lanes.drop_message(lane, key);
                self.backlog.leave(key);
            }
        }
    }

    fn settle(&mut self, ended: Result<(Lane, OutboxKey, Outcome), tokio::task::JoinError>) {
        match ended {
            Ok((lane, key, Outcome::Done)) => {
                self.lanes.done(lane);
                self.backlog.leave(key);
            }
            Ok((lane, _, Outcome::Again(at))) => self.lanes.again(lane, at),
            Ok((lane, _, Outcome::Parked)) => self.lanes.park(lane, self.clock.now()),
            // The row is still there; its lane rests until the next start.
            Err(error) => error!(%error, "a delivery broke off"),
        }
        self.ended.send_modify(|count| *count += 1);
    }
}

/// One attempt at one message.
struct One {
    store: Arc<Store>,
    hooks: Arc<dyn Hooks>,
    clock: Clock,
    patience: Patience,
}

impl One {
    async fn attempt(&self, key: OutboxKey) -> Outcome {
        match self.try_attempt(key).await {
            Ok(outcome) => outcome,
            Err(error) => {
                error!(%error, outbox.key = %key, "the outbox could not note a delivery; it will be made again");
                Outcome::Again(self.clock.now() + SignedDuration::from_millis(STORE_PAUSE_MILLIS as i64))
            }
        }
    }

    async fn try_attempt(&self, key: OutboxKey) -> Result<Outcome, StoreError> {
        let Some(row) = self.store.outbox_row(key).await? else { return Ok(Outcome::Done) };
        match self.hand_over(&row).await? {
            Ok(()) => {
                self.store.outbox_done(key).await?;
                backlog::delivered(&row.message, self.clock.now());
                Ok(Outcome::Done)
            }
            Err(trouble) => self.failed(&row, trouble).await,
        }
    }

    async fn hand_over(&self, row: &OutboxRow) -> Result<Result<(), Trouble>, StoreError> {
        let attempt = row.attempts + 1;
        Ok(match &row.message.work {
            Work::Deliver { .. } => self.hooks.deliver(&row.message, attempt).await,
            Work::Request { .. } => self.hooks.send(&row.message, attempt).await,
            Work::Observe => match self.store.change(row.message.cause.sequence).await? {
                Some(change) => self.hooks.observe(&row.message, &change, attempt).await,
                // Its history was pruned before it could be told: nothing is left to observe.
                None => Ok(()),
            },
        })
    }

    async fn failed(&self, row: &OutboxRow, trouble: Trouble) -> Result<Outcome, StoreError> {
        let attempts = row.attempts + 1;
        let message = &row.message;
        let (plugin, target) = (&message.plugin, &message.target);
        let hopeless = matches!(trouble, Trouble::Error { retryable: false, .. });
        if hopeless || attempts >= self.patience.attempts_max {
            if !self.store.outbox_park(row.key, attempts, trouble.to_string()).await? {
                return Ok(Outcome::Done); // An operator dropped it meanwhile.
            }
            warn!(
                plugin.name = %plugin, target, outbox.key = %row.key, attempts, %trouble,
                "message {} is parked; `provost outbox redrive {}` tries it again", row.key, row.key
            );
            return Ok(Outcome::Parked);
        }
        let not_before = self.clock.now() + self.patience.backoff(attempts, rand::rng().random());
        if !self.store.outbox_failed(row.key, attempts, not_before, trouble.to_string()).await? {
            return Ok(Outcome::Done); // An operator dropped it meanwhile.
        }
        info!(
            plugin.name = %plugin, target, outbox.key = %row.key, attempts, %trouble,
            "message {} was not delivered; it is tried again", row.key
        );
        Ok(Outcome::Again(not_before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_bound_and_leaves_half_to_chance() {
        let patience = Patience { attempts_max: 9, backoff_millis_min: 100, backoff_millis_max: 1_000 };
        let millis = |attempts, chance| patience.backoff(attempts, chance).as_millis();

        assert_eq!((millis(1, 0.0), millis(1, 1.0)), (50, 100));
        assert_eq!((millis(2, 0.0), millis(2, 1.0)), (100, 200));
        assert_eq!((millis(5, 0.0), millis(5, 1.0)), (500, 1_000));
        assert_eq!(millis(u32::MAX, 1.0), 1_000);
    }
}
