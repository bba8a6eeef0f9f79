//! Writes pages that show every component, full and empty, to the directory given, beside the assets they refer to.

mod pages;

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let directory = env::args_os().nth(1).map(PathBuf::from).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "name a directory to write to: gallery -- DIR",
        )
    })?;
    for (name, page) in pages::all() {
        write(&directory, &format!("{name}.html"), page.into_string().as_bytes())?;
    }
    for asset in ui::assets::all() {
        write(&directory, asset.path.trim_start_matches('/'), asset.bytes)?;
    }
    Ok(())
}

fn write(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let path = directory.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, bytes)
}
