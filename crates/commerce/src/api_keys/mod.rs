//! API keys: every credential of a machine. A workspace's own keys (`sk`, no platform), and the secret and publishable
//! keys of its platforms, live and test.
//!
//! The secret is shown once, in the answer that creates or rotates a key; what is kept is an HMAC that is worthless
//! without the root key. A key can never do more than whoever made it, and a key that is bound to a platform sees and
//! makes keys of that platform and mode alone.

mod authenticate;
mod http;
mod rules;
mod secret;
mod store;
mod trail;

use std::sync::Arc;
use std::time::Duration;

use runtime::{App, Caller, Module};
use serde::{Deserialize, Serialize};
use storage::{Reason, Tenant, Tx};
use types::id::{self, ApiKeyId, PlatformId, WorkspaceId};
use types::{Mode, Page, PageRequest, Permission, PermissionSet, Result, Timestamp};
use utoipa::ToSchema;

pub(crate) use self::http::routes;
pub use self::rules::{MAX_KEYS, MAX_OVERLAP_SECS, PLATFORM_SCOPES};

use self::authenticate::KeyAuthenticator;
use self::rules::Reach;
use self::store::Found;
use self::trail::{emit, record};
use crate::credentials;

type Known = credentials::KnownKeys<Found>;
type Uses = credentials::Uses<id::ApiKey, WorkspaceId>;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApiKeyKind {
    /// `sk_…`, for servers: whoever holds it acts with its scopes.
    Secret,
    /// `pk_…`, for pages and apps: anybody may see it, and it has no scopes.
    Publishable,
}

/// An API key without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiKey {
    pub id: ApiKeyId,
    /// The platform it works for; null for a key of the whole workspace.
    pub platform: Option<PlatformId>,
    pub mode: Mode,
    pub kind: ApiKeyKind,
    pub name: String,
    /// How to tell it from others: its first and last characters.
    pub hint: String,
    /// What it may do.
    pub scopes: Vec<Permission>,
    /// Who made it: the id of a person or of another key, or `operator`.
    pub created_by: String,
    pub created_at: Timestamp,
    /// From this instant on it is refused.
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// The key that takes its place.
    pub rotated_to: Option<ApiKeyId>,
    /// To the minute.
    pub last_used_at: Option<Timestamp>,
}

/// Whether a key is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiKeyStatus {
    Active,
    Expired,
    Revoked,
}

impl ApiKey {
    pub fn status(&self, now: Timestamp) -> ApiKeyStatus {
        if self.revoked_at.is_some() {
            ApiKeyStatus::Revoked
        } else if self.expires_at.is_some_and(|at| at <= now) {
            ApiKeyStatus::Expired
        } else {
            ApiKeyStatus::Active
        }
    }

    fn permissions(&self) -> PermissionSet {
        self.scopes.iter().copied().collect()
    }
}

/// A key that was just made, with the secret that is never shown again.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct CreatedApiKey {
    pub api_key: ApiKey,
    /// The credential itself. Keep it now: it cannot be shown again.
    pub secret: String,
}

/// A key to be made.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKey {
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    pub kind: ApiKeyKind,
    /// Without a platform it is a key of the workspace: secret and live.
    pub platform: Option<PlatformId>,
    pub mode: Mode,
    /// What it may do: at least one for a secret key, and none that whoever makes it lacks; none for a publishable one.
    #[serde(default)]
    pub scopes: Vec<Permission>,
    /// An instant to come, from which on the key is refused.
    pub expires_at: Option<Timestamp>,
}

/// What may change about a key; at least one of the two.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyChange {
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// Ends the key sooner than it would; an instant gone by ends it now.
    pub expires_at: Option<Timestamp>,
}

/// How a key is to be rotated.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyRotation {
    /// Seconds that the old key stays good beside the new one, at most 30 days.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 2_592_000)]
    pub overlap_secs: u32,
}

