//! Resources of ours as another SCIM server keeps them: found or made, changed where they differ, switched off or deleted.
//!
//! The plugin's state remembers of each what the other server calls it and a digest of what was last sent, so that nothing
//! is sent twice and a repetition after a crash changes nothing. With it, outbound provisioning is this:
//!
//! ```
//! use provost_sdk::mirror::{Mirror, USERS};
//! use provost_sdk::prelude::*;
//!
//! /// Everybody has an account at the CRM.
//! #[derive(Deserialize)]
//! struct Crm {
//!     url: String,
//! }
//!
//! impl Plugin for Crm {
//!     const INFO: Info = provost_sdk::info!();
//!
//!     fn review(&self, _: &Change) -> Result<Verdict> {
//!         outbox::enqueue("crm", &(), outbox::Options::new())?;
//!         Ok(Verdict::proceed())
//!     }
//!
//!     fn deliver(&self, message: &Message) -> Result {
//!         let crm = Mirror::at(Server::new("crm", &self.url).credential("crm-token"));
//!         let id = message.resource_id.as_deref().unwrap_or_default();
//!         match directory::get::<Resource>("User", id)? {
//!             Some(user) => crm.hold(&USERS, id, user).map(drop),
//!             None => crm.switch_off(id).map(drop),
//!         }
//!     }
//! }
//!
//! provost_sdk::export!(Crm: before_write, deliver);
//! # fn main() {}
//! ```

mod memberships;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::state::Table;
use crate::{Failure, Patch, Resource, Result, Server, filter};

pub use memberships::CHANGES_MAX;

/// How resources of one type are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Where they are, behind the base URL.
    pub endpoint: &'static str,
    /// The attribute by which one is found that does not have our `id` as its `externalId`.
    pub name: &'static str,
    /// Whether only what differs is sent (PATCH), and not the whole (PUT).
    pub by_patch: bool,
}

/// People: known by their `userName`, sent whole.
pub const USERS: Kind = Kind { endpoint: "Users", name: "userName", by_patch: false };

/// Groups: known by their `displayName`, and patched, so that their members stay.
pub const GROUPS: Kind = Kind { endpoint: "Groups", name: "displayName", by_patch: true };

/// What is a server's own, or kept elsewhere, and never sent.
const OWN: [&str; 4] = ["id", "meta", "groups", "members"];

/// By the server's name, a colon, and our `id`.
const TWINS: Table<Twin> = Table::new("twin:");

/// What is remembered of a resource at another server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Twin {
    /// Where it is: [`Kind::endpoint`].
    pub endpoint: String,
    /// Its `id` over there.
    pub remote: String,
    /// Whether it is switched on over there.
    pub is_active: bool,
    /// Whether it came or went, and nobody has said [`Mirror::settled`] since.
    pub is_new: bool,
    /// Whether it may hold what was not sent from here, such as members: it was taken over, or nobody knows any more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_foreign: bool,
    /// How far it is settled: the last member that was sent, or the last group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    settling: String,
    /// A digest of what was last sent; 0 for one that was switched off because it is not to be there.
    sent: u64,
}

impl Twin {
    /// Whether it is a group.
    pub fn is_group(&self) -> bool {
        self.endpoint == GROUPS.endpoint
    }

    /// Whether it is to be there. One that was switched off is not.
    pub fn is_there(&self) -> bool {
        self.sent != 0
    }
}

/// Our resources at another server.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// The other server.
    pub server: Server,
}

impl Mirror {
    /// Our resources at this server.
    pub fn at(server: Server) -> Self {
        Self { server }
    }

    /// What is remembered of the one with our `id`.
    pub fn twin(&self, id: &str) -> Result<Option<Twin>> {
        TWINS.get(&self.name(id))
    }

    /// What is remembered of those among these that are known, in the order of our `id`s.
    pub fn twins<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Result<BTreeMap<String, Twin>> {
        let found = TWINS.among(ids.into_iter().map(|id| self.name(id)))?;
        let behind = self.name("").len();
        Ok(found.into_iter().map(|(name, twin)| (name[behind..].to_owned(), twin)).collect())
    }

