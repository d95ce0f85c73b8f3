//! Seats, and who waits for them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::limits;
use crate::plugin::engine::{Row, Sandbox};

const SOON: Duration = Duration::from_millis(1);

#[tokio::test]
async fn a_plugin_takes_no_more_seats_than_its_own() {
    let sandbox = Sandbox::new(None).unwrap();
    let (one, other) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(1)));

    let seat = sandbox.seat(&one, Row::Hooks, SOON).await.unwrap();
    assert!(sandbox.seat(&one, Row::Hooks, SOON).await.is_err());
    assert!(sandbox.seat(&other, Row::Hooks, SOON).await.is_ok());

    drop(seat);
    assert!(sandbox.seat(&one, Row::Hooks, SOON).await.is_ok());
}

#[tokio::test]
async fn deliveries_never_take_the_seats_of_hooks() {
    let sandbox = Sandbox::new(None).unwrap();
    let own = Arc::new(Semaphore::new(1_000));

    let mut deliveries = Vec::new();
    while let Ok(seat) = sandbox.seat(&own, Row::Deliveries, SOON).await {
        deliveries.push(seat);
    }
    assert_eq!(deliveries.len(), limits::DELIVERIES_MAX);

    let mut hooks = Vec::new();
    while let Ok(seat) = sandbox.seat(&own, Row::Hooks, SOON).await {
        hooks.push(seat);
    }
    assert_eq!(hooks.len() + deliveries.len(), limits::GUEST_INSTANCES_MAX as usize);
}
