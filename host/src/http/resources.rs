//! `/Users`, `/Groups`, and so on for every resource type, and searches over all of them
//! (RFC 7644 section 3).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use provost_scim::Search;
use provost_scim::message::ListResponse;

use super::extract::{Addressed, Caller, Of, Parameters, ScimBody};
use super::respond::{Created, NotModified, Page, Shown};
use super::{Api, HttpError};
use crate::context::RequestContext;
use crate::pipeline::{Among, At, WriteError};

/// `POST /Users`
pub async fn create(
    State(api): State<Api>,
    Caller(cx): Caller,
    Of(resource_type): Of,
    parameters: Parameters,
    ScimBody(body): ScimBody,
) -> Result<Created, HttpError> {
    let answer = api.pipeline.create(&cx, &resource_type, body, &parameters.projection(api.leniency())?).await?;
    Ok(Created(answer))
}

/// `GET /Users/{id}`
pub async fn read(
    State(api): State<Api>,
    Caller(cx): Caller,
    Addressed(At { resource_type, id, precondition }): Addressed,
    parameters: Parameters,
) -> Result<Response, HttpError> {
    let answer = api.pipeline.get(&cx, &resource_type, id, &parameters.projection(api.leniency())?).await?;
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
    listed(&api, &cx, &Among::One(resource_type), &parameters.search(api.leniency())?).await
}

/// `POST /Users/.search`: what stands in the query string counts for nothing (checklist S-14.3).
pub async fn search(
    State(api): State<Api>,
    Caller(cx): Caller,
    Of(resource_type): Of,
    ScimBody(body): ScimBody,
) -> Result<Page, HttpError> {
    listed(&api, &cx, &Among::One(resource_type), &Search::from_json(&body, api.leniency())?).await
}

/// `GET /`: over all resource types (RFC 7644 section 3.4.2.1).
pub async fn list_all(State(api): State<Api>, Caller(cx): Caller, parameters: Parameters) -> Result<Page, HttpError> {
    listed(&api, &cx, &Among::All, &parameters.search(api.leniency())?).await
}

/// `POST /.search`: over all resource types.
pub async fn search_all(
    State(api): State<Api>,
    Caller(cx): Caller,
    ScimBody(body): ScimBody,
) -> Result<Page, HttpError> {
    listed(&api, &cx, &Among::All, &Search::from_json(&body, api.leniency())?).await
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
    ScimBody(body): ScimBody,
) -> Result<Shown, HttpError> {
    let answer = api.pipeline.replace(&cx, &at, body, &parameters.projection(api.leniency())?).await?;
    Ok(Shown(answer))
}

/// `PATCH /Users/{id}`
pub async fn patch(
    State(api): State<Api>,
    Caller(cx): Caller,
    Addressed(at): Addressed,
    parameters: Parameters,
    ScimBody(body): ScimBody,
) -> Result<Shown, HttpError> {
    let answer = api.pipeline.patch(&cx, &at, body, &parameters.projection(api.leniency())?).await?;
    Ok(Shown(answer))
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
