//! Other ways of counting than sums of a period; corrections; records.

use std::time::Duration;

use ledger::*;
use proptest::prelude::*;

use crate::fixture::{at, consume, counting, customer, empty_book, grant_id, hold_id, limit, now};

fn used_after(overlay: &mut Overlay<'_>, charge: &Charge, amount: i64) -> (Code, i64) {
    let decision = decide(overlay, &consume(amount, std::slice::from_ref(charge)), now()).unwrap();
    (decision.code, decision.counters[0].used)
}

#[test]
fn a_maximum_grows_and_stays() {
    let charge = counting(Aggregation::Max, Limit::deny_above(10));
    let book = empty_book(std::slice::from_ref(&charge));
    let mut overlay = Overlay::begin(&book);
    assert_eq!(used_after(&mut overlay, &charge, 7), (Code::Granted, 7));
    assert_eq!(used_after(&mut overlay, &charge, 3), (Code::Granted, 7));
    assert_eq!(used_after(&mut overlay, &charge, 11), (Code::QuotaExceeded, 7));
    assert_eq!(used_after(&mut overlay, &charge, 10), (Code::Granted, 10));
}

#[test]
fn a_latest_value_goes_up_and_down() {
    let charge = counting(Aggregation::Last, limit(10, Overage::Bill { cap: Some(2) }, &[]));
    let book = empty_book(std::slice::from_ref(&charge));
    let mut overlay = Overlay::begin(&book);
    assert_eq!(used_after(&mut overlay, &charge, 12), (Code::Granted, 12));
    assert_eq!(used_after(&mut overlay, &charge, 13), (Code::QuotaExceeded, 12));
    assert_eq!(used_after(&mut overlay, &charge, 4), (Code::Granted, 4));
    assert_eq!(
        overlay.changes().counters[&charge.key].overage,
        0,
        "it is not above any more"
    );
    let smaller = counting(Aggregation::Last, Limit::deny_above(1));
    assert_eq!(
        used_after(&mut overlay, &smaller, 3),
        (Code::Granted, 3),
        "going down is always allowed"
    );
}

#[test]
fn members_count_once_and_up_to_the_cap() {
    let charge = counting(
        Aggregation::Unique { cap: 3 },
        limit(2, Overage::Soft { cap: 5 }, &[]),
    );
    let mut book = empty_book(std::slice::from_ref(&charge));
    for member in 0..9 {
        let counter = charge.key;
        book.load_member(MemberKey { counter, member }, false);
    }
    let request = |member| Request {
        member,
        ..consume(1, std::slice::from_ref(&charge))
    };
    let mut overlay = Overlay::begin(&book);
    let mut meet = |member| {
        let decision = decide(&mut overlay, &request(member), now()).unwrap();
        (decision.code, decision.counters[0].used)
    };
    assert_eq!(meet(1), (Code::Granted, 1));
    assert_eq!(meet(1), (Code::Granted, 1));
    assert_eq!(meet(2), (Code::Granted, 2));
    assert_eq!(meet(3), (Code::Granted, 3));
    assert_eq!(meet(4), (Code::UniqueCapReached, 3));
    assert_eq!(meet(2), (Code::Granted, 3), "who was counted is let through");
    assert_eq!(overlay.changes().members.len(), 3);
    let changes = overlay.into_changes();
    book.merge(changes);
    let again = decide(&mut Overlay::begin(&book), &request(3), now()).unwrap();
    assert_eq!(again.counters[0].used, 3);
    let unloaded = decide(&mut Overlay::begin(&book), &request(99), now()).unwrap_err();
    assert!(matches!(unloaded, DecideError::NotLoaded(NotLoaded::Member(_))));
}

fn rolling(secs: u32, buckets: u16, limit: Limit) -> Charge {
    let mut charge = counting(Aggregation::Sum, limit);
    charge.meter.period = PeriodKind::Rolling(Window::new(secs, buckets).unwrap());
    charge
}

