//! Asking a plugin, natively.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::fakes::{Host, within};
use super::outcome::{Enqueued, Outcome};
use super::resources::{self, Proposal};
use crate::{
    Caller, Change, Context, Decision, Finding, Inquiry, Job, Message, Operation, Plugin, Result, Verdict, http, invoke,
};

/// When a test happens, unless it says otherwise: the first moment of 2026.
const NOW_MS: u64 = 1_767_225_600_000;

/// A plugin with a host around it. What it stores and enqueues in one call is there in the next.
#[derive(Debug)]
pub struct Harness {
    host: Host,
    grant: Vec<String>,
    sees_passwords: bool,
    outbox: Vec<Enqueued>,
    attempts: u32,
    sequence: u64,
    check_config: fn(&str) -> Vec<Finding>,
    review: fn(&Change) -> Result<Verdict>,
    observe: fn(&Change, u64) -> Result,
    deliver: fn(&Message) -> Result,
    decide: fn(&Inquiry) -> Result<Decision>,
    shape: fn(&Context, &[String]) -> Result<Vec<String>>,
    run: fn(&Job) -> Result<String>,
    now_ms: u64,
    successes: BTreeMap<String, u64>,
}

/// A change that the plugin can be asked about.
#[derive(Debug)]
pub struct Asked<'a> {
    harness: &'a mut Harness,
    proposal: Proposal,
    context: Context,
}

impl Harness {
    /// The plugin `P`, without configuration, on a host that knows nothing.
    pub fn new<P: Plugin>() -> Self {
        Self {
            host: Host::new().config(json!({})),
            grant: vec!["*".to_owned()],
            sees_passwords: false,
            outbox: Vec::new(),
            attempts: 0,
            sequence: 0,
            check_config: invoke::check_config::<P>,
            review: invoke::review::<P>,
            observe: invoke::observe::<P>,
            deliver: invoke::deliver::<P>,
            decide: invoke::decide::<P>,
            shape: invoke::shape::<P>,
            run: invoke::run::<P>,
            now_ms: NOW_MS,
            successes: BTreeMap::new(),
        }
    }

    /// With this configuration, a JSON object.
    pub fn config(self, config: Value) -> Self {
        self.on(|host| host.config(config))
    }

    /// With this extension of users: a Schema resource (RFC 7643 section 7).
    #[track_caller]
    pub fn extension(self, schema: Value) -> Self {
        self.on(|host| host.extension(schema))
    }

    /// It is now so many milliseconds after the Unix epoch.
    pub fn at(&mut self, now_ms: u64) -> &mut Self {
        self.now_ms = now_ms;
        self
    }

    /// With this resource in the directory, in the place of one with the same `id`, which it needs.
    #[track_caller]
    pub fn resource(self, resource_type: &str, document: Value) -> Self {
        self.on(|host| host.resource(resource_type, document))
    }

    /// With this member in a group, both by their ids.
    pub fn member(self, group: &str, id: &str) -> Self {
        self.on(|host| host.member(group, id))
    }

    /// Without the resource of this id, and without its memberships.
    pub fn without(self, id: &str) -> Self {
        self.on(|host| host.without(id))
    }

    /// Without this member in a group, both by their ids.
    pub fn without_member(self, group: &str, id: &str) -> Self {
        self.on(|host| host.without_member(group, id))
    }

    /// With this answer to the next HTTP request that has none yet.
    pub fn answer(self, status: u16, body: impl AsRef<[u8]>) -> Self {
        self.on(|host| host.answer(status, body))
    }

    /// With this error for the next HTTP request that has no answer yet.
    pub fn fails(self, error: http::Error) -> Self {
        self.on(|host| host.fails(error))
    }

    /// With leave to change these attributes only. Without, it may change all.
    pub fn may_write<S: Into<String>>(mut self, paths: impl IntoIterator<Item = S>) -> Self {
        self.grant = paths.into_iter().map(Into::into).collect();
        self
    }

    /// With the grant to see new passwords in reviews.
    pub fn sees_passwords(mut self) -> Self {
        self.sees_passwords = true;
        self
    }

    fn on(mut self, change: impl FnOnce(Host) -> Host) -> Self {
        self.host = change(self.host);
        self
    }

    /// What the plugin finds wrong with its configuration.
    pub fn check_config(&mut self) -> Vec<Finding> {
        let (check_config, config) = (self.check_config, self.host.config.to_string());
        within(&mut self.host, || check_config(&config))
    }

