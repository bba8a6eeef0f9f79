//! SIGTERM while requests are under way.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::client::{connect, head, read_answer};
use super::eventually;
use super::installation::Installation;
use super::shop::{Shop, one_call, recorded};

const UNDER_WAY: usize = 20;
/// Nothing is left to wait for but the last commits.
const PROMPTLY: Duration = Duration::from_secs(3);

#[test]
fn requests_under_way_are_answered_before_the_end_on_sqlite() {
    stop_with_requests_under_way(&Installation::on_sqlite());
}

#[test]
fn requests_under_way_are_answered_before_the_end_on_postgres() {
    if let Some(installation) = Installation::on_postgres() {
        stop_with_requests_under_way(&installation);
    }
}

fn stop_with_requests_under_way(installation: &Installation) {
    let node = installation.start("a");
    let shop = Shop::open(&mut node.client(&installation.key), &[("large", 1_000)]);
    shop.add_customer(&node, "acme", None);
    let under_way: Vec<_> = (0..UNDER_WAY)
        .map(|number| Begun::new(node.address, &shop.key, number))
        .collect();
    // What holds nothing back: a connection that waits for its next request, and one that never sent any.
    let mut idle = node.client(&shop.key);
    idle.get("/v1/customers").unwrap().expect(200);
    let _silent = connect(node.address).unwrap();

    node.ask_to_stop();
    eventually("no more connections are taken", || {
        TcpStream::connect(node.address).err()
    });
    for begun in under_way {
        begun.finish();
    }
    let answered = Instant::now();
    assert!(node.ended().success());
    assert!(answered.elapsed() < PROMPTLY, "{:?}", answered.elapsed());

    let node = installation.start("a");
    assert_eq!(recorded(&mut node.client(&shop.key), "acme").len(), UNDER_WAY);
}

/// A consume whose handler has begun to read, and whose body has not been sent.
struct Begun {
    connection: BufReader<TcpStream>,
    body: String,
}

impl Begun {
    fn new(address: SocketAddr, key: &str, number: usize) -> Self {
        let body = one_call("acme", &format!("call-{number}")).to_string();
        let mut connection = BufReader::new(connect(address).unwrap());
        let head = head("POST", "/v1/usage/consume", key, body.len());
        let head = format!("{head}Expect: 100-continue\r\n\r\n");
        connection.get_mut().write_all(head.as_bytes()).unwrap();
        assert_eq!(read_answer(&mut connection).unwrap().status, 100);
        Begun { connection, body }
    }

    fn finish(mut self) {
        self.connection.get_mut().write_all(self.body.as_bytes()).unwrap();
        read_answer(&mut self.connection).unwrap().expect(200);
    }
}
