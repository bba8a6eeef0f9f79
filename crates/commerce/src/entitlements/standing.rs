//! Where the counter of a customer and a metered feature stands.

use ledger::{Book, Charge, CounterState, CounterView, Limit, Meter, Scale, Subject, SubjectKind, period_of};
use serde::Serialize;
use storage::{Tenant, Tx};
use types::id::FeatureId;
use types::{Error, Result, Timestamp};
use utoipa::ToSchema;

use super::store;
use crate::customers::Customer;
use crate::{Amount, Shop};

/// A counter in its current period, and what that means under a limit.
pub(super) struct Standing {
    pub(super) view: CounterView,
    state: CounterState,
    period_start: Timestamp,
    period_end: Option<Timestamp>,
}

/// The counter that the figures of an entitlement come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = EntitlementCounter)]
pub struct CounterForm {
    /// When the current period began; null for a counter that never starts again and for a rolling one.
    pub period_start: Option<Timestamp>,
    /// When it ends; null for never.
    pub period_end: Option<Timestamp>,
    pub used: Amount,
    /// Reserved by open holds.
    pub held: Amount,
    /// Of what is used and held, sold beyond the limit.
    pub sold: Amount,
    /// Of what is used, recorded although there was no room.
    pub overrun: Amount,
}

impl Standing {
    /// Reads the customer's counter. Without a limit the customer is not entitled, and nothing is left.
    pub(super) async fn load(
        tx: &mut Tx<Tenant>,
        shop: Shop,
        customer: &Customer,
        (feature, meter): (FeatureId, Meter),
        limit: Option<&Limit>,
        now: Timestamp,
    ) -> Result<Standing> {
        let subject = Subject {
            workspace: shop.workspace,
            platform: shop.platform,
            mode: shop.mode,
            kind: SubjectKind::Customer,
            id: customer.id.uuid(),
        };
        let period = period_of(meter.period, &customer.anchor, now);
        let limit = limit.cloned().unwrap_or(Limit::deny_above(0));
        let charge = Charge::new(subject, feature, meter, period, limit);
        let row = store::find_counter(tx, &charge.key).await?;
        let mut book = Book::new();
        book.load_counter(charge.key, row.clone());
        Ok(Standing {
            view: charge.view(&book, now).map_err(Error::internal)?,
            state: row.unwrap_or_default(),
            period_start: period.start,
            period_end: period.end,
        })
    }

    pub(super) fn form(&self, scale: Scale) -> CounterForm {
        let amount = |units| Amount::from_units(units, scale);
        CounterForm {
            period_start: Some(self.period_start).filter(|start| *start > Timestamp::MIN),
            period_end: self.period_end,
            used: amount(self.view.used),
            held: amount(self.view.held),
            sold: amount(self.state.overage),
            overrun: amount(self.state.overrun),
        }
    }
}
