//! Row level security on PostgreSQL: the second wall behind the types. Made from the declarations of [`Table`], so a
//! table cannot be forgotten: whatever is not allowed here is denied, and the server refuses to start when a table is
//! not as declared.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, PgConnection, Row};
use types::{Error, Result};

use super::error::from_sqlx;
use super::postgres::PostgresDb;
use crate::scope::Role;
use crate::tables::{Class, Table};

/// Unset and empty settings read as NULL, which equals nothing: no workspace, no rows.
const WORKSPACE: &str = "(SELECT nullif(current_setting('plinth.workspace', true), '')::uuid)";
const USER: &str = "(SELECT nullif(current_setting('plinth.person', true), '')::uuid)";

/// Tables of the schema machinery itself: owned by whoever migrates, reached by no role.
const MACHINERY: [&str; 2] = ["schema_migrations", "schema_policies"];

/// What one role may do with the rows of a table that meet a condition.
struct Policy {
    role: Role,
    /// `SELECT`, `INSERT` or `ALL`.
    command: &'static str,
    condition: String,
}

impl Policy {
    fn new(role: Role, command: &'static str, condition: impl Into<String>) -> Self {
        Policy {
            role,
            command,
            condition: condition.into(),
        }
    }

    /// The policy's name on its table.
    fn name(&self) -> String {
        format!("{}_{}", self.role.name(), self.command.to_ascii_lowercase())
    }

    /// What follows the table's name in `CREATE POLICY`.
    fn terms(&self) -> String {
        let (command, role, condition) = (self.command, self.role.name(), &self.condition);
        let conditions = match command {
            "SELECT" => format!("USING ({condition})"),
            "INSERT" => format!("WITH CHECK ({condition})"),
            _ => format!("USING ({condition}) WITH CHECK ({condition})"),
        };
        format!("FOR {command} TO {role} {conditions}")
    }

    /// Whether a policy that PostgreSQL describes with `terms` is this one.
    fn is_as(&self, terms: &str) -> bool {
        plain(terms, &self.condition) == plain(&self.terms(), &self.condition)
    }

    /// The rights that the role is granted on the table.
    fn grant(&self) -> &'static str {
        match self.command {
            "ALL" => "SELECT, INSERT, UPDATE, DELETE",
            other => other,
        }
    }
}

/// Terms without what PostgreSQL adds when it prints them: casts, an alias, parentheses, and the name of a table before the
/// columns that `condition` selects from it.
fn plain(terms: &str, condition: &str) -> String {
    let mut plain = terms.to_ascii_lowercase();
    for added in ["::text", "::uuid", "as \"nullif\""] {
        plain = plain.replace(added, "");
    }
    let words: Vec<&str> = condition
        .split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .collect();
    for pair in words.windows(2).filter(|pair| pair[0] == "FROM") {
        plain = plain.replace(&format!("{}.", pair[1]), "");
    }
    plain.retain(|character| !character.is_whitespace() && !matches!(character, '(' | ')'));
    plain
}

fn policies(class: Class) -> Vec<Policy> {
    let own = format!("workspace_id = {WORKSPACE}");
    let mut policies = vec![Policy::new(Role::System, "ALL", "true")];
    match class {
        Class::Tenant => policies.push(Policy::new(Role::Tenant, "ALL", own)),
        Class::TenantAppendOnly => {
            policies.push(Policy::new(Role::Tenant, "SELECT", own.clone()));
            policies.push(Policy::new(Role::Tenant, "INSERT", own));
            policies.push(Policy::new(Role::Visitor, "INSERT", "true"));
            policies.push(Policy::new(Role::Person, "INSERT", "true"));
        }
        Class::TenantAndPerson(condition) => {
            policies.push(Policy::new(Role::Tenant, "ALL", own));
            policies.push(Policy::new(
                Role::Person,
                "SELECT",
                condition.replace("{user}", USER),
            ));
        }
        Class::Identity => policies.extend(identity()),
        Class::IdentityAndTenant(condition) => {
            policies.extend(identity());
            policies.push(Policy::new(
                Role::Tenant,
                "SELECT",
                condition.replace("{workspace}", WORKSPACE),
            ));
        }
        Class::System => {}
        Class::SystemIntake => {
            policies.push(Policy::new(Role::Tenant, "INSERT", own));
            policies.push(Policy::new(Role::Visitor, "INSERT", "workspace_id IS NULL"));
            policies.push(Policy::new(Role::Person, "INSERT", "workspace_id IS NULL"));
        }
    }
    policies
}

