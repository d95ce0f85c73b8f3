//! Writing answers: status, `Location`, `ETag`, media type.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use provost_scim::Attributes;
use serde_json::json;

use super::prefer::{PREFERENCE_APPLIED, Return};
use super::{Api, stream};
use crate::pipeline::{Answer, Crowd};

/// The SCIM media type (RFC 7644 section 8.1).
pub(super) const SCIM_JSON: HeaderValue = HeaderValue::from_static("application/scim+json");

/// 201 with `Location`, `ETag` and the resource as stored (RFC 7644 section 3.3).
pub struct Created(pub Answer);

impl IntoResponse for Created {
    fn into_response(self) -> Response {
        one(StatusCode::CREATED, self.0)
    }
}

/// 200 with `Location`, `ETag` and the resource.
pub struct Shown(pub Answer);

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        one(StatusCode::OK, self.0)
    }
}

/// The answer to a PATCH: 200 with the resource, or 204 without; `Location` and `ETag` either way
/// (checklist S-16.8).
pub struct Modified {
    /// What was made of the resource.
    pub answer: Answer,
    /// Whether it is left out.
    pub quiet: bool,
    /// The client's preference, if that is why.
    pub applied: Option<Return>,
}

impl IntoResponse for Modified {
    fn into_response(self) -> Response {
        let mut response = match self.quiet {
            true => placed(StatusCode::NO_CONTENT.into_response(), &self.answer.etag, &self.answer.location),
            false => one(StatusCode::OK, self.answer),
        };
        if let Some(applied) = self.applied {
            response.headers_mut().insert(PREFERENCE_APPLIED, applied.applied());
        }
        response
    }
}

/// 304: the client's copy is current. No body, no content type (checklist S-2.10).
pub struct NotModified(pub String);

impl IntoResponse for NotModified {
    fn into_response(self) -> Response {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        set(&mut response, header::ETAG, &self.0);
        response
    }
}

/// 200 with any SCIM message.
pub struct Message(pub Attributes);

impl IntoResponse for Message {
    fn into_response(self) -> Response {
        body(StatusCode::OK, &self.0)
    }
}

/// `GET /health`: 200 while requests can be answered; the body says `ok`, or `degraded` and why.
pub async fn health(State(api): State<Api>) -> Response {
    let degraded = (api.health)().degraded;
    let status = if degraded.is_empty() { "ok" } else { "degraded" };
    let reasons: Vec<String> = degraded.into_iter().map(|ailment| ailment.told).collect();
    let body = json!({ "status": status, "reasons": reasons }).to_string();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// 200 with one page of a list. Members of large groups follow while it is sent.
pub struct Page {
    /// The message.
    pub body: Attributes,
    /// The crowds among its `Resources`, by place.
    pub crowds: Vec<(usize, Crowd)>,
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        match self.crowds.is_empty() {
            true => body(StatusCode::OK, &self.body),
            false => typed(StatusCode::OK, stream::page(self.body, self.crowds)),
        }
    }
}

fn one(status: StatusCode, answer: Answer) -> Response {
    let Answer { document, crowd, etag, location, .. } = answer;
    let response = match crowd {
        None => body(status, &document),
        Some(crowd) => typed(status, stream::one(&document, crowd)),
    };
    placed(response, &etag, &location)
}

/// The response with the resource's `ETag` and `Location`.
fn placed(mut response: Response, etag: &str, location: &str) -> Response {
    set(&mut response, header::ETAG, etag);
    set(&mut response, header::LOCATION, location);
    response
}

pub(super) fn body(status: StatusCode, value: &impl serde::Serialize) -> Response {
    typed(status, Body::from(json(value)))
}

/// JSON as it goes over the wire.
pub(super) fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("a JSON value is always serialisable")
}

fn typed(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, SCIM_JSON);
    response
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("ETags and locations are made here, of visible ASCII");
    response.headers_mut().insert(name, value);
}
