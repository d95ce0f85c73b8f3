//! One run of a job on a clock.

use std::ops::Deref;

use crate::{Context, Failure};

/// One run of one of the jobs that the operator wrote down for this plugin.
///
/// It carries the [`Context`]; `job.now_ms` is when the run began.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The job's name, as the operator wrote it down.
    pub name: String,
    /// When it was due, in milliseconds since the Unix epoch.
    pub due_ms: u64,
    /// When the job last ended well, if it ever did.
    pub last_success_ms: Option<u64>,
    /// Whether an operator started it, and not the clock.
    pub by_hand: bool,
    /// The facts around it.
    pub context: Context,
}

impl Job {
    /// What to answer when the operator wrote down a job that the plugin does not have: it has these.
    pub fn unknown<T>(&self, known: &[&str]) -> Result<T, Failure> {
        let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
        Err(Failure::new(format!("there is no job `{}`; there are {}", self.name, known.join(", "))))
    }
}

impl Deref for Job {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}
