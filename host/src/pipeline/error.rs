//! Why a request was not done, in the pipeline's words. The doors turn these into statuses.

use provost_scim::Invalid;

use crate::access::Forbidden;
use crate::hook::{Attribution, Hold, PluginName, Refusal, Trouble};
use crate::store::{CommitError, FindError, StoreError};

/// Why a read gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The credential does not allow it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such resource, or not any more.
    #[error("there is no {resource_type} with this id")]
    NotFound {
        /// The resource type asked for.
        resource_type: String,
    },
    /// The request makes no sense.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The query would look at more resources than it may.
    #[error(
        "this query would look at more than {resources_max} resources; compare an indexed attribute, or narrow it with `and`"
    )]
    TooMany {
        /// The bound.
        resources_max: usize,
    },
    /// The store failed.
    #[error("the store could not answer")]
    Store(#[source] StoreError),
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<FindError> for ReadError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::TooMany { resources_max } => Self::TooMany { resources_max },
            FindError::Store(error) => Self::Store(error),
        }
    }
}

/// Why a write did not happen. Nothing of it is in the store.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The credential does not allow it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such resource, or not any more.
    #[error("there is no {resource_type} with this id")]
    NotFound {
        /// The resource type asked for.
        resource_type: String,
    },
    /// `If-Match` or `If-None-Match` did not hold.
    #[error("the resource is not in the state that the precondition names; read it again and decide anew")]
    Precondition,
    /// The operator wants every change to name the version it was made from (RFC 6585 section 3).
    #[error("this server changes a resource only under `If-Match`; read it and send its ETag along")]
    PreconditionRequired,
    /// The client's proposal breaks the protocol or its schema.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The value is taken.
    #[error("the value of `{attribute}` is already in use")]
    Taken {
        /// The unique attribute.
        attribute: String,
    },
    /// A rule said no.
    #[error("plugin `{}` refused", .by.plugin)]
    Refused {
        /// Which plugin.
        by: Attribution,
        /// In which words.
        refusal: Refusal,
    },
    /// A rule wants people to agree first.
    #[error("plugin `{}` holds the change", .by.plugin)]
    Held {
        /// Which plugin.
        by: Attribution,
        /// What it waits for.
        hold: Hold,
    },
    /// A plugin gave no usable answer, and the operator chose that nothing passes without it.
    #[error("plugin `{}` gave no usable answer", .by.plugin)]
    Troubled {
        /// Which plugin.
        by: Attribution,
        /// What went wrong.
        #[source]
        trouble: Trouble,
    },
    /// Too many others write the same resource.
    #[error("the resource changed {attempts} times while this write was being made")]
    Contended {
        /// How often it was tried.
        attempts: u32,
    },
    /// The outbox is full.
    #[error("the outbox holds as many messages as it may; deliver, redrive or drop some")]
    OutboxFull,
    /// A plugin's state is full.
    #[error("the state of plugin `{plugin}` holds as many entries as it may")]
    StateFull {
        /// Whose.
        plugin: PluginName,
    },
    /// Somebody else changed what this write was made from. Never leaves the pipeline.
    #[error("the resource changed in between")]
    Clash,
    /// The store failed.
    #[error("the store could not commit")]
    Store(#[source] StoreError),
}

impl From<CommitError> for WriteError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Clash => Self::Clash,
            CommitError::Taken { attribute } => Self::Taken { attribute },
            CommitError::OutboxFull { .. } => Self::OutboxFull,
            CommitError::StateFull { plugin, .. } => Self::StateFull { plugin },
            CommitError::Malformed { reason } => Self::Store(StoreError::unavailable(reason)),
            CommitError::Store(error) => Self::Store(error),
        }
    }
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
