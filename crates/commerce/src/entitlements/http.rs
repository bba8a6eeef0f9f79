use axum::Json;
use axum::extract::State;
use runtime::App;
use runtime::http::{Failures, PageQuery, Params, Problem, Segments};
use serde::Deserialize;
use types::Page;
use types::id::CustomerId;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Entitlement;
use crate::{ShopCaller, ShopHeaders};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct EntitlementQuery {
    /// With everything that was looked at, and why it decided or did not.
    explain: Option<bool>,
}

/// List what a customer may use, feature by feature, and how much is left of it.
#[utoipa::path(get, path = "/v1/customers/{customer}/entitlements", tag = "entitlements",
    operation_id = "entitlement_list", params(ShopHeaders, ("customer" = CustomerId, Path), PageQuery),
    responses((status = 200, body = Page<Entitlement>), Failures))]
async fn list(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(customer): Segments<CustomerId>,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<Entitlement>>, Problem> {
    let page = super::list(&app, &caller, customer, &query.request()?).await?;
    Ok(Json(page))
}

/// Get what a customer may use of a feature, how much is left of it, and why.
#[utoipa::path(get, path = "/v1/customers/{customer}/entitlements/{feature}", tag = "entitlements",
    operation_id = "entitlement_get",
    params(ShopHeaders, ("customer" = CustomerId, Path),
        ("feature" = String, Path, description = "The feature's key or id."), EntitlementQuery),
    responses((status = 200, body = Entitlement), Failures))]
async fn get(
    State(app): State<App>,
    caller: ShopCaller,
    Segments((customer, feature)): Segments<(CustomerId, String)>,
    Params(query): Params<EntitlementQuery>,
) -> Result<Json<Entitlement>, Problem> {
    let explain = query.explain.unwrap_or(false);
    Ok(Json(
        super::get(&app, &caller, customer, &feature, explain).await?,
    ))
}
