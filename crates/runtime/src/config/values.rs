//! The types of particular settings: addresses of services, host names, origins, choices.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use tracing_subscriber::EnvFilter;
use url::{Host, Url};

use super::value::{REDACTED, Value, choose};

macro_rules! choices {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Value for $name {
            fn parse(text: &str) -> Result<Self, String> {
                choose(text, &[$($name::$variant),+])
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    };
}

choices! {
    /// What an installation is for.
    Environment {
        Production = "production",
        Preview = "preview",
        Development = "development",
    }
}

choices! {
    /// How log lines look.
    LogFormat {
        /// Pretty on a terminal, JSON otherwise.
        Auto = "auto",
        Pretty = "pretty",
        Json = "json",
    }
}

macro_rules! checked_text {
    ($($(#[$about:meta])* $name:ident, $normal:ident, $right:literal;)+) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Value for $name {
            fn parse(text: &str) -> Result<Self, String> {
                $normal(text).map($name).ok_or_else(|| $right.to_owned())
            }

            fn show(&self) -> String {
                self.0.clone()
            }
        }
    )+};
}

checked_text! {
    /// A host name in lower case, without a port.
    HostName, host_name, "a host name such as api.example.com, without scheme and port";
    /// `scheme://host[:port]`, exactly as a browser sends it in `Origin`.
    Origin, origin, "an exact origin such as https://app.example.com, without path and wildcard";
    /// Levels per module, as `tracing` reads them.
    LogFilter, log_filter, "a level (error, warn, info, debug, trace) or levels per module such as info,runtime::http=debug";
    /// A mail address with or without a name in front.
    MailSender, mail_sender, "a sender such as Plinth <noreply@example.com>";
}

fn host_name(text: &str) -> Option<String> {
    match Host::parse(text).ok()? {
        Host::Domain(name) if !name.ends_with('.') => Some(name),
        Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

fn origin(text: &str) -> Option<String> {
    let (scheme, host) = text.split_once("://")?;
    let scheme_is_plain = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c));
    let host_is_plain = !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_:[]".contains(c));
    let url = Url::parse(text).ok()?;
    let default_port =
        host.ends_with(":443") && scheme == "https" || host.ends_with(":80") && scheme == "http";
    (scheme_is_plain && host_is_plain && url.has_host() && !default_port).then(|| text.to_owned())
}

fn log_filter(text: &str) -> Option<String> {
    EnvFilter::try_new(text).ok().map(|_| text.to_owned())
}

fn mail_sender(text: &str) -> Option<String> {
    let address = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>')?,
        None => text,
    };
    let (user, domain) = address.rsplit_once('@')?;
    let plain =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c.is_control());
    (plain(user) && plain(domain) && !text.contains(char::is_control)).then(|| text.to_owned())
}

/// Where the database is.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// A file, made when it is not there.
    Sqlite(PathBuf),
    /// The whole address with user and password.
    Postgres(SecretString),
}

impl Value for DatabaseUrl {
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        let right = "sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE";
        if let Some(file) = text.strip_prefix("sqlite:") {
            let file = file.strip_prefix("//").unwrap_or(file);
            return PathBuf::parse(file)
                .map(DatabaseUrl::Sqlite)
                .map_err(|_| right.to_owned());
        }
        secret_url(text, &["postgres", "postgresql"], right).map(DatabaseUrl::Postgres)
    }

    fn show(&self) -> String {
        match self {
            DatabaseUrl::Sqlite(file) => format!("sqlite:{}", file.display()),
            DatabaseUrl::Postgres(url) => without_password(url),
        }
    }
}

/// Where blobs are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobStore {
    Directory(PathBuf),
    S3 { bucket: String },
}

impl Value for BlobStore {
    fn parse(text: &str) -> Result<Self, String> {
        let right = "a directory, or s3://BUCKET";
        let Some(bucket) = text.strip_prefix("s3://") else {
            if text.is_empty() || text.contains("://") {
                return Err(right.to_owned());
            }
            return Ok(BlobStore::Directory(PathBuf::from(text)));
        };
        let bucket = bucket.strip_suffix('/').unwrap_or(bucket);
        if bucket.is_empty() || bucket.contains('/') {
            return Err(right.to_owned());
        }
        Ok(BlobStore::S3 {
            bucket: bucket.to_owned(),
        })
    }

    fn show(&self) -> String {
        match self {
            BlobStore::Directory(path) => path.display().to_string(),
            BlobStore::S3 { bucket } => format!("s3://{bucket}"),
        }
    }
}

/// What nodes share.
#[derive(Debug, Clone)]
pub enum CacheUrl {
    /// This process's memory: right for one node.
    Memory,
    /// The whole address with user and password.
    Redis(SecretString),
}

impl Value for CacheUrl {
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        if text == "memory" {
            return Ok(CacheUrl::Memory);
        }
        secret_url(
            text,
            &["redis", "rediss"],
            "memory, redis://HOST:PORT or rediss://HOST:PORT",
        )
        .map(CacheUrl::Redis)
    }

    fn show(&self) -> String {
        match self {
            CacheUrl::Memory => "memory".to_owned(),
            CacheUrl::Redis(url) => without_password(url),
        }
    }
}

/// The mail server's whole address with user and password.
#[derive(Debug, Clone)]
pub struct SmtpUrl(SecretString);

impl SmtpUrl {
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl Value for SmtpUrl {
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        let right = "smtps://USER:PASSWORD@HOST:465 or smtp://HOST:587";
        secret_url(text, &["smtp", "smtps"], right).map(SmtpUrl)
    }

    fn show(&self) -> String {
        without_password(&self.0)
    }
}

fn secret_url(text: &str, schemes: &[&str], right: &str) -> Result<SecretString, String> {
    match Url::parse(text) {
        Ok(url) if schemes.contains(&url.scheme()) && url.has_host() => Ok(text.into()),
        _ => Err(right.to_owned()),
    }
}

/// The address without its password and query: both may hold a secret.
fn without_password(url: &SecretString) -> String {
    let Ok(mut url) = Url::parse(url.expose_secret()) else {
        return REDACTED.to_owned();
    };
    let had_password = url.password().is_some();
    url.set_query(None);
    if url.set_password(None).is_err() {
        return REDACTED.to_owned();
    }
    if had_password {
        return url.as_str().replacen('@', &format!(":{REDACTED}@"), 1);
    }
    url.into()
}
