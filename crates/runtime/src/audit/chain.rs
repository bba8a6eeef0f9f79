//! Sealing and verifying the chains of the audit log.

use std::time::Duration;

use serde::Serialize;
use storage::{Reason, Row, System, Tx};
use types::id::{AuditEntryId, WorkspaceId};
use types::{Error, Result, Timestamp};
use uuid::Uuid;

use super::store::{self, Checkpoint};
use crate::app::App;
use crate::crypto::{
    CHAIN_START, KeyPair, PublicKey, RootKey, Signature, canonical_json, chain_hash, purpose,
};

/// Entries or links handled in one transaction.
const BATCH: u32 = 500;
/// How often everything is looked through for entries in no chain, rather than what is new.
const WHOLE_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// By how much an entry may be older than it looks: its id is drawn when it is recorded, it shows when its transaction commits, and
/// nodes' clocks differ. No request and no job may take longer than an hour.
const LATEST: Duration = Duration::from_secs(2 * 60 * 60);
/// How often the head of a chain that grew is signed.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Chains entries round by round. A round looks at what is new; the first one, and one a day, at everything.
#[derive(Debug, Default)]
pub struct Sealing {
    /// When everything was last looked at.
    whole_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
}

impl Sealing {
    /// Chains what is in no chain yet, and signs heads whose last signature is a day old. The number of entries chained.
    pub async fn round(&mut self, app: &App) -> Result<u64> {
        let now = app.now();
        let since = self.since(now);
        let sealed = seal_since(app, since).await?;
        self.last_at = Some(now);
        if since.is_none() {
            self.whole_at = Some(now);
        }
        Ok(sealed)
    }

    /// From when on entries are looked at; `None` for all there are.
    fn since(&self, now: Timestamp) -> Option<Timestamp> {
        let is_due = self.whole_at.is_none_or(|at| now.since(at) >= WHOLE_EVERY);
        let last = self.last_at.filter(|_| !is_due)?;
        Some(last - LATEST)
    }
}

/// Chains every entry that is in no chain yet, as the first round of a [`Sealing`] does.
pub async fn seal(app: &App) -> Result<u64> {
    seal_since(app, None).await
}

async fn seal_since(app: &App, since: Option<Timestamp>) -> Result<u64> {
    let first = since.map_or_else(|| AuditEntryId::from_uuid(Uuid::nil()), AuditEntryId::least_at);
    let system = app.issuer().system(Reason::Audit);
    let workspaces = app
        .db()
        .of(system)
        .read(|mut tx| async move { store::workspaces_to_seal(&mut tx, first).await })
        .await?;
    let key = signing_key(app.root_keys().current());
    let (key, now) = (&key, app.now());
    let mut sealed = 0;
    for workspace in workspaces {
        loop {
            let batch = app
                .db()
                .of(system)
                .write_locked(|mut tx| async move { seal_batch(&mut tx, workspace, first).await })
                .await?;
            sealed += batch;
            if batch < u64::from(BATCH) {
                break;
            }
        }
        app.db()
            .of(system)
            .write(|mut tx| async move { checkpoint(&mut tx, workspace, key, now).await })
            .await?;
    }
    Ok(sealed)
}

/// Signs the heads of chains that have grown since they were last signed a day ago or more, also of workspaces that have
/// been quiet since.
pub async fn sign(app: &App) -> Result<()> {
    let system = app.issuer().system(Reason::Audit);
    let workspaces = app
        .db()
        .of(system)
        .read(|mut tx| async move { store::workspaces_to_sign(&mut tx).await })
        .await?;
    let key = signing_key(app.root_keys().current());
    let (key, now) = (&key, app.now());
    for workspace in workspaces {
        app.db()
            .of(system)
            .write(|mut tx| async move { checkpoint(&mut tx, workspace, key, now).await })
            .await?;
    }
    Ok(())
}

fn signing_key(root: &RootKey) -> KeyPair {
    KeyPair::from_seed(root.derive(purpose::AUDIT).expose())
}

async fn seal_batch(tx: &mut Tx<System>, workspace: WorkspaceId, first: AuditEntryId) -> Result<u64> {
    store::lock_chain(tx, workspace).await?;
    let head = store::head(tx, workspace).await?;
    let mut position = head.as_ref().map_or(0, |head| head.position);
    let mut hash = head.map_or(Ok(CHAIN_START), |head| as_hash(head.hash))?;
    let rows = store::unsealed(tx, workspace, first, BATCH).await?;
    for row in &rows {
        hash = next_hash(&hash, row)?;
        position += 1;
        store::link(tx, workspace, position, row.get("audit_entry_id")?, hash).await?;
    }
    Ok(rows.len() as u64)
}

fn next_hash(previous: &[u8; 32], entry: &Row) -> Result<[u8; 32]> {
    let canonical = canonical_json(&store::canonical_form(entry)?).map_err(Error::internal)?;
    Ok(chain_hash(previous, canonical.as_ref()))
}

fn as_hash(bytes: Vec<u8>) -> Result<[u8; 32]> {
    bytes
        .try_into()
        .map_err(|_| Error::internal("a hash of the audit chain is not 32 bytes long"))
}

