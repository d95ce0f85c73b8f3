//! `Prefer: dry-run`: a change is tried out. Everything happens but the commit, and the answer tells
//! what would have been answered, what each plugin said, and what would have been sent.
//!
//! A preference may be ignored (RFC 7240 section 2), but not this one: who asks for a trial and
//! cannot have one is refused, since otherwise the change would be made.

use std::sync::{Arc, OnceLock};

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use provost_scim::Attributes;
use serde_json::{Value, json};

use super::error::Pending;
use super::prefer::{self, PREFERENCE_APPLIED};
use super::respond::body;
use super::{Api, HttpError, RequestId};
use crate::access::{self, Action};
use crate::context::{RequestContext, Scope};
use crate::limits::TRIAL_ANSWER_BYTES_MAX;
use crate::pipeline::ReadError;
use crate::trace::{Trace, told_message};

/// The schema of a trial's answer.
const TRIAL: &str = "urn:provost:params:scim:api:messages:2.0:Trial";

/// The preference's name.
const DRY_RUN: &str = "dry-run";

/// A request that asks for a trial; set once it is known that it may have one, to whether it may
/// see values.
#[derive(Debug, Clone, Default)]
pub(super) struct Attempt(Arc<OnceLock<bool>>);

impl Attempt {
    /// Makes the request a trial, if its credential allows one.
    pub(super) fn begin(&self, cx: &mut RequestContext) -> Result<(), HttpError> {
        access::allow(cx, Action::Try).map_err(ReadError::from)?;

        cx.dry_run = true;
        let _ = self.0.set(cx.actor.scopes.contains(&Scope::Read));
        Ok(())
    }
}

/// Wraps every request: one that asks for a trial gets a trial's answer.
pub(super) async fn each_trial(State(_): State<Api>, mut request: Request, next: Next) -> Response {
    if !asks(&request) {
        return next.run(request).await;
    }
    let attempt = Attempt::default();
    request.extensions_mut().insert(attempt.clone());
    let trace = request.extensions_mut().get_or_insert_default::<Trace>().clone();
    let request_id = request.extensions().get::<RequestId>().cloned();

    let mut response = next.run(request).await;
    let (Some(with_values), Some(request_id)) = (attempt.0.get(), request_id) else { return response };
    if let Some(pending) = response.extensions_mut().remove::<Pending>() {
        response = pending.finish(&request_id, response);
    }
    told(response, &trace, *with_values).await
}

fn asks(request: &Request) -> bool {
    let changes = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
    let searches = request.uri().path().trim_end_matches('/').to_ascii_lowercase().ends_with("/.search");
    changes && !searches && prefers(request.headers())
}

fn prefers(headers: &HeaderMap) -> bool {
    prefer::wishes(headers).iter().any(|(name, _)| name.eq_ignore_ascii_case(DRY_RUN))
}

async fn told(response: Response, trace: &Trace, with_values: bool) -> Response {
    let status = response.status();
    let Ok(bytes) = to_bytes(response.into_body(), TRIAL_ANSWER_BYTES_MAX).await else {
        return HttpError::BrokeOff.into_response();
    };
    let mut answer = Attributes::new();
    answer.insert("schemas".to_owned(), json!([TRIAL]));
    answer.insert("status".to_owned(), json!(status.as_u16().to_string()));
    if let Ok(Value::Object(mut document)) = serde_json::from_slice(&bytes) {
        let succeeded = status.is_success();
        if status == StatusCode::CREATED {
            // What was never made has no name.
            document.retain(|name, _| !matches!(name.as_str(), "id" | "meta"));
        }
        answer.insert(if succeeded { "resource" } else { "error" }.to_owned(), Value::Object(document));
    }
    if let Some(trial) = trace.trial().filter(|_| status.is_success()) {
        let members = |members: &[provost_scim::Member]| {
            members.iter().map(|m| json!({ "value": m.id, "type": m.resource_type })).collect::<Vec<_>>()
        };
        let membership = &trial.membership;
        answer.insert("changedPaths".to_owned(), json!(trial.changed_paths));
        if !membership.is_empty() {
            let (added, removed) = (members(&membership.added), members(&membership.removed));
            answer.insert("membership".to_owned(), json!({ "added": added, "removed": removed }));
        }
        let messages = trial.messages.iter().map(|(plugin, message)| told_message(plugin, message));
        answer.insert("messages".to_owned(), messages.collect());
    }
    answer.insert("plugins".to_owned(), json!(trace.steps(with_values)));

    let mut response = body(StatusCode::OK, &answer);
    response.headers_mut().insert(PREFERENCE_APPLIED, HeaderValue::from_static(DRY_RUN));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
