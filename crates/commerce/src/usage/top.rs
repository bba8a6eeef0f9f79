//! Who uses most.

use runtime::App;
use types::{Permission, Result, Timestamp};

use super::query::gather_of;
use super::store::{self, Asked, Source, Split};
use crate::ShopCaller;
use crate::amount::Amount;
use crate::customers::{self, Customer};

/// A customer, and how much they used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopCustomer {
    pub customer: Customer,
    pub amount: Amount,
}

/// The customers who used most of a feature since an instant (to the hour), at most so many, the greatest first.
///
/// # Errors
/// `permission_denied`; `not_found`, when the shop has no such feature; `feature_not_metered`.
pub async fn top_customers(
    app: &App,
    caller: &ShopCaller,
    feature: &str,
    since: Timestamp,
    most: u32,
) -> Result<Vec<TopCustomer>> {
    caller.caller.require(Permission::UsageRead)?;
    caller.caller.require(Permission::CustomersRead)?;
    let shop = caller.shop;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move {
            let feature = super::feature(&mut tx, shop, feature).await?;
            let asked = [Asked {
                feature: feature.id,
                customer: None,
                end_user: None,
                span: (since, Timestamp::MAX),
            }];
            let split = Split {
                by_customer: true,
                by_dimensions: false,
            };
            let read = (Source::Hours, gather_of(&feature)?);
            let ranking = store::sums(&mut tx, shop, read, &asked, split, most as usize).await?;
            let mut top = Vec::with_capacity(ranking.len());
            for sum in ranking {
                let Some(id) = sum.customer else { continue };
                if let Some(customer) = customers::store::find(&mut tx, shop, id).await? {
                    let amount = Amount::from_sum(sum.total.amount, feature.scale());
                    top.push(TopCustomer { customer, amount });
                }
            }
            Ok(top)
        })
        .await
}
