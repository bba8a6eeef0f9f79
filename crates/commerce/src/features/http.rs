use axum::Json;
use axum::extract::State;
use runtime::App;
use runtime::http::{Body, Created, Failures, PageQuery, Params, Problem, Segments};
use serde::Deserialize;
use types::Page;
use types::id::FeatureId;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Feature, FeatureChange, FeatureKind, MeterForm, NewFeature};
use crate::patch::present;
use crate::{ShopCaller, ShopHeaders};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, update))
        .routes(routes!(archive))
}

/// A new feature.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FeatureCreate {
    /// What your code calls it; never changes.
    #[schema(pattern = "^[a-z][a-z0-9_.]{0,62}$", max_length = 63)]
    key: String,
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    kind: FeatureKind,
    /// What one of it is called, such as `call`.
    #[schema(min_length = 1, max_length = 40)]
    unit: Option<String>,
    /// How it counts: for the kind metered, and for no other.
    meter: Option<MeterForm>,
    /// Names by which its usage can be broken down, such as `model`: for the kind metered. Never change.
    #[serde(default)]
    #[schema(max_items = 8)]
    dimensions: Vec<String>,
}

/// What of a feature changes; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FeatureUpdate {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Null takes the unit away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 40)]
    unit: Option<Option<String>>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct FeatureQuery {
    /// Archived ones too.
    with_archived: Option<bool>,
    /// Rows a page, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// Create a feature.
#[utoipa::path(post, path = "/v1/features", tag = "features", operation_id = "feature_create",
    params(ShopHeaders),
    request_body = FeatureCreate, responses((status = 201, body = Feature), Failures))]
async fn create(
    State(app): State<App>,
    caller: ShopCaller,
    Body(body): Body<FeatureCreate>,
) -> Result<Created<Feature>, Problem> {
    let new = NewFeature {
        key: body.key,
        name: body.name,
        kind: body.kind,
        unit: body.unit,
        meter: body.meter,
        dimensions: body.dimensions,
    };
    Ok(Created(super::create(&app, &caller, &new).await?))
}

/// List the platform's features, oldest first.
#[utoipa::path(get, path = "/v1/features", tag = "features", operation_id = "feature_list",
    params(ShopHeaders, FeatureQuery),
    responses((status = 200, body = Page<Feature>), Failures))]
async fn list(
    State(app): State<App>,
    caller: ShopCaller,
    Params(query): Params<FeatureQuery>,
) -> Result<Json<Page<Feature>>, Problem> {
    let with_archived = query.with_archived.unwrap_or(false);
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    };
    let page = super::list(&app, &caller, with_archived, &page.request()?).await?;
    Ok(Json(page))
}

/// Get a feature, archived or not.
#[utoipa::path(get, path = "/v1/features/{feature}", tag = "features", operation_id = "feature_get",
    params(("feature" = FeatureId, Path), ShopHeaders),
    responses((status = 200, body = Feature), Failures))]
async fn get(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<FeatureId>,
) -> Result<Json<Feature>, Problem> {
    Ok(Json(super::get(&app, &caller, id).await?))
}

/// Change how a feature is shown. Its key, kind and meter never change.
#[utoipa::path(patch, path = "/v1/features/{feature}", tag = "features", operation_id = "feature_update",
    params(("feature" = FeatureId, Path), ShopHeaders),
    request_body = FeatureUpdate, responses((status = 200, body = Feature), Failures))]
async fn update(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<FeatureId>,
    Body(body): Body<FeatureUpdate>,
) -> Result<Json<Feature>, Problem> {
    let change = FeatureChange {
        name: body.name,
        unit: body.unit,
    };
    Ok(Json(super::update(&app, &caller, id, &change).await?))
}

/// Archive a feature: plan versions that have it keep it, new ones cannot name it.
#[utoipa::path(post, path = "/v1/features/{feature}/archive", tag = "features", operation_id = "feature_archive",
    params(("feature" = FeatureId, Path), ShopHeaders),
    responses((status = 200, body = Feature), Failures))]
async fn archive(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<FeatureId>,
) -> Result<Json<Feature>, Problem> {
    Ok(Json(super::archive(&app, &caller, id).await?))
}
