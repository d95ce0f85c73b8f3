//! The demo's server, and how its requests and answers are shown.

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::super::Failure;
use super::receiver::Receiver;
use crate::app::{ADMIN_TOKEN_FILE, App};
use crate::clock::Clock;
use crate::config::Config;
use crate::outbound::{Grant, Method, Outbound, Policy, Request};
use crate::telemetry;

/// How long an answer may take, in seconds.
const ANSWER_SECONDS_MAX: u64 = 30;

/// How large an answer may be, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// The running server, with what is needed to speak to it.
pub(super) struct Stage {
    app: App,
    data: PathBuf,
    token: String,
    receiver: String,
    outbound: Outbound,
}

/// An answer that was shown.
pub(super) struct Shown {
    status: u16,
    body: Value,
}

impl Shown {
    /// Goes on if the answer is what the story says.
    pub(super) fn expect(self, status: u16) -> Result<Value, Failure> {
        match self.status == status {
            true => Ok(self.body),
            false => Err(format!("the story expects {status} here, and the server answered {}", self.status).into()),
        }
    }
}

impl Stage {
    /// Writes a configuration with the three shipped plugins, and starts the server on it.
    pub(super) async fn set(receiver: &Receiver) -> Result<Self, Failure> {
        let data = std::env::temp_dir().join(format!("provost-demo-{}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&data)?;
        let origin = format!("http://{}", receiver.address);
        let text = configuration(&origin);
        let file = data.join("provost.toml");
        std::fs::write(&file, &text)?;
        println!("Three plugins stand in the write path. This is {}:\n", file.display());
        text.lines().for_each(|line| println!("  {line}"));

        let config = Config::load(Some(&file))?;
        telemetry::start(&config.log)?;
        let app = App::start(&config, &data, Clock::System).await?;
        let token = std::fs::read_to_string(data.join(ADMIN_TOKEN_FILE))?.trim().to_owned();
        println!("\nserving {}; the other system listens at {origin}", app.base_url);
        Ok(Self { app, data, token, receiver: origin, outbound: Outbound::new() })
    }

    /// Sends a SCIM request, and shows it and its answer.
    pub(super) async fn scim(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Shown, Failure> {
        self.send(method, format!("{}{path}", self.app.base_url), body).await
    }

    /// Sends a request to the admin API, and shows it and its answer.
    pub(super) async fn admin(&self, method: &str, path: &str) -> Result<Shown, Failure> {
        self.send(method, format!("http://{}{path}", self.app.admin_listens), None).await
    }

    async fn send(&self, method: &str, url: String, body: Option<&Value>) -> Result<Shown, Failure> {
        println!("\n  → {method} {url}");
        if let Some(body) = body {
            print_json(body);
        }
        let headers = vec![
            ("authorization".to_owned(), format!("Bearer {}", self.token)),
            ("content-type".to_owned(), "application/scim+json".to_owned()),
        ];
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let grants = [&self.app.listens, &self.app.admin_listens].map(|address| -> Result<Grant, Failure> {
            let methods = vec![Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete];
            Ok(Grant { origin: format!("http://{address}").try_into()?, methods, private: true })
        });
        let grants = grants.into_iter().collect::<Result<Vec<_>, _>>()?;
        let policy = Policy {
            grants: &grants,
            secrets: &[],
            timeout: Duration::from_secs(ANSWER_SECONDS_MAX),
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let request = Request { method: method.to_owned(), url, headers, body, credential: None };
        let response = self.outbound.send(request, &policy).await?;
        println!("  ← {}", response.status);
        let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        if !body.is_null() {
            print_json(&body);
        }
        Ok(Shown { status: response.status, body })
    }

    /// Says how to play on.
    pub(super) fn invite(&self) {
        let (base, token, data) = (&self.app.base_url, &self.token, self.data.display());
        println!("\n━━━ Your turn. The server stays up until Ctrl-C; these lines work as they stand:\n");
        println!("export TOKEN={token}");
        println!("curl -s -H \"Authorization: Bearer $TOKEN\" {base}/Users");
        println!(
            "curl -s -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/scim+json' \\\n  \
             -d '{{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],\"userName\":\" Ben@Example.org \",\
             \"emails\":[{{\"value\":\"ben@example.org\"}}]}}' {base}/Users"
        );
        println!("provost --data {data} journal tail");
        println!("provost --data {data} outbox list");
        println!("provost --data {data} plugin list");
        println!("\nThe other system at {} shows nothing more, but it still answers.", self.receiver);
    }

    /// Stops the server and takes its directory away.
    pub(super) async fn strike(self) {
        self.app.stop().await;
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

fn configuration(receiver: &str) -> String {
    format!(
        r#"[server]
listen = "127.0.0.1:0"

[log]
level = "error"

[delivery]
backoff_ms_min = 100
backoff_ms_max = 1000

[[plugin]]
name = "normalize"
plugin = "builtin:normalize"
config = {{ trim = ["userName"], lowercase = ["userName", "emails.value"], fill = {{ displayName = "{{name.givenName}} {{name.familyName}}" }} }}
[plugin.grant]
imports = ["config"]
write = ["userName", "emails", "displayName"]

[[plugin]]
name = "domain-policy"
plugin = "builtin:domain-policy"
config = {{ email_domains = ["example.org"] }}
[plugin.grant]
imports = ["config"]

[[plugin]]
name = "forward"
plugin = "builtin:forward"
config = {{ url = "{receiver}/people", target = "hr" }}
[plugin.grant]
imports = ["config", "outbox", "http"]
outbox = ["hr"]
http = [{{ origin = "{receiver}", methods = ["PUT", "DELETE"], private = true }}]
"#
    )
}

/// Prints JSON, indented under the request it belongs to.
pub(super) fn print_json(value: &Value) {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.lines().for_each(|line| println!("    {line}"));
}

/// Prints where two documents differ, a line a value.
pub(super) fn difference(before: &Value, after: &Value) {
    let (before, after) = (leaves(before), leaves(after));
    println!();
    for path in before.keys().chain(after.keys().filter(|path| !before.contains_key(*path))) {
        match (before.get(path), after.get(path)) {
            (Some(old), Some(new)) if old == new => {}
            (old, new) => {
                old.iter().for_each(|old| println!("  - {path}: {old}"));
                new.iter().for_each(|new| println!("  + {path}: {new}"));
            }
        }
    }
}

/// Every simple value of a document, by its path.
fn leaves(value: &Value) -> BTreeMap<String, &Value> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![(String::new(), value)];
    while let Some((path, value)) = waiting.pop() {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match value {
            Value::Object(object) => waiting.extend(object.iter().map(|(name, value)| (below(name), value))),
            Value::Array(list) => {
                waiting.extend(list.iter().enumerate().map(|(at, value)| (format!("{path}[{at}]"), value)));
            }
            simple => {
                found.insert(path, simple);
            }
        }
    }
    found
}
