//! Keys of a customer, as the people of the workspace issue, change and end them.

use serde_json::{Value, json};

use super::{Browser, Page};
use crate::harness::{TestApp, TestShop};

fn customer(shop: &TestShop) -> String {
    format!(
        "/w/{}/p/{}/customers/{}",
        shop.owner.workspace, shop.platform, shop.customer
    )
}

async fn verify(app: &TestApp, shop: &TestShop, key: &str) -> Value {
    let body = json!({"key": key});
    shop.signs(app.post("/v1/keys/verify"))
        .json(&body)
        .send()
        .await
        .expect(200)
}

/// The secret that a page shows.
fn secret_on(page: &Page, prefix: &str) -> String {
    let rest = page.html.split("<code tabindex=\"0\">").nth(1).expect("a secret");
    let secret = rest.split('<').next().unwrap();
    assert!(secret.starts_with(prefix), "{secret}");
    secret.to_owned()
}

/// The path of the only key.
async fn only_key(app: &TestApp, shop: &TestShop) -> String {
    let keys = shop.signs(app.get("/v1/keys")).send().await.expect(200);
    format!(
        "{}/keys/{}",
        customer(shop),
        keys["data"][0]["id"].as_str().unwrap()
    )
}

both_databases! {
    async fn a_key_is_issued_and_its_secret_shown_once(app: TestApp) {
        let shop = app.open_shop().await;
        let browser = Browser::of(app, &shop.owner);
        let new = format!("{}/keys/new?mode=test", customer(&shop));
        let page = browser.open(&new).await.expect(200);
        let wrong = [
            ("name", "Laptop"), ("permissions", "documents.read\nnot allowed!"), ("limits[0].amount", "many"),
            ("rate_limits[1].limit", "5"), ("rate_limits[1].per_secs", "60"), ("rate_limits[1].burst", "-1"),
        ];
        let page = browser.send(&page, &new, &wrong).await.expect(422);
        page.shows("value=\"Laptop\"");
        page.shows("f-rate_limits-1-burst-error");
        let wrong = [("name", "Laptop"), ("limits[0].amount", "many")];
        browser.send(&page, &new, &wrong).await.expect(422).shows("f-limits-0-amount-error");
        let wrong = [("name", "Laptop"), ("permissions", "documents.read not!")];
        browser.send(&page, &new, &wrong).await.expect(422).shows("f-permissions-error");

        let right = [
            ("name", "Laptop"), ("prefix", "acme_"), ("permissions", "documents.read\ndocuments.write"), ("end_user", "ada"),
            ("limits[0].amount", "3"), ("limits[0].period", "day"), ("credits.amount", "10"), ("credits.refill.period", "month"),
            ("rate_limits[0].limit", "600"), ("rate_limits[0].per_secs", "60"), ("rate_limits[0].burst", "60"),
        ];
        let page = browser.send(&page, &new, &right).await.expect(201);
        let secret = secret_on(&page, "acme_");
        let verdict = verify(app, &shop, &secret).await;
        assert_eq!((&verdict["valid"], &verdict["customer"]), (&json!(true), &json!(shop.customer)));

        let key = only_key(app, &shop).await;
        let list = browser.open(&format!("{}?mode=test", customer(&shop))).await.expect(200);
        list.shows(&key);
        list.hides(&secret);
        let page = browser.open(&format!("{key}?mode=test")).await.expect(200);
        page.hides(&secret);
        for shown in ["documents.write", "3 each day", "600 calls in a minute, 60 at once", "Refilled to 10 each month"] {
            page.shows(shown);
        }
        page.shows("1</strong> of 10");
    }

    async fn a_key_is_changed_topped_up_and_switched_off(app: TestApp) {
        let shop = app.open_shop().await;
        let body = json!({"customer": shop.customer, "name": "laptop", "credits": {"amount": 5}, "permissions": ["a"],
            "rate_limits": [{"name": "burst", "limit": 7, "per_secs": 10}]});
        let made = shop.signs(app.post("/v1/keys")).json(&body).send().await.expect(201);
        let (id, secret) = (made["customer_key"]["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
        let key = format!("{}/keys/{id}", customer(&shop));
        let at = |action: &str| format!("{key}{action}?mode=test");
        let get = async || shop.signs(app.get(&format!("/v1/keys/{id}"))).send().await.expect(200);
        let browser = Browser::of(app, &shop.owner);

        let page = browser.open(&at("/edit")).await.expect(200);
        page.shows("<option value=\"10\" selected>10 seconds</option>");
        let change = [
            ("name", "Phone"), ("permissions", "b c"), ("limits[0].amount", "4"),
            ("rate_limits[0].limit", "7"), ("rate_limits[0].per_secs", "10"), ("rate_limits[0].name", "burst"),
            ("rate_limits[2].limit", "1000"), ("rate_limits[2].per_secs", "3600"), ("rate_limits[2].name", "burst"),
        ];
        let refused = browser.send(&page, &at("/edit"), &change).await.expect(422);
        refused.shows("f-rate_limits-2-name-error");
        let page = browser.send(&page, &at("/edit"), &change[..6]).await.expect(200);
        page.shows("Changes saved.");
        let changed = get().await;
        assert_eq!((&changed["name"], &changed["permissions"]), (&json!("Phone"), &json!(["b", "c"])));
        assert_eq!(changed["rate_limits"].as_array().unwrap().len(), 1);
        assert_eq!((&changed["limits"][0]["amount"], &changed["credits"]["remaining"]), (&json!(4), &json!(5)));

        let page = browser.send(&page, &at("/credits"), &[("amount", "3"), ("what", "add")]).await.expect(200);
        assert_eq!(get().await["credits"]["remaining"], 8);
        let page = browser.send(&page, &at("/credits"), &[("amount", "2"), ("what", "set")]).await.expect(200);
        assert_eq!(get().await["credits"]["remaining"], 2);
        browser.send(&page, &at("/credits"), &[("amount", "0"), ("what", "add")]).await.expect(422).shows("f-amount-error");

        let page = browser.send(&page, &at("/disable"), &[]).await.expect(200);
        page.shows("Disabled");
        assert_eq!(verify(app, &shop, secret).await["valid"], false);
        browser.send(&page, &at("/enable"), &[]).await.expect(200).shows("Key enabled.");
        assert_eq!(verify(app, &shop, secret).await["valid"], true);
    }

    async fn a_key_is_rotated_and_revoked(app: TestApp) {
        let shop = app.open_shop().await;
        let body = json!({"customer": shop.customer, "name": "laptop"});
        let made = shop.signs(app.post("/v1/keys")).json(&body).send().await.expect(201);
        let (id, old) = (made["customer_key"]["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
        let at = |action: &str| format!("{}/keys/{id}{action}?mode=test", customer(&shop));
        let browser = Browser::of(app, &shop.owner);
        let page = browser.open(&at("")).await.expect(200);
        let rotated = browser.send(&page, &at("/rotate"), &[("overlap_secs", "3600")]).await.expect(201);
        let secret = secret_on(&rotated, "ck_test_");
        assert_eq!(verify(app, &shop, &secret).await["valid"], true);
        assert_eq!(verify(app, &shop, old).await["valid"], true, "for an hour");
        let page = browser.open(&at("")).await.expect(200);
        page.shows("Another key takes its place");
        page.hides("/rotate");
        page.hides("/edit");
        browser.send(&page, &at("/revoke"), &[]).await.expect(200).shows("Key revoked");
        assert_eq!(verify(app, &shop, old).await["valid"], false);
    }

    async fn whoever_may_not_gets_nowhere(app: TestApp) {
        let (shop, stranger) = (app.open_shop().await, app.open_shop().await);
        let other = app.new_customer(&shop.key, "other").await;
        let body = json!({"customer": shop.customer, "name": "laptop"});
        let made = shop.signs(app.post("/v1/keys")).json(&body).send().await.expect(201);
        let (id, secret) = (made["customer_key"]["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
        let viewer = Browser::of_viewer(app, &shop).await;
        let page = viewer.open(&format!("{}?mode=test", customer(&shop))).await.expect(200);
        page.shows("laptop");
        page.hides("Issue a key");
        let page = viewer.open(&format!("{}/keys/{id}?mode=test", customer(&shop))).await.expect(200);
        for hidden in ["/rotate", "/revoke", "/edit", "/credits", "/disable"] {
            page.hides(hidden);
        }
        let (owner, theirs) = (Browser::of(app, &shop.owner), Browser::of(app, &stranger.owner));
        let of_other = customer(&shop).replace(&shop.customer.to_string(), &other.to_string());
        for action in ["/edit", "/credits", "/enable", "/disable", "/rotate", "/revoke"] {
            for (browser, path, status) in [
                (&viewer, format!("{}/keys/{id}{action}", customer(&shop)), 403),
                (&owner, format!("{of_other}/keys/{id}{action}"), 404),
                (&theirs, format!("{}/keys/{id}{action}", customer(&shop)), 404),
                (&theirs, format!("{}/keys/{id}{action}", customer(&stranger)), 404),
            ] {
                let fields = [("name", "x"), ("amount", "1"), ("what", "set"), ("overlap_secs", "0")];
                assert_eq!(browser.force(&format!("{path}?mode=test"), &fields).await, status, "{path}");
            }
        }
        viewer.open(&format!("{}/keys/new?mode=test", customer(&shop))).await.expect(403);
        theirs.open(&format!("{}/keys/{id}?mode=test", customer(&stranger))).await.expect(404);
        assert_eq!(verify(app, &shop, secret).await["valid"], true);
    }
}
