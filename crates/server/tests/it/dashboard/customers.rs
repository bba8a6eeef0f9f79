//! A customer's page: where they stand, and what can be given, held and taken away.

use serde_json::json;

use super::Browser;
use crate::harness::TestShop;

fn customer(shop: &TestShop) -> String {
    format!(
        "/w/{}/p/{}/customers/{}",
        shop.owner.workspace, shop.platform, shop.customer
    )
}

both_databases! {
    async fn the_meters_tell_what_is_used_and_held_at_this_moment(app: TestApp) {
        let shop = app.open_shop().await;
        let browser = Browser::of(app, &shop.owner);
        let (page, live) = (format!("{}?mode=test", customer(&shop)), format!("{}/live?mode=test", customer(&shop)));
        browser.open(&page).await.expect(200).shows("aria-valuetext=\"0 of 5\"");
        shop.signs(app.post("/v1/usage/consume")).json(&shop.usage(2)).send().await.expect(200);
        shop.signs(app.post("/v1/usage/holds")).json(&shop.usage(1)).send().await.expect(201);
        let meters = browser.ask("GET", &live, &[]).await;
        let text = meters.text();
        assert!(text.contains("aria-valuetext=\"2 of 5, 1 held\""), "{text}");
        assert!(!text.contains("<html"), "only the part that changes");
        browser.open(&page).await.expect(200).shows("aria-valuetext=\"2 of 5, 1 held\"");
        let stranger = app.open_shop().await;
        Browser::of(app, &stranger.owner).open(&live).await.expect(404);
    }

    async fn a_grant_is_given_shown_and_voided(app: TestApp) {
        let shop = app.open_shop().await;
        let browser = Browser::of(app, &shop.owner);
        let (here, new) = (format!("{}?mode=test", customer(&shop)), format!("{}/grants/new?mode=test", customer(&shop)));
        let page = browser.open(&new).await.expect(200);
        let wrong = [("feature", "calls"), ("amount", "lots"), ("reason", "A <promise>."), ("expires_at", "2020-01-01")];
        let page = browser.send(&page, &new, &wrong).await.expect(422);
        page.shows("value=\"A &lt;promise&gt;.\"");
        page.shows("f-expires_at-error");
        let wrong = [("feature", "calls"), ("amount", "10"), ("reason", "Bought."), ("rollover.max", "5")];
        browser.send(&page, &new, &wrong).await.expect(422).shows("never rolls over");
        let right = [
            ("feature", "calls"), ("amount", "10"), ("reason", "Bought."), ("expires_at", "2120-01-01"), ("priority", "-3"),
            ("rollover.max", "5"), ("rollover.lasts_secs", "30"),
        ];
        let page = browser.send(&page, &new, &right).await.expect(200);
        for shown in ["10 given.", "Bought.", "10 more from grants", "1 Jan 2120"] {
            page.shows(shown);
        }
        let grants = format!("/v1/customers/{}/grants", shop.customer);
        let made = shop.signs(app.get(&grants)).send().await.expect(200)["data"][0].clone();
        assert_eq!(made["rollover"], json!({"min": 0, "max": 5, "lasts_secs": 2_592_000}));
        assert_eq!((&made["priority"], &made["expires_at"]), (&json!(-3), &json!("2120-01-01T23:59:59.999999Z")));

        let void = format!("{}/grants/{}/void?mode=test", customer(&shop), made["id"].as_str().unwrap());
        let list = browser.open(&format!("{}/grants?mode=test", customer(&shop))).await.expect(200);
        list.shows("Active");
        assert_eq!(browser.force(&void, &[("reason", "")]).await, 422);
        let page = browser.send(&list, &void, &[("reason", "A mistake.")]).await.expect(200);
        page.shows("Grant voided.");
        page.hides("more from grants");
        browser.open(&here).await.expect(200).hides(&void.replace('&', "&amp;"));
        assert!(!shop.signs(app.get(&grants)).send().await.expect(200)["data"][0]["voided_at"].is_null());
    }

    async fn a_hold_is_released(app: TestApp) {
        let shop = app.open_shop().await;
        let held = shop.signs(app.post("/v1/usage/holds")).json(&shop.usage(4)).send().await.expect(201);
        let hold = held["hold"]["id"].as_str().unwrap();
        let browser = Browser::of(app, &shop.owner);
        let page = browser.open(&format!("{}?mode=test", customer(&shop))).await.expect(200);
        let release = format!("{}/holds/{hold}/release?mode=test", customer(&shop));
        let page = browser.send(&page, &release, &[]).await.expect(200);
        page.shows("4 of calls released.");
        page.shows("No open holds.");
        page.shows("aria-valuetext=\"0 of 5\"");
    }

    async fn what_is_of_another_customer_or_shop_is_not_there(app: TestApp) {
        let (shop, stranger) = (app.open_shop().await, app.open_shop().await);
        let other = app.new_customer(&shop.key, "other").await;
        let grants = format!("/v1/customers/{}/grants", shop.customer);
        let grant = json!({"feature": "calls", "amount": 5, "reason": "test"});
        let grant = shop.signs(app.post(&grants)).json(&grant).send().await.expect(201)["id"].clone();
        let hold = shop.signs(app.post("/v1/usage/holds")).json(&shop.usage(1)).send().await.expect(201)["hold"]["id"].clone();
        let (grant, hold) = (grant.as_str().unwrap(), hold.as_str().unwrap());
        let ends = [format!("/grants/{grant}/void?mode=test"), format!("/holds/{hold}/release?mode=test")];
        let of_other = customer(&shop).replace(&shop.customer.to_string(), &other.to_string());
        for end in &ends {
            let owner = Browser::of(app, &shop.owner);
            assert_eq!(owner.force(&format!("{of_other}{end}"), &[("reason", "x")]).await, 404, "{end}");
            let theirs = Browser::of(app, &stranger.owner);
            assert_eq!(theirs.force(&format!("{}{end}", customer(&stranger)), &[("reason", "x")]).await, 404, "{end}");
            assert_eq!(theirs.force(&format!("{}{end}", customer(&shop)), &[("reason", "x")]).await, 404, "{end}");
        }
        let standing = format!("/v1/customers/{}/entitlements/calls", shop.customer);
        let standing = shop.signs(app.get(&standing)).send().await.expect(200);
        assert_eq!(standing["held"], 1);
    }

    async fn a_viewer_sees_all_of_it_and_changes_nothing(app: TestApp) {
        let shop = app.open_shop().await;
        let grants = format!("/v1/customers/{}/grants", shop.customer);
        let grant = json!({"feature": "calls", "amount": 5, "reason": "Bought."});
        let grant = shop.signs(app.post(&grants)).json(&grant).send().await.expect(201)["id"].clone();
        let hold = shop.signs(app.post("/v1/usage/holds")).json(&shop.usage(1)).send().await.expect(201)["hold"]["id"].clone();
        let browser = Browser::of_viewer(app, &shop).await;
        let page = browser.open(&format!("{}?mode=test", customer(&shop))).await.expect(200);
        page.shows("Bought.");
        page.shows("Open holds");
        for hidden in ["Give a grant", "/void", "/release"] {
            page.hides(hidden);
        }
        browser.open(&format!("{}/grants?mode=test", customer(&shop))).await.expect(200).hides("/void");
        browser.open(&format!("{}/grants/new?mode=test", customer(&shop))).await.expect(403);
        for (path, field) in [
            (format!("/grants/{}/void", grant.as_str().unwrap()), ("reason", "x")),
            ("/grants/new".to_owned(), ("feature", "calls")),
            (format!("/holds/{}/release", hold.as_str().unwrap()), ("reason", "x")),
        ] {
            let path = format!("{}{path}?mode=test", customer(&shop));
            let fields = [field, ("amount", "1"), ("reason", "x")];
            assert_eq!(browser.force(&path, &fields).await, 403, "{path}");
        }
    }
}
