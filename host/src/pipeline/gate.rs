//! Who may do and see what: what the gatekeepers decide, made into something that holds.
//!
//! Each is asked in the operator's order, and the first refusal is final. What they narrow to
//! becomes bound filters that must all hold, so no filter's wording can widen another's. What lies
//! outside of them does not exist for the caller: it is not found, not counted, and not shown
//! inside other resources.
//!
//! The type that a request is about is asked for by the request's own act. Types that are only
//! shown inside others are asked for as in a search: when the first of them turns up, and once.

use std::sync::Arc;

use provost_scim::filter::{Bound, Filter};
use provost_scim::{Leniency, Member, Resource, ResourceType, Switch};
use tokio::sync::Mutex;
use tracing::warn;

use super::{Pipeline, ReadError};
use crate::context::{Capacity, RequestContext};
use crate::hook::{
    Act, Attribution, Consulted, Decision, Fault, FaultKind, Inquiry, MembershipChange, OnFault, Refusal, Trouble,
};
use crate::store::{Share, Sight};

/// What the gatekeepers leave of one resource type: what all of these filters match.
#[derive(Debug, Clone, Default)]
pub(super) struct Passed(Vec<(Attribution, Arc<Bound>)>);

impl Passed {
    /// The filters as one; nothing, if everything is left.
    pub(super) fn within(&self) -> Option<Arc<Bound>> {
        match self.0.as_slice() {
            [] => None,
            [(_, only)] => Some(only.clone()),
            several => Some(Arc::new(Bound::And(several.iter().map(|(_, one)| (**one).clone()).collect()))),
        }
    }
}

/// A gatekeeper's refusal.
#[derive(Debug, Clone)]
pub(super) struct Barred {
    by: Attribution,
    refusal: Refusal,
}

impl From<Barred> for ReadError {
    fn from(Barred { by, refusal }: Barred) -> Self {
        Self::Refused { by, refusal }
    }
}

/// What one operation's caller may see when looking around: what was asked so far, by the types' numbers.
pub(super) struct Outlook {
    /// What the operation is.
    pub(super) act: Act,
    asked: Mutex<Vec<(u16, Result<Passed, Barred>)>>,
}

impl Outlook {
    /// Nothing was asked yet.
    pub(super) fn of(act: Act) -> Self {
        Self { act, asked: Mutex::default() }
    }
}

impl Pipeline {
    /// Who is asked. What a plugin does by itself is held to its grant: no rule about callers knows it.
    fn gatekeepers(&self, cx: &RequestContext, act: Act, of: &ResourceType) -> Vec<Consulted> {
        match cx.capacity {
            Capacity::Plugin => Vec::new(),
            Capacity::Client | Capacity::Owner(_) | Capacity::Applicant { .. } => {
                self.hooks(cx).gatekeepers(act, &of.name)
            }
        }
    }

    /// What the gatekeepers say to one act. The outer error is that they could not be asked.
    async fn judge(
        &self,
        cx: &RequestContext,
        act: Act,
        of: &ResourceType,
        target: Option<&Resource>,
    ) -> Result<Result<Passed, Barred>, ReadError> {
        let hooks = self.hooks(cx);
        let mut passed = Passed::default();
        for gatekeeper in &self.gatekeepers(cx, act, of) {
            let by = || gatekeeper.attribution.clone();
            let inquiry = Inquiry { act, resource_type: &of.name, target };
            let narrowed = match hooks.decide(gatekeeper, cx, inquiry).await {
                Ok(Decision::Deny(refusal)) => return Ok(Err(Barred { by: by(), refusal })),
                Ok(Decision::Allow) => continue,
                Ok(Decision::Narrow(text)) => bound(&text, of).map_err(|fault| {
                    hooks.blame(gatekeeper, &fault);
                    fault.into()
                }),
                Err(trouble) => Err(trouble),
            };
            match narrowed {
                Ok(filter) => passed.0.push((by(), Arc::new(filter))),
                Err(trouble) => refuse_or_skip(cx, gatekeeper, trouble)?,
            }
        }
        Ok(Ok(passed))
    }

    /// Asks for an act on no resource that is there already: a create.
    ///
    /// # Errors
    /// A gatekeeper's refusal, or that one could not tell.
    pub(super) async fn pass(&self, cx: &RequestContext, act: Act, of: &ResourceType) -> Result<Passed, ReadError> {
        Ok(self.judge(cx, act, of, None).await??)
    }

    /// Asks for an act on one resource, as it is stored.
    ///
    /// # Errors
    /// A gatekeeper's refusal, or that one could not tell; [`ReadError::NotFound`] when the resource
    /// does not exist for the caller, or at all.
    pub(super) async fn admit(
        &self,
        cx: &RequestContext,
        act: Act,
        of: &ResourceType,
        resource: Option<Resource>,
    ) -> Result<(Resource, Passed), ReadError> {
        let resource = resource.ok_or_else(|| absent(cx, of))?;
        let passed = self.judge(cx, act, of, Some(&resource)).await??;
        match self.excluded_by(cx, &passed, &resource, None).await? {
            Some(_) => Err(absent(cx, of)),
            None => Ok((resource, passed)),
        }
    }

