//! The course of one job: which attempt comes next and when, and what an attempt's end comes to.
//!
//! Nothing here waits, reads a clock or touches the store: facts go in, the next row comes out.

use jiff::{SignedDuration, Timestamp};

use crate::hook::{JobPlan, JobRun, Trouble};
use crate::limits::{
    JOB_ATTEMPTS_MAX, JOB_BACKOFF_MILLIS_MAX, JOB_BACKOFF_MILLIS_MIN, JOB_CUT_OFFS_MAX, LOG_LINE_BYTES_MAX,
};
use crate::store::{EndedRun, JobRecord, OpenRun};

/// The row of a job that nobody has seen before: what was due until now does not count.
pub(super) fn first(plan: &JobPlan, now: Timestamp) -> JobRecord {
    JobRecord { plan: words(plan), settled: now, open: None, last: None, last_success: None }
}

/// The row under a plan that may be another one than it was made for: then what was due until now does not count, and a
/// run that waits for its next attempt is given up.
pub(super) fn replanned(record: &JobRecord, plan: &JobPlan, now: Timestamp) -> JobRecord {
    let words = words(plan);
    match record.plan == words {
        true => record.clone(),
        false => {
            let open = record.open.clone().filter(|open| open.began.is_some());
            JobRecord { plan: words, settled: record.settled.max(now), open, ..record.clone() }
        }
    }
}

fn words(plan: &JobPlan) -> String {
    format!("{}{}", plan.timing, if plan.enabled { "" } else { ", off" })
}

/// A row that says an attempt is under way while nobody makes it: it was cut off. It is made again, but not for ever.
pub(super) fn picked_up(record: &JobRecord, now: Timestamp) -> JobRecord {
    let Some((open, began)) = record.open.as_ref().and_then(|open| Some((open, open.began?))) else {
        return record.clone();
    };
    let cut_off = open.cut_off + 1;
    let again = (cut_off < JOB_CUT_OFFS_MAX).then(|| OpenRun { cut_off, began: None, not_before: now, ..open.clone() });
    let report = "it was cut off by the end of the server".to_owned();
    let last = ended(open, began, now, false, report);
    JobRecord { open: again, last: Some(last), ..record.clone() }
}

/// When the next attempt begins, and as what; nothing, if the clock starts none. `late` is by how much a run of a due
/// time begins later.
pub(super) fn next(
    record: &JobRecord,
    plan: &JobPlan,
    now: Timestamp,
    late: impl Fn(Timestamp) -> SignedDuration,
) -> Option<(Timestamp, OpenRun)> {
    let due = plan.timing.due(record.settled, now).filter(|_| plan.enabled);
    let due = due.map(|due| (later(due, late(due)), due));
    match (&record.open, due) {
        (None, None) => None,
        (None, Some((at, due))) => Some((at, begins(due, false))),
        (Some(open), Some((at, due))) if at <= now && open.not_before <= now => {
            // The next due time has come: its run takes the place of the older one, and of its bad luck.
            let attempt = if open.cut_off > 0 { open.attempt + 1 } else { 1 };
            Some((at, OpenRun { attempt, cut_off: open.cut_off, ..begins(due, false) }))
        }
        (Some(open), Some((at, due))) if at < open.not_before => Some((at, begins(due, false))),
        (Some(open), _) => Some((open.not_before, OpenRun { attempt: open.attempt + 1, ..open.clone() })),
    }
}

/// A run's first attempt.
pub(super) fn begins(due: Timestamp, by_hand: bool) -> OpenRun {
    OpenRun { due, by_hand, attempt: 1, cut_off: 0, began: None, not_before: due }
}

/// The row while the attempt is made. It is on disk before the attempt begins.
pub(super) fn begun(record: &JobRecord, open: OpenRun, now: Timestamp) -> JobRecord {
    let settled = if open.by_hand { record.settled } else { record.settled.max(open.due) };
    JobRecord { settled, open: Some(OpenRun { began: Some(now), ..open }), ..record.clone() }
}

