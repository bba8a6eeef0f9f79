//! Platforms: the products that a workspace sells. A platform belongs to both modes; what is in it belongs to one.

mod http;
mod store;

use runtime::outbox::{self, NewEvent};
use runtime::{App, Caller, audit};
use serde::{Deserialize, Serialize};
use storage::{Tenant, Tx};
use types::id::{PlatformId, WorkspaceId};
use types::text::check_text;
use types::{Error, ErrorCode, Mode, Page, PageRequest, Permission, Result, Timestamp};
use utoipa::ToSchema;

pub(crate) use self::http::routes;

use crate::catalogue::PLATFORM_ZERO;
use crate::recent::Recent;

/// Characters of a name, at most.
pub const MAX_NAME_CHARS: usize = 200;

/// A product that a workspace sells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Platform {
    pub id: PlatformId,
    pub name: String,
    pub created_at: Timestamp,
    /// An archived platform can be read; nothing can be changed or used in it any more.
    pub archived_at: Option<Timestamp>,
}

/// Platforms that calls went to a moment ago, and whether each is archived.
pub struct Visited(Recent<(WorkspaceId, PlatformId), bool>);

const MAX_VISITED: u64 = 10_000;

impl Default for Visited {
    fn default() -> Self {
        Visited(Recent::with_room_for(MAX_VISITED))
    }
}

/// Whether a platform of the workspace is archived, as it was at most a second ago; whatever the caller may do: for going
/// into its shop.
///
/// # Errors
/// `not_found`, when the workspace has no such platform.
pub(crate) async fn is_archived(app: &App, tenant: Tenant, id: PlatformId) -> Result<bool> {
    let visited = &app.service::<Visited>()?.0;
    let key = (tenant.id(), id);
    if let Some(is_archived) = visited.find(&key) {
        return Ok(is_archived);
    }
    let moment = visited.moment();
    let platform = of_tenant(app, tenant, id).await?;
    let is_archived = platform.archived_at.is_some();
    visited.remember(key, is_archived, moment);
    Ok(is_archived)
}

/// Makes a platform.
///
/// # Errors
/// `permission_denied`, `wrong_key_kind` for a key of another platform, `wrong_mode` for a test key, `validation_failed`.
pub async fn create(app: &App, caller: &Caller, name: &str) -> Result<Platform> {
    require_manage(caller)?;
    if caller.binding().is_some_and(|binding| binding.platform.is_some()) {
        return Err(Error::new(
            ErrorCode::WrongKeyKind,
            "A platform's key works in that platform alone; use a key of the workspace.",
        ));
    }
    check_text("name", name, 1, MAX_NAME_CHARS)?;
    let now = app.now();
    let platform = &Platform {
        id: PlatformId::generate(),
        name: name.to_owned(),
        created_at: now,
        archived_at: None,
    };
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            store::insert(&mut tx, platform).await?;
            let entry = audit::NewEntry::new("platform.create", "platform", platform.id);
            audit::record(&mut tx, caller, entry, now).await?;
            outbox::emit(&mut tx, event("platform.created", platform)?, now).await?;
            Ok(())
        })
        .await?;
    Ok(platform.clone())
}

/// The workspace's platforms, oldest first; for a key of one platform that one alone.
pub async fn list(
    app: &App,
    caller: &Caller,
    with_archived: bool,
    page: &PageRequest,
) -> Result<Page<Platform>> {
    caller.require(Permission::PlatformsRead)?;
    if let Some(bound) = caller.binding().and_then(|binding| binding.platform) {
        let platform = get(app, caller, bound).await?;
        return Ok(Page {
            data: vec![platform],
            next_cursor: None,
        });
    }
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move { store::list(&mut tx, with_archived, page).await })
        .await
}

/// # Errors
/// `not_found`, when the caller has no such platform.
pub async fn get(app: &App, caller: &Caller, id: PlatformId) -> Result<Platform> {
    caller.require(Permission::PlatformsRead)?;
    within_reach(caller, id)?;
    of_tenant(app, caller.tenant(), id).await
}

