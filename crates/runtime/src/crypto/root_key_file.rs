//! The root key's file: made once with mode 0600, synced before anything is sealed with it, never overwritten.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::random::{RandomError, random_bytes};
use super::root_key::{RootKey, RootKeyTextError};

/// The file's name in the data directory.
pub const ROOT_KEY_FILE: &str = "root.key";

/// A key file is one line; whatever is longer is another file.
const MAX_FILE_BYTES: u64 = 1024;

/// Why the root key could not be had from its file. Each message names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyFileError {
    #[error(
        "there is no root key at {path}: put back the copy that was kept apart from the backups, \
         or give it as PLINTH_ROOT_KEY; without it sealed data cannot be read"
    )]
    Missing { path: PathBuf },
    #[error("others than its owner may read the root key {path} (mode {mode:04o}): run `chmod 600 {path}`")]
    ReadableByOthers { path: PathBuf, mode: u32 },
    #[error("{path} is no root key: {source}")]
    Malformed { path: PathBuf, source: RootKeyTextError },
    #[error("could not {action} the root key {path}: {source}")]
    Io {
        path: PathBuf,
        action: &'static str,
        source: io::Error,
    },
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl RootKey {
    /// Reads the key from `path`. Refuses a file that its group or others may read.
    pub fn load(path: &Path) -> Result<Self, RootKeyFileError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(RootKeyFileError::Missing {
                    path: path.to_owned(),
                });
            }
            Err(error) => return Err(io_error(path, "open")(error)),
        };
        refuse_readable_by_others(path, &file)?;
        let mut text = Zeroizing::new(String::new());
        file.take(MAX_FILE_BYTES)
            .read_to_string(&mut text)
            .map_err(io_error(path, "read"))?;
        RootKey::from_text(&text).map_err(|source| RootKeyFileError::Malformed {
            path: path.to_owned(),
            source,
        })
    }

    /// Reads the key from `path`, after making the file if there is none. Two servers that start at once agree on one
    /// key: the file appears whole and is never replaced.
    pub fn load_or_create(path: &Path) -> Result<Self, RootKeyFileError> {
        match Self::load(path) {
            Err(RootKeyFileError::Missing { .. }) => {
                create(path)?;
                Self::load(path)
            }
            other => other,
        }
    }
}

/// Writes a new key beside `path`, syncs it, and links it into place unless somebody else was faster.
fn create(path: &Path) -> Result<(), RootKeyFileError> {
    let draft = draft_path(path)?;
    let written = write_draft(&draft, &RootKey::generate()?);
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(io_error(path, "create")(error));
        }
        _ => removed.map_err(io_error(&draft, "remove the draft of"))?,
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))
        .and_then(|directory| directory.sync_all())
        .map_err(io_error(path, "sync the directory of"))
}

fn draft_path(path: &Path) -> Result<PathBuf, RootKeyFileError> {
    let suffix = u64::from_be_bytes(*random_bytes()?);
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{suffix:016x}"));
    Ok(draft.into())
}

fn write_draft(draft: &Path, key: &RootKey) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(draft)?;
    file.write_all(key.to_text().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(unix)]
fn refuse_readable_by_others(path: &Path, file: &File) -> Result<(), RootKeyFileError> {
    use std::os::unix::fs::MetadataExt;

    let mode = file.metadata().map_err(io_error(path, "inspect"))?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(RootKeyFileError::ReadableByOthers {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_readable_by_others(_: &Path, _: &File) -> Result<(), RootKeyFileError> {
    Ok(())
}

fn io_error(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> RootKeyFileError {
    let path = path.to_owned();
    move |source| RootKeyFileError::Io { path, action, source }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_is_made_once_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(ROOT_KEY_FILE);
        let made = RootKey::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(RootKey::load_or_create(&path).unwrap().id(), made.id());
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            1,
            "a draft was left behind"
        );
    }

    #[test]
    fn servers_that_start_at_once_agree_on_one_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(ROOT_KEY_FILE);
        let ids: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| RootKey::load_or_create(&path).unwrap().id()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]));
    }

    #[test]
    fn a_missing_file_is_not_made_by_loading() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(ROOT_KEY_FILE);
        let error = RootKey::load(&path).unwrap_err();
        assert!(matches!(error, RootKeyFileError::Missing { .. }), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(ROOT_KEY_FILE);
        RootKey::load_or_create(&path).unwrap();
        for mode in [0o640, 0o604, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = RootKey::load_or_create(&path).unwrap_err();
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn a_damaged_file_is_neither_used_nor_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(ROOT_KEY_FILE);
        RootKey::load_or_create(&path).unwrap();
        for contents in ["", "half a key", "\u{0}\u{0}"] {
            fs::write(&path, contents).unwrap();
            let error = RootKey::load_or_create(&path).unwrap_err();
            assert!(matches!(error, RootKeyFileError::Malformed { .. }), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), contents);
        }
    }
}
