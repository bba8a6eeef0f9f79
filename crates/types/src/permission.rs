//! Who may do what inside a workspace: a constant matrix from roles to permissions. An API key carries a subset of the
//! same permissions, called its scopes.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! permissions {
    ($($variant:ident = $text:literal, $doc:literal;)*) => {
        /// One thing that an actor may be allowed to do in a workspace.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Permission {
            $(#[doc = $doc] #[serde(rename = $text)] $variant,)*
        }

        impl Permission {
            /// Every permission, in the order of the matrix.
            pub const ALL: &[Permission] = &[$(Permission::$variant),*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Permission::$variant => $text),* }
            }

            /// What it allows, in a sentence for people who grant it.
            pub const fn describe(self) -> &'static str {
                match self { $(Permission::$variant => $doc),* }
            }
        }

        impl FromStr for Permission {
            type Err = ParsePermissionError;

            fn from_str(text: &str) -> Result<Self, ParsePermissionError> {
                match text {
                    $($text => Ok(Permission::$variant),)*
                    _ => Err(ParsePermissionError(text.to_owned())),
                }
            }
        }
    };
}

permissions! {
    WorkspaceRead = "workspace:read", "See the workspace and its settings.";
    WorkspaceUpdate = "workspace:update", "Change the workspace's settings.";
    WorkspaceDelete = "workspace:delete", "Delete the workspace.";
    MembersRead = "members:read", "See who is in the workspace.";
    MembersManage = "members:manage", "Add and remove members and change their roles.";
    ApiKeysRead = "api_keys:read", "List API keys, never their secrets.";
    ApiKeysManage = "api_keys:manage", "Create, rotate and revoke API keys.";
    PlatformsRead = "platforms:read", "See platforms, features, plans and rate limits.";
    PlatformsManage = "platforms:manage", "Create and change platforms, features, plans and rate limits.";
    CustomersRead = "customers:read", "See customers, their subscriptions, entitlements and grants.";
    CustomersManage = "customers:manage", "Create and change customers, subscriptions, overrides and grants.";
    CustomerKeysRead = "customer_keys:read", "List customers' keys, never their secrets.";
    CustomerKeysManage = "customer_keys:manage", "Create, change, rotate and revoke customers' keys.";
    CustomerKeysVerify = "customer_keys:verify", "Verify customers' keys and count what they use.";
    UsageRead = "usage:read", "See usage and the event log.";
    UsageConsume = "usage:consume", "Record usage against a customer's quota.";
    AuditRead = "audit:read", "Read and export the audit log.";
}

// By hand: the derive does not see names that a macro hands on.
impl utoipa::PartialSchema for Permission {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .enum_values(Some(Permission::ALL.iter().map(|permission| permission.as_str())))
            .description(Some(
                "One thing that an actor may be allowed to do in a workspace.",
            ))
            .into()
    }
}

impl ToSchema for Permission {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Permission")
    }
}

/// The text names no permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsePermissionError(String);

impl fmt::Display for ParsePermissionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a permission", self.0)
    }
}

impl std::error::Error for ParsePermissionError {}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of permissions.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct PermissionSet(u64);

const _: () = assert!(Permission::ALL.len() <= 64, "PermissionSet holds 64 permissions");

impl PermissionSet {
    pub const NONE: PermissionSet = PermissionSet(0);
    pub const ALL: PermissionSet = PermissionSet::of(Permission::ALL);

    pub const fn of(permissions: &[Permission]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < permissions.len() {
            bits |= 1 << permissions[i] as u64;
            i += 1;
        }
        PermissionSet(bits)
    }

    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u64) != 0
    }

    pub const fn is_subset_of(self, other: PermissionSet) -> bool {
        self.0 & !other.0 == 0
    }

    pub const fn intersection(self, other: PermissionSet) -> PermissionSet {
        PermissionSet(self.0 & other.0)
    }

    const fn without(self, permissions: &[Permission]) -> PermissionSet {
        PermissionSet(self.0 & !PermissionSet::of(permissions).0)
    }

    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL
            .iter()
            .copied()
            .filter(move |permission| self.contains(*permission))
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        PermissionSet(
            permissions
                .into_iter()
                .fold(0, |bits, permission| bits | 1 << permission as u64),
        )
    }
}

impl fmt::Debug for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// A member's role in a workspace. Each may do all that the ones after it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Owner,
    Admin,
    Member,
    Viewer,
}

impl Role {
    pub const ALL: [Role; 4] = [Role::Owner, Role::Admin, Role::Member, Role::Viewer];

    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Admin => "admin",
            Role::Member => "member",
            Role::Viewer => "viewer",
        }
    }

    /// The matrix.
    pub const fn permissions(self) -> PermissionSet {
        use Permission as P;
        match self {
            Role::Owner => PermissionSet::ALL,
            Role::Admin => PermissionSet::ALL.without(&[P::WorkspaceDelete]),
            Role::Member => PermissionSet::of(&[
                P::WorkspaceRead,
                P::MembersRead,
                P::ApiKeysRead,
                P::PlatformsRead,
                P::PlatformsManage,
                P::CustomersRead,
                P::CustomersManage,
                P::CustomerKeysRead,
                P::CustomerKeysManage,
                P::CustomerKeysVerify,
                P::UsageRead,
                P::UsageConsume,
            ]),
            Role::Viewer => PermissionSet::of(&[
                P::WorkspaceRead,
                P::MembersRead,
                P::PlatformsRead,
                P::CustomersRead,
                P::CustomerKeysRead,
                P::UsageRead,
            ]),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseRoleError;

impl fmt::Display for ParseRoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a role is owner, admin, member or viewer")
    }
}

impl std::error::Error for ParseRoleError {}

impl FromStr for Role {
    type Err = ParseRoleError;

    fn from_str(text: &str) -> Result<Self, ParseRoleError> {
        Role::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(ParseRoleError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_all_that_the_next_may() {
        for pair in Role::ALL.windows(2) {
            assert!(
                pair[1].permissions().is_subset_of(pair[0].permissions()),
                "{pair:?}"
            );
            assert_ne!(pair[1].permissions(), pair[0].permissions());
        }
    }

    #[test]
    fn only_the_owner_deletes_the_workspace() {
        let may: Vec<Role> = Role::ALL
            .into_iter()
            .filter(|r| r.permissions().contains(Permission::WorkspaceDelete))
            .collect();
        assert_eq!(may, [Role::Owner]);
    }

    #[test]
    fn a_viewer_changes_nothing() {
        assert!(
            Role::Viewer
                .permissions()
                .iter()
                .all(|p| p.as_str().ends_with(":read"))
        );
    }

    #[test]
    fn every_permission_parses_back() {
        for permission in Permission::ALL {
            assert_eq!(permission.as_str().parse(), Ok(*permission));
        }
    }
}
