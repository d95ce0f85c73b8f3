//! When a write waits for the disk.
//!
//! A request that writes once waits for that write. A bulk request applies its writes one after
//! another, each on top of the one before, and waits for all of them together before its answer:
//! a thousand operations pay for a few syncs rather than for a thousand. Neither is answered
//! before it is on disk.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use crate::store::{CommitError, Durable, Store, StoreError, Write};

/// The two ways.
#[derive(Clone, Default)]
pub(super) enum Disk {
    /// Each write by itself.
    #[default]
    EachWrite,
    /// All writes together, at the end.
    Together(Arc<Mutex<Vec<Durable>>>),
}

impl Disk {
    /// Waits for nothing until [`Disk::settle`].
    pub(super) fn together() -> Self {
        Self::Together(Arc::default())
    }

    /// Commits the write, and waits for it if it is time to.
    pub(super) async fn commit(&self, store: &Store, write: Write) -> Result<(), CommitError> {
        match self {
            Self::EachWrite => {
                store.commit(write).await?;
            }
            Self::Together(unsettled) => {
                let (_, durable) = store.apply(write).await?;
                unsettled.lock().unwrap_or_else(PoisonError::into_inner).push(durable);
            }
        }
        Ok(())
    }

    /// Waits for what a read has shown, if it is time to.
    pub(super) async fn barrier(&self, store: &Store) -> Result<(), StoreError> {
        match self {
            Self::EachWrite => store.barrier().await,
            Self::Together(_) => Ok(()),
        }
    }

    /// Returns once everything that was written or acknowledged is on disk.
    pub(super) async fn settle(&self, store: &Store) -> Result<(), StoreError> {
        let Self::Together(unsettled) = self else { return Ok(()) };
        let unsettled = mem::take(&mut *unsettled.lock().unwrap_or_else(PoisonError::into_inner));
        store.barrier().await?;
        for durable in unsettled {
            durable.await?;
        }
        Ok(())
    }
}
