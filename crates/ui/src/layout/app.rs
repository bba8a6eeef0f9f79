//! The dashboard's shell: sidebar, breadcrumbs, header.
//!
//! On a phone the sidebar is a popover that its button opens, which browsers do without a script.

use maud::{Markup, Render, html};

use super::page::theme_switch;
use crate::alert::Alert;
use crate::form;
use crate::icon::{Icon, mark};
use crate::nav::Nav;

const SIDEBAR_ID: &str = "sidebar";

/// Everything around a page's content. Made once for a request; a page adds its header.
#[derive(Debug, Clone)]
pub struct AppShell {
    nav: Nav,
    user: UserMenu,
    workspace: Option<WorkspaceSwitcher>,
    crumbs: Vec<(String, String)>,
    header: Option<PageHeader>,
    alerts: Vec<Alert>,
}

impl AppShell {
    pub fn new(nav: Nav, user: UserMenu) -> Self {
        AppShell {
            nav,
            user,
            workspace: None,
            crumbs: Vec::new(),
            header: None,
            alerts: Vec::new(),
        }
    }

    pub fn workspace(mut self, workspace: WorkspaceSwitcher) -> Self {
        self.workspace = Some(workspace);
        self
    }

    /// A folder above this page, outermost first. The page itself is named by its header.
    pub fn crumb(mut self, label: impl Into<String>, href: impl Into<String>) -> Self {
        self.crumbs.push((label.into(), href.into()));
        self
    }

    pub fn header(mut self, header: PageHeader) -> Self {
        self.header = Some(header);
        self
    }

    /// What the last request did, above the content.
    pub fn alert(mut self, alert: Alert) -> Self {
        self.alerts.push(alert);
        self
    }

    pub(super) fn around(&self, content: Markup) -> Markup {
        html! {
            div.app {
                header.topbar {
                    button.btn.btn-ghost.btn-icon type="button" popovertarget=(SIDEBAR_ID) {
                        (Icon::Menu) span.sr-only { "Menu" }
                    }
                    a.brand href="/" { (mark()) "Plinth" }
                }
                div.sidebar id=(SIDEBAR_ID) popover {
                    @match &self.workspace {
                        Some(workspace) => (workspace),
                        None => { a.brand href="/" { (mark()) "Plinth" } }
                    }
                    (self.nav)
                    (self.user)
                }
                main.main #main tabindex="-1" {
                    (self.breadcrumbs())
                    @if let Some(header) = &self.header { (header) }
                    @for alert in &self.alerts { (alert) }
                    (content)
                }
            }
        }
    }

    fn breadcrumbs(&self) -> Markup {
        html! {
            @if !self.crumbs.is_empty() {
                nav.breadcrumbs aria-label="Breadcrumb" {
                    ol role="list" { @for (label, href) in &self.crumbs { li { a href=(href) { (label) } } } }
                }
            }
        }
    }
}

/// A page's name and what can be done on it.
#[derive(Debug, Clone)]
pub struct PageHeader {
    title: String,
    badge: Option<Markup>,
    description: Option<Markup>,
    actions: Option<Markup>,
    below: Option<Markup>,
}

impl PageHeader {
    pub fn new(title: impl Into<String>) -> Self {
        PageHeader {
            title: title.into(),
            badge: None,
            description: None,
            actions: None,
            below: None,
        }
    }

    /// Beside the title: a state, a mode.
    pub fn badge(mut self, badge: impl Render) -> Self {
        self.badge = Some(badge.render());
        self
    }

    pub fn description(mut self, description: impl Render) -> Self {
        self.description = Some(description.render());
        self
    }

    /// Buttons, of which at most one is primary.
    pub fn actions(mut self, actions: impl Render) -> Self {
        self.actions = Some(actions.render());
        self
    }

    /// Under the header, usually [`crate::tabs::Tabs`].
    pub fn below(mut self, below: impl Render) -> Self {
        self.below = Some(below.render());
        self
    }
}

impl Render for PageHeader {
    fn render(&self) -> Markup {
        html! {
            header.page-header {
                div.page-heading {
                    h1 { (self.title) @if let Some(badge) = &self.badge { (badge) } }
                    @if let Some(description) = &self.description { p.page-description { (description) } }
                }
                @if let Some(actions) = &self.actions { div.actions { (actions) } }
            }
            @if let Some(below) = &self.below { (below) }
        }
    }
}

/// The workspace that is shown, and the others the reader may go to.
#[derive(Debug, Clone)]
pub struct WorkspaceSwitcher {
    current: String,
    detail: Option<String>,
    others: Vec<(String, String)>,
    new_href: Option<String>,
}

impl WorkspaceSwitcher {
    pub fn new(current: impl Into<String>) -> Self {
        WorkspaceSwitcher {
            current: current.into(),
            detail: None,
            others: Vec::new(),
            new_href: None,
        }
    }

