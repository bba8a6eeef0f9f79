use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tracing_subscriber::Registry;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use super::log::{LogLayer, Look};
use super::*;

/// Collects what is logged.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Captured;

    fn make_writer(&'a self) -> Captured {
        self.clone()
    }
}

fn logged(look: Look, act: impl FnOnce()) -> String {
    let captured = Captured::default();
    let subscriber = Registry::default().with(LogLayer {
        look,
        writer: captured.clone(),
    });
    tracing::subscriber::with_default(subscriber, act);
    String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
}

fn leak_everywhere() {
    let source = io::Error::other("refused hunter2-cause: password=hunter2");
    let error = types::Error::internal(io::Error::other(source));
    let span = tracing::info_span!(
        "request",
        request_id = "req_1",
        cookie = "hunter2",
        api_key = tracing::field::Empty
    );
    span.record("api_key", "hunter2");
    let _entered = span.enter();
    tracing::info!(password = "hunter2", client_secret = %"hunter2", token = ?Some("hunter2"), authorization = 12_345_678, "signed in");
    tracing::warn!(
        url = "/x?access_token=hunter2",
        "key sk_live_p1_hunter2 with Bearer hunter2 was refused"
    );
    tracing::error!(
        error = &error as &(dyn std::error::Error + 'static),
        "failed: {}",
        "{\"password\": \"hunter2\"}"
    );
    tracing::info!(status = 200, "answered");
}

#[test]
fn secrets_never_reach_the_log() {
    for look in [
        Look::Json,
        Look::Pretty { colour: false },
        Look::Pretty { colour: true },
    ] {
        let text = logged(look, leak_everywhere);
        let leaked = text.replace("hunter2-cause", "");
        assert!(
            !leaked.contains("hunter2") && !leaked.contains("12345678"),
            "{text}"
        );
        assert!(
            text.contains("[redacted]") && text.contains("req_1") && text.contains("refused"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 4, "one line an event");
    }
}

#[test]
fn json_lines_hold_fields_and_spans() {
    let text = logged(Look::Json, || {
        let span = tracing::info_span!("request", request_id = "req_1");
        let _entered = span.enter();
        tracing::info!(
            status = 200_u16,
            took_secs = 0.5,
            cached = true,
            level = "mine",
            "answered\n\"quickly\""
        );
    });
    let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(line["level"], "info");
    assert_eq!(line["message"], "answered\n\"quickly\"");
    assert_eq!(line["status"], 200);
    assert_eq!(line["took_secs"], 0.5);
    assert_eq!(line["cached"], true);
    assert_eq!(line["field.level"], "mine");
    assert_eq!(line["spans"][0]["name"], "request");
    assert_eq!(line["spans"][0]["request_id"], "req_1");
    assert!(line["time"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_text_from_outside_can_not_forge_a_line() {
    let text = logged(Look::Pretty { colour: false }, || {
        tracing::info!(agent = "x\u{1b}[2J", path = "/a b\nc", "asked\nfor");
    });
    assert_eq!(text.lines().count(), 1);
    assert!(!text.contains('\u{1b}'));
    assert!(
        text.ends_with("asked\\nfor agent=x\\u{1b}[2J path=\"/a b\\nc\"\n"),
        "{text}"
    );
}

#[test]
fn auto_is_pretty_on_a_terminal_alone() {
    use crate::config::LogFormat;
    assert_eq!(look(LogFormat::Auto, false), Look::Json);
    assert!(matches!(look(LogFormat::Auto, true), Look::Pretty { .. }));
    assert_eq!(look(LogFormat::Json, true), Look::Json);
    assert_eq!(look(LogFormat::Pretty, false), Look::Pretty { colour: false });
}

#[cfg(feature = "sentry")]
#[test]
fn errors_are_reported_without_secrets() {
    let sentry = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dsn = format!("http://key@{}/1", sentry.local_addr().unwrap());
    let sources = crate::config::Sources {
        overrides: crate::config::Overrides::default(),
        env: [("PLINTH_SENTRY_DSN".to_owned(), dsn)].into(),
        read: &|_| Err(io::ErrorKind::NotFound.into()),
    };
    let config = crate::config::load(&sources).unwrap().config;
    let received = std::thread::spawn(move || {
        let mut stream = sentry.accept().unwrap().0;
        let mut asked = String::new();
        let mut buffer = [0; 4096];
        while !asked.contains("refused by the bank") {
            let count = io::Read::read(&mut stream, &mut buffer).unwrap();
            assert!(count > 0, "the report ended early: {asked}");
            asked.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        asked
    });
    let reports = sentry::Reports::start(&config).unwrap().unwrap();
    let log = LogLayer {
        look: Look::Json,
        writer: Captured::default(),
    };
    let subscriber = Registry::default().with(log).with(reports.layer());
    tracing::subscriber::with_default(subscriber, || {
        tracing::warn!("a warning is not reported");
        let span = tracing::info_span!("request", request_id = "req_1", cookie = "hunter2");
        let _entered = span.enter();
        tracing::error!(password = "hunter2", "refused by the bank, token=hunter2");
    });
    drop(reports);
    let asked = received.join().unwrap();
    assert!(asked.starts_with("POST /api/1/envelope/ HTTP/1.1\r\n"), "{asked}");
    assert!(
        asked.contains("sentry_key=key") && asked.contains("req_1"),
        "{asked}"
    );
    assert!(
        !asked.contains("hunter2") && !asked.contains("a warning"),
        "{asked}"
    );
}

#[tokio::test]
async fn metrics_are_served_on_their_own_listener_until_shutdown() {
    let metrics = Metrics::install().unwrap();
    let brew = Method::from_bytes(b"BREW").unwrap();
    request_metrics(
        &Method::GET,
        "/v1/keys/{id}",
        StatusCode::OK,
        Duration::from_millis(3),
    );
    request_metrics(
        &brew,
        "unmatched",
        StatusCode::METHOD_NOT_ALLOWED,
        Duration::from_secs(20),
    );

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = Metrics::install()
        .unwrap()
        .serve(listener, async { stopped.await.unwrap_or(()) });
    let client = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).await.unwrap();
        stop.send(()).unwrap();
        page
    };
    let (served, page) = tokio::join!(server, client);
    served.unwrap();
    let series = |le: &str| {
        format!(
            "http_server_request_duration_seconds_bucket{{http_request_method=\"GET\",http_route=\"/v1/keys/{{id}}\",\
             http_response_status_code=\"200\",le=\"{le}\"}} "
        )
    };
    assert!(page.contains(&format!("{}0\n", series("0.0025"))), "{page}");
    assert!(page.contains(&format!("{}1\n", series("0.005"))), "{page}");
    assert!(page.contains(
        "http_request_method=\"_OTHER\",http_route=\"unmatched\",http_response_status_code=\"405\",le=\"10\"} 0\n"
    ));
    for gauge in [
        "process_uptime_seconds",
        "process_start_time_seconds",
        "process_resident_memory_bytes",
        "process_open_fds",
    ] {
        assert!(page.contains(&format!("\n{gauge} ")), "{gauge} is missing");
    }
    assert!(
        metrics
            .render()
            .contains("# TYPE http_server_request_duration_seconds histogram")
    );
}
