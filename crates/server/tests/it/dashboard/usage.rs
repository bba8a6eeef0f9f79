//! The pages of usage: figures, the event log, one event and taking it back.

use serde_json::{Value, json};

use super::Browser;
use crate::harness::{TestApp, TestShop};

fn usage(shop: &TestShop) -> String {
    format!("/w/{}/p/{}/usage", shop.owner.workspace, shop.platform)
}

/// A feature `tokens` by model, of which the customer has as much as they like.
async fn sell_tokens(app: &TestApp, shop: &TestShop) {
    let feature = json!({"key": "tokens", "name": "Tokens", "kind": "metered", "dimensions": ["model"],
        "meter": {"aggregation": "sum", "period": "month", "scale": 1}});
    shop.signs(app.post("/v1/features"))
        .json(&feature)
        .send()
        .await
        .expect(201);
    let given = json!({"customer": shop.customer, "feature": "tokens", "granted": true, "limit": null, "reason": "test"});
    shop.signs(app.post("/v1/overrides"))
        .json(&given)
        .send()
        .await
        .expect(201);
}

async fn use_tokens(app: &TestApp, shop: &TestShop, amount: &str, model: &str) -> Value {
    let body = json!({"customer": shop.customer, "feature": "tokens", "amount": amount, "dimensions": {"model": model}});
    let call = shop.signs(app.post("/v1/usage/consume"));
    call.json(&body).send().await.expect(200)["event"].clone()
}

