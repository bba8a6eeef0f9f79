//! Which source decides what a customer gets of a feature.
//!
//! A standing override that has not expired wins, whether it gives more or less. Otherwise the most generous
//! of the plan versions that the customer is subscribed to: unlimited before any number, a larger number
//! before a smaller one, and between equals the group whose key comes first. Otherwise nothing: the customer
//! is not entitled.

use std::collections::HashMap;

use ledger::Limit;
use storage::{Scope, Tx};
use types::id::{CustomerId, FeatureId, OverrideId, PlanGroupId, PlanId, SubscriptionId};
use types::{Error, Result, Timestamp};

use super::store;
use crate::Shop;

/// What a customer gets of one feature, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// None: not entitled. A boolean feature that is on has no limit.
    pub(crate) limit: Option<Limit>,
    /// What decided.
    pub(crate) source: Source,
    /// Everything that was looked at, in order; the source that decided is one of them.
    pub(crate) considered: Vec<Source>,
}

/// Something that may say what a customer gets of a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Override(OverrideSource),
    Plan(PlanSource),
    /// No override and no plan includes the feature.
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OverrideSource {
    pub(crate) id: OverrideId,
    /// None: the feature is taken away.
    pub(crate) limit: Option<Limit>,
    pub(crate) reason: String,
    pub(crate) expires_at: Option<Timestamp>,
}

/// The plan version of a running subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlanSource {
    pub(crate) subscription: SubscriptionId,
    pub(crate) plan: PlanId,
    pub(crate) plan_key: String,
    pub(crate) version: i64,
    pub(crate) group: PlanGroupId,
    pub(crate) group_key: String,
    /// None: the plan does not include the feature.
    pub(crate) limit: Option<Limit>,
}

impl OverrideSource {
    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// What the customer gets of the feature at that instant. Two statements; the customer's being archived is
/// the caller's to look at.
pub(crate) async fn resolve<S: Scope>(
    tx: &mut Tx<S>,
    shop: Shop,
    customer: CustomerId,
    feature: FeatureId,
    now: Timestamp,
) -> Result<Resolved> {
    let standing = store::standing_override(tx, shop, customer, feature).await?;
    let plans = store::running_plans(tx, shop, customer, feature).await?;
    Ok(choose(standing, plans, now))
}

/// A plan that a customer has, and what it gives. Its `limit` is of no feature.
pub(super) type RunningPlan = (PlanSource, HashMap<FeatureId, Limit>);

/// Everything that decides what a customer gets, of all features at once.
#[derive(Debug)]
pub(crate) struct Holdings {
    pub(super) overrides: HashMap<FeatureId, OverrideSource>,
    /// The running plans in the order of their groups' keys.
    pub(super) plans: Vec<RunningPlan>,
}

impl Holdings {
    pub(crate) async fn load<S: Scope>(tx: &mut Tx<S>, shop: Shop, customer: CustomerId) -> Result<Holdings> {
        let loaded = Holdings::load_all(tx, &[(shop, customer)]).await?.pop();
        loaded.ok_or_else(|| Error::internal("no holdings were loaded for a customer"))
    }

    /// Those of each customer, in their order. Two statements.
    pub(crate) async fn load_all<S: Scope>(
        tx: &mut Tx<S>,
        customers: &[(Shop, CustomerId)],
    ) -> Result<Vec<Holdings>> {
        let overrides = store::standing_overrides(tx, customers).await?;
        let plans = store::running_plans_in_full(tx, customers).await?;
        let holdings = overrides.into_iter().zip(plans);
        Ok(holdings
            .map(|(overrides, plans)| Holdings { overrides, plans })
            .collect())
    }

    /// What a customer with one plan, which gives this, may use.
    #[cfg(test)]
    pub(crate) fn of_one_plan(gives: HashMap<FeatureId, Limit>) -> Holdings {
        let plan = PlanSource {
            subscription: SubscriptionId::generate(),
            plan: PlanId::generate(),
            plan_key: "plan".to_owned(),
            version: 1,
            group: PlanGroupId::generate(),
            group_key: "plans".to_owned(),
            limit: None,
        };
        Holdings {
            overrides: HashMap::new(),
            plans: vec![(plan, gives)],
        }
    }

    /// The limit that [`Holdings::resolve`] finds.
    pub(crate) fn limit(&self, feature: FeatureId, now: Timestamp) -> Option<&Limit> {
        let standing = self.overrides.get(&feature);
        if let Some(decisive) = standing.filter(|standing| !standing.has_expired(now)) {
            return decisive.limit.as_ref();
        }
        let limits = self.plans.iter().filter_map(|(_, gives)| gives.get(&feature));
        most_generous(limits, |limit| limit)
    }

    /// The plans that the customer has.
    pub(crate) fn plans(&self) -> impl Iterator<Item = PlanId> {
        self.plans.iter().map(|(plan, _)| plan.plan)
    }

