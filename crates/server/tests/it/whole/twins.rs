//! The first wall alone. Ids are unique, and foreign keys tie together what belongs together, so a statement that forgot its
//! workspace would often reach nothing of others all the same. Here that help is taken away: further workspaces get every row
//! of ours under the very same ids, before ours in every index or behind it. Whoever works in ours must not notice them, and
//! must not touch them. On PostgreSQL the second wall would hide what is to be seen, so this is SQLite's.

use std::collections::BTreeMap;

use commerce::catalogue::{self, OPERATOR_WORKSPACE};
use commerce::customer_keys::{self, MAX_KEYS};
use serde_json::{Value, json};
use storage::{Column, params};
use types::Role;
use types::id::WorkspaceId;

use super::operations::{examples, told};
use crate::accounts::join;
use crate::commerce::customer_keys::fill;
use crate::harness::{Answer, Backend, Call, TestApp, World, in_shop, run};

/// Has things of other ids under the keys of ours.
const BY_KEY: &str = "x'00000000000000000000000000000000'";
/// Has the same ids, and all of it has ended.
const ENDED: &str = "x'00000000000000000000000000000001'";
const BEFORE: &str = "x'00000000000000000000000000000002'";
const BEHIND: &str = "x'fffffffffffffffffffffffffffffffe'";
/// In the order in which a search that is not by workspace meets them; ours are the last but one.
const TWINS: [&str; 4] = [BY_KEY, ENDED, BEFORE, BEHIND];

/// What the schema guarantees for all workspaces together.
const GUARANTEES: [&str; 2] = ["DROP INDEX platforms_id", "DROP INDEX api_keys_id"];

/// Reviewed: answers that tell of every workspace of a person, the twins rightly among them.
const ABOUT_THE_PERSON: &[&str] = &["GET /v1/me", "GET /v1/workspaces"];

/// Reads that the examples of the operations leave out.
const READS: &[&str] = &[
    "/v1/customers?external_id=acme",
    "/v1/customers/{spare_customer}/entitlements",
    "/v1/customers/{spare_customer}/entitlements/calls",
    "/v1/keys?customer=acme",
    "/v1/subscriptions?customer=acme",
    "/v1/overrides?customer=acme",
    "/v1/customers/{customer}/grants?feature=calls",
    "/v1/usage/events?customer=acme",
    "/v1/usage/history?feature=calls&from={day}T00:00:00Z&to={day}T23:00:00Z&granularity=hour",
    "/v1/usage/query?feature=calls&from={day}T00:00:00Z&to={day}T23:00:00Z&granularity=hour&group_by=customer",
    "/v1/usage/query?feature=calls&from={day}T00:00:00Z&to={day}T23:00:00Z&customer=acme&granularity=total&format=csv",
    "/w/{workspace}?platform={platform}&mode=test",
    "/w/{workspace}/members",
    "/w/{workspace}/keys",
    "/w/{workspace}/p/{platform}?mode=test",
    "/w/{workspace}/p/{platform}/features?mode=test",
    "/w/{workspace}/p/{platform}/plans?mode=test",
    "/w/{workspace}/p/{platform}/keys?mode=test",
    "/w/{workspace}/p/{platform}/usage?mode=test&feature=calls&span=24h",
    "/w/{workspace}/p/{platform}/usage/events?mode=test&feature=calls",
    "/w/{workspace}/p/{platform}/usage/events/{event}?mode=test",
    "/w/{workspace}/p/{platform}/settings?mode=test",
    "/w/{workspace}/p/{platform}/settings/rate-limits/{rate_limit}?mode=test",
    "/w/{workspace}/p/{platform}/customers?mode=test",
    "/w/{workspace}/p/{platform}/customers/{customer}?mode=test",
    "/w/{workspace}/p/{platform}/customers/{customer}/live?mode=test",
    "/w/{workspace}/p/{platform}/customers/{customer}/grants?mode=test",
    "/w/{workspace}/p/{platform}/customers/{customer}/keys/{customer_key}?mode=test",
];

