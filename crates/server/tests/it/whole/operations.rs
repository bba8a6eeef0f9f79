//! A walk over every operation of the API: with no credential, as a viewer, with a publishable key, as a stranger, and as the
//! owner. The document says which operations there are, so a new one fails here until it has an example.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Answer, Example, Member, TestApp, World, in_shop};
use crate::{accounts, commerce, runtime};

/// How each operation is called rightly, from the test files of the nouns, in an order in which the owner can make them all: the
/// last call signs them out.
pub(super) fn examples() -> impl Iterator<Item = &'static Example> {
    let parts = [commerce::EXAMPLES, runtime::EXAMPLES, accounts::EXAMPLES];
    parts.into_iter().flatten().copied().flatten()
}

/// Reviewed: what anybody may call. Each has tests of its own under `accounts`.
const PUBLIC: &[&str] = &[
    "POST /v1/auth/sign-up",
    "POST /v1/auth/sign-in",
    "POST /v1/auth/sign-out",
];

/// Reviewed: unsafe by method, and harmless to a viewer.
const FOR_VIEWERS: &[&str] = &["POST /v1/usage/check"];

/// Reviewed: calls that leave no entry in the workspace's own audit log.
const NOT_IN_THE_WORKSPACES_LOG: &[&str] = &[
    // Usage has a log of its own.
    "POST /v1/usage/consume",
    "POST /v1/usage/consume_batch",
    "POST /v1/usage/check",
    "POST /v1/usage/holds",
    "POST /v1/usage/holds/{hold}/settle",
    "POST /v1/usage/holds/{hold}/release",
    "POST /v1/events",
    "POST /v1/keys/verify",
    // In the log of the workspace that is made.
    "POST /v1/workspaces",
    // What people do with their sessions is in the log of the workspace that runs their realm.
    "POST /v1/auth/sign-out",
    "DELETE /v1/sessions",
    "DELETE /v1/sessions/{session}",
];

/// Reviewed: operations that need a second member, which has its own tests.
const WITHOUT_EXAMPLE: &[&str] = &[
    "PATCH /v1/workspaces/{workspace}/memberships/{user}",
    "DELETE /v1/workspaces/{workspace}/memberships/{user}",
];

fn is_unsafe(operation: &str) -> bool {
    !operation.starts_with("GET ")
}

async fn entries(app: &TestApp, owner: &Member) -> usize {
    let page = owner
        .signs(app.get("/v1/audit_entries?limit=200"))
        .send()
        .await
        .expect(200);
    page["data"].as_array().unwrap().len()
}

pub(super) fn told(example: &Example, answer: &Answer) -> String {
    format!("{}: {} {}", example.operation, answer.status, answer.text())
}

both_databases! {
    async fn every_operation_has_an_example(app: TestApp) {
        let document = app.get("/openapi.json").send().await.expect(200);
        let mut documented = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                documented.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        let examples = examples().map(|example| example.operation);
        let known: BTreeSet<String> =
            examples.chain(PUBLIC.iter().copied()).chain(WITHOUT_EXAMPLE.iter().copied()).map(str::to_owned).collect();
        assert_eq!(documented, known);
    }

    async fn nothing_is_done_for_strangers_without_a_credential(app: TestApp) {
        let world = World::make(app).await;
        for example in examples().filter(|example| !PUBLIC.contains(&example.operation)) {
            let answer = in_shop(world.call(app, example), &world.shop).send().await;
            assert_eq!(answer.status, 401, "{}", told(example, &answer));
        }
    }

    async fn a_viewer_changes_nothing(app: TestApp) {
        let world = World::make(app).await;
        let before = entries(app, &world.shop.owner).await;
        for example in examples().filter(|example| is_unsafe(example.operation)) {
            if PUBLIC.contains(&example.operation) || FOR_VIEWERS.contains(&example.operation) {
                continue;
            }
            let answer = world.call(app, example).key(&world.viewer_key).send().await;
            assert_eq!(answer.status, 403, "{}", told(example, &answer));
        }
        assert_eq!(entries(app, &world.shop.owner).await, before);
    }

    async fn a_publishable_key_does_nothing_of_a_servers(app: TestApp) {
        let world = World::make(app).await;
        for example in examples().filter(|example| !PUBLIC.contains(&example.operation)) {
            let answer = world.call(app, example).key(&world.publishable_key).send().await;
            assert_eq!(answer.status, 403, "{}", told(example, &answer));
            assert_eq!(answer.json()["code"], "wrong_key_kind", "{}", told(example, &answer));
        }
    }

    async fn another_workspaces_things_do_not_exist(app: TestApp) {
        let world = World::make(app).await;
        let stranger = app.open_shop().await;
        let secrets = world.secrets();
        for example in examples().filter(|example| !PUBLIC.contains(&example.operation)) {
            if example.operation == "DELETE /v1/sessions" {
                continue;
            }
            // In their own workspace, with our ids; then naming our workspace as if it were theirs.
            for workspace in [stranger.owner.workspace, world.shop.owner.workspace] {
                let call = stranger.owner.signs_in(world.call(app, example), workspace);
                let answer = in_shop(call, &world.shop).send().await;
                let text = answer.text();
                assert!(answer.status.as_u16() < 500, "{}", told(example, &answer));
                let leaks = secrets.iter().any(|id| text.contains(id.as_str()));
                // A problem may repeat the path that was asked for; an answer may not hold what is ours.
                assert!(!answer.status.is_success() || !leaks, "{}", told(example, &answer));
                if !example.path.is_empty() {
                    assert_eq!(answer.status, 404, "{}", told(example, &answer));
                }
            }
        }
        // All of it is still there.
        let ours = in_shop(world.shop.owner.signs(app.get(&format!("/v1/customers/{}", world.shop.customer))), &world.shop);
        assert_eq!(ours.send().await.expect(200)["archived_at"], Value::Null);
    }

    async fn the_owner_does_all_of_it_and_it_is_written_down(app: TestApp) {
        let world = World::make(app).await;
        let owner = &world.shop.owner;
        for example in examples() {
            let before = match example.operation {
                "POST /v1/auth/sign-out" => 0,
                _ => entries(app, owner).await,
            };
            let answer = in_shop(owner.signs(world.call(app, example)), &world.shop).send().await;
            assert!(answer.status.is_success(), "{}", told(example, &answer));
            if is_unsafe(example.operation) && !NOT_IN_THE_WORKSPACES_LOG.contains(&example.operation) {
                let after = entries(app, owner).await;
                assert!(after > before, "{} left no audit entry", example.operation);
            }
        }
    }
}
