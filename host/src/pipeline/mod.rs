//! The order of things: what happens between a parsed request and its answer.
//!
//! Each kind of request is one function, and it reads in the order things happen. A write goes:
//! permission, current state, the client's proposal checked, the plugins' reviews, validation,
//! one commit. A read goes: permission, the store, the joins that the projection asks for.
//!
//! No door goes around this module, and nothing here knows what HTTP is. Plugins never run
//! inside a store transaction: a slow plugin costs its own caller time, and at worst those who
//! wait to write the very same resource.

mod error;
mod membership;
mod read;
mod review;
mod show;
mod turn;
mod write;

use std::sync::Arc;

use provost_scim::{Attributes, Leniency, Schemas};

pub use error::{ReadError, WriteError};
pub use read::{Listed, Search};
pub use write::{At, Precondition};

use crate::context::RequestContext;
use crate::hook::Hooks;
use crate::store::Store;
use turn::Turns;

/// The way in for every door: HTTP, the admin API, the command line, the demo.
pub struct Pipeline {
    store: Arc<Store>,
    hooks: Arc<dyn Hooks>,
    schemas: Arc<Schemas>,
    settings: Settings,
    turns: Turns,
}

/// What the operator decides about reads and writes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The absolute base URI that clients use, without a trailing slash. `meta.location` and
    /// `$ref` are made from it, never from a request's Host header.
    pub base_url: String,
    /// Which deviations of clients are understood.
    pub leniency: Leniency,
    /// Whether a change must name the version it was made from, by `If-Match`.
    pub require_if_match: bool,
    /// How many resources a page holds at most.
    pub page_resources_max: usize,
}

/// One resource as it is answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The whole document after projection.
    pub document: Attributes,
    /// Counts the resource's states.
    pub version: u64,
    /// The ETag; equal to `meta.version`.
    pub etag: String,
    /// The resource's absolute URI; equal to `meta.location`.
    pub location: String,
}

impl Pipeline {
    /// A pipeline over this store, these plugins and these schemas.
    pub fn new(store: Arc<Store>, hooks: Arc<dyn Hooks>, schemas: Arc<Schemas>, settings: Settings) -> Self {
        Self { store, hooks, schemas, settings, turns: Turns::default() }
    }

    /// The schemas this pipeline speaks.
    pub fn schemas(&self) -> &Arc<Schemas> {
        &self.schemas
    }

    /// What is forgiven, noting what this request needs of it. What plugins send is not a client's
    /// and is read with the settings' own, which nobody counts.
    fn leniency(&self, cx: &RequestContext) -> Leniency {
        self.settings.leniency.noting(&cx.deviations)
    }

    /// What the operator decided.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
