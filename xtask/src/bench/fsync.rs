//! What the disk can do: append 4 KB, wait until it is there, again. No durable answer is faster than that unless it shares
//! the wait with others.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::report::Rate;
use crate::servers;

const BYTES: usize = 4_096;
/// Of one measurement; there are several.
const TIME: Duration = Duration::from_secs(2);

pub fn measure() -> Result<Rate> {
    let folder = servers::folder("fsync")?;
    let mut file = File::create(folder.path().join("file")).context("cannot write a temporary file")?;
    let block = [b'x'; BYTES];
    let mut micros = Vec::new();
    let started = Instant::now();
    while started.elapsed() < TIME {
        let one = Instant::now();
        file.write_all(&block)
            .and_then(|()| file.sync_data())
            .context("cannot write a temporary file")?;
        micros.push(one.elapsed().as_secs_f64() * 1e6);
    }
    Ok(Rate::of(&mut micros, started.elapsed()))
}
