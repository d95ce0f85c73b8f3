//! `/admin/plugins`

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
use crate::admin::answer::{Closed, PluginList, Problem};
use crate::admin::call::{Call, NewComponent, NewPlace};
use crate::admin::{Desk, DeskError};
use crate::hook::PluginName;
use crate::plugin::{Changed, GrantStatus, Order, PluginConfig, PluginStatus};

pub(super) fn routes() -> OpenApiRouter<Arc<Desk>> {
    OpenApiRouter::new()
        .routes(routes!(plugin_list, plugin_install))
        .routes(routes!(plugin_reload))
        .routes(routes!(plugin_show, plugin_remove))
        .routes(routes!(plugin_grants))
        .routes(routes!(plugin_enable))
        .routes(routes!(plugin_disable))
        .routes(routes!(plugin_upgrade))
        .routes(routes!(plugin_move))
        .routes(routes!(plugin_close_breaker))
}

/// List every configured plugin and how it is
#[utoipa::path(
    get, path = "/admin/plugins", tag = "plugins",
    responses((status = OK, body = PluginList, description = "The plugins, in the order in which they are asked."), Refusals),
)]
async fn plugin_list(State(desk): State<Arc<Desk>>, Operator(cx): Operator) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginList).await.map(Json)
}

/// Show how one plugin is
#[utoipa::path(
    get, path = "/admin/plugins/{name}", tag = "plugins",
    params(("name" = PluginName, Path, description = "The operator's name for it.")),
    responses(
        (status = OK, body = PluginStatus, description = "The plugin."),
        (status = BAD_REQUEST, body = Problem, description = "The path is not text."),
        (status = NOT_FOUND, body = Problem, description = "There is no such plugin."),
        Refusals,
    ),
)]
async fn plugin_show(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Named(name): Named<PluginName>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginShow { name }).await.map(Json)
}

/// Show what a plugin asks for, is granted, and uses
#[utoipa::path(
    get, path = "/admin/plugins/{name}/grants", tag = "plugins",
    params(("name" = PluginName, Path, description = "The operator's name for it.")),
    responses(
        (status = OK, body = GrantStatus, description = "Its grants."),
        (status = BAD_REQUEST, body = Problem, description = "The path is not text."),
        (status = NOT_FOUND, body = Problem, description = "There is no such plugin."),
        Refusals,
    ),
)]
async fn plugin_grants(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Named(name): Named<PluginName>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginGrants { name }).await.map(Json)
}

/// Read the list of plugins and their components again
///
/// All of what changed is applied, or nothing.
#[utoipa::path(
    post, path = "/admin/plugins/reload", tag = "plugins",
    responses(
        (status = OK, body = Changed, description = "What changed."),
        (status = BAD_REQUEST, body = Problem, description = "The list makes no sense; nothing was changed."),
        (status = CONFLICT, body = Problem, description = "A plugin cannot be used as it would be; nothing was changed."),
        Refusals,
    ),
)]
async fn plugin_reload(State(desk): State<Arc<Desk>>, Operator(cx): Operator) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginReload).await.map(Json)
}

/// Add a plugin, behind the others
///
/// Its component is a file on the server's machine, and is copied. The body is a `[[plugin]]` table of the
/// configuration, as JSON.
#[utoipa::path(
    post, path = "/admin/plugins", tag = "plugins", request_body = PluginConfig,
    responses(
        (status = CREATED, body = Changed, description = "It is used from now on."),
        (status = BAD_REQUEST, body = Problem, description = "The body makes no sense, or there is a plugin of this name."),
        (status = CONFLICT, body = Problem, description = "It cannot be used; nothing was changed."),
        Refusals,
    ),
)]
async fn plugin_install(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Given(config): Given<PluginConfig>,
) -> Result<Response, DeskError> {
    let made = desk.answer(&cx, Call::PluginOrder(Order::Install(Box::new(config)))).await?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// Take out a plugin that was installed by command
#[utoipa::path(
    delete, path = "/admin/plugins/{name}", tag = "plugins",
    params(("name" = PluginName, Path, description = "The operator's name for it.")),
    responses(
        (status = OK, body = Changed, description = "It is gone."),
        (status = BAD_REQUEST, body = Problem, description = "There is no such plugin, or it stands in the configuration."),
        Refusals,
    ),
)]
async fn plugin_remove(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Named(name): Named<PluginName>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginOrder(Order::Remove(name))).await.map(Json)
}

