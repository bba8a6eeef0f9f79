//! Runs jobs: woken by commits of this process, and by the clock for what is due later or was queued elsewhere.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use storage::{Reason, System};
use tokio_util::sync::CancellationToken;
use types::id::WorkspaceId;
use types::{Error, Result};

use super::{JobContext, retry_delay, store};
use crate::app::App;
use crate::{audit, http, outbox};

/// Jobs run at once by one node.
const CONCURRENCY: u32 = 16;
/// How long a node may keep a job before another takes it.
const LEASE: Duration = Duration::from_secs(300);
/// The longest sleep: work that another node queued waits at most this long.
const POLL: Duration = Duration::from_secs(1);
/// How often the housekeeping of audit log and idempotency keys is done.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// Runs jobs of one node until it is told to stop.
pub struct Worker {
    app: App,
}

impl Worker {
    pub fn new(app: App) -> Self {
        Worker { app }
    }

    /// Works until `stop`; the jobs under way are finished first.
    pub async fn run(self, stop: CancellationToken) {
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            let queued = self.app.db().queued().notified();
            match self.round(None).await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => tracing::warn!(?error, "the job queue cannot be read; trying again"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = queued => {}
                _ = housekeeping.tick() => self.housekeep().await,
                () = tokio::time::sleep(self.until_next().await) => {}
            }
        }
    }

    /// Runs everything that is due in a workspace until nothing is left: for tests and commands, where no worker runs.
    /// The number of jobs run.
    pub async fn drain(&self, workspace: Option<WorkspaceId>) -> Result<u64> {
        let mut ran = 0;
        loop {
            match self.round(workspace).await? {
                0 => return Ok(ran),
                jobs => ran += jobs,
            }
        }
    }

    fn system(&self) -> System {
        self.app.issuer().system(Reason::Jobs)
    }

    async fn until_next(&self) -> Duration {
        let db = self.app.db().of(self.system());
        match db
            .read(|mut tx| async move { store::next_due(&mut tx).await })
            .await
        {
            Ok(Some(due)) => due.since(self.app.now()).min(POLL),
            _ => POLL,
        }
    }

    /// Dispatches waiting events, then runs one batch of due jobs.
    async fn round(&self, workspace: Option<WorkspaceId>) -> Result<u64> {
        let dispatched = outbox::dispatch(&self.app, workspace).await?;
        let (node, now) = (self.app.node().id, self.app.now());
        let claimed = self
            .app
            .db()
            .of(self.system())
            .write_locked(|mut tx| async move {
                store::claim(&mut tx, node, workspace, now, LEASE, CONCURRENCY).await
            })
            .await?;
        let count = claimed.len() as u64;
        for outcome in join_all(claimed.into_iter().map(|job| self.run_one(job))).await {
            outcome?;
        }
        Ok(dispatched + count)
    }

    async fn run_one(&self, job: store::Claimed) -> Result<()> {
        let (app, node) = (&self.app, self.app.node().id);
        let Some(handler) = app.handlers().get(&job.kind) else {
            // A node of another version may know it.
            let error = format!("this version of plinth knows no job of kind {}", job.kind);
            return self.give_back(&job, false, &error).await;
        };
        let caller = job
            .workspace
            .map(|workspace| app.job_caller(app.issuer().tenant(workspace), job.id, handler.permissions));
        let context = JobContext {
            id: job.id,
            attempt: job.attempts,
            caller,
        };
        let work = AssertUnwindSafe((handler.run)(app.clone(), context, job.payload.clone())).catch_unwind();
        let outcome = match tokio::time::timeout(LEASE, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Error::internal("the job panicked")),
            Err(_) => Err(Error::internal("the job took longer than its lease")),
        };
        match outcome {
            Ok(()) => {
                let id = job.id;
                app.db()
                    .of(self.system())
                    .write_locked(|mut tx| async move { store::finish(&mut tx, id, node).await })
                    .await?;
                Ok(())
            }
            Err(error) => {
                let dead = job.attempts >= handler.max_attempts;
                tracing::warn!(job = %job.id, kind = %job.kind, attempt = job.attempts, dead, ?error, "job failed");
                self.give_back(&job, dead, &format!("{error:?}")).await
            }
        }
    }

    async fn give_back(&self, job: &store::Claimed, dead: bool, error: &str) -> Result<()> {
        let (node, id, run_at) = (
            self.app.node().id,
            job.id,
            self.app.now() + retry_delay(job.attempts),
        );
        self.app
            .db()
            .of(self.system())
            .write_locked(
                |mut tx| async move { store::put_back(&mut tx, id, node, dead, run_at, error).await },
            )
            .await?;
        Ok(())
    }

    async fn housekeep(&self) {
        if let Err(error) = audit::seal(&self.app).await {
            tracing::warn!(?error, "the audit log could not be sealed; trying again");
        }
        if let Err(error) = http::forget_idempotency_keys(&self.app, self.app.now()).await {
            tracing::warn!(?error, "old idempotency keys could not be deleted; trying again");
        }
    }
}
