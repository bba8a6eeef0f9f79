//! The binary in processes of its own, and what may happen to them: killed under load, several on one database, cut off
//! from it, without room on the disk, told to stop with requests under way.

mod client;
mod crashes;
mod full_disk;
mod installation;
mod load;
mod nodes;
mod outage;
mod proxy;
mod root_keys;
mod shop;
mod shutdown;
mod upgrades;

use std::time::{Duration, Instant};

/// Longer than anything takes that these tests wait for; only a failing test waits as long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Looks until there is something to see.
#[track_caller]
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
