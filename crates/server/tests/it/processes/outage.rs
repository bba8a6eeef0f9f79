//! A database that goes away and comes back.

use std::collections::BTreeSet;

use serde_json::json;

use super::client::{Answer, Client};
use super::eventually;
use super::installation::{Installation, Node};
use super::load::{Acknowledged, Load, Whereabouts};
use super::proxy::{Line, Proxy};
use super::shop::{Shop, one_call, recorded};

const CLIENTS: usize = 6;

#[test]
fn what_was_acknowledged_outlives_an_outage_and_work_goes_on_after_it() {
    under_load(|node, shop, load, proxy| {
        for _ in 0..2 {
            load.wait_for(50);
            proxy.turn(Line::Cut);
            everything_is_refused(&mut node.client(&shop.key));
            proxy.turn(Line::Open);
            everything_works_again(&mut node.client(&shop.key));
        }
    });
}

#[test]
fn a_host_that_vanishes_is_waited_for_no_longer_than_it_takes_to_be_sure() {
    under_load(|node, shop, load, proxy| {
        load.wait_for(50);
        proxy.turn(Line::Silent);
        no_database(&mut node.client(&shop.key));
        // Another host takes over; the old connections stay what they are.
        proxy.turn(Line::Open);
        everything_works_again(&mut node.client(&shop.key));
    });
}

/// Does something to a server that is called all the while. Afterwards it still counts, and what it has on record is what
/// it acknowledged.
fn under_load(happens: impl FnOnce(&Node, &Shop, &Load, &Proxy)) {
    let Some((installation, proxy)) = Installation::on_postgres_by_proxy() else {
        return;
    };
    let node = installation.start("a");
    let shop = Shop::open(&mut node.client(&installation.key), &[("large", 1_000_000)]);
    shop.add_customer(&node, "acme", None);

    let (load, server) = (Load::default(), Whereabouts::new(node.address));
    let journal: Vec<Acknowledged> = std::thread::scope(|scope| {
        let (load, server, shop) = (&load, &server, &shop);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(move || load.run(server, shop, &format!("client-{number}"), &["acme"])))
            .collect();
        happens(&node, shop, load, &proxy);
        load.wait_for(50);
        load.stop();
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    });

    let stored = recorded(&mut node.client(&shop.key), "acme");
    let acknowledged: BTreeSet<String> = journal.iter().map(Acknowledged::event).collect();
    assert_eq!(acknowledged, stored);
}

fn no_database(client: &mut Client) {
    eventually("the server notices", || {
        let health = client.get("/healthz").unwrap();
        (health.status == 503).then(|| assert_eq!(health.body["deps"]["supabase"], false))
    });
}

fn everything_is_refused(client: &mut Client) {
    no_database(client);
    let customer = json!({"external_id": "globex", "name": "Globex"});
    for answer in [
        client.post("/v1/customers", &customer).unwrap(),
        client.get("/v1/customers").unwrap(),
        client.post("/v1/usage/check", &one_call("acme", "none")).unwrap(),
    ] {
        assert_eq!(refusal(answer), "unavailable");
    }
    let call = client
        .post("/v1/usage/consume", &one_call("acme", "in-the-dark"))
        .unwrap();
    let code = refusal(call);
    assert!(
        ["unavailable", "outcome_unknown"].contains(&code.as_str()),
        "{code}"
    );
}

/// The code of a refusal that asks for another try.
#[track_caller]
fn refusal(answer: Answer) -> String {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert!(answer.header("retry-after").is_some());
    answer.expect(503)["code"].as_str().unwrap().to_owned()
}

fn everything_works_again(client: &mut Client) {
    eventually("the server recovers", || {
        let health = client.get("/healthz").unwrap();
        (health.status == 200).then_some(())
    });
    client.get("/v1/customers").unwrap().expect(200);
    client
        .post("/v1/usage/check", &one_call("acme", "none"))
        .unwrap()
        .expect(200);
}
