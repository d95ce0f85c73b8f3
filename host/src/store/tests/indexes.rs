//! Indexes that come and go while others write.

use std::sync::atomic::AtomicBool;

use rand::{Rng as _, SeedableRng as _};

use super::*;

/// A store with the standard's schemas, and these attributes of User indexed beside the usual ones.
async fn open(dir: &Path, attributes: &[&str]) -> Fixture {
    Fixture::indexed(dir, standard(), attributes).await
}

async fn finish(fixture: &Fixture) {
    while fixture.store.build_indexes().await.unwrap() {}
}

async fn state(fixture: &Fixture, attribute: &str) -> Vec<IndexState> {
    let all = fixture.store.indexes().await;
    all.into_iter().filter(|index| index.attribute == attribute).map(|index| index.state).collect()
}

/// How many resources a filter reads, and whom it finds.
async fn costs(fixture: &Fixture, filter: &str) -> (u64, Vec<String>) {
    let before = fixture.store.keys_read(Space::Resources);
    let mut found = fixture.found(fixture.users(), filter).await;
    found.sort_unstable();
    (fixture.store.keys_read(Space::Resources) - before, found)
}

#[tokio::test]
async fn an_empty_store_has_its_indexes_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = open(dir.path(), &["title"]).await;

    assert_eq!(state(&fixture, "title").await, [IndexState::Ready]);
    assert!(!fixture.store.build_indexes().await.unwrap());
}

#[tokio::test]
async fn until_an_index_is_built_its_attribute_is_found_by_a_scan_and_then_without() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = open(dir.path(), &[]).await;
    for n in 0..10 {
        let plain = fixture.user(&format!("user{n}")).await;
        fixture.replace(&plain, json!({ "title": format!("title {n}") })).await.unwrap();
    }
    fixture.store.close().await;
    let fixture = open(dir.path(), &["title"]).await;
    let filter = "title eq \"TITLE 7\" or title sw \"title 3\"";
    let expected = vec!["user3".to_owned(), "user7".to_owned()];

    assert_eq!(state(&fixture, "title").await, [IndexState::Building { resources: 0 }]);
    assert_eq!(costs(&fixture, filter).await, (10, expected.clone()));
    for done in [3, 6, 9, 10] {
        assert!(fixture.store.index_step(3).await.unwrap());
        assert_eq!(state(&fixture, "title").await, [IndexState::Building { resources: done }]);
        assert_eq!(costs(&fixture, filter).await, (10, expected.clone()));
        fixture.sound().await;
    }
    assert!(!fixture.store.index_step(3).await.unwrap());
    assert_eq!(state(&fixture, "title").await, [IndexState::Ready]);
    assert_eq!(costs(&fixture, filter).await, (2, expected));
    fixture.sound().await;
}

#[tokio::test]
async fn what_changes_between_reading_and_writing_a_step_is_passed_over_and_its_writer_sees_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = open(dir.path(), &[]).await;
    let mut users = Vec::new();
    for name in ["ana", "bob", "carol", "dave"] {
        let plain = fixture.user(name).await;
        users.push(fixture.replace(&plain, json!({ "title": "CEO" })).await.unwrap());
    }
    fixture.store.close().await;
    let fixture = open(dir.path(), &["title"]).await;
    let entry = fixture.store.catalog.of(1).find(|entry| entry.target.path == "title").unwrap();
    let (read, _, parts) = fixture.store.parts_behind(entry, &[], 100).await.unwrap();
    assert_eq!(read, 4);

    fixture.replace(&users[0], json!({ "title": "CTO" })).await.unwrap();
    fixture.delete(&users[1]).await.unwrap();
    // Her title stays, and nobody but this write will make its entry.
    fixture.replace(&users[2], json!({ "nickName": "C" })).await.unwrap();
    let mut rows = fixture.store.catalog.rows.lock().await;
    for row in rows.iter_mut().filter(|row| row.path == "title") {
        row.state = settle::State::Whole;
    }
    fixture.store.commit_parts(parts, &rows).await.unwrap();
    drop(rows);
    entry.set_whole();

    assert_eq!(costs(&fixture, "title eq \"ceo\"").await, (2, vec!["carol".into(), "dave".into()]));
    assert_eq!(costs(&fixture, "title eq \"cto\"").await, (1, vec!["ana".into()]));
    fixture.sound().await;
}

