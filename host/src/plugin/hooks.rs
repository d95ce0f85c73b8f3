//! The plugins as the pipeline and the workers know them: [`Hooks`], with real guests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use provost_scim::{Attributes, Resource, ResourceType, changed_paths};
use serde_json::Value;
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::bindings::deliver::exports::provost::plugin::deliver as wire_deliver;
use super::bindings::schedule::exports::provost::plugin::schedule as wire_schedule;
use super::bindings::wit::types as wire;
use super::call::Call;
use super::encode::{self, Visible};
use super::fault::not_started;
use super::guest::{Guest, Identity, Occasion, Phase};
use super::load::Loaded;
use super::meter;
use super::set::{Plugin, PluginSet, Standing};
use super::status::Record;
use crate::context::{Actor, Realm, RequestContext};
use crate::hook::{
    Act, Attribution, Cause, Change, Committed, Consulted, Decision, Effects, Fault, FaultKind, HookGroup, Hooks,
    Inquiry, JobPlan, JobRun, Message, OwnRights, PluginName, Trail, Trouble, Verdict, Work,
};
use crate::limits::HTTP_ANSWER_BYTES_MAX;
use crate::outbound::{Policy, Request};
use crate::trace::{Ending, Step, Trace};

/// The header by which a receiver recognises a request it has seen before.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

impl Hooks for PluginSet {
    /// A plugin that minds certain paths only is among them, too, if one before it may change them; whether it is
    /// called is settled when its turn comes.
    fn reviewers(&self, change: &Change) -> Vec<Consulted> {
        let mut reviewers = Vec::new();
        let mut may_change = false;
        for plugin in self.concerned(HookGroup::BeforeWrite, Act::Change(change.operation), &change.resource_type) {
            if may_change || plugin.minds(change) {
                may_change |= !plugin.may_write.is_empty();
                reviewers.push(plugin.consulted(HookGroup::BeforeWrite));
            }
        }
        reviewers
    }

