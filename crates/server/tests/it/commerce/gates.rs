//! Gates: what platform zero gives a workspace, as its own transactions see it; and the catalogue that it comes from.

use std::time::Duration;

use ::commerce::catalogue::{self, FILE_NAME, OPERATOR_WORKSPACE, SHOP_ZERO};
use ::commerce::customers::{CustomerRef, Reference};
use ::commerce::features::{FeatureKind, NewFeature};
use ::commerce::overrides::OverrideCreate;
use ::commerce::plans::Plan;
use ::commerce::subscriptions::SubscriptionCreate;
use ::commerce::{ShopCaller, features, gates, overrides, plans, subscriptions};
use ::runtime::jobs::Worker;
use futures_util::future::join_all;
use serde_json::{Value, json};
use storage::params;
use types::id::{PlatformId, WorkspaceId};
use types::{Error, ErrorCode, PageRequest, Result};

use crate::harness::{Backend, TestApp, run};

const CATALOGUE: &str = include_str!("../../../../../catalogue.toml");

/// The operator, at work in platform zero.
async fn operator(app: &TestApp) -> ShopCaller {
    let caller = app.app.operator(app.issuer().tenant(OPERATOR_WORKSPACE));
    ShopCaller::enter(&app.app, caller, SHOP_ZERO.platform, SHOP_ZERO.mode)
        .await
        .unwrap()
}

/// A workspace that has become a customer of platform zero.
async fn enrolled(app: &TestApp) -> WorkspaceId {
    let workspace = app.sign_up().await.workspace;
    app.run_jobs(workspace).await;
    workspace
}

async fn stock(app: &TestApp, workspace: WorkspaceId, feature: &str, used: i64) -> Result<()> {
    app.app
        .db()
        .of(app.issuer().tenant(workspace))
        .write(|mut tx| async move { gates::stock(&app.app, &mut tx, feature, 1, used).await })
        .await
}

async fn flag(app: &TestApp, workspace: WorkspaceId, feature: &str) -> Result<()> {
    app.app
        .db()
        .of(app.issuer().tenant(workspace))
        .write(|mut tx| async move { gates::flag(&app.app, &mut tx, feature).await })
        .await
}

#[track_caller]
fn refused(outcome: Result<()>, code: ErrorCode) -> Error {
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    error
}

async fn plan(app: &TestApp, group: &str, key: &str) -> Plan {
    let page = PageRequest::default();
    let page = plans::list(&app.app, &operator(app).await, true, &page).await;
    let mut plans = page.unwrap().data.into_iter();
    plans.find(|plan| plan.group == group && plan.key == key).unwrap()
}

fn customer(workspace: WorkspaceId) -> CustomerRef {
    Reference::External(workspace.to_string())
}

async fn subscribe(app: &TestApp, workspace: WorkspaceId, group: &str, key: &str) {
    let input = SubscriptionCreate {
        customer: customer(workspace),
        plan: plan(app, group, key).await.id.to_string(),
        version: None,
    };
    subscriptions::create(&app.app, &operator(app).await, &input)
        .await
        .unwrap();
    gates::project(&app.app, &customer(workspace)).await.unwrap();
}

/// Makes a platform if the plan has room for one more widget: what a product's own operation does.
async fn make_within_stock(app: &TestApp, workspace: WorkspaceId) -> Result<()> {
    const COUNT: &str = "SELECT COUNT(*) AS made FROM platforms WHERE workspace_id = $1";
    const INSERT: &str =
        "INSERT INTO platforms (workspace_id, platform_id, name, created_at) VALUES ($1, $2, 'x', 0)";
    app.app
        .db()
        .of(app.issuer().tenant(workspace))
        .write(|mut tx| async move {
            let used = tx.fetch_one(COUNT, params![workspace]).await?.get("made")?;
            gates::stock(&app.app, &mut tx, "widgets.published", 1, used).await?;
            tx.execute(INSERT, params![workspace, PlatformId::generate()])
                .await
                .map(drop)
        })
        .await
}

