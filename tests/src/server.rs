//! A server in this process, reached only through its sockets, on a data directory of its own.

use std::path::{Path, PathBuf};
use std::sync::Once;

use provost::app::{ADMIN_TOKEN_FILE, App};
use provost::clock::Clock;
use provost::config::Config;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::engine::with_engine;

/// The media type of every SCIM body.
pub const SCIM_JSON: &str = "application/scim+json";

/// A running server.
pub struct TestServer {
    /// The running parts, for looking at what is really in the store.
    pub app: App,
    /// The administrator's token.
    pub token: String,
    client: reqwest::Client,
    data: TempDir,
    config: String,
    clock: Clock,
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

/// Shares compiled guests between tests: compiling is not what they are about.
pub fn share_compiled_guests(data: &Path) {
    let shared = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/guests/compiled");
    std::fs::create_dir_all(&shared).expect("the target directory is ours");
    std::os::unix::fs::symlink(&shared, data.join("cache")).expect("a fresh data directory");
}

impl TestServer {
    /// A server with these tables after the defaults of a test: any free port.
    pub async fn start(config: &str) -> Self {
        Self::at(Clock::System, config).await
    }

    /// The same, with a clock of the test's own.
    pub async fn at(clock: Clock, config: &str) -> Self {
        let data = TempDir::new().expect("a temporary directory");
        share_compiled_guests(data.path());
        Self::on(data, config, clock).await
    }

    /// A server with no plugins.
    pub async fn plain() -> Self {
        Self::start("").await
    }

    /// A server on the data of one that was stopped.
    pub async fn again(data: TempDir, config: &str) -> Self {
        Self::on(data, config, Clock::System).await
    }

    /// The same, with a clock of the test's own.
    pub async fn again_at(data: TempDir, config: &str, clock: Clock) -> Self {
        Self::on(data, config, clock).await
    }

    async fn on(data: TempDir, config: &str, clock: Clock) -> Self {
        let file = data.path().join("provost.toml");
        std::fs::write(&file, whole(config)).expect("the data directory is ours");
        let parsed = Config::load(Some(&file)).unwrap_or_else(|error| panic!("{error}"));
        let app = App::start(&parsed, data.path(), clock.clone()).await.unwrap_or_else(|error| panic!("{error}"));
        let token = std::fs::read_to_string(data.path().join(ADMIN_TOKEN_FILE)).expect("the first start writes it");
        Self { app, token: token.trim().to_owned(), client: client(), data, config: config.to_owned(), clock }
    }

    /// Stops gracefully and starts again on the same data, with other tables if given.
    pub async fn restart(self, config: Option<&str>) -> Self {
        self.app.stop().await;
        drop(self.client);
        Self::on(self.data, config.unwrap_or(&self.config), self.clock).await
    }

    /// Stops gracefully and hands over the data directory.
    pub async fn stop(self) -> TempDir {
        self.app.stop().await;
        self.data
    }

    /// Stops without patience, so that what is under way is cut off as by a crash, and hands over the data directory.
    pub async fn cut_off(self) -> TempDir {
        self.app.stop_within(std::time::Duration::ZERO).await;
        self.data
    }

    /// Puts another configuration in the place of the one that the server began with.
    pub fn reconfigure(&self, config: &str) {
        let (file, new) = (self.data().join("provost.toml"), self.data().join("provost.toml.new"));
        std::fs::write(&new, whole(config)).expect("the data directory is ours");
        std::fs::rename(new, file).expect("the data directory is ours");
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// A request to the SCIM base URI.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        self.client.request(method, format!("{}{path}", self.app.base_url)).bearer_auth(&self.token)
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
        let url = format!("http://{}/admin/tokens", self.app.admin_listens);
        let body = json!({ "name": "test", "scopes": scopes });
        let request = self.client.post(url).bearer_auth(&self.token).json(&body);
        let answer = self.send(request).await.expect(201);
        answer.body["token"].as_str().expect("the token is shown once").to_owned()
    }

