//! The audit log: who did what to what, when and why. An entry is written in the transaction of what it tells, and never
//! changed. A sealer chains the entries of each workspace by hash, and signs the head of the chain once a day, so that an
//! entry that is changed, removed or moved later is found by [`verify`].

mod chain;
mod personal;
mod store;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use storage::{Scope, Tx};
use types::id::{AuditEntryId, RequestId, WorkspaceId};
use types::text::check_text;
use types::{Page, PageRequest, Permission, Result, Timestamp};
use utoipa::ToSchema;

pub use self::chain::{Fault, Sealing, Verdict, seal, sign, verify};
pub use self::personal::Personal;

use crate::app::App;
use crate::caller::{Actor, ActorKind, Caller};

/// What an operation says about what it did.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// `noun.verb`, such as `api_key.revoke`.
    pub action: &'static str,
    /// The noun it was done to.
    pub target_kind: &'static str,
    pub target_id: String,
    /// Why, where somebody had to say.
    pub reason: Option<String>,
    /// What changed; never a secret, never a person's data.
    pub details: Map<String, Value>,
    personal: Option<Personal>,
}

impl NewEntry {
    pub fn new(action: &'static str, target_kind: &'static str, target: impl ToString) -> Self {
        NewEntry {
            action,
            target_kind,
            target_id: target.to_string(),
            reason: None,
            details: Map::new(),
            personal: None,
        }
    }

    pub fn with_detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Adds what is about a person. An entry takes one: the sealed bytes open in it alone.
    pub fn with_personal(mut self, personal: Option<Personal>) -> Self {
        self.personal = personal;
        self
    }

    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

/// Records what a workspace's caller did, in the transaction that does it.
pub async fn record(
    tx: &mut Tx<storage::Tenant>,
    caller: &Caller,
    entry: NewEntry,
    now: Timestamp,
) -> Result<()> {
    record_for(
        tx,
        caller.workspace(),
        caller.actor(),
        caller.request(),
        entry,
        now,
    )
    .await
}

/// Records what somebody did who acts in no workspace yet, in the history of the workspace it concerns.
pub async fn record_for<S: Scope>(
    tx: &mut Tx<S>,
    workspace: WorkspaceId,
    actor: Actor,
    request: Option<RequestId>,
    entry: NewEntry,
    now: Timestamp,
) -> Result<()> {
    store::insert(tx, workspace, actor, request, &entry, now).await
}

/// One entry, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    pub id: AuditEntryId,
    pub actor_kind: ActorKind,
    /// The actor's id; `operator` and `visitor` have none.
    pub actor_id: String,
    pub action: String,
    pub target_kind: String,
    pub target_id: String,
    pub reason: Option<String>,
    #[schema(value_type = Object)]
    pub details: Map<String, Value>,
    /// About the person who did it, such as the address they came from; null when there is nothing, or they were erased.
    #[schema(value_type = Option<Object>)]
    pub personal: Option<Map<String, Value>>,
    pub request_id: Option<RequestId>,
    pub occurred_at: Timestamp,
}

/// Which entries are wanted: those that fit everything that is said.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub actor_id: Option<String>,
    pub action: Option<String>,
    pub target_id: Option<String>,
}

/// Characters of what an entry is sought by.
const MAX_SOUGHT_CHARS: usize = 255;

/// The workspace's entries, newest first.
///
/// # Errors
/// `permission_denied`, `validation_failed`.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<AuditEntry>> {
    caller.require(Permission::AuditRead)?;
    let sought = [
        ("actor_id", &filter.actor_id),
        ("action", &filter.action),
        ("target_id", &filter.target_id),
    ];
    for (field, text) in sought {
        check_text(field, text.as_deref().unwrap_or_default(), 0, MAX_SOUGHT_CHARS)?;
    }
    let page = app
        .db()
        .of(caller.tenant())
        .read(|mut tx| async move { store::list(&mut tx, filter, page).await })
        .await?;
    personal::open(app, caller.workspace(), page).await
}
