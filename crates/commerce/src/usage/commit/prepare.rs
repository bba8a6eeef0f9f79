//! From an order and what was found for it to what the ledger decides on: the ordered counters with their limits, and rate
//! limits. Pure: nothing here asks the database.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use ledger::{
    Aggregation, Allocation, Anchor, Charge, Code, CounterKey, Decision, Limit, MemberKey, Meter, PeriodKind,
    Request, Scale, Sign, Subject, SubjectKind, period_of,
};
use sha2::{Digest, Sha256};
use types::id::{CustomerId, EndUserId, FeatureId, GrantId};
use types::{Error, ErrorCode, Result, Timestamp};
use uuid::Uuid;

use super::super::order::{Correct, Order, Settle, Use, Verb, Work};
use super::super::store::{ChargedPart, DimensionValue, Replay, StoredEvent, StoredHold};
use super::answer::{Answer, Used};
use super::config::{CALLS, Config, Known, buyer, is_gated};
use crate::Shop;
use crate::catalogue::SHOP_ZERO;
use crate::customers::CustomerRef;
use crate::features::Feature;
use crate::rate_limits::{Call, RateLimits};

/// What an order has come to before the ledger decides.
pub(in crate::usage) enum Stage {
    Open(Box<Ready>),
    /// It is answered whatever the counters hold.
    Done(Box<Result<Answer>>),
}

/// Everything that a decision needs.
pub(in crate::usage) enum Ready {
    Use(ReadyUse),
    Settle(ReadySettle),
    Release(StoredHold),
    Expire(StoredHold),
    Correct(ReadyCorrection),
}

/// A use that the ledger decides.
pub(in crate::usage) struct ReadyUse {
    pub customer: CustomerId,
    pub end_user: Option<EndUserId>,
    /// What is used; none when nothing is but what the order names beside it.
    pub metered: Option<Metered>,
    pub verb: Verb,
    pub dimensions: String,
    pub request: Request,
    /// Where in the request the counter of the customer is.
    pub own: Option<usize>,
    /// Where in the request the charges begin that the order names itself.
    pub also: usize,
    /// The counters of calls that the order names itself, asked for one call.
    pub calls: Option<Request>,
    /// The workspace's own limit, where it has one: both are granted, or neither.
    pub gate: Option<Gate>,
}

/// A metered feature, and how much of it.
#[derive(Clone)]
pub(in crate::usage) struct Metered {
    pub feature: Arc<Feature>,
    pub meter: Meter,
    /// In the smallest units of the feature's scale.
    pub units: i64,
}

/// A settlement that the ledger decides.
pub(in crate::usage) struct ReadySettle {
    pub stored: StoredHold,
    pub feature: Arc<Feature>,
    pub settle: ledger::Settle,
    /// Where among the hold's parts the counter of the customer is.
    pub own: Option<usize>,
}

/// A correction that the ledger decides.
pub(in crate::usage) struct ReadyCorrection {
    pub wanted: Correct,
    pub stored: StoredEvent,
    pub feature: Arc<Feature>,
    pub correction: ledger::Correction,
}

/// A workspace's own limit on live calls: one call, whatever amount it is of.
#[derive(Clone)]
pub(in crate::usage) struct Gate {
    pub request: Request,
    /// The workspace's plan.
    pub plan: String,
}

/// In place of a feature, where none is used.
const NO_FEATURE: FeatureId = FeatureId::from_uuid(Uuid::nil());

/// Rules of the shops of a batch.
pub(in crate::usage) type Rules = HashMap<Shop, Arc<RateLimits>>;

