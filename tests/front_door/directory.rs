//! A plugin asks the directory: under its grant, of what is committed, and without secrets.

use provost_tests::Answer;
use provost_tests::guests::{self, plugin};
use provost_tests::server::{TestServer, user};
use serde_json::{Value, json};

/// A server with three users and a group, whose next create is answered with what the plugin heard.
async fn asked(question: &str, types: &str) -> (Vec<String>, String, Answer) {
    let server = TestServer::plain().await;
    let mut users = Vec::new();
    for name in ["ana", "ben", "cleo"] {
        users.push(server.user(name).await);
    }
    let group = server.group("staff", &[&users[0], &users[1]]).await;
    let question = question.replace("ANA", &users[0]).replace("CLEO", &users[2]).replace("STAFF", &group);
    let rest = format!("config = {question}\ngrant = {{ imports = [\"config\", \"directory\"], directory = {types} }}");
    let server = server.restart(Some(&plugin(guests::READS_DIRECTORY, &rest))).await;

    let answer = server.post("/Users", user("dora")).await;

    (users, group, answer)
}

fn heard(answer: &Answer) -> Value {
    serde_json::from_str(&answer.scim_error(403, None)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_reads_resources_by_id_and_by_filter_page_by_page() {
    let question = r#"{ get = "ANA", find = "userName sw \"\" or userName pr", count = 2 }"#;
    let (users, _, answer) = asked(question, "[\"User\"]").await;

    let heard = heard(&answer);
    assert_eq!((&heard["get"]["id"], &heard["get"]["userName"]), (&json!(users[0]), &json!("ana")));
    let found: Vec<_> = heard["find"]["resources"].as_array().unwrap().iter().map(|r| r["userName"].clone()).collect();
    assert_eq!(found, [json!("ana"), json!("ben"), json!("cleo")]);
    assert_eq!(heard["find"]["pages"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_asks_for_members_and_for_one_membership() {
    let (users, _, answer) = asked(r#"{ members = "STAFF", is_member = ["STAFF", "ANA"] }"#, "[\"Group\"]").await;

    let heard = heard(&answer);
    let mut members: Vec<&str> =
        heard["members"].as_array().unwrap().iter().map(|member| member["id"].as_str().unwrap()).collect();
    members.sort_unstable();
    let mut expected = [users[0].as_str(), users[1].as_str()];
    expected.sort_unstable();
    assert_eq!(members, expected);
    assert_eq!((&heard["members"][0]["type"], &heard["isMember"]), (&json!("User"), &json!(true)));

    let (_, _, answer) = asked(r#"{ is_member = ["STAFF", "CLEO"] }"#, "[\"Group\"]").await;
    assert_eq!(self::heard(&answer)["isMember"], json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_was_not_granted_cannot_be_read() {
    for (question, types) in [
        (r#"{ get = "ANA" }"#, "[\"Group\"]"),
        (r#"{ find = "userName pr" }"#, "[\"Group\"]"),
        (r#"{ members = "STAFF" }"#, "[\"User\"]"),
        (r#"{ is_member = ["STAFF", "ANA"] }"#, "[\"User\"]"),
        (r#"{ get = "ANA" }"#, "[]"),
    ] {
        let (users, _, answer) = asked(question, types).await;

        // The rule could not tell, and said so: an error, which is neither a refusal nor a fault.
        assert!(matches!(answer.status, 500 | 503), "{question} under {types}: {}", answer.body);
        assert!(!answer.body.to_string().contains(&users[0]), "{}", answer.body);
    }
}