#[test]
fn a_rolling_window_gives_back_bucket_by_bucket() {
    let charges = [rolling(60, 6, limit(10, Overage::Deny, &[100]))];
    let book = empty_book(&charges);
    let mut overlay = Overlay::begin(&book);
    let mut take = |secs, amount| {
        let instant = at("2026-11-20T12:00:00Z") + Duration::from_secs(secs);
        decide(&mut overlay, &consume(amount, &charges), instant).unwrap()
    };
    assert!(take(0, 4).is_granted());
    assert_eq!(take(30, 6).warnings.len(), 1);
    let denied = take(59, 1);
    assert_eq!(denied.counters[0].reset_at, Some(at("2026-11-20T12:01:10Z")));
    assert_eq!(denied.retry_after, Some(Duration::from_secs(11)));
    assert!(!take(69, 1).is_granted());
    let granted = take(70, 4);
    assert_eq!((granted.is_granted(), granted.counters[0].used), (true, 10));
    assert_eq!(
        granted.warnings.len(),
        1,
        "it had fallen below the threshold in between"
    );
    assert_eq!(take(75, 5).retry_after, Some(Duration::from_secs(25)));
    assert_eq!(take(75, 11).retry_after, None);
}

proptest! {
    /// In every stretch of the window's length at most the limit is given; and after the window and one bucket of
    /// silence all of it is there again. A clock that goes back changes neither: the latest
    /// instant that was seen is the time.
    #[test]
    fn a_rolling_limit_holds_in_every_window(
        (secs, buckets) in (1_u32..100, 1_u16..=120).prop_filter("a second each", |(secs, buckets)| *secs >= u32::from(*buckets)),
        steps in prop::collection::vec((-2_000_000_i64..20_000_000, 1_i64..8), 1..60),
    ) {
        let charges = [rolling(secs, buckets, Limit::deny_above(10))];
        let book = empty_book(&charges);
        let mut overlay = Overlay::begin(&book);
        let mut instant = now();
        let mut latest = types::Timestamp::MIN;
        let mut granted = Vec::new();
        for (pause, amount) in steps {
            instant = types::Timestamp::from_micros(instant.as_micros() + pause);
            if decide(&mut overlay, &consume(amount, &charges), instant).unwrap().is_granted() {
                latest = latest.max(instant);
                granted.push((latest, amount));
            }
        }
        let window = Duration::from_secs(secs.into());
        for (start, _) in &granted {
            let inside = granted.iter().filter(|(at, _)| *start <= *at && *at < *start + window);
            prop_assert!(inside.map(|(_, amount)| amount).sum::<i64>() <= 10);
        }
        let silence = window + window / u32::from(buckets) + Duration::from_micros(2 + u64::from(buckets));
        prop_assert!(check(&overlay, &consume(10, &charges), latest + silence).unwrap().is_granted());
        if let Some(ring) = &overlay.counter(&charges[0].key).unwrap().ring {
            let text = serde_json::to_string(ring).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Ring>(&text).unwrap(), ring);
        }
    }
}

/// A limit of 5, a grant of 5 and billed overage, of which an event of 12 uses something each.
fn charged(book: &mut Book) -> (Charge, Changes, Allocation) {
    let mut charge = customer(limit(5, Overage::Bill { cap: None }, &[100]));
    charge.grants = vec![grant_id(1)];
    book.load_counter(charge.key, None);
    book.load_grant(Grant::new(grant_id(1), 5, at("2026-01-01T00:00:00Z"), None));
    let mut overlay = Overlay::begin(book);
    let mut decision = decide(&mut overlay, &consume(12, std::slice::from_ref(&charge)), now()).unwrap();
    let allocation = decision.allocations.remove(0);
    (charge, overlay.into_changes(), allocation)
}

fn correction(amount: i64, charge: &Charge, left: &Allocation) -> Correction {
    Correction {
        amount,
        charged_at: now(),
        parts: vec![CorrectionPart {
            charge: charge.clone(),
            left: left.clone(),
        }],
    }
}

