//! What a platform does.

use axum::extract::State;
use maud::{Markup, html};
use runtime::App;
use runtime::http::Problem;

use crate::frame::Shopkeeper;
use crate::overview;

pub(super) async fn show(State(app): State<App>, keeper: Shopkeeper) -> Result<Markup, Problem> {
    let panel = overview::of_platform(&app, &keeper).await?;
    Ok(keeper.view("", "What this platform does.", html! {}, panel))
}
