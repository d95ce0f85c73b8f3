//! The whole store under SIGKILL, on each engine: what was acknowledged is there, and all that is
//! there agrees.

use std::path::Path;
use std::sync::Arc;

use provost_scim::Member;
use uuid::Uuid;

use super::conformance::{KILLS, acknowledge, acknowledged_until_killed, child_directory, spawn_child};
use super::tests::{Fixture, group, observed, user};
use super::{EngineName, Store, Write};
use crate::context::Realm;
use crate::hook::{MembershipChange, Operation, Work};

/// Runs the test on one engine, in a module of its own.
macro_rules! crash {
    ($module:ident, $engine:expr) => {
        mod $module {
            use super::super::EngineName;

            #[test]
            fn a_kill_loses_nothing_acknowledged_and_leaves_everything_in_agreement() {
                super::a_kill_loses_nothing_acknowledged_and_leaves_everything_in_agreement($engine, module_path!());
            }

            #[test]
            #[ignore = "runs as the child of another test"]
            fn crashing_child() {
                super::crashing_child($engine);
            }
        }
    };
}

crash!(on_sled, EngineName::Sled);
crash!(on_fjall, EngineName::Fjall);

fn crashing_child(engine: EngineName) {
    let Some(dir) = child_directory() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let fixture = Arc::new(Fixture::with_engine(&dir, engine).await);
        let writers: Vec<_> = (0..6).map(|_| tokio::spawn(live(fixture.clone()))).collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

/// One group's life, and those of its members: created, joined, changed, deleted. After each
/// acknowledged step it says so.
async fn live(fixture: Arc<Fixture>) {
    let (store, cx) = (&fixture.store, &fixture.cx);
    let mut team = group(&fixture, "team");
    store.commit(observed(Write::create(cx, team.clone()))).await.unwrap();
    acknowledge(&format!("group {} 1", team.id()));
    for n in 0.. {
        let name = format!("{}-{n}", team.id());
        let member = user(&fixture, &name);
        store.commit(observed(Write::create(cx, member.clone()))).await.unwrap();
        acknowledge(&format!("user {} 1", member.id()));

        let next = fixture.next(&team);
        let added = vec![Member { id: member.id(), resource_type: Some("User".into()) }];
        let membership = MembershipChange { added, removed: Vec::new(), total_before: 0 };
        let write = Write { membership, ..Write::update(cx, Operation::Patch, team, next.clone()) };
        store.commit(observed(write)).await.unwrap();
        acknowledge(&format!("group {} {}", next.id(), next.version()));
        team = next;

        if n % 3 == 2 {
            store.commit(observed(Write::delete(cx, member.clone()))).await.unwrap();
            acknowledge(&format!("gone {} 1", member.id()));
            let groups = &fixture.schemas.resource_types[1];
            team = store.get(Realm::DEFAULT, groups, team.id()).await.unwrap().unwrap();
        } else {
            let changed = fixture.next(&member);
            store.commit(observed(Write::update(cx, Operation::Replace, member, changed.clone()))).await.unwrap();
            acknowledge(&format!("user {} {}", changed.id(), changed.version()));
        }
    }
}

fn a_kill_loses_nothing_acknowledged_and_leaves_everything_in_agreement(engine: EngineName, module: &str) {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut acknowledged = 0;
    for _ in 0..KILLS {
        let child = spawn_child(module, "crashing_child", dir.path());
        let said = acknowledged_until_killed(child, 1..60);
        acknowledged += said.len();
        runtime.block_on(look(dir.path(), engine, &said));
    }
    assert!(acknowledged > KILLS);
}

async fn look(dir: &Path, engine: EngineName, said: &[String]) {
    let fixture = Fixture::with_engine(dir, engine).await;
    let store = &fixture.store;
    let report = store.check().await.unwrap();
    assert!(report.is_sound(), "{:#?}", report.findings);
    for line in said {
        let [what, id, version] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let (id, version): (Uuid, u64) = (id.parse().unwrap(), version.parse().unwrap());
        let types = &fixture.schemas.resource_types;
        let now = store.get(Realm::DEFAULT, if what == "group" { &types[1] } else { &types[0] }, id).await.unwrap();
        match what {
            "gone" => assert!(now.is_none(), "{line}"),
            _ => match now {
                Some(resource) => assert!(resource.version() >= version, "{line}"),
                // Deleted later, which may have happened without being acknowledged.
                None => assert_eq!(store.history(Realm::DEFAULT, id).await.unwrap().len() as u64, version, "{line}"),
            },
        }
        told(store, id, version).await;
    }
    store.close().await;
}

/// Somebody waits to be told of the acknowledged version.
async fn told(store: &Store, id: Uuid, version: u64) {
    let rows = store.outbox_rows(None, store.settled(), usize::MAX).await.unwrap();
    let mut versions = rows.iter().filter(|row| row.message.work == Work::Observe && row.message.cause.id == id);
    assert!(versions.any(|row| row.message.cause.version == version), "{id} {version}");
}
