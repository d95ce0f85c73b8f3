//! A message on its way out, handed back to the plugin that enqueued it.

use std::ops::Deref;

use serde::de::DeserializeOwned;

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
        document::read_text(&self.payload, "the payload")
    }
}

impl Deref for Message {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}