/// Writes that the examples leave out, and what they are answered: a body of nothing is none.
const WRITES: &[(&str, &str, &str, u16)] = &[
    (
        "POST",
        "/v1/rate_limits",
        r#"{"name": "by id", "applies_to": "end_user", "limit": 100, "per_secs": 1, "plan": "{plan}"}"#,
        201,
    ),
    ("GET", "/v1/plans/{plan}/versions/7", "null", 404),
    (
        "POST",
        "/v1/plans",
        r#"{"group": "main", "key": "new", "name": "New", "entitlements": [], "is_default": true}"#,
        201,
    ),
    (
        "POST",
        "/v1/subscriptions",
        r#"{"customer": "{spare_customer}", "plan": "{plan}"}"#,
        201,
    ),
    (
        "POST",
        "/v1/subscriptions",
        r#"{"customer": "acme", "plan": "paid", "version": 7}"#,
        422,
    ),
    (
        "POST",
        "/v1/usage/consume",
        r#"{"customer": "acme", "feature": "calls", "end_user": "grace"}"#,
        200,
    ),
    (
        "POST",
        "/v1/overrides",
        r#"{"customer": "acme", "feature": "calls", "granted": true, "limit": 9, "reason": "more"}"#,
        201,
    ),
    (
        "POST",
        "/v1/usage/consume",
        r#"{"customer": "acme", "feature": "calls", "end_user": "{their_end_user}"}"#,
        404,
    ),
    (
        "PATCH",
        "/v1/keys/{customer_key}",
        r#"{"credits": {"amount": 9}}"#,
        200,
    ),
    (
        "PATCH",
        "/v1/workspaces/{workspace}/memberships/{member}",
        r#"{"role": "admin"}"#,
        200,
    ),
    (
        "DELETE",
        "/v1/workspaces/{workspace}/memberships/{member}",
        "null",
        204,
    ),
    (
        "DELETE",
        "/v1/workspaces/{workspace}/memberships/{owner}",
        "null",
        409,
    ),
];

/// A tenant's row as a twin has it: told from ours by its names and figures.
fn twin_value(table: &str, column: &str, kind: &str, twin: &str) -> String {
    let is_id = kind == "bytes" && column.ends_with("_id");
    match (table, column) {
        (_, "workspace_id") => twin.to_owned(),
        (_, "platform_id" | "user_id" | "realm_id" | "pepper_id") => column.to_owned(),
        _ if is_id && (twin == BY_KEY || is_other(table, column, twin)) => {
            format!("CAST(x'00' || substr({column}, 2) AS BLOB)")
        }
        (_, "name" | "reason" | "hint" | "email" | "outcome" | "unit") => format!("'TWIN ' || {column}"),
        ("memberships", "role") => "'owner'".to_owned(),
        ("gates", "amount") => "0".to_owned(),
        (_, "amount" | "used" | "last_used_at") => format!("COALESCE({column}, 0) + 777777"),
        (_, "version" | "plan_version" | "current_version") if twin == BEFORE => format!("{column} + 6"),
        ("idempotency_keys", "idempotency_key") if twin == BEFORE => "'late'".to_owned(),
        ("idempotency_keys", "idempotency_key") if twin == BEHIND => "'wrong'".to_owned(),
        ("idempotency_keys", "created_at") if twin == BY_KEY => "0".to_owned(),
        (_, "fingerprint") => "x'00'".to_owned(),
        (_, "archived_at" | "revoked_at" | "ended_at" | "removed_at" | "voided_at" | "closed_at")
            if twin == ENDED =>
        {
            "1".to_owned()
        }
        _ => column.to_owned(),
    }
}

/// Whether a thing that belongs to a customer has another id in that twin, where its customer has the same: it is found by
/// what it belongs to.
fn is_other(table: &str, column: &str, twin: &str) -> bool {
    match (table, column) {
        ("overrides", "override_id") | ("subscriptions", "subscription_id") => twin == BEFORE,
        ("end_users", "end_user_id") => twin == ENDED,
        _ => false,
    }
}

