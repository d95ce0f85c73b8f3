//! The write path: create, replace, patch, delete.
//!
//! Each is a public function, which asks permission, checks what the client sent and takes turns,
//! and a private one, which is a single attempt from current state to commit. After a version
//! clash the attempt is made again from nothing: ids, times and verdicts are settled anew.

use std::sync::Arc;

use provost_scim::patch::{self, PatchRequest};
use provost_scim::version::EntityTags;
use provost_scim::{Draft, Projection, Resource, ResourceType, Stamp, check, project, validate};
use serde_json::Value;
use uuid::Uuid;

use super::gate::{Outlook, Passed};
use super::guard::Place;
use super::membership::Asking;
use super::review::Reviewed;
use super::{Answer, Pipeline, ReadError, WriteError};
use crate::access::{self, Action};
use crate::context::{RequestContext, new_id};
use crate::hook::{Act, Change, MembershipChange, Operation, PluginName, Texts};
use crate::store::Write;
use crate::trace::Trial;

/// What must be true of the resource's version for a write to go on (RFC 7644 section 3.14).
#[derive(Debug, Clone, Default)]
pub struct Precondition {
    /// The version must be among these.
    pub if_match: Option<EntityTags>,
    /// The version must not be among these.
    pub if_none_match: Option<EntityTags>,
}

/// Which resource a write means, and in which state.
#[derive(Debug, Clone)]
pub struct At {
    /// Its type.
    pub resource_type: Arc<ResourceType>,
    /// Its id.
    pub id: Uuid,
    /// What must be true of its version.
    pub precondition: Precondition,
}

impl Precondition {
    fn check(&self, current: &Resource) -> Result<(), WriteError> {
        let version = current.version();
        let kept = self.if_match.as_ref().is_none_or(|tags| tags.matches(version))
            && self.if_none_match.as_ref().is_none_or(|tags| !tags.matches(version));
        if kept { Ok(()) } else { Err(WriteError::Precondition) }
    }
}

impl Pipeline {
    /// Asks what stands before a create's body, for a body that cannot be read.
    ///
    /// # Errors
    /// Only [`WriteError::Forbidden`].
    pub fn may_write(&self, cx: &RequestContext) -> Result<(), WriteError> {
        Ok(access::allow(cx, Action::Write)?)
    }

    /// Asks what stands before a change's body, for a body that cannot be read: permission, that
    /// the resource exists, and the precondition, in this order (checklist S-19.8).
    ///
    /// # Errors
    /// Why the change would not be made whatever its body says.
    pub async fn may_change(&self, cx: &RequestContext, at: &At, operation: Operation) -> Result<(), WriteError> {
        access::allow(cx, Action::Write)?;

        self.current(cx, at, operation).await.map(|_| ())
    }

    /// Creates a resource (RFC 7644 section 3.3).
    ///
    /// # Errors
    /// Nothing is stored, sent or remembered when this fails.
    pub async fn create(
        &self,
        cx: &RequestContext,
        resource_type: &Arc<ResourceType>,
        body: Value,
        projection: &Projection,
    ) -> Result<Answer, WriteError> {
        access::allow(cx, Action::Write)?;

        let passed = self.pass(cx, Act::Change(Operation::Create), resource_type).await?;
        let supplied = project::supplied(resource_type, &body);
        let asked = check::create(body, resource_type, &self.leniency(cx))?;
        let outlook = Outlook::of(Act::Change(Operation::Create));
        self.foresee(cx, &outlook, resource_type, projection).await?;
        let mut turn = self.turns.create();
        loop {
            match self.try_create(cx, &outlook, &passed, asked.clone(), turn.attempt()).await {
                Err(WriteError::Clash) => turn.again().await?,
                // Nobody can be in a group before it exists.
                stored => {
                    return Ok(self.show(cx, &outlook, &stored?, projection, &supplied, None).await?);
                }
            }
        }
    }

    async fn try_create(
        &self,
        cx: &RequestContext,
        outlook: &Outlook,
        passed: &Passed,
        asked: Draft,
        attempt: u32,
    ) -> Result<Resource, WriteError> {
        let id = new_id(cx.now);
        let stamp = Stamp { id, version: 1, created: cx.now, last_modified: cx.now };
        let operation = Operation::Create;
        let proposal = Proposal { operation, current: None, passed, asked, operations: None, stamp, attempt };
        self.settle(cx, outlook, proposal).await
    }

    /// Replaces a resource (RFC 7644 section 3.5.1).
    ///
    /// # Errors
    /// Nothing is stored, sent or remembered when this fails.
    pub async fn replace(
        &self,
        cx: &RequestContext,
        at: &At,
        body: Value,
        projection: &Projection,
    ) -> Result<Answer, WriteError> {
        access::allow_on(cx, Action::Write, at.id)?;

        let supplied = project::supplied(&at.resource_type, &body);
        let outlook = Outlook::of(Act::Change(Operation::Replace));
        let mut turn = self.turns.take(at.id).await;
        loop {
            match self.try_replace(cx, &outlook, at, body.clone(), projection, turn.attempt()).await {
                Err(WriteError::Clash) => turn.again().await?,
                stored => {
                    let (stored, groups) = stored?;
                    return Ok(self.show(cx, &outlook, &stored, projection, &supplied, groups).await?);
                }
            }
        }
    }

