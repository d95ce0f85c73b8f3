//! Memberships: edges from both ends, however large the group.

use super::*;

async fn ids(fixture: &Fixture, group: &Resource) -> Vec<Uuid> {
    let members = fixture.store.members(REALM, group.id(), None, usize::MAX).await.unwrap();
    members.into_iter().map(|member| member.id).collect()
}

#[tokio::test]
async fn a_membership_is_seen_from_both_ends() {
    let fixture = Fixture::new().await;
    let (ana, bob, team) = (fixture.user("ana").await, fixture.user("bob").await, fixture.group("team").await);
    let inner = fixture.group("inner").await;

    let team = fixture.members(&team, &[&ana, &inner], &[]).await.unwrap();

    let store = &fixture.store;
    assert_eq!(store.member_count(REALM, team.id()).await.unwrap(), 2);
    assert!(store.is_member(REALM, team.id(), ana.id()).await.unwrap());
    assert!(!store.is_member(REALM, team.id(), bob.id()).await.unwrap());
    assert_eq!(store.members(REALM, team.id(), None, 9).await.unwrap(), [member(&ana), member(&inner)]);
    assert_eq!(
        store.members_among(REALM, team.id(), &[bob.id(), inner.id()]).await.unwrap(),
        [None, Some(member(&inner))]
    );
    let groups = store.groups_of(REALM, ana.id()).await.unwrap();
    assert_eq!(groups, [GroupOf { id: team.id(), resource_type: "Group".into(), display: Some("team".into()) }]);
    assert!(store.groups_of(REALM, bob.id()).await.unwrap().is_empty());
    assert_eq!(fixture.journal().await.last().unwrap().members_added, 2);
    fixture.sound().await;
}

#[tokio::test]
async fn who_is_in_does_not_join_again_and_who_is_not_does_not_leave() {
    let fixture = Fixture::new().await;
    let (ana, bob, team) = (fixture.user("ana").await, fixture.user("bob").await, fixture.group("team").await);
    let team = fixture.members(&team, &[&ana], &[]).await.unwrap();

    let team = fixture.members(&team, &[&ana], &[&bob]).await.unwrap();

    assert_eq!(ids(&fixture, &team).await, [ana.id()]);
    assert_eq!(fixture.store.member_count(REALM, team.id()).await.unwrap(), 1);
    let row = fixture.journal().await.pop().unwrap();
    assert_eq!((row.members_added, row.members_removed), (0, 0));
    fixture.sound().await;
}

#[tokio::test]
async fn members_are_read_in_pages_by_id() {
    let fixture = Fixture::new().await;
    let users = fixture.many_users(25, |n| format!("user{n}")).await;
    let team = fixture.group("team").await;
    let team = fixture.members(&team, &users.iter().collect::<Vec<_>>(), &[]).await.unwrap();
    let mut expected: Vec<Uuid> = users.iter().map(Resource::id).collect();
    expected.sort_unstable();

    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let page = fixture.store.members(REALM, team.id(), after, 10).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        read.extend(page.into_iter().map(|m| m.id));
    }

    assert_eq!(read, expected);
}

#[tokio::test]
async fn somebody_who_does_not_exist_cannot_join() {
    let fixture = Fixture::new().await;
    let team = fixture.group("team").await;
    let ghost = user(&fixture, "ghost");

    let outcome = fixture.members(&team, &[&ghost], &[]).await;

    assert!(matches!(outcome, Err(CommitError::Clash)), "{outcome:?}");
    assert_eq!(fixture.store.types_of(REALM, &[ghost.id(), team.id()]).await.unwrap(), [None, Some("Group".into())]);
    fixture.sound().await;
}

#[tokio::test]
async fn observers_hear_who_joined_and_who_left() {
    let fixture = Fixture::new().await;
    let (ana, bob, team) = (fixture.user("ana").await, fixture.user("bob").await, fixture.group("team").await);
    let team = fixture.members(&team, &[&ana], &[]).await.unwrap();
    let after = fixture.next(&team);
    let write = fixture.membership(&team, &after, &[&bob], &[&ana]);
    let stored = fixture.store.commit(write).await.unwrap();

    let change = fixture.store.change(stored.sequence).await.unwrap().unwrap();

    let expected = MembershipChange { added: vec![member(&bob)], removed: vec![member(&ana)], total_before: 1 };
    assert_eq!(change.membership, expected);
    assert_eq!((change.before, change.after), (Some(team), Some(after)));
}

