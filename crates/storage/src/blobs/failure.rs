//! What a store's failures mean to the caller. The texts name no path, host or bucket: those are in the source, for
//! the log.

use std::error::Error as StdError;
use std::io;

use object_store::Error as StoreError;
use types::{Error, ErrorCode};

/// Translates an error of the store. Whatever may pass by itself or by an operator's hand is `unavailable`.
pub(super) fn from_store(error: StoreError) -> Error {
    let told = match &error {
        StoreError::NotFound { .. } if mentions(&error, "NoSuchBucket") => Error::unavailable(
            "The bucket that holds blobs does not exist. The operator must create it, or correct the bucket's \
             name in the configuration.",
        ),
        StoreError::NotFound { .. } => Error::not_found("blob"),
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => Error::unavailable(
            "The store that holds blobs refused this server's credentials. The operator must correct the \
             access key, or this machine's clock.",
        ),
        StoreError::AlreadyExists { .. }
        | StoreError::Precondition { .. }
        | StoreError::NotModified { .. } => different_content(),
        StoreError::Generic { .. } => from_io(io_kind(&error)),
        _ => Error::internal("the blob store could not carry out the operation"),
    };
    told.with_source(error)
}

/// Translates a failure of the file system that the directory back end met itself.
pub(super) fn from_disk(error: io::Error) -> Error {
    from_io(Some(error.kind())).with_source(error)
}

/// Another content stands under the key already.
pub(super) fn different_content() -> Error {
    Error::new(
        ErrorCode::Conflict,
        "Another content is stored under this name already. A blob never changes: store it under a new name.",
    )
}

fn from_io(kind: Option<io::ErrorKind>) -> Error {
    match kind {
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Error::unavailable(
            "The disk that holds blobs is full. Nothing was stored; try again when the operator has freed space.",
        )
        .with_retry_after(60),
        Some(io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied) => Error::unavailable(
            "The directory that holds blobs cannot be written. The operator must give this server's user write \
             access to it.",
        ),
        _ => Error::unavailable(
            "The store that holds blobs does not answer. Try again in a moment; if it goes on, the cause is in the \
             server's log.",
        ),
    }
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| {
        (*error).source()
    })
}

fn io_kind(error: &StoreError) -> Option<io::ErrorKind> {
    causes(error)
        .find_map(|cause| cause.downcast_ref::<io::Error>())
        .map(io::Error::kind)
}

fn mentions(error: &StoreError, code: &str) -> bool {
    causes(error).any(|cause| cause.to_string().contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_as_such() {
        let error = from_store(StoreError::Generic {
            store: "LocalFileSystem",
            source: Box::new(io::Error::from(io::ErrorKind::StorageFull)),
        });
        assert!(error.is(ErrorCode::Unavailable));
        assert!(error.detail().contains("full"), "{error}");
        assert!(error.retry_after_secs().is_some());
    }

    #[test]
    fn the_path_stays_in_the_log() {
        let error = from_store(StoreError::PermissionDenied {
            path: "wsp_secret/objects".to_owned(),
            source: "GET https://bucket.internal".into(),
        });
        assert!(!error.to_string().contains("secret") && !error.to_string().contains("internal"));
        assert!(format!("{error:?}").contains("bucket.internal"));
    }
}
