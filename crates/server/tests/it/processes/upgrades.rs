//! Commands of a newer program beside the server of an older one: they must leave the schema to the server.

use super::installation::Installation;

/// As a newer program sees the database of an older one: a step of the schema is missing.
const AGE: &[&str] = &[
    "CREATE TABLE the_last_step AS SELECT * FROM schema_migrations ORDER BY version DESC LIMIT 1",
    "DELETE FROM schema_migrations WHERE version = (SELECT MAX(version) FROM schema_migrations)",
];
const RENEW: &[&str] = &[
    "INSERT INTO schema_migrations SELECT * FROM the_last_step",
    "DROP TABLE the_last_step",
];

#[test]
fn on_sqlite() {
    let installation = Installation::on_sqlite();
    installation.sql(AGE);
    refused(&installation, &["backup", "copy"]);
    refused(&installation, &["verify"]);
    refused(&installation, &["bootstrap", "--email", "ada@example.com"]);
}

#[test]
fn on_postgres() {
    let Some(installation) = Installation::on_postgres() else {
        return;
    };
    installation.sql(AGE);
    refused(&installation, &["verify"]);
    refused(&installation, &["bootstrap", "--email", "ada@example.com"]);
    // Nothing was touched: with the step they work.
    installation.sql(RENEW);
    let (verified, said) = installation.run("a", &["verify"], &[]);
    assert!(verified, "{said}");

    // The roles and policies of another version are not put right by a command either.
    installation.sql(&["UPDATE schema_policies SET script = 'of an older version'"]);
    refused(&installation, &["verify"]);
}

#[track_caller]
fn refused(installation: &Installation, command: &[&str]) {
    let (done, said) = installation.run("a", command, &[]);
    let refusal = "error: This program is newer than the database, which lacks ";
    assert!(!done && said.starts_with(refusal), "{command:?}: {said}");
}
