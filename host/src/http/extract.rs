//! Reading requests: credential, identifiers, preconditions, projections, bodies.
//!
//! Each extractor refuses with the SCIM error that fits, so a handler only ever sees good input.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, RawQuery, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use futures::StreamExt as _;
use provost_scim::version::EntityTags;
use provost_scim::{Deviations, Invalid, Leniency, Projection, ResourceType, Search, message, resource};
use serde_json::Value;

use super::trial::Attempt;
use super::{Api, HttpError};
use crate::access;
use crate::clock::Clock;
use crate::context::{Actor, Capacity, Realm, RequestContext, Scope};
use crate::pipeline::{At, Precondition};
use crate::store::Store;
use crate::trace::Trace;

/// How long a client may take to send a body.
const BODY_SECONDS_MAX: u64 = 30;

/// The header, and in any letter case the query parameter, by which a client does without the
/// names of members.
const GROUP_OVERHEAD_BYPASS: &str = "group-overhead-bypass";
/// How much of a body that is too large is read after all, and dropped, in bytes.
const BODY_BYTES_DROPPED_MAX: usize = 16 * 1024 * 1024;

/// Names one request; put there by the outermost layer.
#[derive(Debug, Clone)]
pub struct RequestId(pub Arc<str>);

/// An authenticated request, with everything it knows about itself.
pub struct Caller(pub RequestContext);

impl FromRequestParts<Api> for Caller {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, HttpError> {
        authenticate(parts, &api.store, &api.clock).await.map(Self)
    }
}

/// Finds out who asks, by the bearer token (RFC 6750 section 2.1).
///
/// # Errors
/// 401 when there is no token, or it is unknown, revoked or expired: all the same to the caller.
pub async fn authenticate(parts: &Parts, store: &Store, clock: &Clock) -> Result<RequestContext, HttpError> {
    let token = bearer(&parts.headers).ok_or(HttpError::Unauthenticated { presented: false })?;
    let now = clock.now();
    let record = store.token_by_hash(&access::hash(token)).await?;
    let record =
        record.filter(|r| r.expires.is_none_or(|at| now < at)).ok_or(HttpError::Unauthenticated { presented: true })?;
    let request_id = named(parts);
    let actor = Actor {
        subject: record.id,
        client: Some(record.name),
        scopes: record.scopes,
        claims: record.claims.into_iter().map(|(name, value)| (name, Value::String(value))).collect(),
        resource: record.resource,
    };
    let (overhead_bypass, deviations) = (overhead_bypass(parts), deviations(parts));
    let cx = RequestContext::new(request_id, Realm::DEFAULT, actor, now);
    let mut cx = RequestContext { overhead_bypass, deviations, trace: trace(parts), ..cx };
    begin_trial(parts, &mut cx)?;
    Ok(cx)
}

/// Whoever asks for a trial gets one, or is refused.
fn begin_trial(parts: &Parts, cx: &mut RequestContext) -> Result<(), HttpError> {
    parts.extensions.get::<Attempt>().map_or(Ok(()), |attempt| attempt.begin(cx))
}

/// What the outermost layer of the SCIM door will keep.
fn trace(parts: &Parts) -> Trace {
    parts.extensions.get::<Trace>().cloned().unwrap_or_default()
}

/// Whether the request names `Group-Overhead-Bypass`, as a header or as a query parameter, with
/// whatever value: that is how Janssen documents it.
fn overhead_bypass(parts: &Parts) -> bool {
    let query = parts.uri.query().unwrap_or_default();
    parts.headers.contains_key(GROUP_OVERHEAD_BYPASS)
        || url::form_urlencoded::parse(query.as_bytes())
            .any(|(name, _)| name.eq_ignore_ascii_case(GROUP_OVERHEAD_BYPASS))
}

fn named(parts: &Parts) -> Arc<str> {
    parts.extensions.get::<RequestId>().expect("the outermost layer names every request").0.clone()
}

