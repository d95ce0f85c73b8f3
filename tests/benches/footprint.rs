//! How much memory and disk a directory takes: 100 000 users of about 1 KB, made through the pipeline.
//!
//! Not a criterion bench, since what is measured is a size. `cargo bench --bench footprint` prints
//! it; `FOOTPRINT_USERS` sets another number.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use provost::context::Realm;
use provost::store::{Query, Store, StoreConfig};
use provost_scim::Schemas;
use provost_tests::TestServer;
use provost_tests::footprint::{disk_bytes, memory_bytes};

/// The configured cache of the test server, in bytes: what an operator grants on purpose.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

#[tokio::main]
async fn main() {
    match std::env::var_os("FOOTPRINT_REOPEN") {
        Some(dir) => reopen(Path::new(&dir)).await,
        None => make().await,
    }
}

async fn make() {
    let users: u64 = std::env::var("FOOTPRINT_USERS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let server = TestServer::plain().await;
    let empty = memory_bytes("self", "VmRSS");
    let began = Instant::now();
    provost_tests::server::crowd_of(&server, users as usize, provost_tests::server::person).await;
    let seconds = began.elapsed().as_secs_f64();
    let grown = memory_bytes("self", "VmRSS").saturating_sub(empty);
    let disk = disk_bytes(server.data());
    println!("{users} users in {seconds:.1} s, {:.0} a second", users as f64 / seconds);
    println!("disk: {} bytes a user", disk / users);
    println!("resident while they were made: {} bytes a user, cache included", grown / users);
    println!(
        "beyond the cache of {} MiB: {} bytes a user",
        CACHE_BYTES >> 20,
        grown.saturating_sub(CACHE_BYTES) / users
    );
    let data = server.stop().await;

    // What a server holds that opens this directory anew is seen only from a fresh process.
    let mut again = std::process::Command::new(std::env::current_exe().expect("a bench knows its own path"));
    again.env("FOOTPRINT_REOPEN", data.path()).env("FOOTPRINT_USERS", users.to_string());
    assert!(again.status().expect("this bench runs again").success());
}

/// Opens the store, looks at every user once, and tells what the process holds.
async fn reopen(dir: &Path) {
    let users: u64 = std::env::var("FOOTPRINT_USERS").expect("the parent says").parse().expect("a number");
    let schemas = Arc::new(Schemas::standard());
    let of = schemas.resource_type("User").expect("User is standard").clone();
    let before = memory_bytes("self", "VmRSS");
    let began = Instant::now();
    let config = StoreConfig { cache_bytes: CACHE_BYTES, ..StoreConfig::new(dir, &schemas) };
    let store = Store::open(&config, schemas).await.expect("the parent closed it");
    let opened = began.elapsed();
    println!(
        "opened again in {:.2} s: {} bytes a user",
        opened.as_secs_f64(),
        (memory_bytes("self", "VmRSS") - before) / users
    );
    let all = Query { filter: None, sort: None, start_index: users as usize, count: 1 };
    let page = store.find(Realm::DEFAULT, &of, all).await.expect("a plain list");
    assert_eq!(page.total as u64, users);
    store.close().await;
}
