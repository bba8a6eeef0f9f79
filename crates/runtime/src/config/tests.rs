use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::*;

/// A world in which these flags, variables and files exist.
#[derive(Default)]
struct World {
    flags: Vec<(&'static str, &'static str)>,
    env: Vec<(&'static str, &'static str)>,
    files: Vec<(&'static str, &'static str)>,
}

impl World {
    fn load(&self) -> Result<Loaded, ConfigError> {
        let mut overrides = Overrides::default();
        for (key, value) in &self.flags {
            overrides.set(*key, *value);
        }
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let env: BTreeMap<String, String> = self.env.iter().map(owned).collect();
        let read = |path: &Path| {
            let file = self.files.iter().find(|(name, _)| Path::new(name) == path);
            file.map(|(_, text)| (*text).to_owned())
                .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        load(&Sources {
            overrides,
            env,
            read: &read,
        })
    }

    fn config(&self) -> Config {
        self.load().unwrap().config
    }

    fn problems(&self) -> Vec<String> {
        let error = self.load().unwrap_err();
        error.problems.iter().map(ToString::to_string).collect()
    }
}

fn file(text: &'static str) -> World {
    World {
        files: vec![("plinth-data/plinth.toml", text)],
        ..World::default()
    }
}

fn env(variables: &[(&'static str, &'static str)]) -> World {
    World {
        env: variables.to_vec(),
        ..World::default()
    }
}

#[test]
fn an_empty_world_gives_the_defaults() {
    let config = World::default().config();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8787");
    assert_eq!(config.server.public_url.as_str(), "http://127.0.0.1:8787/");
    assert_eq!(
        config.blobs.store,
        BlobStore::Directory("plinth-data/blobs".into())
    );
    assert_eq!(config.root_key.path, PathBuf::from("plinth-data/root.key"));
    assert!(
        matches!(config.database.url, DatabaseUrl::Sqlite(file) if file == Path::new("plinth-data/plinth.db"))
    );
    assert!(matches!(config.cache.url, CacheUrl::Memory));
    assert!(config.smtp.url.is_none());
    assert_eq!(config.limits.body_bytes, 1 << 20);
}

#[test]
fn flags_win_over_environment_over_file_over_default() {
    let mut world = file("listen = \"127.0.0.1:1\"\nsha = \"file\"\n[limits]\nbody_bytes = 2_048\n");
    world.env = vec![("PLINTH_LISTEN", "127.0.0.1:2"), ("PLINTH_SHA", "env")];
    world.flags = vec![("listen", "127.0.0.1:3")];
    let loaded = world.load().unwrap();
    assert_eq!(loaded.config.server.listen.port(), 3);
    assert_eq!(loaded.config.server.public_url.port(), Some(3));
    assert_eq!(loaded.config.server.sha, "env");
    assert_eq!(loaded.config.limits.body_bytes, 2_048);
    let place = |key| {
        loaded
            .settled
            .iter()
            .find(|entry| entry.setting.key == key)
            .unwrap()
            .place
            .to_string()
    };
    assert_eq!(place("listen"), "--listen");
    assert_eq!(place("sha"), "PLINTH_SHA");
    assert_eq!(place("limits.body_bytes"), "plinth-data/plinth.toml line 4");
    assert_eq!(place("log"), "default");
}

#[test]
fn the_file_is_the_named_one_or_the_one_in_the_data_directory() {
    let mut world = World {
        flags: vec![("data_dir", "/srv")],
        files: vec![
            ("/srv/plinth.toml", "sha = \"by directory\""),
            ("/etc/p.toml", "sha = \"by name\"\ndata_dir = \"/var\""),
        ],
        ..World::default()
    };
    assert_eq!(world.config().server.sha, "by directory");
    world.flags = vec![];
    world.env = vec![("PLINTH_CONFIG", "/etc/p.toml")];
    let config = world.config();
    assert_eq!(config.server.sha, "by name");
    assert_eq!(config.root_key.path, PathBuf::from("/var/root.key"));
    world.env = vec![("PLINTH_CONFIG", "/etc/absent.toml")];
    assert!(world.problems()[0].starts_with("/etc/absent.toml: cannot read the configuration file"));
}

#[test]
fn a_corrupt_file_is_told_by_line_and_key() {
    let cases: &[(&str, &str)] = &[
        (
            "\n# hello\nlisen = \"x\"",
            "line 3: unknown key `lisen`: did you mean `listen`?",
        ),
        (
            "[server]\nlisten = \"127.0.0.1:1\"",
            "line 2: unknown key `server.listen`: did you mean `listen`?",
        ),
        (
            "[limits]\nbody_byte = 1",
            "line 2: unknown key `limits.body_byte`: did you mean `limits.body_bytes`?",
        ),
        ("zebra = 1", "line 1: unknown key `zebra`"),
        (
            "listen = 8787",
            "line 1: `listen` must be a string, such as \"127.0.0.1:8787\", but an integer stands there",
        ),
        (
            "[limits]\nbody_bytes = \"1 MB\"",
            "line 2: `limits.body_bytes` must be an integer, such as 1048576, but a string stands there",
        ),
        (
            "[limits]\nbody_bytes = 1.5",
            "line 2: `limits.body_bytes` must be an integer, such as 1048576, but a number with a fraction stands there",
        ),
        (
            "[limits]\nbody_bytes = -1",
            "line 2: `-1` is not right for `limits.body_bytes`: write a whole number of bytes from 1024 to 1073741824",
        ),
        (
            "listen = \"localhost\"",
            "line 1: `localhost` is not right for `listen`: write an IP address and a port, such as 127.0.0.1:8787 or [::]:8787",
        ),
        (
            "environment = \"prod\"",
            "line 1: `prod` is not right for `environment`: write one of production, preview, development",
        ),
        (
            "[cors]\napi = [\"*\"]",
            "line 2: `*` is not right for `cors.api`: write for each element an exact origin such as https://app.example.com, \
             without path and wildcard",
        ),
        (
            "data_dir = \"/elsewhere\"",
            "line 1: `data_dir` decides which file is read, so it cannot stand in it: use --data-dir or PLINTH_DATA_DIR",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(
            file(text).problems(),
            [format!("plinth-data/plinth.toml {expected}")],
            "{text}"
        );
    }
}

#[test]
fn text_that_is_not_toml_is_told_by_line_and_key() {
    let problems = file("sha = \"a\"\nlisten = 127.0.0.1:8787\n").problems();
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].starts_with("plinth-data/plinth.toml line 2: `listen`: not valid TOML:"),
        "{}",
        problems[0]
    );
    let problems = file("sha = \"a\"\nsha = \"b\"\n").problems();
    assert!(problems[0].starts_with("plinth-data/plinth.toml line 2: `sha`: not valid TOML: duplicate key"));
}

