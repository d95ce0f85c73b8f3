//! The checklist's golden tests, in its order (S-34.1 to S-34.30): each a short walk through the front door.

use std::sync::Arc;

use provost_tests::server::{SCIM_JSON, TestServer, patch, user};
use serde_json::{Value, json};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A user with these attributes besides.
fn with(user_name: &str, more: Value) -> Value {
    let mut body = user(user_name);
    let fields = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    body
}

/// The names of the users that a filter finds, sorted.
async fn found(server: &TestServer, filter: &str) -> Vec<String> {
    let request = server.request("GET", "/Users").query(&[("filter", filter)]);
    let answer = server.send(request).await.expect(200);
    let mut names: Vec<String> = names(&answer.body);
    names.sort();
    names
}

fn names(list: &Value) -> Vec<String> {
    let resources = list["Resources"].as_array().unwrap();
    resources.iter().map(|resource| resource["userName"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn refused(server: &TestServer, filter: &str) {
    let request = server.request("GET", "/Users").query(&[("filter", filter)]);
    server.send(request).await.scim_error(400, Some("invalidFilter"));
}

/// S-34.1
#[tokio::test(flavor = "multi_thread")]
async fn garbage_in_id_meta_and_groups_is_ignored() {
    let server = TestServer::plain().await;
    let body = with("ana", json!({ "id": ["x"], "meta": { "created": 7 }, "groups": "all" }));

    let created = server.post("/Users", body).await.expect(201);

    assert!(created.id().parse::<uuid::Uuid>().is_ok());
    assert_eq!(created.body["meta"]["resourceType"], "User");
    assert_eq!(created.body.get("groups"), None);
}

/// S-34.2
#[tokio::test(flavor = "multi_thread")]
async fn the_same_user_name_in_another_letter_case_is_a_conflict() {
    let server = TestServer::plain().await;
    server.user("Ana").await;

    server.post("/Users", user("aNA")).await.scim_error(409, Some("uniqueness"));

    assert_eq!(server.count("/Users").await, 1);
}

/// S-34.3
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_404() {
    let server = TestServer::plain().await;

    server.get("/Users/2819c223-7f76-453a-919d-413861904646").await.scim_error(404, None);
}

/// S-34.4
#[tokio::test(flavor = "multi_thread")]
async fn a_filter_without_match_is_an_empty_list() {
    let server = TestServer::plain().await;

    let answer = server.get("/Users?filter=userName%20eq%20%22nobody%22").await.expect(200);

    assert_eq!(answer.body["totalResults"], 0);
    assert_eq!(answer.body["Resources"], json!([]));
}

/// S-34.5
#[tokio::test(flavor = "multi_thread")]
async fn external_ids_are_exact() {
    let server = TestServer::plain().await;
    server.post("/Users", with("ana", json!({ "externalId": "AbC" }))).await.expect(201);

    assert_eq!(found(&server, r#"externalId eq "AbC""#).await, ["ana"]);
    assert!(found(&server, r#"externalId eq "abc""#).await.is_empty());
}

/// S-34.6, S-34.7, S-34.8
#[tokio::test(flavor = "multi_thread")]
async fn names_operators_precedence_and_negation() {
    let server = TestServer::plain().await;
    server.post("/Users", with("ana", json!({ "title": "A", "active": true }))).await.expect(201);
    server.post("/Users", with("ben", json!({ "title": "B", "active": true }))).await.expect(201);
    server.post("/Users", with("eve", json!({ "title": "B", "active": false }))).await.expect(201);

    assert_eq!(found(&server, r#"USERNAME EQ "ANA""#).await, ["ana"]);
    let either = r#"userName eq "ana" or title eq "B" and active eq true"#;
    assert_eq!(found(&server, either).await, ["ana", "ben"]);
    let grouped = r#"(userName eq "eve" or title eq "B") and active eq true"#;
    assert_eq!(found(&server, grouped).await, ["ben"]);
    for negated in [r#"not (title eq "B")"#, r#"not(title eq "B")"#] {
        assert_eq!(found(&server, negated).await, ["ana"], "{negated}");
    }
    refused(&server, r#"not title eq "B""#).await;
}

/// S-34.9
#[tokio::test(flavor = "multi_thread")]
async fn brackets_ask_for_one_element_and_a_plain_and_does_not() {
    let server = TestServer::plain().await;
    let emails = json!([{ "type": "work", "value": "ana@a.example" }, { "type": "home", "value": "ana@b.example" }]);
    server.post("/Users", with("ana", json!({ "emails": emails }))).await.expect(201);

    assert_eq!(found(&server, r#"emails.type eq "work" and emails.value co "@b""#).await, ["ana"]);
    assert!(found(&server, r#"emails[type eq "work" and value co "@b"]"#).await.is_empty());
    assert_eq!(found(&server, r#"emails[type eq "home" and value co "@b"]"#).await, ["ana"]);
}

/// S-34.10
#[tokio::test(flavor = "multi_thread")]
async fn booleans_have_no_order() {
    let server = TestServer::plain().await;

    refused(&server, "active gt true").await;
}

/// S-34.11
#[tokio::test(flavor = "multi_thread")]
async fn instants_are_equal_across_offsets() {
    let server = TestServer::plain().await;
    let created = server.post("/Users", user("ana")).await.expect(201).body["meta"]["created"].clone();
    let instant: jiff::Timestamp = created.as_str().unwrap().parse().unwrap();
    let elsewhere = instant.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(2)));
    let elsewhere = elsewhere.strftime("%Y-%m-%dT%H:%M:%S%.f%:z");

    assert_eq!(found(&server, &format!(r#"meta.created eq "{elsewhere}""#)).await, ["ana"]);
    assert!(found(&server, &format!(r#"meta.created gt "{elsewhere}""#)).await.is_empty());
}

/// S-34.12
#[tokio::test(flavor = "multi_thread")]
async fn qualified_names_of_the_core_and_of_an_extension() {
    let server = TestServer::plain().await;
    let body = with("ana", json!({ "name": { "familyName": "L" }, ENTERPRISE: { "department": "R" } }));
    server.post("/Users", body).await.expect(201);

    assert_eq!(found(&server, &format!(r#"{USER}:name.familyName eq "l""#)).await, ["ana"]);
    assert_eq!(found(&server, &format!(r#"{ENTERPRISE}:department eq "R""#)).await, ["ana"]);
    assert_eq!(found(&server, &format!("{ENTERPRISE} pr")).await, ["ana"]);
}

/// S-34.13
#[tokio::test(flavor = "multi_thread")]
async fn what_is_present() {
    let server = TestServer::plain().await;
    server.post("/Users", with("ana", json!({ "title": "", "active": false }))).await.expect(201);

    assert!(found(&server, "title pr").await.is_empty());
    assert_eq!(found(&server, "active pr").await, ["ana"]);
}

/// S-34.14
#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_value_is_last_going_up_and_first_going_down() {
    let server = TestServer::plain().await;
    server.user("none").await;
    server.post("/Users", with("b", json!({ "title": "Beta" }))).await.expect(201);
    server.post("/Users", with("a", json!({ "title": "alpha" }))).await.expect(201);

    let up = server.get("/Users?sortBy=title").await.expect(200);
    let down = server.get("/Users?sortBy=title&sortOrder=descending").await.expect(200);

    assert_eq!(names(&up.body), ["a", "b", "none"]);
    assert_eq!(names(&down.body), ["none", "b", "a"]);
}

/// S-34.15
#[tokio::test(flavor = "multi_thread")]
async fn odd_pages() {
    let server = TestServer::plain().await;
    for name in ["a", "b", "c"] {
        server.user(name).await;
    }
    let page = async |query: &str| {
        let body = server.get(&format!("/Users?{query}")).await.expect(200).body;
        assert_eq!(body["totalResults"], 3, "{query}");
        (body["startIndex"].as_i64().unwrap(), body["itemsPerPage"].as_u64().unwrap(), names(&body).len())
    };

    assert_eq!(page("startIndex=0").await, (1, 3, 3));
    assert_eq!(page("startIndex=-5&count=2").await, (1, 2, 2));
    assert_eq!(page("count=0").await, (1, 0, 0));
    assert_eq!(page("count=-1").await, (1, 0, 0));
    assert_eq!(page("count=1000000").await, (1, 3, 3));
    assert_eq!(page("startIndex=3").await, (3, 1, 1));
    assert_eq!(page("startIndex=9").await, (9, 0, 0));
    server.get("/Users?count=many").await.scim_error(400, Some("invalidValue"));
}

/// S-34.16
#[tokio::test(flavor = "multi_thread")]
async fn a_walk_by_cursor_survives_a_delete_and_nothing_else() {
    let server = TestServer::plain().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        ids.push(server.user(name).await);
    }
    let page = async |query: &str| server.get(&format!("/Users?sortBy=userName&{query}")).await;

    let first = page("cursor&count=2").await.expect(200);
    let cursor = first.body["nextCursor"].as_str().unwrap().to_owned();
    assert_eq!(names(&first.body), ["a", "b"]);
    server.delete(&format!("/Users/{}", ids[1])).await.expect(204);
    server.delete(&format!("/Users/{}", ids[2])).await.expect(204);
    let second = page(&format!("cursor={cursor}&count=2")).await.expect(200);

    assert_eq!(names(&second.body), ["d", "e"], "the last one seen is gone, and nobody was skipped or repeated");
    assert_eq!(second.body.get("nextCursor"), None);
    page("cursor=Zm9yZ2Vk&count=2").await.scim_error(400, Some("invalidCursor"));
    page(&format!("cursor={cursor}&count=3")).await.scim_error(400, Some("invalidCount"));
    page(&format!("cursor={cursor}&count=2&filter=active%20pr")).await.scim_error(400, Some("invalidCursor"));
    let elsewhere = server.get(&format!("/Groups?cursor={cursor}&count=2")).await;
    elsewhere.scim_error(400, Some("invalidCursor"));
}

/// S-34.17
#[tokio::test(flavor = "multi_thread")]
async fn projections_and_what_is_never_or_always_shown() {
    let server = TestServer::plain().await;
    let body = with("ana", json!({ "name": { "givenName": "A", "familyName": "L" }, "password": "t0p-Secret-enough" }));
    let id = server.post("/Users", body).await.expect(201).id();

    let some = server.get(&format!("/Users/{id}?attributes=name.givenName,password")).await.expect(200);
    let without = server.get(&format!("/Users/{id}?excludedAttributes=id,name")).await.expect(200);

    assert_eq!(some.body, json!({ "schemas": [USER], "id": id, "name": { "givenName": "A" } }));
    assert_eq!((without.id(), without.body.get("name")), (id.clone(), None));
    assert!(!server.get(&format!("/Users/{id}")).await.body.to_string().contains("assword"));
}

/// S-34.18
#[tokio::test(flavor = "multi_thread")]
async fn put_clears_what_it_leaves_out_except_a_secret() {
    let server = TestServer::plain().await;
    let emails = json!([{ "value": "ana@example.org" }]);
    let body = with("ana", json!({ "emails": emails, "password": "t0p-Secret-enough" }));
    let id = server.post("/Users", body).await.expect(201).id();
    let path = format!("/Users/{id}");
    let same_secret = json!([{ "op": "replace", "path": "password", "value": "t0p-Secret-enough" }]);

    let replaced = server.put(&path, user("ana")).await.expect(200);
    let set_again = server.patch(&path, same_secret).await.expect(200);

    assert_eq!(replaced.body.get("emails"), None);
    assert_eq!(set_again.header("etag"), replaced.header("etag"), "the password is what it was: nothing changed");
}

/// S-34.19
#[tokio::test(flavor = "multi_thread")]
async fn the_worked_decisions_of_patch() {
    let server = TestServer::plain().await;
    let (one, two, three) = (server.user("m1").await, server.user("m2").await, server.user("m3").await);
    let start = async |more: Value| {
        let name = uuid::Uuid::from_u128(rand::random()).to_string();
        format!("/Users/{}", server.post("/Users", with(&name, more)).await.expect(201).id())
    };
    let group = async |members: &[&String]| {
        let ids: Vec<&str> = members.iter().map(|id| id.as_str()).collect();
        format!("/Groups/{}", server.group(&uuid::Uuid::from_u128(rand::random()).to_string(), &ids).await)
    };
    let does = async |path: &str, operations: Value| server.patch(path, operations).await;
    let members = async |path: &str| -> Vec<String> {
        let list = server.get(path).await.expect(200).body["members"].clone();
        let ids = list.as_array().cloned().unwrap_or_default();
        ids.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect()
    };

    // 1: a complex attribute is merged.
    let path = start(json!({ "name": { "givenName": "A", "familyName": "B" } })).await;
    let answer = does(&path, json!([{ "op": "replace", "path": "name", "value": { "givenName": "C" } }])).await;
    assert_eq!(answer.expect(200).body["name"], json!({ "givenName": "C", "familyName": "B" }));
    // 2 to 4: a value path sets all that match, and makes what nothing matches. Two that become the
    // same are one (S-3.11).
    let replace = json!([{ "op": "replace", "path": "emails[type eq \"work\"].value", "value": "x" }]);
    let values = |body: &Value| -> Vec<String> {
        body["emails"].as_array().unwrap().iter().map(|e| e["value"].as_str().unwrap().to_owned()).collect()
    };
    for (before, after) in [
        (json!([{ "type": "work", "value": "a" }, { "type": "home", "value": "b" }]), vec!["x", "b"]),
        (json!([{ "type": "work", "value": "a" }, { "type": "work", "value": "c" }]), vec!["x"]),
        (json!([{ "type": "home", "value": "b" }]), vec!["b", "x"]),
    ] {
        let path = start(json!({ "emails": before })).await;
        assert_eq!(values(&does(&path, replace.clone()).await.expect(200).body), after);
    }
    // 5: a new primary takes it from the old one.
    let path = start(json!({ "emails": [{ "type": "work", "value": "a", "primary": true }] })).await;
    let add = json!([{ "op": "add", "path": "emails", "value": [{ "type": "home", "value": "b", "primary": true }] }]);
    let emails = does(&path, add).await.expect(200).body["emails"].clone();
    assert_eq!((emails[0]["primary"].as_bool(), emails[1]["primary"].as_bool()), (Some(false), Some(true)));
    // 6 to 9: members.
    let path = group(&[&one, &two, &three]).await;
    let gone = format!("members[value eq \"{two}\"]");
    does(&path, json!([{ "op": "remove", "path": gone }])).await.expect(200);
    assert_eq!(members(&path).await, [one.clone(), three.clone()]);
    does(&path, json!([{ "op": "remove", "path": "members", "value": [{ "value": three }] }])).await.expect(200);
    assert_eq!(members(&path).await, std::slice::from_ref(&one));
    let before = server.get(&path).await.header("etag").to_owned();
    let again = does(&path, json!([{ "op": "add", "path": "members", "value": [{ "value": one }] }])).await;
    assert_eq!(again.expect(200).header("etag"), before);
    does(&path, json!([{ "op": "remove", "path": "members" }])).await.expect(200);
    assert!(members(&path).await.is_empty());
    // 10: what is required stays.
    let path = start(json!({ "title": "T", "displayName": "D", "active": true })).await;
    does(&path, json!([{ "op": "remove", "path": "userName" }])).await.scim_error(400, Some("mutability"));
    // 11: an extension comes with its URN.
    let department = json!([{ "op": "replace", "path": format!("{ENTERPRISE}:department"), "value": "X" }]);
    let answer = does(&path, department).await.expect(200);
    assert_eq!(answer.body["schemas"], json!([USER, ENTERPRISE]));
    // 12: all or nothing.
    let both = json!([{ "op": "replace", "path": "displayName", "value": "N" }, { "op": "remove" }]);
    does(&path, both).await.scim_error(400, Some("noTarget"));
    assert_eq!(server.get(&path).await.body["displayName"], "D");
    // 13: without a path.
    let off = json!([{ "op": "replace", "value": { "active": false } }]);
    assert_eq!(does(&path, off).await.expect(200).body["active"], false);
    // 14 to 16: what is refused, and how.
    let members_of = group(&[&one]).await;
    let value = format!("members[value eq \"{one}\"].value");
    let another = json!([{ "op": "replace", "path": value, "value": two }]);
    does(&members_of, another).await.scim_error(400, Some("mutability"));
    let unknown = json!([{ "op": "replace", "path": "foo.bar", "value": 1 }]);
    does(&path, unknown).await.scim_error(400, Some("invalidPath"));
    let broken = json!([{ "op": "replace", "path": "emails[type eq].value", "value": "x" }]);
    does(&path, broken).await.scim_error(400, Some("invalidFilter"));
}

/// S-34.20
#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_with_the_same_tag_one_is_told() {
    let server = Arc::new(TestServer::plain().await);
    let created = server.post("/Users", user("ana")).await.expect(201);
    let (path, etag) = (format!("/Users/{}", created.id()), created.header("etag").to_owned());
    let write = async |title: &str| {
        let body = patch(json!([{ "op": "replace", "path": "title", "value": title }]));
        server.send(server.with_body("PATCH", &path, body).header("if-match", &etag)).await.status
    };

    let (one, other) = tokio::join!(write("One"), write("Other"));

    let mut statuses = [one, other];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
}

/// S-34.21
#[tokio::test(flavor = "multi_thread")]
async fn a_current_copy_is_not_sent_again() {
    let server = TestServer::plain().await;
    let created = server.post("/Users", user("ana")).await.expect(201);
    let request = server.request("GET", &format!("/Users/{}", created.id()));

    let answer = server.send(request.header("if-none-match", created.header("etag"))).await;

    assert_eq!((answer.status, answer.body.clone(), answer.header("content-type")), (304, Value::Null, ""));
    assert_eq!(answer.header("etag"), created.header("etag"));
}

/// S-34.22
#[tokio::test(flavor = "multi_thread")]
async fn deleted_is_gone_for_every_verb() {
    let server = TestServer::plain().await;
    let id = server.user("ana").await;
    let group = server.group("staff", &[&id]).await;
    let path = format!("/Users/{id}");

    server.delete(&path).await.expect(204);

    server.get(&path).await.scim_error(404, None);
    server.put(&path, user("ana")).await.scim_error(404, None);
    server.patch(&path, json!([{ "op": "replace", "path": "title", "value": "x" }])).await.scim_error(404, None);
    server.delete(&path).await.scim_error(404, None);
    assert_eq!(server.get(&format!("/Groups/{group}")).await.body.get("members"), None);
    assert_ne!(server.user("ana").await, id);
}

/// S-34.23
#[tokio::test(flavor = "multi_thread")]
async fn bulk_in_one_look() {
    let server = TestServer::start("[bulk]\noperations_max = 4\npayload_bytes_max = 4000\n").await;
    let bulk = async |more: Value, operations: Value| {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations,
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.post("/Bulk", body).await
    };
    let post =
        |path: &str, id: &str, data: Value| json!({ "method": "POST", "path": path, "bulkId": id, "data": data });
    let group = |name: &str, member: &str| json!({ "schemas": [GROUP], "displayName": name, "members": [{ "value": format!("bulkId:{member}") }] });
    let statuses = |body: &Value| -> Vec<String> {
        body["Operations"].as_array().unwrap().iter().map(|o| o["status"].as_str().unwrap().to_owned()).collect()
    };

    let forward = [post("/Groups", "g", group("forward", "u")), post("/Users", "u", user("ana"))];
    let circle = [post("/Groups", "a", group("one", "b")), post("/Groups", "b", group("other", "a"))];
    let broken = [post("/Users", "x", json!({ "schemas": [USER] })), post("/Users", "y", user("never"))];
    let unknown = [post("/Groups", "g", group("unknown", "nobody"))];

    assert_eq!(statuses(&bulk(json!({}), json!(forward)).await.expect(200).body), ["201", "201"]);
    assert_eq!(statuses(&bulk(json!({}), json!(circle)).await.expect(200).body), ["201", "201"]);
    assert_eq!(statuses(&bulk(json!({ "failOnErrors": 1 }), json!(broken)).await.expect(200).body), ["400"]);
    let answer = bulk(json!({}), json!(unknown)).await.expect(200).body;
    assert_eq!(answer["Operations"][0]["response"]["scimType"], "invalidValue");
    let many: Vec<Value> = (0..5).map(|n| post("/Users", &n.to_string(), user(&n.to_string()))).collect();
    assert!(bulk(json!({}), json!(many)).await.scim_error(413, None).contains("maxOperations"));
    let large = post("/Users", "l", with("large", json!({ "title": "x".repeat(5000) })));
    assert!(bulk(json!({}), json!([large])).await.scim_error(413, None).contains("maxPayloadSize"));
    assert!(found(&server, r#"userName eq "never" or userName eq "large" or userName eq "0""#).await.is_empty());
}

/// S-34.24
#[tokio::test(flavor = "multi_thread")]
async fn discovery_is_not_filtered_and_complete() {
    let server = TestServer::plain().await;
    for path in ["/Schemas", "/ResourceTypes", "/ServiceProviderConfig"] {
        server.get(&format!("{path}?filter=id%20pr")).await.scim_error(403, None);
    }

    let schemas = server.get("/Schemas").await.expect(200).body;
    let ids: Vec<&str> = schemas["Resources"].as_array().unwrap().iter().filter_map(|s| s["id"].as_str()).collect();
    let types = server.get("/ResourceTypes").await.expect(200).body;

    assert!(!ids.iter().any(|id| id.contains(":api:messages:")), "{ids:?}");
    for resource_type in types["Resources"].as_array().unwrap() {
        assert!(ids.contains(&resource_type["schema"].as_str().unwrap()));
        for extension in resource_type["schemaExtensions"].as_array().unwrap_or(&Vec::new()) {
            assert!(ids.contains(&extension["schema"].as_str().unwrap()));
        }
    }
}

/// S-34.25: as far as tokens of the server's own go.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_told_so_in_both_languages() {
    let server = TestServer::plain().await;
    let url = format!("{}/Users", server.app.base_url);
    let client = provost_tests::server::client();

    let nobody = server.send(client.get(&url)).await;
    let stranger = server.send(client.get(&url).bearer_auth("provost_nonsense")).await;

    nobody.scim_error(401, None);
    stranger.scim_error(401, None);
    assert!(!nobody.header("www-authenticate").contains("error"), "no error where nothing was presented");
    assert!(stranger.header("www-authenticate").contains("error=\"invalid_token\""));
}

/// S-34.30
#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_a_scim_error() {
    let server = TestServer::plain().await;
    let id = server.user("ana").await;
    let path = format!("/Users/{id}");
    let text = server.request("POST", "/Users").header("content-type", "text/plain").body("x");
    let stale = server.with_body("PUT", &path, user("ana")).header("if-match", "W/\"999\"");

    server.get("/nowhere").await.scim_error(404, None);
    server.post(&path, user("x")).await.scim_error(405, None);
    server.send(text).await.scim_error(415, None);
    server.send(stale).await.scim_error(412, None);
    let json = server.request("POST", "/Users").header("content-type", SCIM_JSON);
    server.send(json.body("{")).await.scim_error(400, Some("invalidSyntax"));
    server.post("/Users", user("ana")).await.scim_error(409, Some("uniqueness"));
    server.get("/Users?filter=nonsense").await.scim_error(400, Some("invalidFilter"));
    server.send(json_of(&server, 3 * 1024 * 1024)).await.scim_error(413, None);
}

/// A body of this many bytes.
fn json_of(server: &TestServer, bytes: usize) -> reqwest::RequestBuilder {
    server.with_body("POST", "/Users", with("large", json!({ "title": "x".repeat(bytes) })))
}
