//! One server at a time on a data directory: SQLite has one writer, and it lives in one process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use types::{Error, Result};

/// File in the data directory that a running server holds locked.
pub const LOCK_FILE: &str = "plinth.lock";

/// Held as long as the server runs. The operating system gives it back when the process ends, however it ends.
#[derive(Debug)]
pub struct DataDirLock {
    file: File,
}

impl DataDirLock {
    /// Takes the data directory for this process.
    ///
    /// # Errors
    /// `unavailable`, naming the process that has it.
    pub fn take(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join(LOCK_FILE);
        let unreadable = |error: std::io::Error| {
            Error::unavailable(format!("Cannot lock {}: {error}", path.display())).with_source(error)
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(unreadable)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0).map_err(unreadable)?;
                write!(file, "{}", std::process::id()).map_err(unreadable)?;
                Ok(DataDirLock { file })
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Whoever holds the lock may be writing its number this very moment.
                let _ = file.rewind().and_then(|()| file.read_to_string(&mut holder));
                Err(Error::unavailable(format!(
                    "Another plinth server (process {holder}) runs on {}. Stop it first, or start this one with another \
                     --data-dir. Several servers need PostgreSQL: set database.url.",
                    data_dir.display()
                )))
            }
            Err(TryLockError::Error(error)) => Err(unreadable(error)),
        }
    }
}

impl Drop for DataDirLock {
    fn drop(&mut self) {
        // Closing the file unlocks it too; this says so.
        let _ = self.file.unlock();
    }
}