#[test]
fn everything_wrong_is_told_at_once() {
    let mut world = file("lisen = \"x\"\nsha = 1");
    world.env = vec![("PLINTH_LOG_FORMAT", "xml"), ("PLINTH_TEST_POSTGRES_URL", "fine")];
    world.flags = vec![("limits.body_bytes", "many")];
    assert_eq!(world.problems().len(), 4);
}

#[test]
fn unknown_variables_are_errors_with_a_suggestion() {
    let world = env(&[("PLINTH_LISTN", "x"), ("PLINTH_TEST_SEED", "1"), ("PATH", "/bin")]);
    assert_eq!(
        world.problems(),
        ["PLINTH_LISTN: unknown environment variable: did you mean `PLINTH_LISTEN`?"]
    );
    let world = env(&[("PLINTH_LISTEN_FILE", "/run/secrets/x")]);
    assert_eq!(world.problems().len(), 1, "only secrets are read from files");
}

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let mut world = env(&[
        ("PLINTH_DATABASE_URL_FILE", "/run/db"),
        ("PLINTH_ROOT_KEY", "sesame-open"),
        ("PLINTH_SMTP_URL", "smtps://user:hunter2@mail:465"),
        ("PLINTH_CACHE_URL", "redis://:hunter2@cache:6379"),
    ]);
    world.files = vec![(
        "/run/db",
        "postgres://plinth:hunter2@db/plinth?sslpassword=hunter2\n",
    )];
    let loaded = world.load().unwrap();
    let config = &loaded.config;
    assert_eq!(
        config.root_key.value.as_ref().unwrap().expose_secret(),
        "sesame-open"
    );
    let DatabaseUrl::Postgres(url) = &config.database.url else {
        panic!("not PostgreSQL");
    };
    assert!(url.expose_secret().ends_with("hunter2"));
    let printed = loaded.print();
    assert!(
        printed
            .contains("# url = \"postgres://plinth:[redacted]@db/plinth\"  # from PLINTH_DATABASE_URL_FILE")
    );
    assert!(printed.contains("smtps://user:[redacted]@mail:465"));
    for text in [printed, format!("{loaded:?}")] {
        assert!(!text.contains("hunter2") && !text.contains("sesame"), "{text}");
    }
}