fn identity() -> [Policy; 2] {
    [
        Policy::new(Role::Visitor, "ALL", "true"),
        Policy::new(Role::Person, "ALL", "true"),
    ]
}

/// The statements that make a table's security what its class says.
fn statements(table: &Table) -> String {
    let name = table.name;
    let mut sql = format!(
        "ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;\nALTER TABLE {name} FORCE ROW LEVEL SECURITY;\n"
    );
    // Whatever is there goes, under whatever name: starting anew must put right what anybody did by hand.
    sql.push_str(&format!(
        "DO $$ DECLARE old name; BEGIN
            FOR old IN SELECT policyname FROM pg_policies WHERE schemaname = current_schema() AND tablename = '{name}' LOOP
                EXECUTE format('DROP POLICY %I ON {name}', old);
            END LOOP;
        END $$;\n"
    ));
    for role in Role::ALL {
        sql.push_str(&format!("REVOKE ALL ON {name} FROM {};\n", role.name()));
    }
    for policy in policies(table.class) {
        sql.push_str(&format!(
            "GRANT {} ON {name} TO {};\nCREATE POLICY {} ON {name} {};\n",
            policy.grant(),
            policy.role.name(),
            policy.name(),
            policy.terms()
        ));
    }
    sql
}

fn role_statement(role: Role) -> String {
    let name = role.name();
    // Roles belong to the whole cluster, so another database may be creating the same one at this moment.
    format!(
        "DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN
                CREATE ROLE {name} NOLOGIN NOINHERIT;
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$;
        DO $$ BEGIN
            -- From version 16 on, who makes a role is its member and may not take it on all the same, unless that is granted too.
            IF current_setting('server_version_num')::integer >= 160000 THEN
                IF NOT pg_has_role(current_user, '{name}', 'SET') THEN
                    EXECUTE 'GRANT {name} TO CURRENT_USER WITH SET TRUE';
                END IF;
            ELSIF NOT pg_has_role(current_user, '{name}', 'MEMBER') THEN
                GRANT {name} TO CURRENT_USER;
            END IF;
        END $$;
        DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO {name}', current_schema()); END $$;\n"
    )
}

/// The statements that create all roles, grants and policies.
fn script(tables: &[Table]) -> String {
    let mut script = String::from("SELECT pg_advisory_xact_lock(hashtext('plinth roles'));\n");
    script.extend(Role::ALL.map(role_statement));
    script.extend(tables.iter().map(statements));
    script
}

/// Whether these very roles, grants and policies were created before.
pub(super) async fn is_applied(connection: &mut PgConnection, tables: &[Table]) -> Result<bool> {
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS schema_policies (script text NOT NULL)")
        .execute(&mut *connection)
        .await
        .map_err(from_sqlx)?;
    let current: Option<String> = sqlx::query("SELECT script FROM schema_policies")
        .fetch_optional(&mut *connection)
        .await
        .map_err(from_sqlx)?
        .map(|row| row.try_get("script").map_err(from_sqlx))
        .transpose()?;
    Ok(current.is_some_and(|current| current == script(tables)))
}

/// Creates roles, grants and policies.
pub(super) async fn apply(connection: &mut PgConnection, tables: &[Table]) -> Result<()> {
    let script = script(tables);
    let mut tx = sqlx::Connection::begin(&mut *connection)
        .await
        .map_err(from_sqlx)?;
    sqlx::raw_sql(AssertSqlSafe(script.clone()))
        .execute(&mut *tx)
        .await
        .map_err(from_sqlx)?;
    sqlx::raw_sql("DELETE FROM schema_policies")
        .execute(&mut *tx)
        .await
        .map_err(from_sqlx)?;
    sqlx::query("INSERT INTO schema_policies (script) VALUES ($1)")
        .bind(script)
        .execute(&mut *tx)
        .await
        .map_err(from_sqlx)?;
    tx.commit().await.map_err(from_sqlx)
}

const TABLES: &str = "SELECT c.relname::text AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced,
        EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'workspace_id' AND a.attnotnull)
            AS has_workspace,
        ARRAY(SELECT p.policyname || ' FOR ' || p.cmd || ' TO ' || array_to_string(p.roles, ',') ||
              coalesce(' USING ' || p.qual, '') || coalesce(' WITH CHECK ' || p.with_check, '')
              FROM pg_policies p WHERE p.schemaname = current_schema() AND p.tablename = c.relname) AS policies
    FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace";

