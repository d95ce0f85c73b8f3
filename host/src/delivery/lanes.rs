//! Lanes: what must go out in order, and what may go out at once.
//!
//! All messages of one plugin to one target about one resource form a lane. A lane sends its
//! oldest message, and nothing else until that one is done; different lanes know nothing of each
//! other. A parked message holds its lane, so that an operator's redrive keeps the order too.
//!
//! Nothing here waits, reads a clock or touches the store: facts go in, the next steps come out.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;

use crate::hook::Message;
use crate::store::{OutboxKey, OutboxRow};

/// Names a lane. Two lanes that share a hash merely wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Lane(u64);

impl Lane {
    pub(super) fn of(message: &Message) -> Self {
        let mut hasher = DefaultHasher::new();
        (&message.plugin, &message.target, message.cause.id).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// One message waiting in its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    key: OutboxKey,
    not_before: Timestamp,
    parked: bool,
}

/// All lanes, and which of their heads may go.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<Lane, VecDeque<Waiting>>,
    /// Heads that wait for their time, soonest first. Heads that are parked or under way are not here.
    due: BTreeMap<(Timestamp, OutboxKey), Lane>,
}

impl Lanes {
    /// A message joins the end of its lane.
    pub(super) fn join(&mut self, row: &OutboxRow) {
        let lane = Lane::of(&row.message);
        let waiting = Waiting { key: row.key, not_before: row.not_before, parked: row.parked.is_some() };
        let queue = self.lanes.entry(lane).or_default();
        queue.push_back(waiting);
        if queue.len() == 1 {
            self.schedule(lane);
        }
    }

    /// Takes a head whose time has come. It stays the head of its lane until [`Lanes::done`] or
    /// [`Lanes::again`].
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<(Lane, OutboxKey)> {
        let (&(at, key), &lane) = self.due.first_key_value()?;
        if at > now {
            return None;
        }
        self.due.remove(&(at, key));
        Some((lane, key))
    }

    /// When the next head's time comes.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first_key_value().map(|(&(at, _), _)| at)
    }

    /// The head is gone: delivered or dropped. Its successor comes up.
    pub(super) fn done(&mut self, lane: Lane) {
        let Some(queue) = self.lanes.get_mut(&lane) else { return };
        queue.pop_front();
        if queue.is_empty() {
            self.lanes.remove(&lane);
        } else {
            self.schedule(lane);
        }
    }

    /// The head stays and waits until `not_before`.
    pub(super) fn again(&mut self, lane: Lane, not_before: Timestamp) {
        if let Some(head) = self.lanes.get_mut(&lane).and_then(VecDeque::front_mut) {
            head.not_before = not_before;
            head.parked = false;
            self.schedule(lane);
        }
    }

    /// The head stays and holds its lane until an operator speaks.
    pub(super) fn park(&mut self, lane: Lane) {
        if let Some(head) = self.lanes.get_mut(&lane).and_then(VecDeque::front_mut) {
            head.parked = true;
        }
    }

    /// An operator redrove a message: if it is a parked head, it goes at once.
    pub(super) fn redrive(&mut self, lane: Lane, key: OutboxKey, now: Timestamp) {
        if let Some(head) = self.lanes.get(&lane).and_then(|q| q.front())
            && head.key == key
            && head.parked
        {
            self.again(lane, now);
        }
    }

    /// An operator dropped a message, or a newer one took its place.
    pub(super) fn drop_message(&mut self, lane: Lane, key: OutboxKey) {
        let Some(queue) = self.lanes.get_mut(&lane) else { return };
        match queue.front() {
            Some(head) if head.key == key => {
                // A head under way is not in `due`; its delivery finds the row gone and says done.
                let resting = head.parked || self.due.remove(&(head.not_before, key)).is_some();
                if resting {
                    self.done(lane);
                }
            }
            _ => queue.retain(|waiting| waiting.key != key),
        }
    }

    fn schedule(&mut self, lane: Lane) {
        if let Some(head) = self.lanes.get(&lane).and_then(|q| q.front())
            && !head.parked
        {
            self.due.insert((head.not_before, head.key), lane);
        }
    }
}
