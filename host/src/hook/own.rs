//! What a plugin changes by itself: while it handles an observation or a delivery, or in a job.
//!
//! Such a change takes the same way as a client's. What is different is who made it, by which right
//! (the operator's grant), and that plugins which answer each other's changes must come to an end:
//! each change knows the plugins that led to it.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use provost_scim::Attributes;

use super::{Operation, PluginName};
use crate::context::RequestContext;

/// One change that a plugin makes by itself, as it worded it.
#[derive(Debug, Clone)]
pub struct OwnChange {
    /// What is to be done.
    pub operation: Operation,
    /// The resource type's name.
    pub resource_type: String,
    /// The resource's id; absent on a create.
    pub id: Option<String>,
    /// JSON text: the resource, or on a patch its operations. Absent on a delete.
    pub body: Option<String>,
    /// The version that the resource must still have, as in `meta.version`.
    pub if_match: Option<String>,
}

/// Why a plugin's own change was not made. The words are for the plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnChangeError {
    /// It is not granted; the text names the grant.
    #[error("{0}")]
    Denied(String),
    /// What a client would have been answered.
    #[error("{detail}")]
    Refused {
        /// The status, such as 409.
        status: u16,
        /// The keyword.
        scim_type: Option<&'static str>,
        /// One sentence.
        detail: String,
    },
    /// Plugins answer each other's changes; the text names them in order.
    #[error("{0}")]
    Looped(String),
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
}

/// The way to the pipeline, for those below it. Answers with the resource as it is afterwards; on a delete with nothing.
pub type Author = Arc<
    dyn Fn(RequestContext, OwnChange) -> BoxFuture<'static, Result<Option<Attributes>, OwnChangeError>> + Send + Sync,
>;

/// What the operator lets one plugin change by itself.
#[derive(Debug, Clone, Default)]
pub struct OwnRights {
    /// The resource types, each with what may be done to them.
    pub operations: Vec<(String, Vec<Operation>)>,
    /// The attribute paths that it may set (`*` for all): `name` covers `name.givenName`.
    pub may_write: Arc<[String]>,
}

impl OwnRights {
    /// Whether it may do this to resources of this type.
    pub fn allow(&self, operation: Operation, resource_type: &str) -> bool {
        let granted =
            |(of, operations): &(String, Vec<Operation>)| of == resource_type && operations.contains(&operation);
        self.operations.iter().any(granted)
    }
}

/// The plugins that led to a change, oldest first; the last one makes it.
#[derive(Debug, Clone, Copy)]
pub struct Trail<'a>(pub &'a [PluginName]);

impl Trail<'_> {
    /// The same, with one more plugin behind.
    pub fn and(self, plugin: &PluginName) -> Arc<[PluginName]> {
        self.0.iter().chain(std::iter::once(plugin)).cloned().collect()
    }
}

impl fmt::Display for Trail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, plugin) in self.0.iter().enumerate() {
            write!(f, "{}{plugin}", if place == 0 { "" } else { " -> " })?;
        }
        Ok(())
    }
}
