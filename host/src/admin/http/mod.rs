//! The admin API over HTTP: each route turns a request into a [`Call`] and the desk's answer into JSON.
//!
//! A route is added with its description, beside its handler, or not at all: `routes!` takes nothing else. What all of
//! them have in common is in `describe`.
//!
//! [`Call`]: super::Call

mod describe;
mod outbox;
mod plugins;
mod server;
mod tokens;
mod work;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{Extension, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use utoipa_axum::router::OpenApiRouter;

use super::answer::Problem;
use super::call::Listing;
use super::{Desk, DeskError};
use crate::context::RequestContext;
use crate::http::{HttpError, RequestId, authenticate, error_chain, request_id};
use crate::plugin::ChangeError;

pub use describe::document;

/// Renders the metrics of this process in Prometheus's text format.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Everything under `/admin`, and `/metrics`.
pub fn router(desk: Arc<Desk>, metrics: Metrics) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .layer(Extension(metrics))
        .fallback(async || problem(StatusCode::NOT_FOUND, "there is no such admin endpoint"))
        .with_state(desk)
}

/// Every route with its description.
fn routes() -> OpenApiRouter<Arc<Desk>> {
    OpenApiRouter::with_openapi(describe::frame())
        .merge(tokens::routes())
        .merge(plugins::routes())
        .merge(outbox::routes())
        .merge(work::routes())
        .merge(server::routes())
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

/// What the path names.
struct Named<T>(T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Desk>> for Named<T> {
    type Rejection = DeskError;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, DeskError> {
        let named = Path::from_request_parts(parts, desk).await;
        named.map(|Path(named)| Self(named)).map_err(|rejection| DeskError::Senseless(rejection.body_text()))
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
    (status, Json(Problem { status: status.as_u16(), detail: detail.to_owned() })).into_response()
}
