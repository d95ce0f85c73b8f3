//! The outermost layer: names each request, finishes its error body, writes one log line.
//!
//! The line has the route, never the path's query: filters are personal data (checklist S-24.7).

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::info;

use super::error::Pending;
use super::{Api, RequestId};
use crate::clock::Clock;
use crate::context::new_id;

/// The header that carries a request's id back to its client.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A new name for a request.
pub fn request_id(clock: &Clock) -> Arc<str> {
    new_id(clock.now()).simple().to_string().into()
}

/// Wraps every request.
pub(super) async fn each_request(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let request_id = RequestId(request_id(&api.clock));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("(none)".to_owned(), |p| p.as_str().to_owned());
    let plain_json = only_plain_json(&request);
    request.extensions_mut().insert(request_id.clone());

    let mut response = next.run(request).await;
    if let Some(pending) = response.extensions_mut().remove::<Pending>() {
        response = pending.finish(&request_id, response);
    }
    if plain_json && response.headers().contains_key(header::CONTENT_TYPE) {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let value = HeaderValue::from_str(&request_id.0).expect("a request id is hexadecimal");
    response.headers_mut().insert(X_REQUEST_ID, value);

    let status = response.status().as_u16();
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    info!(request.id = %request_id.0, %method, %route, status, duration_ms, "{method} {route} answered {status}");
    response
}

/// Whether the client accepts `application/json` and not the SCIM type (checklist S-2.4).
fn only_plain_json(request: &Request) -> bool {
    let Some(accept) = request.headers().get(header::ACCEPT).and_then(|v| v.to_str().ok()) else { return false };
    let accepts = |media: &str| accept.split(',').any(|part| part.split(';').next().is_some_and(|m| m.trim() == media));
    accepts("application/json") && !accepts("application/scim+json") && !accepts("*/*")
}
