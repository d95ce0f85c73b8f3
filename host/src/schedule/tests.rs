//! The worker with scripted plugins: which jobs it has, and what it does when they change.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use provost_scim::{Attributes, ResourceType, Schemas};

use super::*;
use crate::hook::{
    Act, Change, Committed, Consulted, Decision, Effects, Fault, FaultKind, Hooks, Inquiry, JobRun, Message,
    PluginName, Timing, Verdict,
};
use crate::store::StoreConfig;

/// Plugins that do nothing but these jobs.
struct Jobs(Vec<JobPlan>);

fn nothing<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, Trouble>> {
    futures::future::ready(Err(Fault::new(FaultKind::Unavailable, "it only does jobs").into())).boxed()
}

impl Hooks for Jobs {
    fn reviewers(&self, _: &Change) -> Vec<Consulted> {
        Vec::new()
    }

    fn review<'a>(
        &'a self,
        _: &'a Consulted,
        _: &'a RequestContext,
        _: &'a Change,
    ) -> BoxFuture<'a, Result<(Verdict, Effects), Trouble>> {
        nothing()
    }

    fn blame(&self, _: &Consulted, _: &Fault) {}

    fn gatekeepers(&self, _: Act, _: &str) -> Vec<Consulted> {
        Vec::new()
    }

    fn decide<'a>(
        &'a self,
        _: &'a Consulted,
        _: &'a RequestContext,
        _: Inquiry<'a>,
    ) -> BoxFuture<'a, Result<Decision, Trouble>> {
        nothing()
    }

    fn shapers(&self, _: Act, _: &str) -> Vec<Consulted> {
        Vec::new()
    }

    fn shape<'a>(
        &'a self,
        _: &'a Consulted,
        _: &'a RequestContext,
        _: Act,
        _: &'a ResourceType,
        _: &'a [Attributes],
    ) -> BoxFuture<'a, Result<Vec<Attributes>, Trouble>> {
        nothing()
    }

    fn observers(&self, _: &Change) -> Vec<PluginName> {
        Vec::new()
    }

    fn observe<'a>(&'a self, _: &'a Message, _: &'a Committed, _: u32) -> BoxFuture<'a, Result<(), Trouble>> {
        nothing()
    }

    fn deliver<'a>(&'a self, _: &'a Message, _: u32) -> BoxFuture<'a, Result<(), Trouble>> {
        nothing()
    }

    fn send<'a>(&'a self, _: &'a Message, _: u32) -> BoxFuture<'a, Result<(), Trouble>> {
        nothing()
    }

    fn jobs(&self) -> Vec<JobPlan> {
        self.0.clone()
    }

    fn run<'a>(&'a self, cx: &'a RequestContext, run: &'a JobRun) -> BoxFuture<'a, Result<String, Trouble>> {
        assert_eq!(&*cx.trail, std::slice::from_ref(&run.name.plugin));
        futures::future::ready(Ok(format!("{} by {}", run.name, cx.actor.subject))).boxed()
    }
}

fn plan(job: &str, minutes: i64) -> JobPlan {
    let name = JobName { plugin: "p".into(), job: job.to_owned() };
    let timing = Timing::Every(SignedDuration::from_mins(minutes));
    JobPlan { name, timing, jitter: SignedDuration::ZERO, enabled: true }
}

/// Waits until the jobs are as wanted.
async fn until(schedule: &Schedule, wanted: impl Fn(&[JobStatus]) -> bool) -> Vec<JobStatus> {
    let mut turns = schedule.turns();
    loop {
        let jobs = schedule.list().await;
        if wanted(&jobs) {
            return jobs;
        }
        turns.changed().await.unwrap();
    }
}

#[tokio::test]
async fn another_set_of_plugins_brings_its_own_jobs() {
    let directory = tempfile::tempdir().unwrap();
    let schemas = Arc::new(Schemas::standard());
    let store = Store::open(&StoreConfig::new(directory.path(), &schemas), schemas.clone()).await.unwrap();
    let store = Arc::new(store);
    let roster = Arc::new(Roster::new(Arc::new(Jobs(vec![plan("stays", 10), plan("goes", 10), plan("moves", 10)]))));
    let clock = Clock::fixed(Timestamp::UNIX_EPOCH);
    let (stop, stopped) = watch::channel(false);
    let (schedule, running) = Schedule::start(store.clone(), roster.clone(), clock.clone(), stopped);
    until(&schedule, |jobs| jobs.len() == 3).await;
    clock.advance_ms(5 * 60_000);

    roster.set(Arc::new(Jobs(vec![plan("comes", 10), plan("moves", 20), plan("stays", 10)])));

    let jobs = until(&schedule, |jobs| jobs.iter().any(|job| job.job == "comes")).await;
    let next: Vec<_> = jobs.iter().map(|job| (job.job.as_str(), job.next.as_deref().unwrap())).collect();
    let at = ["1970-01-01T00:15:00Z", "1970-01-01T00:25:00Z", "1970-01-01T00:10:00Z"];
    assert_eq!(next, [("comes", at[0]), ("moves", at[1]), ("stays", at[2])]);
    assert_eq!(store.jobs(Realm::DEFAULT).await.unwrap().len(), 3, "the job that went is forgotten");
    clock.advance_ms(5 * 60_000);
    let jobs = until(&schedule, |jobs| jobs[2].last_report.is_some()).await;
    assert_eq!(jobs[2].last_report.as_deref(), Some("p/stays by plugin:p"));
    assert!(jobs[0].last_report.is_none() && jobs[1].last_report.is_none());

    stop.send(true).unwrap();
    running.await.unwrap();
    let late = schedule.run(plan("stays", 10).name).await;
    assert!(matches!(late, Err(NotStarted::Stopping(_))));
}
