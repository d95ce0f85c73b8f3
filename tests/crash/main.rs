//! The command as its own process, killed with SIGKILL at random moments under parallel writes, many times, on each
//! engine.
//!
//! After each kill, offline: `provost check --data` finds that everything agrees. After each
//! restart: every acknowledged change is there, and of what was not acknowledged either all or
//! nothing. At the end: the receiver got every acknowledged change's message, in order per person.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod everything;
mod jobs;
mod ledger;
mod process;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use provost_tests::Receiver;
use provost_tests::guests::forward;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::Notify;

use ledger::{Ledger, People};
use process::{Place, Server};

/// How often the server is killed on each engine.
const KILLS: usize = 12;
const CLIENTS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn on_sled_what_was_acknowledged_survives_every_kill_and_what_was_not_is_whole_or_absent() {
    survives("sled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_fjall_what_was_acknowledged_survives_every_kill_and_what_was_not_is_whole_or_absent() {
    survives("fjall").await;
}

/// Chance that can be had again.
fn chance() -> StdRng {
    let seed =
        std::env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| rand::rng().random());
    println!("CRASH_SEED={seed} repeats this run's choices");
    StdRng::seed_from_u64(seed)
}

async fn survives(engine: &str) {
    let mut random = chance();
    let mut receiver = Receiver::start().await;
    let place = Place::new(engine, &forward(&receiver.origin()));
    let ledger = Arc::new(Ledger::default());
    let server = Server::start(&place).await;
    let group = server.make_group().await;
    server.kill().await;

    for round in 0..KILLS {
        let server = Arc::new(Server::start(&place).await);
        ledger.settle(&server, &group).await;
        let moment = random.random_range(1..120);
        let (acknowledged, struck) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let people = People::new(ledger.clone(), round, client, random.random());
                let (server, group) = (server.clone(), group.clone());
                let (acknowledged, struck) = (acknowledged.clone(), struck.clone());
                tokio::spawn(people.live(server, group, move || {
                    if acknowledged.fetch_add(1, Ordering::SeqCst) + 1 == moment {
                        struck.notify_one();
                    }
                }))
            })
            .collect();
        struck.notified().await;
        server.strike();
        for client in clients {
            client.await.expect("a client ends by itself when the server is gone");
        }
        Arc::into_inner(server).expect("the clients are done").wait().await;
        place.check().await;
    }

    let server = Server::start(&place).await;
    ledger.settle(&server, &group).await;
    server.drain(&mut receiver).await;
    server.kill().await;
    place.check().await;
    ledger.compare_with(&receiver.all());
    println!("{} changes were acknowledged over {KILLS} kills on {engine}", ledger.acknowledged());
}
