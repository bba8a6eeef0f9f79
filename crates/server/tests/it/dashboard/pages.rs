//! Every page, full and empty: it is there, light, and strict about what it loads.

use super::{Browser, Page};
use crate::harness::{Member, TestShop};

const PAGE_LIMIT_BYTES: usize = 50_000;

/// Every page of a workspace that needs no thing to be made first.
fn pages(owner: &Member, shop: &TestShop) -> Vec<String> {
    let workspace = format!("/w/{}", owner.workspace);
    let platform = format!("{workspace}/p/{}", shop.platform);
    let mut pages: Vec<String> = ["/account", "/workspaces", "/workspaces/new"]
        .map(str::to_owned)
        .to_vec();
    for path in [
        "",
        "/platforms",
        "/platforms?archived=yes",
        "/platforms/new",
        "/keys",
        "/keys/new",
        "/audit",
        "/members",
        "/settings",
    ] {
        pages.push(format!("{workspace}{path}"));
    }
    pages.push(format!("{workspace}/members/{}", owner.user));
    for mode in ["live", "test"] {
        for path in [
            "",
            "/features",
            "/features/new",
            "/plans",
            "/plans/new",
            "/plans/groups/new",
            "/customers",
            "/customers/new",
            "/usage",
            "/usage/events",
            "/keys",
            "/settings",
            "/settings/rate-limits/new",
        ] {
            pages.push(format!("{platform}{path}?mode={mode}"));
        }
        pages.push(format!("{workspace}?platform={}&mode={mode}", shop.platform));
        for asked in [
            "feature=calls&customer=nobody",
            "span=24h",
            "span=13w",
            "span=12m&by=customer",
        ] {
            pages.push(format!("{platform}/usage?mode={mode}&{asked}"));
        }
        pages.push(format!("{platform}/usage/events?mode={mode}&customer=nobody"));
        pages.push(format!("{platform}/customers?mode={mode}&q=nobody"));
    }
    let customer = format!("{platform}/customers/{}", shop.customer);
    for path in [
        "",
        "/edit",
        "/overrides/new",
        "/entitlements/calls",
        "/grants",
        "/grants/new",
        "/keys/new",
    ] {
        pages.push(format!("{customer}{path}?mode=test"));
    }
    pages
}

fn check(page: Page) {
    let page = page.expect(200);
    assert!(
        page.html.len() < PAGE_LIMIT_BYTES,
        "{} has {} bytes",
        page.path,
        page.html.len()
    );
    assert!(page.html.starts_with("<!DOCTYPE html>"), "{}", page.path);
    assert_eq!(page.html.matches("<h1").count(), 1, "{}", page.path);
    assert!(
        page.policy.starts_with("default-src 'none'; script-src 'self'"),
        "{}: {}",
        page.path,
        page.policy
    );
    assert!(
        !page.html.contains("style=\"") && !page.html.contains("<style"),
        "{}",
        page.path
    );
}

both_databases! {
    async fn every_page_is_there_and_light(app: TestApp) {
        let shop = app.open_shop().await;
        let browser = Browser::of(app, &shop.owner);
        for path in pages(&shop.owner, &shop) {
            check(browser.open(&path).await);
        }
        for body in [shop.usage(3), shop.usage(1)] {
            shop.signs(app.post("/v1/usage/consume")).json(&body).send().await.expect(200);
        }
        for number in 0..40 {
            let body = serde_json::json!({"external_id": format!("customer-{number}"), "name": format!("Customer {number}")});
            shop.signs(app.post("/v1/customers")).json(&body).send().await.expect(201);
        }
        for path in pages(&shop.owner, &shop) {
            check(browser.open(&path).await);
        }
    }

    async fn lists_go_on(app: TestApp) {
        let shop = app.open_shop().await;
        for number in 0..31 {
            let body = serde_json::json!({"external_id": format!("c{number}")});
            shop.signs(app.post("/v1/customers")).json(&body).send().await.expect(201);
        }
        let browser = Browser::of(app, &shop.owner);
        let list = format!("/w/{}/p/{}/customers?mode=test", shop.owner.workspace, shop.platform);
        let first = browser.open(&list).await.expect(200);
        first.shows(">c30<");
        let next = first.html.split("rel=\"next\"").next().unwrap().rsplit("href=\"").next().unwrap();
        let next = next.split('"').next().unwrap().replace("&amp;", "&");
        let second = browser.open(&next).await.expect(200);
        second.shows(">c0<");
        second.hides(">c30<");
        second.shows("First page");
        let found = browser.open(&format!("{list}&q=c7")).await.expect(200);
        found.shows(">c7<");
        found.hides(">c8<");
    }

    async fn a_plan_is_made_published_and_explained(app: TestApp) {
        let shop = app.open_shop().await;
        let browser = Browser::of(app, &shop.owner);
        let root = format!("/w/{}/p/{}", shop.owner.workspace, shop.platform);
        let plans = browser.open(&format!("{root}/plans?mode=test")).await.expect(200);
        let href = plans.html.split("/plans/pln_").nth(1).unwrap().split('"').next().unwrap();
        let plan = format!("{root}/plans/pln_{}", href.replace("&amp;", "&"));
        let page = browser.open(&plan).await.expect(200);
        let terms = [("price", "9.90"), ("currency", "eur"), ("interval", "month"), ("features", "calls")];
        let bad = [&terms[..], &[("entitlements[0].limit", "many")]].concat();
        let page = browser.send(&page, &plan, &bad).await.expect(422);
        page.shows("id=\"f-entitlements-0-limit-error\"");
        page.shows("value=\"9.90\"");
        let good = [&terms[..], &[("entitlements[0].limit", "9"), ("entitlements[0].overage", "deny")]].concat();
        let page = browser.send(&page, &plan, &good).await.expect(200);
        page.shows("Version 2 is published");
        page.shows("€9.90 a month");

        let customer = format!("{root}/customers/{}", shop.customer);
        let page = browser.open(&format!("{customer}/entitlements/calls?mode=test")).await.expect(200);
        page.shows("version 1");
        page.shows("Decides");
        let override_form = format!("{customer}/overrides/new?mode=test");
        let page = browser.open(&override_form).await.expect(200);
        let fields = [("feature", "calls"), ("granted", "yes"), ("limit", "1000"), ("reason", "A promise.")];
        let page = browser.send(&page, &override_form, &fields).await.expect(200);
        page.shows("Override is in force.");
        page.shows("A promise.");
    }

    async fn an_address_that_leads_nowhere_is_a_page_for_a_browser(app: TestApp) {
        let page = Browser::new(app).open("/nothing/here").await.expect(404);
        page.shows("Nothing here");
        app.get("/nothing/here").send().await.refused(404, "not_found");
    }

    async fn assets_are_kept_for_ever_and_compressed(app: TestApp) {
        let page = Browser::new(app).open("/sign-in").await.expect(200);
        let sheet = page.html.split("rel=\"stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap();
        let plain = app.get(sheet).send().await;
        assert_eq!(plain.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(plain.header("content-encoding"), None);
        let packed = app.get(sheet).header("accept-encoding", "gzip").send().await;
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        assert!(packed.body.len() * 3 < plain.body.len(), "{} of {}", packed.body.len(), plain.body.len());
        let etag = plain.header("etag").unwrap();
        let again = app.get(sheet).header("if-none-match", etag).send().await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    }
}
