//! People with workspaces of their own.

use serde_json::json;
use types::id::{UserId, WorkspaceId};

use super::{Call, TestApp};

pub const PASSWORD: &str = "seventeen quiet otters juggle";

/// Somebody signed in, with a workspace of their own.
#[derive(Debug, Clone)]
pub struct Member {
    pub email: String,
    pub session: String,
    pub user: UserId,
    pub workspace: WorkspaceId,
}

impl Member {
    /// Makes a call theirs: their session, and their workspace in the header.
    pub fn signs<'a>(&self, call: Call<'a>) -> Call<'a> {
        self.signs_in(call, self.workspace)
    }

    /// Makes a call theirs in another workspace.
    pub fn signs_in<'a>(&self, call: Call<'a>, workspace: WorkspaceId) -> Call<'a> {
        call.header("cookie", format!("__Host-session={}", self.session))
            .header("plinth-workspace", workspace)
    }
}

impl TestApp {
    /// Signs up somebody new.
    pub async fn sign_up(&self) -> Member {
        let email = format!("{}@example.com", UserId::random());
        let answer = self
            .post("/v1/auth/sign-up")
            .json(&json!({"email": email, "password": PASSWORD, "name": "Ada", "workspace_name": "Analytical Engines"}))
            .send()
            .await;
        let session = answer.cookie("__Host-session").expect("a session cookie");
        let body = answer.expect(201);
        Member {
            email,
            session,
            user: body["user"]["id"].as_str().unwrap().parse().unwrap(),
            workspace: body["workspace"]["id"].as_str().unwrap().parse().unwrap(),
        }
    }
}
