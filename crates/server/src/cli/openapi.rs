//! `plinth openapi`: the document that `/openapi.json` serves, without a server.

use std::process::ExitCode;

use runtime::http::describe;
use types::{Error, Result};
use utoipa_axum::router::OpenApiRouter;

use super::output;
use crate::compose;

pub(super) fn run() -> Result<ExitCode> {
    let mut api = OpenApiRouter::new();
    for module in compose::modules() {
        api = api.merge(module.routes).merge(module.self_idempotent_routes);
    }
    let document = describe(api.into_openapi(), compose::VERSION);
    output::print(&document.to_pretty_json().map_err(Error::internal)?)
}
