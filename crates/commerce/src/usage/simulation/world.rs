//! What is sold in the simulation, and to whom. Two workspaces have platforms, with a live and a test mode; and everything in
//! them has the same external ids and even the same ids, so that whatever is not kept apart by its shop meets.

use std::sync::Arc;
use std::time::Duration;

use ledger::{
    Aggregation, Anchor, Charge, Grant, Limit, Meter, Overage, PeriodKind, Scale, Subject, SubjectKind,
    Window, period_of,
};
use types::id::{CustomerId, EndUserId, FeatureId, GrantId, PlatformId, WorkspaceId};
use types::{Mode, Timestamp};
use uuid::Uuid;

use super::rng::Rng;
use super::tables::{CustomerRow, GrantRow, Plan, Tables};
use crate::Shop;
use crate::catalogue::SHOP_ZERO;
use crate::features::{Feature, FeatureKind};
use crate::usage::commit::CALLS;
use crate::usage::order::Also;

/// Ten minutes before a month ends.
pub(super) const START: Timestamp = Timestamp::from_secs(1_796_082_600);

pub(super) const CALLS_OF: &str = "calls";
pub(super) const TOKENS: &str = "tokens";
pub(super) const CREDITS: &str = "credits";
pub(super) const SEATS: &str = "seats";
pub(super) const PEAK: &str = "peak";
pub(super) const BURST: &str = "burst";
/// The one that is used without idempotency keys.
pub(super) const PINGS: &str = "pings";

/// The features that are used under a key.
pub(super) const KEYED: [&str; 6] = [CALLS_OF, TOKENS, CREDITS, SEATS, PEAK, BURST];
/// Those that grants are given for.
const GRANTED: [&str; 3] = [CALLS_OF, TOKENS, CREDITS];
/// Those whose units add up.
pub(super) const ADDITIVE: [&str; 4] = [CALLS_OF, TOKENS, CREDITS, BURST];

pub(super) const CUSTOMERS: [&str; 2] = ["acme", "blue"];

/// What a customer's key may use of calls, and how many calls it may make.
pub(super) const MOST_BY_KEY: i64 = 6;
/// In place of a feature, where calls of a key are counted.
pub(super) const BY_KEY: &str = "by_key";

/// So many tokens at once the simulated database cannot store: a call that no batch gets through with.
pub(super) const UNSTORABLE: i64 = 7;

/// The dimension that usage of tokens is broken down by.
pub(super) const MODEL: &str = "model";

fn workspace(number: u128) -> WorkspaceId {
    WorkspaceId::from_uuid(Uuid::from_u128(0x0100 + number))
}

/// The shops that things are sold in: platform zero is not one of them. Most are in test mode: live calls of a workspace take
/// turns at its own counter at platform zero, so they meet less.
pub(super) fn shops() -> [Shop; 5] {
    let shop = |number, platform: u128, mode| Shop {
        workspace: workspace(number),
        platform: PlatformId::from_uuid(Uuid::from_u128(0x0200 + platform)),
        mode,
    };
    [
        shop(1, 1, Mode::Live),
        shop(1, 1, Mode::Test),
        shop(1, 2, Mode::Test),
        shop(2, 1, Mode::Live),
        shop(2, 1, Mode::Test),
    ]
}

/// The live calls that the workspace's own plan includes in a month.
pub(super) fn gate_of(of: WorkspaceId) -> Option<i64> {
    (of == workspace(1)).then_some(40)
}

pub(super) fn customer_id(external_id: &str) -> CustomerId {
    let number = CUSTOMERS.iter().position(|name| *name == external_id);
    CustomerId::from_uuid(Uuid::from_u128(
        0x0300 + number.map_or(0xff, |number| number as u128),
    ))
}

/// What a call is charged to beside the customer, because it came with the customer's key.
pub(super) fn by_key(shop: Shop, at: Timestamp) -> Also {
    let id = Uuid::from_u128(0x0600);
    let subject = Subject {
        workspace: shop.workspace,
        platform: shop.platform,
        mode: shop.mode,
        kind: SubjectKind::ApiKey,
        id,
    };
    let charge = |key, meter: Meter| {
        let period = period_of(meter.period, &anchor(), at);
        Charge::new(
            subject,
            feature_id(key),
            meter,
            period,
            Limit::deny_above(MOST_BY_KEY),
        )
    };
    Also {
        api_key: Some(id),
        charges: vec![charge(CALLS_OF, Meter::calls(PeriodKind::Month))],
        calls: vec![charge(BY_KEY, Meter::calls(PeriodKind::Never))],
        rates: Vec::new(),
    }
}

/// The end user of that name: the same one in every shop.
pub(super) fn end_user_id(customer: CustomerId, name: &str) -> EndUserId {
    let name = name.bytes().fold(0, |sum, byte| sum * 256 + u128::from(byte));
    EndUserId::from_uuid(Uuid::from_u128((customer.uuid().as_u128() << 64) + name))
}