    fn review<'a>(
        &'a self,
        reviewer: &'a Consulted,
        cx: &'a RequestContext,
        change: &'a Change,
    ) -> BoxFuture<'a, Result<(Verdict, Effects), Trouble>> {
        async move {
            let plugin = self.find(&reviewer.attribution.plugin)?;
            if !plugin.minds(change) {
                return Ok((Verdict::Proceed, Effects::default()));
            }
            let ending = |(verdict, _): &(Verdict, Effects)| match verdict {
                Verdict::Proceed => Ending::Answered("proceed"),
                Verdict::Patch(_) | Verdict::Replace(_) => Ending::Answered("changed"),
                Verdict::Reject(refusal) => Ending::Refused(refusal.clone()),
                Verdict::Hold(_) => Ending::Answered("held"),
            };
            let act = change.operation.as_str();
            let about = About::of(cx, act, &change.resource_type, change.current.as_ref().map(Resource::id));
            let asked = self.ask(plugin, cx, change);
            let outcome = self.call(plugin, HookGroup::BeforeWrite, about, ending, asked).await;
            if let Ok((verdict @ (Verdict::Reject(_) | Verdict::Hold(_)), _)) = &outcome {
                Record::count(&plugin.record.refusals);
                let word = if matches!(verdict, Verdict::Hold(_)) { "held" } else { "refused" };
                let (name, operation) = (plugin.name(), change.operation.as_str());
                info!(plugin.name = name, request.id = %cx.request_id, operation, "plugin `{name}` {word} a {operation}");
            }
            outcome
        }
        .boxed()
    }

    fn blame(&self, consulted: &Consulted, fault: &Fault) {
        if let Some(plugin) = self.plugin(&consulted.attribution.plugin) {
            plugin.record.fault(fault, None, self.house.clock.now());
            plugin.breakers.blame(consulted.group, fault.kind);
            meter::blamed(&plugin.written.name, consulted.group, fault.kind.as_str());
        }
    }

    fn gatekeepers(&self, act: Act, resource_type: &str) -> Vec<Consulted> {
        self.asked(HookGroup::Access, act, resource_type)
    }

    fn decide<'a>(
        &'a self,
        gatekeeper: &'a Consulted,
        cx: &'a RequestContext,
        inquiry: Inquiry<'a>,
    ) -> BoxFuture<'a, Result<Decision, Trouble>> {
        async move {
            let plugin = self.find(&gatekeeper.attribution.plugin)?;
            let ending = |decision: &Decision| match decision {
                Decision::Allow => Ending::Answered("proceed"),
                Decision::Narrow(_) => Ending::Answered("narrowed"),
                Decision::Deny(refusal) => Ending::Refused(refusal.clone()),
            };
            let about = About::of(cx, inquiry.act.as_str(), inquiry.resource_type, inquiry.target.map(Resource::id));
            let judged = self.judge(plugin, cx, inquiry);
            let outcome = self.call(plugin, HookGroup::Access, about, ending, judged).await;
            if let Ok(Decision::Deny(_)) = &outcome {
                Record::count(&plugin.record.refusals);
                let (name, act, of) = (plugin.name(), inquiry.act.as_str(), inquiry.resource_type);
                info!(plugin.name = name, request.id = %cx.request_id, act, resource.type = of, "plugin `{name}` refused a {act} of {of}");
            }
            outcome
        }
        .boxed()
    }

    fn shapers(&self, act: Act, resource_type: &str) -> Vec<Consulted> {
        self.asked(HookGroup::Shape, act, resource_type)
    }

    fn shape<'a>(
        &'a self,
        shaper: &'a Consulted,
        cx: &'a RequestContext,
        act: Act,
        resource_type: &'a ResourceType,
        documents: &'a [Attributes],
    ) -> BoxFuture<'a, Result<Vec<Attributes>, Trouble>> {
        async move {
            let plugin = self.find(&shaper.attribution.plugin)?;
            let shaped = self.reshape(plugin, cx, act, resource_type, documents);
            let about = About::of(cx, act.as_str(), &resource_type.name, None);
            self.call(plugin, HookGroup::Shape, about, |_| Ending::Answered("shaped"), shaped).await
        }
        .boxed()
    }

    fn observers(&self, change: &Change) -> Vec<PluginName> {
        let told = self.concerned(HookGroup::Observe, Act::Change(change.operation), &change.resource_type);
        told.filter(|plugin| plugin.minds(change)).map(|plugin| plugin.written.name.clone()).collect()
    }

    fn observe<'a>(
        &'a self,
        message: &'a Message,
        change: &'a Committed,
        attempt: u32,
    ) -> BoxFuture<'a, Result<(), Trouble>> {
        async move {
            let plugin = self.find(&message.plugin)?;
            let told = self.tell(plugin, message, change, attempt);
            self.call(plugin, HookGroup::Observe, About::after(message), |()| Ending::Answered("proceed"), told).await
        }
        .boxed()
    }

    fn deliver<'a>(&'a self, message: &'a Message, attempt: u32) -> BoxFuture<'a, Result<(), Trouble>> {
        async move {
            let plugin = self.find(&message.plugin)?;
            let handed = self.hand_over(plugin, message, attempt);
            self.call(plugin, HookGroup::Deliver, About::after(message), |()| Ending::Answered("proceed"), handed).await
        }
        .boxed()
    }

    fn send<'a>(&'a self, message: &'a Message, _attempt: u32) -> BoxFuture<'a, Result<(), Trouble>> {
        async move {
            let plugin = self.find(&message.plugin)?;
            let outcome = self.send_request(plugin, message).await;
            self.note(plugin, &message.cause.request_id, outcome.as_ref().err());
            outcome
        }
        .boxed()
    }

    fn own_rights(&self, plugin: &PluginName) -> Option<OwnRights> {
        let plugin = self.plugin(plugin).filter(|plugin| !matches!(plugin.standing, Standing::Disabled))?;
        let granted = plugin.config.grant.directory_write.iter();
        let operations = granted.map(|grant| (grant.resource_type.clone(), grant.operations.clone())).collect();
        Some(OwnRights { operations, may_write: plugin.may_write.clone() })
    }

    fn jobs(&self) -> Vec<JobPlan> {
        let enabled = self.plugins().filter(|plugin| !matches!(plugin.standing, Standing::Disabled));
        // What cannot be planned was refused with the configuration.
        enabled.flat_map(|plugin| plugin.config.jobs().unwrap_or_default()).collect()
    }

    fn run<'a>(&'a self, cx: &'a RequestContext, run: &'a JobRun) -> BoxFuture<'a, Result<String, Trouble>> {
        async move {
            let plugin = self.find(&run.name.plugin)?;
            let work = self.work(plugin, cx, run);
            let about = About::of(cx, "run", "", None);
            self.call(plugin, HookGroup::Schedule, about, |_| Ending::Answered("proceed"), work).await
        }
        .boxed()
    }
}

