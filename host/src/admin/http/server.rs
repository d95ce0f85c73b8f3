//! The server itself: its health and metrics, its guard and indexes, and the description of all this.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::describe::{self, Refusals};
use super::{Given, Metrics, Operator};
use crate::access::{self, Action};
use crate::admin::answer::{IndexList, Problem, ShownHealth};
use crate::admin::call::{Call, GuardLift};
use crate::admin::{Desk, DeskError};
use crate::pipeline::GuardStatus;

pub(super) fn routes() -> OpenApiRouter<Arc<Desk>> {
    OpenApiRouter::new()
        .routes(routes!(health_show))
        .routes(routes!(guard_show))
        .routes(routes!(guard_lift))
        .routes(routes!(index_list))
        .routes(routes!(metrics_show))
        .routes(routes!(document_show))
}

/// Tell whether all is well, and what is not
///
/// The same as `/health` on the SCIM listener, with the files and reasons that are not for everybody.
#[utoipa::path(
    get, path = "/admin/health", tag = "server",
    responses((status = OK, body = ShownHealth, description = "How the server is."), Refusals),
)]
async fn health_show(State(desk): State<Arc<Desk>>, Operator(cx): Operator) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::Health).await.map(Json)
}

/// Show the guard against mass changes: its bounds, and what was counted
#[utoipa::path(
    get, path = "/admin/guard", tag = "guard",
    responses((status = OK, body = GuardStatus, description = "The guard."), Refusals),
)]
async fn guard_show(State(desk): State<Arc<Desk>>, Operator(cx): Operator) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::GuardShow).await.map(Json)
}

/// Let everything past the guard for a time
///
/// What happens meanwhile is counted.
#[utoipa::path(
    post, path = "/admin/guard/lift", tag = "guard", request_body = GuardLift,
    responses(
        (status = OK, body = GuardStatus, description = "The guard, and until when it is lifted."),
        (status = BAD_REQUEST, body = Problem, description = "The guard is not lifted for so long, or the body makes no sense."),
        Refusals,
    ),
)]
async fn guard_lift(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Given(lift): Given<GuardLift>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::GuardLift(lift)).await.map(Json)
}

/// List every indexed attribute and how far its index is
#[utoipa::path(
    get, path = "/admin/indexes", tag = "indexes",
    responses((status = OK, body = IndexList, description = "The indexes."), Refusals),
)]
async fn index_list(State(desk): State<Arc<Desk>>, Operator(cx): Operator) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::IndexList).await.map(Json)
}

/// Show the metrics of this process, in Prometheus's text format
///
/// Routes and counts tell about an organisation, so they are for operators, too.
#[utoipa::path(
    get, path = "/metrics", tag = "server",
    responses(
        (status = OK, body = String, content_type = "text/plain; version=0.0.4; charset=utf-8", description = "The metrics."),
        Refusals,
    ),
)]
async fn metrics_show(
    Operator(cx): Operator,
    Extension(metrics): Extension<Metrics>,
) -> Result<impl IntoResponse, DeskError> {
    access::allow(&cx, Action::Administer)?;

    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics()))
}

/// Show this description
///
/// It needs no token, since it tells nothing about an organisation: it is the same for every server of this version.
/// `provost admin-api` prints it, too.
#[utoipa::path(
    get, path = "/admin/openapi.json", tag = "server", security(()),
    responses((status = OK, body = Object, description = "An OpenAPI 3.1 document.")),
)]
async fn document_show() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], describe::document())
}
