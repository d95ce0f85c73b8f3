//! The one place that reads the system clock, so that tests can set the time.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

/// How long a wait on the system's clock lasts before it is looked at again, in milliseconds: somebody may have set it.
const LOOK_MILLIS_MAX: u64 = 60_000;

/// Tells the time.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands still until it is set, in milliseconds since the Unix epoch.
    Fixed(watch::Sender<i64>),
}

impl Clock {
    /// A clock that stands at `at` until [`Clock::advance_ms`].
    pub fn fixed(at: Timestamp) -> Self {
        Self::Fixed(watch::Sender::new(at.as_millisecond()))
    }

    /// Now, to the millisecond that SCIM's dateTime shows.
    #[expect(clippy::disallowed_methods, reason = "the one reader of the system clock")]
    pub fn now(&self) -> Timestamp {
        let millis = match self {
            Self::System => Timestamp::now().as_millisecond(),
            Self::Fixed(millis) => *millis.borrow(),
        };
        Timestamp::from_millisecond(millis).expect("a clock's time is within jiff's range")
    }

    /// Moves a fixed clock on; the system's clock goes its own way.
    pub fn advance_ms(&self, by: i64) {
        if let Self::Fixed(millis) = self {
            millis.send_modify(|millis| *millis += by);
        }
    }

    /// Returns once it is `at`: by waiting, or when a fixed clock is moved there.
    pub async fn until(self, at: Timestamp) {
        match self {
            Self::System => loop {
                let left = Duration::try_from(at.duration_since(Self::System.now())).unwrap_or_default();
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(Duration::from_millis(LOOK_MILLIS_MAX))).await;
            },
            Self::Fixed(millis) => {
                let mut moved = millis.subscribe();
                // It cannot fail: the sender is at hand.
                let _ = moved.wait_for(|now| *now >= at.as_millisecond()).await;
            }
        }
    }
}
