#![doc = include_str!("../README.md")]

pub mod allocation;
pub mod amount;
pub mod book;
pub mod charge;
pub mod counter;
pub mod decide;
pub mod decision;
pub mod feature;
pub mod gcra;
pub mod grant;
pub mod limit;
pub mod period;
pub mod rolling;
pub mod subject;

pub use allocation::{Allocation, GrantShare};
pub use amount::{AmountError, Scale, Sign};
pub use book::{Base, Book, Changes, NotLoaded, Overlay, RateKey};
pub use charge::Charge;
pub use counter::{CounterKey, CounterState};
pub use decide::{DecideError, RateCharge, Request, check, decide};
pub use decision::{Code, CounterView, Decision, Limiting, Outcome, RateView, Warning};
pub use feature::{Aggregation, Meter, MeterError};
pub use gcra::{Rate, RateError};
pub use grant::Grant;
pub use limit::{Limit, LimitError, Overage};
pub use period::{Anchor, AnchorError, Period, PeriodKind, period_of};
pub use rolling::{Ring, Window, WindowError};
pub use subject::{ParseSubjectKindError, Subject, SubjectKind};