    /// The first plugin outside of whose filter the resource lies, as it is or as it would be.
    pub(super) async fn excluded_by<'p>(
        &self,
        cx: &RequestContext,
        passed: &'p Passed,
        resource: &Resource,
        change: Option<&MembershipChange>,
    ) -> Result<Option<&'p Attribution>, ReadError> {
        for (by, filter) in &passed.0 {
            if !self.store.holds(cx.realm, filter, resource, change).await? {
                return Ok(Some(by));
            }
        }
        Ok(None)
    }

    /// Asks for a search of one type; once, however often it is needed.
    ///
    /// # Errors
    /// The outer one: a gatekeeper could not tell.
    pub(super) async fn look(
        &self,
        cx: &RequestContext,
        outlook: &Outlook,
        of: &ResourceType,
    ) -> Result<Result<Passed, Barred>, ReadError> {
        if self.gatekeepers(cx, Act::Search, of).is_empty() {
            return Ok(Ok(Passed::default()));
        }
        let mut asked = outlook.asked.lock().await;
        if let Some((_, known)) = asked.iter().find(|(number, _)| *number == of.number) {
            return Ok(known.clone());
        }
        let judged = self.judge(cx, Act::Search, of, None).await?;
        asked.push((of.number, judged.clone()));
        Ok(judged)
    }

    /// Those of the types selected that a gatekeeper must be asked about before they are looked at.
    pub(super) fn guarded(&self, cx: &RequestContext, of: impl Fn(&ResourceType) -> bool) -> Vec<Arc<ResourceType>> {
        let guarded = |of: &&Arc<ResourceType>| !self.gatekeepers(cx, Act::Search, of).is_empty();
        self.schemas.resource_types.iter().filter(guarded).filter(|one| of(one)).cloned().collect()
    }

    /// What exists of these types where they are shown inside others. A type that may not be
    /// searched does not.
    ///
    /// # Errors
    /// When a gatekeeper could not tell.
    pub(super) async fn sight(
        &self,
        cx: &RequestContext,
        outlook: &Outlook,
        guarded: Vec<Arc<ResourceType>>,
    ) -> Result<Sight, ReadError> {
        let mut sight = Sight::default();
        for of in &guarded {
            let share = match self.look(cx, outlook, of).await? {
                Ok(passed) => passed.within().map_or(Share::Whole, Share::Part),
                Err(_) => Share::Nothing,
            };
            sight.limit(of.number, share);
        }
        Ok(sight)
    }

    /// Those of these members that exist for the caller.
    ///
    /// # Errors
    /// When a gatekeeper or the store could not tell.
    pub(super) async fn existing(
        &self,
        cx: &RequestContext,
        outlook: &Outlook,
        members: Vec<Member>,
    ) -> Result<Vec<Member>, ReadError> {
        let is_among = |of: &ResourceType| members.iter().any(|m| m.resource_type.as_deref() == Some(&*of.name));
        let sight = self.sight(cx, outlook, self.guarded(cx, is_among)).await?;
        Ok(self.store.only_existing(cx.realm, &sight, members).await?)
    }
}

/// There is none; to the owner of a resource that does not exist, that nobody is here.
fn absent(cx: &RequestContext, of: &ResourceType) -> ReadError {
    match cx.capacity {
        Capacity::Owner(_) => ReadError::Nobody,
        Capacity::Client | Capacity::Applicant { .. } | Capacity::Plugin => {
            ReadError::NotFound { resource_type: of.name.clone() }
        }
    }
}

/// A plugin's filter. Names that the type does not have are never forgiven here: an attribute that
/// is merely unknown would make a `not` true, and so widen what may be seen.
fn bound(text: &str, of: &ResourceType) -> Result<Bound, Fault> {
    let mut leniency = Leniency::default();
    leniency.turn(Switch::FilterUnknownAttrFalse, false);
    let filter = Filter::parse_with(text, &leniency).and_then(|filter| filter.bind(of, &leniency));
    let fault = |invalid| Fault::new(FaultKind::Output, format!("its filter for {} is none: {invalid}", of.name));
    filter.map_err(fault)
}

/// What the operator chose for a gatekeeper that gave no usable answer.
fn refuse_or_skip(cx: &RequestContext, gatekeeper: &Consulted, trouble: Trouble) -> Result<(), ReadError> {
    let by = gatekeeper.attribution.clone();
    match gatekeeper.on_fault {
        OnFault::Refuse => Err(ReadError::Troubled { by, trouble }),
        OnFault::Skip => {
            warn!(
                plugin.name = %by.plugin, request.id = %cx.request_id, %trouble,
                "plugin `{}` could not say what may be seen; the request goes on without it", by.plugin
            );
            Ok(())
        }
    }
}
