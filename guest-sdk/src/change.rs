//! What a plugin is told: who asks, for which change, and what would differ.

use std::ops::Deref;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Failure, document};

/// What a hook is called about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A new resource.
    Create,
    /// A PUT.
    Replace,
    /// A PATCH.
    Patch,
    /// A DELETE.
    Delete,
    /// One resource is read.
    Read,
    /// Resources are searched.
    Search,
    /// A job runs: nobody asked, the clock did.
    Run,
}

impl Operation {
    /// The word for logs and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::Search => "search",
            Self::Run => "run",
        }
    }
}

/// Who asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// The credential's subject.
    pub subject: String,
    /// The client's name, if it has one.
    pub client: Option<String>,
    /// What the credential allows.
    pub scopes: Vec<String>,
    /// The credential's claims, a JSON object.
    pub claims: Value,
}

/// The facts every hook is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// Names the request in logs and errors.
    pub request_id: String,
    /// The part of the directory it concerns.
    pub realm: String,
    /// What is done.
    pub operation: Operation,
    /// The resource type's name: `User`, `Group`, …; empty for a job.
    pub resource_type: String,
    /// Absent on a create that has not been committed, on a search, and for a job.
    pub resource_id: Option<String>,
    /// Who asked.
    pub caller: Caller,
    /// From 1. A review runs again after a version clash, a delivery after a failure.
    pub attempt: u32,
    /// How much of this call's time is left when it begins.
    pub remaining: Duration,
    /// Whether the change is only tried out.
    pub dry_run: bool,
    /// The request's one time, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// Facts that later hosts may add.
    pub attributes: Vec<(String, String)>,
}

/// One member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The member's `id`.
    pub id: String,
    /// The member's resource type: `User`, `Group`, …
    pub resource_type: String,
}

/// How a group's members change, as a difference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MembershipChange {
    /// Who joins.
    pub added: Vec<Member>,
    /// Who leaves.
    pub removed: Vec<Member>,
    /// How many members there were.
    pub total_before: u64,
}

/// One proposed or committed change.
///
/// It also carries the [`Context`], so `change.operation` and `change.caller` read naturally.
/// Groups come without their members; how those change is in [`Change::membership`].
#[derive(Debug, Clone)]
pub struct Change {
    context: Context,
    current: Option<String>,
    proposed: Option<String>,
    operations: Option<String>,
    changed_paths: Vec<String>,
    membership: Option<MembershipChange>,
}

impl Change {
    /// The resource before the change, as `T`: [`crate::User`], [`crate::Group`],
    /// [`crate::Resource`], or a type of your own. Absent on a create.
    pub fn current<T: DeserializeOwned>(&self) -> Result<Option<T>, Failure> {
        self.current.as_deref().map(|text| document::read_text(text, "the current resource")).transpose()
    }

    /// The resource as it would be, or has become, as `T`. Absent on a delete.
    pub fn proposed<T: DeserializeOwned>(&self) -> Result<Option<T>, Failure> {
        self.proposed.as_deref().map(|text| document::read_text(text, "the proposed resource")).transpose()
    }

    /// The patch operations, normalised: each an object with `op`, `path` and `value`. Present on
    /// a patch only.
    pub fn operations(&self) -> Result<Option<Vec<Value>>, Failure> {
        self.operations.as_deref().map(|text| document::read_text(text, "the patch operations")).transpose()
    }

    /// The resource before the change, as JSON text.
    pub fn current_json(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// The resource as it would be, as JSON text.
    pub fn proposed_json(&self) -> Option<&str> {
        self.proposed.as_deref()
    }

    /// The patch operations, as JSON text.
    pub fn operations_json(&self) -> Option<&str> {
        self.operations.as_deref()
    }

    /// The attribute paths that differ between the current and the proposed resource.
    pub fn changed_paths(&self) -> &[String] {
        &self.changed_paths
    }

    /// Whether this attribute, a part of it, or what it is a part of differs: `name` covers
    /// `name.givenName` and the other way round. Letter case does not matter.
    pub fn changed(&self, path: &str) -> bool {
        self.changed_paths.iter().any(|changed| covers(changed, path) || covers(path, changed))
    }

    /// How the members change, when the change touches a group's members.
    pub fn membership(&self) -> Option<&MembershipChange> {
        self.membership.as_ref()
    }

    /// The facts around the change.
    pub fn context(&self) -> &Context {
        &self.context
    }
}

impl Deref for Change {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

/// Whether `outer` is `inner` or contains it: `name` contains `name.givenName`, and a schema's
/// URN contains that extension's attributes.
fn covers(outer: &str, inner: &str) -> bool {
    let Some(head) = inner.get(..outer.len()) else { return false };
    head.eq_ignore_ascii_case(outer) && matches!(inner.as_bytes().get(outer.len()), None | Some(b'.' | b':'))
}

/// The parts of a change as they cross the boundary.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Parts {
    pub current: Option<String>,
    pub proposed: Option<String>,
    pub operations: Option<String>,
    pub changed_paths: Vec<String>,
    pub membership: Option<MembershipChange>,
}

impl Change {
    #[doc(hidden)]
    pub fn from_parts(context: Context, parts: Parts) -> Self {
        Self {
            context,
            current: parts.current,
            proposed: parts.proposed,
            operations: parts.operations,
            changed_paths: parts.changed_paths,
            membership: parts.membership,
        }
    }
}
