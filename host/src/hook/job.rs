//! When jobs are due: what the operator wrote down, as plain data that can be computed with.

use std::fmt;

use croner::Cron;
use croner::parser::{CronParser, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::JobName;

/// One job of one plugin, as the workers know it.
#[derive(Debug, Clone)]
pub struct JobPlan {
    /// Which one.
    pub name: JobName,
    /// When it is due.
    pub timing: Timing,
    /// By how much a run may begin later than it is due, at most.
    pub jitter: SignedDuration,
    /// Whether the clock starts it; an operator can start it even if not.
    pub enabled: bool,
}

/// When a job is due.
#[derive(Debug, Clone)]
pub enum Timing {
    /// At the times that a cron expression names, on the clocks of a time zone.
    Cron {
        /// The expression, of five fields, or of six with seconds first.
        cron: Box<Cron>,
        /// Where it is meant.
        zone: TimeZone,
    },
    /// Again and again after so much time, counted from when the job was first seen.
    Every(SignedDuration),
}

impl Timing {
    /// Reads a cron expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn cron(expression: &str, zone: TimeZone) -> Result<Self, String> {
        let parsed = CronParser::builder().year(Year::Disallowed).build().parse(expression);
        let cron = parsed.map_err(|error| format!("`{expression}` is no cron expression of 5 or 6 fields: {error}"))?;
        match cron.find_next_occurrence(&Timestamp::UNIX_EPOCH.to_zoned(zone.clone()), false) {
            Ok(_) => Ok(Self::Cron { cron: Box::new(cron), zone }),
            Err(_) => Err(format!("`{expression}` names a time that never comes")),
        }
    }

    /// The due time that counts, of a job that is settled up to `settled`: the last one that has passed by `now`, for
    /// all of them together; else the first to come. Absent if none will ever come.
    pub fn due(&self, settled: Timestamp, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron { cron, zone } => {
                let at = |time: Timestamp| time.to_zoned(zone.clone());
                let passed = cron.find_previous_occurrence(&at(now), true).ok().map(|due| due.timestamp());
                passed.filter(|due| *due > settled).or_else(|| {
                    let next = cron.find_next_occurrence(&at(settled.max(now)), false).ok();
                    next.map(|due| due.timestamp())
                })
            }
            Self::Every(every) => {
                let step = every.as_millis().max(1);
                let passed = now.duration_since(settled).as_millis().max(0) / step;
                let millis = i64::try_from(step.saturating_mul(passed.max(1))).ok()?;
                settled.checked_add(SignedDuration::from_millis(millis)).ok()
            }
        }
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron { cron, zone } => write!(f, "{} {}", cron.as_str(), zone.iana_name().unwrap_or("UTC")),
            Self::Every(every) => write!(f, "every {every:#}"),
        }
    }
}

/// Reads a duration, such as `30s`, `5m` or `6h`, that is not negative.
///
/// # Errors
/// What is wrong with it.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    let parsed = text.parse::<SignedDuration>().ok().filter(|duration| !duration.is_negative());
    parsed.ok_or_else(|| format!("`{text}` is no duration; expected one such as `30s`, `5m` or `6h`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check(timing: &Timing, settled: &str, now: &str, due: &str) {
        assert_eq!(timing.due(at(settled), at(now)), Some(at(due)), "{timing} {settled} {now}");
    }

    fn every(text: &str) -> Timing {
        Timing::Every(duration(text).unwrap())
    }

    fn in_zone(expression: &str, zone: &str) -> Timing {
        Timing::cron(expression, TimeZone::get(zone).unwrap()).unwrap()
    }

    #[test]
    fn two_oclock_is_two_oclock_where_it_is_meant_in_summer_and_in_winter() {
        let nightly = in_zone("0 2 * * *", "Europe/Madrid");

        check(&nightly, "2026-01-10T12:00:00Z", "2026-01-10T12:00:00Z", "2026-01-11T01:00:00Z");
        check(&nightly, "2026-07-10T12:00:00Z", "2026-07-10T12:00:00Z", "2026-07-11T00:00:00Z");
        // On the night when the clocks skip two o'clock it runs once, right behind the gap.
        check(&nightly, "2026-03-28T12:00:00Z", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z");
    }

    #[test]
    fn what_passed_counts_once_and_as_the_last_of_it() {
        let hourly = in_zone("30 * * * *", "UTC");

        check(&hourly, "2026-01-10T12:30:00Z", "2026-01-10T12:45:00Z", "2026-01-10T13:30:00Z");
        check(&hourly, "2026-01-10T12:30:00Z", "2026-01-12T07:45:00Z", "2026-01-12T07:30:00Z");
        check(&hourly, "2026-01-10T12:30:00Z", "2026-01-10T13:30:00Z", "2026-01-10T13:30:00Z");
        let every = every("5m");
        check(&every, "2026-01-10T12:00:00Z", "2026-01-10T12:04:59Z", "2026-01-10T12:05:00Z");
        check(&every, "2026-01-10T12:00:00Z", "2026-01-10T12:05:00Z", "2026-01-10T12:05:00Z");
        check(&every, "2026-01-10T12:00:00Z", "2026-01-10T13:04:59Z", "2026-01-10T13:00:00Z");
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_due_twice() {
        check(&in_zone("0 * * * *", "UTC"), "2026-01-10T12:00:00Z", "2026-01-10T09:30:00Z", "2026-01-10T13:00:00Z");
        check(&every("5m"), "2026-01-10T12:00:00Z", "2026-01-10T09:30:00Z", "2026-01-10T12:05:00Z");
    }

    #[test]
    fn seconds_may_stand_first() {
        check(
            &in_zone("*/10 * * * * *", "UTC"),
            "2026-01-10T12:00:01Z",
            "2026-01-10T12:00:01Z",
            "2026-01-10T12:00:10Z",
        );
    }

    #[test]
    fn what_is_wrong_with_a_timing_is_told() {
        let cron = |text: &str| Timing::cron(text, TimeZone::UTC).unwrap_err();
        for wrong in ["", "* * * *", "61 * * * *", "0 0 * * * * 2026", "every day"] {
            assert!(cron(wrong).contains("is no cron expression"), "{wrong}: {}", cron(wrong));
        }
        assert!(cron("0 0 30 2 *").contains("never comes"));
        for wrong in ["", "5", "-5m", "soon"] {
            assert!(duration(wrong).unwrap_err().contains("is no duration"), "{wrong}");
        }
        assert_eq!(every("90m").to_string(), "every 1h 30m");
    }
}
