//! A server in this process, reached only through its sockets, on a data directory of its own.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use provost::app::{ADMIN_TOKEN_FILE, App};
use provost::clock::Clock;
use provost::config::Config;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::door::Door;
use crate::engine::with_engine;

pub use crate::door::{Answer, SCIM_JSON, client, patch, receive, user};

/// A running server, with the administrator's [`Door`] to it.
pub struct TestServer {
    /// The running parts, for looking at what is really in the store.
    pub app: App,
    door: Door,
    data: TempDir,
    config: String,
    clock: Clock,
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
        let door = Door::new(&app.base_url, &format!("http://{}", app.admin_listens), &token);
        Self { app, door, data, config: config.to_owned(), clock }
    }

    /// Stops gracefully and starts again on the same data, with other tables if given.
    pub async fn restart(self, config: Option<&str>) -> Self {
        self.app.stop().await;
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

    /// `GET /health`
    pub async fn health(&self) -> Answer {
        let url = format!("http://{}/health", self.app.listens);
        self.send(client().get(url)).await
    }
}

impl Deref for TestServer {
    type Target = Door;

    fn deref(&self) -> &Door {
        &self.door
    }
}

/// A configuration with the defaults of a test.
fn whole(config: &str) -> String {
    with_engine(&format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[delivery]\nbackoff_ms_min = 20\nbackoff_ms_max = 200\n{config}"
    ))
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
