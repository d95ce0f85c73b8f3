//! Errors, media types and headers (checklist sections 1, 2 and 20).

use provost_tests::guests::{self, plugin};
use provost_tests::server::{Answer, SCIM_JSON, TestServer, client, patch, user};
use reqwest::Method;
use serde_json::{Value, json};

/// Golden test 30: S-20.1 to S-20.4, S-20.8, S-2.5, S-2.10: whatever goes wrong, the body is a SCIM error.
#[tokio::test(flavor = "multi_thread")]
async fn golden_30_every_error_is_a_scim_error() {
    let server = TestServer::plain().await;
    let id = server.user("ana").await;
    let path = format!("/Users/{id}");
    let anybody = |path: &str| client().get(format!("{}{path}", server.app.base_url));
    let body = |method: &str, path: &str, body: Value| server.with_body(method, path, body);
    let raw = |bytes: &'static [u8]| server.request("POST", "/Users").header("content-type", SCIM_JSON).body(bytes);
    let mut large = user("large");
    large["title"] = json!("x".repeat(provost::limits::BODY_BYTES_MAX));
    let retitle = patch(json!([{ "op": "replace", "path": "title", "value": "x" }]));

    let table: Vec<(&str, reqwest::RequestBuilder, u16, Option<&str>)> = vec![
        ("no JSON", raw(b"{"), 400, Some("invalidSyntax")),
        ("no UTF-8", raw(b"{\"userName\": \"\xff\"}"), 400, Some("invalidSyntax")),
        (
            "no value",
            body("POST", "/Users", json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"] })),
            400,
            Some("invalidValue"),
        ),
        // S-15.9.
        (
            "a replacement without a name",
            body("PUT", &path, json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"] })),
            400,
            Some("invalidValue"),
        ),
        ("bad filter", server.request("GET", "/Users?filter=userName"), 400, Some("invalidFilter")),
        (
            "bad path",
            body("PATCH", &path, patch(json!([{ "op": "add", "path": "a.b.c", "value": 1 }]))),
            400,
            Some("invalidPath"),
        ),
        ("no target", body("PATCH", &path, patch(json!([{ "op": "remove" }]))), 400, Some("noTarget")),
        (
            "read only",
            body("PATCH", &path, patch(json!([{ "op": "add", "path": "id", "value": 1 }]))),
            400,
            Some("mutability"),
        ),
        ("no token", anybody("/Users"), 401, None),
        ("a wrong token", anybody("/Users").bearer_auth("provost_wrong"), 401, None),
        ("another scheme", anybody("/Users").header("authorization", "Basic YTpi"), 401, None),
        ("a filter on discovery", anybody("/Schemas?filter=id+pr"), 403, None),
        ("no such route", server.request("GET", "/Nothing"), 404, None),
        ("no such depth", server.request("GET", &format!("{path}/emails")), 404, None),
        ("no such resource", server.request("GET", "/Users/00000000-0000-7000-8000-000000000000"), 404, None),
        ("no id", server.request("DELETE", "/Users/%FF"), 404, None),
        ("above the base path", client().get(format!("http://{}/elsewhere", server.app.listens)), 404, None),
        ("a method that no list has", body("PUT", "/Users", user("x")), 405, None),
        ("a method that no discovery has", body("POST", "/Schemas", user("x")), 405, None),
        ("a method that nobody has", server.request("BREW", &path), 405, None),
        ("a taken name", body("POST", "/Users", user("ANA")), 409, Some("uniqueness")),
        ("a stale tag", body("PATCH", &path, retitle).header("if-match", "\"0\""), 412, None),
        ("a large body", body("POST", "/Users", large), 413, None),
        (
            "another media type",
            server.request("POST", "/Users").header("content-type", "text/xml").body("<a/>"),
            415,
            None,
        ),
    ];
    for (what, request, status, scim_type) in table {
        let plain = request.try_clone().unwrap().header("accept", "application/json");
        let answer = server.send(request).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        is_error(what, &answer, scim_type);
        assert_eq!(answer.status == 405, answer.headers.contains_key("allow"), "{what}");
        assert_eq!(answer.status == 401, answer.header("www-authenticate").starts_with("Bearer"), "{what}");
        // Who accepts plain JSON only gets the same, under that name (S-2.4).
        let plain = server.send(plain).await;
        assert_eq!((plain.header("content-type"), &plain.body), ("application/json", &answer.body), "{what}");
    }
}

/// S-20.1, S-20.2, S-20.6, S-20.9: the members, their types, and nothing beside them.
#[track_caller]
fn is_error(what: &str, answer: &Answer, scim_type: Option<&str>) {
    let detail = answer.scim_error(answer.status, scim_type);
    assert!(!detail.is_empty(), "{what}");
    for name in answer.body.as_object().unwrap().keys() {
        let known = ["schemas", "status", "scimType", "detail", "urn:provost:params:scim:api:messages:2.0:Diagnostics"];
        assert!(known.contains(&name.as_str()), "{what}: {name}");
    }
}

/// S-20.3, S-20.4, S-20.7: 503 with Retry-After when a plugin fails, and no word of how it is built.
#[tokio::test(flavor = "multi_thread")]
async fn s_20_7_a_failing_plugin_is_a_scim_error_without_internals() {
    let table = plugin(
        guests::PANICS,
        "on_fault = \"refuse\"\nconfig = {}\ngrant = { imports = [\"config\", \"log\"], write = [\"*\"] }",
    );
    let server = TestServer::start(&table).await;

    let answer = server.post("/Users", user("ana")).await;

    is_error("a plugin that panics", &answer, None);
    assert_eq!((answer.status, answer.header("retry-after").is_empty()), (503, false));
    let text = answer.body.to_string();
    for internal in ["panicked", ".rs", "wasm", "/tmp", "backtrace"] {
        assert!(!text.contains(internal), "{internal} in {text}");
    }
}

/// S-1.3, S-1.7, S-1.8, S-1.9: cells without a method are 405 with `Allow`; unknown parameters are ignored; endpoints mind
/// their letter case, and a slash behind them does not matter.
#[tokio::test(flavor = "multi_thread")]
async fn s_1_7_methods_and_paths_are_those_of_the_table() {
    let server = TestServer::plain().await;
    let id = server.user("ana").await;

    for (path, allowed) in [
        ("/Users".to_owned(), vec!["GET", "POST"]),
        ("/Groups".to_owned(), vec!["GET", "POST"]),
        (format!("/Users/{id}"), vec!["GET", "PUT", "PATCH", "DELETE"]),
        ("/ServiceProviderConfig".to_owned(), vec!["GET"]),
        ("/ResourceTypes".to_owned(), vec!["GET"]),
        ("/ResourceTypes/User".to_owned(), vec!["GET"]),
        ("/Schemas".to_owned(), vec!["GET"]),
        ("/Schemas/urn:ietf:params:scim:schemas:core:2.0:User".to_owned(), vec!["GET"]),
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if allowed.contains(&method) {
                continue;
            }
            let answer = server.send(server.with_body(method, &path, user("x"))).await;
            let detail = answer.scim_error(405, None);
            assert!(detail.contains(method), "{method} {path}: {detail}");
            let listed: Vec<&str> = answer.header("allow").split(',').map(str::trim).filter(|m| *m != "HEAD").collect();
            assert_eq!(listed, allowed, "{method} {path}");
        }
    }
    assert_eq!(
        server.get("/Users?nonsense&x=y&filter=userName+eq+%22ana%22").await.expect(200).body["totalResults"],
        1
    );
    server.get(&format!("/Users/{id}?nonsense=%zz")).await.expect(200);
    assert_eq!(server.get("/Users/?count=1").await.expect(200).body["totalResults"], 1);
    server.get("/users").await.scim_error(404, None);
    // A GET without its body.
    let head = client().request(Method::HEAD, format!("{}/Users/{id}", server.app.base_url)).bearer_auth(&server.token);
    let head = server.send(head).await.expect(200);
    assert!(head.body.is_null() && !head.header("etag").is_empty());
}

/// S-2.1 to S-2.5: JSON in UTF-8, under either name, whatever is accepted.
#[tokio::test(flavor = "multi_thread")]
async fn s_2_2_media_types_in_and_out() {
    let server = TestServer::plain().await;

    for (n, media) in [
        Some("application/scim+json"),
        Some("application/json"),
        Some("Application/SCIM+JSON; charset=UTF-8"),
        Some("application/json;charset=utf-8"),
        None,
    ]
    .into_iter()
    .enumerate()
    {
        let request = server.request("POST", "/Users").body(user(&format!("ünïcode-{n}")).to_string());
        let request = media.into_iter().fold(request, |request, media| request.header("content-type", media));
        let made = server.send(request).await.expect(201);
        assert_eq!((made.header("content-type"), &made.body["userName"]), (SCIM_JSON, &json!(format!("ünïcode-{n}"))));
    }
    for media in ["text/plain", "application/xml", "application/x-www-form-urlencoded", "application/scim", "nonsense"]
    {
        let request = server.request("POST", "/Users").header("content-type", media).body(user("x").to_string());
        server.send(request).await.scim_error(415, None);
    }
    for (accept, answered) in [
        ("application/scim+json", SCIM_JSON),
        ("*/*", SCIM_JSON),
        ("application/*", SCIM_JSON),
        ("application/json, application/scim+json", SCIM_JSON),
        ("application/json, */*;q=0.1", SCIM_JSON),
        ("text/html", SCIM_JSON),
        ("nonsense", SCIM_JSON),
        ("application/json", "application/json"),
        ("Application/JSON;q=0.9, text/plain", "application/json"),
    ] {
        for (path, status) in [("/Users", 200), ("/Schemas", 200), ("/Nothing", 404)] {
            let answer = server.send(server.request("GET", path).header("accept", accept)).await.expect(status);
            assert_eq!(answer.header("content-type"), answered, "{accept} at {path}");
        }
    }
}

/// S-2.6: query values are decoded once, `+` is a blank.
#[tokio::test(flavor = "multi_thread")]
async fn s_2_6_query_values_are_decoded_exactly_once() {
    let server = TestServer::plain().await;
    server.user("a+b %20c").await;
    let found = async |filter: &str| {
        server.get(&format!("/Users?filter={filter}")).await.expect(200).body["totalResults"].clone()
    };

    assert_eq!(found("userName+eq+%22a%2Bb+%2520c%22").await, 1);
    assert_eq!(found("userName%20eq%20%22a%2Bb%20%2520c%22").await, 1);
    assert_eq!(found("userName+eq+%22a+b+%20c%22").await, 0);
}

/// S-2.7, S-2.8, S-2.9, S-2.13: where a resource is, in header and body; and it is shown as it was understood.
#[tokio::test(flavor = "multi_thread")]
async fn s_2_7_every_single_resource_carries_its_location_and_tag() {
    let server = TestServer::plain().await;
    let mut sent = user("ana");
    sent["nonsense"] = json!(1);
    sent["emails"] = json!([{ "VALUE": "a@x" }, { "value": "a@x" }]);
    let made = server.post("/Users", sent).await.expect(201);
    let path = format!("/Users/{}", made.id());

    assert_eq!(made.body["emails"], json!([{ "value": "a@x" }]), "what is shown is what was understood, no echo");
    assert_eq!(made.body.get("nonsense"), None);
    let retitle = json!([{ "op": "replace", "path": "title", "value": "x" }]);
    for answer in [
        made,
        server.get(&path).await.expect(200),
        server.patch(&path, retitle).await.expect(200),
        server.put(&path, user("ana")).await.expect(200),
    ] {
        let location = format!("{}{path}", server.app.base_url);
        assert_eq!((answer.header("location"), &answer.body["meta"]["location"]), (&*location, &json!(location)));
        assert_eq!(answer.header("etag"), answer.body["meta"]["version"]);
    }
}

/// S-2.10: no body means no media type.
#[tokio::test(flavor = "multi_thread")]
async fn s_2_10_answers_without_a_body_have_no_media_type() {
    let server = TestServer::plain().await;
    let path = format!("/Users/{}", server.user("ana").await);

    let kept = server.send(server.request("GET", &path).header("if-none-match", "*")).await.expect(304);
    let gone = server.send(server.request("DELETE", &path).header("accept", "application/json")).await.expect(204);

    for answer in [kept, gone] {
        assert_eq!((answer.headers.get("content-type"), answer.body), (None, Value::Null));
    }
}

/// S-2.11, S-2.12, S-2.14, S-2.15: how JSON is read.
#[tokio::test(flavor = "multi_thread")]
async fn s_2_11_json_is_read_with_care() {
    let server = TestServer::plain().await;
    let raw = async |body: String| {
        server.send(server.request("POST", "/Users").header("content-type", SCIM_JSON).body(body)).await
    };
    let schemas = "\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"]";

    for twice in ["\"userName\":\"a\",\"userName\":\"b\"", "\"userName\":\"a\",\"USERNAME\":\"b\""] {
        raw(format!("{{{schemas},{twice}}}")).await.scim_error(400, Some("invalidSyntax"));
    }
    let nested = format!("{{{schemas},\"userName\":\"a\",\"x\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    raw(nested).await.scim_error(400, Some("invalidSyntax"));
    assert_eq!(server.count("/Users").await, 0);
    raw(format!("\u{feff}{{{schemas},\"userName\":\"with a mark\"}}")).await.expect(201);
    // The order and the letter case of names mean nothing; what comes back is in the schema's spelling.
    let made = raw(format!(
        "{{\"NAME\":{{\"GivenName\":\"A\"}},\"username\":\"any\",{}}}",
        schemas.to_uppercase().replace("\"SCHEMAS\"", "\"Schemas\"")
    ));
    let made = made.await.expect(201);
    assert_eq!((&made.body["userName"], &made.body["name"]["givenName"]), (&json!("any"), &json!("A")));
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let odd = json!({
        "SCHEMAS": ["URN:ietf:params:scim:api:messages:2.0:PATCHOP"],
        "operations": [{ "OP": "add", "VALUE": { urn.to_uppercase(): { "DEPARTMENT": "R" } } }],
    });
    let patched = server.send(server.with_body("PATCH", &format!("/Users/{}", made.id()), odd)).await.expect(200);
    assert_eq!(patched.body[urn]["department"], "R");
}

/// S-10.35: everything in `meta` can be filtered by, what is computed included.
#[tokio::test(flavor = "multi_thread")]
async fn s_10_35_meta_is_filterable() {
    let server = TestServer::plain().await;
    let ana = server.post("/Users", user("ana")).await.expect(201);
    server.user("ben").await;
    server
        .patch(&format!("/Users/{}", ana.id()), json!([{ "op": "add", "path": "title", "value": "x" }]))
        .await
        .expect(200);
    let meta = server.get(&format!("/Users/{}", ana.id())).await.expect(200).body["meta"].clone();

    for (name, total) in [("resourceType", 2), ("created", 1), ("lastModified", 1), ("location", 1), ("version", 1)] {
        let filter = format!("meta.{name} eq {}", meta[name]);
        let url = reqwest::Url::parse_with_params("http://x/", [("filter", &filter)]).unwrap();
        let found = server.get(&format!("/Users?{}", url.query().unwrap())).await.expect(200).body;
        let least = if name == "created" || name == "lastModified" { 1 } else { total };
        assert!(found["totalResults"].as_u64().unwrap() >= least, "{filter}: {found}");
        assert!(found["Resources"].as_array().unwrap().iter().any(|r| r["id"] == ana.id()), "{filter}: {found}");
        if name == "location" || name == "version" {
            assert_eq!(found["totalResults"], total, "{filter}");
        }
    }
}
