//! Blobs: immutable content under `{workspace}/{kind}/{2 hex}/{name}`, in a directory or in an S3-compatible store.
//!
//! A blob is created once and never changes, so creating the same content twice is harmless and creating another
//! content under the same key is a conflict. Large transfers go round the server: [`Blobs::sign`] makes a link that
//! a client uploads to or downloads from by itself. Who may see a blob is decided above; the key names its workspace.

mod directory;
mod failure;
mod key;
mod presign;
mod s3;
mod signing;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::aws::AmazonS3;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode};
use secrecy::SecretSlice;
use types::id::WorkspaceId;
use types::{Error, ErrorCode, Result, Timestamp};
use url::Url;

pub use self::key::{BlobKey, BlobKind};
use self::presign::Presigner;
pub use self::s3::S3Config;
use self::signing::LinkSigner;
pub use self::signing::{Action, Granted, MAX_LINK_AGE, SignedRequest, SignedUrl};

/// How long [`Blobs::check`] waits.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// Where blobs are kept.
#[derive(Debug, Clone)]
pub enum BlobsConfig {
    /// A directory of this machine: one node.
    Directory {
        /// Created when it is missing.
        path: PathBuf,
        /// Signs links; at least 32 random bytes, the same after every restart.
        signing_secret: SecretSlice<u8>,
        /// Public address of the route that answers links; the key is appended to its path.
        base_url: Url,
    },
    /// A bucket: any number of nodes.
    S3(S3Config),
}

/// What [`Blobs::put`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    Created,
    /// The very same content was there before.
    AlreadyThere,
}

/// One blob of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobEntry {
    pub key: BlobKey,
    pub size_bytes: u64,
    /// When it was stored, by the store's clock.
    pub stored_at: Timestamp,
}

/// A blob on its way out, in pieces.
pub struct BlobStream {
    pub size_bytes: u64,
    /// Ends early with an error when the store fails midway.
    pub chunks: BoxStream<'static, Result<Bytes>>,
}

/// The handle on the store of blobs. Cheap to clone.
#[derive(Clone)]
pub struct Blobs {
    backend: Arc<Backend>,
}

enum Backend {
    Directory {
        store: LocalFileSystem,
        signer: LinkSigner,
    },
    S3 {
        store: AmazonS3,
        signer: Presigner,
    },
}

impl Backend {
    fn store(&self) -> &dyn ObjectStore {
        match self {
            Backend::Directory { store, .. } => store,
            Backend::S3 { store, .. } => store,
        }
    }
}

impl Blobs {
    /// Opens the store. A directory is created; a bucket is not asked for anything yet (see [`Blobs::check`]).
    ///
    /// # Errors
    /// `validation_failed` naming the setting that does not work.
    pub fn open(config: BlobsConfig) -> Result<Self> {
        let backend = match config {
            BlobsConfig::Directory {
                path,
                signing_secret,
                base_url,
            } => Backend::Directory {
                signer: LinkSigner::new(&signing_secret, base_url)?,
                store: directory::open(&path)?,
            },
            BlobsConfig::S3(config) => {
                let (store, signer) = s3::open(config)?;
                Backend::S3 { store, signer }
            }
        };
        Ok(Blobs {
            backend: Arc::new(backend),
        })
    }

    fn store(&self) -> &dyn ObjectStore {
        self.backend.store()
    }

    /// Stores a blob. When this returns it is on disk, whole; when it fails nothing is seen under the key.
    ///
    /// # Errors
    /// `conflict` when another content stands under the key; `unavailable` when the disk is full, the bucket is
    /// missing or the store does not answer: the same call may be repeated.
    pub async fn put(&self, key: &BlobKey, content: Bytes) -> Result<PutOutcome> {
        let created = self
            .store()
            .put_opts(&key.location(), content.clone().into(), PutMode::Create.into())
            .await;
        match created {
            Ok(_) => Ok(PutOutcome::Created),
            Err(object_store::Error::AlreadyExists { .. }) => {
                self.expect_same(key, &content).await?;
                Ok(PutOutcome::AlreadyThere)
            }
            Err(error) => Err(failure::from_store(error)),
        }
    }

    /// Compares piece by piece: what is there may be large, and it is never trusted by its name alone.
    async fn expect_same(&self, key: &BlobKey, content: &Bytes) -> Result<()> {
        let mut there = match self.stream(key).await {
            // Someone else's upload of it came first and has not ended, or it was deleted just now.
            Err(error) if error.is(ErrorCode::NotFound) => {
                return Err(Error::unavailable(
                    "The blob is being written or deleted by someone else. Try again.",
                ));
            }
            there => there?,
        };
        if there.size_bytes != content.len() as u64 {
            return Err(failure::different_content());
        }
        let mut rest = content.as_ref();
        while let Some(chunk) = there.chunks.try_next().await? {
            rest = rest
                .strip_prefix(chunk.as_ref())
                .ok_or_else(failure::different_content)?;
        }
        Ok(())
    }

    async fn open_blob(&self, key: &BlobKey, options: GetOptions) -> Result<GetResult> {
        let opened = self.store().get_opts(&key.location(), options).await;
        opened.map_err(failure::from_store)
    }

