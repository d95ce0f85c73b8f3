//! How often something may happen: so many times a minute, at once or spread.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// The microseconds of a minute.
const MINUTE: i64 = 60_000_000;

/// Lets through a number a minute. It remembers one instant: until when what came so far has used
/// up its share of time.
pub(super) struct Rate {
    interval: i64,
    used_until: Mutex<i64>,
}

impl Rate {
    /// So many a minute.
    pub(super) fn per_minute(many: u32) -> Self {
        Self { interval: MINUTE / i64::from(many.max(1)), used_until: Mutex::new(i64::MIN) }
    }

    /// Counts one, or answers after how many seconds one may come again.
    pub(super) fn admit(&self, now: Timestamp) -> Result<(), u32> {
        let now = now.as_microsecond();
        let mut used_until = self.used_until.lock().unwrap_or_else(PoisonError::into_inner);
        let until = (*used_until).max(now) + self.interval;
        let over = until - now - MINUTE;
        if over > 0 {
            return Err(u32::try_from(over / 1_000_000 + 1).unwrap_or(u32::MAX));
        }
        *used_until = until;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn so_many_come_at_once_and_then_one_at_a_time() {
        let rate = Rate::per_minute(3);

        assert_eq!([0, 0, 0].map(|second| rate.admit(at(second))), [Ok(()); 3]);
        assert_eq!(rate.admit(at(0)), Err(21));
        assert_eq!(rate.admit(at(10)), Err(11), "a refusal uses up nothing");
        assert_eq!(rate.admit(at(21)), Ok(()));
        assert!(rate.admit(at(22)).is_err());
        assert_eq!([600, 600, 600].map(|second| rate.admit(at(second))), [Ok(()); 3]);
        assert!(rate.admit(at(600)).is_err());
    }
}
