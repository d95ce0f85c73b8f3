//! The host as plugins know it, in this thread's memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use provost_scim::filter::Filter;
use provost_scim::{Leniency, Schemas};
use serde_json::Value;

use super::outcome::{Enqueued, Line};
use super::resources;
use crate::{Attributes, Context, Member, directory, http, log, outbox, state};

thread_local! {
    static HOST: RefCell<Option<Host>> = const { RefCell::new(None) };
}

/// A host with a configuration, a directory, a memory, and answers to HTTP requests.
///
/// [`Host::run`] lets code call it that is not a plugin's hook: a helper under test, or an example.
///
/// ```
/// use provost_sdk::{state, testing::Host};
///
/// Host::new().run(|| {
///     state::put("colour", "blue").unwrap();
///     assert_eq!(state::get_text("colour").unwrap().unwrap(), "blue");
/// });
/// ```
#[derive(Debug)]
pub struct Host {
    pub(super) config: Value,
    pub(super) schemas: Arc<Schemas>,
    pub(super) extensions: Vec<Value>,
    pub(super) resources: Vec<(String, Attributes)>,
    pub(super) members: BTreeMap<String, Vec<Member>>,
    pub(super) state: BTreeMap<String, Vec<u8>>,
    pub(super) answers: VecDeque<Result<http::Response, http::Error>>,
    pub(super) requests: Vec<http::Request>,
    pub(super) messages: Vec<Enqueued>,
    pub(super) messages_ever: u64,
    pub(super) lines: Vec<Line>,
    pub(super) counts: BTreeMap<String, u64>,
    pub(super) writes: Vec<directory::Write>,
    pub(super) context: Option<Context>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            config: Value::Null,
            schemas: Arc::new(Schemas::standard()),
            extensions: Vec::new(),
            resources: Vec::new(),
            members: BTreeMap::new(),
            state: BTreeMap::new(),
            answers: VecDeque::new(),
            requests: Vec::new(),
            messages: Vec::new(),
            messages_ever: 0,
            lines: Vec::new(),
            counts: BTreeMap::new(),
            writes: Vec::new(),
            context: None,
        }
    }
}

impl Host {
    /// A host that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this extension of users: a Schema resource (RFC 7643 section 7).
    #[track_caller]
    pub fn extension(mut self, schema: Value) -> Self {
        self.extensions.push(schema);
        self.schemas = Arc::new(resources::schemas(&self.extensions));
        self
    }

    /// With this configuration, a JSON object.
    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// With this resource in its directory, in the place of one with the same `id`, which it needs.
    #[track_caller]
    pub fn resource(mut self, resource_type: &str, document: Value) -> Self {
        let Value::Object(document) = document else { panic!("a resource is a JSON object") };
        assert!(document.get("id").is_some_and(Value::is_string), "a resource in the directory has an `id`");
        let entry = (resource_type.to_owned(), document);
        match self.resources.iter_mut().find(|(_, other)| other["id"] == entry.1["id"]) {
            Some(other) => *other = entry,
            None => self.resources.push(entry),
        }
        self
    }

    /// Without the resource of this id, and without its memberships.
    pub fn without(mut self, id: &str) -> Self {
        self.resources.retain(|(_, document)| document["id"] != id);
        self.members.remove(id);
        self.members.values_mut().for_each(|members| members.retain(|member| member.id != id));
        self
    }

    /// Without this member in a group, both by their ids.
    pub fn without_member(mut self, group: &str, id: &str) -> Self {
        if let Some(members) = self.members.get_mut(group) {
            members.retain(|member| member.id != id);
        }
        self
    }

    /// With this member in a group, both by their ids.
    pub fn member(mut self, group: &str, id: &str) -> Self {
        let resource_type = self.resources.iter().find(|(_, document)| document["id"] == id);
        let resource_type = resource_type.map_or("User", |(resource_type, _)| resource_type).to_owned();
        self = self.without_member(group, id);
        self.members.entry(group.to_owned()).or_default().push(Member { id: id.to_owned(), resource_type });
        self
    }

    /// With this value in the plugin's state.
    pub fn state(mut self, key: &str, value: impl AsRef<[u8]>) -> Self {
        self.state.insert(key.to_owned(), value.as_ref().to_owned());
        self
    }

    /// With this answer to the next HTTP request that has none yet.
    pub fn answer(mut self, status: u16, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref().to_owned();
        self.answers.push_back(Ok(http::Response { status, headers: Vec::new(), body }));
        self
    }

