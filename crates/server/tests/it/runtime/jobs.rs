//! Jobs: exactly when what asked for them exists; retried; laid aside when they never work.

use std::time::Duration;

use ::runtime::jobs;
use storage::params;
use types::id::WorkspaceId;
use types::{Error, Result};

use crate::harness::TestApp;
use crate::harness::probe::{Flaky, attempts};

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
