//! What a caller sees of decisions, case by case.

use std::time::Duration;

use ledger::*;
use types::id::FeatureId;
use uuid::Uuid;

use crate::fixture::{at, charge_of, consume, customer, empty_book, grant_id, limit, now, subject};

fn used(decision: &Decision) -> Vec<i64> {
    decision.counters.iter().map(|view| view.used).collect()
}

#[test]
fn a_limit_is_reached_exactly() {
    let charges = [customer(Limit::deny_above(5))];
    let book = empty_book(&charges);
    let mut overlay = Overlay::begin(&book);
    for used in 1..=5 {
        let decision = decide(&mut overlay, &consume(1, &charges), now()).unwrap();
        assert_eq!(decision.code, Code::Granted);
        let view = decision.counters[0];
        assert_eq!(
            (view.used, view.remaining, view.limit),
            (used, Some(5 - used), Some(5))
        );
    }
    let denied = decide(&mut overlay, &consume(1, &charges), now()).unwrap();
    assert_eq!(
        (denied.outcome, denied.code),
        (Outcome::Denied, Code::QuotaExceeded)
    );
    assert_eq!(denied.limiting, Some(Limiting::Counter(0)));
    assert_eq!(denied.counters[0].reset_at, Some(at("2026-12-01T00:00:00Z")));
    assert_eq!(denied.retry_after, Some(at("2026-12-01T00:00:00Z").since(now())));
    assert!(denied.allocations.is_empty());
    assert_eq!(overlay.into_changes().counters[&charges[0].key].used, 5);
}

#[test]
fn a_cost_that_does_not_fit_takes_nothing_and_a_smaller_one_still_fits() {
    let charges = [customer(Limit::deny_above(5))];
    let book = empty_book(&charges);
    let mut overlay = Overlay::begin(&book);
    assert!(
        decide(&mut overlay, &consume(3, &charges), now())
            .unwrap()
            .is_granted()
    );
    let denied = decide(&mut overlay, &consume(3, &charges), now()).unwrap();
    assert_eq!(denied.counters[0].remaining, Some(2));
    assert!(
        decide(&mut overlay, &consume(2, &charges), now())
            .unwrap()
            .is_granted()
    );
    let hopeless = decide(&mut overlay, &consume(6, &charges), now()).unwrap();
    assert_eq!(
        hopeless.retry_after, None,
        "a fresh period could not give six either"
    );
}

#[test]
fn all_counters_or_none() {
    let charges = [
        charge_of(SubjectKind::EndUser, 11, Limit::deny_above(100)),
        charge_of(SubjectKind::ApiKey, 12, Limit::unlimited()),
        customer(Limit::deny_above(2)),
    ];
    let book = empty_book(&charges);
    let mut overlay = Overlay::begin(&book);
    let denied = decide(&mut overlay, &consume(3, &charges), now()).unwrap();
    assert_eq!(denied.limiting, Some(Limiting::Counter(2)));
    assert_eq!(denied.tightest().unwrap().key, charges[2].key);
    assert_eq!(used(&denied), [0, 0, 0]);
    assert!(overlay.changes().is_empty());
    let granted = decide(&mut overlay, &consume(2, &charges), now()).unwrap();
    assert_eq!(used(&granted), [2, 2, 2]);
    assert_eq!(granted.counters[1].remaining, None);
}

#[test]
fn the_same_counter_twice_in_a_request_counts_twice() {
    let charges = [customer(Limit::deny_above(5)), customer(Limit::deny_above(5))];
    let book = empty_book(&charges);
    let mut overlay = Overlay::begin(&book);
    assert!(
        !decide(&mut overlay, &consume(3, &charges), now())
            .unwrap()
            .is_granted()
    );
    assert!(
        decide(&mut overlay, &consume(2, &charges), now())
            .unwrap()
            .is_granted()
    );
    assert_eq!(overlay.changes().counters[&charges[0].key].used, 4);
}

#[test]
fn soft_overage_is_given_up_to_its_cap() {
    let charges = [customer(limit(10, Overage::Soft { cap: 3 }, &[]))];
    let book = empty_book(&charges);
    let mut overlay = Overlay::begin(&book);
    let over = decide(&mut overlay, &consume(12, &charges), now()).unwrap();
    assert_eq!(
        (over.counters[0].remaining, over.counters[0].overage),
        (Some(0), 2)
    );
    assert!(
        !decide(&mut overlay, &consume(2, &charges), now())
            .unwrap()
            .is_granted()
    );
    assert!(
        decide(&mut overlay, &consume(1, &charges), now())
            .unwrap()
            .is_granted()
    );
    assert_eq!(
        overlay.changes().counters[&charges[0].key].overage,
        0,
        "nothing is billed"
    );
}

