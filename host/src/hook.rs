//! What plugins are asked, and what they may answer.
//!
//! These are the words that the pipeline, the workers and the plugin host share. The pipeline knows
//! plugins only as [`Hooks`], so it can be tested with a scripted fake.
//!
//! Three things are never mixed up here: a *refusal* (the rule said no), a plugin *error* (the
//! rule could not tell) and a *fault* (the guest broke a limit, trapped, or answered nonsense).

mod job;
mod own;

use std::fmt;
use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use jiff::Timestamp;
use provost_scim::{Attributes, Draft, Member, Resource, ResourceType};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::context::{Actor, RequestContext};

pub use job::{JobPlan, Timing, duration};
pub use own::{Author, OwnChange, OwnChangeError, OwnRights, Trail};

/// The name an operator gave a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]*$")]
pub struct PluginName(pub Arc<str>);

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for PluginName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

/// Which plugin, in which version: what a change, an error or a log line is attributed to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attribution {
    /// The operator's name for it.
    pub plugin: PluginName,
    /// The version it describes itself with; empty while it has never loaded.
    pub version: String,
}

/// What happens to a change when a plugin errs or faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFault {
    /// The client gets 503 with Retry-After, and nothing is committed.
    Refuse,
    /// The change goes on without this plugin, and the fault is recorded.
    Skip,
}

/// The four kinds of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// A new resource.
    Create,
    /// A PUT.
    Replace,
    /// A PATCH.
    Patch,
    /// A DELETE.
    Delete,
}

impl Operation {
    /// The word for logs and listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// Whatever a request may do with resources, in the words that plugins are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Act {
    /// One resource is read.
    Read,
    /// Resources are searched, or shown inside others.
    Search,
    /// Something is changed.
    Change(Operation),
}

impl Act {
    /// Every one.
    pub const ALL: [Act; 6] = [
        Self::Change(Operation::Create),
        Self::Change(Operation::Replace),
        Self::Change(Operation::Patch),
        Self::Change(Operation::Delete),
        Self::Read,
        Self::Search,
    ];

    /// The word for logs and listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Search => "search",
            Self::Change(operation) => operation.as_str(),
        }
    }
}

impl PartialSchema for Act {
    fn schema() -> RefOr<Schema> {
        let words = Self::ALL.map(Self::as_str);
        let described = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
        described.description(Some("What a request does with resources.")).into()
    }
}

impl ToSchema for Act {}

impl From<Act> for &'static str {
    fn from(act: Act) -> Self {
        act.as_str()
    }
}

impl TryFrom<String> for Act {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let known = || Self::ALL.map(Self::as_str).join(", ");
        let found = Self::ALL.into_iter().find(|act| act.as_str() == text);
        found.ok_or_else(|| format!("`{}` is no operation; expected one of {}", text.escape_default(), known()))
    }
}

/// The kinds of moment at which a plugin is called; each is one exported interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookGroup {
    /// Before a change is committed.
    BeforeWrite,
    /// After a change is committed.
    Observe,
    /// A message of the plugin's own.
    Deliver,
    /// Who may do and see what.
    Access,
    /// What an answer shows.
    Shape,
    /// A job on a clock.
    Schedule,
}

impl HookGroup {
    /// Every group.
    pub const ALL: [HookGroup; 6] =
        [Self::Access, Self::BeforeWrite, Self::Shape, Self::Observe, Self::Deliver, Self::Schedule];

    /// Its place among all, for tables of groups.
    pub fn place(self) -> usize {
        Self::ALL.iter().position(|group| *group == self).unwrap_or_default()
    }

    /// The interface's name in the WIT.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BeforeWrite => "before-write",
            Self::Observe => "observe",
            Self::Deliver => "deliver",
            Self::Access => "access",
            Self::Shape => "shape",
            Self::Schedule => "schedule",
        }
    }
}

impl fmt::Display for HookGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a group's members change, as a difference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MembershipChange {
    /// Who joins; each with its resource type.
    pub added: Vec<Member>,
    /// Who leaves; each with its resource type.
    pub removed: Vec<Member>,
    /// How many members there were.
    pub total_before: u64,
}

