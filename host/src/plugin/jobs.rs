//! `[[plugin.job]]`: the jobs that a plugin does on a clock, as the operator wrote them down.

use std::collections::HashSet;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::hook::{JobName, JobPlan, PluginName, Timing, duration};
use crate::limits::{
    JOB_EVERY_SECONDS_MAX, JOB_EVERY_SECONDS_MIN, JOB_JITTER_SECONDS_MAX, JOB_SECONDS_MAX, JOBS_PER_PLUGIN_MAX,
};

/// How long a job's name may be, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// One job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobConfig {
    /// The plugin's own name for it.
    pub name: String,
    /// When it is due, as a cron expression: five fields, or six with seconds first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// Where the cron expression is meant, such as `Europe/Madrid`; UTC if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// How often it is due, as a duration such as `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// By how much a run may begin later than it is due, at most, as a duration such as `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<String>,
    /// How long one run may take, in seconds; absent for the server's own ceiling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_seconds: Option<u64>,
    /// Whether the clock starts it.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

/// What is wrong: the key within the plugin's table, and the sentence.
type Wrong = (&'static str, String);

/// The plans of a plugin's jobs.
///
/// # Errors
/// The first thing that is wrong, with its key.
pub(super) fn plans(plugin: &PluginName, jobs: &[JobConfig]) -> Result<Vec<JobPlan>, Wrong> {
    if jobs.len() > JOBS_PER_PLUGIN_MAX {
        return Err(("job", format!("there are {} jobs, and {JOBS_PER_PLUGIN_MAX} are allowed", jobs.len())));
    }
    let mut names = HashSet::new();
    jobs.iter()
        .map(|job| match names.insert(&job.name) {
            true => job.plan(plugin),
            false => Err(("job.name", format!("another job is called `{}` already", job.name))),
        })
        .collect()
}

impl JobConfig {
    /// How long one run may take.
    pub(super) fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_seconds.unwrap_or(JOB_SECONDS_MAX))
    }

    fn plan(&self, plugin: &PluginName) -> Result<JobPlan, Wrong> {
        self.check_name()?;
        let named = |key: &'static str| move |problem: String| (key, format!("job `{}`: {problem}", self.name));
        let timing = match (&self.cron, &self.every) {
            (Some(expression), None) => {
                Timing::cron(expression, self.zone().map_err(named("job.timezone"))?).map_err(named("job.cron"))?
            }
            (None, Some(_)) if self.timezone.is_some() => {
                return Err(named("job.timezone")("has no effect on `every`; use `cron`".to_owned()));
            }
            (None, Some(every)) => interval(every).map_err(named("job.every"))?,
            _ => return Err(named("job.cron")("expected exactly one of `cron` and `every`".to_owned())),
        };
        let deadline = self.deadline_seconds.unwrap_or(JOB_SECONDS_MAX);
        if !(1..=JOB_SECONDS_MAX).contains(&deadline) {
            let problem = format!("{deadline} is not between 1 and the server's ceiling of {JOB_SECONDS_MAX}");
            return Err(named("job.deadline_seconds")(problem));
        }
        let jitter = self.jitter(&timing).map_err(named("job.jitter"))?;
        let name = JobName { plugin: plugin.clone(), job: self.name.clone() };
        Ok(JobPlan { name, timing, jitter, enabled: self.enabled })
    }

    fn check_name(&self) -> Result<(), Wrong> {
        let fits = self.name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
        match fits && (1..=NAME_BYTES_MAX).contains(&self.name.len()) {
            true => Ok(()),
            false => {
                let rule = "a job's name has 1 to 64 lower-case letters, digits, `.`, `_` or `-`";
                Err(("job.name", rule.to_owned()))
            }
        }
    }

    fn zone(&self) -> Result<TimeZone, String> {
        let Some(name) = &self.timezone else { return Ok(TimeZone::UTC) };
        TimeZone::get(name).map_err(|_| format!("there is no time zone `{name}`; expected one such as `Europe/Madrid`"))
    }

    fn jitter(&self, timing: &Timing) -> Result<SignedDuration, String> {
        let Some(text) = &self.jitter else { return Ok(SignedDuration::ZERO) };
        let jitter = duration(text)?;
        match timing {
            _ if jitter.as_secs() > JOB_JITTER_SECONDS_MAX => {
                Err(format!("`{text}` is more than {JOB_JITTER_SECONDS_MAX} seconds"))
            }
            Timing::Every(every) if jitter >= *every => Err(format!("`{text}` is not less than `every`")),
            Timing::Every(_) | Timing::Cron { .. } => Ok(jitter),
        }
    }
}

