//! Brings platform zero in line with the catalogue.

use runtime::{App, Caller, audit};
use storage::{Tenant, Tx};
use types::{Error, ErrorCode, Result, Timestamp};

use super::{Catalogue, Group, OPERATOR_WORKSPACE, PLATFORM_ZERO, SHOP_ZERO, current};
use crate::features::{self, Feature, NewFeature};
use crate::plans::entitlement::parse_all;
use crate::plans::{self, NewPlan, Plan, PlanChange, PlanEntitlement, PlanGroup};
use crate::{gates, platforms};

/// Makes platform zero what the catalogue says: at every start, before anything is served. What is there and the same stays;
/// a plan that costs or gives something else gets a new version; what the catalogue no longer has is archived. The operator's
/// own workspace gets everything without limit.
///
/// # Errors
/// `validation_failed`, when the catalogue cannot be read; `conflict`, when it changes what cannot change.
pub async fn seed(app: &App) -> Result<()> {
    let catalogue = &*current(app)?;
    let tenant = app.issuer().tenant(OPERATOR_WORKSPACE);
    let operator = &app.operator(tenant);
    let now = app.now();
    app.db()
        .of(tenant)
        .write(|tx| async move {
            let mut seeding = Seeding { tx, now, changes: 0 };
            seeding.apply(catalogue).await?;
            seeding.record(operator).await
        })
        .await?;
    gates::become_customer(app, OPERATOR_WORKSPACE).await
}

/// One run, in one transaction.
struct Seeding {
    tx: Tx<Tenant>,
    now: Timestamp,
    /// How many things were made or changed.
    changes: i64,
}

impl Seeding {
    async fn apply(&mut self, catalogue: &Catalogue) -> Result<()> {
        if platforms::ensure(&mut self.tx, PLATFORM_ZERO, "Plinth", self.now).await? {
            self.changes += 1;
        }
        self.features(&catalogue.offer.features).await?;
        let mut plans = plans::store::all_plans(&mut self.tx, SHOP_ZERO).await?;
        for group in &catalogue.offer.groups {
            self.group(group).await?;
            for plan in &group.plans {
                let known = plans
                    .iter()
                    .position(|known| known.group == group.key && known.key == plan.plan.key)
                    .map(|position| plans.swap_remove(position));
                self.plan(&plan.plan, known).await?;
            }
        }
        self.archive_plans(plans).await?;
        let keys = catalogue
            .offer
            .features
            .iter()
            .map(|feature| feature.key.as_str());
        gates::give_everything(&mut self.tx, keys, self.now).await
    }

    async fn features(&mut self, wanted: &[NewFeature]) -> Result<()> {
        let mut known = features::store::all(&mut self.tx, SHOP_ZERO).await?;
        for new in wanted {
            let feature = new.check(self.now)?;
            let Some(position) = known.iter().position(|known| known.key == feature.key) else {
                features::store::insert(&mut self.tx, SHOP_ZERO, &feature).await?;
                self.changes += 1;
                continue;
            };
            let before = known.swap_remove(position);
            let after = updated(&before, feature)?;
            if after != before {
                features::store::update(&mut self.tx, SHOP_ZERO, &after).await?;
                self.changes += 1;
            }
        }
        for mut gone in known.into_iter().filter(|feature| feature.archived_at.is_none()) {
            gone.archived_at = Some(self.now);
            features::store::update(&mut self.tx, SHOP_ZERO, &gone).await?;
            self.changes += 1;
        }
        Ok(())
    }

    async fn group(&mut self, wanted: &Group) -> Result<()> {
        match plans::store::find_group_by_key(&mut self.tx, SHOP_ZERO, &wanted.key).await? {
            None => {
                let group = PlanGroup::new(&wanted.key, &wanted.name, self.now);
                plans::store::insert_group(&mut self.tx, SHOP_ZERO, &group).await?;
            }
            Some(known) if known.name != wanted.name => {
                plans::store::rename_group(&mut self.tx, SHOP_ZERO, known.id, &wanted.name).await?;
            }
            Some(_) => return Ok(()),
        }
        self.changes += 1;
        Ok(())
    }

    async fn plan(&mut self, wanted: &NewPlan, known: Option<Plan>) -> Result<()> {
        let Some(mut plan) = known else {
            plans::insert(&mut self.tx, SHOP_ZERO, wanted, self.now).await?;
            self.changes += 1;
            return Ok(());
        };
        if plan.name != wanted.name
            || plan.position != wanted.position
            || plan.is_default != wanted.is_default
            || plan.archived_at.is_some()
        {
            plan.archived_at = None;
            let change = PlanChange {
                name: Some(wanted.name.clone()),
                is_default: Some(wanted.is_default),
                position: Some(wanted.position),
            };
            plans::write_change(&mut self.tx, SHOP_ZERO, &mut plan, &change).await?;
            self.changes += 1;
        }
        if plan.current.price != wanted.terms.price || plan.current.entitlements != self.sent(wanted).await? {
            plans::insert_version(&mut self.tx, SHOP_ZERO, &plan, &wanted.terms, self.now).await?;
            self.changes += 1;
        }
        Ok(())
    }

    /// What the plan would give, as it is sent, in the order of the features' keys.
    async fn sent(&mut self, wanted: &NewPlan) -> Result<Vec<PlanEntitlement>> {
        let features = features::store::all(&mut self.tx, SHOP_ZERO).await?;
        let parsed = parse_all(&wanted.terms.entitlements, &features)?;
        let mut sent: Vec<PlanEntitlement> = parsed
            .iter()
            .map(|(feature, limit)| PlanEntitlement::new(&feature.key, feature.scale(), limit))
            .collect();
        sent.sort_by(|a, b| a.feature.cmp(&b.feature));
        Ok(sent)
    }

    async fn archive_plans(&mut self, gone: Vec<Plan>) -> Result<()> {
        for mut plan in gone.into_iter().filter(|plan| plan.archived_at.is_none()) {
            (plan.archived_at, plan.is_default) = (Some(self.now), false);
            plans::store::update_plan(&mut self.tx, SHOP_ZERO, &plan).await?;
            self.changes += 1;
        }
        Ok(())
    }

    async fn record(mut self, operator: &Caller) -> Result<()> {
        if self.changes == 0 {
            return Ok(());
        }
        let entry = audit::NewEntry::new("catalogue.apply", "platform", PLATFORM_ZERO)
            .with_detail("changes", self.changes);
        audit::record(&mut self.tx, operator, entry, self.now).await
    }
}

/// The feature as it is and as the catalogue wants it shown.
fn updated(known: &Feature, wanted: Feature) -> Result<Feature> {
    if known.kind != wanted.kind || known.meter != wanted.meter {
        return Err(Error::new(
            ErrorCode::Conflict,
            format!(
                "catalogue.toml gives the feature {:?} another kind or meter than it has; counters would change their \
                 meaning. Give the new feature a key of its own.",
                known.key
            ),
        ));
    }
    Ok(Feature {
        name: wanted.name,
        unit: wanted.unit,
        archived_at: None,
        ..known.clone()
    })
}
