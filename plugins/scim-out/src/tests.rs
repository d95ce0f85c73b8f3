use provost_sdk::testing::{Harness, Outcome};
use provost_sdk::{Value, http, json};

use super::ScimOut;

const ANA: &str = "01930000-0000-7000-8000-00000000000a";

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

fn ana(title: &str) -> Value {
    json!({ "id": ANA, "userName": "ana", "title": title, "nickName": "an", "externalId": "hr-1", "active": true })
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

/// A person who has the account `r1` there.
fn with_account(more: Value) -> Harness {
    let made = json!({ "id": "r1" }).to_string();
    let mut out = scim_out(more).answer(200, nobody()).answer(200, nobody()).answer(201, made);
    out.replace("User", ana("old"), ana("Pilot")).review();
    out.deliver().answer.unwrap();
    out
}

#[test]
fn a_new_account_is_made_where_none_is_found() {
    let made = json!({ "id": "r1" }).to_string();
    let mut out = scim_out(json!({})).answer(200, nobody()).answer(200, nobody()).answer(201, made);
    out.create("User", json!({ "userName": "ana", "nickName": "an" })).review();

    let delivered = out.deliver();

    let id = "01930000-0000-7000-8000-000000000001";
    let find = |path: &str, value: &str| format!("GET /Users?filter={path} eq \"{value}\"");
    assert_eq!(asked(&delivered), [find("externalId", id), find("userName", "ana"), "POST /Users".to_owned()]);
    let body = sent(&delivered);
    assert_eq!((&body["userName"], &body["externalId"]), (&json!("ana"), &json!(id)));
    assert!(body.get("nickName").is_none() && body.get("id").is_none() && body.get("meta").is_none());
}

#[test]
fn an_account_that_is_there_is_taken_over() {
    let mut out = scim_out(json!({})).answer(200, nobody()).answer(200, found("r7")).answer(200, "{}");
    out.create("User", json!({ "userName": "ana" })).review();
    assert_eq!(asked(&out.deliver())[2], "PUT /Users/r7");
}

#[test]
fn what_was_sent_already_is_not_sent_again() {
    let mut out = with_account(json!({})).answer(200, "{}");
    out.replace("User", ana("old"), ana("Pilot")).review();
    assert!(out.deliver().requests.is_empty());
    out.replace("User", ana("Pilot"), ana("Captain")).review();
    assert_eq!(asked(&out.deliver()), ["PUT /Users/r1"]);
}

#[test]
fn an_account_that_was_deleted_over_there_is_made_anew() {
    let made = json!({ "id": "r2" }).to_string();
    let mut out = with_account(json!({})).answer(404, "").answer(200, nobody()).answer(200, nobody()).answer(201, made);
    out.replace("User", ana("Pilot"), ana("Captain")).review();
    assert_eq!(asked(&out.deliver()).len(), 4);
}

#[test]
fn who_leaves_is_switched_off_or_deleted() {
    let mut out = with_account(json!({})).answer(204, "");
    out.delete("User", ana("Pilot")).review();
    let left = out.deliver();
    assert_eq!(
        (asked(&left), &sent(&left)["Operations"][0]["value"]),
        (vec!["PATCH /Users/r1".to_owned()], &json!(false))
    );

    let mut out = with_account(json!({ "on_leave": "delete" })).answer(404, "");
    out.delete("User", ana("Pilot")).review();
    assert_eq!(asked(&out.deliver()), ["DELETE /Users/r1"]);
    assert_eq!(out.state(&format!("account:crm:{ANA}")), None);
}

#[test]
fn who_is_switched_off_here_is_switched_off_there() {
    let mut out = with_account(json!({})).answer(200, "{}");
    let mut gone = ana("Pilot");
    gone["active"] = json!(false);
    out.replace("User", ana("Pilot"), gone).review();
    assert_eq!(sent(&out.deliver())["active"], json!(false));
}

#[test]
fn only_those_who_fit_have_an_account() {
    let mut out = scim_out(json!({ "when": { "title": ["Pilot"] } }));
    out.create("User", json!({ "userName": "ana", "title": "Clerk" })).review();
    assert!(out.outbox().is_empty());

    let mut out = with_account(json!({ "when": { "title": ["Pilot"] } })).answer(204, "");
    out.replace("User", ana("Pilot"), ana("Clerk")).review();
    assert_eq!(asked(&out.deliver()), ["PATCH /Users/r1"]);
}

#[test]
fn a_target_that_is_down_is_asked_again() {
    let mut out = scim_out(json!({})).answer(503, "");
    out.create("User", json!({ "userName": "ana" })).review();
    assert!(out.deliver().failure().is_retryable());
    assert_eq!(out.outbox().len(), 1);
}

#[test]
fn the_jobs_compare_everybody_and_tell_who_still_holds_what() {
    let mut out = with_account(json!({})).resource("User", ana("Captain")).answer(200, "{}");
    let resynced = out.run("resync");
    assert_eq!(
        (resynced.report.as_str(), asked(&resynced)),
        ("1 people were compared with 1 targets", vec!["PUT /Users/r1".to_owned()])
    );
    assert!(out.run("resync").requests.is_empty());
    assert_eq!(out.run("report").report, "1 accounts are known; 0 are switched on for people who have left");

    let reported = with_account(json!({})).run("report");
    assert_eq!(reported.report, "1 accounts are known; 1 are switched on for people who have left");
    assert_eq!(reported.log[0].fields[1], ("id".to_owned(), ANA.to_owned()));
}

#[test]
fn what_makes_no_sense_is_found() {
    let target = |name: &str, url: &str| json!({ "name": name, "url": url });
    let config = json!({ "target": [target("", "https://a"), target("b", "ldap://b"), target("b", "https://c")] });
    let found = Harness::new::<ScimOut>().config(config).check_config();
    let paths: Vec<&str> = found.iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(paths, ["target[0].name", "target[1].url", "target[2].name"]);
}
