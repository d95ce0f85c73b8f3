//! The shipped plugins, from inside the binary.

use provost_tests::server::{TestServer, user};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn domain_policy_keeps_strangers_out_and_leaves_old_accounts_alone() {
    let table = r#"[[plugin]]
name = "policy"
plugin = "builtin:domain-policy"
config = { email_domains = ["example.org"], user_name = ["{letters}.{letters}"] }
grant = { imports = ["config"] }
"#;
    let server = TestServer::plain().await;
    let mut stranger = user("mallory");
    stranger["emails"] = json!([{ "value": "m@evil.example" }]);
    let id = server.post("/Users", stranger.clone()).await.expect(201).id();
    let server = server.restart(Some(table)).await;

    let mut another = stranger;
    another["userName"] = json!("trudy.intruder");
    let detail = server.post("/Users", another).await.scim_error(400, Some("invalidValue"));
    assert!(detail.contains("emails") && !detail.contains("evil.example"), "{detail}");
    let detail = server.post("/Users", user("x")).await.scim_error(400, Some("invalidValue"));
    assert!(detail.contains("userName"), "{detail}");
    let mut good = user("ana.lopez");
    good["emails"] = json!([{ "value": "ana@Example.org" }]);
    server.post("/Users", good).await.expect(201);

    let operations = json!([{ "op": "replace", "path": "active", "value": false }]);
    server.patch(&format!("/Users/{id}"), operations).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn normalize_tidies_what_it_was_granted_and_a_tidy_change_passes_untouched() {
    let table = r#"[[plugin]]
name = "tidy"
plugin = "builtin:normalize"
config = { trim = ["userName"], lowercase = ["userName", "emails.value"], fill = { displayName = "{name.givenName} {name.familyName}" } }
grant = { imports = ["config"], write = ["userName", "emails", "displayName"] }
"#;
    let server = TestServer::start(table).await;
    let mut body = user("  Ana.Lopez@Example.ORG ");
    body["name"] = json!({ "givenName": "Ana", "familyName": "López" });
    body["emails"] = json!([{ "value": "Ana@Example.ORG", "type": "work" }]);
    body["title"] = json!("  HEAD ");

    let created = server.post("/Users", body).await.expect(201);

    assert_eq!(created.body["userName"], "ana.lopez@example.org");
    assert_eq!(created.body["displayName"], "Ana López");
    assert_eq!(created.body["emails"], json!([{ "value": "ana@example.org", "type": "work" }]));
    assert_eq!(created.body["title"], "  HEAD ");

    let path = format!("/Users/{}", created.id());
    server.patch(&path, json!([{ "op": "replace", "path": "title", "value": "Head" }])).await.expect(200);
    let journal = server.journal().await;
    assert_eq!(journal[0]["plugins"].as_array().unwrap().len(), 1);
    assert_eq!(journal[1]["plugins"], json!([]));
}
