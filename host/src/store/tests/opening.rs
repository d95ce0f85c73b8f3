//! Opening, closing, and what a check finds.

use provost_scim::Uniqueness;

use super::super::engine::{Batch, Scan};
use super::*;

async fn open(dir: &Path, schemas: Schemas, indexes: Option<Vec<Index>>) -> Result<Store, OpenError> {
    let schemas = Arc::new(schemas);
    let config = StoreConfig::new(dir, &schemas);
    let indexes = indexes.or(config.indexes.clone());
    Store::open(&StoreConfig { cache_bytes: 1 << 24, indexes, ..config }, schemas).await
}

#[tokio::test]
async fn everything_is_there_after_opening_again() {
    let fixture = Fixture::new().await;
    let (ana, team) = (fixture.user("ana").await, fixture.group("team").await);
    let team = fixture.members(&team, &[&ana], &[]).await.unwrap();
    let (instance, journal) = (fixture.store.instance(), fixture.journal().await);

    let fixture = fixture.reopened().await;

    assert_eq!(fixture.now(&ana).await, Some(ana));
    assert_eq!(fixture.now(&team).await, Some(team));
    assert_eq!((fixture.store.instance(), fixture.journal().await), (instance, journal));
    assert_eq!(fixture.store.settled(), 3);
    assert_eq!(fixture.create(&user(&fixture, "bob")).await.sequence, 4);
    fixture.sound().await;
}

#[tokio::test]
async fn a_second_store_on_the_same_directory_is_refused_with_one_clear_sentence() {
    let fixture = Fixture::new().await;
    let dir = fixture._dir.as_ref().unwrap().path();

    let second = open(dir, Schemas::standard(), None).await.err().unwrap();

    assert!(matches!(second, OpenError::InUse { .. }), "{second:?}");
    let expected = format!(
        "another process is using the data directory `{}`; stop it, or choose another directory",
        dir.display()
    );
    assert_eq!(second.to_string(), expected);
    fixture.user("ana").await;
}

#[tokio::test]
async fn a_store_of_a_newer_format_is_not_opened() {
    let fixture = Fixture::new().await;
    let mut newer = Batch::default();
    newer.put(Space::System, keys::format(), 2_u32.to_be_bytes().to_vec());
    fixture.store.engine.commit(newer).await.unwrap();
    fixture.store.close().await;

    let refused = open(fixture._dir.as_ref().unwrap().path(), Schemas::standard(), None).await.err().unwrap();

    assert!(matches!(refused, OpenError::Newer { found: 2, known: 1 }), "{refused:?}");
}

#[tokio::test]
async fn an_index_that_is_added_is_built_and_one_that_is_dropped_goes() {
    let fixture = Fixture::new().await;
    let names = ["ana", "bob", "carol"];
    for (n, name) in names.into_iter().enumerate() {
        let plain = fixture.user(name).await;
        fixture.replace(&plain, json!({ "title": if n == 1 { "CEO" } else { "CTO" } })).await.unwrap();
    }
    fixture.store.close().await;
    let dir = fixture._dir.as_ref().unwrap().path();
    let by_title = Index { type_number: 1, target: Target::resolve("title", fixture.users()).unwrap() };
    let title = fixture.filtered(fixture.users(), "title eq \"ceo\"");
    let email = fixture.filtered(fixture.users(), "emails.value eq \"bob@example.com\"");
    let costs = async |store: &Store, query: &Query| {
        let before = store.keys_read(Space::Resources);
        let page = store.find(REALM, fixture.users(), query.clone()).await.unwrap();
        assert_eq!(super::names(&page), ["bob"]);
        store.keys_read(Space::Resources) - before
    };

    let store = open(dir, Schemas::standard(), Some(vec![by_title])).await.unwrap();
    assert_eq!(costs(&store, &title).await, 3);
    assert!(store.check().await.unwrap().is_sound());
    while store.build_indexes().await.unwrap() {}
    assert_eq!(costs(&store, &title).await, 1);
    assert_eq!(costs(&store, &email).await, 3);
    let report = store.check().await.unwrap();
    assert!(report.is_sound(), "{:#?}", report.findings);
    assert_eq!(report.keys[&Space::Index], 3);
    store.close().await;
    drop(store);

    let store = open(dir, Schemas::standard(), None).await.unwrap();
    assert_eq!(costs(&store, &title).await, 3);
    while store.build_indexes().await.unwrap() {}
    assert_eq!(costs(&store, &title).await, 3);
    assert_eq!(costs(&store, &email).await, 1);
    let report = store.check().await.unwrap();
    assert!(report.is_sound(), "{:#?}", report.findings);
}