/// What the plugin is told of the attempt.
pub(super) fn told(record: &JobRecord, plan: &JobPlan) -> Option<JobRun> {
    let open = record.open.as_ref()?;
    let (due, by_hand, attempt) = (open.due, open.by_hand, open.attempt);
    Some(JobRun { name: plan.name.clone(), due, last_success: record.last_success, by_hand, attempt })
}

/// The row after the attempt that was under way.
pub(super) fn settled(
    record: &JobRecord,
    plan: Option<&JobPlan>,
    outcome: Result<String, Trouble>,
    now: Timestamp,
) -> JobRecord {
    let Some((open, began)) = record.open.as_ref().and_then(|open| Some((open, open.began?))) else {
        return record.clone();
    };
    match outcome {
        Ok(report) => {
            let last = Some(ended(open, began, now, true, report));
            JobRecord { open: None, last, last_success: Some(now), ..record.clone() }
        }
        Err(trouble) => {
            let hopeless = matches!(trouble, Trouble::Error { retryable: false, .. });
            let last = Some(ended(open, began, now, false, trouble.to_string()));
            let not_before = later(now, backoff(open.attempt));
            let next_due = plan.filter(|plan| plan.enabled).and_then(|plan| plan.timing.due(record.settled, now));
            let in_time = next_due.is_none_or(|due| not_before < due);
            // Who starts a run by hand sees how it ends, and decides.
            let again = !hopeless && !open.by_hand && open.attempt < JOB_ATTEMPTS_MAX && in_time && plan.is_some();
            let open = again.then(|| OpenRun { began: None, not_before, ..open.clone() });
            JobRecord { open, last, ..record.clone() }
        }
    }
}

fn ended(open: &OpenRun, began: Timestamp, ended: Timestamp, done: bool, mut report: String) -> EndedRun {
    report.truncate(report.floor_char_boundary(LOG_LINE_BYTES_MAX));
    let (due, by_hand, attempt) = (open.due, open.by_hand, open.attempt);
    EndedRun { due, by_hand, attempt, began, ended, done, report: report.replace(char::is_control, " ") }
}

