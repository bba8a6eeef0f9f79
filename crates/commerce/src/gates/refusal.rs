//! What a workspace is told when its plan does not give enough: how much it has, and which plans would give more.

use serde_json::{Map, Value, json};
use types::{Error, ErrorCode};

use super::store::GateRow;
use crate::Catalogue;
use crate::catalogue::CataloguePlan;

/// The stock or quota of the plan is used up. `held` is everything that the workspace gets.
pub(super) fn limit_reached(
    catalogue: &Catalogue,
    held: &[GateRow],
    feature_key: &str,
    limit: i64,
    used: i64,
) -> Error {
    let more = |plan: &&CataloguePlan| {
        let given = plan.limits.get(feature_key);
        given.is_some_and(|given| given.amount.is_none_or(|amount| amount > limit))
    };
    let upgrade: Vec<&CataloguePlan> = plans(catalogue, feature_key).filter(more).collect();
    let plan = plan_of(catalogue, held, feature_key);
    let offers = upgrade.iter().map(|offer| {
        let limit = offer.limits.get(feature_key).and_then(|limit| limit.amount);
        json!({"plan": offer.plan.key, "limit": limit})
    });
    let detail = format!(
        "The workspace's plan allows {limit} of {feature_key}, and {used} are there. {}",
        advice(&upgrade)
    );
    Error::new(ErrorCode::PlanLimitReached, detail)
        .with_member("feature", feature_key)
        .with_member("limit", limit)
        .with_member("used", used)
        .with_member("plan", plan)
        .with_member("upgrade", offers.collect::<Vec<Value>>())
}

/// The plan does not have the feature at all.
pub(super) fn not_in_plan(catalogue: &Catalogue, held: &[GateRow], feature_key: &str) -> Error {
    let has = |plan: &&CataloguePlan| plan.limits.contains_key(feature_key);
    let upgrade: Vec<&CataloguePlan> = plans(catalogue, feature_key).filter(has).collect();
    let offers = upgrade
        .iter()
        .map(|offer| Value::Object(Map::from_iter([("plan".to_owned(), json!(offer.plan.key))])));
    let detail = format!(
        "The workspace's plan does not include {feature_key}. {}",
        advice(&upgrade)
    );
    Error::new(ErrorCode::FeatureNotInPlan, detail)
        .with_member("feature", feature_key)
        .with_member("plan", plan_of(catalogue, held, feature_key))
        .with_member("upgrade", offers.collect::<Vec<Value>>())
}

/// The plans of the feature's group, in their order.
fn plans<'c>(catalogue: &'c Catalogue, feature_key: &str) -> impl Iterator<Item = &'c CataloguePlan> {
    catalogue
        .group_of(feature_key)
        .into_iter()
        .flat_map(|group| &group.plans)
}

/// The workspace's plan in the feature's group: the plan that gives it the feature, or else anything of the same group.
fn plan_of(catalogue: &Catalogue, held: &[GateRow], feature_key: &str) -> Option<String> {
    let of_group = |row: &&GateRow| {
        let group = |key| catalogue.group_of(key).map(|group| &group.key);
        group(&row.feature_key) == group(feature_key)
    };
    let exact = held.iter().find(|row| row.feature_key == feature_key);
    let row = exact.or_else(|| held.iter().find(of_group));
    row.map(|row| row.plan_key.clone())
}

fn advice(upgrade: &[&CataloguePlan]) -> String {
    let names: Vec<&str> = upgrade.iter().map(|offer| offer.plan.name.as_str()).collect();
    match names.as_slice() {
        [] => "No plan gives more; ask the operator.".to_owned(),
        [one] => format!("The plan {one} lifts it."),
        [others @ .., last] => format!("The plans {} and {last} lift it.", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::built_in;

    fn held() -> Vec<GateRow> {
        let row = |feature_key: &str, amount| GateRow {
            feature_key: feature_key.to_owned(),
            amount,
            plan_key: "free".to_owned(),
        };
        vec![
            row("context.projects", Some(1)),
            row("widgets.published", Some(1)),
        ]
    }

    #[test]
    fn the_plans_that_lift_a_limit_are_named() {
        let error = limit_reached(&built_in(), &held(), "context.projects", 1, 1);
        let upgrade = json!([
            {"plan": "pro", "limit": 10}, {"plan": "team", "limit": 50}, {"plan": "enterprise", "limit": null}
        ]);
        assert_eq!(error.members()["upgrade"], upgrade);
        assert_eq!(
            (&error.members()["plan"], &error.members()["used"]),
            (&json!("free"), &json!(1))
        );
        assert!(
            error
                .detail()
                .ends_with("The plans Pro, Team and Enterprise lift it."),
            "{error}"
        );
        let most = limit_reached(&built_in(), &held(), "widgets.published", 25, 25);
        assert_eq!(most.members()["upgrade"], json!([]));
    }

    #[test]
    fn the_plan_is_known_also_where_it_gives_nothing() {
        let error = not_in_plan(&built_in(), &held(), "widgets.branding_off");
        assert_eq!(error.members()["plan"], "free");
        assert_eq!(error.members()["upgrade"], json!([{"plan": "pro"}]));
        let nothing = not_in_plan(&built_in(), &[], "context.sso");
        assert_eq!(nothing.members()["plan"], Value::Null);
    }
}
