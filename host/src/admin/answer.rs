//! What an operator is answered, each answer by a type of its own.
//!
//! One type is both what is sent and what describes it (`http/describe.rs`), so that neither can change without the
//! other. A key that an answer may lack says so; every other key is always there, null where there is nothing to tell.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::context::Scope;
use crate::hook::{Operation, PluginName};
use crate::http::Health;
use crate::plugin::{PluginStatus, Refused};
use crate::schedule::JobStatus;
use crate::store::{IndexStatus, JournalEntry, OutboxRow, TokenRecord};
use crate::trace::{Remembered, ToldStep};

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub(super) struct ShownToken {
    /// Its id, which is also the subject that journal and log name.
    id: String,
    /// Who uses it.
    name: String,
    /// What it may do.
    scopes: Vec<Scope>,
    /// The one resource that it was made for: its bearer's own.
    #[serde(rename = "for")]
    #[schema(value_type = Option<String>, format = "uuid", required)]
    resource: Option<Uuid>,
    /// What it says of its bearer.
    claims: BTreeMap<String, String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    /// When it becomes worthless; null if it never does by itself.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    expires: Option<Timestamp>,
}

impl From<TokenRecord> for ShownToken {
    fn from(record: TokenRecord) -> Self {
        let TokenRecord { id, name, hash: _, scopes, created, expires, resource, claims } = record;
        Self { id, name, scopes, resource, claims, created, expires }
    }
}

/// A token that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeToken {
    #[serde(flatten)]
    pub(super) shown: ShownToken,
    /// The secret itself. It is shown this once.
    pub(super) token: String,
}

/// All tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenList {
    /// Each of them, without its secret.
    pub(super) tokens: Vec<ShownToken>,
}

/// A token is worthless now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TokenRevoked)]
pub(super) struct Revoked {
    /// Its id.
    pub(super) revoked: String,
}

/// Every configured plugin.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PluginList {
    /// Each of them, in the order in which they are asked.
    pub(super) plugins: Vec<PluginStatus>,
    /// The last change that was refused, if what it wanted has not come since.
    #[schema(required)]
    pub(super) refused: Option<Refused>,
}

/// A plugin's breakers are closed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BreakersClosed)]
pub(super) struct Closed {
    /// The plugin's name.
    pub(super) closed: PluginName,
}

/// Every index.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IndexList {
    /// Each of them, and how far it is.
    pub(super) indexes: Vec<IndexStatus>,
}

/// A part of the outbox.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OutboxList {
    /// How many messages are still tried, in all.
    pub(super) waiting: u64,
    /// How many were given up and wait for an operator, in all.
    pub(super) parked: u64,
    /// The part that was asked for, oldest first.
    pub(super) messages: Vec<ShownMessage>,
}

/// A message that waits to be delivered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OutboxMessage)]
pub(super) struct ShownMessage {
    /// Its name in the outbox.
    key: String,
    /// What becomes of it.
    state: MessageState,
    /// Whose message it is.
    plugin: PluginName,
    /// The receiver's name; empty for an observation.
    target: String,
    /// The type of the resource that was changed.
    resource_type: String,
    /// That resource.
    #[schema(value_type = String, format = "uuid")]
    resource_id: Uuid,
    /// Its version then.
    version: u64,
    /// What was done to it.
    operation: Operation,
    /// The request that did it.
    request_id: String,
    /// What the receiver tells repetitions by: the same at every attempt.
    idempotency_key: String,
    /// How often it was tried since it was enqueued, or redriven.
    attempts: u32,
    /// It is not tried before this time.
    #[schema(value_type = String, format = DateTime)]
    not_before: Timestamp,
    /// Why it was given up, or what went wrong last.
    #[schema(required)]
    last_error: Option<String>,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum MessageState {
    /// It was not tried yet.
    Waiting,
    /// It was tried, and will be again.
    Retrying,
    /// It was given up, and waits for an operator.
    Parked,
}

impl From<OutboxRow> for ShownMessage {
    fn from(row: OutboxRow) -> Self {
        let message = row.message;
        let cause = message.cause;
        Self {
            key: row.key.to_string(),
            state: match (&row.parked, row.attempts) {
                (Some(_), _) => MessageState::Parked,
                (None, 0) => MessageState::Waiting,
                (None, _) => MessageState::Retrying,
            },
            plugin: message.plugin,
            target: message.target,
            resource_type: cause.resource_type,
            resource_id: cause.id,
            version: cause.version,
            operation: cause.operation,
            request_id: cause.request_id,
            idempotency_key: message.key,
            attempts: row.attempts,
            not_before: row.not_before,
            last_error: row.parked.or(row.last_error),
        }
    }
}

/// A message is tried again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageRedriven)]
pub(super) struct Redriven {
    /// Its key.
    pub(super) redriven: String,
}

/// A message is given up for good.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageDropped)]
pub(super) struct Dropped {
    /// Its key.
    pub(super) dropped: String,
}

/// A part of the journal.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JournalList {
    /// The part that was asked for, oldest first.
    pub(super) entries: Vec<ShownEntry>,
}