#[tokio::test]
async fn adding_one_member_writes_as_many_keys_to_a_large_group_as_to_a_small_one() {
    let fixture = Fixture::new().await;
    let users = fixture.many_users(100_003, |n| format!("user{n}")).await;
    let (new, crowd) = users.split_at(3);
    let mut written = Vec::new();
    for (members, new) in [(&crowd[..1], &new[0]), (crowd, &new[1])] {
        let team = fixture.group(&format!("team of {}", members.len())).await;
        let team = fixture.members(&team, &members.iter().collect::<Vec<_>>(), &[]).await.unwrap();
        let edges_read = fixture.store.keys_read(Space::Edges);
        let after = fixture.next(&team);
        let stored = fixture.store.commit(fixture.membership(&team, &after, &[new], &[])).await.unwrap();
        written.push(stored.keys_written);
        assert_eq!(fixture.store.keys_read(Space::Edges) - edges_read, 1);
        assert_eq!(stored.members, members.len() as u64 + 1);
    }
    // The record, two edges, one past version, the journal and its members, the index of lastModified.
    assert_eq!(written, [8, 8]);

    // The group itself is read without any of its edges.
    let found = fixture.found(fixture.groups(), "displayName eq \"team of 100000\"").await;
    assert_eq!(found, ["team of 100000"]);
    let page = fixture.find(fixture.groups(), fixture.filtered(fixture.groups(), "displayName sw \"team\"")).await;
    let edges_read = fixture.store.keys_read(Space::Edges);
    let large = page.resources.iter().max_by_key(|g| g.attributes()["displayName"].as_str().unwrap().len()).unwrap();
    assert_eq!(fixture.now(large).await.as_ref(), Some(large));
    assert_eq!(fixture.store.member_count(REALM, large.id()).await.unwrap(), 100_001);
    assert_eq!(fixture.store.keys_read(Space::Edges), edges_read);

    // Entra's membership probe costs one edge.
    let probe = format!("id eq \"{}\" and members eq \"{}\"", large.id(), new[1].id());
    assert_eq!(fixture.found(fixture.groups(), &probe).await.len(), 1);
    let probe = format!("id eq \"{}\" and members[value eq \"{}\"]", large.id(), new[2].id());
    assert_eq!(fixture.found(fixture.groups(), &probe).await.len(), 0);
    assert_eq!(fixture.store.keys_read(Space::Edges), edges_read + 2);

    // And it goes whole, in one commit.
    let stored = fixture.delete(large).await.unwrap();
    assert!(stored.keys_written > 200_000);
    let change = fixture.store.change(stored.sequence).await.unwrap().unwrap();
    assert_eq!(change.membership.removed.len(), 100_001);
    assert!(fixture.store.members(REALM, large.id(), None, 1).await.unwrap().is_empty());
    assert!(fixture.store.groups_of(REALM, new[1].id()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_additions_to_one_group_lose_nobody() {
    let fixture = Arc::new(Fixture::new().await);
    let users = fixture.many_users(80, |n| format!("user{n}")).await;
    let team = fixture.group("team").await;
    let add = |newcomers: Vec<Resource>| {
        let (fixture, team) = (fixture.clone(), team.clone());
        tokio::spawn(async move {
            for newcomer in &newcomers {
                loop {
                    let now = fixture.now(&team).await.unwrap();
                    match fixture.members(&now, &[newcomer], &[]).await {
                        Ok(_) => break,
                        Err(error) => assert!(matches!(error, CommitError::Clash), "{error:?}"),
                    }
                }
            }
        })
    };
    for adder in users.chunks(10).map(|part| add(part.to_vec())).collect::<Vec<_>>() {
        adder.await.unwrap();
    }
    assert_eq!(ids(&fixture, &team).await.len(), 80);
    assert_eq!(fixture.now(&team).await.unwrap().version(), 81);
    fixture.sound().await;
}

#[tokio::test]
async fn the_groups_above_are_told_once_each_and_circles_end() {
    let fixture = Fixture::new().await;
    let (ana, bob) = (fixture.user("ana").await, fixture.user("bob").await);
    let (one, two, three) = (fixture.group("one").await, fixture.group("two").await, fixture.group("three").await);
    // Ana in one, one in two and three, two in three, and three in one and in itself.
    let one = fixture.members(&one, &[&ana, &three], &[]).await.unwrap();
    let two = fixture.members(&two, &[&one], &[]).await.unwrap();
    let three = fixture.members(&three, &[&one, &two, &three], &[]).await.unwrap();
    let (one, two, three) = (one.id(), two.id(), three.id());
    let lineages = async |memberships_max: usize| {
        Ancestry::new(&fixture.store, REALM, memberships_max).of(&[ana.id(), bob.id(), two]).await
    };

    let edges = fixture.store.keys_read(Space::Edges);
    let found = lineages(100).await.unwrap();
    // Ana's one, two's one, and once the two, one and two of the groups.
    assert_eq!(fixture.store.keys_read(Space::Edges) - edges, 1 + 1 + 2 + 1 + 2);

    assert_eq!(found[0], Lineage { direct: vec![one], indirect: vec![two, three] });
    assert_eq!(found[1], Lineage::default());
    assert_eq!((&found[2].direct, &found[2].indirect), (&vec![three], &vec![one, two]));
    // A list is never cut: what follows too much fails.
    let followed = 7 + 2 + 2;
    assert!(lineages(followed).await.is_ok());
    for memberships_max in 0..followed {
        let outcome = lineages(memberships_max).await;
        assert!(matches!(outcome, Err(FindError::TooManyGroups { .. })), "{memberships_max}: {outcome:?}");
    }
}

#[tokio::test]
async fn more_groups_than_one_read_takes_are_all_told() {
    let fixture = Fixture::new().await;
    let ana = fixture.user("ana").await;
    let groups: Vec<Resource> = (0..1_100).map(|n| group(&fixture, &format!("group{n}"))).collect();
    merged(&fixture.store, groups.iter().map(|group| Write::create(&fixture.cx, group.clone())).collect()).await;
    for group in &groups {
        fixture.members(group, &[&ana], &[]).await.unwrap();
    }

    let lineage = Ancestry::new(&fixture.store, REALM, 1_100).of(&[ana.id()]).await.unwrap();

    let mut expected: Vec<Uuid> = groups.iter().map(Resource::id).collect();
    expected.sort_unstable();
    assert_eq!(lineage, [Lineage { direct: expected, indirect: Vec::new() }]);
    assert!(Ancestry::new(&fixture.store, REALM, 1_099).of(&[ana.id()]).await.is_err());
    assert_eq!(fixture.store.groups_of(REALM, ana.id()).await.unwrap().len(), 1_100);
}
