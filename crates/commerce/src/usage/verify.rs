//! Whether what is stored of usage agrees: the events add up to the counters of their periods, and to the hours and days.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use ledger::SubjectKind;
use runtime::App;
use serde::Serialize;
use storage::{System, Tx};
use types::id::{CustomerId, EndUserId, FeatureId, PlatformId, WorkspaceId};
use types::{Mode, Result, Timestamp};
use uuid::Uuid;

use super::rebuild::{Repair, check_rollups, features_of, system};
use super::store::rebuild::{self, CounterPlace};
use crate::Shop;
use crate::amount::Amount;
use crate::catalogue::SHOP_ZERO;
use crate::features::Feature;

/// Differences that are kept of one shop; the others are counted.
const MAX_TOLD: usize = 100;
/// Subjects whose counters are read in one statement.
const SUBJECTS: usize = 1_000;

/// What was found out about the usage of one platform in one mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub workspace: WorkspaceId,
    pub platform: PlatformId,
    pub mode: Mode,
    pub events: u64,
    /// Counters that were compared: those of customers and end users that add up in a period.
    pub counters: u64,
    /// Hours and days that were compared.
    pub rollups: u64,
    /// How many of all these are something else than the events say.
    pub found: u64,
    /// How many of those were written anew.
    pub repaired: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
}

/// A number that is not what the events say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub workspace: WorkspaceId,
    pub platform: PlatformId,
    pub mode: Mode,
    /// `counters`, `usage_hours` or `usage_days`.
    pub table: &'static str,
    pub feature: String,
    /// Who is counted: a customer or an end user.
    pub subject: String,
    /// Start of the period, the hour or the day.
    pub start: Timestamp,
    /// As they are stored; empty for none, and of a counter.
    pub dimensions: String,
    /// What is stored; none when there is no row.
    pub stored: Option<String>,
    /// What the events say; none when there are none.
    pub events: Option<String>,
    pub is_repaired: bool,
}

impl Verdict {
    pub(super) fn new(shop: Shop) -> Self {
        Verdict {
            workspace: shop.workspace,
            platform: shop.platform,
            mode: shop.mode,
            events: 0,
            counters: 0,
            rollups: 0,
            found: 0,
            repaired: 0,
            differences: Vec::new(),
        }
    }

    pub(super) fn shop(&self) -> Shop {
        Shop {
            workspace: self.workspace,
            platform: self.platform,
            mode: self.mode,
        }
    }

    pub(super) fn note(&mut self, difference: Difference) {
        self.found += 1;
        self.repaired += u64::from(difference.is_repaired);
        if self.differences.len() < MAX_TOLD {
            self.differences.push(difference);
        }
    }

    /// Whether everything agrees now.
    pub fn is_sound(&self) -> bool {
        self.found == self.repaired
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference {
            table,
            workspace,
            platform,
            mode,
            feature,
            subject,
            start,
            ..
        } = self;
        write!(
            f,
            "{table} of {workspace}, {platform} ({mode}), {feature}, {subject}, {start}"
        )?;
        if !self.dimensions.is_empty() {
            write!(f, ", {}", self.dimensions)?;
        }
        let told = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(
            f,
            ": {} stored, {} by the events",
            told(&self.stored),
            told(&self.events)
        )?;
        f.write_str(if self.is_repaired { "; written anew" } else { "" })
    }
}

/// Checks every shop, beside a running server. Hours and days that differ are written anew if asked for; counters never,
/// because they decide what may be used: what is wrong there somebody has to look at.
///
/// # Errors
/// Internal or `unavailable`, from the database.
pub async fn verify(app: &App, repair: Repair) -> Result<Vec<Verdict>> {
    let platforms = app
        .db()
        .of(system(app))
        .read(|mut tx| async move { rebuild::platforms(&mut tx).await })
        .await?;
    let mut verdicts = Vec::new();
    for (workspace, platform) in platforms {
        for mode in [Mode::Live, Mode::Test] {
            let shop = Shop {
                workspace,
                platform,
                mode,
            };
            verdicts.push(verify_shop(app, shop, repair).await?);
        }
    }
    Ok(verdicts)
}

/// Checks one shop, as [`verify`] does all.
///
/// # Errors
/// As [`verify`].
pub async fn verify_shop(app: &App, shop: Shop, repair: Repair) -> Result<Verdict> {
    let mut verdict = Verdict::new(shop);
    let features = features_of(app, shop).await?;
    if features.is_empty() {
        return Ok(verdict);
    }
    let always = (Timestamp::MIN, Timestamp::MAX);
    check_rollups(app, &features, always, repair, &mut verdict).await?;
    check_counters(app, shop, &features, &mut verdict).await?;
    Ok(verdict)
}

