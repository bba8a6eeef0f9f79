//! A starting point at one press: a feature `calls`, a free and a paid plan, and a first customer, so that the first call
//! can be made.

use axum::extract::State;
use axum::response::Response;
use commerce::customers::{self, CustomerCreate};
use commerce::features::{self, AggregationForm, FeatureKind, MeterForm, NewFeature, PeriodForm};
use commerce::plans::{self, EntitlementInput, Interval, NewPlan, OverageForm, Price, Terms};
use commerce::{Amount, ShopCaller};
use maud::{Markup, html};
use runtime::App;
use runtime::http::Problem;
use types::money::Currency;
use types::{ErrorCode, Mode, Money, Result};
use ui::{Button, Card, Icon};

use crate::frame::{Posted, Shopkeeper, go_saying};

/// The key of the feature that is counted.
pub(crate) const FEATURE: &str = "calls";
/// The external id of the first customer.
pub(crate) const CUSTOMER: &str = "acme";
const GROUP: &str = "api";
const FREE_CALLS: i64 = 5;
const PAID_CALLS: i64 = 500;
const PAID_MINOR: i64 = 2_900;

pub(super) async fn submit(
    State(app): State<App>,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    make(&app, &keeper).await?;
    let path = match entries.raw("then") {
        "overview" => keeper.own_overview(),
        _ => keeper.href("/plans"),
    };
    Ok(go_saying(
        &app,
        &path,
        "Made, live and test alike. Change everything as you like.",
    )?)
}

/// Makes whatever of it is not there, live and test alike; the customer, who is an example, in test alone. What somebody
/// made by the same key stays as it is.
async fn make(app: &App, keeper: &Shopkeeper) -> Result<()> {
    for mode in [Mode::Test, Mode::Live] {
        let caller = ShopCaller::enter(app, keeper.member.caller.clone(), keeper.platform.id, mode).await?;
        unless_there(features::create(app, &caller, &feature()).await)?;
        unless_there(plans::create_group(app, &caller, GROUP, "API").await)?;
        for plan in plans() {
            unless_there(plans::create(app, &caller, &plan).await)?;
        }
        if mode == Mode::Test {
            unless_there(customers::create(app, &caller, customer()).await)?;
        }
    }
    Ok(())
}

fn customer() -> CustomerCreate {
    CustomerCreate {
        external_id: Some(CUSTOMER.to_owned()),
        name: Some("Acme".to_owned()),
        ..CustomerCreate::default()
    }
}

fn unless_there<T>(made: Result<T>) -> Result<()> {
    match made {
        Err(error) if !error.is(ErrorCode::AlreadyExists) => Err(error),
        _ => Ok(()),
    }
}

fn feature() -> NewFeature {
    NewFeature {
        key: FEATURE.to_owned(),
        name: "API calls".to_owned(),
        kind: FeatureKind::Metered,
        unit: Some("call".to_owned()),
        meter: Some(MeterForm {
            aggregation: AggregationForm::Sum,
            unique_cap: None,
            scale: 0,
            period: PeriodForm::Month,
            rolling_secs: None,
            rolling_buckets: None,
        }),
        dimensions: Vec::new(),
    }
}

fn plans() -> [NewPlan; 2] {
    let plan = |key: &str, name: &str, position, calls, amount_minor| NewPlan {
        group: GROUP.to_owned(),
        key: key.to_owned(),
        name: name.to_owned(),
        is_default: position == 0,
        position,
        terms: Terms {
            price: Some(Price {
                amount: Money {
                    amount_minor,
                    currency: Currency::USD,
                },
                interval: Interval::Month,
                per_seat: false,
            }),
            entitlements: vec![EntitlementInput {
                feature: FEATURE.to_owned(),
                limit: Some(Some(Amount::Integer(calls))),
                overage: Some(OverageForm::Deny {}),
                thresholds: vec![80, 100],
            }],
        },
    };
    [
        plan("free", "Free", 0, FREE_CALLS, 0),
        plan("paid", "Paid", 1, PAID_CALLS, PAID_MINOR),
    ]
}

/// The card that offers it.
pub(super) fn offer(keeper: &Shopkeeper) -> Markup {
    let button = Button::secondary("Make it")
        .icon(Icon::Rocket)
        .post(keeper.href("/start"), keeper.csrf());
    html! {
        (Card::titled("A starting point").actions(button).body(html! {
            p.muted {
                "The feature " code { (FEATURE) } ", and the plans Free (5 a month) and Paid (500 for $29), live and test; in test a first customer too."
            }
        }))
    }
}

/// The button alone, for the overview of a new workspace. Afterwards it leads back there.
pub(crate) fn button(action: &str, csrf: &str) -> Markup {
    html! {
        form.form-button method="post" action=(action) {
            (ui::form::csrf_field(csrf))
            input type="hidden" name="then" value="overview";
            (Button::primary("Make them for me").icon(Icon::Rocket))
        }
    }
}