fn backoff(attempt: u32) -> SignedDuration {
    let doubled = JOB_BACKOFF_MILLIS_MIN.saturating_mul(1 << attempt.saturating_sub(1).min(32));
    SignedDuration::from_millis(doubled.min(JOB_BACKOFF_MILLIS_MAX))
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::{Fault, FaultKind, JobName, Timing};

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    fn hourly() -> JobPlan {
        let name = JobName { plugin: "p".into(), job: "j".to_owned() };
        JobPlan {
            name,
            timing: Timing::Every(SignedDuration::from_hours(1)),
            jitter: SignedDuration::ZERO,
            enabled: true,
        }
    }

    fn on_time(record: &JobRecord, now: Timestamp) -> Option<(Timestamp, OpenRun)> {
        next(record, &hourly(), now, |_| SignedDuration::ZERO)
    }

    fn failing() -> Result<String, Trouble> {
        Err(Trouble::Error { message: "not\nnow".to_owned(), retryable: true })
    }

    #[test]
    fn what_was_due_while_nobody_looked_is_made_up_once() {
        let record = first(&hourly(), at(0));

        let (when, run) = on_time(&record, at(190)).unwrap();
        assert_eq!((when, run.due, run.attempt), (at(180), at(180), 1));
        let record = settled(&begun(&record, run, at(190)), Some(&hourly()), Ok("all".to_owned()), at(191));
        assert_eq!(record.last_success, Some(at(191)));
        assert_eq!(on_time(&record, at(191)).unwrap().0, at(240));
    }

    #[test]
    fn a_run_that_was_cut_off_is_made_again_so_many_times_and_then_waits_for_its_next_due_time() {
        let mut record = first(&hourly(), at(0));
        for attempt in 1..=JOB_CUT_OFFS_MAX {
            let (_, run) = on_time(&record, at(60)).unwrap();
            assert_eq!((run.attempt, run.due), (attempt, at(60)));
            record = picked_up(&begun(&record, run, at(60)), at(61));
        }

        assert_eq!(record.open, None);
        assert!(record.last.as_ref().is_some_and(|last| !last.done && last.report.contains("cut off")));
        assert_eq!(on_time(&record, at(61)).unwrap().1, begins(at(120), false));
    }

    #[test]
    fn what_was_cut_off_and_what_was_missed_meanwhile_are_one_run() {
        let record = first(&hourly(), at(0));
        let (_, run) = on_time(&record, at(60)).unwrap();
        let record = picked_up(&begun(&record, run, at(60)), at(200));

        let (_, run) = on_time(&record, at(200)).unwrap();

        assert_eq!((run.due, run.attempt, run.cut_off), (at(180), 2, 1));
    }

    #[test]
    fn a_failure_that_may_pass_is_tried_again_before_the_next_due_time_and_no_other() {
        let (_, run) = on_time(&first(&hourly(), at(0)), at(60)).unwrap();
        let under_way = begun(&first(&hourly(), at(0)), run, at(60));

        let failed = settled(&under_way, Some(&hourly()), failing(), at(61));
        let (when, again) = on_time(&failed, at(61)).unwrap();
        assert_eq!((when, again.due, again.attempt), (at(61) + SignedDuration::from_secs(30), at(60), 2));
        assert_eq!(failed.last.as_ref().unwrap().report, "the plugin reported an error: not now");
        // Its next due time has come meanwhile.
        let (when, fresh) = on_time(&failed, at(125)).unwrap();
        assert_eq!((when, fresh), (at(120), begins(at(120), false)));

        let hopeless = Err(Trouble::Error { message: "never".to_owned(), retryable: false });
        assert_eq!(settled(&under_way, Some(&hourly()), hopeless, at(61)).open, None);
        let late = settled(&under_way, Some(&hourly()), failing(), at(119) + SignedDuration::from_secs(40));
        assert_eq!(late.open, None);
        let fault = || Err(Fault::new(FaultKind::Deadline, "too slow").into());
        assert!(settled(&under_way, Some(&hourly()), fault(), at(61)).open.is_some());
        let mut last = under_way;
        last.open.as_mut().unwrap().attempt = JOB_ATTEMPTS_MAX;
        assert_eq!(settled(&last, Some(&hourly()), fault(), at(61)).open, None);
    }

    #[test]
    fn a_run_by_hand_settles_no_due_time_and_is_not_tried_again() {
        let record = begun(&first(&hourly(), at(0)), begins(at(30), true), at(30));

        let record = settled(&record, Some(&hourly()), failing(), at(31));

        assert_eq!(record.open, None);
        assert_eq!(on_time(&record, at(31)).unwrap().0, at(60));
    }

    #[test]
    fn another_plan_forgets_what_was_due_under_the_old_one() {
        let record = first(&hourly(), at(0));
        let off = JobPlan { enabled: false, ..hourly() };

        assert_eq!(replanned(&record, &hourly(), at(500)), record);
        let resting = replanned(&record, &off, at(500));
        assert_eq!(next(&resting, &off, at(600), |_| SignedDuration::ZERO), None);
        assert_eq!(on_time(&replanned(&resting, &hourly(), at(700)), at(700)).unwrap().0, at(760));

        let (_, run) = on_time(&record, at(60)).unwrap();
        let under_way = begun(&record, run, at(60));
        assert_eq!(replanned(&under_way, &off, at(61)).open, under_way.open);
        let waits = settled(&under_way, Some(&hourly()), failing(), at(61));
        assert!(waits.open.is_some() && replanned(&waits, &off, at(61)).open.is_none());
    }

    #[test]
    fn a_run_begins_by_so_much_later() {
        let record = first(&hourly(), at(0));

        let (when, run) = next(&record, &hourly(), at(61), |_| SignedDuration::from_mins(5)).unwrap();

        assert_eq!((when, run.due), (at(65), at(60)));
    }
}
