//! What goes along with a change: messages, plugin state, tokens.

use super::*;

#[tokio::test]
async fn messages_and_observations_commit_with_the_change_in_their_order() {
    let fixture = Fixture::new().await;
    let ana = user(&fixture, "ana");
    let later = StagedMessage { delay_s: 60, ..message("second") };
    let write = Write {
        effects: effects(vec![message("first"), later], Vec::new()),
        ..observed(Write::create(&fixture.cx, ana.clone()))
    };
    let stored = fixture.store.commit(write).await.unwrap();

    let rows = fixture.outbox().await;

    assert_eq!(payloads(&rows[..2]), ["first", "second"]);
    assert_eq!(rows[2].message.work, Work::Observe);
    assert_eq!(rows[2].message.plugin, "watch".into());
    assert_eq!(rows[0].not_before, fixture.cx.now);
    assert_eq!(rows[1].not_before, fixture.cx.now + jiff::SignedDuration::from_secs(60));
    let cause = &rows[0].message.cause;
    assert_eq!((cause.sequence, cause.id, cause.version), (stored.sequence, ana.id(), 1));
    assert_eq!((&*cause.request_id, &cause.actor), ("request-1", &*fixture.cx.actor));
    assert_eq!(rows[0].message.headers, message("").headers);
    let prefix = &fixture.store.instance().to_string()[..8];
    assert_eq!(rows[1].message.key, format!("{prefix}-{}-1", stored.sequence));
    assert_eq!(rows[1].message.key.parse(), Ok(rows[1].key));
    fixture.sound().await;
}

#[tokio::test]
async fn a_write_that_fails_sends_and_remembers_nothing() {
    let fixture = Fixture::new().await;
    fixture.user("ana").await;
    let write = Write {
        effects: effects(vec![message("first")], vec![staged("seen", Some("1"), None)]),
        ..observed(Write::create(&fixture.cx, user(&fixture, "ana")))
    };

    let outcome = fixture.store.commit(write).await;

    assert!(matches!(outcome, Err(CommitError::Taken { .. })));
    assert!(fixture.outbox().await.is_empty());
    assert_eq!(fixture.store.state_get(REALM, &"forward".into(), "seen", fixture.cx.now).await.unwrap(), None);
    fixture.sound().await;
}

#[tokio::test]
async fn of_messages_that_wait_once_only_the_newest_waits() {
    let fixture = Fixture::new().await;
    let once = |text: &str| StagedMessage { deduplicate: Some("sync".into()), ..message(text) };
    let ana = user(&fixture, "ana");
    let send = async |write: Write, messages| {
        fixture.store.commit(Write { effects: effects(messages, Vec::new()), ..write }).await.unwrap();
    };
    let next = fixture.next(&ana);
    let update = Write::update(&fixture.cx, Operation::Patch, ana.clone(), next.clone());
    send(Write::create(&fixture.cx, ana), vec![once("a"), message("b"), once("c")]).await;
    assert_eq!(payloads(&fixture.outbox().await), ["b", "c"]);
    // Another resource's message is another message.
    send(Write::create(&fixture.cx, user(&fixture, "bob")), vec![once("bob")]).await;
    let parked = fixture.outbox().await[1].key;
    assert!(fixture.store.outbox_park(parked, 3, "gone").await.unwrap());
    fixture.sound().await;

    send(update, vec![once("d")]).await;

    assert_eq!(payloads(&fixture.outbox().await), ["b", "bob", "d"]);
    assert_eq!(fixture.store.outbox_counts(REALM).await.unwrap(), OutboxCounts { waiting: 3, parked: 0 });
    // What an attempt under way says of the old one changes nothing.
    assert!(!fixture.store.outbox_failed(parked, 4, fixture.cx.now, "late").await.unwrap());
    fixture.sound().await;

    // Once the newest is delivered, the next one waits as if it were the first.
    let newest = fixture.outbox().await[2].key;
    assert!(fixture.store.outbox_done(newest).await.unwrap());
    assert!(!fixture.store.outbox_done(newest).await.unwrap());
    let after = fixture.next(&next);
    send(Write::update(&fixture.cx, Operation::Patch, next, after), vec![once("e")]).await;
    assert_eq!(payloads(&fixture.outbox().await), ["b", "bob", "e"]);
    fixture.sound().await;
}

