//! What people count quotas with today, each durable and each on one hot counter: a script in Redis with `appendfsync always`,
//! and a guarded `UPDATE` in PostgreSQL.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::bench::report::Rate;
use crate::packages::{self, Need};
use crate::process;
use crate::servers::postgres::Postgres;
use crate::servers::redis::Redis;
use crate::servers::{Durability, folder, on_path};

const REDIS_TOOLS: Need = Need {
    what: "redis-benchmark or valkey-benchmark, which makes load on Redis",
    debian: &["redis-tools"],
    elsewhere: "Fedora: valkey; macOS with Homebrew: valkey",
};
/// As many as call Plinth.
const REDIS_CLIENTS: &str = "64";
/// Calls before anything is measured; their rate tells how many a slice takes.
const REDIS_WARM_UP: u64 = 10_000;
const UNITS: i64 = 1_000_000_000_000;
/// One line, because it is sent as typed by hand.
const CHECK_AND_DECREMENT: &str = "local left = tonumber(redis.call('GET', KEYS[1])) \
     if left < tonumber(ARGV[1]) then return -1 end return redis.call('DECRBY', KEYS[1], ARGV[1])";

const POSTGRES_CLIENTS: &str = "32";
const GUARDED_UPDATE: &str = "UPDATE quotas SET used = used + 1 WHERE quota_id = 1 AND used < upper_limit;\n";

/// Both servers, running.
pub struct Rivals {
    redis: Redis,
    redis_benchmark: PathBuf,
    script: String,
    postgres: Postgres,
}

impl Rivals {
    pub fn start() -> Result<Self> {
        let redis = Redis::start(Durability::Full)?;
        let redis_benchmark = packages::find_or_install(&REDIS_TOOLS, || {
            let names = ["redis-benchmark", "valkey-benchmark"];
            names.iter().find_map(|name| on_path(name).into_iter().next())
        })?;
        redis.say(&format!("SET units {UNITS}"))?;
        let loaded = redis.say(&format!("SCRIPT LOAD \"{CHECK_AND_DECREMENT}\""))?;
        let script = loaded.lines().last().unwrap_or_default().to_owned();
        ensure!(script.len() == 40, "Redis did not take the script: {loaded}");

        let postgres = Postgres::start(Durability::Full)?;
        let mut psql = postgres.client("psql");
        psql.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--command"]);
        psql.arg(format!(
            "CREATE TABLE quotas (quota_id bigint PRIMARY KEY, used bigint NOT NULL, upper_limit bigint NOT NULL); \
             INSERT INTO quotas VALUES (1, 0, {UNITS})"
        ));
        process::output(&psql)?;
        Ok(Self {
            redis,
            redis_benchmark,
            script,
            postgres,
        })
    }

    /// `EVALSHA` without pipelining, for about `secs` seconds after a warm-up.
    pub fn redis(&self, secs: u64) -> Result<Rate> {
        let warm = self.redis_calls(REDIS_WARM_UP)?;
        let calls = (warm.per_sec * secs as f64).round() as u64;
        self.redis_calls(calls.max(REDIS_WARM_UP))
    }

    fn redis_calls(&self, calls: u64) -> Result<Rate> {
        let before = self.units_left()?;
        let mut benchmark = std::process::Command::new(&self.redis_benchmark);
        // The password is seen by whoever lists processes; nothing but this counter is behind it.
        benchmark.args([
            "-u",
            self.redis.url(),
            "-c",
            REDIS_CLIENTS,
            "-n",
            &calls.to_string(),
        ]);
        benchmark.args(["--csv", "EVALSHA", &self.script, "1", "units", "1"]);
        let said = process::output(&benchmark)?;
        let rate = read_redis_benchmark(&said).with_context(|| format!("no figures of Redis: {said}"))?;
        let taken = before - self.units_left()?;
        ensure!(
            taken == calls as i64,
            "{calls} calls took {taken} units from Redis"
        );
        Ok(rate)
    }

    fn units_left(&self) -> Result<i64> {
        let said = self.redis.say("GET units")?;
        let number = said.lines().last().and_then(|line| line.parse().ok());
        number.with_context(|| format!("Redis counts otherwise: {said}"))
    }

    /// One statement a transaction, for `secs` seconds.
    pub fn guarded_update(&self, secs: u64) -> Result<Rate> {
        let folder = folder("pgbench")?;
        fs::write(folder.path().join("update.sql"), GUARDED_UPDATE)
            .context("cannot write the script of pgbench")?;
        let mut pgbench = self.postgres.client("pgbench");
        pgbench.current_dir(folder.path());
        pgbench.args(["--no-vacuum", "--protocol=prepared", "--file=update.sql", "--log"]);
        pgbench.args([
            "--jobs=2",
            "--client",
            POSTGRES_CLIENTS,
            "--time",
            &secs.to_string(),
        ]);
        process::output(&pgbench)
            .context("pgbench, which comes with the server of PostgreSQL or its contrib package")?;
        let mut micros = Vec::new();
        for entry in fs::read_dir(folder.path()).context("cannot list the logs of pgbench")? {
            let path = entry.context("cannot list the logs of pgbench")?.path();
            if path.extension().is_none_or(|extension| extension != "sql") {
                let log = fs::read_to_string(&path).context("cannot read a log of pgbench")?;
                micros.extend(read_pgbench_log(&log));
            }
        }
        ensure!(!micros.is_empty(), "pgbench logged nothing");
        Ok(Rate::of(&mut micros, Duration::from_secs(secs)))
    }
}

/// From the last line of `redis-benchmark --csv`: name, calls a second, and in milliseconds the mean, the least, p50, p95, p99
/// and the most.
fn read_redis_benchmark(said: &str) -> Option<Rate> {
    let line = said.lines().rfind(|line| line.starts_with('"'))?;
    let cells: Vec<&str> = line.trim_matches('"').split("\",\"").collect();
    let number = |place: usize| cells.get(place)?.parse::<f64>().ok();
    Some(Rate {
        per_sec: number(1)?,
        p50_micros: number(4)? * 1e3,
        p99_micros: number(6)? * 1e3,
        failed: 0.0,
    })
}

/// Microseconds of each transaction: the third column.
fn read_pgbench_log(log: &str) -> impl Iterator<Item = f64> {
    log.lines()
        .filter_map(|line| line.split_whitespace().nth(2)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_redis_benchmark_says() {
        let said = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n\
            \"EVALSHA 5b7 1 units 1\",\"4800.12\",\"13.105\",\"1.544\",\"12.903\",\"17.535\",\"21.007\",\"31.151\"\n";
        let rate = read_redis_benchmark(said).unwrap();
        assert_eq!(
            (rate.per_sec, rate.p50_micros, rate.p99_micros),
            (4_800.12, 12_903.0, 21_007.0)
        );
        assert!(read_redis_benchmark("Error from server: NOSCRIPT").is_none());
    }

    #[test]
    fn reads_the_latency_of_each_transaction() {
        let log = "0 1 5012 0 1700000000 123\n1 1 7000 0 1700000000 456\n";
        assert_eq!(read_pgbench_log(log).collect::<Vec<_>>(), [5_012.0, 7_000.0]);
    }
}
