//! The yardstick of `cargo xtask bench`: a handler that reads the body of a consume and writes it back, on the same axum,
//! runtime and allocator as the product, with nothing else in its way. Listens on the address that is its one argument.

use std::error::Error;

use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// The fields that the benchmark sends to both.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Call {
    customer: String,
    feature: String,
}

async fn echo(Json(call): Json<Call>) -> Json<Call> {
    Json(call)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("say which address to listen on")?;
    let listener = TcpListener::bind(address).await?;
    let router = Router::new().route("/v1/usage/consume", post(echo));
    axum::serve(listener, router).await?;
    Ok(())
}
