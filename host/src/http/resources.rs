//! `/Users`, `/Groups`, and so on for every resource type, and searches over all of them
//! (RFC 7644 section 3).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use provost_scim::message::ListResponse;
use provost_scim::{Projection, Search, Switch};
use serde_json::Value;

use super::extract::{Addressed, Caller, Of, Parameters, ScimBody};
use super::prefer::{PatchAnswer, Prefer, Return};
use super::respond::{Created, Modified, NotModified, Page, Shown};
use super::{Api, HttpError};
use crate::context::RequestContext;
use crate::hook::Operation;
use crate::pipeline::{Among, At, WriteError};

/// `POST /Users`
pub async fn create(
    State(api): State<Api>,
    Caller(cx): Caller,
    Of(resource_type): Of,
    parameters: Parameters,
    body: Result<ScimBody, HttpError>,
) -> Result<Created, HttpError> {
    if body.is_err() {
        api.pipeline.may_write(&cx)?;
    }
    let ScimBody(body) = body?;
    let projection = parameters.projection(&api.leniency(&cx))?;
    let answer = api.pipeline.create(&cx, &resource_type, body, &projection).await?;
    Ok(Created(answer))
}

/// `GET /Users/{id}`
pub async fn read(
    State(api): State<Api>,
    Caller(cx): Caller,
    Addressed(At { resource_type, id, precondition }): Addressed,
    parameters: Parameters,
) -> Result<Response, HttpError> {
    let answer = api.pipeline.get(&cx, &resource_type, id, &parameters.projection(&api.leniency(&cx))?).await?;
    let is = |tags: &provost_scim::version::EntityTags| tags.matches(answer.version);
    if precondition.if_match.as_ref().is_some_and(|tags| !is(tags)) {
        return Err(WriteError::Precondition.into());
    }
    if precondition.if_none_match.as_ref().is_some_and(is) {
        return Ok(NotModified(answer.etag).into_response());
    }
    Ok(Shown(answer).into_response())
}

/// `GET /Users`
pub async fn list(
    State(api): State<Api>,
    Caller(cx): Caller,
    Of(resource_type): Of,
    parameters: Parameters,
) -> Result<Page, HttpError> {
    listed(&api, &cx, &Among::One(resource_type), &parameters.search(&api.leniency(&cx))?).await
}

/// `POST /Users/.search`: what stands in the query string counts for nothing (checklist S-14.3).
pub async fn search(
    State(api): State<Api>,
    Caller(cx): Caller,
    Of(resource_type): Of,
    ScimBody(body): ScimBody,
) -> Result<Page, HttpError> {
    listed(&api, &cx, &Among::One(resource_type), &Search::from_json(&body, &api.leniency(&cx))?).await
}

/// `GET /`: over all resource types (RFC 7644 section 3.4.2.1).
pub async fn list_all(State(api): State<Api>, Caller(cx): Caller, parameters: Parameters) -> Result<Page, HttpError> {
    listed(&api, &cx, &Among::All, &parameters.search(&api.leniency(&cx))?).await
}

/// `POST /.search`: over all resource types.
pub async fn search_all(
    State(api): State<Api>,
    Caller(cx): Caller,
    ScimBody(body): ScimBody,
) -> Result<Page, HttpError> {
    listed(&api, &cx, &Among::All, &Search::from_json(&body, &api.leniency(&cx))?).await
}

async fn listed(api: &Api, cx: &RequestContext, among: &Among, search: &Search) -> Result<Page, HttpError> {
    let listed = api.pipeline.search(cx, among, search).await?;
    let list = ListResponse {
        total_results: listed.total.map(|total| total as u64),
        start_index: listed.start_index.map(|index| index as u64),
        next_cursor: listed.next_cursor,
        resources: listed.resources,
    };
    Ok(Page { body: list.into_body(), crowds: listed.crowds })
}

/// `PUT /Users/{id}`
pub async fn replace(
    State(api): State<Api>,
    Caller(cx): Caller,
    Addressed(at): Addressed,
    parameters: Parameters,
    body: Result<ScimBody, HttpError>,
) -> Result<Shown, HttpError> {
    let body = behind_state(&api, &cx, &at, Operation::Replace, body).await?;
    let answer = api.pipeline.replace(&cx, &at, body, &parameters.projection(&api.leniency(&cx))?).await?;
    Ok(Shown(answer))
}

/// `PATCH /Users/{id}`
pub async fn patch(
    State(api): State<Api>,
    Caller(cx): Caller,
    Addressed(at): Addressed,
    parameters: Parameters,
    Prefer(wish): Prefer,
    body: Result<ScimBody, HttpError>,
) -> Result<Modified, HttpError> {
    let body = behind_state(&api, &cx, &at, Operation::Patch, body).await?;
    let leniency = api.leniency(&cx);
    let asked = parameters.projection(&leniency)?;
    let quiet = match wish {
        _ if parameters.names_attributes() => false,
        Some(wish) => wish == Return::Minimal,
        None if at.resource_type.has_members && leniency.is_on(Switch::PatchGroup204) => true,
        None => api.patch_answer == PatchAnswer::Nothing,
    };
    // What is not answered need not be read: a group's members.
    let projection = if quiet { Projection::Only(vec!["id".to_owned()]) } else { asked };
    let answer = api.pipeline.patch(&cx, &at, body, &projection).await?;
    let applied = wish.filter(|wish| quiet == (*wish == Return::Minimal));
    Ok(Modified { answer, quiet, applied })
}

/// The body of a change. One that cannot be read is the client's mistake only where everything
/// that comes before it is in order: permission, existence, precondition (checklist S-19.8).
async fn behind_state(
    api: &Api,
    cx: &RequestContext,
    at: &At,
    operation: Operation,
    body: Result<ScimBody, HttpError>,
) -> Result<Value, HttpError> {
    if body.is_err() {
        api.pipeline.may_change(cx, at, operation).await?;
    }
    body.map(|ScimBody(body)| body)
}

/// `DELETE /Users/{id}`
pub async fn delete(
    State(api): State<Api>,
    Caller(cx): Caller,
    Addressed(at): Addressed,
) -> Result<StatusCode, HttpError> {
    api.pipeline.delete(&cx, &at).await?;
    Ok(StatusCode::NO_CONTENT)
}
