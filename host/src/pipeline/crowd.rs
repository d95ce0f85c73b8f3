//! The members of a group that is too large to be held: read page by page while they are sent.
//!
//! A crowd begins where the group's record was read, and reads the edges afterwards, one page
//! whenever the client has room for one. So it never shows a state older than the version that the
//! answer names; who joins or leaves while it is read may be in it or not, each at most once, since
//! the pages go by id. What is held in memory is counted, from the reading of a page until its
//! bytes have gone to the connection.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use provost_scim::{Attributes, Projection, Resource, ResourceType};
use serde_json::Value;
use tracing::error;
use uuid::Uuid;

use super::Pipeline;
use super::show::wants_names;
use crate::context::{Realm, RequestContext};
use crate::limits::MEMBERS_HELD_MAX;
use crate::store::{Sight, Store, StoreError};

/// The members of one large group, on their way to one client.
#[derive(Clone)]
pub struct Crowd {
    store: Arc<Store>,
    held: Arc<Held>,
    request_id: Arc<str>,
    realm: Realm,
    resource_type: Arc<ResourceType>,
    group: Uuid,
    view: Projection,
    names: bool,
    /// What exists for the client.
    sight: Sight,
    after: Option<Uuid>,
    ended: bool,
}

impl Crowd {
    pub(super) fn new(
        pipeline: &Pipeline,
        cx: &RequestContext,
        sight: Sight,
        group: &Resource,
        view: &Projection,
    ) -> Self {
        Self {
            store: pipeline.store.clone(),
            held: pipeline.members_held.clone(),
            request_id: cx.request_id.clone(),
            realm: cx.realm,
            resource_type: group.resource_type().clone(),
            group: group.id(),
            view: view.clone(),
            names: wants_names((group, view)),
            sight,
            after: None,
            ended: false,
        }
    }

    /// The next members, as the projection shows them; nothing at the end. A page may be empty.
    ///
    /// # Errors
    /// When the store cannot be read. The log has said so under the request's id; whoever sends the
    /// answer must break it off, so that it does not look whole.
    pub async fn next(&mut self) -> Result<Option<Page>, StoreError> {
        if self.ended {
            return Ok(None);
        }
        let page = self.read().await;
        if let Err(reason) = &page {
            let (id, group) = (&self.request_id, self.group);
            error!(request.id = %id, resource.id = %group, %reason, "the answer to request {id} broke off among the members");
        }
        page.map(Some)
    }

    async fn read(&mut self) -> Result<Page, StoreError> {
        // Counted before they are there, so that the count is never less than what is held.
        let held = Holding::new(self.held.clone(), MEMBERS_HELD_MAX);
        let members = self.store.members(self.realm, self.group, self.after, MEMBERS_HELD_MAX).await?;
        self.after = members.last().map(|member| member.id);
        self.ended = members.len() < MEMBERS_HELD_MAX;
        let members = self.store.only_existing(self.realm, &self.sight, members).await?;
        let shown = self.store.shown_members(self.realm, &members, self.names).await?;
        let members = shown.into_iter().map(Value::Object).collect();
        let document = Attributes::from_iter([("members".to_owned(), Value::Array(members))]);
        let members = match self.view.apply(&self.resource_type, document).remove("members") {
            Some(Value::Array(members)) => members,
            _ => Vec::new(),
        };
        Ok(Page { members, held })
    }
}

impl fmt::Debug for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crowd").field("group", &self.group).finish_non_exhaustive()
    }
}

/// Some members, counted for as long as `held` lives.
#[derive(Debug)]
pub struct Page {
    /// The elements of `members`.
    pub members: Vec<Value>,
    /// Goes along with whatever is made of them.
    pub held: Holding,
}

/// How many members of large groups are in memory: a number for tests and metrics.
#[derive(Debug, Default)]
pub struct Held {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Held {
    /// How many there are now.
    pub fn now(&self) -> usize {
        self.now.load(Ordering::SeqCst)
    }

    /// How many there were at most since the start.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

/// A part of what is held; let go of when it is dropped.
#[derive(Debug)]
pub struct Holding {
    held: Arc<Held>,
    members: usize,
}

impl Holding {
    fn new(held: Arc<Held>, members: usize) -> Self {
        let now = held.now.fetch_add(members, Ordering::SeqCst) + members;
        held.most.fetch_max(now, Ordering::SeqCst);
        Self { held, members }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.held.now.fetch_sub(self.members, Ordering::SeqCst);
    }
}
