//! Usage that is told afterwards: `POST /v1/events` with lists of CloudEvents over a few connections, some events twice and
//! some of them late, and whether each is stored once.

use std::fmt::Write as _;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::bench::api::Api;
use crate::bench::report::Rate;
use crate::bench::stand::Stand;
use crate::process;

/// Each waits for the answer to a list before it sends the next.
pub const CONNECTIONS: u64 = 4;
/// Events of one list, as many as the API takes.
const LIST: u64 = 1_000;
/// Events of one list that are told for the first time, as far as this connection knows.
const FRESH: u64 = 900;
/// Events that are told twice by the same list; as many are told by the list of the next connection as well.
const OWN_TWICE: u64 = 50;
/// Each event adds so much.
const AMOUNT: i64 = 3;
/// Events are of so many customers in turn, and one in so many is late.
const CUSTOMERS: u64 = 1_000;
const ONE_LATE_IN: u64 = 20;
const WARM_UP: Duration = Duration::from_secs(1);

/// A list that is not answered is told again, as a sender would.
const TRIES: u32 = 3;

/// What was told so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Events that were answered, however often they were told.
    pub events: i64,
    /// Different events among them.
    pub distinct: i64,
    /// Events that the server said were new to it.
    pub accepted: i64,
    /// Lists that were told again because the first answer was none.
    pub failed: i64,
}

/// Somebody who tells a server of usage.
pub struct Teller {
    api: Api,
    now: String,
    a_day_ago: String,
    runs: u32,
    told: Told,
}

impl Teller {
    pub fn of(stand: &Stand) -> Result<Self> {
        let instant = |when: &str| {
            let mut date = Command::new("date");
            date.args(["-u", "-d", when, "+%Y-%m-%dT%H:%M:%SZ"]);
            process::output(&date).map(|text| text.trim().to_owned())
        };
        Ok(Self {
            api: Api::with_key(stand.server.address(), &stand.shop.api_key),
            now: instant("now")?,
            a_day_ago: instant("1 day ago")?,
            runs: 0,
            told: Told::default(),
        })
    }

    /// Tells of usage for `secs` seconds, after a warm-up. The rate is that of events, duplicates included; p50 and p99 are those
    /// of lists.
    pub fn run(&mut self, secs: u64) -> Result<Rate> {
        self.slice(WARM_UP)?;
        self.slice(Duration::from_secs(secs))
    }

