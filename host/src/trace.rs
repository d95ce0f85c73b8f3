//! What the plugins did in one request, and what a trial would have done: for whoever asks why.
//!
//! A request writes its steps down as they happen, bounded in number and size. The last requests
//! are kept in memory for a while. Values are kept beside the paths, for those who may see values;
//! secrets never are.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use provost_scim::{Attributes, ResourceType, Returned};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::hook::{
    Attribution, Effects, Fault, FaultKind, HookGroup, MembershipChange, PluginName, Refusal, StagedMessage, Trouble,
    Work,
};
use crate::limits::{REQUESTS_REMEMBERED_BYTES_MAX, REQUESTS_REMEMBERED_MAX, TRACE_STEPS_MAX, TRACE_VALUE_BYTES_MAX};

/// One request's notes. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Trace(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    steps: Vec<Step>,
    /// What the call that has just ended has used.
    spent: Cost,
    /// How many steps were one too many.
    left_out: u64,
    trial: Option<Trial>,
}

/// One call of one plugin.
#[derive(Debug, Clone)]
pub struct Step {
    /// Who was asked.
    pub by: Attribution,
    /// As what.
    pub group: HookGroup,
    /// What it was asked about: `create`, `search`, …
    pub act: &'static str,
    /// The resource type's name.
    pub resource_type: String,
    /// The resource, where it is one.
    pub resource: Option<Uuid>,
    /// How the call ended.
    pub ending: Ending,
    /// How long it took, waiting for a seat included.
    pub took: Duration,
    /// What it used.
    pub cost: Cost,
    /// What the plugin made different.
    pub changes: Vec<Difference>,
}

/// What a call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// How long it waited for a seat.
    pub queued: Duration,
    /// How much memory it had at most, in bytes.
    pub memory_bytes: u64,
    /// How often it called the host.
    pub host_calls: u32,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// With this verdict: `proceed`, `changed`, `held`, …
    Answered(&'static str),
    /// With a refusal.
    Refused(Refusal),
    /// The plugin could not tell.
    Error {
        /// Its own words.
        message: String,
    },
    /// The guest misbehaved.
    Fault(Fault),
}

impl Ending {
    /// The word for metrics and listings.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Answered(word) => word,
            Self::Refused(_) => "refused",
            Self::Error { .. } => "error",
            Self::Fault(fault) => fault.kind.as_str(),
        }
    }
}

impl From<&Trouble> for Ending {
    fn from(trouble: &Trouble) -> Self {
        match trouble {
            Trouble::Error { message, .. } => Self::Error { message: message.clone() },
            Trouble::Fault(fault) => Self::Fault(fault.clone()),
        }
    }
}

/// One path whose value differs. Absent values are absent, secret or too large.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Difference {
    /// The attribute's path.
    pub path: String,
    /// The value before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// What would have been committed, had it not been a trial.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    /// The paths that would have changed, the plugins' changes among them.
    pub changed_paths: Vec<String>,
    /// How the members would have changed.
    pub membership: MembershipChange,
    /// The messages that would have been sent, each with whose it is.
    pub messages: Vec<(PluginName, StagedMessage)>,
}

impl Trial {
    /// The messages among a change's effects.
    pub fn messages(effects: &[(PluginName, Effects)]) -> Vec<(PluginName, StagedMessage)> {
        let each = effects
            .iter()
            .flat_map(|(plugin, effects)| effects.messages.iter().map(|message| (plugin.clone(), message.clone())));
        each.collect()
    }
}

/// What differs between two states of a resource at these paths, with the values that may be kept.
pub fn differences(paths: Vec<String>, before: &Attributes, after: &Attributes, of: &ResourceType) -> Vec<Difference> {
    let keep = |path: &str, state: &Attributes| {
        let place = of.place(path)?;
        let never = |attribute: Option<&provost_scim::Attribute>| {
            attribute.is_some_and(|attribute| {
                attribute.returned == Returned::Never
                    || attribute.sub_attributes.iter().any(|sub| sub.returned == Returned::Never)
            })
        };
        if never(place.attribute) || never(place.sub) {
            return None;
        }
        let container = match place.extension {
            Some(extension) => state.get(&extension.id)?.as_object()?,
            None => state,
        };
        let value = container.get(&place.attribute?.name)?;
        let value = match (place.sub, value) {
            (Some(sub), Value::Object(complex)) => complex.get(&sub.name)?,
            (_, value) => value,
        };
        (value.to_string().len() <= TRACE_VALUE_BYTES_MAX).then(|| value.clone())
    };
    let difference = |path: String| Difference { before: keep(&path, before), after: keep(&path, after), path };
    paths.into_iter().map(difference).collect()
}

impl Trace {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a call has used, for the step that follows.
    pub fn spent(&self, cost: Cost) {
        self.notes().spent = cost;
    }

    /// What the last call has used. A call that never began has used nothing.
    pub fn take_cost(&self) -> Cost {
        std::mem::take(&mut self.notes().spent)
    }

