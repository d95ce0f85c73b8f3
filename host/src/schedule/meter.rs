//! What is measured of the jobs, for Prometheus: how their runs end, how long they take and how late they begin, and
//! when the last one was. Labels are the names of configured jobs and words of ours.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use metrics::{Label, counter, gauge, histogram};

use crate::hook::{JobName, Trouble};
use crate::limits::JOBS_MEASURED_MAX;
use crate::store::JobRecord;

/// The name of whatever would be one too many.
const OTHER: &str = "other";

/// The jobs of which something was measured. A series takes memory until the process ends, which has one recorder for
/// all of it, so jobs that come and go under new names have a name in common at last.
static MEASURED: LazyLock<Mutex<BTreeSet<JobName>>> = LazyLock::new(Mutex::default);

/// A job of which no more is known than its row: when its last run ended, and when one last ended well.
pub(super) fn known(name: &JobName, record: &JobRecord) {
    let labels = labels(name);
    let seconds = |at: Timestamp| at.as_millisecond() as f64 / 1_000.0;
    if let Some(last) = &record.last {
        gauge!("provost_job_last_run_timestamp_seconds", labels.clone()).set(seconds(last.ended));
    }
    if let Some(success) = record.last_success {
        gauge!("provost_job_last_success_timestamp_seconds", labels).set(seconds(success));
    }
}

/// A run of a due time begins so much later than it was due.
pub(super) fn late(name: &JobName, due: Timestamp, now: Timestamp) {
    let late = now.duration_since(due).max(jiff::SignedDuration::ZERO);
    histogram!("provost_job_late_seconds", labels(name)).record(late.as_secs_f64());
}

/// A run ended, after so long.
pub(super) fn ended(name: &JobName, outcome: &Result<String, Trouble>, took: Duration) {
    let word = match outcome {
        Ok(_) => "done",
        Err(Trouble::Error { .. }) => "error",
        Err(Trouble::Fault(fault)) => fault.kind.as_str(),
    };
    count(name, word);
    histogram!("provost_job_run_seconds", labels(name)).record(took);
}

/// A run was cut off by the end of the server that made it.
pub(super) fn cut_off(name: &JobName) {
    count(name, "cut_off");
}

fn count(name: &JobName, outcome: &'static str) {
    let mut labels = labels(name);
    labels.push(Label::new("outcome", outcome));
    counter!("provost_job_runs_total", labels).increment(1);
}

fn labels(name: &JobName) -> Vec<Label> {
    let mut measured = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
    let (plugin, job) = named(&mut measured, name);
    vec![Label::new("plugin", plugin.to_owned()), Label::new("job", job.to_owned())]
}

/// What a job is called among these.
fn named<'a>(measured: &mut BTreeSet<JobName>, name: &'a JobName) -> (&'a str, &'a str) {
    if !measured.contains(name) {
        if measured.len() >= JOBS_MEASURED_MAX {
            return (OTHER, OTHER);
        }
        measured.insert(name.clone());
    }
    (&name.plugin.0, &name.job)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_that_come_and_go_share_a_name_at_last() {
        let job = |number: usize| JobName { plugin: "p".into(), job: format!("job-{number}") };
        let mut measured = BTreeSet::new();
        for number in 0..JOBS_MEASURED_MAX {
            assert_eq!(named(&mut measured, &job(number)), ("p", &*format!("job-{number}")));
        }

        assert_eq!(named(&mut measured, &job(JOBS_MEASURED_MAX)), (OTHER, OTHER));
        assert_eq!(named(&mut measured, &job(0)), ("p", "job-0"));
        assert_eq!(measured.len(), JOBS_MEASURED_MAX);
    }
}
