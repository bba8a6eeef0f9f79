//! The rollups beside the events that they are folds of: compared, and written anew where they differ.
//!
//! Comparing locks nothing: one snapshot has the events and their folds, because the group commit writes both in one
//! transaction. Writing anew locks the rows that differ, in the order in which the group commit takes them, and only then
//! reads their events again. A batch that has added to one of the rows is waited for, and its events are seen; a batch that
//! has not waits, its events are not seen, and it adds them to what is then there. So nothing is lost and nothing counted
//! twice, while every other row stays in use.

use std::collections::{BTreeMap, BTreeSet};

use runtime::audit::{self, NewEntry};
use runtime::{Actor, App};
use storage::{Reason, System, Tx};
use types::{Result, Timestamp};

use super::query::gather_of;
use super::store::{Fold, Gather, Metered, Rollup, RowKey, rebuild};
use super::verify::{Difference, Verdict};
use crate::Shop;
use crate::amount::Amount;
use crate::features::{self, Feature};

/// What is done about rows that are not what the events say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// They are told.
    No,
    /// They are told and written anew.
    Yes,
}

/// Folds the events of a shop anew, and writes every hour and day of usage again that is something else. `span` is widened
/// to whole days in UTC.
///
/// On PostgreSQL only uses that add to a row which differs have to wait, on SQLite every write, for as long as it takes to
/// read the events of one hour.
///
/// # Errors
/// Internal or `unavailable`, from the database; the days before are done.
pub async fn rebuild_rollups(app: &App, shop: Shop, span: (Timestamp, Timestamp)) -> Result<Verdict> {
    let mut verdict = Verdict::new(shop);
    let features = features_of(app, shop).await?;
    check_rollups(app, &features, span, Repair::Yes, &mut verdict).await?;
    Ok(verdict)
}

/// The scope in which usage is checked against its events.
pub(super) fn system(app: &App) -> System {
    app.issuer().system(Reason::Operator)
}

/// Every metered feature of a shop.
pub(super) async fn features_of(app: &App, shop: Shop) -> Result<Vec<Feature>> {
    let mut features = app
        .db()
        .of(system(app))
        .read(|mut tx| async move { features::store::all(&mut tx, shop).await })
        .await?;
    features.retain(|feature| feature.meter.is_some());
    Ok(features)
}

/// Compares the rollups of these features with their events, day by day.
pub(super) async fn check_rollups(
    app: &App,
    features: &[Feature],
    span: (Timestamp, Timestamp),
    repair: Repair,
    verdict: &mut Verdict,
) -> Result<()> {
    for feature in features {
        let metered = Metered {
            shop: verdict.shop(),
            feature: feature.id,
            keeps_a_value: gather_of(feature)? != Gather::Added,
        };
        let mut from = Rollup::Days.start_of(span.0);
        while let Some(day) = next_day(app, &metered, from).await?.filter(|day| *day < span.1) {
            if day < from {
                break;
            }
            let compared = compare(app, &metered, day).await?;
            verdict.events += compared.events;
            verdict.rollups += compared.rows;
            if repair == Repair::Yes {
                rewrite(app, &metered, &compared.mismatches).await?;
            }
            for mismatch in &compared.mismatches {
                verdict.note(mismatch.told(metered.shop, feature, repair));
            }
            from = Timestamp::from_micros(day.as_micros() + Rollup::Days.micros());
        }
    }
    Ok(())
}

async fn next_day(app: &App, metered: &Metered, from: Timestamp) -> Result<Option<Timestamp>> {
    app.db()
        .of(system(app))
        .read(|mut tx| async move { rebuild::next_day(&mut tx, metered, from).await })
        .await
}

/// A row that is not the fold of its events.
struct Mismatch {
    rollup: Rollup,
    start: Timestamp,
    key: RowKey,
    stored: Option<Fold>,
    events: Option<Fold>,
}