/// Makes a key.
///
/// # Errors
/// `permission_denied` for scopes that the caller lacks, `validation_failed` for what does not go together, `not_found`
/// without such a platform, `conflict` when the platform is archived or the workspace has [`MAX_KEYS`] usable keys.
pub async fn create(app: &App, caller: &Caller, new: &NewApiKey) -> Result<CreatedApiKey> {
    caller.require(Permission::ApiKeysManage)?;
    let now = app.now();
    rules::check_new(caller, new, now)?;
    let minted = secret::mint(app, new.kind, new.mode)?;
    let key = ApiKey {
        id: minted.id,
        platform: new.platform,
        mode: new.mode,
        kind: new.kind,
        name: new.name.clone(),
        hint: minted.hint.clone(),
        scopes: new
            .scopes
            .iter()
            .copied()
            .collect::<PermissionSet>()
            .iter()
            .collect(),
        created_by: caller.actor().to_string(),
        created_at: now,
        expires_at: new.expires_at,
        revoked_at: None,
        rotated_to: None,
        last_used_at: None,
    };
    let (made, stored) = (&key, &minted.stored);
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            if let Some(platform) = made.platform {
                rules::check_open(store::platform_archived_at(&mut tx, platform).await?)?;
            }
            rules::check_room(store::count_usable(&mut tx, now).await?)?;
            store::insert(&mut tx, made, stored).await?;
            record(&mut tx, caller, "api_key.create", made, now).await?;
            emit(&mut tx, "api_key.created", made, now).await
        })
        .await?;
    Ok(CreatedApiKey {
        api_key: key,
        secret: minted.text,
    })
}

/// The workspace's keys, newest first; those of one platform where one is named.
pub async fn list(
    app: &App,
    caller: &Caller,
    platform: Option<PlatformId>,
    page: &PageRequest,
) -> Result<Page<ApiKey>> {
    caller.require(Permission::ApiKeysRead)?;
    let reach = Reach::of(caller).narrowed(platform)?;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move { store::list(&mut tx, reach, page).await })
        .await
}

/// One key.
///
/// # Errors
/// `not_found`, also for a key outside the caller's reach.
pub async fn get(app: &App, caller: &Caller, id: ApiKeyId) -> Result<ApiKey> {
    caller.require(Permission::ApiKeysRead)?;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move { reachable(&mut tx, caller, id).await })
        .await
}

/// Whether the workspace has a key of its own with this name that is neither revoked nor expired.
pub async fn has_usable(app: &App, caller: &Caller, name: &str) -> Result<bool> {
    caller.require(Permission::ApiKeysRead)?;
    let now = app.now();
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move { store::has_usable(&mut tx, name, now).await })
        .await
}

/// Renames a key or ends it sooner.
///
/// # Errors
/// `validation_failed` for an empty change and for a later end, `not_found`.
pub async fn update(app: &App, caller: &Caller, id: ApiKeyId, change: &ApiKeyChange) -> Result<ApiKey> {
    caller.require(Permission::ApiKeysManage)?;
    let now = app.now();
    rules::check_change(change)?;
    let known = &app.service::<Known>()?;
    let key = app
        .db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let mut key = reachable(&mut tx, caller, id).await?;
            if let Some(name) = &change.name {
                key.name.clone_from(name);
            }
            if let Some(end) = change.expires_at {
                rules::check_sooner(&key, end)?;
                key.expires_at = Some(end);
            }
            save(&mut tx, known, &key).await?;
            record(&mut tx, caller, "api_key.update", &key, now).await?;
            emit(&mut tx, "api_key.updated", &key, now).await?;
            Ok(key)
        })
        .await?;
    known.announce(app, id).await;
    Ok(key)
}

