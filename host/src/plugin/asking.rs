//! What is asked of a guest, a hook at a time: what it is told, and what its answer means.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use jiff::Timestamp;
use provost_scim::{Attributes, ResourceType, changed_paths};
use serde_json::Value;

use super::bindings::deliver::exports::provost::plugin::deliver as wire_deliver;
use super::bindings::schedule::exports::provost::plugin::schedule as wire_schedule;
use super::bindings::wit::types as wire;
use super::call::Call;
use super::encode::{self, Visible};
use super::fault::{not_started, unavailable};
use super::guest::{Guest, Identity, Occasion, Phase};
use super::set::{Plugin, PluginSet, Standing};
use crate::context::{Actor, Realm, RequestContext};
use crate::hook::{
    Act, Change, Committed, Decision, Effects, Fault, HookGroup, Inquiry, JobRun, Message, Trail, Trouble, Verdict,
    Work,
};
use crate::limits::HTTP_ANSWER_BYTES_MAX;
use crate::outbound::{Policy, Request};
use crate::trace::Trace;

/// The header by which a receiver recognises a request it has seen before.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

impl PluginSet {
    pub(super) async fn ask(
        &self,
        plugin: &Plugin,
        cx: &RequestContext,
        change: &Change,
    ) -> Result<(Verdict, Effects), Trouble> {
        let (identity, loaded) = plugin.ready()?;
        let hook = loaded.before_write.as_ref().ok_or_else(|| plugin.lacks(HookGroup::BeforeWrite))?;
        let told = encode::change(change, &identity.sight, plugin.config.grant.shows_password());
        let call = self
            .begin(plugin, identity, HookGroup::BeforeWrite, Occasion::of(cx, Phase::BeforeWrite), identity.bounds.hook)
            .await?;
        let context = Told {
            // Not told before the commit that makes it true.
            resource_id: change.current.as_ref().map(|current| current.id().to_string()),
            attempt: change.attempt,
            ..Told::of(cx, Act::Change(change.operation), &change.resource_type)
        }
        .context(call.remaining_ms());

        let hook = hook.clone();
        let answer = call.run(move |store| {
            async move {
                let instance = hook.instantiate_async(&mut *store).await.map_err(not_started)?;
                instance.provost_plugin_before_write().call_review(&mut *store, &context, &told).await
            }
            .boxed()
        });
        let (answer, guest) = answer.await?;
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

    pub(super) async fn judge(
        &self,
        plugin: &Plugin,
        cx: &RequestContext,
        inquiry: Inquiry<'_>,
    ) -> Result<Decision, Trouble> {
        let (identity, loaded) = plugin.ready()?;
        let hook = loaded.access.as_ref().ok_or_else(|| plugin.lacks(HookGroup::Access))?;
        let target = inquiry.target.map(|target| encode::resource(target, &identity.sight));
        let call = self
            .begin(plugin, identity, HookGroup::Access, Occasion::of(cx, Phase::Answering), identity.bounds.hook)
            .await?;
        let asked = Told::of(cx, inquiry.act, inquiry.resource_type);
        let resource_id = inquiry.target.map(|target| target.id().to_string());
        let context = Told { resource_id, ..asked }.context(call.remaining_ms());

        let hook = hook.clone();
        let answer = call.run(move |store| {
            async move {
                let instance = hook.instantiate_async(&mut *store).await.map_err(not_started)?;
                instance.provost_plugin_access().call_decide(&mut *store, &context, target.as_ref()).await
            }
            .boxed()
        });
        let (answer, _guest) = answer.await?;
        Ok(encode::decision(answer.map_err(reported)?, identity.bounds.output_bytes)?)
    }

    pub(super) async fn reshape(
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
        let call = self
            .begin(plugin, identity, HookGroup::Shape, Occasion::of(cx, Phase::Answering), identity.bounds.hook)
            .await?;
        let context = Told::of(cx, act, &resource_type.name).context(call.remaining_ms());

        let hook = hook.clone();
        let answer = call.run(move |store| {
            async move {
                let instance = hook.instantiate_async(&mut *store).await.map_err(not_started)?;
                instance.provost_plugin_shape().call_shape(&mut *store, &context, &told).await
            }
            .boxed()
        });
        let (answer, _guest) = answer.await?;
        let mut shaped = encode::shaped(answer.map_err(reported)?, documents.len(), identity.bounds.output_bytes)?;
        for (answer, document) in shaped.iter_mut().zip(documents) {
            identity.sight.restore(answer, || Visible::of(document, resource_type).document(), resource_type);
        }
        Ok(shaped)
    }

    pub(super) async fn work(&self, plugin: &Plugin, cx: &RequestContext, run: &JobRun) -> Result<String, Trouble> {
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
        let call = self.begin(plugin, identity, HookGroup::Schedule, occasion, allowed).await?;
        let context = Told { attempt: run.attempt, ..Told::of_job(cx) }.context(call.remaining_ms());

        let hook = hook.clone();
        let answer = call.run(move |store| {
            async move {
                let instance = hook.instantiate_async(&mut *store).await.map_err(not_started)?;
                instance.provost_plugin_schedule().call_run(&mut *store, &context, &told).await
            }
            .boxed()
        });
        let (answer, _guest) = answer.await?;
        Ok(encode::report(answer.map_err(reported)?))
    }

    pub(super) async fn tell(
        &self,
        plugin: &Plugin,
        message: &Message,
        change: &Committed,
        attempt: u32,
    ) -> Result<(), Trouble> {
        let (identity, loaded) = plugin.ready()?;
        // It no longer observes: there is nobody to tell.
        let Some(hook) = loaded.observe.as_ref() else { return Ok(()) };
        let (sequence, told) = (change.sequence, encode::committed(change, &identity.sight));
        let call = self
            .begin(plugin, identity, HookGroup::Observe, self.afterwards(message), identity.bounds.delivery)
            .await?;
        let context = Told::afterwards(message, attempt).context(call.remaining_ms());

        let hook = hook.clone();
        let answer = call.run(move |store| {
            async move {
                let instance = hook.instantiate_async(&mut *store).await.map_err(not_started)?;
                instance.provost_plugin_observe().call_observe(&mut *store, &context, sequence, &told).await
            }
            .boxed()
        });
        let (answer, _guest) = answer.await?;
        answer.map_err(reported)
    }

    pub(super) async fn hand_over(&self, plugin: &Plugin, message: &Message, attempt: u32) -> Result<(), Trouble> {
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
        let call = self
            .begin(plugin, identity, HookGroup::Deliver, self.afterwards(message), identity.bounds.delivery)
            .await?;
        let context = Told::afterwards(message, attempt).context(call.remaining_ms());

        let hook = hook.clone();
        let answer = call.run(move |store| {
            async move {
                let instance = hook.instantiate_async(&mut *store).await.map_err(not_started)?;
                instance.provost_plugin_deliver().call_deliver(&mut *store, &context, &told).await
            }
            .boxed()
        });
        let (answer, _guest) = answer.await?;
        answer.map_err(reported)
    }

    /// Sends an enqueued request. The grants are the operator's, so this works while the component
    /// itself is quarantined.
    pub(super) async fn send_request(&self, plugin: &Plugin, message: &Message) -> Result<(), Trouble> {
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

fn target(message: &Message) -> String {
    format!("target `{}`", message.target)
}

/// A time before 1970 is told as 1970.
fn millis(at: i64) -> u64 {
    u64::try_from(at).unwrap_or(0)
}