#[test]
fn a_wrong_secret_is_not_repeated() {
    let problems = env(&[("PLINTH_DATABASE_URL", "mysql://root:hunter2@db/x")]).problems();
    assert_eq!(
        problems,
        [
            "PLINTH_DATABASE_URL: the value is not right for `database.url`: write sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE"
        ]
    );
    let world = World {
        flags: vec![("database.url", "postgres://a:hunter2@b/c")],
        ..World::default()
    };
    assert_eq!(
        world.problems(),
        ["--database-url: `database.url` cannot be given as a flag"]
    );
}

#[test]
fn a_secret_said_twice_or_in_an_absent_file_is_an_error() {
    let mut world = env(&[("PLINTH_SENTRY_DSN", "a"), ("PLINTH_SENTRY_DSN_FILE", "/run/dsn")]);
    assert!(world.problems()[0].starts_with("PLINTH_SENTRY_DSN_FILE: cannot read `/run/dsn`"));
    world.files = vec![("/run/dsn", "b")];
    assert_eq!(
        world.problems(),
        ["PLINTH_SENTRY_DSN_FILE: PLINTH_SENTRY_DSN is set too: set one of the two"]
    );
}

#[test]
fn lists_read_the_same_from_file_and_environment() {
    let from_file = file(
        "[cors]\ncontext = [\"https://a.example\", \"chrome-extension://abc\"]\n[egress]\nports = [9000, 9001]",
    );
    let from_env = env(&[
        ("PLINTH_CORS_CONTEXT", "https://a.example, chrome-extension://abc"),
        ("PLINTH_EGRESS_PORTS", "9000,9001"),
    ]);
    for config in [from_file.config(), from_env.config()] {
        let origins: Vec<&str> = config.cors.of(Base::Context).iter().map(Origin::as_str).collect();
        assert_eq!(origins, ["https://a.example", "chrome-extension://abc"]);
        assert_eq!(config.egress.ports, [9000, 9001]);
    }
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let problems = env(&[("PLINTH_ENVIRONMENT", "production")]).problems();
    assert!(
        problems[0].starts_with("public_url: `http://127.0.0.1:8787/` is not https"),
        "{problems:?}"
    );
    let fine = env(&[
        ("PLINTH_ENVIRONMENT", "production"),
        ("PLINTH_PUBLIC_URL", "https://p.example/"),
    ]);
    assert_eq!(fine.config().server.environment, Environment::Production);
    let problems = env(&[
        ("PLINTH_HOSTS_RELAY", "x.example"),
        ("PLINTH_HOSTS_EMBED", "X.example"),
    ])
    .problems();
    assert_eq!(
        problems,
        ["hosts: `x.example` is bound to both /relay and /embed"]
    );
}

#[test]
fn none_turns_an_optional_setting_off() {
    assert!(World::default().config().metrics.listen.is_some());
    assert!(
        env(&[("PLINTH_METRICS_LISTEN", "none")])
            .config()
            .metrics
            .listen
            .is_none()
    );
    assert!(
        env(&[("PLINTH_METRICS_LISTEN", "")])
            .config()
            .metrics
            .listen
            .is_some(),
        "empty is not given"
    );
}

#[test]
fn every_interface_is_called_by_this_machines_name() {
    for (listen, called) in [("0.0.0.0:80", "http://127.0.0.1/"), ("[::]:9", "http://[::1]:9/")] {
        let world = World {
            flags: vec![("listen", listen)],
            ..World::default()
        };
        assert_eq!(world.config().server.public_url.as_str(), called);
    }
}

#[test]
fn the_reference_names_every_setting_and_its_own_print_is_a_valid_file() {
    let reference = reference();
    for setting in SETTINGS {
        assert!(
            reference.contains(&format!("| `{}` | `{}`", setting.key, setting.env())),
            "{}",
            setting.key
        );
        assert!(
            setting.meaning.trim_end().ends_with('.'),
            "{} has no sentence",
            setting.key
        );
    }
    let printed = World::default().load().unwrap().print();
    let world = World {
        flags: vec![("config", "/p.toml")],
        files: vec![("/p.toml", printed.clone().leak())],
        ..World::default()
    };
    let again = world.load().unwrap();
    let values = |loaded: &Loaded| {
        loaded
            .settled
            .iter()
            .map(|e| (e.setting.key, e.shown.clone()))
            .collect::<Vec<_>>()
    };
    let without_config = |loaded: &Loaded| values(loaded).into_iter().skip(1).collect::<Vec<_>>();
    assert_eq!(
        without_config(&again),
        without_config(&World::default().load().unwrap())
    );
}