fn twin_rows(table: &str, columns: &BTreeMap<String, Column>, ours: &str, twin: &str) -> String {
    let names: Vec<&str> = columns.keys().map(String::as_str).collect();
    let values: Vec<String> = columns
        .iter()
        .map(|(name, column)| twin_value(table, name, &column.kind, twin))
        .collect();
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
        for (place, twin) in TWINS.into_iter().enumerate() {
            statements.push(statement(twin_rows(&table, &columns, &ours, twin)));
            if twin != BEHIND {
                // Before ours in the table itself too.
                let earlier = (TWINS.len() - place) * 1_000_000;
                let moved =
                    format!("UPDATE {table} SET rowid = rowid - {earlier} WHERE workspace_id = {twin}");
                statements.push(statement(moved));
            }
        }
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
async fn rows_of_twins(app: &TestApp) -> BTreeMap<String, String> {
    rows(app, &format!("workspace_id IN ({})", TWINS.join(", "))).await
}

/// Tenants' rows that meet a condition, by table.
async fn rows(app: &TestApp, condition: &str) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    for (table, columns) in tenants_tables(app).await {
        let quoted: Vec<String> = columns.keys().map(|name| format!("quote({name})")).collect();
        let sql = statement(format!(
            "SELECT COALESCE(group_concat(line, char(10)), '') AS lines FROM (SELECT {} AS line FROM {table}
            WHERE {condition} ORDER BY line)",
            quoted.join(" || ' ' || ")
        ));
        let system = app.app.db().of(app.system());
        let lines = system.read(|mut tx| async move { tx.fetch_one(sql, params![]).await?.get("lines") });
        rows.insert(table, lines.await.unwrap());
    }
    rows
}

/// The world of the operations with more in it, and its owner at work.
struct Ours<'a> {
    app: &'a TestApp,
    world: World,
    /// What stands for `{name}` in paths and bodies.
    names: BTreeMap<String, String>,
}

impl<'a> Ours<'a> {
    async fn make(app: &'a TestApp) -> Self {
        let world = World::make(app).await;
        let owner = &world.shop.owner;
        let member = join(app, owner.workspace, Role::Viewer).await;
        let ids = world.ids.as_object().unwrap().iter();
        let mut names: BTreeMap<String, String> = ids
            .filter_map(|(name, id)| Some((name.clone(), id.as_str()?.to_owned())))
            .collect();
        names.insert("member".to_owned(), member.user.to_string());
        names.insert("owner".to_owned(), owner.user.to_string());
        names.insert("day".to_owned(), app.app.now().to_string()[..10].to_owned());
        let mut ours = Ours { app, world, names };
        let usage = json!({"customer": "acme", "feature": "calls", "end_user": "grace"});
        ours.signed(ours.app.post("/v1/usage/consume"))
            .json(&usage)
            .send()
            .await
            .expect(200);
        let shown = json!({"key": ours.names["customer_key_secret"]});
        let verify = ours.signed(ours.app.post("/v1/keys/verify")).json(&shown);
        verify.send().await.expect(200);
        let end_users = ours.named("/v1/customers/{customer}/end_users");
        let end_users = ours.signed(ours.app.get(&end_users)).send().await.expect(200);
        let end_user = end_users["data"][0]["id"].as_str().unwrap().to_owned();
        // The first byte of an id is its first two characters.
        let (prefix, id) = end_user.rsplit_once('_').unwrap();
        ours.names
            .insert("their_end_user".to_owned(), format!("{prefix}_00{}", &id[2..]));
        ours.names.insert("end_user".to_owned(), end_user);
        ours.fill().await;
        ours
    }

    /// Makes so much of what there can be only so much of that there would be too much with that of the twins.
    async fn fill(&self) {
        let key = &json!({"id": self.names["customer_key"]});
        fill(self.app, &self.world.shop, key, MAX_KEYS * 2 / 5).await;
        let grants = self.named("/v1/customers/{customer}/grants");
        let grant = json!({"feature": "calls", "amount": 1, "reason": "many"});
        for n in 1..34 {
            let create = self.signed(self.app.post(&grants)).json(&grant).send();
            create.await.expect(201);
            let rule = json!({"name": n.to_string(), "applies_to": "customer", "limit": 100, "per_secs": 1});
            let create = self.signed(self.app.post("/v1/rate_limits")).json(&rule).send();
            create.await.expect(201);
        }
    }

