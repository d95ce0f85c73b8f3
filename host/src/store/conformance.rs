//! What every engine must do, whichever database it is.
//!
//! The suite is written once; [`conformance`] runs it for an engine, given a way to open one on a
//! directory. Its crash part runs this test binary again as a child, kills the child at moments of
//! chance, and looks at what is left.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use proptest::prelude::*;
use rand::Rng;

use super::engine::{Batch, BatchError, Count, Engine, EngineError, Expect, Key, KeyRange, Scan, Space, count_of};

/// Opens an engine on a directory.
pub type Open = fn(&Path) -> Arc<dyn Engine>;

/// Tells a test that runs as a child where to work.
const CHILD_DIRECTORY: &str = "PROVOST_TEST_CRASH_DIRECTORY";

/// How often a child is killed.
pub const KILLS: usize = 20;

/// Runs the suite for one engine.
macro_rules! conformance {
    ($open:expr) => {
        $crate::store::conformance::conformance!($open;
            a_batch_whose_expectation_fails_leaves_nothing,
            every_kind_of_expectation_is_held,
            a_range_expectation_sees_a_key_that_came_between,
            counts_add_up_and_keep_their_bounds,
            concurrent_counts_lose_nothing,
            concurrent_writers_are_each_acknowledged_once,
            of_two_writers_with_one_expectation_one_wins,
            what_was_acknowledged_is_there_after_opening_again,
            a_large_batch_is_applied_whole,
            who_has_seen_a_part_of_a_batch_sees_all_of_it,
            a_scan_ends_with_the_entry_that_reaches_its_bytes,
            much_more_than_a_memtable_is_there_after_opening_again,
            reads_are_counted_by_key,
            a_closed_engine_refuses,
            a_commit_nobody_waits_for_is_whole_or_absent,
            what_is_applied_is_read_at_once_and_durable_with_what_follows
        );

        #[test]
        fn scans_agree_with_an_ordered_map() {
            $crate::store::conformance::scans_agree_with_an_ordered_map($open);
        }

        #[test]
        fn a_kill_loses_nothing_that_was_acknowledged() {
            $crate::store::conformance::a_kill_loses_nothing_that_was_acknowledged($open, module_path!());
        }

        #[test]
        #[ignore = "runs as the child of another test"]
        fn crashing_child() {
            $crate::store::conformance::crashing_child($open);
        }
    };
    ($open:expr; $($name:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let dir = tempfile::tempdir().unwrap();
                $crate::store::conformance::$name($open, dir.path()).await;
            }
        )*
    };
}
pub(crate) use conformance;

fn put(batch: &mut Batch, key: &[u8], value: &[u8]) {
    batch.put(Space::State, key.to_vec(), value.to_vec());
}

fn is(key: &[u8], value: Option<&[u8]>) -> Expect {
    Expect::Value(Space::State, key.to_vec(), value.map(<[u8]>::to_vec))
}

async fn get(engine: &dyn Engine, key: &[u8]) -> Option<Vec<u8>> {
    engine.get(vec![(Space::State, key.to_vec())]).await.unwrap().remove(0)
}

async fn all(engine: &dyn Engine, space: Space) -> Vec<(Key, Vec<u8>)> {
    engine.scan(Scan::new(space, KeyRange::prefix(Vec::new()), usize::MAX)).await.unwrap()
}

async fn seeded(open: Open, dir: &Path, keys: &[&[u8]]) -> Arc<dyn Engine> {
    let engine = open(dir);
    let mut batch = Batch::default();
    keys.iter().for_each(|key| put(&mut batch, key, b"1"));
    engine.commit(batch).await.unwrap();
    engine
}

#[track_caller]
fn clashes(outcome: Result<super::engine::Committed, BatchError>, index: usize) {
    assert!(matches!(outcome, Err(BatchError::Clash(at)) if at == index), "{outcome:?}");
}

