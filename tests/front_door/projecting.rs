//! What is shown: `attributes` and `excludedAttributes` on every verb that answers with resources.

use provost_tests::server::{TestServer, patch, person};
use serde_json::{Value, json};

const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn keys(resource: &Value) -> Vec<&str> {
    resource.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The resource as every verb shows it under this projection, checked to be one and the same.
async fn shown(server: &TestServer, id: &str, name: &str, list: &str) -> Value {
    let query = format!("{name}={list}");
    let filter = format!("id eq \"{id}\"");
    let by_id = format!("filter={}", filter.replace(' ', "+").replace('"', "%22"));
    let members: Vec<&str> = list.split(',').map(str::trim).collect();
    let search = json!({ "schemas": [SEARCH_REQUEST], "filter": filter, name: members });
    let at = format!("/Users/{id}?{query}");
    let one = server.get(&at).await.expect(200).body;
    let whole = server.get(&format!("/Users/{id}")).await.expect(200).body;
    let touch = json!([{ "op": "replace", "path": "userName", "value": whole["userName"] }]);
    for (verb, other) in [
        ("list", server.get(&format!("/Users?{by_id}&{query}")).await.expect(200).body["Resources"][0].clone()),
        ("root", server.get(&format!("/?{by_id}&{query}")).await.expect(200).body["Resources"][0].clone()),
        ("search", server.post("/Users/.search", search.clone()).await.expect(200).body["Resources"][0].clone()),
        ("root search", server.post("/.search", search).await.expect(200).body["Resources"][0].clone()),
        ("put", server.put(&at, whole).await.expect(200).body),
        ("patch", server.send(server.with_body("PATCH", &at, patch(touch))).await.expect(200).body),
    ] {
        assert_eq!(other, one, "{verb} with {query}");
    }
    one
}

/// S-8.1, S-8.3, S-8.4, S-8.5, S-8.6, S-8.7, S-8.8, S-8.9, S-8.11, L-Q4: golden test 17.
#[tokio::test(flavor = "multi_thread")]
async fn every_verb_shows_what_was_asked_for() {
    let server = TestServer::plain().await;
    let id = server.post("/Users", person("ana")).await.expect(201).id();
    let show = async |name: &str, list: &str| shown(&server, &id, name, list).await;

    // S-8.3, S-8.8: what is named, and what is always shown.
    assert_eq!(keys(&show("attributes", "userName").await), ["schemas", "id", "userName"]);
    assert_eq!(keys(&show("attributes", "id").await), ["schemas", "id"]);
    // S-8.5: any letter case, spaces, and the schema's URN in front.
    let urn = "urn:ietf:params:scim:schemas:core:2.0:User:title";
    let both = show("attributes", &format!("USERNAME, {urn}")).await;
    assert_eq!(keys(&both), ["schemas", "id", "userName", "title"]);
    // S-8.6: parts of what is complex, of every element.
    let parts = show("attributes", "name.givenName,emails.type").await;
    assert_eq!(parts["name"], json!({ "givenName": "Ana" }));
    assert_eq!(parts["emails"], json!([{ "type": "work" }, { "type": "home" }]));
    assert_eq!(show("attributes", "name").await["name"].as_object().unwrap().len(), 3);
    let without = show("excludedAttributes", "name.givenName,emails.value,emails.type,emails.primary").await;
    assert_eq!(without["name"], json!({ "familyName": "López García", "formatted": "Ana López García" }));
    assert_eq!(without.get("emails"), None);
    // S-8.7: an extension by its URN, and one attribute of it.
    let extension = show("attributes", ENTERPRISE).await;
    assert_eq!(keys(&extension), ["schemas", "id", ENTERPRISE]);
    assert_eq!(extension[ENTERPRISE]["costCenter"], "4711");
    assert_eq!(
        show("attributes", &format!("{ENTERPRISE}:department")).await[ENTERPRISE],
        json!({ "department": "Research" })
    );
    assert_eq!(show("excludedAttributes", ENTERPRISE).await.get(ENTERPRISE), None);
    // S-8.4: what is always shown cannot be excluded.
    let excluded = show("excludedAttributes", "id,schemas,meta,userName").await;
    assert!(excluded.get("id").is_some() && excluded.get("schemas").is_some(), "{excluded}");
    assert!(excluded.get("meta").is_none() && excluded.get("userName").is_none(), "{excluded}");
    // S-8.9: unknown names select nothing; a value path stands for its attribute (L-Q4).
    assert_eq!(keys(&show("attributes", "nothing,no.thing").await), ["schemas", "id"]);
    assert!(show("excludedAttributes", "nothing").await.get("userName").is_some());
    assert_eq!(keys(&show("attributes", "emails[type eq \"work\"]").await), ["schemas", "id", "emails"]);
}

/// S-8.2, S-8.5: on every verb; and repeated parameters add up.
#[tokio::test(flavor = "multi_thread")]
async fn both_projections_at_once_are_refused_and_repeated_ones_add_up() {
    let server = TestServer::plain().await;
    let id = server.post("/Users", person("ana")).await.expect(201).id();
    let query = "attributes=userName&excludedAttributes=emails";
    let at = format!("/Users/{id}?{query}");

    for path in [&at, &format!("/Users?{query}"), &format!("/?{query}")] {
        server.get(path).await.scim_error(400, Some("invalidValue"));
    }
    server.post(&format!("/Users?{query}"), person("ben")).await.scim_error(400, Some("invalidValue"));
    server.put(&at, person("ben")).await.scim_error(400, Some("invalidValue"));
    let operations = patch(json!([{ "op": "add", "path": "title", "value": "x" }]));
    server.send(server.with_body("PATCH", &at, operations)).await.scim_error(400, Some("invalidValue"));
    assert_eq!(server.count("/Users").await, 1);
    assert_eq!(server.get(&format!("/Users/{id}")).await.body["userName"], "ana");
    let twice = server.get(&format!("/Users/{id}?attributes=userName&attributes=title,active&attributes=")).await;
    assert_eq!(keys(&twice.expect(200).body), ["schemas", "id", "userName", "title", "active"]);
    // One that names nothing is as good as none.
    assert!(server.get(&format!("/Users/{id}?attributes=")).await.expect(200).body.get("userName").is_some());
}

/// S-8.1, S-6.10: the answer to a create; S-8.4: a secret is in no answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_is_projected_and_a_password_is_never_shown() {
    let server = TestServer::plain().await;
    let mut body = person("ana");
    body["password"] = json!("t1meMa$heen");

    let created = server.post("/Users?attributes=userName,password", body.clone()).await.expect(201);
    assert_eq!(keys(&created.body), ["schemas", "id", "userName"]);
    let location = format!("{}/Users/{}", server.app.base_url, created.id());
    assert_eq!(created.header("location"), location, "the header is there whatever is shown");
    body["userName"] = json!("ben");
    let without = server.post("/Users?excludedAttributes=emails,meta", body).await.expect(201).body;
    assert!(without.get("emails").is_none() && without.get("meta").is_none() && without.get("title").is_some());
    let search = json!({ "schemas": [SEARCH_REQUEST], "attributes": ["password"] });
    for answer in [
        server.get(&format!("/Users/{}?attributes=password", created.id())).await,
        server.get("/Users?attributes=password").await,
        server.get("/?attributes=password").await,
        server.post("/.search", search).await,
    ] {
        let text = answer.expect(200).body.to_string();
        assert!(!text.contains("assword") && !text.contains("t1me"), "{text}");
    }
}

