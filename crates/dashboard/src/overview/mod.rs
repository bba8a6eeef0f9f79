//! What a workspace's platforms do: figures, the course of 30 days, who uses most and what happened last. Until the first
//! call has arrived, the way there.

mod figures;
mod first_call;
mod panel;
mod start;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use commerce::catalogue::PLATFORM_ZERO;
use commerce::platforms::{self, Platform};
use http::{HeaderMap, Uri};
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Params, Problem};
use serde::Deserialize;
use types::id::PlatformId;
use types::{Mode, PageRequest, Result};
use ui::PageHeader;
use ui::tabs::Tabs;

use self::figures::Figures;
use self::panel::panel;
use crate::frame::{Member, Shopkeeper, mode_of, mode_query};

/// Platforms to choose from on the overview; the others have an overview of their own.
const CHOICES: u32 = 5;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/w/{workspace}", get(show))
        .route("/w/{workspace}/p/{platform}/start/key", post(start::make_key))
        .route(
            "/w/{workspace}/p/{platform}/start/first-call",
            get(first_call::show),
        )
}

/// Which platform is shown, and in which mode.
#[derive(Deserialize)]
struct Shown {
    platform: Option<PlatformId>,
}

async fn show(
    State(app): State<App>,
    member: Member,
    uri: Uri,
    headers: HeaderMap,
    Params(shown): Params<Shown>,
) -> Result<Response, Problem> {
    let first = PageRequest {
        limit: CHOICES,
        cursor: None,
    };
    let mut choices = platforms::list(&app, &member.caller, false, &first).await?.data;
    // What Plinth itself sells has an overview of its own; here is what the operator sells besides.
    choices.retain(|platform| platform.id != PLATFORM_ZERO);
    let Some(chosen) = shown.platform.or(choices.first().map(|platform| platform.id)) else {
        return Ok(start::without_platform(&member).into_response());
    };
    let keeper = Shopkeeper::enter(&app, member, chosen, mode_of(uri.query(), &headers)).await?;
    let figures = Figures::load(&app, &keeper).await?;
    let steps = start::steps(&app, &keeper, figures.latest.is_empty(), None).await?;
    let content = html! {
        div.stack {
            @match &steps {
                Some(steps) => (steps),
                None => (panel(&keeper, &figures)),
            }
        }
    };
    Ok(page(&keeper, &choices, content).into_response())
}

/// The overview of a platform, as one of its own views.
pub(crate) async fn of_platform(app: &App, keeper: &Shopkeeper) -> Result<Markup> {
    let figures = Figures::load(app, keeper).await?;
    Ok(panel(keeper, &figures))
}

fn page(keeper: &Shopkeeper, choices: &[Platform], content: Markup) -> Markup {
    let address = |platform: PlatformId, mode: Mode| {
        let mode = mode_query(mode);
        keeper.member.href(&format!("?platform={platform}&{mode}"))
    };
    let (shown, mode) = (keeper.platform.id, keeper.mode());
    let platforms = choices
        .iter()
        .fold(Tabs::segmented("Platform"), |tabs, platform| {
            tabs.item(&platform.name, address(platform.id, mode), platform.id == shown)
        });
    let modes = Tabs::segmented("Mode")
        .item("Live", address(shown, Mode::Live), mode == Mode::Live)
        .item("Test", address(shown, Mode::Test), mode == Mode::Test);
    let header = PageHeader::new("Overview")
        .description(
            html! { "What " a href=(keeper.href("")) { (keeper.platform.name) } " does. Days are in UTC." },
        )
        .actions(html! {
            @if choices.len() > 1 { (platforms) }
            (modes)
        });
    keeper.member.page("Overview", header, content)
}