    /// Notes one call.
    pub fn step(&self, step: Step) {
        let mut notes = self.notes();
        match notes.steps.len() < TRACE_STEPS_MAX {
            true => notes.steps.push(step),
            false => notes.left_out += 1,
        }
    }

    /// Notes what the last call of this plugin has made different.
    pub fn changed(&self, by: &Attribution, changes: Vec<Difference>) {
        let mut notes = self.notes();
        if let Some(step) = notes.steps.iter_mut().rev().find(|step| step.by == *by) {
            step.changes = changes;
        }
    }

    /// Notes that the last call of this plugin, though well formed, was its fault.
    pub fn blamed(&self, by: &Attribution, fault: &Fault) {
        let mut notes = self.notes();
        if let Some(step) = notes.steps.iter_mut().rev().find(|step| step.by == *by) {
            step.ending = Ending::Fault(fault.clone());
        }
    }

    /// Notes what would have been committed. The last attempt counts.
    pub fn tried(&self, trial: Trial) {
        self.notes().trial = Some(trial);
    }

    /// The steps as they are told, with values or without.
    pub fn steps(&self, with_values: bool) -> Vec<ToldStep> {
        self.notes().steps.iter().map(|step| step.told(with_values)).collect()
    }

    /// What would have been committed, if this was a trial that came so far.
    pub fn trial(&self) -> Option<Trial> {
        self.notes().trial.clone()
    }

    fn is_empty(&self) -> bool {
        self.notes().steps.is_empty()
    }

    /// About how much memory the notes take, in bytes.
    fn weight(&self) -> usize {
        let value = |value: &Option<Value>| value.as_ref().map_or(0, |value| value.to_string().len());
        let change = |change: &Difference| 64 + change.path.len() + value(&change.before) + value(&change.after);
        let step = |step: &Step| 512 + step.changes.iter().map(change).sum::<usize>();
        self.notes().steps.iter().map(step).sum()
    }
}

/// One call of one plugin, as operators and those who try something out are told of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PluginStep)]
pub struct ToldStep {
    /// Who was asked.
    pub plugin: PluginName,
    /// In which version.
    pub version: String,
    /// As what: `before-write`, `access`, …
    pub hook: &'static str,
    /// What it was asked about: `create`, `search`, …
    pub operation: &'static str,
    /// The resource type's name.
    pub resource_type: String,
    /// The resource, where it is one.
    #[schema(value_type = Option<String>, format = "uuid", required)]
    pub resource_id: Option<Uuid>,
    /// How long it took, in microseconds, waiting for a seat included.
    pub micros: u64,
    /// How long it waited for a seat, in microseconds.
    pub queued_micros: u64,
    /// How much memory it had at most, in bytes.
    pub memory_bytes: u64,
    /// How often it called the host.
    pub host_calls: u32,
    /// How the call ended: `proceed`, `changed`, `held`, …; or `refused`, `error`, `fault`.
    pub verdict: &'static str,
    /// Which limit or rule was broken, if it was a fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultKind>,
    /// Why it did not go on: the plugin's own words, or what was seen of a fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What it made different; with values for those who may see values.
    pub changes: Vec<Difference>,
}

impl Step {
    fn told(&self, with_values: bool) -> ToldStep {
        let (verdict, fault, detail) = match &self.ending {
            Ending::Answered(word) => (*word, None, None),
            Ending::Refused(refusal) => ("refused", None, Some(&refusal.detail)),
            Ending::Error { message } => ("error", None, Some(message)),
            Ending::Fault(fault) => ("fault", Some(fault.kind), Some(&fault.detail)),
        };
        let change = |change: &Difference| match with_values {
            true => change.clone(),
            false => Difference { path: change.path.clone(), before: None, after: None },
        };
        ToldStep {
            plugin: self.by.plugin.clone(),
            version: self.by.version.clone(),
            hook: self.group.as_str(),
            operation: self.act,
            resource_type: self.resource_type.clone(),
            resource_id: self.resource,
            micros: micros(self.took),
            queued_micros: micros(self.cost.queued),
            memory_bytes: self.cost.memory_bytes,
            host_calls: self.cost.host_calls,
            verdict,
            fault,
            detail: detail.cloned(),
            changes: self.changes.iter().map(change).collect(),
        }
    }
}

