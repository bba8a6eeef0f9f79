//! The cache of a single node: bounded by bytes, least recently used out first, each entry with its own time to live.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::Expiry;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use tokio::sync::broadcast;
use types::Timestamp;

use super::{RateDecision, Take};

/// What an entry takes beside its key and value, roughly.
const OVERHEAD_BYTES: usize = 128;
/// How many messages a slow subscriber may be behind before it is told that it missed some.
const CHANNEL_CAPACITY: usize = 1024;

pub(super) struct MemoryCache {
    entries: moka::sync::Cache<String, Entry>,
    channels: Mutex<HashMap<&'static str, broadcast::Sender<Bytes>>>,
}

#[derive(Clone)]
struct Entry {
    content: Content,
    ttl: Duration,
}

#[derive(Clone)]
enum Content {
    Value(Bytes),
    /// Theoretical arrival time of a rate, microseconds since the epoch.
    ArrivalUs(i64),
}

struct OwnTtl;

impl Expiry<String, Entry> for OwnTtl {
    fn expire_after_create(&self, _: &String, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.ttl)
    }

    fn expire_after_update(
        &self,
        _: &String,
        entry: &Entry,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.ttl)
    }
}

impl MemoryCache {
    pub(super) fn new(max_bytes: u64) -> Self {
        let weigh = |key: &String, entry: &Entry| {
            let value_bytes = match &entry.content {
                Content::Value(value) => value.len(),
                Content::ArrivalUs(_) => 0,
            };
            u32::try_from(key.len() + value_bytes + OVERHEAD_BYTES).unwrap_or(u32::MAX)
        };
        let entries = moka::sync::Cache::builder()
            .max_capacity(max_bytes)
            .weigher(weigh)
            // Not the default policy: it may refuse new keys when full, and then a new key has no rate limit.
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(OwnTtl)
            .build();
        MemoryCache {
            entries,
            channels: Mutex::new(HashMap::new()),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Bytes> {
        match self.entries.get(key)?.content {
            Content::Value(value) => Some(value),
            Content::ArrivalUs(_) => None,
        }
    }

    pub(super) fn set(&self, key: String, value: Bytes, ttl: Duration) {
        let content = Content::Value(value);
        self.entries.insert(key, Entry { content, ttl });
    }

    pub(super) fn delete(&self, key: &str) {
        self.entries.invalidate(key);
    }

    pub(super) fn gcra(&self, key: String, take: Take) -> RateDecision {
        let mut decision = RateDecision {
            allowed: false,
            tat: Timestamp::EPOCH,
        };
        // The closure runs under the key's own lock: takes of one key go one after the other.
        self.entries.entry(key).and_compute_with(|entry| {
            let stored_us = match entry.map(|entry| entry.into_value().content) {
                Some(Content::ArrivalUs(tat_us)) => tat_us,
                _ => 0,
            };
            let tat_us = stored_us.max(take.now_us);
            let next_us = tat_us + take.increment_us;
            decision.allowed = next_us - take.now_us <= take.burst_us;
            let changed = decision.allowed && take.increment_us > 0;
            let kept_us = if changed { next_us } else { tat_us };
            decision.tat = Timestamp::from_micros(kept_us);
            if !changed {
                return Op::Nop;
            }
            Op::Put(Entry {
                content: Content::ArrivalUs(next_us),
                ttl: Timestamp::from_micros(next_us).since(Timestamp::from_micros(take.now_us)),
            })
        });
        decision
    }

    pub(super) fn publish(&self, channel: &'static str, message: Bytes) {
        let channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = channels.get(channel) {
            // Nobody listening is not an error.
            let _ = sender.send(message);
        }
    }

    pub(super) fn subscribe(&self, channel: &'static str) -> broadcast::Receiver<Bytes> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = channels
            .entry(channel)
            .or_insert_with(|| broadcast::Sender::new(CHANNEL_CAPACITY));
        sender.subscribe()
    }
}
