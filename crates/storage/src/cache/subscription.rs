//! Listening to a channel. The listener drives its own connection: there is no task to stop, and dropping it is enough.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{ErrorKind, RedisError, RedisResult};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::redis::STEP_TIMEOUT;

/// A silent connection is asked whether it is still there this often: a revocation may not wait longer.
const PING_INTERVAL: Duration = Duration::from_secs(1);
const RECONNECT_INTERVAL: Duration = Duration::from_millis(250);

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    Message(Bytes),
    /// Messages may have been lost: treat everything that they could have said as changed.
    Missed,
}

/// A listener on one channel, made by [`super::Cache::subscribe`].
pub struct Subscription {
    source: Source,
}

enum Source {
    Memory(broadcast::Receiver<Bytes>),
    Server(Box<ServerSource>),
}

impl Subscription {
    pub(super) fn in_memory(receiver: broadcast::Receiver<Bytes>) -> Self {
        Subscription {
            source: Source::Memory(receiver),
        }
    }

    pub(super) async fn on_server(client: redis::Client, channel: String) -> Self {
        let mut source = ServerSource {
            client,
            channel,
            link: None,
            retry_at: Instant::now(),
        };
        source.connect().await;
        Subscription {
            source: Source::Server(Box::new(source)),
        }
    }

    /// Waits for the next notice; None when the cache it belongs to is gone. Giving up waiting loses nothing, so it may
    /// stand in a `select!`.
    pub async fn next(&mut self) -> Option<Notice> {
        match &mut self.source {
            Source::Memory(receiver) => match receiver.recv().await {
                Ok(message) => Some(Notice::Message(message)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some(Notice::Missed),
                Err(broadcast::error::RecvError::Closed) => None,
            },
            Source::Server(source) => Some(source.next().await),
        }
    }
}

struct ServerSource {
    client: redis::Client,
    channel: String,
    link: Option<Link>,
    /// Not before this is the next attempt to connect made.
    retry_at: Instant,
}

struct Link {
    sink: PubSubSink,
    messages: PubSubStream,
    heard_at: Instant,
}

impl ServerSource {
    async fn next(&mut self) -> Notice {
        loop {
            let Some(link) = &mut self.link else {
                tokio::time::sleep_until(self.retry_at).await;
                if self.connect().await {
                    return Notice::Missed;
                }
                continue;
            };
            let ping_at = link.heard_at + PING_INTERVAL;
            match tokio::time::timeout_at(ping_at, link.messages.next()).await {
                Ok(Some(message)) => {
                    link.heard_at = Instant::now();
                    return Notice::Message(Bytes::copy_from_slice(message.get_payload_bytes()));
                }
                Ok(None) => self.link = None,
                Err(_) => match bounded(link.sink.ping::<redis::Value>()).await {
                    Ok(_) => link.heard_at = Instant::now(),
                    Err(error) => {
                        tracing::warn!(%error, channel = self.channel, "lost the cache server; listening again soon");
                        self.link = None;
                    }
                },
            }
        }
    }

    /// True when it listens now.
    async fn connect(&mut self) -> bool {
        self.retry_at = Instant::now() + RECONNECT_INTERVAL;
        match bounded(open_link(&self.client, &self.channel)).await {
            Ok(link) => {
                self.link = Some(link);
                true
            }
            Err(error) => {
                tracing::debug!(%error, channel = self.channel, "the cache server does not answer");
                false
            }
        }
    }
}

async fn open_link(client: &redis::Client, channel: &str) -> RedisResult<Link> {
    let (mut sink, messages) = client.get_async_pubsub().await?.split();
    sink.subscribe(channel).await?;
    Ok(Link {
        sink,
        messages,
        heard_at: Instant::now(),
    })
}

async fn bounded<T>(step: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    match tokio::time::timeout(STEP_TIMEOUT, step).await {
        Ok(done) => done,
        Err(_) => Err(RedisError::from((ErrorKind::Io, "no answer in time"))),
    }
}
