//! Searching: `.search`, queries over all types, filters, order, and pages by index.

use std::collections::BTreeSet;

use provost_tests::server::{Answer, TestServer, client, person, user};
use serde_json::{Value, json};

const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn path(endpoint: &str, parameters: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params("http://x/", parameters).unwrap();
    format!("{endpoint}?{}", url.query().unwrap_or_default())
}

async fn get(server: &TestServer, endpoint: &str, parameters: &[(&str, &str)]) -> Answer {
    server.get(&path(endpoint, parameters)).await
}

async fn search(server: &TestServer, endpoint: &str, members: Value) -> Answer {
    let mut body = json!({ "schemas": [SEARCH_REQUEST] });
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    server.post(endpoint, body).await
}

/// The `userName` or `displayName` of each, in order.
fn names(answer: &Answer) -> Vec<&str> {
    let name = |r: &'_ Value| if r["userName"].is_string() { "userName" } else { "displayName" };
    let resources = answer.body["Resources"].as_array().unwrap();
    assert_eq!(answer.body["itemsPerPage"], json!(resources.len()));
    resources.iter().map(|r| r[name(r)].as_str().unwrap()).collect()
}

/// Three users and two groups whose values differ in what the tests ask about.
async fn directory(server: &TestServer) -> (Vec<String>, Vec<String>) {
    let mut users = Vec::new();
    let people = [
        ("Ana", json!({ "displayName": "Zoe", "title": "", "active": false, "externalId": "E1" })),
        ("ben", json!({ "displayName": "élan", "title": "Head", "active": true, "externalId": "e1" })),
        (
            "cleo",
            json!({ "title": "engineer", "emails": [
            { "value": "zz@home.example", "type": "home" }, { "value": "aa@work.example", "type": "work", "primary": true } ] }),
        ),
    ];
    for (name, attributes) in people {
        let mut body = user(name);
        body.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
        users.push(server.post("/Users", body).await.expect(201).id());
    }
    let staff = server.group("Staff", &[&users[0], &users[1]]).await;
    let all = server.group("All", &[&users[2], &staff]).await;
    (users, vec![staff, all])
}

/// S-14.1, S-14.2, S-1.3, L-F9: the answer is the list's, under every `.search`, with and without a slash.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_request_is_answered_as_the_list_is() {
    let server = TestServer::plain().await;
    directory(&server).await;
    let parameters = [
        ("filter", "displayName pr"),
        ("sortBy", "displayName"),
        ("sortOrder", "descending"),
        ("startIndex", "2"),
        ("count", "1"),
        ("attributes", "displayName,userName"),
    ];
    let members = json!({ "filter": "displayName pr", "sortBy": "displayName", "sortOrder": "descending",
        "startIndex": 2, "count": 1, "attributes": ["displayName", "userName"] });
    for (endpoint, total) in [("/Users", 2), ("/Groups", 2), ("", 4)] {
        let listed = get(&server, &format!("{endpoint}/"), &parameters).await.expect(200).body;
        assert_eq!(listed["schemas"], json!([LIST_RESPONSE]));
        assert_eq!((&listed["totalResults"], &listed["startIndex"]), (&json!(total), &json!(2)), "{listed}");
        for end in ["", "/"] {
            let searched = search(&server, &format!("{endpoint}/.search{end}"), members.clone()).await;
            assert_eq!(searched.expect(200).body, listed, "{endpoint}/.search{end}");
        }
    }
    let everything = search(&server, "/.search", json!({})).await.expect(200).body;
    assert_eq!(everything["totalResults"], 5);
}

