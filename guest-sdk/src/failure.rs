//! The plugin could not tell: not a refusal, and not the client's fault.

use std::error::Error;
use std::fmt;

use crate::{directory, http, outbox, state};

/// Why a plugin gave no answer. The words go to the log, never to a client.
///
/// Any standard error becomes one with `?`. Those of [`http`], [`directory`] and [`state`] know
/// whether trying again may help; other errors count as final.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    message: String,
    retryable: bool,
}

impl Failure {
    /// A failure that will be the same next time.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), retryable: false }
    }

    /// A failure that may pass.
    pub fn retryable(message: impl Into<String>) -> Self {
        Self { message: message.into(), retryable: true }
    }

    /// What happened, for the log.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether trying again may help.
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let retryable = if self.retryable { " (retryable)" } else { "" };
        write!(f, "Failure: {}{retryable}", self.message)
    }
}

// `Failure` is no `std::error::Error` itself: that is what makes room for this conversion.
impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let retryable = may_pass(&error);
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            message.push_str(": ");
            message.push_str(&inner.to_string());
            source = inner.source();
        }
        Self { message, retryable }
    }
}

fn may_pass(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<http::Error>() {
        return error.is_retryable();
    }
    if let Some(error) = error.downcast_ref::<state::Error>() {
        return matches!(error, state::Error::Conflict | state::Error::Unavailable(_));
    }
    if let Some(error) = error.downcast_ref::<directory::Error>() {
        return matches!(error, directory::Error::Unavailable(_));
    }
    if let Some(error) = error.downcast_ref::<directory::WriteError>() {
        return matches!(error, directory::WriteError::Unavailable(_)) || error.status().is_some_and(|s| s >= 500);
    }
    error.downcast_ref::<outbox::Error>().is_some_and(|error| matches!(error, outbox::Error::Quota))
}
