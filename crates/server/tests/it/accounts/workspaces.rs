//! Workspaces.

use serde_json::json;
use types::Role;
use types::id::WorkspaceId;

use super::{actions, join, with_session};
use crate::harness::Example;

pub const EXAMPLES: &[Example] = &[
    example!("GET /v1/workspaces"),
    example!("POST /v1/workspaces", |_world| {"name": "Second"}),
    example!("GET /v1/workspaces/{workspace}", "workspace" = "workspace"),
    example!("PATCH /v1/workspaces/{workspace}", "workspace" = "workspace", |_world| {"name": "Renamed"}),
];

both_databases! {
    async fn somebody_may_have_several(app: TestApp) {
        let member = app.sign_up().await;
        let body = json!({"name": "  Second venture "});
        let created = with_session(app.post("/v1/workspaces"), &member.session).json(&body).send().await.expect(201);
        assert_eq!(created["name"], "Second venture");
        let second: WorkspaceId = created["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(actions(app, second, second).await, ["workspace.create"]);

        let mine = with_session(app.get("/v1/workspaces"), &member.session).send().await.expect(200);
        assert_eq!(mine["data"][1]["id"], created["id"]);
        assert_eq!(mine["data"][1]["role"], "owner");
        let first = with_session(app.get("/v1/workspaces?limit=1"), &member.session).send().await.expect(200);
        let next = format!("/v1/workspaces?cursor={}", first["next_cursor"].as_str().unwrap());
        let next = with_session(app.get(&next), &member.session).send().await.expect(200);
        assert_eq!(next["data"], json!([mine["data"][1]]));
        let path = format!("/v1/workspaces/{second}");
        assert_eq!(with_session(app.get(&path), &member.session).send().await.expect(200), created);
    }

    async fn a_workspace_can_be_renamed(app: TestApp) {
        let member = app.sign_up().await;
        let path = format!("/v1/workspaces/{}", member.workspace);
        let body = json!({"name": "Difference Engines"});
        let changed = member.signs(app.patch(&path)).json(&body).send().await.expect(200);
        assert_eq!(changed["name"], "Difference Engines");
        assert_eq!(member.signs(app.patch(&path)).json(&json!({})).send().await.expect(200), changed);
        assert_eq!(actions(app, member.workspace, member.workspace).await, ["workspace.create", "workspace.update"]);
    }

    async fn a_name_that_breaks_a_rule_is_refused(app: TestApp) {
        let member = app.sign_up().await;
        for body in [json!({"name": " "}), json!({"name": "x".repeat(101)}), json!({"name": "\u{0}"})] {
            let call = with_session(app.post("/v1/workspaces"), &member.session).json(&body);
            let problem = call.send().await.refused(422, "validation_failed");
            assert_eq!(problem["errors"][0]["field"], "name");
        }
        let call = with_session(app.post("/v1/workspaces"), &member.session).json(&json!({"name": "x", "plan": "free"}));
        assert_eq!(call.send().await.refused(422, "validation_failed")["errors"][0]["field"], "plan");
    }

    async fn a_viewer_changes_nothing(app: TestApp) {
        let owner = app.sign_up().await;
        let viewer = join(app, owner.workspace, Role::Viewer).await;
        let path = format!("/v1/workspaces/{}", owner.workspace);
        viewer.signs(app.get(&path)).send().await.expect(200);
        let refused = viewer.signs(app.patch(&path)).json(&json!({"name": "Mine"})).send().await;
        assert_eq!(refused.refused(403, "permission_denied")["permission"], "workspace:update");
        viewer.signs(app.get("/v1/audit_entries")).send().await.refused(403, "permission_denied");
        assert_eq!(viewer.signs(app.get(&path)).send().await.expect(200)["name"], "Analytical Engines");
    }

    async fn another_s_workspace_does_not_exist(app: TestApp) {
        let (owner, other) = (app.sign_up().await, app.sign_up().await);
        for workspace in [owner.workspace.to_string(), WorkspaceId::generate().to_string(), "wsp_1".to_owned()] {
            let path = format!("/v1/workspaces/{workspace}");
            let members = format!("{path}/memberships");
            let member = format!("{members}/{}", owner.user);
            with_session(app.get(&path), &other.session).send().await.refused(404, "not_found");
            let call = with_session(app.patch(&path), &other.session).json(&json!({"name": "Mine"}));
            call.send().await.refused(404, "not_found");
            with_session(app.get(&members), &other.session).send().await.refused(404, "not_found");
            let call = with_session(app.patch(&member), &other.session).json(&json!({"role": "viewer"}));
            call.send().await.refused(404, "not_found");
            with_session(app.delete(&member), &other.session).send().await.refused(404, "not_found");
        }
        other.signs_in(app.get("/v1/audit_entries"), owner.workspace).send().await.refused(404, "not_found");
    }

    async fn a_key_sees_its_own_workspace_alone(app: TestApp) {
        let (owner, other) = (app.sign_up().await, app.sign_up().await);
        let body = json!({"name": "script", "kind": "secret", "mode": "live", "scopes": ["workspace:read", "members:read"]});
        let key = owner.signs(app.post("/v1/api_keys")).json(&body).send().await.expect(201);
        let key = key["secret"].as_str().unwrap();
        for (workspace, status) in [(owner.workspace, 200), (other.workspace, 404)] {
            for path in ["", "/memberships"] {
                app.get(&format!("/v1/workspaces/{workspace}{path}")).key(key).send().await.expect(status);
            }
        }
        app.get("/v1/workspaces").key(key).send().await.refused(403, "wrong_key_kind");
    }

    async fn the_history_is_shown_newest_first(app: TestApp) {
        let owner = app.sign_up().await;
        let page = owner.signs(app.get("/v1/audit_entries")).send().await.expect(200);
        let entries = page["data"].as_array().unwrap();
        let actions: Vec<&str> = entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
        let newest_first = |action| actions.iter().position(|known| *known == action).unwrap();
        assert!(newest_first("membership.create") < newest_first("workspace.create"));
        assert!(entries.iter().all(|entry| entry["request_id"].as_str().is_some()));
    }
}
