//! How fast and how large, for people: `cargo test --release measure -- --ignored --nocapture`.
//! Nothing here asserts a time.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::tests::{Fixture, observed, user};
use super::{Query, Write};
use crate::context::Realm;
use provost_scim::Resource;

const USERS: usize = 100_000;

/// The cache to measure with, in megabytes.
const CACHE_VARIABLE: &str = "PROVOST_MEASURE_CACHE_MB";

async fn open(dir: &Path) -> Fixture {
    let megabytes = std::env::var(CACHE_VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(64_u64);
    Fixture::with_cache(dir, megabytes << 20).await
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

fn disk_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => disk_bytes(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

/// A user of about one kilobyte, as an identity provider sends it.
fn full(fixture: &Fixture, n: usize) -> Resource {
    let plain = user(fixture, &format!("given.family{n}@example.com"));
    let mut attributes = plain.attributes().clone();
    let more = json!({
        "externalId": format!("8c1b{n:08}-0000-4f1f-9f5a-2d9d4d5a2c11"),
        "displayName": format!("Given Middle Family {n}"),
        "name": { "givenName": "Given", "familyName": format!("Family {n}"), "middleName": "Middle",
                  "formatted": format!("Given Middle Family {n}") },
        "title": "Tour Guide", "preferredLanguage": "en-US", "locale": "en-US", "timezone": "America/Los_Angeles",
        "phoneNumbers": [{ "value": "+1 555 555 5555", "type": "work" }, { "value": "+1 555 555 4444", "type": "mobile" }],
        "addresses": [{ "type": "work", "streetAddress": "100 Universal City Plaza", "locality": "Hollywood",
                        "region": "CA", "postalCode": "91608", "country": "US" }],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            "employeeNumber": format!("{n}"), "costCenter": "4130", "organization": "Universal Studios",
            "division": "Theme Park", "department": "Tour Operations" },
    });
    attributes.extend(more.as_object().unwrap().clone());
    Resource::from_stored(plain.resource_type().clone(), plain.stamp(), attributes)
}

async fn timed(name: &str, times: usize, one: impl AsyncFn(usize)) {
    let start = Instant::now();
    for n in 0..times {
        one(n).await;
    }
    report(name, times, start.elapsed());
}

fn report(name: &str, times: usize, took: Duration) {
    let each = took / u32::try_from(times).unwrap();
    println!("{name}: {each:.1?} each, {:.0} a second", times as f64 / took.as_secs_f64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn commits_memory_disk_and_reads() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Arc::new(open(dir.path()).await);
    for writers in [1, 16] {
        let per_writer = 3_200 / writers / 4;
        let start = Instant::now();
        let tasks: Vec<_> = (0..writers)
            .map(|writer| {
                let fixture = fixture.clone();
                tokio::spawn(async move {
                    for n in 0..per_writer {
                        let user = full(&fixture, 1_000_000 + writers * 100_000 + writer * 1_000 + n);
                        fixture.store.commit(observed(Write::create(&fixture.cx, user))).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        report(&format!("durable creates, {writers} writers"), writers * per_writer, start.elapsed());
    }
    drop(fixture);

    let dir = tempfile::tempdir().unwrap();
    let fixture = open(dir.path()).await;
    let before = resident_bytes();
    let start = Instant::now();
    let mut ids = Vec::new();
    for part in 0..USERS / 500 {
        let users: Vec<Resource> = (0..500).map(|n| full(&fixture, part * 500 + n)).collect();
        ids.extend(users.iter().map(Resource::id));
        let writes = users.into_iter().map(|user| Write::create(&fixture.cx, user)).collect();
        super::commit::merged(&fixture.store, writes).await;
    }
    println!("loading {USERS} users took {:.1?}", start.elapsed());
    let resident = resident_bytes() - before;
    println!(
        "while loading: {} bytes resident a user, {} on disk",
        resident as usize / USERS,
        disk_bytes(dir.path()) as usize / USERS
    );
    reads(&fixture, &ids).await;
    println!("after reads: {} bytes resident a user", (resident_bytes() - before) as usize / USERS);
    fixture.store.close().await;
    drop(fixture);

    let before = resident_bytes();
    let start = Instant::now();
    let fixture = open(dir.path()).await;
    println!("opening again took {:.1?}", start.elapsed());
    println!("opened again: {} bytes more resident", resident_bytes() - before);
    reads(&fixture, &ids).await;
    let start = Instant::now();
    let report = fixture.store.check().await.unwrap();
    println!("check took {:.1?}, sound: {}", start.elapsed(), report.is_sound());
    println!(
        "in all {} MB resident, {} bytes on disk a user",
        resident_bytes() >> 20,
        disk_bytes(dir.path()) as usize / USERS
    );
}

async fn reads(fixture: &Fixture, ids: &[uuid::Uuid]) {
    let users = &fixture.schemas.resource_types[0];
    let store = &fixture.store;
    let place = |n: usize| (n * 7_919) % USERS;
    timed("get", 20_000, async |n| drop(store.get(Realm::DEFAULT, users, ids[place(n)]).await.unwrap().unwrap())).await;
    timed("userName eq", 5_000, async |n| {
        let filter = format!("userName eq \"GIVEN.family{}@example.com\"", place(n));
        let page = store.find(Realm::DEFAULT, users, fixture.filtered(users, &filter)).await.unwrap();
        assert_eq!(page.total, 1);
    })
    .await;
    timed("emails.value eq", 2_000, async |n| {
        let filter = format!("emails.value eq \"given.family{}@example.com@example.com\"", place(n));
        let page = store.find(Realm::DEFAULT, users, fixture.filtered(users, &filter)).await.unwrap();
        assert_eq!(page.total, 1);
    })
    .await;
    timed("a page of 100 from the middle", 20, async |_| {
        let query = Query { start_index: USERS / 2, count: 100, ..Query::default() };
        assert_eq!(store.find(Realm::DEFAULT, users, query).await.unwrap().resources.len(), 100);
    })
    .await;
    timed("a scan of all", 1, async |_| {
        let page = store.find(Realm::DEFAULT, users, fixture.filtered(users, "title eq \"nobody\"")).await.unwrap();
        assert_eq!(page.total, 0);
    })
    .await;
}

/// What it costs to leave the async worker for a read that takes no time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "for people"]
async fn hops() {
    let task = tokio::spawn(async {
        timed("inline", 100_000, async |n| _ = std::hint::black_box(n)).await;
        timed("spawn_blocking", 100_000, async |n| {
            tokio::task::spawn_blocking(move || std::hint::black_box(n)).await.unwrap();
        })
        .await;
        timed("block_in_place", 100_000, async |n| {
            tokio::task::block_in_place(|| std::hint::black_box(n));
            // The price is paid when the task next lets go of the thread, which has lost its core.
            tokio::task::yield_now().await;
        })
        .await;
        timed("spawn_blocking and yield", 100_000, async |n| {
            tokio::task::spawn_blocking(move || std::hint::black_box(n)).await.unwrap();
            tokio::task::yield_now().await;
        })
        .await;
    });
    task.await.unwrap();
}
