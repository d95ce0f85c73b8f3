//! Plugins change the directory by themselves: through the same pipeline, under their own grant,
//! under their own name, and not for ever.

use provost_tests::guests::{self, plugin};
use provost_tests::receiver::{PATIENCE, Receiver};
use provost_tests::server::{TestServer, user};
use serde_json::{Value, json};

/// The guest that makes these changes when somebody else has made one.
fn writer(receiver: &Receiver, when: &str, writes: &str, grants: &str) -> String {
    let origin = receiver.origin();
    let rest = format!(
        "config = {{ url = \"{origin}/\", when = \"{when}\", writes = [{writes}] }}\n[plugin.grant]\n\
         imports = [\"config\", \"http\", \"directory-write\"]\n\
         http = [{{ origin = \"{origin}\", methods = [\"POST\"], private = true }}]\n{grants}"
    );
    plugin(guests::WRITES_DIRECTORY, &rest)
}

fn patch_of(attribute: &str) -> String {
    let operations = format!(r#"[{{"op":"replace","path":"{attribute}","value":"by a plugin"}}]"#);
    format!("{{ action = \"patch\", type = \"User\", id = \"ID\", body = '{operations}' }}")
}

const ALL: &str = "[\"create\", \"replace\", \"patch\", \"delete\"]";

fn granted(operations: &str, write: &str) -> String {
    format!("directory_write = [{{ type = \"User\", operations = {operations} }}]\nwrite = {write}")
}

/// What became of the changes that follow on a new user.
async fn outcomes(writes: &str, grants: &str) -> (TestServer, String, Value) {
    let mut receiver = Receiver::start().await;
    let server = TestServer::start(&writer(&receiver, "observe", writes, grants)).await;
    let id = server.user("ana").await;
    let told = receiver.next().await.body;
    (server, id, told)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_change_is_made_and_bears_the_plugins_name() {
    let (server, id, told) = outcomes(&patch_of("title"), &granted("[\"patch\"]", "[\"title\"]")).await;

    assert_eq!(told[0]["done"]["title"], "by a plugin");
    assert_eq!(told[0]["done"]["meta"]["version"], "W/\"2\"");
    assert_eq!(server.get(&format!("/Users/{id}")).await.expect(200).body["title"], "by a plugin");
    let journal = server.journal().await;
    assert_eq!(journal.len(), 2);
    assert_eq!(journal[1]["subject"], "plugin:writes-directory");
    assert_eq!(journal[1]["client"], Value::Null);
    assert_eq!(journal[1]["changedPaths"], json!(["title"]));
    assert_eq!(journal[1]["requestId"], journal[0]["requestId"], "the whole chain is found under one name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_outside_the_grant_is_denied_by_its_name_and_leaves_nothing() {
    for (grants, sentence) in [
        ("", "may not patch resources of the type `User`; its `grant.directory_write`"),
        (&*granted("[\"create\", \"delete\"]", "[\"*\"]"), "may not patch resources of the type `User`"),
        (
            "directory_write = [{ type = \"Group\", operations = [\"patch\"] }]\nwrite = [\"*\"]",
            "may not patch resources of the type `User`",
        ),
        (&*granted("[\"patch\"]", "[\"nickName\", \"name\"]"), "may not set `title`; its `grant.write`"),
    ] {
        let (server, id, told) = outcomes(&patch_of("title"), grants).await;

        let denied = told[0]["denied"].as_str().unwrap_or_else(|| panic!("{grants}: {told}"));
        assert!(denied.contains("plugin `writes-directory`") && denied.contains(sentence), "{denied}");
        assert_eq!(server.get(&format!("/Users/{id}")).await.expect(200).body["title"], Value::Null);
        assert_eq!(server.journal().await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_change_needs_its_own_grant() {
    let document = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ben"}"#;
    let create = format!("{{ action = \"create\", type = \"User\", body = '{document}' }}");
    let replace = format!("{{ action = \"replace\", type = \"User\", id = \"ID\", body = '{document}' }}");
    let delete = "{ action = \"delete\", type = \"User\", id = \"ID\" }".to_owned();
    for (wish, operation) in [(create, "create"), (replace, "replace"), (delete, "delete")] {
        let (server, _, told) = outcomes(&wish, &granted(&format!("[\"{operation}\"]"), "[\"userName\"]")).await;
        assert!(told[0].as_object().unwrap().contains_key("done"), "{operation}: {told}");
        assert_eq!(server.journal().await[1]["operation"], operation);

        let others = ALL.replace(&format!("\"{operation}\""), "\"patch\"");
        let (server, _, told) = outcomes(&wish, &granted(&others, "[\"*\"]")).await;
        assert!(told[0]["denied"].as_str().is_some_and(|why| why.contains(operation)), "{operation}: {told}");
        assert_eq!(server.journal().await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_answered_what_a_client_would_be() {
    let document = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ANA"}"#;
    let writes = [
        format!("{{ action = \"create\", type = \"User\", body = '{document}' }}"),
        patch_of("nonsense"),
        "{ action = \"delete\", type = \"User\", id = \"00000000-0000-0000-0000-000000000001\" }".to_owned(),
        "{ action = \"delete\", type = \"User\", id = \"ID\", if_match = 'W/\"9\"' }".to_owned(),
        "{ action = \"patch\", type = \"User\", id = \"ID\", body = '[' }".to_owned(),
        "{ action = \"patch\", type = \"User\", id = \"ID\" }".to_owned(),
    ];

    let (server, id, told) = outcomes(&writes.join(", "), &granted(ALL, "[\"*\"]")).await;

    let seen: Vec<_> = told.as_array().unwrap().iter().map(|t| (t["refused"].clone(), t["scimType"].clone())).collect();
    let expected = [
        (json!(409), json!("uniqueness")),
        (json!(400), json!("invalidPath")),
        (json!(404), Value::Null),
        (json!(412), Value::Null),
        (json!(400), json!("invalidSyntax")),
        (json!(400), json!("invalidSyntax")),
    ];
    assert_eq!(seen, expected, "{told}");
    server.get(&format!("/Users/{id}")).await.expect(200);
    assert_eq!(server.journal().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_plugins_review_a_plugins_change() {
    let mut receiver = Receiver::start().await;
    let writes = writer(&receiver, "observe", &patch_of("title"), &granted("[\"patch\"]", "[\"title\"]"));
    let veto = plugin(
        guests::REFUSE_ALL,
        "operations = [\"patch\"]\ngrant = { imports = [\"config\", \"state\", \"outbox\"] }\n",
    );
    let server = TestServer::start(&format!("{writes}{veto}")).await;

    server.user("ana").await;

    let told = receiver.next().await.body;
    assert_eq!(told[0]["refused"], 403, "{told}");
    assert_eq!(server.journal().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_during_a_review() {
    let receiver = Receiver::start().await;
    let table = writer(&receiver, "review", &patch_of("title"), &granted(ALL, "[\"*\"]"));
    let server = TestServer::start(&table).await;

    let told = server.post("/Users", user("ana")).await.scim_error(403, None);

    let told: Value = serde_json::from_str(&told).unwrap();
    assert!(told[0]["denied"].as_str().is_some_and(|why| why.contains("nothing can be changed here")), "{told}");
    assert!(server.journal().await.is_empty());
}

fn answers(name: &str, hears: &str, sets: &str) -> String {
    format!(
        "[[plugin]]\nname = \"{name}\"\nplugin = \"{}\"\nconfig = {{ hears = \"{hears}\", sets = \"{sets}\" }}\n\
         [plugin.grant]\nimports = [\"config\", \"directory-write\"]\nwrite = [\"{sets}\"]\n\
         directory_write = [{{ type = \"User\", operations = [\"patch\"] }}]\n",
        guests::ANSWERS
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn two_plugins_that_answer_each_other_are_stopped_and_named() {
    let tables = [answers("ping", "title", "nickName"), answers("pong", "nickName", "title")].concat();
    let server = TestServer::start(&tables).await;
    let mut body = user("ana");
    body["title"] = json!("first");

    server.post("/Users", body).await.expect(201);

    let parked = parked(&server).await;
    assert_eq!(parked["plugin"], "ping");
    let error = parked["lastError"].as_str().unwrap();
    assert!(error.contains("ping -> pong -> ping -> pong -> ping"), "{error}");
    let subjects: Vec<Value> = server.journal().await.iter().map(|row| row["subject"].clone()).collect();
    assert_eq!(subjects[1..], ["plugin:ping", "plugin:pong", "plugin:ping", "plugin:pong"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_answers_its_own_changes_is_stopped_too() {
    let server = TestServer::start(&answers("echo", "title", "title")).await;
    let mut body = user("ana");
    body["title"] = json!("first");

    server.post("/Users", body).await.expect(201);

    let parked = parked(&server).await;
    assert!(parked["lastError"].as_str().unwrap().contains("echo -> echo -> echo -> echo -> echo"), "{parked}");
    assert_eq!(server.journal().await.len(), 5);
}

/// Waits for the message that is given up.
async fn parked(server: &TestServer) -> Value {
    let mut ended = server.app.delivery.ended();
    tokio::time::timeout(PATIENCE, async {
        loop {
            let rows = server.admin("GET", "/outbox?parked=true").await.expect(200).body["messages"].clone();
            match rows.as_array().unwrap().first() {
                Some(row) => return row.clone(),
                None => ended.changed().await.unwrap(),
            }
        }
    })
    .await
    .expect("a message should have been given up")
}
