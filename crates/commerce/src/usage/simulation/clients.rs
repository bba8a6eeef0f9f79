//! Those who call: what they ask for, how often they ask, and what they were answered. A call is a thing that somebody wants
//! done once; it may be delivered many times.

use std::collections::BTreeMap;
use std::time::Duration;

use ledger::Code;
use runtime::Actor;
use types::id::{HoldId, UsageEventId};
use types::{Error, ErrorCode, Result, Timestamp};

use super::rng::Rng;
use super::world;
use super::{Invariant, Violation};
use crate::Shop;
use crate::amount::Amount;
use crate::customers::{EndUserRef, Reference};
use crate::usage::commit::Answer;
use crate::usage::order::{Correct, NewUsage, Order, Settle, Told, Use, Verb, Work};

/// What is to be done, and when it happened, if that is told.
type Wanted = (Work, Option<Timestamp>);

/// Something that somebody wants done once.
pub(super) struct Call {
    pub shop: Shop,
    pub work: Work,
    pub key: Option<String>,
    /// When what it tells of happened; none: when it arrives.
    pub told_at: Option<Timestamp>,
    /// Deliveries to a node that took it.
    pub taken: u32,
    /// Answers that said that nothing was counted.
    pub not_counted: u32,
    /// Whether the client has an answer that it need not ask again for.
    pub is_over: bool,
    /// What the client was told that was granted; under a key, as it was told first.
    pub granted: Vec<Granted>,
}

/// An answer that promises that something was counted.
#[derive(Debug, Clone)]
pub(super) struct Granted {
    /// The answer, as it is kept.
    pub text: String,
    pub event: Option<UsageEventId>,
    pub hold: Option<HoldId>,
}

/// Every call there was.
pub(super) struct Clients {
    pub calls: Vec<Call>,
    /// Where this schedule's calls are made, by whom, and for what: the fewer there are, the more often they meet.
    pub shops: Vec<Shop>,
    pub customers: Vec<&'static str>,
    pub features: Vec<&'static str>,
    /// How many in a thousand tell of the past.
    told: usize,
    /// Events and holds that clients know of.
    known_events: Vec<(Shop, UsageEventId)>,
    known_holds: Vec<(Shop, HoldId)>,
    keys: BTreeMap<Shop, u32>,
}