/// Makes a key that takes another's place: same name, scopes and end. The old one stays good for the overlap.
///
/// # Errors
/// `permission_denied` when the key may do what the caller may not, `conflict` when it is revoked, expired or rotated
/// already, `not_found`.
pub async fn rotate(
    app: &App,
    caller: &Caller,
    id: ApiKeyId,
    rotation: ApiKeyRotation,
) -> Result<CreatedApiKey> {
    caller.require(Permission::ApiKeysManage)?;
    let now = app.now();
    rules::check_overlap(rotation.overlap_secs)?;
    let overlap = Duration::from_secs(u64::from(rotation.overlap_secs));
    let known = &app.service::<Known>()?;
    // Kind and mode never change, so the secret can be made before the transaction that may run twice.
    let before = app
        .db()
        .of(caller.tenant())
        .read(|mut tx| async move { reachable(&mut tx, caller, id).await })
        .await?;
    let secret::Minted {
        id: new_id,
        hint,
        stored,
        text,
    } = secret::mint(app, before.kind, before.mode)?;
    let (hint, stored) = (&hint, &stored);
    let key = app
        .db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let mut old = reachable(&mut tx, caller, id).await?;
            rules::check_rotatable(caller, &old, now)?;
            if let Some(platform) = old.platform {
                rules::check_open(store::platform_archived_at(&mut tx, platform).await?)?;
            }
            let new = ApiKey {
                id: new_id,
                hint: hint.clone(),
                created_by: caller.actor().to_string(),
                created_at: now,
                last_used_at: None,
                ..old.clone()
            };
            let end = now + overlap;
            old.expires_at = Some(old.expires_at.map_or(end, |at| at.min(end)));
            old.rotated_to = Some(new.id);
            save(&mut tx, known, &old).await?;
            rules::check_room(store::count_usable(&mut tx, now).await?)?;
            store::insert(&mut tx, &new, stored).await?;
            record(&mut tx, caller, "api_key.rotate", &old, now).await?;
            emit(&mut tx, "api_key.rotated", &old, now).await?;
            emit(&mut tx, "api_key.created", &new, now).await?;
            Ok(new)
        })
        .await?;
    known.announce(app, id).await;
    Ok(CreatedApiKey {
        api_key: key,
        secret: text,
    })
}

/// Ends a key for good, on every node within a second. Revoking a revoked key changes nothing.
///
/// # Errors
/// `not_found`.
pub async fn revoke(app: &App, caller: &Caller, id: ApiKeyId) -> Result<ApiKey> {
    caller.require(Permission::ApiKeysManage)?;
    let now = app.now();
    let known = &app.service::<Known>()?;
    let key = app
        .db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let mut key = reachable(&mut tx, caller, id).await?;
            if key.revoked_at.is_some() {
                return Ok(key);
            }
            key.revoked_at = Some(now);
            save(&mut tx, known, &key).await?;
            record(&mut tx, caller, "api_key.revoke", &key, now).await?;
            emit(&mut tx, "api_key.revoked", &key, now).await?;
            Ok(key)
        })
        .await?;
    known.announce(app, id).await;
    Ok(key)
}

/// Writes when keys were last used, which a server also does every few seconds.
pub async fn write_uses(app: &App) -> Result<()> {
    let waiting = &app.service::<Uses>()?.take();
    if waiting.is_empty() {
        return Ok(());
    }
    app.db()
        .of(app.issuer().system(Reason::Authentication))
        .write_locked(|mut tx| async move {
            for (key, used) in waiting {
                store::write_use(&mut tx, *key, *used).await?;
            }
            Ok(())
        })
        .await
}

/// Adds the keys to their part: who recognises them, what is remembered of them, and the work that keeps it true.
pub(crate) fn register(mut module: Module) -> Module {
    let (known, uses) = (Arc::<Known>::default(), Arc::<Uses>::default());
    module
        .authenticators
        .push(Arc::new(KeyAuthenticator::new(known.clone(), uses.clone())));
    module
        .tasks
        .push(|app, stop| Box::pin(credentials::run::<Found>(app, stop)));
    module.with_service(known).with_service(uses)
}

/// The key, if the workspace has it and the caller's own binding lets them see it.
async fn reachable(tx: &mut Tx<Tenant>, caller: &Caller, id: ApiKeyId) -> Result<ApiKey> {
    let key = store::find(tx, id).await?;
    key.filter(|key| Reach::of(caller).covers(key.platform, key.mode))
        .ok_or_else(|| types::Error::not_found("API key"))
}

/// Stores a changed key, which this node forgets as soon as the change is durable.
async fn save(tx: &mut Tx<Tenant>, known: &Arc<Known>, key: &ApiKey) -> Result<()> {
    store::update(tx, key).await?;
    let (known, id) = (known.clone(), key.id);
    tx.after_commit(move || known.forget(id));
    Ok(())
}
