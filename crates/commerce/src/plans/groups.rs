//! Operations on plan groups.

use runtime::outbox::{self, NewEvent};
use runtime::{App, audit};
use types::text::check_text;
use types::{Error, ErrorCode, Page, PageRequest, Permission, Result};

use super::{MAX_NAME_CHARS, PlanGroup, require_manage, store};
use crate::ShopCaller;
use crate::key::check_key;

/// Makes a group of plans.
///
/// # Errors
/// `permission_denied`, `validation_failed`, `already_exists` for a key that is taken, `conflict` in platform zero.
pub async fn create_group(app: &App, caller: &ShopCaller, key: &str, name: &str) -> Result<PlanGroup> {
    require_manage(caller)?;
    check_key("key", key)?;
    check_text("name", name, 1, MAX_NAME_CHARS)?;
    let (now, shop) = (app.now(), caller.shop);
    let group = &PlanGroup::new(key, name, now);
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            if !store::insert_group(&mut tx, shop, group).await? {
                return Err(Error::new(
                    ErrorCode::AlreadyExists,
                    format!("There is a plan group with the key {key:?} already."),
                ));
            }
            let entry =
                audit::NewEntry::new("plan_group.create", "plan_group", group.id).with_detail("key", key);
            audit::record(&mut tx, &caller.caller, entry, now).await?;
            let event = NewEvent::new("plan_group.created", group.id, group)?;
            outbox::emit(&mut tx, event.of_platform(shop.platform, shop.mode), now).await?;
            Ok(())
        })
        .await?;
    Ok(group.clone())
}

/// The shop's plan groups, oldest first.
pub async fn list_groups(app: &App, caller: &ShopCaller, page: &PageRequest) -> Result<Page<PlanGroup>> {
    caller.caller.require(Permission::PlatformsRead)?;
    let shop = caller.shop;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move { store::list_groups(&mut tx, shop, page).await })
        .await
}
