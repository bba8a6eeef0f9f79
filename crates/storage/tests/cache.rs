//! The cache behaves alike in memory and in Redis. The server is the one that `PLINTH_TEST_REDIS_URL` names (`cargo
//! xtask test` starts one); without it those runs are skipped, except in CI, where they fail.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use secrecy::SecretString;
use storage::cache::{Cache, CacheConfig, Channel, Namespace, Notice, Rate, RateDecision, Subscription};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use types::{ErrorCode, Timestamp};
use url::Url;

const SESSIONS: Namespace = Namespace::new("sessions");
const KEYS: Namespace = Namespace::new("keys");
const REVOKED: Channel = Channel::new("revoked");
const CHANGED: Channel = Channel::new("changed");

const MINUTE: Duration = Duration::from_secs(60);
/// A call that ends later than this has hung; the bound is 0.5 s, the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(2);
/// For what must happen, but not at a promised moment.
const AT_LAST: Duration = Duration::from_secs(20);

async fn in_memory() -> Cache {
    Cache::open(CacheConfig::Memory { max_bytes: 1 << 20 })
        .await
        .unwrap()
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn server_url() -> Option<Url> {
    match std::env::var("PLINTH_TEST_REDIS_URL") {
        Ok(url) => Some(Url::parse(&url).unwrap()),
        Err(_) if std::env::var_os("CI").is_some_and(|ci| ci == "true") => {
            panic!("PLINTH_TEST_REDIS_URL must name a Redis server in CI; run `cargo xtask test`")
        }
        Err(_) => {
            eprintln!("skipped: PLINTH_TEST_REDIS_URL names no server");
            None
        }
    }
}

/// A cache of its own on the server: no test sees another's keys or channels.
async fn on_server(url: &Url) -> Cache {
    let prefix = format!("test-{}", uuid::Uuid::new_v4());
    let url = SecretString::from(url.as_str());
    Cache::open(CacheConfig::Redis { url, prefix }).await.unwrap()
}

/// Runs one test on every cache there is.
macro_rules! on_each_cache {
    ($($test:ident)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test(super::in_memory().await).await;
            })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                if let Some(url) = super::server_url() {
                    super::$test(super::on_server(&url).await).await;
                }
            })*
        }
    };
}

on_each_cache! {
    what_was_set_is_found_until_it_is_deleted
    namespaces_do_not_meet
    a_value_expires
    setting_again_starts_a_new_time_to_live
    a_rate_lets_its_burst_through_and_then_one_at_a_time
    a_cost_is_taken_whole_or_not_at_all
    looking_takes_nothing
    concurrent_takers_share_one_rate
    numbers_that_cannot_be_counted_with_are_refused
    every_listener_of_a_channel_hears
    a_healthy_cache_says_so
}

async fn what_was_set_is_found_until_it_is_deleted(cache: Cache) {
    assert_eq!(cache.get(SESSIONS, "a").await.unwrap(), None);
    for value in [
        Bytes::from_static(b"\0\xff\r\n"),
        Bytes::new(),
        Bytes::from(vec![7; 50_000]),
    ] {
        cache.set(SESSIONS, "a", value.clone(), MINUTE).await.unwrap();
        assert_eq!(cache.get(SESSIONS, "a").await.unwrap(), Some(value));
    }
    cache.delete(SESSIONS, "a").await.unwrap();
    assert_eq!(cache.get(SESSIONS, "a").await.unwrap(), None);
    cache.delete(SESSIONS, "a").await.unwrap();
}

async fn namespaces_do_not_meet(cache: Cache) {
    cache
        .set(SESSIONS, "x", Bytes::from_static(b"1"), MINUTE)
        .await
        .unwrap();
    let once = Rate {
        emission_interval_us: 1_000_000,
        burst_us: 1_000_000,
    };
    assert!(cache.gcra(SESSIONS, "x", once, now(), 1).await.unwrap().allowed);
    assert_eq!(cache.get(KEYS, "x").await.unwrap(), None);
    assert_eq!(cache.get(SESSIONS, "x").await.unwrap().unwrap(), "1");
    assert!(cache.gcra(KEYS, "x", once, now(), 1).await.unwrap().allowed);
}

