//! `plinth bootstrap`: the first user, workspace and API key, for people and scripts. Running it again finds them.

use std::process::ExitCode;

use commerce::api_keys::{self, ApiKeyKind, NewApiKey};
use runtime::App;
use runtime::config::Config;
use serde::Serialize;
use storage::Upgrade;
use types::id::{UserId, WorkspaceId};
use types::{Mode, Permission, Result};

use super::output;
use crate::compose;

/// The key is found again by its name.
const KEY_NAME: &str = "bootstrap";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// E-mail address of the owner.
    #[arg(long)]
    email: String,
    /// What the owner is called; their address, when this is not said. Who is there already keeps their name.
    #[arg(long)]
    name: Option<String>,
    /// Print what was made as JSON.
    #[arg(long)]
    json: bool,
}

/// What there is now. Secrets are there only when they were made by this run.
#[derive(Serialize)]
struct Made {
    email: String,
    name: String,
    user: UserId,
    workspace: WorkspaceId,
    /// Whether this run made anything.
    created: bool,
    password: Option<String>,
    api_key: Option<String>,
}

pub(super) async fn run(args: &Args, config: Config) -> Result<ExitCode> {
    let url = config.server.public_url.clone();
    let composed = compose::open(config, Upgrade::OnlyNew).await?;
    let made = make(&composed.app, args).await?;
    composed.app.db().close().await;
    if args.json {
        return output::print_json(&made);
    }
    let mut text = format!(
        "User      {} ({})\nWorkspace {}\n",
        made.email, made.user, made.workspace
    );
    if let Some(password) = &made.password {
        text.push_str(&format!("Password  {password}\n"));
    }
    if let Some(api_key) = &made.api_key {
        text.push_str(&format!("API key   {api_key}\n"));
    }
    text.push_str(&if made.created {
        format!("Keep what is secret now: it is not shown again. Sign in at {url}.")
    } else {
        "They were there already. A secret that was lost can be replaced: sign in, revoke the key and run this again."
            .to_owned()
    });
    output::print(&text)
}

async fn make(app: &App, args: &Args) -> Result<Made> {
    let owner = accounts::operator::bootstrap(app, &args.email, args.name.as_deref(), None).await?;
    let caller = app.operator(app.issuer().tenant(owner.workspace));
    let key = if api_keys::has_usable(app, &caller, KEY_NAME).await? {
        None
    } else {
        let new = NewApiKey {
            name: KEY_NAME.to_owned(),
            kind: ApiKeyKind::Secret,
            platform: None,
            mode: Mode::Live,
            scopes: Permission::ALL.to_vec(),
            expires_at: None,
        };
        Some(api_keys::create(app, &caller, &new).await?)
    };
    let password = owner.password.map(|password| password.as_str().to_owned());
    Ok(Made {
        email: owner.user.email,
        name: owner.user.name,
        user: owner.user.id,
        workspace: owner.workspace,
        created: password.is_some() || key.is_some(),
        password,
        api_key: key.map(|key| key.secret),
    })
}