    /// Makes it there what it is here, with our `id` as its `externalId`. One that is there already is taken over, unless it
    /// is known as the twin of another; one that was deleted over there is made anew. If nothing differs from what was last
    /// sent, nothing is sent. It takes five requests at most.
    pub fn hold(&self, kind: &Kind, id: &str, mut wanted: Resource) -> Result<Twin> {
        wanted.leave_out(OWN);
        wanted.set("externalId", id);
        if *kind == USERS && wanted.get("active").is_none() {
            // A server may keep what it is not told, and with it that somebody was switched off.
            wanted.set("active", true);
        }
        let (sent, known) = (wanted.digest(), self.twin(id)?);
        let known = match known {
            Some(known) if known.sent == sent => return Ok(known),
            Some(known) if self.update(kind, &known.remote, &wanted)? => Some(known),
            Some(_) => {
                self.forget(id)?;
                None
            }
            None => None,
        };
        let (endpoint, is_active) = (kind.endpoint.to_owned(), wanted.is_active());
        if let Some(known) = known {
            let twin = match known.is_there() {
                true => Twin { endpoint, is_active, sent, ..known },
                false => Twin { endpoint, is_active, sent, is_new: true, settling: String::new(), ..known },
            };
            TWINS.put(&self.name(id), &twin)?;
            return Ok(twin);
        }
        let found = self.find(kind, id, &wanted)?;
        let remote = match &found {
            Some(remote) if self.update(kind, remote, &wanted)? => remote.clone(),
            Some(_) => return Err(self.vanished(id)?),
            None => self.server.create(kind.endpoint, &wanted)?,
        };
        let (is_foreign, settling) = (found.is_some(), String::new());
        let twin = Twin { endpoint, remote, is_active, is_new: true, is_foreign, settling, sent };
        if !TWINS.put_new(&self.name(id), &twin)? {
            // A job made it at the same time. There must not be two.
            if found.is_none() {
                self.server.delete(kind.endpoint, &twin.remote)?;
            }
            return Err(Failure::retryable(format!("somebody else sent `{id}` at the same time")));
        }
        Ok(twin)
    }

    /// Switches it off, and remembers that it is not to be there until [`Mirror::hold`] says so again. None if it never was
    /// there, or has been deleted over there.
    pub fn switch_off(&self, id: &str) -> Result<Option<Twin>> {
        let Some(known) = self.twin(id)? else { return Ok(None) };
        if !known.is_there() {
            return Ok(Some(known));
        }
        let off = Patch::new().replace("active", false);
        if known.is_active && !self.server.patch(&known.endpoint, &known.remote, &off)? {
            self.forget(id)?;
            return Ok(None);
        }
        let twin = Twin { is_active: false, is_new: true, settling: String::new(), sent: 0, ..known };
        TWINS.put(&self.name(id), &twin)?;
        Ok(Some(twin))
    }

    /// Deletes it.
    pub fn delete(&self, id: &str) -> Result {
        let Some(known) = self.twin(id)? else { return Ok(()) };
        self.server.delete(&known.endpoint, &known.remote)?;
        self.forget(id)
    }

    /// It is settled: what depends on its coming or going was sent.
    pub fn settled(&self, id: &str) -> Result {
        self.note(id, |twin| *twin = Twin { is_new: false, is_foreign: false, settling: String::new(), ..twin.clone() })
    }

    /// It is to be settled once more. `is_foreign` says whether what it holds over there may be anything.
    pub fn unsettled(&self, id: &str, is_foreign: bool) -> Result {
        self.note(id, |twin| *twin = Twin { is_new: true, is_foreign, settling: String::new(), ..twin.clone() })
    }

    /// It was deleted over there: the next [`Mirror::hold`] makes it anew. Answers with the failure that has that tried.
    pub fn vanished(&self, id: &str) -> Result<Failure> {
        self.forget(id)?;
        Ok(Failure::retryable(format!("`{id}` was deleted over there, and is made anew")))
    }

    /// Remembers nothing of it any more.
    pub fn forget(&self, id: &str) -> Result {
        Ok(TWINS.delete(&self.name(id))?)
    }

    fn note(&self, id: &str, change: impl FnOnce(&mut Twin)) -> Result {
        let Some(known) = self.twin(id)? else { return Ok(()) };
        let mut twin = known.clone();
        change(&mut twin);
        if twin == known { Ok(()) } else { TWINS.put(&self.name(id), &twin) }
    }

    fn update(&self, kind: &Kind, remote: &str, wanted: &Resource) -> Result<bool> {
        match kind.by_patch {
            true => self.server.amend(kind.endpoint, remote, wanted),
            false => self.server.replace(kind.endpoint, remote, wanted),
        }
    }

    /// The one that is there already: by the identifier that it got from here, or by its name.
    fn find(&self, kind: &Kind, id: &str, wanted: &Resource) -> Result<Option<String>> {
        for path in ["externalId", kind.name] {
            let Some(value) = wanted.text(path) else { continue };
            let mut free = Vec::new();
            for found in self.server.find(kind.endpoint, &filter::eq(path, value), &["id", "externalId"])? {
                let Some(remote) = found.id() else { continue };
                let other = found.text("externalId").filter(|other| *other != id);
                let theirs = other.map(|other| self.twin(other)).transpose()?.flatten();
                if theirs.is_none_or(|theirs| theirs.remote != remote) {
                    free.push(remote.to_owned());
                }
            }
            match free.len() {
                0 => {}
                1 => return Ok(free.pop()),
                _ => return Err(Failure::new(format!("there are several {} with this `{path}`", kind.endpoint))),
            }
        }
        Ok(None)
    }

    fn name(&self, id: &str) -> String {
        format!("{}:{id}", self.server.name())
    }
}

/// Hands all that is known at any server to `each`: the server's name, our `id`, and what is remembered.
pub fn walk(mut each: impl FnMut(&str, &str, Twin) -> Result) -> Result {
    TWINS.walk(|name, twin| match name.rsplit_once(':') {
        Some((server, id)) => each(server, id, twin),
        None => Ok(()),
    })
}

fn is_false(value: &bool) -> bool {
    !value
}