async fn until_gone(cache: &Cache, key: &str) {
    let gone = async {
        while cache.get(SESSIONS, key).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(AT_LAST, gone)
        .await
        .expect("the value never expired");
}

async fn a_value_expires(cache: Cache) {
    cache
        .set(
            SESSIONS,
            "brief",
            Bytes::from_static(b"1"),
            Duration::from_millis(20),
        )
        .await
        .unwrap();
    cache
        .set(SESSIONS, "no time", Bytes::from_static(b"1"), Duration::ZERO)
        .await
        .unwrap();
    until_gone(&cache, "brief").await;
    until_gone(&cache, "no time").await;
}

async fn setting_again_starts_a_new_time_to_live(cache: Cache) {
    let set = |key, value, ttl| cache.set(SESSIONS, key, Bytes::from_static(value), ttl);
    set("kept", b"1", Duration::from_millis(20)).await.unwrap();
    set("kept", b"2", Duration::MAX).await.unwrap();
    set("control", b"1", Duration::from_millis(40)).await.unwrap();
    until_gone(&cache, "control").await;
    assert_eq!(cache.get(SESSIONS, "kept").await.unwrap().unwrap(), "2");
}

/// To the microsecond, so that a lost digit shows.
fn now() -> Timestamp {
    Timestamp::from_micros(1_800_000_000_123_457)
}

const ONE_A_SECOND_BURST_3: Rate = Rate {
    emission_interval_us: 1_000_000,
    burst_us: 3_000_000,
};

async fn take(cache: &Cache, at: Timestamp, cost: u32) -> RateDecision {
    cache
        .gcra(KEYS, "k", ONE_A_SECOND_BURST_3, at, cost)
        .await
        .unwrap()
}

async fn a_rate_lets_its_burst_through_and_then_one_at_a_time(cache: Cache) {
    let second = Duration::from_secs(1);
    for n in 1..=3 {
        let tat = now() + second * n;
        assert_eq!(take(&cache, now(), 1).await, RateDecision { allowed: true, tat });
    }
    let full = RateDecision {
        allowed: false,
        tat: now() + second * 3,
    };
    assert_eq!(take(&cache, now(), 1).await, full);
    assert_eq!(
        take(&cache, now() + Duration::from_micros(999_999), 1).await,
        full
    );
    assert!(take(&cache, now() + second, 1).await.allowed);
    assert!(!take(&cache, now() + second, 1).await.allowed);
    let behind = take(&cache, now() - second, 1).await;
    assert!(!behind.allowed, "a clock that runs behind got more");
    let later = now() + second * 100;
    assert_eq!(
        take(&cache, later, 1).await,
        RateDecision {
            allowed: true,
            tat: later + second
        }
    );
}

async fn a_cost_is_taken_whole_or_not_at_all(cache: Cache) {
    assert!(!take(&cache, now(), 4).await.allowed);
    assert!(take(&cache, now(), 2).await.allowed);
    assert!(!take(&cache, now(), 2).await.allowed);
    assert!(take(&cache, now(), 1).await.allowed);
}

async fn looking_takes_nothing(cache: Cache) {
    let fresh = RateDecision {
        allowed: true,
        tat: now(),
    };
    assert_eq!(take(&cache, now(), 0).await, fresh);
    assert_eq!(take(&cache, now(), 0).await, fresh);
    assert!(take(&cache, now(), 3).await.allowed);
    let used_up = RateDecision {
        allowed: true,
        tat: now() + Duration::from_secs(3),
    };
    assert_eq!(take(&cache, now(), 0).await, used_up);
}

async fn concurrent_takers_share_one_rate(cache: Cache) {
    let takers = (0..100).map(|_| {
        let cache = cache.clone();
        tokio::spawn(async move {
            let rate = Rate {
                emission_interval_us: 1_000_000,
                burst_us: 10_000_000,
            };
            cache.gcra(KEYS, "shared", rate, now(), 1).await.unwrap().allowed
        })
    });
    let allowed = join_all(takers)
        .await
        .into_iter()
        .filter(|taken| *taken.as_ref().unwrap())
        .count();
    assert_eq!(allowed, 10);
}

async fn numbers_that_cannot_be_counted_with_are_refused(cache: Cache) {
    let rate = |emission_interval_us, burst_us| Rate {
        emission_interval_us,
        burst_us,
    };
    for (rate, at, cost) in [
        (rate(-1, 1), now(), 1),
        (rate(1, -1), now(), 1),
        (rate(i64::MAX, 1), now(), 2),
        (rate(1, i64::MAX), now(), 1),
        (rate(1, 1), Timestamp::MAX, 1),
        (rate(1, 1), Timestamp::MIN, 1),
    ] {
        let error = cache.gcra(KEYS, "k", rate, at, cost).await.unwrap_err();
        assert!(error.is(ErrorCode::ValidationFailed), "{rate:?}: {error:?}");
    }
}

async fn hears(listener: &mut Subscription) -> Notice {
    let heard = tokio::time::timeout(AT_LAST, listener.next()).await;
    heard.expect("nothing was heard").unwrap()
}

async fn every_listener_of_a_channel_hears(cache: Cache) {
    let mut listeners = [cache.subscribe(REVOKED).await, cache.subscribe(REVOKED).await];
    let mut elsewhere = cache.subscribe(CHANGED).await;
    for message in ["key_1", "key_2"] {
        cache
            .publish(REVOKED, Bytes::from_static(message.as_bytes()))
            .await
            .unwrap();
    }
    cache.publish(CHANGED, Bytes::from_static(b"plan")).await.unwrap();
    for listener in &mut listeners {
        assert_eq!(
            hears(listener).await,
            Notice::Message(Bytes::from_static(b"key_1"))
        );
        assert_eq!(
            hears(listener).await,
            Notice::Message(Bytes::from_static(b"key_2"))
        );
    }
    assert_eq!(
        hears(&mut elsewhere).await,
        Notice::Message(Bytes::from_static(b"plan"))
    );
}

async fn a_healthy_cache_says_so(cache: Cache) {
    cache.check().await.unwrap();
}

#[tokio::test]
async fn memory_stays_within_its_bound_and_keeps_what_was_used_last() {
    let cache = Cache::open(CacheConfig::Memory { max_bytes: 100_000 })
        .await
        .unwrap();
    for n in 0..1_000 {
        let value = Bytes::from(vec![0; 1_000]);
        cache.set(SESSIONS, &n.to_string(), value, MINUTE).await.unwrap();
    }
    let mut kept = 0;
    for n in 0..1_000 {
        kept += usize::from(cache.get(SESSIONS, &n.to_string()).await.unwrap().is_some());
    }
    assert!((1..200).contains(&kept), "{kept} values of 1 kB in 100 kB");
}

#[tokio::test]
async fn a_slow_listener_is_told_that_it_missed_something() {
    let cache = in_memory().await;
    let mut listener = cache.subscribe(CHANGED).await;
    for _ in 0..5_000 {
        cache.publish(CHANGED, Bytes::from_static(b"x")).await.unwrap();
    }
    assert_eq!(hears(&mut listener).await, Notice::Missed);
    assert_eq!(
        hears(&mut listener).await,
        Notice::Message(Bytes::from_static(b"x"))
    );
}

#[tokio::test]
async fn memory_and_server_decide_alike() {
    let Some(url) = server_url() else { return };
    let (memory, server) = (in_memory().await, on_server(&url).await);
    let mut at = now();
    // A fixed, uneven walk: the same for both, no two steps alike.
    for step in 0_u32..300 {
        at = at + Duration::from_micros(u64::from(step * 7919 % 1_700_003));
        let cost = step % 4;
        assert_eq!(
            take(&memory, at, cost).await,
            take(&server, at, cost).await,
            "step {step}"
        );
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_without_repeating_it() {
    for url in ["http://user:hunter2@localhost", "hunter2", ""] {
        let config = CacheConfig::Redis {
            url: SecretString::from(url),
            prefix: "p".to_owned(),
        };
        let Err(error) = Cache::open(config).await else {
            panic!("{url} was accepted")
        };
        assert_eq!(error.fields()[0].field, "cache.url");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

/// Stands before the server so that a test can take it away, and bring it back on the same port.
struct Gate {
    url: Url,
    server: String,
    open: Option<AbortHandle>,
}

impl Gate {
    async fn new(server: &Url) -> Gate {
        let mut url = server.clone();
        url.set_host(Some("127.0.0.1")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let server = format!("{}:{}", server.host_str().unwrap(), server.port().unwrap_or(6379));
        let mut gate = Gate {
            url,
            server,
            open: None,
        };
        gate.serve(listener);
        gate
    }

    fn serve(&mut self, listener: TcpListener) {
        let server = self.server.clone();
        let serving = tokio::spawn(async move {
            // Dropped together with this task, and with it every connection.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let server = server.clone();
                connections.spawn(async move {
                    let mut far = TcpStream::connect(server).await?;
                    tokio::io::copy_bidirectional(&mut near, &mut far).await
                });
            }
        });
        self.open = Some(serving.abort_handle());
    }

    async fn close(&mut self) {
        self.open.take().unwrap().abort();
        let refused = async { while TcpStream::connect(self.address()).await.is_ok() {} };
        tokio::time::timeout(AT_LAST, refused).await.unwrap();
    }

    /// Takes connections and says nothing.
    async fn open_silently(&mut self) {
        let listener = TcpListener::bind(self.address()).await.unwrap();
        let silence = tokio::spawn(async move {
            let mut connections = Vec::new();
            while let Ok(connection) = listener.accept().await {
                connections.push(connection);
            }
        });
        self.open = Some(silence.abort_handle());
    }

    async fn open_again(&mut self) {
        let listener = TcpListener::bind(self.address()).await.unwrap();
        self.serve(listener);
    }

    fn address(&self) -> (String, u16) {
        (self.url.host_str().unwrap().to_owned(), self.url.port().unwrap())
    }
}

async fn fails_soon(cache: &Cache) {
    let started = Instant::now();
    let error = cache.get(SESSIONS, "a").await.unwrap_err();
    assert!(error.is(ErrorCode::Unavailable), "{error:?}");
    let rate = cache.gcra(KEYS, "k", ONE_A_SECOND_BURST_3, now(), 1).await;
    assert!(rate.unwrap_err().is(ErrorCode::Unavailable));
    assert!(cache.check().await.unwrap_err().is(ErrorCode::Unavailable));
    assert!(started.elapsed() < SOON * 3, "{:?}", started.elapsed());
}

async fn comes_back(cache: &Cache) {
    let back = async { while cache.get(SESSIONS, "a").await.is_err() {} };
    tokio::time::timeout(AT_LAST, back)
        .await
        .expect("the cache never came back");
}

#[tokio::test]
async fn a_server_that_goes_away_fails_soon_and_comes_back() {
    let Some(url) = server_url() else { return };
    let mut gate = Gate::new(&url).await;
    let cache = on_server(&gate.url).await;
    cache
        .set(SESSIONS, "a", Bytes::from_static(b"1"), MINUTE)
        .await
        .unwrap();

    gate.close().await;
    fails_soon(&cache).await;
    gate.open_again().await;
    comes_back(&cache).await;
    assert_eq!(cache.get(SESSIONS, "a").await.unwrap().unwrap(), "1");

    gate.close().await;
    gate.open_silently().await;
    fails_soon(&cache).await;
    gate.close().await;
    gate.open_again().await;
    comes_back(&cache).await;
}

#[tokio::test]
async fn a_node_starts_while_the_server_is_away() {
    let Some(url) = server_url() else { return };
    let mut gate = Gate::new(&url).await;
    gate.close().await;
    let cache = on_server(&gate.url).await;
    let mut listener = cache.subscribe(REVOKED).await;
    fails_soon(&cache).await;

    gate.open_again().await;
    comes_back(&cache).await;
    assert_eq!(hears(&mut listener).await, Notice::Missed);
}

#[tokio::test]
async fn a_listener_learns_that_it_was_cut_off() {
    let Some(url) = server_url() else { return };
    let mut gate = Gate::new(&url).await;
    let cache = on_server(&gate.url).await;
    let mut listener = cache.subscribe(REVOKED).await;
    cache
        .publish(REVOKED, Bytes::from_static(b"before"))
        .await
        .unwrap();
    assert_eq!(
        hears(&mut listener).await,
        Notice::Message(Bytes::from_static(b"before"))
    );

    gate.close().await;
    gate.open_silently().await;
    assert!(cache.publish(REVOKED, Bytes::from_static(b"lost")).await.is_err());
    gate.close().await;
    gate.open_again().await;
    assert_eq!(hears(&mut listener).await, Notice::Missed);
    comes_back(&cache).await;
    cache
        .publish(REVOKED, Bytes::from_static(b"after"))
        .await
        .unwrap();
    assert_eq!(
        hears(&mut listener).await,
        Notice::Message(Bytes::from_static(b"after"))
    );
}
