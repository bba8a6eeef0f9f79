//! From a use to the ordered counters with their limits, and the rate limits that it comes under. Pure.

use std::sync::Arc;

use ledger::{
    Aggregation, Anchor, Charge, Code, Decision, Limit, Meter, PeriodKind, Request, Sign, Subject,
    SubjectKind, period_of,
};
use sha2::{Digest, Sha256};
use types::id::{EndUserId, FeatureId};
use types::{Error, ErrorCode, Result, Timestamp};
use uuid::Uuid;

use super::super::order::{Order, Use, Verb};
use super::super::store::DimensionValue;
use super::answer::{Answer, Used};
use super::config::{CALLS, Config, buyer, is_gated};
use super::memory::Known;
use super::prepare::{Rules, done};
use super::ready::{Gate, Metered, Ready, ReadyUse, Stage};
use crate::Shop;
use crate::catalogue::SHOP_ZERO;
use crate::features::Feature;
use crate::rate_limits::Call;

/// In place of a feature, where none is used.
const NO_FEATURE: FeatureId = FeatureId::from_uuid(Uuid::nil());

pub(super) fn prepare_use(order: &Order, wanted: &Use, config: &Config, rules: &Rules) -> Stage {
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

pub(super) fn subject(shop: Shop, kind: SubjectKind, id: Uuid) -> Subject {
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
