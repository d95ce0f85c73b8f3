//! Where connections come in: at most so many at once, over TLS or, on loopback, without.
//!
//! [`Listener`] stands between the operating system's queue and the router. It takes a connection
//! only while there is a slot for it, so that the rest waits in that queue, and hands it on once it
//! is safe. Handshakes run beside each other, each with an end to its time: whoever does not finish
//! one, or speaks something else, costs a slot for that time and nobody else anything.
//!
//! [`Certificates`] keeps what is shown in a handshake, reads it again when its files change, and says when it is about
//! to expire.

mod certificates;
mod files;
mod slot;
mod validity;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

pub use certificates::{Certificates, Reading};
pub use files::{TlsError, TlsFiles, TlsVersion};
use slot::{Connection, Stream};
pub use validity::Validity;

use crate::limits;

/// How many handshakes of one listener were given up, by listener and reason.
pub const HANDSHAKES_FAILED: &str = "provost_tls_handshakes_failed_total";

/// A bound address whose connections are counted, and made safe if it has certificates.
pub struct Listener {
    /// The configuration's section: `server` or `admin`.
    name: &'static str,
    tcp: TcpListener,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    slots: Arc<Semaphore>,
    handshakes: JoinSet<Option<(Connection, SocketAddr)>>,
}

impl Listener {
    /// Takes connections from a bound socket, at most `connections_max` at once; over TLS if there
    /// are certificates to show.
    pub fn new(
        name: &'static str,
        tcp: TcpListener,
        certificates: Option<&Certificates>,
        connections_max: usize,
    ) -> Self {
        let tls = certificates.map(Certificates::shown);
        let slots = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
        Self { name, tcp, tls, slots, handshakes: JoinSet::new() }
    }

    /// Waits for a slot, then for somebody to connect.
    async fn next(slots: Arc<Semaphore>, tcp: &mut TcpListener) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        let slot = slots.acquire_owned().await.expect("nobody closes the slots");
        // This waits a moment where the process has no file descriptor left.
        let (stream, peer) = axum::serve::Listener::accept(tcp).await;
        (stream, peer, slot)
    }

    /// Begins to make a connection safe, with the certificate of this moment.
    fn shake(&mut self, config: Arc<ServerConfig>, stream: TcpStream, peer: SocketAddr, slot: OwnedSemaphorePermit) {
        let listener = self.name;
        self.handshakes.spawn(async move {
            let patience = Duration::from_millis(limits::HANDSHAKE_MILLIS_MAX);
            let failed = |reason: &'static str| {
                counter!(HANDSHAKES_FAILED, "listener" => listener, "reason" => reason).increment(1);
            };
            match tokio::time::timeout(patience, TlsAcceptor::from(config).accept(stream)).await {
                Ok(Ok(stream)) => Some((Connection::new(Stream::Tls(Box::new(stream)), slot), peer)),
                Ok(Err(error)) => {
                    failed("refused");
                    debug!(%peer, listener, reason = %error, "{peer} got no TLS connection");
                    None
                }
                Err(_) => {
                    failed("timeout");
                    debug!(%peer, listener, "{peer} did not finish its TLS handshake in time");
                    None
                }
            }
        });
    }
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let room = self.handshakes.len() < limits::HANDSHAKES_MAX;
            let (stream, peer, slot) = tokio::select! {
                done = self.handshakes.join_next(), if !self.handshakes.is_empty() => match done {
                    Some(Ok(Some(safe))) => return safe,
                    Some(_) | None => continue,
                },
                next = Self::next(self.slots.clone(), &mut self.tcp), if room => next,
            };
            let config = self.tls.as_ref().map(|shown| shown.borrow().clone());
            match config {
                None => return (Connection::new(Stream::Plain(stream), slot), peer),
                Some(config) => self.shake(config, stream, peer, slot),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}