impl Clients {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Clients {
            calls: Vec::new(),
            shops: some_of(rng, &world::shops()),
            customers: some_of(rng, &world::CUSTOMERS),
            features: some_of(rng, &world::KEYED),
            told: rng.one_of(&[50, 400]),
            known_events: Vec::new(),
            known_holds: Vec::new(),
            keys: BTreeMap::new(),
        }
    }

    /// Somebody wants something; its place among the calls.
    pub(super) fn call(&mut self, rng: &mut Rng, now: Timestamp) -> usize {
        let shop = rng.one_of(&self.shops);
        let (home, (work, told_at)) = match rng.below(10) {
            0 | 1 if !self.known_holds.is_empty() => self.end_of_hold(rng),
            2 if !self.known_events.is_empty() => self.correction(rng),
            _ => (shop, self.usage(rng, shop, now)),
        };
        // Some ask for what another shop has.
        let shop = if home != shop && rng.permille(50) {
            shop
        } else {
            home
        };
        let is_keyed = match &work {
            Work::Use(wanted) => wanted.feature.as_deref() != Some(world::PINGS),
            Work::Correct(_) => true,
            Work::Settle(_) | Work::Release(_) | Work::Expire(_) => false,
        };
        let key = is_keyed.then(|| {
            // The same texts in every shop.
            let number = self.keys.entry(shop).or_default();
            *number += 1;
            format!("k{number}")
        });
        self.calls.push(Call {
            shop,
            work,
            key,
            told_at,
            taken: 0,
            not_counted: 0,
            is_over: false,
            granted: Vec::new(),
        });
        self.calls.len() - 1
    }

    fn end_of_hold(&self, rng: &mut Rng) -> (Shop, Wanted) {
        let (shop, hold) = one_of_late(rng, &self.known_holds);
        let work = match rng.permille(250) {
            true => Work::Release(hold),
            false => Work::Settle(Settle {
                hold,
                total: rng.permille(700).then_some(Amount::Integer(rng.from(0, 12))),
                close: rng.permille(600),
            }),
        };
        (shop, (work, None))
    }

    fn correction(&self, rng: &mut Rng) -> (Shop, Wanted) {
        let (shop, event) = one_of_late(rng, &self.known_events);
        let work = Work::Correct(Correct {
            event,
            amount: rng.permille(600).then_some(Amount::Integer(rng.from(1, 4))),
            actor: Actor::Operator,
            request: None,
        });
        (shop, (work, None))
    }

    /// Usage of some feature by some customer, and when it happened, if that is told.
    fn usage(&self, rng: &mut Rng, shop: Shop, now: Timestamp) -> Wanted {
        let feature = if rng.permille(60) {
            world::PINGS
        } else {
            rng.one_of(&self.features)
        };
        let (verb, told_at) = self.verb(rng, feature, now);
        let customer = Reference::External(rng.one_of(&self.customers).to_owned());
        let mut input = NewUsage::one(customer, feature);
        let most = if feature == world::TOKENS {
            world::UNSTORABLE
        } else {
            6
        };
        input.amount = Some(Amount::Integer(rng.from(1, most)));
        if rng.permille(300) {
            input.end_user = Some(EndUserRef::External(rng.one_of(&["ann", "bob"]).to_owned()));
        }
        if feature == world::SEATS {
            input.amount = None;
            input.member = Some(rng.one_of(&["m1", "m2", "m3", "m4", "m5", "m6"]).to_owned());
        }
        if feature == world::TOKENS && rng.permille(500) {
            let model = rng.one_of(&["small", "large"]).to_owned();
            input.dimensions.insert(world::MODEL.to_owned(), model);
        }
        let has_key = feature == world::CALLS_OF && verb == Verb::Spend && rng.permille(300);
        match Use::read(input, verb) {
            Ok(mut wanted) => {
                if has_key {
                    wanted.also = world::by_key(shop, now);
                }
                (Work::Use(Box::new(wanted)), told_at)
            }
            Err(error) => unreachable!("the simulation made a wrong call: {error:?}"),
        }
    }

    fn verb(&self, rng: &mut Rng, feature: &str, now: Timestamp) -> (Verb, Option<Timestamp>) {
        if feature != world::PINGS && rng.permille(self.told) {
            let told_at = now - Duration::from_secs(rng.from(0, 7_200) as u64);
            return (
                Verb::Record(rng.one_of(&[Told::Event, Told::Backfill])),
                Some(told_at),
            );
        }
        if world::ADDITIVE.contains(&feature) && rng.permille(200) {
            return (Verb::Reserve(Duration::from_secs(rng.from(20, 300) as u64)), None);
        }
        (Verb::Spend, None)
    }

    /// A node has an answer for a call. `is_heard`: whether it reaches the client.
    pub(super) fn answer(
        &mut self,
        place: usize,
        answer: &Result<Answer>,
        is_heard: bool,
    ) -> std::result::Result<(), Violation> {
        let call = &mut self.calls[place];
        if let Err(error) = answer {
            if error.is(ErrorCode::Internal) && !call.cannot_be_stored() {
                return Err(Violation::new(
                    Invariant::Answers,
                    format!("{error:?} for {:?}", call.work),
                ));
            }
            if error.is(ErrorCode::ValidationFailed) && !call.names_an_amount() {
                let what = format!("{error:?}, though nobody named an amount: {:?}", call.work);
                return Err(Violation::new(Invariant::Answers, what));
            }
            call.not_counted += u32::from(error.is(ErrorCode::Unavailable));
        }
        if !is_heard {
            return Ok(());
        }
        match answer {
            Ok(answer) => {
                call.is_over = true;
                if let Some(granted) = granted(answer)? {
                    self.know(place, granted)?;
                }
            }
            Err(error) => call.is_over |= !may_be_repeated(error) || !call.may_be_repeated(),
        }
        Ok(())
    }

    /// A client was promised something: the same as before, if it was promised something before.
    fn know(&mut self, place: usize, granted: Granted) -> std::result::Result<(), Violation> {
        let call = &mut self.calls[place];
        self.known_events
            .extend(granted.event.map(|event| (call.shop, event)));
        self.known_holds
            .extend(granted.hold.map(|hold| (call.shop, hold)));
        match call.granted.first().filter(|_| call.key.is_some()) {
            Some(first) if first.text != granted.text => {
                let what = format!(
                    "{:?} was answered {} and then {}",
                    call.key, first.text, granted.text
                );
                return Err(Violation::new(Invariant::Replays, what));
            }
            Some(_) => {}
            None => call.granted.push(granted),
        }
        Ok(())
    }
}

