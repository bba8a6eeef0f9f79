//! The binary itself, as an operator meets it: what it prints where, and how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

const HELP: &str = "\
The backend a software product stands on: sign-in, API keys, plans and exact usage, in one binary

Usage: plinth [OPTIONS] [COMMAND]

Commands:
  serve        Run the server; this is what happens without a command
  bootstrap    Make the first user, workspace and API key, and print them. Running it again changes nothing
  verify       Check that nobody has rewritten the audit log
  usage        Check that what is stored of usage agrees
  backup       Copy database and files to a new directory, beside a running server. The root key stays out of it
  restore      Fill an empty data directory from a backup
  config       Show the configuration
  health       Ask the running server whether it can do its work
  openapi      Print the OpenAPI document
  completions  Print a completion script for a shell
  man          Print the manual page
  help         Print this message or the help of the given subcommand(s)

Options:
  -h, --help     Print help
  -V, --version  Print version

Settings:
";

/// How a command ended.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {}", self.out))
    }
}

/// The binary, in a folder of its own and with none of the settings of whoever runs the tests.
fn plinth(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plinth"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PLINTH_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).args(args).stdin(Stdio::null());
    command
}

fn run(folder: &TempDir, args: &[&str]) -> Ran {
    run_command(&mut plinth(folder.path(), args))
}