/// Finds out what an order comes to. An error of the order is its answer.
pub(in crate::usage) fn prepare(order: &Order, config: &Config, rules: &Rules) -> Stage {
    if let Some(key) = &order.key
        && let Some(replay) = config.replays.get(&(order.shop, key.text.clone()))
    {
        return done(replayed(replay, &key.fingerprint));
    }
    let ready = match &order.work {
        Work::Use(wanted) => return prepare_use(order, wanted, config, rules),
        Work::Settle(wanted) => prepare_settle(order, wanted, config).map(Ready::Settle),
        Work::Release(hold) => hold_of(config, order.shop, *hold).map(Ready::Release),
        Work::Expire(hold) => hold_of(config, order.shop, *hold).map(Ready::Expire),
        Work::Correct(wanted) => prepare_correction(order, wanted, config).map(Ready::Correct),
    };
    match ready {
        Ok(ready) => Stage::Open(Box::new(ready)),
        Err(error) => done(Err(error)),
    }
}

fn done(answer: Result<Answer>) -> Stage {
    Stage::Done(Box::new(answer))
}

/// The answer that was given under this key.
///
/// # Errors
/// `idempotency_key_reused`, when it was for another call.
pub(in crate::usage) fn replayed(replay: &Replay, fingerprint: &[u8; 32]) -> Result<Answer> {
    if replay.fingerprint != fingerprint {
        return Err(Error::new(
            ErrorCode::IdempotencyKeyReused,
            "This idempotency key was used for another call. Make a new key for a new call.",
        ));
    }
    let answer: Answer = serde_json::from_str(&replay.outcome).map_err(Error::internal)?;
    Ok(answer.again())
}

fn prepare_use(order: &Order, wanted: &Use, config: &Config, rules: &Rules) -> Stage {
    match open_use(order, wanted, config, rules) {
        Ok(Ok(ready)) => Stage::Open(Box::new(Ready::Use(ready))),
        Ok(Err(refused)) => done(Ok(Answer::Used(Box::new(refused)))),
        Err(error) => done(Err(error)),
    }
}

/// An outer error is that of the order; an inner one a refusal that has figures.
fn open_use(order: &Order, wanted: &Use, config: &Config, rules: &Rules) -> Result<Result<ReadyUse, Used>> {
    let shop = order.shop;
    let customer = config.customer(shop, &wanted.customer)?;
    let metered = match &wanted.feature {
        Some(key) => Some(metered(wanted, config.feature(shop, key)?)?),
        None => None,
    };
    let refused = |code| {
        let decision = Decision::refused(code, order.at);
        Ok(Err(Used::refused(customer.id, metered.as_ref(), &decision)))
    };
    if customer.is_archived {
        return refused(Code::CustomerArchived);
    }
    let dimensions = match &metered {
        Some(metered) => dimensions(order, wanted, &metered.feature, config)?,
        None => String::new(),
    };
    let end_user = match &wanted.end_user {
        None => None,
        Some(named) => Some(config.end_user(customer.id, named)?),
    };
    let mut request = Request {
        amount: metered.as_ref().map_or(1, |metered| metered.units),
        ..Request::default()
    };
    let mut own = None;
    if let Some(metered) = &metered {
        let limit = match customer.holdings.limit(metered.feature.id, order.at) {
            Some(limit) => limit.clone(),
            // What has happened is counted, as overrun.
            None if matches!(wanted.verb, Verb::Record(_)) => Limit::deny_above(0),
            None => return refused(Code::FeatureNotInPlan),
        };
        if matches!(metered.meter.aggregation, Aggregation::Unique { .. }) {
            request.member = member(wanted, end_user)?;
        }
        let charge = |kind, id, limit| charge(shop, (kind, id), metered, &customer.anchor, order.at, limit);
        if let Some(id) = end_user {
            request
                .charges
                .push(charge(SubjectKind::EndUser, id.uuid(), Limit::unlimited()));
        }
        own = Some(request.charges.len());
        let mut mine = charge(SubjectKind::Customer, customer.id.uuid(), limit);
        mine.grants = customer.grants(metered.feature.id);
        request.charges.push(mine);
    }
    let gate = gate(order, config)?;
    let also = request.charges.len();
    request.charges.extend(wanted.also.charges.iter().cloned());
    let feature = metered.as_ref().map(|metered| metered.feature.id);
    add_rates(&mut request, order, wanted, (customer, end_user, feature), rules);
    Ok(Ok(ReadyUse {
        customer: customer.id,
        end_user,
        metered,
        verb: wanted.verb,
        dimensions,
        request,
        own,
        also,
        calls: calls(wanted),
        gate,
    }))
}

