//! Speed, as ratios: each of our paths beside the bare thing it stands on, in one run.
//!
//! `cargo bench --bench provost` runs all; a filter behind `--` picks a group.

mod bare;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bare::{Bare, Safety};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use provost::app::BUILTINS;
use provost::hook::{Change, Hooks as _, MembershipChange, Operation, Texts};
use provost::plugin::{PluginConfig, PluginHost};
use provost_scim::{Leniency, Projection, Schemas, check};
use provost_tests::guests::{self, plugin};
use provost_tests::server::{self, TestServer, administrator, person};
use serde_json::Value;
use tokio::runtime::Runtime;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

/// A before-write hook in a fresh instance, beside a bare instantiate-and-call of the same component, built as plugins are
/// shipped, with the same arguments. Bare wasmtime is handed the document as text. Ours writes it for the first plugin of
/// a request, and hands it to each that comes after.
fn hook_call(c: &mut Criterion) {
    let runtime = runtime();
    let table = plugin(
        guests::AS_SHIPPED,
        "config = { set = { nickName = \"x\" } }\ngrant = { imports = [\"config\"], write = [\"*\"] }",
    );
    let config = plugin_config(&table);
    let config_json = Value::Object(config.config.clone()).to_string();
    let host = runtime.block_on(PluginHost::offline(vec![config], BUILTINS)).expect("a sandbox");
    let schemas = Schemas::standard();
    let of = schemas.resource_type("User").expect("User is standard");
    let draft = check::create(person("ana"), of, &Leniency::default()).expect("a good user");
    let document = Value::Object(draft.document(None)).to_string();
    let change = Change {
        operation: Operation::Create,
        resource_type: "User".to_owned(),
        id: uuid::Uuid::from_u128(1),
        current: None,
        proposed: Some(draft),
        operations: None,
        changed_paths: vec!["userName".to_owned()],
        membership: MembershipChange::default(),
        attempt: 1,
        texts: Texts::default(),
    };
    let cx = administrator();
    let reviewer = host.set().reviewers(&change).remove(0);

    let mut group = c.benchmark_group("hook_call");
    group.bench_function("provost", |b| {
        b.to_async(&runtime).iter(async || host.set().review(&reviewer, &cx, &change).await.expect("a verdict"));
    });
    group.bench_function("provost_first_plugin", |b| {
        let unwritten = || change.clone();
        // Hands the change back, so that its end is not measured.
        let review = async |change| (host.set().review(&reviewer, &cx, &change).await.expect("a verdict"), change);
        b.to_async(&runtime).iter_batched(unwritten, review, BatchSize::PerIteration);
    });
    for (name, safety) in [("bare_wasmtime", Safety::Off), ("bare_wasmtime_made_safe", Safety::On)] {
        let bare = Bare::new(Path::new(guests::AS_SHIPPED), config_json.clone(), safety);
        group.bench_function(name, |b| {
            b.to_async(&runtime).iter(async || bare.call(&cx.actor, &document).await);
        });
    }
    group.finish();
}

fn plugin_config(table: &str) -> PluginConfig {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), table).expect("a temporary file");
    provost::config::Config::load(Some(file.path())).expect("a good table").plugin.remove(0)
}

/// Durable creates through the pipeline with 0, 1 and 3 plugins, from 1 and 16 clients, beside sled
/// commits of the same bytes.
fn durable_create(c: &mut Criterion) {
    let runtime = runtime();
    let one = plugin(
        guests::STAMP,
        "config = { set = { nickName = \"x\" } }\ngrant = { imports = [\"config\"], write = [\"*\"] }",
    );
    let three: String = (0..3).map(|n| one.replace("name = \"stamp\"", &format!("name = \"stamp-{n}\""))).collect();
    let counter = AtomicU64::new(0);
    let mut group = c.benchmark_group("durable_create");
    group.sample_size(20).measurement_time(Duration::from_secs(8));
    for clients in [1_u64, 16] {
        group.throughput(criterion::Throughput::Elements(clients));
        for (name, table) in [("0_plugins", ""), ("1_plugin", &one), ("3_plugins", &three)] {
            let server = runtime.block_on(TestServer::start(table));
            let of = server.app.pipeline.schemas().resource_type("User").expect("User is standard").clone();
            group.bench_function(BenchmarkId::new(name, clients), |b| {
                b.to_async(&runtime).iter(async || {
                    let creates = (0..clients).map(|_| async {
                        let name = format!("user-{}", counter.fetch_add(1, Ordering::Relaxed));
                        let (cx, projection) = (administrator(), Projection::default());
                        server.app.pipeline.create(&cx, &of, person(&name), &projection).await.expect("a create");
                    });
                    futures::future::join_all(creates).await;
                });
            });
            runtime.block_on(server.stop());
        }
        let raw = Arc::new(bare::RawSled::open());
        group.bench_function(BenchmarkId::new("raw_sled", clients), |b| {
            b.to_async(&runtime).iter_custom(async |rounds| {
                let began = Instant::now();
                for _ in 0..rounds {
                    raw.commit(clients as usize, &person("ana").to_string()).await;
                }
                began.elapsed()
            });
        });
    }
    group.finish();
}

/// `GET /Users/{id}` over a socket, beside an axum handler that returns the same bytes.
fn get_by_id(c: &mut Criterion) {
    let runtime = runtime();
    let server = runtime.block_on(TestServer::plain());
    let created = runtime.block_on(server.post("/Users", person("ana"))).expect(201);
    let ours = format!("{}/Users/{}", server.app.base_url, created.id());
    let theirs = runtime.block_on(bare::same_bytes(created.body.to_string()));
    let client = server::client();

    let mut group = c.benchmark_group("get_by_id");
    for (name, url) in [("provost", &ours), ("bare_axum", &theirs)] {
        group.bench_function(name, |b| {
            b.to_async(&runtime).iter(async || {
                let response = client.get(url).bearer_auth(&server.token).send().await.expect("an answer");
                response.bytes().await.expect("a body")
            });
        });
    }
    group.finish();
    runtime.block_on(server.stop());
}

/// `userName eq` at two sizes: the second should cost what the first costs.
fn user_name_eq(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("user_name_eq");
    for size in [10_000, 100_000] {
        let server = runtime.block_on(TestServer::plain());
        runtime.block_on(server::crowd(&server, size));
        let client = server::client();
        let url = format!("{}/Users?filter=userName+eq+%22member-4711%22", server.app.base_url);
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.to_async(&runtime).iter(async || {
                let response = client.get(&url).bearer_auth(&server.token).send().await.expect("an answer");
                response.bytes().await.expect("a body")
            });
        });
        runtime.block_on(server.stop());
    }
    group.finish();
}

criterion_group!(benches, hook_call, durable_create, get_by_id, user_name_eq);
criterion_main!(benches);
