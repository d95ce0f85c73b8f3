//! What an operator can ask, and how it travels over HTTP.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::context::Scope;
use crate::hook::PluginName;
use crate::plugin::Order;

/// One question or order of an operator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Makes a token and shows it once.
    TokenCreate(NewToken),
    /// All tokens, without their secrets.
    TokenList,
    /// Makes a token worthless.
    TokenRevoke {
        /// The token's id.
        id: String,
    },
    /// Every configured plugin and how it is.
    PluginList,
    /// One plugin, in full.
    PluginShow {
        /// The operator's name for it.
        name: PluginName,
    },
    /// What a plugin asks for, is granted, and uses.
    PluginGrants {
        /// The operator's name for it.
        name: PluginName,
    },
    /// Reads the list of plugins and their components again.
    PluginReload,
    /// Changes the plugins.
    PluginOrder(Order),
    /// Closes a plugin's breakers.
    PluginCloseBreaker {
        /// The operator's name for it.
        name: PluginName,
    },
    /// Every indexed attribute and how far its index is.
    IndexList,
    /// Messages that wait in the outbox, oldest first.
    OutboxList(Listing),
    /// Tries a parked message again.
    OutboxRedrive {
        /// The message's key.
        key: String,
    },
    /// Gives a message up for good.
    OutboxDrop {
        /// The message's key.
        key: String,
    },
    /// Committed changes, oldest first.
    Journal(Listing),
    /// The last requests in which plugins were asked, newest first.
    RequestList(Listing),
    /// What the plugins did in one of them.
    RequestShow {
        /// The request's id.
        id: String,
    },
    /// Every job and how it is doing.
    JobList,
    /// Starts a job now.
    JobRun {
        /// Whose.
        plugin: String,
        /// The plugin's own name for it.
        job: String,
    },
    /// The guard against mass changes: its bounds, and what was counted.
    GuardShow,
    /// Lets everything past the guard for a time.
    GuardLift(GuardLift),
    /// Whether all is well, and what is not.
    Health,
}

/// For how long the guard against mass changes is lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GuardLift {
    /// So many minutes.
    #[schema(minimum = 1, maximum = 1440)]
    pub minutes: u32,
}

/// What a new token should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// Who will use it.
    #[schema(min_length = 1)]
    pub name: String,
    /// What it may do.
    #[schema(min_items = 1)]
    pub scopes: Vec<Scope>,
    /// After how many days it is worthless; never by itself, if absent.
    #[serde(default)]
    pub days: Option<u32>,
    /// The one resource that it is made for: its bearer's own.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub resource: Option<Uuid>,
    /// What it says of its bearer: at most 32 claims, each of at most 1024 bytes with its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, String>,
}

/// Which part of a long list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Listing {
    /// Begins behind this key or sequence number; absent: the oldest messages, the last `limit` changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// At most so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Outbox only: parked messages, the dead letters, and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked: Option<bool>,
}

/// A call as an HTTP request: method, path below the admin address, JSON body.
pub struct Wire {
    /// The method.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// A JSON body, if the call has one.
    pub body: Option<serde_json::Value>,
}

/// What takes the place of a plugin's component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewComponent {
    /// Its path on the server's machine.
    #[schema(value_type = String)]
    pub file: PathBuf,
    /// What its SHA-256 must be, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Where a plugin moves to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlace {
    /// It is asked before this one.
    pub before: PluginName,
}

fn ordered(order: &Order) -> Wire {
    let wire = |method, name: &PluginName, rest: &str, body: Option<serde_json::Value>| Wire {
        method,
        path: format!("/admin/plugins/{name}{rest}"),
        body,
    };
    let value = |result: serde_json::Result<serde_json::Value>| Some(result.expect("an order is plain data"));
    match order {
        Order::Enable(name) => wire("POST", name, "/enable", None),
        Order::Disable(name) => wire("POST", name, "/disable", None),
        Order::Remove(name) => wire("DELETE", name, "", None),
        Order::Move { name, before } => {
            wire("POST", name, "/move", value(serde_json::to_value(NewPlace { before: before.clone() })))
        }
        Order::Upgrade { name, file, sha256 } => {
            let new = NewComponent { file: file.clone(), sha256: sha256.clone() };
            wire("POST", name, "/upgrade", value(serde_json::to_value(new)))
        }
        Order::Install(config) => {
            Wire { method: "POST", path: "/admin/plugins".to_owned(), body: value(serde_json::to_value(config)) }
        }
    }
}

impl Call {
    /// The request that carries this call to a running server.
    pub fn wire(&self) -> Wire {
        let plain = |method, path: String| Wire { method, path, body: None };
        let listed = |path: &str, listing: &Listing| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            if let Some(after) = &listing.after {
                query.append_pair("after", after);
            }
            if let Some(limit) = listing.limit {
                query.append_pair("limit", &limit.to_string());
            }
            if let Some(parked) = listing.parked {
                query.append_pair("parked", &parked.to_string());
            }
            plain("GET", format!("{path}?{}", query.finish()))
        };
        match self {
            Self::TokenCreate(new) => {
                let body = serde_json::to_value(new).expect("a token's wish is plain data");
                Wire { method: "POST", path: "/admin/tokens".to_owned(), body: Some(body) }
            }
            Self::TokenList => plain("GET", "/admin/tokens".to_owned()),
            Self::TokenRevoke { id } => plain("DELETE", format!("/admin/tokens/{id}")),
            Self::PluginList => plain("GET", "/admin/plugins".to_owned()),
            Self::PluginShow { name } => plain("GET", format!("/admin/plugins/{name}")),
            Self::PluginGrants { name } => plain("GET", format!("/admin/plugins/{name}/grants")),
            Self::PluginReload => plain("POST", "/admin/plugins/reload".to_owned()),
            Self::PluginCloseBreaker { name } => plain("POST", format!("/admin/plugins/{name}/close-breaker")),
            Self::PluginOrder(order) => ordered(order),
            Self::IndexList => plain("GET", "/admin/indexes".to_owned()),
            Self::OutboxList(listing) => listed("/admin/outbox", listing),
            Self::OutboxRedrive { key } => plain("POST", format!("/admin/outbox/{key}/redrive")),
            Self::OutboxDrop { key } => plain("DELETE", format!("/admin/outbox/{key}")),
            Self::Journal(listing) => listed("/admin/journal", listing),
            Self::RequestList(listing) => listed("/admin/requests", listing),
            Self::RequestShow { id } => plain("GET", format!("/admin/requests/{id}")),
            Self::JobList => plain("GET", "/admin/jobs".to_owned()),
            Self::JobRun { plugin, job } => {
                plain("POST", format!("/admin/jobs/{}/{}/run", segment(plugin), segment(job)))
            }
            Self::GuardShow => plain("GET", "/admin/guard".to_owned()),
            Self::GuardLift(lift) => {
                let body = serde_json::to_value(lift).expect("a number is plain data");
                Wire { method: "POST", path: "/admin/guard/lift".to_owned(), body: Some(body) }
            }
            Self::Health => plain("GET", "/admin/health".to_owned()),
        }
    }
}

/// Text as one segment of a path.
fn segment(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
