//! `kill -9`, again and again, under load.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use super::installation::{Installation, Node};
use super::load::{Acknowledged, Load, Whereabouts};
use super::shop::{Shop, one_call, recorded};

const CLIENTS: usize = 8;
const LIVES: u32 = 6;
/// How long a server lives under load before it is killed, in milliseconds.
const LIFE: Range<u64> = 150..500;
/// Few enough that they are used up while servers die.
const LIMIT: u64 = 50;
const CUSTOMERS: [&str; 2] = ["without-end", "limited"];

/// The same lengths of life in every run.
struct Lives(u64);

impl Iterator for Lives {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // A step of the generator that Knuth gives for 64 bits; its high bits are the good ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let span = LIFE.end - LIFE.start;
        Some(Duration::from_millis(LIFE.start + (self.0 >> 33) % span))
    }
}

#[test]
fn every_acknowledged_call_is_counted_once_on_sqlite() {
    kill_again_and_again(&Installation::on_sqlite());
}

#[test]
fn every_acknowledged_call_is_counted_once_on_postgres() {
    if let Some(installation) = Installation::on_postgres() {
        kill_again_and_again(&installation);
    }
}

fn kill_again_and_again(installation: &Installation) {
    let mut node = installation.start("a");
    let plans = [("large", 1_000_000), ("small", LIMIT)];
    let shop = Shop::open(&mut node.client(&installation.key), &plans);
    shop.add_customer(&node, CUSTOMERS[0], None);
    shop.add_customer(&node, CUSTOMERS[1], Some("small"));

    let (load, server) = (Load::default(), Whereabouts::new(node.address));
    let journal: Vec<Acknowledged> = std::thread::scope(|scope| {
        let (load, server, shop) = (&load, &server, &shop);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                scope.spawn(move || load.run(server, shop, &format!("client-{number}"), &CUSTOMERS))
            })
            .collect();
        for life in Lives(2).take(LIVES as usize) {
            load.wait_for(1);
            std::thread::sleep(life);
            node.kill();
            node = installation.start("a");
            server.move_to(node.address);
        }
        load.wait_for(1);
        load.stop();
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    });

    for customer in CUSTOMERS {
        let stored = recorded(&mut node.client(&shop.key), customer);
        let of_customer: Vec<String> = journal
            .iter()
            .filter(|acknowledged| acknowledged.customer == customer)
            .map(Acknowledged::event)
            .collect();
        let acknowledged: BTreeSet<String> = of_customer.iter().cloned().collect();
        assert_eq!(acknowledged.len(), of_customer.len(), "two calls share an event");
        // Every call was repeated until its outcome was known, so nothing else may be there either.
        assert_eq!(acknowledged, stored);
    }
    let limited = recorded(&mut node.client(&shop.key), "limited");
    assert_eq!(
        limited.len() as u64,
        LIMIT,
        "the load is meant to use up the limit"
    );
    repeat_all(&node, &shop, &journal);
    assert_eq!(recorded(&mut node.client(&shop.key), "limited"), limited);
}

/// Every call gets the very answer again that it got before, though the server has died since.
fn repeat_all(node: &Node, shop: &Shop, journal: &[Acknowledged]) {
    std::thread::scope(|scope| {
        for part in journal.chunks(journal.len().div_ceil(CLIENTS)) {
            scope.spawn(move || {
                let mut client = node.client(&shop.key);
                for call in part {
                    let again = client
                        .post("/v1/usage/consume", &one_call(call.customer, &call.key))
                        .unwrap();
                    assert_eq!(again.header("idempotent-replayed"), Some("true"));
                    assert_eq!(again.expect(200), call.usage);
                }
            });
        }
    });
}