both_databases! {
    async fn the_first_call_is_shown_until_it_was_made(app: TestApp) {
        let shop = app.open_shop().await;
        let browser = Browser::of(app, &shop.owner);
        for page in ["", "/events"] {
            let page = browser.open(&format!("{}{page}?mode=test", usage(&shop))).await.expect(200);
            page.shows("/v1/usage/consume");
            page.shows("&quot;feature&quot;: &quot;calls&quot;");
        }
        // Nothing is metered in the other mode.
        browser.open(&format!("{}?mode=live", usage(&shop))).await.expect(200).shows("Nothing is metered yet");
        shop.signs(app.post("/v1/usage/consume")).json(&shop.usage(1)).send().await.expect(200);
        let page = browser.open(&format!("{}?mode=test", usage(&shop))).await.expect(200);
        page.hides("/v1/usage/consume");
        page.shows("By customer");
    }

    async fn usage_is_broken_down_and_looked_into(app: TestApp) {
        let shop = app.open_shop().await;
        sell_tokens(app, &shop).await;
        for (amount, model) in [("1200.5", "small"), ("300", "large"), ("99.5", "<b>"), ("400", "large")] {
            use_tokens(app, &shop, amount, model).await;
        }
        let browser = Browser::of(app, &shop.owner);
        for span in ["24h", "7d", "30d", "13w", "12m"] {
            let page = browser.open(&format!("{}?mode=test&feature=tokens&span={span}", usage(&shop))).await.expect(200);
            page.shows("<dd class=\"tile-value\">2,000</dd>");
            page.shows(">acme</a>");
            page.shows(">100%<");
        }
        let by_model = format!("{}?mode=test&feature=tokens&by=model", usage(&shop));
        let page = browser.open(&by_model).await.expect(200);
        for shown in [">small</a>", ">1,200.5<", ">60%<", ">700<", ">35%<", "&lt;b&gt;"] {
            page.shows(shown);
        }
        page.hides("<b>");
        let position = |text: &str| page.html.find(text).unwrap();
        assert!(position(">small</a>") < position(">large</a>"), "the greatest first");

        let large = format!("{by_model}&filter=model%3Alarge");
        let page = browser.open(&large).await.expect(200);
        page.shows("<dd class=\"tile-value\">700</dd>");
        page.shows("Take the filter model large away");
        let other = format!("{}?mode=test&feature=tokens&customer=nobody", usage(&shop));
        browser.open(&other).await.expect(200).shows("Nothing was found");
        let theirs = format!("{}?mode=test&feature=tokens&customer={}", usage(&shop), shop.customer);
        let page = browser.open(&theirs).await.expect(200);
        page.shows("Take the filter Customer acme away");
        page.shows("By model");
    }

    async fn usage_is_had_as_a_file(app: TestApp) {
        let shop = app.open_shop().await;
        sell_tokens(app, &shop).await;
        use_tokens(app, &shop, "2.5", "=1+1").await;
        let browser = Browser::of(app, &shop.owner);
        let path = format!("{}/csv?mode=test&feature=tokens&by=model", usage(&shop));
        let file = browser.ask("GET", &path, &[]).await;
        assert_eq!(file.status, 200);
        assert_eq!(file.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
        assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"usage-tokens-30d.csv\""));
        let text = file.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "start,dimensions.model,amount,events");
        assert!(lines[1].ends_with(",'=1+1,2.5,1"), "{}", lines[1]);
        let stranger = app.sign_up().await;
        Browser::of(app, &stranger).open(&path).await.expect(404);
    }

    async fn the_log_is_filtered(app: TestApp) {
        let shop = app.open_shop().await;
        sell_tokens(app, &shop).await;
        use_tokens(app, &shop, "2.5", "small").await;
        shop.signs(app.post("/v1/usage/consume")).json(&shop.usage(3)).send().await.expect(200);
        let browser = Browser::of(app, &shop.owner);
        let log = format!("{}/events?mode=test", usage(&shop));
        let today = app.app.now().to_string()[..10].to_owned();
        let whole = browser.open(&log).await.expect(200);
        whole.shows("model: small");
        whole.shows("API calls");
        for (query, tokens, calls) in [
            ("feature=tokens".to_owned(), true, false),
            ("customer=acme&source=consume".to_owned(), true, true),
            (format!("from={today}&to={today}"), true, true),
            ("to=2020-01-01".to_owned(), false, false),
            ("source=settle".to_owned(), false, false),
            ("customer=nobody".to_owned(), false, false),
            ("from=yesterday".to_owned(), false, false),
        ] {
            let page = browser.open(&format!("{log}&{query}")).await.expect(200);
            assert_eq!(page.html.contains("model: small"), tokens, "{query}");
            assert_eq!(page.html.contains("<span class=\"cell-sub\">API calls</span>"), calls, "{query}");
            page.shows("Clear");
        }
    }

    async fn an_event_is_taken_back(app: TestApp) {
        let shop = app.open_shop().await;
        let made = shop.signs(app.post("/v1/usage/consume")).json(&shop.usage(4)).send().await.expect(200);
        let event = made["event"].as_str().unwrap();
        let path = format!("{}/events/{event}?mode=test", usage(&shop));
        let take_back = format!("{}/events/{event}/take-back?mode=test", usage(&shop));
        let browser = Browser::of(app, &shop.owner);
        let page = browser.open(&path).await.expect(200);
        page.shows("What it includes");
        let once = page.hidden("once").unwrap();

        let wrong = browser.send(&page, &take_back, &[("amount", "9"), ("once", "a")]).await.expect(422);
        wrong.shows("id=\"f-amount-error\"");
        wrong.shows("value=\"9\"");
        let done = browser.send(&page, &take_back, &[("amount", "1"), ("once", &once)]).await.expect(200);
        done.shows("1 of calls taken back.");
        done.shows("3 is left after corrections.");
        // The same form once more, as after a double click: nothing more is taken back.
        let again = browser.send(&page, &take_back, &[("amount", "1"), ("once", &once)]).await.expect(200);
        again.shows("3 is left after corrections.");
        let rest = browser.send(&page, &take_back, &[("amount", ""), ("once", "b")]).await.expect(200);
        rest.shows("All of it was taken back.");
        rest.hides("/take-back");

        let log = browser.open(&format!("{}/events?mode=test&source=correction", usage(&shop))).await.expect(200);
        log.shows("Correction");
        log.shows(">\u{2212}3<");
        let stranger = app.open_shop().await;
        let theirs = Browser::of(app, &stranger.owner);
        let foreign = format!("{}/events/{event}", usage(&stranger));
        theirs.open(&format!("{foreign}?mode=test")).await.expect(404);
        assert_eq!(theirs.force(&format!("{foreign}/take-back?mode=test"), &[("amount", "1")]).await, 404);
    }

    async fn a_viewer_sees_usage_and_takes_nothing_back(app: TestApp) {
        let shop = app.open_shop().await;
        let made = shop.signs(app.post("/v1/usage/consume")).json(&shop.usage(4)).send().await.expect(200);
        let event = format!("{}/events/{}", usage(&shop), made["event"].as_str().unwrap());
        let browser = Browser::of_viewer(app, &shop).await;
        browser.open(&format!("{}?mode=test", usage(&shop))).await.expect(200).shows("By customer");
        let page = browser.open(&format!("{event}?mode=test")).await.expect(200);
        page.shows("What it includes");
        page.hides("/take-back");
        assert_eq!(browser.force(&format!("{event}/take-back?mode=test"), &[("amount", "1")]).await, 403);
    }
}
