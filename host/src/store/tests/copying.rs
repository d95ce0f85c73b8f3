//! Copies of a store, to either engine, and copies that fail or are cut off.

use std::fs;
use std::path::PathBuf;

use super::opening::furnished;
use super::*;

/// Where a copy goes, and what it is made with.
fn target(dir: &Path, engine: EngineName) -> StoreConfig {
    StoreConfig { engine, cache_bytes: 1 << 24, ..StoreConfig::new(dir, &Schemas::standard()) }
}

async fn copied(from: &Path, to: &StoreConfig) -> Result<Report, CopyError> {
    copy(from, to, Arc::new(Schemas::standard()), &["admin.token", "none"], |_, _| {}).await
}

/// Every key and value.
async fn content(store: &Store) -> Vec<(Space, engine::Key, engine::Value)> {
    let mut content = Vec::new();
    for space in Space::ALL {
        let all = Scan::new(space, KeyRange::prefix(Vec::new()), usize::MAX);
        let all = store.engine.scan(all).await.unwrap();
        content.extend(all.into_iter().map(|(key, value)| (space, key, value)));
    }
    content
}

/// A closed store with something of everything in it, and a token beside it.
async fn closed() -> (TempDir, Vec<(Space, engine::Key, engine::Value)>) {
    let fixture = furnished().await;
    let content = content(&fixture.store).await;
    fixture.store.close().await;
    let dir = fixture._dir.unwrap();
    fs::write(dir.path().join("admin.token"), "secret").unwrap();
    (dir, content)
}

#[tokio::test]
async fn a_copy_to_the_other_engine_and_back_holds_every_key_and_value() {
    let (dir, original) = closed().await;
    let (there, back) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (there, back) = (there.path().join("deep/there"), back.path().to_owned());

    let mut told = Vec::new();
    let to = target(&there, EngineName::Fjall);
    let files = ["admin.token"];
    let schemas = Arc::new(Schemas::standard());
    let report = copy(dir.path(), &to, schemas, &files, |space, moved| told.push((space, moved))).await.unwrap();
    copied(&there, &target(&back, EngineName::Sled)).await.unwrap();

    assert!(report.is_sound());
    assert_eq!(told.iter().map(|(space, _)| *space).collect::<Vec<_>>(), Space::ALL);
    assert_eq!(told.iter().map(|(_, moved)| moved.entries).sum::<u64>(), original.len() as u64);
    let bytes = original.iter().map(|(_, key, value)| key.len() + value.len()).sum::<usize>();
    assert_eq!(told.iter().map(|(_, moved)| moved.bytes).sum::<u64>(), bytes as u64);
    for (dir, engine) in [(&there, EngineName::Fjall), (&back, EngineName::Sled)] {
        let fixture = Fixture::with_engine(dir, engine).await;
        assert!(content(&fixture.store).await == original, "{engine} holds something else");
        fixture.sound().await;
        fixture.user("carol").await;
        assert_eq!(fs::read_to_string(dir.join("admin.token")).unwrap(), "secret");
        assert!(!dir.join("none").exists());
        fixture.store.close().await;
    }
}

#[tokio::test]
async fn a_space_of_many_parts_is_copied_whole() {
    let fixture = Fixture::new().await;
    for part in 0..3_u8 {
        let mut batch = Batch::default();
        for n in 0..4_000_u32 {
            batch.put(Space::State, [&[part], n.to_be_bytes().as_slice()].concat(), vec![part; 600]);
        }
        fixture.store.engine.commit(batch).await.unwrap();
    }
    let engine: Arc<dyn Engine> = fixture.store.engine.clone();
    let target = tempfile::tempdir().unwrap();
    let other = Fixture::with_engine(target.path(), EngineName::Fjall).await;

    let moved = super::super::copy::copy_space(&*engine, &*other.store.engine, Space::State).await.unwrap();
    super::super::copy::compare_space(&*engine, &*other.store.engine, Space::State).await.unwrap();

    assert_eq!(moved, Moved { entries: 12_000, bytes: 12_000 * 605 });
}

