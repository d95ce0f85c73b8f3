//! The outbox: what was committed to be sent, and how far each message has come.
//!
//! Rows are written by commits alone. The delivery worker reads them, and notes here what became
//! of each attempt; an operator redrives or drops. Each note is a commit of its own that expects
//! the row as it was read, so a row that is gone, or was replaced by a newer message, stays gone.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use uuid::Uuid;

use super::engine::{Batch, BatchError, Expect, KeyRange, Scan, Space, Value};
use super::messages::{decode_message, encode_message};
use super::records::OutboxRecord;
use super::{REALMS, Store, StoreError, keys, millis, timestamp};
use crate::context::Realm;
use crate::hook::Message;

/// How often a note looks again when the row changed under it.
const LOOKS_MAX: u32 = 64;

/// Names one row. Rows of one resource sort as their changes did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutboxKey {
    /// Where.
    pub realm: Realm,
    /// The journal row it came with.
    pub sequence: u64,
    /// Its place among that row's messages.
    pub index: u32,
}

impl OutboxKey {
    /// The same at every attempt, and never again for another message: receivers deduplicate by it.
    pub(super) fn idempotency_key(self, instance: Uuid) -> String {
        let short = instance.as_fields().0;
        format!("{short:08x}-{}-{}", self.sequence, self.index)
    }
}

impl fmt::Display for OutboxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.realm != Realm::DEFAULT {
            write!(f, "{}/", self.realm)?;
        }
        write!(f, "{}-{}", self.sequence, self.index)
    }
}

impl FromStr for OutboxKey {
    type Err = String;

    /// Reads `41-0`, or a whole idempotency key, which ends so.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` names no message; expected a sequence and an index, such as 41-0");
        let (realm, rest) = match text.split_once('/') {
            Some((realm, rest)) => (Realm(realm.parse().map_err(|_| wrong())?), rest),
            None => (Realm::DEFAULT, text),
        };
        let mut parts = rest.rsplitn(3, '-');
        let (index, sequence) = (parts.next(), parts.next());
        Ok(Self {
            realm,
            sequence: sequence.and_then(|part| part.parse().ok()).ok_or_else(wrong)?,
            index: index.and_then(|part| part.parse().ok()).ok_or_else(wrong)?,
        })
    }
}

/// One message in the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// Its name.
    pub key: OutboxKey,
    /// What is to be sent.
    pub message: Message,
    /// How often it was tried since it was enqueued, or redriven.
    pub attempts: u32,
    /// Not before this time.
    pub not_before: Timestamp,
    /// Why it was given up, if it was.
    pub parked: Option<String>,
    /// What went wrong last.
    pub last_error: Option<String>,
}

/// How much the outbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxCounts {
    /// Messages that are still tried.
    pub waiting: u64,
    /// Messages that were given up.
    pub parked: u64,
}

