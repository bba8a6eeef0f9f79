//! Signing up: an account with a first workspace.

use accounts::Client;
use accounts::auth::{self, Password, SignUp};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use runtime::http::Problem;
use runtime::{Anonymous, App};
use ui::{AuthCard, Button, Field, Form};

use super::enter;
use crate::frame::{Draft, Entries, Posted, Visit};

pub(super) async fn show(visit: Visit) -> Response {
    let page = page(&visit, &Draft::default());
    (visit.set_cookie, page).into_response()
}

pub(super) async fn submit(
    State(app): State<App>,
    visitor: Anonymous,
    client: Client,
    Posted(visit, entries): Posted<Visit>,
) -> Result<Response, Problem> {
    match auth::sign_up(&app, &visitor, &client, input(&entries)).await {
        Ok(signed_up) => enter(&signed_up.new_session, &format!("/w/{}", signed_up.workspace.id)),
        Err(error) => entries.again(error, |draft| page(&visit, &draft)),
    }
}

fn input(entries: &Entries) -> SignUp {
    SignUp {
        email: entries.text("email").to_owned(),
        password: Password::new(entries.raw("password")),
        name: entries.text("name").to_owned(),
        workspace_name: entries.filled("workspace_name").map(str::to_owned),
    }
}

fn page(visit: &Visit, draft: &Draft) -> Markup {
    let form = Form::post("/sign-up", &visit.csrf)
        .part(
            draft
                .fill("name", Field::text("name", "Your name"))
                .required()
                .autocomplete("name")
                .autofocus(),
        )
        .part(
            draft
                .fill("email", Field::email("email", "E-mail"))
                .required()
                .autocomplete("username"),
        )
        .part(
            draft
                .fill("password", Field::password("password", "Password"))
                .required()
                .min_length(15)
                .autocomplete("new-password")
                .help("At least 15 characters. A few unrelated words are best; nothing else is asked for."),
        )
        .part(
            draft
                .fill("workspace_name", Field::text("workspace_name", "Workspace"))
                .optional()
                .autocomplete("organization")
                .help("Your company or team. You can rename it at any time."),
        )
        .actions(Button::primary("Create account").wide());
    let card = AuthCard::new("Create your account", html! { (draft.alert()) (form) })
        .sentence("Plans, keys, metering and limits for what you sell.")
        .below(html! { "You have an account? " a href="/sign-in" { "Sign in" } });
    visit.page("Create your account", &card)
}
