//! From an order and what was found for it to what the ledger decides on. Pure: nothing here asks the database.

use std::collections::HashMap;
use std::sync::Arc;

use ledger::{Charge, CounterKey, Limit, Meter, PeriodKind, Sign, SubjectKind, period_of};
use types::id::HoldId;
use types::{Error, ErrorCode, Result};

use super::super::order::{Correct, Order, Settle, Work};
use super::super::store::{ChargedPart, Replay, StoredHold};
use super::answer::Answer;
use super::config::Config;
use super::later::nothing_left;
use super::prepare_use::{prepare_use, subject};
use super::ready::{Ready, ReadyCorrection, ReadySettle, Stage};
use crate::Shop;
use crate::customers::CustomerRef;
use crate::rate_limits::RateLimits;

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

pub(super) fn done(answer: Result<Answer>) -> Stage {
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

fn hold_of(config: &Config, shop: Shop, hold: HoldId) -> Result<StoredHold> {
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
        is_of_all: wanted.total.is_none(),
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
        return Err(nothing_left());
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
