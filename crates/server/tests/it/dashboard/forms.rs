//! Forms: only ours are taken, and what is wrong with one is said beside the field.

use super::Browser;
use crate::harness::PASSWORD;

both_databases! {
    async fn a_form_that_is_not_ours_is_refused(app: TestApp) {
        let (member, other) = (app.sign_up().await, app.sign_up().await);
        let browser = Browser::of(app, &member);
        let path = format!("/w/{}/platforms/new", member.workspace);
        let theirs = Browser::of(app, &other);
        let page = theirs.open(&format!("/w/{}", other.workspace)).await.expect(200);
        let stolen = page.hidden("csrf_token").unwrap();
        for fields in [
            vec![("name", "Evil")],
            vec![("name", "Evil"), ("csrf_token", "")],
            vec![("name", "Evil"), ("csrf_token", stolen.as_str())],
        ] {
            let answer = browser.ask("POST", &path, &fields).await;
            assert_eq!(answer.status, 403);
            assert!(answer.text().contains("This form is too old"), "{}", answer.text());
        }
        browser.open(&format!("/w/{}/platforms", member.workspace)).await.expect(200).hides("Evil");
    }

    async fn signing_in_takes_a_form_of_the_same_visit(app: TestApp) {
        let member = app.sign_up().await;
        let fields = [("email", member.email.as_str()), ("password", PASSWORD)];
        let browser = Browser::new(app);
        assert_eq!(browser.ask("POST", "/sign-in", &fields).await.status, 403);
        let elsewhere = Browser::new(app).open("/sign-in").await.expect(200);
        browser.open("/sign-in").await.expect(200);
        assert_eq!(browser.send(&elsewhere, "/sign-in", &fields).await.status, 403);
        assert_eq!(browser.cookie("__Host-session"), None);
    }

    async fn a_page_of_another_site_cannot_send_a_form(app: TestApp) {
        let answer = app
            .post("/sign-in")
            .header("sec-fetch-site", "cross-site")
            .header("origin", "https://evil.example")
            .header("accept", "text/html")
            .raw("application/x-www-form-urlencoded", "email=a%40b.c&password=x")
            .send()
            .await;
        assert_eq!(answer.status, 403);
    }

    async fn what_is_wrong_is_said_and_what_was_entered_stays(app: TestApp) {
        let browser = Browser::new(app);
        let page = browser.open("/sign-up").await.expect(200);
        let fields = [("name", "Ada \"L\""), ("email", "ada@example.com"), ("password", "short")];
        let page = browser.send(&page, "/sign-up", &fields).await.expect(422);
        page.shows("value=\"Ada &quot;L&quot;\"");
        page.shows("value=\"ada@example.com\"");
        page.shows("id=\"f-password-error\"");
        page.hides("value=\"short\"");

        let page = browser.open("/sign-in").await.expect(200);
        let wrong = [("email", "nobody@example.com"), ("password", PASSWORD)];
        let page = browser.send(&page, "/sign-in", &wrong).await.expect(401);
        page.shows("The e-mail address or the password is wrong.");
        page.shows("value=\"nobody@example.com\"");
    }

    async fn a_name_that_is_markup_is_shown_as_text(app: TestApp) {
        let shop = app.open_shop().await;
        let browser = Browser::of(app, &shop.owner);
        let root = format!("/w/{}/p/{}/customers", shop.owner.workspace, shop.platform);
        let page = browser.open(&format!("{root}/new?mode=test")).await.expect(200);
        let name = "<script>alert('x')</script>";
        let fields = [("name", name), ("external_id", "\"><img src=x>")];
        let page = browser.send(&page, &format!("{root}/new?mode=test"), &fields).await.expect(200);
        page.shows("&lt;script&gt;alert");
        page.hides("<script>alert");
        page.hides("<img src=x>");
        let list = browser.open(&format!("{root}?mode=test")).await.expect(200);
        list.shows("&lt;script&gt;alert");
        list.hides("<script>alert");
        assert!(list.policy.contains("script-src 'self'") && !list.policy.contains("unsafe"), "{}", list.policy);
    }

    async fn a_secret_is_shown_exactly_once(app: TestApp) {
        let shop = app.open_shop().await;
        let browser = Browser::of(app, &shop.owner);
        let keys = format!("/w/{}/keys", shop.owner.workspace);
        let page = browser.open(&format!("{keys}/new")).await.expect(200);
        let platform = shop.platform.to_string();
        let fields = [
            ("name", "Server"), ("kind", "sk"), ("mode", "test"), ("platform", platform.as_str()), ("scopes", "usage:read"),
        ];
        let page = browser.send(&page, &format!("{keys}/new"), &fields).await.expect(201);
        let secret = page.html.split("sk_test_").nth(1).unwrap().split(['<', '"']).next().unwrap().to_owned();
        let secret = format!("sk_test_{secret}");
        let body = serde_json::json!({"customer": shop.customer, "feature": "calls"});
        app.post("/v1/usage/check").key(&secret).json(&body).send().await.expect(200);

        let list = browser.open(&keys).await.expect(200);
        list.shows("Server");
        list.hides(&secret);
        let href = list.html.split(">Server<").next().unwrap().rsplit("href=\"").next().unwrap();
        let key = href.split('"').next().unwrap().to_owned();
        let page = browser.open(&key).await.expect(200);
        page.hides(&secret);
        browser.send(&page, &format!("{key}/revoke"), &[]).await.expect(200).shows("Key revoked");
        app.post("/v1/usage/check").key(&secret).json(&body).send().await.refused(401, "api_key_revoked");
    }

    async fn a_notice_is_said_once_and_cannot_be_put_there(app: TestApp) {
        let member = app.sign_up().await;
        let browser = Browser::of(app, &member);
        let settings = format!("/w/{}/settings", member.workspace);
        let page = browser.open(&settings).await.expect(200);
        let page = browser.send(&page, &settings, &[("name", "Engines 2")]).await.expect(200);
        page.shows("Name saved.");
        page.shows("Engines 2");
        browser.open(&settings).await.expect(200).hides("Name saved.");
        browser.keep("__Host-notice", "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFZb3Ugd29u");
        browser.open(&settings).await.expect(200).hides("You won");
    }
}
