//! Keys for customers: what a platform issues to those who buy from it, so that they can call its API. The platform's server
//! shows us each key that it is shown, and is told whose it is, whether it may be used, and what is left: one call that
//! recognises the key and counts the use, in one decision with everything else that limits the customer.
//!
//! A key is the seller's prefix, an id, a secret and a checksum. The secret is shown once, in the answer that creates or
//! rotates the key; what is kept is an HMAC that is worthless without the root key. Keys that were rotated into each other are
//! a family: quotas, credits and rate limits belong to all of it, so a rotation gives nobody a second helping.

mod budget;
mod forms;
mod http;
mod permissions;
mod resource;
mod rules;
mod secret;
mod store;
mod trail;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use runtime::{App, Module};
use storage::{Reason, Tenant, Tx};
use types::id::{self, CustomerId, CustomerKeyId, EndUserId};
use types::{Error, Page, PageRequest, Permission, Result, Timestamp};

pub use self::budget::MAX_CREDITS;
pub use self::forms::{
    CreditsForm, CreditsInput, KeyLimitForm, KeyLimitInput, MAX_LIMITS, MAX_RATE, MAX_RATE_LIMITS,
    MAX_RATE_SECS, RateLimitForm, RefillForm, RefillPeriod,
};
pub(crate) use self::http::{routes, verify_routes};
pub use self::permissions::{MAX_EXPRESSION_CHARS, MAX_PERMISSION_CHARS, MAX_PERMISSIONS, PermissionQuery};
pub use self::resource::{
    CreatedCustomerKey, CustomerKey, CustomerKeyRotation, CustomerKeyUpdate, NewCustomerKey,
};
pub use self::rules::{MAX_KEYS, MAX_NAME_CHARS, MAX_OVERLAP_SECS};
pub use self::verify::{NewVerification, Verdict, VerdictCode, Verified, verify};

use self::budget::{Budget, KeyLimit};
use self::resource::Key;
use self::store::Row;
use self::trail::tell;
use crate::credentials;
use crate::customers::{self, CustomerRef, EndUserRef, end_users};
use crate::{Shop, ShopCaller, entitlements};

type Known = credentials::KnownKeys<Row>;
type Uses = credentials::Uses<id::CustomerKey, Shop>;

/// Makes a key for a customer.
///
/// # Errors
/// `permission_denied`; `not_found` for the customer or the end user; `customer_archived`; `validation_failed`; `conflict` when
/// the customer has [`MAX_KEYS`] usable keys.
pub async fn create(app: &App, caller: &ShopCaller, new: &NewCustomerKey) -> Result<CreatedCustomerKey> {
    caller.caller.require(Permission::CustomerKeysManage)?;
    let (now, shop) = (app.now(), caller.shop);
    let checked = &rules::check_new(new, shop.mode, now)?;
    let minted = secret::mint(app, &checked.prefix)?;
    let (fresh, text) = (&minted.fresh, minted.text);
    let customer_key = app
        .db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let customer = customers::active(&mut tx, shop, &new.customer).await?;
            rules::check_room(store::count_usable(&mut tx, shop, customer.id, now).await?)?;
            let end_user = match &new.end_user {
                None => None,
                Some(named) => Some(end_user(&mut tx, shop, customer.id, named, now).await?),
            };
            let key = Key {
                id: fresh.id,
                family: fresh.id,
                customer: customer.id,
                end_user,
                name: new.name.clone(),
                prefix: checked.prefix.clone(),
                hint: fresh.hint.clone(),
                permissions: checked.permissions.clone(),
                metadata: new.metadata.clone(),
                budget: Budget {
                    limits: limits(&mut tx, shop, &new.limits).await?,
                    credits: new.credits.as_ref().map(|credits| credits.set(None, now)),
                    rates: checked.rates.clone(),
                },
                enabled: new.enabled.unwrap_or(true),
                created_by: caller.caller.actor().to_string(),
                created_at: now,
                expires_at: new.expires_at,
                revoked_at: None,
                rotated_to: None,
                last_used_at: None,
                anchor: customer.anchor,
                customer_archived: false,
            };
            store::insert(&mut tx, shop, &key, &fresh.stored).await?;
            tell(&mut tx, caller, trail::CREATED, &key, now).await
        })
        .await?;
    Ok(CreatedCustomerKey {
        customer_key,
        secret: text,
    })
}

