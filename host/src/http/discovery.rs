//! `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas` (RFC 7644 section 4).
//!
//! Readable without a credential (RFC 7643 section 5): they tell what the server speaks and
//! nothing about anybody. A filter is refused, so that no client believes it was applied.

use axum::extract::{Extension, State};
use provost_scim::discovery::{self, Facts};
use provost_scim::message::ListResponse;
use provost_scim::{Attributes, Deviations, Schema, Switch};

use super::extract::{Parameters, Segment};
use super::respond::Message;
use super::{Api, HttpError};
use crate::limits::PAGE_RESOURCES_DEFAULT;

/// `GET /ServiceProviderConfig`
pub async fn service_provider_config(State(api): State<Api>, parameters: Parameters) -> Result<Message, HttpError> {
    unfiltered(&parameters)?;
    let settings = api.pipeline.settings();
    let max_results = settings.page_resources_max;
    let facts = Facts {
        max_results: max_results as u64,
        default_page_size: PAGE_RESOURCES_DEFAULT.min(max_results) as u64,
        cursor_timeout: settings.cursor_timeout_seconds,
        documentation_uri: None,
        bulk: api.bulk,
        change_password: settings.passwords.enabled,
    };
    Ok(Message(discovery::service_provider_config(&facts, &settings.base_url)))
}

/// `GET /ServiceProviderConfigs`, as SCIM 1.1 called it (L-Q6).
pub async fn service_provider_configs(
    state: State<Api>,
    Extension(deviations): Extension<Deviations>,
    parameters: Parameters,
) -> Result<Message, HttpError> {
    deviations.note(Switch::DiscoverySpcPlural);
    service_provider_config(state, parameters).await
}

/// `GET /ResourceTypes`
pub async fn resource_types(State(api): State<Api>, parameters: Parameters) -> Result<Message, HttpError> {
    unfiltered(&parameters)?;
    let all = discovery::resource_types(api.pipeline.schemas(), &api.pipeline.settings().base_url);
    Ok(Message(ListResponse::whole(all).into_body()))
}

/// `GET /ResourceTypes/{name}`
pub async fn resource_type(
    State(api): State<Api>,
    Segment(name): Segment,
    parameters: Parameters,
) -> Result<Message, HttpError> {
    unfiltered(&parameters)?;
    match api.pipeline.schemas().resource_type(&name) {
        Some(found) => Ok(Message(discovery::resource_type(found, &api.pipeline.settings().base_url))),
        None => Err(HttpError::NoSuchResource { resource_type: "ResourceType".to_owned() }),
    }
}

/// `GET /Schemas`
pub async fn schemas(State(api): State<Api>, parameters: Parameters) -> Result<Message, HttpError> {
    unfiltered(&parameters)?;
    let all = api.pipeline.schemas().schemas.iter().map(|schema| published(&api, schema)).collect();
    Ok(Message(ListResponse::whole(all).into_body()))
}

/// `GET /Schemas/{urn}`; the URN in any letter case (checklist S-1.15).
pub async fn schema(
    State(api): State<Api>,
    Segment(urn): Segment,
    parameters: Parameters,
) -> Result<Message, HttpError> {
    unfiltered(&parameters)?;
    match api.pipeline.schemas().schema(&urn) {
        Some(found) => Ok(Message(published(&api, found))),
        None => Err(HttpError::NoSuchResource { resource_type: "Schema".to_owned() }),
    }
}

/// A schema as this server keeps it: where lists hide `members`, it says so (L-Q7).
fn published(api: &Api, schema: &Schema) -> Attributes {
    let body = discovery::schema(schema, &api.pipeline.settings().base_url);
    let types = &api.pipeline.schemas().resource_types;
    match api.pipeline.settings().leniency.is_on(Switch::ListHideMembers)
        && types.iter().any(|t| t.has_members && t.schema.id == schema.id)
    {
        true => discovery::with_members_on_request(body),
        false => body,
    }
}

fn unfiltered(parameters: &Parameters) -> Result<(), HttpError> {
    if parameters.get("filter").is_some() { Err(HttpError::FilteredDiscovery) } else { Ok(()) }
}
