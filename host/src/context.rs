//! Who asks, when, and under which name: the facts one request keeps from its first line to its last.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use provost_scim::Deviations;
use serde::{Deserialize, Serialize};
use uuid::{NoContext, Uuid};

/// The part of the directory a key belongs to. One server holds one realm today; every stored
/// key begins with it, so that tenants can come without a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Realm(pub u32);

impl Realm {
    /// The realm of a server without tenants.
    pub const DEFAULT: Realm = Realm(0);
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::DEFAULT => f.write_str("default"),
            Realm(number) => write!(f, "{number}"),
        }
    }
}

/// What a credential may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// Read and search resources.
    #[serde(rename = "scim.read")]
    Read,
    /// Create, replace, patch and delete resources.
    #[serde(rename = "scim.write")]
    Write,
    /// Everything under `/admin`.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// Every scope, for listings and for the first administrator token.
    pub const ALL: [Scope; 3] = [Scope::Read, Scope::Write, Scope::Admin];

    /// The scope as a token carries it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "scim.read",
            Self::Write => "scim.write",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a scope; expected one of scim.read, scim.write, admin"))
    }
}

/// Who asked, as the credential told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The credential's subject: for a token made here, its id.
    pub subject: String,
    /// The client's name: for a token made here, the name it was given.
    pub client: Option<String>,
    /// What the credential allows.
    pub scopes: Vec<Scope>,
}

/// What one request knows about itself. One request has one `now` and one id.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Names the request in logs, errors, the journal, and to plugins.
    pub request_id: Arc<str>,
    /// Where it works.
    pub realm: Realm,
    /// Who asked.
    pub actor: Arc<Actor>,
    /// When it arrived.
    pub now: Timestamp,
    /// Which leniencies it has needed so far.
    pub deviations: Deviations,
}

/// A new id that sorts by `now` (RFC 9562, version 7): for resources and for requests.
pub fn new_id(now: Timestamp) -> Uuid {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let nanos = u32::try_from(millis % 1_000 * 1_000_000).expect("less than a second of nanoseconds");
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, millis / 1_000, nanos))
}