    fn signed(&self, call: Call<'a>) -> Call<'a> {
        in_shop(self.world.shop.owner.signs(call), &self.world.shop)
    }

    fn named(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, id)| {
            text.replace(&format!("{{{name}}}"), id)
        })
    }

    /// A call that is answered once, and then again with the same.
    async fn create_once(&self, key: &str, name: &str) -> Answer {
        let create = self
            .signed(self.app.post("/v1/platforms"))
            .header("idempotency-key", key);
        create.json(&json!({"name": name})).send().await
    }

    /// What is told by everything that only reads, and by calls that are made again.
    async fn answers(&self) -> BTreeMap<String, String> {
        let mut answers = BTreeMap::new();
        answers.insert(
            "create".to_owned(),
            self.create_once("kept", "Kept").await.expect(201).to_string(),
        );
        for example in examples() {
            let operation = example.operation;
            let repeats = operation == "POST /v1/usage/consume" || operation == "POST /v1/usage/check";
            if (repeats || operation.starts_with("GET ")) && !ABOUT_THE_PERSON.contains(&operation) {
                let call = self.signed(self.world.call(self.app, example));
                let answer = call.header("idempotency-key", "one call").send().await;
                assert!(answer.status.is_success(), "{}", told(example, &answer));
                answers.insert(operation.to_owned(), answer.text());
            }
        }
        for path in READS {
            let answer = self.signed(self.app.get(&self.named(path))).send().await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            // Around a page's own part is the list of the person's workspaces.
            let text = answer.text();
            let own = text.find("<main").map_or(text.as_str(), |start| &text[start..]);
            answers.insert((*path).to_owned(), own.to_owned());
        }
        answers
    }

    /// Does all there is to do.
    async fn work(&self) {
        self.create_once("late", "Late").await.expect(201);
        self.create_once("wrong", "")
            .await
            .refused(422, "validation_failed");
        for (method, path, body, status) in WRITES {
            let call = self.signed(self.app.call(method, &self.named(path)));
            let body: Value = serde_json::from_str(&self.named(body)).unwrap();
            let call = if body.is_null() { call } else { call.json(&body) };
            let answer = call.send().await;
            assert_eq!(answer.status, *status, "{method} {path}: {}", answer.text());
            self.is_ours(path, &answer.text());
        }
        for example in examples() {
            let answer = self.signed(self.world.call(self.app, example)).send().await;
            assert!(answer.status.is_success(), "{}", told(example, &answer));
            if !ABOUT_THE_PERSON.contains(&example.operation) {
                self.is_ours(example.operation, &answer.text());
            }
        }
    }

    /// Whether no name and no id of a twin is in an answer.
    fn is_ours(&self, what: &str, answer: &str) {
        assert!(!answer.contains("TWIN"), "{what}: {answer}");
        for id in self.names.values().filter(|id| id.len() > 26) {
            let (prefix, _) = id.rsplit_once('_').unwrap();
            assert!(!answer.contains(&format!("{prefix}_00")), "{what}: {answer}");
        }
    }
}

#[test]
fn workspaces_with_the_same_ids_stay_apart() {
    run(Backend::Sqlite, async |app| {
        let ours = Ours::make(app).await;
        // Calls under a key are made for the first time here, and again from now on.
        ours.answers().await;
        let alone = ours.answers().await;
        make_twins(app, ours.world.shop.owner.workspace).await;
        let before = rows_of_twins(app).await;
        for (what, answer) in ours.answers().await {
            assert!(
                answer == alone[&what],
                "{what}: {answer}\n\ninstead of: {}",
                alone[&what]
            );
        }
        ours.work().await;
        customer_keys::write_uses(&app.app).await.unwrap();
        for (table, rows) in rows_of_twins(app).await {
            assert_eq!(rows, before[&table], "{table}");
        }
    });
}

#[test]
fn a_start_finds_platform_zero_alone() {
    run(Backend::Sqlite, async |app| {
        make_twins(app, OPERATOR_WORKSPACE).await;
        let (twins, all) = (rows_of_twins(app).await, rows(app, "true").await);
        catalogue::seed(&app.app).await.unwrap();
        assert_eq!(rows(app, "true").await["plans"], all["plans"]);
        for (table, rows) in rows_of_twins(app).await {
            assert_eq!(rows, twins[&table], "{table}");
        }
    });
}
