//! SIGKILL while everything happens at once: clients write, messages go out, a job runs, and plugins are upgraded while
//! they are asked. Each round is killed by something else: a write, an arrival, the beginning of a run, an upgrade.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt as _;
use provost::clock::Clock;
use provost_tests::guests::{self, forward, plugin};
use provost_tests::{Received, Receiver};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::ledger::{Ledger, People};
use super::process::{Place, Reply, Server};
use super::{CLIENTS, chance};

/// How often the server is killed on each engine.
const KILLS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn on_sled_deliveries_jobs_and_upgrades_survive_every_kill_at_once() {
    survives("sled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_fjall_deliveries_jobs_and_upgrades_survive_every_kill_at_once() {
    survives("fjall").await;
}

/// What can be the last thing that a server does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Deed {
    /// It acknowledges a change.
    Acknowledges,
    /// A message of its arrives.
    Delivers,
    /// A run of its job begins.
    Runs,
    /// It is told of a component in another's place.
    Upgrades,
}

/// The moment of the kill: when this was done so many times.
struct Moment {
    deed: Deed,
    left: AtomicU64,
    come: Notify,
}

impl Moment {
    fn of_round(round: usize, random: &mut StdRng) -> Self {
        let (deed, most) = match round % 4 {
            0 => (Deed::Acknowledges, 100),
            1 => (Deed::Upgrades, 6),
            2 => (Deed::Delivers, 60),
            _ => (Deed::Runs, 2),
        };
        Self { deed, left: AtomicU64::new(random.random_range(1..=most)), come: Notify::new() }
    }

    fn saw(&self, deed: Deed) {
        if deed == self.deed && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.come.notify_one();
        }
    }
}

async fn survives(engine: &str) {
    let mut random = chance();
    let (mut messages, mut runs) = (Receiver::start().await, Receiver::start().await);
    let mut component = Component::first();
    let place = Place::new(engine, &tables(&component, &messages.origin(), &runs.origin()));
    let ledger = Arc::new(Ledger::default());
    let mut starts = vec![now_ms()];
    let server = Server::start(&place).await;
    let group = server.make_group().await;
    server.kill().await;

    for round in 0..KILLS {
        starts.push(now_ms());
        let server = Arc::new(Server::start(&place).await);
        component.came_back(&server.plugins().await);
        ledger.settle(&server, &group).await;
        // What the servers before did is no moment of this one.
        while messages.next().now_or_never().is_some() || runs.next().now_or_never().is_some() {}
        let moment = Arc::new(Moment::of_round(round, &mut random));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let people = People::new(ledger.clone(), round, client, random.random());
                let moment = moment.clone();
                tokio::spawn(people.live(server.clone(), group.clone(), move || moment.saw(Deed::Acknowledges)))
            })
            .collect();
        let upgrades = tokio::spawn(component.goes_on(server.clone(), moment.clone(), random.random()));

        loop {
            tokio::select! {
                () = moment.come.notified() => break,
                _ = messages.next() => moment.saw(Deed::Delivers),
                run = runs.next() => if begins(&run) { moment.saw(Deed::Runs) },
            }
        }
        server.strike();
        for client in clients {
            client.await.expect("a client ends by itself when the server is gone");
        }
        component = upgrades.await.expect("upgrades end by themselves when the server is gone");
        Arc::into_inner(server).expect("the clients are done").wait().await;
        place.check().await;
    }

    starts.push(now_ms());
    let server = Server::start(&place).await;
    component.came_back(&server.plugins().await);
    ledger.settle(&server, &group).await;
    server.drain(&mut messages).await;
    let (status, unreviewed) = server.ask("GET", "/Users?filter=not+(nickName+pr)&count=0", None).await;
    assert_eq!((status, &unreviewed["totalResults"]), (200, &json!(0)), "somebody was not reviewed");
    server.kill().await;
    place.check().await;
    ledger.compare_with(&messages.all());
    let (runs, cut_off) = never_twice_at_once(&runs.all(), &starts);
    println!(
        "{} changes were acknowledged, {} components put in place, {runs} runs begun and {cut_off} of them cut off, \
         over {KILLS} kills on {engine}",
        ledger.acknowledged(),
        component.number,
    );
}

fn now_ms() -> i64 {
    Clock::System.now().as_millisecond()
}

