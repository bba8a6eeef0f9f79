//! The group commit. One task drains the queue of waiting calls, decides them all in one locked transaction, and answers
//! after its commit. While a batch commits, the next one gathers: there is no timer, and a lone call waits for nobody.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use ledger::{Book, Decision, Overlay, decide};
use runtime::App;
use runtime::outbox::{self, NewEvent as OutboxEvent};
use storage::{Reason, System, Tx};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use types::id::{UsageBatchId, UsageEventId};
use types::{Error, ErrorCode, Result, Timestamp};

use super::order::Order;
use super::resolve::{Memory, Ready, Resolved};
use super::store::{self, NewEvent, Replay};
use super::{Consumed, Usage};
use crate::Shop;

/// Calls that may wait; more are told to try again.
const MAX_WAITING: usize = 8_192;
/// Calls of one transaction: bounds how long the first of them waits.
const MAX_BATCH: usize = 512;

/// The door to the group commit.
pub struct Committer {
    queue: mpsc::Sender<Waiting>,
    waiting: Mutex<Option<mpsc::Receiver<Waiting>>>,
}

/// A call, and where its answer goes.
struct Waiting {
    order: Order,
    arrived_at: Timestamp,
    answer: oneshot::Sender<Result<Consumed>>,
}

impl Default for Committer {
    fn default() -> Self {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        Committer {
            queue,
            waiting: Mutex::new(Some(waiting)),
        }
    }
}

impl Committer {
    pub(super) async fn commit(&self, order: Order, now: Timestamp) -> Result<Consumed> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            order,
            arrived_at: now,
            answer,
        };
        self.queue.try_send(waiting).map_err(|_| {
            Error::unavailable(
                "Too many calls are waiting to be counted. This one was not; try again in a moment.",
            )
        })?;
        answered.await.map_err(|_| {
            Error::new(
                ErrorCode::OutcomeUnknown,
                "The server is stopping. Retry with the same idempotency key.",
            )
        })?
    }
}

/// The task of every node that serves the queue, until it is empty after `stop`.
pub(crate) async fn run(app: App, stop: CancellationToken) {
    let Ok(committer) = app.service::<Committer>() else {
        return;
    };
    let queue = committer
        .waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let Some(mut queue) = queue else { return };
    let mut batch = Vec::new();
    loop {
        let received = tokio::select! {
            biased;
            received = queue.recv_many(&mut batch, MAX_BATCH) => received,
            () = stop.cancelled() => {
                // What has been sent is still answered; nothing new gets in.
                queue.close();
                queue.recv_many(&mut batch, MAX_BATCH).await
            }
        };
        if received == 0 {
            return;
        }
        serve(&app, std::mem::take(&mut batch)).await;
    }
}

async fn serve(app: &App, batch: Vec<Waiting>) {
    let orders: Vec<(Order, Timestamp)> = batch
        .iter()
        .map(|waiting| (waiting.order.clone(), waiting.arrived_at))
        .collect();
    let answers = match commit(app, &orders).await {
        Ok(answers) => answers,
        // One call that cannot be decided must not take the others down with it.
        Err(error) if !may_pass(&error) && orders.len() > 1 => {
            let mut answers = Vec::with_capacity(orders.len());
            for order in &orders {
                let alone = commit(app, std::slice::from_ref(order)).await;
                answers.push(alone.and_then(|mut one| one.pop().unwrap_or_else(|| Err(lost()))));
            }
            answers
        }
        Err(error) => {
            tracing::warn!(?error, calls = orders.len(), "a batch of usage was not committed");
            orders.iter().map(|_| Err(same(&error))).collect()
        }
    };
    for (waiting, answer) in batch.into_iter().zip(answers) {
        // Whoever has gone away asks again under the same key.
        let _ = waiting.answer.send(answer);
    }
}

/// Whether the error is of the moment, and would be every call's. Any other is that of some call of the batch.
fn may_pass(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::Unavailable | ErrorCode::OutcomeUnknown)
}

fn lost() -> Error {
    Error::internal("a batch of one call has no answer")
}

/// The same error for another call of the batch.
fn same(error: &Error) -> Error {
    let again = Error::new(error.code(), error.detail());
    match error.retry_after_secs() {
        Some(secs) => again.with_retry_after(secs),
        None => again,
    }
}

pub(super) fn system(app: &App) -> System {
    app.issuer().system(Reason::UsageBatch)
}

