//! `/Me`: another name for the caller's own resource (RFC 7644 section 3.11).
//!
//! Nothing is redirected. Once it is known whose resource is meant, the request is what it would
//! have been under the resource's own address, which `Location` and `meta.location` tell (S-14.5).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::extract::{Addressed, Applicant, Caller, Parameters, Preconditions, ScimBody};
use super::prefer::Prefer;
use super::respond::{Created, Modified, Shown};
use super::{Api, HttpError, resources};
use crate::access::Action;

/// `GET /Me`
pub async fn read(
    State(api): State<Api>,
    Caller(cx): Caller,
    Preconditions(precondition): Preconditions,
    parameters: Parameters,
) -> Result<Response, HttpError> {
    let (cx, at) = api.pipeline.me(&cx, Action::Read, precondition).await?;
    resources::read(State(api), Caller(cx), Addressed(at), parameters).await
}

/// `POST /Me`: somebody registers.
pub async fn register(
    State(api): State<Api>,
    Applicant(cx): Applicant,
    parameters: Parameters,
    ScimBody(body): ScimBody,
) -> Result<Created, HttpError> {
    let answer = api.pipeline.register(&cx, body, &parameters.projection(&api.leniency(&cx))?).await?;
    Ok(Created(answer))
}

/// `PUT /Me`
pub async fn replace(
    State(api): State<Api>,
    Caller(cx): Caller,
    Preconditions(precondition): Preconditions,
    parameters: Parameters,
    body: Result<ScimBody, HttpError>,
) -> Result<Shown, HttpError> {
    let (cx, at) = api.pipeline.me(&cx, Action::Write, precondition).await?;
    resources::replace(State(api), Caller(cx), Addressed(at), parameters, body).await
}

/// `PATCH /Me`
pub async fn patch(
    State(api): State<Api>,
    Caller(cx): Caller,
    Preconditions(precondition): Preconditions,
    parameters: Parameters,
    wish: Prefer,
    body: Result<ScimBody, HttpError>,
) -> Result<Modified, HttpError> {
    let (cx, at) = api.pipeline.me(&cx, Action::Write, precondition).await?;
    resources::patch(State(api), Caller(cx), Addressed(at), parameters, wish, body).await
}

/// `DELETE /Me`
pub async fn delete(
    State(api): State<Api>,
    Caller(cx): Caller,
    Preconditions(precondition): Preconditions,
) -> Result<StatusCode, HttpError> {
    let (cx, at) = api.pipeline.me(&cx, Action::Delete, precondition).await?;
    resources::delete(State(api), Caller(cx), Addressed(at)).await
}
