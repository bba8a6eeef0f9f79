//! The tables `counters`, `counter_members`, `holds`, `usage_events`, `usage_replays`, `usage_batches`, `usage_hours`,
//! `usage_days` and `dimension_values`.

mod batches;
mod counters;
mod dimensions;
mod events;
mod holds;
pub(super) mod rebuild;
mod reports;
mod rollups;

pub(super) use self::batches::{
    FORGET_BATCHES, FORGET_REPLAYS, Replay, claim_batch, find_replays, insert_replays,
};
pub(super) use self::counters::{find_members, insert_members, load_counters, write_counters};
pub(super) use self::dimensions::{DimensionValue, count_values, find_values, insert_values};
pub(super) use self::events::{
    ChargedPart, NewEvent, StoredEvent, find_event, insert_events, list_events, lock_events, write_left,
};
pub(super) use self::holds::{
    StoredHold, find_hold, insert_holds, list_holds, lock_holds, overdue_holds, write_hold,
};
pub(super) use self::rebuild::{Metered, RowKey};
pub(super) use self::reports::{Asked, Gather, Source, Split, Sum, Total, sums};
pub(super) use self::rollups::{Fold, Rollup, add_to_rollups};
