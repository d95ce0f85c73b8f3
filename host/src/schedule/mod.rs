//! The schedule: starts the plugins' jobs when they are due, and sees how they end.
//!
//! Once for each due time across restarts, and never twice at the same time: before a run begins its row says so on
//! disk, and after it how it ended. A run that a crash or a stop cut off is made again at the next start; due times that
//! passed while no server ran are made up by one run. The jobs are those of the present set of plugins, so another set
//! brings its own.
//!
//! The rows are the truth, and only the worker here writes them. When what comes next is in `course`.

mod course;
mod meter;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::{debug, error, info, warn};
use utoipa::ToSchema;

use crate::clock::Clock;
use crate::context::{Actor, Capacity, Realm, RequestContext, new_id};
use crate::hook::{JobName, JobPlan, Roster, Trouble};
use crate::limits::JOBS_AT_ONCE_MAX;
use crate::store::{JobRecord, OpenRun, Store, StoreError};

/// How many orders wait for the worker.
const ORDERS_MAX: usize = 16;

/// How long the worker rests after the store failed it, in milliseconds.
const STORE_PAUSE_MILLIS: u64 = 1_000;

/// How one job is doing.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobStatus {
    /// Whose.
    pub plugin: String,
    /// The plugin's own name for it.
    pub job: String,
    /// When it is due, in words.
    pub schedule: String,
    /// When its next run begins, unless one is under way or the clock starts none.
    #[schema(format = DateTime, required)]
    pub next: Option<String>,
    /// Since when a run is under way.
    #[schema(format = DateTime, required)]
    pub running_since: Option<String>,
    /// Which attempt is under way or comes next, from 1.
    #[schema(required)]
    pub attempt: Option<u32>,
    /// How the last attempt ended.
    #[schema(required)]
    pub last_outcome: Option<Outcome>,
    /// One sentence: what was done, or why it was not.
    #[schema(required)]
    pub last_report: Option<String>,
    /// When the last attempt began.
    #[schema(format = DateTime, required)]
    pub last_began: Option<String>,
    /// How long it took, in milliseconds.
    #[schema(required)]
    pub last_duration_ms: Option<i64>,
    /// When the job last ended well.
    #[schema(format = DateTime, required)]
    pub last_success: Option<String>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = JobOutcome)]
pub enum Outcome {
    /// Well.
    Done,
    /// Not so.
    Failed,
}

impl JobStatus {
    /// What a row alone says.
    pub fn of(name: &JobName, record: &JobRecord) -> Self {
        let text = |at: Timestamp| at.to_string();
        let last = record.last.as_ref();
        Self {
            plugin: name.plugin.to_string(),
            job: name.job.clone(),
            schedule: record.plan.clone(),
            next: None,
            running_since: record.open.as_ref().and_then(|open| open.began).map(text),
            attempt: record.open.as_ref().map(|open| open.attempt),
            last_outcome: last.map(|last| if last.done { Outcome::Done } else { Outcome::Failed }),
            last_report: last.map(|last| last.report.clone()),
            last_began: last.map(|last| text(last.began)),
            last_duration_ms: last.map(|last| last.ended.duration_since(last.began).as_millis() as i64),
            last_success: record.last_success.map(text),
        }
    }
}

/// Why a job was not started by hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotStarted {
    /// No plugin that is switched on has it.
    #[error("job `{0}`")]
    Unknown(JobName),
    /// It is under way.
    #[error("job `{name}` has been running since {since}; it is not started twice")]
    Running {
        /// Which one.
        name: JobName,
        /// Since when.
        since: Timestamp,
    },
    /// Too many others are under way.
    #[error("job `{0}` was not started: {JOBS_AT_ONCE_MAX} jobs run already; try again when one has ended")]
    Crowded(JobName),
    /// The store could not note it.
    #[error("job `{0}` was not started: the store could not note it")]
    Store(JobName),
    /// The server is stopping.
    #[error("job `{0}` was not started: the server is stopping")]
    Stopping(JobName),
}

enum Order {
    List(oneshot::Sender<Vec<JobStatus>>),
    Run(JobName, oneshot::Sender<Result<(), NotStarted>>),
}

/// The running worker's handle.
#[derive(Clone)]
pub struct Schedule {
    orders: mpsc::Sender<Order>,
    turns: watch::Receiver<u64>,
}

