//! The pipeline: ids, problems, headers, CORS, health.

use serde_json::json;

use crate::harness::{Backend, Member, TestApp, run, run_with};

/// Whether a signed-in person's page of that origin may change something.
async fn may_act(app: &TestApp, member: &Member, origin: &str) -> bool {
    let create = member.signs(app.post("/v1/platforms")).header("origin", origin);
    create.json(&json!({"name": "One"})).send().await.status == 201
}

#[test]
fn in_production_our_pages_are_at_the_public_address_alone() {
    let local = ["http://127.0.0.1:8787", "http://localhost:8787"];
    run(Backend::Sqlite, async |app| {
        let member = app.sign_up().await;
        assert!(may_act(app, &member, local[0]).await && may_act(app, &member, local[1]).await);
    });
    let settings = [
        ("PLINTH_ENVIRONMENT", "production"),
        ("PLINTH_PUBLIC_URL", "https://plinth.example.com"),
    ];
    run_with(Backend::Sqlite, &settings, async |app| {
        let member = app.sign_up().await;
        assert!(may_act(app, &member, "https://plinth.example.com").await);
        assert!(!may_act(app, &member, local[0]).await && !may_act(app, &member, local[1]).await);
    });
}

both_databases! {
    async fn every_answer_has_an_id_and_the_security_headers(app: TestApp) {
        for path in ["/v1/platforms", "/healthz", "/nowhere"] {
            let answer = app.get(path).send().await;
            assert!(answer.header("request-id").unwrap().starts_with("req_"), "{path}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
            assert!(answer.header("content-security-policy").is_some(), "{path}");
            assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"), "{path}");
        }
    }

    async fn health_has_the_shape_that_clients_know_on_every_base(app: TestApp) {
        for base in ["", "/v1", "/context", "/dream", "/relay", "/embed", "/forms"] {
            for path in ["/api/healthz", "/healthz"] {
                let health = app.get(&format!("{base}{path}")).send().await.expect(200);
                assert_eq!(health["up"], true, "{health}");
                assert_eq!(health["env"], "development");
                assert_eq!((&health["deps"]["supabase"], &health["deps"]["edgeConfig"]), (&json!(true), &json!(true)));
                assert!(health["sha"].is_string());
            }
        }
    }

    async fn what_is_not_there_is_a_problem_too(app: TestApp) {
        let missing = app.get("/v1/nothing").send().await.refused(404, "not_found");
        assert_eq!((&missing["type"], &missing["status"]), (&json!("/problems/not_found"), &json!(404)));
        let wrong = app.call("PUT", "/v1/platforms").send().await;
        assert!(wrong.header("allow").unwrap().contains("POST"));
        wrong.refused(405, "method_not_allowed");
    }

    async fn without_a_credential_the_answer_says_how_to_show_one(app: TestApp) {
        let answer = app.get("/v1/platforms").send().await;
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        answer.refused(401, "unauthenticated");
        app.get("/v1/platforms").key("sk_live_p1_nonsense").send().await.refused(401, "unauthenticated");
        app.get("/v1/platforms").header("authorization", "Basic eDp5").send().await.refused(401, "unauthenticated");
    }

    async fn heads_have_limits(app: TestApp) {
        let long = app.get(&format!("/v1/platforms?cursor={}", "a".repeat(9_000))).send().await;
        long.refused(414, "uri_too_long");
        let wide = app.get("/v1/platforms").header("x-filler", "a".repeat(40_000)).send().await;
        wide.refused(431, "headers_too_large");
    }

    async fn another_sites_page_cannot_act_for_a_member(app: TestApp) {
        let member = app.sign_up().await;
        let create = || member.signs(app.post("/v1/platforms")).json(&json!({"name": "Forged"}));
        create().header("sec-fetch-site", "cross-site").send().await.refused(403, "origin_refused");
        create().header("origin", "https://evil.example").send().await.refused(403, "origin_refused");
        // A header that shows nothing of ours does not take the cookie's place, nor the check away.
        let beside = create().header("authorization", "Basic eDp5").header("sec-fetch-site", "cross-site");
        beside.send().await.refused(403, "origin_refused");
        create().header("sec-fetch-site", "same-origin").send().await.expect(201);
        // Reading is left to CORS, and no origin is on a list here.
        let read = member.signs(app.get("/v1/platforms")).header("origin", "https://evil.example").send().await;
        assert_eq!(read.header("access-control-allow-origin"), None);
    }

    async fn the_document_is_openapi_3_1_and_names_its_operations_by_noun(app: TestApp) {
        let document = app.get("/openapi.json").send().await.expect(200);
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let (id, tag) = (
                    operation["operationId"].as_str().unwrap(),
                    operation["tags"][0].as_str().unwrap(),
                );
                let noun = tag.strip_suffix("ies").or(tag.strip_suffix('s')).unwrap_or(tag);
                assert!(id.starts_with(noun), "{method} {path}: {id} does not begin with its noun, {tag}");
                assert!(path.starts_with("/v1/"), "{path}");
            }
        }
    }
}
