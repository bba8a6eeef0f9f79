//! One event of the log, and who paid for it.

use ledger::{Allocation, Scale, SubjectKind};
use runtime::App;
use serde::Serialize;
use types::id::{GrantId, HoldId, UsageEventId};
use types::{Error, Permission, Result};
use utoipa::ToSchema;

use super::store::{self, ChargedPart};
use super::{EventSource, UsageEvent};
use crate::ShopCaller;
use crate::amount::Amount;

/// One recorded use in full.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct UsageEventDetail {
    #[serde(flatten)]
    pub event: UsageEvent,
    /// The hold that a settlement charged for.
    pub hold: Option<HoldId>,
    /// Who paid; null for usage that does not add up, of which nobody pays for a part.
    pub paid: Option<UsagePayment>,
}

/// Who paid for what is left of an event, after what corrections took back. Of a correction: whom it gave back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsagePayment {
    /// All of it together.
    pub total: Amount,
    /// What the plan includes.
    pub included: Amount,
    /// Grants, in the order in which they were burned.
    pub grants: Vec<UsagePaidByGrant>,
    /// Sold beyond the limit.
    pub overage: Amount,
}

/// What a grant paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsagePaidByGrant {
    pub grant: GrantId,
    pub amount: Amount,
}

/// # Errors
/// `permission_denied`; `not_found`, when the shop has no such event.
pub async fn get_event(app: &App, caller: &ShopCaller, event: UsageEventId) -> Result<UsageEventDetail> {
    caller.caller.require(Permission::UsageRead)?;
    let shop = caller.shop;
    let found = app
        .db()
        .of(caller.tenant())
        .read(|mut tx| async move { store::find_event(&mut tx, shop, event).await })
        .await?;
    let found = found.ok_or_else(|| Error::not_found("usage event"))?;
    Ok(UsageEventDetail {
        hold: found
            .about
            .filter(|_| found.event.source == EventSource::Settle)
            .map(HoldId::from_uuid),
        paid: payment(&found.parts, found.scale),
        event: found.event,
    })
}

/// The customer's counter tells who paid; those of their end user and of keys count the same units again.
fn payment(parts: &[ChargedPart], scale: Scale) -> Option<UsagePayment> {
    let own = parts
        .iter()
        .find(|part| part.kind == SubjectKind::Customer && part.feature.is_none())?;
    let amount = |units| Amount::from_units(units, scale);
    let units: &Allocation = &own.units;
    Some(UsagePayment {
        total: amount(units.total()),
        included: amount(units.included),
        grants: units
            .grants
            .iter()
            .map(|share| UsagePaidByGrant {
                grant: share.grant,
                amount: amount(share.units),
            })
            .collect(),
        overage: amount(units.overage),
    })
}
