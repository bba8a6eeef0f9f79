//! Platforms, and the views of one: overview, features, plans, settings and rate limits. Its customers, usage and keys are folders of
//! their own.

mod feature;
mod feature_new;
mod features;
mod overview;
mod plan;
mod plans;
mod rate_limits;
mod settings;
pub(crate) mod starter;
mod terms;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use commerce::platforms;
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Params, Problem};
use serde::Deserialize;
use types::Permission;
use ui::{Badge, Button, Card, Cell, Column, Empty, Field, Form, Icon, PageHeader, Row, Table, time};

use crate::frame::{Draft, Member, Posted, form_buttons, go_saying, page_at, pages};

pub(crate) fn routes() -> Router<App> {
    let platform = Router::new()
        .route("/", get(overview::show))
        .route("/start", post(starter::submit))
        .route("/features", get(features::list))
        .route("/features/new", get(feature_new::show).post(feature_new::submit))
        .route("/features/{feature}", get(feature::show).post(feature::save))
        .route("/features/{feature}/archive", post(feature::archive))
        .route("/plans", get(plans::list))
        .route("/plans/new", get(plans::fresh).post(plans::create))
        .route(
            "/plans/groups/new",
            get(plans::fresh_group).post(plans::create_group),
        )
        .route("/plans/{plan}", get(plan::show).post(plan::publish))
        .route("/plans/{plan}/default", post(plan::make_default))
        .route("/plans/{plan}/archive", post(plan::archive))
        .route("/settings", get(settings::show).post(settings::rename))
        .route("/settings/archive", post(settings::archive))
        .route(
            "/settings/rate-limits/new",
            get(rate_limits::fresh).post(rate_limits::create),
        )
        .route(
            "/settings/rate-limits/{rate_limit}",
            get(rate_limits::show).post(rate_limits::save),
        )
        .route(
            "/settings/rate-limits/{rate_limit}/remove",
            post(rate_limits::remove),
        );
    Router::new()
        .route("/w/{workspace}/platforms", get(list))
        .route("/w/{workspace}/platforms/new", get(fresh).post(create))
        .nest("/w/{workspace}/p/{platform}", platform)
}

#[derive(Deserialize)]
struct ListQuery {
    cursor: Option<String>,
    archived: Option<String>,
}

async fn list(
    State(app): State<App>,
    member: Member,
    Params(query): Params<ListQuery>,
) -> Result<Markup, Problem> {
    let (cursor, archived) = (query.cursor.as_deref(), query.archived.is_some());
    let page = platforms::list(&app, &member.caller, archived, &page_at(cursor)).await?;
    let may = member.may(Permission::PlatformsManage);
    let new = || {
        Button::primary("New platform")
            .icon(Icon::Plus)
            .href(member.href("/platforms/new"))
    };
    let rows = page.data.iter().map(|platform| {
        let state = if platform.archived_at.is_some() {
            "archived"
        } else {
            "active"
        };
        Row::new([
            Cell::from(platform.name.as_str()),
            Cell::new(Badge::status(state)),
            Cell::new(time::date(platform.created_at)),
        ])
        .href(member.href(&format!("/p/{}", platform.id)))
    });
    let empty = Empty::new(
        Icon::Box,
        "No platforms yet",
        "A platform is a product that you sell: it has features, plans, customers and keys of its own.",
    );
    let empty = if may { empty.action(new()) } else { empty };
    let columns = [
        Column::text("Name"),
        Column::text("State"),
        Column::text("Created").wide_only(),
    ];
    let here = member.href(if archived {
        "/platforms?archived=yes"
    } else {
        "/platforms"
    });
    let content = html! {
        div.stack {
            (Card::new().flush(Table::new("Platforms", columns).rows(rows).empty(empty)))
            (pages(&page, cursor, ("platform", "platforms"), &here))
            @if archived {
                p.muted { a href=(member.href("/platforms")) { "Hide archived platforms" } }
            } @else if !page.data.is_empty() {
                p.muted { a href=(member.href("/platforms?archived=yes")) { "Show archived platforms too" } }
            }
        }
    };
    let header = PageHeader::new("Platforms").description("The products that this workspace sells.");
    let header = if may { header.actions(new()) } else { header };
    Ok(member.page("Platforms", header, content))
}

async fn fresh(member: Member) -> Result<Markup, Problem> {
    member.caller.require(Permission::PlatformsManage)?;
    Ok(new_page(&member, &Draft::default()))
}

async fn create(
    State(app): State<App>,
    Posted(member, entries): Posted<Member>,
) -> Result<Response, Problem> {
    match platforms::create(&app, &member.caller, entries.text("name")).await {
        Ok(platform) => {
            let path = match entries.raw("then") {
                "overview" => member.href(&format!("?platform={}&mode=test", platform.id)),
                _ => member.href(&format!("/p/{}", platform.id)),
            };
            Ok(go_saying(&app, &path, "Platform created.")?)
        }
        Err(error) => entries.again(error, |draft| new_page(&member, &draft)),
    }
}

fn new_page(member: &Member, draft: &Draft) -> Markup {
    let name = Field::text("name", "Name").required().max_length(200).autofocus();
    let form = Form::post(member.href("/platforms/new"), member.csrf())
        .part(
            draft
                .fill("name", name)
                .help("What you sell, as your team calls it. Customers do not see it."),
        )
        .actions(form_buttons("Create platform", member.href("/platforms")));
    let header = PageHeader::new("New platform")
        .description("A product with plans, keys and customers of its own, live and test.");
    let crumbs = [("Platforms", member.href("/platforms"))];
    let card = Card::new().body(html! { (draft.alert()) (form) });
    member.page_under("New platform", &crumbs, header, card)
}
