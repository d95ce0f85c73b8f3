//! Where log lines go and how they look, and where counts and durations are kept.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, Log, LogFormat};

/// The upper bounds of a duration's classes, in seconds.
const DURATION_SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The upper bounds of a memory's classes, in bytes.
const MEMORY_BYTES: [f64; 8] =
    [131_072.0, 524_288.0, 1_048_576.0, 2_097_152.0, 4_194_304.0, 8_388_608.0, 16_777_216.0, 67_108_864.0];

/// The upper bounds of a lag's classes, in seconds: from at once to a day.
const LAG_SECONDS: [f64; 10] = [0.01, 0.1, 0.5, 1.0, 5.0, 30.0, 300.0, 3_600.0, 21_600.0, 86_400.0];

/// The upper bounds of a job's classes, in seconds: a run may take ten minutes.
const JOB_SECONDS: [f64; 10] = [0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 180.0, 300.0, 600.0];

/// How often single durations are sorted into their classes, in seconds. Until then each takes memory.
const METRICS_UPKEEP_SECONDS: u64 = 5;

/// Sends log lines to standard error, as the configuration says. Once per process.
///
/// # Errors
/// When `log.level` is not a filter.
pub fn start(log: &Log) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(&log.level)
        .map_err(|error| ConfigError::Senseless { key: "log.level".to_owned(), text: error.to_string() })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process, as tests do, keeps the first.
    let _ = match log.format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// Everything measured so far, in Prometheus's text format.
pub fn metrics() -> String {
    recorder().render()
}

/// Measures from now on; what happened before is not counted.
pub fn measure() {
    recorder();
}

/// Keeps the memory of what is measured small until the server stops.
pub fn keep_metrics(mut stopped: watch::Receiver<bool>) -> impl Future<Output = ()> + Send {
    let recorder = recorder();
    async move {
        let mut tick = tokio::time::interval(Duration::from_secs(METRICS_UPKEEP_SECONDS));
        loop {
            tokio::select! {
                _ = tick.tick() => recorder.run_upkeep(),
                _ = stopped.wait_for(|stopped| *stopped) => return,
            }
        }
    }
}

/// The one recorder of this process; servers that share a process share it.
fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let named = |name: &str| Matcher::Full(name.to_owned());
        let builder = PrometheusBuilder::new().set_buckets(&DURATION_SECONDS).expect("there are classes");
        let builder = builder
            .set_buckets_for_metric(named("provost_plugin_memory_bytes"), &MEMORY_BYTES)
            .and_then(|builder| builder.set_buckets_for_metric(named("provost_delivery_lag_seconds"), &LAG_SECONDS))
            .and_then(|builder| builder.set_buckets_for_metric(named("provost_job_late_seconds"), &LAG_SECONDS))
            .and_then(|builder| builder.set_buckets_for_metric(named("provost_job_run_seconds"), &JOB_SECONDS))
            .expect("there are classes");
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Whoever embeds this as a library may have put up a recorder before; then ours stays empty.
        let _ = metrics::set_global_recorder(recorder);
        describe_counter!("provost_http_requests_total", "SCIM requests answered, by method, route and status.");
        describe_histogram!("provost_http_request_seconds", Unit::Seconds, "How long SCIM requests took.");
        describe_counter!(
            "provost_scim_deviations_total",
            "Requests that needed a leniency, by its key under [scim.leniency]; each counts once per request."
        );
        describe_counter!(
            crate::listener::HANDSHAKES_FAILED,
            "TLS handshakes that came to nothing, by listener and reason: `refused` or `timeout`."
        );
        describe_plugins();
        describe_jobs();
        describe_counter!(
            "provost_guest_metrics_dropped_total",
            "What plugins measured and is not shown, by plugin and reason: `name`, `labels`, `value`, `kind`, `series`."
        );
        handle
    })
}

/// What is measured of plugins and of what they send.
fn describe_plugins() {
    describe_counter!(
        "provost_plugin_calls_total",
        "Calls of plugins, by plugin, hook and outcome: proceed, changed, refused, held, error, or the kind of fault."
    );
    describe_counter!(
        "provost_plugin_calls_blamed_total",
        "Answers of plugins that were well formed and broke a rule when they were applied."
    );
    describe_histogram!("provost_plugin_call_seconds", Unit::Seconds, "How long calls of plugins took, with waiting.");
    describe_counter!(
        "provost_plugin_slow_calls_total",
        "Calls that computed for more than a few milliseconds, and went on with a low priority."
    );
    describe_histogram!("provost_plugin_queue_seconds", Unit::Seconds, "How long calls waited for a free instance.");
    describe_histogram!("provost_plugin_memory_bytes", Unit::Bytes, "How much memory a call used at most.");
    describe_gauge!("provost_plugin_breaker_state", "A breaker's state: 0 closed, 1 half open, 2 open.");
    describe_gauge!("provost_plugin_loaded", "1 for the version of a plugin that runs, 0 for those that ran before.");
    describe_counter!("provost_plugin_changes_total", "Changes of the plugins: applied, unchanged, refused.");
    describe_gauge!("provost_outbox_messages", "Messages of a plugin that wait, parked ones as well.");
    describe_gauge!(
        "provost_outbox_oldest_timestamp_seconds",
        Unit::Seconds,
        "When the change was made that a plugin's oldest waiting message came from, in Unix time."
    );
    describe_histogram!("provost_delivery_lag_seconds", Unit::Seconds, "How long after its change a message arrived.");
}

/// What is measured of the plugins' jobs.
fn describe_jobs() {
    describe_counter!(
        "provost_job_runs_total",
        "Runs of jobs that ended, by plugin, job and outcome: done, error, the kind of fault, or cut_off."
    );
    describe_histogram!("provost_job_run_seconds", Unit::Seconds, "How long runs of jobs took.");
    describe_histogram!(
        "provost_job_late_seconds",
        Unit::Seconds,
        "How long after it was due a run began that the clock started: jitter, waiting, or no server."
    );
    describe_gauge!("provost_job_last_run_timestamp_seconds", Unit::Seconds, "When a job last ended, in Unix time.");
    describe_gauge!(
        "provost_job_last_success_timestamp_seconds",
        Unit::Seconds,
        "When a job last ended well, in Unix time."
    );
}