/// Decides and commits a batch; the answers are in its order. An error is about the whole batch: nothing of it was
/// counted, unless the error is `outcome_unknown`.
async fn commit(app: &App, orders: &[(Order, Timestamp)]) -> Result<Vec<Result<Consumed>>> {
    let (batch, node, now) = (UsageBatchId::generate(), app.node().id, app.now());
    let answers = Mutex::new(Vec::new());
    let outcome = app
        .db()
        .of(system(app))
        .write_locked(|mut tx| {
            let answers = &answers;
            async move {
                let decided = decide_batch(&mut tx, batch, orders, now).await?;
                store::claim_batch(&mut tx, batch, node, now).await?;
                *answers.lock().unwrap_or_else(PoisonError::into_inner) = decided;
                Ok(())
            }
        })
        .await;
    let answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    match outcome {
        Ok(()) => Ok(answers),
        // Refused before the end: there was no commit.
        Err(error) if answers.is_empty() => Err(error),
        Err(error) => match was_committed(app, batch).await {
            Ok(true) => Ok(answers),
            Ok(false) => Err(error),
            Err(_) => Err(Error::new(
                ErrorCode::OutcomeUnknown,
                "The database did not say whether this was counted. Retry with the same idempotency key.",
            )
            .with_retry_after(1)),
        },
    }
}

/// Decides whether a commit that broke off took place, for good.
async fn was_committed(app: &App, batch: UsageBatchId) -> Result<bool> {
    let (node, now) = (app.node().id, app.now());
    let claimed = app
        .db()
        .of(system(app))
        .write_locked(|mut tx| async move { store::claim_batch(&mut tx, batch, node, now).await })
        .await?;
    Ok(!claimed)
}

/// What an order has come to while its batch is decided.
enum Stage {
    Open(Box<Ready>),
    Done(Box<Result<Consumed>>),
}

async fn decide_batch(
    tx: &mut Tx<System>,
    batch: UsageBatchId,
    orders: &[(Order, Timestamp)],
    now: Timestamp,
) -> Result<Vec<Result<Consumed>>> {
    let mut memory = Memory::default();
    let mut stages = Vec::with_capacity(orders.len());
    for (order, arrived_at) in orders {
        stages.push(stage(tx, &mut memory, order, *arrived_at).await?);
    }
    let keys: BTreeSet<_> = stages
        .iter()
        .filter_map(|stage| match stage {
            Stage::Open(ready) => Some(ready.counters()),
            Stage::Done(_) => None,
        })
        .flatten()
        .collect();
    let mut book = Book::new();
    for key in &keys {
        let state = store::lock_counter(tx, key, now).await?;
        book.load_counter(*key, Some(state));
    }
    let mut batch_of = Decided {
        overlay: Overlay::begin(&book),
        events: Vec::new(),
        replays: Vec::new(),
        granted: HashMap::new(),
        warnings: Vec::new(),
    };
    let mut answers = Vec::with_capacity(orders.len());
    for ((order, arrived_at), stage) in orders.iter().zip(stages) {
        answers.push(match stage {
            Stage::Done(answer) => *answer,
            Stage::Open(ready) => batch_of.decide(order, *ready, *arrived_at)?,
        });
    }
    let Decided {
        overlay,
        events,
        replays,
        warnings,
        ..
    } = batch_of;
    for (key, state) in &overlay.into_changes().counters {
        store::write_counter(tx, key, state, now).await?;
    }
    store::insert_events(tx, batch, &events).await?;
    store::add_to_hours(tx, &events).await?;
    store::insert_replays(tx, &replays, now).await?;
    for (shop, event) in warnings {
        outbox::emit_for(tx, shop.workspace, event, now).await?;
    }
    Ok(answers)
}

/// Looks for an earlier answer, and for what the decision needs. An outer error is the database's, an inner one the order's.
async fn stage(tx: &mut Tx<System>, memory: &mut Memory, order: &Order, now: Timestamp) -> Result<Stage> {
    if let Some(key) = &order.key
        && let Some(replay) = store::find_replay(tx, order.shop, &key.text).await?
    {
        return Ok(done(replayed(&replay, &key.fingerprint)));
    }
    match memory.resolve(tx, order, now).await {
        Ok(Resolved::Open(ready)) => Ok(Stage::Open(ready)),
        Ok(Resolved::Unready(refusal)) => Ok(done(Err(refusal))),
        Ok(Resolved::Refused {
            customer,
            scale,
            units,
            code,
        }) => {
            let decision = Decision::refused(code, now);
            let usage = Usage::from_decision(order, customer, scale, &decision, units);
            Ok(done(Err(usage.refusal())))
        }
        Err(error) if matches!(error.code(), ErrorCode::Internal | ErrorCode::Unavailable) => Err(error),
        Err(error) => Ok(done(Err(error))),
    }
}

