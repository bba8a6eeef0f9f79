//! Schemathesis against the running server: every operation of `openapi.json`, with requests that follow it and with
//! requests that break it. Nothing may answer 5xx, nor anything that the document does not announce.

use std::process::Command;

use anyhow::Result;

use super::TestArgs;
use crate::servers::plinth::Plinth;
use crate::workspace::Workspace;
use crate::{packages, process};

/// Per operation and phase. Together with the fixed seed: bounded time, and the same requests in every run.
const EXAMPLES: &str = "12";

/// Checks that ask for what the API does not promise.
const NOT_APPLICABLE: &[&str] = &[
    // A request can follow its schema and still break a rule (an unknown plan, a taken name): 422 is right then.
    "positive_data_acceptance",
];

pub fn run(workspace: &Workspace, _: &TestArgs) -> Result<()> {
    let binary = workspace.build_plinth()?;
    let programs = packages::python_programs(workspace)?;
    let plinth = Plinth::serve(&binary, &[])?;
    let operator = plinth.bootstrap("ops@example.com")?;
    let platform = plinth.create_platform(&operator, "Fuzzed")?;

    let mut schemathesis = Command::new(programs.join("schemathesis"));
    schemathesis.current_dir(workspace.cache());
    schemathesis
        .arg("run")
        .arg(format!("{}/openapi.json", plinth.url()));
    schemathesis.args(["--header", &format!("Authorization: Bearer {}", operator.api_key)]);
    // Most operations are those of a platform: a made-up one in the header would hide them behind the same 404.
    schemathesis.args(["--header", &format!("Plinth-Platform: {platform}")]);
    schemathesis.args(["--header", "Plinth-Mode: live"]);
    schemathesis.args(["--checks", "all", "--exclude-checks", &NOT_APPLICABLE.join(",")]);
    schemathesis.args([
        "--max-examples",
        EXAMPLES,
        "--workers",
        "2",
        "--continue-on-failure",
    ]);
    schemathesis.args(["--generation-deterministic", "--request-timeout", "10"]);
    plinth.explain(process::run(&schemathesis))?;
    plinth.stop()
}
