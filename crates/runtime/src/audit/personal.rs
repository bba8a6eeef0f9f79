//! What entries say about people: sealed under a key of the person, so that erasing them leaves the chain whole and their data
//! unreadable.

use std::collections::HashMap;

use serde_json::{Map, Value};
use types::id::{AuditEntryId, SealingKeyId, WorkspaceId};
use types::{Error, Page, Result};
use uuid::Uuid;

use super::AuditEntry;
use crate::app::App;
use crate::crypto::{DataKey, Place, SealedBytes};
use crate::subject_keys;

/// Data about a person, sealed for one entry.
#[derive(Debug, Clone)]
pub struct Personal {
    /// The entry that it opens in.
    pub(super) entry: AuditEntryId,
    pub(super) key: SealingKeyId,
    pub(super) sealed: Vec<u8>,
}

impl Personal {
    /// Seals `data` for an entry that is about to be recorded in `workspace`; `None` when the person was erased there.
    pub async fn seal(
        app: &App,
        workspace: WorkspaceId,
        subject: Uuid,
        data: &Map<String, Value>,
    ) -> Result<Option<Self>> {
        let Some(key) = subject_keys::ensure(app, workspace, subject).await? else {
            return Ok(None);
        };
        let entry = AuditEntryId::generate();
        let plain = serde_json::to_vec(data).map_err(Error::internal)?;
        let sealed = key.seal(&place(workspace, entry.uuid().as_bytes()), &plain)?;
        Ok(Some(Personal {
            entry,
            key: key.id(),
            sealed: sealed.into_vec(),
        }))
    }
}

fn place(workspace: WorkspaceId, row: &[u8; 16]) -> Place<'_> {
    Place {
        table: "audit_entries",
        workspace: Some(workspace),
        row,
        column: "sealed",
    }
}

/// An entry with its sealed part as it is stored.
pub(super) struct Stored {
    pub entry: AuditEntry,
    pub sealed: Option<(SealingKeyId, Vec<u8>)>,
}

/// Opens what can still be opened.
pub(super) async fn open(app: &App, workspace: WorkspaceId, page: Page<Stored>) -> Result<Page<AuditEntry>> {
    let mut ids: Vec<SealingKeyId> = page
        .data
        .iter()
        .filter_map(|stored| stored.sealed.as_ref().map(|(key, _)| *key))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let keys = match ids.is_empty() {
        true => Vec::new(),
        false => subject_keys::find_all(app, workspace, &ids).await?,
    };
    let keys: HashMap<SealingKeyId, DataKey> = keys.into_iter().map(|key| (key.id(), key)).collect();
    let mut entries = Vec::with_capacity(page.data.len());
    for Stored { mut entry, sealed } in page.data {
        if let Some((id, sealed)) = sealed
            && let Some(key) = keys.get(&id)
        {
            let row = entry.id.uuid().into_bytes();
            let plain = key.open(&place(workspace, &row), &SealedBytes::from_vec(sealed)?)?;
            entry.personal = Some(serde_json::from_slice(&plain).map_err(Error::internal)?);
        }
        entries.push(entry);
    }
    Ok(Page {
        data: entries,
        next_cursor: page.next_cursor,
    })
}