#[test]
fn billed_overage_is_sold_once_whatever_the_plan_becomes() {
    let charges = [customer(limit(10, Overage::Bill { cap: Some(5) }, &[]))];
    let book = empty_book(&charges);
    let mut overlay = Overlay::begin(&book);
    let over = decide(&mut overlay, &consume(14, &charges), now()).unwrap();
    assert_eq!(
        (over.allocations[0].included, over.allocations[0].overage),
        (10, 4)
    );
    assert!(
        !decide(&mut overlay, &consume(2, &charges), now())
            .unwrap()
            .is_granted()
    );
    // A larger plan in the same period: the four that were sold stay sold and do not use it up.
    let larger = [customer(Limit::deny_above(20))];
    let view = check(&overlay, &consume(1, &larger), now()).unwrap().counters[0];
    assert_eq!((view.used, view.overage, view.remaining), (15, 4, Some(9)));
}

#[test]
fn a_downgrade_below_use_denies_until_the_period_ends() {
    let before = [customer(Limit::deny_above(100))];
    let book = empty_book(&before);
    let mut overlay = Overlay::begin(&book);
    decide(&mut overlay, &consume(80, &before), now()).unwrap();
    let after = [customer(Limit::deny_above(50))];
    let denied = decide(&mut overlay, &consume(1, &after), now()).unwrap();
    assert_eq!(
        (denied.code, denied.counters[0].remaining),
        (Code::QuotaExceeded, Some(0))
    );
    assert_eq!(overlay.changes().counters[&before[0].key].overage, 0);
}

#[test]
fn unlimited_counts_and_never_denies() {
    let charges = [customer(Limit::unlimited())];
    let book = empty_book(&charges);
    let mut overlay = Overlay::begin(&book);
    let decision = decide(&mut overlay, &consume(i64::MAX, &charges), now()).unwrap();
    assert_eq!(
        (decision.counters[0].used, decision.counters[0].remaining),
        (i64::MAX, None)
    );
    let beyond = decide(&mut overlay, &consume(1, &charges), now()).unwrap();
    assert_eq!(beyond.code, Code::AmountTooLarge, "a number has an end");
}

#[test]
fn each_threshold_warns_once_a_period() {
    let charges = [customer(limit(
        100,
        Overage::Soft { cap: 100 },
        &[50, 80, 100, 120],
    ))];
    let book = empty_book(&charges);
    let mut overlay = Overlay::begin(&book);
    let mut percents = |amount| {
        let decision = decide(&mut overlay, &consume(amount, &charges), now()).unwrap();
        let warnings = decision.warnings.iter();
        warnings
            .map(|warning| warning.threshold_percent)
            .collect::<Vec<_>>()
    };
    assert_eq!(percents(49), [0_u16; 0]);
    assert_eq!(percents(1), [50]);
    assert_eq!(percents(60), [80, 100], "one step over two of them warns of both");
    assert_eq!(percents(9), [0_u16; 0]);
    assert_eq!(percents(1), [120]);
}

#[test]
fn a_dry_run_takes_and_warns_of_nothing() {
    let charges = [customer(limit(1, Overage::Deny, &[100]))];
    let book = empty_book(&charges);
    for _ in 0..2 {
        let decision = check(&book, &consume(1, &charges), now()).unwrap();
        assert!(decision.is_granted());
        assert!(decision.warnings.is_empty());
    }
}

#[test]
fn rate_limits_stand_and_fall_with_the_quota() {
    let charges = [customer(Limit::deny_above(3))];
    let rate = |name: &str, burst| RateCharge {
        key: RateKey {
            subject: subject(SubjectKind::ApiKey, 12),
            name: name.into(),
        },
        rate: Rate::per_minute(60, burst).unwrap(),
        cost: 1,
    };
    let request = |amount| Request {
        rates: vec![rate("key", 2), rate("route", 10)],
        ..consume(amount, &charges)
    };
    let book = empty_book(&charges);
    let mut overlay = Overlay::begin(&book);
    // The quota denies: neither rate limit is used.
    let denied = decide(&mut overlay, &request(4), now()).unwrap();
    assert_eq!(denied.code, Code::QuotaExceeded);
    assert_eq!((denied.rates[0].remaining, denied.rates[1].remaining), (2, 10));
    for _ in 0..2 {
        assert!(decide(&mut overlay, &request(1), now()).unwrap().is_granted());
    }
    // One rate limit denies: neither the quota nor the other one is used.
    let denied = decide(&mut overlay, &request(1), now()).unwrap();
    assert_eq!(
        (denied.code, denied.limiting),
        (Code::RateLimited, Some(Limiting::Rate(0)))
    );
    assert_eq!(denied.retry_after, Some(Duration::from_secs(1)));
    assert_eq!((denied.counters[0].used, denied.rates[1].remaining), (2, 8));
    let later = now() + Duration::from_secs(1);
    assert!(decide(&mut overlay, &request(1), later).unwrap().is_granted());
}

