//! Lists: what is found, in what order, and what it costs.

use super::*;

/// Five users that differ in what the tests ask about.
async fn directory() -> Fixture {
    let fixture = Fixture::new().await;
    let people = [
        ("Ana", json!({ "externalId": "E1", "displayName": "Ana Lima", "title": "CEO", "age": 1 })),
        ("bob", json!({ "externalId": "e1", "displayName": "ana lima", "nickName": "B" })),
        ("Anton", json!({ "displayName": "Zoë", "title": "ceo" })),
        (
            "carol",
            json!({ "displayName": "zebra", "emails": [
            { "value": "Carol@home.example", "type": "home", "primary": true },
            { "value": "carol@work.example", "type": "work" },
        ] }),
        ),
        ("dave", json!({ "emails": null, "title": "CTO" })),
    ];
    for (n, (name, attributes)) in (0..).zip(people) {
        let plain = user(&fixture, name);
        let mut all = plain.attributes().clone();
        let Value::Object(attributes) = attributes else { unreachable!() };
        all.extend(attributes);
        all.retain(|_, value| !value.is_null());
        let at = fixture.cx.now + jiff::SignedDuration::from_secs(n);
        let stamp = Stamp { last_modified: at, created: at, ..plain.stamp() };
        fixture.create(&Resource::from_stored(fixture.users().clone(), stamp, all)).await;
    }
    fixture
}