#[tokio::test]
async fn a_group_that_loses_a_member_keeps_its_entry_in_an_index_that_is_being_built() {
    let fixture = Fixture::new().await;
    let (ana, team) = (fixture.user("ana").await, fixture.group("team").await);
    fixture.members(&team, &[&ana], &[]).await.unwrap();
    fixture.store.close().await;
    let dir = fixture._dir.unwrap();
    let schemas = Arc::new(Schemas::standard());
    let mut indexes = Index::standard(&schemas);
    indexes.push(Index::named(&schemas, "Group", "meta.version").unwrap());
    let config = StoreConfig { indexes: Some(indexes), ..StoreConfig::new(dir.path(), &schemas) };
    let store = Store::open(&config, schemas.clone()).await.unwrap();
    let fixture = Fixture { store, schemas, cx: fixture.cx, _dir: None };
    let entry = fixture.store.catalog.of(2).find(|entry| entry.target.path == "meta.version").unwrap();
    let (_, _, parts) = fixture.store.parts_behind(entry, &[], 100).await.unwrap();

    fixture.delete(&ana).await.unwrap();
    let rows = fixture.store.catalog.rows.lock().await.clone();
    fixture.store.commit_parts(parts, &rows).await.unwrap();
    finish(&fixture).await;

    assert_eq!(fixture.found(fixture.groups(), "meta.version eq \"W/\\\"3\\\"\"").await, ["team"]);
    assert!(fixture.found(fixture.groups(), "meta.version eq \"W/\\\"2\\\"\"").await.is_empty());
    fixture.sound().await;
}

#[tokio::test]
async fn a_build_goes_on_after_a_restart_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = open(dir.path(), &[]).await;
    fixture.many_users(50, |n| format!("user{n}")).await;
    fixture.store.close().await;
    let fixture = open(dir.path(), &["emails.type"]).await;
    for _ in 0..4 {
        fixture.store.index_step(10).await.unwrap();
    }
    fixture.store.close().await;

    let fixture = open(dir.path(), &["emails.type"]).await;

    assert_eq!(state(&fixture, "emails.type").await, [IndexState::Building { resources: 40 }]);
    let before = fixture.store.keys_read(Space::Resources);
    while fixture.store.index_step(10).await.unwrap() {}
    // The ten that were left are read, and expected to be as they were; not the forty.
    let read = fixture.store.keys_read(Space::Resources) - before;
    assert!((10..=20).contains(&read), "{read}");
    assert_eq!(costs(&fixture, "emails.type eq \"work\" and userName eq \"user49\"").await.1, ["user49"]);
    fixture.sound().await;
}

#[tokio::test]
async fn whoever_only_looks_into_a_store_leaves_its_indexes_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = open(dir.path(), &[]).await;
    fixture.many_users(20, |n| format!("user{n}")).await;
    fixture.store.close().await;
    let fixture = open(dir.path(), &["title", "emails.type"]).await;
    fixture.store.index_step(15).await.unwrap();
    let before = fixture.store.indexes().await;
    fixture.store.close().await;

    let config = StoreConfig { indexes: None, ..StoreConfig::new(dir.path(), &fixture.schemas) };
    let looking = Store::open(&config, fixture.schemas.clone()).await.unwrap();
    assert_eq!(looking.indexes().await.len(), before.len());
    assert!(looking.check().await.unwrap().is_sound());
    looking.close().await;
    drop(looking);

    let fixture = open(dir.path(), &["title", "emails.type"]).await;
    assert_eq!(fixture.store.indexes().await, before);
    assert_eq!(state(&fixture, "title").await, [IndexState::Building { resources: 15 }]);
}

