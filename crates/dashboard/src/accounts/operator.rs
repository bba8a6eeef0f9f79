//! The link that a server prints for whoever runs it. It works once, so opening it (as a browser does when it looks ahead)
//! only shows a button; pressing that signs in.

use accounts::Client;
use accounts::operator;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use runtime::http::{Params, Problem};
use runtime::{Anonymous, App};
use serde::Deserialize;
use ui::{AuthCard, Button, Form};

use super::enter;
use crate::frame::{Draft, Posted, Visit};

#[derive(Deserialize)]
pub(super) struct Link {
    #[serde(default)]
    token: String,
}

pub(super) async fn show(visit: Visit, Params(link): Params<Link>) -> Response {
    let page = page(&visit, &Draft::of([("token", link.token)]));
    (visit.set_cookie, page).into_response()
}

pub(super) async fn submit(
    State(app): State<App>,
    visitor: Anonymous,
    client: Client,
    Posted(visit, entries): Posted<Visit>,
) -> Result<Response, Problem> {
    match operator::enter(&app, &visitor, &client, entries.raw("token")).await {
        Ok(new_session) => enter(&new_session, "/"),
        Err(error) => entries.again(error, |draft| page(&visit, &draft)),
    }
}

fn page(visit: &Visit, draft: &Draft) -> Markup {
    let form = Form::post("/operator", &visit.csrf)
        .hidden("token", draft.value("token"))
        .actions(Button::primary("Sign in as operator").wide());
    let card = AuthCard::new("Welcome to Plinth", html! { (draft.alert()) (form) })
        .sentence("You run this server, so you need no password. The link works once.")
        .below(html! { "Not you? " a href="/sign-in" { "Sign in with your account" } });
    visit.page("Operator", &card)
}
