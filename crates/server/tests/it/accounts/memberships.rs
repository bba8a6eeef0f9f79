//! Memberships: roles, removal, and the last owner.

use serde_json::json;
use types::Role;
use types::id::UserId;

use super::{actions, join};
use crate::harness::{Answer, Example, Member, TestApp};

pub const EXAMPLES: &[Example] = &[example!(
    "GET /v1/workspaces/{workspace}/memberships",
    "workspace" = "workspace"
)];

fn path(of: &Member) -> String {
    format!("/v1/workspaces/{}/memberships/{}", of.workspace, of.user)
}

async fn set_role(app: &TestApp, by: &Member, of: &Member, role: &str) -> Answer {
    by.signs(app.patch(&path(of)))
        .json(&json!({"role": role}))
        .send()
        .await
}

async fn remove(app: &TestApp, by: &Member, of: &Member) -> Answer {
    by.signs(app.delete(&path(of))).send().await
}

both_databases! {
    async fn members_are_listed_with_names_and_roles(app: TestApp) {
        let owner = app.sign_up().await;
        let viewer = join(app, owner.workspace, Role::Viewer).await;
        let members = format!("/v1/workspaces/{}/memberships", owner.workspace);
        let page = viewer.signs(app.get(&members)).send().await.expect(200);
        let shown: Vec<_> = page["data"].as_array().unwrap().iter().map(|m| (&m["user"], &m["email"], &m["role"])).collect();
        let expected = [(json!(owner.user), json!(owner.email), json!("owner")), (json!(viewer.user), json!(viewer.email), json!("viewer"))];
        assert_eq!(shown, expected.iter().map(|(u, e, r)| (u, e, r)).collect::<Vec<_>>());
        let first = owner.signs(app.get(&format!("{members}?limit=1"))).send().await.expect(200);
        let next = format!("{members}?cursor={}", first["next_cursor"].as_str().unwrap());
        assert_eq!(owner.signs(app.get(&next)).send().await.expect(200)["data"][0]["user"], json!(viewer.user));
    }

    async fn a_role_is_changed_and_holds_at_once(app: TestApp) {
        let owner = app.sign_up().await;
        let member = join(app, owner.workspace, Role::Viewer).await;
        let workspace = format!("/v1/workspaces/{}", owner.workspace);
        member.signs(app.patch(&workspace)).json(&json!({"name": "x"})).send().await.refused(403, "permission_denied");
        assert_eq!(set_role(app, &owner, &member, "admin").await.expect(200)["role"], "admin");
        member.signs(app.patch(&workspace)).json(&json!({"name": "x"})).send().await.expect(200);
        assert_eq!(actions(app, owner.workspace, member.user).await, ["membership.create", "membership.update"]);
    }

    async fn the_last_owner_stays(app: TestApp) {
        let owner = app.sign_up().await;
        let admin = join(app, owner.workspace, Role::Admin).await;
        set_role(app, &owner, &owner, "member").await.refused(409, "conflict");
        remove(app, &owner, &owner).await.refused(409, "conflict");
        set_role(app, &owner, &admin, "owner").await.expect(200);
        remove(app, &owner, &owner).await.expect(204);
        remove(app, &admin, &admin).await.refused(409, "conflict");
    }

    async fn of_two_owners_who_leave_at_once_one_stays(app: TestApp) {
        let owner = app.sign_up().await;
        let other = join(app, owner.workspace, Role::Owner).await;
        let (one, two) = tokio::join!(remove(app, &owner, &owner), remove(app, &other, &other));
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 409]);
    }

    async fn nobody_gives_or_takes_more_than_they_have(app: TestApp) {
        let owner = app.sign_up().await;
        let admin = join(app, owner.workspace, Role::Admin).await;
        let member = join(app, owner.workspace, Role::Member).await;
        set_role(app, &admin, &admin, "owner").await.refused(403, "permission_denied");
        set_role(app, &admin, &member, "owner").await.refused(403, "permission_denied");
        set_role(app, &admin, &owner, "viewer").await.refused(403, "permission_denied");
        remove(app, &admin, &owner).await.refused(403, "permission_denied");
        set_role(app, &admin, &member, "admin").await.expect(200);
        set_role(app, &admin, &member, "viewer").await.expect(200);
        set_role(app, &member, &member, "viewer").await.refused(403, "permission_denied");
        remove(app, &member, &admin).await.refused(403, "permission_denied");
    }

    async fn somebody_removed_is_outside_at_once(app: TestApp) {
        let owner = app.sign_up().await;
        let member = join(app, owner.workspace, Role::Admin).await;
        let workspace = format!("/v1/workspaces/{}", owner.workspace);
        member.signs(app.get(&workspace)).send().await.expect(200);
        remove(app, &owner, &member).await.expect(204);
        member.signs(app.get(&workspace)).send().await.refused(404, "not_found");
        remove(app, &owner, &member).await.refused(404, "not_found");
        assert_eq!(actions(app, owner.workspace, member.user).await, ["membership.create", "membership.delete"]);
    }

    async fn anybody_may_leave(app: TestApp) {
        let owner = app.sign_up().await;
        let viewer = join(app, owner.workspace, Role::Viewer).await;
        remove(app, &viewer, &viewer).await.expect(204);
        viewer.signs(app.get("/v1/audit_entries")).send().await.refused(404, "not_found");
        assert_eq!(actions(app, owner.workspace, viewer.user).await, ["membership.create", "membership.leave"]);
    }

    async fn what_is_no_member_or_role_is_refused(app: TestApp) {
        let (owner, stranger) = (app.sign_up().await, app.sign_up().await);
        let members = format!("/v1/workspaces/{}/memberships", owner.workspace);
        for user in [stranger.user.to_string(), UserId::generate().to_string(), "usr_1".to_owned()] {
            let call = owner.signs(app.patch(&format!("{members}/{user}"))).json(&json!({"role": "admin"}));
            call.send().await.refused(404, "not_found");
        }
        let problem = set_role(app, &owner, &owner, "emperor").await.refused(422, "validation_failed");
        assert_eq!(problem["errors"][0]["field"], "role");
    }

    async fn nobody_joins_twice(app: TestApp) {
        let owner = app.sign_up().await;
        let operator = app.app.operator(app.issuer().tenant(owner.workspace));
        let again = accounts::memberships::add(&app.app, &operator, owner.user, Role::Viewer).await;
        assert_eq!(again.unwrap_err().code(), types::ErrorCode::AlreadyExists);
    }
}
