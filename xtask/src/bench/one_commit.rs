//! The yardstick without a group commit: `crates/server/examples/one_commit.rs`, beside a server that nobody calls meanwhile.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::report::Rate;
use super::shop::Shop;
use crate::process;

pub fn measure(example: &Path, database_url: &str, shop: &Shop, tasks: u32, secs: u64) -> Result<Rate> {
    let mut command = Command::new(example);
    command
        .env("PLINTH_DATABASE_URL", database_url)
        .args([&shop.workspace, &shop.platform])
        .args([tasks.to_string(), secs.to_string()]);
    let said: Value = serde_json::from_str(&process::output(&command)?)
        .context("the example one_commit printed something else than JSON")?;
    let figure = |name: &str| {
        said[name]
            .as_f64()
            .with_context(|| format!("the example printed no `{name}`"))
    };
    Ok(Rate {
        per_sec: figure("per_sec")?,
        p50_micros: figure("p50_us")?,
        p99_micros: figure("p99_us")?,
        failed: 0.0,
    })
}
