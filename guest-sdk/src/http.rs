//! Outbound HTTP to the origins that the operator granted.
//!
//! ```
//! # use provost_sdk::{http, json, Result};
//! # fn main() -> Result {
//! # let host = provost_sdk::testing::Host::new().answer(201, "");
//! # host.run(|| {
//! let answer = http::Request::post("https://crm.example/people")
//!     .json(&json!({ "name": "Ana" }))?
//!     .credential("crm-token")
//!     .send()?;
//! assert!(answer.is_success());
//! # Ok(())
//! # })
//! # }
//! ```

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Failure, host};

/// How many requests one review, decision or shaping may send, unless the operator says less.
pub const CALLS_MAX: u32 = 5;

/// How many requests one observation or delivery may send, unless the operator says less.
pub const DELIVERY_CALLS_MAX: u32 = 32;

/// How many requests one run of a job may send, unless the operator says less.
pub const JOB_CALLS_MAX: u32 = 1_000;

/// One request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The method, upper case.
    pub method: String,
    /// An absolute URL.
    pub url: String,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The secret, by name, that the host puts into the request. The plugin never holds it.
    pub credential: Option<String>,
    /// How long the plugin is ready to wait; the host may wait less.
    pub timeout_ms: Option<u32>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self { method: method.to_owned(), url: url.into(), ..Self::default() }
    }

    /// A GET.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A POST.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// A PUT.
    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    /// A PATCH.
    pub fn patch(url: impl Into<String>) -> Self {
        Self::new("PATCH", url)
    }

    /// A DELETE.
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// With this header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With this body as it stands.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With this body as JSON, and the header that says so.
    pub fn json(self, body: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(self.body(serde_json::to_vec(body)?).header("content-type", "application/json"))
    }

    /// With the secret of this name, which the host puts into the request.
    pub fn credential(mut self, name: impl Into<String>) -> Self {
        self.credential = Some(name.into());
        self
    }

    /// Waits no longer than this.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_ms = Some(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Sends it and waits for the answer. Any status is an answer.
    pub fn send(self) -> Result<Response, Error> {
        host::http_send(self)
    }
}

/// The text as one segment of a URL's path, or as one value of its query: everything but the
/// unreserved characters of RFC 3986 is percent-encoded.
///
/// A segment that is `.` or `..` means a step between directories, encoded or not; text from a
/// resource that stands alone in a segment must not be one of these.
///
/// ```
/// assert_eq!(provost_sdk::http::escape("a b/é"), "a%20b%2F%C3%A9");
/// ```
pub fn escape(text: &str) -> String {
    let escaped = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    escaped.collect()
}

/// The answer to a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Whether the status is one of the 200s.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the same request may be answered better later: 408, 425, 429, or a 5xx.
    pub fn is_retryable(&self) -> bool {
        matches!(self.status, 408 | 425 | 429 | 500..=599)
    }

    /// The answer, if it is one of the 200s; else a failure that names who answered and with which
    /// status, and that is tried again where that may help.
    pub fn success(self, who: &str) -> Result<Self, Failure> {
        match self.status {
            200..=299 => Ok(self),
            status if self.is_retryable() => Err(Failure::retryable(format!("{who} answered {status}"))),
            status => Err(Failure::new(format!("{who} answered {status}"))),
        }
    }

    /// The first header of this name, in any letter case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body, read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The operator did not grant this origin, method or address.
    Denied(String),
    /// No answer in time.
    Timeout,
    /// The name has no address.
    Dns(String),
    /// No connection.
    Connect(String),
    /// No trust.
    Tls(String),
    /// The request or the answer is larger than the plugin's limits allow.
    TooLarge,
    /// What came back is not HTTP.
    Protocol(String),
}

impl Error {
    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Timeout | Self::Dns(_) | Self::Connect(_) | Self::Tls(_) | Self::Protocol(_) => true,
            Self::Denied(_) | Self::TooLarge => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(what) => write!(f, "the request is not granted: {what}"),
            Self::Timeout => f.write_str("the request was not answered in time"),
            Self::Dns(reason) => write!(f, "the request's host was not found: {reason}"),
            Self::Connect(reason) => write!(f, "the request's host was not reached: {reason}"),
            Self::Tls(reason) => write!(f, "the request's host is not trusted: {reason}"),
            Self::TooLarge => f.write_str("the request or its answer is too large"),
            Self::Protocol(reason) => write!(f, "the request was answered with nonsense: {reason}"),
        }
    }
}

impl std::error::Error for Error {}