impl Store {
    /// The rows behind `after`, in order, parked ones among them, with sequences up to `up_to`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn outbox_rows(
        &self,
        after: Option<OutboxKey>,
        up_to: u64,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let mut rows = Vec::new();
        for realm in REALMS.into_iter().filter(|realm| after.is_none_or(|after| after.realm <= *realm)) {
            let end = OutboxKey { realm, sequence: up_to, index: u32::MAX };
            let mut range = KeyRange { from: keys::outbox_rows(realm).from, until: Some(keys::outbox(end)) };
            if let Some(after) = after.filter(|after| after.realm == realm) {
                range = range.after(&keys::outbox(after));
            }
            let scan = Scan::new(Space::Outbox, range, limit - rows.len());
            for (key, value) in self.engine.scan(scan).await? {
                let key = keys::outbox_parts(&key).ok_or(StoreError::Corrupt { space: Space::Outbox })?;
                rows.push(row(key, decode_message(&value)?)?);
            }
        }
        Ok(rows)
    }

    /// One row.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn outbox_row(&self, key: OutboxKey) -> Result<Option<OutboxRow>, StoreError> {
        match self.get_one(Space::Outbox, keys::outbox(key)).await? {
            Some(value) => Ok(Some(row(key, decode_message(&value)?)?)),
            None => Ok(None),
        }
    }

    /// How much the outbox holds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn outbox_counts(&self, realm: Realm) -> Result<OutboxCounts, StoreError> {
        let all = self.get_count(keys::outbox_count(realm)).await?;
        let parked = self.get_count(keys::parked_count(realm)).await?;
        Ok(OutboxCounts { waiting: all.saturating_sub(parked), parked })
    }

    /// A message was delivered, or dropped: its row goes. Answers whether it was there.
    ///
    /// # Errors
    /// When the store cannot write it.
    pub async fn outbox_done(&self, key: OutboxKey) -> Result<bool, StoreError> {
        Ok(self.outbox_note(key, |_| None).await?.is_some())
    }

    /// An attempt failed, and the message is tried again later. Answers whether it was still there.
    ///
    /// # Errors
    /// When the store cannot write it.
    pub async fn outbox_failed(
        &self,
        key: OutboxKey,
        attempts: u32,
        not_before: Timestamp,
        error: impl Into<String>,
    ) -> Result<bool, StoreError> {
        let error = error.into();
        let note = |record: OutboxRecord| {
            let (not_before, last_error) = (millis(not_before), Some(error.clone()));
            Some(OutboxRecord { attempts, not_before, last_error, ..record })
        };
        Ok(self.outbox_note(key, note).await?.is_some())
    }

    /// The message is given up, until an operator speaks. Answers whether it was still there.
    ///
    /// # Errors
    /// When the store cannot write it.
    pub async fn outbox_park(
        &self,
        key: OutboxKey,
        attempts: u32,
        reason: impl Into<String>,
    ) -> Result<bool, StoreError> {
        let reason = reason.into();
        let note = |record: OutboxRecord| {
            let (parked, last_error) = (Some(reason.clone()), Some(reason.clone()));
            Some(OutboxRecord { attempts, parked, last_error, ..record })
        };
        Ok(self.outbox_note(key, note).await?.is_some())
    }

    /// A parked message is tried again, from its first attempt on. Answers the row, if it was there
    /// and parked.
    ///
    /// # Errors
    /// When the store cannot write it.
    pub async fn outbox_redrive(&self, key: OutboxKey) -> Result<Option<OutboxRow>, StoreError> {
        if self.outbox_row(key).await?.is_none_or(|row| row.parked.is_none()) {
            return Ok(None);
        }
        let note = |record: OutboxRecord| {
            Some(OutboxRecord { attempts: 0, not_before: record.message.cause.at_ms, parked: None, ..record })
        };
        self.outbox_note(key, note).await?.map(|record| row(key, record)).transpose()
    }

    /// Rewrites a row, or deletes it when `note` answers nothing. Answers the row as it is now, or
    /// as it was last; nothing if there is none.
    async fn outbox_note(
        &self,
        key: OutboxKey,
        note: impl Fn(OutboxRecord) -> Option<OutboxRecord>,
    ) -> Result<Option<OutboxRecord>, StoreError> {
        let stored = keys::outbox(key);
        for _ in 0..LOOKS_MAX {
            let Some(value) = self.get_one(Space::Outbox, stored.clone()).await? else { return Ok(None) };
            let old = decode_message(&value)?;
            let new = note(old.clone());
            let batch = self.outbox_batch(key, value, &old, new.as_ref()).await?;
            match self.engine.commit(batch).await {
                Ok(_) => return Ok(Some(new.unwrap_or(old))),
                Err(BatchError::Clash(_)) => {}
                Err(BatchError::Failed(error)) => return Err(error.into()),
                Err(BatchError::Over(_)) => return Err(StoreError::unavailable("a count without a bound passed it")),
            }
        }
        Err(StoreError::unavailable(format!("message {key} kept changing")))
    }

    async fn outbox_batch(
        &self,
        key: OutboxKey,
        value: Value,
        old: &OutboxRecord,
        new: Option<&OutboxRecord>,
    ) -> Result<Batch, StoreError> {
        let (stored, realm) = (keys::outbox(key), key.realm);
        let mut batch = Batch::default();
        batch.expect.push(Expect::Value(Space::Outbox, stored.clone(), Some(value)));
        if let (None, Some(once)) = (new, old.once) {
            let once = keys::outbox_once(realm, &once);
            // It names this row, unless something is badly wrong; then it is left as it is.
            if self.get_one(Space::Outbox, once.clone()).await?.as_ref() == Some(&stored) {
                batch.expect.push(Expect::Value(Space::Outbox, once.clone(), Some(stored.clone())));
                batch.delete(Space::Outbox, once);
            }
        }
        let parked = |record: Option<&OutboxRecord>| i64::from(record.is_some_and(|r| r.parked.is_some()));
        batch.count(Space::System, keys::parked_count(realm), parked(new) - parked(Some(old)), None);
        batch.count(Space::System, keys::outbox_count(realm), i64::from(new.is_some()) - 1, None);
        batch.changes.push((Space::Outbox, stored, new.map(encode_message)));
        Ok(batch)
    }
}

fn row(key: OutboxKey, record: OutboxRecord) -> Result<OutboxRow, StoreError> {
    Ok(OutboxRow {
        key,
        message: record.message,
        attempts: record.attempts,
        not_before: timestamp(Space::Outbox, record.not_before)?,
        parked: record.parked,
        last_error: record.last_error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_by_its_name_and_by_its_idempotency_key() {
        let key = OutboxKey { realm: Realm::DEFAULT, sequence: 41, index: 2 };

        assert_eq!(key.to_string(), "41-2");
        assert_eq!("41-2".parse(), Ok(key));
        assert_eq!(key.idempotency_key(Uuid::from_u128(7)).parse(), Ok(key));
        assert_eq!("3/41-2".parse(), Ok(OutboxKey { realm: Realm(3), ..key }));
        assert_eq!(OutboxKey { realm: Realm(3), ..key }.to_string(), "3/41-2");
        for wrong in ["", "41", "-", "41-", "x-1", "/41-2"] {
            assert!(wrong.parse::<OutboxKey>().is_err(), "{wrong}");
        }
    }
}
