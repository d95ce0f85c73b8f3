//! Who asks, when, and under which name: the facts one request keeps from its first line to its last.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use provost_scim::Deviations;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::{NoContext, Uuid};

use crate::hook::{PluginName, Settled};
use crate::trace::Trace;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
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
    /// Read and change one's own resource, through `/Me`.
    #[serde(rename = "scim.me")]
    Me,
    /// Delete one's own resource, through `/Me`.
    #[serde(rename = "scim.me.delete")]
    MeDelete,
    /// Register new people, by `POST /Me`.
    #[serde(rename = "scim.register")]
    Register,
    /// Try a change out, with the scope that the change itself needs.
    #[serde(rename = "scim.try")]
    Try,
    /// See attribute values in what `/admin` tells of requests.
    #[serde(rename = "admin.values")]
    Values,
}

impl Scope {
    /// Every scope. Stored by its place in the enum above, so that a new one comes last.
    pub const ALL: [Scope; 8] = [
        Scope::Read,
        Scope::Write,
        Scope::Admin,
        Scope::Me,
        Scope::MeDelete,
        Scope::Register,
        Scope::Try,
        Scope::Values,
    ];

    /// What the first administrator's token may do, and the operator at the machine itself.
    pub const ADMINISTRATOR: [Scope; 5] = [Scope::Read, Scope::Write, Scope::Admin, Scope::Try, Scope::Values];

    /// The scope as a token carries it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "scim.read",
            Self::Write => "scim.write",
            Self::Admin => "admin",
            Self::Me => "scim.me",
            Self::MeDelete => "scim.me.delete",
            Self::Register => "scim.register",
            Self::Try => "scim.try",
            Self::Values => "admin.values",
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
        let known = || Self::ALL.map(Self::as_str).join(", ");
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is not a scope; expected one of {}", known()))
    }
}

/// Who asked, as the credential told.
///
/// The journal and the outbox keep the subject, the client and the scopes. Claims are personal data
/// that nobody asked to be kept, so they last as long as the request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The credential's subject: for a token made here, its id.
    pub subject: String,
    /// The client's name: for a token made here, the name it was given.
    pub client: Option<String>,
    /// What the credential allows.
    pub scopes: Vec<Scope>,
    /// What else the credential says of its bearer.
    #[serde(skip)]
    pub claims: Map<String, Value>,
    /// The one resource that the credential was made for: its bearer's own.
    #[serde(skip)]
    pub resource: Option<Uuid>,
}

/// In which capacity a request acts. The doors only ever say [`Capacity::Client`], or that nobody
/// gave a name; whose resource is whose is found out in the pipeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Capacity {
    /// As a client, with the rights of its scopes.
    #[default]
    Client,
    /// As the owner of this resource, on this resource.
    Owner(Uuid),
    /// As somebody who registers.
    Applicant {
        /// Without any credential.
        anonymous: bool,
    },
    /// As a plugin, the last one of the request's trail, by the rights of its grant.
    Plugin,
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
    /// Whether it asks for `Group-Overhead-Bypass`: no names of members, in answers and in paths.
    pub overhead_bypass: bool,
    /// In which capacity it acts.
    pub capacity: Capacity,
    /// Which leniencies it has needed so far.
    pub deviations: Deviations,
    /// Which plugins it works with.
    pub plugins: Settled,
    /// Whose change caused whose: the plugins that stand between the first cause and this request, oldest first.
    /// Empty for a client's.
    pub trail: Arc<[PluginName]>,
    /// Whether it is only tried out: it runs to the commit, and nothing is committed.
    pub dry_run: bool,
    /// What the plugins do in it.
    pub trace: Trace,
}

impl RequestContext {
    /// A client's request, which asks for nothing special.
    pub fn new(request_id: impl Into<Arc<str>>, realm: Realm, actor: impl Into<Arc<Actor>>, now: Timestamp) -> Self {
        Self {
            request_id: request_id.into(),
            realm,
            actor: actor.into(),
            now,
            overhead_bypass: false,
            capacity: Capacity::Client,
            deviations: Deviations::default(),
            plugins: Settled::default(),
            trail: Arc::default(),
            dry_run: false,
            trace: Trace::default(),
        }
    }
}

/// A new id that sorts by `now` (RFC 9562, version 7): for resources and for requests.
pub fn new_id(now: Timestamp) -> Uuid {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let nanos = u32::try_from(millis % 1_000 * 1_000_000).expect("less than a second of nanoseconds");
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, millis / 1_000, nanos))
}