fn run_command(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn folder() -> TempDir {
    TempDir::with_prefix("plinth-cli-").unwrap()
}

/// A server on a port of the system's choice, ended with the test.
struct Serving {
    process: Child,
    address: String,
}

impl Serving {
    fn start(folder: &TempDir) -> Self {
        let args = ["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "none"];
        let mut process = plinth(folder.path(), &args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut greeting = String::new();
        let out = process.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut greeting).unwrap();
        let (_, url) = greeting.trim().split_once("is at http://").expect("a greeting");
        let address = url.trim_end_matches('/').to_owned();
        Serving { process, address }
    }

    /// The status of a request with an API key.
    fn status_of(&self, path: &str, key: &str) -> u16 {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: plinth\r\nAuthorization: Bearer {key}\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Stops it as a service manager does.
    fn stop(mut self) {
        let pid = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Already over when the test went well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn help_names_every_command() {
    let folder = folder();
    let help = run(&folder, &["--help"]).expect(0);
    assert_eq!(help.err, "");
    assert!(help.out.starts_with(HELP), "{}", help.out);
    for flag in ["--config", "--data-dir", "--listen", "--log"] {
        assert!(help.out.contains(&format!("  {flag} <")), "{}", help.out);
    }
    assert!(
        help.out
            .trim_end()
            .ends_with("`plinth config reference` lists them.")
    );
    let version = run(&folder, &["--version"]).expect(0);
    assert_eq!(version.out, format!("plinth {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_cannot_be_understood_is_a_usage_error() {
    let folder = folder();
    let typo = run(&folder, &["helth"]).expect(2);
    assert_eq!(typo.out, "");
    assert!(
        typo.err.starts_with("error: unrecognized subcommand 'helth'\n"),
        "{}",
        typo.err
    );
    let missing = run(&folder, &["bootstrap"]).expect(2);
    assert!(missing.err.contains("--email <EMAIL>"), "{}", missing.err);
    let unknown = run(&folder, &["serve", "--lisen", "127.0.0.1:0"]).expect(2);
    assert!(unknown.err.contains("--listen"), "{}", unknown.err);
    assert!(folder.path().read_dir().unwrap().next().is_none());
}

#[test]
fn a_wrong_setting_is_named_with_its_place() {
    let folder = folder();
    let flag = run(&folder, &["--listen", "here", "health"]).expect(2);
    assert_eq!(
        flag.err,
        "error: the configuration cannot be used\n  --listen: `here` is not right for `listen`: write an IP address and a \
         port, such as 127.0.0.1:8787 or [::]:8787\n`plinth config reference` lists every setting.\n"
    );
    let variable = run_command(plinth(folder.path(), &["health"]).env("PLINTH_LISEN", "x")).expect(2);
    assert!(
        variable
            .err
            .contains("PLINTH_LISEN: unknown environment variable: did you mean `PLINTH_LISTEN`?"),
        "{}",
        variable.err
    );

    std::fs::write(
        folder.path().join("mine.toml"),
        "log = \"info\"\nlisen = \"127.0.0.1:1\"\n",
    )
    .unwrap();
    let file = run(&folder, &["serve", "--config", "mine.toml"]).expect(2);
    assert!(
        file.err
            .contains("mine.toml line 2: unknown key `lisen`: did you mean `listen`?"),
        "{}",
        file.err
    );
    // What helps to repair it works all the same.
    assert!(
        run(&folder, &["config", "reference", "--config", "mine.toml"])
            .expect(0)
            .out
            .contains("`PLINTH_LISTEN`")
    );
}

#[test]
fn the_values_in_force_say_where_they_are_from() {
    let folder = folder();
    let mut command = plinth(folder.path(), &["config", "print", "--log", "debug"]);
    let printed = run_command(
        command
            .env("PLINTH_LISTEN", "127.0.0.1:9999")
            .env("PLINTH_ROOT_KEY", "c2VjcmV0"),
    )
    .expect(0);
    assert!(
        printed.out.contains("\nlog = \"debug\"  # from --log\n"),
        "{}",
        printed.out
    );
    assert!(
        printed
            .out
            .contains("\nlisten = \"127.0.0.1:9999\"  # from PLINTH_LISTEN\n"),
        "{}",
        printed.out
    );
    assert!(!printed.out.contains("c2VjcmV0"), "{}", printed.out);
}

#[test]
fn looking_makes_nothing() {
    let folder = folder();
    for args in [
        &["verify"][..],
        &["usage", "verify"],
        &["backup", "copy"],
        &["health"],
        &["restore", "nowhere"],
    ] {
        let ran = run(&folder, &[args, &["--listen", "127.0.0.1:9"]].concat()).expect(1);
        assert_eq!(ran.out, "");
        assert!(ran.err.starts_with("error: "), "{}", ran.err);
    }
    assert!(folder.path().read_dir().unwrap().next().is_none());
    let verify = run(&folder, &["verify", "--data-dir", "elsewhere"]).expect(1);
    assert_eq!(
        verify.err,
        "error: There is no database at elsewhere/plinth.db. Name the --data-dir of the server.\n"
    );
}

#[test]
fn documents_are_printed_without_a_server() {
    let folder = folder();
    let openapi = run(&folder, &["openapi"]).expect(0).json();
    assert_eq!(openapi["openapi"], "3.1.0");
    assert!(openapi["paths"]["/v1/api_keys"].is_object());
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(
            run(&folder, &["completions", shell])
                .expect(0)
                .out
                .contains("bootstrap"),
            "{shell}"
        );
    }
    assert!(run(&folder, &["man"]).expect(0).out.contains(".TH plinth 1"));
    assert!(
        run(&folder, &["man", "backup"])
            .expect(0)
            .out
            .contains("root key")
    );
    run(&folder, &["man", "nothing"]).expect(1);
    assert!(folder.path().read_dir().unwrap().next().is_none());
}

#[test]
fn bootstrap_makes_a_key_once_that_works_at_once() {
    let folder = folder();
    let serving = Serving::start(&folder);
    let args = [
        "bootstrap",
        "--email",
        "ada@example.com",
        "--json",
        "--name",
        "Ada Lovelace",
    ];
    let first = run(&folder, &args).expect(0).json();
    let key = first["api_key"].as_str().unwrap();
    assert!(key.starts_with("sk_live_p1_"));
    assert_eq!(
        (&first["email"], &first["name"], &first["created"]),
        (&json!("ada@example.com"), &json!("Ada Lovelace"), &json!(true))
    );
    assert_eq!(serving.status_of("/v1/api_keys", key), 200);
    assert_eq!(serving.status_of("/v1/api_keys", "sk_live_p1_nonsense"), 401);

    let again = run(&folder, &args).expect(0).json();
    assert_eq!(
        (&again["created"], &again["api_key"], &again["password"]),
        (&json!(false), &Value::Null, &Value::Null)
    );
    assert_eq!(
        (&again["user"], &again["workspace"]),
        (&first["user"], &first["workspace"])
    );
    let people = run(&folder, &args[..3]).expect(0);
    assert!(people.out.contains("They were there already."), "{}", people.out);
    for (email, name, field) in [("nobody", "Nobody", "email"), ("eve@example.com", "", "name")] {
        let refused = run(&folder, &["bootstrap", "--email", email, "--name", name]).expect(1);
        assert!(
            refused.err.starts_with(&format!("error: {field}: ")),
            "{}",
            refused.err
        );
    }
    serving.stop();
}

const USAGE_OF_NOBODY: &str = "INSERT INTO usage_days
    SELECT workspace_id, platform_id, mode, feature_id, feature_id, 0, '', 7, 1, 7, 7, 0, feature_id FROM features
    WHERE feature_key = 'commerce.calls'";

#[test]
fn usage_that_does_not_add_up_is_told_and_folded_anew() {
    let folder = folder();
    run(&folder, &["bootstrap", "--email", "ada@example.com"]).expect(0);
    let database = storage::DbConfig::Sqlite {
        path: folder.path().join("plinth-data/plinth.db"),
    };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let (db, issuer) = storage::open(&database, &server::compose::tables())
            .await
            .unwrap();
        let tampered = db
            .of(issuer.system(storage::Reason::Operator))
            .write_locked(|mut tx| async move { tx.execute(USAGE_OF_NOBODY, Vec::new()).await })
            .await;
        assert_eq!(tampered.unwrap(), 1);
        db.close().await;
    });
    let told = run(&folder, &["usage", "verify"]).expect(1);
    assert!(
        told.out.contains("7 in 1 events") && told.out.contains("nothing by the events"),
        "{}",
        told.out
    );
    assert!(told.out.contains("\n1 difference."), "{}", told.out);
    let repaired = run(&folder, &["usage", "verify", "--repair"]).expect(0);
    assert!(
        repaired.out.contains("1 difference, written anew."),
        "{}",
        repaired.out
    );
    let verdicts = run(&folder, &["usage", "verify", "--json"]).expect(0).json();
    assert!(
        verdicts
            .as_array()
            .unwrap()
            .iter()
            .all(|verdict| verdict["found"] == 0),
        "{verdicts}"
    );
}

#[test]
fn one_server_at_a_time_and_commands_beside_it() {
    let folder = folder();
    let serving = Serving::start(&folder);
    let second = run(&folder, &["serve", "--listen", "127.0.0.1:0"]).expect(1);
    let refusal = format!(
        "error: Another plinth server (process {}) runs on plinth-data.",
        serving.process.id()
    );
    assert!(second.err.starts_with(&refusal), "{}", second.err);

    let health = run(&folder, &["health"]).expect(0).json();
    assert_eq!(
        (&health["up"], &health["deps"]["supabase"]),
        (&json!(true), &json!(true))
    );
    let verdicts = run(&folder, &["verify", "--json"]).expect(0).json();
    assert!(
        verdicts
            .as_array()
            .unwrap()
            .iter()
            .all(|verdict| verdict["faults"] == json!([])),
        "{verdicts}"
    );
    let usage = run(&folder, &["usage", "verify"]).expect(0);
    assert!(
        usage.out.ends_with("All of it is what the events add up to.\n"),
        "{}",
        usage.out
    );
    serving.stop();
    let gone = run(&folder, &["health"]).expect(1);
    assert!(gone.err.contains("Start it with `plinth serve`"), "{}", gone.err);
}

#[test]
fn a_backup_is_whole_and_can_be_put_back() {
    let folder = folder();
    let serving = Serving::start(&folder);
    let bootstrap = ["bootstrap", "--email", "ada@example.com", "--json"];
    let made = run(&folder, &bootstrap).expect(0).json();
    run(&folder, &["backup", "copy"]).expect(0);
    assert!(!folder.path().join("copy/root.key").exists());
    assert!(
        run(&folder, &["backup", "copy"])
            .expect(1)
            .err
            .contains("copy exists already")
    );
    let busy = run(&folder, &["restore", "copy"]).expect(1);
    assert!(busy.err.contains("Another plinth server"), "{}", busy.err);
    serving.stop();
    let full = run(&folder, &["restore", "copy"]).expect(1);
    assert!(
        full.err
            .contains("There is a database at plinth-data/plinth.db already"),
        "{}",
        full.err
    );

    run(&folder, &["restore", "copy", "--data-dir", "new"]).expect(0);
    let keyless = run(&folder, &[&bootstrap[..], &["--data-dir", "new"]].concat()).expect(1);
    assert!(
        keyless.err.contains("there is no root key at new/root.key"),
        "{}",
        keyless.err
    );
    std::fs::copy(
        folder.path().join("plinth-data/root.key"),
        folder.path().join("new/root.key"),
    )
    .unwrap();
    let restored = run(&folder, &[&bootstrap[..], &["--data-dir", "new"]].concat())
        .expect(0)
        .json();
    assert_eq!(
        (&restored["created"], &restored["user"]),
        (&json!(false), &made["user"])
    );
}
