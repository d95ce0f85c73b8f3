//! The one place that turns errors into statuses. The matches have no `_` arm, so a new variant
//! asks its question at compile time.

use std::any::Any;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use provost_scim::message::{Diagnostics, ErrorBody};
use provost_scim::{Invalid, ScimType};
use tracing::{error, warn};

use super::respond::body;
use super::{Api, RequestId, is_version, versioned};
use crate::hook::{Attribution, Refusal, RefusalStatus, Trouble};
use crate::pipeline::{HashError, MeError, OperationError, ReadError, WriteError};
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
    /// A bulk request is too large (checklist S-18.13).
    #[error("the request is larger than {bytes_max} bytes, the limit `maxPayloadSize`; nothing of it was done")]
    BulkTooLarge {
        /// The bound.
        bytes_max: usize,
    },
    /// A bulk request holds too many operations (checklist S-18.13).
    #[error(
        "the request holds more than {operations_max} operations, the limit `maxOperations`; nothing of it was done"
    )]
    BulkTooMany {
        /// The bound.
        operations_max: u64,
    },
    /// Bulk requests are switched off (checklist S-1.7).
    #[error("bulk requests are switched off here")]
    NoBulk,
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
    /// One operation of a bulk request failed.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// Reading the request broke off: a defect of ours.
    #[error("reading the request broke off")]
    BrokeOff,
    /// `/Me` led nowhere.
    #[error(transparent)]
    Me(#[from] MeError),
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

    /// The same, where it is known when trying again may work.
    fn after(mut self, seconds: Option<u64>) -> Self {
        if let Some(seconds) = seconds {
            self.headers.retain(|(name, _)| *name != header::RETRY_AFTER);
            self.headers.push((header::RETRY_AFTER, seconds.into()));
        }
        self
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

    fn finish(self, request_id: &RequestId) -> (StatusCode, ErrorBody, Vec<(HeaderName, HeaderValue)>) {
        let Self { status, scim_type, detail, by, headers } = self;
        let diagnostics = Diagnostics {
            plugin: by.as_ref().map(|by| by.plugin.to_string()),
            version: by.as_ref().map(|by| by.version.clone()),
            request_id: Some(request_id.0.to_string()),
        };
        let shown = by.is_some() || status.is_server_error();
        let diagnostics = shown.then_some(diagnostics);
        (status, ErrorBody { status: status.as_u16(), scim_type, detail, diagnostics }, headers)
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
        HttpError::BodyTooLarge { .. } | HttpError::BulkTooLarge { .. } | HttpError::BulkTooMany { .. } => {
            Wire::new(StatusCode::PAYLOAD_TOO_LARGE, error)
        }
        HttpError::NoBulk => Wire::new(StatusCode::NOT_IMPLEMENTED, error),
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
        HttpError::Operation(error) => operation(error),
        HttpError::Me(error) => me(error),
        HttpError::BrokeOff | HttpError::Store(_) => Wire::internal(),
    }
}

fn operation(error: &OperationError) -> Wire {
    match error {
        OperationError::NoSuchEndpoint => Wire::new(StatusCode::NOT_FOUND, error),
        OperationError::Write(error) => write(error),
        OperationError::Knot => Wire::new(StatusCode::CONFLICT, error),
        OperationError::Stranded { why } => {
            let wire = operation(why);
            Wire { detail: format!("{error}: {}", wire.detail), ..wire }
        }
    }
}

fn read(error: &ReadError) -> Wire {
    match error {
        ReadError::Forbidden(forbidden) => Wire::new(StatusCode::FORBIDDEN, forbidden),
        ReadError::NotFound { .. } | ReadError::Nobody => Wire::new(StatusCode::NOT_FOUND, error),
        ReadError::Refused { by, refusal } => refused(by, refusal),
        ReadError::Troubled { by, trouble: Trouble::Error { retryable: false, .. } } => {
            let detail = format!("plugin `{}` could not judge this answer; nothing is shown", by.plugin);
            Wire::new(StatusCode::INTERNAL_SERVER_ERROR, detail).by(by)
        }
        ReadError::Troubled { by, trouble: Trouble::Error { retryable: true, .. } } => {
            Wire::later(format!("plugin `{}` cannot judge this answer now; nothing is shown", by.plugin)).by(by)
        }
        ReadError::Troubled { by, trouble: Trouble::Fault(_) } => {
            Wire::later(format!("plugin `{}` failed; nothing is shown", by.plugin)).by(by)
        }
        ReadError::Invalid(invalid) => Wire::invalid(invalid),
        ReadError::TooMany { .. } | ReadError::TooManyGroups { .. } => {
            Wire::new(StatusCode::BAD_REQUEST, error).typed(ScimType::TooMany)
        }
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
        WriteError::Refused { by, refusal } => refused(by, refusal),
        WriteError::Outside { by } => Wire::new(StatusCode::FORBIDDEN, error).by(by),
        WriteError::Held { by, hold } => Wire::new(StatusCode::FORBIDDEN, &hold.reason).by(by),
        WriteError::Troubled { by, trouble: Trouble::Error { retryable: false, .. } } => {
            let detail = format!("plugin `{}` could not judge this change; nothing was changed", by.plugin);
            Wire::new(StatusCode::INTERNAL_SERVER_ERROR, detail).by(by)
        }
        WriteError::Troubled { by, trouble: Trouble::Error { retryable: true, .. } } => {
            Wire::later(format!("plugin `{}` cannot judge this change now; nothing was changed", by.plugin)).by(by)
        }
        WriteError::Troubled { by, trouble: Trouble::Fault(fault) } => {
            let wire = Wire::later(format!("plugin `{}` failed; nothing was changed", by.plugin)).by(by);
            wire.after(fault.retry_after_s)
        }
        WriteError::Guarded(_) => Wire::new(StatusCode::FORBIDDEN, error),
        WriteError::TooManyGroups { .. } => Wire::new(StatusCode::BAD_REQUEST, error).typed(ScimType::TooMany),
        WriteError::Unanswerable(error) => read(error),
        WriteError::Contended { .. } | WriteError::OutboxFull => Wire::later(error),
        WriteError::StateFull { .. } => Wire::later(error),
        WriteError::Me(error) => me(error),
        WriteError::Ungranted(ungranted) => Wire::new(StatusCode::FORBIDDEN, ungranted),
        WriteError::Looped { .. } => Wire::new(StatusCode::FORBIDDEN, error),
        WriteError::Hash(HashError::Crowded) => Wire::later(error),
        WriteError::Hash(HashError::Failed(_)) => Wire::internal(),
        WriteError::Clash | WriteError::Store(_) => Wire::internal(),
    }
}

fn refused(by: &Attribution, refusal: &Refusal) -> Wire {
    let status = match refusal.status {
        RefusalStatus::BadRequest => StatusCode::BAD_REQUEST,
        RefusalStatus::Forbidden => StatusCode::FORBIDDEN,
        RefusalStatus::NotFound => StatusCode::NOT_FOUND,
        RefusalStatus::Conflict => StatusCode::CONFLICT,
    };
    Wire { scim_type: refusal.scim_type, ..Wire::new(status, &refusal.detail).by(by) }
}

/// What a client would have been answered to this: status, keyword, and one sentence.
pub fn answered(error: &WriteError) -> (u16, Option<ScimType>, String) {
    let wire = write(error);
    (wire.status.as_u16(), wire.scim_type, wire.detail)
}

fn me(error: &MeError) -> Wire {
    match error {
        MeError::Forbidden(forbidden) => Wire::new(StatusCode::FORBIDDEN, forbidden),
        MeError::Unconfigured { .. } => Wire::new(StatusCode::NOT_IMPLEMENTED, error),
        MeError::Nobody => Wire::new(StatusCode::NOT_FOUND, error),
        MeError::Inactive | MeError::OutOfReach { .. } => Wire::new(StatusCode::FORBIDDEN, error),
        MeError::TooMany { retry_after_s } => {
            let mut wire = Wire::new(StatusCode::TOO_MANY_REQUESTS, error);
            wire.headers.push((header::RETRY_AFTER, (*retry_after_s).into()));
            wire
        }
        MeError::Unguarded { .. } => Wire::later(error),
        MeError::Read(error) => read(error),
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
        self.0.log(wire.status, request_id);
        let (status, error, headers) = wire.finish(request_id);
        let mut finished = body(status, &error.into_body());
        finished.headers_mut().extend(headers);
        if let Some(allow) = response.headers().get(header::ALLOW) {
            finished.headers_mut().insert(header::ALLOW, allow.clone());
        }
        finished
    }
}

impl HttpError {
    /// The error as SCIM words it, for a place inside of an answer.
    pub(super) fn told(&self, request_id: &RequestId) -> ErrorBody {
        let wire = wire(self);
        self.log(wire.status, request_id);
        wire.finish(request_id).1
    }

    fn log(&self, status: StatusCode, request_id: &RequestId) {
        let request_id = &request_id.0;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            warn!(request.id = %request_id, reason = %chain(self), "request {request_id} was put off");
        } else if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
            error!(request.id = %request_id, reason = %chain(self), "request {request_id} failed");
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

/// Any path without an endpoint. One under another version of the protocol is told apart
/// (RFC 7644 section 3.13).
pub(super) async fn no_such_endpoint(State(api): State<Api>, request: Request) -> HttpError {
    let Some((unversioned, version)) = versioned(&api.base_path) else { return HttpError::NoSuchEndpoint };
    let below = request.uri().path().strip_prefix(unversioned).and_then(|path| path.strip_prefix('/'));
    match below.and_then(|path| path.split('/').next()) {
        Some(other) if is_version(other) && other != version => {
            let detail = format!("this server speaks `{version}` and no other version of the protocol");
            HttpError::Invalid(Invalid::new(ScimType::InvalidVers, detail))
        }
        _ => HttpError::NoSuchEndpoint,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Forbidden;
    use crate::context::Scope;
    use crate::hook::{Fault, FaultKind, Hold, PluginName};
    use crate::pipeline::Guarded;

    fn by() -> Attribution {
        Attribution { plugin: PluginName::from("rule"), version: "1.2.3".to_owned() }
    }

    fn troubled(trouble: Trouble) -> HttpError {
        WriteError::Troubled { by: by(), trouble }.into()
    }

    /// Checklist S-20.4, S-20.5, S-20.7, S-20.8: what happened, and how a client hears of it.
    fn table() -> Vec<(HttpError, u16, Option<&'static str>)> {
        let secret = || StoreError::unavailable("/var/lib/secret-4711");
        let resource_type = || "User".to_owned();
        let invalid = |scim_type: ScimType| HttpError::Invalid(Invalid::new(scim_type, "so it is"));
        let refused = |status: RefusalStatus, scim_type: Option<ScimType>| {
            WriteError::Refused { by: by(), refusal: Refusal { status, scim_type, detail: "not today".to_owned() } }
                .into()
        };
        let retryable = |retryable: bool| Trouble::Error { message: "secret-4711".to_owned(), retryable };
        vec![
            (HttpError::Unauthenticated { presented: false }, 401, None),
            (HttpError::Unauthenticated { presented: true }, 401, None),
            (HttpError::NoSuchEndpoint, 404, None),
            (HttpError::NoSuchMethod { method: Method::PUT }, 405, None),
            (HttpError::NoSuchResource { resource_type: resource_type() }, 404, None),
            (HttpError::MediaType, 415, None),
            (HttpError::BodyTooLarge { bytes_max: 7 }, 413, None),
            (HttpError::BodyTooSlow, 408, None),
            (HttpError::FilteredDiscovery, 403, None),
            (HttpError::NotImplemented { what: "bulk requests" }, 501, None),
            (HttpError::TooManyRequests { retry_after_seconds: 7 }, 429, None),
            (invalid(ScimType::InvalidFilter), 400, Some("invalidFilter")),
            (invalid(ScimType::TooMany), 400, Some("tooMany")),
            (invalid(ScimType::Uniqueness), 409, Some("uniqueness")),
            (invalid(ScimType::Mutability), 400, Some("mutability")),
            (invalid(ScimType::InvalidSyntax), 400, Some("invalidSyntax")),
            (invalid(ScimType::InvalidPath), 400, Some("invalidPath")),
            (invalid(ScimType::NoTarget), 400, Some("noTarget")),
            (invalid(ScimType::InvalidValue), 400, Some("invalidValue")),
            (invalid(ScimType::InvalidVers), 400, Some("invalidVers")),
            (invalid(ScimType::Sensitive), 403, Some("sensitive")),
            (invalid(ScimType::InvalidCursor), 400, Some("invalidCursor")),
            (invalid(ScimType::ExpiredCursor), 400, Some("expiredCursor")),
            (invalid(ScimType::InvalidCount), 400, Some("invalidCount")),
            (ReadError::Forbidden(Forbidden { needed: Scope::Read }).into(), 403, None),
            (ReadError::NotFound { resource_type: resource_type() }.into(), 404, None),
            (ReadError::TooMany { resources_max: 7 }.into(), 400, Some("tooMany")),
            (ReadError::Store(secret()).into(), 500, None),
            (WriteError::Forbidden(Forbidden { needed: Scope::Write }).into(), 403, None),
            (WriteError::NotFound { resource_type: resource_type() }.into(), 404, None),
            (WriteError::Precondition.into(), 412, None),
            (WriteError::PreconditionRequired.into(), 428, None),
            (WriteError::Taken { attribute: "userName".to_owned() }.into(), 409, Some("uniqueness")),
            (refused(RefusalStatus::BadRequest, Some(ScimType::InvalidValue)), 400, Some("invalidValue")),
            (refused(RefusalStatus::Forbidden, None), 403, None),
            (refused(RefusalStatus::NotFound, None), 404, None),
            (refused(RefusalStatus::Conflict, Some(ScimType::Uniqueness)), 409, Some("uniqueness")),
            (
                WriteError::Held {
                    by: by(),
                    hold: Hold { reason: "two must agree".to_owned(), approvals: 2, expires_s: None },
                }
                .into(),
                403,
                None,
            ),
            (troubled(retryable(false)), 500, None),
            (troubled(retryable(true)), 503, None),
            (troubled(Fault::new(FaultKind::Output, "secret-4711").into()), 503, None),
            (WriteError::Outside { by: by() }.into(), 403, None),
            (
                WriteError::from(Guarded {
                    bound: "7 deletions".to_owned(),
                    resource_type: resource_type(),
                    count: 7,
                    window_seconds: 60,
                })
                .into(),
                403,
                None,
            ),
            (ReadError::Nobody.into(), 404, None),
            (
                ReadError::Refused {
                    by: by(),
                    refusal: Refusal { status: RefusalStatus::Forbidden, scim_type: None, detail: "no".to_owned() },
                }
                .into(),
                403,
                None,
            ),
            (ReadError::Troubled { by: by(), trouble: retryable(false) }.into(), 500, None),
            (ReadError::Troubled { by: by(), trouble: retryable(true) }.into(), 503, None),
            (
                ReadError::Troubled { by: by(), trouble: Fault::new(FaultKind::Trap, "secret-4711").into() }.into(),
                503,
                None,
            ),
            (WriteError::Contended { attempts: 64 }.into(), 503, None),
            (WriteError::OutboxFull.into(), 503, None),
            (WriteError::StateFull { plugin: PluginName::from("rule") }.into(), 503, None),
            (WriteError::Clash.into(), 500, None),
            (WriteError::Store(secret()).into(), 500, None),
            (HttpError::Store(secret()), 500, None),
        ]
    }

    fn finished(response: Response) -> Response {
        let pending = response.extensions().get::<Pending>().expect("every error waits for its request's id").clone();
        pending.finish(&RequestId("r-4711".into()), response)
    }

    async fn body_of(response: Response) -> serde_json::Value {
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Golden test 30, for what is hard to bring about from outside; checklist S-20.1 to S-20.9, S-2.5.
    #[tokio::test]
    async fn every_error_is_a_scim_error_of_its_status() {
        for (error, status, scim_type) in table() {
            let what = format!("{error:?}");
            let response = finished(error.into_response());

            assert_eq!(response.status().as_u16(), status, "{what}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/scim+json", "{what}");
            let retry = response.headers().contains_key(header::RETRY_AFTER);
            assert_eq!(retry, matches!(status, 429 | 503), "{what}");
            assert_eq!(response.headers().contains_key(header::WWW_AUTHENTICATE), status == 401, "{what}");
            let body = body_of(response).await;
            assert_eq!(body["status"], status.to_string(), "{what}");
            assert_eq!(body["scimType"].as_str(), scim_type, "{what}");
            assert!(body["schemas"][0].as_str().is_some_and(|urn| urn.ends_with(":Error")), "{what}");
            let detail = body["detail"].as_str().expect("one sentence");
            assert!(!detail.is_empty() && !body.to_string().contains("secret-4711"), "{what}: {body}");
        }
    }

    /// Checklist S-20.3, S-20.7: a defect of ours is a 500 that names the request and not the defect.
    #[tokio::test]
    async fn a_panic_is_a_scim_error_too() {
        let response = finished(panicked(Box::new("secret-4711")));

        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = body_of(response).await;
        assert!(body.to_string().contains("r-4711") && !body.to_string().contains("secret"), "{body}");
    }
}