/// Gives a platform another name.
///
/// # Errors
/// As [`create`]; `not_found`, when there is no such platform or it is archived.
pub async fn update(app: &App, caller: &Caller, id: PlatformId, name: Option<&str>) -> Result<Platform> {
    require_manage(caller)?;
    within_reach(caller, id)?;
    if let Some(name) = name {
        check_text("name", name, 1, MAX_NAME_CHARS)?;
    }
    let now = app.now();
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let mut platform = open(store::find(&mut tx, id).await?)?;
            if let Some(name) = name {
                platform.name = name.to_owned();
            }
            store::update(&mut tx, &platform).await?;
            let entry = audit::NewEntry::new("platform.update", "platform", id);
            audit::record(&mut tx, caller, entry, now).await?;
            outbox::emit(&mut tx, event("platform.updated", &platform)?, now).await?;
            Ok(platform)
        })
        .await
}

/// Stops a platform: what is in it stays readable and cannot be changed or used. Doing it again changes nothing.
///
/// # Errors
/// As [`update`]; `conflict` for the platform of Plinth itself.
pub async fn archive(app: &App, caller: &Caller, id: PlatformId) -> Result<Platform> {
    require_manage(caller)?;
    within_reach(caller, id)?;
    let now = app.now();
    let visited = &app.service::<Visited>()?;
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let mut platform = found(store::find(&mut tx, id).await?)?;
            if id == PLATFORM_ZERO {
                return Err(Error::new(
                    ErrorCode::Conflict,
                    "This platform sells Plinth itself; every workspace's limits come from it.",
                ));
            }
            if platform.archived_at.is_none() {
                platform.archived_at = Some(now);
                store::update(&mut tx, &platform).await?;
                let (visited, key) = (visited.clone(), (tx.workspace(), id));
                tx.after_commit(move || visited.0.forget(&key));
                let entry = audit::NewEntry::new("platform.archive", "platform", id);
                audit::record(&mut tx, caller, entry, now).await?;
                outbox::emit(&mut tx, event("platform.archived", &platform)?, now).await?;
            }
            Ok(platform)
        })
        .await
}

/// A platform of the workspace, archived or not, whatever the caller may do.
///
/// # Errors
/// `not_found`, when the workspace has no such platform.
pub async fn of_tenant(app: &App, tenant: Tenant, id: PlatformId) -> Result<Platform> {
    let platform = app
        .db()
        .of(tenant)
        .read(|mut tx| async move { store::find(&mut tx, id).await })
        .await?;
    found(platform)
}

/// Makes a platform of that id, unless it is there. Whether it was made.
pub(crate) async fn ensure(tx: &mut Tx<Tenant>, id: PlatformId, name: &str, now: Timestamp) -> Result<bool> {
    if store::find(tx, id).await?.is_some() {
        return Ok(false);
    }
    let platform = Platform {
        id,
        name: name.to_owned(),
        created_at: now,
        archived_at: None,
    };
    store::insert(tx, &platform).await?;
    Ok(true)
}

/// A platform is live and test at once, so a test key must not change it.
fn require_manage(caller: &Caller) -> Result<()> {
    caller.require(Permission::PlatformsManage)?;
    if caller.binding().is_some_and(|binding| binding.mode == Mode::Test) {
        return Err(Error::new(
            ErrorCode::WrongMode,
            "A platform belongs to live and test mode alike; use a live key to change it.",
        ));
    }
    Ok(())
}

fn within_reach(caller: &Caller, id: PlatformId) -> Result<()> {
    match caller.binding().and_then(|binding| binding.platform) {
        Some(bound) if bound != id => Err(Error::not_found("platform")),
        _ => Ok(()),
    }
}

fn found(platform: Option<Platform>) -> Result<Platform> {
    platform.ok_or_else(|| Error::not_found("platform"))
}

fn open(platform: Option<Platform>) -> Result<Platform> {
    found(platform.filter(|platform| platform.archived_at.is_none()))
}

fn event(kind: &'static str, platform: &Platform) -> Result<NewEvent> {
    let mut event = NewEvent::new(kind, platform.id, platform)?;
    event.platform = Some(platform.id);
    Ok(event)
}
