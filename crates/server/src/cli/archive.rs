//! What a backup is: a directory with a copy of the database, the files, and a note of what they are. The root key is
//! never in it, so that a stolen backup opens nothing.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use runtime::config::{BlobStore, Config, DatabaseUrl};
use serde::{Deserialize, Serialize};
use storage::{DbConfig, Upgrade};
use types::{Error, ErrorCode, Result, Timestamp};

use crate::compose::{self, make_private_folder};
use crate::lock::DataDirLock;

const FORMAT: u32 = 1;
const NOTE: &str = "backup.json";
const DATABASE: &str = "plinth.db";
const BLOBS: &str = "blobs";

/// What is in a backup.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Note {
    format: u32,
    /// The plinth that made it. An older one may not be able to read it.
    plinth_version: String,
    pub taken_at: Timestamp,
    pub database_bytes: u64,
    /// Files beside the database; none where they are in a bucket, which has its own copies.
    pub files: Option<u64>,
}

/// # Errors
/// `not_found`, when the data directory has no database: a command that only looks must not make one.
pub(super) fn require_database(config: &Config) -> Result<()> {
    match &config.database.url {
        DatabaseUrl::Sqlite(path) if !path.exists() => Err(Error::new(
            ErrorCode::NotFound,
            format!(
                "There is no database at {}. Name the --data-dir of the server.",
                path.display()
            ),
        )),
        _ => Ok(()),
    }
}

/// Copies the database and then the files, which are never changed once they are there: all that the database speaks
/// of is in the copy. The backup appears whole or not at all.
pub(super) async fn take(config: &Config, target: &Path) -> Result<Note> {
    require_database(config)?;
    let database = sqlite(config)?.to_owned();
    if target.exists() {
        return Err(Error::new(
            ErrorCode::AlreadyExists,
            format!("{} exists already. Name a new directory.", target.display()),
        ));
    }
    let draft = draft_of(target)?;
    if draft.exists() {
        // Left behind by a backup that was interrupted.
        fs::remove_dir_all(&draft).map_err(|error| cannot("remove", &draft, &error))?;
    }
    let opened = DbConfig::Sqlite { path: database };
    let (db, _) = storage::open_with(&opened, &compose::tables(), Upgrade::Never).await?;
    make_private_folder(&draft)?;
    db.snapshot_to(&draft.join(DATABASE)).await?;
    db.close().await;
    let files = match &config.blobs.store {
        BlobStore::Directory(blobs) => Some(copy_folder(blobs, &draft.join(BLOBS))?),
        BlobStore::S3 { .. } => None,
    };
    let database = draft.join(DATABASE);
    let note = Note {
        format: FORMAT,
        plinth_version: compose::VERSION.to_owned(),
        taken_at: Timestamp::now(),
        database_bytes: database
            .metadata()
            .map_err(|error| cannot("read", &database, &error))?
            .len(),
        files,
    };
    let text = serde_json::to_string_pretty(&note).map_err(Error::internal)?;
    let path = draft.join(NOTE);
    fs::write(&path, text)
        .and_then(|()| File::open(&path)?.sync_all())
        .and_then(|()| File::open(&draft)?.sync_all())
        .and_then(|()| fs::rename(&draft, target))
        .map_err(|error| cannot("write", target, &error))?;
    Ok(note)
}

/// Fills a data directory that has no database. No server can start on it meanwhile.
pub(super) fn put_back(config: &Config, source: &Path) -> Result<Note> {
    let note = read_note(source)?;
    let database = sqlite(config)?;
    make_private_folder(&config.server.data_dir)?;
    let _lock = DataDirLock::take(&config.server.data_dir)?;
    if database.exists() {
        return Err(Error::new(
            ErrorCode::AlreadyExists,
            format!(
                "There is a database at {} already. Move it away, or restore into another --data-dir.",
                database.display()
            ),
        ));
    }
    if let (BlobStore::Directory(blobs), Some(_)) = (&config.blobs.store, note.files) {
        copy_folder(&source.join(BLOBS), blobs)?;
    }
    // Last, under its own name only when it is whole: where the database is, everything is.
    let draft = database.with_extension("restoring");
    copy_file(&source.join(DATABASE), &draft)?;
    fs::rename(&draft, database).map_err(|error| cannot("write", database, &error))?;
    Ok(note)
}

/// Where the root key comes from, in words.
pub(super) fn where_the_root_key_is(config: &Config) -> String {
    match config.root_key.value {
        Some(_) => "PLINTH_ROOT_KEY".to_owned(),
        None => config.root_key.path.display().to_string(),
    }
}

fn sqlite(config: &Config) -> Result<&Path> {
    match &config.database.url {
        DatabaseUrl::Sqlite(path) => Ok(path),
        DatabaseUrl::Postgres(_) => Err(Error::invalid(
            "database.url",
            "this command copies SQLite; PostgreSQL has pg_dump, pg_restore and continuous archiving",
        )),
    }
}

/// Beside the target, so that it can be renamed to it.
fn draft_of(target: &Path) -> Result<PathBuf> {
    let name = target
        .file_name()
        .ok_or_else(|| Error::invalid("target", format!("{} names no directory", target.display())))?;
    let mut name = name.to_owned();
    name.push(".plinth-partial");
    Ok(target.with_file_name(name))
}

fn read_note(source: &Path) -> Result<Note> {
    let path = source.join(NOTE);
    let text = fs::read_to_string(&path).map_err(|error| cannot("read", &path, &error))?;
    let note: Note = serde_json::from_str(&text).map_err(|error| {
        Error::invalid(
            "source",
            format!("{} is not the note of a backup: {error}", path.display()),
        )
    })?;
    if note.format != FORMAT {
        return Err(Error::invalid(
            "source",
            format!(
                "the backup has the format {}, made by plinth {}, and this one reads format {FORMAT}: use that version",
                note.format, note.plinth_version
            ),
        ));
    }
    Ok(note)
}

/// Copies the files of a folder and of those in it. The number of files.
fn copy_folder(from: &Path, to: &Path) -> Result<u64> {
    make_private_folder(to)?;
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(cannot("read", from, &error)),
    };
    let mut files = 0;
    for entry in entries {
        let entry = entry.map_err(|error| cannot("read", from, &error))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            files += copy_folder(&source, &target)?;
        } else {
            copy_file(&source, &target)?;
            files += 1;
        }
    }
    Ok(files)
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map_err(|error| cannot("copy", from, &error))?;
    File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(|error| cannot("write", to, &error))
}

fn cannot(act: &str, path: &Path, error: &io::Error) -> Error {
    Error::unavailable(format!("Cannot {act} {}: {error}.", path.display()))
}
