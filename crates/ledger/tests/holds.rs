//! Reserve, settle, release, expire.

use std::time::Duration;

use ledger::*;
use types::Timestamp;

use crate::fixture::{at, charge_of, consume, customer, empty_book, grant_id, hold_id, limit, now};

fn in_a_minute() -> Timestamp {
    now() + Duration::from_secs(60)
}

fn settle_of(total: i64, close: bool, charges: &[Charge]) -> Settle {
    Settle {
        hold: hold_id(1),
        total,
        close,
        charges: charges.to_vec(),
    }
}

/// An overlay in which ten units are held on a limit of twelve.
fn held<'a>(book: &'a Book, charges: &[Charge]) -> Overlay<'a> {
    let mut overlay = Overlay::begin(book);
    let request = consume(10, charges);
    let decision = reserve(&mut overlay, &request, hold_id(1), in_a_minute(), now()).unwrap();
    assert!(decision.is_granted());
    overlay
}

fn twelve() -> [Charge; 1] {
    [customer(limit(12, Overage::Deny, &[50, 100]))]
}

fn counter(overlay: &Overlay<'_>, charge: &Charge) -> (i64, i64, i64) {
    let state = overlay.counter(&charge.key).unwrap();
    (state.used, state.held, state.overrun)
}

#[test]
fn held_units_are_not_there_for_others_until_they_are_given_back() {
    let charges = twelve();
    let book = empty_book(&charges);
    let mut overlay = held(&book, &charges);
    let denied = decide(&mut overlay, &consume(3, &charges), now()).unwrap();
    assert_eq!(
        (denied.counters[0].held, denied.counters[0].remaining),
        (10, Some(2))
    );
    let closed = settle(&mut overlay, &settle_of(4, true, &charges), now()).unwrap();
    assert_eq!((closed.charged, closed.overrun), (4, 0));
    assert_eq!(counter(&overlay, &charges[0]), (4, 0, 0));
    assert!(
        decide(&mut overlay, &consume(8, &charges), now())
            .unwrap()
            .is_granted()
    );
}

#[test]
fn a_hold_that_does_not_fit_holds_nothing() {
    let charges = [
        charge_of(SubjectKind::EndUser, 11, Limit::unlimited()),
        twelve()[0].clone(),
    ];
    let book = empty_book(&charges);
    let mut overlay = Overlay::begin(&book);
    let request = consume(13, &charges);
    let denied = reserve(&mut overlay, &request, hold_id(1), in_a_minute(), now()).unwrap();
    assert_eq!(denied.code, Code::QuotaExceeded);
    assert!(overlay.changes().is_empty());
}

#[test]
fn settling_twice_is_settling_once() {
    let charges = twelve();
    let mut book = empty_book(&charges);
    let mut overlay = held(&book, &charges);
    settle(&mut overlay, &settle_of(7, true, &charges), now()).unwrap();
    let changes = overlay.into_changes();
    book.merge(changes);
    let mut overlay = Overlay::begin(&book);
    let again = settle(&mut overlay, &settle_of(7, true, &charges), in_a_minute()).unwrap();
    assert_eq!((again.charged, again.hold.settled), (0, 7));
    assert!(again.warnings.is_empty());
    assert!(overlay.changes().is_empty());
    let other = settle(&mut overlay, &settle_of(8, true, &charges), now()).unwrap_err();
    assert_eq!(other, HoldError::Settled { settled: 7 });
}

#[test]
fn partial_settles_are_totals_and_warn_on_the_way() {
    let charges = twelve();
    let book = empty_book(&charges);
    let mut overlay = held(&book, &charges);
    let mut step = |total, close| settle(&mut overlay, &settle_of(total, close, &charges), now()).unwrap();
    assert_eq!((step(3, false).charged, step(3, false).charged), (3, 0));
    let second = step(6, false);
    assert_eq!((second.charged, second.counters[0].held), (3, 4));
    assert_eq!(second.warnings[0].threshold_percent, 50);
    let last = step(6, true);
    assert_eq!((last.charged, last.counters[0].held), (0, 0));
    assert_eq!(last.hold.status, HoldStatus::Settled);
}

#[test]
fn what_is_above_the_hold_is_charged_and_called_overrun() {
    let charges = twelve();
    let book = empty_book(&charges);
    let mut overlay = held(&book, &charges);
    let settled = settle(&mut overlay, &settle_of(15, true, &charges), now()).unwrap();
    assert_eq!((settled.charged, settled.overrun), (15, 5));
    assert_eq!(counter(&overlay, &charges[0]), (15, 0, 5));
    assert!(
        !decide(&mut overlay, &consume(1, &charges), now())
            .unwrap()
            .is_granted()
    );
}

#[test]
fn an_expired_hold_gives_back_and_can_still_be_settled_as_overrun() {
    let charges = twelve();
    let book = empty_book(&charges);
    let mut overlay = held(&book, &charges);
    let early = expire(&mut overlay, hold_id(1), in_a_minute() - Duration::from_micros(1)).unwrap();
    assert_eq!(early.status, HoldStatus::Open);
    let expired = expire(&mut overlay, hold_id(1), in_a_minute()).unwrap();
    assert_eq!((expired.status, expired.held()), (HoldStatus::Expired, 0));
    assert_eq!(counter(&overlay, &charges[0]), (0, 0, 0));
    let late = settle(&mut overlay, &settle_of(4, true, &charges), in_a_minute()).unwrap();
    assert_eq!((late.overrun, late.hold.status), (4, HoldStatus::Settled));
    assert_eq!(counter(&overlay, &charges[0]), (4, 0, 4));
}

