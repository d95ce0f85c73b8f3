//! Upkeep: forgets what is old, so that nothing grows for ever, and makes the indexes that are wanted.
//!
//! From the start on, indexes that are new are built and those that nobody wants any more are
//! removed, step by step, until that is done. Once an hour, past versions and journal rows older than the operator keeps them, and entries
//! of plugins' state that have expired. What a waiting message needs is never forgotten. A
//! failure is logged and tried again an hour later; no request waits for any of this.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::store::{IndexState, Pruned, Store, StoreError};

/// How often, in seconds.
const INTERVAL_SECONDS: u64 = 3_600;

/// How long to wait after a step of an index has failed, in seconds.
const STEP_RETRY_SECONDS: u64 = 60;

/// How many expired entries of plugins' state go in one round.
const ENTRIES_PER_ROUND: usize = 10_000;

/// Builds and removes indexes until nothing is left to do, or until `stop` turns true: the next
/// start goes on from there.
pub async fn indexes(store: Arc<Store>, mut stop: watch::Receiver<bool>) {
    for index in store.indexes().await.iter().filter(|index| index.state != IndexState::Ready) {
        info!(resource_type = index.resource_type, attribute = index.attribute, "{index}");
    }
    while !*stop.borrow() {
        match store.build_indexes().await {
            Ok(true) => {}
            Ok(false) => return,
            // The store has said why, and only a restart helps.
            Err(_) if store.has_stopped() => return,
            Err(error) => {
                warn!(%error, "an index could not be built or removed; it is tried again in {STEP_RETRY_SECONDS} seconds");
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(STEP_RETRY_SECONDS)) => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
        }
    }
}

/// Works until `stop` turns true. `keep_days` of nothing keeps history and journal for ever.
pub async fn run(store: Arc<Store>, clock: Clock, keep_days: Option<u32>, mut stop: watch::Receiver<bool>) {
    let mut rounds = tokio::time::interval(Duration::from_secs(INTERVAL_SECONDS));
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if let Err(error) = round(&store, &clock, keep_days).await {
            warn!(%error, "what is old could not be forgotten; it is tried again in an hour");
        }
    }
}

async fn round(store: &Store, clock: &Clock, keep_days: Option<u32>) -> Result<(), StoreError> {
    let swept = store.state_sweep(clock.now(), ENTRIES_PER_ROUND).await?;
    let pruned = match keep_days {
        Some(days) => store.prune(clock.now() - SignedDuration::from_hours(24 * i64::from(days))).await?,
        None => Pruned::default(),
    };
    if swept > 0 || pruned.versions > 0 || pruned.journal_rows > 0 {
        let (versions, rows) = (pruned.versions, pruned.journal_rows);
        info!(versions, rows, swept, "forgot {versions} versions, {rows} journal rows and {swept} expired entries");
    }
    Ok(())
}
