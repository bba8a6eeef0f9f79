//! Counters, and the members of those that count distinct ones.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use ledger::{CounterKey, CounterState, MemberKey};
use storage::{Row, System, Tx, Value, dialect, params};
use types::{Error, Result, Timestamp};

use super::super::commit::Purpose;
use crate::numbered;

fn key_values(key: &CounterKey) -> Vec<Value> {
    let subject = key.subject;
    params![
        subject.workspace,
        subject.platform,
        subject.mode,
        subject.kind.as_str(),
        subject.id,
        key.feature,
        key.period_start,
    ]
}

macro_rules! select_counters {
    ($lock:literal) => {
        concat!(
            ") SELECT k.n, c.used, c.held, c.from_grants, c.overage, c.overrun, c.threshold, c.ring, c.version
            FROM k CROSS JOIN counters c
            WHERE c.workspace_id = k.workspace_id AND c.platform_id = k.platform_id AND c.mode = k.mode
                AND c.subject_kind = k.subject_kind AND c.subject_id = k.subject_id AND c.feature_id = k.feature_id
                AND c.period_start = k.period_start",
            $lock
        )
    };
}

const KEYS: &str = "WITH k (n, workspace_id, platform_id, mode, subject_kind, subject_id, feature_id,
    period_start) AS (VALUES";
const COUNTERS: &str = select_counters!("");
const COUNTERS_LOCKED: &str = select_counters!(" ORDER BY k.n FOR UPDATE OF c");

/// The counters as they stand, in the order of their keys; none where there is no row. For a commit they are locked until the
/// transaction ends, in that order, so that two nodes never wait for each other in a circle.
pub(in crate::usage) async fn load_counters(
    tx: &mut Tx<System>,
    keys: &BTreeSet<CounterKey>,
    purpose: Purpose,
) -> Result<Vec<(CounterKey, Option<CounterState>)>> {
    let keys: Vec<CounterKey> = keys.iter().copied().collect();
    let select = match purpose {
        Purpose::Check => COUNTERS,
        Purpose::Commit => dialect!(tx, sqlite: COUNTERS, postgres: COUNTERS_LOCKED),
    };
    let rows = tx
        .fetch_rows(KEYS, numbered::rows(&keys, key_values), select)
        .await?;
    let states = numbered::found(keys.len(), &rows, state)?;
    Ok(keys.into_iter().zip(states).collect())
}

/// The state of a row that has those columns.
pub(crate) fn state(row: &Row) -> Result<CounterState> {
    let ring: Option<String> = row.get("ring")?;
    Ok(CounterState {
        used: row.get("used")?,
        held: row.get("held")?,
        from_grants: row.get("from_grants")?,
        overage: row.get("overage")?,
        overrun: row.get("overrun")?,
        threshold: u16::try_from(row.get::<i64>("threshold")?).map_err(Error::internal)?,
        version: row.get("version")?,
        ring: ring
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(Error::internal)?,
    })
}

const WRITE: &str =
    "INSERT INTO counters (workspace_id, platform_id, mode, subject_kind, subject_id, feature_id, period_start,
        used, held, from_grants, overage, overrun, threshold, ring, version, updated_at) VALUES";
const OVER: &str = "ON CONFLICT (workspace_id, platform_id, mode, subject_kind, subject_id, feature_id, period_start)
    DO UPDATE SET used = excluded.used, held = excluded.held, from_grants = excluded.from_grants,
        overage = excluded.overage, overrun = excluded.overrun, threshold = excluded.threshold, ring = excluded.ring,
        version = excluded.version, updated_at = excluded.updated_at
    WHERE counters.version = excluded.version - 1";

/// Writes counters, each over the version that it was made from.
///
/// # Errors
/// [`storage::overtaken`], when another node has made one of them since they were looked for: then the batch is decided anew.
pub(in crate::usage) async fn write_counters(
    tx: &mut Tx<System>,
    counters: &BTreeMap<CounterKey, CounterState>,
    now: Timestamp,
) -> Result<()> {
    let mut rows = Vec::with_capacity(counters.len());
    for (key, state) in counters {
        let ring = state.ring.as_ref().map(serde_json::to_string).transpose();
        let mut row = key_values(key);
        row.extend(params![
            state.used,
            state.held,
            state.from_grants,
            state.overage,
            state.overrun,
            i64::from(state.threshold),
            ring.map_err(Error::internal)?,
            state.version,
            now,
        ]);
        rows.push(row);
    }
    match tx.insert_rows(WRITE, rows, OVER).await? {
        written if written == counters.len() as u64 => Ok(()),
        _ => Err(storage::overtaken()),
    }
}

const MEMBER_KEYS: &str = "WITH k (n, workspace_id, platform_id, mode, subject_kind, subject_id, feature_id,
    period_start, member) AS (VALUES";
const MEMBERS: &str = ") SELECT k.n FROM k CROSS JOIN counter_members m
    WHERE m.workspace_id = k.workspace_id AND m.platform_id = k.platform_id AND m.mode = k.mode
        AND m.subject_kind = k.subject_kind AND m.subject_id = k.subject_id AND m.feature_id = k.feature_id
        AND m.period_start = k.period_start AND m.member = k.member";

fn member_values(key: &MemberKey) -> Vec<Value> {
    let mut values = key_values(&key.counter);
    values.push(Value::from(key.member.to_be_bytes()));
    values
}

/// Those of the members that were counted already. Their counters are locked, so it stays that way.
pub(in crate::usage) async fn find_members(
    tx: &mut Tx<System>,
    members: &BTreeSet<MemberKey>,
) -> Result<HashSet<MemberKey>> {
    let members: Vec<MemberKey> = members.iter().copied().collect();
    let rows = tx
        .fetch_rows(MEMBER_KEYS, numbered::rows(&members, member_values), MEMBERS)
        .await?;
    let found = numbered::found(members.len(), &rows, |_| Ok(()))?;
    Ok(members
        .into_iter()
        .zip(found)
        .filter_map(|(member, found)| found.map(|()| member))
        .collect())
}

const INSERT_MEMBERS: &str =
    "INSERT INTO counter_members (workspace_id, platform_id, mode, subject_kind, subject_id,
    feature_id, period_start, member) VALUES";

/// # Errors
/// As [`write_counters`].
pub(in crate::usage) async fn insert_members(
    tx: &mut Tx<System>,
    members: &BTreeSet<MemberKey>,
) -> Result<()> {
    let rows = members.iter().map(member_values).collect();
    match tx
        .insert_rows(INSERT_MEMBERS, rows, "ON CONFLICT DO NOTHING")
        .await?
    {
        inserted if inserted == members.len() as u64 => Ok(()),
        _ => Err(storage::overtaken()),
    }
}