async fn checkpoint(
    tx: &mut Tx<System>,
    workspace: WorkspaceId,
    key: &KeyPair,
    now: Timestamp,
) -> Result<()> {
    let last = store::last_checkpoint_at(tx, workspace).await?;
    if last.is_some_and(|last| now.since(last) < CHECKPOINT_EVERY) {
        return Ok(());
    }
    let Some(head) = store::head(tx, workspace).await? else {
        return Ok(());
    };
    let signature = key.sign(&signed_message(workspace, head.position, &head.hash));
    let checkpoint = Checkpoint {
        position: head.position,
        hash: head.hash,
        public_key: key.public_key().as_bytes().to_vec(),
        signature: signature.as_bytes().to_vec(),
        signed_at: now,
    };
    store::add_checkpoint(tx, workspace, &checkpoint).await
}

fn signed_message(workspace: WorkspaceId, position: i64, hash: &[u8]) -> Vec<u8> {
    let mut message = b"plinth/audit-checkpoint/v1".to_vec();
    message.extend_from_slice(workspace.uuid().as_bytes());
    message.extend_from_slice(&position.to_be_bytes());
    message.extend_from_slice(hash);
    message
}

/// What is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// A chained entry is gone.
    EntryMissing { position: i64, entry: AuditEntryId },
    /// An entry does not give the hash it gave when it was chained.
    EntryChanged { position: i64, entry: AuditEntryId },
    /// A position of the chain is gone.
    LinkMissing { position: i64 },
    /// A signed head is not in the chain any more: the chain was cut off or made anew.
    CheckpointBroken { position: i64 },
    /// A checkpoint was not signed with a key of this installation, or its signature does not fit what it signs.
    SignatureWrong { position: i64 },
}

/// What was found out about a workspace's audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub workspace: WorkspaceId,
    /// Entries in the chain.
    pub entries: u64,
    pub checkpoints: u64,
    pub faults: Vec<Fault>,
}

/// Checks the chain of every workspace.
pub async fn verify(app: &App) -> Result<Vec<Verdict>> {
    let system = app.issuer().system(Reason::Audit);
    let workspaces = app
        .db()
        .of(system)
        .read(|mut tx| async move { store::workspaces(&mut tx).await })
        .await?;
    // A key that is not made from a root key of ours proves nothing: whoever rewrites a chain can sign it anew.
    let keys: Vec<PublicKey> = app
        .root_keys()
        .iter()
        .map(|root| signing_key(root).public_key())
        .collect();
    let keys = keys.as_slice();
    let mut verdicts = Vec::new();
    for workspace in workspaces {
        let verdict = app
            .db()
            .of(system)
            .read(|mut tx| async move { verify_one(&mut tx, workspace, keys).await })
            .await?;
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

async fn verify_one(tx: &mut Tx<System>, workspace: WorkspaceId, keys: &[PublicKey]) -> Result<Verdict> {
    let mut checkpoints = store::checkpoints(tx, workspace).await?.into_iter().peekable();
    let mut verdict = Verdict {
        workspace,
        entries: 0,
        checkpoints: 0,
        faults: Vec::new(),
    };
    let (mut position, mut hash) = (0, CHAIN_START);
    loop {
        let links = store::links_after(tx, workspace, position, BATCH).await?;
        let Some(last) = links.last() else { break };
        let end: i64 = last.get("position")?;
        for link in &links {
            let found: i64 = link.get("position")?;
            verdict
                .faults
                .extend((position + 1..found).map(|position| Fault::LinkMissing { position }));
            let stored = as_hash(link.get("hash")?)?;
            verdict.faults.extend(link_fault(link, found, &hash, &stored)?);
            // Going on from the stored hash finds each fault once.
            (position, hash) = (found, stored);
            verdict.entries += 1;
            while let Some(checkpoint) = checkpoints.next_if(|checkpoint| checkpoint.position <= found) {
                verdict.checkpoints += 1;
                let fits = checkpoint.position == found && checkpoint.hash == stored;
                verdict
                    .faults
                    .extend(checkpoint_fault(workspace, &checkpoint, fits, keys));
            }
        }
        position = end;
    }
    verdict
        .faults
        .extend(checkpoints.map(|lost| Fault::CheckpointBroken {
            position: lost.position,
        }));
    Ok(verdict)
}

fn link_fault(link: &Row, position: i64, previous: &[u8; 32], stored: &[u8; 32]) -> Result<Option<Fault>> {
    let entry: AuditEntryId = link.get("linked_entry")?;
    if link.get::<i64>("missing")? == 1 {
        return Ok(Some(Fault::EntryMissing { position, entry }));
    }
    Ok((next_hash(previous, link)? != *stored).then_some(Fault::EntryChanged { position, entry }))
}

fn checkpoint_fault(
    workspace: WorkspaceId,
    checkpoint: &Checkpoint,
    fits: bool,
    keys: &[PublicKey],
) -> Option<Fault> {
    let position = checkpoint.position;
    if !fits {
        return Some(Fault::CheckpointBroken { position });
    }
    let key = keys
        .iter()
        .find(|key| key.as_bytes().as_slice() == checkpoint.public_key);
    let signature: Option<Signature> = checkpoint
        .signature
        .as_slice()
        .try_into()
        .ok()
        .map(Signature::from_bytes);
    let message = signed_message(workspace, position, &checkpoint.hash);
    let signed = key
        .zip(signature)
        .is_some_and(|(key, signature)| key.verify(&message, &signature).is_ok());
    (!signed).then_some(Fault::SignatureWrong { position })
}