fn calls(wanted: &Use) -> Option<Request> {
    let charges = &wanted.also.calls;
    (!charges.is_empty()).then(|| Request {
        amount: 1,
        charges: charges.clone(),
        ..Request::default()
    })
}

fn metered(wanted: &Use, feature: &Arc<Feature>) -> Result<Metered> {
    let meter = feature.meter.ok_or_else(|| {
        Error::new(
            ErrorCode::FeatureNotMetered,
            format!(
                "{} is not a metered feature, so there is nothing to count.",
                feature.key
            ),
        )
    })?;
    let units = wanted.amount.parse_field("amount", meter.scale, Sign::Positive)?;
    Ok(Metered {
        feature: feature.clone(),
        meter,
        units,
    })
}

/// The dimensions as they are stored: JSON with sorted names, or nothing.
fn dimensions(order: &Order, wanted: &Use, feature: &Feature, config: &Config) -> Result<String> {
    for (name, value) in &wanted.dimensions {
        let field = || format!("dimensions.{name}");
        if !feature.dimensions.contains(name) {
            let declared = feature.dimensions.join(", ");
            let message = match declared.as_str() {
                "" => format!("{} has no dimensions", feature.key),
                _ => format!("{} has these dimensions: {declared}", feature.key),
            };
            return Err(Error::invalid(field(), message));
        }
        let value = DimensionValue {
            shop: order.shop,
            feature: feature.id,
            name: name.clone(),
            value: value.clone(),
        };
        if config.has_no_room(&value) {
            let most = super::config::MAX_DIMENSION_VALUES;
            return Err(Error::invalid(
                field(),
                format!("has {most} different values already; send one of them, or a coarser one"),
            ));
        }
    }
    match wanted.dimensions.is_empty() {
        true => Ok(String::new()),
        false => serde_json::to_string(&wanted.dimensions).map_err(Error::internal),
    }
}

/// Who is counted by a unique count, as 128 bits of a hash.
fn member(wanted: &Use, end_user: Option<EndUserId>) -> Result<u128> {
    let bytes = match (&wanted.member, end_user) {
        (Some(member), _) => member.as_bytes().to_vec(),
        (None, Some(end_user)) => end_user.uuid().as_bytes().to_vec(),
        (None, None) => {
            return Err(Error::invalid(
                "member",
                "say who is counted, or name the end user",
            ));
        }
    };
    let mut first = [0; 16];
    first.copy_from_slice(&Sha256::digest(bytes)[..16]);
    Ok(u128::from_be_bytes(first))
}

fn charge(
    shop: Shop,
    (kind, id): (SubjectKind, Uuid),
    metered: &Metered,
    anchor: &Anchor,
    at: Timestamp,
    limit: Limit,
) -> Charge {
    let subject = subject(shop, kind, id);
    let period = period_of(metered.meter.period, anchor, at);
    Charge::new(subject, metered.feature.id, metered.meter, period, limit)
}

fn subject(shop: Shop, kind: SubjectKind, id: Uuid) -> Subject {
    Subject {
        workspace: shop.workspace,
        platform: shop.platform,
        mode: shop.mode,
        kind,
        id,
    }
}

/// Adds the rate limits of the shop that apply, then those that the order names.
fn add_rates(
    request: &mut Request,
    order: &Order,
    wanted: &Use,
    (customer, end_user, feature): (&Known, Option<EndUserId>, Option<FeatureId>),
    rules: &Rules,
) {
    // What has happened already is not slowed down.
    if matches!(wanted.verb, Verb::Record(_)) {
        return;
    }
    if let Some(rules) = rules.get(&order.shop) {
        let plans: Vec<_> = customer.holdings.plans().collect();
        request.rates = rules.charges(&Call {
            shop: order.shop,
            customer: customer.id,
            end_user,
            api_key: wanted.also.api_key,
            feature: feature.unwrap_or(NO_FEATURE),
            route: wanted.route.as_deref(),
            plans: &plans,
            cost: 1,
        });
    }
    request.rates.extend(wanted.also.rates.iter().cloned());
}

