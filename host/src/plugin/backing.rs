//! What plugins remember and read: the server's store, or, offline, a memory and an empty directory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use provost_scim::filter::Filter;
use provost_scim::{Leniency, Member, Resource, ResourceType, Schemas};
use uuid::Uuid;

use super::cursor::Query;
use crate::context::Realm;
use crate::hook::{PluginName, StagedState};
use crate::store::{self, FindError, Listing, Order, Part, Sight, Start, Store, StoreError};

/// Where plugins' state is kept, and which directory they read.
#[derive(Clone)]
pub enum Backing {
    /// The server's own.
    Store {
        /// The store.
        store: Arc<Store>,
        /// What kinds of resource it holds.
        schemas: Arc<Schemas>,
    },
    /// State that lasts as long as the process, and a directory with nobody in it: for trying a
    /// plugin without a server.
    Memory(Arc<Memory>),
}

/// A state in memory.
#[derive(Debug, Default)]
pub struct Memory(Mutex<BTreeMap<(PluginName, String), Kept>>);

#[derive(Debug, Clone)]
struct Kept {
    value: Vec<u8>,
    expires: Option<Timestamp>,
}

/// One page of what a plugin looked for.
pub(super) struct Found {
    pub(super) resources: Vec<Resource>,
    /// Where the next page begins, if this is not the last one.
    pub(super) next: Option<String>,
}

/// Why a plugin's state could not be written.
#[derive(Debug)]
pub(super) enum StateError {
    Quota,
    Conflict,
    Unavailable(String),
}

/// Why the directory gave no answer.
#[derive(Debug)]
pub(super) enum DirectoryError {
    Invalid(String),
    Unavailable(String),
}

impl Backing {
    /// An empty memory.
    pub fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// What kind of resource has this name.
    pub(super) fn resource_type(&self, name: &str) -> Option<Arc<ResourceType>> {
        match self {
            Self::Store { schemas, .. } => schemas.resource_type(name).cloned(),
            Self::Memory(_) => None,
        }
    }

    pub(super) async fn state_get(
        &self,
        realm: Realm,
        plugin: &PluginName,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StateError> {
        match self {
            Self::Store { store, .. } => Ok(store.state_get(realm, plugin, key, now).await?),
            Self::Memory(memory) => Ok(memory.get(plugin, key, now)),
        }
    }

    pub(super) async fn state_write(
        &self,
        realm: Realm,
        plugin: &PluginName,
        write: StagedState,
        now: Timestamp,
    ) -> Result<(), StateError> {
        match self {
            Self::Store { store, .. } => {
                let StagedState { key, value, expires, expected } = write;
                let written = match (expected, value) {
                    (Some(expected), value) => {
                        let expected = expected.as_deref();
                        store.state_compare_and_put(realm, plugin, &key, expected, value, now).await
                    }
                    (None, Some(value)) => store.state_put(realm, plugin, &key, value, expires).await,
                    (None, None) => store.state_delete(realm, plugin, &key).await,
                };
                Ok(written?)
            }
            Self::Memory(memory) => memory.write(plugin, write, now),
        }
    }

    pub(super) async fn state_entries(&self, realm: Realm, plugin: &PluginName) -> Result<u64, StateError> {
        match self {
            Self::Store { store, .. } => Ok(store.state_entries(realm, plugin).await?),
            Self::Memory(memory) => Ok(memory.entries(plugin)),
        }
    }

    pub(super) async fn state_scan(
        &self,
        realm: Realm,
        plugin: &PluginName,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        match self {
            Self::Store { store, .. } => Ok(store.state_scan(realm, plugin, prefix, after, limit, now).await?),
            Self::Memory(memory) => Ok(memory.scan(plugin, prefix, after, limit, now)),
        }
    }

    pub(super) async fn get(
        &self,
        realm: Realm,
        resource_type: &str,
        id: Uuid,
    ) -> Result<Option<Resource>, DirectoryError> {
        match self {
            Self::Store { store, schemas } => Ok(store.get(realm, known(schemas, resource_type)?, id).await?),
            Self::Memory(_) => Ok(None),
        }
    }

    pub(super) async fn find(
        &self,
        realm: Realm,
        resource_type: &str,
        filter: &str,
        cursor: Option<&str>,
        count: usize,
    ) -> Result<Found, DirectoryError> {
        let leniency = Leniency::default();
        let query = Query::of(resource_type, filter);
        let behind = cursor.map(|cursor| query.open(cursor)).transpose()?;
        let filter = Filter::parse(filter)?;
        match self {
            Self::Store { store, schemas } => {
                let resource_type = known(schemas, resource_type)?;
                let filter = Some(filter.bind(resource_type, &leniency)?);
                let parts = vec![Part { resource_type: resource_type.clone(), filter, within: None, sort: None }];
                let listing =
                    Listing { parts, order: Order::ById, start: Start::Behind(behind), count, sight: Sight::default() };
                let portion = store.list(realm, &listing).await?;
                Ok(Found { resources: portion.resources, next: portion.next.map(|position| query.seal(&position)) })
            }
            Self::Memory(_) => Ok(Found { resources: Vec::new(), next: None }),
        }
    }

    pub(super) async fn members(
        &self,
        realm: Realm,
        group: Uuid,
        after: Option<Uuid>,
        count: usize,
    ) -> Result<Vec<Member>, DirectoryError> {
        match self {
            Self::Store { store, .. } => Ok(store.members(realm, group, after, count).await?),
            Self::Memory(_) => Ok(Vec::new()),
        }
    }

    pub(super) async fn is_member(&self, realm: Realm, group: Uuid, id: Uuid) -> Result<bool, DirectoryError> {
        match self {
            Self::Store { store, .. } => {
                let found = store.members_among(realm, group, &[id]).await?;
                Ok(found.into_iter().flatten().next().is_some())
            }
            Self::Memory(_) => Ok(false),
        }
    }
}

impl Memory {
    fn entries(&self, plugin: &PluginName) -> u64 {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.keys().filter(|(owner, _)| owner == plugin).count() as u64
    }

