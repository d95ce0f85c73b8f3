//! The SCIM door: HTTP in, the pipeline's functions, HTTP out.
//!
//! From the outside in, a request meets: its id and log line, the panic net, the router, the
//! extractors (credential first, body last), and one handler that translates and does no more.
//! Every answer that is an error carries a SCIM error body, the router's and the body parser's
//! included (RFC 7644 section 3.12).

mod bulk;
mod discovery;
mod error;
mod extract;
mod me;
mod observe;
mod prefer;
mod resources;
mod respell;
mod respond;
mod stream;
mod trial;

use std::sync::Arc;

use axum::Router;
use axum::extract::Extension;
use axum::middleware;
use axum::routing::{get, post};
use provost_scim::discovery::BulkFacts;
use provost_scim::{Leniency, Switch};
use tower_http::catch_panic::CatchPanicLayer;

use crate::clock::Clock;
use crate::context::RequestContext;
use crate::pipeline::Pipeline;
use crate::store::Store;
use crate::trace::Recent;

pub use error::{HttpError, answered, chain as error_chain};
pub use extract::{Caller, RequestId, authenticate};
pub use observe::request_id;
pub use prefer::PatchAnswer;

/// What every handler can reach.
#[derive(Clone)]
pub struct Api {
    /// The way in.
    pub pipeline: Arc<Pipeline>,
    /// For credentials only; all other reads and writes go through the pipeline.
    pub store: Arc<Store>,
    /// Gives each request its one time.
    pub clock: Clock,
    /// The path that the SCIM endpoints stand under: `/scim/v2`.
    pub base_path: Arc<str>,
    /// How large a request body may be, in bytes.
    pub body_bytes_max: usize,
    /// The bounds of bulk requests, if there are any.
    pub bulk: Option<BulkFacts>,
    /// What a PATCH answers with when its client does not say.
    pub patch_answer: PatchAnswer,
    /// The last requests, with what their plugins did.
    pub recent: Recent,
    /// Whether all is well, for `/health`.
    pub health: Arc<dyn Fn() -> Health + Send + Sync>,
}

impl Api {
    /// What is forgiven, noting what this request needs of it.
    fn leniency(&self, cx: &RequestContext) -> Leniency {
        self.pipeline.settings().leniency.noting(&cx.deviations)
    }
}

/// How the server is, in one word and its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What does not work; empty when all is well.
    pub degraded: Vec<Ailment>,
}

/// Something that does not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ailment {
    /// One sentence for anybody.
    pub told: String,
    /// One sentence for operators, who may know of files and reasons.
    pub reason: String,
}

/// The SCIM endpoints and `/health`.
pub fn router(api: Api) -> Router {
    let mut scim = Router::new()
        .route("/ServiceProviderConfig", get(discovery::service_provider_config))
        .route("/ResourceTypes", get(discovery::resource_types))
        .route("/ResourceTypes/{name}", get(discovery::resource_type))
        .route("/Schemas", get(discovery::schemas))
        .route("/Schemas/{urn}", get(discovery::schema))
        .route("/Bulk", post(bulk::bulk))
        .route("/.search", post(resources::search_all))
        .route("/.search/", post(resources::search_all));
    let me = get(me::read).post(me::register).put(me::replace).patch(me::patch).delete(me::delete);
    scim = scim.route("/Me", me.clone()).route("/Me/", me);
    let leniency = &api.pipeline.settings().leniency;
    if leniency.is_on(Switch::DiscoverySpcPlural) {
        scim = scim.route("/ServiceProviderConfigs", get(discovery::service_provider_configs));
    }
    for resource_type in &api.pipeline.schemas().resource_types {
        let (path, many) = (&resource_type.endpoint, get(resources::list).post(resources::create));
        let one = get(resources::read).put(resources::replace).patch(resources::patch).delete(resources::delete);
        let endpoint = Router::new()
            .route(path, many.clone())
            // Some clients send a slash before the query (checklist S-1.9).
            .route(&format!("{path}/"), many)
            .route(&format!("{path}/.search"), post(resources::search))
            .route(&format!("{path}/.search/"), post(resources::search))
            .route(&format!("{path}/{{id}}"), one)
            .layer(Extension(resource_type.clone()));
        scim = scim.merge(endpoint);
    }
    let (any_case, base_path) = (leniency.is_on(Switch::PathsAnyCase), api.base_path.clone());
    let schemas = api.pipeline.schemas().clone();
    let mut root = Router::new();
    // Who names no version gets the one there is (RFC 7644 section 3.13).
    if let Some((unversioned, _)) = versioned(&api.base_path).filter(|(path, _)| !path.is_empty()) {
        root = root.nest(unversioned, scim.clone()).route(unversioned, get(resources::list_all));
    }
    let router = root
        .nest(&api.base_path, scim)
        .route(&api.base_path, get(resources::list_all))
        .route(&format!("{}/", api.base_path), get(resources::list_all))
        .route("/health", get(respond::health))
        .fallback(error::no_such_endpoint)
        .method_not_allowed_fallback(error::no_such_method)
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(middleware::from_fn_with_state(api.clone(), trial::each_trial))
        .layer(middleware::from_fn_with_state(api.clone(), observe::each_request))
        .with_state(api);
    if !any_case {
        return router;
    }
    respell::any_case(router, &base_path, schemas.resource_types.iter().map(|of| of.endpoint.as_str()))
}

/// A base path that ends with a version, taken apart: `/scim/v2` is `/scim` and `v2`.
fn versioned(base_path: &str) -> Option<(&str, &str)> {
    base_path.rsplit_once('/').filter(|(_, version)| is_version(version))
}

fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}
