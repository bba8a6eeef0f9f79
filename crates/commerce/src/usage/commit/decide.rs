//! Decides the orders of a batch one after the other on the rows that were loaded, and gathers what is to be written. Pure:
//! the same orders on the same rows come to the same answers, so a simulation can run it under every misfortune.

use std::collections::{BTreeSet, HashMap};

use ledger::{Allocation, Base, Book, Changes, CounterView, DecideError, Overlay, RateKey, SubjectKind};
use runtime::audit::NewEntry;
use runtime::outbox::NewEvent as OutboxEvent;
use serde_json::json;
use types::id::{CustomerId, HoldId, UsageEventId};
use types::{Error, Result, Timestamp};

use super::super::order::{Correct, Order, Told, Verb};
use super::super::store::{ChargedPart, DimensionValue, NewEvent, Replay, StoredHold};
use super::super::{EventSource, Hold};
use super::answer::{Answer, Used, gate_refusal};
use super::later::Ending;
use super::prepare::replayed;
use super::ready::{Ready, ReadyUse, Stage};
use crate::Shop;

/// What a batch came to: the answers in the order of the orders, and the rows to write before they may be given.
pub(in crate::usage) struct Decided {
    pub answers: Vec<Result<Answer>>,
    pub writes: Writes,
    /// What was taken from rate limits, in microseconds.
    pub taken: HashMap<RateKey, i64>,
}

/// Rows to write, all of them or none.
#[derive(Default)]
pub(in crate::usage) struct Writes {
    pub changes: Changes,
    pub new_holds: Vec<StoredHold>,
    pub events: Vec<NewEvent>,
    /// What is left of events that were corrected.
    pub corrected: Vec<(Shop, UsageEventId, Vec<ChargedPart>)>,
    /// Customers whose grants got something back: one that was used up may pay again.
    pub refunded: BTreeSet<(Shop, CustomerId)>,
    pub replays: Vec<Replay>,
    pub warnings: Vec<(Shop, OutboxEvent)>,
    /// Entries of the audit log, each of what somebody wanted.
    pub audits: Vec<(Shop, Correct, NewEntry)>,
    pub values: BTreeSet<DimensionValue>,
}

/// Decides a batch on `book`, which holds every row that it looks at. Rate limits are taken from the book and left in it
/// whatever becomes of the rows: a call that fails later was made all the same.
///
/// # Errors
/// Internal, when something was not loaded.
pub(in crate::usage) fn decide(
    book: &mut Book,
    orders: &[Order],
    stages: Vec<Stage>,
    new_values: &BTreeSet<DimensionValue>,
    now: Timestamp,
) -> Result<Decided> {
    let mut batch = Batch {
        overlay: Overlay::begin(book),
        writes: Writes::default(),
        given: HashMap::new(),
        new_values,
        now,
    };
    let mut answers = Vec::with_capacity(orders.len());
    for (order, stage) in orders.iter().zip(stages) {
        answers.push(match stage {
            Stage::Done(answer) => *answer,
            Stage::Open(ready) => batch.answer(order, *ready)?,
        });
    }
    let Batch {
        overlay, mut writes, ..
    } = batch;
    writes.changes = overlay.into_changes();
    for made in &writes.new_holds {
        writes.changes.holds.remove(&made.hold.id);
    }
    let rates = std::mem::take(&mut writes.changes.rates);
    let taken = rates
        .iter()
        .map(|(key, arrival)| {
            let before = book.rate(key).unwrap_or(i64::MIN).max(now.as_micros());
            (key.clone(), (*arrival - before).max(0))
        })
        .collect();
    book.merge(Changes {
        rates,
        ..Changes::default()
    });
    Ok(Decided {
        answers,
        writes,
        taken,
    })
}

/// A batch while it is decided.
pub(super) struct Batch<'a> {
    pub(super) overlay: Overlay<'a>,
    pub(super) writes: Writes,
    /// Where in the replays a key of this very batch is.
    given: HashMap<(Shop, String), usize>,
    new_values: &'a BTreeSet<DimensionValue>,
    now: Timestamp,
}

