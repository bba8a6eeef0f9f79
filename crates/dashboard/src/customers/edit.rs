//! A new customer, changes of one, and taking one out of use.

use axum::extract::State;
use axum::response::Response;
use commerce::customers::{self, Customer, CustomerCreate, CustomerUpdate};
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Problem, Segments};
use types::id::{CustomerId, PlatformId, WorkspaceId};
use types::{Permission, Result};
use ui::form::columns;
use ui::{Card, Field, Form};

use super::label;
use crate::frame::{Draft, Entries, Posted, Shopkeeper, form_buttons, go_saying};

type Path = Segments<(WorkspaceId, PlatformId, CustomerId)>;

pub(super) async fn fresh(keeper: Shopkeeper) -> Result<Markup, Problem> {
    keeper.member.caller.require(Permission::CustomersManage)?;
    Ok(new_page(&keeper, &Draft::default()))
}

pub(super) async fn create(
    State(app): State<App>,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    let created = match new(&entries) {
        Ok(new) => customers::create(&app, &keeper.caller, new).await,
        Err(error) => Err(error),
    };
    match created {
        Ok(customer) => {
            let path = keeper.href(&format!("/customers/{}", customer.id));
            Ok(go_saying(&app, &path, "Customer created.")?)
        }
        Err(error) => entries.again(error, |draft| new_page(&keeper, &draft)),
    }
}

fn new(entries: &Entries) -> Result<CustomerCreate> {
    let filled = |name: &str| entries.filled(name).map(str::to_owned);
    Ok(CustomerCreate {
        external_id: filled("external_id"),
        name: filled("name"),
        email: filled("email"),
        time_zone: filled("time_zone"),
        anchor_day: entries.parsed_if_filled("anchor_day", "must be a day from 1 to 31")?,
        ..CustomerCreate::default()
    })
}

fn new_page(keeper: &Shopkeeper, draft: &Draft) -> Markup {
    let zone = Field::text("time_zone", "Time zone")
        .optional()
        .max_length(64)
        .placeholder("UTC");
    let day = Field::number("anchor_day", "Months begin on day")
        .optional()
        .min(1)
        .max(31);
    let form = Form::post(keeper.href("/customers/new"), keeper.csrf())
        .part(identity(draft))
        .part(columns(html! {
            (draft.fill("anchor_day", day).help("The first, unless said. It never changes."))
            (draft.fill("time_zone", zone).help("Where their periods begin at midnight."))
        }))
        .actions(form_buttons("Create customer", keeper.href("/customers")));
    let header = keeper
        .header("New customer", "")
        .description("They are subscribed to the default plan of each group that has one.");
    let card = Card::new().body(html! { (draft.alert()) (form) });
    keeper.page(("Customers", "/customers"), "New customer", header, card)
}

fn identity(draft: &Draft) -> Markup {
    let name = Field::text("name", "Name").optional().max_length(200);
    let email = Field::email("email", "E-mail").optional().max_length(254);
    let external_id = Field::text("external_id", "External id")
        .optional()
        .max_length(255)
        .code();
    html! {
        (columns(html! { (draft.fill("name", name)) (draft.fill("email", email)) }))
        (draft.fill("external_id", external_id).help("Your own id of them: your calls can name them by it."))
    }
}

pub(super) async fn show(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    keeper: Shopkeeper,
) -> Result<Markup, Problem> {
    keeper.member.caller.require(Permission::CustomersManage)?;
    let customer = customers::get(&app, &keeper.caller, id).await?;
    let fields = [
        ("name", customer.name.clone()),
        ("email", customer.email.clone()),
        ("external_id", customer.external_id.clone()),
    ];
    let fields = fields
        .into_iter()
        .map(|(name, value)| (name, value.unwrap_or_default()));
    Ok(edit_page(&keeper, &customer, &Draft::of(fields)))
}

pub(super) async fn save(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    let customer = customers::get(&app, &keeper.caller, id).await?;
    let field = |name: &str| Some(entries.filled(name).map(str::to_owned));
    let change = CustomerUpdate {
        external_id: field("external_id"),
        name: field("name"),
        email: field("email"),
        metadata: None,
    };
    match customers::update(&app, &keeper.caller, id, change).await {
        Ok(_) => Ok(go_saying(
            &app,
            &keeper.href(&format!("/customers/{id}")),
            "Changes saved.",
        )?),
        Err(error) => entries.again(error, |draft| edit_page(&keeper, &customer, &draft)),
    }
}

fn edit_page(keeper: &Shopkeeper, customer: &Customer, draft: &Draft) -> Markup {
    let here = keeper.href(&format!("/customers/{}", customer.id));
    let form = Form::post(
        keeper.href(&format!("/customers/{}/edit", customer.id)),
        keeper.csrf(),
    )
    .part(identity(draft))
    .actions(form_buttons("Save changes", here));
    let header = keeper.header(format!("Edit {}", label(customer)), "");
    let card = Card::new().body(html! { (draft.alert()) (form) });
    keeper.page(("Customers", "/customers"), "Edit customer", header, card)
}

pub(super) async fn archive(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    Posted(keeper, _): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    customers::archive(&app, &keeper.caller, id).await?;
    Ok(go_saying(
        &app,
        &keeper.href(&format!("/customers/{id}")),
        "Customer archived.",
    )?)
}

pub(super) async fn unarchive(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    Posted(keeper, _): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    customers::unarchive(&app, &keeper.caller, id).await?;
    Ok(go_saying(
        &app,
        &keeper.href(&format!("/customers/{id}")),
        "Customer is in use again.",
    )?)
}