    fn slice(&mut self, time: Duration) -> Result<Rate> {
        self.runs += 1;
        let lists = &Lists::of_source(&format!("/bench/{}", self.runs), &self.now, &self.a_day_ago);
        let api = &self.api;
        let started = Instant::now();
        let connections: Vec<Result<Connection>> = thread::scope(|scope| {
            let running: Vec<_> = (0..CONNECTIONS)
                .map(|connection| scope.spawn(move || tell_until(api, lists, connection, started + time)))
                .collect();
            let ended = running.into_iter().map(|thread| match thread.join() {
                Ok(told) => told,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            ended.collect()
        });
        let elapsed = started.elapsed();
        let mut micros = Vec::new();
        let (mut lists, mut failed) = (Vec::new(), 0);
        for connection in connections {
            let connection = connection?;
            lists.push(connection.micros.len() as u64);
            failed += connection.failed;
            self.told.accepted += connection.accepted;
            micros.extend(connection.micros);
        }
        self.told.events += (lists.iter().sum::<u64>() * LIST) as i64;
        self.told.distinct += distinct(&lists) as i64;
        self.told.failed += failed;
        let rate = Rate::of(&mut micros, elapsed);
        Ok(Rate {
            per_sec: rate.per_sec * LIST as f64,
            failed: failed as f64,
            ..rate
        })
    }

    /// Compares what was told, and what the server said of it, with what its database holds.
    ///
    /// # Errors
    /// When an event that was answered is not stored exactly once, or not counted once.
    pub fn check(&self, stand: &Stand) -> Result<Told> {
        let of_tokens = "feature_id IN (SELECT feature_id FROM features WHERE feature_key = 'tokens')";
        let sql = stand.sql()?;
        let [events, units] = sql.numbers(&format!(
            "SELECT count(*), coalesce(sum(amount), 0) FROM usage_events WHERE {of_tokens}"
        ))?;
        let [used] = sql.numbers(&format!(
            "SELECT coalesce(sum(used), 0) FROM counters WHERE subject_kind = 'customer' AND {of_tokens}"
        ))?;
        let [hours] = sql.numbers(&format!(
            "SELECT coalesce(sum(amount), 0) FROM usage_hours WHERE {of_tokens}"
        ))?;
        let Told {
            distinct,
            accepted,
            failed,
            ..
        } = self.told;
        ensure!(
            events == distinct && [units, used, hours] == [distinct * AMOUNT; 3],
            "of {distinct} events of {AMOUNT} units that were answered {events} are stored; the events come to {units} units, \
             the counters to {used}, the hours to {hours}"
        );
        // What an answer said that never came is not known.
        ensure!(
            accepted == distinct || failed > 0,
            "of {distinct} events {accepted} were called new"
        );
        Ok(self.told)
    }
}

/// What one connection did.
#[derive(Default)]
struct Connection {
    /// How long each list took, in microseconds.
    micros: Vec<f64>,
    accepted: i64,
    failed: i64,
}

fn tell_until(api: &Api, lists: &Lists, connection: u64, end: Instant) -> Result<Connection> {
    let mut done = Connection::default();
    for list in 0.. {
        if Instant::now() >= end {
            break;
        }
        let body = lists.list(connection, list);
        let started = Instant::now();
        let mut tries = 1;
        let answer = loop {
            match api.send("/v1/events", "application/cloudevents-batch+json", &body) {
                Err(error) if tries < TRIES => {
                    println!("a list of events is told again: {error:#}");
                    tries += 1;
                    done.failed += 1;
                }
                answer => break answer?,
            }
        };
        done.micros.push(started.elapsed().as_secs_f64() * 1e6);
        done.accepted += read_accepted(&answer.body)?;
    }
    Ok(done)
}

/// How many different events connections have told that sent so many lists: their own, and of the next connection those that
/// it has not come to itself.
fn distinct(lists: &[u64]) -> u64 {
    let next = lists.iter().cycle().skip(1);
    let each = lists.iter().zip(next);
    each.map(|(own, next)| own * FRESH + own.saturating_sub(*next) * (LIST - FRESH - OWN_TWICE))
        .sum()
}

/// Reads how many events were new to the server. Only the beginning of the answer: what follows tells of each event, and reading
/// that would cost more than sending it.
fn read_accepted(body: &str) -> Result<i64> {
    let sums = body.split_once(",\"items\"").map(|(sums, _)| format!("{sums}}}"));
    let sums: Value = serde_json::from_str(&sums.unwrap_or_default())
        .with_context(|| format!("not an answer to events: {:.300}", body))?;
    let sum = |name: &str| sums[name].as_i64().unwrap_or_default();
    if sum("accepted") + sum("duplicates") != LIST as i64 {
        bail!("not all of {LIST} events were taken: {:.600}", body);
    }
    Ok(sum("accepted"))
}

/// Makes lists of events. An event is the same whoever tells of it: it follows from the source, the connection and its number.
struct Lists {
    head: String,
    /// What follows the id, for each number modulo the customers.
    tails: Vec<String>,
}

impl Lists {
    fn of_source(source: &str, now: &str, a_day_ago: &str) -> Self {
        let tails = (0..CUSTOMERS).map(|number| {
            let late = number % ONE_LATE_IN == 0;
            let rest = json!({
                "source": source, "type": "tokens", "subject": format!("customer-{}", number + 1),
                "time": if late { a_day_ago } else { now }, "data": {"amount": AMOUNT},
            });
            format!("\",{}", rest.to_string().trim_start_matches('{'))
        });
        Self {
            head: "{\"specversion\":\"1.0\",\"id\":\"".to_owned(),
            tails: tails.collect(),
        }
    }

    /// One list: events that are new, some of them again, and some of those that the next connection sends in its list of the
    /// same number, perhaps at this very moment.
    fn list(&self, connection: u64, list: u64) -> String {
        let first = list * FRESH;
        let neighbour = (connection + 1) % CONNECTIONS;
        let fresh = (first..first + FRESH).map(|number| (connection, number));
        let again = (first..first + OWN_TWICE).map(|number| (connection, number));
        let theirs = (first + OWN_TWICE..first + LIST - FRESH).map(|number| (neighbour, number));
        let mut body = String::with_capacity(LIST as usize * 200);
        for (connection, number) in fresh.chain(again).chain(theirs) {
            body.push(if body.is_empty() { '[' } else { ',' });
            body.push_str(&self.head);
            let _ = write!(body, "{connection}-{number}");
            body.push_str(&self.tails[(number % CUSTOMERS) as usize]);
        }
        body.push(']');
        body
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn events(connection: u64, list: u64) -> Vec<Value> {
        let lists = Lists::of_source("/bench/1", "now", "yesterday");
        serde_json::from_str(&lists.list(connection, list)).unwrap()
    }

    #[test]
    fn a_tenth_of_a_list_is_told_twice_and_a_twentieth_is_late() {
        let events = events(0, 7);
        assert_eq!(events.len(), 1_000);
        let ids: BTreeSet<&str> = events.iter().filter_map(|event| event["id"].as_str()).collect();
        let own = ids.iter().filter(|id| id.starts_with("0-")).count();
        assert_eq!((own, ids.len()), (900, 950));
        let late = events.iter().filter(|event| event["time"] == "yesterday").count();
        assert_eq!(late, 50);
    }

    #[test]
    fn what_a_list_tells_of_the_neighbour_the_neighbour_tells_too() {
        let theirs: Vec<Value> = events(3, 2)
            .into_iter()
            .filter(|event| event["id"].as_str().is_some_and(|id| id.starts_with("0-")))
            .collect();
        let neighbours = events(0, 2);
        assert_eq!(theirs.len(), 50);
        assert!(theirs.iter().all(|event| neighbours.contains(event)));
    }

    #[test]
    fn distinct_events_are_those_of_all_lists_together() {
        for sent in [[2, 2, 2, 2], [3, 1, 2, 0], [0, 5, 1, 4]] {
            let ids: BTreeSet<String> = (0..CONNECTIONS)
                .zip(sent)
                .flat_map(|(connection, sent)| (0..sent).flat_map(move |list| events(connection, list)))
                .map(|event| event["id"].to_string())
                .collect();
            assert_eq!(distinct(&sent), ids.len() as u64, "{sent:?}");
        }
    }

    #[test]
    fn an_answer_that_refuses_an_event_is_an_error() {
        let answer = |accepted, rejected| {
            format!(
                r#"{{"accepted":{accepted},"duplicates":100,"rejected":{rejected},"items":[{{"status":1}}]}}"#
            )
        };
        assert_eq!(read_accepted(&answer(900, 0)).unwrap(), 900);
        assert!(read_accepted(&answer(899, 1)).is_err());
        assert!(read_accepted("<html>").is_err());
    }
}
