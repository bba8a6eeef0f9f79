//! One schedule: who does what when, drawn from a seed. First comes the storm, in which everything goes wrong; then everything
//! is mended, whoever has no answer asks again until there is one, and what must hold is looked at.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use storage::Dialect;
use types::Result;

use super::clients::Clients;
use super::node::Node;
use super::rng::Rng;
use super::server::{Faults, Server, Shared, lock};
use super::{Break, Invariant, Violation, check};
use crate::usage::commit::{Answer, Database, Desk, commit_in_parts};
use crate::usage::order::Order;

/// Turns after which everybody must have an answer once everything is mended.
const MAX_CALM: u32 = 20_000;

type Answering = Pin<Box<dyn Future<Output = Vec<Result<Answer>>> + Send>>;

/// A batch under way at a node, and whose orders it has; none for those of the node itself.
struct Batch {
    answering: Answering,
    calls: Vec<Option<usize>>,
}

pub(super) struct Member {
    pub node: Node,
    desk: Arc<Desk>,
    pub queue: VecDeque<(Order, Option<usize>)>,
    batches: Vec<Batch>,
    pub is_up: bool,
}

impl Member {
    /// Forgets everything, as a process does that ends.
    pub(super) fn stop(&mut self) {
        self.desk = Arc::default();
        self.queue.clear();
        self.batches.clear();
        self.is_up = false;
    }
}

pub(super) struct Schedule {
    pub(super) server: Shared,
    pub(super) members: Vec<Member>,
    pub(super) clients: Clients,
    /// Calls on their way to some node.
    network: Vec<usize>,
    most_calls: usize,
    /// Orders of one batch, at most.
    most_orders: usize,
    /// What happened, if somebody wants to read it.
    log: Option<Vec<String>>,
    /// What happened, as a number.
    digest: u64,
}

/// What a schedule came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub violation: Option<Violation>,
    pub log: Vec<String>,
    /// The same for the same seed.
    pub digest: u64,
    /// Calls that were granted something.
    pub granted: usize,
    pub commits: u64,
}

/// Runs the schedule of a seed, on a database that is broken in that way.
pub(super) fn run(seed: u64, broken: Option<Break>, with_log: bool) -> Outcome {
    let mut schedule = Schedule::new(seed, broken, with_log);
    let steps = 300 + schedule.below(900);
    let mut violation = None;
    for _ in 0..steps {
        violation = schedule.step().err();
        if violation.is_some() {
            break;
        }
    }
    let violation = violation.or_else(|| schedule.calm_down().err());
    let server = lock(&schedule.server);
    let violation = violation.or_else(|| check::check(&server.tables, &schedule.clients).err());
    Outcome {
        violation,
        log: schedule.log.unwrap_or_default(),
        digest: schedule.digest,
        granted: schedule
            .clients
            .calls
            .iter()
            .filter(|call| !call.granted.is_empty())
            .count(),
        commits: server.commits,
    }
}

impl Schedule {
    fn new(seed: u64, broken: Option<Break>, with_log: bool) -> Self {
        let mut rng = Rng::new(seed);
        let (dialect, nodes) = match rng.below(4) {
            0 => (Dialect::Sqlite, 1),
            _ => (Dialect::Postgres, 3),
        };
        let skew = rng.one_of(&[0, 2, 90, 3_600]);
        let skews: Vec<i64> = (0..nodes).map(|_| rng.from(-skew, skew) * 1_000_000).collect();
        let clients = Clients::new(&mut rng);
        let most_calls = 10 + rng.below(40);
        let most_orders = rng.one_of(&[1, 3, 6]);
        let faults = rng.one_of(&[
            Faults {
                statement: 0,
                commit: 0,
            },
            Faults {
                statement: 2,
                commit: 60,
            },
            Faults {
                statement: 15,
                commit: 200,
            },
        ]);
        let mut server = Server::new(dialect, rng, broken);
        server.faults = faults;
        let server: Shared = Arc::new(Mutex::new(server));
        let member = |(number, ahead_micros)| Member {
            node: Node {
                server: server.clone(),
                number,
                ahead_micros,
            },
            desk: Arc::default(),
            queue: VecDeque::new(),
            batches: Vec::new(),
            is_up: true,
        };
        Schedule {
            members: (1..).zip(skews).map(member).collect(),
            server,
            clients,
            network: Vec::new(),
            most_calls,
            most_orders,
            log: with_log.then(Vec::new),
            digest: 0,
        }
    }

    pub(super) fn below(&self, end: usize) -> usize {
        lock(&self.server).rng.below(end)
    }

    fn permille(&self, of_thousand: usize) -> bool {
        lock(&self.server).rng.permille(of_thousand)
    }

    pub(super) fn note(&mut self, number: u64, what: impl FnOnce() -> String) {
        self.digest = (self.digest ^ number)
            .wrapping_mul(0x0100_0000_01b3)
            .rotate_left(7);
        if let Some(log) = &mut self.log {
            log.push(what());
        }
    }

    /// One thing happens, if it can.
    fn step(&mut self) -> std::result::Result<(), Violation> {
        match self.below(100) {
            0..48 => self.run_some_batch()?,
            48..58 => self.begin_some_batch(),
            58..68 => self.deliver()?,
            68..76 => self.call(),
            76..86 => lock(&self.server).sync(),
            86..89 => lock(&self.server).notice(),
            89..91 => self.ask_again(),
            91..93 => self.pass_time(),
            93..94 => self.change_plans(),
            94..95 => self.give_grant(),
            95..96 if self.permille(400) => self.end_grant(),
            96..97 => self.expire(),
            97..98 => self.stop_or_start_node(),
            98..99 => self.start_server(),
            _ if self.permille(200) => self.crash_server(),
            _ => {}
        }
        match lock(&self.server).violation.take() {
            Some(violation) => Err(violation),
            None => Ok(()),
        }
    }