impl PluginSet {
    fn asked(&self, group: HookGroup, act: Act, resource_type: &str) -> Vec<Consulted> {
        self.concerned(group, act, resource_type).map(|plugin| plugin.consulted(group)).collect()
    }

    fn find(&self, name: &PluginName) -> Result<&Plugin, Fault> {
        let found = self.plugin(name).map(|plugin| &**plugin);
        found.ok_or_else(|| unavailable(format!("plugin `{name}` is not configured")))
    }

    /// Makes a call, if the breaker lets it, and keeps count of how it ended.
    async fn call<T>(
        &self,
        plugin: &Plugin,
        group: HookGroup,
        about: About<'_>,
        ending: impl Fn(&T) -> Ending,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let begun = Instant::now();
        let outcome = match plugin.breakers.admit(group) {
            Ok(pass) => {
                let outcome = work.await;
                pass.settle(&outcome);
                outcome
            }
            Err(fault) => Err(fault.into()),
        };
        self.note(plugin, about.request_id, outcome.as_ref().err());
        let (ending, took) = (outcome.as_ref().map_or_else(Ending::from, ending), begun.elapsed());
        plugin.meters.of(group).ended(ending.as_str(), took);
        if let Some(trace) = about.trace {
            trace.step(Step {
                by: plugin.consulted(group).attribution,
                group,
                act: about.act,
                resource_type: about.resource_type.to_owned(),
                resource: about.resource,
                ending,
                took,
                cost: trace.take_cost(),
                changes: Vec::new(),
            });
        }
        outcome
    }

    /// Keeps count of a call that ended, and says so if it ended badly.
    fn note(&self, plugin: &Plugin, request_id: &str, trouble: Option<&Trouble>) {
        Record::count(&plugin.record.calls);
        let name = plugin.name();
        match trouble {
            None => {}
            Some(Trouble::Error { message, retryable }) => {
                Record::count(&plugin.record.errors);
                warn!(
                    plugin.name = name,
                    request.id = request_id,
                    retryable,
                    "plugin `{name}` reported an error: {message}"
                );
            }
            // Why has been said, by the breaker that opened or when the plugin was loaded; now nothing was called.
            Some(Trouble::Fault(fault)) if fault.kind == FaultKind::Unavailable => {
                plugin.record.unavailable();
                debug!(plugin.name = name, request.id = request_id, "plugin `{name}` was not called: {fault}");
            }
            Some(Trouble::Fault(fault)) => {
                plugin.record.fault(fault, Some(request_id), self.house.clock.now());
                warn!(plugin.name = name, request.id = request_id, fault = %fault.kind, "plugin `{name}` faulted: {fault}");
            }
        }
    }

    async fn ask(&self, plugin: &Plugin, cx: &RequestContext, change: &Change) -> Result<(Verdict, Effects), Trouble> {
        let (identity, loaded) = plugin.ready()?;
        let hook = loaded.before_write.as_ref().ok_or_else(|| plugin.lacks(HookGroup::BeforeWrite))?;
        let told = encode::change(change, &identity.sight, plugin.config.grant.shows_password());
        let mut call = self
            .begin(plugin, identity, HookGroup::BeforeWrite, Occasion::of(cx, Phase::BeforeWrite), identity.bounds.hook)
            .await?;
        let context = Told {
            // Not told before the commit that makes it true.
            resource_id: change.current.as_ref().map(|current| current.id().to_string()),
            attempt: change.attempt,
            ..Told::of(cx, Act::Change(change.operation), &change.resource_type)
        }
        .context(call.remaining_ms());

        let deadline = call.deadline();
        let answer = deadline.hold(async {
            let instance = hook.instantiate_async(&mut call.store).await.map_err(not_started)?;
            instance.provost_plugin_before_write().call_review(&mut call.store, &context, &told).await
        });
        let answer = answer.await;
        let (answer, guest) = call.end(answer)?;
        let mut verdict = encode::verdict(answer.map_err(reported)?, identity.bounds.output_bytes)?;
        if let Some(draft) = &change.proposed {
            let of = &draft.resource_type;
            match &mut verdict {
                Verdict::Replace(Value::Object(document)) => {
                    let shown = encode::shown(change, draft).document();
                    identity.sight.restore(document, || shown.clone(), of);
                    changed_paths(Some(&shown), Some(document), of).iter().for_each(|path| identity.usage.wrote(path));
                }
                Verdict::Patch(operations) => {
                    encode::touched(operations, of).iter().for_each(|path| identity.usage.wrote(path));
                }
                _ => {}
            }
        }
        Ok((verdict, effects(guest)))
    }

