//! A large directory: users made through `/Bulk` by a real server in a process of its own, then
//! looked for, walked through, and opened again.
//!
//! Not a criterion bench, since it builds one directory and asks it many things. `cargo bench
//! --bench million` prints the figures; `MILLION_USERS` sets another number, `MILLION_ENGINE` the engine,
//! and `MILLION_CACHES=256,512` asks once more with each of these for `store.cache_mib`.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use provost_tests::Process;
use provost_tests::footprint::{disk_bytes, memory_bytes};
use provost_tests::server::person;
use serde_json::{Value, json};

/// How many bulk requests are under way at once.
const CLIENTS: usize = 4;

/// How many users one bulk request makes: the default limit of the server.
const OPERATIONS: usize = 1_000;

/// The directory that the large one is compared with.
const SMALL: usize = 10_000;

/// How many look-ups give one figure.
const LOOKUPS: usize = 2_000;

/// How many pages give one figure.
const PAGES: usize = 200;

#[tokio::main]
async fn main() {
    let users = std::env::var("MILLION_USERS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let engine = std::env::var("MILLION_ENGINE").unwrap_or_else(|_| "sled".to_owned());
    let server = Process::with(&format!("[store]\nengine = \"{engine}\"\n")).await;
    println!("{engine}, {users} users of about 1 KB");

    load(&server, 0, SMALL).await;
    let small = look_up(&server, SMALL, 0).await;
    let began = Instant::now();
    load(&server, SMALL, users).await;
    let seconds = began.elapsed().as_secs_f64();
    println!("made in {seconds:.0} s, {:.0} a second", (users - SMALL) as f64 / seconds);
    println!("resident at the end: {} MiB, at most {} MiB", mib(&server, "VmRSS"), mib(&server, "VmHWM"));
    println!("disk: {} bytes a user", disk_bytes(server.data()) / users as u64);

    let large = look_up(&server, users, 0).await;
    ratio("userName eq", small, large);
    let (first, deep) = walk(&server, users).await;
    ratio("a page of 100 by cursor, the deepest over the first", first, deep);
    println!("resident after reading everything: {} MiB", mib(&server, "VmRSS"));
    // Others than before: what the engine itself has just read would prove nothing.
    let read = look_up(&server, users, users / LOOKUPS / 2).await;
    ratio("userName eq, once everything was read", small, read);

    let began = Instant::now();
    let mut server = server.restart().await;
    println!("killed and opened again in {:.2} s", began.elapsed().as_secs_f64());
    println!("resident after opening: {} MiB", mib(&server, "VmRSS"));
    look_up(&server, users, 0).await;

    for cache in std::env::var("MILLION_CACHES").iter().flat_map(|caches| caches.split(',')) {
        server = server.restart_with(&format!("[store]\nengine = \"{engine}\"\ncache_mib = {cache}\n")).await;
        println!("with a cache of {cache} MiB:");
        walk(&server, users).await;
        let again = look_up(&server, users, 0).await;
        ratio("userName eq, once everything was read", small, again);
        println!("resident: {} MiB", mib(&server, "VmRSS"));
    }
}

/// Makes the users from `from` up to `to`.
async fn load(server: &Process, from: usize, to: usize) {
    let starts = (from..to).step_by(OPERATIONS);
    let requests = futures::stream::iter(starts).map(|start| bulk(server, start, to.min(start + OPERATIONS)));
    requests.buffer_unordered(CLIENTS).for_each(|()| async {}).await;
}

async fn bulk(server: &Process, from: usize, to: usize) {
    let post =
        |n: usize| json!({ "method": "POST", "path": "/Users", "bulkId": n.to_string(), "data": person(&name(n)) });
    let operations: Vec<Value> = (from..to).map(post).collect();
    let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations });
    let request = server.request("POST", "/Bulk").header("content-type", "application/scim+json");
    let answer = server.send(request.body(body.to_string())).await.expect(200);
    let done = answer.body["Operations"].as_array().expect("a result for each");
    assert!(done.len() == to - from && done.iter().all(|o| o["status"] == "201"), "{:?}", done.first());
}

/// Names that do not come in the order they are made, so that the index is written all over.
fn name(n: usize) -> String {
    format!("{:08x}-{n}", (n as u32).wrapping_mul(0x9e37_79b1))
}

/// The median time of finding one user by name: users all over the directory, beginning with this one.
async fn look_up(server: &Process, users: usize, first: usize) -> Duration {
    let mut times = Vec::with_capacity(LOOKUPS);
    for turn in 0..LOOKUPS {
        let name = name(first + turn * (users / LOOKUPS));
        let began = Instant::now();
        let request = server.request("GET", "/Users").query(&[("filter", format!("userName eq \"{name}\""))]);
        let answer = server.send(request).await.expect(200);
        times.push(began.elapsed());
        assert_eq!(answer.body["totalResults"], 1);
    }
    median(times)
}

/// Walks through everybody by cursor; the median times of the first pages and of the last.
async fn walk(server: &Process, users: usize) -> (Duration, Duration) {
    let (mut cursor, mut seen, mut times) = (String::new(), 0, Vec::new());
    loop {
        let began = Instant::now();
        let request = server.request("GET", "/Users").query(&[("count", "100"), ("cursor", &cursor)]);
        let answer = server.send(request).await.expect(200);
        times.push(began.elapsed());
        seen += answer.body["Resources"].as_array().map_or(0, Vec::len);
        match answer.body["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, users);
    // Nine tenths of the way down, where the aim is set.
    let deep = times.len() * 9 / 10;
    let first = median(times[..PAGES.min(times.len())].to_vec());
    (first, median(times[deep..times.len().min(deep + PAGES)].to_vec()))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ratio(what: &str, before: Duration, after: Duration) {
    println!("{what}: {before:?}, then {after:?}, ratio {:.2}", after.as_secs_f64() / before.as_secs_f64());
}

/// A figure of the server's process, in MiB.
fn mib(server: &Process, figure: &str) -> u64 {
    memory_bytes(&server.pid().to_string(), figure) >> 20
}
