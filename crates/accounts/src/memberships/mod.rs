//! Memberships: who is in a workspace, and as what.
//!
//! Two rules hold whoever asks. A workspace always has an owner. And nobody gives or takes more than they have: to change
//! or remove a member takes every permission of that member's role, and of the one they are given.

mod http;
mod store;

use runtime::audit::{self, NewEntry};
use runtime::outbox::{self, NewEvent};
use runtime::{Actor, App, Caller};
use serde::{Deserialize, Serialize};
use storage::{System, Tenant, Tx};
use types::id::{RequestId, UserId, WorkspaceId};
use types::{Error, ErrorCode, Page, PageRequest, Permission, Result, Role, Timestamp};
use utoipa::ToSchema;

pub(crate) use self::http::routes;
pub(crate) use self::store::oldest_owner;

use crate::realms;
use crate::users::User;

/// Somebody in a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    pub user: UserId,
    pub email: String,
    pub name: String,
    pub role: Role,
    /// When they joined.
    pub created_at: Timestamp,
}

/// Makes somebody a member, in the transaction of whoever decided it. Not a second time: then their role stays.
pub(crate) async fn join(
    tx: &mut Tx<System>,
    workspace: WorkspaceId,
    user: &User,
    role: Role,
    actor: Actor,
    request: Option<RequestId>,
    now: Timestamp,
) -> Result<()> {
    if !store::insert(tx, workspace, user.realm, user.id, role, now).await? {
        return Ok(());
    }
    let entry = NewEntry::new("membership.create", "user", user.id).with_detail("role", role.as_str());
    audit::record_for(tx, workspace, actor, request, entry, now).await?;
    let member = Member {
        user: user.id,
        email: user.email.clone(),
        name: user.name.clone(),
        role,
        created_at: now,
    };
    let event = NewEvent::new("membership.created", user.id, &member)?;
    outbox::emit_for(tx, workspace, event, now).await?;
    Ok(())
}

/// Makes a user of the dashboard's realm a member of the caller's workspace.
///
/// # Errors
/// `already_exists`, when they are one; `conflict`, when there is no such user.
pub async fn add(app: &App, caller: &Caller, user: UserId, role: Role) -> Result<Member> {
    caller.require(Permission::MembersManage)?;
    require_all(caller, role)?;
    let now = app.now();
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            if !store::insert(&mut tx, caller.workspace(), realms::DASHBOARD, user, role, now).await? {
                return Err(Error::new(
                    ErrorCode::AlreadyExists,
                    "They are in the workspace already.",
                ));
            }
            let member = store::get(&mut tx, user).await?;
            let entry = NewEntry::new("membership.create", "user", user).with_detail("role", role.as_str());
            audit::record(&mut tx, caller, entry, now).await?;
            outbox::emit(&mut tx, NewEvent::new("membership.created", user, &member)?, now).await?;
            Ok(member)
        })
        .await
}

/// The members of the caller's workspace, by their ids.
pub async fn list(app: &App, caller: &Caller, page: &PageRequest) -> Result<Page<Member>> {
    caller.require(Permission::MembersRead)?;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move { store::list(&mut tx, page).await })
        .await
}

/// Gives a member another role.
///
/// # Errors
/// `conflict`, when the workspace would be left without an owner; `permission_denied`, when the caller lacks a permission
/// of the old role or the new.
pub async fn change_role(app: &App, caller: &Caller, user: UserId, role: Role) -> Result<Member> {
    caller.require(Permission::MembersManage)?;
    require_all(caller, role)?;
    let now = app.now();
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let before = store::get(&mut tx, user).await?;
            require_all(caller, before.role)?;
            if before.role == role {
                return Ok(before);
            }
            if before.role == Role::Owner {
                require_another_owner(&mut tx, user).await?;
            }
            store::set_role(&mut tx, user, role).await?;
            let entry = NewEntry::new("membership.update", "user", user)
                .with_detail("from", before.role.as_str())
                .with_detail("to", role.as_str());
            audit::record(&mut tx, caller, entry, now).await?;
            let member = Member { role, ..before };
            outbox::emit(&mut tx, NewEvent::new("membership.updated", user, &member)?, now).await?;
            Ok(member)
        })
        .await
}

/// Removes a member; anybody may remove themselves.
///
/// # Errors
/// `conflict`, when the workspace would be left without an owner; `permission_denied`, when the caller lacks a permission
/// of the member's role.
pub async fn remove(app: &App, caller: &Caller, user: UserId) -> Result<()> {
    let leaves = caller.actor() == Actor::User(user);
    if !leaves {
        caller.require(Permission::MembersManage)?;
    }
    let now = app.now();
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let member = store::get(&mut tx, user).await?;
            if !leaves {
                require_all(caller, member.role)?;
            }
            if member.role == Role::Owner {
                require_another_owner(&mut tx, user).await?;
            }
            // While they are a member, the workspace may still read who they are.
            let action = if leaves {
                "membership.leave"
            } else {
                "membership.delete"
            };
            let entry = NewEntry::new(action, "user", user).with_detail("role", member.role.as_str());
            audit::record(&mut tx, caller, entry, now).await?;
            outbox::emit(&mut tx, NewEvent::new("membership.deleted", user, &member)?, now).await?;
            store::delete(&mut tx, user).await
        })
        .await
}

/// The transaction is serializable: of two owners who leave at once, one is told to stay.
async fn require_another_owner(tx: &mut Tx<Tenant>, user: UserId) -> Result<()> {
    if store::has_other_owner(tx, user).await? {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::Conflict,
        "A workspace needs an owner, and this is the last one. Make somebody else an owner first.",
    ))
}

fn require_all(caller: &Caller, role: Role) -> Result<()> {
    if role.permissions().is_subset_of(caller.permissions()) {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::PermissionDenied,
        format!(
            "The role {role} may do more than you may: only somebody who may do all of it gives or takes it."
        ),
    ))
}
