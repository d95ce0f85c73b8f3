//! Paging by cursor (RFC 9865): every page, whatever changes meanwhile, and nothing for anybody else.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use provost::clock::Clock;
use provost_tests::server::{Answer, TestServer, client, crowd, user};
use serde_json::{Value, json};

const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// A path with these parameters.
fn path(endpoint: &str, parameters: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params("http://x/", parameters).unwrap();
    format!("{endpoint}?{}", url.query().unwrap_or_default())
}

async fn page(server: &TestServer, endpoint: &str, query: &[(&str, &str)], cursor: &str) -> Answer {
    let query: Vec<(&str, &str)> = query.iter().copied().chain([("cursor", cursor)]).collect();
    server.get(&path(endpoint, &query)).await
}

fn ids(page: &Value) -> Vec<String> {
    page["Resources"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect()
}

fn next(page: &Value) -> Option<String> {
    page.get("nextCursor").map(|cursor| cursor.as_str().unwrap().to_owned())
}

async fn many(server: &TestServer, count: usize) -> BTreeSet<String> {
    crowd(server, count).await.iter().map(ToString::to_string).collect()
}

/// S-13.1, S-13.2, S-13.3, S-13.4, S-13.10, S-13.12, S-9.1
#[tokio::test(flavor = "multi_thread")]
async fn every_page_but_the_last_carries_the_next_ones_cursor() {
    let server = TestServer::plain().await;
    let all = many(&server, 25).await;

    for first in ["cursor", "cursor="] {
        let mut answer = server.get(&format!("/Users?{first}&count=10")).await.expect(200).body;
        let mut seen = Vec::new();
        for (items, more) in [(10, true), (10, true), (5, false)] {
            assert_eq!((&answer["itemsPerPage"], &answer["totalResults"]), (&json!(items), &json!(25)));
            assert_eq!(answer.get("nextCursor").is_some(), more);
            assert!(answer.get("startIndex").is_none() && answer.get("previousCursor").is_none(), "{answer}");
            seen.extend(ids(&answer));
            let Some(cursor) = next(&answer) else { break };
            // S-13.2: nothing to escape.
            assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)), "{cursor}");
            answer = server.get(&format!("/Users?count=10&cursor={cursor}")).await.expect(200).body;
        }
        assert_eq!(seen.len(), 25);
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), all);
    }
    // A page that ends with the last resource is the last.
    assert_eq!(next(&server.get("/Users?cursor&count=25").await.expect(200).body), None);
    // Who asks for no cursor gets pages by index, as ever.
    let by_index = server.get("/Users?count=10").await.expect(200).body;
    assert_eq!((&by_index["startIndex"], by_index.get("nextCursor")), (&json!(1), None));
    server.get("/Users?cursor&startIndex=1").await.scim_error(400, Some("invalidValue"));
}

/// S-13.5, S-13.6, S-12.2
#[tokio::test(flavor = "multi_thread")]
async fn a_count_of_nothing_asks_for_the_total_only() {
    let server = TestServer::plain().await;
    many(&server, 7).await;

    for filter in ["", "&filter=userName+ew+%223%22", "&filter=userName+sw+%22member%22&sortBy=title"] {
        let by_index = server.get(&format!("/Users?count=0{filter}")).await.expect(200).body;
        for count in ["0", "-1"] {
            let body = server.get(&format!("/Users?cursor&count={count}{filter}")).await.expect(200).body;
            assert_eq!((&body["Resources"], &body["itemsPerPage"]), (&json!([]), &json!(0)));
            assert_eq!(body["totalResults"], by_index["totalResults"], "{filter}");
            assert_eq!(body.get("nextCursor"), None);
        }
    }
}

