//! Events: what happened, told to whoever subscribed. An event is written in the transaction of what it tells; a dispatcher
//! turns it into one job for each subscriber. So an event is never lost and never premature, and a subscriber sees it at
//! least once.

mod store;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::{Reason, Scope, System, Tx};
use types::id::{EventId, PlatformId, WorkspaceId};
use types::{Error, Mode, Result, Timestamp};

use crate::app::App;
use crate::jobs::{self, Job, JobContext};

/// Something that happened. The names are those of CloudEvents where it has one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    pub id: EventId,
    /// `noun.verb_past`, such as `subscription.created`.
    #[serde(rename = "type")]
    pub kind: String,
    pub workspace: Option<WorkspaceId>,
    pub platform: Option<PlatformId>,
    pub mode: Option<Mode>,
    /// What it happened to, by id. Order is promised per object, by `sequence`.
    pub object: String,
    pub occurred_at: Timestamp,
    /// Grows with every event of the same object; given when the event is dispatched.
    pub sequence: i64,
    /// The resource as the API shows it.
    pub data: Value,
}

/// What an operation knows of an event when it emits it.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub kind: &'static str,
    pub platform: Option<PlatformId>,
    pub mode: Option<Mode>,
    pub object: String,
    pub data: Value,
}

impl NewEvent {
    /// An event about `object`, with the resource as the API shows it.
    ///
    /// # Errors
    /// Internal, when the resource cannot be JSON.
    pub fn new(kind: &'static str, object: impl ToString, resource: &impl Serialize) -> Result<Self> {
        let data = serde_json::to_value(resource).map_err(Error::internal)?;
        Ok(NewEvent {
            kind,
            platform: None,
            mode: None,
            object: object.to_string(),
            data,
        })
    }

    /// The platform and mode that the object belongs to.
    pub fn of_platform(mut self, platform: PlatformId, mode: Mode) -> Self {
        (self.platform, self.mode) = (Some(platform), Some(mode));
        self
    }
}

/// Writes an event in the caller's transaction.
pub async fn emit<S: Scope>(tx: &mut Tx<S>, event: NewEvent, now: Timestamp) -> Result<EventId> {
    let workspace = tx.scope().workspace();
    write(tx, workspace, event, now).await
}

/// Writes an event of a workspace from a transaction that serves many: the group commit of usage.
pub async fn emit_for(
    tx: &mut Tx<System>,
    workspace: WorkspaceId,
    event: NewEvent,
    now: Timestamp,
) -> Result<EventId> {
    write(tx, Some(workspace), event, now).await
}

async fn write<S: Scope>(
    tx: &mut Tx<S>,
    workspace: Option<WorkspaceId>,
    event: NewEvent,
    now: Timestamp,
) -> Result<EventId> {
    let id = store::insert(tx, workspace, &event, now).await?;
    tx.announce_work();
    Ok(id)
}

type Handle =
    Arc<dyn Fn(App, JobContext, Event) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync>;

/// Somebody who wants to know of events.
#[derive(Clone)]
pub struct Subscriber {
    /// Stable: it is stored in the jobs that carry events to it.
    name: &'static str,
    /// The types of events it wants.
    kinds: &'static [&'static str],
    handle: Handle,
}

impl Subscriber {
    pub fn new<F, Fut>(name: &'static str, kinds: &'static [&'static str], handle: F) -> Self
    where
        F: Fn(App, JobContext, Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        let handle: Handle = Arc::new(move |app, context, event| Box::pin(handle(app, context, event)));
        Subscriber { name, kinds, handle }
    }
}

/// Carries one event to one subscriber.
#[derive(Serialize, Deserialize)]
pub(crate) struct HandleEvent {
    subscriber: String,
    event: EventId,
}

impl Job for HandleEvent {
    const KIND: &'static str = "runtime.handle_event";

    async fn run(self, app: App, context: JobContext) -> Result<()> {
        let Some(subscriber) = app
            .subscribers()
            .iter()
            .find(|known| known.name == self.subscriber)
            .cloned()
        else {
            return Err(Error::internal(format!(
                "no subscriber is called {}",
                self.subscriber
            )));
        };
        let id = self.event;
        let system = app.issuer().system(Reason::Jobs);
        let event = app
            .db()
            .of(system)
            .read(|mut tx| async move { store::get(&mut tx, id).await })
            .await?;
        (subscriber.handle)(app.clone(), context, event).await
    }
}

/// Events dispatched in one transaction.
const BATCH: u32 = 200;

/// Turns waiting events into jobs of their subscribers. The number of events.
pub(crate) async fn dispatch(app: &App, workspace: Option<WorkspaceId>) -> Result<u64> {
    let now = app.now();
    app.db()
        .of(app.issuer().system(Reason::Jobs))
        .write_locked(|mut tx| async move {
            store::lock_dispatch(&mut tx).await?;
            let events = store::waiting(&mut tx, workspace, BATCH).await?;
            for event in &events {
                store::mark_dispatched(&mut tx, event, now).await?;
                let wanted = app
                    .subscribers()
                    .iter()
                    .filter(|known| known.kinds.contains(&event.kind.as_str()));
                for subscriber in wanted {
                    let job = HandleEvent {
                        subscriber: subscriber.name.to_owned(),
                        event: event.id,
                    };
                    jobs::enqueue_for(&mut tx, event.workspace, &job, now).await?;
                }
            }
            Ok(events.len() as u64)
        })
        .await
}
