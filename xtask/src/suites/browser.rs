//! The dashboard in Chromium (`xtask/node/browser.mjs`): every page on a desktop and a phone, light and dark, through
//! axe, and again with JavaScript off.

use std::process::Command;

use anyhow::Result;

use super::TestArgs;
use crate::servers::plinth::Plinth;
use crate::workspace::Workspace;
use crate::{packages, process};

pub fn run(workspace: &Workspace, _: &TestArgs) -> Result<()> {
    let binary = workspace.build_plinth()?;
    let chromium = packages::chromium()?;
    let (node, folder) = packages::node_tests(workspace)?;
    let plinth = Plinth::serve(&binary, &[])?;
    let operator = plinth.bootstrap("ops@example.com")?;
    let password = operator.password?;

    let mut tests = Command::new(node);
    tests
        .current_dir(&folder)
        .args(["--test-reporter=spec", "browser.mjs"]);
    tests.env("PLINTH_URL", plinth.url());
    tests
        .env("PLINTH_EMAIL", &operator.email)
        .env("PLINTH_PASSWORD", password);
    tests
        .env("PLINTH_SCREENSHOTS", workspace.target.join("screenshots"))
        .env("CHROMIUM", chromium);
    plinth.explain(process::run(&tests))?;
    plinth.stop()
}
