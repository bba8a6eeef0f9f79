//! The fair writer of SQLite: turns, savepoints, shared commits, cancellation.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use storage::{Db, DbConfig, Issuer, Reason, System, params};
use types::Timestamp;
use types::id::NodeId;

struct Opened {
    db: Db,
    system: System,
    _folder: tempfile::TempDir,
}

async fn open() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let config = DbConfig::Sqlite {
        path: folder.path().join("plinth.db"),
    };
    let (db, issuer): (Db, Issuer) = storage::open(&config, &[]).await.unwrap();
    Opened {
        db,
        system: issuer.system(Reason::StartUp),
        _folder: folder,
    }
}

const INSERT: &str = "INSERT INTO nodes (node_id, epoch, started_at, seen_at) VALUES ($1, $2, $3, $3)";

async fn insert(db: &Db, system: System, epoch: i64) -> types::Result<()> {
    db.of(system)
        .write(|mut tx| async move {
            tx.execute(INSERT, params![NodeId::generate(), epoch, Timestamp::now()])
                .await?;
            Ok(())
        })
        .await
}

async fn count(opened: &Opened) -> i64 {
    opened
        .db
        .of(opened.system)
        .read(|mut tx| async move {
            tx.fetch_one("SELECT COUNT(*) AS n FROM nodes", params![])
                .await?
                .get("n")
        })
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_lose_nothing() {
    let opened = open().await;
    let wakes = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..300)
        .map(|n| {
            let (db, system, wakes) = (opened.db.clone(), opened.system, wakes.clone());
            tokio::spawn(async move {
                let wakes = &wakes;
                db.of(system)
                    .write(|mut tx| async move {
                        tx.execute(INSERT, params![NodeId::generate(), n, Timestamp::now()])
                            .await?;
                        let wakes = wakes.clone();
                        tx.after_commit(move || {
                            wakes.fetch_add(1, Ordering::SeqCst);
                        });
                        if n % 3 == 0 {
                            Err(types::Error::not_found("patience"))
                        } else {
                            Ok(())
                        }
                    })
                    .await
                    .is_ok()
            })
        })
        .collect();
    let mut written = 0;
    for task in tasks {
        written += usize::from(task.await.unwrap());
    }
    assert_eq!(written, 200);
    assert_eq!(count(&opened).await, 200, "a failed turn is undone alone");
    assert_eq!(wakes.load(Ordering::SeqCst), 200, "wakes run after commits only");
}

#[tokio::test]
async fn a_cancelled_write_is_undone_and_the_next_one_works() {
    let opened = open().await;
    {
        let hanging = opened.db.of(opened.system);
        let write = hanging.write(|mut tx| async move {
            tx.execute(INSERT, params![NodeId::generate(), 1_i64, Timestamp::now()])
                .await?;
            std::future::pending::<types::Result<()>>().await
        });
        let mut write = std::pin::pin!(write);
        // Polled until it hangs after its insert, then dropped.
        for _ in 0..200 {
            tokio::select! {
                biased;
                _ = &mut write => unreachable!("it hangs"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    insert(&opened.db, opened.system, 2).await.unwrap();
    assert_eq!(count(&opened).await, 1);
}

#[tokio::test]
async fn after_a_failed_statement_only_rollback_is_left() {
    let opened = open().await;
    let outcome = opened
        .db
        .of(opened.system)
        .write(|mut tx| async move {
            tx.execute(INSERT, params![NodeId::generate(), 1_i64, Timestamp::now()])
                .await?;
            let _ = tx
                .execute(
                    "INSERT INTO nodes (node_id) VALUES ($1)",
                    params![NodeId::generate()],
                )
                .await;
            Ok(())
        })
        .await;
    assert!(outcome.is_err());
    assert_eq!(count(&opened).await, 0);
}

#[tokio::test]
async fn readers_cannot_write() {
    let opened = open().await;
    let outcome = opened
        .db
        .of(opened.system)
        .read(|mut tx| async move { tx.execute("DELETE FROM nodes", params![]).await })
        .await;
    assert!(outcome.is_err());
}

#[tokio::test]
async fn a_tenants_statement_names_its_workspace() {
    let folder = tempfile::tempdir().unwrap();
    let config = DbConfig::Sqlite {
        path: folder.path().join("plinth.db"),
    };
    let (db, issuer) = storage::open(&config, &[]).await.unwrap();
    let tenant = issuer.tenant(types::id::WorkspaceId::generate());
    let outcome = db
        .of(tenant)
        .read(|mut tx| async move { tx.fetch_all("SELECT * FROM jobs", params![]).await.map(drop) })
        .await;
    assert!(outcome.is_err());
}
