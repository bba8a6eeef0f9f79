//! From what a call names to what the ledger decides on: the customer, the feature, and the ordered counters with their
//! limits. Remembered within a batch, so that a hundred calls of one customer ask the database once.

use std::collections::HashMap;

use ledger::{
    Anchor, Charge, Code, CounterKey, Limit, Meter, PeriodKind, Request, Scale, Sign, Subject, SubjectKind,
    period_of,
};
use storage::{Scope, System, Tx};
use types::id::{CustomerId, EndUserId, FeatureId, WorkspaceId};
use types::{Error, ErrorCode, Mode, Result, Timestamp};

use super::order::Order;
use crate::Shop;
use crate::catalogue::{PLATFORM_ZERO, SHOP_ZERO};
use crate::customers::{Customer, CustomerRef, EndUserRef, end_users};
use crate::features::Feature;
use crate::{customers, entitlements, features, gates};

/// The feature of platform zero that live calls on a workspace's own platforms use up.
pub(super) const CALLS: &str = "commerce.calls";

/// What an order comes to before the ledger decides.
pub(super) enum Resolved {
    /// The ledger decides.
    Open(Box<Ready>),
    /// It is refused whatever the counters hold.
    Refused {
        customer: CustomerId,
        scale: Scale,
        units: i64,
        code: Code,
    },
    /// The workspace itself cannot use anything, or not yet.
    Unready(Error),
}

/// Everything that the decision needs.
pub(super) struct Ready {
    pub customer: CustomerId,
    pub end_user: Option<EndUserId>,
    pub feature: FeatureId,
    pub scale: Scale,
    pub units: i64,
    pub request: Request,
    /// The workspace's own limit, where it has one: both are granted, or neither.
    pub gate: Option<Gate>,
}

/// Answers of the database that hold for the length of a batch.
#[derive(Default)]
pub(super) struct Memory {
    /// Nothing may be written.
    is_check: bool,
    customers: HashMap<(Shop, CustomerRef), Customer>,
    features: HashMap<(Shop, String), Feature>,
    limits: HashMap<(CustomerId, FeatureId), Option<Limit>>,
    gates: HashMap<WorkspaceId, Option<Gate>>,
}

/// A workspace's own limit on live calls: one call, whatever amount it is of.
#[derive(Clone)]
pub(super) struct Gate {
    pub request: Request,
    /// The workspace's plan.
    pub plan: String,
}

/// # Errors
/// `not_found`.
pub(super) async fn customer<S: Scope>(tx: &mut Tx<S>, shop: Shop, named: &CustomerRef) -> Result<Customer> {
    customers::store::find_by_ref(tx, shop, named)
        .await?
        .ok_or_else(|| Error::not_found("customer"))
}

/// # Errors
/// `not_found`.
pub(super) async fn feature<S: Scope>(tx: &mut Tx<S>, shop: Shop, key: &str) -> Result<Feature> {
    features::store::by_key(tx, shop, key)
        .await?
        .ok_or_else(|| Error::not_found("feature"))
}

impl Ready {
    /// Every counter that the decision looks at.
    pub(super) fn counters(&self) -> impl Iterator<Item = CounterKey> {
        let gate = self.gate.iter().flat_map(|gate| &gate.request.charges);
        self.request.charges.iter().chain(gate).map(|charge| charge.key)
    }
}

impl Memory {
    /// For a check, which writes nothing.
    pub(super) fn of_check() -> Self {
        Memory {
            is_check: true,
            ..Memory::default()
        }
    }

    /// # Errors
    /// What is wrong with the order alone, such as `not_found`; or that the database does not answer.
    pub(super) async fn resolve(
        &mut self,
        tx: &mut Tx<System>,
        order: &Order,
        now: Timestamp,
    ) -> Result<Resolved> {
        let shop = order.shop;
        let customer = self.customer(tx, shop, &order.customer).await?;
        let feature = self.feature(tx, shop, &order.feature).await?;
        let meter = metered(&feature)?;
        let units = order.amount.parse_field("amount", meter.scale, Sign::Positive)?;
        let refused = |code| Resolved::Refused {
            customer: customer.id,
            scale: meter.scale,
            units,
            code,
        };
        if customer.archived_at.is_some() {
            return Ok(refused(Code::CustomerArchived));
        }
        let Some(limit) = self.limit(tx, shop, customer.id, &feature, now).await? else {
            return Ok(refused(Code::FeatureNotInPlan));
        };
        let period = period_of(meter.period, &customer.anchor, now);
        let charge = |kind, id, limit| {
            let subject = Subject {
                workspace: shop.workspace,
                platform: shop.platform,
                mode: shop.mode,
                kind,
                id,
            };
            Charge::new(subject, feature.id, meter, period, limit)
        };
        let mut charges = Vec::with_capacity(2);
        let end_user = match &order.end_user {
            None => None,
            Some(named) => Some(self.end_user(tx, shop, customer.id, named, now).await?),
        };
        if let Some(id) = end_user {
            charges.push(charge(SubjectKind::EndUser, id.uuid(), Limit::unlimited()));
        }
        charges.push(charge(SubjectKind::Customer, customer.id.uuid(), limit));
        let gate = match self.gate(tx, shop, now).await? {
            Ok(gate) => gate,
            Err(refusal) => return Ok(Resolved::Unready(refusal)),
        };
        let request = Request {
            amount: units,
            charges,
            ..Request::default()
        };
        let ready = Ready {
            customer: customer.id,
            end_user,
            feature: feature.id,
            scale: meter.scale,
            units,
            request,
            gate,
        };
        Ok(Resolved::Open(Box::new(ready)))
    }

