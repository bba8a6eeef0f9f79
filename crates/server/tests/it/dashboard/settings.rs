//! Settings of a platform: rate limits. And the form of a new feature, with all that there is to say of how it counts.

use serde_json::{Value, json};

use super::Browser;
use crate::harness::{TestApp, TestShop};

fn root(shop: &TestShop) -> String {
    format!("/w/{}/p/{}", shop.owner.workspace, shop.platform)
}

async fn rules(app: &TestApp, shop: &TestShop) -> Value {
    shop.signs(app.get("/v1/rate_limits")).send().await.expect(200)["data"].clone()
}

both_databases! {
    async fn a_rate_limit_is_made_changed_and_removed(app: TestApp) {
        let shop = app.open_shop().await;
        let browser = Browser::of(app, &shop.owner);
        let (settings, new) = (format!("{}/settings?mode=test", root(&shop)), format!("{}/settings/rate-limits/new?mode=test", root(&shop)));
        browser.open(&settings).await.expect(200).shows("No rate limits.");
        let page = browser.open(&new).await.expect(200);
        let base = [("name", "Free plan"), ("applies_to", "customer"), ("per_secs", "60")];
        for (fields, at) in [
            (vec![("limit", "many")], "f-limit-error"),
            (vec![("limit", "10"), ("burst", "11")], "f-burst-error"),
            (vec![("limit", "10"), ("customer", "nobody")], "f-customer-error"),
            (vec![("limit", "10"), ("plan", "nothing")], "f-plan-error"),
        ] {
            let refused = browser.send(&page, &new, &[&base[..], &fields].concat()).await.expect(422);
            refused.shows(at);
            refused.shows("value=\"Free plan\"");
        }
        let right = [&base[..], &[("limit", "10"), ("burst", "2"), ("feature", "calls"), ("customer", "acme"), ("route", "POST /a")]].concat();
        let page = browser.send(&page, &new, &right).await.expect(200);
        page.shows("10 calls in a minute, 2 at once");
        page.shows("Route: POST /a");
        browser.send(&browser.open(&new).await, &new, &right).await.expect(409).shows("f-name-error");

        let rule = rules(app, &shop).await[0].clone();
        let at = |action: &str| format!("{}/settings/rate-limits/{}{action}?mode=test", root(&shop), rule["id"].as_str().unwrap());
        let page = browser.open(&at("")).await.expect(200);
        let refused = browser.send(&page, &at(""), &[("name", ""), ("limit", "5"), ("per_secs", "1"), ("burst", "")]).await.expect(422);
        refused.shows("f-name-error");
        let page = browser.send(&page, &at(""), &[("name", "All"), ("limit", "5"), ("per_secs", "10"), ("burst", "")]).await.expect(200);
        page.shows("5 calls in 10 seconds");
        assert_eq!(rules(app, &shop).await[0]["burst"], Value::Null);
        let page = browser.open(&at("")).await.expect(200);
        browser.send(&page, &at("/remove"), &[]).await.expect(200).shows("Rate limit removed.");
        assert_eq!(rules(app, &shop).await, json!([]));
    }

    async fn rate_limits_are_for_who_may_manage_the_platform(app: TestApp) {
        let (shop, stranger) = (app.open_shop().await, app.open_shop().await);
        let rule = json!({"name": "All", "applies_to": "customer", "limit": 5, "per_secs": 1});
        let rule = shop.signs(app.post("/v1/rate_limits")).json(&rule).send().await.expect(201)["id"].clone();
        let rule = rule.as_str().unwrap();
        let viewer = Browser::of_viewer(app, &shop).await;
        let page = viewer.open(&format!("{}/settings?mode=test", root(&shop))).await.expect(200);
        page.shows("5 calls in a second");
        page.hides("New rate limit");
        let page = viewer.open(&format!("{}/settings/rate-limits/{rule}?mode=test", root(&shop))).await.expect(200);
        page.hides("Save changes");
        page.hides("/remove");
        viewer.open(&format!("{}/settings/rate-limits/new?mode=test", root(&shop))).await.expect(403);
        let theirs = Browser::of(app, &stranger.owner);
        theirs.open(&format!("{}/settings/rate-limits/{rule}?mode=test", root(&stranger))).await.expect(404);
        for (browser, path, status) in [
            (&viewer, format!("{}/settings/rate-limits/new", root(&shop)), 403),
            (&viewer, format!("{}/settings/rate-limits/{rule}", root(&shop)), 403),
            (&viewer, format!("{}/settings/rate-limits/{rule}/remove", root(&shop)), 403),
            (&theirs, format!("{}/settings/rate-limits/{rule}", root(&stranger)), 404),
            (&theirs, format!("{}/settings/rate-limits/{rule}/remove", root(&stranger)), 404),
            (&theirs, format!("{}/settings/rate-limits/{rule}/remove", root(&shop)), 404),
        ] {
            let fields = [("name", "x"), ("applies_to", "customer"), ("limit", "1"), ("per_secs", "1")];
            assert_eq!(browser.force(&format!("{path}?mode=test"), &fields).await, status, "{path}");
        }
        assert_eq!(rules(app, &shop).await[0]["name"], "All");
    }

    async fn a_feature_is_made_with_all_that_there_is_to_say(app: TestApp) {
        let shop = app.open_shop().await;
        let browser = Browser::of(app, &shop.owner);
        let new = format!("{}/features/new?mode=test", root(&shop));
        let page = browser.open(&new).await.expect(200);
        let named = |key: &'static str| [("name", key), ("key", key), ("kind", "metered")];
        for (fields, at) in [
            (vec![("aggregation", "sum"), ("period", "day"), ("dimensions", "model, Model!")], "f-dimensions-error"),
            (vec![("aggregation", "sum"), ("period", "day"), ("meter.unique_cap", "5")], "f-meter-unique_cap-error"),
            (vec![("aggregation", "sum"), ("period", "rolling")], "f-meter-rolling_secs-error"),
        ] {
            browser.send(&page, &new, &[&named("tokens")[..], &fields].concat()).await.expect(422).shows(at);
        }
        let tokens = [&named("tokens")[..], &[("aggregation", "sum"), ("period", "rolling"), ("dimensions", "model, region,"),
            ("meter.rolling_secs", "90"), ("meter.rolling_buckets", "30")]].concat();
        browser.send(&page, &new, &tokens).await.expect(200).shows("Sum, 90 minutes back");
        let seats = [&named("seats")[..], &[("aggregation", "unique"), ("period", "month"), ("meter.unique_cap", "50")]].concat();
        browser.send(&page, &new, &seats).await.expect(200).shows("Distinct members, each month");
        let features = shop.signs(app.get("/v1/features")).send().await.expect(200);
        assert_eq!(features["data"][1]["dimensions"], json!(["model", "region"]));
        assert_eq!((&features["data"][1]["meter"]["rolling_secs"], &features["data"][2]["meter"]["unique_cap"]), (&json!(5_400), &json!(50)));
        let feature = format!("{}/features/{}?mode=test", root(&shop), features["data"][1]["id"].as_str().unwrap());
        browser.open(&feature).await.expect(200).shows("<code class=\"tag\">region</code>");
    }
}
