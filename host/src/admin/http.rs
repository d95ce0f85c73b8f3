//! The admin API over HTTP: each route turns a request into a [`Call`] and the desk's answer into JSON.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{Extension, FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::call::{Call, GuardLift, Listing, NewComponent, NewPlace, NewToken};
use super::{Desk, DeskError};
use crate::access::{self, Action};
use crate::context::RequestContext;
use crate::hook::PluginName;
use crate::http::{HttpError, RequestId, authenticate, error_chain, request_id};
use crate::plugin::{ChangeError, Order, PluginConfig};

/// Renders the metrics of this process in Prometheus's text format.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Everything under `/admin`, and `/metrics`.
pub fn router(desk: Arc<Desk>, metrics: Metrics) -> Router {
    Router::new()
        .route("/admin/tokens", get(token_list).post(token_create))
        .route("/admin/tokens/{id}", delete(token_revoke))
        .route("/admin/plugins", get(plugin_list).post(plugin_install))
        .route("/admin/plugins/reload", post(plugin_reload))
        .route("/admin/plugins/{name}", get(plugin_show).delete(plugin_remove))
        .route("/admin/plugins/{name}/grants", get(plugin_grants))
        .route("/admin/plugins/{name}/enable", post(plugin_enable))
        .route("/admin/plugins/{name}/disable", post(plugin_disable))
        .route("/admin/plugins/{name}/upgrade", post(plugin_upgrade))
        .route("/admin/plugins/{name}/move", post(plugin_move))
        .route("/admin/plugins/{name}/close-breaker", post(plugin_close_breaker))
        .route("/admin/indexes", get(index_list))
        .route("/admin/outbox", get(outbox_list))
        .route("/admin/outbox/{key}", delete(outbox_drop))
        .route("/admin/outbox/{key}/redrive", post(outbox_redrive))
        .route("/admin/journal", get(journal))
        .route("/admin/requests", get(request_list))
        .route("/admin/requests/{id}", get(request_show))
        .route("/admin/jobs", get(job_list))
        .route("/admin/jobs/{plugin}/{job}/run", post(job_run))
        .route("/admin/guard", get(guard_show))
        .route("/admin/guard/lift", post(guard_lift))
        .route("/metrics", get(shown_metrics))
        .layer(Extension(metrics))
        .fallback(async || problem(StatusCode::NOT_FOUND, "there is no such admin endpoint"))
        .with_state(desk)
}

/// An authenticated operator. What the operator may do is the desk's question.
struct Operator(RequestContext);

impl FromRequestParts<Arc<Desk>> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Response> {
        parts.extensions.insert(RequestId(request_id(desk.clock())));
        authenticate(parts, desk.store(), desk.clock()).await.map(Self).map_err(|error| match error {
            HttpError::Unauthenticated { .. } => {
                let mut response = problem(StatusCode::UNAUTHORIZED, &error.to_string());
                let challenge = header::HeaderValue::from_static("Bearer realm=\"provost\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                response
            }
            other => {
                tracing::error!(reason = %error_chain(&other), "an admin request could not be authenticated");
                problem(StatusCode::INTERNAL_SERVER_ERROR, "the store could not answer")
            }
        })
    }
}

/// Which part of a long list is asked for.
struct Listed(Listing);

impl FromRequestParts<Arc<Desk>> for Listed {
    type Rejection = DeskError;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, DeskError> {
        let listing = Query::from_request_parts(parts, desk).await;
        listing.map(|Query(listing)| Self(listing)).map_err(|rejection| DeskError::Senseless(rejection.body_text()))
    }
}

/// A body that makes sense.
struct Given<T>(T);

impl<T: DeserializeOwned> FromRequest<Arc<Desk>> for Given<T> {
    type Rejection = DeskError;

    async fn from_request(request: Request, desk: &Arc<Desk>) -> Result<Self, DeskError> {
        let body = Json::from_request(request, desk).await;
        body.map(|Json(body)| Self(body)).map_err(|rejection| DeskError::Senseless(rejection.body_text()))
    }
}

async fn token_list(State(desk): State<Arc<Desk>>, Operator(cx): Operator) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::TokenList).await.map(Json)
}

async fn token_create(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Given(new): Given<NewToken>,
) -> Result<Response, DeskError> {
    let made = desk.answer(&cx, Call::TokenCreate(new)).await?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

async fn token_revoke(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Path(id): Path<String>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::TokenRevoke { id }).await.map(Json)
}

