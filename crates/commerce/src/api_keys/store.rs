//! The table `api_keys`.

use runtime::App;
use storage::cache::Channel;
use storage::{Row, System, Tenant, Tx, params};
use types::id::{self, ApiKeyId, PlatformId, WorkspaceId};
use types::{Error, Mode, Page, PageRequest, Permission, Result, Timestamp};

use super::rules::Reach;
use super::{ApiKey, ApiKeyKind};
use crate::credentials::{KeyRow, StoredSecret, Use};
use crate::cursor;

const INSERT: &str = "INSERT INTO api_keys
    (workspace_id, api_key_id, platform_id, mode, kind, name, hint, secret_hash, pepper_id, scopes, created_by, created_at,
     expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

pub(super) async fn insert(tx: &mut Tx<Tenant>, key: &ApiKey, secret: &StoredSecret) -> Result<()> {
    let scopes = serde_json::to_string(&key.scopes).map_err(Error::internal)?;
    let params = params![
        tx.workspace(),
        key.id,
        key.platform,
        key.mode,
        kind_text(key.kind),
        &key.name,
        &key.hint,
        secret.hash.as_slice(),
        secret.pepper,
        scopes,
        &key.created_by,
        key.created_at,
        key.expires_at,
    ];
    tx.execute(INSERT, params).await.map(drop)
}

const FIND: &str = "SELECT * FROM api_keys WHERE workspace_id = $1 AND api_key_id = $2";

pub(super) async fn find(tx: &mut Tx<Tenant>, id: ApiKeyId) -> Result<Option<ApiKey>> {
    let row = tx.fetch_optional(FIND, params![tx.workspace(), id]).await?;
    row.as_ref().map(api_key).transpose()
}

const LIST: &str = "SELECT * FROM api_keys WHERE workspace_id = $1 AND api_key_id < $2
    ORDER BY api_key_id DESC LIMIT $3";
const LIST_OF_PLATFORM: &str = "SELECT * FROM api_keys
    WHERE workspace_id = $1 AND api_key_id < $2 AND platform_id = $4 AND mode IN ($5, $6)
    ORDER BY api_key_id DESC LIMIT $3";

/// Newest first: ids sort by their time.
pub(super) async fn list(tx: &mut Tx<Tenant>, reach: Reach, page: &PageRequest) -> Result<Page<ApiKey>> {
    let before: ApiKeyId = cursor::before(page)?;
    let mut params = params![tx.workspace(), before, page.limit + 1];
    let rows = match reach.platform {
        None => tx.fetch_all(LIST, params).await?,
        Some(platform) => {
            let (first, second) = match reach.mode {
                Some(mode) => (mode, mode),
                None => (Mode::Live, Mode::Test),
            };
            params.extend(params![platform, first, second]);
            tx.fetch_all(LIST_OF_PLATFORM, params).await?
        }
    };
    let keys = rows.iter().map(api_key).collect::<Result<_>>()?;
    Ok(Page::from_overfetch(keys, page.limit, |key: &ApiKey| {
        key.id.to_string()
    }))
}

const COUNT_USABLE: &str = "SELECT COUNT(*) AS usable FROM api_keys
    WHERE workspace_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";

pub(super) async fn count_usable(tx: &mut Tx<Tenant>, now: Timestamp) -> Result<i64> {
    let row = tx.fetch_one(COUNT_USABLE, params![tx.workspace(), now]).await?;
    row.get("usable")
}

const HAS_USABLE: &str = "SELECT api_key_id FROM api_keys
    WHERE workspace_id = $1 AND platform_id IS NULL AND name = $2
        AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3) LIMIT 1";

pub(super) async fn has_usable(tx: &mut Tx<Tenant>, name: &str, now: Timestamp) -> Result<bool> {
    let row = tx
        .fetch_optional(HAS_USABLE, params![tx.workspace(), name, now])
        .await?;
    Ok(row.is_some())
}

const UPDATE: &str = "UPDATE api_keys SET name = $3, expires_at = $4, revoked_at = $5, rotated_to = $6
    WHERE workspace_id = $1 AND api_key_id = $2";

