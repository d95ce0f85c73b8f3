//! Sequence numbers: handed out in memory, so that writers do not queue for them, and read up to
//! a watermark, so that readers never pass over a row that becomes visible late.
//!
//! A commit takes its numbers after it has read what it changes. Two changes of one resource thus
//! have numbers in the order of their versions: the second could only read what the first had
//! applied. Between resources the numbers promise nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Hands out sequence numbers, and knows below which one nothing is under way.
#[derive(Debug, Clone)]
pub struct Sequences(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    settled: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    next: u64,
    under_way: BTreeSet<u64>,
}

/// Some numbers in a row, taken by one commit. Until [`Taken::settle`] no reader passes them.
///
/// Dropped without that, it holds all readers where they are: nobody knows whether the rows are on
/// disk, so nobody may act on them until the store was opened again.
#[derive(Debug)]
#[must_use]
pub struct Taken {
    first: u64,
    shared: Arc<Shared>,
}

impl Sequences {
    /// Begins behind the last number on disk.
    pub fn after(last: u64) -> Self {
        let state = State { next: last + 1, under_way: BTreeSet::new() };
        Self(Arc::new(Shared { state: Mutex::new(state), settled: watch::Sender::new(last) }))
    }

    /// The next `count` numbers, at least one.
    pub fn take(&self, count: u64) -> Taken {
        let mut state = self.0.lock();
        let first = state.next;
        state.next += count.max(1);
        state.under_way.insert(first);
        Taken { first, shared: self.0.clone() }
    }

    /// The highest number up to which nothing is under way.
    pub fn settled(&self) -> u64 {
        *self.0.settled.borrow()
    }

    /// Tells whenever [`Self::settled`] grows.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.settled.subscribe()
    }
}

impl Taken {
    /// The first of the numbers.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The commit is over: its rows are on disk, or they never will be.
    pub fn settle(self) {
        let mut state = self.shared.lock();
        state.under_way.remove(&self.first);
        let settled = state.under_way.first().copied().unwrap_or(state.next) - 1;
        // Told under the lock, so that the watermark never steps back.
        self.shared.settled.send_if_modified(|told| {
            let grown = settled > *told;
            *told = settled.max(*told);
            grown
        });
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_wait_for_the_earliest_commit_under_way() {
        let sequences = Sequences::after(4);
        let (first, second, third) = (sequences.take(1), sequences.take(3), sequences.take(1));
        assert_eq!((first.first(), second.first(), third.first()), (5, 6, 9));

        third.settle();
        assert_eq!(sequences.settled(), 4);
        first.settle();
        assert_eq!(sequences.settled(), 5);
        second.settle();
        assert_eq!(sequences.settled(), 9);
    }

    #[test]
    fn a_commit_whose_end_is_unknown_holds_readers_for_good() {
        let sequences = Sequences::after(0);
        drop(sequences.take(1));

        sequences.take(1).settle();

        assert_eq!(sequences.settled(), 0);
    }

    #[test]
    fn a_settled_commit_wakes_whoever_watches() {
        let sequences = Sequences::after(0);
        let watch = sequences.watch();
        assert!(!watch.has_changed().unwrap());

        sequences.take(1).settle();

        assert!(watch.has_changed().unwrap());
        assert_eq!(*watch.borrow(), 1);
    }
}
