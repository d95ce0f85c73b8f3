//! Why a request did not get its answer.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, ErrorKind};

/// Why a request did not get its answer. No variant's text repeats a URL's path or query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// No grant covers the origin, method, header or address; the text says which.
    #[error("{0}")]
    Denied(String),
    /// The time ran out.
    #[error("the request took too long")]
    Timeout,
    /// The name has no address, or could not be looked up.
    #[error("the name could not be resolved: {0}")]
    Dns(String),
    /// No connection could be made.
    #[error("no connection: {0}")]
    Connect(String),
    /// The connection could not be made safe.
    #[error("no TLS connection: {0}")]
    Tls(String),
    /// A secret that the request needs cannot be had at the moment; the text names it.
    #[error("{0}")]
    Secret(String),
    /// The request or the answer is larger than it may be.
    #[error("the request or its answer is too large")]
    TooLarge,
    /// The other side closed the connection before it answered. With TLS 1.3 this, too, is how it refuses a client
    /// whose certificate it does not know: the client's part of the handshake is over by then (RFC 8446 section 4.4).
    #[error("the connection was closed before there was an answer: {0}")]
    Closed(String),
    /// The request or the answer is not HTTP.
    #[error("not HTTP: {0}")]
    Protocol(String),
}

impl OutboundError {
    pub(super) fn denied(why: impl Into<String>) -> Self {
        Self::Denied(why.into())
    }

    pub(super) fn protocol(why: impl Into<String>) -> Self {
        Self::Protocol(why.into())
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Timeout
            | Self::Dns(_)
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::Secret(_)
            | Self::Closed(_)
            | Self::Protocol(_) => true,
            Self::Denied(_) | Self::TooLarge => false,
        }
    }

    /// Tells the client's errors apart by what lies at their root.
    pub(super) fn from_client(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if let Some(own) = find::<OutboundError>(&error) {
            return own.clone();
        }
        if error.is_timeout() {
            return Self::Timeout;
        }
        let why = root(&error);
        if find::<rustls::Error>(&error).is_some() {
            Self::Tls(why)
        } else if error.is_connect() {
            Self::Connect(why)
        } else if is_closed(&error) {
            Self::Closed(why)
        } else {
            Self::Protocol(why)
        }
    }
}

/// Whether the connection went away: said by the connection itself, or by the one that wanted to use it.
fn is_closed(error: &reqwest::Error) -> bool {
    let gone = |io: &io::Error| {
        matches!(
            io.kind(),
            ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::NotConnected
                | ErrorKind::UnexpectedEof
        )
    };
    find::<hyper::Error>(error)
        .is_some_and(|http| http.is_canceled() || http.is_closed() || http.is_incomplete_message())
        || find::<io::Error>(error).is_some_and(gone)
}

/// The first error of this type among the causes. An `io::Error` hides the one it carries.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let carried = error.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref());
        cause = match carried {
            Some(carried) => Some(carried as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

/// The innermost causes' words, which name no URL.
fn root(error: &reqwest::Error) -> String {
    let mut words = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        cause = error.source();
        if cause.is_none() {
            let _ = write!(words, "{error}");
        }
    }
    if words.is_empty() { error.to_string() } else { words }
}
