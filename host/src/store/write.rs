//! A write is a value: everything that one change comes to, settled before it is committed.

use std::sync::Arc;

use jiff::Timestamp;
use provost_scim::{Resource, ResourceType};
use uuid::Uuid;

use super::StoreError;
use super::engine::EngineError;
use crate::context::{Actor, Realm, RequestContext};
use crate::hook::{Attribution, Effects, MembershipChange, Operation, PluginName};

/// One change to one resource, with all that goes with it.
#[derive(Debug, Clone)]
pub struct Write {
    /// Where.
    pub realm: Realm,
    /// The request that makes the change.
    pub request_id: Arc<str>,
    /// Who asked.
    pub actor: Arc<Actor>,
    /// The plugins that led to the change, oldest first; empty if a client makes it.
    pub trail: Arc<[PluginName]>,
    /// The request's one time.
    pub now: Timestamp,
    /// What is done.
    pub operation: Operation,
    /// The resource that the change was decided on; absent on a create. The commit happens only if
    /// it is still at this version.
    pub before: Option<Resource>,
    /// The resource as it is to be; absent on a delete. Its version follows on that of `before`.
    pub after: Option<Resource>,
    /// Who joins and who leaves, each with its type. On a delete the store sees to that by itself.
    pub membership: MembershipChange,
    /// The attribute paths that change, for the journal.
    pub changed_paths: Vec<String>,
    /// What plugins want sent and remembered.
    pub effects: Vec<(PluginName, Effects)>,
    /// Who is told afterwards.
    pub observers: Vec<PluginName>,
    /// Who is told of the groups that lose the resource, when it is deleted.
    pub group_observers: Vec<PluginName>,
    /// The plugins that changed the proposal on its way.
    pub changed_by: Vec<Attribution>,
}

impl Write {
    /// A new resource.
    pub fn create(cx: &RequestContext, after: Resource) -> Self {
        Self::new(cx, Operation::Create, None, Some(after))
    }

    /// A resource in the place of its last version.
    pub fn update(cx: &RequestContext, operation: Operation, before: Resource, after: Resource) -> Self {
        Self::new(cx, operation, Some(before), Some(after))
    }

    /// A resource's end.
    pub fn delete(cx: &RequestContext, before: Resource) -> Self {
        Self::new(cx, Operation::Delete, Some(before), None)
    }

    fn new(cx: &RequestContext, operation: Operation, before: Option<Resource>, after: Option<Resource>) -> Self {
        Self {
            realm: cx.realm,
            request_id: cx.request_id.clone(),
            actor: cx.actor.clone(),
            trail: cx.trail.clone(),
            now: cx.now,
            operation,
            before,
            after,
            membership: MembershipChange::default(),
            changed_paths: Vec::new(),
            effects: Vec::new(),
            observers: Vec::new(),
            group_observers: Vec::new(),
            changed_by: Vec::new(),
        }
    }

    /// The resource's type and id, or what is wrong with the write.
    pub(super) fn subject(&self) -> Result<(Arc<ResourceType>, Uuid), CommitError> {
        let subject = |resource: &Resource| (resource.resource_type().clone(), resource.id());
        let same =
            |a: &Resource, b: &Resource| a.id() == b.id() && a.resource_type().number == b.resource_type().number;
        match (self.operation, &self.before, &self.after) {
            (Operation::Create, None, Some(after)) => Ok(subject(after)),
            (Operation::Replace | Operation::Patch, Some(before), Some(after)) => {
                if !same(before, after) {
                    return Err(CommitError::malformed("it puts one resource in the place of another"));
                }
                if after.version() != before.version() + 1 {
                    return Err(CommitError::malformed("its version does not follow on the one before"));
                }
                Ok(subject(after))
            }
            (Operation::Delete, Some(before), None) => Ok(subject(before)),
            _ => Err(CommitError::malformed("its operation and its resources do not go together")),
        }
    }
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The journal row of the change.
    pub sequence: u64,
    /// How many members the resource has now.
    pub members: u64,
    /// How many keys were written, deleted or counted.
    pub keys_written: usize,
}

/// Why a write did not happen. Nothing of it is in the store, unless the store itself failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// What the change was decided on has changed; it must be decided again.
    #[error("what the change was decided on has changed meanwhile")]
    Clash,
    /// Another resource has the value.
    #[error("another resource has this `{attribute}`")]
    Taken {
        /// The attribute's path.
        attribute: String,
    },
    /// A deleted resource would leave too many groups at once.
    #[error("the resource is a direct member of more than {groups_max} groups")]
    TooManyGroups {
        /// How many it may leave.
        groups_max: usize,
    },
    /// Too much waits to be sent.
    #[error("the outbox is full: {messages_max} messages wait in it")]
    OutboxFull {
        /// How many may wait.
        messages_max: u64,
    },
    /// A plugin remembers too much.
    #[error("the state of plugin `{plugin}` is full: it holds {entries_max} entries")]
    StateFull {
        /// Which plugin.
        plugin: PluginName,
        /// How many it may hold.
        entries_max: u64,
    },
    /// The write contradicts itself: a mistake of this program.
    #[error("the write makes no sense: {reason}")]
    Malformed {
        /// In what way.
        reason: String,
    },
    /// The store failed. If it failed while writing, nobody knows whether the change is on disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CommitError {
    pub(super) fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed { reason: reason.into() }
    }
}

impl From<EngineError> for CommitError {
    fn from(error: EngineError) -> Self {
        Self::Store(error.into())
    }
}