/// Writes what may change about a key.
pub(super) async fn update(tx: &mut Tx<Tenant>, key: &ApiKey) -> Result<()> {
    let params = params![
        tx.workspace(),
        key.id,
        &key.name,
        key.expires_at,
        key.revoked_at,
        key.rotated_to,
    ];
    tx.execute(UPDATE, params).await.map(drop)
}

const PLATFORM: &str = "SELECT archived_at FROM platforms WHERE workspace_id = $1 AND platform_id = $2";

/// When the platform was archived; the outer `None` is "no such platform".
pub(super) async fn platform_archived_at(
    tx: &mut Tx<Tenant>,
    platform: PlatformId,
) -> Result<Option<Option<Timestamp>>> {
    let row = tx
        .fetch_optional(PLATFORM, params![tx.workspace(), platform])
        .await?;
    row.map(|row| row.get("archived_at")).transpose()
}

/// A key as the authenticator needs it, whosever it is.
pub(super) struct Found {
    pub workspace: WorkspaceId,
    pub key: ApiKey,
    pub secret: StoredSecret,
    pub platform_archived: bool,
}

impl KeyRow for Found {
    type Kind = id::ApiKey;
    const CHANGED: Channel = Channel::new("api_keys");

    fn id(&self) -> ApiKeyId {
        self.key.id
    }

    async fn write_uses(app: &App) -> Result<()> {
        super::write_uses(app).await
    }
}

const LOOK_UP: &str = "SELECT k.*, p.archived_at AS platform_archived_at FROM api_keys k
    LEFT JOIN platforms p ON p.workspace_id = k.workspace_id AND p.platform_id = k.platform_id
    WHERE k.api_key_id = $1";

pub(super) async fn look_up(tx: &mut Tx<System>, id: ApiKeyId) -> Result<Option<Found>> {
    let row = tx.fetch_optional(LOOK_UP, params![id]).await?;
    row.map(|row| {
        Ok(Found {
            workspace: row.get("workspace_id")?,
            key: api_key(&row)?,
            secret: StoredSecret {
                hash: row.get("secret_hash")?,
                pepper: row.get("pepper_id")?,
            },
            platform_archived: row.get::<Option<Timestamp>>("platform_archived_at")?.is_some(),
        })
    })
    .transpose()
}

const USED: &str = "UPDATE api_keys SET last_used_at = $3
    WHERE workspace_id = $1 AND api_key_id = $2 AND (last_used_at IS NULL OR last_used_at < $3)";

pub(super) async fn write_use(tx: &mut Tx<System>, key: ApiKeyId, used: Use<WorkspaceId>) -> Result<()> {
    tx.execute(USED, params![used.place, key, used.at])
        .await
        .map(drop)
}

fn api_key(row: &Row) -> Result<ApiKey> {
    let scopes: Vec<String> = serde_json::from_str(&row.get::<String>("scopes")?).map_err(Error::internal)?;
    Ok(ApiKey {
        id: row.get("api_key_id")?,
        platform: row.get("platform_id")?,
        mode: row.get("mode")?,
        kind: kind(&row.get::<String>("kind")?)?,
        name: row.get("name")?,
        hint: row.get("hint")?,
        // A scope that this version does not know was given by a newer one: here it allows nothing.
        scopes: scopes
            .iter()
            .filter_map(|scope| scope.parse::<Permission>().ok())
            .collect(),
        created_by: row.get("created_by")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        revoked_at: row.get("revoked_at")?,
        rotated_to: row.get("rotated_to")?,
        last_used_at: row.get("last_used_at")?,
    })
}

const fn kind_text(kind: ApiKeyKind) -> &'static str {
    match kind {
        ApiKeyKind::Secret => "sk",
        ApiKeyKind::Publishable => "pk",
    }
}

fn kind(text: &str) -> Result<ApiKeyKind> {
    match text {
        "sk" => Ok(ApiKeyKind::Secret),
        "pk" => Ok(ApiKeyKind::Publishable),
        other => Err(Error::internal(format!("an API key of the unknown kind {other}"))),
    }
}
