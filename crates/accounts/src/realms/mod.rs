//! Realms: pools of users, one for each platform and mode. The dashboard's own users are in the realm of platform zero.

mod store;

use commerce::catalogue::{OPERATOR_WORKSPACE, PLATFORM_ZERO};
use runtime::audit::{self, NewEntry, Personal};
use runtime::outbox::{self, NewEvent};
use runtime::{Actor, App};
use serde_json::Map;
use storage::{Reason, Scope, System, Tx};
use types::id::{RealmId, RequestId, UserId};
use types::{Mode, Result, Timestamp};
use uuid::Uuid;

use crate::client::Client;

/// The realm of the dashboard's users, `plt_plinth` live. A constant, so that nothing has to look it up; it is never
/// changed, because every user and session carries it.
pub const DASHBOARD: RealmId = RealmId::from_uuid(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0003));

/// Makes the dashboard's realm, unless it is there. The operator's workspace must be.
pub async fn ensure_dashboard_realm(app: &App) -> Result<()> {
    let now = app.now();
    app.db()
        .of(app.issuer().system(Reason::StartUp))
        .write(|mut tx| async move {
            store::insert(
                &mut tx,
                DASHBOARD,
                OPERATOR_WORKSPACE,
                PLATFORM_ZERO,
                Mode::Live,
                now,
            )
            .await
        })
        .await
}

/// Records what a user did outside every workspace, in the history of the workspace that runs their realm.
pub(crate) async fn record<S: Scope>(
    tx: &mut Tx<S>,
    realm: RealmId,
    actor: Actor,
    request: Option<RequestId>,
    entry: NewEntry,
    now: Timestamp,
) -> Result<()> {
    let workspace = store::get(tx, realm).await?.workspace;
    audit::record_for(tx, workspace, actor, request, entry, now).await
}

/// Where a user of the dashboard's realm acts from, sealed under a key of theirs for one entry of the history.
pub(crate) async fn place_of(app: &App, user: UserId, client: &Client) -> Result<Option<Personal>> {
    let mut place = Map::new();
    place.insert("address".to_owned(), client.address.to_string().into());
    place.insert("user_agent".to_owned(), client.user_agent.clone().into());
    Personal::seal(app, OPERATOR_WORKSPACE, user.uuid(), &place).await
}

/// Tells of something that happened to a user outside every workspace, to the workspace that runs their realm.
pub(crate) async fn emit(tx: &mut Tx<System>, realm: RealmId, event: NewEvent, now: Timestamp) -> Result<()> {
    let realm = store::get(tx, realm).await?;
    let event = event.of_platform(realm.platform, realm.mode);
    outbox::emit_for(tx, realm.workspace, event, now).await.map(drop)
}