both_databases! {
    async fn a_new_workspace_has_the_free_plans_at_once(app: TestApp) {
        let workspace = app.sign_up().await.workspace;
        stock(app, workspace, "context.projects", 0).await.unwrap();
        let full = refused(stock(app, workspace, "context.projects", 1).await, ErrorCode::PlanLimitReached);
        let members = full.members();
        assert_eq!((&members["limit"], &members["used"], &members["plan"]), (&json!(1), &json!(1), &json!("free")));
        assert_eq!(members["upgrade"][0], json!({"plan": "pro", "limit": 10}));
        refused(stock(app, workspace, "context.api_keys", 0).await, ErrorCode::PlanLimitReached);
        let off = refused(flag(app, workspace, "context.sync").await, ErrorCode::FeatureNotInPlan);
        assert_eq!(off.members()["plan"], "free");
        assert_eq!(off.members()["upgrade"][0], json!({"plan": "pro"}));
    }

    async fn the_gates_follow_the_subscription(app: TestApp) {
        let workspace = enrolled(app).await;
        subscribe(app, workspace, "context", "pro").await;
        stock(app, workspace, "context.projects", 9).await.unwrap();
        flag(app, workspace, "context.sync").await.unwrap();
        let full = refused(stock(app, workspace, "context.projects", 10).await, ErrorCode::PlanLimitReached);
        assert_eq!((&full.members()["plan"], &full.members()["upgrade"][0]["plan"]), (&json!("pro"), &json!("team")));
        // The other groups are as they were.
        refused(stock(app, workspace, "widgets.published", 1).await, ErrorCode::PlanLimitReached);

        subscribe(app, workspace, "context", "enterprise").await;
        stock(app, workspace, "context.projects", i64::MAX - 1).await.unwrap();
        subscribe(app, workspace, "context", "free").await;
        refused(flag(app, workspace, "context.sync").await, ErrorCode::FeatureNotInPlan);
    }

    async fn an_override_counts_until_it_expires(app: TestApp) {
        let workspace = enrolled(app).await;
        let until = app.app.now() + Duration::from_secs(3600);
        let body = json!({"customer": workspace, "feature": "context.projects", "granted": true, "limit": 3,
            "reason": "A trial.", "expires_at": until});
        let input: OverrideCreate = serde_json::from_value(body).unwrap();
        overrides::create(&app.app, &operator(app).await, &input).await.unwrap();
        gates::project(&app.app, &customer(workspace)).await.unwrap();
        stock(app, workspace, "context.projects", 2).await.unwrap();
        app.advance(Duration::from_secs(3600));
        gates::project(&app.app, &customer(workspace)).await.unwrap();
        let over = refused(stock(app, workspace, "context.projects", 2).await, ErrorCode::PlanLimitReached);
        assert_eq!((&over.members()["limit"], &over.members()["plan"]), (&json!(1), &json!("free")));
    }

    async fn of_many_at_once_only_as_many_as_the_plan_allows_get_through(app: TestApp) {
        let workspace = app.sign_up().await.workspace;
        let outcomes = join_all((0..12).map(|_| make_within_stock(app, workspace))).await;
        let (made, refusals): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!((made.len(), refusals.len()), (1, 11));
        for refusal in refusals {
            refused(refusal, ErrorCode::PlanLimitReached);
        }
    }

    async fn the_operators_own_workspace_is_unlimited(app: TestApp) {
        stock(app, OPERATOR_WORKSPACE, "context.projects", i64::MAX - 1).await.unwrap();
        flag(app, OPERATOR_WORKSPACE, "context.sso").await.unwrap();
        gates::project(&app.app, &customer(OPERATOR_WORKSPACE)).await.unwrap();
        flag(app, OPERATOR_WORKSPACE, "context.sso").await.unwrap();
    }

    async fn what_one_workspace_has_is_no_other_ones(app: TestApp) {
        let (one, other) = (enrolled(app).await, enrolled(app).await);
        subscribe(app, one, "context", "pro").await;
        gates::project(&app.app, &customer(other)).await.unwrap();
        refused(stock(app, other, "context.projects", 1).await, ErrorCode::PlanLimitReached);
        // What one loses, the other keeps.
        subscribe(app, other, "context", "pro").await;
        subscribe(app, one, "context", "free").await;
        refused(flag(app, one, "context.sync").await, ErrorCode::FeatureNotInPlan);
        flag(app, other, "context.sync").await.unwrap();
    }

    async fn starting_again_changes_nothing(app: TestApp) {
        let before = plan(app, "context", "pro").await;
        catalogue::seed(&app.app).await.unwrap();
        assert_eq!(plan(app, "context", "pro").await, before);
        assert_eq!(before.current.version, 1);
    }

    async fn platform_zero_is_changed_in_its_catalogue_alone(app: TestApp) {
        let seller = operator(app).await;
        let new = NewFeature {
            key: "more".to_owned(),
            name: "More".to_owned(),
            kind: FeatureKind::Boolean,
            unit: None,
            meter: None,
            dimensions: Vec::new(),
        };
        let refusal = features::create(&app.app, &seller, &new).await.unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::Conflict);
        let pro = plan(app, "context", "pro").await;
        assert_eq!(plans::archive(&app.app, &seller, pro.id).await.unwrap_err().code(), ErrorCode::Conflict);
        let zero = ::commerce::platforms::archive(&app.app, &seller.caller, SHOP_ZERO.platform).await;
        assert_eq!(zero.unwrap_err().code(), ErrorCode::Conflict);
    }
}