    async fn judge(&self, plugin: &Plugin, cx: &RequestContext, inquiry: Inquiry<'_>) -> Result<Decision, Trouble> {
        let (identity, loaded) = plugin.ready()?;
        let hook = loaded.access.as_ref().ok_or_else(|| plugin.lacks(HookGroup::Access))?;
        let target = inquiry.target.map(|target| encode::resource(target, &identity.sight));
        let mut call = self
            .begin(plugin, identity, HookGroup::Access, Occasion::of(cx, Phase::Answering), identity.bounds.hook)
            .await?;
        let asked = Told::of(cx, inquiry.act, inquiry.resource_type);
        let resource_id = inquiry.target.map(|target| target.id().to_string());
        let context = Told { resource_id, ..asked }.context(call.remaining_ms());

        let deadline = call.deadline();
        let answer = deadline.hold(async {
            let instance = hook.instantiate_async(&mut call.store).await.map_err(not_started)?;
            instance.provost_plugin_access().call_decide(&mut call.store, &context, target.as_ref()).await
        });
        let answer = answer.await;
        let (answer, _guest) = call.end(answer)?;
        Ok(encode::decision(answer.map_err(reported)?, identity.bounds.output_bytes)?)
    }

    async fn reshape(
        &self,
        plugin: &Plugin,
        cx: &RequestContext,
        act: Act,
        resource_type: &ResourceType,
        documents: &[Attributes],
    ) -> Result<Vec<Attributes>, Trouble> {
        let (identity, loaded) = plugin.ready()?;
        let hook = loaded.shape.as_ref().ok_or_else(|| plugin.lacks(HookGroup::Shape))?;
        let told: Vec<String> =
            documents.iter().map(|document| Visible::of(document, resource_type).text(&identity.sight)).collect();
        let mut call = self
            .begin(plugin, identity, HookGroup::Shape, Occasion::of(cx, Phase::Answering), identity.bounds.hook)
            .await?;
        let context = Told::of(cx, act, &resource_type.name).context(call.remaining_ms());

        let deadline = call.deadline();
        let answer = deadline.hold(async {
            let instance = hook.instantiate_async(&mut call.store).await.map_err(not_started)?;
            instance.provost_plugin_shape().call_shape(&mut call.store, &context, &told).await
        });
        let answer = answer.await;
        let (answer, _guest) = call.end(answer)?;
        let mut shaped = encode::shaped(answer.map_err(reported)?, documents.len(), identity.bounds.output_bytes)?;
        for (answer, document) in shaped.iter_mut().zip(documents) {
            identity.sight.restore(answer, || Visible::of(document, resource_type).document(), resource_type);
        }
        Ok(shaped)
    }

    async fn work(&self, plugin: &Plugin, cx: &RequestContext, run: &JobRun) -> Result<String, Trouble> {
        let (identity, loaded) = plugin.ready()?;
        let hook = loaded.schedule.as_ref().ok_or_else(|| plugin.lacks(HookGroup::Schedule))?;
        let told = wire_schedule::Occasion {
            job: run.name.job.clone(),
            due_ms: millis(run.due.as_millisecond()),
            last_success_ms: run.last_success.map(|at| millis(at.as_millisecond())),
            by_hand: run.by_hand,
        };
        let job = plugin.config.job.iter().find(|job| job.name == run.name.job);
        let allowed = job.ok_or_else(|| refused("the plugin has no such job any more"))?.deadline();
        let occasion = Occasion { is_job: true, ..Occasion::of(cx, Phase::After) };
        let mut call = self.begin(plugin, identity, HookGroup::Schedule, occasion, allowed).await?;
        let context = Told { attempt: run.attempt, ..Told::of_job(cx) }.context(call.remaining_ms());

        let deadline = call.deadline();
        let answer = deadline.hold(async {
            let instance = hook.instantiate_async(&mut call.store).await.map_err(not_started)?;
            instance.provost_plugin_schedule().call_run(&mut call.store, &context, &told).await
        });
        let answer = answer.await;
        let (answer, _guest) = call.end(answer)?;
        Ok(encode::report(answer.map_err(reported)?))
    }