/// The standard's schemas, with an attribute of User that is unique.
fn with_unique(name: &str, uniqueness: Uniqueness) -> Schemas {
    let mut schemas = Schemas::standard();
    let user = &schemas.resource_types[0];
    let mut schema = (*user.schema).clone();
    schema.attributes.iter_mut().filter(|a| a.name == name).for_each(|a| a.uniqueness = uniqueness);
    schemas.resource_types[0] = Arc::new(ResourceType { schema: Arc::new(schema), ..(**user).clone() });
    schemas
}

#[tokio::test]
async fn an_attribute_becomes_unique_only_if_its_values_are() {
    for uniqueness in [Uniqueness::Server, Uniqueness::Global] {
        let fixture = Fixture::new().await;
        let ana = fixture.user("ana").await;
        let bob = fixture.user("bob").await;
        fixture.replace(&ana, json!({ "nickName": "A", "title": "CEO" })).await.unwrap();
        fixture.replace(&bob, json!({ "nickName": "B", "title": "ceo" })).await.unwrap();
        fixture.store.close().await;
        let dir = fixture._dir.as_ref().unwrap().path();

        let refused = open(dir, with_unique("title", uniqueness), None).await.err().unwrap();
        assert!(matches!(&refused, OpenError::NotUnique { attribute, .. } if attribute == "title"), "{refused:?}");

        let store = open(dir, with_unique("nickName", uniqueness), None).await.unwrap();
        let carol = fixture.changed(&user(&fixture, "carol"), json!({ "nickName": "a" }));
        let carol =
            Resource::from_stored(store.schemas.resource_types[0].clone(), carol.stamp(), carol.attributes().clone());
        let taken = store.commit(Write::create(&fixture.cx, carol)).await;
        assert!(matches!(&taken, Err(CommitError::Taken { attribute }) if attribute == "nickName"), "{taken:?}");
        let page =
            store.find(REALM, fixture.users(), fixture.filtered(fixture.users(), "nickName eq \"a\"")).await.unwrap();
        assert_eq!(super::names(&page), ["ana"]);
        let report = store.check().await.unwrap();
        assert!(report.is_sound(), "{:#?}", report.findings);
    }
}

#[tokio::test]
async fn a_start_that_is_refused_leaves_what_was_indexed_before() {
    let fixture = Fixture::new().await;
    for name in ["ana", "bob"] {
        let plain = fixture.user(name).await;
        fixture.replace(&plain, json!({ "title": "CEO" })).await.unwrap();
    }
    fixture.store.close().await;
    let dir = fixture._dir.as_ref().unwrap().path();
    let wanted = || {
        let mut indexes = Index::standard(&fixture.schemas);
        indexes.push(Index::named(&fixture.schemas, "User", "title").unwrap());
        Some(indexes)
    };
    let store = open(dir, Schemas::standard(), wanted()).await.unwrap();
    while store.build_indexes().await.unwrap() {}
    store.close().await;
    drop(store);

    for _ in 0..2 {
        let refused = open(dir, with_unique("title", Uniqueness::Server), wanted()).await.err().unwrap();
        assert!(matches!(refused, OpenError::NotUnique { .. }), "{refused:?}");
    }

    let store = open(dir, Schemas::standard(), wanted()).await.unwrap();
    let of_title = async || {
        let all = store.indexes().await;
        all.into_iter().filter(|index| index.attribute == "title").map(|index| index.state).collect::<Vec<_>>()
    };
    assert_eq!(of_title().await, [IndexState::Ready, IndexState::Removing]);
    assert!(store.check().await.unwrap().is_sound());
    while store.build_indexes().await.unwrap() {}
    assert_eq!(of_title().await, [IndexState::Ready]);
    assert!(store.check().await.unwrap().is_sound());
}