#[tokio::test]
async fn a_copy_that_differs_in_one_value_or_key_is_found() {
    let (one, other) = (Fixture::new().await, Fixture::new().await);
    for fixture in [&one, &other] {
        let mut batch = Batch::default();
        (0..10_u8).for_each(|n| batch.put(Space::State, vec![n], vec![n]));
        fixture.store.engine.commit(batch).await.unwrap();
    }
    let compare =
        async || super::super::copy::compare_space(&*one.store.engine, &*other.store.engine, Space::State).await;
    compare().await.unwrap();

    for (key, value) in [(5, Some(vec![6])), (5, None), (10, Some(Vec::new()))] {
        let old = other.store.get_one(Space::State, vec![key]).await.unwrap();
        for (value, differs) in [(value, true), (old, false)] {
            let mut batch = Batch::default();
            batch.changes.push((Space::State, vec![key], value));
            other.store.engine.commit(batch).await.unwrap();
            let compared = compare().await;
            assert_eq!(matches!(compared, Err(CopyError::Differs { space: Space::State })), differs, "{compared:?}");
        }
    }
}

/// Nobody can take what is in this directory for a store.
async fn refused(dir: &Path) {
    for engine in EngineName::ALL {
        let opened = Store::open(&target(dir, engine), Arc::new(Schemas::standard())).await.err().unwrap();
        assert!(matches!(opened, OpenError::Unfinished { .. }), "{opened:?}");
    }
    let further = tempfile::tempdir().unwrap();
    let copied = copied(dir, &target(further.path(), EngineName::Sled)).await;
    assert!(matches!(copied, Err(CopyError::Open(OpenError::Unfinished { .. }))), "{copied:?}");
}

#[tokio::test]
async fn a_copy_that_is_cut_off_does_not_open() {
    let (dir, _) = closed().await;
    for engine in EngineName::ALL {
        for until in [Space::Resources, Space::System] {
            let cut = tempfile::tempdir().unwrap();
            let to = target(cut.path(), engine);
            let (reached, struck) = tokio::sync::oneshot::channel();
            let mut reached = Some(reached);
            let tell = |space, _| {
                if space == until {
                    let _ = reached.take().unwrap().send(());
                }
            };
            tokio::select! {
                biased;
                _ = struck => {}
                _ = copy(dir.path(), &to, Arc::new(Schemas::standard()), &[], tell) => panic!("it was not cut off"),
            }
            // Both directories are let go a moment later, by the threads that the cut left alone.
            refused(cut.path()).await;
            let again = copied(dir.path(), &to).await;
            assert!(matches!(again, Err(CopyError::NotEmpty { .. })), "{again:?}");
        }
    }
    Fixture::on(dir.path()).await.sound().await;
}

#[tokio::test]
async fn a_copy_of_a_store_that_does_not_agree_with_itself_does_not_open() {
    let fixture = furnished().await;
    let mut batch = Batch::default();
    batch.delete(Space::Journal, keys::journal(REALM, 1));
    fixture.store.engine.commit(batch).await.unwrap();
    fixture.store.close().await;
    let cut = tempfile::tempdir().unwrap();

    let outcome = copied(fixture._dir.as_ref().unwrap().path(), &target(cut.path(), EngineName::Fjall)).await;

    assert!(matches!(outcome, Err(CopyError::Unsound { .. })), "{outcome:?}");
    refused(cut.path()).await;
}

#[tokio::test]
async fn a_copy_needs_a_store_and_an_empty_directory_and_both_for_itself() {
    let (dir, original) = closed().await;
    let empty = tempfile::tempdir().unwrap();
    let to = |dir: &Path| target(dir, EngineName::Fjall);

    let missing: PathBuf = empty.path().join("missing");
    for nothing in [&missing, &empty.path().to_owned()] {
        let outcome = copied(nothing, &to(&empty.path().join("to"))).await;
        assert!(matches!(outcome, Err(CopyError::NoStore { .. })), "{outcome:?}");
    }
    assert!(!missing.exists());
    for full in [dir.path(), Path::new("/dev/null")] {
        let outcome = copied(dir.path(), &to(full)).await;
        assert!(matches!(outcome, Err(CopyError::NotEmpty { .. })), "{outcome:?}");
    }
    let busy = Fixture::on(dir.path()).await;
    let outcome = copied(dir.path(), &to(&empty.path().join("to"))).await;
    assert!(matches!(outcome, Err(CopyError::Open(OpenError::InUse { .. }))), "{outcome:?}");
    assert!(!empty.path().join("to").exists());
    assert!(content(&busy.store).await == original);
}
