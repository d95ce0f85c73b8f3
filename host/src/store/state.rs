//! What plugins remember between calls.
//!
//! Writes that a before-write hook made are staged and come with the commit; those of observers
//! and deliveries come here, one by one. A value whose time is over is absent at once, and is
//! swept away later.

use jiff::Timestamp;

use super::engine::{Batch, BatchError, Expect, KeyRange, Scan, Space};
use super::records::StateRecord;
use super::{REALMS, Store, StoreError, keys, records};
use crate::context::Realm;
use crate::hook::PluginName;
use crate::limits::STATE_ENTRIES_MAX;

/// How often a write looks again when the entry changed under it.
const LOOKS_MAX: u32 = 64;

/// How many entries are read at a time.
const ENTRIES_PER_READ: usize = 500;

/// Why an entry was not written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StateError {
    /// The plugin remembers too much.
    #[error("the state of plugin `{plugin}` is full: it holds {entries_max} entries")]
    Full {
        /// Which plugin.
        plugin: PluginName,
        /// How many it may hold.
        entries_max: u64,
    },
    /// The entry is not what it was compared with.
    #[error("the entry is not what it was compared with")]
    Conflict,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// An entry, if it exists at `now`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn state_get(
        &self,
        realm: Realm,
        plugin: &PluginName,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(value) = self.get_one(Space::State, keys::state(realm, plugin, key)).await? else { return Ok(None) };
        let record: StateRecord = records::decode(Space::State, &value)?;
        Ok(record.is_alive(now).then_some(record.value))
    }

    /// How many entries a plugin's state holds, those whose time is over and that are not swept yet included.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn state_entries(&self, realm: Realm, plugin: &PluginName) -> Result<u64, StoreError> {
        self.get_count(keys::state_count(realm, plugin)).await
    }

    /// Writes an entry, until `expires`.
    ///
    /// # Errors
    /// [`StateError::Full`] when the plugin has no room left.
    pub async fn state_put(
        &self,
        realm: Realm,
        plugin: &PluginName,
        key: &str,
        value: Vec<u8>,
        expires: Option<Timestamp>,
    ) -> Result<(), StateError> {
        self.state_write(realm, plugin, key, Some(StateRecord::new(value, expires)), |_| true).await
    }

    /// Deletes an entry.
    ///
    /// # Errors
    /// When the store cannot write it.
    pub async fn state_delete(&self, realm: Realm, plugin: &PluginName, key: &str) -> Result<(), StateError> {
        self.state_write(realm, plugin, key, None, |_| true).await
    }

    /// Writes or deletes an entry, if at `now` it is what the plugin expects: a value, or nothing.
    ///
    /// # Errors
    /// [`StateError::Conflict`] when it is not.
    pub async fn state_compare_and_put(
        &self,
        realm: Realm,
        plugin: &PluginName,
        key: &str,
        expected: Option<&[u8]>,
        value: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let record = value.map(|value| StateRecord::new(value, None));
        let holds = |found: Option<&StateRecord>| {
            found.filter(|record| record.is_alive(now)).map(|record| record.value.as_slice()) == expected
        };
        self.state_write(realm, plugin, key, record, holds).await
    }

    /// The entries whose keys begin with `prefix`, in byte order, behind `after`, as they exist at `now`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn state_scan(
        &self,
        realm: Realm,
        plugin: &PluginName,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let mut range = keys::states(realm, plugin, prefix);
        if let Some(after) = after {
            range = range.after(&keys::state(realm, plugin, after));
        }
        let mut entries = Vec::new();
        while entries.len() < limit {
            let part = self.engine.scan(Scan::new(Space::State, range.clone(), ENTRIES_PER_READ)).await?;
            let Some((last, _)) = part.last() else { break };
            range = range.after(last);
            for (key, value) in &part {
                let record: StateRecord = records::decode(Space::State, value)?;
                if record.is_alive(now) && entries.len() < limit {
                    let (_, own) = keys::state_parts(key).ok_or(StoreError::Corrupt { space: Space::State })?;
                    entries.push((own.to_owned(), record.value));
                }
            }
        }
        Ok(entries)
    }

    /// Deletes entries whose time was over at `now`, at most `limit`. Answers how many.
    ///
    /// # Errors
    /// When the store cannot write it.
    pub async fn state_sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut swept = 0;
        for realm in REALMS {
            let mut range: KeyRange = keys::realm(realm);
            loop {
                let part = self.engine.scan(Scan::new(Space::State, range.clone(), ENTRIES_PER_READ)).await?;
                let Some((last, _)) = part.last() else { break };
                range = range.after(last);
                for (key, value) in part {
                    let record: StateRecord = records::decode(Space::State, &value)?;
                    if record.is_alive(now) {
                        continue;
                    }
                    if swept == limit {
                        return Ok(swept);
                    }
                    let (plugin, _) = keys::state_parts(&key).ok_or(StoreError::Corrupt { space: Space::State })?;
                    let mut batch = Batch::default();
                    batch.expect.push(Expect::Value(Space::State, key.clone(), Some(value)));
                    batch.delete(Space::State, key);
                    batch.count(Space::System, keys::state_count(realm, &plugin), -1, None);
                    match self.engine.commit(batch).await {
                        Ok(_) => swept += 1,
                        // It was written again meanwhile.
                        Err(BatchError::Clash(_) | BatchError::Over(_)) => {}
                        Err(BatchError::Failed(error)) => return Err(error.into()),
                    }
                }
            }
        }
        Ok(swept)
    }

    async fn state_write(
        &self,
        realm: Realm,
        plugin: &PluginName,
        key: &str,
        record: Option<StateRecord>,
        holds: impl Fn(Option<&StateRecord>) -> bool,
    ) -> Result<(), StateError> {
        let stored = keys::state(realm, plugin, key);
        for _ in 0..LOOKS_MAX {
            let found = self.get_one(Space::State, stored.clone()).await?;
            let old: Option<StateRecord> =
                found.as_deref().map(|value| records::decode(Space::State, value)).transpose()?;
            if !holds(old.as_ref()) {
                return Err(StateError::Conflict);
            }
            if found.is_none() && record.is_none() {
                return Ok(());
            }
            let by = i64::from(record.is_some()) - i64::from(found.is_some());
            let mut batch = Batch::default();
            batch.expect.push(Expect::Value(Space::State, stored.clone(), found));
            batch.changes.push((Space::State, stored.clone(), record.as_ref().map(records::encode)));
            batch.count(Space::System, keys::state_count(realm, plugin), by, Some(STATE_ENTRIES_MAX));
            match self.engine.commit(batch).await {
                Ok(_) => return Ok(()),
                Err(BatchError::Clash(_)) => {}
                Err(BatchError::Over(_)) => {
                    return Err(StateError::Full { plugin: plugin.clone(), entries_max: STATE_ENTRIES_MAX });
                }
                Err(BatchError::Failed(error)) => return Err(StoreError::from(error).into()),
            }
        }
        Err(StoreError::unavailable("the entry kept changing").into())
    }
}
