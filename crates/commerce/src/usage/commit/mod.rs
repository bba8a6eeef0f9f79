//! The group commit. One task drains the queue of waiting orders and decides them all in one locked transaction; they are
//! answered after its commit. While a batch commits, the next one gathers: there is no timer, and a lone order waits for
//! nobody.

mod answer;
mod batch;
mod config;
mod decide;
mod later;
mod memory;
mod prepare;
mod prepare_use;
mod ready;
mod rows;

use std::sync::{Arc, Mutex, PoisonError};

use runtime::App;
use storage::{Dialect, Reason, System};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use types::{Error, ErrorCode, Result};

pub(super) use self::answer::{Answer, gate_refusal};
pub(crate) use self::answer::{LimitedBy, Used, whole_secs};
pub(super) use self::batch::{Desk, load_book};
pub(super) use self::config::{Purpose, load};
pub(super) use self::prepare::{Rules, prepare};
pub(super) use self::ready::{Metered, Ready, ReadyUse, Stage, Wanted};
pub(super) use self::rows::Database;
#[cfg(test)]
pub(super) use self::{
    config::{CALLS, is_gated},
    decide::Writes,
    rows::Rows,
};

use super::order::Order;

/// Orders that may wait; more are told to try again.
const MAX_WAITING: usize = 8_192;
/// Orders of one transaction, unless one caller alone sends more: bounds how long the first of them waits.
const MAX_BATCH: usize = 512;
/// Batches that PostgreSQL is given at a time: one is decided while the other is made durable. SQLite has one writer.
const IN_FLIGHT: usize = 2;

/// The door to the group commit.
pub struct Committer {
    queue: mpsc::UnboundedSender<Waiting>,
    waiting: Mutex<Option<mpsc::UnboundedReceiver<Waiting>>>,
    /// A permit for each order that may wait.
    room: Arc<Semaphore>,
    desk: Arc<Desk>,
}

/// Orders of one caller, which are decided one after the other, and where their answers go.
struct Waiting {
    orders: Vec<Order>,
    answers: oneshot::Sender<Vec<Result<Answer>>>,
    room: OwnedSemaphorePermit,
}

impl Default for Committer {
    fn default() -> Self {
        let (queue, waiting) = mpsc::unbounded_channel();
        Committer {
            queue,
            waiting: Mutex::new(Some(waiting)),
            room: Arc::new(Semaphore::new(MAX_WAITING)),
            desk: Arc::default(),
        }
    }
}

impl Committer {
    /// Decides an order together with those that wait, and answers when it is durable.
    pub(super) async fn commit(&self, order: Order) -> Result<Answer> {
        let answer = self.commit_all(vec![order]).await?.pop();
        answer.unwrap_or_else(|| Err(lost()))
    }

    /// As [`Committer::commit`], for many, in their order: all of them wait, or none does.
    pub(super) async fn commit_all(&self, orders: Vec<Order>) -> Result<Vec<Result<Answer>>> {
        let count = u32::try_from(orders.len()).map_err(|_| too_many())?;
        let room = self
            .room
            .clone()
            .try_acquire_many_owned(count)
            .map_err(|_| too_many())?;
        let (answers, answered) = oneshot::channel();
        let waiting = Waiting {
            orders,
            answers,
            room,
        };
        self.queue.send(waiting).map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())
    }

    /// What is remembered of customers and features, for a check.
    pub(super) fn desk(&self) -> &Desk {
        &self.desk
    }
}

fn too_many() -> Error {
    Error::unavailable("Too many calls are waiting to be counted. This one was not; try again in a moment.")
}

fn stopping() -> Error {
    Error::new(
        ErrorCode::OutcomeUnknown,
        "The server is stopping. Retry with the same idempotency key.",
    )
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
    let in_flight = match app.db().dialect() {
        Dialect::Sqlite => 1,
        Dialect::Postgres => IN_FLIGHT,
    };
    let turns = Arc::new(Semaphore::new(in_flight));
    loop {
        let Ok(turn) = turns.clone().acquire_owned().await else {
            return;
        };
        let first = tokio::select! {
            biased;
            first = queue.recv() => first,
            () = stop.cancelled() => {
                // What has been sent is still answered; nothing new gets in.
                queue.close();
                queue.recv().await
            }
        };
        let Some(first) = first else {
            drop(turn);
            // Whoever has a turn is answered before the task ends.
            let _ = turns.acquire_many(in_flight as u32).await;
            return;
        };
        let mut orders = first.orders.len();
        let mut batch = vec![first];
        while orders < MAX_BATCH
            && let Ok(next) = queue.try_recv()
        {
            orders += next.orders.len();
            batch.push(next);
        }
        tokio::spawn(serve(app.clone(), committer.desk.clone(), batch, turn));
    }
}

async fn serve(app: App, desk: Arc<Desk>, batch: Vec<Waiting>, turn: OwnedSemaphorePermit) {
    let (mut orders, mut callers) = (Vec::new(), Vec::with_capacity(batch.len()));
    for waiting in batch {
        callers.push((waiting.orders.len(), waiting.answers));
        orders.extend(waiting.orders);
        drop(waiting.room);
    }
    let answers = commit_in_parts(&app, &desk, &orders).await;
    drop(turn);
    let mut answers = answers.into_iter();
    for (count, caller) in callers {
        // Whoever has gone away asks again under the same key.
        let _ = caller.send(answers.by_ref().take(count).collect());
    }
}

/// Commits orders together. One that cannot be decided must not take the others down with it, nor make each of them wait for a
/// commit of its own: what fails together is tried in halves.
pub(super) async fn commit_in_parts(
    db: &impl Database,
    desk: &Desk,
    orders: &[Order],
) -> Vec<Result<Answer>> {
    let mut answers = Vec::with_capacity(orders.len());
    let mut parts = vec![orders];
    while let Some(part) = parts.pop() {
        match desk.commit(db, part).await {
            Ok(some) => answers.extend(some),
            Err(error) if may_pass(&error) => {
                tracing::warn!(?error, calls = part.len(), "a batch of usage was not committed");
                answers.extend(part.iter().map(|_| Err(same(&error))));
            }
            Err(error) if part.len() == 1 => answers.push(Err(error)),
            Err(error) => {
                tracing::warn!(
                    ?error,
                    calls = part.len(),
                    "a batch of usage failed; it is tried in halves"
                );
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([second, first]);
            }
        }
    }
    answers
}

/// Whether the error is of the moment, and would be every order's. Any other is that of some order of the batch.
fn may_pass(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::Unavailable | ErrorCode::OutcomeUnknown)
}

fn lost() -> Error {
    Error::internal("a batch of one order has no answer")
}

/// The same error for another order of the batch.
fn same(error: &Error) -> Error {
    let again = Error::new(error.code(), error.detail());
    match error.retry_after_secs() {
        Some(secs) => again.with_retry_after(secs),
        None => again,
    }
}

/// The scope in which usage of every workspace is counted.
pub(super) fn system(app: &App) -> System {
    app.issuer().system(Reason::UsageBatch)
}
