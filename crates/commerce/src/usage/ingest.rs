//! Usage that is told after it happened, as CloudEvents 1.0: recorded whether there is room or not, once for each source and
//! id, in the period in which it happened.

use std::collections::BTreeMap;
use std::time::Duration;

use runtime::App;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use types::id::UsageEventId;
use types::text::check_text;
use types::{Error, Permission, Result, Timestamp};
use utoipa::ToSchema;

use super::commit::Answer;
use super::commit_all;
use super::order::{NewUsage, Order, Told, Use, Verb, Work};
use crate::amount::Amount;
use crate::{Shop, ShopCaller, features};

/// The most events of one request.
pub const MAX_EVENTS: usize = 1_000;
const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;
/// How late an event may be.
const GRACE: Duration = Duration::from_secs(3 * DAY);
/// How far back a history may go: ten years.
const OLDEST: Duration = Duration::from_secs(3_650 * DAY);
/// How far the sender's clock may be ahead.
const AHEAD: Duration = Duration::from_secs(5 * 60);
/// The longest `id` and `source`, in characters.
const MAX_NAME_CHARS: usize = 512;

/// One use of a feature, as a CloudEvent. Attributes that are not listed are taken and left aside.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct CloudEvent {
    #[schema(pattern = "^1\\.0$", example = "1.0")]
    specversion: String,
    /// Together with `source` it names the event: told twice, it counts once. For 32 days.
    #[schema(min_length = 1, max_length = 512)]
    id: String,
    /// Who tells of it.
    #[schema(min_length = 1, max_length = 512, example = "/gateway/eu-1")]
    source: String,
    /// The key of a metered feature.
    #[serde(rename = "type")]
    #[schema(min_length = 1, max_length = 63, example = "calls")]
    kind: String,
    /// The customer, by id or by your own external id.
    #[schema(min_length = 1, max_length = 255, example = "acme")]
    subject: Option<String>,
    /// When it happened; now when absent. At most three days ago and five minutes ahead, or ten years ago for a history.
    time: Option<Timestamp>,
    /// `amount`, `end_user`, `member`, and a value for each of the feature's dimensions. Whatever else is in it is left aside.
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
}

/// What became of one event.
#[derive(Debug)]
pub enum Ingested {
    Accepted(UsageEventId),
    /// It was told before.
    Duplicate(UsageEventId),
    Rejected(Error),
}

/// Records events, each by itself; the answers are in their order. `backfill` tells that they are a history that is filled in:
/// then they may be old, and nobody is warned of thresholds.
///
/// # Errors
/// `permission_denied`; `validation_failed`, when there are none or too many. Whatever is wrong with one is that one's answer.
pub async fn ingest(
    app: &App,
    caller: &ShopCaller,
    events: Vec<Value>,
    backfill: bool,
) -> Result<Vec<Ingested>> {
    caller.caller.require(Permission::UsageConsume)?;
    if !(1..=MAX_EVENTS).contains(&events.len()) {
        return Err(Error::invalid("body", format!("send 1 to {MAX_EVENTS} events")));
    }
    let told = if backfill { Told::Backfill } else { Told::Event };
    let dimensions = dimensions_of(app, caller, &events).await?;
    let now = app.now();
    let orders = events
        .into_iter()
        .map(|event| order(caller.shop, event, &dimensions, told, now));
    let answers = commit_all(app, orders.collect()).await?;
    Ok(answers.into_iter().map(outcome).collect())
}

/// The dimensions of the features that events name, by key.
async fn dimensions_of(
    app: &App,
    caller: &ShopCaller,
    events: &[Value],
) -> Result<BTreeMap<String, Vec<String>>> {
    let keys: std::collections::BTreeSet<&str> = events
        .iter()
        .filter_map(|event| event.get("type")?.as_str())
        .collect();
    let keys: Vec<(Shop, &str)> = keys.into_iter().map(|key| (caller.shop, key)).collect();
    let keys = &keys;
    let found = app
        .db()
        .of(caller.tenant())
        .read(|mut tx| async move { features::store::by_keys(&mut tx, keys).await })
        .await?;
    let found = found.into_iter().flatten();
    Ok(found.map(|feature| (feature.key, feature.dimensions)).collect())
}

