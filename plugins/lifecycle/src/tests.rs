use provost_sdk::testing::Harness;
use provost_sdk::{Value, json, time};

use super::Lifecycle;

const ANA: &str = "01930000-0000-7000-8000-00000000000a";
const BOSS: &str = "01930000-0000-7000-8000-00000000000b";
const MATE: &str = "01930000-0000-7000-8000-00000000000c";
const GROUP: &str = "01930000-0000-7000-8000-0000000000e1";
const URN: &str = "urn:example:params:scim:schemas:extension:life:1.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const NOON: u64 = 1_767_268_800_000;
const MIDNIGHT: u64 = NOON + time::DAY_MS / 2;

fn lifecycle() -> Harness {
    Harness::new::<Lifecycle>()
        .extension(json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": URN, "name": "Life",
            "attributes": [{ "name": "state", "type": "string" }, { "name": "startDate", "type": "dateTime" }],
        }))
        .config(json!({
            "state": format!("{URN}:state"), "start_date": format!("{URN}:startDate"), "strips": ["roles"],
            "message": [
                { "name": "welcome", "days": -3, "url": "https://mail.example/send" },
                { "name": "notice", "days": -3, "url": "https://mail.example/send", "to": "team" },
                { "name": "farewell", "url": "https://mail.example/send", "to": "manager" },
            ],
        }))
}

fn person(active: bool, state: &str) -> Value {
    json!({ "id": ANA, "userName": "ana", "active": active, URN: { "state": state }, "roles": [{ "value": "admin" }] })
}

fn state(document: &Value) -> &Value {
    &document[URN]["state"]
}

/// Somebody changes the person; the directory holds what comes of it.
fn becomes(harness: &mut Harness, before: Value, after: Value) -> Value {
    harness.replace("User", before, after).review().document().clone()
}

#[test]
fn a_new_person_is_active_unless_somebody_says_otherwise() {
    let made = |body: Value| lifecycle().create("User", body).review();
    assert_eq!(state(made(json!({ "userName": "ana" })).document()), "active");
    assert!(made(json!({ "userName": "ana", "active": false })).proceeds());
    assert!(made(json!({ "userName": "ana", URN: { "state": "requested" } })).proceeds());
}

#[test]
fn who_comes_back_before_the_night_is_what_they_were() {
    let mut lifecycle = lifecycle();
    let gone = becomes(lifecycle.at(NOON), person(true, "probation"), person(false, "probation"));
    assert_eq!(state(&gone), "leaving");

    let back = becomes(lifecycle.at(NOON + 1), person(false, "leaving"), person(true, "leaving"));
    assert_eq!(state(&back), "probation");
    assert_eq!(lifecycle.state(&format!("leaving:{ANA}")), None);
}

#[test]
fn the_night_takes_memberships_and_what_is_named_and_says_farewell() {
    let boss = json!({ "id": BOSS, "userName": "boss", "emails": [{ "value": "boss@example.org" }] });
    let mut gone = person(false, "leaving");
    gone[ENTERPRISE] = json!({ "manager": { "value": BOSS } });
    let mut lifecycle = lifecycle().resource("Group", json!({ "id": GROUP, "displayName": "vpn" }));
    lifecycle = lifecycle.resource("User", boss).resource("User", gone).member(GROUP, ANA).member(GROUP, BOSS);
    lifecycle = lifecycle.answer(202, "");
    becomes(lifecycle.at(NOON), person(true, "active"), person(false, "active"));

    assert_eq!(lifecycle.at(NOON - time::DAY_MS / 2).run("strip").report, "0 people lost their access");
    assert_eq!(lifecycle.members(GROUP), [ANA, BOSS]);
    let night = lifecycle.at(MIDNIGHT).run("strip");

    assert_eq!(night.report, "1 people lost their access");
    assert_eq!(lifecycle.members(GROUP), [BOSS]);
    let stripped = lifecycle.stored("User", ANA).unwrap();
    assert_eq!((state(&stripped), stripped.get("roles")), (&json!("left"), None));
    let [farewell] = &night.requests[..] else { panic!("{:?}", night.requests) };
    let body: Value = provost_sdk::serde_json::from_slice(&farewell.body).unwrap();
    assert_eq!(
        (&body["message"], &body["to"][0]["emails"][0]["value"]),
        (&json!("farewell"), &json!("boss@example.org"))
    );
    assert_eq!(lifecycle.at(MIDNIGHT + 1).run("strip").report, "0 people lost their access");
}

#[test]
fn who_came_back_or_was_deleted_meanwhile_is_left_alone() {
    let mut lifecycle = lifecycle().resource("User", person(true, "active")).member(GROUP, ANA);
    becomes(lifecycle.at(NOON), person(true, "active"), person(false, "active"));

    let night = lifecycle.at(MIDNIGHT).run("strip");

    assert_eq!((night.report.as_str(), night.writes.len()), ("0 people lost their access", 0));
    assert_eq!(lifecycle.state(&format!("leaving:{ANA}")), None);

    becomes(lifecycle.at(NOON), person(true, "active"), person(false, "active"));
    lifecycle.delete("User", person(false, "leaving")).review();
    assert_eq!(lifecycle.state(&format!("leaving:{ANA}")), None);
}

#[test]
fn who_comes_back_after_the_night_begins_anew() {
    let back = becomes(&mut lifecycle(), person(false, "left"), person(true, "left"));
    assert_eq!(state(&back), "active");
}

#[test]
fn welcome_and_notice_go_out_once_some_days_before_the_first() {
    let mut ana =
        json!({ "id": ANA, "userName": "ana", URN: { "startDate": time::date_time(NOON + 3 * time::DAY_MS) } });
    ana[ENTERPRISE] = json!({ "manager": { "value": BOSS } });
    let mate = json!({ "id": MATE, "userName": "mate", "active": true, ENTERPRISE: { "manager": { "value": BOSS } } });
    let boss = json!({ "id": BOSS, "userName": "boss" });
    let mut lifecycle = lifecycle().resource("User", ana).resource("User", boss).resource("User", mate);
    lifecycle = lifecycle.answer(200, "").answer(503, "").answer(200, "");

    assert!(lifecycle.at(NOON - 1).run("messages").requests.is_empty());
    let first = lifecycle.at(NOON).run("messages");
    assert!(first.failure().is_retryable(), "the notice was answered 503");
    let second = lifecycle.at(NOON + 1).run("messages");

    let [notice] = &second.requests[..] else { panic!("{:?}", second.requests) };
    let body: Value = provost_sdk::serde_json::from_slice(&notice.body).unwrap();
    let to: Vec<&str> = body["to"].as_array().unwrap().iter().filter_map(|one| one["id"].as_str()).collect();
    assert_eq!((&body["message"], to), (&json!("notice"), vec![BOSS, MATE]));
    assert_eq!(first.requests[1].headers, notice.headers, "the key is the same at every attempt");
    assert!(lifecycle.at(NOON + 2).run("messages").requests.is_empty());
}

#[test]
fn what_was_due_long_ago_is_not_news() {
    let ana = json!({ "id": ANA, "userName": "ana", URN: { "startDate": time::date_time(NOON) } });
    let mut lifecycle = lifecycle().resource("User", ana);
    assert!(lifecycle.at(NOON).run("messages").requests.is_empty());
}

#[test]
fn what_makes_no_sense_is_found() {
    let config = json!({ "message": [{ "name": "", "url": "mailto:x", "days": 1 }] });
    let found = Harness::new::<Lifecycle>().config(config).check_config();
    let paths: Vec<&str> = found.iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(paths, ["message[0].url", "message[0].name", "start_date"]);
}
