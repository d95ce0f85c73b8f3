use provost_sdk::testing::{Harness, Outcome};
use provost_sdk::{Value, http, json};

use super::ScimOut;

const ANA: &str = "01930000-0000-7000-8000-00000000000a";
const BEN: &str = "01930000-0000-7000-8000-00000000000b";
const TEAM: &str = "01930000-0000-7000-8000-0000000000e1";
const CREW: &str = "01930000-0000-7000-8000-0000000000e2";

fn scim_out(more: Value) -> Harness {
    let mut target = json!({ "name": "crm", "url": "https://crm.example/scim/v2/", "leave_out": ["nickName"] });
    for (key, value) in more.as_object().unwrap() {
        target[key] = value.clone();
    }
    Harness::new::<ScimOut>().config(json!({ "target": [target] }))
}

fn nobody() -> String {
    json!({ "totalResults": 0 }).to_string()
}

fn found(remote: &str) -> String {
    json!({ "totalResults": 1, "Resources": [{ "id": remote }] }).to_string()
}

fn made(remote: &str) -> String {
    json!({ "id": remote }).to_string()
}

fn person(id: &str, name: &str) -> Value {
    json!({ "id": id, "userName": name, "title": "Pilot", "nickName": "an", "externalId": "hr-1", "active": true })
}

fn ana(title: &str) -> Value {
    let mut ana = person(ANA, "ana");
    ana["title"] = json!(title);
    ana
}

fn group(id: &str, name: &str) -> Value {
    json!({ "id": id, "displayName": name })
}

/// Somebody changes the resource; the directory holds what comes of it.
fn becomes(mut out: Harness, resource_type: &str, before: Value, after: Value) -> Harness {
    out.replace(resource_type, before, after.clone()).review();
    out.resource(resource_type, after)
}

fn deleted(mut out: Harness, resource_type: &str, before: Value) -> Harness {
    let id = before["id"].as_str().unwrap().to_owned();
    out.delete(resource_type, before).review();
    out.without(&id)
}

/// Somebody joins or leaves a group.
fn changes(mut out: Harness, group: Value, joins: &[&str], leaves: &[&str]) -> Harness {
    let id = group["id"].as_str().unwrap().to_owned();
    let values = |ids: &[&str]| ids.iter().map(|id| json!({ "value": id })).collect::<Vec<_>>();
    let mut before = group;
    before["members"] = json!(values(leaves));
    let mut operations: Vec<Value> =
        leaves.iter().map(|one| json!({ "op": "remove", "path": format!("members[value eq \"{one}\"]") })).collect();
    operations.push(json!({ "op": "add", "path": "members", "value": values(joins) }));
    out.patch("Group", before, json!(operations)).review();
    let out = joins.iter().fold(out, |out, one| out.member(&id, one));
    leaves.iter().fold(out, |out, one| out.without_member(&id, one))
}

/// What was asked of the target: method and path behind the base, decoded as far as it matters.
fn asked(outcome: &Outcome) -> Vec<String> {
    let path = |request: &http::Request| {
        let path = request.url.strip_prefix("https://crm.example/scim/v2").unwrap();
        let path = path.replace("%20", " ").replace("%22", "\"");
        format!("{} {}", request.method, path.split('&').next().unwrap())
    };
    outcome.requests.iter().map(path).collect()
}

fn sent(outcome: &Outcome) -> Value {
    provost_sdk::serde_json::from_slice(&outcome.requests.last().unwrap().body).unwrap()
}