fn outcome(answer: Result<Answer>) -> Ingested {
    match answer {
        Ok(Answer::Recorded { event, again: false }) => Ingested::Accepted(event),
        Ok(Answer::Recorded { event, again: true }) => Ingested::Duplicate(event),
        Ok(Answer::Used(used)) => Ingested::Rejected(match used.usage {
            Some(usage) => usage.refusal(),
            None => Answer::unexpected(),
        }),
        Ok(_) => Ingested::Rejected(Answer::unexpected()),
        Err(error) => Ingested::Rejected(error),
    }
}

fn order(
    shop: Shop,
    event: Value,
    dimensions: &BTreeMap<String, Vec<String>>,
    told: Told,
    now: Timestamp,
) -> Result<Order> {
    let event: CloudEvent = serde_json::from_value(event)
        .map_err(|error| Error::invalid("event", format!("is not a CloudEvent: {error}")))?;
    if event.specversion != "1.0" {
        return Err(Error::invalid("specversion", "must be 1.0"));
    }
    check_text("id", &event.id, 1, MAX_NAME_CHARS)?;
    check_text("source", &event.source, 1, MAX_NAME_CHARS)?;
    let at = event.time.unwrap_or(now);
    check_time(at, told, now)?;
    let key = name(&event);
    let declared = dimensions.get(&event.kind).map_or(&[][..], Vec::as_slice);
    let usage = event.usage(declared)?;
    let work = Work::Use(Box::new(Use::read(usage, Verb::Record(told))?));
    Ok(Order::named(shop, work, key, at))
}

fn check_time(at: Timestamp, told: Told, now: Timestamp) -> Result<()> {
    if at > now + AHEAD {
        return Err(Error::invalid("time", "is in the future"));
    }
    match told {
        Told::Event if at < now - GRACE => Err(Error::invalid(
            "time",
            "is more than three days ago; tell it as a history, with backfill=true",
        )),
        Told::Backfill if at < now - OLDEST => Err(Error::invalid("time", "is more than ten years ago")),
        _ => Ok(()),
    }
}

/// What an event is known by: half of a hash of its source and id.
fn name(event: &CloudEvent) -> String {
    let mut hasher = Sha256::new();
    hasher.update((event.source.len() as u64).to_be_bytes());
    hasher.update(&event.source);
    hasher.update(&event.id);
    let mut name = String::from("cloudevent:");
    for byte in &hasher.finalize()[..16] {
        name.push_str(&format!("{byte:02x}"));
    }
    name
}

impl CloudEvent {
    fn usage(self, declared: &[String]) -> Result<NewUsage> {
        let subject = self
            .subject
            .ok_or_else(|| Error::invalid("subject", "say which customer it was"))?;
        let mut usage = NewUsage::one(subject.parse()?, &self.kind);
        let mut data = match self.data {
            None | Some(Value::Null) => return Ok(usage),
            Some(Value::Object(data)) => data,
            Some(_) => return Err(Error::invalid("data", "must be a JSON object")),
        };
        if let Some(amount) = data.remove("amount").filter(|value| !value.is_null()) {
            let amount: Amount = serde_json::from_value(amount)
                .map_err(|error| Error::invalid("data.amount", error.to_string()))?;
            usage.amount = Some(amount);
        }
        if let Some(end_user) = text(&data, "end_user")? {
            usage.end_user = Some(end_user.parse()?);
        }
        usage.member = text(&data, "member")?;
        for name in declared {
            if let Some(value) = text(&data, name)? {
                usage.dimensions.insert(name.clone(), value);
            }
        }
        Ok(usage)
    }
}

/// A value of the data as text; none when it is absent or null.
fn text(data: &serde_json::Map<String, Value>, name: &str) -> Result<Option<String>> {
    match data.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
        Some(_) => Err(Error::invalid(
            format!("data.{name}"),
            "must be a text, a number or a truth value",
        )),
    }
}