#[track_caller]
fn same(mut found: Vec<String>, expected: &[&str]) {
    found.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn indexed_attributes_are_found_without_a_scan() {
    let fixture = directory().await;
    let cases: [(&str, &[&str]); 17] = [
        ("userName eq \"ANA\"", &["Ana"]),
        ("userName eq \"nobody\"", &[]),
        ("userName sw \"AN\"", &["Ana", "Anton"]),
        ("userName gt \"anton\"", &["bob", "carol", "dave"]),
        ("userName ge \"anton\"", &["Anton", "bob", "carol", "dave"]),
        ("userName lt \"anton\"", &["Ana"]),
        ("userName le \"anton\"", &["Ana", "Anton"]),
        // externalId minds letter case (S-5.7), displayName does not.
        ("externalId eq \"E1\"", &["Ana"]),
        ("displayName eq \"ANA LIMA\"", &["Ana", "bob"]),
        ("displayName sw \"z\"", &["Anton", "carol"]),
        ("emails.value eq \"carol@WORK.example\"", &["carol"]),
        ("emails[type eq \"work\" and value eq \"carol@work.example\"]", &["carol"]),
        ("emails[type eq \"home\" and value eq \"carol@work.example\"]", &[]),
        ("meta.lastModified gt \"2023-11-14T22:13:22Z\"", &["carol", "dave"]),
        ("userName eq \"ana\" and title eq \"nothing\"", &[]),
        ("userName eq \"ana\" or externalId eq \"e1\" or userName eq \"ana\"", &["Ana", "bob"]),
        ("displayName sw \"ana\" and not (userName eq \"bob\")", &["Ana"]),
    ];
    for (filter, expected) in cases {
        let before = fixture.store.keys_read(Space::Resources);
        let found = fixture.found(fixture.users(), filter).await;
        let read = fixture.store.keys_read(Space::Resources) - before;
        assert!(read < 5, "`{filter}` read {read} of 5 records");
        same(found, expected);
    }
}

#[tokio::test]
async fn an_id_is_found_by_one_key() {
    let fixture = directory().await;
    let ana =
        &fixture.find(fixture.users(), fixture.filtered(fixture.users(), "userName eq \"ana\"")).await.resources[0];

    let before = fixture.store.keys_read(Space::Resources);
    let found = fixture.found(fixture.users(), &format!("id eq \"{}\"", ana.id())).await;

    same(found, &["Ana"]);
    assert_eq!(fixture.store.keys_read(Space::Resources) - before, 1);
    // Another spelling of an id is another id (S-5.6), and nobody has it.
    let upper = format!("id eq \"{}\"", ana.id().to_string().to_uppercase());
    same(fixture.found(fixture.users(), &upper).await, &[]);
    assert_eq!(fixture.store.keys_read(Space::Resources) - before, 1);
}

#[tokio::test]
async fn an_equality_reads_as_little_of_a_large_directory_as_of_a_small_one() {
    let fixture = Fixture::new().await;
    fixture.many_users(5_000, |n| format!("user{n}")).await;
    for filter in [
        "userName eq \"user4321\"",
        "emails.value eq \"user4321@example.com\"",
        "userName eq \"user4321\" and active eq true",
        "userName sw \"user4321\"",
    ] {
        let read = |space| fixture.store.keys_read(space);
        let before: u64 = Space::ALL.into_iter().map(read).sum();
        same(fixture.found(fixture.users(), filter).await, &["user4321"]);
        let after: u64 = Space::ALL.into_iter().map(read).sum();
        assert!(after - before <= 3, "`{filter}` read {} keys", after - before);
    }
}

#[tokio::test]
async fn everything_else_is_found_by_a_scan() {
    let fixture = directory().await;
    let cases: [(&str, &[&str]); 6] = [
        ("title eq \"ceo\"", &["Ana", "Anton"]),
        ("not (title pr)", &["bob", "carol"]),
        ("emails pr", &["Ana", "Anton", "bob", "carol"]),
        ("userName co \"a\" and title pr", &["Ana", "Anton", "dave"]),
        ("userName eq \"ana\" or title eq \"cto\"", &["Ana", "dave"]),
        ("not (userName eq \"ana\")", &["Anton", "bob", "carol", "dave"]),
    ];
    for (filter, expected) in cases {
        same(fixture.found(fixture.users(), filter).await, expected);
    }
}

#[tokio::test]
async fn values_too_long_for_a_key_are_found_all_the_same() {
    let fixture = Fixture::new().await;
    let long = "x".repeat(300);
    for (n, tail) in ["a", "b", ""].into_iter().enumerate() {
        let name = user(&fixture, &format!("{long}{tail}"));
        fixture.create(&name).await;
        fixture
            .replace(&name, json!({ "displayName": format!("{long}{tail}"), "title": n.to_string() }))
            .await
            .unwrap();
    }
    let again = fixture.store.commit(Write::create(&fixture.cx, user(&fixture, &format!("{long}B")))).await;
    assert!(matches!(again, Err(CommitError::Taken { .. })), "{again:?}");
    let count = async |filter: String| fixture.found(fixture.users(), &filter).await.len();
    for attribute in ["userName", "displayName"] {
        assert_eq!(count(format!("{attribute} eq \"{long}b\"")).await, 1);
        assert_eq!(count(format!("{attribute} eq \"{long}c\"")).await, 0);
        assert_eq!(count(format!("{attribute} sw \"{long}\"")).await, 3);
        assert_eq!(count(format!("{attribute} gt \"{long}a\"")).await, 1);
        assert_eq!(count(format!("{attribute} le \"{long}a\"")).await, 2);
        assert_eq!(count(format!("{attribute} lt \"{long}\"")).await, 0);
    }
    fixture.sound().await;
}

#[tokio::test]
async fn an_index_follows_every_change() {
    let fixture = directory().await;
    let page = fixture.find(fixture.users(), fixture.filtered(fixture.users(), "userName eq \"carol\"")).await;
    let carol = &page.resources[0];

    let change = json!({ "displayName": null, "emails": [{ "value": "new@work.example" }] });
    let carol = fixture.replace(carol, change).await.unwrap();

    same(fixture.found(fixture.users(), "displayName eq \"zebra\"").await, &[]);
    same(fixture.found(fixture.users(), "emails.value eq \"carol@home.example\"").await, &[]);
    same(fixture.found(fixture.users(), "emails.value eq \"new@work.example\"").await, &["carol"]);
    fixture.delete(&carol).await.unwrap();
    same(fixture.found(fixture.users(), "emails.value eq \"new@work.example\"").await, &[]);
    fixture.sound().await;
}

#[tokio::test]
async fn groups_are_found_by_their_members_and_users_by_their_groups() {
    let fixture = directory().await;
    let all = fixture.find(fixture.users(), Query { count: 9, ..Query::default() }).await.resources;
    let (ana, bob) = (&all[0], &all[1]);
    let (one, two, empty) = (fixture.group("one").await, fixture.group("two").await, fixture.group("empty").await);
    let one = fixture.members(&one, &[ana, bob], &[]).await.unwrap();
    fixture.members(&two, &[bob, &empty], &[]).await.unwrap();
    let (ana, bob, one) = (ana.id(), bob.id(), one.id());
    let of_groups: [(String, &[&str]); 9] = [
        (format!("members.value eq \"{bob}\""), &["one", "two"]),
        (format!("members eq \"{ana}\""), &["one"]),
        (format!("members[value eq \"{ana}\"]"), &["one"]),
        (format!("members[value eq \"{ana}\" and type eq \"User\"]"), &["one"]),
        ("members[type eq \"Group\"]".into(), &["two"]),
        (format!("members.value eq \"{ana}\" and members.value eq \"{bob}\""), &["one"]),
        (format!("not (members.value eq \"{ana}\")"), &["two", "empty"]),
        ("members.value eq \"no id\"".into(), &[]),
        ("members pr".into(), &["one", "two"]),
    ];
    for (filter, expected) in &of_groups {
        same(fixture.found(fixture.groups(), filter).await, expected);
    }
    let of_users: [(String, &[&str]); 4] = [
        (format!("groups.value eq \"{one}\""), &["Ana", "bob"]),
        (format!("groups.value eq \"{one}\" and userName eq \"bob\""), &["bob"]),
        ("groups.display eq \"TWO\"".into(), &["bob"]),
        ("not (groups pr)".into(), &["Anton", "carol", "dave"]),
    ];
    for (filter, expected) in &of_users {
        same(fixture.found(fixture.users(), filter).await, expected);
    }
}

#[tokio::test]
async fn pages_without_an_order_go_by_id_and_show_everybody_once() {
    let fixture = Fixture::new().await;
    fixture.many_users(23, |n| format!("user{n}")).await;
    for filter in [None, Some("active eq true"), Some("userName sw \"user\"")] {
        let mut seen = Vec::new();
        for start_index in [0, 11, 21, 31] {
            let base = filter.map_or_else(Query::default, |filter| fixture.filtered(fixture.users(), filter));
            let page = fixture.find(fixture.users(), Query { start_index, count: 10, ..base }).await;
            assert_eq!(page.total, 23);
            seen.extend(page.resources.iter().map(Resource::id));
        }
        assert_eq!(seen.len(), 23);
        assert!(seen.is_sorted());
    }
    let none = fixture.find(fixture.users(), Query { count: 0, ..Query::default() }).await;
    assert_eq!((none.total, none.resources.len()), (23, 0));
    assert_eq!(fixture.find(fixture.groups(), Query { count: 10, ..Query::default() }).await.total, 0);
}

#[tokio::test]
async fn lists_are_sorted_by_any_attribute_with_the_absent_last() {
    let fixture = directory().await;
    let sorted = async |by: &str, descending: bool, filter: Option<&str>| {
        let target = Target::for_sort(by, fixture.users()).unwrap();
        let base = filter.map_or_else(Query::default, |filter| fixture.filtered(fixture.users(), filter));
        let all =
            fixture.find(fixture.users(), Query { sort: Some((target.clone(), descending)), count: 9, ..base.clone() });
        let all = names(&all.await);
        // The same in pages.
        let mut paged = Vec::new();
        for start_index in 1..=all.len() {
            let sort = Some((target.clone(), descending));
            let page = fixture.find(fixture.users(), Query { sort, start_index, count: 1, ..base.clone() }).await;
            assert_eq!(page.total, all.len());
            paged.extend(names(&page));
        }
        assert_eq!(all, paged);
        all
    };
    let by_name = ["Ana", "Anton", "bob", "carol", "dave"];
    let reversed = ["dave", "carol", "bob", "Anton", "Ana"];
    assert_eq!(sorted("userName", false, None).await, by_name);
    assert_eq!(sorted("userName", true, None).await, reversed);
    assert_eq!(sorted("userName", true, Some("active eq true")).await, reversed);
    assert_eq!(sorted("meta.lastModified", true, None).await, ["dave", "carol", "Anton", "bob", "Ana"]);
    // The primary address counts, and who has none comes last, or first when descending (S-11.3, S-11.4).
    assert_eq!(sorted("emails.value", false, None).await, ["Ana", "Anton", "bob", "carol", "dave"]);
    assert_eq!(sorted("emails", true, None).await, ["dave", "carol", "bob", "Anton", "Ana"]);
    assert_eq!(sorted("title", false, Some("title pr")).await, ["Ana", "Anton", "dave"]);
    assert_eq!(sorted("nickName", false, None).await[0], "bob");
    assert_eq!(sorted("nickName", true, None).await[4], "bob");
}

#[tokio::test]
async fn a_sorted_list_walks_the_index_of_an_attribute_that_everybody_has() {
    let fixture = Fixture::new().await;
    fixture.many_users(2_000, |n| format!("user{n:04}")).await;
    let target = Target::for_sort("userName", fixture.users()).unwrap();
    let before = fixture.store.keys_read(Space::Resources);

    let query = Query { sort: Some((target, true)), start_index: 11, count: 3, filter: None };
    let page = fixture.find(fixture.users(), query).await;

    assert_eq!(page.total, 2_000);
    assert_eq!(names(&page), ["user1989", "user1988", "user1987"]);
    assert_eq!(fixture.store.keys_read(Space::Resources) - before, 3);
}

#[tokio::test]
async fn sorting_keeps_only_what_a_page_can_show() {
    let fixture = Fixture::new().await;
    fixture.many_users(1_500, |n| format!("user{:04}", (n * 7) % 1_500)).await;
    let target = Target::for_sort("emails.value", fixture.users()).unwrap();
    for (start_index, first) in [(1, "user0000"), (1_001, "user1000"), (1_499, "user1498")] {
        let query = Query { sort: Some((target.clone(), false)), start_index, count: 5, filter: None };
        let page = fixture.find(fixture.users(), query).await;
        assert_eq!((page.total, names(&page)[0].as_str()), (1_500, first));
    }
}