    /// With this error for the next HTTP request that has no answer yet.
    pub fn fails(mut self, error: http::Error) -> Self {
        self.answers.push_back(Err(error));
        self
    }

    /// The document as a filter sees it.
    fn with_members(&self, document: &Attributes) -> Attributes {
        let mut document = document.clone();
        if let Some(members) = document.get("id").and_then(Value::as_str).and_then(|id| self.members.get(id)) {
            let members = members.iter().map(|m| serde_json::json!({ "value": m.id, "type": m.resource_type }));
            document.insert("members".to_owned(), members.collect());
        }
        document
    }

    /// Makes a change of the directory, as the host would without any other plugin.
    fn apply(&mut self, write: directory::Write) -> Result<Option<String>, directory::WriteError> {
        let refused = |status, scim_type: Option<&str>, detail: &str| directory::WriteError::Refused {
            status,
            scim_type: scim_type.map(str::to_owned),
            detail: detail.to_owned(),
        };
        let place = match &write.id {
            None => None,
            Some(id) => {
                let mut all = self.resources.iter();
                let place = all.position(|(kind, document)| *kind == write.resource_type && document["id"] == *id);
                Some(place.ok_or_else(|| refused(404, None, "there is no such resource"))?)
            }
        };
        let current = place.map(|place| &self.resources[place].1);
        if let (Some(wanted), Some(current)) = (&write.if_match, current)
            && current.get("meta").and_then(|meta| meta["version"].as_str()) != Some(wanted)
        {
            return Err(refused(412, None, "the resource has another version"));
        }
        let after = resources::written(&self.schemas, &write, current, self.resources.len());
        let after = after.map_err(|detail| refused(400, Some("invalidValue"), &detail))?;
        if let Some(written) = &after
            && let Some(id) = written.document["id"].as_str()
        {
            let members = written.members(self.members.remove(id).unwrap_or_default());
            self.members.insert(id.to_owned(), members);
        }
        let after = after.map(|written| written.document);
        let text = after.as_ref().map(|document| Value::Object(document.clone()).to_string());
        self.writes.push(write.clone());
        match (place, after) {
            (Some(place), Some(document)) => self.resources[place].1 = document,
            (Some(place), None) => drop(self.resources.remove(place)),
            (None, Some(document)) => self.resources.push((write.resource_type.clone(), document)),
            (None, None) => return Err(refused(400, None, "a delete needs an id")),
        }
        Ok(text)
    }

    /// Runs code that may call this host.
    pub fn run<T>(mut self, code: impl FnOnce() -> T) -> T {
        within(&mut self, code)
    }
}

/// Lends the host to the thread while `code` runs, and takes it back even if that panics.
pub(super) fn within<T>(host: &mut Host, code: impl FnOnce() -> T) -> T {
    struct Lent<'a>(&'a mut Host);
    impl Drop for Lent<'_> {
        fn drop(&mut self) {
            if let Some(host) = HOST.take() {
                *self.0 = host;
            }
        }
    }
    let lent = Lent(host);
    HOST.set(Some(std::mem::take(lent.0)));
    code()
}

#[track_caller]
fn with<T>(call: impl FnOnce(&mut Host) -> T) -> T {
    HOST.with_borrow_mut(|host| match host {
        Some(host) => call(host),
        None => panic!("there is no host here: call the plugin by `testing::Harness`, or run this in `testing::Host`"),
    })
}

pub(crate) fn log(level: log::Level, message: &str, fields: Vec<(String, String)>) {
    with(|host| host.lines.push(Line { level, message: message.to_owned(), fields }));
}

pub(crate) fn config() -> String {
    with(|host| match &host.config {
        Value::Null => "{}".to_owned(),
        config => config.to_string(),
    })
}

pub(crate) fn state_get(key: &str) -> Result<Option<Vec<u8>>, state::Error> {
    with(|host| Ok(host.state.get(key).cloned()))
}

pub(crate) fn state_put(key: &str, value: &[u8], _ttl_s: Option<u64>) -> Result<(), state::Error> {
    with(|host| host.state.insert(key.to_owned(), value.to_owned()));
    Ok(())
}

pub(crate) fn state_delete(key: &str) -> Result<(), state::Error> {
    with(|host| host.state.remove(key));
    Ok(())
}

pub(crate) fn state_compare_and_put(
    key: &str,
    expected: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), state::Error> {
    if state_get(key)?.as_deref() != expected {
        return Err(state::Error::Conflict);
    }
    match value {
        Some(value) => state_put(key, value, None),
        None => state_delete(key),
    }
}

