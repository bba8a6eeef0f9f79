//! A throwaway PostgreSQL cluster.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::{Durability, Instance, folder, on_free_port, random_password};
use crate::guard::Stop;
use crate::packages::{self, Need};
use crate::process::{self, Keeping, User};

/// The oldest major version that Plinth supports.
const OLDEST: u32 = 15;
const START_LIMIT: Duration = Duration::from_secs(60);
/// The role that tests connect as, and the database that it owns.
const ROLE: &str = "plinth";

const SERVER: Need = Need {
    what: "a PostgreSQL server, version 15 or newer",
    debian: &["postgresql"],
    elsewhere: "Fedora: postgresql-server; macOS with Homebrew: postgresql@17",
};

/// A running cluster; it stops, and its files vanish, when the value is dropped.
pub struct Postgres {
    url: String,
    programs: PathBuf,
    port: u16,
    password: String,
    _instance: Instance,
}

impl Postgres {
    /// Makes a cluster and starts it; ready for connections on return.
    pub fn start(durability: Durability) -> Result<Self> {
        let programs = packages::find_or_install(&SERVER, newest_programs)?;
        on_free_port(|port| Self::start_on(port, &programs, durability))
    }

    /// The address for a client: a role without superuser rights that owns its database and may make databases and
    /// roles.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client program that came with the server, set up to reach the database in the role of [`Self::url`].
    pub fn client(&self, program: &str) -> Command {
        let mut client = Command::new(self.programs.join(program));
        client
            .env("PGHOST", Ipv4Addr::LOCALHOST.to_string())
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", ROLE)
            .env("PGPASSWORD", &self.password)
            .env("PGDATABASE", ROLE);
        client
    }

    fn start_on(port: u16, programs: &Path, durability: Durability) -> Result<Self> {
        let cluster = Cluster::init(programs)?;
        let password = random_password()?;
        cluster.sql(&format!(
            "CREATE ROLE {ROLE} LOGIN CREATEDB CREATEROLE PASSWORD '{password}'"
        ))?;
        cluster.sql(&format!("CREATE DATABASE {ROLE} OWNER {ROLE}"))?;

        let mut server = cluster.program("postgres");
        server.arg("-D").arg(cluster.data());
        for setting in [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            "max_connections=300".to_owned(),
        ] {
            server.arg("-c").arg(setting);
        }
        if durability == Durability::None {
            server.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }
        let keeping = Keeping {
            stop: Stop::Quit,
            user: cluster.user,
            ..Keeping::default()
        };
        let probe = cluster.connection_probe(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), &password);
        let mut instance = Instance::start(&server, keeping, cluster.folder)?;
        instance.wait_until("PostgreSQL", START_LIMIT, || process::output(&probe).ok())?;
        Ok(Self {
            url: format!("postgres://{ROLE}:{password}@127.0.0.1:{port}/{ROLE}"),
            programs: programs.to_path_buf(),
            port,
            password,
            _instance: instance,
        })
    }
}

/// The files of a cluster, and what works on them.
struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    /// PostgreSQL refuses to run as root, so root lends the files to somebody else.
    user: Option<User>,
}

