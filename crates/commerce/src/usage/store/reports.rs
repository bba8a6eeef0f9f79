//! Sums of usage: by window, customer and dimensions, of the hours, of the days, or of the events themselves.
//!
//! The sum of many `bigint`s is more than one of them may hold, and the two databases fail differently there. So a sum is
//! taken in two parts, of the multiples of 2³² and of what is left of each, and put together in 128 bits.

use storage::{Row, Tenant, Tx, Value, params};
use types::id::{CustomerId, EndUserId, FeatureId, UsageEventId};
use types::{Error, Result, Timestamp};

use crate::{Shop, numbered};

/// What the amounts of many events come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::usage) enum Gather {
    /// Their sum.
    Added,
    /// The largest.
    Highest,
    /// That of the event which happened last.
    Latest,
}

/// Where sums are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::usage) enum Source {
    Hours,
    Days,
    /// For what is not folded by: of one customer and end user only.
    Events,
}

/// A sum that is wanted: of one feature, in one half-open span of time.
#[derive(Debug, Clone, Copy)]
pub(in crate::usage) struct Asked {
    pub feature: FeatureId,
    /// Of all customers, when none. Either every sum that is asked for together names one, or none does.
    pub customer: Option<CustomerId>,
    pub end_user: Option<EndUserId>,
    pub span: (Timestamp, Timestamp),
}

/// What a sum is split by.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::usage) struct Split {
    pub by_customer: bool,
    pub by_dimensions: bool,
}

/// One sum.
#[derive(Debug, Clone)]
pub(in crate::usage) struct Sum {
    /// Which of the asked ones it is a part of.
    pub place: usize,
    /// When split by customer.
    pub customer: Option<CustomerId>,
    /// As they are stored; empty when not split by them.
    pub dimensions: String,
    pub total: Total,
}

/// What events come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::usage) struct Total {
    /// In the smallest units.
    pub amount: i128,
    /// How many, corrections aside.
    pub events: i64,
    /// The event that happened last, where the amount is that of the latest.
    pub latest: Option<(Timestamp, UsageEventId)>,
}

impl Total {
    /// What two totals come to together.
    pub(in crate::usage) fn and(self, other: Total, gather: Gather) -> Total {
        let (amount, latest) = match gather {
            Gather::Added => (self.amount + other.amount, None),
            Gather::Highest => (self.amount.max(other.amount), None),
            Gather::Latest if self.latest < other.latest => (other.amount, other.latest),
            Gather::Latest => (self.amount, self.latest),
        };
        Total {
            amount,
            events: self.events + other.events,
            latest,
        }
    }
}

