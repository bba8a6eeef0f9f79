//! A part of the tests' own: a job that does as it is told, and a subscriber that remembers.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use ::runtime::jobs::{Handlers, Job, JobContext};
use ::runtime::outbox::{Event, Subscriber};
use ::runtime::{App, Module};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use types::{Error, Result};

/// What the subscriber hears.
pub const HEARD: &str = "probe.happened";

static ATTEMPTS: LazyLock<Mutex<HashMap<String, u32>>> = LazyLock::new(Mutex::default);
static RAN: Notify = Notify::const_new();
static EVENTS: LazyLock<Mutex<Vec<Event>>> = LazyLock::new(Mutex::default);

/// Fails so many times, then works.
#[derive(Serialize, Deserialize)]
pub struct Flaky {
    /// Tells the jobs of different tests apart.
    pub name: String,
    pub failures: u32,
}

impl Job for Flaky {
    const KIND: &'static str = "probe.flaky";
    const MAX_ATTEMPTS: u32 = 3;

    async fn run(self, _: App, _: JobContext) -> Result<()> {
        let mut attempts = ATTEMPTS.lock().unwrap();
        let count = attempts.entry(self.name).or_default();
        *count += 1;
        RAN.notify_waiters();
        if *count <= self.failures {
            Err(Error::unavailable("not yet"))
        } else {
            Ok(())
        }
    }
}

/// Ends when the [`Flaky`] job of that name has run.
#[derive(Serialize, Deserialize)]
pub struct Patient {
    pub name: String,
}

impl Job for Patient {
    const KIND: &'static str = "probe.patient";

    async fn run(self, _: App, _: JobContext) -> Result<()> {
        loop {
            let next = RAN.notified();
            if attempts(&self.name) > 0 {
                return Ok(());
            }
            next.await;
        }
    }
}

pub fn attempts(name: &str) -> u32 {
    ATTEMPTS.lock().unwrap().get(name).copied().unwrap_or(0)
}

/// The events about an object that the subscriber has heard of, in the order in which it did.
pub fn heard(object: &str) -> Vec<Event> {
    EVENTS
        .lock()
        .unwrap()
        .iter()
        .filter(|event| event.object == object)
        .cloned()
        .collect()
}

pub fn module() -> Module {
    let mut module = Module::new("probe");
    module.jobs = Handlers::default().with::<Flaky>().with::<Patient>();
    module.subscribers = vec![Subscriber::new(
        "probe.listener",
        &[HEARD],
        |_, _, event| async move {
            EVENTS.lock().unwrap().push(event);
            Ok(())
        },
    )];
    module
}
