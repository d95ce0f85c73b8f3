//! A rule changes the change: validated again, within its grant, and blamed on it when it is wrong.

use provost_tests::guests::{self, plugin};
use provost_tests::server::{TestServer, user};
use serde_json::json;

const DIAGNOSTICS: &str = "urn:provost:params:scim:api:messages:2.0:Diagnostics";

fn stamp(config: &str, write: &str) -> String {
    plugin(guests::STAMP, &format!("config = {config}\ngrant = {{ imports = [\"config\"], write = {write} }}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transformed_create_is_stored_and_answered_as_the_plugin_left_it() {
    let server = TestServer::start(&stamp(r#"{ set = { nickName = "stamped" } }"#, r#"["nickName"]"#)).await;

    let created = server.post("/Users", user("ana")).await.expect(201);

    assert_eq!(created.body["nickName"], "stamped");
    let read = server.get(&format!("/Users/{}", created.id())).await.expect(200);
    assert_eq!(read.body["nickName"], "stamped");
    assert_eq!(server.journal().await[0]["plugins"], json!([concat!("stamp ", env!("CARGO_PKG_VERSION"))]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_document_as_verdict_is_taken_too() {
    let config = r#"{ set = { nickName = "stamped" }, remove = ["title"], replace = true }"#;
    let server = TestServer::start(&stamp(config, r#"["nickName", "title"]"#)).await;
    let mut body = user("ana");
    body["title"] = json!("Engineer");

    let created = server.post("/Users", body).await.expect(201);

    assert_eq!((&created.body["nickName"], created.body.get("title")), (&json!("stamped"), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_plugin_sees_the_first_ones_change() {
    let first = stamp(r#"{ set = { nickName = "stamped" } }"#, r#"["*"]"#);
    let second = plugin(guests::ECHO_SEEN, "config = { paths = [\"nickName\"] }\ngrant = { imports = [\"config\"] }");
    let server = TestServer::start(&format!("{first}{second}")).await;

    let detail = server.post("/Users", user("ana")).await.scim_error(403, None);

    let seen: serde_json::Value = serde_json::from_str(&detail).unwrap();
    assert_eq!(seen["new"], json!({ "nickName": "stamped" }));
    assert!(seen["changedPaths"].as_array().unwrap().contains(&json!("nickName")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_fills_in_a_missing_user_name_and_without_it_the_create_is_400() {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "emails": [{ "value": "ana@example.org", "primary": true }],
    });
    let without = TestServer::plain().await;
    assert!(without.post("/Users", body.clone()).await.scim_error(400, Some("invalidValue")).contains("userName"));

    let rest = "grant = { imports = [\"config\"], write = [\"userName\"] }";
    let with = TestServer::start(&plugin(guests::FILL_USER_NAME, rest)).await;
    assert_eq!(with.post("/Users", body).await.expect(201).body["userName"], "ana@example.org");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attribute_outside_the_grant_cannot_be_changed() {
    let server = TestServer::start(&stamp(r#"{ set = { title = "King" } }"#, r#"["nickName", "name"]"#)).await;

    let answer = server.post("/Users", user("ana")).await;

    let detail = answer.scim_error(503, None);
    assert_eq!(answer.body[DIAGNOSTICS]["plugin"], "stamp");
    assert!(!detail.contains("King"), "a value leaked: {detail}");
    assert_eq!(server.count("/Users").await, 0);
    let recent = &server.plugins().await[0]["recent"][0];
    assert_eq!(recent["kind"], "output");
    assert!(recent["detail"].as_str().unwrap().contains("`title`"), "{recent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_parent_covers_its_sub_attributes_and_an_extension_its_own() {
    let department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
    let config = format!("{{ set = {{ \"name.givenName\" = \"Ana\", \"{department}\" = \"R&D\" }} }}");
    let grant = "[\"name\", \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"]";
    let server = TestServer::start(&stamp(&config, grant)).await;

    let created = server.post("/Users", user("ana")).await.expect(201);

    assert_eq!(created.body["name"]["givenName"], "Ana");
    assert_eq!(created.body["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["department"], "R&D");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_may_be_spelled_in_full_and_in_any_letter_case() {
    for grant in ["urn:ietf:params:scim:schemas:core:2.0:User:nickName", "NICKNAME", "*"] {
        let server = TestServer::start(&stamp(r#"{ set = { nickName = "x" } }"#, &format!("[\"{grant}\"]"))).await;

        assert_eq!(server.post("/Users", user("ana")).await.expect(201).body["nickName"], "x", "{grant}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_transform_is_blamed_on_the_plugin_and_never_on_the_client() {
    let kinds = [
        "not_json",
        "not_an_array",
        "not_operations",
        "unknown_op",
        "no_such_path",
        "broken_path",
        "wrong_type",
        "changes_id",
        "changes_meta",
        "changes_schemas",
        "removes_user_name",
        "deep_json",
        "replace_not_json",
        "replace_not_an_object",
        "replace_empty",
        "replace_wrong_type",
    ];
    for kind in kinds {
        let rest = format!("config = {{ kind = \"{kind}\" }}\ngrant = {{ imports = [\"config\"], write = [\"*\"] }}");
        let server = TestServer::start(&plugin(guests::RETURNS_GARBAGE, &rest)).await;

        let answer = server.post("/Users", user("ana")).await;

        answer.scim_error(503, None);
        assert!(!answer.header("retry-after").is_empty(), "{kind}: no Retry-After");
        assert_eq!(answer.body[DIAGNOSTICS]["plugin"], "returns-garbage", "{kind}");
        assert_eq!(server.count("/Users").await, 0, "{kind}");
        assert_eq!(server.plugins().await[0]["recent"][0]["kind"], "output", "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_transform_of_a_plugin_that_may_be_skipped_is_dropped_whole() {
    let rest =
        "on_fault = \"skip\"\nconfig = { kind = \"wrong_type\" }\ngrant = { imports = [\"config\"], write = [\"*\"] }";
    let server = TestServer::start(&plugin(guests::RETURNS_GARBAGE, rest)).await;

    let created = server.post("/Users", user("ana")).await.expect(201);

    assert_eq!(created.body.get("active"), None);
    assert_eq!(server.plugins().await[0]["recent"][0]["kind"], "output");
    assert_eq!(server.journal().await[0]["plugins"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn state_written_in_a_review_commits_with_its_change() {
    let rest =
        "config = { path = \"nickName\" }\ngrant = { imports = [\"config\", \"state\"], write = [\"nickName\"] }";
    let server = TestServer::start(&plugin(guests::STATE_COUNTER, rest)).await;

    let numbers: Vec<_> = [
        server.post("/Users", user("ana")).await.expect(201).body["nickName"].clone(),
        server.post("/Users", user("ben")).await.expect(201).body["nickName"].clone(),
        // Refused after the review: the name is taken, so its number is not used up.
        json!(server.post("/Users", user("ANA")).await.scim_error(409, Some("uniqueness")).is_empty()),
        server.post("/Users", user("cleo")).await.expect(201).body["nickName"].clone(),
    ]
    .to_vec();

    assert_eq!(numbers, [json!("1"), json!("2"), json!(false), json!("3")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn compare_and_put_under_parallel_writes_gives_every_change_its_own_number() {
    let rest =
        "config = { path = \"nickName\" }\ngrant = { imports = [\"config\", \"state\"], write = [\"nickName\"] }";
    let server = TestServer::start(&plugin(guests::STATE_COUNTER, rest)).await;

    let names: Vec<String> = (0..16).map(|n| format!("user-{n}")).collect();
    let answers = futures::future::join_all(names.iter().map(|name| server.post("/Users", user(name)))).await;

    let mut numbers: Vec<u32> =
        answers.into_iter().map(|a| a.expect(201).body["nickName"].as_str().unwrap().parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=16).collect::<Vec<_>>());
}