/// S-8.12: what is not shown is filtered and sorted by all the same.
#[tokio::test(flavor = "multi_thread")]
async fn filters_and_orders_see_what_is_not_shown() {
    let server = TestServer::plain().await;
    for (name, title) in [("ana", "b"), ("ben", "c"), ("cleo", "a")] {
        let mut body = person(name);
        body["title"] = json!(title);
        server.post("/Users", body).await.expect(201);
    }

    let query = "filter=title+ne+%22c%22&sortBy=title&excludedAttributes=title";
    let body = server.get(&format!("/Users?{query}")).await.expect(200).body;
    let names: Vec<&str> =
        body["Resources"].as_array().unwrap().iter().map(|r| r["userName"].as_str().unwrap()).collect();
    assert_eq!(names, ["cleo", "ana"]);
    assert_eq!(body["Resources"][0].get("title"), None);
    // The same behind a cursor: the position holds a value that no page shows.
    let first = server.get(&format!("/Users?{query}&count=1&cursor")).await.expect(200).body;
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = server.get(&format!("/Users?{query}&count=1&cursor={cursor}")).await.expect(200).body;
    assert_eq!(second["Resources"][0]["userName"], "ana");
}

/// S-8.3, S-8.4 for groups: members are edges, and read only where they are shown.
#[tokio::test(flavor = "multi_thread")]
async fn members_that_are_not_shown_are_not_read() {
    use provost::store::Space;

    let server = TestServer::plain().await;
    let ana = server.user("ana").await;
    let group = server.group("staff", &[&ana]).await;
    let read = || server.app.store.keys_read(Space::Edges);
    let before = read();
    for query in ["excludedAttributes=members", "attributes=displayName", "attributes=id"] {
        for path in [format!("/Groups/{group}?{query}"), format!("/Groups?{query}"), format!("/?{query},groups")] {
            assert!(!server.get(&path).await.expect(200).body.to_string().contains("\"members\""), "{path}");
        }
    }
    // A user's groups are asked for once, by the one query that names them as something to be shown.
    assert!(read() - before <= 4, "{} edges were read", read() - before);
    let shown = server.get(&format!("/Groups/{group}?attributes=members.value")).await.expect(200).body;
    assert_eq!(shown["members"], json!([{ "value": ana }]));
}
