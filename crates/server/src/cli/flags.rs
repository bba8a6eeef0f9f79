//! A flag for every setting that may be one.

use clap::{Arg, ArgMatches};
use runtime::config::{Overrides, SETTINGS, Setting};

/// Shown by `--help`; all others are in the reference.
const COMMON: [&str; 4] = ["config", "data_dir", "listen", "log"];

/// One global argument for each setting without a secret.
pub(super) fn args() -> impl Iterator<Item = Arg> {
    SETTINGS.iter().filter_map(|setting| {
        let flag = setting.flag()?;
        Some(
            Arg::new(setting.key)
                .long(flag.trim_start_matches('-').to_owned())
                .value_name(value_name(setting))
                .help(help(setting))
                .help_heading("Settings")
                .hide(!COMMON.contains(&setting.key))
                .global(true),
        )
    })
}

fn value_name(setting: &Setting) -> String {
    let (_, name) = setting.key.rsplit_once('.').unwrap_or(("", setting.key));
    name.to_uppercase()
}

fn help(setting: &Setting) -> String {
    let meaning = setting.meaning.trim();
    match setting.default {
        "" | "none" => format!("{meaning} [env: {}]", setting.env()),
        default => format!("{meaning} [env: {}] [default: {default}]", setting.env()),
    }
}

/// The settings that were given as flags.
pub(super) fn overrides(matches: &ArgMatches) -> Overrides {
    let mut overrides = Overrides::default();
    for setting in SETTINGS.iter().filter(|setting| setting.flag().is_some()) {
        if let Some(value) = matches.get_one::<String>(setting.key) {
            overrides.set(setting.key, value.as_str());
        }
    }
    overrides
}
