//! Tests of the crate `accounts`, a file a noun.

mod auth;
mod memberships;
mod operator;
mod sessions;
mod users;
mod workspaces;

use std::net::{IpAddr, Ipv6Addr};

use ::runtime::ClientAddr;
use axum::body::Body;
use http::{Request, header};
use http_body_util::BodyExt;
use serde_json::Value;
use storage::params;
use tower::ServiceExt;
use types::Role;
use types::id::WorkspaceId;

use crate::harness::{Answer, Call, Example, Member, TestApp};

/// What each noun's operations are called like, in an order in which an owner can make them all.
pub const EXAMPLES: &[&[Example]] = &[
    users::EXAMPLES,
    sessions::EXAMPLES,
    workspaces::EXAMPLES,
    memberships::EXAMPLES,
    auth::EXAMPLES,
];

/// Somebody at an address of their own: attempts are counted by address, and all tests share a database.
struct Visitor<'a> {
    app: &'a TestApp,
    address: IpAddr,
}

impl<'a> Visitor<'a> {
    fn of(app: &'a TestApp) -> Self {
        let random = types::id::UserId::random().uuid().as_u128();
        let address = Ipv6Addr::from_bits(random).into();
        Visitor { app, address }
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with_session(path, body, None).await
    }

    /// As a browser that has a session.
    async fn post_with_session(&self, path: &str, body: &Value, session: Option<&str>) -> Answer {
        let mut request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .extension(ClientAddr(self.address));
        if let Some(session) = session {
            request = request.header(header::COOKIE, format!("__Host-session={session}"));
        }
        let request = request.body(Body::from(body.to_string())).unwrap();
        let response = self.app.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }
}

/// Somebody new in another's workspace.
pub(crate) async fn join(app: &TestApp, workspace: WorkspaceId, role: Role) -> Member {
    let member = app.sign_up().await;
    let operator = app.app.operator(app.issuer().tenant(workspace));
    accounts::memberships::add(&app.app, &operator, member.user, role)
        .await
        .unwrap();
    Member { workspace, ..member }
}

/// The actions on a target that a workspace's history tells, oldest first.
async fn actions(app: &TestApp, workspace: WorkspaceId, target: impl ToString) -> Vec<String> {
    const ACTIONS: &str =
        "SELECT action FROM audit_entries WHERE workspace_id = $1 AND target_id = $2 ORDER BY audit_entry_id";
    let target = &target.to_string();
    app.app
        .db()
        .of(app.system())
        .read(|mut tx| async move {
            let rows = tx.fetch_all(ACTIONS, params![workspace, target]).await?;
            rows.iter().map(|row| row.get("action")).collect()
        })
        .await
        .unwrap()
}

/// Signs a call with a session alone, naming no workspace.
fn with_session<'a>(call: Call<'a>, session: &str) -> Call<'a> {
    call.header("cookie", format!("__Host-session={session}"))
}