    /// A request to the admin API.
    pub async fn admin(&self, method: &str, path: &str) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let url = format!("http://{}/admin{path}", self.app.admin_listens);
        self.send(self.client.request(method, url).bearer_auth(&self.token)).await
    }

    /// A request to the admin API with a JSON body.
    pub async fn admin_with(&self, method: &str, path: &str, body: Value) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let url = format!("http://{}/admin{path}", self.app.admin_listens);
        self.send(self.client.request(method, url).bearer_auth(&self.token).json(&body)).await
    }

    /// What `GET /metrics` says. Servers of one process share their metrics.
    pub async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.app.admin_listens);
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

    /// `GET /health`
    pub async fn health(&self) -> Answer {
        let url = format!("http://{}/health", self.app.listens);
        self.send(self.client.get(url)).await
    }
}

/// A configuration with the defaults of a test.
fn whole(config: &str) -> String {
    with_engine(&format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[delivery]\nbackoff_ms_min = 20\nbackoff_ms_max = 200\n{config}"
    ))
}

fn rows(answer: Answer, key: &str) -> Vec<Value> {
    answer.expect(200).body[key].as_array().expect("a list").clone()
}

/// A User body with this `userName`.
pub fn user(user_name: &str) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": user_name })
}

/// A PatchOp body with these `Operations`.
pub fn patch(operations: Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations })
}

/// A user of about 1 KB.
pub fn person(name: &str) -> Value {
    json!({
        "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
        ],
        "userName": name,
        "externalId": format!("hr-{name}"),
        "name": { "givenName": "Ana", "familyName": "López García", "formatted": "Ana López García" },
        "displayName": "Ana López García",
        "title": "Head of Research and Development",
        "active": true,
        "preferredLanguage": "es-ES",
        "timezone": "Europe/Madrid",
        "emails": [
            { "value": format!("{name}@example.org"), "type": "work", "primary": true },
            { "value": format!("{name}@home.example"), "type": "home" }
        ],
        "phoneNumbers": [{ "value": "tel:+34-91-555-0123", "type": "work" }],
        "addresses": [{
            "type": "work", "streetAddress": "Calle Mayor 1", "locality": "Madrid", "postalCode": "28013", "country": "ES"
        }],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            "employeeNumber": "100123", "department": "Research", "costCenter": "4711", "organization": "Example"
        }
    })
}

/// Makes many small users through the pipeline, which is what the front door does with each body.
pub async fn crowd(server: &TestServer, size: usize) -> Vec<uuid::Uuid> {
    crowd_of(server, size, user).await
}

/// The same, of bodies made from each name.
pub async fn crowd_of(server: &TestServer, size: usize, body: impl Fn(&str) -> Value) -> Vec<uuid::Uuid> {
    use futures::StreamExt as _;

    let users = server.app.pipeline.schemas().resource_type("User").expect("User is standard").clone();
    let cx = administrator();
    let projection = provost_scim::Projection::default();
    let made = futures::stream::iter(0..size).map(|n| {
        let (cx, users, projection) = (&cx, &users, &projection);
        let body = body(&format!("member-{n}"));
        async move {
            let answer = server.app.pipeline.create(cx, users, body, projection).await.expect("a plain create");
            answer.document["id"].as_str().and_then(|id| id.parse::<uuid::Uuid>().ok()).expect("an id")
        }
    });
    made.buffered(64).collect().await
}

/// Makes a group of these, larger than one body could say.
pub async fn group_of(server: &TestServer, name: &str, members: &[uuid::Uuid]) -> String {
    let groups = server.app.pipeline.schemas().resource_type("Group").expect("Group is standard").clone();
    let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name, "members": members,
    });
    let projection = provost_scim::Projection::from_query(&[], &["members"], &provost_scim::Leniency::default())
        .expect("a projection");
    let answer = server.app.pipeline.create(&administrator(), &groups, body, &projection).await.expect("a large group");
    answer.document["id"].as_str().expect("an id").to_owned()
}

/// A request context of the administrator's, for the pipeline itself.
pub fn administrator() -> provost::context::RequestContext {
    provost::admin::local(&Clock::System)
}
