//! Users: whoever has signed in, as they see themselves.

use serde_json::json;

use super::with_session;
use crate::harness::Example;

pub const EXAMPLES: &[Example] = &[example!("GET /v1/me")];

both_databases! {
    async fn somebody_reads_who_they_are(app: TestApp) {
        let member = app.sign_up().await;
        let me = with_session(app.get("/v1/me"), &member.session).send().await.expect(200);
        let user = &me["user"];
        assert_eq!((&user["id"], &user["email"], &user["name"]), (&json!(member.user), &json!(member.email), &json!("Ada")));
        assert!(me["session"].as_str().unwrap().starts_with("ses_"));
        app.get("/v1/me").send().await.refused(401, "unauthenticated");
    }
}