#[test]
fn a_late_settle_is_the_same_whether_or_not_somebody_swept_before() {
    let charges = twelve();
    let book = empty_book(&charges);
    let mut swept = held(&book, &charges);
    expire(&mut swept, hold_id(1), in_a_minute()).unwrap();
    let mut unswept = held(&book, &charges);
    for overlay in [&mut swept, &mut unswept] {
        settle(overlay, &settle_of(4, false, &charges), in_a_minute()).unwrap();
    }
    assert_eq!(swept.changes(), unswept.changes());
}

#[test]
fn a_released_hold_is_over() {
    let charges = twelve();
    let book = empty_book(&charges);
    let mut overlay = held(&book, &charges);
    settle(&mut overlay, &settle_of(2, false, &charges), now()).unwrap();
    for _ in 0..2 {
        let released = release(&mut overlay, hold_id(1)).unwrap();
        assert_eq!((released.status, released.settled), (HoldStatus::Released, 2));
    }
    assert_eq!(counter(&overlay, &charges[0]), (2, 0, 0));
    let refusal = settle(&mut overlay, &settle_of(5, true, &charges), now()).unwrap_err();
    assert_eq!(refusal, HoldError::Released);
}

#[test]
fn a_hold_whose_counters_are_not_all_loaded_ends_nowhere() {
    let charges = [
        charge_of(SubjectKind::EndUser, 11, Limit::unlimited()),
        twelve()[0].clone(),
    ];
    let whole = empty_book(&charges);
    let changes = held(&whole, &charges).into_changes();
    let mut book = Book::new();
    book.load_counter(charges[0].key, changes.counters.get(&charges[0].key).cloned());
    book.load_hold(changes.holds[&hold_id(1)].clone());
    let mut overlay = Overlay::begin(&book);
    let missing = NotLoaded::Counter(charges[1].key);
    assert_eq!(
        release(&mut overlay, hold_id(1)),
        Err(HoldError::NotLoaded(missing.clone()))
    );
    assert_eq!(
        expire(&mut overlay, hold_id(1), in_a_minute()),
        Err(HoldError::NotLoaded(missing))
    );
    assert!(overlay.changes().is_empty());
}

#[test]
fn a_hold_charges_the_period_it_was_made_in() {
    let charges = twelve();
    let book = empty_book(&charges);
    let overlay_of = |book| held(book, &charges);
    let mut overlay = overlay_of(&book);
    let next_month = at("2026-12-01T00:00:00Z");
    let hold = overlay.hold(hold_id(1)).unwrap().clone();
    assert_eq!(hold.parts[0].key.period_start, at("2026-11-01T00:00:00Z"));
    let settled = settle(&mut overlay, &settle_of(3, true, &charges), next_month).unwrap();
    assert_eq!(settled.counters[0].key, charges[0].key);
}

#[test]
fn units_of_a_grant_go_back_to_it() {
    let mut charges = [customer(Limit::deny_above(4))];
    charges[0].grants = vec![grant_id(1), grant_id(2)];
    let mut book = empty_book(&charges);
    for number in [1, 2] {
        book.load_grant(Grant::new(grant_id(number), 5, at("2026-01-01T00:00:00Z"), None));
    }
    let mut overlay = held(&book, &charges);
    let closed = settle(&mut overlay, &settle_of(6, true, &charges), now()).unwrap();
    assert_eq!(closed.allocations[0].included, 4);
    let grants: Vec<_> = overlay
        .changes()
        .grants
        .values()
        .map(|grant| (grant.used, grant.held))
        .collect();
    assert_eq!(grants, [(2, 0), (0, 0)]);
    assert_eq!(overlay.counter(&charges[0].key).unwrap().from_grants, 2);
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let charges = twelve();
    let book = empty_book(&charges);
    let mut overlay = Overlay::begin(&book);
    let request = consume(1, &charges);
    let past = reserve(&mut overlay, &request, hold_id(1), now(), now()).unwrap_err();
    assert_eq!(past, DecideError::HoldExpired);
    let unknown = settle(&mut overlay, &settle_of(1, true, &charges), now()).unwrap_err();
    assert_eq!(unknown, HoldError::NotLoaded(NotLoaded::Hold(hold_id(1))));
    let mut overlay = held(&book, &charges);
    let before = overlay.changes().clone();
    let mut refusal = |settling: Settle| settle(&mut overlay, &settling, now()).unwrap_err();
    assert_eq!(refusal(settle_of(-1, true, &charges)), HoldError::Negative);
    assert_eq!(
        refusal(settle_of(1, true, &[])),
        HoldError::ChargeMissing(charges[0].key)
    );
    assert_eq!(*overlay.changes(), before);
    settle(&mut overlay, &settle_of(5, false, &charges), now()).unwrap();
    let less = settle(&mut overlay, &settle_of(4, false, &charges), now()).unwrap_err();
    assert_eq!(less, HoldError::BelowSettled { settled: 5 });
    let huge = settle(&mut overlay, &settle_of(i64::MAX, true, &charges), now());
    assert!(huge.is_ok(), "it fits exactly");
}
