//! Why a customer gets what they get: everything that was looked at, in order, and what became of it.

use ledger::{Limit, Scale};
use serde::Serialize;
use types::Timestamp;
use types::id::{OverrideId, PlanId, SubscriptionId};
use utoipa::ToSchema;

use super::resolve::{OverrideSource, PlanSource, Resolved, Source};
use super::standing::{CounterForm, Standing};
use crate::Amount;
use crate::customers::Customer;
use crate::features::Feature;
use crate::plans::OverageForm;

/// Why an entitlement is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = EntitlementExplanation)]
pub struct Explanation {
    /// In a sentence.
    pub summary: String,
    /// What was looked at, in this order: the override, the plan of each group, and nothing when none of them
    /// decides.
    pub sources: Vec<ConsideredSource>,
    /// The counter that the figures come from; null unless the feature is metered.
    pub counter: Option<CounterForm>,
}

/// Something that was looked at, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = EntitlementConsidered)]
pub struct ConsideredSource {
    pub source: SourceForm,
    pub verdict: Verdict,
    /// The verdict in a sentence.
    pub why: String,
    /// What the source gives; null when it gives nothing.
    pub gives: Option<Gift>,
}

/// What a source gives of a feature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = EntitlementGift)]
pub struct Gift {
    /// Null for unlimited, and for a boolean feature.
    pub limit: Option<Amount>,
    pub overage: OverageForm,
    pub thresholds: Vec<u16>,
}

/// Something that can say what a customer gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = EntitlementSource)]
pub enum SourceForm {
    Override {
        id: OverrideId,
        reason: String,
        expires_at: Option<Timestamp>,
    },
    Plan {
        /// The plan's key.
        plan: String,
        plan_id: PlanId,
        version: i64,
        /// The key of the plan's group.
        group: String,
        subscription: SubscriptionId,
    },
    Nothing {},
}

/// What became of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EntitlementVerdict)]
pub enum Verdict {
    /// It decides.
    Won,
    /// An override that is over.
    Expired,
    /// A plan that does not have the feature.
    NotIncluded,
    /// A plan that an override stands before.
    Overruled,
    /// A plan that gives no more than another.
    Outdone,
}

impl Explanation {
    pub(super) fn new(
        customer: &Customer,
        feature: &Feature,
        resolved: &Resolved,
        standing: Option<Standing>,
        now: Timestamp,
    ) -> Explanation {
        let scale = feature.scale();
        let considered = |source: &Source| {
            let verdict = verdict(source, resolved, now);
            ConsideredSource {
                source: SourceForm::of(source),
                verdict,
                why: why(source, verdict).to_owned(),
                gives: source.limit().map(|limit| Gift::new(limit, scale)),
            }
        };
        Explanation {
            summary: match customer.archived_at {
                Some(_) => "The customer is archived and can use nothing.".to_owned(),
                None => summary(&resolved.source),
            },
            sources: resolved.considered.iter().map(considered).collect(),
            counter: standing.map(|standing| standing.form(scale)),
        }
    }
}

fn verdict(source: &Source, resolved: &Resolved, now: Timestamp) -> Verdict {
    match (source, &resolved.source) {
        (source, winner) if source == winner => Verdict::Won,
        (Source::Override(standing), _) if standing.has_expired(now) => Verdict::Expired,
        (Source::Plan(PlanSource { limit: None, .. }), _) => Verdict::NotIncluded,
        (_, Source::Override(_)) => Verdict::Overruled,
        _ => Verdict::Outdone,
    }
}

fn why(source: &Source, verdict: Verdict) -> &'static str {
    match (verdict, source) {
        (Verdict::Won, Source::Override(_)) => "An override stands before every plan.",
        (Verdict::Won, Source::Plan(_)) => "No plan of the customer gives more.",
        (Verdict::Won, Source::Nothing) => "Nothing else gives the feature.",
        (Verdict::Expired, _) => "The override has expired.",
        (Verdict::NotIncluded, _) => "The plan does not include the feature.",
        (Verdict::Overruled, _) => "An override stands before every plan.",
        (Verdict::Outdone, _) => "Another plan gives more, or as much and comes first.",
    }
}

fn summary(winner: &Source) -> String {
    match winner {
        Source::Override(OverrideSource {
            limit: Some(_),
            reason,
            ..
        }) => {
            format!("An override gives the feature: {reason}")
        }
        Source::Override(OverrideSource {
            limit: None, reason, ..
        }) => {
            format!("An override takes the feature away: {reason}")
        }
        Source::Plan(plan) => format!(
            "The plan {} of the group {} gives the feature, in its version {}.",
            plan.plan_key, plan.group_key, plan.version
        ),
        Source::Nothing => {
            "No plan of the customer includes the feature, and no override gives it.".to_owned()
        }
    }
}

impl SourceForm {
    fn of(source: &Source) -> SourceForm {
        match source {
            Source::Override(standing) => SourceForm::Override {
                id: standing.id,
                reason: standing.reason.clone(),
                expires_at: standing.expires_at,
            },
            Source::Plan(plan) => SourceForm::Plan {
                plan: plan.plan_key.clone(),
                plan_id: plan.plan,
                version: plan.version,
                group: plan.group_key.clone(),
                subscription: plan.subscription,
            },
            Source::Nothing => SourceForm::Nothing {},
        }
    }
}

impl Gift {
    fn new(limit: &Limit, scale: Scale) -> Gift {
        Gift {
            limit: limit.amount.map(|units| Amount::from_units(units, scale)),
            overage: OverageForm::new(limit.overage, scale),
            thresholds: limit.thresholds.clone(),
        }
    }
}
