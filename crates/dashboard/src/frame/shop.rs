//! A member at work in one platform and mode: `/w/{workspace}/p/{platform}/…?mode=test|live`.

use axum::extract::{FromRequestParts, RawPathParams};
use commerce::ShopCaller;
use commerce::platforms::{self, Platform};
use http::request::Parts;
use maud::{Markup, Render, html};
use runtime::App;
use runtime::http::Problem;
use types::id::PlatformId;
use types::{Error, Mode, Permission, Result};
use ui::tabs::Tabs;
use ui::{Alert, Badge, Form, PageHeader};

use super::Member;
use super::forms::Reader;
use super::{mode_of, mode_query};

/// The views of a platform: label, path, and what it takes to see them.
const TABS: [(&str, &str, Permission); 7] = [
    ("Overview", "", Permission::PlatformsRead),
    ("Features", "/features", Permission::PlatformsRead),
    ("Plans", "/plans", Permission::PlatformsRead),
    ("Customers", "/customers", Permission::CustomersRead),
    ("Usage", "/usage", Permission::UsageRead),
    ("API keys", "/keys", Permission::ApiKeysRead),
    ("Settings", "/settings", Permission::PlatformsRead),
];

/// A member in a platform, live or test.
pub struct Shopkeeper {
    pub member: Member,
    pub caller: ShopCaller,
    pub platform: Platform,
}

impl FromRequestParts<App> for Shopkeeper {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let member = Member::from_request_parts(parts, app).await?;
        let params = RawPathParams::from_request_parts(parts, &()).await;
        let params = params.map_err(|_| Error::not_found("platform"))?;
        let named = params.iter().find(|(name, _)| *name == "platform");
        let id: PlatformId = named
            .and_then(|(_, text)| text.parse().ok())
            .ok_or_else(|| Error::not_found("platform"))?;
        let mode = mode_of(parts.uri.query(), &parts.headers);
        let keeper = Shopkeeper::enter(app, member, id, mode).await?;
        if keeper.caller.archived && !parts.method.is_safe() {
            return Err(Error::not_found("platform").into());
        }
        Ok(keeper)
    }
}

impl Reader for Shopkeeper {}

impl Shopkeeper {
    /// Goes into a platform of the member's workspace.
    ///
    /// # Errors
    /// `not_found`, `permission_denied`.
    pub async fn enter(app: &App, member: Member, platform: PlatformId, mode: Mode) -> Result<Self> {
        let platform = platforms::get(app, &member.caller, platform).await?;
        let caller = ShopCaller::enter(app, member.caller.clone(), platform.id, mode).await?;
        Ok(Shopkeeper {
            member,
            caller,
            platform,
        })
    }

    pub fn mode(&self) -> Mode {
        self.caller.shop.mode
    }

    pub fn csrf(&self) -> &str {
        self.member.csrf()
    }

    /// Whether the reader may do something here that changes something.
    pub fn may(&self, permission: Permission) -> bool {
        self.member.may(permission) && !self.caller.archived
    }

    /// The address of a page of this platform and mode, such as `/customers`.
    pub fn href(&self, path: &str) -> String {
        self.href_in(path, self.mode())
    }

    /// The overview of the workspace, on this platform and mode.
    pub fn own_overview(&self) -> String {
        let (platform, mode) = (self.platform.id, mode_query(self.mode()));
        self.member.href(&format!("?platform={platform}&{mode}"))
    }

    fn href_in(&self, path: &str, mode: Mode) -> String {
        let path = self.member.href(&format!("/p/{}{path}", self.platform.id));
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{path}{joint}{}", mode_query(mode))
    }

    /// Lets a form that filters stay in this mode.
    pub fn in_form(&self, form: Form) -> Form {
        form.hidden("mode", self.mode().as_str())
    }

    /// One of the views of the platform, with the way to the others.
    pub fn view(&self, path: &str, description: &str, actions: impl Render, content: impl Render) -> Markup {
        let title = TABS.iter().find(|tab| tab.1 == path).map_or("", |tab| tab.0);
        let tabs = TABS
            .iter()
            .filter(|(_, _, permission)| self.member.may(*permission))
            .fold(Tabs::new("Platform"), |tabs, (label, at, _)| {
                tabs.item(*label, self.href(at), *at == path)
            });
        let header = PageHeader::new(&self.platform.name)
            .badge(html! {
                @if self.mode() == Mode::Test { (Badge::mode(Mode::Test)) }
                @if self.caller.archived { (Badge::status("archived")) }
            })
            .description(description.to_owned())
            .actions(html! { (self.mode_switch(path)) (actions) })
            .below(tabs);
        let title = format!("{title} · {}", self.platform.name);
        let content = html! { div.stack { (self.archived_alert()) (content) } };
        let crumbs = [("Platforms", self.member.href("/platforms"))];
        self.member.page_under(&title, &crumbs, header, content)
    }

    /// The header of a page below one of the views: it says when the mode is test, besides its own badges.
    pub fn header(&self, title: impl Into<String>, badges: impl Render) -> PageHeader {
        PageHeader::new(title).badge(html! {
            @if self.mode() == Mode::Test { (Badge::mode(Mode::Test)) " " }
            (badges)
        })
    }

    /// A page below one of the views.
    pub fn page(&self, view: (&str, &str), title: &str, header: PageHeader, content: impl Render) -> Markup {
        let crumbs = [
            ("Platforms", self.member.href("/platforms")),
            (self.platform.name.as_str(), self.href("")),
            (view.0, self.href(view.1)),
        ];
        let content = html! { div.stack { (self.archived_alert()) (content) } };
        self.member.page_under(title, &crumbs, header, content)
    }

    fn mode_switch(&self, path: &str) -> Markup {
        let item =
            |tabs: Tabs, label: &str, mode| tabs.item(label, self.href_in(path, mode), self.mode() == mode);
        item(
            item(Tabs::segmented("Mode"), "Live", Mode::Live),
            "Test",
            Mode::Test,
        )
        .render()
    }

    fn archived_alert(&self) -> Markup {
        if !self.caller.archived {
            return html! {};
        }
        Alert::warn("This platform is archived")
            .body("Everything in it can be read, and nothing changed or used.")
            .render()
    }
}
