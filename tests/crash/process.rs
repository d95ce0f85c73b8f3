//! The command under test as a child process that is killed, and its data directory.

use std::process::Stdio;

use provost_tests::{Door, Receiver, binary, server};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Where everything lies that survives a kill.
pub struct Place {
    data: TempDir,
}

impl Place {
    /// A data directory of this engine, with these plugins.
    pub fn new(engine: &str, plugins: &str) -> Self {
        let data = TempDir::new().unwrap();
        server::share_compiled_guests(data.path());
        let config = format!(
            r#"[server]
listen = "127.0.0.1:0"

[store]
engine = "{engine}"

[log]
level = "warn"

[delivery]
attempts_max = 1000000
backoff_ms_min = 20
backoff_ms_max = 100

{plugins}"#
        );
        std::fs::write(data.path().join("provost.toml"), config).unwrap();
        Self { data }
    }

    fn provost(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary::provost());
        command.current_dir(self.data.path()).arg("--data").arg(self.data.path()).args(arguments);
        command.kill_on_drop(true);
        command
    }

    /// `provost check --data`, offline: everything agrees.
    pub async fn check(&self) {
        let output = self.provost(&["check"]).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains(" 0 findings"), "{said}");
    }
}

/// A running child.
pub struct Server {
    child: std::sync::Mutex<Child>,
    door: Door,
}

/// What a request came to.
pub enum Reply {
    /// The server answered.
    Answered(u16, Value),
    /// The connection broke: nobody knows whether the change was made.
    Unknown,
}

impl Server {
    /// Starts the binary and waits until it serves.
    pub async fn start(place: &Place) -> Self {
        let mut child = place.provost(&["serve"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let base = loop {
            let line = lines.next_line().await.unwrap().expect("the server says where it serves");
            if let Some(base) = line.strip_prefix("serving ") {
                break base.to_owned();
            }
        };
        let read = |name: &str| std::fs::read_to_string(place.data.path().join(name)).unwrap().trim().to_owned();
        let door = Door::new(&base, &format!("http://{}", read("admin.address")), &read("admin.token"));
        Self { child: std::sync::Mutex::new(child), door }
    }

    /// SIGKILL, now.
    pub fn strike(&self) {
        self.child.lock().unwrap().start_kill().unwrap();
    }

    /// Waits until the killed process is gone.
    pub async fn wait(self) {
        self.child.into_inner().unwrap().wait().await.unwrap();
    }

    /// SIGKILL, and waits.
    pub async fn kill(self) {
        self.strike();
        self.wait().await;
    }

    /// One SCIM request.
    pub async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        match body {
            Some(body) => reply(self.door.with_body(method, path, body)).await,
            None => reply(self.door.request(method, path)).await,
        }
    }

    /// One request to the admin API.
    pub async fn order(&self, method: &str, path: &str) -> Reply {
        reply(self.door.admin_request(method, path)).await
    }

    /// What the admin API says of the plugins, on a server that nobody is killing.
    pub async fn plugins(&self) -> Vec<Value> {
        self.door.plugins().await
    }

    /// One SCIM request to a server that nobody is killing.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        match self.send(method, path, body).await {
            Reply::Answered(status, body) => (status, body),
            Reply::Unknown => panic!("{method} {path} got no answer from a server that nobody killed"),
        }
    }

    /// The group that people join.
    pub async fn make_group(&self) -> String {
        let body = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "everybody" });
        let (status, body) = self.ask("POST", "/Groups", Some(body)).await;
        assert_eq!(status, 201);
        body["id"].as_str().unwrap().to_owned()
    }

    /// Waits until the outbox is empty: each arrival at the receiver is a reason to look.
    pub async fn drain(&self, receiver: &mut Receiver) {
        loop {
            let outbox = self.door.admin("GET", "/outbox").await.expect(200).body;
            assert_eq!(outbox["parked"], 0, "{outbox}");
            if outbox["messages"].as_array().unwrap().is_empty() {
                return;
            }
            // What arrived before is looked at first; the last arrival's row is deleted a moment later.
            tokio::select! {
                _ = receiver.next() => {}
                () = tokio::task::yield_now() => {}
            }
        }
    }
}

async fn reply(request: RequestBuilder) -> Reply {
    let Ok(response) = request.send().await else { return Reply::Unknown };
    let status = response.status().as_u16();
    match response.bytes().await {
        Ok(bytes) => Reply::Answered(status, serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(_) => Reply::Unknown,
    }
}
