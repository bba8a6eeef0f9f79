//! What an operator reads about the configuration: the reference of all settings, and the values in force.

use std::fmt::Write as _;

use super::declare::Setting;
use super::settings::SETTINGS;
use super::settle::{Place, Settled, toml_text};

/// Every setting with its names, default, unit and meaning, as Markdown.
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    let mut section = None;
    for setting in SETTINGS {
        let own = setting.key.split_once('.').map_or("", |(section, _)| section);
        if section != Some(own) {
            let heading = if own.is_empty() {
                "Server".to_owned()
            } else {
                format!("`[{own}]`")
            };
            page.push_str(&format!("\n## {heading}\n"));
            page.push_str("\n| key | environment | flag | default | meaning |\n|---|---|---|---|---|\n");
            section = Some(own);
        }
        page.push_str(&row(setting));
    }
    page
}

const INTRODUCTION: &str = "# Configuration

A flag wins over an environment variable, that over the configuration file, that over the default. The file is
`plinth.toml` in the data directory, or the one named by `--config`. An empty value counts as not given. Lists are
arrays in the file and separated by commas elsewhere. A setting that may hold a secret has no flag, because other users
of the machine see flags; it can be read from a file: set the environment variable with `_FILE` appended to the file's
path. Unknown keys and unknown `PLINTH_` variables are errors. `plinth config print` shows what is in force and why.
";

fn row(setting: &Setting) -> String {
    let code = |text: String| format!("`{text}`");
    let env = match setting.env_file() {
        Some(file) => format!("`{}`, `{file}`", setting.env()),
        None => code(setting.env()),
    };
    let flag = setting.flag().map_or("–".to_owned(), code);
    let default = match setting.default {
        "" => "empty".to_owned(),
        default if setting.unit.is_empty() => code(default.to_owned()),
        default => format!("`{default}` {}", setting.unit),
    };
    let mut meaning = setting.meaning.trim().replace('|', "\\|");
    if let Some((least, most)) = setting.range {
        meaning.push_str(&format!(" From {least} to {most}."));
    }
    format!("| `{}` | {env} | {flag} | {default} | {meaning} |\n", setting.key)
}

/// The values in force as a configuration file, each with where it was said. Secrets are left out.
pub(super) fn print(settled: &[Settled]) -> String {
    let mut page = String::new();
    let mut section = "";
    for entry in settled {
        let (own, key) = entry
            .setting
            .key
            .split_once('.')
            .unwrap_or(("", entry.setting.key));
        if section != own {
            page.push_str(&format!("\n[{own}]\n"));
            section = own;
        }
        let comment = if cannot_be_pasted(entry) { "# " } else { "" };
        let place = match &entry.place {
            Place::Default => "default".to_owned(),
            place => format!("from {place}"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(page, "{comment}{key} = {}  # {place}", toml_text(entry));
    }
    page
}

/// The printed line would not be right in a file: a secret is missing from it, or it says which file is read.
fn cannot_be_pasted(entry: &Settled) -> bool {
    entry.shown.contains(super::value::REDACTED) || matches!(entry.setting.key, "config" | "data_dir")
}