/// `most` is the same in every row: the most sums that are answered, the greatest first.
const ASKED: &str =
    "WITH k (n, workspace_id, platform_id, mode, feature_id, customer_id, end_user_id, start_at, end_at,
    by_customer, by_dimensions, most) AS (VALUES";

macro_rules! of_customer {
    () => {
        " AND t.customer_id = k.customer_id"
    };
}

macro_rules! of_end_user {
    () => {
        " AND t.customer_id = k.customer_id AND t.end_user_id = k.end_user_id"
    };
}

macro_rules! split {
    () => {
        "k.n, CASE WHEN k.by_customer THEN t.customer_id END AS customer_id,
            CASE WHEN k.by_dimensions THEN t.dimensions ELSE '' END AS dimensions"
    };
}

macro_rules! from {
    ($table:literal, $at:literal, $of:expr) => {
        concat!(
            " FROM k CROSS JOIN ",
            $table,
            " t WHERE t.workspace_id = k.workspace_id AND t.platform_id = k.platform_id AND t.mode = k.mode
                AND t.feature_id = k.feature_id AND t.",
            $at,
            " >= k.start_at AND t.",
            $at,
            " < k.end_at",
            $of
        )
    };
}

macro_rules! greatest_first {
    () => {
        " ORDER BY high DESC, low DESC, 2, 3 LIMIT (SELECT MAX(most) FROM k)"
    };
}

/// `high` and `low`: what is added is `high` times 2³², and `low`.
macro_rules! added {
    ($from:expr, $amount:literal, $events:literal) => {
        concat!(
            ") SELECT ",
            split!(),
            ", CAST(SUM(",
            $events,
            ") AS bigint) AS events,
            CAST(SUM(",
            $amount,
            " / 4294967296) AS bigint) + CAST(SUM(",
            $amount,
            " % 4294967296) AS bigint) / 4294967296 AS high,
            CAST(SUM(",
            $amount,
            " % 4294967296) AS bigint) % 4294967296 AS low",
            $from,
            " GROUP BY 1, 2, 3",
            greatest_first!()
        )
    };
}

macro_rules! highest {
    ($from:expr, $highest:literal, $events:literal) => {
        concat!(
            ") SELECT ",
            split!(),
            ", CAST(SUM(",
            $events,
            ") AS bigint) AS events, MAX(",
            $highest,
            ") / 4294967296 AS high, MAX(",
            $highest,
            ") % 4294967296 AS low",
            $from,
            " GROUP BY 1, 2, 3",
            greatest_first!()
        )
    };
}

macro_rules! latest {
    ($from:expr, $latest:literal, $at:literal, $event:literal, $events:literal) => {
        concat!(
            ") SELECT n, customer_id, dimensions, events, latest / 4294967296 AS high, latest % 4294967296 AS low,
                latest_at, latest_event
            FROM (SELECT ",
            split!(),
            ", ",
            $latest,
            " AS latest, ",
            $at,
            " AS latest_at, ",
            $event,
            " AS latest_event, CAST(SUM(",
            $events,
            ") OVER w AS bigint) AS events,
                ROW_NUMBER() OVER (w ORDER BY ",
            $at,
            " DESC, ",
            $event,
            " DESC) AS place",
            $from,
            " WINDOW w AS (PARTITION BY k.n, CASE WHEN k.by_customer THEN t.customer_id END,
                CASE WHEN k.by_dimensions THEN t.dimensions ELSE '' END)) AS ranked
            WHERE place = 1",
            greatest_first!()
        )
    };
}

macro_rules! of_rollup {
    ($gather:expr, $from:expr) => {
        match $gather {
            Gather::Added => added!($from, "t.amount", "t.events"),
            Gather::Highest => highest!($from, "t.highest", "t.events"),
            Gather::Latest => latest!($from, "t.latest", "t.latest_at", "t.latest_event", "t.events"),
        }
    };
}

macro_rules! of_events {
    ($gather:expr, $from:expr) => {
        match $gather {
            Gather::Added => {
                added!(
                    $from,
                    "t.amount",
                    "CASE t.source WHEN 'correction' THEN 0 ELSE 1 END"
                )
            }
            Gather::Highest => {
                highest!(
                    $from,
                    "t.amount",
                    "CASE t.source WHEN 'correction' THEN 0 ELSE 1 END"
                )
            }
            Gather::Latest => {
                latest!(
                    $from,
                    "t.amount",
                    "t.occurred_at",
                    "t.usage_event_id",
                    "CASE t.source WHEN 'correction' THEN 0 ELSE 1 END"
                )
            }
        }
    };
}

const fn statement(source: Source, gather: Gather, of_customer: bool) -> &'static str {
    match (source, of_customer) {
        (Source::Hours, false) => of_rollup!(gather, from!("usage_hours", "hour_at", "")),
        (Source::Hours, true) => of_rollup!(gather, from!("usage_hours", "hour_at", of_customer!())),
        (Source::Days, false) => of_rollup!(gather, from!("usage_days", "day_at", "")),
        (Source::Days, true) => of_rollup!(gather, from!("usage_days", "day_at", of_customer!())),
        (Source::Events, _) => of_events!(gather, from!("usage_events", "occurred_at", of_end_user!())),
    }
}

/// The sums that are asked for; those without any event are left out. At most `most`, the greatest first; on SQLite perhaps
/// `most` for each few hundred that are asked for.
pub(in crate::usage) async fn sums(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    (source, gather): (Source, Gather),
    asked: &[Asked],
    split: Split,
    most: usize,
) -> Result<Vec<Sum>> {
    let of_customer = asked.iter().all(|asked| asked.customer.is_some());
    let workspace = tx.workspace();
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = numbered::rows(asked, |asked| -> Vec<Value> {
        params![
            workspace,
            shop.platform,
            shop.mode,
            asked.feature,
            asked.customer,
            asked.end_user,
            asked.span.0,
            asked.span.1,
            split.by_customer,
            split.by_dimensions,
            most,
        ]
    });
    let rows = tx
        .fetch_rows(ASKED, rows, statement(source, gather, of_customer))
        .await?;
    rows.iter().map(|row| sum(row, gather)).collect()
}

fn sum(row: &Row, gather: Gather) -> Result<Sum> {
    let (high, low): (i64, i64) = (row.get("high")?, row.get("low")?);
    Ok(Sum {
        place: usize::try_from(row.get::<i64>("n")?).map_err(Error::internal)?,
        customer: row.get("customer_id")?,
        dimensions: row.get("dimensions")?,
        total: Total {
            amount: (i128::from(high) << 32) + i128::from(low),
            events: row.get("events")?,
            latest: match gather {
                Gather::Latest => Some((row.get("latest_at")?, row.get("latest_event")?)),
                Gather::Added | Gather::Highest => None,
            },
        },
    })
}