/// S-13.16, S-13.3: golden test 16.
#[tokio::test(flavor = "multi_thread")]
async fn deleting_the_last_resource_seen_neither_skips_nor_repeats() {
    let server = TestServer::plain().await;
    let orders: [&[(&str, &str)]; 6] = [
        &[],
        &[("sortBy", "userName")],
        &[("sortBy", "userName"), ("sortOrder", "descending")],
        &[("sortBy", "title")],
        &[("sortBy", "meta.lastModified"), ("sortOrder", "descending")],
        &[("filter", "userName co \"member\"")],
    ];
    for order in orders {
        let mut left = many(&server, 12).await;
        let query: Vec<(&str, &str)> = order.iter().copied().chain([("count", "3")]).collect();
        let mut cursor = String::new();
        loop {
            let body = page(&server, "/Users", &query, &cursor).await.expect(200).body;
            for id in ids(&body) {
                assert!(left.remove(&id), "{order:?} shows somebody twice");
                // All that were seen go, the one that the cursor was made from among them.
                server.delete(&format!("/Users/{id}")).await.expect(204);
            }
            let Some(next) = next(&body) else { break };
            cursor = next;
        }
        assert!(left.is_empty(), "{order:?} skips {}", left.len());
        assert_eq!(server.count("/Users").await, 0);
    }
}

/// S-13.16, S-12.6: golden test 16.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_change_appears_exactly_once_while_others_change() {
    let server = TestServer::plain().await;
    let all: Vec<String> = many(&server, 1_000).await.into_iter().collect();
    // Every third is changed or goes, and new ones come, while the pages are read.
    let (restless, still): (Vec<_>, Vec<_>) = all.iter().enumerate().partition(|(n, _)| n % 3 == 0);
    let orders: [&[(&str, &str)]; 4] = [
        &[],
        &[("sortBy", "userName")],
        &[("sortBy", "title"), ("sortOrder", "descending")],
        &[("filter", "active eq true or userName pr")],
    ];
    let mut restless = restless.chunks(restless.len() / orders.len());
    for order in orders {
        let restless = restless.next().unwrap();
        let changes = async {
            for (n, (_, id)) in restless.iter().enumerate() {
                let at = format!("/Users/{id}");
                match n % 3 {
                    0 => server.delete(&at).await.expect(204),
                    1 => server.put(&at, user(&format!("aaa-{id}"))).await.expect(200),
                    _ => server.patch(&at, json!([{ "op": "add", "path": "title", "value": "x" }])).await.expect(200),
                };
                server.user(&format!("new-{id}")).await;
            }
        };
        let walk = async {
            let query: Vec<(&str, &str)> = order.iter().copied().chain([("count", "10")]).collect();
            let (mut seen, mut cursor) = (BTreeMap::<String, u32>::new(), String::new());
            loop {
                let body = page(&server, "/Users", &query, &cursor).await.expect(200).body;
                ids(&body).into_iter().for_each(|id| *seen.entry(id).or_default() += 1);
                let Some(next) = next(&body) else { return seen };
                cursor = next;
            }
        };
        let ((), seen) = tokio::join!(changes, walk);
        for (_, id) in &still {
            assert_eq!(seen.get(*id), Some(&1), "{order:?}");
        }
    }
}