    async fn tell(&self, plugin: &Plugin, message: &Message, change: &Committed, attempt: u32) -> Result<(), Trouble> {
        let (identity, loaded) = plugin.ready()?;
        // It no longer observes: there is nobody to tell.
        let Some(hook) = loaded.observe.as_ref() else { return Ok(()) };
        let told = encode::committed(change, &identity.sight);
        let mut call = self
            .begin(plugin, identity, HookGroup::Observe, self.afterwards(message), identity.bounds.delivery)
            .await?;
        let context = Told::afterwards(message, attempt).context(call.remaining_ms());

        let deadline = call.deadline();
        let answer = deadline.hold(async {
            let instance = hook.instantiate_async(&mut call.store).await.map_err(not_started)?;
            let observe = instance.provost_plugin_observe();
            observe.call_observe(&mut call.store, &context, change.sequence, &told).await
        });
        let answer = answer.await;
        let (answer, _guest) = call.end(answer)?;
        answer.map_err(reported)
    }

    async fn hand_over(&self, plugin: &Plugin, message: &Message, attempt: u32) -> Result<(), Trouble> {
        let Work::Deliver { payload } = &message.work else {
            return Err(refused("this message is not for the plugin's `deliver`"));
        };
        let (identity, loaded) = plugin.ready()?;
        let hook = loaded.deliver.as_ref().ok_or_else(|| refused("the plugin exports no `deliver` any more"))?;
        let pair = |(name, value): &(String, String)| wire::Pair { name: name.clone(), value: value.clone() };
        let told = wire_deliver::Message {
            key: message.key.clone(),
            target: message.target.clone(),
            payload: payload.clone(),
            headers: message.headers.iter().map(pair).collect(),
            enqueued_ms: millis(message.cause.at_ms),
        };
        let mut call = self
            .begin(plugin, identity, HookGroup::Deliver, self.afterwards(message), identity.bounds.delivery)
            .await?;
        let context = Told::afterwards(message, attempt).context(call.remaining_ms());

        let deadline = call.deadline();
        let answer = deadline.hold(async {
            let instance = hook.instantiate_async(&mut call.store).await.map_err(not_started)?;
            instance.provost_plugin_deliver().call_deliver(&mut call.store, &context, &told).await
        });
        let answer = answer.await;
        let (answer, _guest) = call.end(answer)?;
        answer.map_err(reported)
    }

    /// Sends an enqueued request. The grants are the operator's, so this works while the component
    /// itself is quarantined.
    async fn send_request(&self, plugin: &Plugin, message: &Message) -> Result<(), Trouble> {
        let Work::Request { method, url, body, credential } = &message.work else {
            return Err(refused("this message is not an HTTP request"));
        };
        if matches!(plugin.standing, Standing::Disabled) {
            return Err(unavailable("the plugin is switched off").into());
        }
        let mut headers = message.headers.clone();
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case(IDEMPOTENCY_KEY));
        headers.push((IDEMPOTENCY_KEY.to_owned(), message.key.clone()));
        let (method, url, body) = (method.clone(), url.clone(), body.clone());
        let request = Request { method, url, headers, body, credential: credential.clone() };
        let bounds = plugin.config.bounds().map_err(|error| unavailable(error.to_string()))?;
        let policy = Policy {
            grants: &plugin.config.grant.http,
            secrets: &plugin.config.grant.secrets,
            timeout: bounds.delivery,
            answer_bytes_max: HTTP_ANSWER_BYTES_MAX,
        };
        match self.house.outbound.send(request, &policy).await {
            Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
            Ok(answer) => Err(Trouble::Error {
                message: format!("{} answered {}", target(message), answer.status),
                retryable: matches!(answer.status, 408 | 425 | 429 | 500..),
            }),
            Err(error) => Err(Trouble::Error {
                message: format!("{} was not reached: {error}", target(message)),
                retryable: error.is_retryable(),
            }),
        }
    }

    async fn begin(
        &self,
        plugin: &Plugin,
        identity: &Arc<Identity>,
        group: HookGroup,
        occasion: Occasion,
        allowed: Duration,
    ) -> Result<Call, Fault> {
        let seats = match occasion.phase {
            Phase::Lifecycle | Phase::BeforeWrite | Phase::Answering => &plugin.hook_seats,
            Phase::After => &plugin.delivery_seats,
        };
        Call::begin(&self.house, identity, Some(plugin.meters.of(group)), seats, occasion, allowed).await
    }

    fn afterwards(&self, message: &Message) -> Occasion {
        Occasion {
            phase: Phase::After,
            request_id: message.cause.request_id.as_str().into(),
            realm: Realm::DEFAULT,
            now: self.house.clock.now(),
            trace: Trace::default(),
            trail: Trail(&message.cause.trail).and(&message.plugin),
            is_job: false,
        }
    }
}

