//! A system to forward to: records every request, answers as told, and can be taken down and up.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// How long a test waits for an event before it is red.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// One request that arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The idempotency key, empty if there was none.
    pub key: String,
    /// The body, null if it was empty.
    pub body: Value,
    /// What it was answered.
    pub status: u16,
}

#[derive(Clone)]
struct Ledger {
    all: Arc<Mutex<Vec<Received>>>,
    status: Arc<Mutex<StatusCode>>,
    events: mpsc::UnboundedSender<Received>,
}

/// A receiver on 127.0.0.1.
pub struct Receiver {
    /// Where it listens, also after it went down and up.
    pub address: SocketAddr,
    ledger: Ledger,
    events: mpsc::UnboundedReceiver<Received>,
    down: Option<oneshot::Sender<()>>,
    running: Option<tokio::task::JoinHandle<()>>,
}

impl Receiver {
    /// A receiver that answers 200.
    pub async fn start() -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let ledger = Ledger { all: Arc::default(), status: Arc::new(Mutex::new(StatusCode::OK)), events: sender };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let mut receiver = Self { address, ledger, events, down: None, running: None };
        receiver.serve(listener);
        receiver
    }

    /// `http://127.0.0.1:PORT`
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on answers this status.
    pub fn answer(&self, status: u16) {
        *self.ledger.status.lock().expect("no test panics here") = StatusCode::from_u16(status).expect("a status");
    }

    /// Waits for the next request.
    pub async fn next(&mut self) -> Received {
        let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        event.expect("a request should have arrived").expect("the receiver keeps its own sender")
    }

    /// Everything that arrived so far.
    pub fn all(&self) -> Vec<Received> {
        self.ledger.all.lock().expect("no test panics here").clone()
    }

    /// Refuses connections from now on.
    pub async fn go_down(&mut self) {
        if let (Some(down), Some(running)) = (self.down.take(), self.running.take()) {
            let _ = down.send(());
            running.await.expect("the receiver does not panic");
        }
    }

    /// Listens again, at the same address.
    pub async fn come_up(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the port is still ours");
        self.serve(listener);
    }

    fn serve(&mut self, listener: TcpListener) {
        let (down, told) = oneshot::channel::<()>();
        let router = Router::new().fallback(receive).with_state(self.ledger.clone());
        let stop = async move {
            let _ = told.await;
        };
        self.running = Some(tokio::spawn(async move {
            axum::serve(listener, router).with_graceful_shutdown(stop).await.expect("the receiver serves");
        }));
        self.down = Some(down);
    }
}

async fn receive(
    State(ledger): State<Ledger>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let key = headers.get("idempotency-key").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let status = *ledger.status.lock().expect("no test panics here");
    let received = Received {
        method: method.to_string(),
        path: uri.path().to_owned(),
        key,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        status: status.as_u16(),
    };
    ledger.all.lock().expect("no test panics here").push(received.clone());
    let _ = ledger.events.send(received);
    (status, "{}")
}
