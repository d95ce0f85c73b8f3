//! Counting what happened lately, in a room that does not grow.
//!
//! The window is divided into parts, and each has one number. What was counted leaves the window with
//! its whole part, and never early.

use jiff::Timestamp;

/// Into how many parts a window is divided.
const PARTS: usize = 60;

/// Counts what happens within a time that moves on.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    part_ms: i64,
    /// The number of the newest part, since the epoch.
    newest: i64,
    parts: [u64; PARTS + 1],
}

impl Tally {
    /// A window of so many seconds.
    pub(super) fn over(window_seconds: u64) -> Self {
        let window_ms = i64::try_from(window_seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
        // One part more than the window has: what is counted is inside for the whole of it.
        Self { part_ms: (window_ms / PARTS as i64).max(1), newest: 0, parts: [0; PARTS + 1] }
    }

    /// The part for something that happened then; nothing, if that is no longer in the window.
    fn at(&mut self, at: Timestamp) -> Option<&mut u64> {
        let length = self.parts.len() as i64;
        let part = at.as_millisecond().div_euclid(self.part_ms);
        if part > self.newest {
            let passed = part.saturating_sub(self.newest).min(length);
            for gone in (part - passed + 1)..=part {
                self.parts[usize::try_from(gone.rem_euclid(length)).unwrap_or(0)] = 0;
            }
            self.newest = part;
        }
        let place = usize::try_from(part.rem_euclid(length)).unwrap_or(0);
        (self.newest - part < length).then(|| &mut self.parts[place])
    }

    /// Counts one.
    pub(super) fn add(&mut self, at: Timestamp) {
        if let Some(part) = self.at(at) {
            *part += 1;
        }
    }

    /// Takes one back that was counted then.
    pub(super) fn take_back(&mut self, at: Timestamp) {
        if let Some(part) = self.at(at) {
            *part = part.saturating_sub(1);
        }
    }

    /// How many there are in the window now.
    pub(super) fn count(&mut self, now: Timestamp) -> u64 {
        self.at(now);
        self.parts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    #[test]
    fn what_comes_late_is_counted_where_it_belongs_or_not_at_all() {
        let mut tally = Tally::over(600);
        tally.add(at(600));
        tally.add(at(300));
        tally.add(at(-600));
        assert_eq!(tally.count(at(600)), 2);
        assert_eq!(tally.count(at(920)), 1);
        assert_eq!(tally.count(at(100_000)), 0);
        tally.take_back(at(600));
        assert_eq!(tally.count(at(100_000)), 0);
    }
}
