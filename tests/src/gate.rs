//! A receiver that answers only when it is told to, so that whoever asks it is held for as long as a test wants.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::receiver::PATIENCE;

/// A receiver on 127.0.0.1.
pub struct Gate(TcpListener);

/// A request that waits for its answer.
pub struct Waiting {
    /// Its JSON body.
    pub body: Value,
    stream: TcpStream,
}

impl Gate {
    /// A gate that holds everybody.
    pub async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("a free port"))
    }

    /// `http://127.0.0.1:PORT`
    pub fn origin(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("a bound address"))
    }

    /// Waits for the next request.
    pub async fn next(&self) -> Waiting {
        let arrived = async {
            let (mut stream, _) = self.0.accept().await.expect("the gate listens");
            let mut bytes = Vec::new();
            loop {
                let read = stream.read_buf(&mut bytes).await.expect("the request is read");
                assert!(read > 0, "the request came whole");
                let text = String::from_utf8_lossy(&bytes);
                if let Some(body) = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok()) {
                    return Waiting { body, stream };
                }
            }
        };
        tokio::time::timeout(PATIENCE, arrived).await.expect("a request should have arrived")
    }

    /// Whether nobody stands before the gate whom it has not let in.
    pub fn is_alone(&self) -> bool {
        futures::FutureExt::now_or_never(self.0.accept()).is_none()
    }
}

impl Waiting {
    /// Answers 200.
    pub async fn answer(mut self) {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        self.stream.write_all(answer).await.expect("whoever asked is still there");
    }

    /// Waits until whoever asked is gone.
    pub async fn gone(mut self) {
        let mut rest = [0];
        let ended = tokio::time::timeout(PATIENCE, self.stream.read(&mut rest)).await;
        assert!(matches!(ended, Ok(Ok(0) | Err(_))), "whoever asked should have gone");
    }
}
