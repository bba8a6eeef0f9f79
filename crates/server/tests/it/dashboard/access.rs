//! Who gets to see and do what.

use types::Role;

use super::Browser;

both_databases! {
    async fn somebody_signed_out_comes_back_to_where_they_wanted_to_go(app: TestApp) {
        let member = app.sign_up().await;
        let wanted = format!("/w/{}/keys?cursor=&mode=test", member.workspace);
        let browser = Browser::new(app);
        let page = browser.open(&wanted).await.expect(200);
        assert!(page.path.starts_with("/sign-in?next="), "{}", page.path);
        let page = browser.sign_in(&page, &member.email).await.expect(200);
        assert_eq!(page.path, wanted);
    }

    async fn signing_in_leads_nowhere_else(app: TestApp) {
        let member = app.sign_up().await;
        for next in ["https://evil.example", "//evil.example", "/\\evil.example"] {
            let browser = Browser::new(app);
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
            let page = browser.open(&format!("/sign-in?{query}")).await.expect(200);
            assert_eq!(page.hidden("next"), None, "{next}");
            let fields = [("email", member.email.as_str()), ("password", crate::harness::PASSWORD), ("next", next)];
            let page = browser.send(&page, "/sign-in", &fields).await.expect(200);
            assert_eq!(page.path, format!("/w/{}", member.workspace));
        }
    }

    async fn another_workspace_is_not_there(app: TestApp) {
        let shop = app.open_shop().await;
        let stranger = app.sign_up().await;
        let theirs = Browser::of(app, &stranger);
        let (workspace, platform) = (shop.owner.workspace, shop.platform);
        for path in [
            format!("/w/{workspace}"),
            format!("/w/{workspace}/keys"),
            format!("/w/{workspace}/p/{platform}"),
            // Their own workspace, somebody else's platform.
            format!("/w/{}/p/{platform}", stranger.workspace),
            format!("/w/{}/p/{platform}/customers/{}", stranger.workspace, shop.customer),
            "/w/wsp_nothing".to_owned(),
        ] {
            let page = theirs.open(&path).await.expect(404);
            page.shows("Nothing here");
            page.shows("req_");
        }
    }

    async fn a_viewer_is_offered_nothing_and_refused_everything(app: TestApp) {
        let shop = app.open_shop().await;
        let viewer = app.sign_up().await;
        let caller = app.app.operator(app.issuer().tenant(shop.owner.workspace));
        accounts::memberships::add(&app.app, &caller, viewer.user, Role::Viewer).await.unwrap();
        let browser = Browser::of(app, &viewer);
        let (workspace, platform) = (shop.owner.workspace, shop.platform);
        let root = format!("/w/{workspace}/p/{platform}");
        for (view, verb) in [("features", "New feature"), ("plans", "New plan"), ("customers", "New customer")] {
            let page = browser.open(&format!("{root}/{view}?mode=test")).await.expect(200);
            page.hides(verb);
        }
        let page = browser.open(&format!("/w/{workspace}/platforms")).await.expect(200);
        page.hides("New platform");
        page.hides("API keys");
        page.hides("Audit log");

        for path in [
            format!("/w/{workspace}/keys"),
            format!("/w/{workspace}/audit"),
            format!("/w/{workspace}/platforms/new"),
            format!("{root}/features/new"),
            format!("{root}/customers/{}/edit?mode=test", shop.customer),
        ] {
            browser.open(&path).await.expect(403).shows("You may not do this");
        }
        let token = page.hidden("csrf_token").expect("the form to sign out");
        for (path, field) in [
            (format!("/w/{workspace}/platforms/new"), ("name", "Mine")),
            (format!("{root}/customers/new?mode=test"), ("name", "Mine")),
            (format!("{root}/customers/{}/archive?mode=test", shop.customer), ("name", "")),
            (format!("/w/{workspace}/keys/new"), ("name", "Mine")),
            (format!("/w/{workspace}/settings"), ("name", "Mine")),
            (format!("{root}/start?mode=test"), ("then", "")),
        ] {
            let answer = browser.ask("POST", &path, &[("csrf_token", &token), field]).await;
            assert_eq!(answer.status, 403, "{path}: {}", answer.text());
        }
    }

    async fn the_mailbox_is_the_operators(app: TestApp) {
        let member = app.sign_up().await;
        let browser = Browser::of(app, &member);
        browser.open(&format!("/w/{}/mailbox", member.workspace)).await.expect(404);
        let page = browser.open(&format!("/w/{}", member.workspace)).await.expect(200);
        page.hides("Mailbox");
    }

    async fn signing_out_ends_the_session(app: TestApp) {
        let member = app.sign_up().await;
        let browser = Browser::of(app, &member);
        let page = browser.open(&format!("/w/{}", member.workspace)).await.expect(200);
        let page = browser.send(&page, "/sign-out", &[]).await.expect(200);
        assert_eq!(page.path, "/sign-in");
        assert_eq!(browser.cookie("__Host-session"), None);
        browser.keep("__Host-session", &member.session);
        let page = browser.open(&format!("/w/{}", member.workspace)).await.expect(200);
        assert!(page.path.starts_with("/sign-in?next="), "{}", page.path);
    }
}
