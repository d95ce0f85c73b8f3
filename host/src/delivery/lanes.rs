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
    /// An operator redrove it while its failed attempt was still being noted.
    redriven: bool,
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
        let (key, not_before, parked) = (row.key, row.not_before, row.parked.is_some());
        let waiting = Waiting { key, not_before, parked, redriven: false };
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
            (head.not_before, head.parked, head.redriven) = (not_before, false, false);
            self.schedule(lane);
        }
    }

    /// The head stays and holds its lane until an operator speaks, or has spoken already.
    pub(super) fn park(&mut self, lane: Lane, now: Timestamp) {
        let Some(head) = self.lanes.get_mut(&lane).and_then(VecDeque::front_mut) else { return };
        head.parked = true;
        if head.redriven {
            self.again(lane, now);
        }
    }

    /// An operator redrove a message: if it is a parked head, it goes at once; if it is about to be
    /// parked, it goes then.
    pub(super) fn redrive(&mut self, lane: Lane, key: OutboxKey, now: Timestamp) {
        let head = self.lanes.get_mut(&lane).and_then(VecDeque::front_mut);
        let Some(head) = head.filter(|head| head.key == key) else { return };
        head.redriven = true;
        if head.parked {
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::context::{Actor, Realm};
    use crate::hook::{Cause, Operation, PluginName, Work};

    /// A waiting message of this sequence about this resource, due at this second.
    fn row(sequence: u64, resource: u128, second: i64) -> OutboxRow {
        let actor = Actor { subject: "test".to_owned(), ..Actor::default() };
        OutboxRow {
            key: OutboxKey { realm: Realm::DEFAULT, sequence, index: 0 },
            message: Message {
                key: format!("key-{sequence}"),
                plugin: PluginName::from("crm"),
                target: "crm".to_owned(),
                work: Work::Observe,
                headers: Vec::new(),
                cause: Cause {
                    sequence,
                    request_id: "r".to_owned(),
                    actor,
                    operation: Operation::Patch,
                    resource_type: "User".to_owned(),
                    id: Uuid::from_u128(resource),
                    version: 1,
                    at_ms: 0,
                    trail: [].into(),
                },
            },
            attempts: 0,
            not_before: at(second),
            parked: None,
            last_error: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn lanes(rows: &[OutboxRow]) -> Lanes {
        let mut lanes = Lanes::default();
        rows.iter().for_each(|row| lanes.join(row));
        lanes
    }

    /// The sequences that go at this second, in order.
    fn due(lanes: &mut Lanes, second: i64) -> Vec<u64> {
        std::iter::from_fn(|| lanes.take_due(at(second))).map(|(_, key)| key.sequence).collect()
    }

    #[test]
    fn a_lane_sends_one_message_at_a_time_and_lanes_do_not_wait_for_each_other() {
        let (first, other, second) = (row(1, 7, 0), row(2, 8, 0), row(3, 7, 0));
        let mut lanes = lanes(&[first.clone(), other, second]);

        assert_eq!(due(&mut lanes, 0), [1, 2]);
        assert_eq!(due(&mut lanes, 0), [] as [u64; 0]);
        lanes.done(Lane::of(&first.message));
        assert_eq!(due(&mut lanes, 0), [3]);
    }

    #[test]
    fn a_message_that_waits_longer_holds_the_later_ones_of_its_lane() {
        let mut lanes = lanes(&[row(1, 7, 10), row(2, 7, 0)]);

        assert_eq!(due(&mut lanes, 9), [] as [u64; 0]);
        assert_eq!(lanes.next_due(), Some(at(10)));
        assert_eq!(due(&mut lanes, 10), [1]);
    }

    #[test]
    fn a_parked_head_holds_its_lane_until_it_is_redriven_or_dropped() {
        let rows = [row(1, 7, 0), row(2, 7, 0), row(3, 7, 0)];
        let lane = Lane::of(&rows[0].message);
        let mut lanes = lanes(&rows);
        due(&mut lanes, 0);

        lanes.park(lane, at(1));
        assert_eq!(due(&mut lanes, 99), [] as [u64; 0]);
        lanes.redrive(lane, rows[0].key, at(1));
        assert_eq!(due(&mut lanes, 1), [1]);

        lanes.park(lane, at(2));
        lanes.drop_message(lane, rows[0].key);
        assert_eq!(due(&mut lanes, 2), [2]);
    }

    #[test]
    fn a_redrive_that_comes_before_the_parking_is_noted_is_not_lost() {
        let rows = [row(1, 7, 0)];
        let lane = Lane::of(&rows[0].message);
        let mut lanes = lanes(&rows);
        due(&mut lanes, 0);

        lanes.redrive(lane, rows[0].key, at(1));
        lanes.park(lane, at(1));

        assert_eq!(due(&mut lanes, 1), [1]);
    }

    #[test]
    fn a_dropped_message_in_the_middle_leaves_the_order_of_the_others() {
        let rows = [row(1, 7, 0), row(2, 7, 0), row(3, 7, 0)];
        let lane = Lane::of(&rows[0].message);
        let mut lanes = lanes(&rows);
        assert_eq!(due(&mut lanes, 0), [1]);

        lanes.drop_message(lane, rows[1].key);
        // Under way: its own delivery tells when it is over.
        lanes.drop_message(lane, rows[0].key);
        assert_eq!(due(&mut lanes, 0), [] as [u64; 0]);
        lanes.done(lane);

        assert_eq!(due(&mut lanes, 0), [3]);
    }
}
