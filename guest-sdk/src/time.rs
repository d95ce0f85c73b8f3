//! Between milliseconds, in which the host tells the time, and SCIM's `dateTime` (RFC 7643 section 2.3.5).
//!
//! ```
//! use provost_sdk::time;
//!
//! assert_eq!(time::date_time(1_767_225_600_000), "2026-01-01T00:00:00Z");
//! assert_eq!(time::millis("2026-01-01T01:00:00+01:00"), Some(1_767_225_600_000));
//! ```

use jiff::Timestamp;

/// How many milliseconds a day has, where the clocks do not change.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// An instant in milliseconds since the Unix epoch, as SCIM writes it, in UTC.
pub fn date_time(ms: u64) -> String {
    let instant = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    instant.unwrap_or(Timestamp::MAX).to_string()
}

/// The instant so many days later; earlier, if there are fewer than none.
///
/// ```
/// use provost_sdk::time;
///
/// let now_ms = 1_767_225_600_000;
/// assert_eq!(time::date_time(time::days_later(now_ms, -1)), "2025-12-31T00:00:00Z");
/// ```
pub fn days_later(ms: u64, days: i64) -> u64 {
    ms.saturating_add_signed(days.saturating_mul(DAY_MS as i64))
}

/// A `dateTime` in milliseconds since the Unix epoch; none for what is no `dateTime`, or before it.
pub fn millis(date_time: &str) -> Option<u64> {
    let instant: Timestamp = date_time.parse().ok()?;
    u64::try_from(instant.as_millisecond()).ok()
}
