//! What happens to units later: holds that are settled or given back, events that are corrected. Pure.

use ledger::{Allocation, Base, CorrectError, CounterView, HoldError, SubjectKind};
use runtime::audit::NewEntry;
use serde_json::json;
use types::id::UsageEventId;
use types::{Error, ErrorCode, Result, Timestamp};

use super::super::order::Order;
use super::super::store::{ChargedPart, NewEvent, StoredHold};
use super::super::{Correction, EventSource, Hold, Settlement};
use super::answer::Answer;
use super::decide::Batch;
use super::ready::{ReadyCorrection, ReadySettle};
use crate::amount::Amount;
use crate::features::Feature;

impl Batch<'_> {
    pub(super) fn settle(&mut self, order: &Order, ready: &ReadySettle) -> Result<Result<Answer>> {
        let stored = &ready.stored;
        let mut settle = ready.settle.clone();
        if ready.is_of_all {
            // Another settlement of this very batch may have charged more.
            let hold = self.overlay.hold(settle.hold).map_err(Error::internal)?;
            settle.total = hold.amount.max(hold.settled);
        }
        let settlement = match ledger::settle(&mut self.overlay, &settle, order.at) {
            Ok(settlement) => settlement,
            Err(error @ (HoldError::NotLoaded(_) | HoldError::ChargeMissing(_))) => {
                return Err(Error::internal(error));
            }
            Err(error) => return Ok(Err(hold_error(&error))),
        };
        let event = (settlement.charged > 0).then(UsageEventId::generate);
        if let Some(id) = event {
            let parts = stored.hold.parts.iter().zip(&settlement.allocations);
            self.writes.events.push(NewEvent {
                id,
                shop: order.shop,
                customer: stored.customer,
                end_user: stored.end_user,
                feature: stored.feature,
                amount: settlement.charged,
                is_value: false,
                dimensions: stored.dimensions.clone(),
                source: EventSource::Settle,
                // The periods of the hold are charged.
                occurred_at: stored.hold.created_at,
                about: Some(stored.hold.id.uuid()),
                parts: parts
                    .map(|(part, units)| ChargedPart::new(&part.key, stored.feature, units.clone()))
                    .collect(),
            });
        }
        let scale = ready.feature.scale();
        let own = ready.own.and_then(|place| settlement.counters.get(place));
        let reached: Vec<u16> = settlement
            .warnings
            .iter()
            .filter(|warning| own.is_some_and(|view| view.key == warning.key))
            .map(|warning| warning.threshold_percent)
            .collect();
        let figures = Figures::new(own, &ready.feature);
        self.warn(order.shop, stored.customer, &reached, || {
            json!({
                "customer": stored.customer, "feature": ready.feature.key,
                "used": figures.used, "limit": figures.limit, "reset_at": figures.reset_at,
            })
        })?;
        let answer = Answer::Settled(Box::new(Settlement {
            hold: Hold::new(&stored.now(settlement.hold)),
            event,
            charged: Amount::from_units(settlement.charged, scale),
            overrun: Amount::from_units(settlement.overrun, scale),
            used: figures.used,
            limit: figures.limit,
            remaining: figures.remaining,
        }));
        self.keep(order, &answer)?;
        Ok(Ok(answer))
    }

    pub(super) fn release(
        &mut self,
        order: &Order,
        stored: &StoredHold,
        ending: Ending,
    ) -> Result<Result<Answer>> {
        let id = stored.hold.id;
        let released = match ending {
            Ending::Release => ledger::release(&mut self.overlay, id),
            Ending::Expire => ledger::expire(&mut self.overlay, id, order.at),
        };
        let hold = match released {
            Ok(hold) => hold,
            Err(HoldError::NotLoaded(error)) => return Err(Error::internal(error)),
            Err(error) => return Ok(Err(hold_error(&error))),
        };
        let answer = Answer::Released(Box::new(Hold::new(&stored.now(hold))));
        self.keep(order, &answer)?;
        Ok(Ok(answer))
    }

    pub(super) fn correct(&mut self, order: &Order, ready: &ReadyCorrection) -> Result<Result<Answer>> {
        let stored = &ready.stored;
        let mut correction = ready.correction.clone();
        // Another correction of this very batch may have taken some of it back.
        let earlier = self.writes.corrected.iter().rev();
        if let Some((_, _, left)) = earlier
            .clone()
            .find(|(shop, id, _)| (*shop, *id) == (order.shop, stored.id))
        {
            for (part, left) in correction.parts.iter_mut().zip(left) {
                part.left = left.units.clone();
            }
            if ready.wanted.amount.is_none() {
                correction.amount = left.first().map_or(0, |part| part.units.total());
            }
        }
        let corrected = match ledger::correct(&mut self.overlay, &correction, order.at) {
            Ok(corrected) => corrected,
            Err(CorrectError::NotLoaded(error)) => return Err(Error::internal(error)),
            Err(error) => return Ok(Err(correct_error(&error, &ready.feature))),
        };
        let id = UsageEventId::generate();
        let with = |units: &[Allocation]| -> Vec<ChargedPart> {
            let parts = stored.parts.iter().zip(units);
            parts
                .map(|(part, units)| ChargedPart {
                    units: units.clone(),
                    ..part.clone()
                })
                .collect()
        };
        let left = with(&corrected.left);
        self.writes.events.push(NewEvent {
            id,
            shop: order.shop,
            customer: stored.customer,
            end_user: stored.end_user,
            feature: stored.feature,
            amount: -correction.amount,
            is_value: false,
            dimensions: stored.dimensions.clone(),
            source: EventSource::Correction,
            occurred_at: stored.occurred_at,
            about: Some(stored.id.uuid()),
            parts: with(&corrected.given_back),
        });
        if corrected.given_back.iter().any(|units| !units.grants.is_empty()) {
            self.writes.refunded.insert((order.shop, stored.customer));
        }
        let scale = ready.feature.scale();
        let of_customer = |view: &&CounterView| view.key.subject.kind == SubjectKind::Customer;
        let figures = Figures::new(corrected.counters.iter().find(of_customer), &ready.feature);
        let entry = NewEntry::new("usage.correct", "usage_event", stored.id)
            .with_detail("correction", id.to_string());
        self.writes.audits.push((order.shop, ready.wanted.clone(), entry));
        let rest = left.first().map_or(0, |part| part.units.total());
        self.writes.corrected.push((order.shop, stored.id, left));
        let answer = Answer::Corrected(Box::new(Correction {
            event: id,
            corrects: stored.id,
            customer: stored.customer,
            feature: ready.feature.key.clone(),
            amount: Amount::from_units(correction.amount, scale),
            left: Amount::from_units(rest, scale),
            used: figures.used,
            limit: figures.limit,
            remaining: figures.remaining,
        }));
        self.keep(order, &answer)?;
        Ok(Ok(answer))
    }
}

