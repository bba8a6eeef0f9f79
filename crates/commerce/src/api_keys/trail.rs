//! What a change to a key leaves behind: an entry in the audit log, and an event.

use runtime::Caller;
use runtime::audit::{self, NewEntry};
use runtime::outbox::{self, NewEvent};
use storage::{Tenant, Tx};
use types::{Result, Timestamp};

use super::ApiKey;

/// Records what was done to a key.
pub(super) async fn record(
    tx: &mut Tx<Tenant>,
    caller: &Caller,
    action: &'static str,
    key: &ApiKey,
    now: Timestamp,
) -> Result<()> {
    let text = |instant: Option<Timestamp>| instant.map(|instant| instant.to_string());
    let mut entry = NewEntry::new(action, "api_key", key.id)
        .with_detail("hint", key.hint.as_str())
        .with_detail(
            "scopes",
            key.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        )
        .with_detail("expires_at", text(key.expires_at));
    if let Some(platform) = key.platform {
        entry = entry
            .with_detail("platform", platform.to_string())
            .with_detail("mode", key.mode.as_str());
    }
    if let Some(new) = key.rotated_to {
        entry = entry.with_detail("rotated_to", new.to_string());
    }
    audit::record(tx, caller, entry, now).await
}

/// Tells what happened to a key.
pub(super) async fn emit(
    tx: &mut Tx<Tenant>,
    kind: &'static str,
    key: &ApiKey,
    now: Timestamp,
) -> Result<()> {
    let event = NewEvent::new(kind, key.id, key)?;
    let event = match key.platform {
        Some(platform) => event.of_platform(platform, key.mode),
        None => event,
    };
    outbox::emit(tx, event, now).await.map(drop)
}
