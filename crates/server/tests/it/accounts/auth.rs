//! Signing up, in and out.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use commerce::catalogue::OPERATOR_WORKSPACE;
use futures_util::poll;
use runtime::crypto::password::{Params, PasswordError, PasswordHasher};
use serde_json::{Value, json};
use storage::params;
use types::id::UserId;

use super::{Visitor, actions, with_session};
use crate::harness::{Answer, Example, PASSWORD};

pub const EXAMPLES: &[Example] = &[example!("POST /v1/auth/sign-out")];

const SECOND: Duration = Duration::from_secs(1);

fn new_email() -> String {
    format!("{}@example.com", UserId::random())
}

fn sign_up_body(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD, "name": "Grace Hopper"})
}

type Hashing<'a> = Pin<Box<dyn Future<Output = Result<String, PasswordError>> + Send + 'a>>;

/// So many who wait for their password to be hashed that there is no place for another, as long as they are kept.
async fn crowd(passwords: &PasswordHasher) -> Vec<Hashing<'_>> {
    let mut crowd = queue(passwords).await;
    // The first few had their turn at once. When they are through, nobody moves: whoever is next is not asked.
    let half = crowd.len() / 2;
    for first in crowd.drain(..half) {
        first.await.unwrap();
    }
    crowd.extend(queue(passwords).await);
    crowd
}

/// As many as there are places for.
async fn queue(passwords: &PasswordHasher) -> Vec<Hashing<'_>> {
    let mut queue = Vec::new();
    loop {
        let mut hashing: Hashing<'_> = Box::pin(passwords.hash(PASSWORD));
        match poll!(hashing.as_mut()) {
            Poll::Pending => queue.push(hashing),
            Poll::Ready(Err(PasswordError::Busy)) => return queue,
            Poll::Ready(hashed) => drop(hashed.unwrap()),
        }
    }
}

async fn sign_in(visitor: &Visitor<'_>, email: &str, password: &str) -> Answer {
    visitor
        .post("/v1/auth/sign-in", &json!({"email": email, "password": password}))
        .await
}

/// All that the other side sees, but for the request's own id.
fn seen(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let request = answer.header("request-id").unwrap_or_default().to_owned();
    let headers = answer.headers.iter().filter(|(name, _)| *name != "request-id");
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (
        answer.status.as_u16(),
        headers.collect(),
        answer.text().replace(&request, "req"),
    )
}

