//! The protocol's everyday: create, read, replace, patch, delete, list, discover (RFC 7644 section 3).

use provost_tests::server::{SCIM_JSON, TestServer, user};
use serde_json::{Value, json};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// S-5.5
#[tokio::test(flavor = "multi_thread")]
async fn s_6_1_garbage_in_read_only_attributes_is_ignored() {
    let server = TestServer::plain().await;
    let mut body = user("ana");
    body["id"] = json!("mine");
    body["meta"] = json!("nonsense");
    body["groups"] = json!(42);

    let created = server.post("/Users", body).await.expect(201);

    assert_ne!(created.id(), "mine");
    assert_eq!(created.body["meta"]["resourceType"], "User");
    assert_eq!(created.body.get("groups"), None);
}

/// S-5.4, S-5.9, S-6.2, S-7.1
#[tokio::test(flavor = "multi_thread")]
async fn s_2_7_created_carries_location_etag_and_the_whole_resource() {
    let server = TestServer::plain().await;

    let created = server.post("/Users", user("ana")).await.expect(201);

    let location = format!("{}/Users/{}", server.app.base_url, created.id());
    assert_eq!(created.header("location"), location);
    assert_eq!(created.body["meta"]["location"], json!(location));
    assert_eq!(created.body["meta"]["version"].as_str().unwrap(), created.header("etag"));
    assert!(created.header("etag").starts_with("W/\""));
    assert_eq!(created.header("content-type"), SCIM_JSON);
    assert_eq!(created.body["meta"]["created"], created.body["meta"]["lastModified"]);
    assert_eq!(server.get(&format!("/Users/{}", created.id())).await.expect(200).body, created.body);
}

/// S-15.1, S-15.2, S-15.3, S-15.5, S-15.10, S-15.11; S-1.5: a PUT makes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn s_15_put_replaces_and_keeps_what_the_rules_keep() {
    let server = TestServer::plain().await;
    let mut body = user("ana");
    body["title"] = json!("Engineer");
    body["active"] = json!(false);
    body["emails"] = json!([{ "value": "ana@example.org" }]);
    body[ENTERPRISE] = json!({ "department": "R&D" });
    let id = server.post("/Users", body).await.expect(201).id();

    let mut body = user("ana.lopez");
    body["id"] = json!("another");
    let replaced = server.put(&format!("/Users/{id}"), body).await.expect(200);

    assert_eq!(replaced.id(), id);
    assert_eq!(replaced.body["userName"], "ana.lopez");
    for gone in ["title", "emails", ENTERPRISE] {
        assert_eq!(replaced.body.get(gone), None, "{gone} (checklist S-15.3, S-15.11)");
    }
    assert_eq!(replaced.body["active"], false, "a PUT without `active` re-enables nobody (checklist S-15.5)");
    assert_eq!(replaced.body["schemas"], json!(["urn:ietf:params:scim:schemas:core:2.0:User"]));
    server.put("/Users/00000000-0000-7000-8000-000000000000", user("x")).await.scim_error(404, None);
}

/// S-16.9, S-15.13.
#[tokio::test(flavor = "multi_thread")]
async fn s_16_9_a_change_that_changes_nothing_makes_no_version_and_no_journal_row() {
    let server = TestServer::plain().await;
    let id = server.user("ana").await;
    let path = format!("/Users/{id}");
    let operations = json!([{ "op": "replace", "path": "title", "value": "Engineer" }]);
    let first = server.patch(&path, operations.clone()).await.expect(200);
    let rows = server.journal().await.len();

    let second = server.patch(&path, operations).await.expect(200);
    let third = server
        .put(&path, {
            let mut b = user("ana");
            b["title"] = json!("Engineer");
            b
        })
        .await
        .expect(200);

    assert_eq!(second.body, first.body);
    assert_eq!(third.body, first.body);
    assert_eq!(server.journal().await.len(), rows);
}

/// S-17.1, S-17.2, S-17.3
#[tokio::test(flavor = "multi_thread")]
async fn s_17_a_deleted_resource_is_gone_and_its_name_is_free_under_a_new_id() {
    let server = TestServer::plain().await;
    let id = server.user("ana").await;
    let group = server.group("staff", &[&id]).await;
    let path = format!("/Users/{id}");
    let etag = server.get(&format!("/Groups/{group}")).await.header("etag").to_owned();

    let answer = server.delete(&path).await.expect(204);
    assert_eq!((answer.body.clone(), answer.header("content-type")), (Value::Null, ""));

    server.get(&path).await.scim_error(404, None);
    server.put(&path, user("ana")).await.scim_error(404, None);
    server.patch(&path, json!([{ "op": "add", "path": "title", "value": "x" }])).await.scim_error(404, None);
    server.delete(&path).await.scim_error(404, None);
    let shown = server.get(&format!("/Groups/{group}")).await.expect(200);
    assert_eq!(shown.body.get("members"), None);
    assert_ne!(shown.header("etag"), etag, "losing a member is a change of the group (checklist S-17.4)");
    assert_ne!(server.user("ana").await, id);
}

