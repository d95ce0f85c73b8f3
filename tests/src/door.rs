//! A server as its callers reach it: by the SCIM base URI, the admin API and a token. Whether it runs in this process
//! or in one of its own makes no difference here.

use std::sync::Once;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::receiver::PATIENCE;

/// The media type of every SCIM body.
pub const SCIM_JSON: &str = "application/scim+json";

/// A caller's way to a server.
#[derive(Clone)]
pub struct Door {
    /// The absolute base URI of the SCIM endpoints.
    pub base: String,
    /// Whose way it is; the administrator's unless it came from [`Door::caller`].
    pub token: String,
    /// The absolute URI of the admin listener.
    admin: String,
    client: reqwest::Client,
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, null if it was empty.
    pub body: Value,
}

impl Answer {
    /// The resource's id.
    #[track_caller]
    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_else(|| panic!("an answer without id: {self:?}")).to_owned()
    }

    /// A header as text, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Checks the status and hands the answer on.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// Checks that this is a SCIM error of this status and keyword (RFC 7644 section 3.12), and hands over its detail.
    #[track_caller]
    pub fn scim_error(&self, status: u16, scim_type: Option<&str>) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), SCIM_JSON);
        let urn = "urn:ietf:params:scim:api:messages:2.0:Error";
        assert!(self.body["schemas"].as_array().is_some_and(|s| s.contains(&json!(urn))), "{}", self.body);
        assert_eq!(self.body["status"], json!(status.to_string()));
        assert_eq!(self.body["scimType"].as_str(), scim_type, "{}", self.body);
        self.body["detail"].as_str().expect("an error has a detail").to_owned()
    }
}

/// Sends a request and reads the whole answer.
pub async fn receive(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("the server answers");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.expect("the server answers whole");
    let body = match bytes.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&bytes).expect("every body is JSON"),
    };
    Answer { status, headers, body }
}

/// An HTTP client for 127.0.0.1.
pub fn client() -> reqwest::Client {
    static TLS: Once = Once::new();
    TLS.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

impl Door {
    /// The administrator's way.
    pub fn new(base: &str, admin: &str, token: &str) -> Self {
        Self { base: base.to_owned(), token: token.trim().to_owned(), admin: admin.to_owned(), client: client() }
    }

    /// A request to the SCIM base URI.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// Sends a request as it stands.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        receive(request).await
    }

    /// `GET`
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    /// `POST`
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.with_body("POST", path, body)).await
    }

    /// `PUT`
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.with_body("PUT", path, body)).await
    }

    /// `PATCH` with these `Operations`.
    pub async fn patch(&self, path: &str, operations: Value) -> Answer {
        self.send(self.with_body("PATCH", path, patch(operations))).await
    }

    /// `DELETE`
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path)).await
    }

    /// A request with a SCIM body.
    pub fn with_body(&self, method: &str, path: &str, body: Value) -> reqwest::RequestBuilder {
        self.request(method, path).header("content-type", SCIM_JSON).body(body.to_string())
    }

    /// A new token with these scopes.
    pub async fn new_token(&self, scopes: &[&str]) -> String {
        self.token_of(json!({ "name": "test", "scopes": scopes })).await
    }

    /// The way of another caller, who has this name and these scopes.
    pub async fn caller(&self, name: &str, scopes: &[&str]) -> Self {
        Self { token: self.token_of(json!({ "name": name, "scopes": scopes })).await, ..self.clone() }
    }

    /// The way of a person, whom `/Me` means.
    pub async fn person(&self, id: &str) -> Self {
        Self { token: self.token_of(json!({ "name": "me", "scopes": ["scim.me"], "for": id })).await, ..self.clone() }
    }

    async fn token_of(&self, wish: Value) -> String {
        let answer = self.admin_with("POST", "/tokens", wish).await.expect(201);
        answer.body["token"].as_str().expect("the token is shown once").to_owned()
    }

    /// A request to the admin API.
    pub fn admin_request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        self.client.request(method, format!("{}/admin{path}", self.admin)).bearer_auth(&self.token)
    }

    /// Sends a request to the admin API.
    pub async fn admin(&self, method: &str, path: &str) -> Answer {
        self.send(self.admin_request(method, path)).await
    }

    /// Sends a request to the admin API with a JSON body.
    pub async fn admin_with(&self, method: &str, path: &str, body: Value) -> Answer {
        self.send(self.admin_request(method, path).json(&body)).await
    }

    /// What `GET /metrics` says. Servers of one process share their metrics.
    pub async fn metrics(&self) -> String {
        let url = format!("{}/metrics", self.admin);
        let response = self.client.get(url).bearer_auth(&self.token).send().await.expect("the admin API answers");
        assert_eq!(response.status().as_u16(), 200);
        response.text().await.expect("the admin API answers whole")
    }

    /// How many requests have needed the leniency with this key, in all servers of this process.
    pub async fn deviations(&self, key: &str) -> u64 {
        let sample = format!("provost_scim_deviations_total{{switch=\"{key}\"}} ");
        let metrics = self.metrics().await;
        let count = metrics.lines().find_map(|line| line.strip_prefix(&sample));
        count.map_or(0, |count| count.parse().expect("a count is a number"))
    }

    /// Creates a user and hands over its id.
    pub async fn user(&self, user_name: &str) -> String {
        self.post("/Users", user(user_name)).await.expect(201).id()
    }

    /// Creates a group with these members and hands over its id.
    pub async fn group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name, "members": members,
        });
        self.post("/Groups", body).await.expect(201).id()
    }

    /// How many resources of this endpoint there are.
    pub async fn count(&self, endpoint: &str) -> u64 {
        self.get(&format!("{endpoint}?count=0")).await.expect(200).body["totalResults"].as_u64().expect("a number")
    }

    /// The journal's rows, oldest first.
    pub async fn journal(&self) -> Vec<Value> {
        rows(self.admin("GET", "/journal?after=0&limit=1000").await, "entries")
    }

    /// The outbox's rows, oldest first.
    pub async fn outbox(&self) -> Vec<Value> {
        rows(self.admin("GET", "/outbox?limit=1000").await, "messages")
    }

    /// What the admin API says of the plugins.
    pub async fn plugins(&self) -> Vec<Value> {
        rows(self.admin("GET", "/plugins").await, "plugins")
    }
}

fn rows(answer: Answer, key: &str) -> Vec<Value> {
    answer.expect(200).body[key].as_array().expect("a list").clone()
}

/// Asks until the answer is the one that is waited for.
pub async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let asked = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// A User body with this `userName`.
pub fn user(user_name: &str) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": user_name })
}

/// A PatchOp body with these `Operations`.
pub fn patch(operations: Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations })
}
