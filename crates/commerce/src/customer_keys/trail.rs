//! What a change to a key leaves behind: an entry in the audit log, and an event with the resource as the API shows it.

use runtime::audit::{self, NewEntry};
use runtime::outbox::{self, NewEvent};
use storage::{Tenant, Tx};
use types::{Result, Timestamp};

use super::resource::{CustomerKey, Key};
use crate::ShopCaller;

/// How a change is told: to subscribers, and to the audit log.
#[derive(Clone, Copy)]
pub(super) struct Told {
    kind: &'static str,
    action: &'static str,
}

pub(super) const CREATED: Told = Told {
    kind: "customer_key.created",
    action: "customer_key.create",
};
pub(super) const UPDATED: Told = Told {
    kind: "customer_key.updated",
    action: "customer_key.update",
};
pub(super) const ROTATED: Told = Told {
    kind: "customer_key.rotated",
    action: "customer_key.rotate",
};
pub(super) const REVOKED: Told = Told {
    kind: "customer_key.revoked",
    action: "customer_key.revoke",
};

/// Tells what was done to a key; the resource.
pub(super) async fn tell(
    tx: &mut Tx<Tenant>,
    caller: &ShopCaller,
    told: Told,
    key: &Key,
    now: Timestamp,
) -> Result<CustomerKey> {
    let text = |instant: Option<Timestamp>| instant.map(|instant| instant.to_string());
    let mut entry = NewEntry::new(told.action, "customer_key", key.id)
        .with_detail("customer", key.customer.to_string())
        .with_detail("hint", key.hint.as_str())
        .with_detail("permissions", key.permissions.clone())
        .with_detail("enabled", key.enabled)
        .with_detail("expires_at", text(key.expires_at));
    if let Some(new) = key.rotated_to {
        entry = entry.with_detail("rotated_to", new.to_string());
    }
    audit::record(tx, &caller.caller, entry, now).await?;
    let shop = caller.shop;
    let resource = super::resource(tx, shop, key, now).await?;
    let event = NewEvent::new(told.kind, key.id, &resource)?.of_platform(shop.platform, shop.mode);
    outbox::emit(tx, event, now).await?;
    Ok(resource)
}
