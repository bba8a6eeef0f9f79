//! `cargo xtask check-deps`: which crate may stand on which. The tables below are the arrows of ARCHITECTURE.md and
//! change together with them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::Workspace;

/// The main line, lowest first. A crate may use every crate on an earlier line, and none on its own.
const MAIN_LINE: &[&[&str]] = &[
    &["types"],
    &["storage"],
    &["runtime"],
    &["commerce"],
    &["accounts"],
    &["events"],
    &["context", "widgets", "relay"],
    &["dashboard"],
    &["server"],
];

/// Beside the main line: the upper crate (second) may use the lower one (first), and nothing beyond it follows.
const SIDE_ARROWS: &[(&str, &str)] = &[
    ("types", "ledger"),
    ("ledger", "commerce"),
    ("types", "ui"),
    ("ui", "widgets"),
    ("ui", "dashboard"),
    ("types", "sync"),
    ("sync", "context"),
    ("sync", "client"),
    ("sync", "cli"),
    ("types", "index"),
    ("index", "cli"),
    ("types", "client"),
    ("client", "cli"),
];

/// Crates that stand outside the house and use nothing in it.
const OUTSIDE: &[&str] = &["xtask"];

/// Packages from outside that one crate alone may name.
const RESERVED: &[(&str, &[&str])] = &[(
    "storage",
    &[
        "object_store",
        "postgres",
        "redis",
        "rusqlite",
        "libsqlite3-sys",
        "sqlx",
        "sqlx-core",
        "sqlx-postgres",
        "sqlx-sqlite",
        "tokio-postgres",
    ],
)];

/// Packages that a crate may not even reach through others: what ships must not be able to do this.
const OUT_OF_REACH: &[(&str, &[&str])] = &[
    ("types", &["tokio"]),
    ("ledger", &["axum", "hyper", "reqwest", "tokio"]),
    ("index", &["axum", "hyper", "reqwest", "tokio"]),
];

/// Everything that a crate may name: small packages that compute and do nothing else.
const NOTHING_BUT: &[(&str, &[&str])] = &[(
    "ledger",
    &["types", "jiff", "serde", "smallvec", "thiserror", "uuid"],
)];

/// Fails with every arrow that points the wrong way.
pub fn check(workspace: &Workspace) -> Result<()> {
    let graph = Graph::from_metadata(&workspace.metadata(&[])?)?;
    let wrong = graph.violations();
    if wrong.is_empty() {
        return Ok(());
    }
    bail!(
        "the house does not stand like this:\n  {}\nRemove the dependency. Where the order itself proves wrong, change \
         the arrows in ARCHITECTURE.md and in xtask/src/deps.rs together, and say why in docs/decisions/.",
        wrong.join("\n  ")
    )
}

/// The crates of the workspace, what their manifests name, and what everything resolves to.
#[derive(Default)]
struct Graph {
    /// Workspace crate to the packages that it names in any kind of dependency.
    named: BTreeMap<String, BTreeSet<String>>,
    /// Workspace crate to the packages that it names for what ships: neither tests nor build scripts.
    shipped: BTreeMap<String, BTreeSet<String>>,
    /// Any package to those that it ships with, after resolution.
    resolved: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn from_metadata(metadata: &Value) -> Result<Self> {
        let mut graph = Self::default();
        let mut names = BTreeMap::new();
        let members: BTreeSet<&str> = list(metadata, "workspace_members")?
            .iter()
            .filter_map(Value::as_str)
            .collect();
        for package in list(metadata, "packages")? {
            let (id, name) = (text(package, "id")?, text(package, "name")?);
            names.insert(id, name);
            if members.contains(id) {
                let named = graph.named.entry(name.to_owned()).or_default();
                let shipped = graph.shipped.entry(name.to_owned()).or_default();
                for dependency in list(package, "dependencies")? {
                    named.insert(text(dependency, "name")?.to_owned());
                    if dependency["kind"].is_null() {
                        shipped.insert(text(dependency, "name")?.to_owned());
                    }
                }
            }
        }
        for node in list(&metadata["resolve"], "nodes")? {
            let name = names
                .get(text(node, "id")?)
                .context("a resolved package is listed")?;
            for dependency in list(node, "deps")? {
                if list(dependency, "dep_kinds")?
                    .iter()
                    .any(|kind| kind["kind"].is_null())
                {
                    let used = names
                        .get(text(dependency, "pkg")?)
                        .context("a used package is listed")?;
                    graph
                        .resolved
                        .entry((*name).to_owned())
                        .or_default()
                        .insert((*used).to_owned());
                }
            }
        }
        Ok(graph)
    }