/// One committed change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JournalEntry)]
pub(super) struct ShownEntry {
    /// Grows along the changes of one resource.
    sequence: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The request that did it.
    request_id: String,
    /// Who asked: a token's id, or `plugin:NAME`.
    subject: String,
    /// The name that the token was given.
    #[schema(required)]
    client: Option<String>,
    /// What was done.
    operation: Operation,
    /// The resource type's name.
    resource_type: String,
    /// The resource.
    #[schema(value_type = String, format = "uuid")]
    resource_id: Uuid,
    /// Its version afterwards; after a delete, its last.
    version: u64,
    /// The attribute paths that changed.
    changed_paths: Vec<String>,
    /// How many members joined.
    members_added: u64,
    /// How many left.
    members_removed: u64,
    /// The plugins that changed the proposal on its way, each with its version.
    plugins: Vec<String>,
}

impl From<JournalEntry> for ShownEntry {
    fn from(entry: JournalEntry) -> Self {
        Self {
            sequence: entry.sequence,
            at: entry.at,
            request_id: entry.request_id,
            subject: entry.actor.subject,
            client: entry.actor.client,
            operation: entry.operation,
            resource_type: entry.resource_type,
            resource_id: entry.id,
            version: entry.version,
            changed_paths: entry.changed_paths,
            members_added: entry.members_added,
            members_removed: entry.members_removed,
            plugins: entry.changed_by.iter().map(|by| format!("{} {}", by.plugin, by.version)).collect(),
        }
    }
}

/// The last requests in which a plugin was asked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RequestList {
    /// Each of them, the newest first.
    pub(super) requests: Vec<Remembered>,
}

/// What the plugins did in one request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Request)]
pub(super) struct ShownRequest {
    #[serde(flatten)]
    pub(super) request: Remembered,
    /// Each call of a plugin, in order.
    pub(super) plugins: Vec<ToldStep>,
}

/// Every job.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobList {
    /// Each of them, and how it is doing.
    pub(super) jobs: Vec<JobStatus>,
}

/// A run of a job has begun.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobStarted)]
pub(super) struct Started {
    /// Whose.
    pub(super) plugin: PluginName,
    /// The plugin's own name for it.
    pub(super) job: String,
    /// Always true.
    pub(super) started: bool,
}

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(super) struct ShownHealth {
    /// In one word.
    status: Condition,
    /// What does not work, a sentence each, with the files and reasons that `/health` keeps to itself.
    reasons: Vec<String>,
}

/// How the server is, in one word.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = HealthStatus)]
pub(super) enum Condition {
    /// All is well.
    Ok,
    /// Requests are answered, and something does not work.
    Degraded,
}

impl From<Health> for ShownHealth {
    fn from(Health { degraded }: Health) -> Self {
        let status = if degraded.is_empty() { Condition::Ok } else { Condition::Degraded };
        Self { status, reasons: degraded.into_iter().map(|ailment| ailment.reason).collect() }
    }
}

/// Why nothing was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// The answer's status, once more.
    #[schema(minimum = 400, maximum = 599)]
    pub(super) status: u16,
    /// One sentence: what is missing or wrong.
    pub(super) detail: String,
}
