//! Why a request was not done, in the pipeline's words. The doors turn these into statuses.

use provost_scim::Invalid;

use super::{Guarded, HashError, Ungranted};
use crate::access::Forbidden;
use crate::hook::{Attribution, Hold, PluginName, Refusal, Trouble};
use crate::limits::HOPS_MAX;
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
    /// The resource whose owner asks does not exist, or not for this caller.
    #[error("this credential belongs to no User")]
    Nobody,
    /// A plugin refused it.
    #[error("plugin `{}` refused", .by.plugin)]
    Refused {
        /// Which plugin.
        by: Attribution,
        /// Why.
        refusal: Refusal,
    },
    /// A plugin gave no usable answer, and the operator chose that nothing is shown without it.
    #[error("plugin `{}` gave no usable answer", .by.plugin)]
    Troubled {
        /// Which plugin.
        by: Attribution,
        /// What went wrong.
        #[source]
        trouble: Trouble,
    },
    /// The request makes no sense.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The query would look at more resources than it may.
    #[error(
        "this query would look at more than {resources_max} resources and memberships; compare an indexed attribute with `eq` or `sw`, narrow the filter with `and`, page with `cursor` and without `sortBy`, or ask the operator to index what it compares"
    )]
    TooMany {
        /// The bound.
        resources_max: usize,
    },
    /// The answer would tell more memberships than it may.
    #[error(
        "`groups` would follow more than {memberships_max} memberships; leave it out with `excludedAttributes=groups`, or ask for fewer resources at a time"
    )]
    TooManyGroups {
        /// The bound.
        memberships_max: usize,
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
            FindError::TooManyGroups { memberships_max } => Self::TooManyGroups { memberships_max },
            FindError::Store(error) => Self::Store(error),
        }
    }
}

/// Why `/Me` led nowhere, or its owner may not do this.
#[derive(Debug, thiserror::Error)]
pub enum MeError {
    /// The credential does not allow it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The operator did not set it up.
    #[error("this server does not offer this at `/Me`; its operator sets it up by the key `{key}`")]
    Unconfigured {
        /// The configuration's key.
        key: &'static str,
    },
    /// The credential belongs to nobody who is here.
    #[error("this credential belongs to no User")]
    Nobody,
    /// The account was deactivated, or waits to be confirmed.
    #[error("the account that this credential belongs to is not active")]
    Inactive,
    /// Not everybody's to change.
    #[error("`{path}` is not among what people may set of themselves here")]
    OutOfReach {
        /// The first such path.
        path: String,
    },
    /// Too many register without a credential.
    #[error("too many people register at once; nothing was created")]
    TooMany {
        /// When to try again, in seconds from now.
        retry_after_s: u32,
    },
    /// The policy plugin does not look.
    #[error("plugin `{policy}` does not review registrations, and nobody registers without it")]
    Unguarded {
        /// The plugin that the operator named.
        policy: PluginName,
    },
    /// Looking for the caller's resource failed.
    #[error(transparent)]
    Read(#[from] ReadError),
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
    /// What would come of it does not exist for its maker, as a plugin has narrowed that.
    #[error("the resource as it would be lies outside of what plugin `{}` lets this caller see; nothing was changed", .by.plugin)]
    Outside {
        /// Which plugin.
        by: Attribution,
    },
    /// Too many others write the same resource.
    #[error("the resource changed {attempts} times while this write was being made")]
    Contended {
        /// How often it was tried.
        attempts: u32,
    },
    /// A delete would change too many groups in one commit.
    #[error("the resource is a direct member of more than {groups_max} groups; take it out of some of them first")]
    TooManyGroups {
        /// How many it may leave at once.
        groups_max: usize,
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
    /// Too many of its kind were made within a short time.
    #[error(transparent)]
    Guarded(#[from] Guarded),
    /// Its maker may not do this in the capacity in which it was asked for.
    #[error(transparent)]
    Me(#[from] MeError),
    /// A plugin may not make this change by itself.
    #[error(transparent)]
    Ungranted(#[from] Ungranted),
    /// Plugins answer each other's changes.
    #[error("plugins answer each other's changes: {trail}; after {hops_max} of them there is no further one", hops_max = HOPS_MAX)]
    Looped {
        /// Their names, in order.
        trail: String,
    },
    /// A password was not hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// Somebody else changed what this write was made from. Never leaves the pipeline.
    #[error("the resource changed in between")]
    Clash,
    /// What follows the change could not be answered, so it is not made.
    #[error("nothing was changed, since the answer could not be given")]
    Unanswerable(#[source] ReadError),
    /// The store failed.
    #[error("the store could not commit")]
    Store(#[source] StoreError),
}

impl From<CommitError> for WriteError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Clash => Self::Clash,
            CommitError::Taken { attribute } => Self::Taken { attribute },
            CommitError::TooManyGroups { groups_max } => Self::TooManyGroups { groups_max },
            CommitError::OutboxFull { .. } => Self::OutboxFull,
            CommitError::StateFull { plugin, .. } => Self::StateFull { plugin },
            CommitError::Malformed { reason } => Self::Store(StoreError::unavailable(reason)),
            CommitError::Store(error) => Self::Store(error),
        }
    }
}

impl From<ReadError> for WriteError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Forbidden(forbidden) => Self::Forbidden(forbidden),
            ReadError::NotFound { resource_type } => Self::NotFound { resource_type },
            ReadError::Nobody => Self::Me(MeError::Nobody),
            ReadError::Refused { by, refusal } => Self::Refused { by, refusal },
            ReadError::Troubled { by, trouble } => Self::Troubled { by, trouble },
            ReadError::Invalid(invalid) => Self::Invalid(invalid),
            error @ (ReadError::TooMany { .. } | ReadError::TooManyGroups { .. }) => Self::Unanswerable(error),
            ReadError::Store(error) => Self::Store(error),
        }
    }
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