impl Schedule {
    /// Starts the worker. After `stop` turns true it begins no run, and ends when those under way have.
    pub fn start(
        store: Arc<Store>,
        roster: Arc<Roster>,
        clock: Clock,
        stop: watch::Receiver<bool>,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (orders, inbox) = mpsc::channel(ORDERS_MAX);
        let (count, turns) = watch::channel(0);
        let worker = Worker { store, roster, clock, jobs: BTreeMap::new(), under_way: JoinSet::new(), turns: count };
        (Self { orders, turns }, tokio::spawn(worker.run(inbox, stop)))
    }

    /// How each job is doing.
    pub async fn list(&self) -> Vec<JobStatus> {
        let (reply, answer) = oneshot::channel();
        let _ = self.orders.send(Order::List(reply)).await;
        answer.await.unwrap_or_default()
    }

    /// Starts a job now, whatever the clock says.
    ///
    /// # Errors
    /// Why it was not started.
    pub async fn run(&self, name: JobName) -> Result<(), NotStarted> {
        let (reply, answer) = oneshot::channel();
        let _ = self.orders.send(Order::Run(name.clone(), reply)).await;
        answer.await.unwrap_or(Err(NotStarted::Stopping(name)))
    }

    /// Tells whenever the worker has begun or settled runs, or has other jobs.
    pub fn turns(&self) -> watch::Receiver<u64> {
        self.turns.clone()
    }
}

/// Which run ended, how, and after how long.
type Ended = (JobName, Result<String, Trouble>, Duration);

/// What the worker waits for.
enum Event {
    OtherSet,
    Order(Order),
    Ended(Result<Ended, tokio::task::JoinError>),
    Time,
    Stop,
}

/// One job, as the worker keeps it.
struct Job {
    /// Its plan; absent once the set of plugins has it no more, until its run has ended.
    plan: Option<JobPlan>,
    record: JobRecord,
    under_way: bool,
}

struct Worker {
    store: Arc<Store>,
    roster: Arc<Roster>,
    clock: Clock,
    jobs: BTreeMap<JobName, Job>,
    under_way: JoinSet<Ended>,
    turns: watch::Sender<u64>,
}

impl Worker {
    async fn run(mut self, mut inbox: mpsc::Receiver<Order>, mut stop: watch::Receiver<bool>) {
        let mut sets = self.roster.changes();
        let mut stale = true;
        loop {
            let turn = self.turn(&mut stale).await;
            let is_well = turn.is_ok();
            if let Err(error) = turn {
                error!(%error, "the jobs' rows could not be read or written; jobs rest for a moment");
                stale = true;
            }
            let wait = self.until_next(is_well);
            let event = tokio::select! {
                Ok(()) = sets.changed() => Event::OtherSet,
                Some(order) = inbox.recv() => Event::Order(order),
                Some(ended) = self.under_way.join_next() => Event::Ended(ended),
                () = wait => Event::Time,
                _ = stop.wait_for(|stop| *stop) => Event::Stop,
            };
            match event {
                Event::OtherSet => stale = true,
                Event::Order(order) => self.obey(order).await,
                Event::Ended(ended) => self.settle(ended).await,
                Event::Time => {}
                Event::Stop => break,
            }
        }
        drop(inbox);
        while let Some(ended) = self.under_way.join_next().await {
            self.settle(ended).await;
        }
        debug!("jobs have stopped");
    }

    /// Learns of the present jobs if there may be others, and begins what is due.
    async fn turn(&mut self, stale: &mut bool) -> Result<(), StoreError> {
        if *stale {
            self.take_in().await?;
            *stale = false;
            self.turns.send_modify(|count| *count += 1);
        }
        while self.under_way.len() < JOBS_AT_ONCE_MAX {
            let now = self.clock.now();
            let Some((at, name, open)) = self.next().filter(|(at, _, _)| *at <= now) else { break };
            debug!(job = %name, due = %open.due, since = %at, "job `{name}` is due");
            self.begin(&name, open).await?;
        }
        Ok(())
    }

