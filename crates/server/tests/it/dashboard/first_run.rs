//! From nothing to the first call that is counted.

use super::Browser;
use crate::harness::PASSWORD;

/// What stands between two marks.
fn between(text: &str, opening: &str, closing: char) -> String {
    let rest = text
        .split(opening)
        .nth(1)
        .unwrap_or_else(|| panic!("no {opening:?} in {text}"));
    rest.split(closing).next().unwrap().to_owned()
}

both_databases! {
    async fn a_newcomer_gets_to_their_first_call(app: TestApp) {
        let browser = Browser::new(app);
        let page = browser.open("/").await.expect(200);
        assert_eq!(page.path, "/sign-in");
        page.shows("Create one");

        let page = browser.open("/sign-up").await.expect(200);
        let email = format!("{}@example.com", types::id::UserId::random());
        let fields = [("name", "Ada"), ("email", email.as_str()), ("password", PASSWORD), ("workspace_name", "Engines")];
        let page = browser.send(&page, "/sign-up", &fields).await.expect(200);
        assert!(page.path.starts_with("/w/wsp_"), "{}", page.path);
        page.shows("Welcome, Ada");
        let workspace = page.path.clone();

        let new = format!("{workspace}/platforms/new");
        let page = browser.send(&page, &new, &[("name", "Weather"), ("then", "overview")]).await.expect(200);
        page.shows("Platform created.");
        let platform = between(&page.path, "platform=", '&');

        let start = format!("{workspace}/p/{platform}/start?mode=test");
        let page = browser.send(&page, &start, &[("then", "overview")]).await.expect(200);
        page.shows("Create an API key");

        let key = format!("{workspace}/p/{platform}/start/key?mode=test");
        let page = browser.send(&page, &key, &[]).await.expect(201);
        let secret = between(&page.html, "Authorization: Bearer ", '\'');
        assert!(secret.starts_with("sk_test_"), "{secret}");
        let overview = format!("{workspace}?platform={platform}&mode=test");
        browser.open(&overview).await.expect(200).hides(&secret);
        let waiting = format!("{workspace}/p/{platform}/start/first-call?mode=test");
        browser.open(&waiting).await.expect(200).shows("Waiting for it");

        // What the page says to paste.
        let call = serde_json::json!({"customer": "acme", "feature": "calls"});
        let usage = app.post("/v1/usage/consume").key(&secret).json(&call).send().await.expect(200);
        assert_eq!(usage["remaining"], 4);
        browser.open(&waiting).await.expect(200).shows("Your first call has arrived");
        let page = browser.open(&overview).await.expect(200);
        page.hides("Get started");
        page.shows("Top customers");
        page.shows("Acme");
    }

    async fn the_operator_signs_in_with_the_link_once(app: TestApp) {
        let link = accounts::operator::operator_link(&app.app).await.unwrap();
        let browser = Browser::new(app);
        let page = browser.open(&link).await.expect(200);
        let token = page.hidden("token").unwrap();
        // Looking at it, as a browser does ahead of time, uses nothing up.
        let page = browser.open(&link).await.expect(200);
        let page = browser.send(&page, "/operator", &[("token", &token)]).await.expect(200);
        assert!(page.path.starts_with("/w"), "{}", page.path);

        let other = Browser::new(app);
        let page = other.open(&link).await.expect(200);
        let page = other.send(&page, "/operator", &[("token", &token)]).await.expect(401);
        page.shows("used already");
    }
}
