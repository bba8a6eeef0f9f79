#![doc = include_str!("../README.md")]

mod audit_entries;
pub mod auth;
mod client;
mod housekeeping;
pub mod memberships;
pub mod operator;
pub mod realms;
pub mod sessions;
mod tables;
pub mod users;
pub mod workspaces;

use std::sync::Arc;

use runtime::{App, Module};
use types::{Permission, Result};
use utoipa_axum::router::OpenApiRouter;

pub use client::Client;
pub use housekeeping::tidy;
pub use tables::TABLES;

/// This part, ready to be composed.
pub fn module() -> Module {
    let mut module = Module::new("accounts");
    module.routes = OpenApiRouter::new()
        .merge(auth::routes())
        .merge(users::routes())
        .merge(sessions::routes())
        .merge(workspaces::routes())
        .merge(memberships::routes())
        .merge(audit_entries::routes());
    module.authenticators = vec![Arc::new(sessions::SessionAuthenticator)];
    module.tasks = vec![housekeeping::task];
    module.permissions = &[
        Permission::WorkspaceRead,
        Permission::WorkspaceUpdate,
        Permission::MembersRead,
        Permission::MembersManage,
        Permission::AuditRead,
    ];
    module.tables = TABLES;
    module
}

/// What must be in the database before anything is served: the operator's workspace and the dashboard's realm.
pub async fn prepare(app: &App) -> Result<()> {
    workspaces::ensure_operator_workspace(app).await?;
    realms::ensure_dashboard_realm(app).await
}
