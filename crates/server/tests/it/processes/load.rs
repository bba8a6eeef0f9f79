//! Clients that consume as careful callers do: under an idempotency key that they repeat until they know the outcome.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

use serde_json::Value;

use super::client::Client;
use super::shop::{Shop, one_call};
use super::{PATIENCE, eventually};

/// Where a server is to be found; it moves when it is started again.
pub struct Whereabouts {
    /// The address, and how often it has changed.
    current: Mutex<(SocketAddr, u32)>,
    moved: Condvar,
}

impl Whereabouts {
    pub fn new(address: SocketAddr) -> Self {
        Whereabouts {
            current: Mutex::new((address, 0)),
            moved: Condvar::new(),
        }
    }

    pub fn move_to(&self, address: SocketAddr) {
        let mut current = self.current.lock().unwrap();
        *current = (address, current.1 + 1);
        self.moved.notify_all();
    }

    fn now(&self) -> (SocketAddr, u32) {
        *self.current.lock().unwrap()
    }

    /// Waits for it to be anywhere but where it was after so many changes.
    fn after(&self, changes: u32) -> (SocketAddr, u32) {
        let current = self.current.lock().unwrap();
        let waited = self
            .moved
            .wait_timeout_while(current, PATIENCE, |current| current.1 == changes);
        let (current, timeout) = waited.unwrap();
        assert!(
            !timeout.timed_out(),
            "a server that was not killed broke off a connection"
        );
        *current
    }
}

/// A call that was answered with 200.
pub struct Acknowledged {
    pub key: String,
    pub customer: &'static str,
    pub usage: Value,
}

impl Acknowledged {
    pub fn event(&self) -> String {
        self.usage["event"].as_str().unwrap().to_owned()
    }
}

/// What the clients of one test share.
#[derive(Default)]
pub struct Load {
    stop: AtomicBool,
    acknowledged: AtomicUsize,
}

impl Load {
    /// The clients finish the call they are at, whatever that takes, and go.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// Waits until so many more calls have been acknowledged.
    #[track_caller]
    pub fn wait_for(&self, more: usize) {
        let goal = self.acknowledged.load(Ordering::SeqCst) + more;
        eventually("calls are acknowledged", || {
            (self.acknowledged.load(Ordering::SeqCst) >= goal).then_some(())
        });
    }

    /// Consumes for the customers in turn until all of them have used up their limit, or it is told to stop.
    pub fn run(
        &self,
        server: &Whereabouts,
        shop: &Shop,
        name: &str,
        customers: &[&'static str],
    ) -> Vec<Acknowledged> {
        let (mut journal, mut customers) = (Vec::new(), customers.to_vec());
        let (mut address, mut changes) = server.now();
        let mut client = Client::new(address, &shop.key);
        for number in 0.. {
            if customers.is_empty() || self.stop.load(Ordering::SeqCst) {
                break;
            }
            let customer = customers[number % customers.len()];
            let key = format!("{name}-{number}");
            let answer = loop {
                match client.post("/v1/usage/consume", &one_call(customer, &key)) {
                    Ok(answer) if answer.status == 503 => {}
                    Ok(answer) => break answer,
                    Err(_) => {
                        (address, changes) = server.after(changes);
                        client = Client::new(address, &shop.key);
                    }
                }
            };
            if answer.status == 429 {
                customers.retain(|other| *other != customer);
                continue;
            }
            let usage = answer.expect(200);
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
            journal.push(Acknowledged { key, customer, usage });
        }
        journal
    }
}
