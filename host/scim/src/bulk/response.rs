//! The message that answers a bulk request.

use serde_json::Value;

use crate::Attributes;
use crate::message::{BULK_RESPONSE, ErrorBody};

/// What became of each operation that was worked on (RFC 7644 section 3.7).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BulkResponse {
    /// In the order of the request (S-18.12).
    pub operations: Vec<Answered>,
}

/// What became of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The operation's method.
    pub method: Option<String>,
    /// The client's name for the operation.
    pub bulk_id: Option<String>,
    /// Where the resource is; absent after a POST that failed.
    pub location: Option<String>,
    /// The status that the operation would have had by itself.
    pub status: u16,
    /// The resource's ETag.
    pub version: Option<String>,
    /// What was wrong.
    pub response: Option<ErrorBody>,
}

impl BulkResponse {
    /// The message.
    pub fn into_body(self) -> Attributes {
        let operations: Vec<Value> = self.operations.into_iter().map(|one| Value::Object(one.into_body())).collect();
        let mut body = Attributes::new();
        body.insert("schemas".into(), vec![BULK_RESPONSE].into());
        body.insert("Operations".into(), operations.into());
        body
    }
}

impl Answered {
    /// One operation of the message. `status` is a string (S-18.5).
    fn into_body(self) -> Attributes {
        let members = [
            ("location", self.location),
            ("method", self.method),
            ("bulkId", self.bulk_id),
            ("version", self.version),
            ("status", Some(self.status.to_string())),
        ];
        let members = members.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::String(text?))));
        let mut body: Attributes = members.collect();
        if let Some(error) = self.response {
            body.insert("response".into(), error.into_body().into());
        }
        body
    }
}
