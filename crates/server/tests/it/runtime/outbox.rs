//! Events: told exactly when what they tell is written, in order for each object.

use std::time::Duration;

use ::runtime::outbox::{self, NewEvent};
use ::runtime::retention;
use serde_json::json;
use types::id::{CustomerId, WorkspaceId};
use types::{Error, Result};

use crate::harness::probe::{HEARD, heard};
use crate::harness::{Backend, TestApp, run};

async fn emit(app: &TestApp, workspace: WorkspaceId, object: &str, n: i64, fail: bool) -> Result<()> {
    let (now, event) = (app.app.now(), NewEvent::new(HEARD, object, &json!({"n": n}))?);
    let event = &event;
    app.app
        .db()
        .of(app.issuer().tenant(workspace))
        .write(|mut tx| async move {
            outbox::emit(&mut tx, event.clone(), now).await?;
            if fail {
                Err(Error::not_found("reason to go on"))
            } else {
                Ok(())
            }
        })
        .await
}

both_databases! {
    async fn tidying_leaves_what_is_new(app: TestApp) {
        let (workspace, object) = (WorkspaceId::generate(), CustomerId::generate().to_string());
        emit(app, workspace, &object, 1, false).await.unwrap();
        retention::tidy(&app.app).await.unwrap();
        app.run_jobs(workspace).await;
        assert_eq!(heard(&object).len(), 1);
    }

    async fn a_subscriber_hears_what_was_committed(app: TestApp) {
        let (workspace, object) = (WorkspaceId::generate(), CustomerId::generate().to_string());
        emit(app, workspace, &object, 1, true).await.unwrap_err();
        for n in [2, 3] {
            emit(app, workspace, &object, n, false).await.unwrap();
            app.run_jobs(workspace).await;
        }
        let events = heard(&object);
        let told: Vec<_> = events.iter().map(|event| (event.data["n"].as_i64().unwrap(), event.sequence)).collect();
        assert_eq!(told, [(2, 1), (3, 2)]);
        assert!(events.iter().all(|event| event.workspace == Some(workspace)));
    }
}

#[test]
fn old_events_go_and_the_numbers_go_on() {
    // On a database of its own, whose clock is nobody else's.
    run(Backend::Sqlite, async |app: &TestApp| {
        let (workspace, object) = (WorkspaceId::generate(), CustomerId::generate().to_string());
        for n in [1, 2] {
            emit(app, workspace, &object, n, false).await.unwrap();
        }
        app.run_jobs(workspace).await;
        app.advance(Duration::from_secs(91 * 24 * 60 * 60));
        assert_eq!(retention::tidy(&app.app).await.unwrap(), 1);
        emit(app, workspace, &object, 3, false).await.unwrap();
        app.run_jobs(workspace).await;
        assert_eq!(heard(&object).last().unwrap().sequence, 3);
    });
}

#[test]
fn two_nodes_number_the_events_of_an_object_once() {
    run(Backend::Postgres, async |app: &TestApp| {
        let other = TestApp::start(Backend::Postgres).await;
        let (workspace, object) = (WorkspaceId::generate(), CustomerId::generate().to_string());
        let tell = async |node: &TestApp, first: i64| {
            for n in first..first + 40 {
                emit(node, workspace, &object, n, false).await.unwrap();
                node.run_jobs(workspace).await;
            }
        };
        futures_util::future::join(tell(app, 0), tell(&other, 40)).await;
        app.run_jobs(workspace).await;
        let mut numbers: Vec<i64> = heard(&object).iter().map(|event| event.sequence).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=80).collect::<Vec<i64>>());
        other.stop().await;
    });
}