    fn violations(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, used) in &self.named {
            if !has_a_place(name) {
                wrong.push(format!(
                    "`{name}` has no place in the order of crates: give it one"
                ));
                continue;
            }
            let ours = used
                .iter()
                .filter(|used| self.named.contains_key(*used) && *used != name);
            wrong.extend(
                ours.filter(|used| !may_use(name, used))
                    .map(|used| format!("`{name}` uses `{used}`, but {}", why_not(name, used))),
            );
            for (owner, packages) in RESERVED.iter().filter(|(owner, _)| owner != name) {
                let taken = packages.iter().filter(|package| used.contains(**package));
                wrong
                    .extend(taken.map(|it| format!("`{name}` names `{it}`, which `{owner}` alone may name")));
            }
        }
        for (name, only) in NOTHING_BUT {
            let shipped = self.shipped.get(*name).into_iter().flatten();
            let more = shipped.filter(|used| !only.contains(&used.as_str()));
            wrong.extend(more.map(|it| {
                format!(
                    "`{name}` names `{it}`, but it may name nothing but {}",
                    only.join(", ")
                )
            }));
        }
        for (name, banned) in OUT_OF_REACH {
            wrong.extend(
                banned
                    .iter()
                    .filter_map(|package| self.path(name, package))
                    .map(|path| {
                        format!(
                            "`{name}` must not reach `{}`, but does: {}",
                            path[path.len() - 1],
                            path.join(" uses ")
                        )
                    }),
            );
        }
        wrong
    }

    /// The shortest way by which `from` ships with `to`, both ends included.
    fn path<'a>(&'a self, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
        let mut paths = std::collections::VecDeque::from([vec![from]]);
        let mut seen = BTreeSet::from([from]);
        while let Some(path) = paths.pop_front() {
            for used in self.resolved.get(*path.last()?).into_iter().flatten() {
                if seen.insert(used) {
                    let longer = [path.as_slice(), &[used.as_str()]].concat();
                    if used == to {
                        return Some(longer);
                    }
                    paths.push_back(longer);
                }
            }
        }
        None
    }
}

fn height(name: &str) -> Option<usize> {
    MAIN_LINE.iter().position(|level| level.contains(&name))
}

fn has_a_place(name: &str) -> bool {
    height(name).is_some()
        || OUTSIDE.contains(&name)
        || SIDE_ARROWS
            .iter()
            .any(|(lower, upper)| [lower, upper].contains(&&name))
}

fn may_use(upper: &str, lower: &str) -> bool {
    let on_main_line = matches!((height(lower), height(upper)), (Some(lower), Some(upper)) if lower < upper);
    on_main_line || SIDE_ARROWS.contains(&(lower, upper))
}

fn why_not(upper: &str, lower: &str) -> String {
    match (height(lower), height(upper)) {
        (Some(below), Some(above)) if below == above => {
            "both stand on the same level: what they share goes below".to_owned()
        }
        (Some(_), Some(_)) => format!("`{lower}` stands above it"),
        _ => format!("no arrow leads from `{lower}` to it"),
    }
}

