//! Load over HTTP, by `wrk`.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::report::Rate;
use crate::packages::{self, Need};
use crate::process;
use crate::servers::{folder, on_path};

const WRK: Need = Need {
    what: "wrk, which makes load over HTTP",
    debian: &["wrk"],
    elsewhere: "macOS with Homebrew: wrk",
};

/// How much a server works for nothing before it is measured.
const WARM_UP_SECS: u64 = 2;

/// The share of calls that may fail; those that do are told.
const TOLERATED: f64 = 0.01;

/// A way of calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub connections: u32,
    /// Called at random.
    pub customers: u32,
    /// What each connection waits, on average, between an answer and the next call.
    pub pause_millis: u32,
}

impl Load {
    pub const MANY: Self = Self {
        connections: 64,
        customers: 1_000,
        pause_millis: 0,
    };
    pub const HOT: Self = Self {
        customers: 1,
        ..Self::MANY
    };
    pub const LONE: Self = Self {
        connections: 1,
        ..Self::MANY
    };

    /// [`Self::MANY`], each connection pausing for so long that together they call half as often.
    pub fn at_half_of(full: &Rate) -> Self {
        let between_calls_millis = 1e3 * f64::from(Self::MANY.connections) / (full.per_sec / 2.0);
        // Under half the load an answer comes sooner; about half of what it takes under all of it.
        let answer_millis = full.p50_micros / 2e3;
        let pause = (between_calls_millis - answer_millis).max(1.0);
        Self {
            pause_millis: pause.round() as u32,
            ..Self::MANY
        }
    }
}

/// The program, and the script that it runs.
pub struct Wrk {
    program: PathBuf,
    folder: TempDir,
}

impl Wrk {
    pub fn find_or_install() -> Result<Self> {
        let program = packages::find_or_install(&WRK, || on_path("wrk").into_iter().next())?;
        let folder = folder("wrk")?;
        fs::write(folder.path().join("consume.lua"), include_str!("consume.lua"))
            .context("cannot write the script of wrk")?;
        Ok(Self { program, folder })
    }

    /// Calls for `secs` seconds, after a warm-up.
    ///
    /// # Errors
    /// When so many calls were not answered with success that nothing has been measured.
    pub fn run(&self, address: SocketAddr, api_key: &str, load: Load, secs: u64) -> Result<Rate> {
        self.slice(address, api_key, load, WARM_UP_SECS)?;
        self.slice(address, api_key, load, secs)
    }

    fn slice(&self, address: SocketAddr, api_key: &str, load: Load, secs: u64) -> Result<Rate> {
        let mut wrk = Command::new(&self.program);
        wrk.current_dir(self.folder.path())
            .args(["--threads", &load.connections.min(2).to_string()])
            .args(["--connections", &load.connections.to_string()])
            .args(["--duration", &format!("{secs}s")])
            .args(["--script", "consume.lua"])
            .arg(format!("http://{address}/v1/usage/consume"))
            .args(["--", api_key])
            .args([load.customers, load.pause_millis].map(|number| number.to_string()));
        parse(&process::output(&wrk)?)
    }
}

fn parse(said: &str) -> Result<Rate> {
    let numbers: Vec<f64> = said
        .lines()
        .find_map(|line| line.strip_prefix("measured "))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let &[calls, micros, p50_micros, p99_micros, errors] = numbers.as_slice() else {
        bail!("wrk said something else than figures:\n{said}");
    };
    if calls == 0.0 || errors / calls > TOLERATED {
        bail!("of {calls} calls, {errors} failed:\n{said}");
    }
    Ok(Rate {
        per_sec: calls / micros * 1e6,
        p50_micros,
        p99_micros,
        failed: errors,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_line_of_the_script() {
        let rate = parse("Running 1s test\nmeasured 2000 1000000 380 3200 0\n").unwrap();
        assert_eq!(
            (rate.per_sec, rate.p50_micros, rate.p99_micros),
            (2_000.0, 380.0, 3_200.0)
        );
    }

    #[test]
    fn at_half_of_the_load_a_connection_pauses_for_what_is_left_of_twice_the_time() {
        let full = Rate {
            per_sec: 6_400.0,
            p50_micros: 8_000.0,
            p99_micros: 0.0,
            failed: 0.0,
        };
        // Of 20 ms between two calls of a connection, an answer takes 4.
        assert_eq!(Load::at_half_of(&full).pause_millis, 16);
    }

    #[test]
    fn failed_calls_are_told_and_many_of_them_spoil_the_measurement() {
        assert_eq!(parse("measured 2000 1000000 380 3200 1\n").unwrap().failed, 1.0);
        assert!(parse("measured 2000 1000000 380 3200 21\n").is_err());
        assert!(parse("unable to connect").is_err());
    }
}