#[tokio::test]
async fn a_type_that_leaves_a_values_uniqueness_takes_its_own_values_with_it_and_no_others() {
    let global = |types: usize| {
        let mut schemas = Schemas::standard();
        for resource_type in &mut schemas.resource_types[..types] {
            let mut schema = (*resource_type.schema).clone();
            let attribute = schema.attributes.iter_mut().find(|a| a.name == "displayName").unwrap();
            attribute.uniqueness = Uniqueness::Global;
            *resource_type = Arc::new(ResourceType { schema: Arc::new(schema), ..(**resource_type).clone() });
        }
        schemas
    };
    let fixture = Fixture::new().await;
    let ana = fixture.user("ana").await;
    fixture.replace(&ana, json!({ "displayName": "Ana" })).await.unwrap();
    fixture.group("team").await;
    fixture.store.close().await;
    let dir = fixture._dir.as_ref().unwrap().path();
    let displayed =
        |name: &str, display: &str| fixture.changed(&user(&fixture, name), json!({ "displayName": display }));
    let create = async |store: &Store, user: Resource| {
        let stamp = Stamp { version: 1, ..user.stamp() };
        let user = Resource::from_stored(store.schemas.resource_types[0].clone(), stamp, user.attributes().clone());
        store.commit(Write::create(&fixture.cx, user)).await
    };

    for types in [2, 1] {
        let store = open(dir, global(types), None).await.unwrap();
        let taken = create(&store, displayed("bob", "ANA")).await;
        assert!(matches!(taken, Err(CommitError::Taken { .. })), "{taken:?}");
        let of_group = create(&store, displayed("carol", "Team")).await;
        assert_eq!(of_group.is_err(), types == 2, "{of_group:?}");
        assert!(store.check().await.unwrap().is_sound());
        while store.build_indexes().await.unwrap() {}
        let report = store.check().await.unwrap();
        assert!(report.is_sound(), "{:#?}", report.findings);
        store.close().await;
    }
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let fixture = Fixture::new().await;
    fixture.store.close().await;

    let read = fixture.store.tokens(REALM).await;
    let write = fixture.store.commit(Write::create(&fixture.cx, user(&fixture, "ana"))).await;

    assert!(matches!(read, Err(StoreError::Engine(EngineError::Stopped { .. }))), "{read:?}");
    assert!(matches!(write, Err(CommitError::Store(_))), "{write:?}");
}

/// A store with something of everything in it.
pub(super) async fn furnished() -> Fixture {
    let fixture = Fixture::new().await;
    let (ana, bob, team) = (fixture.user("ana").await, fixture.user("bob").await, fixture.group("team").await);
    fixture.members(&team, &[&ana, &bob], &[]).await.unwrap();
    let after = fixture.changed(&ana, json!({ "title": "CEO" }));
    let once = StagedMessage { deduplicate: Some("once".into()), ..message("m") };
    let write = Write {
        effects: effects(vec![once], vec![staged("seen", Some("1"), None)]),
        ..observed(Write::update(&fixture.cx, Operation::Replace, ana, after))
    };
    fixture.store.commit(write).await.unwrap();
    fixture.sound().await;
    fixture
}

#[tokio::test]
async fn a_check_finds_any_key_that_is_missing() {
    let fixture = furnished().await;
    for space in Space::ALL {
        let all = engine::Scan::new(space, keys::realm(REALM), usize::MAX);
        for (key, value) in fixture.store.engine.scan(all).await.unwrap() {
            if [keys::format(), keys::instance(), keys::catalog(), keys::types(), keys::cursor_key()].contains(&key) {
                continue;
            }
            let mut batch = Batch::default();
            batch.delete(space, key.clone());
            fixture.store.engine.commit(batch).await.unwrap();
            let report = fixture.store.check().await.unwrap();
            assert!(!report.is_sound(), "a missing key in {space} was not found: {key:?}");
            let mut batch = Batch::default();
            batch.put(space, key, value);
            fixture.store.engine.commit(batch).await.unwrap();
        }
    }
    fixture.sound().await;
}

