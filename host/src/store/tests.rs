//! The store through its own door, on a real engine.

use std::path::Path;
use std::sync::Arc;

use provost_scim::filter::{Filter, Target};
use provost_scim::{Leniency, Member, Resource, ResourceType, Schemas, Stamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use super::commit::merged;
use super::*;
use crate::context::{Actor, RequestContext, Scope};
use crate::hook::{Attribution, Effects, MembershipChange, Operation, PluginName, StagedMessage, StagedState, Work};

const REALM: Realm = Realm::DEFAULT;

/// A store with the standard's schemas, and a request to work on.
pub struct Fixture {
    pub store: Store,
    pub schemas: Arc<Schemas>,
    pub cx: RequestContext,
    _dir: Option<TempDir>,
}

fn standard() -> Arc<Schemas> {
    Arc::new(Schemas::standard())
}

impl Fixture {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let fixture = Self::on(dir.path()).await;
        Self { _dir: Some(dir), ..fixture }
    }

    pub async fn on(dir: &Path) -> Self {
        Self::with_cache(dir, 16 * 1024 * 1024).await
    }

    pub async fn with_cache(dir: &Path, cache_bytes: u64) -> Self {
        Self::configured(standard(), |schemas| StoreConfig { cache_bytes, ..StoreConfig::new(dir, schemas) }).await
    }

    pub async fn with_engine(dir: &Path, engine: EngineName) -> Self {
        let cache_bytes = 16 * 1024 * 1024;
        let config = |schemas: &Schemas| StoreConfig { engine, cache_bytes, ..StoreConfig::new(dir, schemas) };
        Self::configured(standard(), config).await
    }

    /// With these attributes of User indexed beside the usual ones.
    async fn indexed(dir: &Path, schemas: Arc<Schemas>, attributes: &[&str]) -> Self {
        let mut indexes = Index::standard(&schemas);
        indexes.extend(attributes.iter().map(|attribute| Index::named(&schemas, "User", attribute).unwrap()));
        let indexes = Some(indexes);
        let cache_bytes = 16 * 1024 * 1024;
        Self::configured(schemas, |schemas| StoreConfig { cache_bytes, indexes, ..StoreConfig::new(dir, schemas) })
            .await
    }

    async fn configured(schemas: Arc<Schemas>, config: impl FnOnce(&Schemas) -> StoreConfig) -> Self {
        let config = config(&schemas);
        let store = Store::open(&config, schemas.clone()).await.unwrap();
        let actor =
            Actor { subject: "hr".into(), client: Some("HR".into()), scopes: vec![Scope::Write], ..Actor::default() };
        let cx =
            RequestContext::new("request-1", REALM, actor, Timestamp::from_millisecond(1_700_000_000_000).unwrap());
        Self { store, schemas, cx, _dir: None }
    }

    /// Closes the store and opens it again.
    async fn reopened(self) -> Self {
        self.store.close().await;
        let dir = self._dir.unwrap();
        let fixture = Self::on(dir.path()).await;
        Self { _dir: Some(dir), ..fixture }
    }

    fn users(&self) -> &Arc<ResourceType> {
        &self.schemas.resource_types[0]
    }

    fn groups(&self) -> &Arc<ResourceType> {
        &self.schemas.resource_types[1]
    }

    /// The same resource in its next version.
    pub fn next(&self, resource: &Resource) -> Resource {
        self.changed(resource, json!({}))
    }

    /// The resource's next version, with these attributes in the place of the old.
    fn changed(&self, resource: &Resource, attributes: Value) -> Resource {
        let mut all = resource.attributes().clone();
        let Value::Object(attributes) = attributes else { panic!("attributes are an object") };
        all.extend(attributes);
        all.retain(|_, value| !value.is_null());
        let stamp = resource.stamp();
        let last_modified = stamp.last_modified + jiff::SignedDuration::from_secs(1);
        let stamp = Stamp { version: stamp.version + 1, last_modified, ..stamp };
        Resource::from_stored(resource.resource_type().clone(), stamp, all)
    }

    async fn create(&self, resource: &Resource) -> Stored {
        self.store.commit(Write::create(&self.cx, resource.clone())).await.unwrap()
    }

    async fn user(&self, name: &str) -> Resource {
        let user = user(self, name);
        self.create(&user).await;
        user
    }

    async fn group(&self, name: &str) -> Resource {
        let group = group(self, name);
        self.create(&group).await;
        group
    }

    async fn replace(&self, before: &Resource, attributes: Value) -> Result<Resource, CommitError> {
        let after = self.changed(before, attributes);
        let write = Write::update(&self.cx, Operation::Replace, before.clone(), after.clone());
        self.store.commit(write).await.map(|_| after)
    }

    /// Changes a group's members, and answers the group as it is then.
    async fn members(
        &self,
        group: &Resource,
        added: &[&Resource],
        removed: &[&Resource],
    ) -> Result<Resource, CommitError> {
        let after = self.next(group);
        let write = self.membership(group, &after, added, removed);
        self.store.commit(write).await.map(|_| after)
    }

    fn membership(&self, before: &Resource, after: &Resource, added: &[&Resource], removed: &[&Resource]) -> Write {
        let members = |resources: &[&Resource]| resources.iter().map(|r| member(r)).collect();
        let membership = MembershipChange { added: members(added), removed: members(removed), total_before: 0 };
        Write {
            membership,
            changed_paths: vec!["members".into()],
            ..Write::update(&self.cx, Operation::Patch, before.clone(), after.clone())
        }
    }

    async fn delete(&self, resource: &Resource) -> Result<Stored, CommitError> {
        let resource_type = resource.resource_type().clone();
        let now = self.store.get(REALM, &resource_type, resource.id()).await.unwrap().ok_or(CommitError::Clash)?;
        self.store.commit(Write::delete(&self.cx, now)).await
    }

    async fn now(&self, resource: &Resource) -> Option<Resource> {
        self.store.get(REALM, resource.resource_type(), resource.id()).await.unwrap()
    }

    async fn journal(&self) -> Vec<JournalEntry> {
        self.store.journal(REALM, 0, usize::MAX).await.unwrap()
    }

    async fn outbox(&self) -> Vec<OutboxRow> {
        self.store.outbox_rows(None, self.store.settled(), usize::MAX).await.unwrap()
    }

    async fn find(&self, resource_type: &Arc<ResourceType>, query: Query) -> Page {
        self.store.find(REALM, resource_type, query).await.unwrap()
    }

    pub fn filtered(&self, resource_type: &ResourceType, filter: &str) -> Query {
        let filter = Filter::parse(filter).unwrap().bind(resource_type, &Leniency::default()).unwrap();
        Query { filter: Some(filter), sort: None, start_index: 1, count: 1_000 }
    }

    /// The names of the users, or groups, that a filter finds.
    async fn found(&self, resource_type: &Arc<ResourceType>, filter: &str) -> Vec<String> {
        let page = self.find(resource_type, self.filtered(resource_type, filter)).await;
        assert_eq!(page.total, page.resources.len());
        names(&page)
    }

    async fn sound(&self) {
        let report = self.store.check().await.unwrap();
        assert!(report.is_sound(), "{:#?}", report.findings);
    }

    /// Makes many users with few commits.
    pub async fn many_users(&self, count: usize, name: impl Fn(usize) -> String) -> Vec<Resource> {
        let users: Vec<Resource> = (0..count).map(|n| user(self, &name(n))).collect();
        for part in users.chunks(1_000) {
            let writes = part.iter().map(|user| Write::create(&self.cx, user.clone())).collect();
            merged(&self.store, writes).await;
        }
        users
    }
}

