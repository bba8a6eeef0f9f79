//! Sessions: listed, revoked, and ended by time.

use std::time::Duration;

use commerce::catalogue::OPERATOR_WORKSPACE;
use serde_json::{Value, json};
use types::id::SessionId;

use super::{Visitor, actions, with_session};
use crate::harness::{Backend, Example, Member, PASSWORD, TestApp, run};

pub const EXAMPLES: &[Example] = &[
    example!("GET /v1/sessions"),
    example!("DELETE /v1/sessions/{session}", "session" = "spare_session"),
    example!("DELETE /v1/sessions"),
];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A further session of somebody.
async fn further(app: &TestApp, member: &Member) -> String {
    let body = json!({"email": member.email, "password": PASSWORD});
    let answer = Visitor::of(app).post("/v1/auth/sign-in", &body).await;
    let session = answer.cookie("__Host-session").unwrap();
    answer.expect(200);
    session
}

async fn list(app: &TestApp, session: &str) -> Vec<Value> {
    let page = with_session(app.get("/v1/sessions"), session)
        .send()
        .await
        .expect(200);
    page["data"].as_array().unwrap().clone()
}

async fn is_signed_in(app: &TestApp, session: &str) -> bool {
    with_session(app.get("/v1/me"), session).send().await.status == 200
}

both_databases! {
    async fn each_browser_is_listed_and_one_is_the_current(app: TestApp) {
        let member = app.sign_up().await;
        let other = further(app, &member).await;
        let sessions = list(app, &other).await;
        assert_eq!(sessions.len(), 2);
        assert_eq!((&sessions[0]["current"], &sessions[1]["current"]), (&json!(true), &json!(false)));
        assert!(sessions[1]["address"].as_str().unwrap().parse::<std::net::IpAddr>().is_ok());
        let first = with_session(app.get("/v1/sessions?limit=1"), &other).send().await.expect(200);
        let cursor = first["next_cursor"].as_str().unwrap();
        let next = with_session(app.get(&format!("/v1/sessions?cursor={cursor}")), &other).send().await.expect(200);
        assert_eq!(next["data"][0]["id"], sessions[1]["id"]);
        with_session(app.get("/v1/sessions?cursor=x"), &other).send().await.refused(422, "validation_failed");
    }

    async fn a_revoked_session_is_refused_by_its_next_request(app: TestApp) {
        let member = app.sign_up().await;
        let stolen = further(app, &member).await;
        assert!(is_signed_in(app, &stolen).await);
        let id = list(app, &member.session).await[0]["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/sessions/{id}");
        with_session(app.delete(&path), &member.session).send().await.expect(204);
        with_session(app.get("/v1/me"), &stolen).send().await.refused(401, "session_expired");
        assert!(is_signed_in(app, &member.session).await);
        assert_eq!(actions(app, OPERATOR_WORKSPACE, &id).await, ["session.create", "session.revoke"]);
        with_session(app.delete(&path), &member.session).send().await.refused(404, "not_found");
    }

    async fn a_session_of_somebody_else_does_not_exist(app: TestApp) {
        let (member, other) = (app.sign_up().await, app.sign_up().await);
        let theirs = list(app, &other.session).await[0]["id"].as_str().unwrap().to_owned();
        for id in [theirs, SessionId::generate().to_string(), "ses_".to_owned()] {
            let call = with_session(app.delete(&format!("/v1/sessions/{id}")), &member.session);
            call.send().await.refused(404, "not_found");
        }
        assert!(is_signed_in(app, &other.session).await);
    }

    async fn every_other_session_can_be_ended_at_once(app: TestApp) {
        let member = app.sign_up().await;
        let others = [further(app, &member).await, further(app, &member).await];
        with_session(app.delete("/v1/sessions"), &member.session).send().await.expect(204);
        for other in others {
            assert!(!is_signed_in(app, &other).await);
        }
        assert_eq!(list(app, &member.session).await.len(), 1);
        assert_eq!(actions(app, OPERATOR_WORKSPACE, member.user).await, ["user.create", "session.revoke_others"]);
    }

    async fn a_session_that_is_not_used_ends(app: TestApp) {
        let member = app.sign_up().await;
        app.advance(DAY * 13);
        assert!(is_signed_in(app, &member.session).await);
        app.advance(DAY * 13);
        assert!(is_signed_in(app, &member.session).await, "using it keeps it");
        app.advance(DAY * 14);
        with_session(app.get("/v1/me"), &member.session).send().await.refused(401, "session_expired");
    }

    async fn a_session_in_use_ends_after_ninety_days(app: TestApp) {
        let member = app.sign_up().await;
        for _ in 0..8 {
            app.advance(DAY * 10);
            assert!(is_signed_in(app, &member.session).await);
        }
        app.advance(DAY * 10);
        assert!(!is_signed_in(app, &member.session).await);
    }

    async fn the_last_use_is_noted_to_the_minute(app: TestApp) {
        let member = app.sign_up().await;
        let seen = list(app, &member.session).await[0]["seen_at"].clone();
        app.advance(Duration::from_secs(59));
        assert_eq!(list(app, &member.session).await[0]["seen_at"], seen);
        app.advance(Duration::from_secs(1));
        assert_ne!(list(app, &member.session).await[0]["seen_at"], seen);
    }

    async fn what_is_no_session_is_refused(app: TestApp) {
        let unknown = "A".repeat(43);
        for session in ["", "nonsense", &unknown] {
            with_session(app.get("/v1/me"), session).send().await.refused(401, "session_expired");
        }
        app.get("/v1/me").send().await.refused(401, "unauthenticated");
    }
}

#[test]
fn an_ended_session_is_deleted_after_a_month() {
    // On a database of its own: whoever moves the clock a month would tidy up other tests' sessions.
    run(Backend::Sqlite, async |app| {
        let member = app.sign_up().await;
        with_session(app.post("/v1/auth/sign-out"), &member.session)
            .send()
            .await
            .expect(204);
        app.advance(DAY * 29);
        assert_eq!(
            accounts::tidy(&app.app).await.unwrap(),
            1,
            "the sign-up's count of attempts"
        );
        app.advance(DAY * 2);
        assert_eq!(accounts::tidy(&app.app).await.unwrap(), 1, "the session");
    });
}
