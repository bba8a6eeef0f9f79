//! Reads `catalogue.toml`: its form, its rules, and errors that name the line and key.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;
use types::{Error, Result, Timestamp};

use super::{Catalogue, CataloguePlan, Group, Offer};
use crate::Amount;
use crate::features::{Feature, FeatureKind, MeterForm, NewFeature};
use crate::key::check_key;
use crate::plans::entitlement::parse_all;
use crate::plans::{EntitlementInput, NewPlan, Price, Terms};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueForm {
    features: Vec<FeatureForm>,
    groups: Vec<GroupForm>,
    #[serde(default)]
    templates: BTreeMap<String, OfferForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfferForm {
    features: Vec<FeatureForm>,
    groups: Vec<GroupForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeatureForm {
    key: Spanned<String>,
    name: String,
    kind: FeatureKind,
    unit: Option<String>,
    meter: Option<MeterForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupForm {
    key: Spanned<String>,
    name: String,
    plans: Vec<PlanForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanForm {
    key: Spanned<String>,
    name: String,
    #[serde(default)]
    default: bool,
    price: Option<Price>,
    gives: BTreeMap<String, Spanned<Given>>,
}

/// How much of a feature a plan gives.
#[derive(Deserialize)]
#[serde(untagged)]
enum Given {
    Switch(bool),
    Amount(Amount),
}

/// The text being read, for errors that say where.
struct Source<'a> {
    name: &'a str,
    text: &'a str,
}

impl Source<'_> {
    /// What is wrong with the key at that byte.
    fn wrong(&self, at: usize, key: &str, message: &str) -> Error {
        let line = self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        Error::invalid(
            "catalogue.toml",
            format!("{}, line {line}, key {key:?}: {message}", self.name),
        )
    }

    /// An error of a rule that knows nothing of files.
    fn within(&self, key: &Spanned<String>, error: &Error) -> Error {
        self.wrong(key.span().start, key.get_ref(), error.detail())
    }
}

impl Catalogue {
    /// # Errors
    /// `validation_failed`, naming the line and key at fault.
    pub(super) fn read(name: &str, text: &str) -> Result<Catalogue> {
        let form: CatalogueForm = toml::from_str(text)
            .map_err(|error| Error::invalid("catalogue.toml", format!("{name}: {error}")))?;
        let source = Source { name, text };
        let offer = OfferForm {
            features: form.features,
            groups: form.groups,
        };
        let templates = form.templates.into_iter();
        Ok(Catalogue {
            offer: offer.read(&source)?,
            templates: templates
                .map(|(name, template)| Ok((name, template.read(&source)?)))
                .collect::<Result<_>>()?,
        })
    }
}

impl OfferForm {
    fn read(self, source: &Source<'_>) -> Result<Offer> {
        let mut checked: Vec<Feature> = Vec::with_capacity(self.features.len());
        let mut features = Vec::with_capacity(self.features.len());
        for form in self.features {
            let key = form.key.clone();
            let new = form.into_new();
            let feature = new
                .check(Timestamp::EPOCH)
                .map_err(|error| source.within(&key, &error))?;
            if checked.iter().any(|known| known.key == feature.key) {
                return Err(source.wrong(key.span().start, key.get_ref(), "two features have this key"));
            }
            checked.push(feature);
            features.push(new);
        }
        let mut groups: Vec<Group> = Vec::with_capacity(self.groups.len());
        for form in self.groups {
            let key = form.key.clone();
            let group = form.read(source, &checked)?;
            refuse_overlap(source, &key, &group, &groups)?;
            groups.push(group);
        }
        Ok(Offer { features, groups })
    }
}

impl FeatureForm {
    fn into_new(self) -> NewFeature {
        NewFeature {
            key: self.key.into_inner(),
            name: self.name,
            kind: self.kind,
            unit: self.unit,
            meter: self.meter,
            dimensions: Vec::new(),
        }
    }
}

/// A feature of two groups would have two answers to how much of it a workspace has.
fn refuse_overlap(source: &Source<'_>, key: &Spanned<String>, group: &Group, before: &[Group]) -> Result<()> {
    let at = key.span().start;
    if before.iter().any(|other| other.key == group.key) {
        return Err(source.wrong(at, key.get_ref(), "two groups have this key"));
    }
    let given =
        |group: &Group, feature: &str| group.plans.iter().any(|plan| plan.limits.contains_key(feature));
    let features = group.plans.iter().flat_map(|plan| plan.limits.keys());
    for feature in features {
        if before.iter().any(|other| given(other, feature)) {
            let message =
                format!("{feature:?} is given by another group too; a feature belongs to one group");
            return Err(source.wrong(at, key.get_ref(), &message));
        }
    }
    Ok(())
}

impl GroupForm {
    fn read(self, source: &Source<'_>, features: &[Feature]) -> Result<Group> {
        let at = self.key.span().start;
        check_key("key", self.key.get_ref()).map_err(|error| source.within(&self.key, &error))?;
        let mut plans: Vec<CataloguePlan> = Vec::with_capacity(self.plans.len());
        for (position, form) in (0_i64..).zip(self.plans) {
            let key = form.key.clone();
            let plan = form.read(source, self.key.get_ref(), position, features)?;
            let wrong = |message| Err(source.wrong(key.span().start, key.get_ref(), message));
            if plans.iter().any(|known| known.plan.key == plan.plan.key) {
                return wrong("two plans of the group have this key");
            }
            if plan.plan.is_default && plans.iter().any(|known| known.plan.is_default) {
                return wrong("the group has a default plan already");
            }
            plans.push(plan);
        }
        if plans.is_empty() {
            return Err(source.wrong(at, self.key.get_ref(), "a group has at least one plan"));
        }
        Ok(Group {
            key: self.key.into_inner(),
            name: self.name,
            plans,
        })
    }
}

impl PlanForm {
    fn read(
        self,
        source: &Source<'_>,
        group: &str,
        position: i64,
        features: &[Feature],
    ) -> Result<CataloguePlan> {
        let mut entitlements = Vec::with_capacity(self.gives.len());
        let mut limits = BTreeMap::new();
        for (key, given) in self.gives {
            let at = given.span().start;
            let input = given
                .into_inner()
                .input(&key)
                .map_err(|message| source.wrong(at, &key, message))?;
            let parsed = parse_all(std::slice::from_ref(&input), features)
                .map_err(|error| source.wrong(at, &key, &error.fields()[0].message))?;
            limits.extend(parsed.into_iter().map(|(_, limit)| (key.clone(), limit)));
            entitlements.push(input);
        }
        let plan = NewPlan {
            group: group.to_owned(),
            key: self.key.get_ref().clone(),
            name: self.name,
            is_default: self.default,
            position,
            terms: Terms {
                price: self.price,
                entitlements,
            },
        };
        plan.check().map_err(|error| source.within(&self.key, &error))?;
        Ok(CataloguePlan { plan, limits })
    }
}

impl Given {
    fn input(self, feature: &str) -> Result<EntitlementInput, &'static str> {
        let limit = match self {
            Given::Switch(true) => None,
            Given::Switch(false) => return Err("leave out what the plan does not give"),
            Given::Amount(Amount::Decimal(text)) if text == "unlimited" => Some(None),
            Given::Amount(amount) => Some(Some(amount)),
        };
        Ok(EntitlementInput {
            feature: feature.to_owned(),
            limit,
            overage: None,
            thresholds: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::BUILT_IN;
    use super::*;

    const SMALL: &str = r#"
[[features]]
key = "a.seats"
name = "Seats"
kind = "integer"

[[groups]]
key = "a"
name = "A"

[[groups.plans]]
key = "free"
name = "Free"
default = true
gives = { "a.seats" = 1 }
"#;

    fn refusal(text: &str) -> String {
        Catalogue::read("catalogue.toml", text)
            .unwrap_err()
            .detail()
            .to_owned()
    }

    #[test]
    fn the_built_in_catalogue_is_the_designs() {
        let catalogue = Catalogue::read("built-in", BUILT_IN).unwrap();
        let plan = |group: &str, key: &str| {
            let group = catalogue
                .offer
                .groups
                .iter()
                .find(|known| known.key == group)
                .unwrap();
            group.plans.iter().find(|plan| plan.plan.key == key).unwrap()
        };
        let amount = |plan: &CataloguePlan, feature: &str| plan.limits[feature].amount;
        let projects =
            ["free", "pro", "team", "enterprise"].map(|key| amount(plan("context", key), "context.projects"));
        assert_eq!(projects, [Some(1), Some(10), Some(50), None]);
        assert_eq!(amount(plan("commerce", "paid"), "commerce.calls"), Some(500));
        assert!(!plan("context", "free").limits.contains_key("context.sync"));
        assert!(plan("widgets", "pro").limits.contains_key("widgets.branding_off"));
        let defaults: Vec<&str> = catalogue
            .default_plans()
            .map(|plan| plan.plan.group.as_str())
            .collect();
        assert_eq!(defaults, ["context", "commerce", "widgets"]);
        assert_eq!(catalogue.group_of("widgets.published").unwrap().key, "widgets");
        assert_eq!(catalogue.templates["relay"].groups[0].plans.len(), 4);
    }

    #[test]
    fn the_line_and_key_at_fault_are_named() {
        assert!(Catalogue::read("catalogue.toml", SMALL).is_ok());
        let cases = [
            (
                ("\"a.seats\" = 1", "\"a.chairs\" = 1"),
                "line 15, key \"a.chairs\"",
            ),
            (
                ("\"a.seats\" = 1", "\"a.seats\" = -1"),
                "line 15, key \"a.seats\"",
            ),
            (
                ("\"a.seats\" = 1", "\"a.seats\" = true"),
                "line 15, key \"a.seats\"",
            ),
            (
                ("\"a.seats\" = 1", "\"a.seats\" = false"),
                "line 15, key \"a.seats\"",
            ),
            (("key = \"a.seats\"", "key = \"A\""), "line 3, key \"A\""),
            (("key = \"free\"", "key = \"\""), "line 12, key \"\""),
            (
                ("kind = \"integer\"", "kind = \"metered\""),
                "line 3, key \"a.seats\"",
            ),
            (("default = true", "colour = 1"), "line 14"),
            (("default = true", "default = "), "line 14"),
        ];
        for ((from, to), said) in cases {
            let text = SMALL.replace(from, to);
            assert_ne!(text, SMALL, "{from}");
            let refusal = refusal(&text);
            assert!(refusal.contains(said), "{to}: {refusal}");
        }
    }

    #[test]
    fn a_feature_belongs_to_one_group_and_a_group_has_one_default() {
        let groups = &SMALL[SMALL.find("[[groups]]").unwrap()..];
        let twice = format!("{SMALL}{}", groups.replace("key = \"a\"", "key = \"b\""));
        assert!(refusal(&twice).contains("another group"), "{}", refusal(&twice));
        let plan = &SMALL[SMALL.find("[[groups.plans]]").unwrap()..];
        let defaults = format!("{SMALL}{}", plan.replace("free", "pro"));
        assert!(refusal(&defaults).contains("default plan already"));
    }
}