    async fn try_replace(
        &self,
        cx: &RequestContext,
        outlook: &Outlook,
        at: &At,
        body: Value,
        projection: &Projection,
        attempt: u32,
    ) -> Result<(Resource, Option<Vec<Value>>), WriteError> {
        let operation = Operation::Replace;
        let (current, passed) = self.current(cx, at, operation).await?;
        let groups = self.groups_ahead(cx, outlook, at, projection).await?;
        let asked = check::replace(&current, body, &self.leniency(cx))?;
        let (stamp, current, passed) = (next(cx, &current), Some(current), &passed);
        let proposal = Proposal { operation, current, passed, asked, operations: None, stamp, attempt };
        Ok((self.settle(cx, outlook, proposal).await?, groups))
    }

    /// Modifies a resource (RFC 7644 section 3.5.2).
    ///
    /// # Errors
    /// Nothing is stored, sent or remembered when this fails.
    pub async fn patch(
        &self,
        cx: &RequestContext,
        at: &At,
        body: Value,
        projection: &Projection,
    ) -> Result<Answer, WriteError> {
        access::allow_on(cx, Action::Write, at.id)?;

        let mut operations = match PatchRequest::parse(body, &self.leniency(cx)) {
            Ok(operations) => operations,
            Err(invalid) => {
                self.current(cx, at, Operation::Patch).await?;
                return Err(invalid.into());
            }
        };
        let supplied = patch::supplied(&operations, &at.resource_type);
        if cx.overhead_bypass {
            operations.retain(|operation| !operation.selects_members_by_display(&at.resource_type));
        }
        let outlook = Outlook::of(Act::Change(Operation::Patch));
        let mut turn = self.turns.take(at.id).await;
        loop {
            match self.try_patch(cx, &outlook, at, &operations, projection, turn.attempt()).await {
                Err(WriteError::Clash) => turn.again().await?,
                stored => {
                    let (stored, groups) = stored?;
                    return Ok(self.show(cx, &outlook, &stored, projection, &supplied, groups).await?);
                }
            }
        }
    }

    async fn try_patch(
        &self,
        cx: &RequestContext,
        outlook: &Outlook,
        at: &At,
        operations: &[patch::Operation],
        projection: &Projection,
        attempt: u32,
    ) -> Result<(Resource, Option<Vec<Value>>), WriteError> {
        let operation = Operation::Patch;
        let (current, passed) = self.current(cx, at, operation).await?;
        let groups = self.groups_ahead(cx, outlook, at, projection).await?;
        let asked = patch::apply(current.to_draft(), Some(&current), operations, &self.leniency(cx))?;
        let operations = Some(patch::normalised(operations, &at.resource_type));
        let (stamp, current, passed) = (next(cx, &current), Some(current), &passed);
        let proposal = Proposal { operation, current, passed, asked, operations, stamp, attempt };
        Ok((self.settle(cx, outlook, proposal).await?, groups))
    }

    /// Deletes a resource, and with it every membership it had (RFC 7644 section 3.6).
    ///
    /// # Errors
    /// Nothing is deleted, sent or remembered when this fails.
    pub async fn delete(&self, cx: &RequestContext, at: &At) -> Result<(), WriteError> {
        access::allow_on(cx, Action::Delete, at.id)?;

        let mut turn = self.turns.take(at.id).await;
        loop {
            match self.try_delete(cx, at, turn.attempt()).await {
                Err(WriteError::Clash) => turn.again().await?,
                deleted => return deleted,
            }
        }
    }

    async fn try_delete(&self, cx: &RequestContext, at: &At, attempt: u32) -> Result<(), WriteError> {
        let (current, _) = self.current(cx, at, Operation::Delete).await?;
        let total_before = match at.resource_type.has_members {
            true => self.store.member_count(cx.realm, at.id).await?,
            false => 0,
        };
        let change = Change {
            operation: Operation::Delete,
            resource_type: at.resource_type.name.clone(),
            id: at.id,
            current: Some(current),
            proposed: None,
            operations: None,
            changed_paths: Vec::new(),
            membership: MembershipChange { total_before, ..MembershipChange::default() },
            attempt,
            texts: Texts::default(),
        };
        let reviewed = self.review(cx, &Asking::nothing(), change).await?;
        self.commit(cx, reviewed, None).await
    }