#[tokio::test]
async fn a_check_finds_any_value_that_cannot_be_read_and_tells_no_value() {
    let fixture = furnished().await;
    for space in Space::ALL.into_iter().filter(|space| *space != Space::Index) {
        let all = engine::Scan::new(space, keys::realm(REALM), usize::MAX);
        for (key, value) in fixture.store.engine.scan(all).await.unwrap() {
            if [keys::format(), keys::instance(), keys::catalog(), keys::types(), keys::cursor_key()].contains(&key) {
                continue;
            }
            let mut batch = Batch::default();
            batch.put(space, key.clone(), vec![0xff; 3]);
            fixture.store.engine.commit(batch).await.unwrap();
            let report = fixture.store.check().await;
            let told = match &report {
                Ok(report) => report.findings.iter().map(ToString::to_string).collect::<String>(),
                Err(error) => error.to_string(),
            };
            assert!(!told.is_empty(), "a broken value in {space} was not found: {key:?}");
            assert!(!told.contains("CEO") && !told.contains("example.com"), "{told}");
            let mut batch = Batch::default();
            batch.put(space, key, value);
            fixture.store.engine.commit(batch).await.unwrap();
        }
    }
    fixture.sound().await;
}

#[tokio::test]
async fn a_check_finds_keys_that_lead_nowhere() {
    let fixture = furnished().await;
    let ghost = Uuid::from_u128(7);
    let entry = fixture.store.catalog.find(1, "displayName").unwrap();
    let mut index = entry.values(REALM);
    order::encode(&provost_scim::filter::Operand::Text("ghost".into()), &mut index);
    let row = OutboxKey { realm: REALM, sequence: 99, index: 0 };
    let outbox = fixture.outbox().await.remove(0);
    let value = fixture.store.get_one(Space::Outbox, keys::outbox(outbox.key)).await.unwrap().unwrap();
    let strays = [
        (Space::Index, keys::index(index.clone(), ghost), Vec::new()),
        (Space::Unique, index, records::encode_owner(1, ghost)),
        (Space::Edges, keys::edge(REALM, keys::Direction::Members, ghost, ghost), records::encode_edge(1)),
        (Space::Edges, keys::edge(REALM, keys::Direction::Groups, ghost, ghost), records::encode_edge(1)),
        (Space::Memberships, keys::membership(REALM, 99, 0), vec![1]),
        (Space::Outbox, keys::outbox(row), value),
        (
            Space::State,
            keys::state(REALM, &"other".into(), "k"),
            records::encode(&records::StateRecord::new(Vec::new(), None)),
        ),
    ];
    for (space, key, value) in strays {
        let mut batch = Batch::default();
        batch.put(space, key.clone(), value);
        fixture.store.engine.commit(batch).await.unwrap();
        let report = fixture.store.check().await.unwrap();
        assert!(!report.is_sound(), "a stray key in {space} was not found");
        let mut batch = Batch::default();
        batch.delete(space, key);
        fixture.store.engine.commit(batch).await.unwrap();
    }
    fixture.sound().await;
}

/// S-22.1, S-22.2
#[tokio::test]
async fn user_names_that_an_older_release_folded_otherwise_are_folded_anew() {
    let fixture = Fixture::new().await;
    let ana = fixture.user("Stra\u{df}e").await;
    let engine = &fixture.store.engine;
    let catalog = fixture.store.get_one(Space::System, keys::catalog()).await.unwrap().unwrap();
    let shape = catalog.windows(8).position(|window| window == b"userName").unwrap() + 8;
    let entries = engine.scan(Scan::new(Space::Unique, keys::realm(REALM), 10)).await.unwrap();
    let [(key, owner)] = entries.as_slice() else { panic!("one user has one unique value: {entries:?}") };
    let mut older = Batch::default();
    older.put(Space::System, keys::catalog(), [&catalog[..shape], &[0], &catalog[shape + 1..]].concat());
    older.delete(Space::Unique, key.clone());
    older.put(Space::Unique, [key.as_slice(), b"as it was"].concat(), owner.clone());
    engine.commit(older).await.unwrap();
    assert!(!fixture.store.check().await.unwrap().is_sound());

    let fixture = fixture.reopened().await;

    fixture.sound().await;
    let page = fixture.store.find(REALM, fixture.users(), fixture.filtered(fixture.users(), "userName eq \"STRASSE\""));
    assert_eq!(page.await.unwrap().resources, [ana]);
}