#[tokio::test]
async fn a_message_goes_through_failure_parking_and_redriving_and_survives_each() {
    let fixture = Fixture::new().await;
    fixture.store.commit(observed(Write::create(&fixture.cx, user(&fixture, "ana")))).await.unwrap();
    let row = fixture.outbox().await.remove(0);
    let later = fixture.cx.now + jiff::SignedDuration::from_secs(5);

    assert!(fixture.store.outbox_failed(row.key, 1, later, "503").await.unwrap());
    assert!(fixture.store.outbox_redrive(row.key).await.unwrap().is_none(), "it is not parked");
    let fixture = fixture.reopened().await;
    let failed = fixture.store.outbox_row(row.key).await.unwrap().unwrap();
    let expected = OutboxRow { attempts: 1, not_before: later, last_error: Some("503".into()), ..row.clone() };
    assert_eq!(failed, expected);

    assert!(fixture.store.outbox_park(row.key, 2, "404").await.unwrap());
    let fixture = fixture.reopened().await;
    let parked = fixture.outbox().await.remove(0);
    assert_eq!(
        (parked.attempts, parked.parked.as_deref(), parked.last_error.as_deref()),
        (2, Some("404"), Some("404"))
    );
    assert_eq!(fixture.store.outbox_counts(REALM).await.unwrap(), OutboxCounts { waiting: 0, parked: 1 });
    fixture.sound().await;

    let redriven = fixture.store.outbox_redrive(row.key).await.unwrap().unwrap();
    assert_eq!((redriven.attempts, &redriven.parked), (0, &None));
    assert_eq!(fixture.outbox().await, [redriven]);
    assert!(fixture.store.outbox_done(row.key).await.unwrap());
    assert!(fixture.store.outbox_row(row.key).await.unwrap().is_none());
    assert_eq!(fixture.store.outbox_counts(REALM).await.unwrap(), OutboxCounts { waiting: 0, parked: 0 });
    assert!(fixture.store.outbox_redrive(row.key).await.unwrap().is_none());
    fixture.sound().await;
}

#[tokio::test]
async fn the_outbox_is_read_on_from_any_row_and_only_as_far_as_it_is_settled() {
    let fixture = Fixture::new().await;
    for n in 0..3 {
        let write = Write {
            effects: effects(vec![message(&format!("{n}a")), message(&format!("{n}b"))], Vec::new()),
            ..Write::create(&fixture.cx, user(&fixture, &format!("user{n}")))
        };
        fixture.store.commit(write).await.unwrap();
    }
    let read = async |after, up_to, limit| fixture.store.outbox_rows(after, up_to, limit).await.unwrap();
    assert_eq!(payloads(&read(None, 2, 9).await), ["0a", "0b", "1a", "1b"]);
    let rows = read(None, 3, 3).await;
    assert_eq!(payloads(&rows), ["0a", "0b", "1a"]);
    assert_eq!(payloads(&read(Some(rows[2].key), 3, 9).await), ["1b", "2a", "2b"]);
    assert!(read(Some(rows[2].key), 1, 9).await.is_empty());
}

#[tokio::test]
async fn whoever_waits_for_the_outbox_is_woken_by_a_commit() {
    let fixture = Fixture::new().await;
    let mut ready = fixture.store.outbox_ready();
    assert_eq!(*ready.borrow_and_update(), 0);
    let stored = fixture.create(&user(&fixture, "ana")).await;

    ready.changed().await.unwrap();

    assert_eq!(*ready.borrow(), stored.sequence);
}

