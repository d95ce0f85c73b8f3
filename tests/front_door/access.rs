//! Every route against every kind of credential, and error bodies on every path that fails.

use provost_tests::guests::{self, plugin};
use provost_tests::server::{TestServer, user};
use reqwest::Method;
use serde_json::json;

/// What a credential may do, and what it gets.
struct Credential {
    name: &'static str,
    token: Option<String>,
    read: u16,
    write: u16,
}

async fn token(server: &TestServer, scopes: &[&str]) -> String {
    let client = provost_tests::server::client();
    let url = format!("http://{}/admin/tokens", server.app.admin_listens);
    let request = client.post(url).bearer_auth(&server.token).json(&json!({ "name": "test", "scopes": scopes }));
    server.send(request).await.expect(201).body["token"].as_str().unwrap().to_owned()
}

/// S-24.2
#[tokio::test(flavor = "multi_thread")]
async fn permission_is_asked_on_every_route() {
    let server = TestServer::plain().await;
    let id = server.user("ana").await;
    let credentials = [
        Credential { name: "none", token: None, read: 401, write: 401 },
        Credential { name: "unknown", token: Some("provost_nonsense".to_owned()), read: 401, write: 401 },
        Credential { name: "reader", token: Some(token(&server, &["scim.read"]).await), read: 200, write: 403 },
        Credential { name: "admin only", token: Some(token(&server, &["admin"]).await), read: 403, write: 403 },
    ];
    let reads = ["/Users".to_owned(), format!("/Users/{id}"), "/Groups".to_owned()];
    let writes = [
        ("POST", "/Users".to_owned()),
        ("POST", "/Groups".to_owned()),
        ("PUT", format!("/Users/{id}")),
        ("PATCH", format!("/Users/{id}")),
        ("DELETE", format!("/Users/{id}")),
    ];
    let send = async |credential: &Credential, method: &str, path: &str| {
        let url = format!("{}{path}", server.app.base_url);
        let mut request = provost_tests::server::client().request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        if let Some(token) = &credential.token {
            request = request.bearer_auth(token);
        }
        if method != "GET" && method != "DELETE" {
            request = request.header("content-type", "application/scim+json").body(user("ben").to_string());
        }
        server.send(request).await
    };

    for credential in &credentials {
        for path in &reads {
            let answer = send(credential, "GET", path).await;
            assert_eq!(answer.status, credential.read, "{}: GET {path}: {}", credential.name, answer.body);
            if answer.status == 401 {
                assert!(answer.header("www-authenticate").starts_with("Bearer"), "{}", credential.name);
            }
        }
        for (method, path) in &writes {
            let answer = send(credential, method, path).await;
            assert_eq!(answer.status, credential.write, "{}: {method} {path}", credential.name);
            answer.scim_error(credential.write, None);
        }
    }
    assert_eq!(server.count("/Users").await, 1);
    // A token without the admin scope opens no admin route; an admin token does.
    let reader = credentials[2].token.clone().unwrap();
    for path in ["/tokens", "/plugins", "/indexes", "/outbox", "/journal"] {
        let url = format!("http://{}/admin{path}", server.app.admin_listens);
        let client = provost_tests::server::client();
        assert_eq!(server.send(client.get(&url)).await.status, 401, "{path}");
        assert_eq!(server.send(client.get(&url).bearer_auth(&reader)).await.status, 403, "{path}");
        assert_eq!(server.admin("GET", path).await.status, 200, "{path}");
    }
}

