//! What happens when a grant expires. Nothing has to, for it not to be burned any more; what is left rolls over, or is
//! told to be lost.

use runtime::jobs::{Job, JobContext};
use runtime::{App, Caller, audit, outbox};
use serde::{Deserialize, Serialize};
use storage::{Tenant, Tx};
use types::id::{GrantId, PlatformId};
use types::{Mode, Result, Timestamp};

use super::store::{self, GrantRow};
use super::{Grant, end, event, start};
use crate::Shop;

/// Sees to a grant when its time is over, once.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ExpireGrant {
    platform: PlatformId,
    mode: Mode,
    grant: GrantId,
}

impl ExpireGrant {
    pub(super) fn new(shop: Shop, grant: GrantId) -> Self {
        ExpireGrant {
            platform: shop.platform,
            mode: shop.mode,
            grant,
        }
    }
}

impl Job for ExpireGrant {
    const KIND: &'static str = "commerce.expire_grant";

    async fn run(self, app: App, context: JobContext) -> Result<()> {
        let (caller, now) = (context.caller()?, app.now());
        let shop = Shop {
            workspace: caller.workspace(),
            platform: self.platform,
            mode: self.mode,
        };
        let id = self.grant;
        app.db()
            .of(caller.tenant())
            .write_locked(|mut tx| async move {
                let row = store::lock_one(&mut tx, shop, id).await?;
                // Voided, or seen to by an earlier run of this job.
                match row.filter(|row| row.closed_at.is_none()) {
                    Some(row) => expire(&mut tx, caller, shop, row, now).await,
                    None => Ok(()),
                }
            })
            .await
    }
}

/// Closes a grant whose row is locked, and starts the one that takes its place if there is one.
async fn expire(
    tx: &mut Tx<Tenant>,
    caller: &Caller,
    shop: Shop,
    mut row: GrantRow,
    now: Timestamp,
) -> Result<()> {
    let next = row.successor(now);
    row.closed_at = Some(now);
    row.rolled_to = next.as_ref().map(|next| next.state.id);
    end(tx, shop, &row).await?;
    let expired = Grant::from(&row);
    let Some(next) = next else {
        return outbox::emit(tx, event("grant.expired", shop, &expired)?, now)
            .await
            .map(drop);
    };
    start(tx, shop, &next, now).await?;
    let entry = audit::NewEntry::new("grant.roll_over", "grant", expired.id)
        .with_detail("customer", row.customer.to_string())
        .with_detail("rolled_to", next.state.id.to_string());
    audit::record(tx, caller, entry, now).await?;
    outbox::emit(tx, event("grant.rolled_over", shop, &expired)?, now).await?;
    let created = event("grant.created", shop, &Grant::from(&next))?;
    outbox::emit(tx, created, now).await.map(drop)
}
