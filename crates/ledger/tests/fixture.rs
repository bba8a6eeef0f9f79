//! Names and numbers that all of these tests use.

use ledger::*;
use types::id::{FeatureId, GrantId, HoldId, PlatformId, WorkspaceId};
use types::{Mode, Timestamp};
use uuid::Uuid;

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn now() -> Timestamp {
    at("2026-11-20T12:00:00Z")
}

pub fn subject(kind: SubjectKind, number: u128) -> Subject {
    Subject {
        workspace: WorkspaceId::from_uuid(Uuid::from_u128(1)),
        platform: PlatformId::from_uuid(Uuid::from_u128(2)),
        mode: Mode::Live,
        kind,
        id: Uuid::from_u128(number),
    }
}

pub fn charge_of(kind: SubjectKind, number: u128, limit: Limit) -> Charge {
    let month = period_of(PeriodKind::Month, &Anchor::calendar("UTC").unwrap(), now());
    let feature = FeatureId::from_uuid(Uuid::from_u128(3));
    Charge::new(
        subject(kind, number),
        feature,
        Meter::calls(PeriodKind::Month),
        month,
        limit,
    )
}

pub fn customer(limit: Limit) -> Charge {
    charge_of(SubjectKind::Customer, 10, limit)
}

pub fn limit(amount: i64, overage: Overage, thresholds: &[u16]) -> Limit {
    Limit::new(Some(amount), overage, thresholds.to_vec()).unwrap()
}

pub fn consume(amount: i64, charges: &[Charge]) -> Request {
    Request {
        amount,
        charges: charges.to_vec(),
        ..Request::default()
    }
}

/// A book in which the counters of the charges have no row yet.
pub fn empty_book(charges: &[Charge]) -> Book {
    let mut book = Book::new();
    for charge in charges {
        book.load_counter(charge.key, None);
    }
    book
}

pub fn grant_id(number: u128) -> GrantId {
    GrantId::from_uuid(Uuid::from_u128(number))
}

pub fn hold_id(number: u128) -> HoldId {
    HoldId::from_uuid(Uuid::from_u128(number))
}

/// A charge on a counter of the customer with another way of counting, in one period that never ends.
pub fn counting(aggregation: Aggregation, limit: Limit) -> Charge {
    let mut charge = customer(limit);
    charge.meter = Meter::new(aggregation, Scale::WHOLE, PeriodKind::Never).unwrap();
    charge.key.period_start = Period::ALWAYS.start;
    charge.period_end = None;
    charge
}