impl Call {
    /// Whether asking again does it once.
    pub(super) fn may_be_repeated(&self) -> bool {
        self.key.is_some() || !matches!(self.work, Work::Use(_))
    }

    /// Whether it says how much; otherwise it is about all that there is.
    fn names_an_amount(&self) -> bool {
        match &self.work {
            Work::Use(_) => true,
            Work::Settle(wanted) => wanted.total.is_some(),
            Work::Correct(wanted) => wanted.amount.is_some(),
            Work::Release(_) | Work::Expire(_) => false,
        }
    }

    /// Whether no batch gets through with it.
    fn cannot_be_stored(&self) -> bool {
        let Work::Use(wanted) = &self.work else {
            return false;
        };
        let is_too_much = matches!(wanted.amount, Amount::Integer(world::UNSTORABLE));
        wanted.feature.as_deref() == Some(world::TOKENS) && is_too_much
    }

    /// Whether every node that took it has said that it counted nothing.
    pub(super) fn is_known_not_counted(&self) -> bool {
        self.taken > 0 && self.taken == self.not_counted
    }

    /// The order that a node makes of it.
    ///
    /// # Errors
    /// None: it was made to be right.
    pub(super) fn order(&self, now: Timestamp) -> Result<Order> {
        let at = self.told_at.unwrap_or(now);
        Order::new(self.shop, self.work.clone(), self.key.clone(), at)
    }
}

fn may_be_repeated(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::Unavailable | ErrorCode::OutcomeUnknown)
}

/// What an answer promises.
fn granted(answer: &Answer) -> std::result::Result<Option<Granted>, Violation> {
    let (event, hold) = match answer {
        Answer::Used(used) if used.code != Code::Granted => return Ok(None),
        Answer::Used(used) => (
            used.usage.as_ref().and_then(|usage| usage.event),
            used.hold.as_ref().map(|hold| hold.id),
        ),
        Answer::Recorded { event, .. } => (Some(*event), None),
        Answer::Settled(settlement) => (settlement.event, Some(settlement.hold.id)),
        Answer::Released(hold) => (None, Some(hold.id)),
        Answer::Corrected(correction) => (Some(correction.event), None),
    };
    let text = serde_json::to_string(answer);
    let text = text.map_err(|error| Violation::new(Invariant::Answers, error.to_string()))?;
    Ok(Some(Granted { text, event, hold }))
}

/// Some of them, at least one, in their order.
fn some_of<T: Copy>(rng: &mut Rng, all: &[T]) -> Vec<T> {
    let mut some = all.to_vec();
    for _ in 0..rng.below(all.len()) {
        some.remove(rng.below(some.len()));
    }
    some
}

/// One of them, as often as not one of the last two, so that calls meet.
fn one_of_late<T: Copy>(rng: &mut Rng, all: &[T]) -> T {
    match rng.permille(500) {
        true => rng.one_of(&all[all.len().saturating_sub(2)..]),
        false => rng.one_of(all),
    }
}
