//! Rules that were read a moment ago, so that calls do not look them up. In the way of the API keys: nothing is believed for
//! longer than a second, the node that changes a rule forgets its shop at once, and tells the others.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use runtime::App;
use storage::cache::{Channel, Notice};
use storage::{Reason, Scope, Tx};
use tokio_util::sync::CancellationToken;
use types::Result;

use super::{RateLimits, store};
use crate::Shop;

/// Tells every node the shop whose rules have changed.
const CHANGED: Channel = Channel::new("rate_limits");

const MAX_AGE: Duration = Duration::from_secs(1);
const MAX_SHOPS: u64 = 10_000;

/// The rules that this node knows, by shop.
pub struct Known {
    shops: Cache<Shop, Entry>,
    /// How often something was forgotten: what was read before the last time may be out of date.
    forgotten: AtomicU64,
}

#[derive(Clone)]
struct Entry {
    limits: Arc<RateLimits>,
    read_at: Instant,
}

/// Taken before rules are read, so that their age is counted from there and a change in between is noticed.
#[derive(Clone, Copy)]
struct Moment {
    at: Instant,
    forgotten: u64,
}

impl Default for Known {
    fn default() -> Self {
        let shops = Cache::builder()
            .max_capacity(MAX_SHOPS)
            .time_to_live(MAX_AGE)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Known {
            shops,
            forgotten: AtomicU64::new(0),
        }
    }
}

impl Known {
    /// The shop's rules, as they were at most a second ago.
    ///
    /// # Errors
    /// `unavailable`, when they must be read and the database does not answer.
    pub async fn of(&self, app: &App, shop: Shop) -> Result<Arc<RateLimits>> {
        if let Some(limits) = self.find(shop) {
            return Ok(limits);
        }
        let moment = self.moment();
        let rules = app
            .db()
            .of(app.issuer().system(Reason::UsageBatch))
            .read(|mut tx| async move { store::all(&mut tx, shop).await })
            .await?;
        Ok(self.remember(shop, RateLimits::new(&rules)?, moment))
    }

    fn find(&self, shop: Shop) -> Option<Arc<RateLimits>> {
        let entry = self.shops.get(&shop)?;
        (entry.read_at.elapsed() < MAX_AGE).then_some(entry.limits)
    }

    fn moment(&self) -> Moment {
        Moment {
            forgotten: self.forgotten.load(Ordering::SeqCst),
            at: Instant::now(),
        }
    }

    fn remember(&self, shop: Shop, limits: RateLimits, moment: Moment) -> Arc<RateLimits> {
        let limits = Arc::new(limits);
        let entry = Entry {
            limits: limits.clone(),
            read_at: moment.at,
        };
        self.shops.insert(shop, entry);
        // In this order: whoever forgets after the look below also removes what was just inserted.
        if self.forgotten.load(Ordering::SeqCst) != moment.forgotten {
            self.shops.invalidate(&shop);
        }
        limits
    }

    fn forget(&self, shop: Shop) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.shops.invalidate(&shop);
    }

    fn forget_all(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.shops.invalidate_all();
    }

    /// Forgets a shop as soon as the transaction that changes its rules is durable.
    pub(super) fn forget_after<S: Scope>(known: &Arc<Known>, tx: &mut Tx<S>, shop: Shop) {
        let known = known.clone();
        tx.after_commit(move || known.forget(shop));
    }

    /// What another node says has changed.
    fn hear(&self, message: &[u8]) {
        match std::str::from_utf8(message).ok().and_then(parse) {
            Some(shop) => self.forget(shop),
            None => self.forget_all(),
        }
    }
}

/// A shop in a message: workspace, platform and mode.
fn text(shop: Shop) -> String {
    format!("{} {} {}", shop.workspace, shop.platform, shop.mode)
}

fn parse(text: &str) -> Option<Shop> {
    fn next<'a, T: FromStr>(parts: &mut impl Iterator<Item = &'a str>) -> Option<T> {
        parts.next()?.parse().ok()
    }
    let mut parts = text.split(' ');
    Some(Shop {
        workspace: next(&mut parts)?,
        platform: next(&mut parts)?,
        mode: next(&mut parts)?,
    })
}

/// Tells the other nodes that a shop's rules have changed. Should it not reach them, they find out within a second.
pub(super) async fn announce(app: &App, shop: Shop) {
    if let Err(error) = app.cache().publish(CHANGED, Bytes::from(text(shop))).await {
        tracing::debug!(%error, "the other nodes were not told that rate limits have changed");
    }
}

/// The task of every node that hears of rules that others change.
pub(super) async fn listen(app: App, stop: CancellationToken) {
    let Ok(known) = app.service::<Known>() else {
        return;
    };
    let mut changes = app.cache().subscribe(CHANGED).await;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            notice = changes.next() => match notice {
                Some(Notice::Message(message)) => known.hear(&message),
                Some(Notice::Missed) => known.forget_all(),
                None => return,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use types::Mode;
    use types::id::{PlatformId, WorkspaceId};

    use super::*;

    fn shop() -> Shop {
        Shop {
            workspace: WorkspaceId::generate(),
            platform: PlatformId::generate(),
            mode: Mode::Live,
        }
    }

    #[test]
    fn a_change_while_rules_are_read_keeps_them_unknown() {
        let (known, shop) = (Known::default(), shop());
        let moment = known.moment();
        known.forget(shop);
        known.remember(shop, RateLimits::default(), moment);
        assert!(known.find(shop).is_none());
    }

    #[test]
    fn the_age_counts_from_before_the_read() {
        let (known, shop) = (Known::default(), shop());
        let mut moment = known.moment();
        moment.at -= MAX_AGE;
        known.remember(shop, RateLimits::default(), moment);
        assert!(known.find(shop).is_none());
    }

    #[test]
    fn another_node_s_word_is_enough() {
        let (known, one, other) = (Known::default(), shop(), shop());
        for shop in [one, other] {
            known.remember(shop, RateLimits::default(), known.moment());
        }
        known.hear(text(one).as_bytes());
        assert!(known.find(one).is_none() && known.find(other).is_some());
        known.hear(b"\xff");
        assert!(known.find(other).is_none());
    }
}