/// S-14.3, S-2.15, S-2.2
#[tokio::test(flavor = "multi_thread")]
async fn a_search_request_is_read_as_a_message_and_its_query_string_is_not_read() {
    let server = TestServer::plain().await;
    directory(&server).await;

    let odd =
        json!({ "SCHEMAS": [SEARCH_REQUEST], "Filter": "userName eq \"ana\"", "ATTRIBUTES": ["userName"], "x": 1 });
    let ignored = "/Users/.search?filter=nonsense&count=0&startIndex=x&attributes=a&excludedAttributes=b";
    assert_eq!(names(&server.post(ignored, odd).await.expect(200)), ["Ana"]);
    for (body, scim_type) in [
        (json!({ "filter": "id pr" }), "invalidSyntax"),
        (json!({ "schemas": [LIST_RESPONSE] }), "invalidSyntax"),
        (json!({ "schemas": [SEARCH_REQUEST], "filter": "" }), "invalidFilter"),
        (json!({ "schemas": [SEARCH_REQUEST], "filter": "nothing pr" }), "invalidFilter"),
        (json!({ "schemas": [SEARCH_REQUEST], "sortBy": "nothing" }), "invalidValue"),
        (json!({ "schemas": [SEARCH_REQUEST], "sortOrder": "up" }), "invalidValue"),
        (json!({ "schemas": [SEARCH_REQUEST], "count": "ten" }), "invalidValue"),
        (json!({ "schemas": [SEARCH_REQUEST], "attributes": ["a"], "excludedAttributes": ["b"] }), "invalidValue"),
    ] {
        for endpoint in ["/Users/.search", "/.search"] {
            server.post(endpoint, body.clone()).await.scim_error(400, Some(scim_type));
        }
    }
    let text = server.request("POST", "/.search").header("content-type", "text/plain").body("{}");
    server.send(text).await.scim_error(415, None);
    // L-Q3
    let list = search(&server, "/Users/.search", json!({ "attributes": "userName, title" })).await.expect(200).body;
    assert_eq!(list["Resources"][1]["title"], "Head");
    assert_eq!(list["Resources"][1].get("displayName"), None);
}

/// L-Q3, the strict way.
#[tokio::test(flavor = "multi_thread")]
async fn without_l_q3_a_string_is_no_list_of_attributes() {
    let server = TestServer::start("[scim.leniency.search]\nattributes_string = false\n").await;

    let answer = search(&server, "/Users/.search", json!({ "attributes": "userName" })).await;

    answer.scim_error(400, Some("invalidValue"));
}