pub(crate) fn state_scan(
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<(String, Vec<u8>)>, state::Error> {
    with(|host| {
        let entries = host.state.iter();
        let entries =
            entries.filter(|(key, _)| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after));
        Ok(entries.take(limit as usize).map(|(key, value)| (key.clone(), value.clone())).collect())
    })
}

pub(crate) fn directory_get(resource_type: &str, id: &str) -> Result<Option<String>, directory::Error> {
    with(|host| {
        let mut resources = host.resources.iter();
        let found = resources.find(|(kind, document)| kind == resource_type && document["id"] == id);
        Ok(found.map(|(_, document)| Value::Object(document.clone()).to_string()))
    })
}

pub(crate) fn directory_find(
    resource_type: &str,
    filter: &str,
    cursor: Option<&str>,
    count: u32,
) -> Result<(Vec<String>, Option<String>), directory::Error> {
    let invalid = |reason: &str| directory::Error::Invalid(reason.to_owned());
    let schemas = with(|host| host.schemas.clone());
    let kind = schemas.resource_type(resource_type).ok_or(invalid("there is no such resource type"))?;
    let filter = Filter::parse(filter).and_then(|filter| filter.bind(kind, &Leniency::default()));
    let filter = filter.map_err(|error| invalid(&error.detail))?;
    let begin: usize = cursor.map_or(Ok(0), str::parse).map_err(|_| invalid("the cursor is not one of these"))?;

    with(|host| {
        let resources = host.resources.iter().filter(|(kind, _)| kind == resource_type);
        let joined = resources.map(|(_, document)| host.with_members(document));
        let found: Vec<_> = joined.filter(|document| filter.matches(document)).collect();
        let end = found.len().min(begin + count as usize);
        let page =
            found[begin.min(end)..end].iter().map(|document| Value::Object(without_members(document)).to_string());
        Ok((page.collect(), (end < found.len()).then(|| end.to_string())))
    })
}

/// The document as a plugin sees it.
fn without_members(document: &Attributes) -> Attributes {
    let mut document = document.clone();
    document.remove("members");
    document
}

pub(crate) fn directory_members(group: &str, after: Option<&str>, count: u32) -> Result<Vec<Member>, directory::Error> {
    with(|host| {
        let mut members = host.members.get(group).cloned().unwrap_or_default();
        members.sort_by(|a, b| a.id.cmp(&b.id));
        let behind = members.into_iter().filter(|member| after.is_none_or(|after| *member.id > *after));
        Ok(behind.take(count as usize).collect())
    })
}

pub(crate) fn directory_is_member(group: &str, id: &str) -> Result<bool, directory::Error> {
    with(|host| Ok(host.members.get(group).is_some_and(|members| members.iter().any(|member| member.id == id))))
}

pub(crate) fn directory_apply(write: directory::Write) -> Result<Option<String>, directory::WriteError> {
    with(|host| host.apply(write))
}

pub(crate) fn metrics_count(name: &str, by: u64, _labels: Vec<(String, String)>) {
    with(|host| *host.counts.entry(name.to_owned()).or_default() += by);
}

pub(crate) fn metrics_observe(name: &str, _value: f64, _labels: Vec<(String, String)>) {
    with(|host| *host.counts.entry(name.to_owned()).or_default() += 1);
}

pub(crate) fn enqueue(target: &str, payload: String, options: outbox::Options) -> Result<(), outbox::Error> {
    with(|host| host.enqueue(target, Some(payload), None, options));
    Ok(())
}

pub(crate) fn enqueue_request(
    target: &str,
    request: http::Request,
    options: outbox::Options,
) -> Result<(), outbox::Error> {
    with(|host| host.enqueue(target, None, Some(request), options));
    Ok(())
}

pub(crate) fn http_send(request: http::Request) -> Result<http::Response, http::Error> {
    with(|host| {
        let asked = format!("{} {}", request.method, request.url);
        host.requests.push(request);
        host.answers.pop_front().unwrap_or_else(|| panic!("the test has no answer to {asked}; give it one by `answer`"))
    })
}

impl Host {
    fn enqueue(
        &mut self,
        target: &str,
        payload: Option<String>,
        request: Option<http::Request>,
        options: outbox::Options,
    ) {
        self.messages_ever += 1;
        let key = format!("message-{}", self.messages_ever);
        let context = self.context.clone();
        self.messages.push(Enqueued { key, target: target.to_owned(), payload, request, options, context });
    }
}
