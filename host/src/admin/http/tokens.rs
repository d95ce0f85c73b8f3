//! `/admin/tokens`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::describe::Refusals;
use super::{Given, Named, Operator};
use crate::admin::answer::{MadeToken, Problem, Revoked, TokenList};
use crate::admin::call::{Call, NewToken};
use crate::admin::{Desk, DeskError};

pub(super) fn routes() -> OpenApiRouter<Arc<Desk>> {
    OpenApiRouter::new().routes(routes!(token_list, token_create)).routes(routes!(token_revoke))
}

/// List all tokens, without their secrets
#[utoipa::path(
    get, path = "/admin/tokens", tag = "tokens",
    responses((status = OK, body = TokenList, description = "The tokens."), Refusals),
)]
async fn token_list(State(desk): State<Arc<Desk>>, Operator(cx): Operator) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::TokenList).await.map(Json)
}

/// Make a token
///
/// Its secret is in the answer, and is shown nowhere else: the server keeps only a hash of it.
#[utoipa::path(
    post, path = "/admin/tokens", tag = "tokens", request_body = NewToken,
    responses(
        (status = CREATED, body = MadeToken, description = "The token, with its secret."),
        (status = BAD_REQUEST, body = Problem, description = "The body is not a token that could be made."),
        Refusals,
    ),
)]
async fn token_create(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Given(new): Given<NewToken>,
) -> Result<Response, DeskError> {
    let made = desk.answer(&cx, Call::TokenCreate(new)).await?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// Make a token worthless, at once
#[utoipa::path(
    delete, path = "/admin/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "The token's id, as the list shows it.")),
    responses(
        (status = OK, body = Revoked, description = "It is worthless now."),
        (status = BAD_REQUEST, body = Problem, description = "The path is not text."),
        (status = NOT_FOUND, body = Problem, description = "There is no such token."),
        Refusals,
    ),
)]
async fn token_revoke(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Named(id): Named<String>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::TokenRevoke { id }).await.map(Json)
}
