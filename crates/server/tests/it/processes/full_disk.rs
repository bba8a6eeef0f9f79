//! A data directory on a disk without room: writes wait for better times, reads go on, nothing is half-written.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use super::client::{Answer, Client};
use super::eventually;
use super::installation::{Node, clean_command, key_of};
use super::shop::{Shop, one_call, recorded};

/// Mounts a small disk at `$1`, writes what `bootstrap` made to `$2`, and becomes the server.
const SCRIPT: &str = r#"mount -t tmpfs -o size=8m plinth-test "$1" &&
    "$0" bootstrap --email ada@example.com --json >"$2" &&
    exec "$0" serve"#;

/// A server on a small disk that nobody else sees: it is mounted in a namespace that goes with the server.
struct OnSmallDisk {
    node: Node,
    key: String,
    /// The data directory, by the server's eyes.
    disk: PathBuf,
    _folder: TempDir,
}

impl OnSmallDisk {
    /// `None` where this machine lets nobody mount; in CI it must.
    fn start() -> Option<Self> {
        let folder = TempDir::with_prefix("plinth-small-disk-").unwrap();
        let (data_dir, made) = (folder.path().join("data"), folder.path().join("made.json"));
        fs::create_dir(&data_dir).unwrap();
        let Some(namespace) = mountable(&data_dir) else {
            assert!(
                std::env::var_os("CI").is_none(),
                "mounting needs root or user namespaces"
            );
            println!("skipped: mounting a small disk needs root, or user namespaces for others");
            return None;
        };
        let mut command = clean_command("unshare");
        command
            .args(namespace)
            .args(["sh", "-c", SCRIPT, env!("CARGO_BIN_EXE_plinth")])
            .args([&data_dir, &made])
            .env("PLINTH_DATA_DIR", &data_dir)
            .env("PLINTH_LISTEN", "127.0.0.1:0");
        let node = Node::start(command, &folder.path().join("log"));
        let seen_by_server = PathBuf::from(format!("/proc/{}/root", node.pid()));
        Some(OnSmallDisk {
            key: key_of(&fs::read(made).unwrap()),
            disk: seen_by_server.join(data_dir.strip_prefix("/").unwrap()),
            node,
            _folder: folder,
        })
    }

    fn ballast(&self) -> PathBuf {
        self.disk.join("ballast")
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        let full = std::iter::repeat_with(|| ballast.write_all(&[0; 4_096])).find_map(Result::err);
        assert_eq!(full.map(|error| error.kind()), Some(ErrorKind::StorageFull));
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

/// The arguments for `unshare` with which a disk can be mounted: as root, or else as one in a namespace of users.
fn mountable(folder: &Path) -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["--mount"], &["--map-root-user", "--mount"]];
    ways.into_iter().find(|way| {
        let mut attempt = Command::new("unshare");
        attempt
            .args(*way)
            .args(["mount", "-t", "tmpfs", "plinth-test"])
            .arg(folder);
        attempt.output().is_ok_and(|output| output.status.success())
    })
}

#[test]
fn a_full_disk_refuses_writes_and_answers_reads() {
    let Some(server) = OnSmallDisk::start() else {
        return;
    };
    let shop = Shop::open(&mut server.node.client(&server.key), &[("large", 1_000_000)]);
    shop.add_customer(&server.node, "acme", None);
    let mut client = server.node.client(&shop.key);
    let mut calls = Calls::named("first");
    assert!(calls.make(&mut client));

    server.fill();
    // A few may still fit: the write-ahead log has room of its own.
    eventually("a write is refused", || (!calls.make(&mut client)).then_some(()));
    let customer = |number: usize| json!({"external_id": format!("customer-{number}"), "name": "Late"});
    let mut customers = 1;
    eventually("another write is refused", || {
        let answer = client.post("/v1/customers", &customer(customers)).unwrap();
        if answer.status == 201 {
            customers += 1;
            return None;
        }
        refused(answer);
        Some(())
    });
    calls.extend(crowd(&server.node, &shop));
    let listed = client.get("/v1/customers?limit=200").unwrap().expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), customers);
    recorded(&mut client, "acme");
    let health = client.get("/healthz").unwrap();
    assert_eq!(health.body["deps"]["supabase"], true, "{}", health.body);

    server.make_room();
    assert!(calls.refused.len() > 1);
    for key in std::mem::take(&mut calls.refused) {
        assert!(calls.make_under(&mut client, key));
    }
    client
        .post("/v1/customers", &customer(customers))
        .unwrap()
        .expect(201);
    assert_eq!(recorded(&mut client, "acme"), calls.acknowledged);
    // Health is found out once a second.
    eventually("the server is well again", || {
        (client.get("/healthz").unwrap().status == 200).then_some(())
    });
}

#[track_caller]
fn refused(answer: Answer) {
    assert!(answer.header("retry-after").is_some(), "{}", answer.body);
    let code = &answer.expect(503)["code"];
    assert!(
        ["unavailable", "outcome_unknown"].contains(&code.as_str().unwrap()),
        "{code}"
    );
}

/// Many at once, so that many share a commit that fails.
fn crowd(node: &Node, shop: &Shop) -> Vec<Calls> {
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|number| {
                scope.spawn(move || {
                    let (mut client, mut calls) =
                        (node.client(&shop.key), Calls::named(&format!("caller-{number}")));
                    for _ in 0..5 {
                        calls.make(&mut client);
                    }
                    calls
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    })
}

/// What became of consumes.
#[derive(Default)]
struct Calls {
    name: String,
    made: usize,
    acknowledged: BTreeSet<String>,
    /// Keys that can be tried again.
    refused: Vec<String>,
}

impl Calls {
    fn named(name: &str) -> Self {
        Calls {
            name: name.to_owned(),
            ..Calls::default()
        }
    }

    fn extend(&mut self, others: Vec<Calls>) {
        for other in others {
            self.acknowledged.extend(other.acknowledged);
            self.refused.extend(other.refused);
        }
    }

    /// Whether it was acknowledged.
    fn make(&mut self, client: &mut Client) -> bool {
        self.made += 1;
        self.make_under(client, format!("{}-{}", self.name, self.made))
    }

    fn make_under(&mut self, client: &mut Client, key: String) -> bool {
        let answer = client.post("/v1/usage/consume", &one_call("acme", &key)).unwrap();
        if answer.status != 200 {
            refused(answer);
            self.refused.push(key);
            return false;
        }
        let usage = answer.expect(200);
        self.acknowledged
            .insert(usage["event"].as_str().unwrap().to_owned());
        true
    }
}
