//! Enqueues a message for every change, and fails to deliver it as often as configured.

use provost_sdk::prelude::*;

/// How it fails.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DeliverFails {
    target: String,
    /// The last attempt that fails; later ones succeed.
    until_attempt: u32,
    retryable: bool,
    message: String,
}

impl Default for DeliverFails {
    fn default() -> Self {
        let (target, message) = ("void".to_owned(), "the void does not answer".to_owned());
        Self { target, until_attempt: u32::MAX, retryable: true, message }
    }
}

impl Plugin for DeliverFails {
    const INFO: Info = Info { name: "deliver_fails", ..provost_sdk::info!() };

    fn review(&self, change: &Change) -> Result<Verdict> {
        outbox::enqueue(&self.target, &json!({ "requestId": change.request_id }), outbox::Options::new())?;
        Ok(Verdict::proceed())
    }

    fn deliver(&self, message: &Message) -> Result {
        match (message.attempt > self.until_attempt, self.retryable) {
            (true, _) => Ok(()),
            (false, true) => Err(Failure::retryable(&self.message)),
            (false, false) => Err(Failure::new(&self.message)),
        }
    }
}

provost_sdk::export!(DeliverFails: before_write, deliver);
