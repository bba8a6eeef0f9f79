//! The group commit. One task drains the queue of waiting orders and decides them all in one locked transaction; they are
//! answered after its commit. While a batch commits, the next one gathers: there is no timer, and a lone order waits for
//! nobody.

mod answer;
mod batch;
mod config;
mod decide;
mod prepare;

use std::sync::{Arc, Mutex, PoisonError};

use runtime::App;
use storage::{Dialect, Reason, System};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use types::{Error, ErrorCode, Result};

pub(super) use self::answer::{Answer, gate_refusal};
pub(crate) use self::answer::{LimitedBy, Used};
pub(super) use self::batch::{Desk, load_book};
pub(super) use self::config::{Purpose, load};
pub(super) use self::prepare::{Metered, Ready, ReadyUse, Rules, Stage, Wanted, prepare};

use super::order::Order;

/// Orders that may wait; more are told to try again.
const MAX_WAITING: usize = 8_192;
/// Orders of one transaction: bounds how long the first of them waits.
const MAX_BATCH: usize = 512;
/// Batches that PostgreSQL is given at a time: one is decided while the other is made durable. SQLite has one writer.
const IN_FLIGHT: usize = 2;

/// The door to the group commit.
pub struct Committer {
    queue: mpsc::Sender<Waiting>,
    waiting: Mutex<Option<mpsc::Receiver<Waiting>>>,
    desk: Arc<Desk>,
}

/// An order, and where its answer goes.
struct Waiting {
    order: Order,
    answer: oneshot::Sender<Result<Answer>>,
}

impl Default for Committer {
    fn default() -> Self {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        Committer {
            queue,
            waiting: Mutex::new(Some(waiting)),
            desk: Arc::default(),
        }
    }
}

impl Committer {
    /// Decides an order together with those that wait, and answers when it is durable.
    pub(super) async fn commit(&self, order: Order) -> Result<Answer> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .try_send(Waiting { order, answer })
            .map_err(|_| too_many())?;
        answered.await.map_err(|_| stopping())?
    }

    /// As [`Committer::commit`], for many: all of them wait, or none does.
    pub(super) async fn commit_all(&self, orders: Vec<Order>) -> Result<Vec<Result<Answer>>> {
        let places = self
            .queue
            .try_reserve_many(orders.len())
            .map_err(|_| too_many())?;
        let mut answers = Vec::with_capacity(orders.len());
        for (place, order) in places.zip(orders) {
            let (answer, answered) = oneshot::channel();
            place.send(Waiting { order, answer });
            answers.push(answered);
        }
        let mut outcomes = Vec::with_capacity(answers.len());
        for answered in answers {
            outcomes.push(answered.await.unwrap_or_else(|_| Err(stopping())));
        }
        Ok(outcomes)
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
        let mut batch = Vec::new();
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
            drop(turn);
            // Whoever has a turn is answered before the task ends.
            let _ = turns.acquire_many(in_flight as u32).await;
            return;
        }
        tokio::spawn(serve(app.clone(), committer.desk.clone(), batch, turn));
    }
}

async fn serve(app: App, desk: Arc<Desk>, batch: Vec<Waiting>, turn: OwnedSemaphorePermit) {
    let (orders, waiting): (Vec<Order>, Vec<_>) = batch
        .into_iter()
        .map(|waiting| (waiting.order, waiting.answer))
        .unzip();
    let answers = match desk.commit(&app, &orders).await {
        Ok(answers) => answers,
        // One order that cannot be decided must not take the others down with it.
        Err(error) if !may_pass(&error) && orders.len() > 1 => one_by_one(&app, &desk, &orders).await,
        Err(error) => {
            tracing::warn!(?error, calls = orders.len(), "a batch of usage was not committed");
            orders.iter().map(|_| Err(same(&error))).collect()
        }
    };
    drop(turn);
    for (waiting, answer) in waiting.into_iter().zip(answers) {
        // Whoever has gone away asks again under the same key.
        let _ = waiting.send(answer);
    }
}

async fn one_by_one(app: &App, desk: &Desk, orders: &[Order]) -> Vec<Result<Answer>> {
    let mut answers = Vec::with_capacity(orders.len());
    for order in orders {
        let alone = desk.commit(app, std::slice::from_ref(order)).await;
        answers.push(alone.and_then(|mut one| one.pop().unwrap_or_else(|| Err(lost()))));
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
