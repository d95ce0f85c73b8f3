//! Where log lines go and how they look, and where counts and durations are kept.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, describe_counter, describe_histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, Log, LogFormat};

/// The upper bounds of a duration's classes, in seconds.
const DURATION_SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

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

/// Measures from now on, and keeps the memory of it small until the server stops.
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
        let builder = PrometheusBuilder::new().set_buckets(&DURATION_SECONDS).expect("there are classes");
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
        describe_counter!(
            "provost_guest_metrics_dropped_total",
            "What plugins measured and is not shown, by plugin and reason: `name`, `labels`, `value`, `kind`, `series`."
        );
        handle
    })
}
