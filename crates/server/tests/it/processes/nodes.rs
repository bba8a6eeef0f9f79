//! Three processes on one PostgreSQL.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use serde_json::json;

use super::eventually;
use super::installation::{Installation, Node};
use super::load::{Acknowledged, Load, Whereabouts};
use super::shop::{Shop, one_call, recorded};

fn three_nodes(installation: &Installation) -> [Node; 3] {
    ["a", "b", "c"].map(|name| installation.start(name))
}

#[test]
fn two_hundred_callers_on_three_nodes_get_what_the_limit_allows() {
    let Some(installation) = Installation::on_postgres() else {
        return;
    };
    let nodes = three_nodes(&installation);
    let shop = Shop::open(&mut nodes[0].client(&installation.key), &[("hundred", 100)]);
    shop.add_customer(&nodes[0], "acme", None);

    let barrier = Barrier::new(200);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let (barrier, shop, nodes) = (&barrier, &shop, &nodes);
        let callers: Vec<_> = (0..200)
            .map(|number| {
                scope.spawn(move || {
                    let mut client = nodes[number % 3].client(&shop.key);
                    barrier.wait();
                    let call = one_call("acme", &format!("caller-{number}"));
                    client.post("/v1/usage/consume", &call).unwrap().status
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    let count = |status: u16| statuses.iter().filter(|seen| **seen == status).count();
    assert_eq!((count(200), count(429)), (100, 100), "{statuses:?}");
    for node in &nodes {
        assert_eq!(recorded(&mut node.client(&shop.key), "acme").len(), 100);
    }
}

#[test]
fn a_node_that_is_killed_takes_nothing_with_it() {
    const LIMIT: usize = 900;
    let Some(installation) = Installation::on_postgres() else {
        return;
    };
    let nodes = three_nodes(&installation);
    let shop = Shop::open(&mut nodes[0].client(&installation.key), &[("some", LIMIT as u64)]);
    shop.add_customer(&nodes[0], "acme", None);

    let load = Load::default();
    let servers = nodes.each_ref().map(|node| Whereabouts::new(node.address));
    let [mut victim, survivor, _other] = nodes;
    let journal: Vec<Acknowledged> = std::thread::scope(|scope| {
        let (load, servers, shop) = (&load, &servers, &shop);
        let clients: Vec<_> = (0..12)
            .map(|number| {
                let name = format!("client-{number}");
                scope.spawn(move || load.run(&servers[number % 3], shop, &name, &["acme"]))
            })
            .collect();
        load.wait_for(LIMIT / 3);
        victim.kill();
        // Its callers go on with another.
        servers[0].move_to(survivor.address);
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    });

    let stored = recorded(&mut survivor.client(&shop.key), "acme");
    assert_eq!(stored.len(), LIMIT);
    let acknowledged: BTreeSet<String> = journal.iter().map(Acknowledged::event).collect();
    assert_eq!(acknowledged, stored);
}

#[test]
fn a_key_revoked_on_one_node_is_refused_by_another_within_a_second() {
    let Some(installation) = Installation::on_postgres() else {
        return;
    };
    let (here, there) = (installation.start("a"), installation.start("b"));
    let mut owner = here.client(&installation.key);
    let key = json!({"name": "short-lived", "kind": "secret", "mode": "live", "scopes": ["api_keys:read"]});
    let key = owner.post("/v1/api_keys", &key).unwrap().expect(201);
    let mut holder = there.client(key["secret"].as_str().unwrap());
    holder.get("/v1/api_keys").unwrap().expect(200);

    let path = format!("/v1/api_keys/{}", key["api_key"]["id"].as_str().unwrap());
    owner.call("DELETE", &path, None).unwrap().expect(200);
    let revoked = Instant::now();
    let mut last_accepted = Duration::ZERO;
    let refusal = eventually("the key is refused", || {
        let asked = revoked.elapsed();
        let answer = holder.get("/v1/api_keys").unwrap();
        if answer.status == 200 {
            last_accepted = asked;
        }
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(refusal.expect(401)["code"], "api_key_revoked");
    assert!(last_accepted < Duration::from_secs(1), "{last_accepted:?}");
}
