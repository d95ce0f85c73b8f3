//! `/admin/jobs` and `/admin/requests`: what the plugins do on a clock, and what they did in requests.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::describe::Refusals;
use super::{Listed, Named, Operator};
use crate::admin::answer::{JobList, Problem, RequestList, ShownRequest, Started};
use crate::admin::call::Call;
use crate::admin::{Desk, DeskError};
use crate::hook::PluginName;

pub(super) fn routes() -> OpenApiRouter<Arc<Desk>> {
    OpenApiRouter::new()
        .routes(routes!(job_list))
        .routes(routes!(job_run))
        .routes(routes!(request_list))
        .routes(routes!(request_show))
}

/// List every job and how it is doing
#[utoipa::path(
    get, path = "/admin/jobs", tag = "jobs",
    responses((status = OK, body = JobList, description = "The jobs."), Refusals),
)]
async fn job_list(State(desk): State<Arc<Desk>>, Operator(cx): Operator) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::JobList).await.map(Json)
}

/// Start a job now, whatever the clock says
///
/// The answer comes once the run has begun, which may take minutes: how it ends is in the list.
#[utoipa::path(
    post, path = "/admin/jobs/{plugin}/{job}/run", tag = "jobs",
    params(
        ("plugin" = PluginName, Path, description = "The operator's name for the plugin."),
        ("job" = String, Path, description = "The plugin's own name for the job."),
    ),
    responses(
        (status = ACCEPTED, body = Started, description = "The run has begun."),
        (status = BAD_REQUEST, body = Problem, description = "The path is not text."),
        (status = NOT_FOUND, body = Problem, description = "There is no such job."),
        (status = CONFLICT, body = Problem, description = "It is under way already, or too many others are."),
        Refusals,
    ),
)]
async fn job_run(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Named((plugin, job)): Named<(String, String)>,
) -> Result<Response, DeskError> {
    let started = desk.answer(&cx, Call::JobRun { plugin, job }).await?;
    Ok((StatusCode::ACCEPTED, Json(started)).into_response())
}

/// List the last requests in which a plugin was asked, newest first
#[utoipa::path(
    get, path = "/admin/requests", tag = "requests",
    params(("limit" = Option<usize>, Query, description = "At most so many; 20 if absent, and never more than 1000.")),
    responses(
        (status = OK, body = RequestList, description = "The requests."),
        (status = BAD_REQUEST, body = Problem, description = "A parameter makes no sense."),
        Refusals,
    ),
)]
async fn request_list(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Listed(listing): Listed,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::RequestList(listing)).await.map(Json)
}

/// Show what the plugins did in one request
///
/// The attribute values among it are shown to a token that has the scope `admin.values` beside `admin`, and otherwise
/// the paths alone. Secrets are shown to nobody.
#[utoipa::path(
    get, path = "/admin/requests/{id}", tag = "requests",
    params(("id" = String, Path, description = "The request's id, as its `X-Request-Id` and the list tell it.")),
    responses(
        (status = OK, body = ShownRequest, description = "What the plugins did."),
        (status = BAD_REQUEST, body = Problem, description = "The path is not text."),
        (status = NOT_FOUND, body = Problem, description = "It is not among the last requests in which a plugin was asked."),
        Refusals,
    ),
)]
async fn request_show(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Named(id): Named<String>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::RequestShow { id }).await.map(Json)
}