/// S-13.5, S-13.7, S-13.8, S-13.14, S-13.15: golden test 16.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_good_for_its_own_query_and_its_own_caller_only() {
    let server = TestServer::plain().await;
    many(&server, 8).await;
    for n in 0..8 {
        server.group(&format!("group{n}"), &[]).await;
    }
    let query = [("count", "2"), ("filter", "meta.created pr"), ("sortBy", "displayName"), ("attributes", "id")];
    let first = page(&server, "/Users", &query, "").await.expect(200).body;
    let cursor = next(&first).unwrap();
    let second = page(&server, "/Users", &query, &cursor).await.expect(200).body;

    let with = |name: &'static str, value: &'static str| {
        let mut changed: Vec<(&str, &str)> = query.iter().copied().filter(|(n, _)| *n != name).collect();
        changed.push((name, value));
        changed
    };
    let mut refused = BTreeSet::new();
    for (endpoint, query) in [
        ("/Groups", query.to_vec()),
        ("/", query.to_vec()),
        ("/Users", with("filter", "meta.created  pr")),
        ("/Users", with("sortBy", "userName")),
        ("/Users", with("sortOrder", "descending")),
        ("/Users", with("attributes", "id,userName")),
        ("/Users", with("excludedAttributes", "emails").into_iter().filter(|(n, _)| *n != "attributes").collect()),
        ("/Users", vec![("count", "2")]),
    ] {
        refused.insert(page(&server, endpoint, &query, &cursor).await.scim_error(400, Some("invalidCursor")));
    }
    let mut turned = cursor.clone();
    turned.replace_range(40..41, if &cursor[40..41] == "A" { "B" } else { "A" });
    let long = "A".repeat(5_000);
    for forged in ["1", "AAAA", "%F0%9F%92%A3", &cursor[..cursor.len() - 1], &*turned, &*format!("{cursor}A"), &*long] {
        refused.insert(page(&server, "/Users", &query, forged).await.scim_error(400, Some("invalidCursor")));
    }
    let stranger = server.new_token(&["scim.read", "scim.write"]).await;
    let query_string = path("/Users", &[&query[..], &[("cursor", cursor.as_str())]].concat());
    let url = format!("{}{query_string}", server.app.base_url);
    let strange = server.send(client().get(&url).bearer_auth(&stranger)).await;
    refused.insert(strange.scim_error(400, Some("invalidCursor")));
    // "Not yours" and "does not exist" look the same (S-13.14).
    assert_eq!(refused.len(), 1, "{refused:?}");

    for count in ["1", "3", "0", "-2", "1000"] {
        let answer = page(&server, "/Users", &with("count", count), &cursor).await;
        let detail = answer.scim_error(400, Some("invalidCount"));
        assert!(detail.contains('2'), "{detail}");
    }
    page(&server, "/Users", &query[1..], &cursor).await.scim_error(400, Some("invalidCount"));
    // After all this the cursor is as good as it was: nothing is kept of it here.
    assert_eq!(ids(&page(&server, "/Users", &query, &cursor).await.expect(200).body), ids(&second));
}

/// S-13.8, S-12.3
#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_is_too_large_is_cut_on_every_page() {
    let server = TestServer::plain().await;
    many(&server, 205).await;

    let first = server.get("/Users?cursor&count=99999999999999999999").await.expect(200).body;
    assert_eq!(first["itemsPerPage"], 200);
    let cursor = next(&first).unwrap();
    let again = server.get(&format!("/Users?count=99999999999999999999&cursor={cursor}")).await.expect(200).body;
    assert_eq!((&again["itemsPerPage"], next(&again)), (&json!(5), None));
    server.get(&format!("/Users?count=100&cursor={cursor}")).await.scim_error(400, Some("invalidCount"));
}