/// S-1.3, S-1.7: the rows of the base URI and of `.search`.
#[tokio::test(flavor = "multi_thread")]
async fn the_root_is_read_and_search_is_posted_and_nothing_else() {
    let server = TestServer::plain().await;
    server.get("").await.expect(200);
    server.get("/").await.expect(200);
    for (path, allowed) in [("/", "GET"), ("", "GET"), ("/.search", "POST"), ("/Users/.search", "POST")] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().filter(|method| *method != allowed) {
            let answer = server.send(server.request(method, path)).await;
            answer.scim_error(405, None);
            assert!(answer.header("allow").contains(allowed), "{method} {path}: {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn permission_is_asked_for_every_search() {
    let server = TestServer::plain().await;
    server.user("ana").await;
    let tokens = [
        (None, 401),
        (Some("provost_nonsense".to_owned()), 401),
        (Some(server.new_token(&["scim.write", "admin"]).await), 403),
        (Some(server.new_token(&["scim.read"]).await), 200),
    ];
    for (token, status) in tokens {
        for (method, path) in [("GET", "/"), ("GET", ""), ("POST", "/.search"), ("POST", "/Users/.search")] {
            let url = format!("{}{path}", server.app.base_url);
            let mut request = if method == "GET" { client().get(url) } else { client().post(url) };
            if method == "POST" {
                request = request.body(json!({ "schemas": [SEARCH_REQUEST] }).to_string());
            }
            if let Some(token) = &token {
                request = request.bearer_auth(token);
            }
            let answer = server.send(request).await;
            assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
            assert_eq!(answer.body["Resources"].is_array(), status == 200);
        }
    }
}

/// S-9.3, S-9.5, S-9.6, S-10.12
#[tokio::test(flavor = "multi_thread")]
async fn a_query_at_the_root_spans_all_types() {
    let server = TestServer::plain().await;
    let (users, groups) = directory(&server).await;
    let found = async |filter: &str| {
        let answer = get(&server, "/", &[("filter", filter)]).await.expect(200);
        assert_eq!(answer.body["totalResults"], answer.body["itemsPerPage"]);
        names(&answer).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };

    // Users first, then groups, each by id: and no discovery resource.
    assert_eq!(names(&server.get("/").await), ["Ana", "ben", "cleo", "Staff", "All"]);
    for (filter, expected) in [
        ("meta.resourceType eq \"Group\"", vec!["Staff", "All"]),
        ("meta.resourceType eq \"User\" and active eq true", vec!["ben"]),
        ("meta.resourceType eq \"ServiceProviderConfig\"", vec![]),
        ("displayName eq \"STAFF\" or userName eq \"ana\"", vec!["Ana", "Staff"]),
        // What a type does not have has no value there.
        ("userName pr", vec!["Ana", "ben", "cleo"]),
        ("not (userName pr)", vec!["Staff", "All"]),
        ("members pr", vec!["Staff", "All"]),
        ("userName ne \"ana\"", vec!["ben", "cleo", "Staff", "All"]),
        ("schemas eq \"urn:ietf:params:scim:schemas:core:2.0:Group\"", vec!["Staff", "All"]),
    ] {
        assert_eq!(found(filter).await, expected, "{filter}");
    }
    assert_eq!(found(&format!("id eq \"{}\" or members.value eq \"{}\"", users[0], groups[0])).await, ["Ana", "All"]);
    get(&server, "/", &[("filter", "nothing pr")]).await.scim_error(400, Some("invalidFilter"));
    get(&server, "/", &[("sortBy", "nothing")]).await.scim_error(400, Some("invalidValue"));
    server.delete(&format!("/Users/{}", users[1])).await.expect(204);
    assert_eq!(server.get("/").await.body["totalResults"], 4);
}

/// S-9.3: what the filter rules out by its type is not looked at.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_at_the_root_that_names_its_type_reads_no_other() {
    use provost::store::Space;

    let server = TestServer::plain().await;
    provost_tests::server::crowd(&server, 300).await;
    server.group("staff", &[]).await;
    let before = server.app.store.keys_read(Space::Resources);

    let filter = "meta.resourceType eq \"Group\" and displayName co \"a\"";
    let found = get(&server, "/", &[("filter", filter)]).await.expect(200);

    assert_eq!(names(&found), ["staff"]);
    assert!(server.app.store.keys_read(Space::Resources) - before < 10);
}

/// S-11.5, S-11.6, S-9.5: users and groups in one order.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_at_the_root_is_sorted_with_the_types_mixed() {
    let server = TestServer::plain().await;
    directory(&server).await;
    let sorted = async |by: &str, order: &str| {
        let answer = get(&server, "/", &[("sortBy", by), ("sortOrder", order)]).await.expect(200);
        names(&answer).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };

    assert_eq!(sorted("displayName", "ascending").await, ["All", "Staff", "Ana", "ben", "cleo"]);
    assert_eq!(sorted("displayName", "DESCENDING").await, ["cleo", "ben", "Ana", "Staff", "All"]);
    assert_eq!(sorted("userName", "descending").await, ["All", "Staff", "cleo", "ben", "Ana"]);
    assert_eq!(sorted("id", "").await, ["Ana", "ben", "cleo", "Staff", "All"]);
}

