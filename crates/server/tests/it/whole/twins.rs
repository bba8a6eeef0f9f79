//! The first wall alone. Ids are unique, and foreign keys tie together what belongs together, so a statement that forgot its
//! workspace would often reach nothing of others all the same. Here that help is taken away: two more workspaces get every
//! row of ours under the very same ids, one before ours in every index and one behind it. Whoever works in ours must not
//! notice them, and must not touch them. On PostgreSQL the second wall would hide what is to be seen, so this is SQLite's.

use std::collections::BTreeMap;

use storage::{Column, params};
use types::id::WorkspaceId;

use super::operations::{EXAMPLES, World, in_shop, told};
use crate::harness::{Backend, TestApp, run};

const FIRST: &str = "x'00000000000000000000000000000001'";
const LAST: &str = "x'fffffffffffffffffffffffffffffffe'";

/// What the schema guarantees for all workspaces together.
const GUARANTEES: [&str; 2] = ["DROP INDEX platforms_id", "DROP INDEX api_keys_id"];

/// Reviewed: answers that tell of every workspace of a person, the twins rightly among them.
const ABOUT_THE_PERSON: &[&str] = &["GET /v1/me", "GET /v1/workspaces"];

/// A tenant's row as a twin has it: told from ours by its names and figures. The first twin's things have ended as well.
fn twin_value(column: &str, theirs: &str) -> String {
    match column {
        "workspace_id" => theirs.to_owned(),
        "name" | "reason" | "hint" | "email" | "outcome" | "unit" => format!("'TWIN ' || {column}"),
        "amount" | "used" | "price_minor" | "last_used_at" => format!("{column} + 777777"),
        "fingerprint" => "x'00'".to_owned(),
        "archived_at" | "revoked_at" | "ended_at" | "removed_at" if theirs == FIRST => "1".to_owned(),
        other => other.to_owned(),
    }
}

fn twin_rows(table: &str, columns: &BTreeMap<String, Column>, ours: &str, theirs: &str) -> String {
    let names: Vec<&str> = columns.keys().map(String::as_str).collect();
    let values: Vec<String> = names.iter().map(|name| twin_value(name, theirs)).collect();
    let (names, values) = (names.join(", "), values.join(", "));
    format!("INSERT INTO {table} ({names}) SELECT {values} FROM {table} WHERE workspace_id = {ours}")
}

/// Statements that are made here, as long-lived as the constants of a store.
fn statement(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// The tables of tenants with their columns.
async fn tenants_tables(app: &TestApp) -> BTreeMap<String, BTreeMap<String, Column>> {
    let mut live = app.app.db().schema().await.unwrap().tables;
    let tables = server::compose::tables();
    live.retain(|name, _| {
        tables
            .iter()
            .any(|table| table.name == name && table.class.is_tenant())
    });
    live
}

async fn make_twins(app: &TestApp, workspace: WorkspaceId) {
    let ours = format!("x'{}'", workspace.uuid().simple());
    let mut statements = GUARANTEES.to_vec();
    // Both ends of every reference are made in one transaction, in whatever order.
    statements.push("PRAGMA defer_foreign_keys = on");
    for (table, columns) in tenants_tables(app).await {
        statements.extend([FIRST, LAST].map(|theirs| statement(twin_rows(&table, &columns, &ours, theirs))));
        // Before ours in the table itself too.
        let first = format!("UPDATE {table} SET rowid = rowid - 1000000 WHERE workspace_id = {FIRST}");
        statements.push(statement(first));
    }
    let statements = &statements;
    let system = app.app.db().of(app.system());
    let made = system.write(|mut tx| async move {
        for sql in statements {
            tx.execute(sql, params![]).await?;
        }
        Ok(())
    });
    made.await.unwrap();
}

/// Every row of the twins, by table.
async fn twins(app: &TestApp) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    for (table, columns) in tenants_tables(app).await {
        let quoted: Vec<String> = columns.keys().map(|name| format!("quote({name})")).collect();
        let sql = statement(format!(
            "SELECT COALESCE(group_concat(line, char(10)), '') AS lines FROM (SELECT {} AS line FROM {table}
            WHERE workspace_id IN ({FIRST}, {LAST}) ORDER BY line)",
            quoted.join(" || ' ' || ")
        ));
        let system = app.app.db().of(app.system());
        let lines = system.read(|mut tx| async move { tx.fetch_one(sql, params![]).await?.get("lines") });
        rows.insert(table, lines.await.unwrap());
    }
    rows
}

/// What the owner is told by every operation that only reads, and by a call that is made again.
async fn answers(app: &TestApp, world: &World) -> BTreeMap<&'static str, String> {
    let mut answers = BTreeMap::new();
    for example in EXAMPLES {
        let operation = example.operation;
        let repeats = operation == "POST /v1/usage/consume" || operation == "POST /v1/usage/check";
        if (repeats || operation.starts_with("GET ")) && !ABOUT_THE_PERSON.contains(&operation) {
            let call = world.shop.owner.signs(world.call(app, example));
            let answer = in_shop(call, &world.shop)
                .header("idempotency-key", "one call")
                .send()
                .await;
            assert!(answer.status.is_success(), "{}", told(example, &answer));
            answers.insert(operation, answer.text());
        }
    }
    answers
}

#[test]
fn workspaces_with_the_same_ids_stay_apart() {
    run(Backend::Sqlite, async |app| {
        let world = World::make(app).await;
        // The first consume is the one that the later ones repeat.
        answers(app, &world).await;
        let alone = answers(app, &world).await;
        make_twins(app, world.shop.owner.workspace).await;
        let twins_before = twins(app).await;
        for (operation, answer) in answers(app, &world).await {
            assert_eq!(answer, alone[operation], "{operation}");
        }
        for example in EXAMPLES {
            let call = world.shop.owner.signs(world.call(app, example));
            let answer = in_shop(call, &world.shop).send().await;
            assert!(answer.status.is_success(), "{}", told(example, &answer));
            let about_us = ABOUT_THE_PERSON.contains(&example.operation) || !answer.text().contains("TWIN");
            assert!(about_us, "{}", told(example, &answer));
        }
        for (table, rows) in twins(app).await {
            assert_eq!(rows, twins_before[&table], "{table}");
        }
    });
}
