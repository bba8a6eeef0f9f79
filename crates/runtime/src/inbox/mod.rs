//! Inbound webhooks: verified by who receives them, stored before anything is done about them, and processed by a job. The
//! sender's id makes a message one, however often it is sent.

use std::collections::BTreeMap;

use storage::{System, Tx, params};
use types::id::InboxMessageId;
use types::{Error, Result, Timestamp};

use crate::jobs::{self, Job};

/// A verified message of another system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Which system, such as `stripe`; with the endpoint's id where a workspace has its own.
    pub source: String,
    /// The sender's id of the message.
    pub external_id: String,
    /// The headers that matter to whoever processes it.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

const INSERT: &str = "INSERT INTO inbox_messages
    (inbox_message_id, source, external_id, headers, body, received_at) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (source, external_id) DO NOTHING";

/// Stores a message and enqueues the job that processes it, unless the message was received before. `job` makes the job
/// from the message's id. The answer is the id of a new message.
pub async fn receive<J: Job>(
    tx: &mut Tx<System>,
    message: &Message,
    now: Timestamp,
    job: impl FnOnce(InboxMessageId) -> J,
) -> Result<Option<InboxMessageId>> {
    let id = InboxMessageId::generate();
    let headers = serde_json::to_string(&message.headers).map_err(Error::internal)?;
    let params = params![
        id,
        &message.source,
        &message.external_id,
        headers,
        message.body.as_slice(),
        now
    ];
    if tx.execute(INSERT, params).await? == 0 {
        return Ok(None);
    }
    jobs::enqueue(tx, &job(id), now).await?;
    Ok(Some(id))
}

/// A stored message.
///
/// # Errors
/// `not_found`.
pub async fn get(tx: &mut Tx<System>, id: InboxMessageId) -> Result<Message> {
    const GET: &str =
        "SELECT source, external_id, headers, body FROM inbox_messages WHERE inbox_message_id = $1";
    let row = tx
        .fetch_optional(GET, params![id])
        .await?
        .ok_or_else(|| Error::not_found("inbox message"))?;
    Ok(Message {
        source: row.get("source")?,
        external_id: row.get("external_id")?,
        headers: serde_json::from_str(&row.get::<String>("headers")?).map_err(Error::internal)?,
        body: row.get("body")?,
    })
}

/// Marks a message as processed, in the transaction of what it caused. `false` when it was before: then do nothing.
pub async fn mark_processed(tx: &mut Tx<System>, id: InboxMessageId, now: Timestamp) -> Result<bool> {
    const MARK: &str = "UPDATE inbox_messages SET processed_at = $2
        WHERE inbox_message_id = $1 AND processed_at IS NULL";
    Ok(tx.execute(MARK, params![id, now]).await? == 1)
}
