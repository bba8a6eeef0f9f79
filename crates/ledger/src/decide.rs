//! The decision: every rate limit and every counter that a request touches, all or nothing.

use std::time::Duration;

use types::Timestamp;
use types::id::HoldId;

use crate::book::{Base, Changes, NotLoaded, Overlay, RateKey};
use crate::charge::{Asked, Charge, Intent};
use crate::counter::CounterKey;
use crate::decision::{Code, Decision, Limiting, Outcome, RateView};
use crate::gcra::{self, Rate};
use crate::hold::{Hold, HoldPart, HoldStatus};

/// One use of one feature by one leaf, with everything that it touches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// Units, above zero, at the meter's scale; of a unique count, 1.
    pub amount: i64,
    /// What a unique count counts, as a 128-bit hash; other counters do not look at it.
    pub member: u128,
    /// The counters in order, such as end user, API key, customer.
    pub charges: Vec<Charge>,
    /// The rate limits in order.
    pub rates: Vec<RateCharge>,
}

/// One rate limit that a request touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateCharge {
    pub key: RateKey,
    pub rate: Rate,
    /// Units of the rate, above zero; usually 1 whatever the amount.
    pub cost: i64,
}

/// The request is wrong in itself, whatever the counters hold: a mistake of the calling code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecideError {
    #[error("an amount or cost must be above zero")]
    NotPositive,
    #[error("units of the counter {0:?} do not add up, so they cannot be held or given back")]
    NotAdditive(CounterKey),
    #[error("a hold must expire in the future")]
    HoldExpired,
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
}

/// Decides one request on top of the overlay. Granted: the overlay has the changes. Denied: it has none. Decisions of
/// one overlay see each other in the order in which they were made.
pub fn decide(overlay: &mut Overlay<'_>, request: &Request, now: Timestamp) -> Result<Decision, DecideError> {
    let (decision, changes) = evaluate(&*overlay, request, Intent::Spend, now, now)?;
    if decision.is_granted() {
        overlay.merge(changes);
    }
    Ok(decision)
}

/// Decides like [`decide`], but reserves the units for a new hold with that id instead of spending them. Rate limits are
/// spent. The hold ends at `expires_at`, which must lie in the future: see [`crate::settle()`] for how.
pub fn reserve(
    overlay: &mut Overlay<'_>,
    request: &Request,
    hold: HoldId,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<Decision, DecideError> {
    if expires_at <= now {
        return Err(DecideError::HoldExpired);
    }
    if let Some(charge) = request
        .charges
        .iter()
        .find(|charge| !charge.meter.aggregation.is_additive())
    {
        return Err(DecideError::NotAdditive(charge.key));
    }
    let (decision, changes) = evaluate(&*overlay, request, Intent::Reserve, now, now)?;
    if decision.is_granted() {
        overlay.merge(changes);
        let held = request.charges.iter().zip(&decision.allocations);
        overlay.put_hold(Hold {
            id: hold,
            status: HoldStatus::Open,
            amount: request.amount,
            settled: 0,
            overrun: 0,
            created_at: now,
            expires_at,
            parts: held
                .map(|(charge, held)| HoldPart {
                    key: charge.key,
                    held: held.clone(),
                })
                .collect(),
        });
    }
    Ok(decision)
}

/// Charges a use that has happened already, at the instant `at`, whatever the limits: an imported or reported event. Grants
/// pay that were effective then; a rolling window counts it if it reaches back that far. Units that nobody had room for are
/// recorded as overrun. Refused only by what cannot be counted at all, and by rate limits if it names any.
pub fn record(
    overlay: &mut Overlay<'_>,
    request: &Request,
    at: Timestamp,
    now: Timestamp,
) -> Result<Decision, DecideError> {
    let (decision, changes) = evaluate(&*overlay, request, Intent::Record, at, now)?;
    if decision.is_granted() {
        overlay.merge(changes);
    }
    Ok(decision)
}

/// What [`decide`] would say, changing nothing. Warnings are left out: they belong to the request that really crosses
/// the threshold.
pub fn check(base: &dyn Base, request: &Request, now: Timestamp) -> Result<Decision, DecideError> {
    let (decision, _) = evaluate(base, request, Intent::Spend, now, now)?;
    Ok(Decision {
        warnings: Vec::new(),
        ..decision
    })
}

/// A counter or rate limit that has no room.
struct Refusal {
    code: Code,
    by: Limiting,
    /// None: waiting cannot help.
    retry_after: Option<Duration>,
}

fn evaluate(
    base: &dyn Base,
    request: &Request,
    intent: Intent,
    at: Timestamp,
    now: Timestamp,
) -> Result<(Decision, Changes), DecideError> {
    if request.amount <= 0 || request.rates.iter().any(|rate| rate.cost <= 0) {
        return Err(DecideError::NotPositive);
    }
    let asked = Asked {
        amount: request.amount,
        member: request.member,
        intent,
        at,
    };
    let mut draft = Overlay::begin(base);
    let mut decision = Decision::refused(Code::Granted, now);
    let mut refusals = Vec::new();
    for (place, charge) in request.charges.iter().enumerate() {
        match charge.take(&mut draft, asked, now)? {
            Ok(charged) => {
                decision.allocations.push(charged.allocation);
                decision.warnings.extend(charged.warnings);
            }
            Err(code) => refusals.push(Refusal {
                code,
                by: Limiting::Counter(place),
                retry_after: charge.retry_after(&draft, request.amount, now)?,
            }),
        }
    }
    // Counters come before rate limits: that a quota is used up says more than that it was asked for too often.
    refusals.extend(ask_rates(&mut draft, &request.rates, now));
    if let Some(first) = refusals.first() {
        decision = Decision::refused(first.code, now);
        decision.limiting = Some(first.by);
        decision.retry_after = longest_wait(&refusals);
        draft = Overlay::begin(base);
    } else {
        decision.outcome = Outcome::Granted;
    }
    for charge in &request.charges {
        decision.counters.push(charge.view(&draft, now)?);
    }
    decision.rates = request.rates.iter().map(|rate| rate.view(&draft, now)).collect();
    Ok((decision, draft.into_changes()))
}

fn ask_rates(draft: &mut Overlay<'_>, rates: &[RateCharge], now: Timestamp) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (place, rate) in rates.iter().enumerate() {
        let verdict = gcra::ask(rate.rate, draft.rate(&rate.key), rate.cost, now);
        draft.put_rate(rate.key.clone(), verdict.arrival_micros);
        if !verdict.allowed {
            refusals.push(Refusal {
                code: Code::RateLimited,
                by: Limiting::Rate(place),
                retry_after: verdict.retry_after,
            });
        }
    }
    refusals
}

/// Until everything that refused would let the request through; none if something never will.
fn longest_wait(refusals: &[Refusal]) -> Option<Duration> {
    refusals
        .iter()
        .map(|refusal| refusal.retry_after)
        .try_fold(Duration::ZERO, |longest, wait| Some(longest.max(wait?)))
}

impl RateCharge {
    fn view(&self, base: &dyn Base, now: Timestamp) -> RateView {
        // Asking for nothing changes nothing.
        let verdict = gcra::ask(self.rate, base.rate(&self.key), 0, now);
        RateView {
            name: self.key.name.to_string(),
            burst: self.rate.burst(),
            remaining: verdict.remaining,
            reset_after: verdict.reset_after,
        }
    }
}
