//! The slow lane: where calls go on that compute for long.
//!
//! A call begins where its request is served. One that has computed for a while moves here, to threads of its own with a
//! low priority, one fewer than there are cores. So guests that never answer keep no worker from those that serve
//! requests, and leave one core to them alone.

use std::cell::Cell;
use std::io;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::{Arc, Barrier, OnceLock};
use std::task::{Context, Poll};
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tracing::warn;

/// The lane's priority as `setpriority` takes it: next to a busy thread of the usual priority, a tenth of a core is left.
const NICE: i32 = 10;

/// How many threads of the usual priority do for the lane's calls what has to wait, such as reading from the store.
const BLOCKING_THREADS: usize = 4;

/// Longer than a server runs.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Threads with a low priority. They begin with the first call that needs them.
#[derive(Default)]
pub(super) struct SlowLane {
    /// Absent where there could be no more threads.
    threads: OnceLock<Option<Runtime>>,
}

impl SlowLane {
    /// Goes on with a call there. None if the server stops. A call that nobody waits for any more ends.
    pub(super) async fn run<F>(&self, call: Pin<Box<F>>) -> Option<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let Some(threads) = self.threads() else { return Some(call.await) };
        let mut alone = JoinSet::new();
        alone.spawn_on(GivesWay(call), threads.handle());
        match alone.join_next().await? {
            Ok(end) => Some(end),
            Err(error) => error.try_into_panic().map(|panic| std::panic::resume_unwind(panic)).ok(),
        }
    }

    fn threads(&self) -> Option<&Runtime> {
        let tell = |error: &io::Error| warn!(%error, "no threads for slow plugins: they run among requests");
        self.threads.get_or_init(|| begin().inspect_err(tell).ok()).as_ref()
    }
}

fn begin() -> io::Result<Runtime> {
    let cores = available_parallelism().map_or(1, NonZero::get);
    let threads = Builder::new_multi_thread()
        .thread_name("plugin-slow")
        .worker_threads(cores.saturating_sub(1).max(1))
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(FOR_EVER)
        .enable_all()
        .build()?;
    // A thread begins with the priority of the one that begins it, and may never raise it. So all that ever read from the
    // store for slow calls begin now: a reader of low priority would keep others waiting for what it holds.
    let all = Arc::new(Barrier::new(BLOCKING_THREADS));
    for _ in 0..BLOCKING_THREADS {
        let all = all.clone();
        threads.spawn_blocking(move || all.wait());
    }
    Ok(threads)
}

impl Drop for SlowLane {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take().flatten() {
            threads.shutdown_background();
        }
    }
}

/// A call on a thread of low priority. What it asks of the store is done by other threads, at the usual one.
struct GivesWay<F>(Pin<Box<F>>);

impl<F: Future> Future for GivesWay<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        thread_local! {
            static GIVES_WAY: Cell<bool> = const { Cell::new(false) };
        }
        if !GIVES_WAY.replace(true)
            && let Err(error) = lower_priority()
        {
            warn!(%error, "slow plugins have the same priority as requests");
        }
        self.0.as_mut().poll(cx)
    }
}

/// Lowers this thread's priority. Elsewhere than on Linux it would be the whole process's.
#[cfg(target_os = "linux")]
fn lower_priority() -> io::Result<()> {
    Ok(rustix::process::setpriority_process(None, NICE)?)
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_call_goes_on_with_a_low_priority_and_what_it_asks_of_others_does_not() {
        let lane = SlowLane::default();
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let usual = priority();

        let call = async move {
            let asked = (0..4 * BLOCKING_THREADS).map(|_| tokio::task::spawn_blocking(priority));
            (priority(), futures::future::try_join_all(asked).await.unwrap())
        };

        assert_eq!(lane.run(Box::pin(call)).await, Some((NICE, vec![usual; 4 * BLOCKING_THREADS])));
        assert_eq!(priority(), usual);
    }

    #[tokio::test]
    async fn a_call_that_nobody_waits_for_any_more_ends() {
        struct Ends(Arc<Notify>);
        impl Drop for Ends {
            fn drop(&mut self) {
                self.0.notify_one();
            }
        }
        let (began, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (begins, ends) = (began.clone(), Ends(ended.clone()));
        let lane = SlowLane::default();
        let call = Box::pin(async move {
            let _ends = ends;
            begins.notify_one();
            std::future::pending::<()>().await
        });

        tokio::select! {
            _ = lane.run(call) => unreachable!("it never answers"),
            () = began.notified() => {}
        }

        ended.notified().await;
    }

    #[tokio::test]
    #[should_panic(expected = "in the host")]
    async fn a_panic_reaches_whoever_waits() {
        SlowLane::default().run(Box::pin(async { panic!("in the host") })).await;
    }
}
