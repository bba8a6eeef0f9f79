//! The sidebar: what there is to see in a workspace, for whoever may see it.

use commerce::catalogue::OPERATOR_WORKSPACE;
use commerce::platforms::{self, Platform};
use runtime::{App, Caller};
use types::{PageRequest, Permission, Result};
use ui::{Icon, Nav, NavItem};

use super::Member;
use crate::mailbox;

/// Platforms that the sidebar names; the others are on their own page.
const NAMED_PLATFORMS: u32 = 6;

/// What of the sidebar depends on the workspace.
pub(super) struct Found {
    platforms: Vec<Platform>,
    has_mailbox: bool,
}

pub(super) async fn find(app: &App, caller: &Caller) -> Result<Found> {
    let first = PageRequest {
        limit: NAMED_PLATFORMS,
        cursor: None,
    };
    let platforms = match caller.may(Permission::PlatformsRead) {
        true => platforms::list(app, caller, false, &first).await?.data,
        false => Vec::new(),
    };
    Ok(Found {
        platforms,
        has_mailbox: caller.workspace() == OPERATOR_WORKSPACE && mailbox::is_open(app, caller),
    })
}

impl Found {
    pub(super) fn links(&self, member: &Member, path: &str) -> Nav {
        let item = |label: &str, path: &str, icon| NavItem::new(label, member.href(path), icon);
        let mut top = vec![
            item("Overview", "", Icon::LayoutDashboard),
            item("Platforms", "/platforms", Icon::Box),
        ];
        if member.may(Permission::ApiKeysRead) {
            top.push(item("API keys", "/keys", Icon::Key));
        }
        let nav = Nav::at(path).links(top);
        let nav = if self.platforms.is_empty() {
            nav
        } else {
            let named = self.platforms.iter();
            let named =
                named.map(|platform| item(&platform.name, &format!("/p/{}", platform.id), Icon::Stack));
            nav.section("Your platforms", named.collect())
        };
        let mut workspace = vec![item("Members", "/members", Icon::Users)];
        if member.may(Permission::AuditRead) {
            workspace.push(item("Audit log", "/audit", Icon::ClipboardList));
        }
        if self.has_mailbox {
            workspace.push(item("Mailbox", "/mailbox", Icon::Inbox));
        }
        workspace.push(item("Settings", "/settings", Icon::Settings));
        nav.section("Workspace", workspace)
    }
}

/// The sidebar outside every workspace.
pub(super) fn own() -> Vec<NavItem> {
    vec![
        NavItem::new("Workspaces", "/workspaces", Icon::Building),
        NavItem::new("Your account", "/account", Icon::User),
    ]
}
