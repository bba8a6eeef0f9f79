//! A root key that another takes the place of.

use serde_json::{Value, json};

use super::installation::{Installation, Node};
use crate::harness::ROOT_KEY;

const NEW: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
const NEW_ALONE: [(&str, &str); 1] = [("PLINTH_ROOT_KEY", NEW)];
const NEW_AND_OLD: [(&str, &str); 2] = [("PLINTH_ROOT_KEY", NEW), ("PLINTH_RETIRED_ROOT_KEYS", ROOT_KEY)];
/// A node that makes nothing with the new key yet, and knows what others make with it.
const OLD_AND_NEW: [(&str, &str); 1] = [("PLINTH_RETIRED_ROOT_KEYS", NEW)];

#[test]
fn on_sqlite() {
    replaced(&Installation::on_sqlite());
}

#[test]
fn on_postgres() {
    if let Some(installation) = Installation::on_postgres() {
        replaced(&installation);
    }
}

fn replaced(installation: &Installation) {
    let (started, said) = installation.run("a", &["verify"], &NEW_ALONE);
    assert!(
        !started && said.contains("name the other in retired_root_keys"),
        "{said}"
    );
    let (started, said) = installation.run("a", &["verify"], &[("PLINTH_RETIRED_ROOT_KEYS", "hunter2")]);
    assert!(
        !started && said.contains("retired_root_keys: expected 32 bytes") && !said.contains("hunter2"),
        "{said}"
    );

    let node = installation.start_with("a", &NEW_AND_OLD);
    assert_eq!(
        status(&node, &installation.key),
        200,
        "a key that was made under the old root key"
    );
    let new_key = new_key(&node, &installation.key);
    stop(node);
    let (verified, said) = installation.run("a", &["verify"], &NEW_AND_OLD);
    assert!(verified, "{said}");

    let node = installation.start_with("a", &OLD_AND_NEW);
    assert_eq!(
        (status(&node, &installation.key), status(&node, &new_key)),
        (200, 200)
    );
    stop(node);

    let node = installation.start_with("a", &NEW_ALONE);
    assert_eq!(status(&node, &new_key), 200);
    assert_eq!(status(&node, &installation.key), 401, "nobody can tell any more");
}

fn status(node: &Node, key: &str) -> u16 {
    node.client(key).get("/v1/api_keys").unwrap().status
}

fn new_key(node: &Node, key: &str) -> String {
    let new = json!({"name": "new", "kind": "secret", "mode": "live", "scopes": ["api_keys:read"]});
    let made: Value = node.client(key).post("/v1/api_keys", &new).unwrap().expect(201);
    made["secret"].as_str().unwrap().to_owned()
}

fn stop(node: Node) {
    node.ask_to_stop();
    assert!(node.ended().success());
}