fn done(answer: Result<Consumed>) -> Stage {
    Stage::Done(Box::new(answer))
}

fn replayed(replay: &Replay, fingerprint: &[u8; 32]) -> Result<Consumed> {
    if replay.fingerprint != fingerprint {
        return Err(Error::new(
            ErrorCode::IdempotencyKeyReused,
            "This idempotency key was used for another call. Make a new key for a new call.",
        ));
    }
    let usage = serde_json::from_str(&replay.outcome).map_err(Error::internal)?;
    Ok(Consumed {
        usage,
        replayed: true,
    })
}

/// What a batch has decided so far.
struct Decided<'a> {
    overlay: Overlay<'a>,
    events: Vec<NewEvent>,
    replays: Vec<Replay>,
    /// Where in `replays` a key of this very batch is.
    granted: HashMap<(Shop, String), usize>,
    warnings: Vec<(Shop, OutboxEvent)>,
}

impl Decided<'_> {
    fn decide(&mut self, order: &Order, ready: Ready, now: Timestamp) -> Result<Result<Consumed>> {
        if let Some(key) = &order.key
            && let Some(place) = self.granted.get(&(order.shop, key.text.clone()))
        {
            return Ok(replayed(&self.replays[*place], &key.fingerprint));
        }
        let mut draft = Overlay::begin(&self.overlay);
        let gate = match &ready.gate {
            None => None,
            Some(gate) => Some(decide(&mut draft, &gate.request, now).map_err(Error::internal)?),
        };
        if let Some(refusal) = gate.as_ref().filter(|decision| !decision.is_granted()) {
            return Ok(Err(gate_refusal(refusal, &ready)));
        }
        let decision = decide(&mut draft, &ready.request, now).map_err(Error::internal)?;
        let mut usage = Usage::from_decision(order, ready.customer, ready.scale, &decision, ready.units);
        if !decision.is_granted() {
            return Ok(Err(usage.refusal()));
        }
        let changes = draft.into_changes();
        self.overlay.merge(changes);
        let id = UsageEventId::generate();
        usage.event = Some(id);
        self.record(order, &ready, &usage, &decision, id, now)?;
        Ok(Ok(Consumed {
            usage,
            replayed: false,
        }))
    }

    fn record(
        &mut self,
        order: &Order,
        ready: &Ready,
        usage: &Usage,
        decision: &Decision,
        id: UsageEventId,
        now: Timestamp,
    ) -> Result<()> {
        for threshold in &usage.thresholds_reached {
            let data = serde_json::json!({
                "customer": ready.customer, "feature": order.feature, "threshold_percent": threshold,
                "used": usage.used, "limit": usage.limit, "reset_at": usage.reset_at,
            });
            let event = OutboxEvent::new("usage.threshold_reached", ready.customer, &data)?
                .of_platform(order.shop.platform, order.shop.mode);
            self.warnings.push((order.shop, event));
        }
        self.events.push(NewEvent {
            id,
            shop: order.shop,
            customer: ready.customer,
            end_user: ready.end_user,
            feature: ready.feature,
            units: ready.units,
            at: now,
            outcome: serde_json::to_string(&decision.allocations).map_err(Error::internal)?,
        });
        if let Some(key) = &order.key {
            self.granted
                .insert((order.shop, key.text.clone()), self.replays.len());
            self.replays.push(Replay {
                shop: order.shop,
                key: key.text.clone(),
                fingerprint: key.fingerprint.to_vec(),
                event: id,
                outcome: serde_json::to_string(usage).map_err(Error::internal)?,
            });
        }
        Ok(())
    }
}

/// The workspace's own plan has no room for another live call.
pub(super) fn gate_refusal(decision: &Decision, ready: &Ready) -> Error {
    let plan = ready.gate.as_ref().map_or("", |gate| gate.plan.as_str());
    let view = decision.counters.last();
    let limit = view.and_then(|view| view.limit).unwrap_or_default();
    Error::new(
        ErrorCode::PlanLimitReached,
        format!(
            "The workspace's own plan ({plan}) includes {limit} live calls a month, and they are used up. Upgrade the \
             workspace, or use a test key."
        ),
    )
    .with_member("feature", super::resolve::CALLS)
    .with_member("limit", limit)
    .with_member("used", view.map_or(0, |view| view.used))
    .with_member("plan", plan)
    .with_member("reset_at", serde_json::to_value(view.and_then(|view| view.reset_at)).unwrap_or_default())
}
