//! The command under test as a child process, on a data directory of its own.

use std::ffi::OsStr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use jiff::Timestamp;
use provost::app::{ADMIN_ADDRESS_FILE, ADMIN_TOKEN_FILE};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use crate::binary;
use crate::door::Door;
use crate::engine::with_engine;
use crate::server;

/// A running `serve`, killed when this goes, with the administrator's [`Door`] to it.
pub struct Process {
    door: Door,
    child: Child,
    watch: Option<Mutex<Watch>>,
    data: TempDir,
    /// The file of its own, if it has one.
    config: Option<PathBuf>,
}

/// The clock of a process, where that is the test's.
struct Watch {
    now: Timestamp,
    set: ChildStdin,
    is_set: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts the command with nothing configured but a free port.
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// Starts the command with these tables besides, and waits until it serves.
    pub async fn with(tables: &str) -> Self {
        Self::on(fresh(tables), None, None).await
    }

    /// The same, with a clock that stands at this time until [`Process::advance_ms`].
    pub async fn at(now: Timestamp, tables: &str) -> Self {
        Self::on(fresh(tables), None, Some(now)).await
    }

    /// Starts the command with this file as its configuration, and waits until it serves.
    pub async fn configured_by(config: &Path) -> Self {
        Self::on(fresh(""), Some(config.to_owned()), None).await
    }

    /// Without a file of its own, the one in the data directory is its configuration.
    async fn on(data: TempDir, config: Option<PathBuf>, now: Option<Timestamp>) -> Self {
        let mut command = Command::new(binary::provost());
        command.current_dir(data.path()).arg("--data").arg(data.path());
        command.args(config.iter().flat_map(|file| [OsStr::new("--config"), file.as_os_str()])).arg("serve");
        if let Some(now) = now {
            command.env(binary::CLOCK_VARIABLE, now.to_string()).stdin(Stdio::piped());
        }
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("the command starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let base = loop {
            let line = lines.next_line().await.expect("stdout is read").expect("the server says where it serves");
            if let Some(base) = line.strip_prefix("serving ") {
                break base.to_owned();
            }
        };
        let watch = child.stdin.take().zip(now).map(|(set, now)| Mutex::new(Watch { now, set, is_set: lines }));
        let read = |file: &str| std::fs::read_to_string(data.path().join(file)).expect("the first start writes it");
        let door = Door::new(&base, &format!("http://{}", read(ADMIN_ADDRESS_FILE)), &read(ADMIN_TOKEN_FILE));
        Self { door, child, watch, data, config }
    }

    /// Moves the clock on, and returns once it stands there.
    pub async fn advance_ms(&self, by: i64) {
        let watch = self.watch.as_ref().expect("the process was started at a time");
        let Watch { now, set, is_set } = &mut *watch.lock().await;
        set.write_all(format!("{by}\n").as_bytes()).await.expect("the process reads its stdin");
        let said = is_set.next_line().await.expect("stdout is read");
        assert_eq!(said, Some(by.to_string()), "the process confirms");
        *now += jiff::SignedDuration::from_millis(by);
    }

    /// Kills the process and starts it again on the same data, at the time at which it was killed.
    pub async fn restart(mut self) -> Self {
        self.child.kill().await.expect("it was running");
        self.again().await
    }

    /// Kills the process and starts it again on the same data with these tables instead.
    pub async fn restart_with(mut self, tables: &str) -> Self {
        self.child.kill().await.expect("it was running");
        configure(&self.data, tables);
        self.again().await
    }

    async fn again(self) -> Self {
        Self::on(self.data, self.config, self.watch.map(|watch| watch.into_inner().now)).await
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

    /// Its data directory.
    pub fn data(&self) -> &Path {
        self.data.path()
    }
}

impl Deref for Process {
    type Target = Door;

    fn deref(&self) -> &Door {
        &self.door
    }
}

fn fresh(tables: &str) -> TempDir {
    let data = TempDir::new().expect("a data directory");
    server::share_compiled_guests(data.path());
    configure(&data, tables);
    data
}

fn configure(data: &TempDir, tables: &str) {
    let config = format!("[server]\nlisten = \"127.0.0.1:0\"\n\n[log]\nlevel = \"warn\"\n\n{tables}");
    std::fs::write(data.path().join("provost.toml"), with_engine(&config)).expect("the data directory is ours");
}
