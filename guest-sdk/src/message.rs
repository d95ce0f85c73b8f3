//! A message on its way out, handed back to the plugin that enqueued it.

use std::ops::Deref;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Context, Failure, document};

/// One message from the outbox.
///
/// It also carries the [`Context`] of the change it came from; `attempt` counts this delivery's.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The idempotency key: the same at every attempt, so that the receiver can deduplicate.
    pub key: String,
    /// The receiver's name, as it was enqueued.
    pub target: String,
    /// The payload, JSON text.
    pub payload: String,
    /// The headers that were enqueued with it.
    pub headers: Vec<(String, String)>,
    /// When it was enqueued, in milliseconds since the Unix epoch.
    pub enqueued_ms: u64,
    /// The facts around it.
    pub context: Context,
}

impl Message {
    /// The payload as `T`.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let value: Value = serde_json::from_str(&self.payload)?;
        document::read(&value).map_err(|finding| match finding.path.as_str() {
            "" => Failure::new(format!("the payload {}", finding.message)),
            path => Failure::new(format!("`{path}` of the payload {}", finding.message)),
        })
    }
}

impl Deref for Message {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}
