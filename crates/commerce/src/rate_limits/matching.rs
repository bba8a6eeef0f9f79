//! Which rate limits a call touches.

use std::sync::Arc;

use ledger::{Rate, RateCharge, RateKey, Subject};
use types::id::{CustomerId, EndUserId, FeatureId, PlanId};
use types::{Error, Result};
use uuid::Uuid;

use super::form::rate;
use super::{RateLimit, RateSubject};
use crate::Shop;

/// The rules of a shop, as calls are held to them.
#[derive(Debug, Clone, Default)]
pub struct RateLimits {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    /// The rule's id, under which its buckets are kept.
    name: Arc<str>,
    applies_to: RateSubject,
    rate: Rate,
    plan: Option<PlanId>,
    customer: Option<CustomerId>,
    feature: Option<FeatureId>,
    route: Option<String>,
}

/// A call, as far as rate limits look at it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub shop: Shop,
    pub customer: CustomerId,
    pub end_user: Option<EndUserId>,
    /// The API key that the seller's customer came with.
    pub api_key: Option<Uuid>,
    pub feature: FeatureId,
    /// What the seller's code said it is.
    pub route: Option<&'a str>,
    /// The plans that the customer is subscribed to.
    pub plans: &'a [PlanId],
    /// Units of each rate, above zero.
    pub cost: i64,
}

impl RateLimits {
    /// # Errors
    /// Internal, for a rule that could not have been stored.
    pub(super) fn new(rules: &[RateLimit]) -> Result<RateLimits> {
        let rules = rules.iter().map(Rule::new).collect::<Result<_>>()?;
        Ok(RateLimits { rules })
    }

    /// Whether no call is limited.
    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What the call asks of each rule that it comes under, in the order of the rules.
    pub fn charges(&self, call: &Call<'_>) -> Vec<RateCharge> {
        self.rules.iter().filter_map(|rule| rule.charge(call)).collect()
    }
}

impl Rule {
    fn new(rule: &RateLimit) -> Result<Rule> {
        Ok(Rule {
            name: rule.id.to_string().into(),
            applies_to: rule.applies_to,
            rate: rate(rule.limit, rule.per_secs, rule.burst).map_err(Error::internal)?,
            plan: rule.plan_id,
            customer: rule.customer,
            feature: rule.feature_id,
            route: rule.route.clone(),
        })
    }

    /// None, if the call does not come under the rule.
    fn charge(&self, call: &Call<'_>) -> Option<RateCharge> {
        let id = match self.applies_to {
            RateSubject::Customer => call.customer.uuid(),
            RateSubject::EndUser => call.end_user?.uuid(),
            RateSubject::ApiKey => call.api_key?,
        };
        self.selects(call).then(|| RateCharge {
            key: RateKey {
                subject: Subject {
                    workspace: call.shop.workspace,
                    platform: call.shop.platform,
                    mode: call.shop.mode,
                    kind: self.applies_to.kind(),
                    id,
                },
                name: self.name.clone(),
            },
            rate: self.rate,
            cost: call.cost,
        })
    }

    fn selects(&self, call: &Call<'_>) -> bool {
        self.plan.is_none_or(|plan| call.plans.contains(&plan))
            && self.customer.is_none_or(|customer| call.customer == customer)
            && self.feature.is_none_or(|feature| call.feature == feature)
            && (self.route.is_none() || self.route.as_deref() == call.route)
    }
}

#[cfg(test)]
mod tests {
    use ledger::SubjectKind;
    use types::id::{PlatformId, RateLimitId, WorkspaceId};
    use types::{Mode, Timestamp};

    use super::*;

    fn rule(applies_to: RateSubject) -> RateLimit {
        RateLimit {
            id: RateLimitId::generate(),
            name: "calls".to_owned(),
            applies_to,
            limit: 10,
            per_secs: 60,
            burst: None,
            plan: None,
            plan_id: None,
            customer: None,
            feature: None,
            feature_id: None,
            route: None,
            created_at: Timestamp::EPOCH,
        }
    }

    fn call() -> Call<'static> {
        Call {
            shop: Shop {
                workspace: WorkspaceId::generate(),
                platform: PlatformId::generate(),
                mode: Mode::Test,
            },
            customer: CustomerId::generate(),
            end_user: None,
            api_key: None,
            feature: FeatureId::generate(),
            route: None,
            plans: &[],
            cost: 1,
        }
    }

    fn touches(rule: &RateLimit, call: &Call<'_>) -> bool {
        let limits = RateLimits::new(std::slice::from_ref(rule)).unwrap();
        !limits.charges(call).is_empty()
    }

    #[test]
    fn a_rule_that_selects_nothing_is_for_every_call() {
        let (rule, call) = (rule(RateSubject::Customer), call());
        let charges = RateLimits::new(std::slice::from_ref(&rule))
            .unwrap()
            .charges(&call);
        let subject = Subject {
            workspace: call.shop.workspace,
            platform: call.shop.platform,
            mode: call.shop.mode,
            kind: SubjectKind::Customer,
            id: call.customer.uuid(),
        };
        let key = RateKey {
            subject,
            name: rule.id.to_string().into(),
        };
        let rate = Rate::per_minute(10, 10).unwrap();
        assert_eq!(charges, [RateCharge { key, rate, cost: 1 }]);
    }

    #[test]
    fn a_rule_about_somebody_else_does_not_apply() {
        let (person, key) = (EndUserId::generate(), Uuid::now_v7());
        let with_person = Call {
            end_user: Some(person),
            ..call()
        };
        let with_key = Call {
            api_key: Some(key),
            ..call()
        };
        assert!(!touches(&rule(RateSubject::EndUser), &with_key));
        assert!(!touches(&rule(RateSubject::ApiKey), &with_person));
        let both = RateLimits::new(&[rule(RateSubject::EndUser), rule(RateSubject::ApiKey)]).unwrap();
        let subject = |call: &Call<'_>| {
            let subject = both.charges(call)[0].key.subject;
            (subject.kind, subject.id)
        };
        assert_eq!(subject(&with_person), (SubjectKind::EndUser, person.uuid()));
        assert_eq!(subject(&with_key), (SubjectKind::ApiKey, key));
    }

    #[test]
    fn everything_that_is_selected_must_be_met() {
        let (plan, other) = (PlanId::generate(), PlanId::generate());
        let met = Call {
            route: Some("GET /weather"),
            plans: &[other, plan],
            ..call()
        };
        let full = RateLimit {
            plan_id: Some(plan),
            customer: Some(met.customer),
            feature_id: Some(met.feature),
            route: Some("GET /weather".to_owned()),
            ..rule(RateSubject::Customer)
        };
        assert!(touches(&full, &met));
        let unmet = [
            Call {
                plans: &[other],
                ..met
            },
            Call {
                customer: CustomerId::generate(),
                ..met
            },
            Call {
                feature: FeatureId::generate(),
                ..met
            },
            Call {
                route: Some("GET /weather/"),
                ..met
            },
            Call { route: None, ..met },
        ];
        assert!(unmet.iter().all(|call| !touches(&full, call)));
        assert!(
            touches(&rule(RateSubject::Customer), &met),
            "what is not selected does not matter"
        );
    }

    #[test]
    fn charges_come_in_the_order_of_the_rules() {
        let rules = [rule(RateSubject::Customer), rule(RateSubject::Customer)];
        let charges = RateLimits::new(&rules).unwrap().charges(&call());
        let names: Vec<&str> = charges.iter().map(|charge| &*charge.key.name).collect();
        let ids = rules.map(|rule| rule.id.to_string());
        assert_eq!(names, ids.each_ref().map(String::as_str));
    }
}
