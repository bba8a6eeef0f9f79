//! The operator's first way in.

use std::net::{IpAddr, Ipv4Addr};

use accounts::auth::Password;
use accounts::operator::{LINK_TTL, bootstrap, enter, operator_link};
use accounts::sessions::NewSession;
use axum::extract::FromRequestParts;
use commerce::catalogue::OPERATOR_WORKSPACE;
use http::Request;
use runtime::Anonymous;
use serde_json::json;
use types::id::UserId;
use types::{ErrorCode, Result};

use super::{Visitor, with_session};
use crate::harness::{PASSWORD, TestApp};

async fn follow(app: &TestApp, link: &str) -> Result<NewSession> {
    let (mut parts, ()) = Request::new(()).into_parts();
    let visitor = Anonymous::from_request_parts(&mut parts, &app.app).await.unwrap();
    let client = accounts::Client::at(IpAddr::from(Ipv4Addr::LOCALHOST));
    let token = link.strip_prefix("/operator?token=").unwrap();
    enter(&app.app, &visitor, &client, token).await
}

async fn owns_the_operators_workspace(app: &TestApp, session: &str) -> bool {
    let path = format!("/v1/workspaces/{OPERATOR_WORKSPACE}/memberships?limit=1");
    with_session(app.get(&path), session).send().await.status == 200
}

both_databases! {
    async fn bootstrap_makes_an_owner_once(app: TestApp) {
        let email = format!("{}@example.com", UserId::random());
        let first = bootstrap(&app.app, &email, None, None).await.unwrap();
        assert_eq!(first.user.name, email);
        let password = first.password.unwrap();
        let again = bootstrap(&app.app, &email, Some("Grace Hopper"), Some(Password::new(PASSWORD))).await.unwrap();
        assert_eq!((again.user, again.workspace), (first.user, OPERATOR_WORKSPACE));
        assert!(again.password.is_none());

        let body = json!({"email": email, "password": password.as_str()});
        let answer = Visitor::of(app).post("/v1/auth/sign-in", &body).await;
        let session = answer.cookie("__Host-session").unwrap();
        answer.expect(200);
        assert!(owns_the_operators_workspace(app, &session).await);
    }

    async fn bootstrap_takes_a_password_that_keeps_the_rules(app: TestApp) {
        let email = format!("{}@example.com", UserId::random());
        let refused = bootstrap(&app.app, &email, None, Some(Password::new("hunter2"))).await.unwrap_err();
        assert_eq!(refused.fields()[0].field, "password");
        let chosen = "nineteen brisk herons knit";
        let made = bootstrap(&app.app, &email, None, Some(Password::new(chosen))).await.unwrap();
        assert!(made.password.is_none());
        let body = json!({"email": email, "password": chosen});
        Visitor::of(app).post("/v1/auth/sign-in", &body).await.expect(200);
    }

    async fn a_link_signs_in_as_an_owner_once(app: TestApp) {
        // Who owns another workspace, and did before, is not the operator.
        app.sign_up().await;
        let link = operator_link(&app.app).await.unwrap();
        let new_session = follow(app, &link).await.unwrap();
        assert!(owns_the_operators_workspace(app, &new_session.token).await);
        let again = follow(app, &link).await.err().unwrap();
        assert_eq!(again.code(), ErrorCode::InvalidCredentials);
    }

    async fn an_old_or_unknown_link_signs_nobody_in(app: TestApp) {
        let link = operator_link(&app.app).await.unwrap();
        app.advance(LINK_TTL);
        let unknown = format!("/operator?token={}", "A".repeat(43));
        for link in [link.as_str(), &unknown, "/operator?token="] {
            assert_eq!(follow(app, link).await.err().unwrap().code(), ErrorCode::InvalidCredentials);
        }
    }
}