/// S-7.2, S-17.6
#[tokio::test(flavor = "multi_thread")]
async fn s_19_etags_guard_writes_and_save_reads() {
    let server = TestServer::plain().await;
    let id = server.user("ana").await;
    let path = format!("/Users/{id}");
    let etag = server.get(&path).await.header("etag").to_owned();
    let with = async |method: &str, header: &str, tag: &str| {
        let body = match method {
            "PUT" => user("ana"),
            _ => provost_tests::server::patch(json!([{ "op": "replace", "path": "title", "value": tag }])),
        };
        let request = match method {
            "GET" | "DELETE" => server.request(method, &path),
            _ => server.with_body(method, &path, body),
        };
        server.send(request.header(header, tag)).await
    };

    let kept = with("GET", "if-none-match", &etag).await.expect(304);
    assert_eq!((kept.body.clone(), kept.header("etag")), (Value::Null, etag.as_str()));
    with("GET", "if-none-match", "W/\"999\"").await.expect(200);
    with("GET", "if-match", "W/\"999\"").await.scim_error(412, None);
    for method in ["PUT", "PATCH", "DELETE"] {
        with(method, "if-match", "W/\"999\"").await.scim_error(412, None);
        with(method, "if-none-match", "*").await.scim_error(412, None);
    }
    // Weakly compared, and an unquoted tag is understood (checklist S-19.3, S-19.4).
    let opaque = etag.trim_start_matches("W/").trim_matches('"').to_owned();
    let changed = with("PATCH", "if-match", &opaque).await.expect(200);
    with("PATCH", "if-match", &etag).await.scim_error(412, None);
    with("DELETE", "if-match", changed.header("etag")).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn s_19_7_of_two_writers_with_the_same_tag_one_succeeds() {
    let server = TestServer::plain().await;
    let id = server.user("ana").await;
    let path = format!("/Users/{id}");
    let etag = server.get(&path).await.header("etag").to_owned();
    let write = async |title: String| {
        let body = provost_tests::server::patch(json!([{ "op": "replace", "path": "title", "value": title }]));
        server.send(server.with_body("PATCH", &path, body).header("if-match", &etag)).await.status
    };

    let mut statuses = futures::future::join_all((0..8).map(|n| write(format!("title {n}")))).await;

    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
}

async fn three_users(server: &TestServer) -> Vec<String> {
    let mut ids = Vec::new();
    for (name, title) in [("ana", Some("Head")), ("ben", None), ("cleo", Some("engineer"))] {
        let mut body = user(name);
        body["emails"] = json!([{ "value": format!("{name}@example.org"), "type": "work" }, { "value": format!("{name}@home.example"), "type": "home" }]);
        body["externalId"] = json!(format!("X-{name}"));
        if let Some(title) = title {
            body["title"] = json!(title);
        }
        ids.push(server.post("/Users", body).await.expect(201).id());
    }
    ids
}

/// The user names that a query answers, in its order.
async fn names(server: &TestServer, query: &str) -> Vec<String> {
    let answer = server.get(&format!("/Users?{query}")).await.expect(200);
    let names: Vec<String> = answer.body["Resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["userName"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(answer.body["itemsPerPage"], json!(names.len()));
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn s_10_filters_mean_what_the_rfc_says() {
    let server = TestServer::plain().await;
    let ids = three_users(&server).await;
    let filter = async |text: &str| {
        let query: String =
            reqwest::Url::parse_with_params("http://x/", [("filter", text)]).unwrap().query().unwrap().to_owned();
        names(&server, &query).await
    };

    for (text, expected) in [
        ("userName eq \"ANA\"", vec!["ana"]),
        ("USERNAME Eq \"ana\"", vec!["ana"]),
        ("externalId eq \"x-ana\"", vec![]),
        ("externalId eq \"X-ana\"", vec!["ana"]),
        ("userName sw \"c\" or userName eq \"ben\" and title pr", vec!["cleo"]),
        ("(userName sw \"c\" or userName eq \"ben\") and title pr", vec!["cleo"]),
        ("not (title pr)", vec!["ben"]),
        ("not(title pr)", vec!["ben"]),
        ("emails[type eq \"work\" and value co \"@home\"]", vec![]),
        ("emails.type eq \"work\" and emails.value co \"@home\"", vec!["ana", "ben", "cleo"]),
        ("emails eq \"ben@home.example\"", vec!["ben"]),
        ("emails[type eq \"work\"].value eq \"cleo@example.org\"", vec!["cleo"]),
        ("urn:ietf:params:scim:schemas:core:2.0:User:userName eq \"ben\"", vec!["ben"]),
        ("meta.resourceType eq \"User\" and title eq \"HEAD\"", vec!["ana"]),
        ("userName gt \"ana\" and userName le \"cleo\"", vec!["ben", "cleo"]),
        ("userName ne \"ana\"", vec!["ben", "cleo"]),
        ("title eq null", vec!["ben"]),
        ("userName eq \"nobody\"", vec![]),
        ("meta.created gt \"2001-01-01T00:00:00+02:00\"", vec!["ana", "ben", "cleo"]),
    ] {
        assert_eq!(filter(text).await, expected, "{text}");
    }
    assert_eq!(filter(&format!("id eq \"{}\"", ids[1])).await, ["ben"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn s_9_s_11_s_12_lists_are_sorted_and_paged() {
    let server = TestServer::plain().await;
    three_users(&server).await;

    assert_eq!(names(&server, "sortBy=userName&sortOrder=descending").await, ["cleo", "ben", "ana"]);
    // Those without a value come last ascending, first descending (checklist S-11.4).
    assert_eq!(names(&server, "sortBy=title").await, ["cleo", "ana", "ben"]);
    assert_eq!(names(&server, "sortBy=title&sortOrder=descending").await, ["ben", "ana", "cleo"]);
    assert_eq!(names(&server, "startIndex=2&count=1&sortBy=userName").await, ["ben"]);
    assert_eq!(names(&server, "startIndex=0&count=2&sortBy=userName").await, ["ana", "ben"]);
    assert_eq!(names(&server, "startIndex=-5&count=1&sortBy=userName").await, ["ana"]);
    assert!(names(&server, "startIndex=9").await.is_empty());
    assert!(names(&server, "count=-1").await.is_empty());

    let none = server.get("/Users?count=0&filter=title+pr").await.expect(200);
    assert_eq!((&none.body["totalResults"], &none.body["Resources"]), (&json!(2), &json!([])));
    let page = server.get("/Users?startIndex=2&count=1&filter=title+pr").await.expect(200);
    assert_eq!((&page.body["totalResults"], &page.body["startIndex"]), (&json!(2), &json!(2)));
    server.get("/Users?count=many").await.scim_error(400, Some("invalidValue"));
    server.get("/Users?sortOrder=sideways").await.scim_error(400, Some("invalidValue"));
    server.get("/Users?sortBy=emails.primary.x").await.scim_error(400, Some("invalidValue"));
    assert_eq!(server.get("/Users/?whatever=1").await.expect(200).body["totalResults"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn s_8_projections_shape_every_answer() {
    let server = TestServer::plain().await;
    let ids = three_users(&server).await;
    let path = format!("/Users/{}", ids[0]);
    let keys = |body: &Value| body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();

    let only = server.get(&format!("{path}?attributes=userName,emails.value")).await.expect(200).body;
    assert_eq!(keys(&only), ["schemas", "id", "userName", "emails"]);
    assert_eq!(only["emails"][0], json!({ "value": "ana@example.org" }));
    let without = server.get(&format!("{path}?excludedAttributes=emails,id,meta")).await.expect(200).body;
    assert!(without.get("emails").is_none() && without.get("meta").is_none() && without.get("id").is_some());
    server.get(&format!("{path}?attributes=a&excludedAttributes=b")).await.scim_error(400, Some("invalidValue"));
    let created = server.post("/Users?attributes=userName", user("dora")).await.expect(201);
    assert_eq!(keys(&created.body), ["schemas", "id", "userName"]);
    let patch = json!([{ "op": "add", "path": "title", "value": "x" }]);
    assert_eq!(
        keys(&server.patch(&format!("{path}?attributes=title"), patch).await.expect(200).body),
        ["schemas", "id", "title"]
    );
    assert_eq!(server.get("/Users?attributes=password").await.expect(200).body["Resources"][0].get("password"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn s_16_patches_reach_extensions_and_value_paths() {
    let server = TestServer::plain().await;
    let ids = three_users(&server).await;
    let path = format!("/Users/{}", ids[0]);

    let operations = json!([
        { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "head@example.org" },
        { "op": "add", "path": format!("{ENTERPRISE}:department"), "value": "R&D" },
        { "op": "replace", "value": { "active": "False", "name.givenName": "Ana" } },
    ]);
    let body = server.patch(&path, operations).await.expect(200).body;

    assert_eq!(body["emails"][0]["value"], "head@example.org");
    assert_eq!(body[ENTERPRISE]["department"], "R&D");
    assert!(body["schemas"].as_array().unwrap().contains(&json!(ENTERPRISE)));
    assert_eq!((&body["active"], &body["name"]["givenName"]), (&json!(false), &json!("Ana")));
}

/// S-1.14
#[tokio::test(flavor = "multi_thread")]
async fn s_1_10_discovery_is_readable_by_anybody_and_cannot_be_filtered() {
    let server = TestServer::plain().await;
    let get = async |path: &str| {
        let url = format!("{}{path}", server.app.base_url);
        server.send(provost_tests::server::client().get(url)).await
    };

    let config = get("/ServiceProviderConfig").await.expect(200).body;
    for (feature, supported) in
        [("patch", true), ("filter", true), ("sort", true), ("etag", true), ("bulk", true), ("changePassword", true)]
    {
        assert_eq!(config[feature]["supported"], json!(supported), "{feature}");
    }
    assert_eq!(config["meta"]["location"], json!(format!("{}/ServiceProviderConfig", server.app.base_url)));
    let types = get("/ResourceTypes").await.expect(200).body;
    assert_eq!(types["totalResults"], 2);
    assert_eq!(get("/ResourceTypes/User").await.expect(200).body["endpoint"], "/Users");
    let schemas = get("/Schemas").await.expect(200).body;
    let ids: Vec<&str> = schemas["Resources"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&ENTERPRISE) && ids.iter().all(|id| !id.contains(":api:messages:")), "{ids:?}");
    get("/Schemas/urn:IETF:params:scim:schemas:core:2.0:user").await.expect(200);
    get("/Schemas/urn:nothing").await.scim_error(404, None);
    for path in ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"] {
        get(&format!("{path}?filter=id+pr")).await.scim_error(403, None);
    }
}

/// S-2.3
#[tokio::test(flavor = "multi_thread")]
async fn s_2_4_a_client_that_wants_plain_json_gets_it() {
    let server = TestServer::plain().await;

    let plain = server.send(server.request("GET", "/Users").header("accept", "application/json")).await.expect(200);
    let odd = server.send(server.request("GET", "/Users").header("accept", "text/html")).await.expect(200);

    assert_eq!(plain.header("content-type"), "application/json");
    assert_eq!(odd.header("content-type"), SCIM_JSON);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_a_restart() {
    let server = TestServer::plain().await;
    let id = server.user("ana").await;
    let group = server.group("staff", &[&id]).await;
    let before = server.get(&format!("/Groups/{group}")).await.body;
    let journal = server.journal().await;

    let server = server.restart(None).await;

    let mut after = server.get(&format!("/Groups/{group}")).await.expect(200).body;
    // Only the port, and so the base URI, is another one.
    let text = after
        .to_string()
        .replace(&server.app.base_url, before["meta"]["location"].as_str().unwrap().split("/Groups").next().unwrap());
    after = serde_json::from_str(&text).unwrap();
    assert_eq!(after, before);
    assert_eq!(server.journal().await, journal);
}

/// S-7.3: a filter, an order and a page mean nothing where there is one resource.
#[tokio::test(flavor = "multi_thread")]
async fn one_resource_is_neither_filtered_nor_sorted_nor_paged() {
    let server = TestServer::plain().await;
    let id = server.user("ana").await;
    let path = format!("/Users/{id}");
    let plain = server.get(&path).await.expect(200);

    let asked =
        server.get(&format!("{path}?filter=userName%20eq%20%22ben%22&sortBy=nothing&startIndex=9&count=0")).await;

    assert_eq!(asked.expect(200).body, plain.body);
}

/// S-1.2: the version may be left out, and another one is refused as such.
#[tokio::test(flavor = "multi_thread")]
async fn versions_in_the_path() {
    let server = TestServer::plain().await;
    let id = server.user("ana").await;
    let root = server.app.base_url.strip_suffix("/v2").unwrap().to_owned();
    let client = provost_tests::server::client();
    let get = async |path: &str| server.send(client.get(format!("{root}{path}")).bearer_auth(&server.token)).await;

    let found = get(&format!("/Users/{id}")).await.expect(200);

    assert_eq!(found.body["meta"]["location"], json!(format!("{}/Users/{id}", server.app.base_url)));
    assert_eq!(get("/Users?count=0").await.expect(200).body["totalResults"], 1);
    for other in ["/v1/Users", "/v3", "/v20/Users"] {
        assert!(get(other).await.scim_error(400, Some("invalidVers")).contains("`v2`"));
    }
    get("/version/Users").await.scim_error(404, None);
}