/// What the outermost layer of the SCIM door will count and log. Other doors count nothing.
fn deviations(parts: &Parts) -> Deviations {
    parts.extensions.get::<Deviations>().cloned().unwrap_or_default()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Somebody who registers: with a credential, or, where the operator allows it, with none.
pub struct Applicant(pub RequestContext);

impl FromRequestParts<Api> for Applicant {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, HttpError> {
        let registration = api.pipeline.settings().me.registration.as_ref();
        let open = registration.is_some_and(|registration| registration.anonymous);
        if !open || parts.headers.contains_key(header::AUTHORIZATION) {
            return authenticate(parts, &api.store, &api.clock).await.map(Self);
        }
        let actor = Actor { subject: "anonymous".to_owned(), scopes: vec![Scope::Register], ..Actor::default() };
        let cx = RequestContext::new(named(parts), Realm::DEFAULT, actor, api.clock.now());
        let capacity = Capacity::Applicant { anonymous: true };
        let mut cx = RequestContext { capacity, deviations: deviations(parts), trace: trace(parts), ..cx };
        begin_trial(parts, &mut cx)?;
        Ok(Self(cx))
    }
}

/// What `If-Match` and `If-None-Match` ask for.
pub struct Preconditions(pub Precondition);

impl FromRequestParts<Api> for Preconditions {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, HttpError> {
        let leniency = api.pipeline.settings().leniency.noting(&deviations(parts));
        Ok(Self(precondition(&parts.headers, &leniency)))
    }
}

/// The resource type whose endpoint was asked.
pub struct Of(pub Arc<ResourceType>);

impl FromRequestParts<Api> for Of {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, HttpError> {
        let resource_type = parts.extensions.get::<Arc<ResourceType>>();
        Ok(Self(resource_type.expect("the router lays it on every resource endpoint").clone()))
    }
}

/// The segment behind the endpoint. One that is no text names nothing: 404.
pub struct Segment(pub String);

impl FromRequestParts<Api> for Segment {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, HttpError> {
        let segment = Path::<String>::from_request_parts(parts, api).await;
        segment.map(|Path(text)| Self(text)).map_err(|_| HttpError::NoSuchEndpoint)
    }
}

/// The resource that the path names, in the state that `If-Match` and `If-None-Match` ask for. An
/// id that cannot be one names nothing: 404 (checklist S-5.6).
pub struct Addressed(pub At);

impl FromRequestParts<Api> for Addressed {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, HttpError> {
        let Of(resource_type) = Of::from_request_parts(parts, api).await?;
        let Segment(text) = Segment::from_request_parts(parts, api).await?;
        let id = resource::parse_id(&text)
            .ok_or_else(|| HttpError::NoSuchResource { resource_type: resource_type.name.clone() })?;
        let leniency = api.pipeline.settings().leniency.noting(&deviations(parts));
        Ok(Self(At { resource_type, id, precondition: precondition(&parts.headers, &leniency) }))
    }
}

fn precondition(headers: &HeaderMap, leniency: &Leniency) -> Precondition {
    let tags = |name: header::HeaderName| {
        let lines: Vec<_> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        if lines.is_empty() { None } else { Some(EntityTags::parse_with(&lines.join(","), leniency)) }
    };
    Precondition { if_match: tags(header::IF_MATCH), if_none_match: tags(header::IF_NONE_MATCH) }
}

/// The query string, decoded once; unknown parameters are ignored (checklist S-1.8).
pub struct Parameters(Vec<(String, String)>);

impl FromRequestParts<Api> for Parameters {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, HttpError> {
        let RawQuery(query) = RawQuery::from_request_parts(parts, api).await.expect("taking the query cannot fail");
        let query = query.unwrap_or_default();
        Ok(Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

impl Parameters {
    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// `attributes` and `excludedAttributes`; repeated ones add up.
    pub fn projection(&self, leniency: &Leniency) -> Result<Projection, Invalid> {
        let all = |name: &str| -> Vec<&str> {
            self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
        };
        Projection::from_query(&all("attributes"), &all("excludedAttributes"), leniency)
    }

    /// What a list asks for.
    pub fn search(&self, leniency: &Leniency) -> Result<Search, Invalid> {
        Search::from_query(&self.0, self.projection(leniency)?)
    }

    /// Whether `attributes` names any: then a PATCH must answer with the resource (checklist S-8.11).
    pub fn names_attributes(&self) -> bool {
        self.get("attributes").is_some_and(|names| !names.trim().is_empty())
    }
}

/// A JSON object from the body.
pub struct ScimBody(pub Value);

impl FromRequest<Api> for ScimBody {
    type Rejection = HttpError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, HttpError> {
        let bytes_max = api.body_bytes_max;
        let bytes = read_body(request, bytes_max, || HttpError::BodyTooLarge { bytes_max }).await?;
        Ok(Self(message::parse(&bytes)?))
    }
}

/// Reads a JSON body of bounded size. Of one that is larger, some more is read and dropped: a
/// client that is still sending would hear of a broken connection rather than of the limit.
pub(super) async fn read_body(
    request: Request,
    bytes_max: usize,
    too_large: impl Fn() -> HttpError,
) -> Result<Vec<u8>, HttpError> {
    media_type(request.headers())?;
    let read = tokio::time::timeout(Duration::from_secs(BODY_SECONDS_MAX), whole(request.into_body(), bytes_max));
    read.await.map_err(|_| HttpError::BodyTooSlow)??.ok_or_else(too_large)
}

/// The body, unless it is too large.
async fn whole(body: Body, bytes_max: usize) -> Result<Option<Vec<u8>>, HttpError> {
    let mut chunks = body.into_data_stream();
    let (mut bytes, mut dropped) = (Vec::new(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| HttpError::Invalid(Invalid::syntax("the request body ended early")))?;
        if dropped == 0 && bytes.len() + chunk.len() <= bytes_max {
            bytes.extend_from_slice(&chunk);
            continue;
        }
        bytes = Vec::new();
        dropped += chunk.len();
        if dropped > BODY_BYTES_DROPPED_MAX {
            break;
        }
    }
    Ok((dropped == 0).then_some(bytes))
}

/// `application/scim+json` or `application/json`, parameters ignored; none counts as SCIM (checklist S-2.2).
fn media_type(headers: &HeaderMap) -> Result<(), HttpError> {
    let Some(content_type) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let fits = ["application/scim+json", "application/json"].iter().any(|known| essence.eq_ignore_ascii_case(known));
    if fits { Ok(()) } else { Err(HttpError::MediaType) }
}
