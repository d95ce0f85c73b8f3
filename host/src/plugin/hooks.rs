//! The plugins as the pipeline and the workers know them: [`Hooks`], with real guests.

use std::time::Instant;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use provost_scim::{Attributes, Resource, ResourceType};
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::fault::unavailable;
use super::meter;
use super::set::{Plugin, PluginSet, Standing};
use super::status::Record;
use crate::context::RequestContext;
use crate::hook::{
    Act, Cause, Change, Committed, Consulted, Decision, Effects, Fault, FaultKind, HookGroup, Hooks, Inquiry, JobPlan,
    JobRun, Message, OwnRights, PluginName, Trouble, Verdict,
};
use crate::trace::{Ending, Step, Trace};

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