#[tokio::test]
async fn staged_state_commits_with_the_change_and_only_on_what_was_compared() {
    let fixture = Fixture::new().await;
    let plugin = PluginName::from("forward");
    let create = |name: &str, state| Write {
        effects: effects(Vec::new(), state),
        ..Write::create(&fixture.cx, user(&fixture, name))
    };
    let get = async |key| fixture.store.state_get(REALM, &plugin, key, fixture.cx.now).await.unwrap();
    let state = vec![staged("a", Some("1"), Some(None)), staged("b", Some("2"), None), staged("c", None, None)];
    fixture.store.commit(create("ana", state)).await.unwrap();
    assert_eq!(get("a").await.as_deref(), Some(b"1".as_slice()));

    let stale = fixture.store.commit(create("bob", vec![staged("a", Some("9"), Some(Some("0")))])).await;
    assert!(matches!(stale, Err(CommitError::Clash)), "{stale:?}");
    assert_eq!(fixture.found(fixture.users(), "userName eq \"bob\"").await, [""; 0]);

    let state = vec![staged("a", None, Some(Some("1"))), staged("b", Some("3"), None)];
    fixture.store.commit(create("bob", state)).await.unwrap();
    assert_eq!(get("a").await, None);
    assert_eq!(get("b").await.as_deref(), Some(b"3".as_slice()));
    fixture.sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_remember_under_one_key_do_not_fail_each_other() {
    let fixture = Arc::new(Fixture::new().await);
    let write = |n: usize| {
        let fixture = fixture.clone();
        tokio::spawn(async move {
            let write = Write::create(&fixture.cx, user(&fixture, &format!("user{n}")));
            let effects = effects(Vec::new(), vec![staged("last", Some(&n.to_string()), None)]);
            fixture.store.commit(Write { effects, ..write }).await
        })
    };
    for writer in (0..12).map(write).collect::<Vec<_>>() {
        writer.await.unwrap().unwrap();
    }
    fixture.sound().await;
}

#[tokio::test]
async fn state_is_a_plugins_own_and_ends_when_its_time_is_over() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let (mine, other): (PluginName, PluginName) = ("forward".into(), "forwards".into());
    let now = fixture.cx.now;
    let at = |seconds| now + jiff::SignedDuration::from_secs(seconds);
    store.state_put(REALM, &mine, "k/1", b"one".to_vec(), Some(at(10))).await.unwrap();
    store.state_put(REALM, &mine, "k/2", b"two".to_vec(), None).await.unwrap();
    store.state_put(REALM, &mine, "k/3", b"three".to_vec(), None).await.unwrap();
    store.state_put(REALM, &other, "k/1", b"theirs".to_vec(), None).await.unwrap();
    let keys = async |prefix: &str, after: Option<&str>, limit, seconds| {
        let found = store.state_scan(REALM, &mine, prefix, after, limit, at(seconds)).await.unwrap();
        found.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };

    assert_eq!(store.state_get(REALM, &mine, "k/1", at(9)).await.unwrap().as_deref(), Some(b"one".as_slice()));
    assert_eq!(store.state_get(REALM, &mine, "k/1", at(10)).await.unwrap(), None);
    assert_eq!(keys("k/", None, 9, 0).await, ["k/1", "k/2", "k/3"]);
    assert_eq!(keys("k/", None, 1, 10).await, ["k/2"]);
    assert_eq!(keys("k/", Some("k/2"), 9, 0).await, ["k/3"]);
    assert_eq!(keys("x", None, 9, 0).await, [""; 0]);

    let compare = async |expected: Option<&[u8]>, value: Option<&[u8]>, seconds| {
        store.state_compare_and_put(REALM, &mine, "k/1", expected, value.map(<[u8]>::to_vec), at(seconds)).await
    };
    assert!(matches!(compare(None, Some(b"new"), 9).await, Err(StateError::Conflict)));
    // Once its time is over it is absent, for comparing too.
    compare(None, Some(b"new"), 10).await.unwrap();
    assert!(matches!(compare(Some(b"one"), None, 10).await, Err(StateError::Conflict)));
    compare(Some(b"new"), None, 10).await.unwrap();
    store.state_delete(REALM, &mine, "k/2").await.unwrap();
    store.state_delete(REALM, &mine, "k/2").await.unwrap();
    assert_eq!(keys("", None, 9, 0).await, ["k/3"]);
    fixture.sound().await;
}

