//! Platform zero: Plinth sold with its own parts. Its features, groups and plans are those of `catalogue.toml`.

mod read;
mod seed;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::{Arc, OnceLock};

use ledger::Limit;
use runtime::App;
use types::id::{PlatformId, WorkspaceId};
use types::{Error, ErrorCode, Mode, Result};
use uuid::Uuid;

pub use self::seed::seed;

use crate::Shop;
use crate::features::NewFeature;
use crate::plans::NewPlan;

/// The operator's workspace, which owns platform zero. The same in every installation.
pub const OPERATOR_WORKSPACE: WorkspaceId =
    WorkspaceId::from_uuid(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));

/// The platform that sells Plinth itself; its customers are the workspaces. The same in every installation. The design calls
/// it `plt_plinth`; on the wire its id looks like any other.
pub const PLATFORM_ZERO: PlatformId =
    PlatformId::from_uuid(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0002));

/// Where workspaces are customers: the gates count live.
pub const SHOP_ZERO: Shop = Shop {
    workspace: OPERATOR_WORKSPACE,
    platform: PLATFORM_ZERO,
    mode: Mode::Live,
};

/// File in the data directory that takes the place of the built-in catalogue.
pub const FILE_NAME: &str = "catalogue.toml";

const BUILT_IN: &str = include_str!("../../../../catalogue.toml");

/// What `catalogue.toml` says.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// What platform zero sells.
    pub offer: Offer,
    /// Offers that sellers can take over for platforms of their own, by name.
    pub templates: BTreeMap<String, Offer>,
}

/// Features, and the plans that give them.
#[derive(Debug, Clone)]
pub struct Offer {
    pub features: Vec<NewFeature>,
    pub groups: Vec<Group>,
}

/// A group of plans. A feature is given by plans of one group only.
#[derive(Debug, Clone)]
pub struct Group {
    pub key: String,
    pub name: String,
    pub plans: Vec<CataloguePlan>,
}

/// A plan, and what it gives as the ledger reads it.
#[derive(Debug, Clone)]
pub struct CataloguePlan {
    pub plan: NewPlan,
    /// By the features' keys; a feature that is not listed is not given.
    pub limits: BTreeMap<String, Limit>,
}

/// Where the catalogue is kept once it has been read.
#[derive(Debug, Default)]
pub(crate) struct Shelf(OnceLock<Arc<Catalogue>>);

/// The catalogue: the file in the data directory if there is one, otherwise the built-in one. Read once; [`seed`] does it at
/// start, so that a broken file is noticed there.
///
/// # Errors
/// `validation_failed`, naming the line and key at fault; `unavailable`, when the file cannot be read.
pub fn current(app: &App) -> Result<Arc<Catalogue>> {
    let shelf = app.service::<Shelf>()?;
    if let Some(catalogue) = shelf.0.get() {
        return Ok(catalogue.clone());
    }
    let path = app.config().server.data_dir.join(FILE_NAME);
    let catalogue = match std::fs::read_to_string(&path) {
        Ok(text) => Catalogue::read(&path.display().to_string(), &text)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Catalogue::read("the built-in catalogue", BUILT_IN)?
        }
        Err(error) => {
            let detail = format!("Cannot read {}: {error}", path.display());
            return Err(Error::unavailable(detail).with_source(error));
        }
    };
    Ok(shelf.0.get_or_init(|| Arc::new(catalogue)).clone())
}

impl Catalogue {
    /// The group whose plans give the feature.
    pub fn group_of(&self, feature_key: &str) -> Option<&Group> {
        let gives = |plan: &CataloguePlan| plan.limits.contains_key(feature_key);
        self.offer
            .groups
            .iter()
            .find(|group| group.plans.iter().any(gives))
    }

    /// The plans that a new workspace gets.
    pub fn default_plans(&self) -> impl Iterator<Item = &CataloguePlan> {
        let plans = self.offer.groups.iter().flat_map(|group| &group.plans);
        plans.filter(|plan| plan.plan.is_default)
    }
}

/// # Errors
/// `conflict` in platform zero: its features and plans come from the catalogue.
pub(crate) fn refuse_changes_in(shop: Shop) -> Result<()> {
    if shop == SHOP_ZERO {
        return Err(Error::new(
            ErrorCode::Conflict,
            "Plinth's own features and plans are those of catalogue.toml; change them there and restart.",
        ));
    }
    Ok(())
}

#[cfg(test)]
pub(crate) fn built_in() -> Catalogue {
    Catalogue::read("the built-in catalogue", BUILT_IN).unwrap()
}
