//! The real binary as a child process, on a data directory of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use reqwest::{Method, RequestBuilder};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::binary;
use crate::server::{self, Answer};

/// A running `provost serve`, killed when this goes.
pub struct Process {
    /// Where its SCIM endpoints are.
    pub base: String,
    /// The administrator's token.
    pub token: String,
    client: reqwest::Client,
    child: Child,
    data: TempDir,
    config: PathBuf,
}

impl Process {
    /// Starts the binary with nothing configured but a free port.
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// Starts the binary with these tables besides, and waits until it serves.
    pub async fn with(tables: &str) -> Self {
        let data = TempDir::new().expect("a data directory");
        server::share_compiled_guests(data.path());
        configure(&data, tables);
        let config = data.path().join("provost.toml");
        Self::on(data, config).await
    }

    /// Starts the binary with this file as its configuration, and waits until it serves.
    pub async fn configured_by(config: &Path) -> Self {
        let data = TempDir::new().expect("a data directory");
        server::share_compiled_guests(data.path());
        Self::on(data, config.to_owned()).await
    }

    async fn on(data: TempDir, config: PathBuf) -> Self {
        let mut command = Command::new(binary::provost());
        command.current_dir(data.path()).arg("--config").arg(&config).arg("--data").arg(data.path()).arg("serve");
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let base = loop {
            let line = lines.next_line().await.expect("stdout is read").expect("the server says where it serves");
            if let Some(base) = line.strip_prefix("serving ") {
                break base.to_owned();
            }
        };
        let token = std::fs::read_to_string(data.path().join("admin.token")).expect("the first start writes it");
        Self { base, token: token.trim().to_owned(), client: server::client(), child, data, config }
    }

    /// Kills the process and starts it again on the same data.
    pub async fn restart(mut self) -> Self {
        self.child.kill().await.expect("it was running");
        Self::on(self.data, self.config).await
    }

    /// Kills the process and starts it again on the same data with these tables instead.
    pub async fn restart_with(mut self, tables: &str) -> Self {
        self.child.kill().await.expect("it was running");
        configure(&self.data, tables);
        Self::on(self.data, self.config).await
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends the process SIGHUP.
    pub async fn hang_up(&self) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -HUP {}", self.pid())).status().await;
        assert!(sent.expect("there is a shell").success(), "the process runs");
    }

    /// Asks the admin API.
    pub async fn admin(&self, path: &str) -> Answer {
        let address = std::fs::read_to_string(self.data().join("admin.address")).expect("a running server writes it");
        let url = format!("http://{}/admin{path}", address.trim());
        self.send(self.client.get(url).bearer_auth(&self.token)).await
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// A request to the SCIM base URI.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// Sends a request as it stands.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        server::receive(request).await
    }
}

fn configure(data: &TempDir, tables: &str) {
    let config = format!("[server]\nlisten = \"127.0.0.1:0\"\n\n[log]\nlevel = \"warn\"\n\n{tables}");
    std::fs::write(data.path().join("provost.toml"), config).expect("the data directory is ours");
}