#[tokio::test]
async fn state_whose_time_is_over_is_swept_away() {
    let fixture = Fixture::new().await;
    let (store, plugin, now) = (&fixture.store, PluginName::from("forward"), fixture.cx.now);
    for n in 0..5 {
        let expires = (n < 4).then_some(now);
        store.state_put(REALM, &plugin, &n.to_string(), Vec::new(), expires).await.unwrap();
    }
    assert_eq!(store.state_sweep(now, 3).await.unwrap(), 3);
    assert_eq!(store.state_sweep(now, 3).await.unwrap(), 1);
    assert_eq!(store.state_sweep(now, 3).await.unwrap(), 0);
    let report = store.check().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.keys.get(&Space::State), Some(&1));
}

#[tokio::test]
async fn the_bounds_of_state_and_outbox_hold() {
    use super::super::engine::Batch;
    use crate::limits::{OUTBOX_MESSAGES_MAX, STATE_ENTRIES_MAX};
    let fixture = Fixture::new().await;
    let plugin = PluginName::from("forward");
    let mut full = Batch::default();
    full.count(Space::System, keys::state_count(REALM, &plugin), STATE_ENTRIES_MAX as i64, None);
    full.count(Space::System, keys::outbox_count(REALM), OUTBOX_MESSAGES_MAX as i64, None);
    fixture.store.engine.commit(full).await.unwrap();
    let create = || Write::create(&fixture.cx, user(&fixture, "ana"));

    let put = fixture.store.state_put(REALM, &plugin, "k", Vec::new(), None).await;
    assert!(matches!(put, Err(StateError::Full { .. })), "{put:?}");
    let effects_of = effects(Vec::new(), vec![staged("k", Some("1"), None)]);
    let remembers = fixture.store.commit(Write { effects: effects_of, ..create() }).await;
    assert!(matches!(&remembers, Err(CommitError::StateFull { plugin: of, .. }) if *of == plugin), "{remembers:?}");
    let sends = fixture.store.commit(observed(create())).await;
    assert!(matches!(sends, Err(CommitError::OutboxFull { .. })), "{sends:?}");
    assert!(fixture.journal().await.is_empty());
    // What sends and remembers nothing is not held up.
    fixture.create(&user(&fixture, "ana")).await;
}

#[tokio::test]
async fn a_token_is_found_by_its_hash_until_it_is_revoked() {
    let fixture = Fixture::new().await;
    let token = |id: &str, hash| TokenRecord {
        id: id.into(),
        name: format!("token {id}"),
        hash: [hash; 32],
        scopes: vec![Scope::Read, Scope::Admin],
        created: fixture.cx.now,
        expires: Some(fixture.cx.now),
        resource: None,
        claims: [("sub".to_owned(), id.to_owned())].into(),
    };
    let (one, two) = (token("one", 9), token("two", 1));
    fixture.store.token_put(REALM, &two).await.unwrap();
    fixture.store.token_put(REALM, &one).await.unwrap();
    let fixture = fixture.reopened().await;

    assert_eq!(fixture.store.tokens(REALM).await.unwrap(), [one.clone(), two.clone()]);
    assert_eq!(fixture.store.token_by_hash(&[9; 32]).await.unwrap(), Some(one));
    assert_eq!(fixture.store.token_by_hash(&[2; 32]).await.unwrap(), None);
    assert!(fixture.store.token_revoke(REALM, "one").await.unwrap());
    assert!(!fixture.store.token_revoke(REALM, "one").await.unwrap());
    assert_eq!(fixture.store.token_by_hash(&[9; 32]).await.unwrap(), None);
    assert_eq!(fixture.store.tokens(REALM).await.unwrap(), [two]);
}
