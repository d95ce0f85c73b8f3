//! One call of a plugin: fills it from its configuration and asks. The sandbox and the test
//! harness come in by the same doors.

use crate::{Change, Finding, Message, Plugin, Result, Value, Verdict, config};

/// Asks the plugin about its configuration, JSON text.
pub fn check_config<P: Plugin>(text: &str) -> Vec<Finding> {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => P::check_config(&value),
        Err(error) => vec![Finding::new("", format!("is not JSON: {error}"))],
    }
}

/// Asks about a proposed change.
pub fn review<P: Plugin>(change: &Change) -> Result<Verdict> {
    config::load::<P>()?.review(change)
}

/// Tells of a committed change.
pub fn observe<P: Plugin>(change: &Change, sequence: u64) -> Result {
    config::load::<P>()?.observe(change, sequence)
}

/// Hands back an enqueued message.
pub fn deliver<P: Plugin>(message: &Message) -> Result {
    config::load::<P>()?.deliver(message)
}
