//! API keys: what they are made of, who may make which, and when they are refused.

use std::time::{Duration, Instant};

use ::commerce::api_keys::{MAX_KEYS, has_usable, write_uses};
use serde_json::{Value, json};
use storage::params;
use types::Mode;
use types::id::ApiKeyId;

use crate::harness::{Answer, Backend, Example, Member, TestApp, run};

pub const EXAMPLES: &[Example] = &[
    example!("POST /v1/api_keys", |_world| {"name": "ci", "kind": "secret", "mode": "live", "scopes": ["usage:read"]}),
    example!("GET /v1/api_keys"),
    example!("GET /v1/api_keys/{api_key}", "api_key" = "api_key"),
    example!("PATCH /v1/api_keys/{api_key}", "api_key" = "api_key", |_world| {"name": "renamed"}),
    example!("POST /v1/api_keys/{api_key}/rotate", "api_key" = "api_key", |_world| {"overlap_secs": 60}),
    example!("DELETE /v1/api_keys/{api_key}", "api_key" = "spare_api_key"),
];

const KEYS: &str = "/v1/api_keys";

fn workspace_key(scopes: &[&str]) -> Value {
    json!({"name": "deploy", "kind": "secret", "mode": "live", "scopes": scopes})
}

fn platform_key(platform: &Value, kind: &str, mode: &str, scopes: &[&str]) -> Value {
    json!({"name": "shop", "kind": kind, "platform": platform, "mode": mode, "scopes": scopes})
}

fn path(key: &Value) -> String {
    format!("{KEYS}/{}", key["id"].as_str().unwrap())
}

/// A key and its secret.
async fn create(app: &TestApp, by: &Member, new: &Value) -> (Value, String) {
    parts(by.signs(app.post(KEYS)).json(new).send().await)
}

#[track_caller]
fn parts(answer: Answer) -> (Value, String) {
    let body = answer.expect(201);
    (
        body["api_key"].clone(),
        body["secret"].as_str().unwrap().to_owned(),
    )
}

async fn rotate(app: &TestApp, by: &Member, key: &Value, overlap_secs: u32) -> Answer {
    let body = json!({"overlap_secs": overlap_secs});
    by.signs(app.post(&format!("{}/rotate", path(key))))
        .json(&body)
        .send()
        .await
}

async fn new_platform(app: &TestApp, by: &Member) -> Value {
    let platform = by
        .signs(app.post("/v1/platforms"))
        .json(&json!({"name": "Weather"}))
        .send()
        .await;
    platform.expect(201)["id"].clone()
}

/// Whether a secret is accepted: the answer to the plainest request that needs a key.
async fn try_out(app: &TestApp, secret: &str) -> Answer {
    app.get(KEYS).key(secret).send().await
}