/// The end user that a key is made for. Like usage, a key makes one whose external id is new.
async fn end_user(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    customer: CustomerId,
    named: &EndUserRef,
    now: Timestamp,
) -> Result<EndUserId> {
    match named {
        EndUserRef::External(text) => Ok(end_users::ensure(tx, shop, customer, text, now).await?.0.id),
        EndUserRef::Id(_) => end_users::store::find_by_ref(tx, shop, customer, named)
            .await?
            .map(|end_user| end_user.id)
            .ok_or_else(|| Error::not_found("end user")),
    }
}

/// Quotas as they are stored: at most one of each feature.
async fn limits(tx: &mut Tx<Tenant>, shop: Shop, inputs: &[KeyLimitInput]) -> Result<Vec<KeyLimit>> {
    let mut limits: Vec<KeyLimit> = Vec::with_capacity(inputs.len());
    for (place, input) in inputs.iter().enumerate() {
        let at = format!("limits[{place}]");
        let field = format!("{at}.feature");
        let feature = entitlements::find_feature(tx, shop, &input.feature).await?;
        let feature = feature
            .filter(|feature| feature.archived_at.is_none())
            .ok_or_else(|| {
                let message = "there is no such feature on this platform, or it is archived";
                Error::invalid(field.as_str(), message)
            })?;
        if limits.iter().any(|limit| limit.feature_id == feature.id) {
            return Err(Error::invalid(
                field,
                "another quota of the key is of this feature",
            ));
        }
        limits.push(input.parse(&at, &feature)?);
    }
    Ok(limits)
}

/// The shop's keys, newest first; those of one customer where one is named.
///
/// # Errors
/// `permission_denied`; `not_found` for the customer.
pub async fn list(
    app: &App,
    caller: &ShopCaller,
    customer: Option<&CustomerRef>,
    page: &PageRequest,
) -> Result<Page<CustomerKey>> {
    caller.caller.require(Permission::CustomerKeysRead)?;
    let (now, shop) = (app.now(), caller.shop);
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move {
            let keys = match customer {
                None => store::list(&mut tx, shop, page).await?,
                Some(named) => {
                    let customer = customers::existing(&mut tx, shop, named).await?;
                    store::list_of(&mut tx, shop, customer.id, page).await?
                }
            };
            let mut data = Vec::with_capacity(keys.data.len());
            for key in &keys.data {
                data.push(resource(&mut tx, shop, key, now).await?);
            }
            Ok(Page {
                data,
                next_cursor: keys.next_cursor,
            })
        })
        .await
}

/// # Errors
/// `permission_denied`; `not_found`, when the shop has no such key.
pub async fn get(app: &App, caller: &ShopCaller, id: CustomerKeyId) -> Result<CustomerKey> {
    caller.caller.require(Permission::CustomerKeysRead)?;
    let (now, shop) = (app.now(), caller.shop);
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move {
            let key = existing(&mut tx, shop, id).await?;
            resource(&mut tx, shop, &key, now).await
        })
        .await
}

/// Changes a key, on every node within a second.
///
/// # Errors
/// `permission_denied`, `not_found`, `validation_failed`; `conflict` when it is revoked, or another key takes its place.
pub async fn update(
    app: &App,
    caller: &ShopCaller,
    id: CustomerKeyId,
    input: &CustomerKeyUpdate,
) -> Result<CustomerKey> {
    caller.caller.require(Permission::CustomerKeysManage)?;
    let (now, shop) = (app.now(), caller.shop);
    let change = &rules::Change::check(input, now)?;
    let known = &app.service::<Known>()?;
    let (customer_key, touched) = app
        .db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let before = existing(&mut tx, shop, id).await?;
            rules::check_changeable(&before)?;
            let mut key = change.applied_to(&before, now)?;
            if let Some(inputs) = &input.limits {
                key.budget.limits = limits(&mut tx, shop, inputs).await?;
            }
            if key == before {
                return Ok((resource(&mut tx, shop, &key, now).await?, Vec::new()));
            }
            store::update(&mut tx, shop, &key).await?;
            let mut touched = vec![id];
            if key.budget != before.budget {
                touched = store::update_budgets(&mut tx, shop, &key).await?;
            }
            forget(&mut tx, known, &touched);
            let told = tell(&mut tx, caller, trail::UPDATED, &key, now).await?;
            Ok((told, touched))
        })
        .await?;
    for id in touched {
        known.announce(app, id).await;
    }
    Ok(customer_key)
}