    /// A few words under the name, such as its plan.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub fn other(mut self, name: impl Into<String>, href: impl Into<String>) -> Self {
        self.others.push((name.into(), href.into()));
        self
    }

    /// Where a new workspace is made.
    pub fn new_workspace(mut self, href: impl Into<String>) -> Self {
        self.new_href = Some(href.into());
        self
    }
}

impl Render for WorkspaceSwitcher {
    fn render(&self) -> Markup {
        html! {
            details.menu.menu-down name="menu" {
                summary {
                    span.avatar.avatar-square aria-hidden="true" { (initials(&self.current)) }
                    span.menu-name {
                        strong { (self.current) }
                        @if let Some(detail) = &self.detail { span { (detail) } }
                    }
                    span.sr-only { "Switch workspace" }
                    (Icon::Selector)
                }
                div.menu-panel {
                    ul role="list" {
                        li {
                            span.menu-item aria-current="true" {
                                span.avatar.avatar-square aria-hidden="true" { (initials(&self.current)) }
                                span.truncate { (self.current) } (Icon::Check)
                            }
                        }
                        @for (name, href) in &self.others {
                            li {
                                a.menu-item href=(href) {
                                    span.avatar.avatar-square aria-hidden="true" { (initials(name)) }
                                    span.truncate { (name) }
                                }
                            }
                        }
                    }
                    @if let Some(href) = &self.new_href {
                        hr;
                        a.menu-item href=(href) { (Icon::Plus) "New workspace" }
                    }
                }
            }
        }
    }
}

/// Who is signed in, and the way out.
#[derive(Debug, Clone)]
pub struct UserMenu {
    name: String,
    email: String,
    sign_out_action: String,
    csrf: String,
    links: Vec<(Icon, String, String)>,
}

impl UserMenu {
    pub fn new(
        name: impl Into<String>,
        email: impl Into<String>,
        sign_out_action: impl Into<String>,
        csrf: impl Into<String>,
    ) -> Self {
        UserMenu {
            name: name.into(),
            email: email.into(),
            sign_out_action: sign_out_action.into(),
            csrf: csrf.into(),
            links: Vec::new(),
        }
    }

    pub fn link(mut self, icon: Icon, label: impl Into<String>, href: impl Into<String>) -> Self {
        self.links.push((icon, label.into(), href.into()));
        self
    }
}

impl Render for UserMenu {
    fn render(&self) -> Markup {
        let name = if self.name.is_empty() {
            &self.email
        } else {
            &self.name
        };
        html! {
            details.menu.menu-up name="menu" {
                summary {
                    span.avatar aria-hidden="true" { (initials(name)) }
                    span.menu-name { strong { (name) } }
                    span.sr-only { "Your account" }
                    (Icon::Selector)
                }
                div.menu-panel {
                    p.menu-note { "Signed in as " strong { (self.email) } }
                    (theme_switch())
                    hr;
                    @for (icon, label, href) in &self.links { a.menu-item href=(href) { (icon) (label) } }
                    form method="post" action=(self.sign_out_action) {
                        (form::csrf_field(&self.csrf))
                        button.menu-item type="submit" { (Icon::Logout) "Sign out" }
                    }
                }
            }
        }
    }
}

/// One or two letters that stand for a name.
fn initials(name: &str) -> String {
    let mut words = name
        .split(|c: char| !c.is_alphanumeric())
        .filter_map(|word| word.chars().next());
    let letters: String = words
        .next()
        .into_iter()
        .chain(words.next())
        .flat_map(char::to_uppercase)
        .collect();
    if letters.is_empty() {
        "?".to_owned()
    } else {
        letters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_of_any_name() {
        for (name, letters) in [
            ("Ada Lovelace", "AL"),
            ("acme", "A"),
            ("ops@acme.dev", "OA"),
            ("", "?"),
            ("東京 支店", "東支"),
        ] {
            assert_eq!(initials(name), letters);
        }
    }

    #[test]
    fn signing_out_is_a_post_with_the_token() {
        let menu = UserMenu::new("Ada", "ada@example.org", "/sign-out", "tok")
            .render()
            .into_string();
        assert!(menu.contains("<form method=\"post\" action=\"/sign-out\">"));
        assert!(menu.contains("name=\"csrf_token\" value=\"tok\""));
    }

    #[test]
    fn the_menu_button_opens_the_sidebar() {
        let shell = AppShell::new(Nav::at("/"), UserMenu::new("", "a@b.c", "/out", "t"));
        let page = shell.around(html! {}).into_string();
        assert!(page.contains("popovertarget=\"sidebar\"") && page.contains("id=\"sidebar\" popover"));
    }
}
