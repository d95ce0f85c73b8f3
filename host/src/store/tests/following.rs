//! Lists that are followed from a position: what they show, and what they cost.

use std::collections::BTreeSet;

use super::*;
use crate::store::Sight;

fn part(fixture: &Fixture, resource_type: &Arc<ResourceType>, filter: Option<&str>, sort: Option<&str>) -> Part {
    let filter = filter.map(|filter| fixture.filtered(resource_type, filter).filter.unwrap());
    let sort = sort.and_then(|sort| Target::for_sort(sort, resource_type).ok());
    Part { resource_type: resource_type.clone(), filter, within: None, sort }
}

fn listing(parts: Vec<Part>, order: Order, count: usize) -> Listing {
    Listing { parts, order, start: Start::Behind(None), count, sight: Sight::default() }
}

/// The names on each page, to the end.
async fn pages(fixture: &Fixture, first: &Listing) -> Vec<Vec<String>> {
    let mut listing = first.clone();
    let mut pages = Vec::new();
    loop {
        let portion = fixture.store.list(REALM, &listing).await.unwrap();
        pages.push(names(&Page { total: 0, resources: portion.resources }));
        let Some(next) = portion.next else { return pages };
        listing.start = Start::Behind(Some(next));
    }
}

#[tokio::test]
async fn a_deep_page_reads_as_little_as_the_first() {
    let fixture = Fixture::new().await;
    fixture.many_users(3_000, |n| format!("user{n:04}")).await;
    let keys_read = || Space::ALL.into_iter().map(|space| fixture.store.keys_read(space)).sum::<u64>();
    for (sort, order) in [
        (None, Order::ById),
        (Some("userName"), Order::Ascending),
        (Some("userName"), Order::Descending),
        (Some("meta.lastModified"), Order::Ascending),
    ] {
        let mut listing = listing(vec![part(&fixture, fixture.users(), None, sort)], order, 100);
        let mut costs = Vec::new();
        let mut seen = 0;
        loop {
            let before = keys_read();
            let portion = fixture.store.list(REALM, &listing).await.unwrap();
            costs.push(keys_read() - before);
            seen += portion.resources.len();
            assert_eq!(portion.total, Some(3_000), "the total of all is counted already");
            let Some(next) = portion.next else { break };
            listing.start = Start::Behind(Some(next));
        }
        assert_eq!((seen, costs.len()), (3_000, 30), "{sort:?} {order:?}");
        assert!(costs.iter().all(|cost| *cost <= costs[0]), "{sort:?} {order:?}: {costs:?}");
        assert!(costs[0] < 300, "{costs:?}");
    }
}

#[tokio::test]
async fn a_filtered_list_goes_on_where_it_was_and_does_not_begin_anew() {
    let fixture = Fixture::new().await;
    fixture.many_users(3_000, |n| format!("user{n:04}")).await;
    let read = || fixture.store.keys_read(Space::Resources);
    for (sort, order) in [(None, Order::ById), (Some("userName"), Order::Descending)] {
        let all = part(&fixture, fixture.users(), Some("userName co \"7\""), sort);
        let before = read();
        let pages = pages(&fixture, &listing(vec![all], order, 50)).await;

        let names: Vec<&String> = pages.iter().flatten().collect();
        assert_eq!(names.len(), (0..3_000).filter(|n| format!("{n:04}").contains('7')).count());
        assert!(names.is_sorted_by(|a, b| if order == Order::ById { true } else { a > b }));
        // Each page looks at a part of bounded size more than it shows, and none at what was before.
        let cost = read() - before;
        assert!(cost < 3_000 + 300 * pages.len() as u64, "{cost} records for {} pages", pages.len());
    }
}

