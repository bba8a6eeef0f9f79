#![doc = include_str!("../README.md")]

mod accounts;
mod api_keys;
mod audit;
mod customers;
mod frame;
mod mailbox;
mod members;
mod overview;
mod pages;
mod platforms;
mod settings;
mod usage;

use axum::{Router, middleware};
use runtime::{App, Module};

/// This part, ready to be composed.
pub fn module() -> Module {
    let mut module = Module::new("dashboard").with_service(frame::BrowserErrors::new());
    module.pages = frame::asset_routes()
        .merge(frame::browser_error_routes())
        .merge(page_routes())
        .fallback(frame::nowhere);
    module
}

fn page_routes() -> Router<App> {
    Router::new()
        .merge(pages::routes())
        .merge(accounts::routes())
        .merge(overview::routes())
        .merge(platforms::routes())
        .merge(customers::routes())
        .merge(api_keys::routes())
        .merge(usage::routes())
        .merge(audit::routes())
        .merge(members::routes())
        .merge(mailbox::routes())
        .merge(settings::routes())
        .layer(middleware::from_fn(frame::fault_layer))
}