/// A message that would have been sent, as JSON.
pub fn told_message(plugin: &PluginName, message: &StagedMessage) -> Value {
    let mut told = json!({
        "plugin": plugin, "target": message.target, "delaySeconds": message.delay_s, "deduplicate": message.deduplicate,
    });
    match &message.work {
        Work::Deliver { payload } => told["payload"] = serde_json::from_str(payload).unwrap_or_default(),
        Work::Request { method, url, body, .. } => {
            told["request"] = json!({ "method": method, "url": url, "body": String::from_utf8_lossy(body) });
        }
        Work::Observe => {}
    }
    told
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// One request of a moment ago.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecentRequest)]
pub struct Remembered {
    /// The request's id.
    #[schema(value_type = String)]
    pub request_id: Arc<str>,
    /// When it was answered.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The method.
    pub method: String,
    /// The route, never the path's query.
    pub route: String,
    /// What it was answered.
    pub status: u16,
    /// What the plugins did.
    #[serde(skip)]
    pub trace: Trace,
}

/// The last requests in which plugins were asked. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Recent(Arc<Mutex<Ring>>);

#[derive(Debug, Default)]
struct Ring {
    requests: VecDeque<(usize, Remembered)>,
    bytes: usize,
}

impl Recent {
    /// Keeps a request, if there is anything to tell of it; the oldest goes when there is no room.
    pub fn keep(&self, request: Remembered) {
        if request.trace.is_empty() {
            return;
        }
        let weight = request.trace.weight();
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.bytes += weight;
        ring.requests.push_back((weight, request));
        while ring.requests.len() > REQUESTS_REMEMBERED_MAX || ring.bytes > REQUESTS_REMEMBERED_BYTES_MAX {
            let Some((weight, _)) = ring.requests.pop_front() else { break };
            ring.bytes -= weight;
        }
    }

    /// The request with this id, if it is still remembered.
    pub fn find(&self, request_id: &str) -> Option<Remembered> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.requests
            .iter()
            .rev()
            .find(|(_, request)| &*request.request_id == request_id)
            .map(|(_, found)| found.clone())
    }

    /// The last ones, the newest first.
    pub fn last(&self, count: usize) -> Vec<Remembered> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.requests.iter().rev().take(count).map(|(_, request)| request.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_scim::{Schemas, changed_paths};

    fn step() -> Step {
        Step {
            by: Attribution { plugin: "rule".into(), version: "1.0.0".to_owned() },
            group: HookGroup::BeforeWrite,
            act: "create",
            resource_type: "User".to_owned(),
            resource: None,
            ending: Ending::Answered("changed"),
            took: Duration::from_micros(70),
            cost: Cost::default(),
            changes: Vec::new(),
        }
    }

    fn object(value: Value) -> Attributes {
        let Value::Object(object) = value else { panic!("an object") };
        object
    }

    #[test]
    fn values_are_told_to_those_who_may_see_them_and_secrets_to_nobody() {
        let schemas = Schemas::standard();
        let user = schemas.resource_type("User").unwrap();
        let before = object(json!({ "userName": "ana", "title": "Pilot", "password": "hash-1" }));
        let after = object(json!({ "userName": "ana", "title": "Captain", "password": "hash-2" }));
        let trace = Trace::default();
        trace.step(step());
        let paths = changed_paths(Some(&before), Some(&after), user);
        trace.changed(&step().by, differences(paths, &before, &after, user));

        let (with, without) = (trace.steps(true), trace.steps(false));

        let title = with[0].changes.iter().find(|change| change.path == "title").unwrap();
        assert_eq!((&title.before, &title.after), (&Some(json!("Pilot")), &Some(json!("Captain"))));
        assert!(!json!(with).to_string().contains("hash-"));
        let paths = json!(without).to_string();
        assert!(paths.contains("\"title\"") && !paths.contains("Captain"), "{paths}");
    }

    #[test]
    fn a_large_value_is_left_out_and_so_are_too_many_steps() {
        let schemas = Schemas::standard();
        let user = schemas.resource_type("User").unwrap();
        let large = object(json!({ "title": "x".repeat(TRACE_VALUE_BYTES_MAX) }));
        let kept = differences(vec!["title".to_owned()], &Attributes::new(), &large, user);
        assert_eq!(kept[0].after, None);

        let trace = Trace::default();
        (0..TRACE_STEPS_MAX + 3).for_each(|_| trace.step(step()));
        assert_eq!(trace.steps(false).len(), TRACE_STEPS_MAX);
        assert_eq!(trace.notes().left_out, 3);
    }

    #[test]
    fn the_last_requests_are_remembered_and_those_without_plugins_are_not() {
        let recent = Recent::default();
        let request = |id: usize, trace: Trace| Remembered {
            request_id: id.to_string().into(),
            at: Timestamp::UNIX_EPOCH,
            method: "POST".to_owned(),
            route: "/scim/v2/Users".to_owned(),
            status: 201,
            trace,
        };
        recent.keep(request(9_999, Trace::default()));
        for id in 0..REQUESTS_REMEMBERED_MAX + 2 {
            let trace = Trace::default();
            trace.step(step());
            recent.keep(request(id, trace));
        }
        assert!(recent.find("9999").is_none() && recent.find("1").is_none());
        assert!(recent.find("2").is_some());
        assert_eq!(&*recent.last(1)[0].request_id, (REQUESTS_REMEMBERED_MAX + 1).to_string());
    }
}
