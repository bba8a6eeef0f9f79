//! The table of settings. A new setting is one field here, and nothing else.

use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use super::base::Base;
use super::declare::{Setting, setting_key, settings};
use super::value::Value;
use super::values::{
    BlobStore, CacheUrl, DatabaseUrl, Environment, HostName, LogFilter, LogFormat, MailSender, Origin,
    SmtpUrl,
};
use crate::egress::{AllowedHost, Block};

settings! {
    /// Where this node listens and what it calls itself.
    server: Server in "" {
        /// The configuration file. When none is named, `plinth.toml` in the data directory is read if it is there.
        config: Option<PathBuf> = "none";
        /// Directory with everything that this node keeps: database, blobs, root key.
        data_dir: PathBuf = "plinth-data";
        /// Address and port of the HTTP server.
        listen: SocketAddr = "127.0.0.1:8787";
        /// The address under which people and programs reach this server, without a trailing slash. Links in mails, OAuth
        /// redirects and token issuers are built from it, never from a request's `Host` header.
        public_url: Url = "http://{listen}";
        /// What this installation is for; health, logs and error reports carry it. Production insists on an https `public_url`.
        environment: Environment = "development";
        /// Commit that this build was made from, as health reports it.
        sha: String = "unknown";
        /// Reverse proxies in front of this server: only their `X-Forwarded-For` is believed.
        trusted_proxies: Vec<Block> = "";
        /// After a stop signal, how long requests and jobs under way may take to finish.
        shutdown_timeout_secs: u64 = "20", "seconds", (0, 600);
    }

    /// The log, on standard error.
    log: Log in "" {
        /// What is logged: a level, or levels per module such as `info,runtime::http=debug`.
        filter as "log": LogFilter = "info";
        /// `pretty`, `json`, or `auto`: pretty on a terminal and JSON otherwise.
        format as "log_format": LogFormat = "auto";
    }

    /// The key under which secrets in the database are sealed. Never in a backup: keep a copy elsewhere.
    root_key: RootKey in "" {
        /// The key itself, as `plinth` wrote it; `none` means that it is in the file at `root_key_path`.
        value as "root_key": Option<SecretString> = "none";
        /// File with the key; it is made on the first start when it is not there.
        path as "root_key_path": PathBuf = "{data_dir}/root.key";
        /// Former root keys. Nothing new is made with them; what was sealed, hashed or signed under them is still opened and known.
        retired as "retired_root_keys": Vec<SecretString> = "";
    }

    /// Further host names; a request to such a host is answered by that base alone, without the base's path prefix.
    hosts: Hosts in "hosts." {
        /// Host names for Plinth's own API and the dashboard, beside the one in `public_url`.
        api: Vec<HostName> = "";
        /// Host names bound to `/context`.
        context: Vec<HostName> = "";
        /// Host names bound to `/dream`.
        dream: Vec<HostName> = "";
        /// Host names bound to `/relay`.
        relay: Vec<HostName> = "";
        /// Host names bound to `/embed`.
        embed: Vec<HostName> = "";
        /// Host names bound to `/forms`.
        forms: Vec<HostName> = "";
    }

    /// Origins of other sites, browser extensions and desktop apps whose pages may call a base. Exact: no wildcards.
    cors: Cors in "cors." {
        /// Origins that may call `/v1`.
        api: Vec<Origin> = "";
        /// Origins that may call `/context`.
        context: Vec<Origin> = "";
        /// Origins that may call `/dream`.
        dream: Vec<Origin> = "";
        /// Origins that may call `/relay`.
        relay: Vec<Origin> = "";
        /// Origins that may call `/embed`, beside those that a publishable key allows.
        embed: Vec<Origin> = "";
        /// Origins that may call `/forms`, beside those that a publishable key allows.
        forms: Vec<Origin> = "";
    }

    /// Prometheus metrics, on a port of their own that need not be public.
    metrics: Metrics in "metrics." {
        /// Address and port of `/metrics`; `none` turns them off.
        listen: Option<SocketAddr> = "127.0.0.1:8788";
    }

    /// The database: the one authority for everything but blobs.
    database: Database in "database." {
        /// `sqlite:FILE` or `postgres://USER:PASSWORD@HOST/DATABASE`.
        url: DatabaseUrl = "sqlite:{data_dir}/plinth.db";
        /// Connections to PostgreSQL that this node opens at most. SQLite has one writer and four readers whatever is said here.
        max_connections: u32 = "16", "connections", (2, 1000);
    }

    /// Where file contents are kept.
    blobs: Blobs in "blobs." {
        /// A directory, or `s3://BUCKET`.
        store: BlobStore = "{data_dir}/blobs";
        /// Region of the bucket.
        region: String = "auto";
        /// Address of an S3-compatible service; `none` means Amazon's own.
        endpoint: Option<Url> = "none";
        /// The bucket stands in the path rather than in the host name (MinIO, Ceph and most self-hosted services).
        path_style: bool = "false";
        /// Access key id.
        access_key_id: Option<SecretString> = "none";
        /// Secret access key.
        secret_access_key: Option<SecretString> = "none";
    }

    /// What nodes share besides the database. Never the authority for money, quota or queues.
    cache: Cache in "cache." {
        /// `memory` for one node, `redis://HOST:PORT` or `rediss://HOST:PORT` (also Valkey) for several.
        url: CacheUrl = "memory";
    }

    /// Outgoing mail.
    smtp: Smtp in "smtp." {
        /// `smtps://USER:PASSWORD@HOST:465`, or `smtp://HOST:587` which insists on STARTTLS unless the host is this machine. With `none`,
        /// mail goes to the development mailbox, a page of the dashboard.
        url: Option<SmtpUrl> = "none";
        /// Sender of every mail, such as `Plinth <noreply@example.com>`.
        from: MailSender = "Plinth <noreply@localhost>";
    }

    /// What one request may cost.
    limits: Limits in "limits." {
        /// Largest request body; routes that take files have limits of their own.
        body_bytes: usize = "1048576", "bytes", (1_024, 1_073_741_824);
        /// Largest request head: request line and headers together.
        header_bytes: usize = "32768", "bytes", (8_192, 1_048_576);
        /// A request that takes longer is answered with 503.
        request_timeout_secs: u64 = "30", "seconds", (1, 3_600);
    }

    /// How passwords are hashed.
    passwords: Passwords in "passwords." {
        /// Hashes computed at once; each takes 19 MiB and one core for a few hundredths of a second.
        concurrency: usize = "2", "hashes", (1, 256);
    }

    /// Outbound requests to addresses that users give: webhooks, OIDC discovery, connectors. Private networks are refused
    /// unless they are named here.
    egress: Egress in "egress." {
        /// Hosts, addresses or CIDR blocks that may be reached although they are private, also over plain http and on any port.
        allow: Vec<AllowedHost> = "";
        /// Ports that may be reached on public addresses, beside 80, 443, 8080 and 8443.
        ports: Vec<u16> = "";
        /// Plain http may be spoken to public addresses.
        allow_http: bool = "false";
    }

    /// Error reports. Needs a build with the `sentry` feature.
    sentry: Sentry in "sentry." {
        /// Where reports go; `none` means nowhere.
        dsn: Option<SecretString> = "none";
    }
}

impl Hosts {
    /// The host names bound to a base.
    pub fn of(&self, base: Base) -> &[HostName] {
        match base {
            Base::Api => &self.api,
            Base::Context => &self.context,
            Base::Dream => &self.dream,
            Base::Relay => &self.relay,
            Base::Embed => &self.embed,
            Base::Forms => &self.forms,
        }
    }
}

impl Cors {
    /// The origins that may call a base.
    pub fn of(&self, base: Base) -> &[Origin] {
        match base {
            Base::Api => &self.api,
            Base::Context => &self.context,
            Base::Dream => &self.dream,
            Base::Relay => &self.relay,
            Base::Embed => &self.embed,
            Base::Forms => &self.forms,
        }
    }
}
