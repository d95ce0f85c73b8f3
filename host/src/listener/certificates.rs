//! What a listener shows in its handshakes, and how it changes while the server runs.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecursiveMode, Watcher as _};
use rustls::ServerConfig;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tracing::{error, info, warn};

use super::files::{Loaded, TlsError, TlsFiles, load};
use crate::limits;

/// How reading the files went the last time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// How often another certificate, key or authority took the place of the one before.
    pub changes: u64,
    /// Why the files as they are cannot be used; the last good ones are still shown.
    pub trouble: Option<TlsError>,
}

/// Told of the certificates that connections may meet, as SHA-256 in hexadecimal, before they do.
type Announce = Box<dyn Fn(&[&str]) + Send + Sync>;

/// The certificate of one listener. What is shown is always whole and good: files that cannot be
/// used change nothing but [`Reading`].
pub struct Certificates {
    section: &'static str,
    files: TlsFiles,
    shown: watch::Sender<Arc<ServerConfig>>,
    reading: watch::Sender<Reading>,
    /// The pin and digest of what is shown. Held while files are read, so that one reading follows another.
    present: Mutex<(String, [u8; 32])>,
    announce: Announce,
}

impl Certificates {
    /// Reads the files of `section`, which is `server` or `admin`.
    ///
    /// # Errors
    /// The key, its file, and what is wrong with it.
    pub fn read(
        section: &'static str,
        files: &TlsFiles,
        announce: impl Fn(&[&str]) + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        let Loaded { config, pin, digest } = load(section, files)?;
        announce(&[&pin]);
        Ok(Self {
            section,
            files: files.clone(),
            shown: watch::Sender::new(config),
            reading: watch::Sender::default(),
            present: Mutex::new((pin, digest)),
            announce: Box::new(announce),
        })
    }

    /// What connections are shown from now on.
    pub(super) fn shown(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.shown.subscribe()
    }

    /// How reading the files went the last time, and whenever it goes differently.
    pub fn reading(&self) -> watch::Receiver<Reading> {
        self.reading.subscribe()
    }

    /// Reads the files again when they change or the process gets SIGHUP, until the server stops.
    pub async fn keep(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        let changed = Arc::new(Notify::new());
        let watcher = self.watch(changed.clone());
        let mut hangup = signal(SignalKind::hangup())
            .inspect_err(|error| warn!(%error, "SIGHUP cannot be heard; certificates are read again when they change"))
            .ok();
        // Whatever changed between the first reading and the watch.
        changed.notify_one();
        loop {
            let settle = tokio::select! {
                () = changed.notified() => true,
                Some(()) = async { hangup.as_mut()?.recv().await } => {
                    info!("`{}.tls`: asked to read the certificate again", self.section);
                    false
                }
                _ = stopped.wait_for(|stopped| *stopped) => break,
            };
            if settle {
                // Certificate and key change one after the other: this gives both the time.
                tokio::time::sleep(Duration::from_millis(limits::TLS_SETTLE_MILLIS)).await;
            }
            let this = self.clone();
            let _ = tokio::task::spawn_blocking(move || this.read_again()).await;
        }
        drop(watcher);
    }

    /// Shows what the files hold now, if they can be used and hold something else.
    fn read_again(&self) {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        match load(self.section, &self.files) {
            Ok(Loaded { digest, .. }) if digest == present.1 => {
                self.reading.send_if_modified(|reading| reading.trouble.take().is_some());
            }
            Ok(Loaded { config, pin, digest }) => {
                (self.announce)(&[&pin, &present.0]);
                *present = (pin, digest);
                self.shown.send_replace(config);
                info!("`{}.tls`: new connections are shown another certificate", self.section);
                self.reading.send_modify(|reading| *reading = Reading { changes: reading.changes + 1, trouble: None });
            }
            Err(trouble) => {
                let news = self.reading.send_if_modified(|reading| {
                    let news = reading.trouble.as_ref() != Some(&trouble);
                    reading.trouble = Some(trouble.clone());
                    news
                });
                if news {
                    error!(reason = %trouble, "the certificate stays as it was: {trouble}");
                }
            }
        }
    }

    /// Watches the directories of the files, since files are replaced by renaming others.
    fn watch(&self, changed: Arc<Notify>) -> Option<notify::RecommendedWatcher> {
        let hear = move |event: notify::Result<notify::Event>| {
            // To open and to read is no change, and this server does both itself.
            let only_read = event.as_ref().is_ok_and(|event| match event.kind {
                EventKind::Access(access) => access != AccessKind::Close(AccessMode::Write),
                _ => false,
            });
            if !only_read {
                changed.notify_one();
            }
        };
        let directories: HashSet<PathBuf> = self.files.all().map(directory).collect();
        let watched = notify::recommended_watcher(hear).and_then(|mut watcher| {
            for directory in &directories {
                watcher.watch(directory, RecursiveMode::NonRecursive)?;
            }
            Ok(watcher)
        });
        let deaf = "the certificate's files cannot be watched; after a change, send the server SIGHUP";
        watched.inspect_err(|error| warn!(%error, "`{}.tls`: {deaf}", self.section)).ok()
    }
}

fn directory(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}
