//! The other yardstick of `cargo xtask bench`: what a call costs when every call is a transaction of its own. No HTTP, no
//! decision, no group commit: the three statements that counting a call cannot do without (find the key, raise the
//! counter, write the event), then COMMIT, over and over, on the database that the benchmark has just filled.
//!
//! Arguments: workspace, platform, tasks, seconds; `PLINTH_DATABASE_URL` names the database as it does for the product. SQLite
//! has one writer, so there one task is as fast as any number; with more of them storage would let them share commits, which is
//! the very thing that this must not do.

use std::env;
use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use storage::{Db, DbConfig, Issuer, Reason, System, Tx, params};
use types::Timestamp;
use types::id::{ApiKeyId, CustomerId, FeatureId, PlatformId, UsageBatchId, UsageEventId, WorkspaceId};

const KEYS: &str = "SELECT api_key_id FROM api_keys WHERE workspace_id = $1 LIMIT 1";
const COUNTERS: &str = "SELECT subject_id, feature_id, period_start FROM counters
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = 'live' AND subject_kind = 'customer'
    ORDER BY subject_id LIMIT 64";

const FIND_KEY: &str = "SELECT * FROM api_keys WHERE api_key_id = $1";
const COUNT: &str =
    "INSERT INTO counters (workspace_id, platform_id, mode, subject_kind, subject_id, feature_id,
        period_start, used, held, from_grants, overage, overrun, threshold, version, updated_at)
    VALUES ($1, $2, 'live', 'customer', $3, $4, $5, 1, 0, 0, 0, 0, 0, 1, $6)
    ON CONFLICT (workspace_id, platform_id, mode, subject_kind, subject_id, feature_id, period_start)
    DO UPDATE SET used = counters.used + 1, version = counters.version + 1, updated_at = excluded.updated_at
    RETURNING used";
const RECORD: &str = "INSERT INTO usage_events (workspace_id, platform_id, mode, usage_event_id, customer_id,
        feature_id, amount, dimensions, source, occurred_at, received_at, usage_batch_id, charged)
    VALUES ($1, $2, 'live', $3, $4, $5, 1, '', 'consume', $6, $6, $7, '[]')";

/// What the calls are counted on.
#[derive(Clone, Copy)]
struct Counter {
    workspace: WorkspaceId,
    platform: PlatformId,
    api_key: ApiKeyId,
    customer: CustomerId,
    feature: FeatureId,
    period_start: i64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [workspace, platform, tasks, secs] = arguments()?;
    let url = env::var("PLINTH_DATABASE_URL")?;
    let config = match url.strip_prefix("sqlite:") {
        Some(path) => DbConfig::Sqlite { path: path.into() },
        None => DbConfig::Postgres {
            url: url.into(),
            max_connections: 16,
        },
    };
    let (db, issuer) = storage::open(&config, &server::compose::tables()).await?;
    let counters = counters(&db, &issuer, workspace.parse()?, platform.parse()?).await?;
    if counters.is_empty() {
        return Err("the platform has counted nothing yet".into());
    }
    let end = Instant::now() + Duration::from_secs(secs.parse()?);
    let mut running = tokio::task::JoinSet::new();
    for task in 0..tasks.parse()? {
        // Each on a counter of its own, as long as there are enough: waiting for a row is not what is measured.
        let counter = counters[task % counters.len()];
        running.spawn(count_until(
            db.clone(),
            issuer.system(Reason::UsageBatch),
            counter,
            end,
        ));
    }
    let started = Instant::now();
    let mut micros = Vec::new();
    for counted in running.join_all().await {
        micros.extend(counted?);
    }
    let secs = started.elapsed().as_secs_f64();
    micros.sort_unstable();
    let at = |percent: usize| {
        micros
            .get(micros.len() * percent / 100)
            .copied()
            .unwrap_or_default()
    };
    writeln!(
        std::io::stdout(),
        r#"{{"per_sec": {:.1}, "p50_us": {}, "p99_us": {}}}"#,
        micros.len() as f64 / secs,
        at(50),
        at(99),
    )?;
    db.close().await;
    Ok(())
}

fn arguments() -> Result<[String; 4], &'static str> {
    let given: Vec<String> = env::args().skip(1).collect();
    given
        .try_into()
        .map_err(|_| "arguments: workspace platform tasks seconds")
}

async fn counters(
    db: &Db,
    issuer: &Issuer,
    workspace: WorkspaceId,
    platform: PlatformId,
) -> types::Result<Vec<Counter>> {
    db.of(issuer.system(Reason::UsageBatch))
        .read(|mut tx| async move {
            let api_key = tx.fetch_one(KEYS, params![workspace]).await?.get("api_key_id")?;
            let rows = tx.fetch_all(COUNTERS, params![workspace, platform]).await?;
            rows.iter()
                .map(|row| {
                    Ok(Counter {
                        workspace,
                        platform,
                        api_key,
                        customer: row.get("subject_id")?,
                        feature: row.get("feature_id")?,
                        period_start: row.get("period_start")?,
                    })
                })
                .collect()
        })
        .await
}

/// Microseconds that each call took, until `end`.
async fn count_until(db: Db, scope: System, counter: Counter, end: Instant) -> types::Result<Vec<u64>> {
    let mut micros = Vec::new();
    while Instant::now() < end {
        let started = Instant::now();
        db.of(scope)
            .write_locked(|tx| count(tx, counter, Timestamp::now()))
            .await?;
        micros.push(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok(micros)
}

async fn count(mut tx: Tx<System>, on: Counter, now: Timestamp) -> types::Result<()> {
    tx.fetch_one(FIND_KEY, params![on.api_key]).await?;
    let counter = params![
        on.workspace,
        on.platform,
        on.customer,
        on.feature,
        on.period_start,
        now
    ];
    tx.fetch_one(COUNT, counter).await?;
    let event = params![
        on.workspace,
        on.platform,
        UsageEventId::generate(),
        on.customer,
        on.feature,
        now,
        UsageBatchId::generate(),
    ];
    tx.execute(RECORD, event).await?;
    Ok(())
}
