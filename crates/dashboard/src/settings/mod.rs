//! The workspace itself.

use accounts::workspaces;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use runtime::App;
use runtime::http::Problem;
use types::Permission;
use ui::code::copyable;
use ui::{Button, Card, Field, Form, Kv, PageHeader, time};

use crate::frame::{Draft, Member, Posted, go_saying, role_word};

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/w/{workspace}/settings", get(show).post(save))
}

async fn show(State(app): State<App>, member: Member) -> Markup {
    let draft = Draft::of([("name", member.workspace.name.as_str())]);
    page(&app, &member, &draft)
}

async fn save(State(app): State<App>, Posted(member, entries): Posted<Member>) -> Result<Response, Problem> {
    match workspaces::rename(&app, &member.caller, entries.text("name")).await {
        Ok(_) => Ok(go_saying(&app, &member.href("/settings"), "Name saved.")?),
        Err(error) => entries.again(error, |draft| page(&app, &member, &draft)),
    }
}

fn page(app: &App, member: &Member, draft: &Draft) -> Markup {
    let may = member.may(Permission::WorkspaceUpdate);
    let name = draft.fill(
        "name",
        Field::text("name", "Name")
            .required()
            .max_length(100)
            .disabled(!may),
    );
    let form = Form::post(member.href("/settings"), member.csrf()).part(name);
    let form = if may {
        form.actions(Button::primary("Save name"))
    } else {
        form
    };
    let about = Kv::new()
        .row("Workspace id", copyable(&member.workspace.id.to_string()))
        .row("Created", time::date(member.workspace.created_at))
        .row("Your role", role_word(member.role))
        .row("API address", copyable(&app.url("/v1")))
        .row(
            "API description",
            html! { a href="/openapi.json" { "openapi.json" } },
        )
        .row("Version", app.build().version);
    let content = html! {
        div.stack {
            (Card::titled("Workspace").body(html! { div.stack { (draft.alert()) (form) } }))
            (Card::titled("About").body(about))
        }
    };
    let header =
        PageHeader::new("Settings").description("What this workspace is called, and how programs reach it.");
    member.page("Settings", header, content)
}
