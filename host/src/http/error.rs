//! The one place that turns errors into statuses. The matches have no `_` arm, so a new variant
//! asks its question at compile time.

use std::any::Any;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use provost_scim::message::{Diagnostics, ErrorBody};
use provost_scim::{Invalid, ScimType};
use tracing::{error, warn};

use super::RequestId;
use super::respond::body;
use crate::hook::{Attribution, RefusalStatus, Trouble};
use crate::pipeline::{ReadError, WriteError};
use crate::store::StoreError;

/// How long a client should wait before it tries again what may work later, in seconds.
const RETRY_AFTER_SECONDS: u16 = 5;

/// Why a request is answered with an error.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No credential, or none that is good.
    #[error("the bearer token is missing, unknown, revoked or expired")]
    Unauthenticated {
        /// Whether a token came with the request at all.
        presented: bool,
    },
    /// No endpoint at this path.
    #[error("there is no endpoint at this path")]
    NoSuchEndpoint,
    /// The endpoint does not know the method.
    #[error("this endpoint does not answer {method}")]
    NoSuchMethod {
        /// What was tried.
        method: Method,
    },
    /// The id cannot be one.
    #[error("there is no {resource_type} with this id")]
    NoSuchResource {
        /// The resource type asked for.
        resource_type: String,
    },
    /// The body's type is not JSON.
    #[error("the body must be `application/scim+json` or `application/json`")]
    MediaType,
    /// The body is too large.
    #[error("the body is larger than {bytes_max} bytes, which is the limit here")]
    BodyTooLarge {
        /// The bound.
        bytes_max: usize,
    },
    /// The body did not come in time.
    #[error("the body did not arrive in time")]
    BodyTooSlow,
    /// A filter on a discovery endpoint (RFC 7644 section 4).
    #[error("discovery endpoints cannot be filtered")]
    FilteredDiscovery,
    /// An optional part of the protocol that is not offered here (checklist S-1.7).
    #[error("this server does not offer {what}")]
    NotImplemented {
        /// What was asked for, as a noun: `bulk requests`.
        what: &'static str,
    },
    /// The client asks more often than it may.
    #[error("too many requests; try again in {retry_after_seconds} seconds")]
    TooManyRequests {
        /// How long to wait.
        retry_after_seconds: u32,
    },
    /// The request breaks the protocol.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A read failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A write failed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The store failed outside the pipeline.
    #[error("the store could not answer")]
    Store(#[source] StoreError),
}

impl From<StoreError> for HttpError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What goes over the wire, before the request's id is known.
struct Wire {
    status: StatusCode,
    scim_type: Option<ScimType>,
    detail: String,
    by: Option<Attribution>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Wire {
    fn new(status: StatusCode, detail: impl ToString) -> Self {
        Self { status, scim_type: None, detail: detail.to_string(), by: None, headers: Vec::new() }
    }

    fn invalid(invalid: &Invalid) -> Self {
        let status = match invalid.scim_type {
            ScimType::Uniqueness => StatusCode::CONFLICT,
            ScimType::Sensitive => StatusCode::FORBIDDEN,
            ScimType::InvalidFilter
            | ScimType::TooMany
            | ScimType::Mutability
            | ScimType::InvalidSyntax
            | ScimType::InvalidPath
            | ScimType::NoTarget
            | ScimType::InvalidValue
            | ScimType::InvalidVers
            | ScimType::InvalidCursor
            | ScimType::ExpiredCursor
            | ScimType::InvalidCount => StatusCode::BAD_REQUEST,
        };
        Self::new(status, &invalid.detail).typed(invalid.scim_type)
    }

    /// Something of ours failed; the log has the chain, the client has the request's id.
    fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; its log says why under this request's id")
    }

    /// Nothing was done, and trying again may work.
    fn later(detail: impl ToString) -> Self {
        let mut wire = Self::new(StatusCode::SERVICE_UNAVAILABLE, detail);
        wire.headers.push((header::RETRY_AFTER, RETRY_AFTER_SECONDS.into()));
        wire
    }

    fn typed(self, scim_type: ScimType) -> Self {
        Self { scim_type: Some(scim_type), ..self }
    }

    fn by(self, by: &Attribution) -> Self {
        Self { by: Some(by.clone()), ..self }
    }

    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }
}

fn wire(error: &HttpError) -> Wire {
    match error {
        HttpError::Unauthenticated { presented } => {
            let challenge = match presented {
                true => "Bearer realm=\"provost\", error=\"invalid_token\"",
                false => "Bearer realm=\"provost\"",
            };
            Wire::new(StatusCode::UNAUTHORIZED, error).with(header::WWW_AUTHENTICATE, challenge)
        }
        HttpError::NoSuchEndpoint | HttpError::NoSuchResource { .. } => Wire::new(StatusCode::NOT_FOUND, error),
        HttpError::NoSuchMethod { .. } => Wire::new(StatusCode::METHOD_NOT_ALLOWED, error),
        HttpError::MediaType => Wire::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error),
        HttpError::BodyTooLarge { .. } => Wire::new(StatusCode::PAYLOAD_TOO_LARGE, error),
        HttpError::BodyTooSlow => Wire::new(StatusCode::REQUEST_TIMEOUT, error),
        HttpError::FilteredDiscovery => Wire::new(StatusCode::FORBIDDEN, error),
        HttpError::NotImplemented { .. } => Wire::new(StatusCode::NOT_IMPLEMENTED, error),
        HttpError::TooManyRequests { retry_after_seconds } => {
            let mut wire = Wire::new(StatusCode::TOO_MANY_REQUESTS, error);
            wire.headers.push((header::RETRY_AFTER, (*retry_after_seconds).into()));
            wire
        }
        HttpError::Invalid(invalid) => Wire::invalid(invalid),
        HttpError::Read(error) => read(error),
        HttpError::Write(error) => write(error),
        HttpError::Store(_) => Wire::internal(),
    }
}