    /// The way that create, replace and patch share: reviews, validation, commit.
    async fn settle(
        &self,
        cx: &RequestContext,
        outlook: &Outlook,
        proposal: Proposal<'_>,
    ) -> Result<Resource, WriteError> {
        let Proposal { operation, current, passed, mut asked, operations, stamp, attempt } = proposal;
        self.weigh_password(cx, current.as_ref(), &mut asked).await?;
        let group = current.as_ref().map(Resource::id);
        let asking = Asking::of(outlook, &asked);
        let membership = self.membership(cx, &asking, group, &asked, &self.leniency(cx)).await?;
        let mut change = Change {
            operation,
            resource_type: asked.resource_type.name.clone(),
            id: stamp.id,
            current,
            proposed: Some(asked),
            operations,
            changed_paths: Vec::new(),
            membership,
            attempt,
            texts: Texts::default(),
        };
        change.note_changed_paths();
        self.hold_to_capacity(cx, &mut change)?;

        let reviewed = self.review(cx, &asking, change).await?;
        let outcome = reviewed.change.proposed.clone().expect("only a delete proposes nothing, and this is none");
        let resource = validate(self.sealed(outcome).await?, stamp)?;
        if let Some(by) = self.excluded_by(cx, passed, &resource, Some(&reviewed.change.membership)).await? {
            return Err(WriteError::Outside { by: by.clone() });
        }
        match &reviewed.change.current {
            Some(current) if unchanged(current, &resource, &reviewed.change.membership) => {
                // Somebody may have made this very change a moment ago: it is acknowledged here too.
                self.disk.barrier(&self.store).await?;
                Ok(current.clone())
            }
            _ => {
                self.commit(cx, reviewed, Some(resource.clone())).await?;
                Ok(resource)
            }
        }
    }

    async fn commit(&self, cx: &RequestContext, reviewed: Reviewed, after: Option<Resource>) -> Result<(), WriteError> {
        let Reviewed { change, effects, changed_by } = reviewed;
        let trial = cx.dry_run.then(|| Trial {
            changed_paths: change.changed_paths.clone(),
            membership: change.membership.clone(),
            messages: Trial::messages(&effects),
        });
        let place = self.take_place(cx, &change, after.as_ref()).await?;
        let observers = self.hooks(cx).observers(&change);
        let group_observers = self.group_observers(cx, &change);
        let write = Write {
            realm: cx.realm,
            request_id: cx.request_id.clone(),
            actor: cx.actor.clone(),
            trail: cx.trail.clone(),
            now: cx.now,
            operation: change.operation,
            before: change.current,
            after,
            membership: change.membership,
            changed_paths: change.changed_paths,
            effects,
            observers,
            group_observers,
            changed_by,
        };
        match trial {
            Some(trial) => {
                self.store.weigh(&write).await?;
                cx.trace.tried(trial);
            }
            None => {
                self.disk.commit(&self.store, write).await?;
                place.into_iter().for_each(Place::keep);
            }
        }
        Ok(())
    }

    /// Who hears of the groups that a deleted resource leaves: for them it is a patch of their members.
    fn group_observers(&self, cx: &RequestContext, change: &Change) -> Vec<PluginName> {
        let group = self.schemas.resource_types.iter().find(|of| of.has_members);
        match (change.operation, group) {
            (Operation::Delete, Some(group)) => self.hooks(cx).observers(&Change {
                operation: Operation::Patch,
                resource_type: group.name.clone(),
                changed_paths: vec!["members".to_owned()],
                ..change.clone()
            }),
            _ => Vec::new(),
        }
    }

    /// The resource as it is now, if it exists for the caller and the precondition lets the write go
    /// on; and what the gatekeepers leave of its type.
    async fn current(
        &self,
        cx: &RequestContext,
        at: &At,
        operation: Operation,
    ) -> Result<(Resource, Passed), WriteError> {
        let current = self.store.get(cx.realm, &at.resource_type, at.id).await?;
        let (current, passed) = self.admit(cx, Act::Change(operation), &at.resource_type, current).await?;
        at.precondition.check(&current)?;
        match self.settings.require_if_match && at.precondition.if_match.is_none() {
            true => Err(WriteError::PreconditionRequired),
            false => Ok((current, passed)),
        }
    }

    /// The groups that the answer will show. A write does not change them, so they are read first:
    /// if they cannot be told, nothing is changed.
    async fn groups_ahead(
        &self,
        cx: &RequestContext,
        outlook: &Outlook,
        at: &At,
        projection: &Projection,
    ) -> Result<Option<Vec<Value>>, WriteError> {
        self.foresee(cx, outlook, &at.resource_type, projection).await?;
        let groups = self.groups(cx, outlook, &[(&at.resource_type, at.id)], projection).await;
        groups.map(|mut groups| groups.pop().flatten()).map_err(|error| match error {
            ReadError::Store(_) => WriteError::Unanswerable(error),
            error => error.into(),
        })
    }
}

/// What one attempt would like to do.
struct Proposal<'a> {
    operation: Operation,
    current: Option<Resource>,
    passed: &'a Passed,
    asked: Draft,
    operations: Option<Value>,
    stamp: Stamp,
    attempt: u32,
}

/// The stamp of the state after `current`. Time never runs backwards for a resource.
fn next(cx: &RequestContext, current: &Resource) -> Stamp {
    let stamp = current.stamp();
    Stamp { version: stamp.version + 1, last_modified: stamp.last_modified.max(cx.now), ..stamp }
}

/// A write that changes nothing makes no version and no event (checklist S-16.9, S-15.13).
fn unchanged(current: &Resource, after: &Resource, membership: &MembershipChange) -> bool {
    membership.is_empty() && current.attributes() == after.attributes()
}