    /// As [`resolve`].
    pub(crate) fn resolve(&self, feature: FeatureId, now: Timestamp) -> Resolved {
        let plan = |(plan, gives): &(PlanSource, HashMap<FeatureId, Limit>)| PlanSource {
            limit: gives.get(&feature).cloned(),
            ..plan.clone()
        };
        let standing = self.overrides.get(&feature).cloned();
        choose(standing, self.plans.iter().map(plan).collect(), now)
    }
}

/// The rule. `plans` come in the order of their groups' keys.
fn choose(standing: Option<OverrideSource>, plans: Vec<PlanSource>, now: Timestamp) -> Resolved {
    let decisive = standing
        .clone()
        .filter(|standing| !standing.has_expired(now))
        .map(Source::Override);
    let giving = plans.iter().filter_map(|plan| Some((plan, plan.limit.as_ref()?)));
    let source = decisive
        .or_else(|| most_generous(giving, |(_, limit)| limit).map(|(plan, _)| Source::Plan(plan.clone())))
        .unwrap_or(Source::Nothing);
    let mut considered: Vec<Source> = standing.map(Source::Override).into_iter().collect();
    considered.extend(plans.into_iter().map(Source::Plan));
    if source == Source::Nothing {
        considered.push(Source::Nothing);
    }
    Resolved {
        limit: source.limit().cloned(),
        source,
        considered,
    }
}

/// The one with the most generous limit; between equals, the first.
fn most_generous<'a, T: Copy>(of: impl Iterator<Item = T>, limit: impl Fn(T) -> &'a Limit) -> Option<T> {
    of.reduce(|best, next| {
        if generosity(limit(next)) > generosity(limit(best)) {
            next
        } else {
            best
        }
    })
}

/// Grows with what is included; overage is not.
fn generosity(limit: &Limit) -> (bool, i64) {
    (limit.amount.is_none(), limit.amount.unwrap_or(0))
}

impl Source {
    /// What the source gives; none when it gives nothing.
    pub(crate) fn limit(&self) -> Option<&Limit> {
        match self {
            Source::Override(standing) => standing.limit.as_ref(),
            Source::Plan(plan) => plan.limit.as_ref(),
            Source::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::EPOCH;

    fn plan(group_key: &str, limit: Option<Limit>) -> PlanSource {
        PlanSource {
            subscription: SubscriptionId::generate(),
            plan: PlanId::generate(),
            plan_key: "pro".to_owned(),
            version: 1,
            group: PlanGroupId::generate(),
            group_key: group_key.to_owned(),
            limit,
        }
    }

    fn standing(limit: Option<Limit>, expires_at: Option<Timestamp>) -> OverrideSource {
        OverrideSource {
            id: OverrideId::generate(),
            limit,
            reason: "Promised in a call.".to_owned(),
            expires_at,
        }
    }

    #[test]
    fn the_most_generous_plan_wins() {
        let plans = vec![
            plan("a", Some(Limit::deny_above(5))),
            plan("b", None),
            plan("c", Some(Limit::deny_above(500))),
        ];
        let resolved = choose(None, plans.clone(), NOW);
        assert_eq!(resolved.source, Source::Plan(plans[2].clone()));
        assert_eq!(resolved.limit, Some(Limit::deny_above(500)));
        assert_eq!(resolved.considered.len(), 3);
    }

    #[test]
    fn unlimited_is_more_than_any_number_and_zero_more_than_nothing() {
        let plans = vec![
            plan("a", Some(Limit::deny_above(i64::MAX))),
            plan("b", Some(Limit::unlimited())),
        ];
        assert_eq!(choose(None, plans, NOW).limit, Some(Limit::unlimited()));
        let plans = vec![plan("a", None), plan("b", Some(Limit::deny_above(0)))];
        assert_eq!(choose(None, plans, NOW).limit, Some(Limit::deny_above(0)));
    }

    #[test]
    fn between_equals_the_first_group_wins() {
        let plans = vec![
            plan("a", Some(Limit::deny_above(5))),
            plan("b", Some(Limit::deny_above(5))),
        ];
        let first = Source::Plan(plans[0].clone());
        assert_eq!(choose(None, plans, NOW).source, first);
    }

    #[test]
    fn an_override_wins_also_when_it_gives_less() {
        let plans = || vec![plan("a", Some(Limit::unlimited()))];
        let less = standing(Some(Limit::deny_above(1)), None);
        assert_eq!(choose(Some(less), plans(), NOW).limit, Some(Limit::deny_above(1)));
        let taken_away = standing(None, Some(NOW + Duration::from_micros(1)));
        let resolved = choose(Some(taken_away.clone()), plans(), NOW);
        assert_eq!(resolved.limit, None);
        assert_eq!(resolved.source, Source::Override(taken_away));
    }

    #[test]
    fn an_expired_override_is_considered_and_does_not_count() {
        let expired = standing(Some(Limit::unlimited()), Some(NOW));
        let resolved = choose(Some(expired.clone()), vec![plan("a", None)], NOW);
        assert_eq!(resolved.limit, None);
        assert_eq!(resolved.source, Source::Nothing);
        assert_eq!(resolved.considered[0], Source::Override(expired));
        assert_eq!(resolved.considered.last(), Some(&Source::Nothing));
    }
}