pub async fn a_batch_whose_expectation_fails_leaves_nothing(open: Open, dir: &Path) {
    let engine = seeded(open, dir, &[b"a"]).await;
    let mut batch = Batch::default();
    batch.expect.push(is(b"a", Some(b"1")));
    batch.expect.push(is(b"b", Some(b"1")));
    put(&mut batch, b"a", b"2");
    batch.put(Space::Journal, b"j".to_vec(), b"1".to_vec());
    batch.delete(Space::State, b"a".to_vec());
    batch.count(Space::System, b"n".to_vec(), 1, None);

    clashes(engine.commit(batch).await, 1);

    assert_eq!(all(&*engine, Space::State).await, [(b"a".to_vec(), b"1".to_vec())]);
    assert!(all(&*engine, Space::Journal).await.is_empty());
    assert!(all(&*engine, Space::System).await.is_empty());
}

pub async fn every_kind_of_expectation_is_held(open: Open, dir: &Path) {
    let engine = seeded(open, dir, &[b"a", b"ab", b"b"]).await;
    let range = |keys: &[&[u8]]| {
        Expect::Range(Space::State, KeyRange::prefix(b"a".to_vec()), keys.iter().map(|key| key.to_vec()).collect())
    };
    let hold = [
        is(b"a", Some(b"1")),
        is(b"c", None),
        Expect::Present(Space::State, b"b".to_vec()),
        range(&[b"a", b"ab"]),
        Expect::Range(Space::Journal, KeyRange::prefix(Vec::new()), Vec::new()),
    ];
    let fail = [
        is(b"a", None),
        is(b"a", Some(b"2")),
        is(b"c", Some(b"1")),
        Expect::Present(Space::State, b"c".to_vec()),
        // The same key in another space is another key.
        Expect::Present(Space::Journal, b"a".to_vec()),
        range(&[b"a"]),
        range(&[b"ab"]),
        range(&[]),
        range(&[b"a", b"ab", b"abc"]),
        range(&[b"ab", b"a"]),
    ];
    let all_hold = Batch { expect: hold.to_vec(), ..Batch::default() };
    engine.commit(all_hold).await.unwrap();
    for expect in fail {
        let batch = Batch { expect: hold.iter().cloned().chain([expect]).collect(), ..Batch::default() };
        clashes(engine.commit(batch).await, hold.len());
    }
}

pub async fn a_range_expectation_sees_a_key_that_came_between(open: Open, dir: &Path) {
    let engine = seeded(open, dir, &[b"member/1", b"member/2"]).await;
    let range = KeyRange::prefix(b"member/".to_vec());
    let seen = engine.scan(Scan::new(Space::State, range.clone(), usize::MAX).keys()).await.unwrap();
    let mut newcomer = Batch::default();
    put(&mut newcomer, b"member/3", b"1");
    engine.commit(newcomer).await.unwrap();

    let mut batch = Batch::default();
    let seen: Vec<Key> = seen.into_iter().map(|(key, _)| key).collect();
    seen.iter().for_each(|key| batch.delete(Space::State, key.clone()));
    batch.expect.push(Expect::Range(Space::State, range, seen));

    clashes(engine.commit(batch).await, 0);
    assert_eq!(all(&*engine, Space::State).await.len(), 3);
}

pub async fn counts_add_up_and_keep_their_bounds(open: Open, dir: &Path) {
    let engine = open(dir);
    let by = |by, max| Count { space: Space::System, key: b"n".to_vec(), by, max };
    let batch = |counts: Vec<Count>| Batch { counts, ..Batch::default() };

    let done = engine.commit(batch(vec![by(3, Some(5)), by(1, Some(5))])).await.unwrap();
    assert_eq!(done.keys_written, 1);
    let mut over = batch(vec![by(1, Some(5)), by(1, Some(5))]);
    put(&mut over, b"a", b"1");
    let outcome = engine.commit(over).await;
    assert!(matches!(outcome, Err(BatchError::Over(1))), "{outcome:?}");
    assert_eq!(get(&*engine, b"a").await, None);

    let number = engine.get(vec![(Space::System, b"n".to_vec())]).await.unwrap().remove(0);
    assert_eq!(count_of(number.as_deref()), 4);
    // A number that is above its bound may shrink, and never below zero.
    engine.commit(batch(vec![by(-1, Some(1))])).await.unwrap();
    engine.commit(batch(vec![by(-9, None)])).await.unwrap();
    let number = engine.get(vec![(Space::System, b"n".to_vec())]).await.unwrap().remove(0);
    assert_eq!(count_of(number.as_deref()), 0);
}