/// A reviewer that is upgraded, the mirror of all people, and a job that is due every second.
fn tables(component: &Component, messages: &str, runs: &str) -> String {
    let reviewer = format!(
        "[[plugin]]\nname = \"version\"\nplugin = \"{}\"\ntypes = [\"User\"]\noperations = [\"create\"]\n\
         grant = {{ imports = [\"config\", \"log\"], write = [\"nickName\"] }}\n",
        component.file().display()
    );
    let job = format!(
        "config = {{ url = \"{runs}/run\", tells_end = true }}\n\
         [plugin.grant]\nimports = [\"config\", \"state\", \"http\"]\n\
         http = [{{ origin = \"{runs}\", methods = [\"POST\"], private = true }}]\n\
         [[plugin.job]]\nname = \"tick\"\nevery = \"1s\""
    );
    format!("{reviewer}{}{}", forward(messages), plugin(guests::JOB_COUNTER, &job))
}

/// The reviewer's component, which is replaced again and again.
struct Component {
    directory: TempDir,
    number: usize,
    /// The version that is in place, unless that is half of one.
    in_place: Option<&'static str>,
    /// The version that was applied last.
    good: &'static str,
}

impl Component {
    fn first() -> Self {
        let component = Self { directory: TempDir::new().unwrap(), number: 0, in_place: Some("1.0.0"), good: "1.0.0" };
        component.put(&std::fs::read(guests::VERSION_ONE).unwrap());
        component
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("version.wasm")
    }

    /// Replaces the file as installers do.
    fn put(&self, bytes: &[u8]) {
        let new = self.directory.path().join("new");
        std::fs::write(&new, bytes).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    /// Puts one version in the other's place, and now and then half of one, until the server is gone.
    async fn goes_on(mut self, server: Arc<Server>, moment: Arc<Moment>, seed: u64) -> Self {
        let mut random: StdRng = rand::SeedableRng::seed_from_u64(seed);
        loop {
            self.number += 1;
            let (next, version) = match self.good {
                "1.0.0" => (guests::VERSION_TWO, "2.0.0"),
                _ => (guests::VERSION_ONE, "1.0.0"),
            };
            let mut bytes = std::fs::read(next).unwrap();
            let half = random.random_bool(0.25);
            if half {
                bytes.truncate(bytes.len() / 2);
            }
            let version = (!half).then_some(version);
            self.in_place = version;
            self.put(&bytes);
            moment.saw(Deed::Upgrades);
            let Reply::Answered(status, answer) = server.order("POST", "/plugins/reload").await else { return self };
            assert_eq!(status, if version.is_some() { 200 } else { 409 }, "{answer}");
            self.good = version.unwrap_or(self.good);
        }
    }

    /// After a start: what is in place runs, or what was last good where that is half of one; and so do the others.
    fn came_back(&mut self, plugins: &[Value]) {
        self.good = self.in_place.unwrap_or(self.good);
        let state = if self.in_place.is_some() { "ready" } else { "outdated" };
        let states: Vec<_> = plugins.iter().map(|plugin| plugin["state"].as_str().unwrap()).collect();
        assert_eq!(plugins[0]["version"], self.good, "{plugins:#?}");
        assert_eq!(states, [state, "ready", "ready"], "{plugins:#?}");
    }
}

fn begins(run: &Received) -> bool {
    run.body["ended"].is_null()
}

/// How many runs there were and how many were cut off, once it is sure that none began beside another one. `starts` are
/// the times of the servers' starts, in milliseconds since the Unix epoch.
fn never_twice_at_once(told: &[Received], starts: &[i64]) -> (usize, usize) {
    let number = |run: &Received, name: &str| run.body[name].as_i64().unwrap_or_else(|| panic!("{run:?}"));
    // What a killed server said last may be read after the next one has spoken.
    let server = |run: &Received| starts.partition_point(|start| *start <= number(run, "nowMs"));
    let (mut last, mut begun, mut cut_off) = (0, 0, 0);
    for which in 1..=starts.len() {
        let mut under_way = None;
        for run in told.iter().filter(|run| server(run) == which) {
            let count = number(run, "count");
            if begins(run) {
                assert_eq!(under_way, None, "run {count} began beside it");
                assert!(count > last, "run {count} began after run {last}");
                (last, under_way, begun) = (count, Some(count), begun + 1);
            } else {
                assert_eq!(under_way.take(), Some(count), "another run ended");
            }
        }
        cut_off += usize::from(under_way.is_some());
    }
    (begun, cut_off)
}