    fn call(&mut self) {
        if self.clients.calls.len() >= self.most_calls {
            return;
        }
        let mut server = lock(&self.server);
        let now = server.now;
        let place = self.clients.call(&mut server.rng, now);
        drop(server);
        self.network.push(place);
        let call = &self.clients.calls[place];
        let what = format!("call {place}: {:?} {:?} {:?}", call.shop, call.key, call.work);
        self.note(place as u64, || what);
    }

    /// Somebody who has no answer asks again, or somebody who has one does all the same.
    fn ask_again(&mut self) {
        if self.clients.calls.is_empty() {
            return;
        }
        let place = self.below(self.clients.calls.len());
        if self.clients.calls[place].may_be_repeated() {
            self.network.push(place);
        }
    }

    /// Some message arrives at some node, is lost, or arrives and comes again.
    fn deliver(&mut self) -> std::result::Result<(), Violation> {
        if self.network.is_empty() {
            return Ok(());
        }
        let which = self.below(self.network.len());
        let member = self.below(self.members.len());
        let place = if self.permille(100) {
            self.network[which]
        } else {
            self.network.swap_remove(which)
        };
        match self.members[member].is_up && !self.permille(50) {
            true => self.take(member, place),
            false => Ok(()),
        }
    }

    /// A node takes a call.
    fn take(&mut self, member: usize, place: usize) -> std::result::Result<(), Violation> {
        let call = &mut self.clients.calls[place];
        check::not_counted(&lock(&self.server).tables, call)?;
        let member = &mut self.members[member];
        match call.order(member.node.now()) {
            Ok(order) => member.queue.push_back((order, Some(place))),
            Err(error) => return Err(Violation::new(Invariant::Answers, error.to_string())),
        }
        call.taken += 1;
        Ok(())
    }

    fn begin_some_batch(&mut self) {
        let member = self.below(self.members.len());
        let most = 1 + self.below(self.most_orders);
        self.begin_batch(member, most);
    }

    fn begin_batch(&mut self, member: usize, most: usize) {
        let in_flight = if lock(&self.server).has_one_writer() { 1 } else { 2 };
        let member = &mut self.members[member];
        if member.queue.is_empty() || member.batches.len() >= in_flight {
            return;
        }
        let count = member.queue.len().min(most);
        let (orders, calls): (Vec<Order>, Vec<_>) = member.queue.drain(..count).unzip();
        let (node, desk) = (member.node.clone(), member.desk.clone());
        let answering = Box::pin(async move { commit_in_parts(&node, &desk, &orders).await });
        let number = member.node.number as u64;
        let what = format!("node {number} begins a batch of {calls:?}");
        member.batches.push(Batch { answering, calls });
        self.note(number, || what);
    }

    fn run_some_batch(&mut self) -> std::result::Result<(), Violation> {
        let member = self.below(self.members.len());
        match self.members[member].batches.len() {
            0 => Ok(()),
            some => {
                let which = self.below(some);
                self.run_batch(member, which)
            }
        }
    }

    /// A batch takes its next step; if that was the last, its callers are answered.
    fn run_batch(&mut self, member: usize, which: usize) -> std::result::Result<(), Violation> {
        let batch = &mut self.members[member].batches[which];
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(answers) = batch.answering.as_mut().poll(&mut context) else {
            return Ok(());
        };
        let batch = self.members[member].batches.swap_remove(which);
        for (place, answer) in batch.calls.into_iter().zip(answers) {
            let Some(place) = place else { continue };
            let is_heard = !self.permille(80);
            let text = match &answer {
                Ok(answer) => serde_json::to_string(answer).unwrap_or_default(),
                Err(error) => format!("{}: {}", error.code().as_str(), error.detail()),
            };
            let number = place as u64 * 2 + u64::from(answer.is_ok());
            self.note(number, || {
                format!("call {place} is answered, heard {is_heard}: {text}")
            });
            self.clients.answer(place, &answer, is_heard)?;
        }
        Ok(())
    }

    /// Everything is mended, and everybody asks until they are answered.
    fn calm_down(&mut self) -> std::result::Result<(), Violation> {
        self.note(100, || "everything is mended".to_owned());
        let mut server = lock(&self.server);
        server.faults = Faults {
            statement: 0,
            commit: 0,
        };
        server.is_up = true;
        drop(server);
        for member in &mut self.members {
            member.is_up = true;
        }
        for _ in 0..MAX_CALM {
            for place in std::mem::take(&mut self.network) {
                let member = self.below(self.members.len());
                self.take(member, place)?;
            }
            for member in 0..self.members.len() {
                self.begin_batch(member, self.most_orders);
                for which in (0..self.members[member].batches.len()).rev() {
                    self.run_batch(member, which)?;
                }
            }
            let mut server = lock(&self.server);
            server.sync();
            server.notice();
            if let Some(violation) = server.violation.take() {
                return Err(violation);
            }
            let is_quiet = server.is_quiet();
            drop(server);
            let is_idle = |member: &Member| member.batches.is_empty() && member.queue.is_empty();
            if is_quiet && self.members.iter().all(is_idle) {
                let calls = self.clients.calls.iter().enumerate();
                let open = calls.filter(|(_, call)| !call.is_over && call.may_be_repeated());
                self.network = open.map(|(place, _)| place).collect();
                if self.network.is_empty() {
                    return Ok(());
                }
            }
        }
        Err(Violation::new(
            Invariant::Answers,
            "somebody is never answered".to_owned(),
        ))
    }
}
