//! The order of things: what happens between a parsed request and its answer.
//!
//! Each kind of request is one function, and it reads in the order things happen. A write goes:
//! permission, current state, the client's proposal checked, the plugins' reviews, validation,
//! one commit. A read goes: permission, the store, the joins that the projection asks for.
//!
//! No door goes around this module, and nothing here knows what HTTP is. Plugins never run
//! inside a store transaction: a slow plugin costs its own caller time, and at worst those who
//! wait to write the very same resource.

mod bulk;
mod crowd;
mod cursor;
mod disk;
mod error;
mod gate;
mod guard;
mod me;
mod membership;
mod own;
mod rate;
mod read;
mod review;
mod secret;
mod shape;
mod show;
mod tally;
mod turn;
mod write;

use std::sync::Arc;

use provost_scim::{Attributes, Leniency, Schemas};

pub use bulk::{Done, OperationError, Outcome};
pub use crowd::{Crowd, Held, Holding, Page};
pub use error::{MeError, ReadError, WriteError};
pub use guard::{Bounds, Guard, GuardCount, GuardRules, GuardStatus, Guarded, WatchStatus};
pub use me::{Bind, MeRules, Registration};
pub use own::Ungranted;
pub use read::{Among, Listed};
pub use secret::{HashError, PasswordRules};
pub use write::{At, Precondition};

use crate::context::RequestContext;
use crate::hook::{Hooks, Roster};
use crate::store::Store;
use cursor::Cursors;
use disk::Disk;
use me::Desk;
use secret::Hasher;
use turn::Turns;

/// The way in for every door: HTTP, the admin API, the command line, the demo. Clones share it all.
#[derive(Clone)]
pub struct Pipeline {
    store: Arc<Store>,
    roster: Arc<Roster>,
    schemas: Arc<Schemas>,
    settings: Settings,
    cursors: Cursors,
    turns: Arc<Turns>,
    members_held: Arc<Held>,
    disk: Disk,
    hasher: Hasher,
    desk: Arc<Desk>,
    guard: Arc<Guard>,
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
    /// How long a cursor can be used, in seconds.
    pub cursor_timeout_seconds: u64,
    /// What passwords must be like.
    pub passwords: PasswordRules,
    /// Whose resource is whose, and how people register.
    pub me: MeRules,
    /// How many may be deleted and deactivated before somebody must look.
    pub guard: GuardRules,
}

/// One resource as it is answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The whole document after projection, but for the members of a group that is too large.
    pub document: Attributes,
    /// The `members` of such a group: they follow while the answer is sent.
    pub crowd: Option<Crowd>,
    /// Counts the resource's states.
    pub version: u64,
    /// The ETag; equal to `meta.version`.
    pub etag: String,
    /// The resource's absolute URI; equal to `meta.location`.
    pub location: String,
}

impl Pipeline {
    /// A pipeline over this store, these plugins and these schemas.
    pub fn new(store: Arc<Store>, roster: Arc<Roster>, schemas: Arc<Schemas>, settings: Settings) -> Self {
        store.reached_at(&settings.base_url);
        let cursors = Cursors::new(store.cursor_key());
        let (turns, members_held, disk) = (Arc::default(), Arc::default(), Disk::default());
        let (hasher, desk) = (Hasher::new(&settings.passwords), Arc::new(Desk::new(&settings.me, &schemas)));
        let guard = Arc::new(Guard::new(&settings.guard));
        Self { store, roster, schemas, settings, cursors, turns, members_held, disk, hasher, desk, guard }
    }

    /// How many members of large groups are held in memory for answers on their way.
    pub fn members_held(&self) -> &Held {
        &self.members_held
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

    /// The plugins that this request works with, from its first need of one to its end.
    fn hooks<'a>(&self, cx: &'a RequestContext) -> &'a dyn Hooks {
        &**cx.plugins.on(&self.roster)
    }

    /// What the operator decided.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
