//! `/admin/outbox` and `/admin/journal`: what was committed, and what waits to be told of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::describe::Refusals;
use super::{Listed, Named, Operator};
use crate::admin::answer::{Dropped, JournalList, OutboxList, Problem, Redriven};
use crate::admin::call::Call;
use crate::admin::{Desk, DeskError};

pub(super) fn routes() -> OpenApiRouter<Arc<Desk>> {
    OpenApiRouter::new()
        .routes(routes!(outbox_list))
        .routes(routes!(outbox_drop))
        .routes(routes!(outbox_redrive))
        .routes(routes!(journal_list))
}

/// List the messages that wait to be delivered, oldest first
#[utoipa::path(
    get, path = "/admin/outbox", tag = "outbox",
    params(
        ("after" = Option<String>, Query, description = "Begins behind this key; absent: with the oldest."),
        ("limit" = Option<usize>, Query, description = "At most so many; 20 if absent, and never more than 1000."),
        ("parked" = Option<bool>, Query, description = "Parked messages, the dead letters, and nothing else."),
    ),
    responses(
        (status = OK, body = OutboxList, description = "The messages, and how many there are in all."),
        (status = BAD_REQUEST, body = Problem, description = "A parameter makes no sense."),
        Refusals,
    ),
)]
async fn outbox_list(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Listed(listing): Listed,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::OutboxList(listing)).await.map(Json)
}

/// Give a message up for good
#[utoipa::path(
    delete, path = "/admin/outbox/{key}", tag = "outbox",
    params(("key" = String, Path, description = "The message's key, as the list shows it.")),
    responses(
        (status = OK, body = Dropped, description = "It is gone."),
        (status = BAD_REQUEST, body = Problem, description = "This is not a message's key."),
        (status = NOT_FOUND, body = Problem, description = "There is no such message."),
        Refusals,
    ),
)]
async fn outbox_drop(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Named(key): Named<String>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::OutboxDrop { key }).await.map(Json)
}

/// Try a parked message again
///
/// What waits behind it follows in order.
#[utoipa::path(
    post, path = "/admin/outbox/{key}/redrive", tag = "outbox",
    params(("key" = String, Path, description = "The message's key, as the list shows it.")),
    responses(
        (status = OK, body = Redriven, description = "It is tried again."),
        (status = BAD_REQUEST, body = Problem, description = "This is not a message's key."),
        (status = NOT_FOUND, body = Problem, description = "There is no such message, or it is not parked."),
        Refusals,
    ),
)]
async fn outbox_redrive(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Named(key): Named<String>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::OutboxRedrive { key }).await.map(Json)
}

/// List committed changes, oldest first
#[utoipa::path(
    get, path = "/admin/journal", tag = "journal",
    params(
        ("after" = Option<u64>, Query, description = "Begins behind this sequence number; absent: the last `limit` ones."),
        ("limit" = Option<usize>, Query, description = "At most so many; 20 if absent, and never more than 1000."),
    ),
    responses(
        (status = OK, body = JournalList, description = "The changes."),
        (status = BAD_REQUEST, body = Problem, description = "A parameter makes no sense."),
        Refusals,
    ),
)]
async fn journal_list(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Listed(listing): Listed,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::Journal(listing)).await.map(Json)
}
