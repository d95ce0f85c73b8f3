//! `state`: the plugin's own durable memory.
//!
//! While a change is reviewed, writes are staged: they commit with the change or not at all, and
//! the call reads its own writes. After the commit, when nothing is left to commit with, they are
//! written at once.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::super::backing::StateError;
use super::super::bindings::wit;
use super::super::guest::{Guest, Phase};
use crate::hook::StagedState;
use crate::limits::{HOST_CALL_BYTES_MAX, PAGE_RESOURCES_MAX, STATE_KEY_BYTES_MAX, STATE_VALUE_BYTES_MAX};
use wit::state::Error;

/// A call's writes, one per key: the last.
pub(in super::super) type StagedWrites = BTreeMap<String, StagedState>;

/// What a call has read, one per key: the first, by its digest.
pub(in super::super) type SeenState = BTreeMap<String, Option<[u8; 32]>>;

type Entry = (String, Vec<u8>);

impl wit::state::Host for Guest {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        self.enter("state.get")?;
        Ok(self.state_get(&key).await)
    }

    async fn put(&mut self, key: String, value: Vec<u8>, ttl_s: Option<u64>) -> wasmtime::Result<Result<(), Error>> {
        self.enter("state.put")?;
        let expires = ttl_s.map(|ttl| later(self.occasion.now, ttl));
        Ok(self.state_write(StagedState { key, value: Some(value), expires, expected: None }).await)
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), Error>> {
        self.enter("state.delete")?;
        Ok(self.state_write(StagedState { key, value: None, expires: None, expected: None }).await)
    }

    async fn compare_and_put(
        &mut self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
    ) -> wasmtime::Result<Result<(), Error>> {
        self.enter("state.compare-and-put")?;
        Ok(self.state_write(StagedState { key, value, expires: None, expected: Some(expected) }).await)
    }

    async fn scan(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<Entry>, Error>> {
        self.enter("state.scan")?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(PAGE_RESOURCES_MAX);
        Ok(self.state_scan(&prefix, after.as_deref(), limit).await)
    }
}

impl Guest {
    async fn state_get(&mut self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.state_is_open()?;
        if key.len() > STATE_KEY_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        if let Some(staged) = self.state.get(key) {
            return Ok(current(staged, self.occasion.now));
        }
        let (realm, plugin) = (self.occasion.realm, &self.identity.config.name);
        let value = self.house.backing.state_get(realm, plugin, key, self.occasion.now).await?;
        self.state_seen.entry(key.to_owned()).or_insert_with(|| digest(value.as_deref()));
        Ok(value)
    }

    async fn state_write(&mut self, write: StagedState) -> Result<(), Error> {
        self.state_is_open()?;
        let value_bytes = write.value.as_ref().map_or(0, Vec::len);
        if write.key.len() > STATE_KEY_BYTES_MAX || value_bytes > STATE_VALUE_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        self.state_has_room(&write).await?;
        match self.occasion.phase {
            Phase::BeforeWrite => self.stage_write(write).await,
            Phase::Answering => Err(Error::Unavailable("nothing can be written in `access` and `shape`".to_owned())),
            Phase::After | Phase::Lifecycle => {
                let (realm, plugin) = (self.occasion.realm, &self.identity.config.name);
                Ok(self.house.backing.state_write(realm, plugin, write, self.occasion.now).await?)
            }
        }
    }

    /// Whether an entry more is within the operator's own bound. The store's bound holds in any case; this one is looked at
    /// before, so calls that run at once may go beyond it by what each of them adds.
    async fn state_has_room(&mut self, write: &StagedState) -> Result<(), Error> {
        let Some(allowed) = self.identity.config.grant.state_entries else { return Ok(()) };
        if write.value.is_none() {
            return Ok(());
        }
        let (realm, plugin, now) = (self.occasion.realm, &self.identity.config.name, self.occasion.now);
        let stands = match self.state.get(&write.key) {
            Some(staged) => staged.value.is_some(),
            None => self.house.backing.state_get(realm, plugin, &write.key, now).await?.is_some(),
        };
        if stands {
            return Ok(());
        }
        let staged = self.state.values().filter(|staged| staged.value.is_some()).count() as u64;
        match self.house.backing.state_entries(realm, plugin).await? + staged < allowed {
            true => Ok(()),
            false => Err(Error::Quota),
        }
    }

    /// Keeps a write for the commit. What the first comparison of a key saw in the store must
    /// still be there then; later comparisons are with the call's own writes, and settled here.
    ///
    /// A comparison with what this call has read is no conflict, even if another change was
    /// committed since: it fails at the commit, and the whole review starts again.
    async fn stage_write(&mut self, mut write: StagedState) -> Result<(), Error> {
        if let Some(expected) = &write.expected
            && self.state_get(&write.key).await? != *expected
            && (self.state.contains_key(&write.key)
                || self.state_seen.get(&write.key) != Some(&digest(expected.as_deref())))
        {
            return Err(Error::Conflict);
        }
        if let Some(earlier) = self.state.remove(&write.key) {
            write.expected = earlier.expected;
        }
        self.state.insert(write.key.clone(), write);
        Ok(())
    }

    async fn state_scan(&mut self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Entry>, Error> {
        self.state_is_open()?;
        if prefix.len() > STATE_KEY_BYTES_MAX || after.is_some_and(|after| after.len() > STATE_KEY_BYTES_MAX) {
            return Err(Error::TooLarge);
        }
        let (realm, plugin, now) = (self.occasion.realm, &self.identity.config.name, self.occasion.now);
        // However many of these the call has deleted, `limit` are left if there were that many.
        let enough = limit + self.state.len();
        let stored = self.house.backing.state_scan(realm, plugin, prefix, after, enough, now).await?;

        let mut entries: BTreeMap<String, Vec<u8>> = stored.into_iter().collect();
        let here = |key: &str| key.starts_with(prefix) && after.is_none_or(|after| key > after);
        for (key, staged) in self.state.iter().filter(|(key, _)| here(key)) {
            match current(staged, now) {
                Some(value) => entries.insert(key.clone(), value),
                None => entries.remove(key),
            };
        }
        let entries: Vec<Entry> = entries.into_iter().take(limit).collect();
        let bytes: usize = entries.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > HOST_CALL_BYTES_MAX { Err(Error::TooLarge) } else { Ok(entries) }
    }

    fn state_is_open(&self) -> Result<(), Error> {
        match self.occasion.phase {
            Phase::BeforeWrite | Phase::Answering | Phase::After => Ok(()),
            Phase::Lifecycle => Err(Error::Unavailable("not while the plugin is being loaded".to_owned())),
        }
    }
}

/// What a staged write makes of its key.
fn current(staged: &StagedState, now: Timestamp) -> Option<Vec<u8>> {
    match staged.expires {
        Some(expires) if expires <= now => None,
        _ => staged.value.clone(),
    }
}

/// Stands for a value that was read, so that what a call has read takes little room.
fn digest(value: Option<&[u8]>) -> Option<[u8; 32]> {
    value.map(|value| Sha256::digest(value).into())
}

fn later(now: Timestamp, seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

impl From<StateError> for Error {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Quota => Self::Quota,
            StateError::Conflict => Self::Conflict,
            StateError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}