    /// The whole blob in memory: for small ones.
    ///
    /// # Errors
    /// `not_found`; `unavailable` when the store does not answer.
    pub async fn get(&self, key: &BlobKey) -> Result<Bytes> {
        let blob = self.open_blob(key, GetOptions::default()).await?;
        blob.bytes().await.map_err(failure::from_store)
    }

    /// The bytes from `range.start` up to, not including, `range.end`; a range that goes beyond the end is cut there.
    ///
    /// # Errors
    /// `validation_failed` for a range that is empty or starts at or after the end; else as [`Blobs::get`].
    pub async fn get_range(&self, key: &BlobKey, range: Range<u64>) -> Result<Bytes> {
        let outside = || Error::invalid("range", "it holds no byte of the blob");
        if range.is_empty() {
            return Err(outside());
        }
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            ..GetOptions::default()
        };
        match self.open_blob(key, options).await {
            Ok(blob) => blob.bytes().await.map_err(failure::from_store),
            Err(error) if error.is(ErrorCode::NotFound) => Err(error),
            // The stores say "outside" in as many ways as there are stores: the size decides.
            Err(error) => match self.head(key).await {
                Ok(Some(size)) if range.start >= size => Err(outside()),
                _ => Err(error),
            },
        }
    }

    /// The blob in pieces, for passing on without holding it.
    ///
    /// # Errors
    /// As [`Blobs::get`]; once it flows, errors come through the stream.
    pub async fn stream(&self, key: &BlobKey) -> Result<BlobStream> {
        let blob = self.open_blob(key, GetOptions::default()).await?;
        Ok(BlobStream {
            size_bytes: blob.meta.size,
            chunks: blob.into_stream().map_err(failure::from_store).boxed(),
        })
    }

    /// Size in bytes, or None when there is no such blob.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer. A missing bucket looks like a missing blob here, because the
    /// answer to HEAD has no body; [`Blobs::check`] tells them apart.
    pub async fn head(&self, key: &BlobKey) -> Result<Option<u64>> {
        match self.store().head(&key.location()).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failure::from_store(error)),
        }
    }

    /// Deletes the blob; there being none is as good. When this returns it does not come back.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer.
    pub async fn delete(&self, key: &BlobKey) -> Result<()> {
        let location = key.location();
        match self.store().delete(&location).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(failure::from_store(error)),
        }
        match &*self.backend {
            Backend::Directory { store, .. } => {
                let file = store.path_to_filesystem(&location).map_err(failure::from_store)?;
                directory::sync_folder_of(file).await
            }
            Backend::S3 { .. } => Ok(()),
        }
    }

    /// All blobs of one kind in one workspace, in no promised order; what is stored meanwhile may be missing.
    pub fn list(&self, workspace: WorkspaceId, kind: BlobKind) -> BoxStream<'static, Result<BlobEntry>> {
        let prefix = Path::from(format!("{workspace}/{}", kind.as_str()));
        self.store()
            .list(Some(&prefix))
            .map_err(failure::from_store)
            .try_filter_map(|meta| async move { Ok(entry(&meta)) })
            .boxed()
    }

    /// A link for one direct upload or download.
    ///
    /// # Errors
    /// `validation_failed` when it would expire in the past or after more than [`MAX_LINK_AGE`].
    pub fn sign(&self, request: SignedRequest<'_>, now: Timestamp) -> Result<SignedUrl> {
        match &*self.backend {
            Backend::Directory { signer, .. } => signer.sign(&request, now),
            Backend::S3 { signer, .. } => signer.sign(&request, now),
        }
    }

    /// Checks a link that [`Blobs::sign`] made for a directory. `method` as in the request line; `path` is what
    /// follows the configured base address, decoded; `query` is raw, without the question mark.
    ///
    /// # Errors
    /// `permission_denied` when it is forged, changed or expired; `not_found` on S3, which answers its own links.
    pub fn verify_signed(&self, method: &str, path: &str, query: &str, now: Timestamp) -> Result<Granted> {
        match &*self.backend {
            Backend::Directory { signer, .. } => signer.verify(method, path, query, now),
            Backend::S3 { .. } => Err(Error::not_found("blob")),
        }
    }

    /// Writes a few bytes and reads them back: credentials, bucket, free space. At most five seconds.
    ///
    /// # Errors
    /// `unavailable`, saying what the operator must do.
    pub async fn check(&self) -> Result<()> {
        let probe = Path::from("_check/probe");
        let content = Bytes::from_static(b"plinth");
        let round_trip = async {
            self.store().put(&probe, content.clone().into()).await?;
            self.store().get(&probe).await?.bytes().await
        };
        let silent = || Error::unavailable("The store that holds blobs did not answer within five seconds.");
        let read = tokio::time::timeout(CHECK_TIMEOUT, round_trip)
            .await
            .map_err(|_| silent())?
            .map_err(failure::from_store)?;
        if read != content {
            return Err(Error::unavailable(
                "The store that holds blobs returned other bytes than were written.",
            ));
        }
        Ok(())
    }
}

/// None for what is not ours: a bucket or directory may hold other things.
fn entry(meta: &ObjectMeta) -> Option<BlobEntry> {
    Some(BlobEntry {
        key: BlobKey::parse(meta.location.as_ref())?,
        size_bytes: meta.size,
        stored_at: Timestamp::from_micros(meta.last_modified.timestamp_micros()),
    })
}
