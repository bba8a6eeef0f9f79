//! Who a transaction works for. A scope decides which rows a transaction can reach; scopes are made by the
//! [`Issuer`] alone, and `open` hands out one issuer, so only the code that authenticates can name a workspace.

use types::id::{RealmId, UserId, WorkspaceId};

mod sealed {
    pub trait Sealed {}
}

/// What limits the reach of a transaction. Implemented by the scopes of this module only.
pub trait Scope: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The PostgreSQL role that the transaction takes on.
    const ROLE: Role;

    /// The workspace every row belongs to, for a tenant's transaction.
    fn workspace(&self) -> Option<WorkspaceId> {
        None
    }

    /// The person whose rows these are, for a person's transaction.
    fn user(&self) -> Option<UserId> {
        None
    }
}

/// PostgreSQL roles, one a class of scopes. None can log in; each is granted only what its scopes need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Tenant,
    Visitor,
    Person,
    System,
}

impl Role {
    pub const ALL: [Role; 4] = [Role::Tenant, Role::Visitor, Role::Person, Role::System];

    /// The role's name in the cluster.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Tenant => "plinth_tenant",
            Role::Visitor => "plinth_visitor",
            Role::Person => "plinth_person",
            Role::System => "plinth_system",
        }
    }
}

/// One workspace's rows, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenant {
    workspace: WorkspaceId,
}

impl Tenant {
    /// The workspace whose rows can be reached.
    pub fn id(&self) -> WorkspaceId {
        self.workspace
    }
}

/// Somebody who is not signed in: the tables of identities, and no tenant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visitor(());

/// A signed-in person, before a workspace is chosen: the tables of identities, and which workspaces they are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    realm: RealmId,
    user: UserId,
}

impl Person {
    pub fn realm(&self) -> RealmId {
        self.realm
    }

    pub fn user(&self) -> UserId {
        self.user
    }
}

/// Every row of every workspace. For the machinery that has no tenant: claiming jobs, sealing the audit log, start-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct System {
    reason: Reason,
}

impl System {
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

/// Why code works outside every tenant. The list is short and each entry is reviewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Schema, platform zero, node registration: before anything is served.
    StartUp,
    /// Looking up a credential before it is known whose it is.
    Authentication,
    /// Claiming, retrying and finishing jobs; dispatching the outbox; storing and processing inbound webhooks.
    Jobs,
    /// Chaining and signing audit entries, and verifying them.
    Audit,
    /// Keys of workspaces and people.
    Sealing,
    /// An operator's command, such as `bootstrap` or `verify`.
    Operator,
    /// The group commit of usage: one transaction for the calls of many workspaces.
    UsageBatch,
    /// Projecting platform zero's subscriptions onto the workspaces that are its customers.
    Gates,
}

impl sealed::Sealed for Tenant {}
impl Scope for Tenant {
    const ROLE: Role = Role::Tenant;

    fn workspace(&self) -> Option<WorkspaceId> {
        Some(self.workspace)
    }
}

impl sealed::Sealed for Visitor {}
impl Scope for Visitor {
    const ROLE: Role = Role::Visitor;
}

impl sealed::Sealed for Person {}
impl Scope for Person {
    const ROLE: Role = Role::Person;

    fn user(&self) -> Option<UserId> {
        Some(self.user)
    }
}

impl sealed::Sealed for System {}
impl Scope for System {
    const ROLE: Role = Role::System;
}

/// Makes scopes. [`crate::open`] returns the only one; runtime's authentication layer keeps it, and whoever holds none
/// cannot name a workspace.
#[derive(Debug, Clone)]
pub struct Issuer(());

impl Issuer {
    pub(crate) fn new() -> Self {
        Issuer(())
    }

    /// The scope of a workspace whose access has been checked.
    pub fn tenant(&self, workspace: WorkspaceId) -> Tenant {
        Tenant { workspace }
    }

    /// The scope of a person who has signed in.
    pub fn person(&self, realm: RealmId, user: UserId) -> Person {
        Person { realm, user }
    }

    /// The scope of somebody who has not signed in.
    pub fn visitor(&self) -> Visitor {
        Visitor(())
    }

    /// The scope of the machinery itself.
    pub fn system(&self, reason: Reason) -> System {
        System { reason }
    }
}