impl Mismatch {
    fn told(&self, shop: Shop, feature: &Feature, repair: Repair) -> Difference {
        let told = |fold: &Fold| {
            let amount = |units| Amount::from_sum(units, feature.scale());
            let (at, _, latest) = fold.latest;
            format!(
                "{} in {} events, at most {}, at last {} at {at}",
                amount(fold.amount),
                fold.events,
                amount(fold.highest.into()),
                amount(latest.into()),
            )
        };
        Difference {
            workspace: shop.workspace,
            platform: shop.platform,
            mode: shop.mode,
            table: self.rollup.table(),
            feature: feature.key.clone(),
            subject: self.key.0.to_string(),
            start: self.start,
            dimensions: self.key.1.clone(),
            stored: self.stored.as_ref().map(told),
            events: self.events.as_ref().map(told),
            is_repaired: repair == Repair::Yes,
        }
    }
}

/// What comparing one feature's day came to.
#[derive(Default)]
struct Compared {
    events: u64,
    rows: u64,
    /// Hours before days.
    mismatches: Vec<Mismatch>,
}

impl Compared {
    fn rows(
        &mut self,
        (rollup, start): (Rollup, Timestamp),
        mut stored: BTreeMap<RowKey, Fold>,
        events: BTreeMap<RowKey, Fold>,
    ) {
        self.rows += stored.len() as u64;
        let mut note = |key, stored: Option<Fold>, events: Option<Fold>| {
            if stored != events {
                self.mismatches.push(Mismatch {
                    rollup,
                    start,
                    key,
                    stored,
                    events,
                });
            }
        };
        for (key, fold) in events {
            let stored = stored.remove(&key);
            note(key, stored, Some(fold));
        }
        for (key, fold) in stored {
            note(key, Some(fold), None);
        }
    }
}

async fn compare(app: &App, metered: &Metered, day: Timestamp) -> Result<Compared> {
    app.db()
        .of(system(app))
        .read(|mut tx| async move { compare_day(&mut tx, metered, day).await })
        .await
}

async fn compare_day(tx: &mut Tx<System>, metered: &Metered, day: Timestamp) -> Result<Compared> {
    let mut compared = Compared::default();
    let mut of_day = BTreeMap::new();
    for hour in 0..24 {
        let hour = Timestamp::from_micros(day.as_micros() + hour * Rollup::Hours.micros());
        let (events, count) = rebuild::fold_hour(tx, metered, hour).await?;
        let stored = rebuild::stored(tx, metered, Rollup::Hours, hour).await?;
        for (key, fold) in &events {
            fold.add_to(&mut of_day, key.clone());
        }
        compared.events += count;
        compared.rows((Rollup::Hours, hour), stored, events);
    }
    let stored = rebuild::stored(tx, metered, Rollup::Days, day).await?;
    compared.rows((Rollup::Days, day), stored, of_day);
    Ok(compared)
}

/// Writes the rows anew, hours before days: a day is folded from its hours.
async fn rewrite(app: &App, metered: &Metered, mismatches: &[Mismatch]) -> Result<()> {
    let mut stretches: BTreeMap<(Rollup, Timestamp), BTreeSet<RowKey>> = BTreeMap::new();
    for mismatch in mismatches {
        let stretch = stretches.entry((mismatch.rollup, mismatch.start));
        stretch.or_default().insert(mismatch.key.clone());
    }
    let now = app.now();
    for ((rollup, start), keys) in &stretches {
        let (rollup, start) = (*rollup, *start);
        app.db()
            .of(system(app))
            .write_locked(|mut tx| async move {
                rewrite_stretch(&mut tx, metered, (rollup, start), keys).await?;
                let entry = NewEntry::new("usage.rebuild", "feature", metered.feature)
                    .with_detail("table", rollup.table())
                    .with_detail("start", start.to_string())
                    .with_detail("rows", keys.len());
                let workspace = metered.shop.workspace;
                audit::record_for(&mut tx, workspace, Actor::Operator, None, entry, now).await
            })
            .await?;
    }
    Ok(())
}

async fn rewrite_stretch(
    tx: &mut Tx<System>,
    metered: &Metered,
    (rollup, start): (Rollup, Timestamp),
    keys: &BTreeSet<RowKey>,
) -> Result<()> {
    rebuild::lock(tx, metered, (rollup, start), keys).await?;
    let folds = match rollup {
        Rollup::Hours => rebuild::fold_hour(tx, metered, start).await?.0,
        Rollup::Days => rebuild::fold_day(tx, metered, start, keys).await?,
    };
    rebuild::write(tx, metered, (rollup, start), keys, &folds).await
}
