//! How an outbox row is written, and how it was: rows of an older format are read for as long as they wait.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::StoreError;
use super::engine::{Space, Value};
use super::records::{OutboxRecord, decode, decode_as, encode_as};
use crate::context::Actor;
use crate::hook::{Cause, Message, Operation, PluginName, Work};

/// The format that rows are written in: with the name of a request's secret, and the plugins that led to the change.
const FORMAT: u8 = 2;

/// Writes a row.
pub(super) fn encode_message(record: &OutboxRecord) -> Value {
    encode_as(FORMAT, record)
}

/// Reads a row of this format, or of the one before.
pub(super) fn decode_message(value: &[u8]) -> Result<OutboxRecord, StoreError> {
    match value.first() {
        Some(&FORMAT) => decode_as(FORMAT, Space::Outbox, value),
        _ => decode::<RecordBefore>(Space::Outbox, value).map(OutboxRecord::from),
    }
}

/// A row of the first format.
#[derive(Serialize, Deserialize)]
struct RecordBefore {
    message: MessageBefore,
    attempts: u32,
    not_before: i64,
    parked: Option<String>,
    last_error: Option<String>,
    once: Option<[u8; 32]>,
}

#[derive(Serialize, Deserialize)]
struct MessageBefore {
    key: String,
    plugin: PluginName,
    target: String,
    work: WorkBefore,
    headers: Vec<(String, String)>,
    cause: CauseBefore,
}

#[derive(Serialize, Deserialize)]
struct CauseBefore {
    sequence: u64,
    request_id: String,
    actor: Actor,
    operation: Operation,
    resource_type: String,
    id: Uuid,
    version: u64,
    at_ms: i64,
}

#[derive(Serialize, Deserialize)]
enum WorkBefore {
    Deliver { payload: String },
    Request { method: String, url: String, body: Vec<u8> },
    Observe,
}

impl From<RecordBefore> for OutboxRecord {
    fn from(before: RecordBefore) -> Self {
        let RecordBefore { message, attempts, not_before, parked, last_error, once } = before;
        let MessageBefore { key, plugin, target, work, headers, cause } = message;
        let work = match work {
            WorkBefore::Deliver { payload } => Work::Deliver { payload },
            WorkBefore::Request { method, url, body } => Work::Request { method, url, body, credential: None },
            WorkBefore::Observe => Work::Observe,
        };
        let CauseBefore { sequence, request_id, actor, operation, resource_type, id, version, at_ms } = cause;
        let trail = [].into();
        let cause = Cause { sequence, request_id, actor, operation, resource_type, id, version, at_ms, trail };
        let message = Message { key, plugin, target, work, headers, cause };
        Self { message, attempts, not_before, parked, last_error, once }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::records::encode;

    fn cause() -> CauseBefore {
        CauseBefore {
            sequence: 41,
            request_id: "r-1".into(),
            actor: Actor { subject: "ana".into(), ..Actor::default() },
            operation: Operation::Patch,
            resource_type: "User".into(),
            id: uuid::Uuid::from_u128(7),
            version: 3,
            at_ms: 1_700_000_000_000,
        }
    }

    fn before(work: WorkBefore) -> RecordBefore {
        let headers = vec![("x-a".to_owned(), "b".to_owned())];
        let plugin = PluginName::from("crm");
        let message = MessageBefore { key: "k-1".into(), plugin, target: "crm".into(), work, headers, cause: cause() };
        let last_error = Some("no".to_owned());
        RecordBefore { message, attempts: 2, not_before: 5, parked: None, last_error, once: Some([9; 32]) }
    }

    #[test]
    fn rows_of_the_format_before_are_read_whole() {
        let request =
            || WorkBefore::Request { method: "PUT".into(), url: "https://crm/1".into(), body: b"{}".to_vec() };
        for work in [WorkBefore::Deliver { payload: "{}".into() }, request(), WorkBefore::Observe] {
            let stored = encode(&before(work));
            let read = decode_message(&stored).unwrap();

            assert_eq!((read.attempts, read.not_before, read.once), (2, 5, Some([9; 32])));
            let cause = &read.message.cause;
            assert_eq!((read.message.key.as_str(), cause.sequence, cause.version), ("k-1", 41, 3));
            assert_eq!((cause.request_id.as_str(), cause.at_ms, cause.trail.len()), ("r-1", 1_700_000_000_000, 0));
            assert_eq!(decode_message(&encode_message(&read)).unwrap(), read);
        }
        let read = decode_message(&encode(&before(request()))).unwrap();
        let expected =
            Work::Request { method: "PUT".into(), url: "https://crm/1".into(), body: b"{}".to_vec(), credential: None };
        assert_eq!(read.message.work, expected);
    }

    #[test]
    fn the_name_of_a_secret_and_the_trail_are_kept_and_what_is_no_row_is_corrupt() {
        let mut record = OutboxRecord::from(before(WorkBefore::Observe));
        let (method, url) = ("PUT".to_owned(), "https://crm/1".to_owned());
        record.message.work = Work::Request { method, url, body: Vec::new(), credential: Some("crm".into()) };
        record.message.cause.trail = ["a".into(), "b".into()].into();

        let stored = encode_message(&record);

        assert_eq!(decode_message(&stored).unwrap(), record);
        for wrong in [&stored[..stored.len() - 1], &[], &[3], &[2], &[1, 255]] {
            assert!(decode_message(wrong).is_err());
        }
    }
}