impl MembershipChange {
    /// Whether nobody joins or leaves.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// One proposed change, as the plugins see it.
#[derive(Debug, Clone)]
pub struct Change {
    /// What kind of change.
    pub operation: Operation,
    /// The resource type's name.
    pub resource_type: String,
    /// The resource's id: settled already on a create, but not told to plugins before the commit.
    pub id: Uuid,
    /// The resource before; absent on a create.
    pub current: Option<Resource>,
    /// The resource as it would be; absent on a delete.
    pub proposed: Option<Draft>,
    /// The normalised patch operations, a JSON array; present on a patch.
    pub operations: Option<Value>,
    /// The attribute paths that differ between `current` and `proposed`.
    pub changed_paths: Vec<String>,
    /// How the members change, for a group.
    pub membership: MembershipChange,
    /// From 1; counts how often the request started again after a version clash.
    pub attempt: u32,
    /// What the documents say, once that was written down.
    pub texts: Texts,
}

/// The documents of a change as JSON text: written for the first plugin that sees all of one, and the same for each that
/// comes after it. A clone has none of them, since it is made to be changed.
#[derive(Debug, Default)]
pub struct Texts {
    pub(crate) current: OnceLock<String>,
    pub(crate) proposed: OnceLock<String>,
}

impl Clone for Texts {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// What a before-write hook answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Go on.
    Proceed,
    /// SCIM PatchOp `Operations`, a JSON array.
    Patch(Value),
    /// A whole resource, a JSON object.
    Replace(Value),
    /// No.
    Reject(Refusal),
    /// Not yet.
    Hold(Hold),
}

/// The statuses a rule may refuse with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalStatus {
    /// 400
    BadRequest,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 409
    Conflict,
}

impl RefusalStatus {
    /// The word that the interface has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
        }
    }
}

/// The rule said no; `detail` is the plugin's own sentence for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What the client is answered.
    pub status: RefusalStatus,
    /// The keyword, if the rule chose one.
    pub scim_type: Option<provost_scim::ScimType>,
    /// One sentence.
    pub detail: String,
}

/// The change must wait for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Why, for the client.
    pub reason: String,
    /// How many must agree.
    pub approvals: u32,
    /// After how many seconds the wait is over.
    pub expires_s: Option<u64>,
}

/// Why a plugin gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The rule could not tell.
    #[error("the plugin reported an error: {message}")]
    Error {
        /// The plugin's own words; for the log, never for a client.
        message: String,
        /// Whether trying again may help.
        retryable: bool,
    },
    /// The guest misbehaved.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A guest's misbehaviour, as a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct Fault {
    /// Which limit or rule was broken.
    pub kind: FaultKind,
    /// For the log: what was seen. Never an attribute's value.
    pub detail: String,
    /// After how many seconds trying again makes sense, where that is known.
    pub retry_after_s: Option<u64>,
}

impl Fault {
    /// A fault of this kind.
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), retry_after_s: None }
    }

    /// The same, over after so many seconds.
    pub fn for_seconds(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }
}

/// The kinds of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The guest trapped: a panic, an unreachable instruction, an access out of bounds.
    Trap,
    /// The guest's stack overflowed.
    Stack,
    /// The call's time ran out.
    Deadline,
    /// The guest wanted more memory or tables than it may have.
    Memory,
    /// The answer is too large.
    OutputSize,
    /// The answer makes no sense, or changes what it may not.
    Output,
    /// The guest asked the host for too much in one call.
    HostCalls,
    /// The plugin is not loaded.
    Unavailable,
    /// No instance became free in time.
    Busy,
}

impl FaultKind {
    /// The word for logs, metrics and listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Stack => "stack",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::OutputSize => "output_size",
            Self::Output => "output",
            Self::HostCalls => "host_calls",
            Self::Unavailable => "unavailable",
            Self::Busy => "busy",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a plugin wants sent or remembered: committed with the change, or not at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Effects {
    /// Messages for the outbox, in the order they were enqueued.
    pub messages: Vec<StagedMessage>,
    /// Writes to the plugin's own state, at most one per key: the last.
    pub state: Vec<StagedState>,
}

/// One message on its way to the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct StagedMessage {
    /// The receiver's name, as the operator granted it.
    pub target: String,
    /// What is to be done.
    pub work: Work,
    /// Headers the plugin set.
    pub headers: Vec<(String, String)>,
    /// Not before this many seconds after the commit.
    pub delay_s: u64,
    /// At most one waiting message with this text per plugin, target and resource.
    pub deduplicate: Option<String>,
}

