//! How grants end: voided, rolled over, or lost.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use storage::params;
use types::id::JobId;

use super::{DAY, get, give, id, list, path, take, version, void};
use crate::commerce::records::{actions, events};
use crate::harness::{TestApp, TestShop};

/// Enqueues every job that waits to see to a grant once more, as if a node had died after its work and before it said so.
async fn enqueue_again(app: &TestApp, shop: &TestShop) {
    const AGAIN: &str =
        "INSERT INTO jobs (workspace_id, job_id, kind, payload, state, run_at, attempts, created_at)
        SELECT workspace_id, $1, kind, payload, state, run_at, attempts, created_at FROM jobs
        WHERE workspace_id = $2 AND kind = 'commerce.expire_grant'";
    let (workspace, job) = (shop.owner.workspace, JobId::generate());
    let again = app.app.db().of(app.system());
    let enqueued = again.write(|mut tx| async move { tx.execute(AGAIN, params![job, workspace]).await });
    assert_eq!(enqueued.await.unwrap(), 1);
}

both_databases! {
    async fn a_grant_is_voided_once(app: TestApp) {
        let shop = app.open_shop().await;
        let end = app.app.now() + DAY;
        let fields = json!({"expires_at": end, "rollover": {"max": 100}});
        let given = give(app, &shop, fields).await.expect(201);
        take(app, &shop, &given, 2, 3).await;
        let before = version(app, &shop).await;
        let no_reason = shop.signs(app.post(&format!("{}/void", path(&given)))).json(&json!({}));
        no_reason.send().await.refused(422, "validation_failed");

        let voided = void(app, &shop, &given).await.expect(200);
        assert_eq!(json!([voided["voided_at"], voided["expires_at"]]), json!([app.app.now(), end]));
        // What open holds reserve stays theirs.
        assert_eq!(json!([voided["used"], voided["held"], voided["remaining"]]), json!([2, 3, 5]));
        assert!(version(app, &shop).await > before);
        app.advance(Duration::from_secs(60));
        assert_eq!(void(app, &shop, &given).await.expect(200), voided);

        // It has ended already: nothing rolls over.
        app.advance(DAY);
        app.run_jobs(shop.owner.workspace).await;
        assert_eq!(list(app, &shop, "").await["data"], json!([voided]));
        assert_eq!(actions(app, &shop, &id(&given)).await, ["grant.create", "grant.void"]);
        assert_eq!(events(app, &shop, &id(&given)).await, ["grant.created", "grant.voided"]);
    }

    async fn what_is_left_rolls_over_exactly_once(app: TestApp) {
        let shop = app.open_shop().await;
        let end = app.app.now() + DAY;
        let fields = json!({"priority": 3, "expires_at": end, "rollover": {"max": 4, "lasts_secs": 86_400}});
        let given = give(app, &shop, fields).await.expect(201);
        take(app, &shop, &given, 3, 1).await;
        enqueue_again(app, &shop).await;
        app.run_jobs(shop.owner.workspace).await;
        assert_eq!(list(app, &shop, "").await["data"].as_array().unwrap().len(), 1, "not before its time");

        let before = version(app, &shop).await;
        app.advance(DAY + Duration::from_secs(5));
        assert!(app.run_jobs(shop.owner.workspace).await >= 2);
        let all = list(app, &shop, "").await;
        let [next, old] = all["data"].as_array().unwrap().as_slice() else {
            panic!("one successor, not: {all}");
        };
        assert_eq!(json!([old["rolled_to"], old["remaining"]]), json!([next["id"], 6]));
        assert_eq!(
            json!([next["amount"], next["used"], next["held"], next["priority"]]),
            json!([4, 0, 0, 3])
        );
        // From the very instant on at which the old one ended.
        assert_eq!(json!([next["effective_at"], next["expires_at"]]), json!([end, end + DAY]));
        assert_eq!(json!([next["rollover"], next["reason"]]), json!([old["rollover"], old["reason"]]));
        assert!(version(app, &shop).await > before);
        assert_eq!(actions(app, &shop, &id(old)).await, ["grant.create", "grant.roll_over"]);
        assert_eq!(events(app, &shop, &id(old)).await, ["grant.created", "grant.rolled_over"]);
        assert_eq!(events(app, &shop, &id(next)).await, ["grant.created"]);

        let problem = void(app, &shop, &given).await.refused(409, "conflict");
        assert!(problem["detail"].as_str().unwrap().contains(&id(next)), "{problem}");
        // The successor ends in its turn.
        app.advance(DAY);
        app.run_jobs(shop.owner.workspace).await;
        assert_eq!(list(app, &shop, "").await["data"].as_array().unwrap().len(), 3);
    }

    async fn a_rollover_tops_up(app: TestApp) {
        let shop = app.open_shop().await;
        let fields = json!({"expires_at": app.app.now() + DAY, "rollover": {"min": 5, "max": 7}});
        let given = give(app, &shop, fields).await.expect(201);
        take(app, &shop, &given, 10, 0).await;
        app.advance(DAY);
        app.run_jobs(shop.owner.workspace).await;
        let next = list(app, &shop, "").await["data"][0].clone();
        assert_eq!(json!([next["amount"], next["expires_at"], next["rollover"]]), json!([5, null, null]));
    }

    async fn what_does_not_roll_over_is_told_to_be_lost(app: TestApp) {
        let shop = app.open_shop().await;
        let end = app.app.now() + DAY;
        let plain = give(app, &shop, json!({"expires_at": end})).await.expect(201);
        let fields = json!({"expires_at": end, "rollover": {"max": 7}});
        let used_up = give(app, &shop, fields).await.expect(201);
        take(app, &shop, &plain, 4, 0).await;
        take(app, &shop, &used_up, 10, 0).await;
        app.advance(DAY);
        void(app, &shop, &plain).await.refused(409, "conflict");
        app.run_jobs(shop.owner.workspace).await;
        for (grant, left) in [(&plain, 6), (&used_up, 0)] {
            assert_eq!(events(app, &shop, &id(grant)).await, ["grant.created", "grant.expired"]);
            let expired = get(app, &shop, grant).await;
            assert_eq!(json!([expired["remaining"], expired["rolled_to"]]), json!([left, null]));
        }
        assert_eq!(list(app, &shop, "").await["data"].as_array().unwrap().len(), 2);
    }

    async fn a_grant_that_many_void_at_once_ends_once(app: TestApp) {
        let shop = app.open_shop().await;
        let given = give(app, &shop, json!({})).await.expect(201);
        let answers = join_all((0..8).map(|_| void(app, &shop, &given))).await;
        let voided: Vec<Value> = answers.into_iter().map(|answer| answer.expect(200)).collect();
        assert!(voided.iter().all(|answer| *answer == voided[0]));
        assert_eq!(events(app, &shop, &id(&given)).await, ["grant.created", "grant.voided"]);
    }
}