/// The workspace's own limit on live calls: platform zero's counter of the workspace as its customer. Test calls and
/// platform zero's own are not counted.
///
/// # Errors
/// `feature_not_in_plan`; `unavailable`, while the workspace is being made a customer of platform zero.
fn gate(order: &Order, config: &Config) -> Result<Option<Gate>> {
    let workspace = order.shop.workspace;
    if !is_gated(order.shop) {
        return Ok(None);
    }
    let row = config.gate(workspace).ok_or_else(|| {
        Error::new(
            ErrorCode::FeatureNotInPlan,
            "The workspace's own plan does not include live calls.",
        )
    })?;
    let calls = config.feature(SHOP_ZERO, CALLS)?;
    let buyer = config.customer(SHOP_ZERO, &buyer(workspace)).map_err(|_| {
        Error::unavailable("The workspace is being set up. Nothing was counted; try again in a moment.")
    })?;
    let meter = Meter::calls(PeriodKind::Month);
    let anchor = Anchor::calendar("UTC").map_err(Error::internal)?;
    let charge = Charge::new(
        subject(SHOP_ZERO, SubjectKind::Customer, buyer.id.uuid()),
        calls.id,
        meter,
        period_of(meter.period, &anchor, order.at),
        row.amount.map_or_else(Limit::unlimited, Limit::deny_above),
    );
    Ok(Some(Gate {
        request: Request {
            amount: 1,
            charges: vec![charge],
            ..Request::default()
        },
        plan: row.plan_key.clone(),
    }))
}

fn hold_of(config: &Config, shop: Shop, hold: types::id::HoldId) -> Result<StoredHold> {
    let stored = config.holds.get(&(shop, hold)).cloned();
    stored.ok_or_else(|| Error::not_found("hold"))
}

fn prepare_settle(order: &Order, wanted: &Settle, config: &Config) -> Result<ReadySettle> {
    let stored = hold_of(config, order.shop, wanted.hold)?;
    let feature = config.feature_by_id(order.shop, stored.feature)?.clone();
    let scale = feature.scale();
    let total = match &wanted.total {
        None => stored.hold.amount.max(stored.hold.settled),
        Some(total) => total.parse_field("amount", scale, Sign::NotNegative)?,
    };
    let customer = config.customer(order.shop, &CustomerRef::Id(stored.customer))?;
    let is_own = |key: &CounterKey| {
        key.subject.kind == SubjectKind::Customer && key.subject.id == stored.customer.uuid()
    };
    let mut charges = stored.charges();
    for charge in charges.iter_mut().filter(|charge| is_own(&charge.key)) {
        // A plan that has grown, or a grant, since the units were held pays for what is more.
        if let Some(limit) = customer.holdings.limit(feature.id, order.at) {
            charge.limit = limit.clone();
        }
        charge.grants = customer.grants(feature.id);
    }
    let own = stored.hold.parts.iter().position(|part| is_own(&part.key));
    Ok(ReadySettle {
        settle: ledger::Settle {
            hold: wanted.hold,
            total,
            close: wanted.close,
            charges,
        },
        feature,
        own,
        stored,
    })
}

