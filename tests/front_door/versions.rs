//! Versions: ETag, If-Match, If-None-Match (checklist section 19).

use provost_tests::server::{Answer, TestServer, client, patch, user};
use serde_json::{Value, json};

fn body_of(method: &str) -> Value {
    match method {
        "PATCH" => patch(json!([{ "op": "replace", "path": "title", "value": "x" }])),
        _ => user("ana"),
    }
}

/// One request with one precondition.
async fn with(server: &TestServer, method: &str, path: &str, header: &str, tag: &str) -> Answer {
    let request = match method {
        "GET" | "DELETE" => server.request(method, path),
        _ => server.with_body(method, path, body_of(method)),
    };
    server.send(request.header(header, tag)).await
}

/// S-19.1, S-19.9, S-2.9: one tag for one version, in header and body, whatever is shown of it; none for lists.
#[tokio::test(flavor = "multi_thread")]
async fn s_19_1_the_tag_is_the_version_and_not_the_projections() {
    let server = TestServer::plain().await;
    let made = server.post("/Users", user("ana")).await.expect(201);
    let path = format!("/Users/{}", made.id());

    let tag = made.header("etag");
    assert!(tag.starts_with("W/\"") && tag.ends_with('"'), "{tag}");
    assert_eq!(made.body["meta"]["version"], tag);
    for query in ["", "?attributes=userName", "?excludedAttributes=meta"] {
        assert_eq!(server.get(&format!("{path}{query}")).await.expect(200).header("etag"), tag, "{query}");
    }
    let list = server.get("/Users").await.expect(200);
    assert_eq!(list.header("etag"), "");
    assert_eq!(list.body["Resources"][0]["meta"]["version"], tag);
}

/// S-19.2: every change of state is another version, and nothing else is.
#[tokio::test(flavor = "multi_thread")]
async fn s_19_2_each_change_and_nothing_else_makes_a_version() {
    let server = TestServer::plain().await;
    let id = server.user("ana").await;
    let (path, tag) = (format!("/Users/{id}"), async |path: &str| server.get(path).await.header("etag").to_owned());
    let first = tag(&path).await;

    let mut tags = vec![first.clone()];
    for title in ["one", "two", "one"] {
        let operations = json!([{ "op": "replace", "path": "title", "value": title }]);
        tags.push(server.patch(&path, operations.clone()).await.expect(200).header("etag").to_owned());
        assert_eq!(server.patch(&path, operations).await.expect(200).header("etag"), *tags.last().unwrap());
    }
    tags.push(server.put(&path, user("ana")).await.expect(200).header("etag").to_owned());
    assert_eq!(server.put(&path, user("ana")).await.expect(200).header("etag"), *tags.last().unwrap());
    server.get("/Users").await.expect(200);
    server.patch(&path, json!([{ "op": "remove" }])).await.scim_error(400, Some("noTarget"));
    assert_eq!(tag(&path).await, *tags.last().unwrap());

    let count = tags.len();
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), count, "a state that comes back is a new version all the same");
}

/// S-19.3, S-19.4, S-19.5: weak comparison, lists, `*`, tags without quotes.
#[tokio::test(flavor = "multi_thread")]
async fn s_19_4_if_match_reads_every_spelling_of_a_tag() {
    let server = TestServer::plain().await;
    let path = format!("/Users/{}", server.user("ana").await);
    let tag = server.get(&path).await.header("etag").to_owned();
    let opaque = tag.trim_start_matches("W/").trim_matches('"').to_owned();

    for good in [
        tag.clone(),
        format!("\"{opaque}\""),
        opaque.clone(),
        format!("\"other\", {tag}"),
        format!("\"a,b\",\"{opaque}\""),
        "*".to_owned(),
    ] {
        with(&server, "GET", &path, "if-match", &good).await.expect(200);
        let kept = with(&server, "GET", &path, "if-none-match", &good).await.expect(304);
        assert_eq!((kept.header("etag"), kept.header("content-type"), &kept.body), (&*tag, "", &Value::Null), "{good}");
        with(&server, "PUT", &path, "if-none-match", &good).await.scim_error(412, None);
    }
    for bad in ["W/\"other\"", "\"\"", "\"a\", \"b\"", "nonsense"] {
        with(&server, "GET", &path, "if-match", bad).await.scim_error(412, None);
        with(&server, "GET", &path, "if-none-match", bad).await.expect(200);
        for method in ["PUT", "PATCH", "DELETE"] {
            with(&server, method, &path, "if-match", bad).await.scim_error(412, None);
        }
    }
    // Several lines of one header are one list.
    let lines = server.request("GET", &path).header("if-match", "\"other\"").header("if-match", &tag);
    server.send(lines).await.expect(200);
    // `*` succeeds on what exists; and nothing of all this changed anything.
    assert_eq!(server.get(&path).await.header("etag"), tag);
    with(&server, "PUT", &path, "if-match", "*").await.expect(200);
    with(&server, "DELETE", &path, "if-match", &tag).await.expect(204);
}