impl Cluster {
    fn init(programs: &Path) -> Result<Self> {
        let user = if rustix::process::geteuid().is_root() {
            Some(unprivileged_user()?)
        } else {
            None
        };
        let folder = folder("postgres")?;
        if let Some(User { uid, gid }) = user {
            chown(folder.path(), Some(uid), Some(gid)).context("cannot give the cluster's folder away")?;
        }
        let cluster = Self {
            folder,
            programs: programs.to_path_buf(),
            user,
        };
        let mut initdb = cluster.program("initdb");
        initdb.arg("--pgdata").arg(cluster.data());
        // A password per connection, checked as text: the loopback interface carries it, and it costs less than SCRAM.
        initdb.args([
            "--username=postgres",
            "--auth-host=password",
            "--auth-local=reject",
            "--no-sync",
        ]);
        // As most servers are installed: text sorts by language. A query that needs bytewise order must say so.
        initdb.args([
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=icu",
            "--icu-locale=en-US",
        ]);
        process::output_kept(&initdb, &cluster.keeping())?;
        Ok(cluster)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.folder.path());
        command
    }

    /// For work on the files without a server: PostgreSQL leaves shared memory behind when that is interrupted.
    fn keeping(&self) -> Keeping {
        let remove = Some(self.folder.path().to_path_buf());
        Keeping {
            stop: Stop::Finish,
            user: self.user,
            remove,
        }
    }

    /// Runs one statement as superuser without a server, so that the superuser needs no password.
    fn sql(&self, statement: &str) -> Result<()> {
        let file = self.folder.path().join("statement.sql");
        fs::write(&file, statement).context("cannot write a statement for PostgreSQL")?;
        if let Some(User { uid, gid }) = self.user {
            chown(&file, Some(uid), Some(gid)).context("cannot give the statement away")?;
        }
        let mut single = Command::new("sh");
        single.current_dir(self.folder.path());
        single.args([
            "-c",
            r#"exec "$0" --single -D "$1" -c exit_on_error=true postgres < "$2""#,
        ]);
        single
            .arg(self.programs.join("postgres"))
            .arg(self.data())
            .arg(&file);
        process::output_kept(&single, &self.keeping()).map(drop)
    }

    fn connection_probe(&self, address: SocketAddr, password: &str) -> Command {
        let mut psql = self.program("psql");
        psql.args([
            "--no-psqlrc",
            "--no-password",
            "--username",
            ROLE,
            "--dbname",
            ROLE,
            "--command",
            "SELECT 1",
        ]);
        psql.args([
            "--host",
            &address.ip().to_string(),
            "--port",
            &address.port().to_string(),
        ]);
        psql.env("PGPASSWORD", password).env("PGCONNECT_TIMEOUT", "5");
        psql
    }
}

/// The folder of the newest server programs on this machine: on `PATH`, or where packages hide them from it.
fn newest_programs() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = super::on_path("postgres")
        .into_iter()
        .filter_map(|file| Some(file.parent()?.to_path_buf()))
        .collect();
    folders.extend(children("/usr/lib/postgresql").map(|version| version.join("bin")));
    folders.extend(
        children("/usr")
            .filter(|folder| is_named(folder, "pgsql-"))
            .map(|folder| folder.join("bin")),
    );
    for prefix in ["/opt/homebrew/opt", "/usr/local/opt"] {
        folders.extend(
            children(prefix)
                .filter(|folder| is_named(folder, "postgresql"))
                .map(|it| it.join("bin")),
        );
    }
    folders
        .into_iter()
        .filter(|folder| folder.join("initdb").exists() && folder.join("psql").exists())
        .filter_map(|folder| Some((major_version(&folder.join("postgres"))?, folder)))
        .filter(|(version, _)| *version >= OLDEST)
        .max_by_key(|(version, _)| *version)
        .map(|(_, folder)| folder)
}

fn children(folder: &str) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
}

fn is_named(folder: &Path, prefix: &str) -> bool {
    folder
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
}

/// 15 from `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn major_version(program: &Path) -> Option<u32> {
    let said = process::output(Command::new(program).arg("--version")).ok()?;
    let number = said
        .split_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The user `postgres`, who comes with the package, or else `nobody`.
fn unprivileged_user() -> Result<User> {
    let passwd = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| find_user(&passwd, name))
        .context(
            "PostgreSQL does not run as root, and there is neither a user `postgres` nor a user `nobody`",
        )
}

fn find_user(passwd: &str, name: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(name);
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        is_it.then_some(User { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_user_by_whole_name() {
        let passwd = "postgres2:x:7:8::/:/bin/sh\npostgres:x:101:104:PostgreSQL,,,:/var/lib:/bin/bash\n";
        assert_eq!(find_user(passwd, "postgres"), Some(User { uid: 101, gid: 104 }));
        assert_eq!(find_user(passwd, "nobody"), None);
    }
}