/// Everybody's periods begin with those of the calendar.
pub(super) fn anchor() -> Anchor {
    Anchor::calendar("UTC").expect("UTC is a time zone")
}

pub(super) fn feature_id(key: &str) -> FeatureId {
    let all = [
        CALLS_OF, TOKENS, CREDITS, SEATS, PEAK, BURST, PINGS, CALLS, BY_KEY,
    ];
    let number = all.iter().position(|name| *name == key);
    FeatureId::from_uuid(Uuid::from_u128(
        0x0400 + number.map_or(0xff, |number| number as u128),
    ))
}

fn meter(key: &str) -> Option<Meter> {
    let (aggregation, period) = match key {
        CALLS_OF | CALLS => (Aggregation::Count, PeriodKind::Month),
        TOKENS => (Aggregation::Sum, PeriodKind::Hour),
        CREDITS => (Aggregation::Sum, PeriodKind::Never),
        SEATS => (Aggregation::Unique { cap: 5 }, PeriodKind::Day),
        PEAK => (Aggregation::Max, PeriodKind::Day),
        BURST => (Aggregation::Sum, PeriodKind::Rolling(Window::new(120, 6).ok()?)),
        PINGS => (Aggregation::Count, PeriodKind::Never),
        _ => return None,
    };
    Meter::new(aggregation, Scale::WHOLE, period).ok()
}

/// The feature with that key; none when there is no such.
pub(super) fn feature(key: &str) -> Option<Feature> {
    Some(Feature {
        id: feature_id(key),
        key: key.to_owned(),
        name: key.to_owned(),
        kind: FeatureKind::Metered,
        unit: None,
        meter: Some(meter(key)?),
        dimensions: if key == TOKENS {
            vec![MODEL.to_owned()]
        } else {
            Vec::new()
        },
        created_at: START,
        archived_at: None,
    })
}

pub(super) fn feature_by_id(id: FeatureId) -> Option<Feature> {
    let mut all = KEYED.iter().chain([&PINGS, &CALLS]);
    all.find(|key| feature_id(key) == id).and_then(|key| feature(key))
}

/// Some plan. One feature in eight is not in it.
pub(super) fn plan(rng: &mut Rng) -> Plan {
    let mut plan = Plan::new();
    for key in KEYED {
        if rng.permille(125) {
            continue;
        }
        let most = rng.one_of(&[4, 24]);
        let amount = rng.from(0, if key == SEATS { 4 } else { most });
        let cap = rng.from(0, 6);
        let overage = match rng.below(4) {
            0 => Overage::Soft { cap },
            1 => Overage::Bill { cap: Some(cap) },
            2 if key == CREDITS => Overage::Bill { cap: None },
            _ => Overage::Deny,
        };
        let thresholds = rng.one_of(&[&[][..], &[50, 100], &[80]]).to_vec();
        let amount = (!rng.permille(30)).then_some(amount);
        if let Ok(limit) = Limit::new(amount, overage, thresholds) {
            plan.insert(feature_id(key), limit);
        }
    }
    plan.insert(feature_id(PINGS), Limit::unlimited());
    plan
}

/// A grant for a customer. It is the next one, whatever shop it is in.
pub(super) fn grant(
    tables: &mut Tables,
    rng: &mut Rng,
    (shop, customer): (Shop, CustomerId),
    key: &str,
    from: Timestamp,
) {
    let id = GrantId::from_uuid(Uuid::from_u128(0x0500 + tables.grants.len() as u128));
    let end = from + Duration::from_secs(rng.from(60, 7_200) as u64);
    let ends = rng.permille(300).then_some(end);
    let row = GrantRow {
        grant: Grant::new(id, rng.from(1, 12), from, ends),
        customer,
        feature: feature_id(key),
        is_closed: false,
    };
    tables.grants.insert((shop, id), row);
}

/// The customers of every shop, and the workspaces as customers of platform zero. Nothing was used yet.
pub(super) fn tables(rng: &mut Rng) -> Tables {
    let mut tables = Tables::default();
    let customer = |external_id: &str, plan: Plan| CustomerRow {
        external_id: external_id.to_owned(),
        version: 1,
        is_archived: false,
        plans: vec![(0, Arc::new(plan))],
    };
    for shop in shops() {
        for name in CUSTOMERS {
            let row = customer(name, plan(rng));
            tables.customers.insert((shop, customer_id(name)), row);
            for key in GRANTED {
                if rng.permille(400) {
                    grant(&mut tables, rng, (shop, customer_id(name)), key, START);
                }
            }
        }
        let name = shop.workspace.to_string();
        let id = CustomerId::from_uuid(shop.workspace.uuid());
        tables
            .customers
            .insert((SHOP_ZERO, id), customer(&name, Plan::new()));
    }
    tables
}
