//! What a listener shows in its handshakes, and how it changes while the server runs.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rustls::ServerConfig;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::files::{Loaded, TlsError, TlsFiles, load};
use super::validity::{Age, Validity};
use crate::clock::Clock;
use crate::eyes::Eyes;

/// How reading the files went the last time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// How often another certificate, key or authority took the place of the one before.
    pub changes: u64,
    /// Why the files as they are cannot be used; the last good ones are still shown.
    pub trouble: Option<TlsError>,
    /// From when until when the certificate that is shown is good, if that can be told.
    pub validity: Option<Validity>,
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
        let Loaded { config, pin, digest, validity } = load(section, files)?;
        announce(&[&pin]);
        Ok(Self {
            section,
            files: files.clone(),
            shown: watch::Sender::new(config),
            reading: watch::Sender::new(Reading { validity, ..Reading::default() }),
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

    /// Reads the files again when they change or the process gets SIGHUP, and says when the certificate comes to its end,
    /// until the server stops.
    pub async fn keep(self: Arc<Self>, clock: Clock, mut stopped: watch::Receiver<bool>) {
        let mut eyes =
            Eyes::open(format!("after a change of the files of `{}.tls`, send the server SIGHUP", self.section));
        eyes.follow(self.files.all().map(Path::to_owned));
        let mut hangup = signal(SignalKind::hangup())
            .inspect_err(|error| warn!(%error, "SIGHUP cannot be heard; certificates are read again when they change"))
            .ok();
        let mut told = None;
        loop {
            // The first time for whatever changed between the first reading and the watch.
            let this = self.clone();
            let _ = tokio::task::spawn_blocking(move || this.read_again()).await;
            loop {
                let turns = self.tell_age(&mut told, clock.now());
                let turned = async {
                    match turns {
                        Some(at) => clock.clone().until(at).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = eyes.changed() => break,
                    Some(()) = async { hangup.as_mut()?.recv().await } => {
                        info!("`{}.tls`: asked to read the certificate again", self.section);
                        break;
                    }
                    () = turned => {}
                    _ = stopped.wait_for(|stopped| *stopped) => return,
                }
            }
        }
    }

    /// Says once what is to be said of a certificate at its age, and when it will be of another.
    fn tell_age(&self, told: &mut Option<(Validity, Age)>, now: Timestamp) -> Option<Timestamp> {
        let validity = self.reading.borrow().validity?;
        let age = validity.age(now);
        if told.replace((validity, age)) != Some((validity, age))
            && let Some(remark) = validity.remark(self.section, now)
        {
            match age {
                Age::Good | Age::Ending => warn!("{remark}"),
                Age::Early | Age::Over => error!("{remark}; clients refuse it"),
            }
        }
        validity.turns(now)
    }

    /// Shows what the files hold now, if they can be used and hold something else.
    fn read_again(&self) {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        match load(self.section, &self.files) {
            Ok(Loaded { digest, .. }) if digest == present.1 => {
                self.reading.send_if_modified(|reading| reading.trouble.take().is_some());
            }
            Ok(Loaded { config, pin, digest, validity }) => {
                (self.announce)(&[&pin, &present.0]);
                *present = (pin, digest);
                self.shown.send_replace(config);
                info!("`{}.tls`: new connections are shown another certificate", self.section);
                self.reading.send_modify(|reading| {
                    *reading = Reading { changes: reading.changes + 1, trouble: None, validity };
                });
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
}
