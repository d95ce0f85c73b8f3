//! Bad input: the checklist's status and scimType, and a detail that names what was wrong.

use provost_tests::server::{SCIM_JSON, TestServer, patch, user};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn broken_bodies_are_named() {
    let server = TestServer::plain().await;
    let raw = async |body: &'static str| {
        server.send(server.request("POST", "/Users").header("content-type", SCIM_JSON).body(body)).await
    };

    let detail = raw("{ \"userName\": ").await.scim_error(400, Some("invalidSyntax"));
    assert!(detail.contains("line 1"), "{detail}");
    raw("[]").await.scim_error(400, Some("invalidSyntax"));
    raw("").await.scim_error(400, Some("invalidSyntax"));
    let twice = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a","USERNAME":"b"}"#;
    let detail = raw(twice).await.scim_error(400, Some("invalidSyntax"));
    assert!(detail.to_lowercase().contains("username"), "{detail}");
    let no_schemas = server.post("/Users", json!({ "userName": "ana" })).await;
    assert!(no_schemas.scim_error(400, Some("invalidSyntax")).contains("schemas"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deeply_nested_body_is_refused_and_harms_nothing() {
    let server = TestServer::plain().await;
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));

    let answer = server.send(server.request("POST", "/Users").header("content-type", SCIM_JSON).body(deep)).await;

    answer.scim_error(400, Some("invalidSyntax"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_media_type_is_415_and_the_two_right_ones_are_taken() {
    let server = TestServer::plain().await;
    let with = async |media: &str, name: &str| {
        let request = server.request("POST", "/Users").header("content-type", media).body(user(name).to_string());
        server.send(request).await
    };

    let detail = with("text/plain", "a").await.scim_error(415, None);
    assert!(detail.contains("application/scim+json"), "{detail}");
    with("application/json; charset=utf-8", "b").await.expect(201);
    with("application/scim+json", "c").await.expect(201);
}

/// S-24.8
#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_body_is_413_and_names_the_limit() {
    let server = TestServer::plain().await;
    let mut body = user("ana");
    body["nickName"] = json!("x".repeat(provost::limits::BODY_BYTES_MAX));

    let detail = server.post("/Users", body).await.scim_error(413, None);

    assert!(detail.contains(&provost::limits::BODY_BYTES_MAX.to_string()), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_do_not_fit_are_named_by_attribute() {
    let server = TestServer::plain().await;
    let with = async |key: &str, value: serde_json::Value| {
        let mut body = user("ana");
        body[key] = value;
        server.post("/Users", body).await
    };

    for (key, value) in [
        ("active", json!("perhaps")),
        ("active", json!(1)),
        ("displayName", json!({ "a": 1 })),
        ("emails", json!("ana@example.org")),
        ("name", json!("Ana")),
        ("userName", json!("")),
        ("userName", json!(7)),
        ("emails", json!([{ "value": "a", "primary": true }, { "value": "b", "primary": true }])),
    ] {
        let detail = with(key, value.clone()).await.scim_error(400, Some("invalidValue"));
        assert!(detail.contains(key), "{key} = {value}: {detail}");
    }
    assert_eq!(server.count("/Users").await, 0);
}

/// S-6.6
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_attribute_is_dropped() {
    let server = TestServer::plain().await;
    let mut body = user("ana");
    body["shoeSize"] = json!(38);

    let created = server.post("/Users", body).await.expect(201);

    assert_eq!(created.body.get("shoeSize"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_user_name_and_display_name_are_400() {
    let server = TestServer::plain().await;

    let user = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"] });
    assert!(server.post("/Users", user).await.scim_error(400, Some("invalidValue")).contains("userName"));
    let group = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"] });
    assert!(server.post("/Groups", group).await.scim_error(400, Some("invalidValue")).contains("displayName"));
}

/// S-6.3, S-15.12, S-20.8; golden test 2.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_name_in_other_case_is_taken() {
    let server = TestServer::plain().await;
    server.user("Ana.López").await;

    let answer = server.post("/Users", user("ana.lÓPEZ")).await;

    let detail = answer.scim_error(409, Some("uniqueness"));
    assert!(detail.contains("userName") && !detail.to_lowercase().contains("lópez"), "{detail}");
    // On patch and replace too (checklist S-20.8).
    let ben = server.user("ben").await;
    let operations = json!([{ "op": "replace", "path": "userName", "value": "ANA.LÓPEZ" }]);
    server.patch(&format!("/Users/{ben}"), operations).await.scim_error(409, Some("uniqueness"));
    server.put(&format!("/Users/{ben}"), user("ANA.LÓPEZ")).await.scim_error(409, Some("uniqueness"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_filters_are_invalid_filter_and_say_where() {
    let server = TestServer::plain().await;
    let filter = async |text: &str| {
        let query: String = url_encode(text);
        server.get(&format!("/Users?filter={query}")).await
    };

    for text in [
        "userName",
        "userName eq",
        "userName like \"a\"",
        "eq \"a\"",
        "userName eq 'a'",
        "(userName eq \"a\"",
        "not userName pr",
        "shoeSize eq 38",
        "active gt true",
        "emails[type eq \"work\"",
        "",
        "   ",
        "meta.created gt \"yesterday\"",
        "active eq \"perhaps\"",
        "password eq \"a\"",
    ] {
        let detail = filter(text).await.scim_error(400, Some("invalidFilter"));
        assert!(!detail.is_empty(), "{text}");
    }

    let deep = format!("{}userName pr{}", "(".repeat(200), ")".repeat(200));
    let detail = filter(&deep).await.scim_error(400, Some("invalidFilter"));
    assert!(detail.contains("32"), "the bound is not named: {detail}");
    let long = format!("userName eq \"{}\"", "x".repeat(10_000));
    filter(&long).await.scim_error(400, Some("invalidFilter"));
}

fn url_encode(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_patches_have_their_own_keywords() {
    let server = TestServer::plain().await;
    let id = server.user("ana").await;
    let path = format!("/Users/{id}");

    for (operations, scim_type) in [
        (json!([{ "op": "replace", "path": "shoe.size", "value": 1 }]), "invalidPath"),
        (json!([{ "op": "replace", "path": "emails[", "value": 1 }]), "invalidFilter"),
        (json!([{ "op": "replace", "path": "a.b.c", "value": 1 }]), "invalidPath"),
        (json!([{ "op": "remove" }]), "noTarget"),
        (json!([{ "op": "remove", "path": "userName" }]), "mutability"),
        (json!([{ "op": "replace", "path": "id", "value": "x" }]), "mutability"),
        (json!([{ "op": "replace", "path": "active", "value": "perhaps" }]), "invalidValue"),
        (json!([{ "op": "multiply", "path": "active", "value": true }]), "invalidSyntax"),
        (json!([]), "invalidSyntax"),
        (json!([{ "op": "replace", "path": "emails[type eq \"work\" or value pr].value", "value": "x" }]), "noTarget"),
        (json!([{ "op": "replace", "path": "emails[type eq].value", "value": "x" }]), "invalidFilter"),
    ] {
        let answer = server.patch(&path, operations.clone()).await;
        let detail = answer.scim_error(400, Some(scim_type));
        assert!(!detail.is_empty(), "{operations}");
    }
    let envelope = json!({ "Operations": [{ "op": "add", "path": "title", "value": "x" }] });
    let answer = server.send(server.with_body("PATCH", &path, envelope)).await;
    answer.scim_error(400, Some("invalidSyntax"));
    // A failing second operation undoes the first (checklist S-16.6).
    let half = json!([{ "op": "replace", "path": "title", "value": "N" }, { "op": "remove" }]);
    server.patch(&path, half).await.scim_error(400, Some("noTarget"));
    assert_eq!(server.get(&path).await.expect(200).body.get("title"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_carry_no_attribute_value_and_no_token() {
    let server = TestServer::plain().await;
    let id = server.user("ana").await;
    let secret = "hush-hush-4711";

    let mut body = user("ben");
    body["active"] = json!(secret);
    let answers = [
        server.post("/Users", body).await,
        server.patch(&format!("/Users/{id}"), json!([{ "op": "replace", "path": "active", "value": secret }])).await,
        server.get(&format!("/Users?filter=active+eq+%22{secret}%22")).await,
        server.send(server.with_body("PATCH", &format!("/Users/{secret}"), patch(json!([])))).await,
        server
            .send(provost_tests::server::client().get(format!("{}/Users", server.app.base_url)).bearer_auth(secret))
            .await,
    ];

    for answer in answers {
        assert!(answer.status >= 400);
        assert!(!answer.body.to_string().contains(secret), "{}", answer.body);
    }
}
