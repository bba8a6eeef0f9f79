//! What may be forgotten: cached answers, shared rate limits and the word that something changed, in this process's
//! memory or in Valkey/Redis for several nodes.
//!
//! Nothing here is ever the authority for money, quota or queues: every entry may vanish at any moment and every call
//! may fail with `unavailable`, which a caller may treat as a miss. A failing call returns within half a second.

mod memory;
mod redis;
mod subscription;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use secrecy::SecretString;
use types::{Error, Result, Timestamp};

use self::memory::MemoryCache;
use self::redis::RedisCache;
pub use self::subscription::{Notice, Subscription};

/// Longer times to live are cut to this.
pub const MAX_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The highest number that Lua, which counts in doubles, can tell from its neighbours.
const MAX_EXACT: i64 = 1 << 53;

/// Where the cache is kept.
#[derive(Debug, Clone)]
pub enum CacheConfig {
    /// In this process: one node.
    Memory {
        /// Keys, values and bookkeeping together; the least recently used go first.
        max_bytes: u64,
    },
    /// In Valkey or Redis: any number of nodes.
    Redis {
        /// `redis://user:password@host:port/db`, or `rediss://` for TLS.
        url: SecretString,
        /// Stands before every key and channel, so that several installations can share a server.
        prefix: String,
    },
}

/// Whose keys they are: a constant beside the code that owns them, so that no two parts meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Namespace(&'static str);

impl Namespace {
    /// For a `const`: the name is `a`–`z` and `_`, anything else does not compile.
    pub const fn new(name: &'static str) -> Self {
        assert!(is_name(name.as_bytes()), "a cache namespace is made of a-z and _");
        Namespace(name)
    }
}

/// What subscribers listen to: a constant beside the code that owns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Channel(&'static str);

impl Channel {
    /// For a `const`: the name is `a`–`z` and `_`, anything else does not compile.
    pub const fn new(name: &'static str) -> Self {
        assert!(is_name(name.as_bytes()), "a cache channel is made of a-z and _");
        Channel(name)
    }
}

const fn is_name(name: &[u8]) -> bool {
    let mut i = 0;
    while i < name.len() {
        if !(name[i].is_ascii_lowercase() || name[i] == b'_') {
            return false;
        }
        i += 1;
    }
    !name.is_empty()
}

/// A rate to keep to, as the generic cell rate algorithm (GCRA) counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Microseconds that one unit of cost takes: 60 a minute is 1 000 000.
    pub emission_interval_us: i64,
    /// How many microseconds ahead of the clock the count may run: `n` times the interval allows `n` units at once.
    pub burst_us: i64,
}

/// Whether it may go ahead, and when the rate would have been used up evenly (the theoretical arrival time). When it
/// was refused, the time is the unchanged one: trying again makes sense `tat + cost × interval − burst` later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateDecision {
    pub allowed: bool,
    pub tat: Timestamp,
}

/// The handle on the cache. Cheap to clone.
#[derive(Clone)]
pub struct Cache {
    backend: Arc<Backend>,
}

enum Backend {
    Memory(MemoryCache),
    Redis(RedisCache),
}

impl Cache {
    /// Opens the cache. A server is not asked for anything yet (see [`Cache::check`]): a node starts without it. It is
    /// `async` because the connection lives on the runtime that it is opened in.
    ///
    /// # Errors
    /// `validation_failed` naming the setting that does not work.
    pub async fn open(config: CacheConfig) -> Result<Self> {
        let backend = match config {
            CacheConfig::Memory { max_bytes } => Backend::Memory(MemoryCache::new(max_bytes)),
            CacheConfig::Redis { url, prefix } => Backend::Redis(RedisCache::open(&url, prefix)?),
        };
        Ok(Cache {
            backend: Arc::new(backend),
        })
    }

    /// The value, or None when it was never set, has expired or was forgotten.
    ///
    /// # Errors
    /// `unavailable` when the server does not answer.
    pub async fn get(&self, namespace: Namespace, key: &str) -> Result<Option<Bytes>> {
        let key = value_key(namespace, key);
        match &*self.backend {
            Backend::Memory(cache) => Ok(cache.get(&key)),
            Backend::Redis(cache) => cache.get(&key).await,
        }
    }

