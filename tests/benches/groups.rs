//! What a large group costs beside a small one: adding a member, and reading the group without its
//! members. Both should cost the same at either size.
//!
//! `cargo bench --bench groups`

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use provost_tests::server::{self, TestServer};
use serde_json::json;
use tokio::runtime::Runtime;
use uuid::Uuid;

const SIZES: [usize; 2] = [100, 100_000];

/// A server with a group of each size, and some people who are in neither.
struct Stage {
    server: TestServer,
    groups: Vec<(usize, String)>,
    outside: Vec<Uuid>,
}

async fn stage() -> Stage {
    let server = TestServer::plain().await;
    let people = server::crowd(&server, SIZES[1] + 1_000).await;
    let (inside, outside) = people.split_at(SIZES[1]);
    let mut groups = Vec::new();
    for size in SIZES {
        groups.push((size, server::group_of(&server, &format!("group of {size}"), &inside[..size]).await));
    }
    Stage { outside: outside.to_vec(), server, groups }
}

/// One who is not in the group joins, and then leaves, so that the group keeps its size.
fn add_member(c: &mut Criterion, runtime: &Runtime, stage: &Stage) {
    let mut next = stage.outside.iter().cycle();
    let mut group = c.benchmark_group("add_member");
    for (size, id) in &stage.groups {
        let path = format!("/Groups/{id}?excludedAttributes=members");
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.to_async(runtime).iter_custom(|rounds| {
                let joining: Vec<Uuid> = next.by_ref().take(rounds as usize).copied().collect();
                let (path, server) = (&path, &stage.server);
                async move {
                    let mut spent = std::time::Duration::ZERO;
                    for id in joining {
                        let add = json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }]);
                        let began = std::time::Instant::now();
                        server.patch(path, add).await.expect(200);
                        spent += began.elapsed();
                        let gone = format!("members[value eq \"{id}\"]");
                        server.patch(path, json!([{ "op": "remove", "path": gone }])).await.expect(200);
                    }
                    spent
                }
            });
        });
    }
    group.finish();
}

fn read_without_members(c: &mut Criterion, runtime: &Runtime, stage: &Stage) {
    let mut group = c.benchmark_group("get_group_without_members");
    for (size, id) in &stage.groups {
        let path = format!("/Groups/{id}?excludedAttributes=members");
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.to_async(runtime).iter(async || stage.server.get(&path).await.expect(200));
        });
    }
    group.finish();
}

fn all(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let stage = runtime.block_on(stage());
    add_member(c, &runtime, &stage);
    read_without_members(c, &runtime, &stage);
    runtime.block_on(stage.server.stop());
}

criterion_group!(benches, all);
criterion_main!(benches);
