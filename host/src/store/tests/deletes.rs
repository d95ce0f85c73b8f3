//! Deletes: what was held together comes apart in one commit.

use super::*;

#[tokio::test]
async fn a_deleted_user_leaves_each_group_a_version_of_its_own() {
    let fixture = Fixture::new().await;
    let (ana, bob) = (fixture.user("ana").await, fixture.user("bob").await);
    let (one, two, other) = (fixture.group("one").await, fixture.group("two").await, fixture.group("other").await);
    let one = fixture.members(&one, &[&ana, &bob], &[]).await.unwrap();
    let two = fixture.members(&two, &[&ana], &[]).await.unwrap();

    let stored = fixture.store.commit(observed(Write::delete(&fixture.cx, ana.clone()))).await.unwrap();

    for (group, left) in [(&one, 1), (&two, 0)] {
        let now = fixture.now(group).await.unwrap();
        assert_eq!(now.version(), group.version() + 1);
        assert_eq!(fixture.store.member_count(REALM, group.id()).await.unwrap(), left);
        assert_eq!(fixture.store.history(REALM, group.id()).await.unwrap().last().unwrap().resource, *group);
        let row = fixture.journal().await.into_iter().rfind(|row| row.id == group.id()).unwrap();
        assert!(row.sequence > stored.sequence);
        assert_eq!((row.operation, row.version, row.members_removed), (Operation::Patch, now.version(), 1));
        let change = fixture.store.change(row.sequence).await.unwrap().unwrap();
        assert_eq!(change.membership.removed, [member(&ana)]);
        assert_eq!((change.before.as_ref(), change.after), (Some(group), Some(now)));
    }
    assert_eq!(fixture.now(&other).await, Some(other));
    let told: Vec<Uuid> = fixture.outbox().await.iter().map(|row| row.message.cause.id).collect();
    assert_eq!(told.len(), 3);
    assert!([&ana, &one, &two].iter().all(|r| told.contains(&r.id())));
    fixture.sound().await;
}

#[tokio::test]
async fn a_deleted_group_leaves_its_members_and_its_own_groups() {
    let fixture = Fixture::new().await;
    let ana = fixture.user("ana").await;
    let (inner, outer) = (fixture.group("inner").await, fixture.group("outer").await);
    let inner = fixture.members(&inner, &[&ana], &[]).await.unwrap();
    let outer = fixture.members(&outer, &[&inner, &ana], &[]).await.unwrap();

    fixture.delete(&inner).await.unwrap();

    assert_eq!(fixture.now(&ana).await, Some(ana.clone()));
    let groups = fixture.store.group_ids_of(REALM, ana.id()).await.unwrap();
    assert_eq!(groups, [outer.id()]);
    assert_eq!(fixture.store.member_count(REALM, outer.id()).await.unwrap(), 1);
    fixture.sound().await;
}

#[tokio::test]
async fn groups_that_hold_each_other_or_themselves_can_be_deleted() {
    let fixture = Fixture::new().await;
    let (one, two) = (fixture.group("one").await, fixture.group("two").await);
    let one = fixture.members(&one, &[&one, &two], &[]).await.unwrap();
    fixture.members(&two, &[&one], &[]).await.unwrap();

    fixture.delete(&one).await.unwrap();
    fixture.sound().await;
    fixture.delete(&two).await.unwrap();

    assert!(
        fixture.store.find(REALM, fixture.groups(), Query { count: 9, ..Query::default() }).await.unwrap().total == 0
    );
    fixture.sound().await;
}

#[tokio::test]
async fn a_delete_that_a_membership_came_in_between_looks_again() {
    let fixture = Fixture::new().await;
    let (ana, team) = (fixture.user("ana").await, fixture.group("team").await);
    let delete = Write::delete(&fixture.cx, ana.clone());
    let ground = fixture.store.look(&delete).await.unwrap();
    let after = fixture.next(&team);
    let join = fixture.membership(&team, &after, &[&ana], &[]);
    let joining = fixture.store.look(&join).await.unwrap();
    fixture.store.commit(join.clone()).await.unwrap();

    // What the delete saw before she joined no longer holds, and what it sees now does.
    assert_eq!(fixture.store.try_apply(&delete, &ground).await.unwrap().map(|(stored, _)| stored), None);
    fixture.sound().await;
    fixture.store.commit(delete).await.unwrap();

    // And who is gone cannot join, whatever was seen before.
    let stale = fixture.store.try_apply(&join, &joining).await.map(drop);
    assert!(matches!(stale, Err(CommitError::Clash)), "{stale:?}");
    assert!(fixture.store.group_ids_of(REALM, ana.id()).await.unwrap().is_empty());
    fixture.sound().await;
}