/// What a call is about, for those who are told of it.
struct About<'a> {
    request_id: &'a str,
    /// Absent when the request is over.
    trace: Option<&'a Trace>,
    act: &'static str,
    resource_type: &'a str,
    resource: Option<Uuid>,
}

impl<'a> About<'a> {
    fn of(cx: &'a RequestContext, act: &'static str, resource_type: &'a str, resource: Option<Uuid>) -> Self {
        Self { request_id: &cx.request_id, trace: Some(&cx.trace), act, resource_type, resource }
    }

    fn after(message: &'a Message) -> Self {
        let Cause { request_id, operation, resource_type, id, .. } = &message.cause;
        Self { request_id, trace: None, act: operation.as_str(), resource_type, resource: Some(*id) }
    }
}

impl Plugin {
    fn name(&self) -> &str {
        &self.config.name.0
    }

    fn consulted(&self, group: HookGroup) -> Consulted {
        let version = self.loaded().map(|loaded| loaded.version.clone()).unwrap_or_default();
        Consulted {
            attribution: Attribution { plugin: self.config.name.clone(), version },
            group,
            on_fault: self.config.on_fault.at(group),
            may_write: self.may_write.clone(),
        }
    }

    fn ready(&self) -> Result<(&Arc<Identity>, &Loaded), Fault> {
        match &self.standing {
            Standing::Ready { identity, loaded } => Ok((identity, loaded)),
            Standing::Quarantined { reason } => Err(unavailable(reason.clone())),
            Standing::Disabled => Err(unavailable("the plugin is switched off")),
        }
    }

    fn lacks(&self, group: HookGroup) -> Fault {
        unavailable(format!("plugin `{}` exports no `{group}`", self.config.name))
    }
}

/// What every hook is told about its request.
struct Told<'a> {
    request_id: &'a str,
    realm: Realm,
    operation: wire::Operation,
    resource_type: &'a str,
    resource_id: Option<String>,
    actor: &'a Actor,
    attempt: u32,
    now: Timestamp,
    dry_run: bool,
}

impl<'a> Told<'a> {
    fn of(cx: &'a RequestContext, act: Act, resource_type: &'a str) -> Self {
        let operation = encode::act(act);
        Self { operation, resource_type, ..Self::of_job(cx) }
    }

    fn of_job(cx: &'a RequestContext) -> Self {
        Self {
            request_id: &cx.request_id,
            realm: cx.realm,
            operation: wire::Operation::Run,
            resource_type: "",
            resource_id: None,
            actor: &cx.actor,
            attempt: 1,
            now: cx.now,
            dry_run: cx.dry_run,
        }
    }

    fn afterwards(message: &'a Message, attempt: u32) -> Self {
        let cause = &message.cause;
        Self {
            request_id: &cause.request_id,
            realm: Realm::DEFAULT,
            operation: encode::operation(cause.operation),
            resource_type: &cause.resource_type,
            resource_id: Some(cause.id.to_string()),
            actor: &cause.actor,
            attempt,
            now: Timestamp::from_millisecond(cause.at_ms).unwrap_or_default(),
            dry_run: false,
        }
    }

    fn context(self, remaining_ms: u32) -> wire::Context {
        wire::Context {
            request_id: self.request_id.to_owned(),
            realm: self.realm.to_string(),
            operation: self.operation,
            resource_type: self.resource_type.to_owned(),
            resource_id: self.resource_id,
            caller: encode::caller(self.actor),
            attempt: self.attempt,
            remaining_ms,
            dry_run: self.dry_run,
            now_ms: millis(self.now.as_millisecond()),
            attributes: Vec::new(),
        }
    }
}

fn effects(guest: Guest) -> Effects {
    Effects { messages: guest.messages, state: guest.state.into_values().collect() }
}

fn reported(failure: wire::Failure) -> Trouble {
    Trouble::Error { message: failure.message, retryable: failure.retryable }
}

/// Trying again cannot help.
fn refused(message: &str) -> Trouble {
    Trouble::Error { message: message.to_owned(), retryable: false }
}

fn unavailable(why: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Unavailable, why)
}

fn target(message: &Message) -> String {
    format!("target `{}`", message.target)
}

/// A time before 1970 is told as 1970.
fn millis(at: i64) -> u64 {
    u64::try_from(at).unwrap_or(0)
}