/// S-1.3, S-14.6: `/Me`, and the scopes that are for it alone.
#[tokio::test(flavor = "multi_thread")]
async fn permission_is_asked_on_me_and_its_scopes_open_nothing_else() {
    let policy = plugin(guests::STAMP, "grant = { imports = [\"config\"] }");
    let me = "[scim.me]\nbind = \"claim\"\nregistration = { policy = \"stamp\" }\n";
    let server = TestServer::start(&format!("{me}{policy}")).await;
    // Who has a claim, but no account, gets past permission: 404 where it was given.
    let credentials: [(&[&str], [u16; 5]); 8] = [
        (&[], [401, 401, 401, 401, 401]),
        (&["scim.read"], [404, 403, 403, 403, 403]),
        (&["scim.write"], [403, 403, 404, 404, 404]),
        (&["admin"], [403, 403, 403, 403, 403]),
        (&["scim.me"], [404, 403, 404, 404, 403]),
        (&["scim.me.delete"], [403, 403, 403, 403, 404]),
        (&["scim.register"], [403, 201, 403, 403, 403]),
        (&["scim.me", "scim.me.delete", "scim.register"], [404, 201, 404, 404, 404]),
    ];
    for (at, (scopes, expected)) in credentials.into_iter().enumerate() {
        let token = if scopes.is_empty() { None } else { Some(token(&server, scopes).await) };
        let send = async |method: &str, path: &str| {
            let url = format!("{}{path}", server.app.base_url);
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let mut request = provost_tests::server::client().request(method.clone(), url);
            if let Some(token) = &token {
                request = request.bearer_auth(token);
            }
            let body = match method.as_str() {
                "PATCH" => provost_tests::server::patch(json!([{ "op": "remove", "path": "title" }])),
                _ => user(&format!("user{at}")),
            };
            if !matches!(method.as_str(), "GET" | "DELETE") {
                request = request.header("content-type", "application/scim+json").body(body.to_string());
            }
            server.send(request).await
        };
        for (method, expected) in ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().zip(expected) {
            let answer = send(method, "/Me").await;
            assert_eq!(answer.status, expected, "{scopes:?}: {method} /Me: {}", answer.body);
        }
        if scopes.iter().all(|scope| scope.starts_with("scim.me") || *scope == "scim.register") && !scopes.is_empty() {
            let id = server.get("/Users?count=1").await.body["Resources"][0]["id"].as_str().unwrap_or("7").to_owned();
            for (method, path) in [
                ("GET", "/Users".to_owned()),
                ("GET", "/Groups".to_owned()),
                ("POST", "/Users".to_owned()),
                ("POST", "/Groups".to_owned()),
                ("GET", format!("/Users/{id}")),
                ("PUT", format!("/Users/{id}")),
                ("PATCH", format!("/Users/{id}")),
                ("DELETE", format!("/Users/{id}")),
            ] {
                let expected = if id == "7" && path.len() > 7 { 404 } else { 403 };
                assert_eq!(send(method, &path).await.status, expected, "{scopes:?}: {method} {path}");
            }
        }
    }
    assert_eq!(server.count("/Users").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_worthless_at_once() {
    let server = TestServer::plain().await;
    let secret = token(&server, &["scim.read"]).await;
    let list = async || {
        server
            .send(provost_tests::server::client().get(format!("{}/Users", server.app.base_url)).bearer_auth(&secret))
            .await
    };
    list().await.expect(200);
    let tokens = server.admin("GET", "/tokens").await.expect(200).body["tokens"].clone();
    let id =
        tokens.as_array().unwrap().iter().find(|t| t["name"] == "test").unwrap()["id"].as_str().unwrap().to_owned();
    assert!(!tokens.to_string().contains(&secret), "the listing shows a secret");

    server.admin("DELETE", &format!("/tokens/{id}")).await.expect(200);

    list().await.scim_error(401, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_router_answers_in_scim_too() {
    let server = TestServer::plain().await;

    server.get("/Nothing").await.scim_error(404, None);
    let answer =
        server.send(provost_tests::server::client().get(format!("http://{}/elsewhere", server.app.listens))).await;
    answer.scim_error(404, None);
    let answer = server.put("/Users", user("ana")).await;
    let detail = answer.scim_error(405, None);
    assert!(detail.contains("PUT"), "{detail}");
    assert!(answer.header("allow").contains("POST") && answer.header("allow").contains("GET"), "{answer:?}");
    server.get("/Users/not-an-id").await.scim_error(404, None);
    server.get("/Users/00000000-0000-0000-0000-000000000000").await.scim_error(404, None);
    assert!(!server.get("/Nothing").await.header("x-request-id").is_empty());
}

/// S-24.3
#[tokio::test(flavor = "multi_thread")]
async fn the_store_keeps_only_hashes_and_the_first_token_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let server = TestServer::plain().await;
    let token = server.token.clone();
    let data = server.stop().await;

    let file = data.path().join("admin.token");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!data.path().join("admin.address").exists(), "a stopped server leaves no address");
    let mut waiting = vec![data.path().to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() && !path.is_symlink() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() && path != file {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(token.len()).any(|window| window == token.as_bytes());
            assert!(!found, "the token stands in {}", path.display());
        }
    }
}