#[tokio::test]
async fn a_page_ends_early_where_its_budget_ends_and_the_next_goes_on_s_13_3() {
    let mut fixture = Fixture::new().await;
    fixture.many_users(100, |n| format!("user{n:02}")).await;
    fixture.group("user99").await;
    fixture.store.scan_resources_max = 30;
    let both = |filter| {
        vec![
            part(&fixture, fixture.users(), Some(filter), None),
            part(&fixture, fixture.groups(), Some("displayName ew \"99\""), None),
        ]
    };

    let pages = pages(&fixture, &listing(both("userName ew \"99\""), Order::ById, 10)).await;

    assert_eq!(pages.concat(), ["user99", "user99"]);
    assert_eq!(pages[..3].concat(), Vec::<String>::new(), "thirty are looked at, and none of them matches");
    // The index names more than the budget allows: the list is followed all the same.
    let many = vec![part(&fixture, fixture.users(), Some("userName sw \"user\""), None)];
    assert_eq!(self::pages(&fixture, &listing(many, Order::ById, 40)).await.concat().len(), 100);
    // What cannot end early says so: a total, an order that no index has.
    let sorted = vec![part(&fixture, fixture.users(), Some("userName ew \"99\""), Some("title"))];
    for refused in [
        listing(sorted, Order::Ascending, 10),
        Listing { start: Start::Index(1), ..listing(both("userName ew \"99\""), Order::ById, 10) },
        listing(both("userName ew \"99\""), Order::ById, 0),
    ] {
        let refused = fixture.store.list(REALM, &refused).await;
        assert!(matches!(refused, Err(FindError::TooMany { resources_max: 30 })), "{refused:?}");
    }
}

#[tokio::test]
async fn pages_show_what_one_page_shows_in_every_order() {
    let fixture = Fixture::new().await;
    let titles = [None, Some("b"), Some("A"), Some("a"), None, Some("c"), Some("é")];
    for (n, title) in titles.iter().cycle().take(40).enumerate() {
        let user = fixture.user(&format!("{}{n}", ["x", "Y", "z"][n % 3])).await;
        fixture.replace(&user, json!({ "title": title, "externalId": "same" })).await.unwrap();
        if n % 4 == 0 {
            let group = fixture.group(&format!("group{}", n % 8)).await;
            fixture.members(&group, &[&user], &[]).await.unwrap();
        }
    }
    let of_both = |filter, sort| {
        vec![part(&fixture, fixture.users(), filter, sort), part(&fixture, fixture.groups(), filter, sort)]
    };
    let of_users = |filter, sort| vec![part(&fixture, fixture.users(), filter, sort)];
    let mut lists = Vec::new();
    for filter in [None, Some("id pr and not (externalId sw \"x\")")] {
        for sort in ["meta.lastModified", "displayName", "userName", "members", "groups.display", "title"] {
            let known = Target::for_sort(sort, fixture.users()).is_ok();
            for order in [Order::Ascending, Order::Descending] {
                lists.push((of_both(filter, Some(sort)), order));
                if known {
                    lists.push((of_users(filter, Some(sort)), order));
                }
            }
        }
        lists.push((of_both(filter, None), Order::ById));
    }
    for (parts, order) in lists {
        let what = format!("{:?} {order:?}", parts.iter().map(|p| (&p.filter, &p.sort)).collect::<Vec<_>>());
        let at = |start, count| Listing { start, ..listing(parts.clone(), order, count) };
        let ids = |portion: &Portion| portion.resources.iter().map(Resource::id).collect::<Vec<_>>();
        let whole = fixture.store.list(REALM, &at(Start::Index(1), 1_000)).await.unwrap();
        let whole_ids = ids(&whole);
        assert_eq!(whole.total, Some(whole_ids.len()), "{what}");
        assert_eq!(
            whole_ids.iter().collect::<BTreeSet<_>>().len(),
            40 + if parts.len() == 2 { 10 } else { 0 },
            "{what}"
        );
        for count in [7, 40, 49, 50, 51] {
            let (mut by_index, mut by_position) = (Vec::new(), Vec::new());
            for index in (1..=whole_ids.len()).step_by(count) {
                let portion = fixture.store.list(REALM, &at(Start::Index(index), count)).await.unwrap();
                assert_eq!((portion.total, portion.next.clone()), (whole.total, None), "{what}");
                by_index.extend(ids(&portion));
            }
            let mut start = Start::Behind(None);
            loop {
                let portion = fixture.store.list(REALM, &at(start, count)).await.unwrap();
                by_position.extend(ids(&portion));
                let Some(next) = portion.next else { break };
                assert_eq!(portion.resources.len(), count, "{what}");
                start = Start::Behind(Some(next));
            }
            assert_eq!(by_index, whole_ids, "{what} by {count}");
            assert_eq!(by_position, whole_ids, "{what} by {count}");
        }
    }
}

#[tokio::test]
async fn the_key_of_cursors_is_random_and_stays() {
    let (one, other) = (Fixture::new().await, Fixture::new().await);
    let key = *one.store.cursor_key();

    assert_ne!(&key, other.store.cursor_key());
    let one = one.reopened().await;
    assert_eq!(&key, one.store.cursor_key());
    one.sound().await;
}