pub async fn concurrent_counts_lose_nothing(open: Open, dir: &Path) {
    let engine = open(dir);
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    let mut batch = Batch::default();
                    batch.count(Space::System, b"n".to_vec(), 1, None);
                    engine.commit(batch).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let number = engine.get(vec![(Space::System, b"n".to_vec())]).await.unwrap().remove(0);
    assert_eq!(count_of(number.as_deref()), 320);
}

pub async fn concurrent_writers_are_each_acknowledged_once(open: Open, dir: &Path) {
    let engine = seeded(open, dir, &[]).await;
    let tasks: Vec<_> = (0..16_u8)
        .map(|writer| {
            let engine = engine.clone();
            tokio::spawn(async move {
                for turn in 0..20_u8 {
                    // Compare and set on one key: what one writer adds, no other may lose.
                    loop {
                        let old = get(&*engine, b"all").await;
                        let mut new = old.clone().unwrap_or_default();
                        new.extend([writer, turn]);
                        let mut batch = Batch::default();
                        batch.expect.push(is(b"all", old.as_deref()));
                        put(&mut batch, b"all", &new);
                        match engine.commit(batch).await {
                            Ok(_) => break,
                            Err(BatchError::Clash(0)) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let all = get(&*engine, b"all").await.unwrap();
    let mut turns: Vec<_> = all.chunks(2).collect();
    assert_eq!(turns.len(), 320);
    turns.sort_unstable();
    turns.dedup();
    assert_eq!(turns.len(), 320);
}

pub async fn of_two_writers_with_one_expectation_one_wins(open: Open, dir: &Path) {
    let engine = open(dir);
    for round in 0..20_u8 {
        let key = [b'k', round];
        let race = |winner: u8| {
            let mut batch = Batch::default();
            batch.expect.push(is(&key, None));
            put(&mut batch, &key, &[winner]);
            engine.commit(batch)
        };
        let (one, two) = tokio::join!(race(1), race(2));
        assert_eq!(u8::from(one.is_ok()) + u8::from(two.is_ok()), 1, "{one:?} {two:?}");
        assert_eq!(get(&*engine, &key).await, Some(vec![if one.is_ok() { 1 } else { 2 }]));
    }
}

pub async fn what_was_acknowledged_is_there_after_opening_again(open: Open, dir: &Path) {
    let engine = seeded(open, dir, &[b"a", b"b"]).await;
    let mut batch = Batch::default();
    batch.delete(Space::State, b"a".to_vec());
    for space in Space::ALL {
        batch.put(space, b"x".to_vec(), space.as_str().as_bytes().to_vec());
    }
    engine.commit(batch).await.unwrap();
    engine.close().await;
    drop(engine);

    let engine = open(dir);
    assert_eq!(get(&*engine, b"a").await, None);
    assert_eq!(get(&*engine, b"b").await.as_deref(), Some(b"1".as_slice()));
    for space in Space::ALL {
        let found = engine.get(vec![(space, b"x".to_vec())]).await.unwrap().remove(0);
        assert_eq!(found.as_deref(), Some(space.as_str().as_bytes()));
    }
}

pub async fn a_large_batch_is_applied_whole(open: Open, dir: &Path) {
    const KEYS: u32 = 60_000;
    let engine = open(dir);
    let key = |n: u32| [b"k".as_slice(), &n.to_be_bytes(), &[7; 30]].concat();
    let mut batch = Batch::default();
    (0..KEYS).for_each(|n| put(&mut batch, &key(n), &n.to_be_bytes()));
    engine.commit(batch).await.unwrap();
    assert_eq!(all(&*engine, Space::State).await.len(), KEYS as usize);

    let mut batch = Batch::default();
    (0..KEYS).for_each(|n| batch.delete(Space::State, key(n)));
    let done = engine.commit(batch).await.unwrap();
    assert_eq!(done.keys_written, KEYS as usize);
    engine.close().await;
    drop(engine);
    assert!(all(&*open(dir), Space::State).await.is_empty());
}

pub async fn who_has_seen_a_part_of_a_batch_sees_all_of_it(open: Open, dir: &Path) {
    const LAST: u32 = 200;
    let engine = open(dir);
    let number = |n: u32| n.to_be_bytes().to_vec();
    let writer = tokio::spawn({
        let engine = engine.clone();
        async move {
            for n in 1..=LAST {
                let mut batch = Batch::default();
                batch.put(Space::State, b"first".to_vec(), number(n));
                (0..50_u8).for_each(|filler| put(&mut batch, &[b'f', filler], &number(n)));
                batch.put(Space::Journal, b"last".to_vec(), number(n));
                engine.commit(batch).await.unwrap();
            }
        }
    });
    let keys = vec![
        (Space::State, b"first".to_vec()),
        (Space::Journal, b"last".to_vec()),
        (Space::State, b"first".to_vec()),
        (Space::State, vec![b'f', 25]),
    ];
    let mut seen = vec![None; 4];
    while seen[0] != Some(number(LAST)) {
        let before = seen;
        seen = engine.get(keys.clone()).await.unwrap();
        assert!(before[3] <= seen[0], "it went back");
        // In the order in which they were read, wherever they stand in the batch.
        assert!(seen.is_sorted(), "half a batch was seen: {seen:?}");
    }
    writer.await.unwrap();
}

pub async fn a_scan_ends_with_the_entry_that_reaches_its_bytes(open: Open, dir: &Path) {
    let engine = open(dir);
    let mut batch = Batch::default();
    ["a", "b", "c"].iter().for_each(|key| put(&mut batch, key.as_bytes(), &[7; 9]));
    engine.commit(batch).await.unwrap();
    let found = async |bytes, keys_only| {
        let scan = Scan::new(Space::State, KeyRange::prefix(Vec::new()), usize::MAX).within(bytes);
        engine.scan(Scan { keys_only, ..scan }).await.unwrap().len()
    };

    assert_eq!(found(0, false).await, 1, "a walk always gets on");
    assert_eq!(found(10, false).await, 1);
    assert_eq!(found(11, false).await, 2);
    assert_eq!(found(2, true).await, 2, "values that are left out do not count");
    assert_eq!(found(usize::MAX, false).await, 3);
}

/// More than an engine keeps in memory before it writes it elsewhere, with values that change and
/// keys that go meanwhile.
pub async fn much_more_than_a_memtable_is_there_after_opening_again(open: Open, dir: &Path) {
    const ROUNDS: u8 = 45;
    const KEYS: u32 = 1_000;
    let engine = open(dir);
    for round in 0..ROUNDS {
        let mut batch = Batch::default();
        for n in 0..KEYS {
            let key = [&[round], n.to_be_bytes().as_slice()].concat();
            batch.put(Space::Resources, key.clone(), vec![round; 1_000]);
            if round > 0 {
                let before = [&[round - 1], n.to_be_bytes().as_slice()].concat();
                match n % 3 {
                    0 => batch.delete(Space::Resources, before),
                    1 => batch.put(Space::Resources, before, vec![n as u8; 10]),
                    _ => {}
                }
            }
        }
        batch.count(Space::System, b"n".to_vec(), i64::from(KEYS), None);
        engine.commit(batch).await.unwrap();
    }
    engine.close().await;
    drop(engine);

    let engine = open(dir);
    let mut expected = Vec::new();
    for (round, n) in (0..ROUNDS).flat_map(|round| (0..KEYS).map(move |n| (round, n))) {
        let key = [&[round], n.to_be_bytes().as_slice()].concat();
        match n % 3 {
            0 if round < ROUNDS - 1 => {}
            1 if round < ROUNDS - 1 => expected.push((key, vec![n as u8; 10])),
            _ => expected.push((key, vec![round; 1_000])),
        }
    }
    assert!(all(&*engine, Space::Resources).await == expected, "not what was written");
    let number = engine.get(vec![(Space::System, b"n".to_vec())]).await.unwrap().remove(0);
    assert_eq!(count_of(number.as_deref()), u64::from(ROUNDS) * u64::from(KEYS));
}

pub async fn reads_are_counted_by_key(open: Open, dir: &Path) {
    let engine = seeded(open, dir, &[b"a", b"b", b"c"]).await;
    let before = engine.reads().of(Space::State);

    engine.get(vec![(Space::State, b"a".to_vec()), (Space::State, b"none".to_vec())]).await.unwrap();
    engine.scan(Scan::new(Space::State, KeyRange::prefix(Vec::new()), 1).skipping(1)).await.unwrap();

    assert_eq!(engine.reads().of(Space::State) - before, 4);
    assert_eq!(engine.reads().of(Space::Edges), 0);
}

pub async fn a_closed_engine_refuses(open: Open, dir: &Path) {
    let engine = seeded(open, dir, &[b"a"]).await;
    engine.close().await;
    engine.close().await;

    let mut batch = Batch::default();
    put(&mut batch, b"a", b"2");
    assert!(matches!(engine.commit(batch).await, Err(BatchError::Failed(EngineError::Stopped { .. }))));
    let read = engine.get(vec![(Space::State, b"a".to_vec())]).await;
    assert!(matches!(read, Err(EngineError::Stopped { .. })), "{read:?}");
}

pub async fn what_is_applied_is_read_at_once_and_durable_with_what_follows(open: Open, dir: &Path) {
    let engine = open(dir);
    for n in 0..50_u8 {
        let mut batch = Batch::default();
        // Each stands on the one before, of which nobody knows yet whether it is on disk.
        batch.expect.push(is(&[n], (n > 0).then_some(b"1")));
        put(&mut batch, &[n + 1], b"1");
        drop(engine.apply(batch).await.unwrap().durable);
        assert!(get(&*engine, &[n + 1]).await.is_some());
    }
    let refused = engine.commit(Batch { expect: vec![is(b"absent", Some(b"1"))], ..Batch::default() }).await;
    clashes(refused, 0);
    // Waits for all of them.
    engine.apply(Batch::default()).await.unwrap().durable.await.unwrap();
    engine.close().await;
    drop(engine);

    assert_eq!(all(&*open(dir), Space::State).await.len(), 50);
}

pub async fn a_commit_nobody_waits_for_is_whole_or_absent(open: Open, dir: &Path) {
    let engine = open(dir);
    for n in 0..50_u8 {
        let mut batch = Batch::default();
        put(&mut batch, &[n], b"1");
        batch.put(Space::Journal, vec![n], b"1".to_vec());
        let mut commit = engine.commit(batch);
        // Polled once, which may or may not hand the batch over; then dropped.
        let _ = futures::poll!(&mut commit);
        drop(commit);
    }
    let mut last = Batch::default();
    put(&mut last, b"last", b"1");
    engine.commit(last).await.unwrap();

    let mut state = all(&*engine, Space::State).await;
    state.retain(|(key, _)| key != b"last");
    assert_eq!(state, all(&*engine, Space::Journal).await);
}

pub fn scans_agree_with_an_ordered_map(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let byte = || prop_oneof![Just(0_u8), Just(1), Just(254), Just(255)];
    let keys = || proptest::collection::vec(byte(), 1..4);
    let ends = || proptest::collection::vec(byte(), 0..4);
    let cases = (
        proptest::collection::btree_map(keys(), any::<u8>(), 0..20),
        ends(),
        proptest::option::of(ends()),
        any::<bool>(),
        0..4_usize,
        0..6_usize,
        any::<bool>(),
    );
    proptest!(ProptestConfig::with_cases(64), |((model, from, until, reverse, skip, limit, keys_only) in cases)| {
        let found = runtime.block_on(async {
            let mut batch = Batch::default();
            for (key, _) in all(&*engine, Space::State).await {
                if !model.contains_key(&key) {
                    batch.delete(Space::State, key);
                }
            }
            model.iter().for_each(|(key, value)| put(&mut batch, key, &[*value]));
            engine.commit(batch).await.unwrap();
            let range = KeyRange { from: from.clone(), until: until.clone() };
            engine.scan(Scan { space: Space::State, range, reverse, skip, limit, bytes: usize::MAX, keys_only }).await.unwrap()
        });
        let inside = |key: &Vec<u8>| *key >= from && until.as_ref().is_none_or(|until| key < until);
        let value = |value: &u8| if keys_only { Vec::new() } else { vec![*value] };
        let mut expected: Vec<_> =
            model.iter().filter(|(key, _)| inside(key)).map(|(key, v)| (key.clone(), value(v))).collect();
        if reverse {
            expected.reverse();
        }
        let expected: Vec<_> = expected.into_iter().skip(skip).take(limit).collect();
        prop_assert_eq!(found, expected);
    });
}

/// Starts this test binary again, as the ignored test `name` in `module`, working on `dir`.
pub fn spawn_child(module: &str, name: &str, dir: &Path) -> Child {
    let (_, module) = module.split_once("::").expect("a module's path begins with its crate");
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::{name}"), "--ignored", "--nocapture", "--test-threads=1"])
        .env(CHILD_DIRECTORY, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Where a child works; nothing when the test was not started as one.
pub fn child_directory() -> Option<PathBuf> {
    std::env::var_os(CHILD_DIRECTORY).map(PathBuf::from)
}

/// What a child said it was acknowledged, until it was killed after a chance number of lines.
pub fn acknowledged_until_killed(mut child: Child, lines: std::ops::Range<usize>) -> Vec<String> {
    let wanted = rand::rng().random_range(lines);
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut said = output.lines().map_while(Result::ok).filter_map(|line| line.strip_prefix("ack ").map(str::to_owned));
    let mut acknowledged: Vec<String> = said.by_ref().take(wanted).collect();
    child.kill().unwrap();
    // What it had said before the kill counts too. Its last line may be cut short.
    let rest: Vec<String> = said.collect();
    child.wait().unwrap();
    let whole = rest.len().saturating_sub(1);
    acknowledged.extend(rest.into_iter().take(whole));
    acknowledged
}

/// Says that something was acknowledged, in one piece.
pub fn acknowledge(what: &str) {
    let line = format!("ack {what}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

/// Commits the same keys in two spaces and a count, from several writers, until it is killed.
pub fn crashing_child(open: Open) {
    let Some(dir) = child_directory() else { return };
    let engine = open(&dir);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let start: u64 = rand::rng().random();
        let writer = |writer: u64| {
            let engine = engine.clone();
            async move {
                for n in 0.. {
                    let key = [start.to_be_bytes(), writer.to_be_bytes(), u64::to_be_bytes(n)].concat();
                    let mut batch = Batch::default();
                    batch.expect.push(is(&key, None));
                    batch.put(Space::State, key.clone(), vec![7; 300]);
                    batch.put(Space::Journal, key, vec![7; 20]);
                    batch.count(Space::System, b"n".to_vec(), 1, None);
                    engine.commit(batch).await.unwrap();
                    acknowledge(&format!("{start} {writer} {n}"));
                }
            }
        };
        let writers: Vec<_> = (0..8).map(|n| tokio::spawn(writer(n))).collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

pub fn a_kill_loses_nothing_that_was_acknowledged(open: Open, module: &str) {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut acknowledged = 0;
    for _ in 0..KILLS {
        let child = spawn_child(module, "crashing_child", dir.path());
        let said = acknowledged_until_killed(child, 1..120);
        acknowledged += said.len();

        let engine = open(dir.path());
        runtime.block_on(async {
            let state: BTreeMap<_, _> = all(&*engine, Space::State).await.into_iter().collect();
            let journal: BTreeMap<_, _> = all(&*engine, Space::Journal).await.into_iter().collect();
            for line in &said {
                let key: Vec<u8> = line.split(' ').flat_map(|n| n.parse::<u64>().unwrap().to_be_bytes()).collect();
                assert!(state.contains_key(&key), "{line} was acknowledged and is gone");
            }
            assert!(state.keys().eq(journal.keys()), "half a batch is there");
            let number = engine.get(vec![(Space::System, b"n".to_vec())]).await.unwrap().remove(0);
            assert_eq!(count_of(number.as_deref()), state.len() as u64);
            assert!(state.len() >= acknowledged);
            engine.close().await;
        });
    }
}
