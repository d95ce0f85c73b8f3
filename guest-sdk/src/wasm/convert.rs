//! From the bindings' types to the SDK's, and back.

use std::time::Duration;

use super::access::exports::provost::plugin::access as wit_access;
use super::deliver::exports::provost::plugin::deliver as wit_deliver;
use super::imports::provost::plugin::types as wit;
use super::lifecycle::exports::provost::plugin::lifecycle as wit_lifecycle;
use super::schedule::exports::provost::plugin::schedule as wit_schedule;
use crate::change::Parts;
use crate::{
    Caller, Change, Context, Decision, Failure, Finding, Hold, Job, Member, MembershipChange, Message, Operation,
    Refusal, RefusalStatus, ScimType, Verdict,
};

pub(super) fn change(ctx: wit::Context, change: wit::Change) -> Result<Change, Failure> {
    let parts = Parts {
        current: change.current,
        proposed: change.proposed,
        operations: change.operations,
        changed_paths: change.changed_paths,
        membership: change.membership.map(Into::into),
    };
    Ok(Change::from_parts(context(ctx)?, parts))
}

pub(super) fn message(ctx: wit::Context, message: wit_deliver::Message) -> Result<Message, Failure> {
    Ok(Message {
        key: message.key,
        target: message.target,
        payload: message.payload,
        headers: pairs(message.headers),
        enqueued_ms: message.enqueued_ms,
        context: context(ctx)?,
    })
}

pub(super) fn context(ctx: wit::Context) -> Result<Context, Failure> {
    Ok(Context {
        request_id: ctx.request_id,
        realm: ctx.realm,
        operation: ctx.operation.into(),
        resource_type: ctx.resource_type,
        resource_id: ctx.resource_id,
        caller: Caller {
            subject: ctx.caller.subject,
            client: ctx.caller.client,
            scopes: ctx.caller.scopes,
            claims: serde_json::from_str(&ctx.caller.claims)?,
        },
        attempt: ctx.attempt,
        remaining: Duration::from_millis(ctx.remaining_ms.into()),
        dry_run: ctx.dry_run,
        now_ms: ctx.now_ms,
        attributes: pairs(ctx.attributes),
    })
}

pub(super) fn job(ctx: wit::Context, occasion: wit_schedule::Occasion) -> Result<Job, Failure> {
    Ok(Job {
        name: occasion.job,
        due_ms: occasion.due_ms,
        last_success_ms: occasion.last_success_ms,
        by_hand: occasion.by_hand,
        context: context(ctx)?,
    })
}

pub(super) fn pairs(pairs: Vec<wit::Pair>) -> Vec<(String, String)> {
    pairs.into_iter().map(|pair| (pair.name, pair.value)).collect()
}

pub(super) fn to_pairs(pairs: Vec<(String, String)>) -> Vec<wit::Pair> {
    pairs.into_iter().map(|(name, value)| wit::Pair { name, value }).collect()
}

impl From<wit::Operation> for Operation {
    fn from(operation: wit::Operation) -> Self {
        match operation {
            wit::Operation::Create => Self::Create,
            wit::Operation::Replace => Self::Replace,
            wit::Operation::Patch => Self::Patch,
            wit::Operation::Delete => Self::Delete,
            wit::Operation::Read => Self::Read,
            wit::Operation::Search => Self::Search,
            wit::Operation::Run => Self::Run,
        }
    }
}

impl From<wit::Member> for Member {
    fn from(member: wit::Member) -> Self {
        Self { id: member.id, resource_type: member.resource_type }
    }
}

impl From<wit::MembershipChange> for MembershipChange {
    fn from(change: wit::MembershipChange) -> Self {
        Self {
            added: change.added.into_iter().map(Into::into).collect(),
            removed: change.removed.into_iter().map(Into::into).collect(),
            total_before: change.total_before,
        }
    }
}

impl From<Finding> for wit_lifecycle::Finding {
    fn from(finding: Finding) -> Self {
        Self { path: finding.path, message: finding.message }
    }
}

impl From<Failure> for wit::Failure {
    fn from(failure: Failure) -> Self {
        Self { message: failure.message().to_owned(), retryable: failure.is_retryable() }
    }
}

impl From<Verdict> for wit::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Proceed => Self::Proceed,
            Verdict::Patch(patch) => Self::Patch(patch.to_string()),
            Verdict::Replace(document) => Self::Replace(document.to_string()),
            Verdict::Reject(refusal) => Self::Reject(refusal.into()),
            Verdict::Hold(Hold { reason, approvals, expires_s }) => {
                Self::Hold(wit::Hold { reason, approvals, expires_s })
            }
        }
    }
}

impl From<Decision> for wit_access::Decision {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Allow => Self::Allow,
            Decision::Narrow(filter) => Self::Narrow(filter),
            Decision::Deny(refusal) => Self::Deny(refusal.into()),
        }
    }
}

impl From<Refusal> for wit::Refusal {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.status {
            RefusalStatus::BadRequest => wit::RefusalStatus::BadRequest,
            RefusalStatus::Forbidden => wit::RefusalStatus::Forbidden,
            RefusalStatus::NotFound => wit::RefusalStatus::NotFound,
            RefusalStatus::Conflict => wit::RefusalStatus::Conflict,
        };
        let scim_type = refusal.scim_type.map(|scim_type| match scim_type {
            ScimType::InvalidValue => wit::ScimType::InvalidValue,
            ScimType::Uniqueness => wit::ScimType::Uniqueness,
            ScimType::Mutability => wit::ScimType::Mutability,
            ScimType::NoTarget => wit::ScimType::NoTarget,
            ScimType::InvalidPath => wit::ScimType::InvalidPath,
            ScimType::InvalidSyntax => wit::ScimType::InvalidSyntax,
            ScimType::TooMany => wit::ScimType::TooMany,
            ScimType::Sensitive => wit::ScimType::Sensitive,
        });
        Self { status, scim_type, detail: refusal.detail }
    }
}
