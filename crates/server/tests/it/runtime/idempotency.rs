//! `Idempotency-Key` on unsafe calls.

use serde_json::json;

both_databases! {
    async fn the_same_request_is_answered_again_and_done_once(app: TestApp) {
        let member = app.sign_up().await;
        let create = || member.signs(app.post("/v1/platforms")).header("idempotency-key", "make-one");
        let first = create().json(&json!({"name": "One"})).send().await;
        let again = create().json(&json!({"name": "One"})).send().await;
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(first.expect(201), again.expect(201));
        let platforms = member.signs(app.get("/v1/platforms")).send().await.expect(200);
        assert_eq!(platforms["data"].as_array().unwrap().len(), 1);
    }

    async fn another_request_under_the_key_is_refused(app: TestApp) {
        let member = app.sign_up().await;
        let create = || member.signs(app.post("/v1/platforms")).header("idempotency-key", "make-one");
        create().json(&json!({"name": "One"})).send().await.expect(201);
        create().json(&json!({"name": "Two"})).send().await.refused(422, "idempotency_key_reused");
    }

    async fn the_same_body_for_another_platform_is_another_request(app: TestApp) {
        let member = app.sign_up().await;
        let feature = json!({"key": "export", "name": "Export", "kind": "boolean"});
        for (name, code) in [("One", 201), ("Two", 422)] {
            let platform = member.signs(app.post("/v1/platforms")).json(&json!({"name": name})).send().await.expect(201);
            let create = member.signs(app.post("/v1/features")).header("plinth-platform", platform["id"].as_str().unwrap());
            create.header("idempotency-key", "make-one").json(&feature).send().await.expect(code);
        }
    }

    async fn a_refusal_frees_the_key(app: TestApp) {
        let member = app.sign_up().await;
        let create = || member.signs(app.post("/v1/platforms")).header("idempotency-key", "make-one");
        create().json(&json!({"name": ""})).send().await.refused(422, "validation_failed");
        create().json(&json!({"name": "One"})).send().await.expect(201);
    }

    async fn keys_of_others_are_theirs(app: TestApp) {
        let (one, other) = (app.sign_up().await, app.sign_up().await);
        for member in [one, other] {
            let create = member.signs(app.post("/v1/platforms")).header("idempotency-key", "shared");
            let answer = create.json(&json!({"name": member.email})).send().await;
            assert_eq!(answer.header("idempotent-replayed"), None);
            assert_eq!(answer.expect(201)["name"], member.email.as_str());
        }
    }

    async fn a_secret_that_was_shown_once_is_stored_sealed(app: TestApp) {
        let member = app.sign_up().await;
        let body = json!({"name": "ci", "kind": "secret", "mode": "live", "scopes": ["platforms:read"]});
        let create = || member.signs(app.post("/v1/api_keys")).header("idempotency-key", "key").json(&body);
        let first = create().send().await.expect(201);
        let secret = first["secret"].as_str().unwrap().to_owned();
        assert_eq!(create().send().await.expect(201)["secret"], secret.as_str(), "replayed with its secret");
        let tenant = app.issuer().tenant(member.workspace);
        let stored: Vec<u8> = app
            .app
            .db()
            .of(tenant)
            .read(|mut tx| async move {
                let sql = "SELECT body FROM idempotency_keys WHERE workspace_id = $1";
                tx.fetch_one(sql, storage::params![tx.workspace()]).await?.get("body")
            })
            .await
            .unwrap();
        let needle = &secret.as_bytes()[8..40];
        assert!(!stored.windows(needle.len()).any(|window| window == needle));
    }
}