/// What a delivery does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Work {
    /// Hands the payload, JSON text, to the plugin's `deliver`.
    Deliver {
        /// JSON text.
        payload: String,
    },
    /// Sends an HTTP request as it stands.
    Request {
        /// The method, upper case.
        method: String,
        /// An absolute URL.
        url: String,
        /// The body.
        body: Vec<u8>,
        /// The name of the secret that is put into it when it is sent.
        credential: Option<String>,
    },
    /// Hands the committed change to the plugin's `observe`.
    Observe,
}

/// One write to a plugin's state.
#[derive(Debug, Clone, PartialEq)]
pub struct StagedState {
    /// The plugin's own key.
    pub key: String,
    /// The new value; absent deletes.
    pub value: Option<Vec<u8>>,
    /// When the value stops existing.
    pub expires: Option<Timestamp>,
    /// If the plugin compared: what the store must still hold at the commit (`Some(None)`: nothing).
    pub expected: Option<Option<Vec<u8>>>,
}

/// One plugin that is asked, in one of its hook groups.
#[derive(Debug, Clone)]
pub struct Consulted {
    /// Who.
    pub attribution: Attribution,
    /// As what.
    pub group: HookGroup,
    /// What happens when it gives no answer.
    pub on_fault: OnFault,
    /// The attribute paths it may change (`*` for all): `name` covers `name.givenName`.
    pub may_write: Arc<[String]>,
}

/// What an access hook is asked: whether the caller may do this, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Inquiry<'a> {
    /// What the caller wants to do.
    pub act: Act,
    /// The resource type's name.
    pub resource_type: &'a str,
    /// The one resource that it is about, as it is stored; absent on a search and on a create.
    pub target: Option<&'a Resource>,
}

/// What an access hook answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// As far as this plugin is concerned.
    Allow,
    /// Whatever this SCIM filter does not match does not exist for the caller.
    Narrow(String),
    /// No.
    Deny(Refusal),
}

/// One job, as the operator wrote it down: `[[plugin.job]]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobName {
    /// Whose.
    pub plugin: PluginName,
    /// The plugin's own name for it.
    pub job: String,
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.plugin, self.job)
    }
}

/// What a job is told of its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRun {
    /// Which job.
    pub name: JobName,
    /// When it was due.
    pub due: Timestamp,
    /// When it last ended well, if it ever did.
    pub last_success: Option<Timestamp>,
    /// Whether an operator started it.
    pub by_hand: bool,
    /// From 1; a run that was cut off is made again.
    pub attempt: u32,
}

/// A committed change, for observers.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Grows along the changes of one resource.
    pub sequence: u64,
    /// What was done.
    pub operation: Operation,
    /// The resource type's name.
    pub resource_type: String,
    /// The resource's id.
    pub id: Uuid,
    /// The resource before; absent on a create.
    pub before: Option<Resource>,
    /// The resource afterwards; absent on a delete.
    pub after: Option<Resource>,
    /// The attribute paths that changed.
    pub changed_paths: Vec<String>,
    /// How the members changed, for a group.
    pub membership: MembershipChange,
}

/// Which change a message came from, who made it, and when: kept with the message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// The journal's sequence number.
    pub sequence: u64,
    /// The request that made the change.
    pub request_id: String,
    /// Who asked for it.
    pub actor: Actor,
    /// What was done.
    pub operation: Operation,
    /// The resource type's name.
    pub resource_type: String,
    /// The resource's id.
    pub id: Uuid,
    /// The resource's version after the change; on a delete, its last.
    pub version: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The plugins that led to it, oldest first; empty if a client made it.
    pub trail: Arc<[PluginName]>,
}

/// One message on its way out of the outbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The idempotency key: the same at every attempt.
    pub key: String,
    /// Whose message it is.
    pub plugin: PluginName,
    /// The receiver's name; empty for an observation.
    pub target: String,
    /// What is to be done.
    pub work: Work,
    /// Headers the plugin set.
    pub headers: Vec<(String, String)>,
    /// The change it came from.
    pub cause: Cause,
}

