//! SCIM 2.0 as values: schemas, drafts and resources, filters, patches, projections, messages.
//!
//! Everything here is pure: values in, values out. No I/O, no clock, no randomness, so the same
//! code serves the host, the plugin SDK and the tests, and builds for `wasm32-wasip2`.
//!
//! A [`Draft`] is anyone's proposal. Only [`validate`] makes a [`Resource`], and only a
//! [`Resource`] is ever stored.

pub mod bulk;
pub mod changes;
pub mod check;
pub mod compare;
pub mod definition;
pub mod discovery;
pub mod error;
pub mod filter;
pub mod fold;
pub mod instant;
pub mod leniency;
pub mod message;
pub mod patch;
pub mod path;
pub mod project;
pub mod reference;
pub mod resource;
pub mod schema;
pub mod search;
pub mod secret;
pub mod standard;
pub mod version;

pub use changes::{changed_paths, covers};
pub use check::{Rules, validate};
pub use error::{Invalid, ScimType};
pub use leniency::{Deviations, Leniency, Switch};
pub use project::Projection;
pub use resource::{Draft, Member, MembershipEdit, Resource, Stamp};
pub use schema::{Attribute, AttributeType, Mutability, Place, ResourceType, Returned, Schema, Schemas, Uniqueness};
pub use search::Search;
pub use secret::{NewPassword, PasswordHash};

/// A JSON object whose keys are attribute names in the schema's own spelling.
pub type Attributes = serde_json::Map<String, serde_json::Value>;