    /// Brings the jobs in line with the present set of plugins.
    async fn take_in(&mut self) -> Result<(), StoreError> {
        let plans = self.roster.now().jobs();
        let rows: BTreeMap<JobName, JobRecord> = self.store.jobs(Realm::DEFAULT).await?.into_iter().collect();
        let now = self.clock.now();
        for (name, row) in &rows {
            if self.jobs.get(name).is_some_and(|job| job.under_way) || plans.iter().any(|plan| plan.name == *name) {
                continue;
            }
            // Nobody has it any more.
            self.store.job_note(Realm::DEFAULT, name, Some(row), None).await?;
        }
        self.jobs.retain(|name, job| job.under_way || plans.iter().any(|plan| plan.name == *name));
        for job in self.jobs.values_mut() {
            job.plan = None;
        }
        for plan in plans {
            let name = plan.name.clone();
            if let Some(job) = self.jobs.get_mut(&name).filter(|job| job.under_way) {
                let record = course::replanned(&job.record, &plan, now);
                note(&self.store, &name, Some(&job.record), &record).await?;
                (job.record, job.plan) = (record, Some(plan));
                continue;
            }
            let old = rows.get(&name);
            let record = match old {
                Some(row) => course::replanned(&picked_up(&name, row, now), &plan, now),
                None => course::first(&plan, now),
            };
            note(&self.store, &name, old, &record).await?;
            meter::known(&name, &record);
            self.jobs.insert(name, Job { plan: Some(plan), record, under_way: false });
        }
        Ok(())
    }

    /// Which attempt comes next, and when.
    fn next(&self) -> Option<(Timestamp, JobName, OpenRun)> {
        let now = self.clock.now();
        let waiting = self.jobs.iter().filter(|(_, job)| !job.under_way);
        let next = waiting.filter_map(|(name, job)| {
            let plan = job.plan.as_ref()?;
            let (at, open) = course::next(&job.record, plan, now, |due| self.late(plan, due))?;
            Some((at, name.clone(), open))
        });
        next.min_by_key(|(at, _, _)| *at)
    }

    /// By how much a run begins later than it is due: by chance, but always the same for one due time.
    fn late(&self, plan: &JobPlan, due: Timestamp) -> SignedDuration {
        let jitter = u64::try_from(plan.jitter.as_millis()).unwrap_or(0);
        let mut chance = Sha256::new();
        chance.update(self.store.instance());
        chance.update(plan.name.to_string());
        chance.update(due.as_millisecond().to_be_bytes());
        let bytes: [u8; 8] = chance.finalize()[..8].try_into().expect("a digest is longer");
        let late = u64::from_be_bytes(bytes) % jitter.saturating_add(1);
        SignedDuration::from_millis(i64::try_from(late).unwrap_or(0))
    }

