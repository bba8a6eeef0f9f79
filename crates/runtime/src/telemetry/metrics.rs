//! Prometheus metrics on a port of their own. Names follow OpenTelemetry's semantic conventions where there is one.

use std::convert::Infallible;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::routing::get;
use http::header;
use metrics::{Unit, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use super::TelemetryError;

const REQUEST_DURATION: &str = "http_server_request_duration_seconds";

/// Upper bounds of the latency buckets in seconds: OpenTelemetry's, with two finer ones for what is answered from memory.
const LATENCY_BUCKETS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// How often recorded latencies are folded into their buckets; between two times they take memory.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The process's recorder. There is one, because the `metrics` macros record into one.
static INSTALLED: Mutex<Option<Metrics>> = Mutex::new(None);

/// Everything that was recorded in this process.
#[derive(Debug, Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    started: Instant,
}

impl Metrics {
    /// Starts recording; a second call gives the same metrics. When it is never called, recording costs next to nothing.
    pub fn install() -> Result<Self, TelemetryError> {
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = &*installed {
            return Ok(metrics.clone());
        }
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_duration_seconds".to_owned()), &LATENCY_BUCKETS)
            .map_err(|error| TelemetryError::Metrics(error.to_string()))?
            .build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|error| TelemetryError::Metrics(error.to_string()))?;
        describe();
        let metrics = Metrics {
            handle,
            started: Instant::now(),
        };
        *installed = Some(metrics.clone());
        Ok(metrics)
    }

    /// All metrics in Prometheus's text format.
    pub fn render(&self) -> String {
        gauge!("process_uptime_seconds").set(self.started.elapsed().as_secs_f64());
        if let Some(bytes) = resident_memory_bytes() {
            gauge!("process_resident_memory_bytes").set(bytes);
        }
        if let Some(count) = open_files() {
            gauge!("process_open_fds").set(count);
        }
        self.handle.run_upkeep();
        self.handle.render()
    }

    /// Serves `/metrics` until `shutdown` completes.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let metrics = self.clone();
        let page = move || {
            let text = metrics.render();
            async move {
                (
                    [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
                    text,
                )
            }
        };
        let router = Router::new().route("/metrics", get(page));
        let served = axum::serve(listener, router).with_graceful_shutdown(shutdown);
        tokio::select! {
            served = async { served.await } => served,
            never = self.keep_up() => match never {},
        }
    }

    async fn keep_up(&self) -> Infallible {
        let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            interval.tick().await;
            self.handle.run_upkeep();
        }
    }
}

fn describe() {
    describe_histogram!(
        REQUEST_DURATION,
        Unit::Seconds,
        "How long requests took to answer."
    );
    describe_gauge!(
        "process_uptime_seconds",
        Unit::Seconds,
        "Time since this process began to record."
    );
    describe_gauge!(
        "process_start_time_seconds",
        Unit::Seconds,
        "When this process began to record, in Unix time."
    );
    describe_gauge!(
        "process_resident_memory_bytes",
        Unit::Bytes,
        "Memory of this process that is in RAM."
    );
    describe_gauge!(
        "process_open_fds",
        "Files and sockets that this process has open."
    );
    if let Ok(since_epoch) = SystemTime::now().duration_since(UNIX_EPOCH) {
        gauge!("process_start_time_seconds").set(since_epoch.as_secs_f64());
    }
}

/// Records one answered request. `route` is the pattern that matched, never the path: paths are without number.
pub fn request_metrics(method: impl AsRef<str>, route: &str, status: impl Into<u16>, elapsed: Duration) {
    let status: u16 = status.into();
    let labels = [
        ("http_request_method", known_method(method.as_ref()).to_owned()),
        ("http_route", route.to_owned()),
        ("http_response_status_code", status.to_string()),
    ];
    histogram!(REQUEST_DURATION, &labels).record(elapsed.as_secs_f64());
}

/// The method's name, or `_OTHER`: anybody can invent methods, and each would become a series.
fn known_method(method: &str) -> &'static str {
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    known.into_iter().find(|name| *name == method).unwrap_or("_OTHER")
}

/// Linux tells; elsewhere the series is absent.
fn resident_memory_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

fn open_files() -> Option<f64> {
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count();
    // Reading the directory has it open.
    u32::try_from(count)
        .ok()
        .map(|count| f64::from(count.saturating_sub(1)))
}