both_databases! {
    async fn a_secret_is_shown_once_and_works(app: TestApp) {
        let ada = app.sign_up().await;
        let (key, secret) = create(app, &ada, &workspace_key(&["api_keys:read"])).await;
        assert!(secret.starts_with("sk_live_p1_") && secret.len() == 82);
        assert!(key["hint"].as_str().unwrap().ends_with(&secret[78..]));
        assert_eq!((&key["platform"], &key["kind"], &key["mode"]), (&Value::Null, &json!("secret"), &json!("live")));
        assert_eq!(key["created_by"], json!(ada.user));

        let listed = try_out(app, &secret).await;
        assert!(!listed.text().contains(&secret));
        assert_eq!(listed.expect(200)["data"], json!([key]));
        assert_eq!(ada.signs(app.get(&path(&key))).send().await.expect(200), key);
    }

    async fn kinds_modes_and_scopes_have_to_fit(app: TestApp) {
        let ada = app.sign_up().await;
        let platform = new_platform(app, &ada).await;
        let past = app.app.now() - Duration::from_secs(1);
        let cases = [
            (json!({"name": "", "kind": "secret", "mode": "live", "scopes": ["usage:read"]}), "name"),
            (json!({"name": "a\u{0}", "kind": "secret", "mode": "live", "scopes": ["usage:read"]}), "name"),
            (json!({"name": "a", "kind": "secret", "mode": "test", "scopes": ["usage:read"]}), "mode"),
            (json!({"name": "a", "kind": "publishable", "mode": "live"}), "platform"),
            (json!({"name": "a", "kind": "master", "mode": "live"}), "kind"),
            (json!({"name": "a", "kind": "secret", "mode": "live"}), "scopes"),
            (json!({"name": "a", "kind": "secret", "mode": "live", "scopes": ["usage:all"]}), "scopes[0]"),
            (json!({"name": "a", "kind": "secret", "mode": "live", "scopes": ["usage:read"], "expires_at": past}), "expires_at"),
            (platform_key(&platform, "publishable", "live", &["usage:read"]), "scopes"),
            (platform_key(&platform, "secret", "live", &["usage:read", "members:read"]), "scopes"),
        ];
        for (body, field) in cases {
            let answer = ada.signs(app.post(KEYS)).json(&body).send().await;
            let problem = answer.refused(422, "validation_failed");
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        }
        let unknown = platform_key(&json!("plt_00000000000000000000000000"), "secret", "live", &["usage:read"]);
        ada.signs(app.post(KEYS)).json(&unknown).send().await.refused(404, "not_found");
    }

    async fn a_key_gives_away_no_more_than_it_has(app: TestApp) {
        let ada = app.sign_up().await;
        let (rich, _) = create(app, &ada, &workspace_key(&["api_keys:manage", "usage:read"])).await;
        let (_, poor) = create(app, &ada, &workspace_key(&["api_keys:manage"])).await;
        let make = |scopes: &[&str]| app.post(KEYS).key(&poor).json(&workspace_key(scopes)).send();
        let problem = make(&["api_keys:manage", "usage:read"]).await.refused(403, "permission_denied");
        assert_eq!(problem["permission"], "usage:read");
        make(&["api_keys:manage"]).await.expect(201);
        // Rotating would hand over the new secret of a key that may do more.
        let rotation = app.post(&format!("{}/rotate", path(&rich))).key(&poor).json(&json!({})).send().await;
        rotation.refused(403, "permission_denied");

        app.get(KEYS).key(&poor).send().await.refused(403, "permission_denied");
        let (_, reader) = create(app, &ada, &workspace_key(&["api_keys:read"])).await;
        app.delete(&path(&rich)).key(&reader).send().await.refused(403, "permission_denied");
    }

    async fn another_workspace_s_keys_are_not_there(app: TestApp) {
        let (ada, eve) = (app.sign_up().await, app.sign_up().await);
        let (key, secret) = create(app, &ada, &workspace_key(&["api_keys:read"])).await;
        for call in [app.get(&path(&key)), app.delete(&path(&key)), app.patch(&path(&key)).json(&json!({"name": "mine"}))] {
            eve.signs(call).send().await.refused(404, "not_found");
        }
        rotate(app, &eve, &key, 0).await.refused(404, "not_found");
        assert_eq!(eve.signs(app.get(KEYS)).send().await.expect(200)["data"], json!([]));
        for (member, has_it) in [(&ada, true), (&eve, false)] {
            let operator = app.app.operator(app.issuer().tenant(member.workspace));
            assert_eq!(has_usable(&app.app, &operator, "deploy").await.unwrap(), has_it);
        }
        // Nor does the key open a workspace that is named beside it.
        let astray = app.get(KEYS).key(&secret).header("plinth-workspace", eve.workspace);
        astray.send().await.refused(404, "not_found");
        let foreign = platform_key(&new_platform(app, &ada).await, "secret", "live", &["usage:read"]);
        eve.signs(app.post(KEYS)).json(&foreign).send().await.refused(404, "not_found");
    }

    async fn a_revoked_key_is_refused_at_once_and_for_good(app: TestApp) {
        let ada = app.sign_up().await;
        let (key, secret) = create(app, &ada, &workspace_key(&["api_keys:read"])).await;
        try_out(app, &secret).await.expect(200);
        let revoked = ada.signs(app.delete(&path(&key))).send().await.expect(200);
        assert_eq!(revoked["revoked_at"], json!(app.app.now()));
        try_out(app, &secret).await.refused(401, "api_key_revoked");

        app.advance(Duration::from_secs(60));
        assert_eq!(ada.signs(app.delete(&path(&key))).send().await.expect(200), revoked);
        rotate(app, &ada, &key, 0).await.refused(409, "conflict");
        let log = ada.signs(app.get("/v1/audit_entries")).send().await.expect(200);
        let entries = log["data"].as_array().unwrap().iter();
        let revocations = entries.filter(|entry| entry["action"] == "api_key.revoke" && entry["target_id"] == key["id"]);
        assert_eq!(revocations.count(), 1);
        assert!(!log.to_string().contains(&secret));
    }

    async fn a_rotated_key_is_good_for_the_overlap(app: TestApp) {
        let ada = app.sign_up().await;
        let (old, old_secret) = create(app, &ada, &workspace_key(&["api_keys:read"])).await;
        let (new, new_secret) = parts(rotate(app, &ada, &old, 60).await);
        assert_eq!((&new["name"], &new["scopes"]), (&old["name"], &old["scopes"]));
        try_out(app, &old_secret).await.expect(200);
        try_out(app, &new_secret).await.expect(200);
        let again = rotate(app, &ada, &old, 0).await.refused(409, "conflict");
        assert!(again["detail"].as_str().unwrap().contains(new["id"].as_str().unwrap()));

        app.advance(Duration::from_secs(60));
        let expired = try_out(app, &old_secret).await.refused(401, "api_key_expired");
        assert!(expired["detail"].as_str().unwrap().contains(new["id"].as_str().unwrap()));
        try_out(app, &new_secret).await.expect(200);
        let (_, newest) = parts(rotate(app, &ada, &new, 0).await);
        try_out(app, &new_secret).await.refused(401, "api_key_expired");
        try_out(app, &newest).await.expect(200);
        rotate(app, &ada, &new, 30 * 86_400 + 1).await.refused(422, "validation_failed");
    }

    async fn a_key_ends_when_it_should_and_sooner_on_request(app: TestApp) {
        let ada = app.sign_up().await;
        let mut new = workspace_key(&["api_keys:read"]);
        new["expires_at"] = json!(app.app.now() + Duration::from_secs(100));
        let (key, secret) = create(app, &ada, &new).await;
        let change = async |body: Value| ada.signs(app.patch(&path(&key))).json(&body).send().await;
        change(json!({"expires_at": app.app.now() + Duration::from_secs(101)})).await.refused(422, "validation_failed");
        change(json!({})).await.refused(422, "validation_failed");
        change(json!({"secret": "x"})).await.refused(422, "validation_failed");
        assert_eq!(change(json!({"name": "renamed"})).await.expect(200)["name"], "renamed");

        try_out(app, &secret).await.expect(200);
        change(json!({"expires_at": app.app.now() + Duration::from_secs(50)})).await.expect(200);
        app.advance(Duration::from_secs(49));
        try_out(app, &secret).await.expect(200);
        app.advance(Duration::from_secs(1));
        try_out(app, &secret).await.refused(401, "api_key_expired");
        rotate(app, &ada, &key, 0).await.refused(409, "conflict");
    }

    async fn a_platform_s_key_stays_in_its_platform_and_mode(app: TestApp) {
        let ada = app.sign_up().await;
        let (weather, other) = (new_platform(app, &ada).await, new_platform(app, &ada).await);
        let scopes = ["api_keys:read", "api_keys:manage"];
        let (own, secret) = create(app, &ada, &platform_key(&weather, "secret", "test", &scopes)).await;
        assert!(secret.starts_with("sk_test_p1_"));
        let (live, _) = create(app, &ada, &platform_key(&weather, "secret", "live", &scopes)).await;
        let (elsewhere, _) = create(app, &ada, &platform_key(&other, "secret", "test", &scopes)).await;
        let (whole, _) = create(app, &ada, &workspace_key(&scopes)).await;

        assert_eq!(try_out(app, &secret).await.expect(200)["data"], json!([own]));
        for key in [&live, &elsewhere, &whole] {
            app.get(&path(key)).key(&secret).send().await.refused(404, "not_found");
            app.delete(&path(key)).key(&secret).send().await.refused(404, "not_found");
        }
        let make = |body: Value| app.post(KEYS).key(&secret).json(&body).send();
        for body in [
            workspace_key(&["api_keys:read"]),
            platform_key(&weather, "secret", "live", &["api_keys:read"]),
            platform_key(&other, "secret", "test", &["api_keys:read"]),
        ] {
            make(body).await.refused(403, "permission_denied");
        }
        let (public, public_secret) = parts(make(platform_key(&weather, "publishable", "test", &[])).await);
        assert!(public_secret.starts_with("pk_test_p1_"));
        assert_eq!(public["created_by"], own["id"]);
        try_out(app, &public_secret).await.refused(403, "wrong_key_kind");

        let of_weather = format!("{KEYS}?platform={}", weather.as_str().unwrap());
        let listed = ada.signs(app.get(&of_weather)).send().await.expect(200);
        assert_eq!(listed["data"].as_array().unwrap().len(), 3);
    }

    async fn an_archived_platform_s_keys_are_refused(app: TestApp) {
        let ada = app.sign_up().await;
        let platform = new_platform(app, &ada).await;
        let new = platform_key(&platform, "secret", "live", &["api_keys:read"]);
        let (key, secret) = create(app, &ada, &new).await;
        let archive = format!("/v1/platforms/{}/archive", platform.as_str().unwrap());
        ada.signs(app.post(&archive)).send().await.expect(200);
        try_out(app, &secret).await.refused(401, "api_key_revoked");
        ada.signs(app.post(KEYS)).json(&new).send().await.refused(409, "conflict");
        rotate(app, &ada, &key, 0).await.refused(409, "conflict");
    }

    async fn what_is_not_a_key_is_refused(app: TestApp) {
        let ada = app.sign_up().await;
        let (_, secret) = create(app, &ada, &workspace_key(&["api_keys:read"])).await;
        let mistyped = secret.replacen("_p1_", "_p1_0", 1);
        for wrong in ["sk_", "sk_live_p1_short", &secret[..81], &mistyped[..82]] {
            let problem = try_out(app, wrong).await.refused(401, "unauthenticated");
            assert!(!problem.to_string().contains(wrong) || wrong == "sk_", "{problem}");
        }
        let unknown = unmade_key();
        try_out(app, &unknown).await.refused(401, "unauthenticated");
    }

    async fn the_secret_decides_and_not_the_id(app: TestApp) {
        let ada = app.sign_up().await;
        let (key, secret) = create(app, &ada, &workspace_key(&["api_keys:read"])).await;
        let id: ApiKeyId = key["id"].as_str().unwrap().parse().unwrap();
        let other_hash = vec![7_u8; 32];
        let swap = "UPDATE api_keys SET secret_hash = $2 WHERE api_key_id = $1";
        let hash = &other_hash;
        app.app.db().of(app.system()).write(|mut tx| async move { tx.execute(swap, params![id, hash.as_slice()]).await }).await.unwrap();
        try_out(app, &secret).await.refused(401, "unauthenticated");
    }

    async fn when_a_key_was_used_is_known_to_the_minute(app: TestApp) {
        let ada = app.sign_up().await;
        let (key, secret) = create(app, &ada, &workspace_key(&["api_keys:read"])).await;
        let last_used_at = async || ada.signs(app.get(&path(&key))).send().await.expect(200)["last_used_at"].clone();
        try_out(app, &format!("{}x", &secret[..81])).await.refused(401, "unauthenticated");
        write_uses(&app.app).await.unwrap();
        assert_eq!(last_used_at().await, Value::Null);
        try_out(app, &secret).await.expect(200);
        write_uses(&app.app).await.unwrap();
        assert_eq!(last_used_at().await, json!(app.app.now()));
    }

    async fn a_workspace_has_a_limit_of_usable_keys(app: TestApp) {
        let ada = app.sign_up().await;
        let (first, _) = create(app, &ada, &workspace_key(&["api_keys:read"])).await;
        fill(app, &ada, MAX_KEYS - 1).await;
        let new = workspace_key(&["api_keys:read"]);
        ada.signs(app.post(KEYS)).json(&new).send().await.refused(409, "conflict");
        rotate(app, &ada, &first, 60).await.refused(409, "conflict");
        // Others have their own.
        create(app, &app.sign_up().await, &new).await;
        // A replacement takes no room of its own.
        parts(rotate(app, &ada, &first, 0).await);
        let page = ada.signs(app.get(&format!("{KEYS}?limit=200"))).send().await.expect(200);
        assert_eq!(page["data"].as_array().unwrap().len(), 200);
        let cursor = page["next_cursor"].as_str().unwrap();
        let next = ada.signs(app.get(&format!("{KEYS}?limit=200&cursor={cursor}"))).send().await.expect(200);
        assert!(next["data"][0]["id"].as_str().unwrap() < page["data"][199]["id"].as_str().unwrap());
        ada.signs(app.get(&format!("{KEYS}?cursor=x"))).send().await.refused(422, "validation_failed");
    }
}