fn interval(text: &str) -> Result<Timing, String> {
    let every = duration(text)?;
    match (JOB_EVERY_SECONDS_MIN..=JOB_EVERY_SECONDS_MAX).contains(&every.as_secs()) {
        true => Ok(Timing::Every(every)),
        false => Err(format!("`{text}` is not between {JOB_EVERY_SECONDS_MIN} and {JOB_EVERY_SECONDS_MAX} seconds")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(text: &str) -> Result<Vec<JobPlan>, Wrong> {
        #[derive(Deserialize)]
        struct Table {
            job: Vec<JobConfig>,
        }
        plans(&"p".into(), &toml::from_str::<Table>(text).unwrap().job)
    }

    #[test]
    fn a_job_reads_as_it_is_written() {
        let text = "[[job]]\nname = \"nightly\"\ncron = \"0 2 * * *\"\ntimezone = \"Europe/Madrid\"\njitter = \"30s\"\n\
                    [[job]]\nname = \"often\"\nevery = \"5m\"\nenabled = false\ndeadline_seconds = 60\n";
        let plans = jobs(text).unwrap();

        assert_eq!(plans[0].timing.to_string(), "0 2 * * * Europe/Madrid");
        assert_eq!((plans[0].jitter.as_secs(), plans[0].enabled), (30, true));
        assert_eq!((plans[1].timing.to_string().as_str(), plans[1].enabled), ("every 5m", false));
    }

    #[test]
    fn every_mistake_is_named_with_its_key_and_its_job() {
        for (rest, key, word) in [
            ("", "job.cron", "exactly one of"),
            ("cron = \"0 2 * * *\"\nevery = \"5m\"", "job.cron", "exactly one of"),
            ("cron = \"0 2 * *\"", "job.cron", "no cron expression"),
            ("cron = \"0 2 30 2 *\"", "job.cron", "never comes"),
            ("cron = \"0 2 * * *\"\ntimezone = \"Europe/Nowhere\"", "job.timezone", "`Europe/Nowhere`"),
            ("every = \"5m\"\ntimezone = \"Europe/Madrid\"", "job.timezone", "no effect"),
            ("every = \"often\"", "job.every", "no duration"),
            ("every = \"0s\"", "job.every", "not between"),
            ("every = \"5m\"\njitter = \"5m\"", "job.jitter", "not less than"),
            ("every = \"5m\"\njitter = \"x\"", "job.jitter", "no duration"),
            ("cron = \"0 2 * * *\"\njitter = \"2h\"", "job.jitter", "more than"),
            ("every = \"5m\"\ndeadline_seconds = 0", "job.deadline_seconds", "not between"),
            ("every = \"5m\"\ndeadline_seconds = 6000", "job.deadline_seconds", "ceiling"),
        ] {
            let (found, problem) = jobs(&format!("[[job]]\nname = \"nightly\"\n{rest}")).unwrap_err();
            assert_eq!(found, key, "{rest}");
            assert!(problem.contains("`nightly`") && problem.contains(word), "{rest}: {problem}");
        }
        let one = "[[job]]\nname = \"a\"\nevery = \"5m\"\n";
        assert_eq!(jobs(&format!("{one}{one}")).unwrap_err().0, "job.name");
        assert_eq!(jobs(&one.replace("\"a\"", "\"A b\"")).unwrap_err().0, "job.name");
        assert!(jobs(&(0..33).map(|n| one.replace("\"a\"", &format!("\"{n}\""))).collect::<String>()).is_err());
    }
}
