//! Staged messages: committed with the change and delivered afterwards, or never seen.
//!
//! ```
//! # use provost_sdk::{json, outbox, Result};
//! # fn main() -> Result {
//! # provost_sdk::testing::Host::new().run(|| {
//! let key = outbox::enqueue("crm", &json!({ "hello": "world" }), outbox::Options::new().deduplicate("hello"))?;
//! # Ok(())
//! # })
//! # }
//! ```

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::{Failure, host, http};

/// How many messages one review may enqueue, unless the operator says less.
pub const MESSAGES_MAX: usize = 16;

/// Why nothing was enqueued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The operator did not grant this target, origin or method.
    Denied(String),
    /// This call has enqueued as many messages as it may.
    Quota,
    /// The message is too large.
    TooLarge,
    /// The message makes no sense.
    Invalid(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(what) => write!(f, "the outbox is not granted: {what}"),
            Self::Quota => f.write_str("this call has enqueued as many messages as it may"),
            Self::TooLarge => f.write_str("the message is too large for the outbox"),
            Self::Invalid(reason) => write!(f, "the message makes no sense: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

/// How a message is kept and sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Kept with the message: sent with a request, handed to `deliver` otherwise.
    pub headers: Vec<(String, String)>,
    /// Not before this many seconds after the commit.
    pub delay_s: u64,
    /// At most one undelivered message with this text per target and resource: the newer takes
    /// the older one's place.
    pub deduplicate: Option<String>,
}

impl Options {
    /// At once, without headers, beside all others.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Not before this has passed.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay_s = delay.as_secs();
        self
    }

    /// In place of an undelivered message with the same text.
    pub fn deduplicate(mut self, text: impl Into<String>) -> Self {
        self.deduplicate = Some(text.into());
        self
    }
}

/// Enqueues a message for this plugin's own `deliver`. Its key is settled at the commit:
/// [`crate::Message::key`].
pub fn enqueue(target: &str, payload: &impl Serialize, options: Options) -> Result<(), Failure> {
    Ok(host::enqueue(target, serde_json::to_string(payload)?, options)?)
}

/// Enqueues an HTTP request that the host sends by itself, with the message's key in the header
/// `Idempotency-Key`. The request's timeout is the host's own.
pub fn enqueue_request(target: &str, request: http::Request, options: Options) -> Result<(), Error> {
    host::enqueue_request(target, request, options)
}
