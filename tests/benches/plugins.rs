//! Plugins under load: what they cost those whom they do not concern, and what happens while they are exchanged, trap or
//! never answer.
//!
//! Not a criterion bench, since most of it runs two things side by side. `cargo bench --bench plugins` prints the figures;
//! names behind `--` pick some: `unconcerned`, `spinner`, `upgrades`, `traps`, `deliveries`, `shape`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use provost_tests::guests::{self, forward, plugin};
use provost_tests::receiver::Receiver;
use provost_tests::server::{Answer, TestServer, patch, person, user};
use serde_json::{Value, json};

/// How many changes give one figure.
const CHANGES: usize = 4_000;

/// How many clients write at once.
const CLIENTS: usize = 16;

/// How long the plugins are exchanged, or a guest spins.
const LOAD: Duration = Duration::from_secs(30);

/// How often a new version comes.
const UPGRADE: Duration = Duration::from_millis(100);

#[tokio::main]
async fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    if is_wanted("unconcerned") {
        unconcerned().await;
    }
    if is_wanted("shape") {
        shape().await;
    }
    if is_wanted("deliveries") {
        deliveries().await;
    }
    if is_wanted("spinner") {
        spinner().await;
    }
    if is_wanted("traps") {
        traps().await;
    }
    if is_wanted("upgrades") {
        upgrades().await;
    }
}

/// A write that concerns no plugin beside a write on a server without plugins, in turns.
async fn unconcerned() {
    let rest = "types = [\"Group\"]\nconfig = { set = { displayName = \"x\" } }\n\
                grant = { imports = [\"config\"], write = [\"*\"] }";
    let one = plugin(guests::STAMP, rest);
    let three: String = (0..3).map(|n| one.replace("name = \"stamp\"", &format!("name = \"stamp-{n}\""))).collect();
    let (bare, with) = (TestServer::plain().await, TestServer::start(&three).await);
    let (mut bare_times, mut with_times) = (Vec::new(), Vec::new());
    for n in 0..CHANGES {
        for (server, times) in [(&bare, &mut bare_times), (&with, &mut with_times)] {
            let began = Instant::now();
            server.post("/Users", person(&format!("user-{n}"))).await.expect(201);
            times.push(began.elapsed());
        }
    }
    ratio(
        "a write that concerns none of three plugins, over one without plugins",
        &mut bare_times,
        &mut with_times,
        50,
    );
}

/// A page of 100 users with a plugin that shapes them, and without.
async fn shape() {
    let rest = "config = { set = { title = \"***\" } }\ngrant = { imports = [\"config\"], write = [\"title\"] }";
    let (bare, with) = (TestServer::plain().await, TestServer::start(&plugin(guests::MASKS, rest)).await);
    for server in [&bare, &with] {
        for n in 0..100 {
            server.post("/Users", person(&format!("user-{n}"))).await.expect(201);
        }
    }
    let (mut bare_times, mut with_times) = (Vec::new(), Vec::new());
    for _ in 0..CHANGES / 8 {
        for (server, times) in [(&bare, &mut bare_times), (&with, &mut with_times)] {
            let began = Instant::now();
            server.get("/Users?count=100").await.expect(200);
            times.push(began.elapsed());
        }
    }
    ratio("a page of 100 users that a plugin shapes, over one that none does", &mut bare_times, &mut with_times, 50);
}

/// How many deliveries a second reach a receiver on this machine.
async fn deliveries() {
    let mut receiver = Receiver::start().await;
    let server = Arc::new(TestServer::start(&forward(&receiver.origin())).await);
    receiver.go_down().await;
    let clients = (0..CLIENTS).map(|client| {
        let server = server.clone();
        async move {
            for n in 0..CHANGES / CLIENTS {
                server.post("/Users", person(&format!("user-{client}-{n}"))).await.expect(201);
            }
        }
    });
    join_all(clients).await;
    let waiting = server.outbox().await.len().max(1);
    receiver.come_up().await;
    // The first ones failed and wait for their next attempt, which is not what is measured.
    receiver.next().await;
    let began = Instant::now();
    for _ in 1..CHANGES {
        receiver.next().await;
    }
    println!(
        "deliveries to a local receiver: {:.0} a second (of {waiting}+ that waited)",
        (CHANGES - 1) as f64 / began.elapsed().as_secs_f64()
    );
}

