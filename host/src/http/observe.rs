//! The outermost layer: names each request, finishes its error body, writes one log line, counts.
//!
//! Whatever a request was forgiven on its way is counted and named here, and nowhere else; so it
//! is the same for every verb.
//!
//! The line has the route, never the path's query: filters are personal data (checklist S-24.7).

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{counter, histogram};
use provost_scim::{Deviations, Switch};
use tracing::{debug, info};

use super::error::Pending;
use super::{Api, RequestId};
use crate::clock::Clock;
use crate::context::new_id;
use crate::trace::{Remembered, Trace};

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
    let deviations = request.extensions_mut().get_or_insert_default::<Deviations>().clone();
    let trace = request.extensions_mut().get_or_insert_default::<Trace>().clone();
    if route.ends_with('/') {
        deviations.note(Switch::QueryTrailingSlash);
    }

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
    count(&method, &route, status, began.elapsed());
    let (at, told) = (api.clock.now(), method.to_string());
    api.recent.keep(Remembered {
        request_id: request_id.0.clone(),
        at,
        method: told,
        route: route.clone(),
        status,
        trace,
    });
    tell_deviations(&request_id, &deviations);
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    info!(request.id = %request_id.0, %method, %route, status, duration_ms, "{method} {route} answered {status}");
    response
}

/// One more request. No label is the client's to invent.
fn count(method: &Method, route: &str, status: u16, took: Duration) {
    let method = match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known.to_owned(),
        _ => "other".to_owned(),
    };
    let route = route.to_owned();
    counter!("provost_http_requests_total", "method" => method.clone(), "route" => route.clone(), "status" => status.to_string())
        .increment(1);
    histogram!("provost_http_request_seconds", "method" => method, "route" => route).record(took);
}

/// Counts each leniency that the request needed, and names it; never what was sent.
fn tell_deviations(request_id: &RequestId, deviations: &Deviations) {
    let request_id = &request_id.0;
    for switch in deviations.switches() {
        let (key, id) = (switch.key(), switch.id());
        counter!("provost_scim_deviations_total", "switch" => key).increment(1);
        debug!(request.id = %request_id, switch = key, id, "request {request_id} needed the leniency `{key}` ({id})");
    }
}

/// Whether the client accepts `application/json` and not the SCIM type (checklist S-2.4).
fn only_plain_json(request: &Request) -> bool {
    let lines = request.headers().get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let ranges: Vec<&str> = lines.flat_map(|line| line.split(',')).filter_map(|part| part.split(';').next()).collect();
    let accepts = |media: &str| ranges.iter().any(|range| range.trim().eq_ignore_ascii_case(media));
    accepts("application/json") && !["application/scim+json", "application/*", "*/*"].into_iter().any(accepts)
}