/// S-11.1, S-11.2, S-11.3, S-11.4, S-11.5, S-11.6, S-11.7: golden test 14.
#[tokio::test(flavor = "multi_thread")]
async fn lists_are_sorted_by_what_their_attribute_means() {
    let server = TestServer::plain().await;
    directory(&server).await;
    for (by, ascending) in [
        // Letter case counts for nothing, except where it does.
        ("userName", ["Ana", "ben", "cleo"]),
        ("externalId", ["Ana", "ben", "cleo"]),
        ("displayName", ["Ana", "ben", "cleo"]),
        // Of several values, the primary one's counts: `aa`, not `zz` (S-11.3).
        ("emails", ["cleo", "Ana", "ben"]),
        ("emails.type", ["cleo", "Ana", "ben"]),
        ("urn:ietf:params:scim:schemas:core:2.0:User:title", ["Ana", "cleo", "ben"]),
        ("meta.lastModified", ["Ana", "ben", "cleo"]),
        ("active", ["Ana", "ben", "cleo"]),
    ] {
        let answer = get(&server, "/Users", &[("sortBy", by)]).await.expect(200);
        assert_eq!(names(&answer), ascending, "{by}");
    }
    // Who has no value comes last ascending and first descending (S-11.4); equals stand by id (S-11.6).
    let descending = get(&server, "/Users", &[("sortBy", "emails"), ("sortOrder", "descending")]).await.expect(200);
    assert_eq!(names(&descending), ["ben", "Ana", "cleo"]);
    let by_department = get(&server, "/Users", &[("sortBy", &format!("{ENTERPRISE}:department"))]).await.expect(200);
    assert_eq!(names(&by_department), ["Ana", "ben", "cleo"]);
    for refused in ["nothing", "name", "x509Certificates", "password", "emails.nothing", ENTERPRISE] {
        get(&server, "/Users", &[("sortBy", refused)]).await.scim_error(400, Some("invalidValue"));
    }
    get(&server, "/Users", &[("sortBy", "id"), ("sortOrder", "sideways")]).await.scim_error(400, Some("invalidValue"));
}

/// S-12.1, S-12.2, S-12.3, S-12.4, S-12.5, S-9.1, S-9.2: golden test 15.
#[tokio::test(flavor = "multi_thread")]
async fn pages_by_index_have_their_counters_right() {
    let server = TestServer::plain().await;
    directory(&server).await;
    for (start_index, count, shown) in [
        ("0", "2", (1, vec!["Ana", "ben"])),
        ("-5", "1", (1, vec!["Ana"])),
        ("-99999999999999999999", "1", (1, vec!["Ana"])),
        ("2", "", (2, vec!["ben", "cleo", "Staff", "All"])),
        ("", "99999999999999999999", (1, vec!["Ana", "ben", "cleo", "Staff", "All"])),
        ("3", "2", (3, vec!["cleo", "Staff"])),
        ("5", "10", (5, vec!["All"])),
        ("1", "0", (1, vec![])),
        ("1", "-1", (1, vec![])),
        ("6", "2", (6, vec![])),
        ("900000", "2", (900_000, vec![])),
    ] {
        for order in [&[][..], &[("sortBy", "meta.created")], &[("filter", "id pr")]] {
            let query = [order, &[("startIndex", start_index), ("count", count)]].concat();
            let answer = get(&server, "/", &query).await.expect(200);
            assert_eq!(names(&answer), shown.1, "{query:?}");
            assert_eq!((&answer.body["totalResults"], &answer.body["startIndex"]), (&json!(5), &json!(shown.0)));
            assert_eq!(answer.body.get("nextCursor"), None);
        }
    }
    for (name, value) in [("startIndex", "one"), ("count", "1.5"), ("count", "many")] {
        let detail = get(&server, "/Users", &[(name, value)]).await.scim_error(400, Some("invalidValue"));
        assert!(detail.contains(name), "{detail}");
    }
    let nobody = get(&server, "/Users", &[("filter", "userName eq \"nobody\"")]).await.expect(200).body;
    let empty =
        json!({ "schemas": [LIST_RESPONSE], "totalResults": 0, "startIndex": 1, "itemsPerPage": 0, "Resources": [] });
    assert_eq!(nobody, empty);
}

/// S-12.3
#[tokio::test(flavor = "multi_thread")]
async fn a_page_holds_no_more_than_is_published() {
    let server = TestServer::plain().await;
    provost_tests::server::crowd(&server, 203).await;
    let items = async |query: &str| server.get(&format!("/?{query}")).await.expect(200).body["itemsPerPage"].clone();

    assert_eq!(items("").await, 100);
    assert_eq!(items("count=1000").await, 200);
    assert_eq!(items("count=1000&startIndex=201").await, 3);
}