    /// Somebody wants to create this: the body of a POST.
    #[track_caller]
    pub fn create(&mut self, resource_type: &str, body: Value) -> Asked<'_> {
        self.asked(resources::create(&self.host.schemas, resource_type, body))
    }

    /// Somebody wants this in the place of that: the body of a PUT.
    #[track_caller]
    pub fn replace(&mut self, resource_type: &str, before: Value, body: Value) -> Asked<'_> {
        self.asked(resources::replace(&self.host.schemas, resource_type, before, body))
    }

    /// Somebody wants to patch this: the `Operations` of a PATCH, an array.
    #[track_caller]
    pub fn patch(&mut self, resource_type: &str, before: Value, operations: Value) -> Asked<'_> {
        self.asked(resources::patch(&self.host.schemas, resource_type, before, operations))
    }

    /// Somebody wants to delete this.
    #[track_caller]
    pub fn delete(&mut self, resource_type: &str, before: Value) -> Asked<'_> {
        self.asked(resources::delete(&self.host.schemas, resource_type, before))
    }

    /// Somebody reads this.
    #[track_caller]
    pub fn read(&mut self, resource_type: &str, stored: Value) -> Asked<'_> {
        self.asked(resources::read(&self.host.schemas, resource_type, stored))
    }

    /// Somebody searches resources of this type.
    #[track_caller]
    pub fn search(&mut self, resource_type: &str) -> Asked<'_> {
        self.asked(resources::search(&self.host.schemas, resource_type))
    }

    /// Has the plugin shape these resources, which somebody has searched.
    pub fn shape(&mut self, resource_type: &str, resources: &[Value]) -> Result<Vec<Value>> {
        let context = context(self.now_ms, Operation::Search, resource_type, None);
        let texts: Vec<String> = resources.iter().map(Value::to_string).collect();
        let shape = self.shape;
        self.host.context = Some(context.clone());
        let shaped = within(&mut self.host, || shape(&context, &texts))?;
        Ok(shaped.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>()?)
    }

    /// Runs a job that is due now.
    pub fn run(&mut self, job: &str) -> Outcome {
        let context = context(self.now_ms, Operation::Run, "", None);
        let last_success_ms = self.successes.get(job).copied();
        let job = Job { name: job.to_owned(), due_ms: self.now_ms, last_success_ms, by_hand: false, context };
        let (run, mut report) = (self.run, String::new());
        let mut outcome = self.call(Some(job.context.clone()), || {
            report = run(&job)?;
            Ok(Verdict::Proceed)
        });
        if outcome.answer.is_ok() {
            self.successes.insert(job.name, job.due_ms);
        }
        outcome.report = report;
        outcome
    }

    /// What the directory holds of this resource.
    pub fn stored(&self, resource_type: &str, id: &str) -> Option<Value> {
        let mut all = self.host.resources.iter();
        let found = all.find(|(kind, document)| kind == resource_type && document["id"] == id);
        found.map(|(_, document)| Value::Object(document.clone()))
    }

    /// The ids of a group's members, in their order.
    pub fn members(&self, group: &str) -> Vec<&str> {
        let members = self.host.members.get(group).into_iter().flatten();
        let mut ids: Vec<&str> = members.map(|member| member.id.as_str()).collect();
        ids.sort_unstable();
        ids
    }

    /// The text in the plugin's state at this key.
    pub fn state(&self, key: &str) -> Option<String> {
        let value = self.host.state.get(key)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// The messages that wait to be delivered, oldest first.
    pub fn outbox(&self) -> &[Enqueued] {
        &self.outbox
    }

    /// Delivers the oldest message that waits for the plugin. If that fails it stays, and the next
    /// call is the next attempt.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn deliver(&mut self) -> Outcome {
        let Some(place) = self.outbox.iter().position(|message| message.payload.is_some()) else {
            panic!("no message waits for the plugin");
        };
        let enqueued = self.outbox[place].clone();
        self.attempts += 1;
        let context = enqueued.context.clone().unwrap_or_else(|| context(self.now_ms, Operation::Create, "User", None));
        let message = Message {
            key: enqueued.key,
            target: enqueued.target,
            payload: enqueued.payload.unwrap_or_default(),
            headers: enqueued.options.headers,
            enqueued_ms: context.now_ms,
            context: Context { attempt: self.attempts, remaining: Duration::from_secs(30), ..context },
        };
        let deliver = self.deliver;
        let mut outcome = self.call(Some(message.context.clone()), || deliver(&message).map(|()| Verdict::Proceed));
        if outcome.answer.is_ok() {
            self.outbox.remove(place);
            self.attempts = 0;
        }
        self.commit(&mut outcome, None);
        outcome
    }

    #[track_caller]
    fn asked(&mut self, proposal: Proposal) -> Asked<'_> {
        let known = (proposal.operation != Operation::Create).then(|| proposal.id.clone());
        let context = context(self.now_ms, proposal.operation, &proposal.resource_type.name, known);
        Asked { harness: self, proposal, context }
    }

    /// Calls the plugin and gathers what it did.
    fn call(&mut self, context: Option<Context>, code: impl FnOnce() -> Result<Verdict>) -> Outcome {
        self.host.context = context;
        let answer = within(&mut self.host, code);
        Outcome {
            answer,
            document: None,
            fault: None,
            report: String::new(),
            writes: std::mem::take(&mut self.host.writes),
            messages: std::mem::take(&mut self.host.messages),
            requests: std::mem::take(&mut self.host.requests),
            log: std::mem::take(&mut self.host.lines),
        }
    }

    /// Moves what was enqueued into the outbox; a commit tells a create's messages the new id.
    fn commit(&mut self, outcome: &mut Outcome, id: Option<&str>) {
        for message in &mut outcome.messages {
            if let (Some(context), Some(id)) = (&mut message.context, id) {
                context.resource_id = Some(id.to_owned());
            }
            self.outbox.retain(|older| !message.replaces(older));
            self.outbox.push(message.clone());
        }
    }
}

