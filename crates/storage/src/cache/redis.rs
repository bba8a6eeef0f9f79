//! The cache that nodes share: Valkey or Redis over one multiplexed connection that comes back by itself.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{IntoConnectionInfo, RedisError, RedisResult, Script};
use secrecy::{ExposeSecret, SecretString};
use types::{Error, Result, Timestamp};

use super::subscription::Subscription;
use super::{RateDecision, Take};

/// For connecting, and again for the answer.
pub(super) const STEP_TIMEOUT: Duration = Duration::from_millis(250);
/// For a whole call, however many steps it takes.
const CALL_TIMEOUT: Duration = Duration::from_millis(500);
/// Without an acknowledgement for this long, the kernel gives a connection up.
const SILENCE: Duration = Duration::from_secs(1);

/// One step of GCRA. `%.0f`, because Lua writes large numbers as `1.7e+15`; a cost of 0 changes nothing.
static GCRA: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local now, burst, increment = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
        local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
        local next = tat + increment
        if next - now > burst then return {0, string.format('%.0f', tat)} end
        if increment > 0 then
            local ttl_ms = math.ceil((next - now) / 1000)
            redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', string.format('%.0f', ttl_ms))
        end
        return {1, string.format('%.0f', next)}
        ",
    )
});

pub(super) struct RedisCache {
    client: redis::Client,
    connection: ConnectionManager,
    prefix: String,
}

impl RedisCache {
    pub(super) fn open(url: &SecretString, prefix: String) -> Result<Self> {
        let wrong = |error: RedisError| {
            let hint = "use redis://user:password@host:port/db, or rediss:// for TLS";
            Error::invalid(
                "cache.url",
                format!("not the address of a Valkey or Redis server; {hint}"),
            )
            .with_source(error)
        };
        let info = url.expose_secret().into_connection_info().map_err(wrong)?;
        let client = redis::Client::open(info.set_tcp_settings(tcp_settings())).map_err(wrong)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(STEP_TIMEOUT))
            .set_response_timeout(Some(STEP_TIMEOUT))
            // The next call tries again: a caller never waits for a row of attempts.
            .set_number_of_retries(0);
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), config).map_err(wrong)?;
        Ok(RedisCache {
            client,
            connection,
            prefix,
        })
    }

    /// The connection's own timeouts bound each step; this bounds their sum.
    async fn call<T>(&self, answer: impl Future<Output = RedisResult<T>>) -> Result<T> {
        match tokio::time::timeout(CALL_TIMEOUT, answer).await {
            Ok(answer) => answer.map_err(|error| unavailable().with_source(error)),
            Err(elapsed) => Err(unavailable().with_source(elapsed)),
        }
    }

    async fn command<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Result<T> {
        let mut connection = self.connection.clone();
        self.call(command.query_async(&mut connection)).await
    }

    fn full(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let value: Option<Vec<u8>> = self.command(redis::cmd("GET").arg(self.full(key))).await?;
        Ok(value.map(Bytes::from))
    }

    pub(super) async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<()> {
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let mut command = redis::cmd("SET");
        command.arg(self.full(key)).arg(value).arg("PX").arg(ttl_ms);
        self.command(&command).await
    }

    pub(super) async fn delete(&self, key: &str) -> Result<()> {
        self.command(redis::cmd("DEL").arg(self.full(key))).await
    }

    pub(super) async fn publish(&self, channel: &str, message: &[u8]) -> Result<()> {
        self.command(redis::cmd("PUBLISH").arg(self.full(channel)).arg(message))
            .await
    }

    pub(super) async fn subscribe(&self, channel: &str) -> Subscription {
        Subscription::on_server(self.client.clone(), self.full(channel)).await
    }

    pub(super) async fn gcra(&self, key: &str, take: Take) -> Result<RateDecision> {
        let mut invocation = GCRA.key(self.full(key));
        invocation
            .arg(take.now_us)
            .arg(take.burst_us)
            .arg(take.increment_us);
        let mut connection = self.connection.clone();
        let (allowed, tat_us): (bool, i64) = self.call(invocation.invoke_async(&mut connection)).await?;
        Ok(RateDecision {
            allowed,
            tat: Timestamp::from_micros(tat_us),
        })
    }

    pub(super) async fn check(&self) -> Result<()> {
        self.command(&redis::cmd("PING")).await
    }
}

/// A connection whose other end is gone without a word would otherwise hang for minutes.
fn tcp_settings() -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(SILENCE);
    settings
}

fn unavailable() -> Error {
    Error::unavailable(
        "The cache server does not answer. It comes back by itself; if it does not, the operator must check that \
         Valkey or Redis runs and accepts this server's address and password.",
    )
}