both_databases! {
    async fn signing_up_makes_a_user_with_a_workspace_and_signs_them_in(app: TestApp) {
        let email = new_email();
        let answer = Visitor::of(app).post("/v1/auth/sign-up", &sign_up_body(&email)).await;
        let cookie = answer.header("set-cookie").unwrap().to_owned();
        let session = answer.cookie("__Host-session").unwrap();
        assert!(cookie.ends_with("; Path=/; Max-Age=7776000; Secure; HttpOnly; SameSite=Lax"), "{cookie}");
        assert!(!answer.text().contains(&session), "the token is in the cookie alone");
        let body = answer.expect(201);
        assert_eq!(body["user"]["email"], email);
        assert_eq!(body["workspace"]["name"], "Grace Hopper's workspace");

        let me = with_session(app.get("/v1/me"), &session).send().await.expect(200);
        assert_eq!((&me["user"]["id"], &me["session"]), (&body["user"]["id"], &body["session"]["id"]));
        let mine = with_session(app.get("/v1/workspaces"), &session).send().await.expect(200);
        assert_eq!(mine["data"].as_array().unwrap().len(), 1);
        assert_eq!((&mine["data"][0]["id"], &mine["data"][0]["role"]), (&body["workspace"]["id"], &json!("owner")));
    }

    async fn signing_up_is_recorded(app: TestApp) {
        let member = app.sign_up().await;
        assert_eq!(actions(app, OPERATOR_WORKSPACE, member.user).await, ["user.create"]);
        assert_eq!(actions(app, member.workspace, member.workspace).await, ["workspace.create"]);
        assert_eq!(actions(app, member.workspace, member.user).await, ["membership.create"]);
    }

    async fn an_address_has_one_account_however_it_is_spelt(app: TestApp) {
        let visitor = Visitor::of(app);
        let email = new_email();
        visitor.post("/v1/auth/sign-up", &sign_up_body(&email)).await.expect(201);
        let mut again = sign_up_body(&email.to_uppercase());
        again["password"] = json!("eleven loud walruses whistle");
        let answer = visitor.post("/v1/auth/sign-up", &again).await;
        assert!(answer.cookie("__Host-session").is_none());
        let problem = answer.refused(422, "validation_failed");
        assert!(problem.get("errors").is_none(), "{problem}");
        for _ in 0..19 {
            visitor.post("/v1/auth/sign-up", &again).await.refused(422, "validation_failed");
        }
        visitor.post("/v1/auth/sign-up", &again).await.refused(429, "rate_limited");
        // The account has nothing to do with that.
        let visitor = Visitor::of(app);
        sign_in(&visitor, &email, PASSWORD).await.expect(200);
        sign_in(&visitor, &email, "eleven loud walruses whistle").await.refused(401, "invalid_credentials");
    }

    async fn a_field_that_breaks_a_rule_is_named(app: TestApp) {
        let visitor = Visitor::of(app);
        let long = "x".repeat(101);
        for (field, value) in [
            ("email", "no address"),
            ("email", "a\u{0}@example.com"),
            ("password", "too short"),
            ("password", "passwordpassword"),
            ("password", "grace hopper grace hopper"),
            ("name", "  "),
            ("name", "Gr\u{0}ce"),
            ("name", &long),
            ("workspace_name", ""),
            ("colour", "blue"),
        ] {
            let mut body = sign_up_body(&new_email());
            body[field] = json!(value);
            let problem = visitor.post("/v1/auth/sign-up", &body).await.refused(422, "validation_failed");
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
            assert!(field != "password" || !problem.to_string().contains(value), "{problem}");
        }
    }

    async fn looking_for_a_password_that_is_accepted_is_no_guess(app: TestApp) {
        let visitor = Visitor::of(app);
        let mut body = sign_up_body(&new_email());
        body["password"] = json!("too short");
        for _ in 0..25 {
            visitor.post("/v1/auth/sign-up", &body).await.refused(422, "validation_failed");
        }
        visitor.post("/v1/auth/sign-up", &sign_up_body(&new_email())).await.expect(201);
    }

    async fn an_attempt_that_nobody_looked_at_is_no_guess(app: TestApp) {
        let (member, visitor) = (app.sign_up().await, Visitor::of(app));
        let waiting = crowd(app.app.passwords()).await;
        for _ in 0..25 {
            sign_in(&visitor, &member.email, PASSWORD).await.refused(503, "unavailable");
        }
        drop(waiting);
        sign_in(&visitor, &member.email, PASSWORD).await.expect(200);
    }

    async fn a_wrong_address_and_a_wrong_password_give_the_same_bytes(app: TestApp) {
        let visitor = Visitor::of(app);
        let (email, unknown) = (new_email(), new_email());
        visitor.post("/v1/auth/sign-up", &sign_up_body(&email)).await.expect(201);
        // Beyond the free attempts too, when the answer is to wait.
        for _ in 0..7 {
            let (known, unknown) = (sign_in(&visitor, &email, "wrong").await, sign_in(&visitor, &unknown, "wrong").await);
            assert_eq!(seen(&known), seen(&unknown));
        }
    }

    async fn an_account_waits_longer_after_each_failure(app: TestApp) {
        let visitor = Visitor::of(app);
        let email = new_email();
        visitor.post("/v1/auth/sign-up", &sign_up_body(&email)).await.expect(201);
        for _ in 0..5 {
            sign_in(&visitor, &email, "wrong").await.refused(401, "invalid_credentials");
        }
        for wait in [1, 2, 4, 8] {
            let early = sign_in(&visitor, &email, PASSWORD).await;
            assert_eq!(early.header("retry-after"), Some(wait.to_string().as_str()));
            early.refused(429, "rate_limited");
            app.advance(SECOND * wait);
            sign_in(&visitor, &email, "wrong").await.refused(401, "invalid_credentials");
        }
        // The right password starts anew.
        app.advance(SECOND * 16);
        sign_in(&visitor, &email, PASSWORD).await.expect(200);
        for _ in 0..5 {
            sign_in(&visitor, &email, "wrong").await.refused(401, "invalid_credentials");
        }
    }

    async fn nobody_is_locked_out_for_longer_than_a_quarter_of_an_hour(app: TestApp) {
        let visitor = Visitor::of(app);
        let email = new_email();
        visitor.post("/v1/auth/sign-up", &sign_up_body(&email)).await.expect(201);
        for _ in 0..25 {
            sign_in(&visitor, &email, "wrong").await.refused(401, "invalid_credentials");
            app.advance(SECOND * 15 * 60);
        }
        sign_in(&visitor, &email, PASSWORD).await.expect(200);
    }

    async fn guesses_sent_at_once_are_counted_one_by_one(app: TestApp) {
        let email = &new_email();
        let guesses = (0..12).map(|_| async move { sign_in(&Visitor::of(app), email, "wrong").await.status.as_u16() });
        let mut statuses = futures_util::future::join_all(guesses).await;
        statuses.sort_unstable();
        assert_eq!(statuses, [[401; 5].as_slice(), &[429; 7]].concat());
    }

    async fn an_address_waits_after_guesses_at_many_accounts(app: TestApp) {
        let visitor = Visitor::of(app);
        for _ in 0..20 {
            sign_in(&visitor, &new_email(), "wrong").await.refused(401, "invalid_credentials");
        }
        let early = sign_in(&visitor, &new_email(), "wrong").await;
        assert_eq!(early.header("retry-after"), Some("1"));
        early.refused(429, "rate_limited");
        visitor.post("/v1/auth/sign-up", &sign_up_body(&new_email())).await.refused(429, "rate_limited");
        sign_in(&Visitor::of(app), &new_email(), "wrong").await.refused(401, "invalid_credentials");
    }

    async fn signing_in_ends_the_session_that_the_browser_had(app: TestApp) {
        let member = app.sign_up().await;
        let body = json!({"email": member.email, "password": PASSWORD});
        let answer = Visitor::of(app).post_with_session("/v1/auth/sign-in", &body, Some(&member.session)).await;
        let session = answer.cookie("__Host-session").unwrap();
        answer.expect(200);
        with_session(app.get("/v1/me"), &member.session).send().await.refused(401, "session_expired");
        with_session(app.get("/v1/me"), &session).send().await.expect(200);
    }

    async fn signing_out_ends_the_session_and_takes_the_cookie(app: TestApp) {
        let member = app.sign_up().await;
        let answer = with_session(app.post("/v1/auth/sign-out"), &member.session).send().await;
        assert_eq!(answer.cookie("__Host-session").as_deref(), Some(""));
        answer.expect(204);
        with_session(app.get("/v1/me"), &member.session).send().await.refused(401, "session_expired");
    }

    async fn a_suspended_user_is_refused_at_once_and_like_a_wrong_password(app: TestApp) {
        const SUSPEND: &str = "UPDATE users SET suspended_at = $1 WHERE user_id = $2";
        let visitor = Visitor::of(app);
        let (member, now) = (app.sign_up().await, app.app.now());
        let db = app.app.db().of(app.system());
        let user = member.user;
        db.write(|mut tx| async move { tx.execute(SUSPEND, params![now, user]).await }).await.unwrap();
        with_session(app.get("/v1/me"), &member.session).send().await.refused(401, "session_expired");
        let refused = sign_in(&visitor, &member.email, PASSWORD).await;
        assert_eq!(seen(&refused), seen(&sign_in(&visitor, &member.email, "wrong").await));
    }

    async fn a_password_hashed_with_old_costs_is_hashed_anew(app: TestApp) {
        const SET: &str = "UPDATE passwords SET phc = $1 WHERE user_id = $2";
        const GET: &str = "SELECT phc FROM passwords WHERE user_id = $1";
        let member = app.sign_up().await;
        let old = PasswordHasher::new(Params::new(16, 1, 1, None).unwrap()).hash(PASSWORD).await.unwrap();
        let (db, old, user) = (app.app.db().of(app.system()), &old, member.user);
        db.write(|mut tx| async move { tx.execute(SET, params![old, user]).await }).await.unwrap();
        sign_in(&Visitor::of(app), &member.email, PASSWORD).await.expect(200);
        let now: String =
            db.read(|mut tx| async move { tx.fetch_one(GET, params![user]).await?.get("phc") }).await.unwrap();
        assert_ne!(&now, old);
        assert!(!app.app.passwords().needs_rehash(&now));
        sign_in(&Visitor::of(app), &member.email, PASSWORD).await.expect(200);
    }

    async fn a_page_of_another_site_cannot_sign_anybody_in(app: TestApp) {
        let body = json!({"email": new_email(), "password": PASSWORD});
        let call = app.post("/v1/auth/sign-in").header("sec-fetch-site", "cross-site").json(&body);
        call.header("origin", "https://evil.example").send().await.refused(403, "origin_refused");
    }
}
