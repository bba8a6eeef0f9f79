//! Who makes a request, and what they may do. A handler asks for the caller it was written for; the type decides what
//! the handler can reach.

use std::fmt;

use serde::{Deserialize, Serialize};
use storage::{Person, Tenant, Visitor};
use types::id::{
    ApiKeyId, CustomerId, EndUserId, JobId, PlatformId, RealmId, RequestId, SessionId, UserId, WorkspaceId,
};
use types::{Error, ErrorCode, Mode, Permission, PermissionSet, Result};
use utoipa::ToSchema;

/// Who did something: what the audit log remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    User(UserId),
    ApiKey(ApiKeyId),
    Customer(CustomerId),
    Job(JobId),
    /// Somebody with access to the machine, through a command.
    Operator,
    /// Somebody who has not signed in.
    Visitor,
}

/// The kind of an [`Actor`], as the audit log and the API say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    User,
    ApiKey,
    Customer,
    Job,
    Operator,
    Visitor,
}

impl ActorKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            ActorKind::User => "user",
            ActorKind::ApiKey => "api_key",
            ActorKind::Customer => "customer",
            ActorKind::Job => "job",
            ActorKind::Operator => "operator",
            ActorKind::Visitor => "visitor",
        }
    }
}

impl Actor {
    pub const fn kind(&self) -> ActorKind {
        match self {
            Actor::User(_) => ActorKind::User,
            Actor::ApiKey(_) => ActorKind::ApiKey,
            Actor::Customer(_) => ActorKind::Customer,
            Actor::Job(_) => ActorKind::Job,
            Actor::Operator => ActorKind::Operator,
            Actor::Visitor => ActorKind::Visitor,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::User(id) => id.fmt(f),
            Actor::ApiKey(id) => id.fmt(f),
            Actor::Customer(id) => id.fmt(f),
            Actor::Job(id) => id.fmt(f),
            Actor::Operator => f.write_str("operator"),
            Actor::Visitor => f.write_str("visitor"),
        }
    }
}

/// What an API key is bound to besides its workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyBinding {
    /// The one platform it works for; none for a key of the whole workspace.
    pub platform: Option<PlatformId>,
    pub mode: Mode,
}

/// Somebody acting within a workspace: a member, a secret API key, a job.
#[derive(Debug, Clone)]
pub struct Caller {
    tenant: Tenant,
    actor: Actor,
    permissions: PermissionSet,
    binding: Option<KeyBinding>,
    request: Option<RequestId>,
}

impl Caller {
    pub(crate) fn new(
        tenant: Tenant,
        actor: Actor,
        permissions: PermissionSet,
        binding: Option<KeyBinding>,
        request: Option<RequestId>,
    ) -> Self {
        Caller {
            tenant,
            actor,
            permissions,
            binding,
            request,
        }
    }

    /// The scope to reach the workspace's rows in.
    pub fn tenant(&self) -> Tenant {
        self.tenant
    }

    pub fn workspace(&self) -> WorkspaceId {
        self.tenant.id()
    }

    pub fn actor(&self) -> Actor {
        self.actor
    }

    /// What an API key is bound to; none for a member or a job.
    pub fn binding(&self) -> Option<KeyBinding> {
        self.binding
    }

    pub fn permissions(&self) -> PermissionSet {
        self.permissions
    }

    pub fn request(&self) -> Option<RequestId> {
        self.request
    }

    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(permission)
    }

    /// # Errors
    /// `permission_denied`, naming the permission that is missing.
    pub fn require(&self, permission: Permission) -> Result<()> {
        if self.may(permission) {
            return Ok(());
        }
        let detail = match self.actor {
            Actor::ApiKey(_) => {
                format!("This API key lacks the scope {permission}. Create a key that has it.")
            }
            _ => format!("This needs the permission {permission}. Ask an owner or admin of the workspace."),
        };
        Err(Error::new(ErrorCode::PermissionDenied, detail).with_member("permission", permission.as_str()))
    }
}

/// A person who has signed in, before a workspace is chosen: which workspaces they are in, their own account.
#[derive(Debug, Clone)]
pub struct UserCaller {
    pub(crate) person: Person,
    pub(crate) session: SessionId,
    pub(crate) request: Option<RequestId>,
}

impl UserCaller {
    pub fn person(&self) -> Person {
        self.person
    }

    pub fn user(&self) -> UserId {
        self.person.user()
    }

    pub fn realm(&self) -> RealmId {
        self.person.realm()
    }

    /// The session that the request came with.
    pub fn session(&self) -> SessionId {
        self.session
    }

    pub fn request(&self) -> Option<RequestId> {
        self.request
    }
}

/// Somebody who has not signed in, or whose credential does not matter here.
#[derive(Debug, Clone)]
pub struct Anonymous {
    pub(crate) visitor: Visitor,
    pub(crate) request: Option<RequestId>,
}

impl Anonymous {
    pub fn visitor(&self) -> Visitor {
        self.visitor
    }

    pub fn request(&self) -> Option<RequestId> {
        self.request
    }
}

/// A publishable key, with the customer or end user it speaks for once they have proved who they are. A type of its own:
/// it cannot call a handler that was written for a workspace's own people and secret keys.
#[derive(Debug, Clone)]
pub struct CustomerCaller {
    pub(crate) tenant: Tenant,
    pub(crate) api_key: ApiKeyId,
    pub(crate) platform: PlatformId,
    pub(crate) mode: Mode,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) end_user: Option<EndUserId>,
}

impl CustomerCaller {
    pub fn tenant(&self) -> Tenant {
        self.tenant
    }

    pub fn api_key(&self) -> ApiKeyId {
        self.api_key
    }

    pub fn platform(&self) -> PlatformId {
        self.platform
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    pub fn customer(&self) -> Option<CustomerId> {
        self.customer
    }

    pub fn end_user(&self) -> Option<EndUserId> {
        self.end_user
    }
}