    fn get(&self, plugin: &PluginName, key: &str, now: Timestamp) -> Option<Vec<u8>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.get(&(plugin.clone(), key.to_owned()))?;
        kept.lives(now).then(|| kept.value.clone())
    }

    fn write(&self, plugin: &PluginName, write: StagedState, now: Timestamp) -> Result<(), StateError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (plugin.clone(), write.key);
        if let Some(expected) = write.expected {
            let current = kept.get(&key).filter(|kept| kept.lives(now)).map(|kept| &kept.value);
            if current != expected.as_ref() {
                return Err(StateError::Conflict);
            }
        }
        match write.value {
            Some(value) => kept.insert(key, Kept { value, expires: write.expires }),
            None => kept.remove(&key),
        };
        Ok(())
    }

    fn scan(
        &self,
        plugin: &PluginName,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Vec<(String, Vec<u8>)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter()
            .filter(|((owner, key), kept)| owner == plugin && key.starts_with(prefix) && kept.lives(now))
            .filter(|((_, key), _)| after.is_none_or(|after| key.as_str() > after))
            .take(limit)
            .map(|((_, key), kept)| (key.clone(), kept.value.clone()))
            .collect()
    }
}

impl Kept {
    fn lives(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

fn known<'a>(schemas: &'a Schemas, name: &str) -> Result<&'a Arc<ResourceType>, DirectoryError> {
    let unknown = || DirectoryError::Invalid(format!("there is no resource type `{}`", name.escape_default()));
    schemas.resource_type(name).ok_or_else(unknown)
}

impl From<StoreError> for StateError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<store::StateError> for StateError {
    fn from(error: store::StateError) -> Self {
        match error {
            store::StateError::Full { .. } => Self::Quota,
            store::StateError::Conflict => Self::Conflict,
            store::StateError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for DirectoryError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<FindError> for DirectoryError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::TooMany { .. } => {
                Self::Invalid("the filter would have to look at too many resources".to_owned())
            }
            FindError::TooManyGroups { .. } => {
                Self::Invalid("the filter would have to follow too many memberships".to_owned())
            }
            FindError::Store(error) => error.into(),
        }
    }
}

impl From<provost_scim::Invalid> for DirectoryError {
    fn from(invalid: provost_scim::Invalid) -> Self {
        Self::Invalid(invalid.detail)
    }
}
