//! How a node reaches the simulated database. This stands in for `storage::Db::write_locked` and its loop.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use types::id::NodeId;
use types::{Result, Timestamp};
use uuid::Uuid;

use super::server::{Lock, Shared, TxNo, lock};
use super::statements::Statements;
use crate::Shop;
use crate::rate_limits::RateLimits;
use crate::usage::commit::Database;

/// As in `storage`.
const MAX_ATTEMPTS: u32 = 12;

/// A node's way to the database, and its clock.
#[derive(Clone)]
pub(super) struct Node {
    pub server: Shared,
    pub number: u128,
    /// How far its clock is ahead.
    pub ahead_micros: i64,
}

/// A transaction as its client holds it. Whoever drops it without an end, as a node does that stops, leaves it to the server
/// to notice.
struct Connection {
    server: Shared,
    no: TxNo,
}

impl Drop for Connection {
    fn drop(&mut self) {
        lock(&self.server).abandon(self.no);
    }
}

/// Lets everybody else go first.
pub(super) async fn pause() {
    let mut was_here = false;
    poll_fn(|_| match std::mem::replace(&mut was_here, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

#[async_trait]
impl Database for Node {
    type Tx = Statements;

    fn node(&self) -> NodeId {
        NodeId::from_uuid(Uuid::from_u128(self.number))
    }

    fn now(&self) -> Timestamp {
        let now = lock(&self.server).now;
        Timestamp::from_micros(now.as_micros() + self.ahead_micros)
    }

    /// None: a node keeps them in memory, so there is nothing about them that a fault could break.
    async fn rate_limits(&self, _: Shop) -> Result<Arc<RateLimits>> {
        Ok(Arc::default())
    }

    async fn write_locked<T, F, Fut>(&self, mut work: F) -> Result<T>
    where
        T: Send,
        F: FnMut(Statements) -> Fut + Send,
        Fut: Future<Output = Result<T>> + Send,
    {
        let mut attempt = 1;
        loop {
            let connection = self.begin().await?;
            let outcome = work(Statements::new(&self.server, connection.no)).await;
            let has_lost = lock(&self.server).has_lost(connection.no);
            match outcome {
                Ok(answer) => {
                    connection.commit().await?;
                    return Ok(answer);
                }
                Err(_) if has_lost && attempt < MAX_ATTEMPTS => {
                    lock(&self.server).roll_back(connection.no);
                    attempt += 1;
                    pause().await;
                }
                Err(error) => {
                    lock(&self.server).roll_back(connection.no);
                    return Err(error);
                }
            }
        }
    }
}

impl Node {
    async fn begin(&self) -> Result<Connection> {
        pause().await;
        let no = lock(&self.server).begin()?;
        let connection = Connection {
            server: self.server.clone(),
            no,
        };
        connection.writer().await?;
        Ok(connection)
    }
}

impl Connection {
    /// On SQLite everybody waits for the one writer.
    async fn writer(&self) -> Result<()> {
        if lock(&self.server).has_one_writer() {
            poll_fn(|_| lock(&self.server).try_lock(self.no, &Lock::Writer)).await?;
        }
        Ok(())
    }

    async fn commit(&self) -> Result<()> {
        pause().await;
        lock(&self.server).ask_commit(self.no)?;
        poll_fn(|_| lock(&self.server).answer_commit(self.no)).await
    }
}