impl Batch<'_> {
    /// An outer error is a bug or the database's; an inner one the order's answer.
    fn answer(&mut self, order: &Order, ready: Ready) -> Result<Result<Answer>> {
        if let Some(key) = &order.key
            && let Some(place) = self.given.get(&(order.shop, key.text.clone()))
        {
            return Ok(replayed(&self.writes.replays[*place], &key.fingerprint));
        }
        match ready {
            Ready::Use(ready) => self.use_it(order, &ready),
            Ready::Settle(ready) => self.settle(order, &ready),
            Ready::Release(stored) => self.release(order, &stored, Ending::Release),
            Ready::Expire(stored) => self.release(order, &stored, Ending::Expire),
            Ready::Correct(ready) => self.correct(order, &ready),
        }
    }

    fn use_it(&mut self, order: &Order, ready: &ReadyUse) -> Result<Result<Answer>> {
        let mut draft = Overlay::begin(&self.overlay);
        if let Some(gate) = &ready.gate {
            let decision = ledger::decide(&mut draft, &gate.request, order.at).map_err(Error::internal)?;
            if !decision.is_granted() {
                return Ok(Err(gate_refusal(&decision, &gate.plan)));
            }
        }
        if let Some(calls) = &ready.calls {
            let decision = ledger::decide(&mut draft, calls, order.at).map_err(Error::internal)?;
            if !decision.is_granted() {
                return Ok(Ok(Answer::Used(Box::new(Used::without_calls(ready, &decision)))));
            }
        }
        let hold = HoldId::generate();
        let decision = match ready.verb {
            Verb::Spend => ledger::decide(&mut draft, &ready.request, order.at),
            Verb::Record(_) => ledger::record(&mut draft, &ready.request, order.at, self.now),
            Verb::Reserve(lasts) => {
                ledger::reserve(&mut draft, &ready.request, hold, order.at + lasts, order.at)
            }
        };
        let decision = match decision {
            Ok(decision) => decision,
            Err(error @ DecideError::NotAdditive(_)) => return Ok(Err(not_additive(&error))),
            Err(error) => return Err(Error::internal(error)),
        };
        let mut used = Used::decided(ready, &decision);
        if !decision.is_granted() {
            used.calls = self.calls(ready, order.at)?;
            return Ok(Ok(Answer::Used(Box::new(used))));
        }
        let changes = draft.into_changes();
        let made = changes.holds.get(&hold).cloned();
        self.overlay.merge(changes);
        used.calls = self.calls(ready, order.at)?;
        if let Some(made) = made {
            used.hold = self.hold(order.shop, ready, made);
        } else if let Some(usage) = used.usage.take() {
            let id = UsageEventId::generate();
            let parts = parts_of(ready, &decision.allocations);
            self.record_use(order, ready, id, parts);
            if ready.verb != Verb::Record(Told::Backfill) {
                self.warn(order.shop, ready.customer, &usage.thresholds_reached, || {
                    json!({
                        "customer": ready.customer, "feature": usage.feature,
                        "used": usage.used, "limit": usage.limit, "reset_at": usage.reset_at,
                    })
                })?;
            }
            used.usage = Some(usage.with_event(id));
        }
        self.take_values(order, ready);
        let event = used.usage.as_ref().and_then(|usage| usage.event);
        let answer = match (ready.verb, event) {
            (Verb::Record(_), Some(event)) => Answer::Recorded { event, again: false },
            _ => Answer::Used(Box::new(used)),
        };
        self.keep(order, &answer)?;
        Ok(Ok(answer))
    }

    /// The counters of calls that the order names, as they are now.
    fn calls(&self, ready: &ReadyUse, at: Timestamp) -> Result<Vec<CounterView>> {
        let charges = ready.calls.iter().flat_map(|calls| &calls.charges);
        let views = charges.map(|charge| charge.view(&self.overlay, at));
        views.collect::<Result<_, _>>().map_err(Error::internal)
    }

    /// Notes a new hold, and tells how it is shown.
    fn hold(&mut self, shop: Shop, ready: &ReadyUse, hold: ledger::Hold) -> Option<Hold> {
        let metered = ready.metered.as_ref()?;
        let stored = StoredHold::new(shop, ready, metered, hold);
        let shown = Hold::new(&stored);
        self.writes.new_holds.push(stored);
        Some(shown)
    }

    fn record_use(&mut self, order: &Order, ready: &ReadyUse, id: UsageEventId, parts: Vec<ChargedPart>) {
        let Some(metered) = &ready.metered else { return };
        let own = parts.iter().find(|part| part.kind == SubjectKind::Customer);
        let counted = own.map_or(0, |part| part.units.total());
        self.writes.events.push(NewEvent {
            id,
            shop: order.shop,
            customer: ready.customer,
            end_user: ready.end_user,
            feature: metered.feature.id,
            // Who was counted before adds nothing; of a largest or latest value, the event is the value.
            amount: match metered.meter.aggregation {
                ledger::Aggregation::Unique { .. } => counted,
                _ => metered.units,
            },
            is_value: metered.keeps_a_value(),
            dimensions: ready.dimensions.clone(),
            source: match ready.verb {
                Verb::Record(Told::Event) => EventSource::Event,
                Verb::Record(Told::Backfill) => EventSource::Backfill,
                Verb::Spend | Verb::Reserve(_) => EventSource::Consume,
            },
            occurred_at: order.at,
            about: None,
            parts,
        });
    }

    fn take_values(&mut self, order: &Order, ready: &ReadyUse) {
        if self.new_values.is_empty() || ready.dimensions.is_empty() {
            return;
        }
        let Some(metered) = &ready.metered else { return };
        let mine = self.new_values.iter().filter(|value| {
            value.shop == order.shop
                && value.feature == metered.feature.id
                && order.names_value(&value.name, &value.value)
        });
        self.writes.values.extend(mine.cloned());
    }

    pub(super) fn warn(
        &mut self,
        shop: Shop,
        customer: CustomerId,
        reached: &[u16],
        figures: impl Fn() -> serde_json::Value,
    ) -> Result<()> {
        for threshold in reached {
            let mut data = figures();
            data["threshold_percent"] = json!(threshold);
            let event = OutboxEvent::new("usage.threshold_reached", customer, &data)?
                .of_platform(shop.platform, shop.mode);
            self.writes.warnings.push((shop, event));
        }
        Ok(())
    }

    /// Keeps an answer under the order's key.
    pub(super) fn keep(&mut self, order: &Order, answer: &Answer) -> Result<()> {
        let Some(key) = &order.key else { return Ok(()) };
        let place = self.writes.replays.len();
        self.given.insert((order.shop, key.text.clone()), place);
        self.writes.replays.push(Replay {
            shop: order.shop,
            key: key.text.clone(),
            fingerprint: key.fingerprint.to_vec(),
            outcome: serde_json::to_string(answer).map_err(Error::internal)?,
            created_at: self.now,
        });
        Ok(())
    }
}

fn parts_of(ready: &ReadyUse, allocations: &[Allocation]) -> Vec<ChargedPart> {
    let Some(metered) = &ready.metered else {
        return Vec::new();
    };
    let charges = ready.request.charges.iter().zip(allocations);
    charges
        .map(|(charge, units)| ChargedPart::new(&charge.key, metered.feature.id, units.clone()))
        .collect()
}

fn not_additive(error: &DecideError) -> Error {
    Error::invalid("feature", format!("cannot be reserved: {error}"))
}
