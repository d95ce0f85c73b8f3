//! Forgetting what is old: past versions and journal rows.
//!
//! What a waiting message still needs is kept, however old, and so is the journal's last row,
//! behind which the numbering goes on. A note says up to where was pruned, so that a check can
//! tell forgotten from lost.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::engine::{Batch, KeyRange, Scan, Space};
use super::records::JournalRecord;
use super::{REALMS, Store, StoreError, commit_plain, keys, millis, records};
use crate::context::Realm;

/// How many rows go in one commit.
const ROWS_PER_COMMIT: usize = 1_000;

/// How much was forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Past versions of resources.
    pub versions: u64,
    /// Journal rows.
    pub journal_rows: u64,
}

/// Up to where was pruned, in sequences.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Horizon {
    /// Journal rows up to this one are gone.
    pub journal: u64,
    /// Versions that were superseded by journal rows up to this one may be gone.
    pub history: u64,
}

impl Store {
    /// Forgets past versions that were superseded before `older_than`, and journal rows from before.
    ///
    /// # Errors
    /// When the store fails; what was forgotten until then stays forgotten.
    pub async fn prune(&self, older_than: Timestamp) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned::default();
        for realm in REALMS {
            let needed = self.first_needed(realm).await?;
            pruned.versions += self.prune_history(realm, older_than, needed).await?;
            pruned.journal_rows += self.prune_journal(realm, older_than, needed).await?;
        }
        Ok(pruned)
    }

    pub(super) async fn horizon(&self, realm: Realm) -> Result<Horizon, StoreError> {
        let value = self.get_one(Space::System, keys::pruned(realm)).await?;
        Ok(value.map(|value| records::decode(Space::System, &value)).transpose()?.unwrap_or_default())
    }

    /// The first sequence that the outbox or the journal's own numbering needs.
    async fn first_needed(&self, realm: Realm) -> Result<u64, StoreError> {
        let waiting = Scan::new(Space::Outbox, keys::outbox_rows(realm), 1).keys();
        let waiting = self.engine.scan(waiting).await?.pop().and_then(|(key, _)| keys::outbox_parts(&key));
        let last = Scan::new(Space::Journal, keys::realm(realm), 1).keys().reversed();
        let last = self.engine.scan(last).await?.pop().and_then(|(key, _)| keys::sequence(&key));
        // Rows of commits under way are behind what is settled.
        let settled = self.settled();
        Ok(waiting.map_or(u64::MAX, |key| key.sequence).min(last.unwrap_or(0)).min(settled))
    }

    async fn prune_history(&self, realm: Realm, older_than: Timestamp, needed: u64) -> Result<u64, StoreError> {
        let mut versions = 0;
        let mut range = keys::realm(realm);
        let mut horizon = self.horizon(realm).await?;
        loop {
            let found = self.engine.scan(Scan::new(Space::History, range.clone(), ROWS_PER_COMMIT)).await?;
            let Some((last, _)) = found.last() else { return Ok(versions) };
            range = range.after(last);
            let mut batch = Batch::default();
            for (key, value) in found {
                let (superseded, _) = records::decode_history(&value)?;
                if superseded.at < millis(older_than) && superseded.by < needed {
                    horizon.history = horizon.history.max(superseded.by);
                    batch.delete(Space::History, key);
                }
            }
            versions += self.prune_batch(realm, batch, horizon).await?;
        }
    }

    async fn prune_journal(&self, realm: Realm, older_than: Timestamp, needed: u64) -> Result<u64, StoreError> {
        let mut rows = 0;
        let mut horizon = self.horizon(realm).await?;
        let until = Some(keys::journal(realm, needed));
        loop {
            let range = KeyRange { from: keys::journal(realm, 0), until: until.clone() };
            let found = self.engine.scan(Scan::new(Space::Journal, range, ROWS_PER_COMMIT)).await?;
            let mut batch = Batch::default();
            for (key, value) in &found {
                let row: JournalRecord = records::decode(Space::Journal, value)?;
                if row.at >= millis(older_than) {
                    break;
                }
                let sequence = keys::sequence(key).ok_or(StoreError::Corrupt { space: Space::Journal })?;
                horizon.journal = horizon.journal.max(sequence);
                batch.delete(Space::Journal, key.clone());
            }
            let some = batch.changes.len();
            let range = KeyRange {
                from: keys::realm(realm).from,
                until: Some(keys::membership(realm, horizon.journal.saturating_add(1), 0)),
            };
            rows += self.prune_batch(realm, batch, horizon).await?;
            self.prune_memberships(range).await?;
            if some < ROWS_PER_COMMIT {
                return Ok(rows);
            }
        }
    }

    async fn prune_memberships(&self, range: KeyRange) -> Result<(), StoreError> {
        loop {
            let scan = Scan::new(Space::Memberships, range.clone(), ROWS_PER_COMMIT).keys();
            let found = self.engine.scan(scan).await?;
            if found.is_empty() {
                return Ok(());
            }
            let mut batch = Batch::default();
            found.into_iter().for_each(|(key, _)| batch.delete(Space::Memberships, key));
            commit_plain(&*self.engine, batch).await?;
        }
    }

    async fn prune_batch(&self, realm: Realm, mut batch: Batch, horizon: Horizon) -> Result<u64, StoreError> {
        let rows = batch.changes.len() as u64;
        if rows > 0 {
            batch.put(Space::System, keys::pruned(realm), records::encode(&horizon));
            commit_plain(&*self.engine, batch).await?;
        }
        Ok(rows)
    }
}
