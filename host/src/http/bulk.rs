//! `POST /Bulk` (RFC 7644 section 3.7).

use axum::extract::{FromRequest, Request, State};
use provost_scim::bulk::{Answered, BulkError, BulkRequest, BulkResponse};
use provost_scim::discovery::BulkFacts;
use provost_scim::{Deviations, message};
use tracing::info;

use super::extract::{Caller, RequestId, read_body};
use super::respond::Message;
use super::{Api, HttpError};
use crate::pipeline::{Done, Outcome};

/// `POST /Bulk`. 200 when the request was worked on, whatever became of its operations (checklist S-18.1).
pub async fn bulk(
    State(api): State<Api>,
    Caller(cx): Caller,
    BulkBody(request): BulkBody,
) -> Result<Message, HttpError> {
    if cx.dry_run {
        return Err(HttpError::NotImplemented { what: "a trial of a bulk request; try its operations one by one" });
    }
    let asked = request.operations.len();
    let outcomes = api.pipeline.bulk(&cx, request).await?;
    let failed = outcomes.iter().filter(|outcome| outcome.done.is_err()).count();
    let (worked_on, id) = (outcomes.len(), &cx.request_id);
    info!(request.id = %id, asked, worked_on, failed, "bulk request {id}: {worked_on} of {asked} operations worked on, {failed} failed");

    let request_id = RequestId(cx.request_id.clone());
    let operations = outcomes.into_iter().map(|outcome| answered(outcome, &request_id)).collect();
    Ok(Message(BulkResponse { operations }.into_body()))
}

/// The statuses that the operation would have had by itself.
fn answered(outcome: Outcome, request_id: &RequestId) -> Answered {
    let Outcome { method, bulk_id, location, done } = outcome;
    let (status, version, response) = match done {
        Ok(Done::Created { etag }) => (201, Some(etag), None),
        Ok(Done::Changed { etag }) => (200, Some(etag), None),
        Ok(Done::Deleted) => (204, None, None),
        Err(error) => {
            let told = HttpError::Operation(error).told(request_id);
            (told.status, None, Some(told))
        }
    };
    Answered { method, bulk_id, location, status, version, response }
}

/// A bulk request, held to its limits: to the bytes before it is parsed (checklist S-18.13).
pub struct BulkBody(BulkRequest);

impl FromRequest<Api> for BulkBody {
    type Rejection = HttpError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, HttpError> {
        let Some(BulkFacts { max_operations, max_payload_bytes }) = api.bulk else { return Err(HttpError::NoBulk) };
        let bytes_max = usize::try_from(max_payload_bytes).unwrap_or(usize::MAX);
        let deviations = request.extensions().get::<Deviations>().cloned().unwrap_or_default();
        let bytes = read_body(request, bytes_max, || HttpError::BulkTooLarge { bytes_max }).await?;
        let schemas = api.pipeline.schemas().clone();
        let leniency = api.pipeline.settings().leniency.noting(&deviations);
        // Some megabytes take a while to read, which is nobody else's time.
        let read = tokio::task::spawn_blocking(move || {
            BulkRequest::parse(message::parse(&bytes)?, &schemas, max_operations, &leniency)
        });
        let read = read.await.map_err(|_| HttpError::BrokeOff)?;
        Ok(Self(read.map_err(|error| match error {
            BulkError::Invalid(invalid) => HttpError::Invalid(invalid),
            BulkError::TooManyOperations { operations_max } => HttpError::BulkTooMany { operations_max },
        })?))
    }
}
