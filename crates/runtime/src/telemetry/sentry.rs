//! Error reports to Sentry. Every event at level `error` becomes one, made from the same redacted fields as its log line.
//!
//! Reports travel over the egress client: the SDK's own transports would bring a second TLS stack.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use ::sentry::protocol::{Event as Report, Value};
use ::sentry::types::Dsn;
use ::sentry::{Client, ClientOptions, Envelope, Level, Transport, TransportFactory, TransportOptions};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use secrecy::ExposeSecret;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::TelemetryError;
use super::fields::{self, Fields};
use super::log::scopes;
use crate::config::Config;
use crate::egress::{AllowedHost, Egress, EgressPolicy, Request};

/// Reports that wait to be sent; further ones are dropped.
const QUEUE_LENGTH: usize = 64;

/// How long the end of the process waits for reports to be sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// How long nothing is sent after Sentry answered that it had too much, unless it says.
const PAUSE: Duration = Duration::from_secs(60);

/// The running reporter. Dropping it sends what waits.
pub(super) struct Reports(Arc<Client>);

impl Reports {
    /// Starts reporting when a DSN is configured.
    pub fn start(config: &Config) -> Result<Option<Self>, TelemetryError> {
        let Some(dsn) = &config.sentry.dsn else {
            return Ok(None);
        };
        let dsn: Dsn = dsn
            .expose_secret()
            .parse()
            .map_err(|_| TelemetryError::Sentry("it is not a Sentry DSN".to_owned()))?;
        // The operator chose this host, so it may also be one of the private network.
        let host: AllowedHost = dsn
            .host()
            .parse()
            .map_err(|_| TelemetryError::Sentry("its host is neither a name nor an address".to_owned()))?;
        let policy = EgressPolicy {
            allow: vec![host],
            ..EgressPolicy::default()
        };
        let egress = Egress::new(policy).map_err(|error| TelemetryError::Sentry(error.to_string()))?;
        let queue = Queue::start(egress, &dsn).map_err(|error| TelemetryError::Sentry(error.to_string()))?;
        let mut options = ClientOptions::new()
            .environment(config.server.environment.as_str())
            .release(config.server.sha.clone())
            .default_integrations(false)
            .transport(Factory(queue));
        options.dsn = Some(dsn);
        Ok(Some(Reports(Arc::new(Client::from(options)))))
    }

    pub fn layer(&self) -> ReportLayer {
        ReportLayer(Arc::clone(&self.0))
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        self.0.close(Some(FLUSH_TIMEOUT));
    }
}

/// Turns errors into reports.
pub(super) struct ReportLayer(Arc<Client>);

impl<S> Layer<S> for ReportLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if *event.metadata().level() != tracing::Level::ERROR {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut report = Report {
            level: Level::Error,
            logger: Some(event.metadata().target().to_owned()),
            message: Some(fields.message),
            ..Report::default()
        };
        for (name, value) in scopes(event, &context)
            .into_iter()
            .flat_map(|(_, fields)| fields.others)
            .chain(fields.others)
        {
            report.extra.insert(name.to_owned(), json(value));
        }
        self.0.capture_event(report, None);
    }
}

fn json(value: fields::Value) -> Value {
    ::serde_json::to_value(value).unwrap_or_default()
}

enum Message {
    Send(Box<Envelope>),
    /// Answer when everything before has been sent.
    Flush(Sender<()>),
}

/// A thread with a runtime of its own, so that reports still leave while the server's runtime stops or is stuck.
struct Queue(SyncSender<Message>);

impl Queue {
    fn start(egress: Egress, dsn: &Dsn) -> std::io::Result<Arc<Self>> {
        let auth =
            HeaderValue::try_from(dsn.to_auth(Some("plinth")).to_string()).map_err(std::io::Error::other)?;
        let url = dsn.envelope_api_url().to_string();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (sender, receiver) = sync_channel(QUEUE_LENGTH);
        thread::Builder::new()
            .name("error-reports".to_owned())
            .spawn(move || runtime.block_on(run(&receiver, &egress, &url, &auth)))?;
        Ok(Arc::new(Queue(sender)))
    }
}

async fn run(queue: &Receiver<Message>, egress: &Egress, url: &str, auth: &HeaderValue) {
    let mut paused_until = Instant::now();
    // Blocking is fine: nothing else runs on this thread.
    while let Ok(message) = queue.recv() {
        match message {
            Message::Send(_) if Instant::now() < paused_until => {}
            Message::Send(envelope) => {
                if let Some(pause) = send(egress, url, auth, &envelope).await {
                    paused_until = Instant::now() + pause;
                }
            }
            Message::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}

/// Sends one envelope; gives how long to be silent when there was too much. A report that fails is dropped: a warning,
/// not an error, tells of it, since an error would be reported again.
async fn send(egress: &Egress, url: &str, auth: &HeaderValue, envelope: &Envelope) -> Option<Duration> {
    let mut body = Vec::new();
    envelope.to_writer(&mut body).ok()?;
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("x-sentry-auth"), auth.clone());
    let request = Request {
        method: Method::POST,
        url: url.to_owned(),
        headers,
        body: Bytes::from(body),
        max_response_bytes: 4096,
    };
    let response = match egress.request(request).await {
        Ok(response) if response.status.is_success() => return None,
        Ok(response) => response,
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "an error report could not be sent"
            );
            return None;
        }
    };
    tracing::warn!(status = response.status.as_u16(), "an error report was refused");
    (response.status == StatusCode::TOO_MANY_REQUESTS).then(|| {
        let said = response
            .headers
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        said.and_then(|secs| secs.parse().ok())
            .map_or(PAUSE, Duration::from_secs)
    })
}

impl Transport for Queue {
    fn send_envelope(&self, envelope: Envelope) {
        // When the queue is full, the reports in it tell enough.
        let _ = self.0.try_send(Message::Send(Box::new(envelope)));
    }

    fn flush(&self, timeout: Duration) -> bool {
        let (done, wait) = std::sync::mpsc::channel();
        self.0.try_send(Message::Flush(done)).is_ok() && wait.recv_timeout(timeout).is_ok()
    }
}

struct Factory(Arc<Queue>);

impl TransportFactory for Factory {
    fn create_transport_with_options(&self, _: TransportOptions) -> Arc<dyn Transport> {
        self.0.clone()
    }
}
