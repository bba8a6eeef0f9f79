//! What every table is: whose rows it holds, how long they stay, and what erasing a person does to them. Each crate
//! declares its own tables; a test compares the declarations with the live schema, and PostgreSQL's row level security
//! is made from them.

/// One table of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub name: &'static str,
    pub class: Class,
    pub retention: Retention,
    pub erasure: Erasure,
}

/// Whose rows a table holds, and so which scopes reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Rows of workspaces, in a column `workspace_id`: a tenant reaches its own.
    Tenant,
    /// As [`Class::Tenant`], and a tenant may add rows but never change or remove them. Visitors and people may add too:
    /// what they did before a workspace was chosen belongs to the history of the workspace that runs their realm.
    TenantAppendOnly,
    /// As [`Class::Tenant`], and a person sees the rows that meet the condition, in which `{user}` is that person's id.
    TenantAndPerson(&'static str),
    /// Identities: reached by visitors and people before a workspace is chosen.
    Identity,
    /// As [`Class::Identity`], and a tenant sees the rows that meet the condition, in which `{workspace}` is its id.
    IdentityAndTenant(&'static str),
    /// Reached by the system alone.
    System,
    /// As [`Class::System`], and every scope may add rows: what the outbox and the job queue need.
    SystemIntake,
}

impl Class {
    /// Whether rows belong to one workspace each.
    pub fn is_tenant(self) -> bool {
        matches!(
            self,
            Class::Tenant | Class::TenantAppendOnly | Class::TenantAndPerson(_)
        )
    }
}

/// How long a row stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// As long as the workspace or the person it belongs to.
    Owner,
    /// Days after it was written or finished.
    Days(u32),
    /// For ever: history that must be provable.
    Forever,
}

/// What erasing a person does to the table's rows about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// Nothing in it is about a person.
    NotPersonal,
    /// Their rows are deleted.
    Delete,
    /// Personal columns are sealed under the person's key, which is destroyed.
    DestroyKey,
}