/// Compares the counters of every customer and their end users with the events, customer by customer.
async fn check_counters(app: &App, shop: Shop, features: &[Feature], verdict: &mut Verdict) -> Result<()> {
    let countable: HashMap<FeatureId, &Feature> = features
        .iter()
        .filter(|feature| adds_up(shop, feature))
        .map(|feature| (feature.id, feature))
        .collect();
    let countable = &countable;
    let mut after = CustomerId::from_uuid(Uuid::nil());
    loop {
        let customers = app
            .db()
            .of(system(app))
            .read(|mut tx| async move { rebuild::customers_after(&mut tx, shop, after).await })
            .await?;
        let Some(last) = customers.last() else {
            return Ok(());
        };
        after = *last;
        for customer in customers {
            let (counters, wrong) = app
                .db()
                .of(system(app))
                .read(|mut tx| async move { wrong_counters(&mut tx, shop, customer, countable).await })
                .await?;
            verdict.counters += counters;
            for (place, stored, events) in wrong {
                if let Some(feature) = countable.get(&place.2) {
                    verdict.note(difference(shop, feature, place, stored, events));
                }
            }
        }
    }
}

/// Whether the counters of a feature are sums of events: of what adds up, and does not go down by itself.
fn adds_up(shop: Shop, feature: &Feature) -> bool {
    // A live call of a workspace is counted at platform zero too, by the call's own event.
    let is_gate = shop == SHOP_ZERO && feature.key == "commerce.calls";
    let meter = feature.meter.filter(|meter| meter.aggregation.is_additive());
    meter.is_some_and(|meter| meter.window().is_none()) && !is_gate
}

/// A counter that is wrong: where it is, what it says, what the events say.
type Wrong = (CounterPlace, Option<i64>, i128);

/// How many counters a customer and their end users have, and which of them are wrong.
async fn wrong_counters(
    tx: &mut Tx<System>,
    shop: Shop,
    customer: CustomerId,
    countable: &HashMap<FeatureId, &Feature>,
) -> Result<(u64, Vec<Wrong>)> {
    let mut sums: BTreeMap<CounterPlace, i128> = BTreeMap::new();
    rebuild::each_event(tx, shop, customer, |event| {
        let is_ours = |kind| matches!(kind, SubjectKind::Customer | SubjectKind::EndUser);
        for part in event.parts {
            // The limits of a key have counters of their own features.
            if part.feature.is_none() && is_ours(part.kind) && countable.contains_key(&event.feature) {
                let place = (part.kind, part.id, event.feature, part.period_start);
                *sums.entry(place).or_default() += i128::from(event.amount);
            }
        }
    })
    .await?;
    let mut subjects = vec![(SubjectKind::Customer, customer.uuid())];
    let end_users = rebuild::end_users_of(tx, shop, customer).await?;
    subjects.extend(end_users.into_iter().map(|id| (SubjectKind::EndUser, id.uuid())));
    let (mut count, mut wrong) = (0, Vec::new());
    for subjects in subjects.chunks(SUBJECTS) {
        for (place, used) in rebuild::counters_of(tx, shop, subjects).await? {
            if !countable.contains_key(&place.2) {
                continue;
            }
            count += 1;
            let events = sums.remove(&place).unwrap_or(0);
            if events != i128::from(used) {
                wrong.push((place, Some(used), events));
            }
        }
    }
    wrong.extend(sums.into_iter().map(|(place, events)| (place, None, events)));
    Ok((count, wrong))
}

fn difference(
    shop: Shop,
    feature: &Feature,
    (kind, id, _, start): CounterPlace,
    stored: Option<i64>,
    events: i128,
) -> Difference {
    let amount = |units| Amount::from_sum(units, feature.scale()).to_string();
    Difference {
        workspace: shop.workspace,
        platform: shop.platform,
        mode: shop.mode,
        table: "counters",
        feature: feature.key.clone(),
        subject: match kind {
            SubjectKind::EndUser => EndUserId::from_uuid(id).to_string(),
            _ => CustomerId::from_uuid(id).to_string(),
        },
        start,
        dimensions: String::new(),
        stored: stored.map(|units| amount(units.into())),
        events: Some(amount(events)),
        is_repaired: false,
    }
}