/// One set of plugins, as the pipeline and the workers know it. It never changes: after an upgrade there is another
/// one, and [`Roster`] tells which is the present one.
///
/// No method panics or hangs, whatever the guest does: each call is bounded in time, memory,
/// output and host calls, and ends as a value.
pub trait Hooks: Send + Sync + 'static {
    /// The plugins that review this change, in the operator's order. A plugin that should be
    /// asked but is not loaded is among them, and answers [`FaultKind::Unavailable`].
    fn reviewers(&self, change: &Change) -> Vec<Consulted>;

    /// Asks one plugin. Its effects count only if the answer is used.
    fn review<'a>(
        &'a self,
        reviewer: &'a Consulted,
        cx: &'a RequestContext,
        change: &'a Change,
    ) -> BoxFuture<'a, Result<(Verdict, Effects), Trouble>>;

    /// Notes that an answer, though well formed, broke a rule when the host applied it.
    fn blame(&self, consulted: &Consulted, fault: &Fault);

    /// The plugins that decide who may do this with resources of this type, in the operator's order.
    fn gatekeepers(&self, act: Act, resource_type: &str) -> Vec<Consulted>;

    /// Asks one plugin who may do and see what.
    fn decide<'a>(
        &'a self,
        gatekeeper: &'a Consulted,
        cx: &'a RequestContext,
        inquiry: Inquiry<'a>,
    ) -> BoxFuture<'a, Result<Decision, Trouble>>;

    /// The plugins that shape answers with resources of this type, in the operator's order.
    fn shapers(&self, act: Act, resource_type: &str) -> Vec<Consulted>;

    /// Has one plugin shape documents of one resource type. As many come back, in the same order;
    /// what it may not see is not in them, and does not come back.
    fn shape<'a>(
        &'a self,
        shaper: &'a Consulted,
        cx: &'a RequestContext,
        act: Act,
        resource_type: &'a ResourceType,
        documents: &'a [Attributes],
    ) -> BoxFuture<'a, Result<Vec<Attributes>, Trouble>>;

    /// The plugins that want to hear of this change after its commit.
    fn observers(&self, change: &Change) -> Vec<PluginName>;

    /// Tells one plugin of a committed change.
    fn observe<'a>(
        &'a self,
        message: &'a Message,
        change: &'a Committed,
        attempt: u32,
    ) -> BoxFuture<'a, Result<(), Trouble>>;

    /// Hands one message to the plugin that enqueued it.
    fn deliver<'a>(&'a self, message: &'a Message, attempt: u32) -> BoxFuture<'a, Result<(), Trouble>>;

    /// Sends one enqueued HTTP request, under the grants of the plugin that enqueued it.
    fn send<'a>(&'a self, message: &'a Message, attempt: u32) -> BoxFuture<'a, Result<(), Trouble>>;

    /// What this plugin may change by itself; nothing, if it is not in the set or switched off.
    fn own_rights(&self, plugin: &PluginName) -> Option<OwnRights> {
        let _ = plugin;
        None
    }

    /// The jobs of all plugins in the set that are switched on, loaded or not.
    fn jobs(&self) -> Vec<JobPlan> {
        Vec::new()
    }

    /// Runs one job; answers with its one sentence for the operator.
    fn run<'a>(&'a self, cx: &'a RequestContext, run: &'a JobRun) -> BoxFuture<'a, Result<String, Trouble>>;
}

/// Which set of plugins is the present one. A request takes it once and ends with the set it began with.
pub struct Roster(watch::Sender<Arc<dyn Hooks>>);

impl Roster {
    /// A roster that begins with this set.
    pub fn new(hooks: Arc<dyn Hooks>) -> Self {
        Self(watch::Sender::new(hooks))
    }

    /// The present set.
    pub fn now(&self) -> Arc<dyn Hooks> {
        self.0.borrow().clone()
    }

    /// Puts another set in its place, for whoever asks from now on.
    pub fn set(&self, hooks: Arc<dyn Hooks>) {
        self.0.send_replace(hooks);
    }

    /// Tells whenever another set takes the place of the present one.
    pub fn changes(&self) -> watch::Receiver<Arc<dyn Hooks>> {
        self.0.subscribe()
    }
}

/// The set of plugins that one request works with: settled when it first needs one. Clones share it.
#[derive(Clone, Default)]
pub struct Settled(Arc<OnceLock<Arc<dyn Hooks>>>);

impl Settled {
    /// The request's set.
    pub fn on(&self, roster: &Roster) -> &Arc<dyn Hooks> {
        self.0.get_or_init(|| roster.now())
    }
}

impl fmt::Debug for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.get().is_some() { "settled" } else { "open" })
    }
}
