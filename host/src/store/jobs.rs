//! What is known of jobs on a clock: up to when they are settled, which run is open, how the last one ended.
//!
//! A run is noted before it begins and when it has ended, each time durably and only if the row is still what it was
//! noted on. So a run that a crash cut off is found as begun and not ended, and no two workers begin the same one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::engine::{Batch, BatchError, Expect, Scan, Space};
use super::{Store, StoreError, keys, records};
use crate::context::Realm;
use crate::hook::JobName;

/// How many rows are read at most.
const JOBS_MAX: usize = 10_000;

/// One job's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// When it is due, in words: when they change, what was due before counts no more.
    pub plan: String,
    /// Every due time up to this one is settled, or is that of the open run.
    pub settled: Timestamp,
    /// The run that has not ended for good.
    pub open: Option<OpenRun>,
    /// How the last attempt ended.
    pub last: Option<EndedRun>,
    /// When it last ended well.
    pub last_success: Option<Timestamp>,
}

/// A run that is under way, was cut off, or waits to be tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRun {
    /// When it was due.
    pub due: Timestamp,
    /// Whether an operator started it.
    pub by_hand: bool,
    /// From 1.
    pub attempt: u32,
    /// How many of its attempts were cut off.
    pub cut_off: u32,
    /// When the attempt began that has not ended; absent while the run waits for its next one.
    pub began: Option<Timestamp>,
    /// The next attempt is not made before this time.
    pub not_before: Timestamp,
}

/// An attempt that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedRun {
    /// When it was due.
    pub due: Timestamp,
    /// Whether an operator started it.
    pub by_hand: bool,
    /// From 1.
    pub attempt: u32,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Whether it ended well.
    pub done: bool,
    /// One sentence: what was done, or why it was not.
    pub report: String,
}

impl Store {
    /// Every job that has a row.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn jobs(&self, realm: Realm) -> Result<Vec<(JobName, JobRecord)>, StoreError> {
        let rows = self.engine.scan(Scan::new(Space::System, keys::jobs(realm), JOBS_MAX)).await?;
        let corrupt = || StoreError::Corrupt { space: Space::System };
        let read = |(key, value): &(Vec<u8>, Vec<u8>)| {
            Ok((keys::job_parts(key).ok_or_else(corrupt)?, records::decode(Space::System, value)?))
        };
        rows.iter().map(read).collect()
    }

    /// Writes a job's row, or deletes it, if it is still the `old` one. Answers whether it was.
    ///
    /// # Errors
    /// When the store cannot write it.
    pub async fn job_note(
        &self,
        realm: Realm,
        job: &JobName,
        old: Option<&JobRecord>,
        new: Option<&JobRecord>,
    ) -> Result<bool, StoreError> {
        let key = keys::job(realm, job);
        let mut batch = Batch::default();
        batch.expect.push(Expect::Value(Space::System, key.clone(), old.map(records::encode)));
        batch.changes.push((Space::System, key, new.map(records::encode)));
        match self.engine.commit(batch).await {
            Ok(_) => Ok(true),
            Err(BatchError::Clash(_)) => Ok(false),
            Err(BatchError::Failed(error)) => Err(error.into()),
            Err(BatchError::Over(_)) => Err(StoreError::unavailable("a batch without counts passed one")),
        }
    }
}
