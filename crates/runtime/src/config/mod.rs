//! What the server runs with: flags over `PLINTH_*` variables over `plinth.toml` over defaults.
//!
//! The table in `settings` is the one place that names a setting: its field, type, default, range and meaning. Parsing,
//! error messages, `config reference` and `config print` all follow from it. Flags are read by the server's command
//! line, which finds their names in [`SETTINGS`] and hands the values over as [`Overrides`].
//!
//! Not here: anything that opens what a setting names. A directory that does not exist is found out by who opens it.

mod base;
mod declare;
mod error;
mod file;
mod report;
mod settings;
mod settle;
#[cfg(test)]
mod tests;
mod value;
mod values;

use std::path::Path;

pub use base::Base;
pub use declare::{Setting, Shape};
pub use error::{ConfigError, Problem};
pub use report::reference;
pub use settings::*;
pub use settle::{Overrides, Place, Settled, Sources};
pub use value::REDACTED;
pub use values::{
    BlobStore, CacheUrl, DatabaseUrl, Environment, HostName, LogFilter, LogFormat, MailSender, Origin,
    SmtpUrl,
};

/// A configuration together with where each value came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    pub settled: Vec<Settled>,
}

impl Loaded {
    /// The values in force as TOML, each with where it was said; secrets are left out.
    pub fn print(&self) -> String {
        report::print(&self.settled)
    }
}

/// Settles the configuration. Reports everything that is wrong at once.
pub fn load(sources: &Sources<'_>) -> Result<Loaded, ConfigError> {
    let settled = settle::settle(sources)?;
    let text = |key: &str| {
        let entry = settled.iter().find(|entry| entry.setting.key == key);
        entry.map_or(String::new(), |entry| entry.text.clone())
    };
    let config = Config::read(&text).map_err(|message| problem("configuration", message))?;
    config.check()?;
    Ok(Loaded { config, settled })
}

/// Settles the configuration of this process: its environment, and files of this machine.
pub fn load_from_process(overrides: Overrides) -> Result<Loaded, ConfigError> {
    let mut env = std::collections::BTreeMap::new();
    let mut problems = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("PLINTH_")) else {
            continue;
        };
        match value.into_string() {
            Ok(value) => {
                env.insert(name.to_owned(), value);
            }
            Err(_) => problems.push(Problem {
                place: Place::Env(name.to_owned()),
                message: "the value is not UTF-8 text".to_owned(),
            }),
        }
    }
    if !problems.is_empty() {
        return Err(ConfigError { problems });
    }
    let read = |path: &Path| std::fs::read_to_string(path);
    load(&Sources {
        overrides,
        env,
        read: &read,
    })
}

fn problem(key: &'static str, message: String) -> ConfigError {
    let place = Place::Together(key);
    ConfigError {
        problems: vec![Problem { place, message }],
    }
}

impl Config {
    /// Rules that more than one setting takes part in.
    fn check(&self) -> Result<(), ConfigError> {
        let Server {
            environment,
            public_url,
            ..
        } = &self.server;
        if *environment == Environment::Production && public_url.scheme() != "https" {
            let message = format!(
                "`{public_url}` is not https, which production needs: browsers send sign-in cookies over https alone"
            );
            return Err(problem("public_url", message));
        }
        let s3 = matches!(self.blobs.store, BlobStore::S3 { .. });
        if s3 && self.blobs.access_key_id.is_none() != self.blobs.secret_access_key.is_none() {
            let message = "blobs.access_key_id and blobs.secret_access_key go together: give both or none";
            return Err(problem("blobs.store", message.to_owned()));
        }
        let mut bound = std::collections::BTreeMap::new();
        for base in Base::ALL {
            for host in self.hosts.of(base) {
                if let Some(other) = bound.insert(host.as_str(), base) {
                    let message = format!(
                        "`{}` is bound to both {} and {}",
                        host.as_str(),
                        other.path(),
                        base.path()
                    );
                    return Err(problem("hosts", message));
                }
            }
        }
        Ok(())
    }
}