    async fn customer(&mut self, tx: &mut Tx<System>, shop: Shop, named: &CustomerRef) -> Result<Customer> {
        let key = (shop, named.clone());
        if let Some(known) = self.customers.get(&key) {
            return Ok(known.clone());
        }
        let found = customer(tx, shop, named).await?;
        self.customers.insert(key, found.clone());
        Ok(found)
    }

    async fn feature(&mut self, tx: &mut Tx<System>, shop: Shop, name: &str) -> Result<Feature> {
        let key = (shop, name.to_owned());
        if let Some(known) = self.features.get(&key) {
            return Ok(known.clone());
        }
        let found = feature(tx, shop, name).await?;
        self.features.insert(key, found.clone());
        Ok(found)
    }

    /// The end user that a call names. One who is named by the seller's own id for the first time is made: sellers need not
    /// tell of each before their first call. A check makes nobody, so a new one stands for an id that nothing is counted
    /// under.
    async fn end_user(
        &mut self,
        tx: &mut Tx<System>,
        shop: Shop,
        customer: CustomerId,
        named: &EndUserRef,
        now: Timestamp,
    ) -> Result<EndUserId> {
        if let Some(found) = end_users::store::find_by_ref(tx, shop, customer, named).await? {
            return Ok(found.id);
        }
        match named {
            EndUserRef::Id(_) => Err(Error::not_found("end user")),
            EndUserRef::External(_) if self.is_check => Ok(EndUserId::generate()),
            EndUserRef::External(text) => Ok(end_users::ensure(tx, shop, customer, text, now).await?.0.id),
        }
    }

    async fn limit(
        &mut self,
        tx: &mut Tx<System>,
        shop: Shop,
        customer: CustomerId,
        feature: &Feature,
        now: Timestamp,
    ) -> Result<Option<Limit>> {
        let key = (customer, feature.id);
        if let Some(known) = self.limits.get(&key) {
            return Ok(known.clone());
        }
        let limit = entitlements::resolve(tx, shop, customer, feature.id, now)
            .await?
            .limit;
        self.limits.insert(key, limit.clone());
        Ok(limit)
    }

    /// The workspace's own limit on live calls: platform zero's counter of the workspace as its customer. Test calls and
    /// platform zero's own are not counted. An outer error is the database's; an inner one is about this workspace, and must
    /// not keep the others of the batch waiting.
    async fn gate(
        &mut self,
        tx: &mut Tx<System>,
        shop: Shop,
        now: Timestamp,
    ) -> Result<Result<Option<Gate>>> {
        if shop.mode == Mode::Test || shop.platform == PLATFORM_ZERO {
            return Ok(Ok(None));
        }
        if let Some(known) = self.gates.get(&shop.workspace) {
            return Ok(Ok(known.clone()));
        }
        let calls = self.feature(tx, SHOP_ZERO, CALLS).await?;
        let Some(row) = gates::limit_of(tx, shop.workspace, CALLS).await? else {
            return Ok(Err(Error::new(
                ErrorCode::FeatureNotInPlan,
                "The workspace's own plan does not include live calls.",
            )));
        };
        let buyer = CustomerRef::External(shop.workspace.to_string());
        let Some(buyer) = customers::store::find_by_ref(tx, SHOP_ZERO, &buyer).await? else {
            return Ok(Err(Error::unavailable(
                "The workspace is being set up. Nothing was counted; try again in a moment.",
            )));
        };
        let limit = row.amount.map_or_else(Limit::unlimited, Limit::deny_above);
        let meter = Meter::calls(PeriodKind::Month);
        let anchor = Anchor::calendar("UTC").map_err(Error::internal)?;
        let subject = Subject {
            workspace: SHOP_ZERO.workspace,
            platform: SHOP_ZERO.platform,
            mode: SHOP_ZERO.mode,
            kind: SubjectKind::Customer,
            id: buyer.id.uuid(),
        };
        let charge = Charge::new(
            subject,
            calls.id,
            meter,
            period_of(meter.period, &anchor, now),
            limit,
        );
        let request = Request {
            amount: 1,
            charges: vec![charge],
            ..Request::default()
        };
        let gate = Some(Gate {
            request,
            plan: row.plan_key,
        });
        self.gates.insert(shop.workspace, gate.clone());
        Ok(Ok(gate))
    }
}

fn metered(feature: &Feature) -> Result<Meter> {
    feature.meter.ok_or_else(|| {
        Error::new(
            ErrorCode::FeatureNotMetered,
            format!(
                "{} is not a metered feature, so there is nothing to count.",
                feature.key
            ),
        )
    })
}
