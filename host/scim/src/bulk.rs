//! Bulk requests (RFC 7644 section 3.7): many operations in one message, and how they speak of
//! each other.
//!
//! [`BulkRequest::parse`] reads the envelope. An envelope that is wrong fails the request; an
//! operation that is wrong fails alone, so each is kept as a [`Task`] or as its [`Mistake`].
//! [`BulkRequest::plan`] says in which order the tasks are done: the client's, except that what a
//! task refers to comes before it. [`Task::resolve`] then puts real ids in the place of
//! `bulkId:…`, and where POSTs refer to each other in a circle, [`Task::detach`] takes out what
//! cannot be there yet.
//!
//! A `bulkId:…` counts where the schema says that something points to a resource, and nowhere
//! else: a display name may say what it likes (S-18.8).

mod plan;
mod references;
mod request;
mod response;

pub use plan::Step;
pub use references::{failed_circle, failed_post, no_such_post};
pub use request::{BulkError, BulkRequest, Mistake, Operation, Target, Task};
pub use response::{Answered, BulkResponse};

/// What stands before a bulkId where it refers to an operation.
const PREFIX: &str = "bulkId:";