/// Makes a key that takes another's place: same customer, permissions, limits and end. The old one stays good for the overlap,
/// and both use up the same.
///
/// # Errors
/// `permission_denied`, `not_found`, `validation_failed`; `customer_archived`; `conflict` when it is revoked, expired or rotated
/// already, or the customer has [`MAX_KEYS`] usable keys.
pub async fn rotate(
    app: &App,
    caller: &ShopCaller,
    id: CustomerKeyId,
    rotation: CustomerKeyRotation,
) -> Result<CreatedCustomerKey> {
    caller.caller.require(Permission::CustomerKeysManage)?;
    let (now, shop) = (app.now(), caller.shop);
    rules::check_overlap(rotation.overlap_secs)?;
    let overlap = Duration::from_secs(u64::from(rotation.overlap_secs));
    let known = &app.service::<Known>()?;
    // A prefix never changes, so the secret can be made before the transaction that may run twice.
    let prefix = app
        .db()
        .of(caller.tenant())
        .read(|mut tx| async move { Ok(existing(&mut tx, shop, id).await?.prefix) })
        .await?;
    let minted = secret::mint(app, &prefix)?;
    let (fresh, text) = (&minted.fresh, minted.text);
    let customer_key = app
        .db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let mut old = existing(&mut tx, shop, id).await?;
            rules::check_rotatable(&old, now)?;
            let new = Key {
                id: fresh.id,
                hint: fresh.hint.clone(),
                created_by: caller.caller.actor().to_string(),
                created_at: now,
                last_used_at: None,
                ..old.clone()
            };
            let end = now + overlap;
            old.expires_at = Some(old.expires_at.map_or(end, |at| at.min(end)));
            old.rotated_to = Some(new.id);
            store::update(&mut tx, shop, &old).await?;
            forget(&mut tx, known, &[id]);
            rules::check_room(store::count_usable(&mut tx, shop, old.customer, now).await?)?;
            store::insert(&mut tx, shop, &new, &fresh.stored).await?;
            tell(&mut tx, caller, trail::ROTATED, &old, now).await?;
            tell(&mut tx, caller, trail::CREATED, &new, now).await
        })
        .await?;
    known.announce(app, id).await;
    Ok(CreatedCustomerKey {
        customer_key,
        secret: text,
    })
}

/// Ends a key for good, on every node within a second. Revoking a revoked key changes nothing.
///
/// # Errors
/// `permission_denied`, `not_found`.
pub async fn revoke(app: &App, caller: &ShopCaller, id: CustomerKeyId) -> Result<CustomerKey> {
    caller.caller.require(Permission::CustomerKeysManage)?;
    let (now, shop) = (app.now(), caller.shop);
    let known = &app.service::<Known>()?;
    let customer_key = app
        .db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let mut key = existing(&mut tx, shop, id).await?;
            if key.revoked_at.is_some() {
                return resource(&mut tx, shop, &key, now).await;
            }
            key.revoked_at = Some(now);
            store::update(&mut tx, shop, &key).await?;
            forget(&mut tx, known, &[id]);
            tell(&mut tx, caller, trail::REVOKED, &key, now).await
        })
        .await?;
    known.announce(app, id).await;
    Ok(customer_key)
}

/// Writes when keys were last used, which a server also does every few seconds.
pub async fn write_uses(app: &App) -> Result<()> {
    let waiting = &app.service::<Uses>()?.take();
    if waiting.is_empty() {
        return Ok(());
    }
    app.db()
        .of(app.issuer().system(Reason::Authentication))
        .write_locked(|mut tx| async move {
            for (key, used) in waiting {
                store::write_use(&mut tx, *key, used.place, used.at).await?;
            }
            Ok(())
        })
        .await
}

/// Adds the keys to their part: what is remembered of them, and the work that keeps it true.
pub(crate) fn register(mut module: Module) -> Module {
    module
        .tasks
        .push(|app, stop| Box::pin(credentials::run::<Row>(app, stop)));
    module
        .with_service(Arc::<Known>::default())
        .with_service(Arc::<Uses>::default())
}

async fn existing(tx: &mut Tx<Tenant>, shop: Shop, id: CustomerKeyId) -> Result<Key> {
    let found = store::find(tx, shop, id).await?;
    found.ok_or_else(|| Error::not_found("customer key"))
}

/// The resource, with what is left of its credits.
async fn resource(tx: &mut Tx<Tenant>, shop: Shop, key: &Key, now: Timestamp) -> Result<CustomerKey> {
    let subject = budget::subject(shop, key.family);
    let used = match key.budget.credit(subject, &key.anchor, now) {
        None => 0,
        Some(charge) => store::used(tx, &charge.key).await?,
    };
    Ok(key.resource(used, now))
}

/// This node forgets keys as soon as their change is durable.
fn forget(tx: &mut Tx<Tenant>, known: &Arc<Known>, ids: &[CustomerKeyId]) {
    let (known, ids) = (known.clone(), ids.to_vec());
    tx.after_commit(move || {
        for id in ids {
            known.forget(id);
        }
    });
}