impl Asked<'_> {
    /// Somebody else asks: this client, with these scopes.
    pub fn by(mut self, client: &str, scopes: &[&str]) -> Self {
        self.context.caller.client = Some(client.to_owned());
        self.context.caller.scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self
    }

    /// With other facts around the change.
    pub fn with(mut self, change: impl FnOnce(&mut Context)) -> Self {
        change(&mut self.context);
        self
    }

    /// Asks the plugin before the change is committed. What it staged is committed if the change
    /// goes on.
    pub fn review(self) -> Outcome {
        let Self { harness, proposal, context } = self;
        let before = harness.host.state.clone();
        let change = Change::from_parts(context.clone(), proposal.parts(harness.sees_passwords));
        let review = harness.review;
        let mut outcome = harness.call(Some(context), || review(&change));

        if let Ok(verdict) = &outcome.answer {
            match proposal.after(verdict, &harness.grant) {
                Ok(document) => outcome.document = document,
                Err(fault) => outcome.fault = Some(fault),
            }
        }
        let goes_on = matches!(outcome.answer, Ok(Verdict::Proceed | Verdict::Patch(_) | Verdict::Replace(_)));
        if goes_on && outcome.fault.is_none() {
            harness.commit(&mut outcome, Some(&proposal.id));
        } else {
            outcome.messages.clear();
            harness.host.state = before;
        }
        outcome
    }

    /// Asks the plugin who may do this, and with what.
    pub fn decide(self) -> Result<Decision> {
        let Self { harness, proposal, context } = self;
        let inquiry = Inquiry::from_parts(context.clone(), proposal.parts(false).current);
        let decide = harness.decide;
        harness.host.context = Some(context);
        within(&mut harness.host, || decide(&inquiry))
    }

    /// Tells the plugin that the change is committed.
    pub fn observe(self) -> Outcome {
        let Self { harness, proposal, mut context } = self;
        context.resource_id = Some(proposal.id.clone());
        harness.sequence += 1;
        let change = Change::from_parts(context.clone(), proposal.parts(false));
        let (observe, sequence) = (harness.observe, harness.sequence);
        let mut outcome = harness.call(Some(context), || observe(&change, sequence).map(|()| Verdict::Proceed));
        harness.commit(&mut outcome, None);
        outcome
    }
}

fn context(now_ms: u64, operation: Operation, resource_type: &str, resource_id: Option<String>) -> Context {
    Context {
        request_id: "test-request".to_owned(),
        realm: "default".to_owned(),
        operation,
        resource_type: resource_type.to_owned(),
        resource_id,
        caller: Caller {
            subject: "test".to_owned(),
            client: None,
            scopes: vec!["scim.read".to_owned(), "scim.write".to_owned()],
            claims: json!({}),
        },
        attempt: 1,
        remaining: Duration::from_millis(500),
        dry_run: false,
        now_ms,
        attributes: Vec::new(),
    }
}
