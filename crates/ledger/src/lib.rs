#![doc = include_str!("../README.md")]

pub mod allocation;
pub mod amount;
pub mod anchor;
pub mod book;
pub mod charge;
pub mod correct;
pub mod counter;
pub mod decide;
pub mod decision;
pub mod feature;
pub mod gcra;
pub mod grant;
pub mod hold;
pub mod limit;
pub mod period;
pub mod rolling;
pub mod settle;
pub mod subject;

pub use allocation::{Allocation, GrantShare};
pub use amount::{AmountError, Scale, Sign};
pub use anchor::{Anchor, AnchorError};
pub use book::{Base, Book, Changes, MemberKey, NotLoaded, Overlay, RateKey};
pub use charge::Charge;
pub use correct::{CorrectError, Corrected, Correction, CorrectionPart, correct};
pub use counter::{CounterKey, CounterState};
pub use decide::{DecideError, RateCharge, Request, check, decide, record, reserve};
pub use decision::{Code, CounterView, Decision, Limiting, Outcome, RateView, Warning};
pub use feature::{Aggregation, Meter, MeterError};
pub use gcra::{Rate, RateError};
pub use grant::{Grant, Rollover};
pub use hold::{Hold, HoldPart, HoldStatus};
pub use limit::{Limit, LimitError, Overage};
pub use period::{Period, PeriodKind, period_of};
pub use rolling::{Ring, Window, WindowError};
pub use settle::{HoldError, Settle, Settlement, expire, release, settle};
pub use subject::{ParseSubjectKindError, Subject, SubjectKind};
