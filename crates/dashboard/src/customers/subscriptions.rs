//! Which plans a customer has.

use axum::extract::State;
use axum::response::Response;
use commerce::customers::Reference;
use commerce::subscriptions::{self, SubscriptionCreate};
use runtime::App;
use runtime::http::{Problem, Segments};
use types::id::{CustomerId, PlatformId, SubscriptionId, WorkspaceId};
use types::{Error, ErrorCode};

use crate::frame::{Posted, Shopkeeper, go_saying};

pub(super) async fn create(
    State(app): State<App>,
    Segments((_, _, id)): Segments<(WorkspaceId, PlatformId, CustomerId)>,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    let new = SubscriptionCreate {
        customer: Reference::Id(id),
        plan: entries.text("plan").to_owned(),
        version: None,
    };
    let path = keeper.href(&format!("/customers/{id}"));
    match subscriptions::create(&app, &keeper.caller, &new).await {
        Ok(made) => Ok(go_saying(
            &app,
            &path,
            &format!("The customer is on {} now.", made.plan),
        )?),
        Err(error) if error.is(ErrorCode::AlreadyExists) => {
            Ok(go_saying(&app, &path, "The customer has that plan already.")?)
        }
        Err(error) if error.is(ErrorCode::ValidationFailed) => Err(Error::new(
            ErrorCode::Conflict,
            "This plan cannot be subscribed to. Choose another.",
        )
        .into()),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn end(
    State(app): State<App>,
    Segments((_, _, id, subscription)): Segments<(WorkspaceId, PlatformId, CustomerId, SubscriptionId)>,
    Posted(keeper, _): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    subscriptions::end(&app, &keeper.caller, subscription).await?;
    Ok(go_saying(
        &app,
        &keeper.href(&format!("/customers/{id}")),
        "Subscription ended.",
    )?)
}
