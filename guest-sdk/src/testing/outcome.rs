//! What became of one call of a plugin.

use serde_json::Value;

use crate::{Context, Failure, Refusal, Result, Verdict, directory, http, log, outbox};

/// What a plugin answered, and what it did.
#[derive(Debug)]
pub struct Outcome {
    /// What it answered. An observation and a delivery proceed when they succeed.
    pub answer: Result<Verdict>,
    /// What the change has become; absent on a delete, and when the change does not go on.
    pub(super) document: Option<Value>,
    /// What the host would blame the plugin for.
    pub(super) fault: Option<String>,
    /// A job's one sentence for the operator.
    pub report: String,
    /// What it changed in the directory by itself, in order.
    pub writes: Vec<directory::Write>,
    /// What it enqueued, if that is committed: nothing of a refusal is left behind.
    pub messages: Vec<Enqueued>,
    /// What it sent, in order.
    pub requests: Vec<http::Request>,
    /// What it logged, in order.
    pub log: Vec<Line>,
}

impl Outcome {
    /// The verdict.
    ///
    /// # Panics
    /// When the plugin could not tell.
    #[track_caller]
    pub fn verdict(&self) -> &Verdict {
        match &self.answer {
            Ok(verdict) => verdict,
            Err(failure) => panic!("the plugin could not tell: {failure}"),
        }
    }

    /// Whether the change goes on exactly as it was.
    #[track_caller]
    pub fn proceeds(&self) -> bool {
        *self.verdict() == Verdict::Proceed
    }

    /// The refusal.
    ///
    /// # Panics
    /// When the plugin did not refuse.
    #[track_caller]
    pub fn refusal(&self) -> &Refusal {
        match self.verdict() {
            Verdict::Reject(refusal) => refusal,
            other => panic!("the plugin did not refuse: {other:?}"),
        }
    }

    /// Why the plugin could not tell.
    ///
    /// # Panics
    /// When it could.
    #[track_caller]
    pub fn failure(&self) -> &Failure {
        match &self.answer {
            Ok(verdict) => panic!("the plugin could tell: {verdict:?}"),
            Err(failure) => failure,
        }
    }

    /// The patch operations, an array; empty when the change goes on as it was.
    ///
    /// # Panics
    /// When the verdict is another.
    #[track_caller]
    pub fn operations(&self) -> &[Value] {
        match self.verdict() {
            Verdict::Proceed => &[],
            Verdict::Patch(patch) => patch.operations(),
            other => panic!("the plugin did not patch: {other:?}"),
        }
    }

    /// What the change has become.
    ///
    /// # Panics
    /// When it does not go on, when it is a delete, and when the host would blame the plugin.
    #[track_caller]
    pub fn document(&self) -> &Value {
        if let Some(fault) = &self.fault {
            panic!("the host would blame the plugin: {fault}");
        }
        match &self.document {
            Some(document) => document,
            None => panic!("there is no document after this: {:?}", self.answer),
        }
    }

    /// What the host would blame the plugin for: a change that breaks the schema, touches what is
    /// the server's, or reaches beyond the grant.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }
}

/// One message in the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Enqueued {
    /// Its idempotency key.
    pub key: String,
    /// The receiver's name.
    pub target: String,
    /// For the plugin's own `deliver`: the payload, JSON text.
    pub payload: Option<String>,
    /// For the host: the request it would send.
    pub request: Option<http::Request>,
    /// How it is kept and sent.
    pub options: outbox::Options,
    /// The facts around the change it came from.
    pub(super) context: Option<Context>,
}

impl Enqueued {
    /// The payload as JSON; null for a request.
    pub fn json(&self) -> Value {
        self.payload.as_deref().and_then(|payload| serde_json::from_str(payload).ok()).unwrap_or_default()
    }

    /// Whether this takes an older message's place.
    pub(super) fn replaces(&self, older: &Self) -> bool {
        let resource = |message: &Self| message.context.as_ref().and_then(|context| context.resource_id.clone());
        self.options.deduplicate.is_some()
            && self.options.deduplicate == older.options.deduplicate
            && self.target == older.target
            && resource(self) == resource(older)
    }
}

/// One line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How much it matters.
    pub level: log::Level,
    /// What happened.
    pub message: String,
    /// Its fields, as text.
    pub fields: Vec<(String, String)>,
}