/// On PostgreSQL the tests share platform zero, and each other's workers would take these jobs.
#[test]
fn the_gates_follow_by_themselves() {
    run(Backend::Sqlite, async |app: &TestApp| {
        let workspace = enrolled(app).await;
        let worker = Worker::new(app.app.clone());
        let seller = operator(app).await;
        let until = app.app.now() + Duration::from_secs(3600);
        let body = json!({"customer": workspace, "feature": "context.sync", "granted": true,
            "reason": "A trial.", "expires_at": until});
        let input: OverrideCreate = serde_json::from_value(body).unwrap();
        overrides::create(&app.app, &seller, &input).await.unwrap();
        let input = SubscriptionCreate {
            customer: customer(workspace),
            plan: plan(app, "widgets", "pro").await.id.to_string(),
            version: None,
        };
        let subscription = subscriptions::create(&app.app, &seller, &input).await.unwrap();
        worker.drain(None).await.unwrap();
        stock(app, workspace, "widgets.published", 24).await.unwrap();
        flag(app, workspace, "context.sync").await.unwrap();

        subscriptions::end(&app.app, &seller, subscription.id)
            .await
            .unwrap();
        app.advance(Duration::from_secs(3600));
        worker.drain(None).await.unwrap();
        refused(
            stock(app, workspace, "widgets.published", 0).await,
            ErrorCode::PlanLimitReached,
        );
        refused(
            flag(app, workspace, "context.sync").await,
            ErrorCode::FeatureNotInPlan,
        );
    });
}

/// These change platform zero itself, which on PostgreSQL all tests share.
fn with_catalogue(text: String, test: impl AsyncFnOnce(&TestApp, WorkspaceId)) {
    run(Backend::Sqlite, async move |app: &TestApp| {
        // The catalogue is read once: this one is there before anything asks for it.
        let path = app.app.config().server.data_dir.join(FILE_NAME);
        std::fs::write(path, text).unwrap();
        let workspace = enrolled(app).await;
        test(app, workspace).await;
    });
}

#[test]
fn a_plan_that_gives_something_else_gets_a_new_version() {
    let text = CATALOGUE.replace("\"context.projects\" = 10", "\"context.projects\" = 12");
    with_catalogue(text, async |app, workspace| {
        subscribe(app, workspace, "context", "pro").await;
        let before = plan(app, "context", "pro").await;
        catalogue::seed(&app.app).await.unwrap();
        let after = plan(app, "context", "pro").await;
        assert_eq!((before.current.version, after.current.version), (1, 2));
        let untouched = plan(app, "context", "team").await;
        assert_eq!(untouched.current.version, 1);
        // Who is subscribed keeps what was agreed on.
        gates::project(&app.app, &customer(workspace)).await.unwrap();
        refused(
            stock(app, workspace, "context.projects", 10).await,
            ErrorCode::PlanLimitReached,
        );
        subscribe(app, workspace, "context", "pro").await;
        stock(app, workspace, "context.projects", 11).await.unwrap();
        catalogue::seed(&app.app).await.unwrap();
        assert_eq!(plan(app, "context", "pro").await, after);
    });
}

#[test]
fn what_the_catalogue_no_longer_has_is_archived() {
    let (start, end) = (
        CATALOGUE.find("# Widgets\n").unwrap(),
        CATALOGUE.find("# Templates").unwrap(),
    );
    let text = format!("{}{}", &CATALOGUE[..start], &CATALOGUE[end..]);
    with_catalogue(text, async |app, workspace| {
        catalogue::seed(&app.app).await.unwrap();
        let pro = plan(app, "widgets", "pro").await;
        assert!(pro.archived_at.is_some());
        assert!(plan(app, "context", "pro").await.archived_at.is_none());
        gates::project(&app.app, &customer(workspace)).await.unwrap();
        stock(app, workspace, "context.projects", 0).await.unwrap();
    });
}

#[test]
fn a_broken_catalogue_names_line_and_key_and_changes_nothing() {
    run(Backend::Sqlite, async |app: &TestApp| {
        let before: Value = serde_json::to_value(plan(app, "context", "pro").await).unwrap();
        let path = app.app.config().server.data_dir.join(FILE_NAME);
        let text = CATALOGUE.replace("\"context.projects\" = 10", "\"context.projects\" = -10");
        let line = text.lines().position(|line| line.contains("-10")).unwrap() + 1;
        std::fs::write(path, text).unwrap();
        let error = catalogue::seed(&app.app).await.unwrap_err();
        assert!(error.detail().contains(&format!("line {line}")), "{error}");
        assert!(error.detail().contains("context.projects"), "{error}");
        let after: Value = serde_json::to_value(plan(app, "context", "pro").await).unwrap();
        assert_eq!(after, before);
    });
}