/// S-13.7, S-13.13
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_expires_after_the_published_time_and_each_page_gives_a_fresh_one() {
    let clock = Clock::fixed("2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap());
    let server = TestServer::at(clock.clone(), "").await;
    many(&server, 30).await;
    let config = server.get("/ServiceProviderConfig").await.expect(200).body;
    assert_eq!(
        config["pagination"],
        json!({ "cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": 100,
            "maxPageSize": 200, "cursorTimeout": 3600 })
    );
    let cursor = next(&server.get("/Users?cursor&count=10").await.expect(200).body).unwrap();

    clock.advance_ms(3_600_000);
    let second = server.get(&format!("/Users?count=10&cursor={cursor}")).await.expect(200).body;
    clock.advance_ms(1);
    let detail = server.get(&format!("/Users?count=10&cursor={cursor}")).await.scim_error(400, Some("expiredCursor"));
    assert!(detail.contains("3600 seconds"), "{detail}");
    clock.advance_ms(3_599_999);
    let third = next(&second).unwrap();
    server.get(&format!("/Users?count=10&cursor={third}")).await.expect(200);
    // A cursor of another query is no cursor of this one, however old.
    clock.advance_ms(3_600_000);
    let other = server.get(&format!("/Users?count=10&sortBy=id&cursor={third}")).await;
    other.scim_error(400, Some("invalidCursor"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_outlives_a_restart() {
    let server = TestServer::plain().await;
    let all = many(&server, 20).await;
    let first = server.get("/Users?cursor&count=15").await.expect(200).body;

    let server = server.restart(None).await;

    let cursor = next(&first).unwrap();
    let second = server.get(&format!("/Users?count=15&cursor={cursor}")).await.expect(200).body;
    let seen: BTreeSet<String> = ids(&first).into_iter().chain(ids(&second)).collect();
    assert_eq!((seen, next(&second)), (all, None));
}

/// S-13.14: possession of a cursor grants nothing.
#[tokio::test(flavor = "multi_thread")]
async fn permission_is_asked_again_on_every_page() {
    let server = TestServer::plain().await;
    many(&server, 5).await;
    let token = server.new_token(&["scim.read"]).await;
    let get = async |path: &str| {
        server.send(client().get(format!("{}{path}", server.app.base_url)).bearer_auth(&token)).await
    };
    let cursor = next(&get("/Users?cursor&count=2").await.expect(200).body).unwrap();
    let at = format!("/Users?count=2&cursor={cursor}");
    get(&at).await.expect(200);
    let tokens = server.admin("GET", "/tokens").await.expect(200).body;
    let mine = tokens["tokens"].as_array().unwrap().iter().find(|t| t["name"] == "test").unwrap()["id"].clone();

    server.admin("DELETE", &format!("/tokens/{}", mine.as_str().unwrap())).await.expect(200);

    get(&at).await.scim_error(401, None);
}

/// S-13.9, S-14.1
#[tokio::test(flavor = "multi_thread")]
async fn a_search_request_pages_by_cursor_as_a_query_string_does() {
    let server = TestServer::plain().await;
    many(&server, 9).await;
    server.group("staff", &[]).await;
    let search = async |endpoint: &str, members: Value| {
        let mut body = json!({ "schemas": [SEARCH_REQUEST], "count": 4, "filter": "id pr" });
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        server.post(endpoint, body).await
    };
    for (endpoint, total) in [("/Users/.search", 9), ("/.search", 10)] {
        let (mut seen, mut cursor) = (BTreeSet::new(), String::new());
        loop {
            let body = search(endpoint, json!({ "cursor": cursor })).await.expect(200).body;
            assert_eq!(body.get("startIndex"), None);
            assert!(ids(&body).into_iter().all(|id| seen.insert(id)));
            let Some(next) = next(&body) else { break };
            cursor = next;
        }
        assert_eq!(seen.len(), total, "{endpoint}");
    }
    let cursor = next(&search("/Users/.search", json!({ "cursor": "" })).await.expect(200).body).unwrap();
    search("/.search", json!({ "cursor": cursor })).await.scim_error(400, Some("invalidCursor"));
    search("/Users/.search", json!({ "cursor": cursor, "count": 5 })).await.scim_error(400, Some("invalidCount"));
    search("/Users/.search", json!({ "cursor": "", "startIndex": 1 })).await.scim_error(400, Some("invalidValue"));
    // It is the same query in the query string, at the same endpoint.
    page(&server, "/Users", &[("count", "4"), ("filter", "id pr")], &cursor).await.expect(200);
}

/// S-13.6
#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_would_need_a_scan_is_left_out() {
    let server = TestServer::plain().await;
    many(&server, 9).await;
    let get = async |query: &str| server.get(&format!("/Users?cursor&count=5&{query}")).await.expect(200).body;

    assert_eq!(get("filter=userName+co+%22member%22").await.get("totalResults"), None);
    assert_eq!(get("sortBy=userName").await["totalResults"], 9);
    // Known all the same: everything was looked at.
    assert_eq!(get("filter=userName+co+%22-3%22").await["totalResults"], 1);
    assert_eq!(get("filter=userName+co+%22member%22&sortBy=title").await["totalResults"], 9);
}