/// Switch a plugin on, and lift its quarantine
#[utoipa::path(
    post, path = "/admin/plugins/{name}/enable", tag = "plugins",
    params(("name" = PluginName, Path, description = "The operator's name for it.")),
    responses(
        (status = OK, body = Changed, description = "It is used from now on."),
        (status = BAD_REQUEST, body = Problem, description = "There is no such plugin."),
        (status = CONFLICT, body = Problem, description = "It cannot be used; nothing was changed."),
        Refusals,
    ),
)]
async fn plugin_enable(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Named(name): Named<PluginName>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginOrder(Order::Enable(name))).await.map(Json)
}

/// Switch a plugin off
#[utoipa::path(
    post, path = "/admin/plugins/{name}/disable", tag = "plugins",
    params(("name" = PluginName, Path, description = "The operator's name for it.")),
    responses(
        (status = OK, body = Changed, description = "It is not asked any more."),
        (status = BAD_REQUEST, body = Problem, description = "There is no such plugin."),
        Refusals,
    ),
)]
async fn plugin_disable(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Named(name): Named<PluginName>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginOrder(Order::Disable(name))).await.map(Json)
}

/// Put another component in a plugin's place
///
/// It is loaded aside first. Requests under way end with the component that they began with.
#[utoipa::path(
    post, path = "/admin/plugins/{name}/upgrade", tag = "plugins", request_body = NewComponent,
    params(("name" = PluginName, Path, description = "The operator's name for it.")),
    responses(
        (status = OK, body = Changed, description = "The new component is used from now on."),
        (status = BAD_REQUEST, body = Problem, description = "There is no such plugin, or the body makes no sense."),
        (status = CONFLICT, body = Problem, description = "The component cannot be used; nothing was changed."),
        Refusals,
    ),
)]
async fn plugin_upgrade(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Named(name): Named<PluginName>,
    Given(NewComponent { file, sha256 }): Given<NewComponent>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginOrder(Order::Upgrade { name, file, sha256 })).await.map(Json)
}

/// Have a plugin asked before another
#[utoipa::path(
    post, path = "/admin/plugins/{name}/move", tag = "plugins", request_body = NewPlace,
    params(("name" = PluginName, Path, description = "The operator's name for it.")),
    responses(
        (status = OK, body = Changed, description = "They are asked in the new order from now on."),
        (status = BAD_REQUEST, body = Problem, description = "There is no such plugin, or the body makes no sense."),
        Refusals,
    ),
)]
async fn plugin_move(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Named(name): Named<PluginName>,
    Given(NewPlace { before }): Given<NewPlace>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginOrder(Order::Move { name, before })).await.map(Json)
}

/// Close a plugin's breakers, so that it is asked again at once
#[utoipa::path(
    post, path = "/admin/plugins/{name}/close-breaker", tag = "plugins",
    params(("name" = PluginName, Path, description = "The operator's name for it.")),
    responses(
        (status = OK, body = Closed, description = "They are closed."),
        (status = BAD_REQUEST, body = Problem, description = "The path is not text."),
        (status = NOT_FOUND, body = Problem, description = "There is no such plugin."),
        Refusals,
    ),
)]
async fn plugin_close_breaker(
    State(desk): State<Arc<Desk>>,
    Operator(cx): Operator,
    Named(name): Named<PluginName>,
) -> Result<Json<Value>, DeskError> {
    desk.answer(&cx, Call::PluginCloseBreaker { name }).await.map(Json)
}