#[tokio::test]
async fn somebody_who_is_deleted_while_joining_does_not_join() {
    let fixture = Fixture::new().await;
    let (ana, team) = (fixture.user("ana").await, fixture.group("team").await);
    let join = fixture.membership(&team, &fixture.next(&team), &[&ana], &[]);
    let joining = fixture.store.look(&join).await.unwrap();
    fixture.delete(&ana).await.unwrap();

    let outcome = fixture.store.try_apply(&join, &joining).await.map(drop);

    assert!(matches!(outcome, Err(CommitError::Clash)), "{outcome:?}");
    assert!(fixture.store.members(REALM, team.id(), None, 9).await.unwrap().is_empty());
    fixture.sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_added_while_being_deleted_is_nowhere_in_the_end() {
    let fixture = Arc::new(Fixture::new().await);
    let team = fixture.group("team").await;
    for round in 0..30 {
        let ana = fixture.user(&format!("ana{round}")).await;
        let now = fixture.now(&team).await.unwrap();
        let adding = {
            let (fixture, ana) = (fixture.clone(), ana.clone());
            tokio::spawn(async move { fixture.members(&now, &[&ana], &[]).await })
        };
        let deleting = {
            let (fixture, ana) = (fixture.clone(), ana.clone());
            tokio::spawn(async move { fixture.delete(&ana).await })
        };
        // Who comes second either sees the other's work, or must decide again.
        let added = adding.await.unwrap();
        deleting.await.unwrap().unwrap();
        assert!(matches!(added, Ok(_) | Err(CommitError::Clash)), "{added:?}");
        assert_eq!(fixture.store.member_count(REALM, team.id()).await.unwrap(), 0);
        assert!(fixture.store.members(REALM, team.id(), None, 9).await.unwrap().is_empty());
        assert!(fixture.store.group_ids_of(REALM, ana.id()).await.unwrap().is_empty());
    }
    fixture.sound().await;
}

#[tokio::test]
async fn what_is_old_is_forgotten_and_what_is_still_needed_is_not() {
    let fixture = Fixture::new().await;
    let first = fixture.user("ana").await;
    let second = fixture.replace(&first, json!({ "title": "CEO" })).await.unwrap();
    let third = fixture.next(&second);
    let update = Write::update(&fixture.cx, Operation::Patch, second.clone(), third.clone());
    fixture.store.commit(observed(update)).await.unwrap();
    fixture.replace(&third, json!({ "title": "CFO" })).await.unwrap();
    let later = fixture.cx.now + jiff::SignedDuration::from_hours(1);

    let pruned = fixture.store.prune(later).await.unwrap();

    // The third change waits to be told: its row and both of its versions stay.
    assert_eq!(pruned, Pruned { versions: 1, journal_rows: 2 });
    assert_eq!(fixture.journal().await.iter().map(|row| row.sequence).collect::<Vec<_>>(), [3, 4]);
    let change = fixture.store.change(3).await.unwrap().unwrap();
    assert_eq!((change.before, change.after), (Some(second), Some(third)));
    fixture.sound().await;

    let key = fixture.outbox().await[0].key;
    fixture.store.outbox_done(key).await.unwrap();
    assert_eq!(fixture.store.prune(later).await.unwrap(), Pruned { versions: 1, journal_rows: 1 });
    assert_eq!(fixture.store.prune(fixture.cx.now).await.unwrap(), Pruned::default());
    fixture.sound().await;

    // The numbering goes on behind the last row, also after opening again.
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.create(&user(&fixture, "bob")).await.sequence, 5);
    fixture.sound().await;
}

#[tokio::test]
async fn who_is_in_more_groups_than_one_commit_leaves_stays() {
    use super::super::keys::Direction;
    use crate::limits::GROUPS_LEFT_MAX;

    let fixture = Fixture::new().await;
    let ana = fixture.user("ana").await;
    let mut batch = Batch::default();
    for group in 0..=GROUPS_LEFT_MAX as u128 {
        batch.put(Space::Edges, keys::edge(REALM, Direction::Groups, ana.id(), Uuid::from_u128(group)), Vec::new());
    }
    fixture.store.engine.commit(batch).await.unwrap();

    let outcome = fixture.delete(&ana).await;

    assert!(matches!(outcome, Err(CommitError::TooManyGroups { .. })), "{outcome:?}");
    assert_eq!(fixture.now(&ana).await, Some(ana));
}