#[test]
fn another_node_refuses_a_revoked_key_within_a_second() {
    run(Backend::Postgres, async |app: &TestApp| {
        let other = TestApp::start(Backend::Postgres).await;
        let ada = app.sign_up().await;
        let (key, secret) = create(app, &ada, &workspace_key(&["api_keys:read"])).await;
        try_out(&other, &secret).await.expect(200);
        ada.signs(app.delete(&path(&key))).send().await.expect(200);
        let revoked_at = Instant::now();
        while try_out(&other, &secret).await.status == 200 {
            assert!(revoked_at.elapsed() < Duration::from_secs(1));
        }
        try_out(&other, &secret).await.refused(401, "api_key_revoked");
        other.stop().await;
    });
}

/// A well-formed key that nobody made.
fn unmade_key() -> String {
    let kind = ::runtime::crypto::CredentialKind::Secret;
    let (_, text) = ::runtime::crypto::Credential::generate(kind, Mode::Live).unwrap();
    text.as_str().to_owned()
}

/// Adds keys without asking anybody.
async fn fill(app: &TestApp, owner: &Member, keys: i64) {
    const INSERT: &str = "INSERT INTO api_keys (workspace_id, api_key_id, mode, kind, name, hint, secret_hash, pepper_id, scopes, \
        created_by, created_at) VALUES";
    let (workspace, now) = (owner.workspace, app.app.now());
    let row = || {
        let id = ApiKeyId::generate();
        params![
            workspace,
            id,
            Mode::Live,
            "sk",
            "filler",
            "",
            vec![0_u8; 32],
            id,
            "[]",
            "operator",
            now
        ]
    };
    let rows: Vec<_> = (0..keys).map(|_| row()).collect();
    let rows = &rows;
    app.app
        .db()
        .of(app.system())
        .write(|mut tx| async move { tx.insert_rows(INSERT, rows.clone(), "").await })
        .await
        .unwrap();
}
