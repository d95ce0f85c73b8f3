//! One call of a plugin: fills it from its configuration and asks. The sandbox and the test
//! harness come in by the same doors.

use crate::{
    Change, Context, Decision, Finding, Inquiry, Job, Message, Plugin, Resource, Result, Value, Verdict, config,
};

/// Asks the plugin about its configuration, JSON text.
pub fn check_config<P: Plugin>(text: &str) -> Vec<Finding> {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => P::check_config(&value),
        Err(error) => vec![Finding::new("", format!("is not JSON: {error}"))],
    }
}

/// Asks about a proposed change.
pub fn review<P: Plugin>(change: &Change) -> Result<Verdict> {
    config::load::<P>()?.review(change)
}

/// Tells of a committed change.
pub fn observe<P: Plugin>(change: &Change, sequence: u64) -> Result {
    config::load::<P>()?.observe(change, sequence)
}

/// Hands back an enqueued message.
pub fn deliver<P: Plugin>(message: &Message) -> Result {
    config::load::<P>()?.deliver(message)
}

/// Asks who may do and see what.
pub fn decide<P: Plugin>(inquiry: &Inquiry) -> Result<Decision> {
    config::load::<P>()?.decide(inquiry)
}

/// Has resources shaped, each JSON text.
pub fn shape<P: Plugin>(context: &Context, resources: &[String]) -> Result<Vec<String>> {
    let read = resources.iter().map(|text| serde_json::from_str(text)).collect::<Result<Vec<Resource>, _>>();
    let mut resources = read?;
    config::load::<P>()?.shape(context, &mut resources)?;
    Ok(resources.iter().map(serde_json::to_string).collect::<Result<_, _>>()?)
}

/// Runs a job.
pub fn run<P: Plugin>(job: &Job) -> Result<String> {
    config::load::<P>()?.run(job)
}