async fn plugin_list(State(desk): State<Arc<Desk>>, Operator(cx): Operator) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginList).await.map(Json)
}

async fn plugin_show(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Path(name): Path<PluginName>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginShow { name }).await.map(Json)
}

async fn plugin_grants(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Path(name): Path<PluginName>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginGrants { name }).await.map(Json)
}

async fn plugin_reload(State(desk): State<Arc<Desk>>, Operator(cx): Operator) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginReload).await.map(Json)
}

async fn plugin_install(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Given(config): Given<PluginConfig>,
) -> Result<Response, DeskError> {
    let made = desk.answer(&cx, Call::PluginOrder(Order::Install(Box::new(config)))).await?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

async fn plugin_remove(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Path(name): Path<PluginName>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginOrder(Order::Remove(name))).await.map(Json)
}

async fn plugin_enable(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Path(name): Path<PluginName>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginOrder(Order::Enable(name))).await.map(Json)
}

async fn plugin_disable(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Path(name): Path<PluginName>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginOrder(Order::Disable(name))).await.map(Json)
}

async fn plugin_upgrade(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Path(name): Path<PluginName>,
    Given(NewComponent { file, sha256 }): Given<NewComponent>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginOrder(Order::Upgrade { name, file, sha256 })).await.map(Json)
}

async fn plugin_move(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Path(name): Path<PluginName>,
    Given(NewPlace { before }): Given<NewPlace>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginOrder(Order::Move { name, before })).await.map(Json)
}

async fn plugin_close_breaker(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Path(name): Path<PluginName>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginCloseBreaker { name }).await.map(Json)
}

async fn index_list(State(desk): State<Arc<Desk>>, Operator(cx): Operator) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::IndexList).await.map(Json)
}

async fn outbox_list(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Listed(listing): Listed,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::OutboxList(listing)).await.map(Json)
}

async fn outbox_drop(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Path(key): Path<String>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::OutboxDrop { key }).await.map(Json)
}

async fn outbox_redrive(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Path(key): Path<String>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::OutboxRedrive { key }).await.map(Json)
}

async fn journal(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Listed(listing): Listed,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::Journal(listing)).await.map(Json)
}

async fn request_list(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Listed(listing): Listed,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::RequestList(listing)).await.map(Json)
}

async fn request_show(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Path(id): Path<String>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::RequestShow { id }).await.map(Json)
}

async fn job_list(State(desk): State<Arc<Desk>>, Operator(cx): Operator) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::JobList).await.map(Json)
}

/// Answers once the run has begun, which may take minutes: how it ends is in the list.
async fn job_run(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Path((plugin, job)): Path<(String, String)>,
) -> Result<Response, DeskError> {
    let started = desk.answer(&cx, Call::JobRun { plugin, job }).await?;
    Ok((StatusCode::ACCEPTED, Json(started)).into_response())
}

async fn guard_show(State(desk): State<Arc<Desk>>, Operator(cx): Operator) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::GuardShow).await.map(Json)
}

async fn guard_lift(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Given(lift): Given<GuardLift>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::GuardLift(lift)).await.map(Json)
}

/// `GET /metrics`: routes and counts tell about an organisation, so they are for operators too.
async fn shown_metrics(
    Operator(cx): Operator,
    Extension(metrics): Extension<Metrics>,
) -> Result<impl IntoResponse, DeskError> {
    access::allow(&cx, Action::Administer)?;

    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics()))
}

impl IntoResponse for DeskError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Senseless(_) => StatusCode::BAD_REQUEST,
            Self::Plugins(ChangeError::Senseless(_)) => StatusCode::BAD_REQUEST,
            Self::Plugins(ChangeError::Unusable(_)) => StatusCode::CONFLICT,
            Self::Plugins(ChangeError::Unwritable { .. }) => {
                tracing::error!(reason = %error_chain(&self), "a change of the plugins could not be written down");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::NotNow(_) => StatusCode::CONFLICT,
            Self::Entropy(_) | Self::Store(_) => {
                tracing::error!(reason = %error_chain(&self), "an admin request failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        problem(status, &self.to_string())
    }
}

fn problem(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({ "status": status.as_u16(), "detail": detail }))).into_response()
}