#[test]
fn a_correction_gives_back_to_who_paid_last_and_never_more_than_was_used() {
    let mut book = Book::new();
    let (charge, changes, allocation) = charged(&mut book);
    book.merge(changes);
    let mut overlay = Overlay::begin(&book);
    let first = correct(&mut overlay, &correction(4, &charge, &allocation), now()).unwrap();
    assert_eq!(
        (first.given_back[0].overage, first.given_back[0].from_grants()),
        (2, 2)
    );
    assert_eq!(overlay.grant(grant_id(1)).unwrap().used, 3);
    let state = overlay.counter(&charge.key).unwrap().clone();
    assert_eq!((state.used, state.from_grants, state.overage), (8, 3, 0));
    let refusal = correct(&mut overlay, &correction(9, &charge, &first.left[0]), now()).unwrap_err();
    assert_eq!(refusal, CorrectError::MoreThanUsed { left: 8 });
    let rest = correct(&mut overlay, &correction(8, &charge, &first.left[0]), now()).unwrap();
    assert_eq!(rest.counters[0].used, 0);
    assert_eq!(rest.counters[0].remaining, Some(10));
    let empty = correct(&mut overlay, &correction(1, &charge, &rest.left[0]), now()).unwrap_err();
    assert_eq!(empty, CorrectError::MoreThanUsed { left: 0 });
    let again = decide(&mut overlay, &consume(5, std::slice::from_ref(&charge)), now()).unwrap();
    assert!(
        again.warnings.is_empty(),
        "the threshold has warned in this period"
    );
}

#[test]
fn what_does_not_add_up_cannot_be_given_back() {
    let charge = counting(Aggregation::Max, Limit::unlimited());
    let book = empty_book(std::slice::from_ref(&charge));
    let mut overlay = Overlay::begin(&book);
    let decision = decide(&mut overlay, &consume(5, std::slice::from_ref(&charge)), now()).unwrap();
    let correction = correction(1, &charge, &decision.allocations[0]);
    let refusal = correct(&mut overlay, &correction, now()).unwrap_err();
    assert_eq!(refusal, CorrectError::NotAdditive(charge.key));
}

#[test]
fn a_record_of_what_has_happened_is_never_refused_for_a_limit() {
    let charges = [customer(limit(5, Overage::Soft { cap: 2 }, &[]))];
    let book = empty_book(&charges);
    let mut overlay = Overlay::begin(&book);
    let recorded = record(&mut overlay, &consume(10, &charges), now(), now()).unwrap();
    assert!(recorded.is_granted());
    let state = overlay.counter(&charges[0].key).unwrap();
    assert_eq!((state.used, state.overrun), (10, 3), "three had no room");
}

#[test]
fn what_is_told_late_counts_in_a_rolling_window_as_of_when_it_happened() {
    let charges = [rolling(60, 6, Limit::deny_above(20))];
    let book = empty_book(&charges);
    let mut overlay = Overlay::begin(&book);
    let before = |secs| now() - Duration::from_secs(secs);
    decide(&mut overlay, &consume(1, &charges), now()).unwrap();
    let late = record(&mut overlay, &consume(3, &charges), before(30), now()).unwrap();
    assert_eq!(late.counters[0].used, 4);
    let too_late = record(&mut overlay, &consume(5, &charges), before(600), now()).unwrap();
    assert_eq!(
        too_late.counters[0].used, 4,
        "the window does not reach back that far"
    );
    let mut back = correction(3, &charges[0], &late.allocations[0]);
    back.charged_at = before(30);
    assert_eq!(correct(&mut overlay, &back, now()).unwrap().counters[0].used, 1);
    let mut nothing = correction(5, &charges[0], &too_late.allocations[0]);
    nothing.charged_at = before(600);
    assert_eq!(
        correct(&mut overlay, &nothing, now()).unwrap().counters[0].used,
        1
    );
}

#[test]
fn overrun_leaves_a_rolling_window_with_its_units() {
    let charges = [rolling(60, 6, Limit::deny_above(2))];
    let book = empty_book(&charges);
    let mut overlay = Overlay::begin(&book);
    let after = |secs| now() + Duration::from_secs(secs);
    record(&mut overlay, &consume(5, &charges), now(), now()).unwrap();
    let request = consume(2, &charges);
    reserve(&mut overlay, &request, hold_id(1), after(150), after(120)).unwrap();
    let state = overlay.counter(&charges[0].key).unwrap();
    assert_eq!(
        (state.used, state.overrun),
        (0, 0),
        "nothing of it counts any more"
    );
    let late = Settle {
        hold: hold_id(1),
        total: 3,
        close: true,
        charges: charges.to_vec(),
    };
    assert_eq!(settle(&mut overlay, &late, after(600)).unwrap().overrun, 3);
    let state = overlay.counter(&charges[0].key).unwrap();
    assert_eq!(
        (state.used, state.overrun),
        (0, 0),
        "nor does what was held so long ago"
    );
}
