//! Workspaces: the unit of isolation, and the customer of platform zero. Each has at least one owner from the moment it is
//! made.

mod http;
mod store;

use commerce::catalogue::OPERATOR_WORKSPACE;
use commerce::gates;
use runtime::audit::{self, NewEntry};
use runtime::outbox::{self, NewEvent};
use runtime::{Actor, App, Caller, UserCaller};
use serde::{Deserialize, Serialize};
use storage::{Reason, System, Tx};
use types::id::{RequestId, WorkspaceId};
use types::text::check_text;
use types::{Error, ErrorCode, Page, PageRequest, Permission, Result, Role, Timestamp};
use utoipa::ToSchema;

pub(crate) use self::http::{require_here, routes};

use crate::memberships;
use crate::realms;
use crate::users::{self, User};

/// Characters of a workspace's name.
pub const MAX_NAME_CHARS: usize = 100;

/// A workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Workspace {
    pub id: WorkspaceId,
    pub name: String,
    pub created_at: Timestamp,
}

/// A workspace that somebody is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinedWorkspace {
    #[serde(flatten)]
    pub workspace: Workspace,
    /// What they are there.
    pub role: Role,
}

/// A workspace's name as it is stored: without space around it.
pub(crate) fn check_name(field: &str, name: &str) -> Result<String> {
    let name = name.trim();
    check_text(field, name, 1, MAX_NAME_CHARS)?;
    Ok(name.to_owned())
}

/// What a person's first workspace is called when they do not say.
pub(crate) fn named_after(person: &str) -> String {
    const SUFFIX: &str = "'s workspace";
    let room = MAX_NAME_CHARS - SUFFIX.len();
    let kept: String = person.chars().take(room).collect();
    format!("{}{SUFFIX}", kept.trim_end())
}

/// Makes the operator's workspace, which owns platform zero, unless it is there. Who may enter it is said by
/// [`crate::operator`].
pub async fn ensure_operator_workspace(app: &App) -> Result<()> {
    let workspace = Workspace {
        id: OPERATOR_WORKSPACE,
        name: "Operator".to_owned(),
        created_at: app.now(),
    };
    let workspace = &workspace;
    app.db()
        .of(app.issuer().system(Reason::StartUp))
        .write(|mut tx| async move { store::insert(&mut tx, workspace).await.map(drop) })
        .await
}

/// Makes a workspace with its owner, on the free plans of platform zero, in the transaction of whoever knows them.
pub(crate) async fn found(
    app: &App,
    tx: &mut Tx<System>,
    owner: &User,
    name: &str,
    request: Option<RequestId>,
    now: Timestamp,
) -> Result<Workspace> {
    let workspace = Workspace {
        id: WorkspaceId::generate(),
        name: name.to_owned(),
        created_at: now,
    };
    let actor = Actor::User(owner.id);
    store::insert(tx, &workspace).await?;
    let entry = NewEntry::new("workspace.create", "workspace", workspace.id);
    audit::record_for(tx, workspace.id, actor, request, entry, now).await?;
    memberships::join(tx, workspace.id, owner, Role::Owner, actor, request, now).await?;
    gates::enrol(app, tx, workspace.id, now).await?;
    let event = NewEvent::new("workspace.created", workspace.id, &workspace)?;
    outbox::emit_for(tx, workspace.id, event, now).await?;
    Ok(workspace)
}

/// Makes a workspace that the caller owns.
///
/// # Errors
/// `permission_denied` for a user of another realm than the dashboard's: end users have no workspaces.
pub async fn create(app: &App, caller: &UserCaller, name: &str) -> Result<Workspace> {
    if caller.realm() != realms::DASHBOARD {
        return Err(Error::new(
            ErrorCode::PermissionDenied,
            "Workspaces belong to users of Plinth itself. Sign in at its dashboard.",
        ));
    }
    let name = &check_name("name", name)?;
    let now = app.now();
    app.db()
        .of(app.issuer().system(Reason::Gates))
        .write(|mut tx| async move {
            let owner = users::store::get(&mut tx, caller.realm(), caller.user()).await?;
            found(app, &mut tx, &owner, name, caller.request(), now).await
        })
        .await
}

/// The workspaces that the caller is in, oldest first.
pub async fn list(app: &App, caller: &UserCaller, page: &PageRequest) -> Result<Page<JoinedWorkspace>> {
    app.db()
        .of(caller.person())
        .read(|mut tx| async move { store::list(&mut tx, page).await })
        .await
}

/// The caller's workspace.
pub async fn get(app: &App, caller: &Caller) -> Result<Workspace> {
    caller.require(Permission::WorkspaceRead)?;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move { store::get(&mut tx).await })
        .await
}

/// Gives the caller's workspace another name.
pub async fn rename(app: &App, caller: &Caller, name: &str) -> Result<Workspace> {
    caller.require(Permission::WorkspaceUpdate)?;
    let name = &check_name("name", name)?;
    let now = app.now();
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            store::rename(&mut tx, name).await?;
            let workspace = store::get(&mut tx).await?;
            let entry = NewEntry::new("workspace.update", "workspace", workspace.id);
            audit::record(&mut tx, caller, entry, now).await?;
            outbox::emit(
                &mut tx,
                NewEvent::new("workspace.updated", workspace.id, &workspace)?,
                now,
            )
            .await?;
            Ok(workspace)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_still_names_a_workspace() {
        assert_eq!(named_after("Ada"), "Ada's workspace");
        let name = named_after(&"é".repeat(users::MAX_NAME_CHARS));
        assert_eq!(check_name("name", &name).unwrap(), name);
    }
}
