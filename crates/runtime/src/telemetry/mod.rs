//! What the process tells its operator: log lines, metrics, and error reports where a build has them.
//!
//! Nothing here decides what is worth telling; the parts call `tracing` and `metrics`. Every text on its way out passes
//! the redactor, so that a secret which strays into a message or a field stays in the process.

mod fields;
mod log;
mod metrics;
mod redact;
#[cfg(feature = "sentry")]
mod sentry;
#[cfg(test)]
mod tests;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{IsTerminal, stderr};
use std::panic::PanicHookInfo;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Registry};

use self::log::{LogLayer, Look};
pub use self::metrics::{Metrics, request_metrics};
pub use self::redact::{REDACTED, is_secret_name, scrub};
use crate::config::{Config, LogFormat};

/// Why telemetry could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("the log filter cannot be used: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    #[error("a log was set up in this process already")]
    AlreadyInstalled,
    #[error("metrics cannot be recorded: {0}")]
    Metrics(String),
    #[error(
        "sentry.dsn is set, but this build has no error reports: build with `--features sentry`, or remove it"
    )]
    SentryNotBuilt,
    #[error("sentry.dsn cannot be used: {0}")]
    Sentry(String),
}

/// Keeps error reports going; dropping it sends those that wait.
#[must_use = "error reports end when this is dropped"]
pub struct Telemetry {
    #[cfg(feature = "sentry")]
    _reports: Option<sentry::Reports>,
}

/// Starts the log on standard error, and error reports where they are configured. Once per process.
pub fn init(config: &Config) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(config.log.filter.as_str())?;
    let look = look(config.log.format, stderr().is_terminal());
    let subscriber = Registry::default()
        .with(filter)
        .with(LogLayer { look, writer: stderr });
    #[cfg(not(feature = "sentry"))]
    let telemetry = match config.sentry.dsn {
        Some(_) => return Err(TelemetryError::SentryNotBuilt),
        None => Telemetry {},
    };
    #[cfg(feature = "sentry")]
    let (telemetry, subscriber) = {
        let reports = sentry::Reports::start(config)?;
        let layer = reports.as_ref().map(sentry::Reports::layer);
        (Telemetry { _reports: reports }, subscriber.with(layer))
    };
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::AlreadyInstalled)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(telemetry)
}

fn look(format: LogFormat, terminal: bool) -> Look {
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    match format {
        LogFormat::Json => Look::Json,
        LogFormat::Pretty => Look::Pretty { colour },
        LogFormat::Auto if terminal => Look::Pretty { colour },
        LogFormat::Auto => Look::Json,
    }
}

/// A panic is a line in the log like any other, so that it is redacted, structured and reported.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    let payload = panic.payload_as_str().unwrap_or("no message");
    tracing::error!(location, backtrace, "panicked: {payload}");
}
