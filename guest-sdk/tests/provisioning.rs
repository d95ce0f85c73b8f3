//! Another SCIM server, what is remembered of it, and what is read for it.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

use std::collections::BTreeSet;

use provost_sdk::http::DELIVERY_CALLS_MAX;
use provost_sdk::mirror::{GROUPS, Mirror, USERS};
use provost_sdk::prelude::*;
use provost_sdk::state::Table;
use provost_sdk::testing::Host;

fn resource(value: provost_sdk::Value) -> Resource {
    provost_sdk::serde_json::from_value(value).unwrap()
}

fn crm() -> Server {
    Server::new("crm", "https://crm.example/scim/")
}

#[track_caller]
fn check(status: u16, body: &str, retried: Option<bool>) {
    let failure = Host::new().answer(status, body).run(|| crm().replace("Users", "7", &json!({})).err());
    assert_eq!(failure.map(|failure| failure.is_retryable()), retried, "{status}");
}

#[test]
fn what_may_pass_is_tried_again_and_the_rest_stays() {
    for status in [408, 425, 429, 500, 502, 503, 504] {
        check(status, "", Some(true));
    }
    for status in [400, 401, 403, 409, 412, 413] {
        check(status, "", Some(false));
    }
    for status in [200, 204, 404, 410] {
        check(status, "{}", None);
    }
}

#[test]
fn a_refusal_is_told_in_the_other_servers_words_and_not_at_length() {
    let body = json!({ "scimType": "invalidValue", "detail": "é".repeat(1_000) }).to_string();
    let failure = Host::new().answer(400, body).run(|| crm().delete("Users", "7")).unwrap_err();
    assert_eq!(failure.message(), format!("crm answered 400 (invalidValue: {})", "é".repeat(200)));
}

#[test]
fn an_endpoint_that_is_not_there_is_no_empty_list() {
    let found = Host::new().answer(404, "").run(|| crm().find("Users", "id pr", &["id"]));
    assert_eq!(found.unwrap_err().message(), "crm answered 404");
}

#[test]
fn what_differs_is_patched_and_what_is_theirs_stays() {
    let there = json!({ "id": "7", "displayName": "old", "externalId": "1", "theirs": true }).to_string();
    let same = json!({ "id": "7", "displayName": "new", "externalId": "1" }).to_string();
    Host::new().answer(200, there).answer(204, "").answer(200, same).answer(404, "").run(|| {
        let (crm, wanted) = (crm(), resource(json!({ "displayName": "new", "externalId": "1" })));
        assert!(crm.amend("Groups", "7", &wanted).unwrap());
        let left = |sent: u32| DELIVERY_CALLS_MAX - sent;
        assert!(crm.room(left(2)).is_ok(), "it was read and patched");
        assert!(crm.amend("Groups", "7", &wanted).unwrap());
        assert!(crm.room(left(3)).is_ok() && crm.room(left(2)).unwrap_err().is_retryable(), "it was read only");
        assert!(!crm.amend("Groups", "7", &wanted).unwrap());
        assert!(crm.for_job().room(900).is_ok());
    });
}

#[test]
fn a_table_finds_many_with_neighbours_and_strangers_around() {
    const NUMBERS: Table<u32> = Table::new("n:");
    let name = |n: u32| format!("{n:05}");
    Host::new().state("m:00001", "9").state("o:00001", "9").run(|| {
        for n in (0..2_000).step_by(2) {
            NUMBERS.put(&name(n), &n).unwrap();
        }
        for wanted in
            [vec![], vec![7], vec![4, 5], (0..2_000).collect(), (0..5_000).step_by(333).collect(), vec![9_999; 20]]
        {
            let found = NUMBERS.among(wanted.iter().copied().map(name)).unwrap();
            let there: BTreeSet<u32> = wanted.into_iter().filter(|n| n % 2 == 0 && *n < 2_000).collect();
            assert_eq!(found.values().copied().collect::<BTreeSet<u32>>(), there);
            assert!(found.iter().all(|(key, n)| *key == name(*n)));
        }
    });
}

#[test]
fn a_table_finds_what_lies_behind_many_alike() {
    const WORDS: Table<u32> = Table::new("w:");
    Host::new().run(|| {
        for n in 0..300 {
            WORDS.put(&format!("a{n:03}"), &n).unwrap();
        }
        WORDS.put("az", &1_000).unwrap();
        let wanted = (0..10).map(|n| format!("b{n}")).chain(["az".to_owned()]);
        assert_eq!(WORDS.among(wanted).unwrap().into_values().collect::<Vec<u32>>(), [1_000]);
    });
}