/// Requests that do not touch a plugin, while a guest of it spins on every core, beside the same without.
async fn spinner() {
    let rest = "types = [\"Group\"]\nbreaker = { faults = 0 }\n";
    let server = Arc::new(TestServer::start(&plugin(guests::LOOPS_FOREVER, rest)).await);
    let mut before = requests(&server, "before").await;
    let (stop, spun) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let spinners: Vec<_> = (0..cores)
        .map(|n| {
            let (server, stop, spun) = (server.clone(), stop.clone(), spun.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let urn = "urn:ietf:params:scim:schemas:core:2.0:Group";
                    let group = json!({ "schemas": [urn], "displayName": format!("spinner {n}") });
                    server.post("/Groups", group).await.expect(503);
                    spun.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut during = requests(&server, "during").await;
    stop.store(true, Ordering::Relaxed);
    join_all(spinners).await;
    println!("a guest spun on each of {cores} cores, and was cut off {} times", spun.load(Ordering::Relaxed));
    ratio("p99 of requests that do not touch it, over the same without", &mut before, &mut during, 99);
    ratio("their median", &mut before, &mut during, 50);
}

/// Creates and reads, one after another.
async fn requests(server: &TestServer, name: &str) -> Vec<Duration> {
    let mut times = Vec::new();
    for n in 0..CHANGES {
        let began = Instant::now();
        let id = server.post("/Users", user(&format!("{name}-{n}"))).await.expect(201).id();
        times.push(began.elapsed());
        let began = Instant::now();
        server.get(&format!("/Users/{id}")).await.expect(200);
        times.push(began.elapsed());
    }
    times
}

/// One plugin traps on every tenth call; another one has to be asked about every change all the same.
async fn traps() {
    let tenth = "breaker = { faults = 5, window_seconds = 60, open_seconds = 1, openings = 1000 }\n\
                 grant = { imports = [\"config\"] }";
    let stamp = "config = { set = { title = \"x\" } }\ngrant = { imports = [\"config\"], write = [\"title\"] }";
    let server =
        TestServer::start(&format!("{}{}", plugin(guests::STAMP, stamp), plugin(guests::TRAPS_AT_ZERO, tenth))).await;
    let server = Arc::new(server);
    let (made, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let began = Instant::now();
    let clients = (0..CLIENTS).map(|client| {
        let (server, made, refused) = (&server, &made, &refused);
        async move {
            let mut n = 0;
            while began.elapsed() < LOAD / 3 {
                n += 1;
                let answer = server.post("/Users", user(&format!("user-{client}-{n}"))).await;
                match answer.status {
                    201 => made.fetch_add(1, Ordering::Relaxed),
                    503 => refused.fetch_add(1, Ordering::Relaxed),
                    other => panic!("{other}: {}", answer.body),
                };
            }
        }
    });
    join_all(clients).await;
    let changes = made.load(Ordering::Relaxed) + refused.load(Ordering::Relaxed);
    let plugins = server.plugins().await;
    let stamps = plugins[0]["calls"].as_u64().unwrap_or_default();
    assert_eq!(stamps as usize, changes, "the other plugin was asked about every change");
    assert_eq!(plugins[0]["faults"], json!({}), "and has no fault of its own");
    assert!(made.load(Ordering::Relaxed) > 0 && plugins[1]["faults"]["trap"].as_u64() > Some(0), "{}", plugins[1]);
    let opened = server.metrics().await.lines().any(|line| line.starts_with("provost_plugin_breaker_state"));
    assert!(opened, "the breaker is measured");
    println!(
        "of {changes} changes past a plugin that traps on every tenth, {} were made and {} refused; the other plugin was asked about each and never faulted",
        made.load(Ordering::Relaxed),
        refused.load(Ordering::Relaxed)
    );
}

/// Mixed writes by 16 clients while a plugin, which stands in the list twice, is exchanged every 100 ms.
async fn upgrades() {
    let server = Arc::new(TestServer::start(&versions(guests::VERSION_ONE)).await);
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (server, stop) = (server.clone(), stop.clone());
            tokio::spawn(async move {
                let mut count = 0_usize;
                while !stop.load(Ordering::Relaxed) {
                    let made = server.post("/Users", user(&format!("user-{client}-{count}"))).await.expect(201);
                    saw_one_version(&made);
                    let path = format!("/Users/{}", made.id());
                    let operations =
                        patch(json!([{ "op": "remove", "path": "nickName" }, { "op": "remove", "path": "title" }]));
                    saw_one_version(&server.send(server.with_body("PATCH", &path, operations)).await.expect(200));
                    saw_one_version(&server.put(&path, user(&format!("user-{client}-{count}"))).await.expect(200));
                    server.delete(&path).await.expect(204);
                    count += 4;
                }
                count
            })
        })
        .collect();
    let (began, mut turns) = (Instant::now(), 0);
    while began.elapsed() < LOAD {
        turns += 1;
        let next = if turns % 2 == 0 { guests::VERSION_ONE } else { guests::VERSION_TWO };
        server.reconfigure(&versions(next));
        server.admin("POST", "/plugins/reload").await.expect(200);
        tokio::time::sleep((UPGRADE * turns).saturating_sub(began.elapsed())).await;
    }
    stop.store(true, Ordering::Relaxed);
    let requests: usize = join_all(clients).await.into_iter().map(|count| count.expect("no request failed")).sum();
    println!(
        "{requests} requests by {CLIENTS} clients during {turns} upgrades in {:?}: none failed, none saw two versions",
        began.elapsed()
    );
}

/// The same component twice, so that a request that sees two versions shows it.
fn versions(component: &str) -> String {
    let one = |name: &str| {
        format!(
            "[[plugin]]\nname = \"{name}\"\nplugin = \"{component}\"\n\
             grant = {{ imports = [\"log\"], write = [\"nickName\", \"title\"] }}\n"
        )
    };
    format!("{}{}", one("first"), one("second"))
}

fn saw_one_version(answer: &Answer) {
    assert_eq!(answer.body["nickName"], answer.body["title"], "two versions in one request: {}", answer.body);
    assert_ne!(answer.body["nickName"], Value::Null);
}

/// A figure of both lists, and the second over the first.
fn ratio(what: &str, before: &mut [Duration], after: &mut [Duration], percentile: usize) {
    let at = |times: &mut [Duration]| {
        times.sort_unstable();
        times[(times.len() - 1) * percentile / 100]
    };
    let (before, after) = (at(before), at(after));
    println!("{what}: {before:?}, then {after:?}, ratio {:.3}", after.as_secs_f64() / before.as_secs_f64());
}
