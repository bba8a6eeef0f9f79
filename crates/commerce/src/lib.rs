#![doc = include_str!("../README.md")]

mod amount;
pub mod api_keys;
pub mod catalogue;
mod credentials;
pub mod customer_keys;
pub mod customers;
pub mod entitlements;
pub mod features;
pub mod gates;
pub mod grants;
mod key;
mod numbered;
pub mod overrides;
mod patch;
pub mod plans;
pub mod platforms;
pub mod rate_limits;
mod recent;
mod shop;
pub mod subscriptions;
mod tables;
pub mod usage;

use std::sync::Arc;

use runtime::Module;
use types::Permission;
pub(crate) use types::cursor;
use utoipa_axum::router::OpenApiRouter;

pub use amount::Amount;
pub use catalogue::Catalogue;
pub use shop::{MODE_HEADER, PLATFORM_HEADER, Shop, ShopCaller, ShopHeaders};
pub use tables::TABLES;

/// This part, ready to be composed.
pub fn module() -> Module {
    let mut module = Module::new("commerce")
        .with_service(Arc::<usage::Committer>::default())
        .with_service(Arc::<platforms::Visited>::default());
    module.routes = OpenApiRouter::new()
        .merge(platforms::routes())
        .merge(api_keys::routes())
        .merge(features::routes())
        .merge(plans::routes())
        .merge(customers::routes())
        .merge(customer_keys::routes())
        .merge(subscriptions::routes())
        .merge(overrides::routes())
        .merge(grants::routes())
        .merge(rate_limits::routes())
        .merge(entitlements::routes());
    module.self_idempotent_routes = usage::routes().merge(customer_keys::verify_routes());
    module.permissions = &[
        Permission::ApiKeysRead,
        Permission::ApiKeysManage,
        Permission::PlatformsRead,
        Permission::PlatformsManage,
        Permission::CustomersRead,
        Permission::CustomersManage,
        Permission::CustomerKeysRead,
        Permission::CustomerKeysManage,
        Permission::CustomerKeysVerify,
        Permission::UsageRead,
        Permission::UsageConsume,
    ];
    module.tasks.push(|app, stop| Box::pin(usage::run(app, stop)));
    module
        .tasks
        .push(|app, stop| Box::pin(usage::run_upkeep(app, stop)));
    module.tables = TABLES;
    gates::register(api_keys::register(customer_keys::register(grants::register(
        rate_limits::register(module),
    ))))
}
