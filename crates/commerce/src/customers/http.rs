use axum::Json;
use axum::extract::State;
use runtime::App;
use runtime::http::{Body, Created, Failures, PageQuery, Params, Problem, Segments};
use serde::Deserialize;
use types::Page;
use types::id::CustomerId;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::reference::check_external_id;
use super::{Customer, CustomerCreate, CustomerUpdate, Reference, end_users};
use crate::{ShopCaller, ShopHeaders};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, update))
        .routes(routes!(archive))
        .routes(routes!(unarchive))
        .merge(end_users::routes())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct CustomerQuery {
    /// The one customer with this id of yours, archived or not.
    #[param(min_length = 1, max_length = 255)]
    external_id: Option<String>,
    /// Archived ones too.
    with_archived: Option<bool>,
    /// Rows a page, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// Create a customer, subscribed to the default plan of each group that has one.
#[utoipa::path(post, path = "/v1/customers", tag = "customers", operation_id = "customer_create",
    params(ShopHeaders), request_body = CustomerCreate, responses((status = 201, body = Customer), Failures))]
async fn create(
    State(app): State<App>,
    caller: ShopCaller,
    Body(body): Body<CustomerCreate>,
) -> Result<Created<Customer>, Problem> {
    Ok(Created(super::create(&app, &caller, body).await?))
}

/// List customers, newest first.
#[utoipa::path(get, path = "/v1/customers", tag = "customers", operation_id = "customer_list",
    params(ShopHeaders, CustomerQuery), responses((status = 200, body = Page<Customer>), Failures))]
async fn list(
    State(app): State<App>,
    caller: ShopCaller,
    Params(query): Params<CustomerQuery>,
) -> Result<Json<Page<Customer>>, Problem> {
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    };
    let page = page.request()?;
    if let Some(external_id) = query.external_id {
        check_external_id::<types::id::Customer>(&external_id)?;
        let found = super::find(&app, &caller, &Reference::External(external_id)).await?;
        return Ok(Json(Page {
            data: found.into_iter().collect(),
            next_cursor: None,
        }));
    }
    let with_archived = query.with_archived.unwrap_or(false);
    Ok(Json(super::list(&app, &caller, with_archived, &page).await?))
}

/// Get a customer, archived or not.
#[utoipa::path(get, path = "/v1/customers/{customer}", tag = "customers", operation_id = "customer_get",
    params(ShopHeaders, ("customer" = CustomerId, Path)),
    responses((status = 200, body = Customer), Failures))]
async fn get(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<CustomerId>,
) -> Result<Json<Customer>, Problem> {
    Ok(Json(super::get(&app, &caller, id).await?))
}

/// Change what you know of a customer.
#[utoipa::path(patch, path = "/v1/customers/{customer}", tag = "customers", operation_id = "customer_update",
    params(ShopHeaders, ("customer" = CustomerId, Path)), request_body = CustomerUpdate,
    responses((status = 200, body = Customer), Failures))]
async fn update(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<CustomerId>,
    Body(body): Body<CustomerUpdate>,
) -> Result<Json<Customer>, Problem> {
    Ok(Json(super::update(&app, &caller, id, body).await?))
}

/// Archive a customer: they keep what they have and can use nothing.
#[utoipa::path(post, path = "/v1/customers/{customer}/archive", tag = "customers",
    operation_id = "customer_archive", params(ShopHeaders, ("customer" = CustomerId, Path)),
    responses((status = 200, body = Customer), Failures))]
async fn archive(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<CustomerId>,
) -> Result<Json<Customer>, Problem> {
    Ok(Json(super::archive(&app, &caller, id).await?))
}

/// Let an archived customer go on.
#[utoipa::path(post, path = "/v1/customers/{customer}/unarchive", tag = "customers",
    operation_id = "customer_unarchive", params(ShopHeaders, ("customer" = CustomerId, Path)),
    responses((status = 200, body = Customer), Failures))]
async fn unarchive(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<CustomerId>,
) -> Result<Json<Customer>, Problem> {
    Ok(Json(super::unarchive(&app, &caller, id).await?))
}
