//! Taking turns on one resource.
//!
//! A write first tries without any lock. When somebody else changed the resource in between, it
//! starts again, this time in a queue for that resource; and whoever comes while there is a queue
//! joins it. So a crowd on one group is served in order, none of it is told "conflict", and a
//! write that meets no crowd waits for nobody. Creates have no resource to crowd on: one that
//! clashed queues with others that clashed, and newcomers never wait.
//!
//! A turn may be held while plugins run. That delays only writers of the same resource, and no
//! longer than the plugins' own deadlines.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};
use uuid::Uuid;

use super::WriteError;
use crate::limits::WRITE_ATTEMPTS_MAX;

/// How many queues there are. Two resources may share one, which costs a little waiting and no more.
const QUEUES: usize = 256;

/// The queues of all resources, and the one of creates.
pub(super) struct Turns {
    resources: Box<[Arc<Mutex<()>>]>,
    creates: Arc<Mutex<()>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { resources: (0..QUEUES).map(|_| Arc::default()).collect(), creates: Arc::default() }
    }
}

impl Turns {
    /// Waits behind the queue if there is one; goes ahead without a lock if there is none.
    pub(super) async fn take(&self, id: Uuid) -> Turn {
        // The last bytes of a UUIDv7 are random.
        let queue = self.resources[usize::from(id.as_bytes()[15]) % QUEUES].clone();
        let place = match queue.clone().try_lock_owned() {
            Ok(_nobody_waits) => None,
            Err(_) => Some(queue.clone().lock_owned().await),
        };
        Turn { queue, place, attempt: 1 }
    }

    /// A create's turn: waits for nobody at first.
    pub(super) fn create(&self) -> Turn {
        Turn { queue: self.creates.clone(), place: None, attempt: 1 }
    }
}

/// One write's turn, for as long as it lives.
pub(super) struct Turn {
    queue: Arc<Mutex<()>>,
    place: Option<OwnedMutexGuard<()>>,
    attempt: u32,
}

impl Turn {
    /// From 1.
    pub(super) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Starts again after a version clash, now in the queue.
    pub(super) async fn again(&mut self) -> Result<(), WriteError> {
        if self.attempt == WRITE_ATTEMPTS_MAX {
            return Err(WriteError::Contended { attempts: self.attempt });
        }
        self.attempt += 1;
        if self.place.is_none() {
            self.place = Some(self.queue.clone().lock_owned().await);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_newcomer_waits_while_somebody_is_in_the_queue_and_only_then() {
        let turns = Turns::default();
        let id = Uuid::from_u128(7);
        let mut first = turns.take(id).await;
        let second = turns.take(id).await;
        assert!(first.place.is_none() && second.place.is_none());

        first.again().await.unwrap();
        let newcomer = turns.take(id);
        tokio::pin!(newcomer);
        assert!(futures::poll!(newcomer.as_mut()).is_pending());

        drop(first);
        assert!(newcomer.await.place.is_some());
    }

    #[tokio::test]
    async fn starting_again_for_ever_ends_as_contended() {
        let mut turn = Turns::default().take(Uuid::from_u128(7)).await;

        for _ in 1..WRITE_ATTEMPTS_MAX {
            turn.again().await.unwrap();
        }

        assert!(matches!(turn.again().await, Err(WriteError::Contended { .. })));
    }
}
