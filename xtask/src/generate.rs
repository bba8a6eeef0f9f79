//! Committed files that the `plinth` binary prints: written here, compared in CI.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// A file in the repository and the arguments with which `plinth` prints it.
struct Generated {
    path: &'static str,
    printed_by: &'static [&'static str],
}

const FILES: &[Generated] = &[
    Generated {
        path: "openapi.json",
        printed_by: &["openapi"],
    },
    Generated {
        path: "docs/configuration.md",
        printed_by: &["config", "reference"],
    },
];

/// Writes every file that is out of date.
pub fn write(workspace: &Workspace) -> Result<()> {
    let plinth = workspace.build_plinth()?;
    for file in FILES {
        let (path, fresh) = (workspace.root.join(file.path), file.print(&plinth)?);
        if read(&path)?.as_deref() == Some(&*fresh) {
            println!("{}: up to date", file.path);
            continue;
        }
        fs::write(&path, fresh).with_context(|| format!("cannot write {}", file.path))?;
        println!("{}: written", file.path);
    }
    Ok(())
}

/// Fails, naming the first line that differs, when a committed file is not what `plinth` prints today.
pub fn check(workspace: &Workspace) -> Result<()> {
    let plinth = workspace.build_plinth()?;
    let mut stale = Vec::new();
    for file in FILES {
        let committed = read(&workspace.root.join(file.path))?.unwrap_or_default();
        if let Some(difference) = first_difference(&committed, &file.print(&plinth)?) {
            stale.push(format!("{}, {difference}", file.path));
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    bail!(
        "out of date; run `cargo xtask generate` and commit what it writes:\n  {}",
        stale.join("\n  ")
    )
}

impl Generated {
    fn print(&self, plinth: &Path) -> Result<String> {
        let mut command = Command::new(plinth);
        command.args(self.printed_by);
        let text = process::output(&command).with_context(|| format!("cannot generate {}", self.path))?;
        if text.trim().is_empty() {
            bail!(
                "cannot generate {}: `plinth {}` printed nothing",
                self.path,
                self.printed_by.join(" ")
            );
        }
        Ok(format!("{}\n", text.trim_end()))
    }
}

fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn first_difference(committed: &str, fresh: &str) -> Option<String> {
    if committed == fresh {
        return None;
    }
    let (mut old, mut new) = (committed.lines(), fresh.lines());
    for number in 1.. {
        match (old.next(), new.next()) {
            (None, None) => return Some("line endings differ".to_owned()),
            (old, new) if old == new => {}
            (old, new) => {
                let show = |line: Option<&str>| {
                    line.map_or("nothing".to_owned(), |line| format!("`{}`", line.trim()))
                };
                return Some(format!("line {number}: {} should be {}", show(old), show(new)));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_differing_line_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(
            first_difference("a\n b\n", "a\n c\n").as_deref(),
            Some("line 2: `b` should be `c`")
        );
        assert_eq!(
            first_difference("", "a\n").as_deref(),
            Some("line 1: nothing should be `a`")
        );
        assert_eq!(
            first_difference("a\r\n", "a\n").as_deref(),
            Some("line endings differ")
        );
    }
}