    /// Until the next attempt's time comes, if there is room for it; after the store failed, for a moment.
    fn until_next(&self, is_well: bool) -> impl Future<Output = ()> + use<> {
        let is_free = self.under_way.len() < JOBS_AT_ONCE_MAX;
        let next = if is_free { self.next().map(|(at, _, _)| at) } else { None };
        let clock = self.clock.clone();
        async move {
            match next {
                _ if !is_well => tokio::time::sleep(Duration::from_millis(STORE_PAUSE_MILLIS)).await,
                Some(at) => clock.until(at).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Notes that an attempt begins; once that is on disk, begins it.
    async fn begin(&mut self, name: &JobName, open: OpenRun) -> Result<(), StoreError> {
        let Some(job) = self.jobs.get_mut(name) else { return Ok(()) };
        let now = self.clock.now();
        let record = course::begun(&job.record, open, now);
        note(&self.store, name, Some(&job.record), &record).await?;
        job.record = record;
        let Some(run) = job.plan.as_ref().and_then(|plan| course::told(&job.record, plan)) else { return Ok(()) };
        job.under_way = true;
        if !run.by_hand && run.attempt == 1 {
            meter::late(name, run.due, now);
        }
        self.turns.send_modify(|count| *count += 1);
        let (hooks, cx, name) = (self.roster.now(), context(name, now), name.clone());
        info!(
            plugin.name = %name.plugin, job = name.job, request.id = %cx.request_id, attempt = run.attempt,
            by_hand = run.by_hand, "job `{name}` begins"
        );
        self.under_way.spawn(async move {
            let begun = Instant::now();
            let outcome = hooks.run(&cx, &run).await;
            (name, outcome, begun.elapsed())
        });
        Ok(())
    }

    /// Notes how an attempt ended.
    async fn settle(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        let (name, outcome, took) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                // Its row says that it is under way, so the next start makes it again.
                error!(%error, "a run of a job broke off");
                return;
            }
        };
        let now = self.clock.now();
        let Some(job) = self.jobs.get_mut(&name) else { return };
        tell(&name, &outcome);
        meter::ended(&name, &outcome, took);
        let record = course::settled(&job.record, job.plan.as_ref(), outcome, now);
        if let Err(error) = note(&self.store, &name, Some(&job.record), &record).await {
            error!(%error, job = %name, "how job `{name}` ended could not be noted; it will be made again");
            return;
        }
        meter::known(&name, &record);
        (job.record, job.under_way) = (record, false);
        self.turns.send_modify(|count| *count += 1);
        if job.plan.is_none()
            && let Some(job) = self.jobs.remove(&name)
            && let Err(error) = self.store.job_note(Realm::DEFAULT, &name, Some(&job.record), None).await
        {
            error!(%error, job = %name, "the row of job `{name}`, which nobody has any more, could not be deleted");
        }
    }

    async fn obey(&mut self, order: Order) {
        match order {
            // Whoever asked may have gone.
            Order::List(reply) => drop(reply.send(self.list())),
            Order::Run(name, reply) => drop(reply.send(self.run_now(&name).await)),
        }
    }

    fn list(&self) -> Vec<JobStatus> {
        let now = self.clock.now();
        let status = |(name, job): (&JobName, &Job)| {
            let plan = job.plan.as_ref().filter(|_| !job.under_way);
            let next = plan.and_then(|plan| course::next(&job.record, plan, now, |due| self.late(plan, due)));
            let attempt = next.as_ref().map(|(_, open)| open.attempt);
            let status = JobStatus::of(name, &job.record);
            JobStatus { next: next.map(|(at, _)| at.to_string()), attempt: attempt.or(status.attempt), ..status }
        };
        self.jobs.iter().map(status).collect()
    }

    async fn run_now(&mut self, name: &JobName) -> Result<(), NotStarted> {
        let now = self.clock.now();
        let job = self.jobs.get(name).filter(|job| job.plan.is_some() || job.under_way);
        let job = job.ok_or_else(|| NotStarted::Unknown(name.clone()))?;
        if job.under_way {
            let since = job.record.open.as_ref().and_then(|open| open.began).unwrap_or(now);
            return Err(NotStarted::Running { name: name.clone(), since });
        }
        if self.under_way.len() >= JOBS_AT_ONCE_MAX {
            return Err(NotStarted::Crowded(name.clone()));
        }
        self.begin(name, course::begins(now, true)).await.map_err(|error| {
            error!(%error, job = %name, "that job `{name}` begins could not be noted");
            NotStarted::Store(name.clone())
        })
    }
}

/// Picks a run up that a crash or a stop cut off.
fn picked_up(name: &JobName, row: &JobRecord, now: Timestamp) -> JobRecord {
    let record = course::picked_up(row, now);
    if record != *row {
        meter::cut_off(name);
        let next = if record.open.is_some() { "it is made again" } else { "it waits for its next due time" };
        warn!(plugin.name = %name.plugin, job = name.job, "job `{name}` was cut off; {next}");
    }
    record
}

/// Writes a row, if it is not what stands there.
async fn note(store: &Store, name: &JobName, old: Option<&JobRecord>, new: &JobRecord) -> Result<(), StoreError> {
    if old == Some(new) || store.job_note(Realm::DEFAULT, name, old, Some(new)).await? {
        return Ok(());
    }
    Err(StoreError::unavailable(format!("the row of job `{name}` was changed by somebody else")))
}

/// A run's own request: in the plugin's name, with the rights of its grant.
fn context(name: &JobName, now: Timestamp) -> RequestContext {
    let actor = Actor { subject: format!("plugin:{}", name.plugin), ..Actor::default() };
    let request_id = new_id(now).simple().to_string();
    let cx = RequestContext::new(request_id, Realm::DEFAULT, actor, now);
    RequestContext { capacity: Capacity::Plugin, trail: [name.plugin.clone()].into(), ..cx }
}

fn tell(name: &JobName, outcome: &Result<String, Trouble>) {
    let (plugin, job) = (&name.plugin, &name.job);
    match outcome {
        Ok(report) => info!(plugin.name = %plugin, job, report, "job `{name}` is done"),
        Err(trouble) => warn!(plugin.name = %plugin, job, %trouble, "job `{name}` failed"),
    }
}