#[test]
fn the_next_period_is_another_counter() {
    let anchor = Anchor::calendar("UTC").unwrap();
    let meter = Meter::calls(PeriodKind::Day);
    let charge = |instant: types::Timestamp| {
        let day = period_of(meter.period, &anchor, instant);
        let feature = FeatureId::from_uuid(Uuid::from_u128(3));
        let subject = subject(SubjectKind::Customer, 10);
        Charge::new(subject, feature, meter, day, Limit::deny_above(1))
    };
    let (last, first) = (at("2026-11-20T23:59:59.999999Z"), at("2026-11-21T00:00:00Z"));
    let book = empty_book(&[charge(last), charge(first)]);
    let mut overlay = Overlay::begin(&book);
    assert!(
        decide(&mut overlay, &consume(1, &[charge(last)]), last)
            .unwrap()
            .is_granted()
    );
    assert!(
        !decide(&mut overlay, &consume(1, &[charge(last)]), last)
            .unwrap()
            .is_granted()
    );
    assert!(
        decide(&mut overlay, &consume(1, &[charge(first)]), first)
            .unwrap()
            .is_granted()
    );
}

#[test]
fn a_dropped_overlay_never_was() {
    let charges = [customer(Limit::deny_above(5))];
    let mut book = empty_book(&charges);
    let mut overlay = Overlay::begin(&book);
    decide(&mut overlay, &consume(5, &charges), now()).unwrap();
    drop(overlay);
    let mut overlay = Overlay::begin(&book);
    assert!(
        decide(&mut overlay, &consume(5, &charges), now())
            .unwrap()
            .is_granted()
    );
    let changes = overlay.into_changes();
    book.merge(changes);
    let mut overlay = Overlay::begin(&book);
    assert!(
        !decide(&mut overlay, &consume(1, &charges), now())
            .unwrap()
            .is_granted()
    );
}

#[test]
fn a_batch_is_one_new_version_of_a_row() {
    let charges = [customer(Limit::unlimited())];
    let mut book = empty_book(&charges);
    for batch in 1..=3 {
        let mut overlay = Overlay::begin(&book);
        for _ in 0..5 {
            decide(&mut overlay, &consume(1, &charges), now()).unwrap();
        }
        let changes = overlay.into_changes();
        assert_eq!(changes.counters[&charges[0].key].version, batch);
        book.merge(changes);
    }
}

#[test]
fn what_was_not_loaded_is_not_taken_for_empty() {
    let charges = [customer(Limit::deny_above(5))];
    let book = Book::new();
    let refusal = decide(&mut Overlay::begin(&book), &consume(1, &charges), now()).unwrap_err();
    assert_eq!(
        refusal,
        DecideError::NotLoaded(NotLoaded::Counter(charges[0].key))
    );
    let book = empty_book(&charges);
    for amount in [0, -1, i64::MIN] {
        let refusal = decide(&mut Overlay::begin(&book), &consume(amount, &charges), now()).unwrap_err();
        assert_eq!(refusal, DecideError::NotPositive);
    }
}

#[test]
fn grants_are_burned_after_the_plan_by_priority_expiry_and_age() {
    let grant = |number: u128, priority, expires: Option<&str>| Grant {
        priority,
        ..Grant::new(grant_id(number), 10, at("2026-11-01T00:00:00Z"), expires.map(at))
    };
    let grants = [
        grant(1, 1, None),
        grant(2, 0, None),
        grant(3, 0, Some("2026-12-31T00:00:00Z")),
        grant(4, 0, None),
        grant(5, 0, Some("2026-11-20T12:00:00Z")),
    ];
    let mut charge = customer(Limit::deny_above(5));
    charge.grants = grants.iter().map(|grant| grant.id).collect();
    let mut book = empty_book(&[charge.clone()]);
    for grant in grants {
        book.load_grant(grant);
    }
    let mut overlay = Overlay::begin(&book);
    let decision = decide(&mut overlay, &consume(27, &[charge.clone()]), now()).unwrap();
    let burned = decision.allocations[0].grants.iter();
    let burned: Vec<_> = burned
        .map(|share| (share.grant.uuid().as_u128(), share.units))
        .collect();
    assert_eq!(decision.allocations[0].included, 5);
    assert_eq!(
        burned,
        [(3, 10), (2, 10), (4, 2)],
        "the fifth has expired at this very instant"
    );
    assert_eq!(decision.counters[0].remaining, Some(18));
    let changes = overlay.into_changes();
    assert_eq!(changes.counters[&charge.key].from_grants, 22);
    assert_eq!(changes.grants[&grant_id(4)].used, 2);
}

#[test]
fn a_decision_survives_storage() {
    let charges = [customer(limit(10, Overage::Deny, &[10]))];
    let book = empty_book(&charges);
    let decision = decide(&mut Overlay::begin(&book), &consume(1, &charges), now()).unwrap();
    let text = serde_json::to_string(&decision).unwrap();
    assert_eq!(serde_json::from_str::<Decision>(&text).unwrap(), decision);
}
