//! What an operator can ask, and how it travels over HTTP.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::context::Scope;

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
    /// The guard against mass changes: its bounds, and what was counted.
    GuardShow,
    /// Lets everything past the guard for a time.
    GuardLift(GuardLift),
}

/// For how long the guard against mass changes is lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardLift {
    /// So many minutes.
    pub minutes: u32,
}

/// What a new token should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// Who will use it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// After how many days it is worthless; never by itself, if absent.
    #[serde(default)]
    pub days: Option<u32>,
    /// The one resource that it is made for: its bearer's own.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub resource: Option<Uuid>,
    /// What it says of its bearer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, String>,
}

/// Which part of a long list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Listing {
    /// Begins behind this key or sequence number; absent: the last `limit` ones.
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
            Self::IndexList => plain("GET", "/admin/indexes".to_owned()),
            Self::OutboxList(listing) => listed("/admin/outbox", listing),
            Self::OutboxRedrive { key } => plain("POST", format!("/admin/outbox/{key}/redrive")),
            Self::OutboxDrop { key } => plain("DELETE", format!("/admin/outbox/{key}")),
            Self::Journal(listing) => listed("/admin/journal", listing),
            Self::GuardShow => plain("GET", "/admin/guard".to_owned()),
            Self::GuardLift(lift) => {
                let body = serde_json::to_value(lift).expect("a number is plain data");
                Wire { method: "POST", path: "/admin/guard/lift".to_owned(), body: Some(body) }
            }
        }
    }
}
