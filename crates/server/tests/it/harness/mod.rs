//! What every test uses: a whole product in process, on one of the two databases.
//!
//! `both_databases!` turns one test into two. On SQLite each gets a copy of a prepared file; on PostgreSQL all share one database, so
//! that every test is also a test of tenancy: nobody cleans up, and nobody may be in another's way. PostgreSQL's address comes
//! from `cargo xtask test`; where it is missing the PostgreSQL half says that it is skipped, and fails in CI.

mod answer;
mod database;
#[macro_use]
mod examples;
mod people;
pub mod probe;
mod shops;

use std::path::PathBuf;
use std::time::Duration;

use ::runtime::config::{Config, Overrides, Sources};
use ::runtime::crypto::password::PasswordHasher;
use ::runtime::jobs::Worker;
use ::runtime::{App, Clock};
use axum::Router;
use server::compose::{self, Composed};
use storage::{Issuer, Reason, System, Upgrade};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use types::Timestamp;
use types::id::WorkspaceId;

pub use self::answer::{Answer, Call};
pub use self::database::OwnDatabase;
pub use self::examples::{Example, World, in_shop, nothing};
pub use self::people::{Member, PASSWORD};
pub use self::shops::TestShop;

/// The root key of the tests.
pub const ROOT_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// Turns each test into one on SQLite and one on PostgreSQL.
macro_rules! both_databases {
    ($(async fn $name:ident($app:ident: TestApp) $body:block)*) => {
        $(
            mod $name {
                #[allow(unused_imports)]
                use super::*;

                async fn test($app: &$crate::harness::TestApp) $body

                #[test]
                fn sqlite() {
                    $crate::harness::run($crate::harness::Backend::Sqlite, test);
                }

                #[test]
                fn postgres() {
                    $crate::harness::run($crate::harness::Backend::Postgres, test);
                }
            }
        )*
    };
}

/// Runs one test on one database.
pub fn run<F>(backend: Backend, test: F)
where
    F: AsyncFnOnce(&TestApp),
{
    run_with(backend, &[], test);
}

/// Runs one test on one database, with settings of its own: names of variables and values.
pub fn run_with<F>(backend: Backend, settings: &[(&str, &str)], test: F)
where
    F: AsyncFnOnce(&TestApp),
{
    if backend == Backend::Postgres && postgres_url().is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "PLINTH_TEST_POSTGRES_URL is not set: run `cargo xtask test`"
        );
        println!("skipped: PLINTH_TEST_POSTGRES_URL is not set; `cargo xtask test` starts a PostgreSQL");
        return;
    }
    // What the server logs belongs to the test that caused it; it is shown when the test fails.
    let filter = tracing_subscriber::EnvFilter::new("warn");
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_test_writer()
        .try_init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let app = TestApp::start_with(backend, settings).await;
        test(&app).await;
        app.stop().await;
    });
}

fn postgres_url() -> Option<String> {
    std::env::var("PLINTH_TEST_POSTGRES_URL").ok()
}

/// The whole product in process, with a clock that stands still.
pub struct TestApp {
    pub app: App,
    pub router: Router,
    stop: CancellationToken,
    tasks: tokio_util::task::TaskTracker,
    _folder: TempDir,
}

impl TestApp {
    pub async fn start(backend: Backend) -> Self {
        Self::start_with(backend, &[]).await
    }

    /// With settings of its own: names of variables and values.
    pub async fn start_with(backend: Backend, settings: &[(&str, &str)]) -> Self {
        let folder = folder();
        let database = match backend {
            Backend::Sqlite => {
                std::fs::write(folder.path().join("plinth.db"), prepared_sqlite().await).unwrap();
                None
            }
            Backend::Postgres => {
                prepare_postgres().await;
                postgres_url()
            }
        };
        let config = config(&folder, database, settings);
        let composed = assemble(config).await;
        let (stop, tasks) = (CancellationToken::new(), tokio_util::task::TaskTracker::new());
        for task in &composed.tasks {
            tasks.spawn(task(composed.app.clone(), stop.clone()));
        }
        TestApp {
            app: composed.app,
            router: composed.router,
            stop,
            tasks,
            _folder: folder,
        }
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.app.db().close().await;
    }

    /// Runs what was enqueued for a workspace, until nothing is left.
    pub async fn run_jobs(&self, workspace: WorkspaceId) -> u64 {
        Worker::new(self.app.clone())
            .drain(Some(workspace))
            .await
            .unwrap()
    }

    /// Moves the clock.
    pub fn advance(&self, by: Duration) {
        self.app.clock().advance(by);
    }

    /// The scope of the machinery, to look at what no caller may.
    pub fn system(&self) -> System {
        self.app.issuer().system(Reason::Operator)
    }

    /// Makes scopes.
    pub fn issuer(&self) -> &Issuer {
        self.app.issuer()
    }
}

/// On a file system in memory where there is one: what a test writes need not reach a disk.
fn folder() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        TempDir::with_prefix_in("plinth-test-", memory)
    } else {
        TempDir::new()
    }
    .unwrap()
}

fn config(folder: &TempDir, postgres: Option<String>, settings: &[(&str, &str)]) -> Config {
    let settings = settings.iter();
    let mut env: std::collections::BTreeMap<String, String> = settings
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    if let Some(url) = postgres {
        env.insert("PLINTH_DATABASE_URL".to_owned(), url);
    }
    // One for all unless they say otherwise: rows of the shared database are sealed under it.
    env.entry("PLINTH_ROOT_KEY".to_owned())
        .or_insert_with(|| ROOT_KEY.to_owned());
    let mut overrides = Overrides::default();
    overrides.set("data_dir", folder.path().to_str().unwrap());
    let sources = Sources {
        overrides,
        env,
        read: &|_| Err(std::io::ErrorKind::NotFound.into()),
    };
    ::runtime::config::load(&sources).unwrap().config
}

async fn assemble(config: Config) -> Composed {
    let mut parts = compose::open_parts(config, Upgrade::Run).await.unwrap();
    parts.clock = Clock::manual(Timestamp::now());
    // The least that argon2 allows: what these tests hash needs no protection.
    parts.passwords = PasswordHasher::new(argon2::Params::new(8, 1, 1, None).unwrap());
    let mut modules = compose::modules();
    modules.push(probe::module());
    compose::assemble(parts, modules)
}

/// A database file with the schema and platform zero, made once.
async fn prepared_sqlite() -> &'static [u8] {
    static PREPARED: OnceCell<Vec<u8>> = OnceCell::const_new();
    let file = PREPARED.get_or_init(|| async {
        let folder = folder();
        prepare(config(&folder, None, &[])).await;
        // Held in memory: what a static holds is never dropped, and a folder would outlive the process.
        std::fs::read(folder.path().join("plinth.db")).unwrap()
    });
    file.await
}

async fn prepare_postgres() {
    static PREPARED: OnceCell<()> = OnceCell::const_new();
    PREPARED
        .get_or_init(|| async {
            let folder = folder();
            prepare(config(&folder, postgres_url(), &[])).await;
        })
        .await;
}

async fn prepare(config: Config) {
    let composed = assemble(config).await;
    compose::prepare(&composed.app).await.unwrap();
    composed.app.db().close().await;
}
