//! Features: what plans speak of. A feature is on or off (boolean), a number of things that may exist at once (integer), or
//! counted by the ledger (metered). Kind and meter never change.

mod http;
mod meter;
pub(crate) mod store;

use ledger::{Meter, Scale};
use runtime::outbox::{self, NewEvent};
use runtime::{App, audit};
use serde::{Deserialize, Serialize};
use types::id::FeatureId;
use types::text::check_text;
use types::{Error, ErrorCode, Page, PageRequest, Permission, Result, Timestamp};
use utoipa::ToSchema;

pub(crate) use self::http::routes;
pub use self::meter::{AggregationForm, MeterForm, PeriodForm};
pub use self::store::by_key;

use crate::key::check_key;
use crate::{Shop, ShopCaller, catalogue};

const MAX_NAME_CHARS: usize = 200;
const MAX_UNIT_CHARS: usize = 40;
/// The most names by which one feature's usage can be broken down.
pub const MAX_DIMENSIONS: usize = 8;

/// What plans speak of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Feature {
    pub id: FeatureId,
    /// What the seller's code calls it.
    pub key: String,
    pub name: String,
    pub kind: FeatureKind,
    /// What one of it is called, such as `call` or `GB`.
    pub unit: Option<String>,
    /// Of a metered feature, how it counts.
    #[serde(with = "meter::optional")]
    #[schema(value_type = Option<MeterForm>)]
    pub meter: Option<Meter>,
    /// Names by which its usage can be broken down, such as `model`.
    pub dimensions: Vec<String>,
    pub created_at: Timestamp,
    /// An archived feature stays in the plan versions that have it; new ones cannot name it.
    pub archived_at: Option<Timestamp>,
}

/// What there is to say of a feature in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeatureKind {
    /// On or off.
    Boolean,
    /// How many may exist at once.
    Integer,
    /// How much may be used in a period.
    Metered,
}

/// A feature to be made.
#[derive(Debug, Clone)]
pub struct NewFeature {
    pub key: String,
    pub name: String,
    pub kind: FeatureKind,
    pub unit: Option<String>,
    /// For a metered feature, and for no other.
    pub meter: Option<MeterForm>,
    /// For a metered feature: at most [`MAX_DIMENSIONS`] names.
    pub dimensions: Vec<String>,
}

/// What of a feature changes; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct FeatureChange {
    pub name: Option<String>,
    /// `Some(None)` takes the unit away.
    pub unit: Option<Option<String>>,
}

impl Feature {
    /// The scale of its amounts: whole numbers, unless a meter says otherwise.
    pub fn scale(&self) -> Scale {
        self.meter.map_or(Scale::WHOLE, |meter| meter.scale)
    }
}

impl FeatureKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            FeatureKind::Boolean => "boolean",
            FeatureKind::Integer => "integer",
            FeatureKind::Metered => "metered",
        }
    }
}

impl NewFeature {
    /// The feature, if its parts go together.
    ///
    /// # Errors
    /// `validation_failed`.
    pub(crate) fn check(&self, now: Timestamp) -> Result<Feature> {
        check_key("key", &self.key)?;
        check_text("name", &self.name, 1, MAX_NAME_CHARS)?;
        check_unit(self.unit.as_deref())?;
        let meter = match (self.kind, &self.meter) {
            (FeatureKind::Metered, Some(form)) => Some(form.to_meter()?),
            (FeatureKind::Metered, None) => {
                return Err(Error::invalid(
                    "meter",
                    "say how a metered feature counts, such as {\"aggregation\": \"count\", \"period\": \"month\"}",
                ));
            }
            (_, Some(_)) => return Err(Error::invalid("meter", "belongs to the kind metered")),
            (_, None) => None,
        };
        Ok(Feature {
            id: FeatureId::generate(),
            key: self.key.clone(),
            name: self.name.clone(),
            kind: self.kind,
            unit: self.unit.clone(),
            meter,
            dimensions: self.checked_dimensions()?,
            created_at: now,
            archived_at: None,
        })
    }

    fn checked_dimensions(&self) -> Result<Vec<String>> {
        if self.kind != FeatureKind::Metered && !self.dimensions.is_empty() {
            return Err(Error::invalid("dimensions", "belong to the kind metered"));
        }
        if self.dimensions.len() > MAX_DIMENSIONS {
            return Err(Error::invalid(
                "dimensions",
                format!("at most {MAX_DIMENSIONS} names"),
            ));
        }
        let mut names = self.dimensions.clone();
        for (place, name) in names.iter().enumerate() {
            check_key(&format!("dimensions[{place}]"), name)?;
        }
        names.sort_unstable();
        names.dedup();
        if names.len() < self.dimensions.len() {
            return Err(Error::invalid("dimensions", "names one twice"));
        }
        Ok(names)
    }
}