#[tokio::test]
async fn an_index_that_is_dropped_and_wanted_again_in_the_middle_is_built_anew() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = open(dir.path(), &[]).await;
    fixture.many_users(30, |n| format!("user{n}")).await;
    fixture.store.close().await;
    let fixture = open(dir.path(), &["emails.type"]).await;
    fixture.store.index_step(20).await.unwrap();
    fixture.store.close().await;
    let fixture = open(dir.path(), &[]).await;
    assert_eq!(state(&fixture, "emails.type").await, [IndexState::Removing]);
    fixture.sound().await;
    // Nobody keeps up what is going.
    let all = fixture.find(fixture.users(), Query { count: 1, ..Query::default() }).await.resources;
    fixture.replace(&all[0], json!({ "emails": null })).await.unwrap();
    fixture.sound().await;
    fixture.store.close().await;

    let fixture = open(dir.path(), &["emails.type"]).await;

    let both = [IndexState::Building { resources: 0 }, IndexState::Removing];
    assert_eq!(state(&fixture, "emails.type").await, both);
    finish(&fixture).await;
    assert_eq!(state(&fixture, "emails.type").await, [IndexState::Ready]);
    let entries = fixture.store.check().await.unwrap().keys[&Space::Index];
    assert_eq!(costs(&fixture, "emails.type eq \"WORK\"").await.1.len(), 29);
    // One of each usual index (the last change too), and those 29: nothing is left of the first attempt.
    assert_eq!(entries, 29 + 30 + 29);
    fixture.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_and_a_restart_do_not_disturb_a_build_nor_it_them() {
    const USERS: usize = 3_000;
    let dir = tempfile::tempdir().unwrap();
    let fixture = open(dir.path(), &[]).await;
    fixture.many_users(USERS, |n| format!("user{n}")).await;
    fixture.store.close().await;
    let attributes = ["title", "active", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"];

    let fixture = open(dir.path(), &attributes).await;
    build_beside_writers(&fixture, 1, 4).await;
    fixture.store.close().await;
    let fixture = open(dir.path(), &attributes).await;
    let done = state(&fixture, "title").await;
    assert!(matches!(done[..], [IndexState::Building { resources: 1.. }]), "{done:?}");
    build_beside_writers(&fixture, 2, usize::MAX).await;

    assert!(fixture.store.indexes().await.iter().all(|index| index.state == IndexState::Ready));
    fixture.sound().await;
    let all = Query { count: usize::MAX, ..Query::default() };
    let all = fixture.find(fixture.users(), all).await.resources;
    for title in 0..7 {
        for filter in [format!("title eq \"T{title}\""), format!("department eq \"d{title}\" and active eq true")] {
            let query = Query { count: usize::MAX, ..fixture.filtered(fixture.users(), &filter) };
            let bound = query.filter.clone().unwrap();
            let expected: Vec<Uuid> =
                all.iter().filter(|user| bound.matches(&user.document())).map(Resource::id).collect();
            let before = fixture.store.keys_read(Space::Resources);
            let found: Vec<Uuid> =
                fixture.find(fixture.users(), query).await.resources.iter().map(Resource::id).collect();
            assert!(!found.is_empty());
            assert_eq!(found, expected, "{filter}");
            assert!((fixture.store.keys_read(Space::Resources) - before) < USERS as u64 / 2, "{filter} scanned");
        }
    }
}

/// Takes steps of an index, at most so many, while eight writers change, delete and create users.
async fn build_beside_writers(fixture: &Fixture, seed: u64, steps_max: usize) {
    let built = AtomicBool::new(false);
    let ids: Vec<Uuid> = {
        let all = Query { count: usize::MAX, ..Query::default() };
        fixture.find(fixture.users(), all).await.resources.iter().map(Resource::id).collect()
    };
    let builder = async {
        for _ in 0..steps_max {
            if !fixture.store.index_step(400).await.unwrap() {
                break;
            }
        }
        built.store(true, Ordering::Relaxed);
    };
    let writer = async |number: u64| {
        let mut random = rand::rngs::StdRng::seed_from_u64(seed * 100 + number);
        while !built.load(Ordering::Relaxed) {
            let id = ids[random.random_range(0..ids.len())];
            let Some(user) = fixture.store.get(REALM, fixture.users(), id).await.unwrap() else { continue };
            let (kind, title) = (random.random_range(0..10), random.random_range(0..7));
            let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
            let outcome = match kind {
                0 => fixture.delete(&user).await.map(drop),
                1 => {
                    let new = super::user(fixture, &format!("new{}", Uuid::now_v7().simple()));
                    fixture.create(&new).await;
                    Ok(())
                }
                2 => fixture.replace(&user, json!({ "nickName": "same title" })).await.map(drop),
                _ => {
                    let department = json!({ "department": format!("D{}", random.random_range(0..7)) });
                    let change = json!({ "title": format!("t{title}"), "active": kind < 6, enterprise: department });
                    fixture.replace(&user, change).await.map(drop)
                }
            };
            // Two writers may want the same user; the later one is told.
            assert!(matches!(outcome, Ok(()) | Err(CommitError::Clash)), "{outcome:?}");
        }
    };
    futures::join!(builder, futures::future::join_all((0..8).map(writer)));
}
