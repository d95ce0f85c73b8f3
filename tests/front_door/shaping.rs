//! Plugins shape answers: what they may make of them, and that nothing else changes.

use provost_tests::guests::{self, plugin};
use provost_tests::server::{TestServer, crowd, crowd_of, group_of, patch, person, user};
use serde_json::{Value, json};

const DIAGNOSTICS: &str = "urn:provost:params:scim:api:messages:2.0:Diagnostics";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn masks(config: &str, write: &str) -> String {
    plugin(guests::MASKS, &format!("config = {{ {config} }}\ngrant = {{ imports = [\"config\"], write = [{write}] }}"))
}

/// What is at this path, wherever the server listens.
async fn shown(server: &TestServer, path: &str) -> Value {
    let body = server.get(path).await.expect(200).body;
    serde_json::from_str(&body.to_string().replace(&server.app.base_url, "")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_shaped_and_nothing_that_is_stored() {
    let config = format!(
        r#"types = ["User"]
config = {{ set = {{ title = "***", nickName = "made up" }}, remove = ["emails", "{ENTERPRISE}:costCenter"] }}
grant = {{ imports = ["config"], write = ["title", "nickName", "emails", "{ENTERPRISE}"] }}"#
    );
    let server = TestServer::start("").await;
    let ana = server.post("/Users", person("ana")).await.expect(201);
    let (id, etag) = (ana.id(), ana.header("etag").to_owned());
    let whole = shown(&server, &format!("/Users/{id}")).await;
    let server = server.restart(Some(&plugin(guests::MASKS, &config))).await;
    let path = format!("/Users/{id}");
    let check = |shown: &Value| {
        assert_eq!((&shown["title"], &shown["nickName"]), (&json!("***"), &json!("made up")), "{shown}");
        assert!(shown.get("emails").is_none() && shown[ENTERPRISE].get("costCenter").is_none(), "{shown}");
        assert_eq!(shown[ENTERPRISE]["department"], "Research");
        assert_eq!(shown["name"], whole["name"]);
    };

    check(&shown(&server, &path).await);
    assert_eq!(server.get(&path).await.header("etag"), etag);
    assert_eq!(shown(&server, &path).await["meta"], whole["meta"]);
    let listed = server.get("/Users").await.expect(200).body;
    check(&listed["Resources"][0]);
    assert_eq!(listed["totalResults"], 1);
    check(&server.get("/").await.expect(200).body["Resources"][0]);
    let search = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"] });
    check(&server.post("/Users/.search", search).await.expect(200).body["Resources"][0]);
    check(&server.put(&path, person("ana")).await.expect(200).body);
    let touch = json!([{ "op": "replace", "path": "displayName", "value": "Ana" }]);
    check(&server.patch(&path, touch).await.expect(200).body);
    check(&server.post("/Users", person("ben")).await.expect(201).body);

    // Filters and orders are of what is stored.
    for (filter, total) in [("title+eq+%22***%22", 0), ("nickName+pr", 0), ("emails.value+eq+%22ana@example.org%22", 1)]
    {
        assert_eq!(server.get(&format!("/Users?filter={filter}")).await.expect(200).body["totalResults"], total);
    }
    // And nothing of it was stored, whatever was written meanwhile.
    let server = server.restart(Some("")).await;
    let after = server.get(&path).await.expect(200).body;
    assert_eq!((&after["title"], &after["emails"]), (&whole["title"], &whole["emails"]));
    assert!(after.get("nickName").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_projection_is_applied_to_what_was_shaped() {
    let server =
        TestServer::start(&masks("set = { title = \"***\", nickName = \"x\" }", "\"title\", \"nickName\"")).await;
    let id = server.post("/Users", person("ana")).await.expect(201).id();

    let shown = server.get(&format!("/Users/{id}?attributes=title")).await.expect(200).body;
    assert_eq!(shown, json!({ "schemas": shown["schemas"], "id": id, "title": "***" }));
    let shown = server.get(&format!("/Users/{id}?excludedAttributes=nickName,title")).await.expect(200).body;
    assert!(shown.get("nickName").is_none() && shown.get("title").is_none(), "{shown}");
    let shown = server.get("/Users?attributes=userName").await.expect(200).body;
    assert_eq!(shown["Resources"][0]["userName"], "ana");
    assert!(shown["Resources"][0].get("title").is_none(), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_shaped_in_batches_and_without_members_and_passwords() {
    let config = "[scim.passwords]\nmemory_kib = 7168\niterations = 1\n".to_owned()
        + &masks("count_at = \"displayName\"", "\"displayName\"");
    let server = TestServer::start(&config).await;
    let people = crowd_of(&server, 150, |name| {
        let mut body = user(name);
        if name.ends_with("-7") {
            body["password"] = json!("correct horse battery");
        }
        body
    })
    .await;
    let group = group_of(&server, "some", &people[..3]).await;

    let page = server.get("/Users?count=130").await.expect(200).body;
    let told: Vec<&str> =
        page["Resources"].as_array().unwrap().iter().filter_map(|r| r["displayName"].as_str()).collect();
    assert_eq!(told.iter().filter(|told| **told == "search of 100").count(), 100, "{told:?}");
    assert_eq!(told.iter().filter(|told| **told == "search of 30").count(), 30);
    // Groups and users of one page come in calls of their own, and keep their places.
    let page = server.get("/?count=200").await.expect(200).body;
    assert_eq!((page["totalResults"].as_u64(), page["Resources"].as_array().unwrap().len()), (Some(151), 151));
    let shown = server.get(&format!("/Groups/{group}")).await.expect(200).body;
    assert_eq!(shown["displayName"], "read of 1");
    assert_eq!(shown["members"].as_array().unwrap().len(), 3);
    // Whom somebody else's answer names is not shaped there.
    assert!(shown["members"][0].get("display").is_none_or(|display| display != "read of 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_group_has_its_head_shaped_and_its_members_whole() {
    let server = TestServer::start(&masks("set = { displayName = \"***\" }", "\"displayName\"")).await;
    let people = crowd(&server, 1_500).await;
    let group = group_of(&server, "crowd", &people).await;

    let shown = server.get(&format!("/Groups/{group}")).await.expect(200).body;
    assert_eq!(shown["displayName"], "***");
    assert_eq!(shown["members"].as_array().unwrap().len(), 1_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_shape_in_the_operators_order_and_each_for_its_clients() {
    let named = |name: &str, config: &str| {
        masks(config, "\"displayName\"").replace("name = \"masks\"", &format!("name = \"{name}\""))
    };
    let config = named("one", "append = { displayName = \"1\" }")
        + &named("two", "append = { displayName = \"2\" }")
        + &named("three", "clients = [\"somebody else\"], append = { displayName = \"3\" }");
    let server = TestServer::start(&config).await;
    let id = server.post("/Users", person("ana")).await.expect(201).id();

    let shown = server.get(&format!("/Users/{id}?attributes=displayName")).await.expect(200).body;
    assert_eq!(shown["displayName"], "Ana López García12");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_made_of_an_answer_is_the_plugins_fault() {
    let cheats = |config: &str, write: &str, on_fault: &str| {
        let grant = format!("grant = {{ imports = [\"config\"], write = [{write}] }}");
        plugin(guests::SHAPE_CHEATS, &format!("on_fault = \"{on_fault}\"\nconfig = {{ {config} }}\n{grant}"))
    };
    let mut server = TestServer::start("").await;
    let id = server.post("/Users", person("ana")).await.expect(201).id();
    let group = server.group("staff", &[&id]).await;
    let path = format!("/Users/{id}");
    let whole = shown(&server, &path).await;

    for (config, write) in [
        // The server's own, whatever was granted.
        ("set = \"id\", value = \"0190b2a0-0000-7000-8000-000000000000\"", "\"*\""),
        ("remove = \"id\"", "\"*\""),
        ("set = \"meta.version\", value = \"W/\\\"9\\\"\"", "\"*\""),
        ("remove = \"meta\"", "\"*\""),
        ("remove = \"groups\"", "\"*\""),
        ("set = \"schemas\", value = [\"urn:x\"]", "\"*\""),
        ("set = \"members\", value = []", "\"*\""),
        // No schema knows it, or not so.
        ("set = \"favouriteColour\", value = \"red\"", "\"*\""),
        ("set = \"name.colour\", value = \"red\"", "\"*\""),
        ("set = \"active\", value = \"yes\"", "\"*\""),
        ("set = \"emails\", value = \"ana@example.org\"", "\"*\""),
        ("set = \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\", value = 7", "\"*\""),
        ("set = \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:colour\", value = \"x\"", "\"*\""),
        // Outside of its grant.
        ("set = \"title\", value = \"***\"", "\"nickName\""),
        ("remove = \"title\"", ""),
        ("remove = \"emails\"", "\"emails.type\""),
        // Or it gives no answer at all.
        ("panic = true", "\"*\""),
    ] {
        server = server.restart(Some(&cheats(config, write, "refuse"))).await;
        for path in [path.as_str(), "/Users", "/"] {
            let answer = server.get(path).await;
            let detail = answer.scim_error(503, None);
            assert!(detail.contains("`shape-cheats`"), "{config}: {detail}");
            assert_eq!(answer.body[DIAGNOSTICS]["plugin"], "shape-cheats");
            assert!(!answer.body.to_string().contains("Ana"), "{config}: {}", answer.body);
        }
        assert_ne!(server.plugins().await[0]["faults"], json!([]), "{config}");

        server = server.restart(Some(&cheats(config, write, "skip"))).await;
        assert_eq!(shown(&server, &path).await, whole, "{config}");
        assert_eq!(shown(&server, "/Users").await["Resources"][0], whole, "{config}");
        server.get(&format!("/Groups/{group}")).await.expect(200);
    }
    server = server.restart(Some(&cheats("fail = true", "\"*\"", "refuse"))).await;
    server.get(&path).await.scim_error(500, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_answer_cannot_be_shaped_is_made_and_answered_without_its_attributes() {
    let rest = "config = { panic = true }\ngrant = { imports = [\"config\"], write = [\"*\"] }";
    let server = TestServer::start(&plugin(guests::SHAPE_CHEATS, rest)).await;
    let bare = |body: &Value| {
        let mut names: Vec<&String> = body.as_object().unwrap().keys().collect();
        names.sort();
        assert_eq!(names, ["id", "meta", "schemas"], "{body}");
    };

    let made = server.post("/Users", person("ana")).await.expect(201);
    bare(&made.body);
    let path = format!("/Users/{}", made.id());
    assert!(made.header("location").ends_with(&path) && !made.header("etag").is_empty());
    let changed = server.patch(&path, json!([{ "op": "replace", "path": "title", "value": "x" }])).await.expect(200);
    bare(&changed.body);
    bare(&server.put(&path, person("ana")).await.expect(200).body);
    assert_eq!(server.journal().await.len(), 3);
    // What shows nothing that could be shaped needs no plugin, and a bulk request shows nothing.
    server.get(&format!("{path}?attributes=id")).await.expect(200);
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{ "method": "PATCH", "path": path, "data": patch(json!([{ "op": "remove", "path": "title" }])) }]
    });
    assert_eq!(server.post("/Bulk", bulk).await.expect(200).body["Operations"][0]["status"], "200");
}