fn read(error: &ReadError) -> Wire {
    match error {
        ReadError::Forbidden(forbidden) => Wire::new(StatusCode::FORBIDDEN, forbidden),
        ReadError::NotFound { .. } => Wire::new(StatusCode::NOT_FOUND, error),
        ReadError::Invalid(invalid) => Wire::invalid(invalid),
        ReadError::TooMany { .. } => Wire::new(StatusCode::BAD_REQUEST, error).typed(ScimType::TooMany),
        ReadError::Store(_) => Wire::internal(),
    }
}

fn write(error: &WriteError) -> Wire {
    match error {
        WriteError::Forbidden(forbidden) => Wire::new(StatusCode::FORBIDDEN, forbidden),
        WriteError::NotFound { .. } => Wire::new(StatusCode::NOT_FOUND, error),
        WriteError::Precondition => Wire::new(StatusCode::PRECONDITION_FAILED, error),
        WriteError::PreconditionRequired => Wire::new(StatusCode::PRECONDITION_REQUIRED, error),
        WriteError::Invalid(invalid) => Wire::invalid(invalid),
        WriteError::Taken { .. } => Wire::new(StatusCode::CONFLICT, error).typed(ScimType::Uniqueness),
        WriteError::Refused { by, refusal } => {
            let status = match refusal.status {
                RefusalStatus::BadRequest => StatusCode::BAD_REQUEST,
                RefusalStatus::Forbidden => StatusCode::FORBIDDEN,
                RefusalStatus::NotFound => StatusCode::NOT_FOUND,
                RefusalStatus::Conflict => StatusCode::CONFLICT,
            };
            Wire { scim_type: refusal.scim_type, ..Wire::new(status, &refusal.detail).by(by) }
        }
        WriteError::Held { by, hold } => Wire::new(StatusCode::FORBIDDEN, &hold.reason).by(by),
        WriteError::Troubled { by, trouble: Trouble::Error { retryable: false, .. } } => {
            let detail = format!("plugin `{}` could not judge this change; nothing was changed", by.plugin);
            Wire::new(StatusCode::INTERNAL_SERVER_ERROR, detail).by(by)
        }
        WriteError::Troubled { by, trouble: Trouble::Error { retryable: true, .. } } => {
            Wire::later(format!("plugin `{}` cannot judge this change now; nothing was changed", by.plugin)).by(by)
        }
        WriteError::Troubled { by, trouble: Trouble::Fault(_) } => {
            Wire::later(format!("plugin `{}` failed; nothing was changed", by.plugin)).by(by)
        }
        WriteError::Contended { .. } | WriteError::OutboxFull => Wire::later(error),
        WriteError::StateFull { .. } => Wire::later(error),
        WriteError::Clash | WriteError::Store(_) => Wire::internal(),
    }
}

/// An error on its way out, kept beside the response until the outermost layer has the request's
/// id and writes both the body and the log line.
#[derive(Clone)]
pub(super) struct Pending(std::sync::Arc<HttpError>);

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let mut response = wire(&self).status.into_response();
        response.extensions_mut().insert(Pending(std::sync::Arc::new(self)));
        response
    }
}

impl Pending {
    /// The error as SCIM words it, with the request's id where a plugin is involved.
    pub(super) fn finish(&self, request_id: &RequestId, response: Response) -> Response {
        let wire = wire(&self.0);
        self.log(wire.status, request_id);
        let diagnostics = Diagnostics {
            plugin: wire.by.as_ref().map(|by| by.plugin.to_string()),
            version: wire.by.as_ref().map(|by| by.version.clone()),
            request_id: Some(request_id.0.to_string()),
        };
        let shown = wire.by.is_some() || wire.status.is_server_error();
        let error = ErrorBody {
            status: wire.status.as_u16(),
            scim_type: wire.scim_type,
            detail: wire.detail,
            diagnostics: shown.then_some(diagnostics),
        };
        let mut finished = body(wire.status, &error.into_body());
        finished.headers_mut().extend(wire.headers);
        if let Some(allow) = response.headers().get(header::ALLOW) {
            finished.headers_mut().insert(header::ALLOW, allow.clone());
        }
        finished
    }

    fn log(&self, status: StatusCode, request_id: &RequestId) {
        let request_id = &request_id.0;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            warn!(request.id = %request_id, reason = %chain(&self.0), "request {request_id} was put off");
        } else if status.is_server_error() {
            error!(request.id = %request_id, reason = %chain(&self.0), "request {request_id} failed");
        }
    }
}

/// An error and its sources, outermost first.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Any path without an endpoint.
pub(super) async fn no_such_endpoint() -> HttpError {
    HttpError::NoSuchEndpoint
}

/// An endpoint that does not know the method; axum adds `Allow`.
pub(super) async fn no_such_method(request: Request) -> HttpError {
    HttpError::NoSuchMethod { method: request.method().clone() }
}

/// A handler panicked: a defect of ours, answered like any other failure.
pub(super) fn panicked(payload: Box<dyn Any + Send + 'static>) -> Response {
    let what = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    error!(panic = what.unwrap_or("no message"), "a request handler panicked");
    HttpError::Store(StoreError::unavailable("a request handler panicked")).into_response()
}