const POWERFUL_ROLES: &str = "SELECT rolname::text AS name FROM pg_roles
    WHERE rolname = ANY($1) AND (rolsuper OR rolbypassrls OR rolcanlogin)";

/// Refuses to go on when a table is not declared, or its security is not forced or not what its class asks for.
pub(super) async fn check(db: &PostgresDb, tables: &[Table]) -> Result<()> {
    let mut faults = Vec::new();
    let mut live = BTreeSet::new();
    for row in sqlx::query(TABLES).fetch_all(&db.pool).await.map_err(from_sqlx)? {
        let name: String = row.try_get("name").map_err(from_sqlx)?;
        if MACHINERY.contains(&name.as_str()) {
            continue;
        }
        match tables.iter().find(|table| table.name == name) {
            None => faults.push(format!("{name} is declared by no part")),
            Some(table) => faults.extend(table_faults(table, &row)?),
        }
        live.insert(name);
    }
    faults.extend(
        tables
            .iter()
            .filter(|table| !live.contains(table.name))
            .map(|table| format!("{} is missing", table.name)),
    );
    for row in sqlx::query(POWERFUL_ROLES)
        .bind(Role::ALL.map(Role::name))
        .fetch_all(&db.pool)
        .await
        .map_err(from_sqlx)?
    {
        let name: String = row.try_get("name").map_err(from_sqlx)?;
        faults.push(format!("role {name} may log in or see past row level security"));
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(Error::unavailable(format!(
        "Tenants are not kept apart in this database, so plinth does not start: {}. Empty the table schema_policies and \
         start again to have every policy made anew.",
        faults.join("; ")
    )))
}

fn table_faults(table: &Table, row: &sqlx::postgres::PgRow) -> Result<Vec<String>> {
    let (name, mut faults) = (table.name, Vec::new());
    if !row.try_get::<bool, _>("forced").map_err(from_sqlx)? {
        faults.push(format!("{name} does not force row level security"));
    }
    if table.class.is_tenant() && !row.try_get::<bool, _>("has_workspace").map_err(from_sqlx)? {
        faults.push(format!("{name} has no column workspace_id NOT NULL"));
    }
    let live: Vec<String> = row.try_get("policies").map_err(from_sqlx)?;
    let wanted = policies(table.class);
    for policy in &wanted {
        let policy_name = policy.name();
        let terms = live
            .iter()
            .find_map(|text| text.strip_prefix(&policy_name)?.strip_prefix(' '));
        match terms {
            None => faults.push(format!("{name} lacks the policy {policy_name}")),
            Some(terms) if !policy.is_as(terms) => {
                faults.push(format!(
                    "{name}'s policy {policy_name} is not the declared one: {terms}"
                ));
            }
            Some(_) => {}
        }
    }
    if live.len() != wanted.len() {
        faults.push(format!(
            "{name} has {} policies and should have {}",
            live.len(),
            wanted.len()
        ));
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_known_as_postgresql_prints_it() {
        let members = Policy::new(
            Role::Person,
            "SELECT",
            "workspace_id IN (SELECT workspace_id FROM memberships)",
        );
        let printed = |column| {
            format!(
                "FOR SELECT TO plinth_person USING (workspace_id IN ( SELECT {column}\n   FROM memberships))"
            )
        };
        assert!(members.is_as(&printed("memberships.workspace_id")));
        // Bound to the outer table the same words are true of every row.
        assert!(!members.is_as(&printed("workspaces.workspace_id")));
    }

    #[test]
    fn one_open_side_makes_another_policy() {
        let own = Policy::new(Role::Tenant, "ALL", format!("workspace_id = {WORKSPACE}"));
        let printed = "(workspace_id = ( SELECT (NULLIF(current_setting('plinth.workspace'::text, true), ''::text))::uuid \
                       AS \"nullif\"))";
        assert!(own.is_as(&format!(
            "FOR ALL TO plinth_tenant USING {printed} WITH CHECK {printed}"
        )));
        assert!(!own.is_as(&format!(
            "FOR ALL TO plinth_tenant USING true WITH CHECK {printed}"
        )));
        assert!(!own.is_as(&format!(
            "FOR ALL TO plinth_tenant USING ({printed} OR true) WITH CHECK {printed}"
        )));
        assert!(!own.is_as(&format!("FOR ALL TO public USING {printed} WITH CHECK {printed}")));
    }
}
