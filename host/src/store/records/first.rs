//! Outbox rows as the first release wrote them: nobody knew yet which plugins had led to a change.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::OutboxRecord;
use crate::context::Actor;
use crate::hook::{Cause, Message, Operation, PluginName, Work};

/// A row.
#[derive(Serialize, Deserialize)]
pub struct FirstOutbox {
    message: FirstMessage,
    attempts: u32,
    not_before: i64,
    parked: Option<String>,
    last_error: Option<String>,
    once: Option<[u8; 32]>,
}

#[derive(Serialize, Deserialize)]
struct FirstMessage {
    key: String,
    plugin: PluginName,
    target: String,
    work: Work,
    headers: Vec<(String, String)>,
    cause: FirstCause,
}

#[derive(Serialize, Deserialize)]
struct FirstCause {
    sequence: u64,
    request_id: String,
    actor: Actor,
    operation: Operation,
    resource_type: String,
    id: Uuid,
    version: u64,
    at_ms: i64,
}

impl From<FirstOutbox> for OutboxRecord {
    fn from(first: FirstOutbox) -> Self {
        let FirstOutbox { message, attempts, not_before, parked, last_error, once } = first;
        let FirstMessage { key, plugin, target, work, headers, cause } = message;
        let FirstCause { sequence, request_id, actor, operation, resource_type, id, version, at_ms } = cause;
        let trail = [].into();
        let cause = Cause { sequence, request_id, actor, operation, resource_type, id, version, at_ms, trail };
        let message = Message { key, plugin, target, work, headers, cause };
        Self { message, attempts, not_before, parked, last_error, once }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{decode_outbox, encode, encode_outbox};
    use super::*;

    #[test]
    fn a_row_of_the_first_release_is_read_as_one_that_a_client_caused() {
        let first = FirstOutbox {
            message: FirstMessage {
                key: "7-0".into(),
                plugin: "crm".into(),
                target: "crm".into(),
                work: Work::Deliver { payload: "{}".into() },
                headers: vec![("a".into(), "b".into())],
                cause: FirstCause {
                    sequence: 7,
                    request_id: "r".into(),
                    actor: Actor { subject: "ana".into(), ..Actor::default() },
                    operation: Operation::Patch,
                    resource_type: "User".into(),
                    id: Uuid::from_u128(7),
                    version: 3,
                    at_ms: 1_000,
                },
            },
            attempts: 2,
            not_before: 5,
            parked: None,
            last_error: Some("no".into()),
            once: Some([7; 32]),
        };

        let mut record = decode_outbox(&encode(&first)).unwrap();

        assert_eq!((record.attempts, record.message.cause.version), (2, 3));
        assert!(record.message.cause.trail.is_empty());
        record.message.cause.trail = ["a".into(), "b".into()].into();
        assert_eq!(decode_outbox(&encode_outbox(&record)).unwrap(), record);
        assert!(decode_outbox(&[3, 0, 0]).is_err() && decode_outbox(&[]).is_err());
    }
}
