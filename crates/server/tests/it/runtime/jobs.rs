//! Jobs: exactly when what asked for them exists; retried; laid aside when they never work.

use std::time::Duration;

use ::runtime::jobs;
use storage::params;
use tokio_util::sync::CancellationToken;
use types::id::WorkspaceId;
use types::{Error, Result};

use crate::harness::probe::{Flaky, Patient, attempts};
use crate::harness::{Backend, TestApp, run};

async fn enqueue(app: &TestApp, workspace: WorkspaceId, name: &str, failures: u32, fail: bool) -> Result<()> {
    let (now, job) = (
        app.app.now(),
        Flaky {
            name: name.to_owned(),
            failures,
        },
    );
    let job = &job;
    app.app
        .db()
        .of(app.issuer().tenant(workspace))
        .write(|mut tx| async move {
            jobs::enqueue(&mut tx, job, now).await?;
            if fail {
                Err(Error::not_found("reason to go on"))
            } else {
                Ok(())
            }
        })
        .await
}

/// Jobs of a workspace that are left, by state.
async fn left(app: &TestApp, workspace: WorkspaceId, state: &'static str) -> i64 {
    app.app
        .db()
        .of(app.system())
        .read(|mut tx| async move {
            let sql = "SELECT COUNT(*) AS n FROM jobs WHERE workspace_id = $1 AND state = $2";
            tx.fetch_one(sql, params![workspace, state]).await?.get("n")
        })
        .await
        .unwrap()
}

/// Jobs of a workspace that some node has taken.
async fn leased(app: &TestApp, workspace: WorkspaceId) -> i64 {
    app.app
        .db()
        .of(app.system())
        .read(|mut tx| async move {
            let sql = "SELECT COUNT(*) AS n FROM jobs WHERE workspace_id = $1 AND leased_by IS NOT NULL";
            tx.fetch_one(sql, params![workspace]).await?.get("n")
        })
        .await
        .unwrap()
}

both_databases! {
    async fn a_job_runs_once_after_its_transaction(app: TestApp) {
        let workspace = WorkspaceId::generate();
        let name = workspace.to_string();
        enqueue(app, workspace, &name, 0, false).await.unwrap();
        assert_eq!(app.run_jobs(workspace).await, 1);
        assert_eq!(app.run_jobs(workspace).await, 0);
        assert_eq!(attempts(&name), 1);
        assert_eq!(left(app, workspace, "ready").await, 0);
    }

    async fn one_workspaces_jobs_can_be_worked_off_alone(app: TestApp) {
        let (one, other) = (WorkspaceId::generate(), WorkspaceId::generate());
        for workspace in [other, one] {
            enqueue(app, workspace, &workspace.to_string(), 0, false).await.unwrap();
        }
        assert_eq!(app.run_jobs(one).await, 1);
        assert_eq!((left(app, one, "ready").await, left(app, other, "ready").await), (0, 1));
    }

    async fn a_transaction_that_fails_leaves_no_job(app: TestApp) {
        let workspace = WorkspaceId::generate();
        enqueue(app, workspace, "never", 0, true).await.unwrap_err();
        assert_eq!(app.run_jobs(workspace).await, 0);
    }

    async fn a_job_that_fails_comes_back_later(app: TestApp) {
        let workspace = WorkspaceId::generate();
        let name = workspace.to_string();
        enqueue(app, workspace, &name, 1, false).await.unwrap();
        app.run_jobs(workspace).await;
        assert_eq!((attempts(&name), left(app, workspace, "ready").await), (1, 1));
        assert_eq!(app.run_jobs(workspace).await, 0, "not before its wait is over");
        app.advance(Duration::from_secs(60));
        assert_eq!(app.run_jobs(workspace).await, 1);
        assert_eq!((attempts(&name), left(app, workspace, "ready").await), (2, 0));
    }

    async fn a_job_that_never_works_is_laid_aside(app: TestApp) {
        let workspace = WorkspaceId::generate();
        let name = workspace.to_string();
        enqueue(app, workspace, &name, 99, false).await.unwrap();
        for _ in 0..5 {
            app.run_jobs(workspace).await;
            app.advance(Duration::from_secs(3_600));
        }
        assert_eq!(attempts(&name), 3);
        assert_eq!((left(app, workspace, "ready").await, left(app, workspace, "dead").await), (0, 1));
    }
}

#[test]
fn a_slow_job_holds_up_no_other() {
    // On a database of its own: this worker runs whatever is there.
    run(Backend::Sqlite, async |app: &TestApp| {
        let (workspace, stop) = (WorkspaceId::generate(), CancellationToken::new());
        let name = workspace.to_string();
        let (now, patient) = (app.app.now(), &Patient { name: name.clone() });
        app.app
            .db()
            .of(app.issuer().tenant(workspace))
            .write(|mut tx| async move { jobs::enqueue(&mut tx, patient, now).await.map(drop) })
            .await
            .unwrap();
        let worker = tokio::spawn(jobs::Worker::new(app.app.clone()).run(stop.clone()));
        // The slow one is under way before the one it waits for exists.
        while leased(app, workspace).await == 0 {
            tokio::task::yield_now().await;
        }
        enqueue(app, workspace, &name, 0, false).await.unwrap();
        while left(app, workspace, "ready").await > 0 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
        worker.await.unwrap();
    });
}

#[test]
fn a_job_that_kills_its_node_is_laid_aside() {
    run(Backend::Sqlite, async |app: &TestApp| {
        let workspace = WorkspaceId::generate();
        let name = workspace.to_string();
        enqueue(app, workspace, &name, 0, false).await.unwrap();
        app.app
            .db()
            .of(app.system())
            .write(|mut tx| async move {
                let died = "UPDATE jobs SET attempts = 3 WHERE workspace_id = $1";
                tx.execute(died, params![workspace]).await
            })
            .await
            .unwrap();
        app.run_jobs(workspace).await;
        assert_eq!(left(app, workspace, "dead").await, 1);
        assert_eq!(attempts(&name), 0);
    });
}
