//! Corrections: taking back what an event should not have counted, as a negative event of its own.

use runtime::App;
use serde::{Deserialize, Serialize};
use types::id::{CustomerId, UsageEventId};
use types::{Permission, Result};
use utoipa::ToSchema;

use super::commit::{Answer, Committer};
use super::order::{Correct, Order, Work};
use crate::ShopCaller;
use crate::amount::Amount;

/// What is to be taken back.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCorrection {
    /// How much, above zero; all that is left of the event when absent.
    #[serde(default)]
    pub amount: Option<Amount>,
    /// Makes the correction safe to repeat, as for a consume.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 255)]
    pub idempotency_key: Option<String>,
}

/// Usage that was taken back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Correction {
    /// The correction's own event, with a negative amount.
    pub event: UsageEventId,
    /// The event that it takes back from.
    pub corrects: UsageEventId,
    pub customer: CustomerId,
    pub feature: String,
    /// What was taken back.
    pub amount: Amount,
    /// What is left of the corrected event.
    pub left: Amount,
    /// What the customer has used in the period of the event, after the correction.
    pub used: Amount,
    pub limit: Option<Amount>,
    pub remaining: Option<Amount>,
}

/// Takes back units of an event, from whoever paid for them: what was paid last first. In the period of the event; it never
/// gives back more than the event counted.
///
/// # Errors
/// `permission_denied`, `not_found`, `validation_failed` for an amount beyond what is left, `conflict` for a correction or for
/// usage that does not add up.
pub async fn correct(
    app: &App,
    caller: &ShopCaller,
    event: UsageEventId,
    input: NewCorrection,
) -> Result<Correction> {
    caller.caller.require(Permission::UsageConsume)?;
    let work = Work::Correct(Correct {
        event,
        amount: input.amount,
        actor: caller.caller.actor(),
        request: caller.caller.request(),
    });
    let order = Order::new(caller.shop, work, input.idempotency_key, app.now())?;
    match app.service::<Committer>()?.commit(order).await? {
        Answer::Corrected(correction) => Ok(*correction),
        _ => Err(Answer::unexpected()),
    }
}
