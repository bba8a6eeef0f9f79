//! Runs jobs: woken by commits of this process, and by the clock for what is due later or was queued elsewhere.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use storage::{Reason, System};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use types::id::WorkspaceId;
use types::{Error, Result};

use super::{JobContext, retry_delay, store};
use crate::app::App;
use crate::{audit, http, outbox, retention};

/// Jobs run at once by one node.
const CONCURRENCY: u32 = 16;
/// How long a node may keep a job before another takes it.
const LEASE: Duration = Duration::from_secs(300);
/// How long a job may take: it must have ended before another node may take it.
const TIME_LIMIT: Duration = Duration::from_secs(240);
/// The longest sleep: work that another node queued waits at most this long.
const POLL: Duration = Duration::from_secs(1);
/// How often the housekeeping of audit log and idempotency keys is done.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// How often rows whose time is over are deleted, and chains of the audit log signed.
const TIDYING: Duration = Duration::from_secs(60 * 60);

/// Runs jobs of one node until it is told to stop.
pub struct Worker {
    app: App,
}

impl Worker {
    pub fn new(app: App) -> Self {
        Worker { app }
    }

    /// Works until `stop`; the jobs under way are finished first. A slow job holds up nothing but its own place.
    pub async fn run(self, stop: CancellationToken) {
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut tidying = tokio::time::interval(TIDYING);
        tidying.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut sealing = audit::Sealing::default();
        let mut under_way = JoinSet::new();
        while !stop.is_cancelled() {
            // Also when there is always something to do.
            if housekeeping.tick().now_or_never().is_some() {
                self.housekeep(&mut sealing).await;
            }
            if tidying.tick().now_or_never().is_some() {
                self.tidy().await;
            }
            let queued = self.app.db().queued().notified();
            while under_way.try_join_next().is_some() {}
            match self.start(&mut under_way).await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => tracing::warn!(?error, "the job queue cannot be read; trying again"),
            }
            // With no place free, the next job waits for one that ends.
            let pause = if places(&under_way) == 0 {
                POLL
            } else {
                self.until_next().await
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = queued => {}
                Some(_) = under_way.join_next() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Dispatches waiting events, and starts due jobs as far as there are places. The number of both.
    async fn start(&self, under_way: &mut JoinSet<()>) -> Result<u64> {
        let dispatched = outbox::dispatch(&self.app, None).await?;
        let claimed = match places(under_way) {
            0 => Vec::new(),
            places => self.claim(None, places).await?,
        };
        let count = claimed.len() as u64;
        for job in claimed {
            let worker = Worker::new(self.app.clone());
            under_way.spawn(async move {
                if let Err(error) = worker.run_one(job).await {
                    tracing::warn!(?error, "how a job ended could not be written; it will run again");
                }
            });
        }
        Ok(dispatched + count)
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
        let claimed = self.claim(workspace, CONCURRENCY).await?;
        let count = claimed.len() as u64;
        for outcome in join_all(claimed.into_iter().map(|job| self.run_one(job))).await {
            outcome?;
        }
        Ok(dispatched + count)
    }

    async fn claim(&self, workspace: Option<WorkspaceId>, most: u32) -> Result<Vec<store::Claimed>> {
        let (node, now) = (self.app.node().id, self.app.now());
        self.app
            .db()
            .of(self.system())
            .write_locked(
                |mut tx| async move { store::claim(&mut tx, node, workspace, now, LEASE, most).await },
            )
            .await
    }

    async fn run_one(&self, job: store::Claimed) -> Result<()> {
        let (app, node) = (&self.app, self.app.node().id);
        let Some(handler) = app.handlers().get(&job.kind) else {
            // A node of another version may know it.
            let error = format!("this version of plinth knows no job of kind {}", job.kind);
            return self.give_back(&job, false, &error).await;
        };
        if job.attempts > handler.max_attempts {
            let error = "the node died in the job's last attempt";
            tracing::warn!(job = %job.id, kind = %job.kind, "{error}");
            return self.give_back(&job, true, error).await;
        }
        let caller = job
            .workspace
            .map(|workspace| app.job_caller(app.issuer().tenant(workspace), job.id, handler.permissions));
        let context = JobContext {
            id: job.id,
            attempt: job.attempts,
            caller,
        };
        let work = AssertUnwindSafe((handler.run)(app.clone(), context, job.payload.clone())).catch_unwind();
        let outcome = match tokio::time::timeout(TIME_LIMIT, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Error::internal("the job panicked")),
            Err(_) => Err(Error::internal("the job took longer than a job may")),
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

    async fn tidy(&self) {
        if let Err(error) = audit::sign(&self.app).await {
            tracing::warn!(
                ?error,
                "the audit log could not be signed; trying again in an hour"
            );
        }
        if let Err(error) = retention::tidy(&self.app).await {
            tracing::warn!(
                ?error,
                "what is old could not be deleted; trying again in an hour"
            );
        }
    }

    async fn housekeep(&self, sealing: &mut audit::Sealing) {
        if let Err(error) = sealing.round(&self.app).await {
            tracing::warn!(?error, "the audit log could not be sealed; trying again");
        }
        if let Err(error) = http::forget_idempotency_keys(&self.app, self.app.now()).await {
            tracing::warn!(?error, "old idempotency keys could not be deleted; trying again");
        }
    }
}

/// How many more jobs this node may run.
fn places(under_way: &JoinSet<()>) -> u32 {
    CONCURRENCY.saturating_sub(u32::try_from(under_way.len()).unwrap_or(u32::MAX))
}