#[test]
fn one_is_new_until_it_is_settled_and_again_when_it_comes_back() {
    let nobody = r#"{ "totalResults": 0 }"#;
    let host = Host::new().answer(200, nobody).answer(200, nobody).answer(201, r#"{ "id": "7" }"#);
    host.answer(200, "").answer(200, "").run(|| {
        let (crm, ana) = (Mirror::at(crm()), || resource(json!({ "id": "1", "userName": "ana" })));
        let made = crm.hold(&USERS, "1", ana()).unwrap();
        assert!((made.is_new, made.is_there(), made.is_foreign) == (true, true, false));
        crm.settled("1").unwrap();
        assert!(!crm.hold(&USERS, "1", ana()).unwrap().is_new, "and nothing is sent");

        let off = crm.switch_off("1").unwrap().unwrap();
        assert!((off.is_new, off.is_there(), off.is_active) == (true, false, false));
        crm.settled("1").unwrap();
        assert!(!crm.switch_off("1").unwrap().unwrap().is_new, "and nothing is sent");
        assert!(crm.hold(&USERS, "1", ana()).unwrap().is_new);
        assert_eq!(crm.switch_off("2").unwrap(), None);
    });
}

#[test]
fn several_of_one_name_are_nobodys() {
    let (nobody, both) = (r#"{ "totalResults": 0 }"#, r#"{ "Resources": [{ "id": "7" }, { "id": "8" }] }"#);
    let held = Host::new()
        .answer(200, nobody)
        .answer(200, both)
        .run(|| Mirror::at(crm()).hold(&GROUPS, "1", resource(json!({ "displayName": "team" }))));
    assert!(held.unwrap_err().message().contains("several Groups with this `displayName`"));
}

#[test]
fn members_come_in_their_order_as_many_as_are_asked_for() {
    let id = |n: u32| format!("01930000-0000-7000-8000-{n:012x}");
    let group = id(0xe1);
    let host = (0..450).rev().fold(Host::new(), |host, n| host.member(&group, &id(n)));
    host.run(|| {
        let ids = |after: Option<&str>, count| -> Vec<String> {
            directory::members(&group, after, count).unwrap().into_iter().map(|member| member.id).collect()
        };
        assert_eq!(ids(None, 500).len(), 450);
        assert_eq!(ids(Some(&id(9)), 401), (10..411).map(id).collect::<Vec<_>>());
        assert!(ids(Some(&id(449)), 1).is_empty());
    });
}

#[test]
fn a_visit_that_fails_keeps_nobody_waiting() {
    let user = |n: u32| json!({ "id": format!("01930000-0000-7000-8000-{n:012x}"), "userName": format!("u{n}") });
    let host = (0..5).fold(Host::new(), |host, n| host.resource("User", user(n)));
    host.run(|| {
        let mut seen = Vec::new();
        let visited = directory::visit("User", "id pr", |one: User| {
            seen.push(one.user_name.clone().unwrap());
            if seen.len() == 2 { Err(Failure::new("not this one")) } else { Ok(()) }
        });
        assert_eq!((seen.len(), visited.unwrap_err().message()), (5, "not this one"));
        assert_eq!(directory::visit("User", "id pr", |_: User| Ok(())).unwrap(), 5);
    });
}

#[test]
fn an_extension_that_is_left_out_goes_with_its_name() {
    let urn = "urn:example:life:1.0:User";
    let mut ana =
        resource(json!({ "schemas": ["a", urn], "userName": "ana", "title": "Pilot", urn: { "state": "x" } }));
    ana.leave_out(["URN:example:life:1.0:User", "title", "nickName"]);
    assert_eq!(ana, resource(json!({ "schemas": ["a"], "userName": "ana" })));
}

#[test]
fn who_is_active_and_who_leads() {
    let active = |value| resource(json!({ "active": value })).is_active();
    assert_eq!((active(json!(true)), active(json!(null)), active(json!(false))), (true, true, false));
    let ana = resource(json!({ (provost_sdk::ENTERPRISE): { "manager": { "value": "7" } } }));
    assert_eq!((ana.manager(), resource(json!({})).manager()), (Some("7"), None));
}
