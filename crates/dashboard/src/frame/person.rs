//! Who looks at a page, in which workspace: what every signed-in page starts from, and the shell around it.

use accounts::users::{self, User};
use accounts::workspaces::{self, JoinedWorkspace, Workspace};
use axum::extract::{FromRequestParts, OriginalUri};
use http::request::Parts;
use maud::{Markup, Render};
use runtime::crypto::csrf_token;
use runtime::http::Problem;
use runtime::{App, Caller, UserCaller};
use types::page::MAX_LIMIT;
use types::{Error, Page as Rows, PageRequest, Permission, Role};
use ui::{Alert, AppShell, Icon, Nav, Page, PageHeader, UserMenu, WorkspaceSwitcher};

use super::forms::{self, Reader};
use super::{browser_errors, nav, notice};

/// Workspaces that the switcher offers; the others are on their own page.
const SWITCHER_WORKSPACES: usize = 8;

/// Somebody signed in, before a workspace is chosen.
pub struct Person {
    pub caller: UserCaller,
    pub user: User,
    pub workspaces: Vec<JoinedWorkspace>,
    /// What their forms carry.
    pub csrf: String,
    path: String,
    notice: Option<String>,
    error_reports: Option<&'static str>,
}

impl FromRequestParts<App> for Person {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        forms::require_checked(parts)?;
        let caller = <UserCaller as FromRequestParts<App>>::from_request_parts(parts, app).await?;
        let most = PageRequest {
            limit: MAX_LIMIT,
            cursor: None,
        };
        let Rows { data, .. } = workspaces::list(app, &caller, &most).await?;
        Ok(Person {
            user: users::me(app, &caller).await?,
            workspaces: data,
            csrf: csrf_token(app.csrf_key(), caller.session()),
            path: path(parts),
            notice: notice::read(app, &parts.headers),
            error_reports: browser_errors::address(app),
            caller,
        })
    }
}

impl Reader for Person {}

/// The address as it was asked for; the request's own lacks what an outer router has taken off.
fn path(parts: &Parts) -> String {
    let original = parts.extensions.get::<OriginalUri>();
    original.map_or_else(|| parts.uri.path().to_owned(), |uri| uri.path().to_owned())
}

impl Person {
    /// A page outside every workspace.
    pub fn page(&self, title: &str, header: PageHeader, content: impl Render) -> Markup {
        let nav = Nav::at(&self.path).links(nav::own());
        let switcher = self.switcher(WorkspaceSwitcher::new("Your account"), None);
        self.framed(title, self.shell(nav).workspace(switcher).header(header), content)
    }

    fn shell(&self, nav: Nav) -> AppShell {
        let menu = UserMenu::new(&self.user.name, &self.user.email, "/sign-out", &self.csrf).link(
            Icon::User,
            "Your account",
            "/account",
        );
        AppShell::new(nav, menu)
    }

    fn switcher(&self, switcher: WorkspaceSwitcher, current: Option<&Workspace>) -> WorkspaceSwitcher {
        let others = self.workspaces.iter().map(|joined| &joined.workspace);
        let others = others.filter(|other| current.is_none_or(|current| current.id != other.id));
        let switcher = others
            .take(SWITCHER_WORKSPACES)
            .fold(switcher, |switcher, other| {
                switcher.other(&other.name, format!("/w/{}", other.id))
            });
        let switcher = if self.workspaces.len() > SWITCHER_WORKSPACES {
            switcher.other("All workspaces", "/workspaces")
        } else {
            switcher
        };
        switcher.new_workspace("/workspaces/new")
    }

    fn framed(&self, title: &str, shell: AppShell, content: impl Render) -> Markup {
        let shell = match &self.notice {
            Some(notice) => shell.alert(Alert::good(notice)),
            None => shell,
        };
        Page::new(title)
            .error_reports(self.error_reports)
            .app(&shell, content)
    }
}

/// A member in one of their workspaces.
pub struct Member {
    pub person: Person,
    pub caller: Caller,
    pub workspace: Workspace,
    pub role: Role,
    nav: nav::Found,
}

impl FromRequestParts<App> for Member {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let person = Person::from_request_parts(parts, app).await?;
        let caller = Caller::from_request_parts(parts, app).await?;
        let joined = person
            .workspaces
            .iter()
            .find(|joined| joined.workspace.id == caller.workspace());
        let (workspace, role) = match joined {
            Some(joined) => (joined.workspace.clone(), joined.role),
            // Beyond the page of workspaces that was read.
            None => (workspaces::get(app, &caller).await?, role_of(&caller)?),
        };
        Ok(Member {
            nav: nav::find(app, &caller).await?,
            person,
            caller,
            workspace,
            role,
        })
    }
}

impl Reader for Member {}

/// The role that gives just what the caller may.
fn role_of(caller: &Caller) -> Result<Role, Error> {
    let role = Role::ALL
        .into_iter()
        .find(|role| role.permissions() == caller.permissions());
    role.ok_or_else(|| Error::internal("a member's permissions are those of no role"))
}

impl Member {
    pub fn may(&self, permission: Permission) -> bool {
        self.caller.may(permission)
    }

    pub fn csrf(&self) -> &str {
        &self.person.csrf
    }

    /// The address of a page of the workspace, such as `/keys`.
    pub fn href(&self, path: &str) -> String {
        format!("/w/{}{path}", self.workspace.id)
    }

    /// A page of the workspace.
    pub fn page(&self, title: &str, header: PageHeader, content: impl Render) -> Markup {
        self.page_under(title, &[], header, content)
    }

    /// A page of the workspace, below the pages that `crumbs` name with their addresses.
    pub fn page_under(
        &self,
        title: &str,
        crumbs: &[(&str, String)],
        header: PageHeader,
        content: impl Render,
    ) -> Markup {
        let nav = self.nav.links(self, &self.person.path);
        let switcher = WorkspaceSwitcher::new(&self.workspace.name).detail(role_word(self.role));
        let switcher = self.person.switcher(switcher, Some(&self.workspace));
        let shell = self.person.shell(nav).workspace(switcher).header(header);
        let shell = crumbs
            .iter()
            .fold(shell, |shell, (label, href)| shell.crumb(*label, href));
        self.person.framed(title, shell, content)
    }
}

/// A role as it is written on a page.
pub fn role_word(role: Role) -> &'static str {
    match role {
        Role::Owner => "Owner",
        Role::Admin => "Admin",
        Role::Member => "Member",
        Role::Viewer => "Viewer",
    }
}
