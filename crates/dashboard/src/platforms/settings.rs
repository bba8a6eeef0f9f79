//! A platform's name, its ids, how fast calls may come, and its end.

use axum::extract::State;
use axum::response::Response;
use commerce::catalogue::PLATFORM_ZERO;
use commerce::platforms;
use maud::{Markup, html};
use runtime::App;
use runtime::http::Problem;
use types::Permission;
use ui::code::copyable;
use ui::dialog::Dialog;
use ui::{Button, Card, Field, Form, Icon, Kv, time};

use super::rate_limits;
use crate::frame::{Draft, Posted, Shopkeeper, go_saying};

pub(super) async fn show(State(app): State<App>, keeper: Shopkeeper) -> Result<Markup, Problem> {
    let rules = rate_limits::card(&app, &keeper).await?;
    let draft = Draft::of([("name", keeper.platform.name.as_str())]);
    Ok(page(&keeper, &rules, &draft))
}

pub(super) async fn rename(
    State(app): State<App>,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    let (caller, id) = (&keeper.member.caller, keeper.platform.id);
    match platforms::update(&app, caller, id, Some(entries.text("name"))).await {
        Ok(_) => Ok(go_saying(&app, &keeper.href("/settings"), "Name saved.")?),
        Err(error) => {
            let rules = rate_limits::card(&app, &keeper).await?;
            entries.again(error, |draft| page(&keeper, &rules, &draft))
        }
    }
}

pub(super) async fn archive(
    State(app): State<App>,
    Posted(keeper, _): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    platforms::archive(&app, &keeper.member.caller, keeper.platform.id).await?;
    Ok(go_saying(
        &app,
        &keeper.member.href("/platforms"),
        "Platform archived.",
    )?)
}

fn page(keeper: &Shopkeeper, rules: &Card, draft: &Draft) -> Markup {
    let may = keeper.may(Permission::PlatformsManage);
    let platform = &keeper.platform;
    let name = draft.fill(
        "name",
        Field::text("name", "Name")
            .required()
            .max_length(200)
            .disabled(!may),
    );
    let form = Form::post(keeper.href("/settings"), keeper.csrf()).part(name);
    let form = if may {
        form.actions(Button::primary("Save name"))
    } else {
        form
    };
    let about = Kv::new()
        .row("Platform id", copyable(&platform.id.to_string()))
        .row("Created", time::date(platform.created_at));
    let about = match platform.archived_at {
        Some(at) => about.row("Archived", time::date(at)),
        None => about,
    };
    let content = html! {
        (Card::titled("General").body(html! { div.stack { (draft.alert()) (form) (about) } }))
        (rules)
        @if may && platform.id != PLATFORM_ZERO {
            (Card::titled("Archive")
                .actions(Button::danger_quiet("Archive platform").icon(Icon::Archive).opens("archive"))
                .body(html! {
                    p.muted { "Ends the platform: its keys are refused from now on, and nothing in it can be changed." }
                }))
            (Dialog::confirm(
                "archive",
                format!("Archive {}?", platform.name),
                "Every key of the platform is refused at once, live and test. Customers, plans and usage stay readable. \
                 This cannot be taken back.",
                Button::danger("Archive platform"),
                &keeper.href("/settings/archive"),
                keeper.csrf(),
            ))
        }
    };
    keeper.view(
        "/settings",
        "What this platform is called, and how fast calls may come.",
        html! {},
        content,
    )
}
