//! Blobs in a directory. The store writes a staged file, syncs it, links it to its name and syncs the folders, so a
//! blob that was answered as created survives a power cut, and a half-written one is never seen.

use std::fs::File;
use std::path::{Path, PathBuf};

use object_store::local::LocalFileSystem;
use types::{Error, Result};

use super::failure;

/// Opens the directory, creating it when it is missing.
pub(super) fn open(path: &Path) -> Result<LocalFileSystem> {
    let refused = |source: Box<dyn std::error::Error + Send + Sync>| {
        let message = format!(
            "{} cannot be used as the directory of blobs: {source}",
            path.display()
        );
        Error::invalid("blobs.path", message).with_source(source)
    };
    std::fs::create_dir_all(path).map_err(|error| refused(error.into()))?;
    let store = LocalFileSystem::new_with_prefix(path).map_err(|error| refused(error.into()))?;
    Ok(store.with_fsync(true))
}

/// Syncs the folder that a blob was deleted from: what was erased must not come back after a power cut.
pub(super) async fn sync_folder_of(file: PathBuf) -> Result<()> {
    let synced = tokio::task::spawn_blocking(move || match file.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    });
    match synced.await.map_err(Error::internal)? {
        // Without the folder there is nothing that could come back.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done.map_err(failure::from_disk),
    }
}