fn prepare_correction(order: &Order, wanted: &Correct, config: &Config) -> Result<ReadyCorrection> {
    let stored = config.events.get(&(order.shop, wanted.event)).cloned();
    let stored = stored.ok_or_else(|| Error::not_found("usage event"))?;
    let feature = config.feature_by_id(order.shop, stored.feature)?.clone();
    let meter = feature
        .meter
        .ok_or_else(|| Error::internal("an event of a feature that is not metered"))?;
    if stored.is_correction {
        return Err(Error::new(
            ErrorCode::Conflict,
            "This is a correction itself. Record the usage again if it was right.",
        ));
    }
    let left = stored.parts.first().map_or(0, |part| part.units.total());
    let amount = match &wanted.amount {
        Some(amount) => amount.parse_field("amount", meter.scale, Sign::Positive)?,
        None => left,
    };
    if amount <= 0 {
        return Err(Error::new(
            ErrorCode::Conflict,
            "Nothing of this event is left to take back.",
        ));
    }
    let customer = config.customer(order.shop, &CustomerRef::Id(stored.customer))?;
    let period = period_of(meter.period, &customer.anchor, stored.occurred_at);
    let part_of = |part: &ChargedPart| {
        let subject = subject(order.shop, part.kind, part.id);
        let (id, meter) = match part.feature {
            None => (feature.id, meter),
            Some(other) => (other, Meter::calls(PeriodKind::Never)),
        };
        let mut charge = Charge::new(subject, id, meter, period, Limit::unlimited());
        charge.key.period_start = part.period_start;
        if part.kind == SubjectKind::Customer {
            let limit = customer.holdings.limit(feature.id, order.at);
            charge.limit = limit.cloned().unwrap_or_else(|| Limit::deny_above(0));
            charge.grants = customer.grants(feature.id);
        }
        ledger::CorrectionPart {
            charge,
            left: part.units.clone(),
        }
    };
    Ok(ReadyCorrection {
        wanted: wanted.clone(),
        correction: ledger::Correction {
            amount,
            charged_at: stored.occurred_at,
            parts: stored.parts.iter().map(part_of).collect(),
        },
        feature,
        stored,
    })
}

/// Rows that decisions look at.
#[derive(Default)]
pub(in crate::usage) struct Wanted {
    pub counters: BTreeSet<CounterKey>,
    pub grants: BTreeSet<(Shop, GrantId)>,
    pub members: BTreeSet<MemberKey>,
}

impl Wanted {
    pub(in crate::usage) fn of<'a>(ready: impl Iterator<Item = (Shop, &'a Ready)>) -> Self {
        let mut wanted = Wanted::default();
        for (shop, ready) in ready {
            wanted.add(shop, ready);
        }
        wanted
    }

    fn add(&mut self, shop: Shop, ready: &Ready) {
        match ready {
            Ready::Use(ready) => {
                let gate = ready.gate.iter().flat_map(|gate| &gate.request.charges);
                let calls = ready.calls.iter().flat_map(|calls| &calls.charges);
                for charge in ready.request.charges.iter().chain(gate).chain(calls) {
                    self.add_charge(shop, charge);
                    if matches!(charge.meter.aggregation, Aggregation::Unique { .. }) {
                        self.members.insert(MemberKey {
                            counter: charge.key,
                            member: ready.request.member,
                        });
                    }
                }
            }
            Ready::Settle(ready) => {
                self.add_hold(shop, &ready.stored);
                for charge in &ready.settle.charges {
                    self.add_charge(shop, charge);
                }
            }
            Ready::Release(stored) | Ready::Expire(stored) => self.add_hold(shop, stored),
            Ready::Correct(ready) => {
                for part in &ready.correction.parts {
                    self.add_charge(shop, &part.charge);
                    self.add_shares(shop, &part.left);
                }
            }
        }
    }

    fn add_charge(&mut self, shop: Shop, charge: &Charge) {
        self.counters.insert(charge.key);
        self.grants
            .extend(charge.grants.iter().map(|grant| (shop, *grant)));
    }

    fn add_hold(&mut self, shop: Shop, stored: &StoredHold) {
        for part in &stored.hold.parts {
            self.counters.insert(part.key);
            self.add_shares(shop, &part.held);
        }
    }

    fn add_shares(&mut self, shop: Shop, units: &Allocation) {
        self.grants
            .extend(units.grants.iter().map(|share| (shop, share.grant)));
    }
}

impl Metered {
    /// The scale of its amounts.
    pub(in crate::usage) fn scale(&self) -> Scale {
        self.meter.scale
    }

    /// Whether an event replaces what was, rather than adding to it.
    pub(in crate::usage) fn keeps_a_value(&self) -> bool {
        matches!(self.meter.aggregation, Aggregation::Max | Aggregation::Last)
    }
}
