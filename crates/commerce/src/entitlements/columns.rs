//! A limit in the columns `amount`, `overage`, `overage_cap` and `thresholds`.

use ledger::{Limit, Overage};
use storage::Row;
use types::{Error, Result};

/// A limit as a row holds it.
pub(crate) struct LimitColumns {
    pub(crate) amount: Option<i64>,
    pub(crate) overage: &'static str,
    pub(crate) overage_cap: Option<i64>,
    /// Percentages, as a JSON array.
    pub(crate) thresholds: String,
}

impl LimitColumns {
    pub(crate) fn of(limit: &Limit) -> Result<LimitColumns> {
        let (overage, overage_cap) = match limit.overage {
            Overage::Deny => ("deny", None),
            Overage::Soft { cap } => ("soft", Some(cap)),
            Overage::Bill { cap } => ("bill", cap),
        };
        Ok(LimitColumns {
            amount: limit.amount,
            overage,
            overage_cap,
            thresholds: serde_json::to_string(&limit.thresholds).map_err(Error::internal)?,
        })
    }

    /// # Errors
    /// Internal, when the columns hold no limit: nothing else was ever written.
    pub(crate) fn read(row: &Row) -> Result<Limit> {
        let cap: Option<i64> = row.get("overage_cap")?;
        let overage = match row.get::<String>("overage")?.as_str() {
            "deny" => Overage::Deny,
            "soft" => Overage::Soft {
                cap: cap.unwrap_or(0),
            },
            "bill" => Overage::Bill { cap },
            other => return Err(Error::internal(format!("{other:?} is no overage"))),
        };
        let thresholds = serde_json::from_str(&row.get::<String>("thresholds")?).map_err(Error::internal)?;
        Limit::new(row.get("amount")?, overage, thresholds).map_err(Error::internal)
    }
}