/// Pages by index and by cursor, of any size, in any order, show what one page shows (S-11.6, S-12.6,
/// S-13.16).
#[tokio::test(flavor = "multi_thread")]
async fn however_it_is_paged_a_list_is_the_same_list() {
    let server = TestServer::plain().await;
    directory(&server).await;
    for n in 0..12 {
        let mut body = person(&format!("p{n}"));
        body["title"] = json!(["b", "B", "a", "Ä"][n % 4]);
        if n % 3 == 0 {
            body.as_object_mut().unwrap().remove("displayName");
        }
        server.post("/Users", body).await.expect(201);
    }
    let orders: [&[(&str, &str)]; 9] = [
        &[],
        &[("sortBy", "id"), ("sortOrder", "descending")],
        &[("sortBy", "displayName")],
        &[("sortBy", "displayName"), ("sortOrder", "descending")],
        &[("sortBy", "meta.lastModified")],
        &[("sortBy", "title"), ("sortOrder", "descending"), ("filter", "title pr or displayName sw \"s\"")],
        &[("filter", "displayName eq \"Staff\" or userName sw \"p\"")],
        &[("filter", "not (displayName co \"a\")"), ("sortBy", "userName")],
        &[("sortBy", "name.familyName"), ("filter", "meta.resourceType eq \"User\"")],
    ];
    for endpoint in ["/", "/Users"] {
        for order in orders {
            let order = match endpoint {
                "/" => order.to_vec(),
                _ => order.iter().copied().filter(|(n, v)| *n != "filter" || !v.contains("Staff")).collect(),
            };
            let ids = |body: &Value| -> Vec<String> {
                body["Resources"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect()
            };
            let ask =
                async |more: &[(&str, &str)]| get(&server, endpoint, &[&order, more].concat()).await.expect(200).body;
            let whole = ids(&ask(&[("count", "200")]).await);
            assert!(whole.len() > 5, "{order:?} is worth paging");
            assert_eq!(whole.iter().collect::<BTreeSet<_>>().len(), whole.len());
            for count in [1, 4, whole.len()] {
                let (mut by_index, mut by_cursor) = (Vec::new(), Vec::new());
                for start_index in (1..=whole.len()).step_by(count) {
                    let page = [("startIndex", &*start_index.to_string()), ("count", &*count.to_string())];
                    by_index.extend(ids(&ask(&page).await));
                }
                let mut cursor = String::new();
                loop {
                    let page = ask(&[("cursor", &cursor), ("count", &count.to_string())]).await;
                    by_cursor.extend(ids(&page));
                    let Some(next) = page["nextCursor"].as_str() else { break };
                    cursor = next.to_owned();
                }
                assert_eq!(by_index, whole, "{endpoint} {order:?} by index, {count} at a time");
                assert_eq!(by_cursor, whole, "{endpoint} {order:?} by cursor, {count} at a time");
            }
        }
    }
}

/// S-10.20, S-10.21, S-10.22, S-10.23, S-10.24, S-10.25, S-10.26, S-10.27, S-10.29, S-10.30, S-10.31,
/// S-10.32, S-10.33, S-10.34, S-10.35, S-10.36, S-10.37: golden tests 9 to 13.
#[tokio::test(flavor = "multi_thread")]
async fn filters_mean_what_they_say_on_every_kind_of_attribute() {
    let server = TestServer::plain().await;
    let (users, groups) = directory(&server).await;
    let mut manager = json!([{ "op": "add", "path": format!("{ENTERPRISE}:manager"), "value": { "value": users[1] } }]);
    let changed = server.patch(&format!("/Users/{}", users[0]), manager.take()).await.expect(200).body;
    let base = &server.app.base_url;
    let modified = changed["meta"]["lastModified"].as_str().unwrap();
    let elsewhere = modified.parse::<jiff::Timestamp>().unwrap().display_with_offset(jiff::tz::offset(2)).to_string();
    for (filter, expected) in [
        ("emails[type eq \"work\" and value co \"@home\"]".to_owned(), vec![]), // S-10.21
        ("emails.type eq \"work\" and emails.value co \"@home\"".to_owned(), vec!["cleo"]), // S-10.20
        (format!("{ENTERPRISE}:manager[value eq \"{}\"]", users[1]), vec!["Ana"]), // S-10.22
        (format!("manager eq \"{}\"", users[1]), vec!["Ana"]),                  // S-10.23
        ("emails co \"WORK.example\"".to_owned(), vec!["cleo"]),                // S-10.23, S-10.25
        ("schemas[value eq \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"]".to_owned(), vec!["Ana"]), // S-10.24
        ("userName eq \"BEN\"".to_owned(), vec!["ben"]),     // S-10.25
        ("externalId eq \"e1\"".to_owned(), vec!["ben"]),    // S-10.25
        ("displayName eq \"ÉLAN\"".to_owned(), vec!["ben"]), // S-10.26
        ("displayName eq \"e\u{301}lan\"".to_owned(), vec!["ben"]), // S-10.26
        ("title pr".to_owned(), vec!["ben", "cleo"]),        // S-10.27
        ("active pr".to_owned(), vec!["Ana", "ben"]),        // S-10.27: false is a value
        ("active eq false".to_owned(), vec!["Ana"]),
        ("emails pr".to_owned(), vec!["cleo"]),
        ("emails eq null".to_owned(), vec!["Ana", "ben"]), // S-10.29
        ("emails ne null".to_owned(), vec!["cleo"]),       // S-10.29
        ("emails.type ne \"home\"".to_owned(), vec!["Ana", "ben"]), // S-10.30
        ("emails[type ne \"home\"]".to_owned(), vec!["cleo"]), // S-10.30
        ("title gt \"f\"".to_owned(), vec!["ben"]),        // S-10.31
        (format!("meta.lastModified eq \"{elsewhere}\" and id eq \"{}\"", users[0]), vec!["Ana"]), // S-10.33
        (format!("meta.lastModified gt \"{modified}\""), vec![]), // S-10.33
        (format!("schemas eq \"{ENTERPRISE}\""), vec!["Ana"]), // S-10.35
        (format!("meta.location eq \"{base}/Users/{}\"", users[2]), vec!["cleo"]), // S-10.35
        ("meta.location ew \"nothing\"".to_owned(), vec![]), // S-10.35
        ("meta.version pr and meta.resourceType eq \"User\"".to_owned(), vec!["Ana", "ben", "cleo"]), // S-10.35
        ("meta.resourceType eq \"user\"".to_owned(), vec![]), // S-10.25
        (format!("groups.value eq \"{}\"", groups[0]), vec!["Ana", "ben"]), // S-10.36
        ("groups.display eq \"staff\"".to_owned(), vec!["Ana", "ben"]), // S-10.36
        (format!("groups.$ref eq \"{base}/Groups/{}\"", groups[1]), vec!["Ana", "ben", "cleo"]), // S-10.36, by way of staff
        ("not (groups.display eq \"staff\")".to_owned(), vec!["cleo"]),                          // S-10.36
    ] {
        let answer = get(&server, "/Users", &[("filter", &filter)]).await.expect(200);
        assert_eq!(names(&answer), expected, "{filter}");
    }
    // S-10.36: what members are called, and where they are, is theirs and not the group's.
    for (filter, expected) in [
        ("members.display eq \"ZOE\"".to_owned(), vec!["Staff"]),
        ("not (members.display eq \"zoe\")".to_owned(), vec!["All"]),
        ("members[display eq \"ÉLAN\" and type eq \"User\"]".to_owned(), vec!["Staff"]),
        ("members[display eq \"élan\" and type eq \"Group\"]".to_owned(), vec![]),
        (format!("members.$ref eq \"{base}/Groups/{}\"", groups[0]), vec!["All"]),
        (format!("members.$ref pr and members.value eq \"{}\"", users[0]), vec!["Staff"]),
    ] {
        let answer = get(&server, "/Groups", &[("filter", &filter)]).await.expect(200);
        assert_eq!(names(&answer), expected, "{filter}");
    }
    for refused in [
        "active gt true",                  // S-10.31
        "meta.created co \"2026\"",        // S-10.32
        "x509Certificates.value gt \"a\"", // S-10.31
        "active eq \"maybe\"",             // S-10.34
        "meta.created gt \"yesterday\"",   // S-10.33
        "title eq 7",                      // S-10.34
        "password eq \"x\"",               // S-10.37
        "password pr",                     // S-10.37
        "name eq \"x\"",                   // S-10.32
    ] {
        get(&server, "/Users", &[("filter", refused)]).await.scim_error(400, Some("invalidFilter"));
    }
}

/// S-32.1, S-32.2: how Entra ID looks things up, and how it tests a connection.
#[tokio::test(flavor = "multi_thread")]
async fn the_lookups_of_entra_id_find_what_they_look_for() {
    let server = TestServer::plain().await;
    let ids = [server.post("/Users", person("ana")).await.expect(201).id(), server.user("ben").await];
    let group = server.group("Staff", &[&ids[0]]).await;
    let manager = json!([{ "op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": ids[1] }]);
    server.patch(&format!("/Users/{}", ids[0]), manager).await.expect(200);
    let found = async |endpoint: &str, filter: &str, more: &[(&str, &str)]| {
        get(&server, endpoint, &[&[("filter", filter)], more].concat()).await.expect(200).body
    };

    let probe = found("/Users", "userName eq \"9b9ab47e-6b4b-4a1c-a4c7-2f6c8c1a1f2b\"", &[]).await;
    assert_eq!((&probe["totalResults"], &probe["Resources"]), (&json!(0), &json!([])));
    for filter in
        ["userName eq \"ANA\"", "externalId eq \"hr-ana\"", "emails[type eq \"work\"].value eq \"ana@example.org\""]
    {
        let body = found("/Users", filter, &[]).await;
        assert_eq!((&body["totalResults"], &body["Resources"][0]["id"]), (&json!(1), &json!(ids[0])), "{filter}");
    }
    let body = found("/Groups", "displayName eq \"staff\"", &[("excludedAttributes", "members")]).await;
    assert_eq!(body["Resources"][0]["id"], json!(group));
    assert_eq!(body["Resources"][0].get("members"), None);
    for (endpoint, id, filter, total) in [
        ("/Groups", &group, format!("id eq \"{group}\" and members eq \"{}\"", ids[0]), 1),
        ("/Groups", &group, format!("id eq \"{group}\" and members eq \"{}\"", ids[1]), 0),
        ("/Users", &ids[0], format!("id eq \"{}\" and manager eq \"{}\"", ids[0], ids[1]), 1),
        ("/Users", &ids[0], format!("id eq \"{}\" and manager eq \"{}\"", ids[0], ids[0]), 0),
    ] {
        let body = found(endpoint, &filter, &[("attributes", "id")]).await;
        assert_eq!(body["totalResults"], json!(total), "{filter}");
        if total == 1 {
            let keys: Vec<&str> = body["Resources"][0].as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!((keys, &body["Resources"][0]["id"]), (vec!["schemas", "id"], &json!(id)));
        }
    }
}

/// S-1.10, S-1.11
#[tokio::test(flavor = "multi_thread")]
async fn discovery_is_neither_paged_nor_sorted() {
    let server = TestServer::plain().await;
    for endpoint in ["/Schemas", "/ResourceTypes", "/ServiceProviderConfig"] {
        let plain = server.get(endpoint).await.expect(200).body;
        for query in ["count=1&startIndex=2", "cursor&count=0", "cursor=x", "startIndex=x", "sortBy=name&sortOrder=up"]
        {
            assert_eq!(server.get(&format!("{endpoint}?{query}")).await.expect(200).body, plain, "{endpoint}?{query}");
        }
        assert_eq!(plain["schemas"] == json!([LIST_RESPONSE]), endpoint != "/ServiceProviderConfig");
        server.get(&format!("{endpoint}?count=1&filter=id+pr")).await.scim_error(403, None);
    }
    let single = server.get("/Schemas/urn:ietf:params:scim:schemas:core:2.0:User?count=0").await.expect(200).body;
    assert_eq!(single["name"], "User");
}