fn names(page: &Page) -> Vec<String> {
    let name = |r: &Resource| r.attributes().get("userName").or(r.attributes().get("displayName")).cloned();
    page.resources.iter().map(|r| name(r).unwrap().as_str().unwrap().to_owned()).collect()
}

fn resource(fixture: &Fixture, resource_type: &Arc<ResourceType>, attributes: Value) -> Resource {
    let Value::Object(attributes) = attributes else { panic!("attributes are an object") };
    let now = fixture.cx.now;
    let stamp = Stamp { id: Uuid::now_v7(), version: 1, created: now, last_modified: now };
    Resource::from_stored(resource_type.clone(), stamp, attributes)
}

pub fn user(fixture: &Fixture, name: &str) -> Resource {
    let email = json!([{ "value": format!("{name}@example.com"), "type": "work" }]);
    resource(fixture, fixture.users(), json!({ "userName": name, "emails": email, "active": true }))
}

pub fn group(fixture: &Fixture, name: &str) -> Resource {
    resource(fixture, fixture.groups(), json!({ "displayName": name }))
}

fn member(resource: &Resource) -> Member {
    Member { id: resource.id(), resource_type: Some(resource.resource_type().name.clone()) }
}

/// The write, with somebody to be told of it.
pub fn observed(write: Write) -> Write {
    Write { observers: vec!["watch".into()], group_observers: vec!["watch".into()], ..write }
}

fn message(text: &str) -> StagedMessage {
    StagedMessage {
        target: "crm".into(),
        work: Work::Deliver { payload: json!(text).to_string() },
        headers: vec![("X-Kind".into(), "test".into())],
        delay_s: 0,
        deduplicate: None,
    }
}

fn payloads(rows: &[OutboxRow]) -> Vec<String> {
    let payload = |row: &OutboxRow| match &row.message.work {
        Work::Deliver { payload } => payload.trim_matches('"').to_owned(),
        other => panic!("{other:?}"),
    };
    rows.iter().map(payload).collect()
}

fn effects(messages: Vec<StagedMessage>, state: Vec<StagedState>) -> Vec<(PluginName, Effects)> {
    vec![("forward".into(), Effects { messages, state })]
}

fn staged(key: &str, value: Option<&str>, expected: Option<Option<&str>>) -> StagedState {
    let bytes = |text: &str| text.as_bytes().to_vec();
    StagedState {
        key: key.into(),
        value: value.map(bytes),
        expires: None,
        expected: expected.map(|expected| expected.map(bytes)),
    }
}

mod copying;
mod deletes;
mod finding;
mod following;
mod groups;
mod indexes;
mod opening;
mod plans;
mod sending;
mod types;
mod writing;