/// How a hold ends without being settled.
#[derive(Clone, Copy)]
pub(super) enum Ending {
    Release,
    Expire,
}

/// The customer's counter as it is told.
struct Figures {
    used: Amount,
    limit: Option<Amount>,
    remaining: Option<Amount>,
    reset_at: Option<Timestamp>,
}

impl Figures {
    fn new(own: Option<&CounterView>, feature: &Feature) -> Self {
        let amount = |units| Amount::from_units(units, feature.scale());
        Figures {
            used: amount(own.map_or(0, |view| view.used)),
            limit: own.and_then(|view| view.limit).map(amount),
            remaining: own.and_then(|view| view.remaining).map(amount),
            reset_at: own.and_then(|view| view.reset_at),
        }
    }
}

fn hold_error(error: &HoldError) -> Error {
    match error {
        HoldError::Negative | HoldError::TooLarge | HoldError::BelowSettled { .. } => {
            Error::invalid("amount", error.to_string())
        }
        _ => Error::new(ErrorCode::Conflict, sentence(&error.to_string())),
    }
}

fn correct_error(error: &CorrectError, feature: &Feature) -> Error {
    match error {
        CorrectError::MoreThanUsed { left } => {
            let left = Amount::from_units(*left, feature.scale());
            let left = serde_json::to_string(&left).unwrap_or_default();
            Error::invalid(
                "amount",
                format!("only {left} of the event are left to take back"),
            )
        }
        CorrectError::NotPositive => nothing_left(),
        CorrectError::NotAdditive(_) => Error::new(
            ErrorCode::Conflict,
            format!(
                "Usage of {} does not add up, so none of it can be taken back. Record the right value instead.",
                feature.key
            ),
        ),
        _ => Error::invalid("amount", error.to_string()),
    }
}

/// Everything that the event counted was taken back before.
pub(super) fn nothing_left() -> Error {
    Error::new(ErrorCode::Conflict, "Nothing of this event is left to take back.")
}

/// As a sentence of its own.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(chars).chain(['.']).collect()
}