    /// Keeps a value for `ttl`, at least a millisecond and at most [`MAX_TTL`].
    ///
    /// # Errors
    /// `unavailable` when the server does not answer; the value may or may not be kept then.
    pub async fn set(&self, namespace: Namespace, key: &str, value: Bytes, ttl: Duration) -> Result<()> {
        let key = value_key(namespace, key);
        let ttl = ttl.clamp(Duration::from_millis(1), MAX_TTL);
        match &*self.backend {
            Backend::Memory(cache) => {
                cache.set(key, value, ttl);
                Ok(())
            }
            Backend::Redis(cache) => cache.set(&key, &value, ttl).await,
        }
    }

    /// Forgets a value; there being none is as good.
    ///
    /// # Errors
    /// `unavailable` when the server does not answer; the value may still be there then, until it expires.
    pub async fn delete(&self, namespace: Namespace, key: &str) -> Result<()> {
        let key = value_key(namespace, key);
        match &*self.backend {
            Backend::Memory(cache) => {
                cache.delete(&key);
                Ok(())
            }
            Backend::Redis(cache) => cache.delete(&key).await,
        }
    }

    /// Tells everyone who listens to the channel now, on every node, this one included. At most once: who is away
    /// learns [`Notice::Missed`] when it is back.
    ///
    /// # Errors
    /// `unavailable` when the server does not answer; nobody, some or all may have heard then.
    pub async fn publish(&self, channel: Channel, message: Bytes) -> Result<()> {
        match &*self.backend {
            Backend::Memory(cache) => {
                cache.publish(channel.0, message);
                Ok(())
            }
            Backend::Redis(cache) => cache.publish(channel.0, &message).await,
        }
    }

    /// Listens to a channel, from the moment this returns. When the server does not answer it returns all the same,
    /// and connects as soon as it can.
    pub async fn subscribe(&self, channel: Channel) -> Subscription {
        match &*self.backend {
            Backend::Memory(cache) => Subscription::in_memory(cache.subscribe(channel.0)),
            Backend::Redis(cache) => cache.subscribe(channel.0).await,
        }
    }

    /// Takes `cost` units from a rate, all or none, atomically over all nodes. A cost of 0 only looks. `now` comes from
    /// the caller's clock; a clock that runs behind the others' gets less, never more.
    ///
    /// # Errors
    /// `validation_failed` for numbers that are negative or too large to count with; `unavailable` when the server does
    /// not answer: the caller decides whether that means yes or no.
    pub async fn gcra(
        &self,
        namespace: Namespace,
        key: &str,
        rate: Rate,
        now: Timestamp,
        cost: u32,
    ) -> Result<RateDecision> {
        let key = rate_key(namespace, key);
        let take = Take::new(rate, now, cost)?;
        match &*self.backend {
            Backend::Memory(cache) => Ok(cache.gcra(key, take)),
            Backend::Redis(cache) => cache.gcra(&key, take).await,
        }
    }

    /// A round trip to the server; memory is always well. At most half a second.
    ///
    /// # Errors
    /// `unavailable`, saying what the operator must do.
    pub async fn check(&self) -> Result<()> {
        match &*self.backend {
            Backend::Memory(_) => Ok(()),
            Backend::Redis(cache) => cache.check().await,
        }
    }
}

/// Namespaces hold no colon: two of them never make the same key.
fn value_key(namespace: Namespace, key: &str) -> String {
    format!("value:{}:{key}", namespace.0)
}

fn rate_key(namespace: Namespace, key: &str) -> String {
    format!("rate:{}:{key}", namespace.0)
}

/// One step of the rate algorithm, in microseconds. The sums fit both an `i64` and a double.
#[derive(Debug, Clone, Copy)]
struct Take {
    now_us: i64,
    burst_us: i64,
    increment_us: i64,
}

impl Take {
    fn new(rate: Rate, now: Timestamp, cost: u32) -> Result<Self> {
        let now_us = now.as_micros();
        let increment_us = rate.emission_interval_us.checked_mul(i64::from(cost));
        // A stored time is at most `now + burst`: one half and two quarters, so the sum with the increment fits.
        let span = 0..MAX_EXACT / 4;
        match increment_us.filter(|us| span.contains(us)) {
            Some(increment_us) if span.contains(&rate.burst_us) && (0..MAX_EXACT / 2).contains(&now_us) => {
                Ok(Take {
                    now_us,
                    burst_us: rate.burst_us,
                    increment_us,
                })
            }
            _ => Err(Error::invalid(
                "rate",
                "interval times cost and burst are 0 to 71 years each",
            )),
        }
    }
}
