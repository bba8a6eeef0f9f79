//! What a blob is called: `{workspace}/{kind}/{2 hex}/{name}`, built from ids and hashes alone.

use std::fmt;
use std::fmt::Write as _;

use types::Id;
use types::id::{Kind, WorkspaceId};

/// What sort of thing a blob is, such as `objects` or `exports`: a constant beside the noun that owns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlobKind(&'static str);

impl BlobKind {
    /// For a `const`: the name is 1 to 32 of `a`–`z` and `_`, anything else does not compile.
    pub const fn new(name: &'static str) -> Self {
        assert!(is_kind(name.as_bytes()), "a blob kind is 1 to 32 of a-z and _");
        BlobKind(name)
    }

    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

const fn is_kind(name: &[u8]) -> bool {
    let mut i = 0;
    while i < name.len() {
        if !(name[i].is_ascii_lowercase() || name[i] == b'_') {
            return false;
        }
        i += 1;
    }
    !name.is_empty() && name.len() <= 32
}

/// The immutable name of one blob. What stands under a key never changes; it is only created and deleted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey {
    workspace: WorkspaceId,
    path: String,
}

impl BlobKey {
    /// The key of a blob that is named by the hash of its content (or by a keyed hash of it).
    pub fn for_hash(workspace: WorkspaceId, kind: BlobKind, hash: &[u8; 32]) -> Self {
        Self::build(workspace, kind, hash[0], &hex(hash))
    }

    /// The key of a blob that is named by the id of the thing it belongs to.
    pub fn for_id<K: Kind>(workspace: WorkspaceId, kind: BlobKind, id: Id<K>) -> Self {
        // The first bytes of a UUIDv7 are its time: only the last ones spread over the folders.
        let shard = id.uuid().as_bytes()[15];
        Self::build(workspace, kind, shard, &id.to_string())
    }

    fn build(workspace: WorkspaceId, kind: BlobKind, shard: u8, name: &str) -> Self {
        let kind = kind.as_str();
        BlobKey {
            workspace,
            path: format!("{workspace}/{kind}/{shard:02x}/{name}"),
        }
    }

    /// Reads back a key that this module wrote. None for anything else, so that no other path is ever reached.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let mut parts = path.split('/');
        let (workspace, kind, shard, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let id: WorkspaceId = workspace.parse().ok()?;
        let is_name = |text: &str| {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            !text.is_empty() && text.len() <= 64 && text.bytes().all(plain)
        };
        let canonical = id.to_string() == workspace
            && is_kind(kind.as_bytes())
            && shard.len() == 2
            && from_hex(shard.as_bytes(), &mut [0]).is_some()
            && is_name(name)
            && parts.next().is_none();
        canonical.then(|| BlobKey {
            workspace: id,
            path: path.to_owned(),
        })
    }

    pub fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// The last part: the hash as 64 hexadecimal digits, or the id as on the wire.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The whole key, as the store knows it.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    pub(super) fn location(&self) -> object_store::path::Path {
        object_store::path::Path::from(self.path.as_str())
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl fmt::Debug for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Fills `out` from exactly as many lower-case hexadecimal digits as it holds; None when the text is anything else.
pub(super) fn from_hex(text: &[u8], out: &mut [u8]) -> Option<()> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != out.len() * 2 {
        return None;
    }
    for (slot, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        *slot = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use types::id::UserId;

    use super::*;

    const OBJECTS: BlobKind = BlobKind::new("objects");

    #[test]
    fn every_key_reads_back() {
        let workspace = WorkspaceId::generate();
        for key in [
            BlobKey::for_hash(workspace, OBJECTS, &[0xab; 32]),
            BlobKey::for_id(workspace, OBJECTS, UserId::generate()),
        ] {
            assert_eq!(BlobKey::parse(key.as_str()), Some(key));
        }
    }

    #[test]
    fn nothing_else_is_a_key() {
        let key = BlobKey::for_hash(WorkspaceId::generate(), OBJECTS, &[1; 32]);
        let path = key.as_str();
        for wrong in [
            String::new(),
            format!("/{path}"),
            format!("{path}/more"),
            path.to_uppercase(),
            path.replace("objects", ".."),
            path.replace("/01/", "/../"),
            path.replace("wsp_", "usr_"),
            "_check/probe".to_owned(),
        ] {
            assert_eq!(BlobKey::parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ids_made_together_spread_over_the_folders() {
        let workspace = WorkspaceId::generate();
        let mut shards: Vec<String> = (0..100)
            .map(|_| BlobKey::for_id(workspace, OBJECTS, UserId::generate()))
            .filter_map(|key| key.as_str().split('/').nth(2).map(str::to_owned))
            .collect();
        shards.sort();
        shards.dedup();
        assert!(shards.len() > 20, "{}", shards.len());
    }
}
