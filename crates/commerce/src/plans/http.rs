use axum::Json;
use axum::extract::State;
use runtime::App;
use runtime::http::{Body, Created, Failures, PageQuery, Params, Problem, Segments};
use serde::Deserialize;
use types::Page;
use types::id::PlanId;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{EntitlementInput, NewPlan, Plan, PlanChange, PlanGroup, PlanVersion, Price, Terms};
use crate::{ShopCaller, ShopHeaders};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create_group, list_groups))
        .routes(routes!(create, list))
        .routes(routes!(get, update))
        .routes(routes!(archive))
        .routes(routes!(publish))
        .routes(routes!(get_version))
}

/// A new plan group.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PlanGroupCreate {
    /// What your code calls it; never changes.
    #[schema(pattern = "^[a-z][a-z0-9_.]{0,62}$", max_length = 63)]
    key: String,
    #[schema(min_length = 1, max_length = 200)]
    name: String,
}

/// A new plan, with its first version.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PlanCreate {
    /// The key of its group.
    #[schema(min_length = 1, max_length = 63)]
    group: String,
    /// What your code calls it; never changes.
    #[schema(pattern = "^[a-z][a-z0-9_.]{0,62}$", max_length = 63)]
    key: String,
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Whether new customers are subscribed to it, in place of the group's default so far.
    #[serde(default)]
    is_default: bool,
    /// Where it stands among the plans of its group.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1_000_000)]
    position: i64,
    /// Null or absent: agreed on with each customer.
    price: Option<Price>,
    #[serde(default)]
    #[schema(max_items = 200)]
    entitlements: Vec<EntitlementInput>,
}

/// What of a plan changes; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PlanUpdate {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// True takes the place of the group's default so far.
    is_default: Option<bool>,
    #[schema(minimum = 0, maximum = 1_000_000)]
    position: Option<i64>,
}

/// The next version of a plan: all of what it costs and gives.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PlanVersionCreate {
    /// Null or absent: agreed on with each customer.
    price: Option<Price>,
    #[schema(max_items = 200)]
    entitlements: Vec<EntitlementInput>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PlanQuery {
    /// Archived ones too.
    with_archived: Option<bool>,
    /// Rows a page, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// Create a plan group. A customer has one plan of each group at most.
#[utoipa::path(post, path = "/v1/plan_groups", tag = "plans", operation_id = "plan_group_create",
    params(ShopHeaders), request_body = PlanGroupCreate, responses((status = 201, body = PlanGroup), Failures))]
async fn create_group(
    State(app): State<App>,
    caller: ShopCaller,
    Body(body): Body<PlanGroupCreate>,
) -> Result<Created<PlanGroup>, Problem> {
    let group = super::create_group(&app, &caller, &body.key, &body.name).await?;
    Ok(Created(group))
}

/// List the platform's plan groups, oldest first.
#[utoipa::path(get, path = "/v1/plan_groups", tag = "plans", operation_id = "plan_group_list",
    params(ShopHeaders, PageQuery), responses((status = 200, body = Page<PlanGroup>), Failures))]
async fn list_groups(
    State(app): State<App>,
    caller: ShopCaller,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<PlanGroup>>, Problem> {
    let page = super::list_groups(&app, &caller, &query.request()?).await?;
    Ok(Json(page))
}

/// Create a plan with its first version.
#[utoipa::path(post, path = "/v1/plans", tag = "plans", operation_id = "plan_create",
    params(ShopHeaders), request_body = PlanCreate, responses((status = 201, body = Plan), Failures))]
async fn create(
    State(app): State<App>,
    caller: ShopCaller,
    Body(body): Body<PlanCreate>,
) -> Result<Created<Plan>, Problem> {
    let new = NewPlan {
        group: body.group,
        key: body.key,
        name: body.name,
        is_default: body.is_default,
        position: body.position,
        terms: Terms {
            price: body.price,
            entitlements: body.entitlements,
        },
    };
    Ok(Created(super::create(&app, &caller, &new).await?))
}

/// List the platform's plans with their current versions, oldest first.
#[utoipa::path(get, path = "/v1/plans", tag = "plans", operation_id = "plan_list",
    params(ShopHeaders, PlanQuery), responses((status = 200, body = Page<Plan>), Failures))]
async fn list(
    State(app): State<App>,
    caller: ShopCaller,
    Params(query): Params<PlanQuery>,
) -> Result<Json<Page<Plan>>, Problem> {
    let with_archived = query.with_archived.unwrap_or(false);
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    };
    let page = super::list(&app, &caller, with_archived, &page.request()?).await?;
    Ok(Json(page))
}

/// Get a plan with its current version, archived or not.
#[utoipa::path(get, path = "/v1/plans/{plan}", tag = "plans", operation_id = "plan_get",
    params(ShopHeaders, ("plan" = PlanId, Path)), responses((status = 200, body = Plan), Failures))]
async fn get(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<PlanId>,
) -> Result<Json<Plan>, Problem> {
    Ok(Json(super::get(&app, &caller, id).await?))
}

/// Change how a plan is shown, and whether new customers get it. What it costs and gives changes with a new version.
#[utoipa::path(patch, path = "/v1/plans/{plan}", tag = "plans", operation_id = "plan_update",
    params(ShopHeaders, ("plan" = PlanId, Path)), request_body = PlanUpdate,
    responses((status = 200, body = Plan), Failures))]
async fn update(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<PlanId>,
    Body(body): Body<PlanUpdate>,
) -> Result<Json<Plan>, Problem> {
    let change = PlanChange {
        name: body.name,
        is_default: body.is_default,
        position: body.position,
    };
    Ok(Json(super::update(&app, &caller, id, &change).await?))
}

/// Archive a plan: nobody can subscribe to it any more, and who is subscribed stays.
#[utoipa::path(post, path = "/v1/plans/{plan}/archive", tag = "plans", operation_id = "plan_archive",
    params(ShopHeaders, ("plan" = PlanId, Path)), responses((status = 200, body = Plan), Failures))]
async fn archive(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<PlanId>,
) -> Result<Json<Plan>, Problem> {
    Ok(Json(super::archive(&app, &caller, id).await?))
}

/// Publish the next version of a plan: new subscriptions get it, running ones keep theirs.
#[utoipa::path(post, path = "/v1/plans/{plan}/versions", tag = "plans", operation_id = "plan_publish",
    params(ShopHeaders, ("plan" = PlanId, Path)), request_body = PlanVersionCreate,
    responses((status = 201, body = Plan), Failures))]
async fn publish(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<PlanId>,
    Body(body): Body<PlanVersionCreate>,
) -> Result<Created<Plan>, Problem> {
    let terms = Terms {
        price: body.price,
        entitlements: body.entitlements,
    };
    Ok(Created(super::publish(&app, &caller, id, &terms).await?))
}

/// Get any version of a plan.
#[utoipa::path(get, path = "/v1/plans/{plan}/versions/{version}", tag = "plans", operation_id = "plan_version_get",
    params(ShopHeaders, ("plan" = PlanId, Path), ("version" = i64, Path, minimum = 1)),
    responses((status = 200, body = PlanVersion), Failures))]
async fn get_version(
    State(app): State<App>,
    caller: ShopCaller,
    Segments((id, version)): Segments<(PlanId, i64)>,
) -> Result<Json<PlanVersion>, Problem> {
    Ok(Json(super::get_version(&app, &caller, id, version).await?))
}
