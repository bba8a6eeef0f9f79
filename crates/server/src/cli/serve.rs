//! `plinth serve`: runs the server until it is told to stop.

use std::io::IsTerminal;
use std::process::ExitCode;

use accounts::operator;
use runtime::App;
use runtime::config::Config;
use runtime::telemetry;
use tokio_util::sync::CancellationToken;
use types::{Error, Result};

use super::output;
use crate::serve::{Server, stop_signal};
use crate::{compose, demo};

#[derive(Debug, Default, clap::Args)]
pub(super) struct Args {
    /// Fill a workspace with a believable platform, customers and usage, to look at.
    #[arg(long)]
    demo: bool,
}

pub(super) async fn run(args: &Args, config: Config) -> Result<ExitCode> {
    // Held to the end: it sends the reports that wait.
    let _telemetry =
        telemetry::init(&config).map_err(|error| Error::invalid("configuration", error.to_string()))?;
    let server = Server::open(config).await?;
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    tokio::spawn(async move {
        stop_signal().await;
        stopper.cancel();
    });
    let demo = if args.demo {
        Some(demo::fill(server.app()).await?)
    } else {
        None
    };
    let mut text = greeting(server.app(), args.demo || std::io::stdout().is_terminal()).await?;
    if let Some(demo) = demo {
        text.push_str(&demo::lines(&server.app().url(""), &demo));
    }
    output::print(&text)?;
    server.run(stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// Where the server is, and where somebody looks, the link that lets them in. In a log the link would let in whoever
/// reads the log.
async fn greeting(app: &App, with_link: bool) -> Result<String> {
    let url = app.url("/");
    let mut text = format!("Plinth {} is at {url}\n", compose::VERSION);
    if with_link {
        let link = operator::operator_link(app).await?;
        text.push_str(&format!(
            "Sign in as its operator with this link. It works once, for {} minutes:\n  {}\n",
            operator::LINK_TTL.as_secs() / 60,
            app.url(&link),
        ));
    }
    Ok(text)
}