fn list<'a>(value: &'a Value, field: &str) -> Result<&'a Vec<Value>> {
    value[field]
        .as_array()
        .with_context(|| format!("cargo metadata has no list `{field}`"))
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value[field]
        .as_str()
        .with_context(|| format!("cargo metadata has no text `{field}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Made-up metadata: who names whom, everything a normal dependency; names in `members` are our crates.
    fn violations(members: &[&str], arrows: &[(&str, &str)]) -> Vec<String> {
        let all: BTreeSet<&str> = members
            .iter()
            .copied()
            .chain(arrows.iter().flat_map(|&(a, b)| [a, b]))
            .collect();
        let used_by = |name: &str| -> Vec<&str> {
            arrows
                .iter()
                .filter(|(user, _)| *user == name)
                .map(|(_, used)| *used)
                .collect()
        };
        let id = |name: &str| format!("id of {name}");
        let packages: Vec<Value> = all
            .iter()
            .map(|name| {
                let dependencies: Vec<Value> = used_by(name)
                    .into_iter()
                    .map(|it| json!({ "name": it, "kind": null }))
                    .collect();
                json!({ "id": id(name), "name": name, "dependencies": dependencies })
            })
            .collect();
        let nodes: Vec<Value> = all
            .iter()
            .map(|name| {
                let deps: Vec<Value> = used_by(name)
                    .into_iter()
                    .map(|it| json!({ "pkg": id(it), "dep_kinds": [{ "kind": null }] }))
                    .collect();
                json!({ "id": id(name), "deps": deps })
            })
            .collect();
        let members: Vec<String> = members.iter().map(|name| id(name)).collect();
        let metadata =
            json!({ "packages": packages, "workspace_members": members, "resolve": { "nodes": nodes } });
        Graph::from_metadata(&metadata)
            .expect("made-up metadata is well formed")
            .violations()
    }

    #[test]
    fn arrows_downwards_and_beside_the_line_are_fine() {
        let members = [
            "types",
            "ledger",
            "storage",
            "runtime",
            "commerce",
            "ui",
            "relay",
            "dashboard",
            "server",
            "xtask",
        ];
        let arrows = [
            ("storage", "types"),
            ("storage", "sqlx"),
            ("ledger", "types"),
            ("ledger", "serde"),
            ("commerce", "ledger"),
            ("relay", "types"),
            ("dashboard", "relay"),
            ("dashboard", "ui"),
            ("server", "dashboard"),
            ("server", "storage"),
            ("xtask", "serde_json"),
        ];
        assert_eq!(violations(&members, &arrows), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_upwards_is_named_with_both_ends() {
        assert_eq!(
            violations(&["storage", "commerce"], &[("storage", "commerce")]),
            ["`storage` uses `commerce`, but `commerce` stands above it"]
        );
    }

    #[test]
    fn products_do_not_know_each_other() {
        assert_eq!(
            violations(&["relay", "widgets"], &[("relay", "widgets")]),
            ["`relay` uses `widgets`, but both stand on the same level: what they share goes below"]
        );
    }

    #[test]
    fn side_arrows_lead_no_further() {
        assert_eq!(
            violations(&["accounts", "ledger"], &[("accounts", "ledger")]),
            ["`accounts` uses `ledger`, but no arrow leads from `ledger` to it"]
        );
        assert_eq!(violations(&["cli", "server"], &[("cli", "server")]).len(), 1);
    }

    #[test]
    fn only_storage_names_a_driver() {
        assert_eq!(
            violations(&["runtime"], &[("runtime", "redis")]),
            ["`runtime` names `redis`, which `storage` alone may name"]
        );
    }

    #[test]
    fn the_ledger_stays_pure_even_through_others() {
        let arrows = [("ledger", "types"), ("types", "clock"), ("clock", "tokio")];
        assert_eq!(
            violations(&["ledger", "types"], &arrows),
            [
                "`types` must not reach `tokio`, but does: types uses clock uses tokio",
                "`ledger` must not reach `tokio`, but does: ledger uses types uses clock uses tokio",
            ]
        );
        let wrong = violations(&["ledger"], &[("ledger", "rand")]);
        assert_eq!(
            wrong,
            [
                "`ledger` names `rand`, but it may name nothing but types, jiff, serde, smallvec, thiserror, uuid"
            ]
        );
    }

    #[test]
    fn a_crate_without_a_place_is_refused() {
        assert_eq!(
            violations(&["common"], &[]),
            ["`common` has no place in the order of crates: give it one"]
        );
    }
}
