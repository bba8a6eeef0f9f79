//! Runs the product until it is told to stop.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use runtime::App;
use runtime::config::Config;
use runtime::jobs::Worker;
use runtime::telemetry::Metrics;
use storage::Upgrade;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use types::{Error, Result};

use crate::compose::{self, Composed};
use crate::lock::DataDirLock;

/// File in the data directory with the address that a running server listens on.
pub const ADDRESS_FILE: &str = "address";

/// A server that listens and works, and has not started to answer.
pub struct Server {
    composed: Composed,
    listener: TcpListener,
    metrics: Option<TcpListener>,
    tasks: JoinSet<&'static str>,
    stop_tasks: CancellationToken,
    _lock: DataDirLock,
}

impl Server {
    /// Takes the data directory, binds the ports, opens everything and starts the parts' tasks.
    pub async fn open(mut config: Config) -> Result<Self> {
        compose::make_private_folder(&config.server.data_dir)?;
        let lock = DataDirLock::take(&config.server.data_dir)?;
        let listener = bind(config.server.listen, "listen").await?;
        let address = listener.local_addr().map_err(Error::internal)?;
        let follows_listen = config.server.public_url.port() == Some(config.server.listen.port());
        if follows_listen && config.server.listen.port() == 0 {
            // The port was the system's choice, so the public address is known only now.
            let _ = config.server.public_url.set_port(Some(address.port()));
        }
        config.server.listen = address;
        let metrics = match config.metrics.listen {
            Some(address) => Some(bind(address, "metrics.listen").await?),
            None => None,
        };
        let composed = compose::open(config, Upgrade::Run).await?;
        write_address(&composed.app, address).await?;
        let (mut tasks, stop_tasks) = (JoinSet::new(), CancellationToken::new());
        for task in &composed.tasks {
            let work = task(composed.app.clone(), stop_tasks.clone());
            tasks.spawn(async move {
                work.await;
                "a part's"
            });
        }
        let work = Worker::new(composed.app.clone()).run(stop_tasks.clone());
        tasks.spawn(async move {
            work.await;
            "the job queue's"
        });
        Ok(Server {
            composed,
            listener,
            metrics,
            tasks,
            stop_tasks,
            _lock: lock,
        })
    }

    pub fn app(&self) -> &App {
        &self.composed.app
    }

    /// Answers requests until `stop`, then finishes what is under way, within the configured time.
    ///
    /// # Errors
    /// Internal, when a task ended before its time: a server without it would answer, and do half of its work.
    pub async fn run(mut self, stop: CancellationToken) -> Result<()> {
        let app = self.composed.app.clone();
        if let Some(listener) = self.metrics {
            let recorder = Metrics::install().map_err(Error::internal)?;
            let stopped = self.stop_tasks.clone().cancelled_owned();
            self.tasks.spawn(async move {
                if let Err(error) = recorder.serve(listener, stopped).await {
                    tracing::error!(%error, "the metrics server stopped");
                }
                "the metrics'"
            });
        }

        let patience = Duration::from_secs(app.config().server.shutdown_timeout_secs);
        let service = self
            .composed
            .router
            .into_make_service_with_connect_info::<SocketAddr>();
        let serving =
            axum::serve(self.listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
        let outcome = tokio::select! {
            outcome = serving => outcome.map_err(Error::internal),
            Some(ended) = self.tasks.join_next() => Err(Error::internal(match ended {
                Ok(whose) => format!("{whose} task ended while the server was running"),
                Err(panic) => format!("a task failed while the server was running: {panic}"),
            })),
            () = async { stop.cancelled().await; tokio::time::sleep(patience).await } => {
                tracing::warn!("requests were still under way when the time to stop was over");
                Ok(())
            }
        };
        // Only now: requests that are being finished need the group commit.
        self.stop_tasks.cancel();
        let finished = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, finished).await.is_err() {
            tracing::warn!("jobs were still under way when the time to stop was over; they will run again");
        }
        let _ = tokio::fs::remove_file(app.config().server.data_dir.join(ADDRESS_FILE)).await;
        app.db().close().await;
        outcome
    }
}

async fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::unavailable(format!(
            "Cannot listen on {address} ({setting}): {error}. Stop what uses the port, or choose another."
        ))
        .with_source(error)
    })
}

/// Tells commands and scripts where the server is, whole or not at all.
async fn write_address(app: &App, address: SocketAddr) -> Result<()> {
    let folder: &Path = &app.config().server.data_dir;
    let (draft, target) = (folder.join(".address.new"), folder.join(ADDRESS_FILE));
    let written = async {
        tokio::fs::write(&draft, format!("http://{address}\n")).await?;
        tokio::fs::rename(&draft, &target).await
    };
    written
        .await
        .map_err(|error| Error::unavailable(format!("Cannot write {}: {error}", target.display())))
}

/// Ends when the process is asked to stop: Ctrl-C, or what a service manager sends.
pub async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
