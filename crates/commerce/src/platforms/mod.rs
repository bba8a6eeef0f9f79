mod http;

pub(crate) use self::http::routes;

use runtime::App;
use storage::Tenant;
use types::id::PlatformId;
use types::{Error, Result};

/// # Errors
/// `not_found`, when the workspace has no such platform.
pub async fn exists(app: &App, tenant: Tenant, platform: PlatformId) -> Result<()> {
    let found = app
        .db()
        .of(tenant)
        .read(|mut tx| async move {
            let sql = "SELECT platform_id FROM platforms WHERE workspace_id = $1 AND platform_id = $2";
            tx.fetch_optional(sql, storage::params![tx.workspace(), platform])
                .await
        })
        .await?;
    found.map(drop).ok_or_else(|| Error::not_found("platform"))
}