/// The members that the last request adds, and those that it removes.
fn members(outcome: &Outcome) -> (Vec<String>, Vec<String>) {
    let (mut adds, mut removes) = (Vec::new(), Vec::new());
    for operation in sent(outcome)["Operations"].as_array().unwrap() {
        match operation["path"].as_str().unwrap().split('"').nth(1) {
            Some(one) => removes.push(one.to_owned()),
            None => adds.extend(operation["value"].as_array().unwrap().iter().map(|one| {
                assert_eq!(operation["op"], "add");
                one["value"].as_str().unwrap().to_owned()
            })),
        }
    }
    (adds, removes)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A person who has the account `r1` there.
fn with_account(more: Value) -> Harness {
    let out = scim_out(more).answer(200, nobody()).answer(200, nobody()).answer(201, made("r1"));
    let mut out = becomes(out, "User", ana("old"), ana("Pilot"));
    out.deliver().answer.unwrap();
    out
}

/// Ana has the account `r1`, and the team is the group `g1`, without members.
fn with_team(mut more: Value) -> Harness {
    more["groups"] = more.get("groups").cloned().unwrap_or(json!({}));
    let out = with_account(more).answer(200, nobody()).answer(200, nobody()).answer(201, made("g1"));
    let mut out = becomes(out, "Group", group(TEAM, "old"), group(TEAM, "team"));
    assert_eq!(asked(&out.deliver()).len(), 3);
    out
}

#[test]
fn a_new_account_is_made_where_none_is_found() {
    let id = "01930000-0000-7000-8000-000000000001";
    let mut out = scim_out(json!({})).answer(200, nobody()).answer(200, nobody()).answer(201, made("r1"));
    out.create("User", json!({ "userName": "ana" })).review();
    let mut out = out.resource("User", json!({ "id": id, "userName": "ana", "nickName": "an", "meta": {} }));

    let delivered = out.deliver();

    let find = |path: &str, value: &str| format!("GET /Users?filter={path} eq \"{value}\"");
    assert_eq!(asked(&delivered), [find("externalId", id), find("userName", "ana"), "POST /Users".to_owned()]);
    let body = sent(&delivered);
    assert_eq!((&body["userName"], &body["externalId"]), (&json!("ana"), &json!(id)));
    assert!(body.get("nickName").is_none() && body.get("id").is_none() && body.get("meta").is_none());
}

#[test]
fn an_account_that_is_there_is_taken_over() {
    let out = scim_out(json!({})).answer(200, nobody()).answer(200, found("r7")).answer(200, "{}");
    let mut out = becomes(out, "User", ana("old"), ana("Pilot"));
    assert_eq!(asked(&out.deliver())[2], "PUT /Users/r7");
}

#[test]
fn what_was_sent_already_is_not_sent_again() {
    let mut out = becomes(with_account(json!({})), "User", ana("old"), ana("Pilot")).answer(200, "{}");
    assert!(out.deliver().requests.is_empty());
    let mut out = becomes(out, "User", ana("Pilot"), ana("Captain"));
    assert_eq!(asked(&out.deliver()), ["PUT /Users/r1"]);
}

#[test]
fn an_account_that_was_deleted_over_there_is_made_anew() {
    let out = with_account(json!({})).answer(404, "").answer(200, nobody()).answer(200, nobody());
    let mut out = becomes(out, "User", ana("Pilot"), ana("Captain")).answer(201, made("r2"));
    assert_eq!(asked(&out.deliver()).len(), 4);
}

#[test]
fn who_leaves_is_switched_off_or_deleted() {
    let mut out = deleted(with_account(json!({})), "User", ana("Pilot")).answer(204, "");
    let left = out.deliver();
    assert_eq!(
        (asked(&left), &sent(&left)["Operations"][0]["value"]),
        (vec!["PATCH /Users/r1".to_owned()], &json!(false))
    );

    let mut out = deleted(with_account(json!({ "on_leave": "delete" })), "User", ana("Pilot")).answer(404, "");
    assert_eq!(asked(&out.deliver()), ["DELETE /Users/r1"]);
    assert_eq!(out.state(&format!("twin:crm:{ANA}")), None);
}

#[test]
fn who_is_switched_off_here_is_switched_off_there() {
    let mut gone = ana("Pilot");
    gone["active"] = json!(false);
    let mut out = becomes(with_account(json!({})), "User", ana("Pilot"), gone).answer(200, "{}");
    assert_eq!(sent(&out.deliver())["active"], json!(false));
}

#[test]
fn only_those_who_fit_have_an_account() {
    let mut out = scim_out(json!({ "when": { "title": ["Pilot"] } }));
    out.create("User", json!({ "userName": "ana", "title": "Clerk" })).review();
    assert!(out.outbox().is_empty());

    let out = with_account(json!({ "when": { "title": ["Pilot"] } })).answer(204, "");
    let mut out = becomes(out, "User", ana("Pilot"), ana("Clerk"));
    assert_eq!(asked(&out.deliver()), ["PATCH /Users/r1"]);
}

#[test]
fn who_comes_back_is_switched_on_though_nobody_ever_said_so_here() {
    let quiet = |title: &str| json!({ "id": ANA, "userName": "ana", "title": title });
    let out = with_account(json!({ "when": { "title": ["Pilot", "Captain"] } })).answer(204, "").answer(200, "{}");
    let mut out = becomes(out, "User", ana("Pilot"), quiet("Clerk"));
    assert_eq!(asked(&out.deliver()), ["PATCH /Users/r1"]);
    let mut out = becomes(out, "User", quiet("Clerk"), quiet("Pilot"));
    assert_eq!(sent(&out.deliver())["active"], json!(true));
}

#[test]
fn a_target_that_is_down_is_asked_again_and_one_that_refuses_is_quoted() {
    let refused = json!({ "status": "400", "scimType": "invalidValue", "detail": "no such title" }).to_string();
    let out = scim_out(json!({})).answer(503, "").answer(200, nobody()).answer(200, nobody()).answer(409, "");
    let out = out.answer(200, nobody()).answer(200, nobody()).answer(400, refused);
    let mut out = becomes(out, "User", ana("old"), ana("Pilot"));

    assert!(out.deliver().failure().is_retryable());
    assert!(out.deliver().failure().is_retryable(), "who made it at the same time is found the next time");
    let failure = out.deliver().failure().clone();
    assert_eq!(failure.message(), "crm answered 400 (invalidValue: no such title)");
    assert!(!failure.is_retryable());
    assert_eq!(out.outbox().len(), 1);
}

#[test]
fn only_groups_that_are_asked_for_are_sent() {
    let mut out = becomes(scim_out(json!({})), "Group", group(TEAM, "old"), group(TEAM, "team"));
    out.delete("Group", group(TEAM, "team")).review();
    assert!(out.outbox().is_empty());

    let chosen = scim_out(json!({ "groups": { "displayName": ["team"] } }));
    let out = becomes(chosen, "Group", group(CREW, "old"), group(CREW, "crew"));
    assert!(out.outbox().is_empty());
    let out = becomes(out, "Group", group(TEAM, "old"), group(TEAM, "team")).answer(200, found("g9"));
    let mut out = out.answer(200, "{}").answer(200, "").answer(200, "");
    assert_eq!(asked(&out.deliver())[1], "GET /Groups/g9?attributes=displayName,externalId");
    let mut out = becomes(out, "Group", group(TEAM, "team"), group(TEAM, "gang")).answer(204, "");
    assert_eq!(asked(&out.deliver()), ["DELETE /Groups/g9"], "it does not fit any more");
}

#[test]
fn a_new_group_gets_those_members_who_are_there() {
    let out = with_account(json!({ "groups": {} })).resource("User", person(BEN, "ben")).member(TEAM, ANA);
    let out = out.member(TEAM, BEN).answer(200, nobody()).answer(200, nobody()).answer(201, made("g1"));
    let mut out = becomes(out, "Group", group(TEAM, "old"), group(TEAM, "team")).answer(200, "");

    let delivered = out.deliver();

    assert_eq!(asked(&delivered)[2..], ["POST /Groups", "PATCH /Groups/g1"]);
    assert_eq!(members(&delivered), (names(&["r1"]), names(&[])));
}

#[test]
fn the_members_of_a_group_that_is_taken_over_are_all_from_then_on() {
    let out = with_account(json!({ "groups": {} })).member(TEAM, ANA).answer(200, nobody()).answer(200, found("g7"));
    let there = json!({ "id": "g7", "displayName": "TEAM", "theirs": 1 }).to_string();
    let out = out.answer(200, there).answer(200, "").answer(200, "");
    let mut out = becomes(out, "Group", group(TEAM, "old"), group(TEAM, "team"));

    let delivered = out.deliver();

    let asked = asked(&delivered);
    assert_eq!(asked[3..], ["PATCH /Groups/g7", "PATCH /Groups/g7"]);
    let renamed: Value = provost_sdk::serde_json::from_slice(&delivered.requests[3].body).unwrap();
    assert_eq!(renamed["Operations"].as_array().unwrap().len(), 2, "`displayName` and `externalId`: {renamed}");
    let operations = json!([{ "op": "replace", "path": "members", "value": [{ "value": "r1" }] }]);
    assert_eq!(sent(&delivered)["Operations"], operations);
}

#[test]
fn a_group_is_not_taken_from_another_of_the_same_name() {
    let theirs = json!({ "Resources": [{ "id": "g1", "externalId": TEAM }] }).to_string();
    let out = with_team(json!({})).answer(200, nobody()).answer(200, theirs).answer(201, made("g2"));
    let mut out = becomes(out, "Group", group(CREW, "old"), group(CREW, "team"));
    assert_eq!(asked(&out.deliver())[2], "POST /Groups");
}

#[test]
fn a_change_of_members_is_sent_as_the_difference_and_no_more() {
    let out = with_team(json!({})).answer(200, nobody()).answer(200, nobody()).answer(201, made("r2"));
    let mut out = becomes(out, "User", person(BEN, "old"), person(BEN, "ben"));
    out.deliver().answer.unwrap();
    let mut out = changes(out, group(TEAM, "team"), &[ANA], &[]).answer(204, "");
    assert_eq!(members(&out.deliver()), (names(&["r1"]), names(&[])));

    let mut out = changes(out, group(TEAM, "team"), &[BEN], &[ANA]).answer(204, "");
    let delivered = out.deliver();
    assert_eq!(asked(&delivered), ["PATCH /Groups/g1"]);
    assert_eq!(members(&delivered), (names(&["r2"]), names(&["r1"])));
}

#[test]
fn an_old_message_sends_what_is_true_now() {
    let out = changes(with_team(json!({})), group(TEAM, "team"), &[ANA], &[]);
    let mut out = changes(out, group(TEAM, "team"), &[], &[ANA]).answer(204, "").answer(204, "");
    assert_eq!(members(&out.deliver()), (names(&[]), names(&["r1"])));
    assert_eq!(members(&out.deliver()), (names(&[]), names(&["r1"])));
}

#[test]
fn who_is_no_member_any_more_is_passed_over_where_that_is_refused() {
    let strict = json!({ "status": "400", "scimType": "noTarget" }).to_string();
    let out = changes(with_team(json!({})), group(TEAM, "team"), &[], &[ANA]).answer(400, strict);
    let mut out = out.answer(200, json!({ "id": "g1", "members": [{ "value": "other" }] }).to_string());
    let delivered = out.deliver();
    delivered.answer.as_ref().unwrap();
    assert_eq!(asked(&delivered), ["PATCH /Groups/g1", "GET /Groups/g1?attributes=members"]);
}

#[test]
fn a_renamed_group_is_patched_and_keeps_its_members() {
    let there = json!({ "id": "g1", "displayName": "team", "externalId": TEAM }).to_string();
    let out = with_team(json!({})).answer(200, there).answer(200, "");
    let mut out = becomes(out, "Group", group(TEAM, "team"), group(TEAM, "gang"));
    let delivered = out.deliver();
    let rename = json!([{ "op": "replace", "path": "displayName", "value": "gang" }]);
    assert_eq!((asked(&delivered).len(), &sent(&delivered)["Operations"]), (2, &rename));
}

#[test]
fn a_group_that_was_deleted_over_there_is_made_anew_with_all_its_members() {
    let out = with_team(json!({})).resource("User", person(BEN, "ben")).member(TEAM, ANA).answer(404, "");
    let mut out = changes(out, group(TEAM, "team"), &[BEN, ANA], &[]);
    assert!(out.deliver().failure().is_retryable());
    let mut out = out.answer(200, nobody()).answer(200, nobody()).answer(201, made("g2")).answer(200, "");
    let delivered = out.deliver();
    assert_eq!(asked(&delivered)[3], "PATCH /Groups/g2");
    assert_eq!(members(&delivered), (names(&["r1"]), names(&[])));
}

#[test]
fn the_membership_of_who_comes_later_follows() {
    let out = changes(with_team(json!({})).resource("User", person(BEN, "ben")), group(TEAM, "team"), &[BEN], &[]);
    let mut out = out.answer(200, nobody()).answer(200, nobody()).answer(201, made("r2")).answer(200, "");
    assert!(out.deliver().requests.is_empty(), "nobody of that name is there");

    let mut out = becomes(out, "User", person(BEN, "old"), person(BEN, "ben"));
    let delivered = out.deliver();

    assert_eq!(asked(&delivered)[2..], ["POST /Users", "PATCH /Groups/g1"]);
    assert_eq!(members(&delivered), (names(&["r2"]), names(&[])));
}

#[test]
fn many_memberships_take_several_attempts_and_no_group_is_passed_over() {
    const GROUPS: usize = 40;
    const FIRST: usize = provost_sdk::http::DELIVERY_CALLS_MAX as usize;
    let ids: Vec<String> = (0..GROUPS).map(|n| format!("01930000-0000-7000-8000-000000000f{n:02}")).collect();
    let mut out = with_account(json!({ "groups": {}, "when": { "title": ["Pilot", "Captain"] } }));
    for (n, id) in ids.iter().enumerate() {
        out = out.answer(200, nobody()).answer(200, nobody()).answer(201, made(&format!("f{n}"))).answer(200, "");
        out = becomes(out.member(id, ANA), "Group", group(id, "old"), group(id, &format!("f{n}")));
        out.deliver().answer.unwrap();
    }
    let out = (0..=GROUPS).fold(out, |out, _| out.answer(204, ""));

    let mut out = becomes(out, "User", ana("Pilot"), ana("Clerk"));
    let first = out.deliver();
    assert!(first.failure().is_retryable());
    assert_eq!(members(&first), (names(&[]), names(&["r1"])), "nobody is a member there who is not there");
    let second = out.deliver();
    second.answer.as_ref().unwrap();

    let asked = [asked(&first), asked(&second)].concat();
    let each: Vec<String> = (0..GROUPS).map(|n| format!("PATCH /Groups/f{n}")).collect();
    assert_eq!((&*asked[0], &asked[1..]), ("PATCH /Users/r1", &each[..]));

    // Who comes back is in all of them again, however far the leaving came.
    let out = (0..=GROUPS).fold(out, |out, _| out.answer(200, ""));
    let mut out = becomes(out, "User", ana("Clerk"), ana("Captain"));
    assert_eq!((out.deliver().requests.len(), out.deliver().requests.len()), (FIRST, GROUPS + 1 - FIRST));
}

#[test]
fn who_leaves_is_in_no_group_over_there_any_more() {
    let out = changes(with_team(json!({})), group(TEAM, "team"), &[ANA], &[]).resource("Group", group(TEAM, "team"));
    let mut out = out.answer(200, "").answer(204, "").answer(204, "");
    out.deliver().answer.unwrap();

    let mut out = deleted(out, "User", ana("Pilot"));
    let delivered = out.deliver();

    assert_eq!(asked(&delivered), ["PATCH /Users/r1", "PATCH /Groups/g1"]);
    assert_eq!(members(&delivered), (names(&[]), names(&["r1"])));
}

#[test]
fn a_group_in_a_group_is_a_member_like_any_other() {
    let out = with_team(json!({})).answer(200, nobody()).answer(200, nobody()).answer(201, made("g2"));
    let out = out.member(TEAM, CREW).answer(200, "");
    let mut out = becomes(out, "Group", group(CREW, "old"), group(CREW, "crew"));
    let delivered = out.deliver();
    assert_eq!(asked(&delivered)[3], "PATCH /Groups/g1");
    assert_eq!(members(&delivered), (names(&["g2"]), names(&[])));
}

#[test]
fn more_change_than_messages_can_name_is_sent_as_a_whole() {
    let others: Vec<String> = (0..4_000).map(|n| format!("01930000-0000-7000-8000-{:012x}", 0x10_0000 + n)).collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let out = changes(with_team(json!({})), group(TEAM, "team"), &[ANA], &[]).answer(200, "");
    let mut out = changes(out, group(TEAM, "team"), &others[..500], &[]);
    assert_eq!(out.outbox().len(), 4, "one, and three of two hundred each");
    while !out.outbox().is_empty() {
        out.deliver().answer.unwrap();
    }

    let values: Vec<Value> = others.iter().map(|one| json!({ "value": one })).collect();
    let all = json!([{ "op": "replace", "path": "members", "value": values }]);
    let mut out = out.answer(200, "");
    out.patch("Group", group(TEAM, "team"), all).review();
    assert_eq!(out.outbox().len(), 1);
    let operations = json!([{ "op": "replace", "path": "members", "value": [{ "value": "r1" }] }]);
    assert_eq!(sent(&out.deliver())["Operations"], operations);
}

#[test]
fn the_jobs_compare_everybody_and_tell_who_still_holds_what() {
    let out = with_team(json!({})).resource("User", ana("Captain")).member(TEAM, ANA);
    let mut out = out.answer(200, "{}").answer(200, "");
    let resynced = out.run("resync");
    assert_eq!(
        (resynced.report.as_str(), asked(&resynced)),
        (
            "2 people and groups were compared with what 1 targets hold",
            vec!["PUT /Users/r1".to_owned(), "PATCH /Groups/g1".to_owned()]
        )
    );
    assert_eq!(sent(&resynced)["Operations"][0]["op"], "replace", "strangers in the group go");
    let mut out = out.answer(200, "");
    assert_eq!(asked(&out.run("resync")), ["PATCH /Groups/g1"]);
    assert_eq!(out.run("report").report, "1 accounts are known; 0 are switched on for people who have left");

    let mut out = with_account(json!({})).without(ANA);
    let reported = out.run("report");
    assert_eq!(reported.report, "1 accounts are known; 1 are switched on for people who have left");
    assert_eq!(reported.log[0].fields[1], ("id".to_owned(), ANA.to_owned()));
    assert!(out.run("sleep").failure().message().contains("`resync`, `report`"));
}

#[test]
fn what_makes_no_sense_is_found() {
    let target = |name: &str, url: &str| json!({ "name": name, "url": url });
    let config = json!({ "target": [target("", "https://a"), target("b", "ldap://b"), target("b", "https://c?d")] });
    let found = Harness::new::<ScimOut>().config(config).check_config();
    let paths: Vec<&str> = found.iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(paths, ["target[0].name", "target[1].url", "target[2].url", "target[2].name"]);
}
