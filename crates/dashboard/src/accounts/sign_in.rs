//! Signing in and out.

use accounts::Client;
use accounts::auth::{self, Password, SignIn};
use accounts::sessions;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use maud::{Markup, html};
use runtime::http::{Params, Problem};
use runtime::{Anonymous, App, UserCaller};
use serde::Deserialize;
use ui::{AuthCard, Button, Field, Form};

use super::enter;
use crate::frame::{Draft, Person, Posted, Visit, go, return_path};

#[derive(Deserialize)]
pub(super) struct Next {
    /// Where to go afterwards.
    next: Option<String>,
}

pub(super) async fn show(
    visit: Visit,
    caller: Option<UserCaller>,
    Params(Next { next }): Params<Next>,
) -> Response {
    let next = next.as_deref().and_then(return_path::checked);
    if caller.is_some() {
        return go(next.unwrap_or("/"));
    }
    let page = page(&visit, &Draft::of(next.map(|next| ("next", next))));
    (visit.set_cookie, page).into_response()
}

pub(super) async fn submit(
    State(app): State<App>,
    visitor: Anonymous,
    client: Client,
    Posted(visit, entries): Posted<Visit>,
) -> Result<Response, Problem> {
    let input = SignIn {
        email: entries.text("email").to_owned(),
        password: Password::new(entries.raw("password")),
    };
    match auth::sign_in(&app, &visitor, &client, input).await {
        Ok(new_session) => enter(
            &new_session,
            return_path::checked(entries.raw("next")).unwrap_or("/"),
        ),
        Err(error) => entries.again(error, |draft| page(&visit, &draft)),
    }
}

pub(super) async fn leave(
    State(app): State<App>,
    Posted(person, _): Posted<Person>,
) -> Result<Response, Problem> {
    auth::sign_out(&app, &person.caller).await?;
    let mut response = go("/sign-in");
    response
        .headers_mut()
        .append(header::SET_COOKIE, sessions::cleared_cookie());
    Ok(response)
}

fn page(visit: &Visit, draft: &Draft) -> Markup {
    let next = draft.value("next");
    let form = Form::post("/sign-in", &visit.csrf)
        .part(
            draft
                .fill("email", Field::email("email", "E-mail"))
                .required()
                .autocomplete("username")
                .autofocus(),
        )
        .part(
            draft
                .fill("password", Field::password("password", "Password"))
                .required()
                .autocomplete("current-password"),
        )
        .actions(Button::primary("Sign in").wide());
    let form = if next.is_empty() {
        form
    } else {
        form.hidden("next", next)
    };
    let card = AuthCard::new("Sign in", html! { (draft.alert()) (form) })
        .below(html! { "No account yet? " a href="/sign-up" { "Create one" } });
    visit.page("Sign in", &card)
}
