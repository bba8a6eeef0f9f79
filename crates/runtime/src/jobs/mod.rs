//! Background work. A job is enqueued inside the caller's transaction, so it exists exactly when what asked for it does.
//! Workers claim jobs by lease; a job that fails comes back later, and after its last attempt it stays as dead, with its
//! error, for people to look at. A job may run more than once: its work must bear that.

mod store;
mod worker;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use storage::{Scope, Tx};
use types::id::{JobId, WorkspaceId};
use types::{Error, Permission, PermissionSet, Result, Timestamp};

pub use self::worker::Worker;

use crate::app::App;
use crate::caller::Caller;

/// A kind of background work: a plain value that says what to do.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The stable name under which it is stored, `part.verb_noun`.
    const KIND: &'static str;
    /// How often it is tried before it is dead. The waits between grow from seconds to an hour.
    const MAX_ATTEMPTS: u32 = 12;
    /// What its caller may do in the workspace it was enqueued for.
    const PERMISSIONS: &'static [Permission] = &[];

    /// Does the work. An error puts the job back until its attempts are used up.
    fn run(self, app: App, context: JobContext) -> impl Future<Output = Result<()>> + Send;
}

/// What a job knows about its run.
#[derive(Debug, Clone)]
pub struct JobContext {
    pub id: JobId,
    /// 1 for the first.
    pub attempt: u32,
    caller: Option<Caller>,
}

impl JobContext {
    /// The caller to act as in the workspace that the job was enqueued for.
    ///
    /// # Errors
    /// Internal, when the job belongs to no workspace.
    pub fn caller(&self) -> Result<&Caller> {
        self.caller
            .as_ref()
            .ok_or_else(|| Error::internal("the job belongs to no workspace"))
    }
}

/// Enqueues a job in the caller's transaction, to run as soon as it commits.
pub async fn enqueue<S: Scope, J: Job>(tx: &mut Tx<S>, job: &J, now: Timestamp) -> Result<JobId> {
    enqueue_at(tx, job, now, now).await
}

/// Enqueues a job that runs at `run_at` or soon after.
pub async fn enqueue_at<S: Scope, J: Job>(
    tx: &mut Tx<S>,
    job: &J,
    run_at: Timestamp,
    now: Timestamp,
) -> Result<JobId> {
    let payload = serde_json::to_string(job).map_err(Error::internal)?;
    let workspace = tx.scope().workspace();
    let id = store::insert(tx, workspace, J::KIND, &payload, run_at, now).await?;
    if run_at <= now {
        tx.announce_work();
    }
    Ok(id)
}

/// Enqueues a job on behalf of a workspace from outside it: what the outbox does for subscribers.
pub async fn enqueue_for<J: Job>(
    tx: &mut Tx<storage::System>,
    workspace: Option<WorkspaceId>,
    job: &J,
    now: Timestamp,
) -> Result<JobId> {
    let payload = serde_json::to_string(job).map_err(Error::internal)?;
    let id = store::insert(tx, workspace, J::KIND, &payload, now, now).await?;
    tx.announce_work();
    Ok(id)
}

type Run =
    Box<dyn Fn(App, JobContext, String) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync>;

/// How one kind of job is run.
pub(crate) struct Handler {
    run: Run,
    max_attempts: u32,
    permissions: PermissionSet,
}

/// The kinds of jobs that a part runs.
#[derive(Default)]
pub struct Handlers {
    by_kind: HashMap<&'static str, Handler>,
}

impl Handlers {
    /// Adds a kind.
    pub fn with<J: Job>(mut self) -> Self {
        let run: Run = Box::new(|app, context, payload| {
            Box::pin(async move {
                let job: J = serde_json::from_str(&payload).map_err(Error::internal)?;
                job.run(app, context).await
            })
        });
        let permissions = J::PERMISSIONS.iter().copied().collect();
        self.by_kind.insert(
            J::KIND,
            Handler {
                run,
                max_attempts: J::MAX_ATTEMPTS,
                permissions,
            },
        );
        self
    }

    pub(crate) fn extend(&mut self, other: Handlers) {
        self.by_kind.extend(other.by_kind);
    }

    pub(crate) fn get(&self, kind: &str) -> Option<&Handler> {
        self.by_kind.get(kind)
    }
}

/// The kinds that the runtime itself runs.
pub(crate) fn own_handlers() -> Handlers {
    Handlers::default()
        .with::<crate::mail::SendMail>()
        .with::<crate::outbox::HandleEvent>()
}

/// The wait before the next attempt: 2, 4, 8, … seconds, at most an hour.
fn retry_delay(attempt: u32) -> Duration {
    Duration::from_secs((1_u64 << attempt.min(12)).min(3_600))
}
