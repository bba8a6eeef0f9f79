//! Everything about one customer.

use axum::extract::State;
use commerce::customer_keys::CustomerKey;
use commerce::customers::end_users::{self, EndUser};
use commerce::customers::{self, Customer, Reference};
use commerce::features::{self, Feature};
use commerce::grants::Grant;
use commerce::overrides::{self, Override};
use commerce::plans::{self, Plan};
use commerce::subscriptions::{self, Subscription};
use commerce::usage::{self, EventFilter, Hold, UsageEvent};
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Problem, Segments};
use types::id::{CustomerId, PlatformId, WorkspaceId};
use types::page::MAX_LIMIT;
use types::{PageRequest, Permission, Result, Timestamp};
use ui::dialog::Dialog;
use ui::{Badge, Button, Icon};

use super::live::{self, Standing};
use super::{grants, holds, keys, label, parts};
use crate::frame::{Shopkeeper, with_parameter};

/// Rows of what is shown in short; the whole is elsewhere.
const SOME: u32 = 8;

/// A customer, and what belongs to them.
pub(super) struct Found {
    pub customer: Customer,
    pub subscriptions: Vec<Subscription>,
    pub standing: Standing,
    pub grants: Vec<Grant>,
    pub holds: Vec<Hold>,
    /// None for somebody who may not see them.
    pub keys: Option<Vec<CustomerKey>>,
    pub overrides: Vec<Override>,
    pub events: Vec<UsageEvent>,
    pub end_users: Vec<EndUser>,
    /// What the platform sells and counts, to name things by.
    pub plans: Vec<Plan>,
    pub features: Vec<Feature>,
    pub now: Timestamp,
}

pub(super) async fn show(
    State(app): State<App>,
    Segments((_, _, id)): Segments<(WorkspaceId, PlatformId, CustomerId)>,
    keeper: Shopkeeper,
) -> Result<Markup, Problem> {
    let found = Found::load(&app, &keeper, id).await?;
    Ok(page(&keeper, &found))
}

impl Found {
    async fn load(app: &App, keeper: &Shopkeeper, id: CustomerId) -> Result<Self> {
        let caller = &keeper.caller;
        let named = Reference::Id(id);
        let (some, all) = (rows(SOME), rows(MAX_LIMIT));
        let filter = EventFilter {
            customer: Some(named.clone()),
            ..EventFilter::default()
        };
        Ok(Found {
            customer: customers::get(app, caller, id).await?,
            subscriptions: subscriptions::list(app, caller, Some(&named), &some).await?.data,
            standing: Standing::load(app, keeper, id).await?,
            grants: grants::some(app, keeper, id, SOME).await?,
            holds: holds::open(app, keeper, id, SOME).await?,
            keys: keys::some(app, keeper, id, MAX_LIMIT).await?,
            overrides: overrides::list(app, caller, Some(&named), false, &all)
                .await?
                .data,
            events: usage::list_events(app, caller, &filter, &some).await?.data,
            end_users: end_users::list(app, caller, id, &some).await?.data,
            plans: plans::list(app, caller, false, &all).await?.data,
            features: features::list(app, caller, true, &all).await?.data,
            now: app.now(),
        })
    }

    pub(super) fn feature_name<'a>(&'a self, key: &'a str) -> &'a str {
        let feature = self.features.iter().find(|feature| feature.key == key);
        feature.map_or(key, |feature| feature.name.as_str())
    }
}

fn rows(limit: u32) -> PageRequest {
    PageRequest { limit, cursor: None }
}

fn page(keeper: &Shopkeeper, found: &Found) -> Markup {
    let customer = &found.customer;
    let is_archived = customer.archived_at.is_some();
    let may = keeper.may(Permission::CustomersManage);
    let path = |action: &str| keeper.href(&format!("/customers/{}/{action}", customer.id));
    let usage = with_parameter(&keeper.href("/usage"), "customer", &customer.id.to_string());
    let actions = html! {
        (Button::secondary("Usage").icon(Icon::ChartAreaLine).href(usage))
        @if may {
            (Button::secondary("Edit").icon(Icon::Pencil).href(path("edit")))
            @if is_archived {
                (Button::secondary("Use again").post(path("unarchive"), keeper.csrf()))
            } @else {
                (Button::danger_quiet("Archive").icon(Icon::Archive).opens("archive"))
            }
        }
    };
    let badges = html! { @if is_archived { (Badge::status("archived")) } };
    let header = keeper.header(label(customer), badges).actions(actions);
    let content = html! {
        div.grid {
            (parts::about(customer))
            (live::card(keeper, customer.id, &found.standing))
        }
        (parts::subscriptions(keeper, found, may && !is_archived))
        (parts::overrides(keeper, found, may && !is_archived))
        (grants::card(keeper, customer.id, &found.grants, &found.features, found.now, may && !is_archived))
        (holds::card(keeper, &found.holds, &found.features, found.now, keeper.may(Permission::UsageConsume)))
        @if let Some(all) = &found.keys {
            (keys::card(keeper, customer.id, all, found.now, !is_archived && keeper.may(Permission::CustomerKeysManage)))
        }
        div.grid {
            (parts::events(keeper, found))
            (parts::end_users(found))
        }
        @if may && !is_archived {
            (Dialog::confirm(
                "archive",
                format!("Archive {}?", label(customer)),
                "Every call for them is refused from now on. What they have stays, and they can be used again later.",
                Button::danger("Archive customer"),
                &path("archive"),
                keeper.csrf(),
            ))
        }
    };
    keeper.page(("Customers", "/customers"), &label(customer), header, content)
}
