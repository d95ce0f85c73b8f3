use provost_sdk::testing::Harness;
use provost_sdk::{Value, http, json};

use super::ProfileSync;

const ANA: &str = "01930000-0000-7000-8000-00000000000a";
const BEN: &str = "01930000-0000-7000-8000-00000000000b";
const URN: &str = "urn:example:params:scim:schemas:extension:platform:1.0:User";

fn profile_sync() -> Harness {
    let attribute = |name: &str, parts: &[&str]| {
        let parts: Vec<Value> = parts.iter().map(|part| json!({ "name": part, "type": "string" })).collect();
        json!({ "name": name, "type": "complex", "multiValued": true, "subAttributes": parts })
    };
    Harness::new::<ProfileSync>()
        .extension(json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": URN, "name": "Platform",
            "attributes": [
                attribute("identifiers", &["system", "value"]), attribute("syncStatuses", &["name", "status", "at"]),
            ],
        }))
        .config(json!({
            "find": format!("not ({URN}:identifiers[system eq \"HR\"])"),
            "url": "https://hr.example/people/{userName}",
            "fill": { "title": "/job/title" },
            "identifier": { "path": format!("{URN}:identifiers"), "system": "HR", "from": "/number" },
            "status": { "path": format!("{URN}:syncStatuses"), "name": "PROFILE_SYNC" },
        }))
}

fn person(id: &str, name: &str) -> Value {
    json!({ "id": id, "userName": name })
}

fn status(harness: &Harness, id: &str) -> String {
    let statuses = harness.stored("User", id).unwrap()[URN]["syncStatuses"].clone();
    let [one] = &statuses.as_array().unwrap()[..] else { panic!("{statuses}") };
    one["status"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_missing_is_fetched_and_the_status_stands_beside_it() {
    let record = json!({ "number": 4711, "job": { "title": "Pilot" } }).to_string();
    let mut sync = profile_sync().resource("User", person(ANA, "ana ruiz")).answer(200, record);

    let ran = sync.run("sync");

    assert_eq!((ran.report.as_str(), ran.requests[0].url.as_str()), ("OK: 1", "https://hr.example/people/ana%20ruiz"));
    let ana = sync.stored("User", ANA).unwrap();
    assert_eq!(
        (&ana["title"], &ana[URN]["identifiers"]),
        (&json!("Pilot"), &json!([{ "system": "HR", "value": "4711" }]))
    );
    assert_eq!(status(&sync, ANA), "OK");
    assert_eq!(sync.run("sync").report, "nobody lacks anything");
}

#[test]
fn who_is_not_known_or_fails_rests_and_keeps_nobody_waiting() {
    let mut sync = profile_sync().resource("User", person(ANA, "ana")).resource("User", person(BEN, "ben"));
    sync = sync.answer(404, "").fails(http::Error::Timeout);

    assert_eq!(sync.run("sync").report, "FAILED: 1, PENDING: 1");
    assert_eq!((status(&sync, ANA), status(&sync, BEN)), ("PENDING".to_owned(), "FAILED".to_owned()));
    assert!(sync.run("sync").requests.is_empty(), "both rest");
}

#[test]
fn a_status_is_replaced_and_not_repeated() {
    let mut ana = person(ANA, "ana");
    ana[URN] =
        json!({ "syncStatuses": [{ "name": "PROFILE_SYNC", "status": "FAILED", "at": "2025-01-01T00:00:00Z" }] });
    let mut sync = profile_sync().resource("User", ana).answer(200, json!({ "number": "7" }).to_string());
    sync.run("sync");
    assert_eq!(status(&sync, ANA), "OK");
}

#[test]
fn nonsense_is_a_failure_of_that_person_and_its_text_is_not_logged() {
    let mut sync = profile_sync().resource("User", person(ANA, "ana")).answer(200, "<html>secret</html>");
    let ran = sync.run("sync");
    assert_eq!(ran.report, "FAILED: 1");
    assert!(!format!("{:?}", ran.log).contains("html"));
}

#[test]
fn what_makes_no_sense_is_found() {
    let config = json!({ "find": "id pr", "url": "ftp://x", "fill": { "title": "job" } });
    let found = Harness::new::<ProfileSync>().config(config).check_config();
    assert_eq!(found.iter().map(|finding| finding.path.as_str()).collect::<Vec<_>>(), ["url", "fill.title"]);
    let idle = Harness::new::<ProfileSync>().config(json!({ "find": "id pr", "url": "https://x" })).check_config();
    assert_eq!(idle[0].path, "fill");
}