/// # Errors
/// `permission_denied`, `validation_failed`, `already_exists` for a key that is taken, also by an archived feature,
/// `conflict` in platform zero.
pub async fn create(app: &App, caller: &ShopCaller, new: &NewFeature) -> Result<Feature> {
    require_manage(caller)?;
    let (now, shop) = (app.now(), caller.shop);
    let feature = &new.check(now)?;
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            if !store::insert(&mut tx, shop, feature).await? {
                return Err(Error::new(
                    ErrorCode::AlreadyExists,
                    format!("There is a feature with the key {:?} already.", feature.key),
                ));
            }
            let entry = audit::NewEntry::new("feature.create", "feature", feature.id)
                .with_detail("key", feature.key.as_str());
            audit::record(&mut tx, &caller.caller, entry, now).await?;
            outbox::emit(&mut tx, event("feature.created", shop, feature)?, now).await?;
            Ok(())
        })
        .await?;
    Ok(feature.clone())
}

/// The shop's features, oldest first.
pub async fn list(
    app: &App,
    caller: &ShopCaller,
    with_archived: bool,
    page: &PageRequest,
) -> Result<Page<Feature>> {
    caller.caller.require(Permission::PlatformsRead)?;
    let shop = caller.shop;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move { store::list(&mut tx, shop, with_archived, page).await })
        .await
}

/// # Errors
/// `not_found`, when the shop has no such feature.
pub async fn get(app: &App, caller: &ShopCaller, id: FeatureId) -> Result<Feature> {
    caller.caller.require(Permission::PlatformsRead)?;
    let shop = caller.shop;
    let feature = app
        .db()
        .of(caller.tenant())
        .read(|mut tx| async move { store::find(&mut tx, shop, id).await })
        .await?;
    found(feature)
}

/// Changes how a feature is shown.
///
/// # Errors
/// As [`create`]; `not_found`, when the shop has no such feature.
pub async fn update(
    app: &App,
    caller: &ShopCaller,
    id: FeatureId,
    change: &FeatureChange,
) -> Result<Feature> {
    require_manage(caller)?;
    if let Some(name) = &change.name {
        check_text("name", name, 1, MAX_NAME_CHARS)?;
    }
    check_unit(change.unit.as_ref().and_then(|unit| unit.as_deref()))?;
    let (now, shop) = (app.now(), caller.shop);
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let mut feature = found(store::find(&mut tx, shop, id).await?)?;
            if let Some(name) = &change.name {
                feature.name.clone_from(name);
            }
            if let Some(unit) = &change.unit {
                feature.unit.clone_from(unit);
            }
            store::update(&mut tx, shop, &feature).await?;
            let entry = audit::NewEntry::new("feature.update", "feature", id);
            audit::record(&mut tx, &caller.caller, entry, now).await?;
            outbox::emit(&mut tx, event("feature.updated", shop, &feature)?, now).await?;
            Ok(feature)
        })
        .await
}

/// Takes a feature out of what new plan versions can name; the versions that have it keep it. Doing it again changes
/// nothing.
///
/// # Errors
/// As [`update`].
pub async fn archive(app: &App, caller: &ShopCaller, id: FeatureId) -> Result<Feature> {
    require_manage(caller)?;
    let (now, shop) = (app.now(), caller.shop);
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let mut feature = found(store::find(&mut tx, shop, id).await?)?;
            if feature.archived_at.is_none() {
                feature.archived_at = Some(now);
                store::update(&mut tx, shop, &feature).await?;
                let entry = audit::NewEntry::new("feature.archive", "feature", id);
                audit::record(&mut tx, &caller.caller, entry, now).await?;
                outbox::emit(&mut tx, event("feature.archived", shop, &feature)?, now).await?;
            }
            Ok(feature)
        })
        .await
}

fn require_manage(caller: &ShopCaller) -> Result<()> {
    caller.caller.require(Permission::PlatformsManage)?;
    catalogue::refuse_changes_in(caller.shop)
}

fn check_unit(unit: Option<&str>) -> Result<()> {
    unit.map_or(Ok(()), |unit| check_text("unit", unit, 1, MAX_UNIT_CHARS))
}

fn found(feature: Option<Feature>) -> Result<Feature> {
    feature.ok_or_else(|| Error::not_found("feature"))
}

fn event(kind: &'static str, shop: Shop, feature: &Feature) -> Result<NewEvent> {
    Ok(NewEvent::new(kind, feature.id, feature)?.of_platform(shop.platform, shop.mode))
}
