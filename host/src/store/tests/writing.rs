//! One resource's life: created, changed, deleted, remembered.

use super::*;

#[tokio::test]
async fn a_created_user_is_read_back_as_it_was() {
    let fixture = Fixture::new().await;
    let ana = user(&fixture, "Ana");
    let stored = fixture.create(&ana).await;

    assert_eq!(fixture.now(&ana).await, Some(ana.clone()));
    assert_eq!(fixture.store.get(REALM, fixture.groups(), ana.id()).await.unwrap(), None);
    let journal = fixture.journal().await;
    assert_eq!(journal.len(), 1);
    assert_eq!((journal[0].sequence, journal[0].operation), (stored.sequence, Operation::Create));
    assert_eq!((journal[0].id, journal[0].version), (ana.id(), 1));
    assert_eq!((&*journal[0].request_id, &journal[0].actor), ("request-1", &*fixture.cx.actor));
    assert_eq!(fixture.store.keys_read(Space::History), 0);
    fixture.sound().await;
}

#[tokio::test]
async fn a_create_keeps_no_past() {
    let fixture = Fixture::new().await;
    let ana = fixture.user("ana").await;

    assert!(fixture.store.history(REALM, ana.id()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_user_name_belongs_to_one_user_whatever_its_letter_case() {
    let fixture = Fixture::new().await;
    let ana = fixture.user("ana").await;
    let bob = fixture.user("bob").await;

    let again = fixture.store.commit(Write::create(&fixture.cx, user(&fixture, "ANA"))).await;
    let renamed = fixture.replace(&bob, json!({ "userName": "Ana" })).await;

    assert!(matches!(&again, Err(CommitError::Taken { attribute }) if attribute == "userName"), "{again:?}");
    assert!(matches!(&renamed, Err(CommitError::Taken { .. })), "{renamed:?}");
    assert_eq!(fixture.journal().await.len(), 2);
    assert_eq!(fixture.now(&bob).await, Some(bob));

    // Its owner may write it another way, and give it up.
    let ana = fixture.replace(&ana, json!({ "userName": "ANA" })).await.unwrap();
    fixture.replace(&ana, json!({ "userName": "anna" })).await.unwrap();
    fixture.user("aNa").await;
    fixture.sound().await;
}

#[tokio::test]
async fn a_deleted_users_name_is_free_again() {
    let fixture = Fixture::new().await;
    let ana = fixture.user("ana").await;
    fixture.delete(&ana).await.unwrap();

    let successor = fixture.user("ana").await;

    assert_eq!(fixture.now(&ana).await, None);
    assert_ne!(ana.id(), successor.id());
    fixture.sound().await;
}

#[tokio::test]
async fn a_write_on_a_stale_version_clashes_and_leaves_nothing() {
    let fixture = Fixture::new().await;
    let ana = fixture.user("ana").await;
    let second = fixture.replace(&ana, json!({ "title": "CEO" })).await.unwrap();

    let stale = fixture.replace(&ana, json!({ "title": "CTO", "userName": "anna" })).await;
    let deleted = fixture.store.commit(Write::delete(&fixture.cx, ana.clone())).await;
    let twice = fixture.store.commit(Write::create(&fixture.cx, ana.clone())).await;

    for outcome in [stale.map(|_| ()), deleted.map(|_| ()), twice.map(|_| ())] {
        assert!(matches!(outcome, Err(CommitError::Clash)), "{outcome:?}");
    }
    assert_eq!(fixture.now(&ana).await, Some(second));
    assert_eq!(fixture.journal().await.len(), 2);
    fixture.sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_changes_on_one_version_exactly_one_happens() {
    let fixture = Arc::new(Fixture::new().await);
    let mut ana = fixture.user("ana").await;
    for round in 0..10 {
        let race = |n: usize| {
            let (fixture, ana) = (fixture.clone(), ana.clone());
            tokio::spawn(async move { fixture.replace(&ana, json!({ "title": format!("{round}-{n}") })).await })
        };
        let racers: Vec<_> = (0..4).map(race).collect();
        let mut won = Vec::new();
        for racer in racers {
            match racer.await.unwrap() {
                Ok(after) => won.push(after),
                Err(error) => assert!(matches!(error, CommitError::Clash), "{error:?}"),
            }
        }
        assert_eq!(won.len(), 1);
        ana = won.remove(0);
        assert_eq!(fixture.now(&ana).await.as_ref(), Some(&ana));
    }
    fixture.sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_creates_with_one_name_exactly_one_happens() {
    let fixture = Arc::new(Fixture::new().await);
    let race = |_| {
        let fixture = fixture.clone();
        tokio::spawn(async move { fixture.store.commit(Write::create(&fixture.cx, user(&fixture, "ana"))).await })
    };
    let mut created = 0;
    for racer in (0..8).map(race).collect::<Vec<_>>() {
        match racer.await.unwrap() {
            Ok(_) => created += 1,
            Err(error) => assert!(matches!(error, CommitError::Taken { .. }), "{error:?}"),
        }
    }
    assert_eq!(created, 1);
    assert_eq!(fixture.store.count(REALM, fixture.users()).await.unwrap(), 1);
    fixture.sound().await;
}

#[tokio::test]
async fn past_versions_are_kept_with_what_ended_them() {
    let fixture = Fixture::new().await;
    let first = fixture.user("ana").await;
    let second = fixture.replace(&first, json!({ "title": "CEO" })).await.unwrap();
    fixture.delete(&second).await.unwrap();

    let history = fixture.store.history(REALM, first.id()).await.unwrap();
    let journal = fixture.journal().await;

    assert_eq!(history.iter().map(|h| &h.resource).collect::<Vec<_>>(), [&first, &second]);
    assert_eq!((history[0].sequence, history[0].superseded_by), (journal[0].sequence, journal[1].sequence));
    assert_eq!((history[1].sequence, history[1].superseded_by), (journal[1].sequence, journal[2].sequence));
    assert_eq!((journal[2].operation, journal[2].version), (Operation::Delete, 2));
    fixture.sound().await;
}

#[tokio::test]
async fn observers_hear_of_each_change_as_it_was_even_much_later() {
    let fixture = Fixture::new().await;
    let first = fixture.user("ana").await;
    let second = fixture.replace(&first, json!({ "title": "CEO" })).await.unwrap();
    fixture.delete(&second).await.unwrap();

    let mut heard = Vec::new();
    for row in fixture.journal().await {
        let change = fixture.store.change(row.sequence).await.unwrap().unwrap();
        heard.push((change.operation, change.before, change.after));
    }

    assert_eq!(
        heard,
        [
            (Operation::Create, None, Some(first.clone())),
            (Operation::Replace, Some(first), Some(second.clone())),
            (Operation::Delete, Some(second), None),
        ]
    );
    assert!(fixture.store.change(99).await.unwrap().is_none());
}

#[tokio::test]
async fn the_journal_tells_what_and_by_which_plugins_and_no_values() {
    let fixture = Fixture::new().await;
    let changed_by = vec![Attribution { plugin: "normalize".into(), version: "1.0".into() }];
    let write = Write {
        changed_paths: vec!["userName".into()],
        changed_by: changed_by.clone(),
        ..Write::create(&fixture.cx, user(&fixture, "secret-name"))
    };
    fixture.store.commit(write).await.unwrap();

    let journal = fixture.journal().await;

    assert_eq!(journal[0].changed_by, changed_by);
    assert_eq!(journal[0].changed_paths, ["userName"]);
    assert!(!format!("{journal:?}").contains("secret-name"));
    assert_eq!(fixture.store.journal_tail(REALM, 5).await.unwrap(), journal);
}

#[tokio::test]
async fn the_journal_is_read_on_from_any_row() {
    let fixture = Fixture::new().await;
    for n in 0..5 {
        fixture.user(&format!("user{n}")).await;
    }
    let sequences = async |after, limit| {
        let rows = fixture.store.journal(REALM, after, limit).await.unwrap();
        rows.iter().map(|row| row.sequence).collect::<Vec<_>>()
    };
    assert_eq!(sequences(0, 2).await, [1, 2]);
    assert_eq!(sequences(2, 9).await, [3, 4, 5]);
    assert_eq!(sequences(5, 9).await, [0_u64; 0]);
    let tail = fixture.store.journal_tail(REALM, 2).await.unwrap();
    assert_eq!(tail.iter().map(|row| row.sequence).collect::<Vec<_>>(), [4, 5]);
}

#[tokio::test]
async fn a_write_that_contradicts_itself_is_refused() {
    let fixture = Fixture::new().await;
    let (ana, bob) = (fixture.user("ana").await, fixture.user("bob").await);
    let same_version = Write::update(&fixture.cx, Operation::Patch, ana.clone(), ana.clone());
    let other = Write::update(&fixture.cx, Operation::Patch, ana.clone(), fixture.next(&bob));
    let nothing = Write { after: None, ..Write::create(&fixture.cx, ana.clone()) };

    for write in [same_version, other, nothing] {
        let outcome = fixture.store.commit(write).await;
        assert!(matches!(outcome, Err(CommitError::Malformed { .. })), "{outcome:?}");
    }
    assert_eq!(fixture.journal().await.len(), 2);
}

#[tokio::test]
async fn a_write_whose_caller_goes_away_happens_whole_or_not_at_all() {
    let fixture = Fixture::new().await;
    for n in 0..20 {
        let write = observed(Write::create(&fixture.cx, user(&fixture, &format!("user{n}"))));
        let mut commit = Box::pin(fixture.store.commit(write));
        for _ in 0..n {
            if futures::poll!(&mut commit).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(commit);
    }
    // Whatever they left under way does not hold the readers up.
    let last = fixture.create(&user(&fixture, "last")).await;
    let mut ready = fixture.store.outbox_ready();
    ready.wait_for(|settled| *settled >= last.sequence).await.unwrap();
    let fixture = fixture.reopened().await;
    fixture.sound().await;
    assert!(fixture.found(fixture.users(), "userName eq \"last\"").await.len() == 1);
}
