//! Errors of the pages' scripts: told by pages where somebody wants to hear of them, and written to the log.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tracing::instrument::WithSubscriber;

use super::Browser;
use crate::harness::{Answer, Backend, Call, TestApp, run, run_with};

const REPORTS_WANTED: [(&str, &str); 1] = [("PLINTH_SENTRY_DSN", "https://key@sentry.example/1")];
const PATH: &str = "/browser-errors";

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The lines at level error.
    fn errors(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["level"] == "ERROR").collect()
    }
}

/// What is answered, and what is logged meanwhile.
async fn send(call: Call<'_>) -> (Answer, Vec<Value>) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(move || writer.clone())
        .finish();
    (call.send().with_subscriber(subscriber).await, log.errors())
}

fn error() -> Value {
    json!({"kind": "TypeError", "message": "x is undefined", "source": "/assets/app.js", "line": 7, "column": 12, "page": "/w/wsp_1?customer=ada"})
}

fn told<'a>(app: &'a TestApp, body: &Value) -> Call<'a> {
    app.post(PATH).header("sec-fetch-site", "same-origin").json(body)
}

#[test]
fn an_error_of_a_page_is_an_error_in_the_log() {
    run_with(Backend::Sqlite, &REPORTS_WANTED, async |app| {
        let (answer, logged) = send(told(app, &error()).header("user-agent", "a curious browser")).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
        let [line] = logged.as_slice() else {
            panic!("{logged:?}")
        };
        let fields = &line["fields"];
        assert_eq!(
            (&line["target"], &fields["message"]),
            (&json!("browser"), &json!("x is undefined"))
        );
        assert_eq!(
            (&fields["kind"], &fields["source"], &fields["line"]),
            (&json!("TypeError"), &json!("/assets/app.js"), &json!(7))
        );
        assert_eq!(
            (&fields["page"], &fields["user_agent"]),
            (&json!("/w/wsp_1"), &json!("a curious browser"))
        );
    });
}

#[test]
fn only_our_own_pages_are_heard() {
    run_with(Backend::Sqlite, &REPORTS_WANTED, async |app| {
        let strangers = [
            app.post(PATH).json(&error()),
            app.post(PATH)
                .json(&error())
                .header("sec-fetch-site", "cross-site"),
            app.post(PATH).json(&error()).header("sec-fetch-site", "none"),
            app.post(PATH)
                .json(&error())
                .header("origin", "https://evil.example"),
        ];
        for stranger in strangers {
            let (answer, logged) = send(stranger).await;
            answer.refused(403, "origin_refused");
            assert!(logged.is_empty(), "{logged:?}");
        }
        let own = app.app.url("");
        app.post(PATH)
            .json(&error())
            .header("origin", own)
            .send()
            .await
            .expect(204);
    });
}

#[test]
fn what_no_page_of_ours_sends_is_refused() {
    run_with(Backend::Sqlite, &REPORTS_WANTED, async |app| {
        let long = json!({"message": "x".repeat(9_000), "page": "/"});
        told(app, &long).send().await.refused(413, "payload_too_large");
        let wordy = json!({"message": "x".repeat(1_001), "page": "/"});
        told(app, &wordy).send().await.refused(422, "validation_failed");
        let mut form = error();
        form["password"] = json!("hunter2");
        told(app, &form).send().await.refused(422, "validation_failed");
    });
}

#[test]
fn an_address_is_heard_twenty_times_a_minute_and_all_together_a_hundred_times() {
    run_with(Backend::Sqlite, &REPORTS_WANTED, async |app| {
        let from = |address: u8| told(app, &error()).at([192, 0, 2, address].into());
        for _ in 0..20 {
            from(1).send().await.expect(204);
        }
        let refused = from(1).send().await;
        assert_eq!(refused.header("retry-after"), Some("60"));
        refused.refused(429, "rate_limited");
        for address in 2..6 {
            for _ in 0..20 {
                from(address).send().await.expect(204);
            }
        }
        from(6).send().await.refused(429, "rate_limited");
        app.advance(Duration::from_secs(60));
        from(1).send().await.expect(204);
    });
}

#[test]
fn pages_tell_of_errors_where_somebody_wants_to_hear() {
    const TELLS: &str = "data-error-reports=\"/browser-errors\"";
    run_with(Backend::Sqlite, &REPORTS_WANTED, async |app| {
        let browser = Browser::of(app, &app.sign_up().await);
        browser.open("/account").await.expect(200).shows(TELLS);
        let visitor = Browser::new(app).open("/sign-in").await.expect(200);
        visitor.shows(TELLS);
        assert!(visitor.policy.contains("script-src 'self'"), "{}", visitor.policy);
    });
    run(Backend::Sqlite, async |app| {
        let browser = Browser::of(app, &app.sign_up().await);
        browser
            .open("/account")
            .await
            .expect(200)
            .hides("data-error-reports");
        told(app, &error()).send().await.refused(404, "not_found");
    });
}
