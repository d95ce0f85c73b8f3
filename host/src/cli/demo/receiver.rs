//! The other system of the demo: an HTTP endpoint that shows what it gets, and can be taken down.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::super::Failure;

/// How long the story waits for a delivery, in seconds.
const DELIVERY_SECONDS_MAX: u64 = 30;

/// A request that arrived.
pub(super) struct Received {
    method: Method,
    path: String,
    pub(super) key: String,
    body: Value,
}

impl Received {
    pub(super) fn print(&self) {
        println!("\n  ⇒ {} {}", self.method, self.path);
        println!("    Idempotency-Key: {}", self.key);
        if !self.body.is_null() {
            super::stage::print_json(&self.body);
        }
    }
}

/// The endpoint, up or down.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    arrivals: mpsc::UnboundedSender<Received>,
    arrived: mpsc::UnboundedReceiver<Received>,
    up: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Receiver {
    pub(super) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (arrivals, arrived) = mpsc::unbounded_channel();
        let mut receiver = Self { address: listener.local_addr()?, arrivals, arrived, up: None };
        receiver.serve(listener);
        Ok(receiver)
    }

    /// The next request, waited for.
    pub(super) async fn next(&mut self) -> Result<Received, Failure> {
        let wait = Duration::from_secs(DELIVERY_SECONDS_MAX);
        let arrived = tokio::time::timeout(wait, self.arrived.recv()).await;
        arrived.ok().flatten().ok_or_else(|| "the other system was never reached".into())
    }

    pub(super) async fn go_down(&mut self) {
        if let Some((stop, running)) = self.up.take() {
            let _ = stop.send(());
            let _ = running.await;
        }
    }

    pub(super) async fn come_up(&mut self) -> io::Result<()> {
        let listener = TcpListener::bind(self.address).await?;
        self.serve(listener);
        Ok(())
    }

    fn serve(&mut self, listener: TcpListener) {
        let (stop, stopped) = oneshot::channel::<()>();
        let router = Router::new().fallback(receive).with_state(self.arrivals.clone());
        let running = tokio::spawn(async move {
            let stopped = async move {
                let _ = stopped.await;
            };
            let _ = axum::serve(listener, router).with_graceful_shutdown(stopped).await;
        });
        self.up = Some((stop, running));
    }
}

async fn receive(
    State(arrivals): State<mpsc::UnboundedSender<Received>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> &'static str {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let _ = arrivals.send(Received { method, path: uri.path().to_owned(), key, body });
    "{}"
}