/// Golden test 21: S-19.5, S-2.10.
#[tokio::test(flavor = "multi_thread")]
async fn golden_21_if_none_match_is_304_without_a_body() {
    let server = TestServer::plain().await;
    let path = format!("/Users/{}", server.user("ana").await);
    let tag = server.get(&path).await.header("etag").to_owned();

    let kept = with(&server, "GET", &format!("{path}?attributes=userName"), "if-none-match", &tag).await.expect(304);
    assert_eq!((kept.body, kept.headers.get("content-type")), (Value::Null, None));
    server.patch(&path, json!([{ "op": "add", "path": "title", "value": "T" }])).await.expect(200);
    with(&server, "GET", &path, "if-none-match", &tag).await.expect(200);
}

/// Golden test 20: S-19.6, S-19.7. Two writers hold the same tag; one of them is told so.
#[tokio::test(flavor = "multi_thread")]
async fn golden_20_of_two_writers_with_the_same_tag_exactly_one_is_412() {
    let server = TestServer::plain().await;
    for methods in [["PATCH", "PATCH"], ["PUT", "PATCH"], ["PUT", "PUT"], ["DELETE", "PATCH"]] {
        let made = server.post("/Users", user("two")).await.expect(201);
        let (path, tag) = (format!("/Users/{}", made.id()), made.header("etag"));
        let write = async |method: &str, title: &str| {
            let body = match method {
                "PATCH" => patch(json!([{ "op": "replace", "path": "title", "value": title }])),
                _ => {
                    json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "two", "title": title })
                }
            };
            let request = match method {
                "DELETE" => server.request(method, &path),
                _ => server.with_body(method, &path, body),
            };
            server.send(request.header("if-match", tag)).await
        };

        let (one, two) = futures::future::join(write(methods[0], "one"), write(methods[1], "two")).await;

        let (won, lost) = if one.status < 300 { (one, two) } else { (two, one) };
        assert!(won.status == 200 || won.status == 204, "{methods:?}: {won:?}");
        match won.status {
            // What is gone has no version to compare with.
            204 => drop(lost.scim_error(404, None)),
            _ => drop(lost.scim_error(412, None)),
        }
        server.delete(&path).await;
    }
}

/// S-19.8, S-19.5: authenticate, authorise, exists, precondition, body: what comes first is told first.
#[tokio::test(flavor = "multi_thread")]
async fn s_19_8_what_comes_first_is_told_first() {
    let server = TestServer::plain().await;
    let path = format!("/Users/{}", server.user("ana").await);
    let missing = "/Users/00000000-0000-7000-8000-000000000000";
    let made = json!({ "name": "reader", "scopes": ["scim.read"] });
    let url = format!("http://{}/admin/tokens", server.app.admin_listens);
    let reader = server.send(client().post(url).bearer_auth(&server.token).json(&made)).await.expect(201);
    let reader = reader.body["token"].as_str().unwrap().to_owned();

    let everything_wrong = async |method: &str, path: &str, token: &str, tag: &str, body: &str| {
        let url = format!("{}{path}", server.app.base_url);
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = client().request(method, url).bearer_auth(token).header("if-match", tag);
        server.send(request.header("content-type", "application/scim+json").body(body.to_owned())).await
    };
    let stale = "W/\"999\"";
    for (method, nonsense) in [("PUT", "{"), ("PATCH", "{"), ("PUT", "{}"), ("PATCH", "{}")] {
        everything_wrong(method, missing, "provost_unknown", stale, nonsense).await.scim_error(401, None);
        everything_wrong(method, missing, &reader, stale, nonsense).await.scim_error(403, None);
        everything_wrong(method, missing, &server.token, stale, nonsense).await.scim_error(404, None);
        everything_wrong(method, &path, &server.token, stale, nonsense).await.scim_error(412, None);
        everything_wrong(method, &path, &server.token, "*", nonsense).await.scim_error(400, Some("invalidSyntax"));
    }
    everything_wrong("POST", "/Users", "provost_unknown", stale, "{").await.scim_error(401, None);
    everything_wrong("POST", "/Users", &reader, stale, "{").await.scim_error(403, None);
    everything_wrong("POST", "/Users", &server.token, stale, "{").await.scim_error(400, Some("invalidSyntax"));
    everything_wrong("DELETE", missing, &server.token, stale, "").await.scim_error(404, None);
    assert_eq!(with(&server, "GET", missing, "if-match", stale).await.status, 404);
}

/// S-19.5: 428 where the operator wants it; off by default.
#[tokio::test(flavor = "multi_thread")]
async fn s_19_5_changes_may_have_to_name_their_version() {
    let server = TestServer::start("[scim]\nrequire_if_match = true\n").await;
    let made = server.post("/Users", user("ana")).await.expect(201);
    let path = format!("/Users/{}", made.id());

    for method in ["PUT", "PATCH"] {
        let answer = server.send(server.with_body(method, &path, body_of(method))).await;
        let detail = answer.scim_error(428, None);
        assert!(detail.contains("If-Match"), "{detail}");
    }
    server.delete(&path).await.scim_error(428, None);
    server.delete("/Users/00000000-0000-7000-8000-000000000000").await.scim_error(404, None);
    with(&server, "PUT", &path, "if-match", "W/\"999\"").await.scim_error(412, None);
    assert_eq!(server.get(&path).await.expect(200).body, made.body, "reads and creates need no tag");
    let changed = with(&server, "PATCH", &path, "if-match", made.header("etag")).await.expect(200);
    with(&server, "DELETE", &path, "if-match", changed.header("etag")).await.expect(204);
}
