//! Rules that were read a moment ago, so that calls do not look them up. Nothing is believed for longer than a second; the
//! node that changes a rule forgets its shop at once, and tells the others.

use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use runtime::App;
use storage::cache::{Channel, Notice};
use storage::{Reason, Scope, Tx};
use tokio_util::sync::CancellationToken;
use types::Result;

use super::{RateLimits, store};
use crate::Shop;
use crate::recent::Recent;

/// Tells every node the shop whose rules have changed.
const CHANGED: Channel = Channel::new("rate_limits");

const MAX_SHOPS: u64 = 10_000;

/// The rules that this node knows, by shop.
pub struct Known(Recent<Shop, Arc<RateLimits>>);

impl Default for Known {
    fn default() -> Self {
        Known(Recent::with_room_for(MAX_SHOPS))
    }
}

impl Known {
    /// The shop's rules, as they were at most a second ago.
    ///
    /// # Errors
    /// `unavailable`, when they must be read and the database does not answer.
    pub async fn of(&self, app: &App, shop: Shop) -> Result<Arc<RateLimits>> {
        if let Some(limits) = self.0.find(&shop) {
            return Ok(limits);
        }
        let moment = self.0.moment();
        let rules = app
            .db()
            .of(app.issuer().system(Reason::UsageBatch))
            .read(|mut tx| async move { store::all(&mut tx, shop).await })
            .await?;
        let limits = Arc::new(RateLimits::new(&rules)?);
        self.0.remember(shop, limits.clone(), moment);
        Ok(limits)
    }

    /// Forgets a shop as soon as the transaction that changes its rules is durable.
    pub(super) fn forget_after<S: Scope>(known: &Arc<Known>, tx: &mut Tx<S>, shop: Shop) {
        let known = known.clone();
        tx.after_commit(move || known.0.forget(&shop));
    }

    /// What another node says has changed.
    fn hear(&self, message: &[u8]) {
        match std::str::from_utf8(message).ok().and_then(parse) {
            Some(shop) => self.0.forget(&shop),
            None => self.0.forget_all(),
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
                Some(Notice::Missed) => known.0.forget_all(),
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
    fn another_node_s_word_is_enough() {
        let (known, one, other) = (Known::default(), shop(), shop());
        for shop in [one, other] {
            known.0.remember(shop, Arc::default(), known.0.moment());
        }
        known.hear(text(one).as_bytes());
        assert!(known.0.find(&one).is_none() && known.0.find(&other).is_some());
        known.hear(b"\xff");
        assert!(known.0.find(&other).is_none());
    }
}
