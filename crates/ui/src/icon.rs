//! Outline icons from the sprite.

use maud::{Markup, Render, html};

use crate::assets::{self, File};

macro_rules! icons {
    ($($variant:ident => $symbol:literal,)*) => {
        /// An icon of the sprite. Rendered as decoration: the text beside it, or the label of its button,
        /// says what it means.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Icon { $($variant,)* }

        impl Icon {
            /// Every icon there is.
            pub const ALL: &[Icon] = &[$(Icon::$variant,)*];

            /// The id of its symbol in the sprite.
            pub const fn symbol(self) -> &'static str {
                match self { $(Icon::$variant => $symbol,)* }
            }
        }
    };
}

icons! {
    Activity => "activity",
    Adjustments => "adjustments",
    AlertCircle => "alert-circle",
    AlertTriangle => "alert-triangle",
    Archive => "archive",
    ArrowDown => "arrow-down",
    ArrowLeft => "arrow-left",
    ArrowRight => "arrow-right",
    ArrowUp => "arrow-up",
    ArrowUpRight => "arrow-up-right",
    Ban => "ban",
    Bell => "bell",
    Bolt => "bolt",
    Book => "book",
    Box => "box",
    Building => "building",
    Calendar => "calendar",
    ChartAreaLine => "chart-area-line",
    ChartBar => "chart-bar",
    Check => "check",
    ChevronDown => "chevron-down",
    ChevronLeft => "chevron-left",
    ChevronRight => "chevron-right",
    CircleCheck => "circle-check",
    ClipboardList => "clipboard-list",
    Clock => "clock",
    Cloud => "cloud",
    Code => "code",
    Coin => "coin",
    Copy => "copy",
    CreditCard => "credit-card",
    Database => "database",
    DeviceDesktop => "device-desktop",
    DeviceLaptop => "device-laptop",
    Dots => "dots",
    Download => "download",
    ExternalLink => "external-link",
    Eye => "eye",
    EyeOff => "eye-off",
    FileText => "file-text",
    Filter => "filter",
    Folder => "folder",
    Forms => "forms",
    Gauge => "gauge",
    GitBranch => "git-branch",
    Help => "help",
    History => "history",
    Home => "home",
    Inbox => "inbox",
    InfoCircle => "info-circle",
    Key => "key",
    LayoutDashboard => "layout-dashboard",
    Link => "link",
    ListDetails => "list-details",
    Lock => "lock",
    Login => "login",
    Logout => "logout",
    Mail => "mail",
    Menu => "menu-2",
    Minus => "minus",
    Moon => "moon",
    Package => "package",
    Pencil => "pencil",
    PlayerPause => "player-pause",
    Plug => "plug",
    Plus => "plus",
    Receipt => "receipt",
    Refresh => "refresh",
    Robot => "robot",
    Rocket => "rocket",
    Search => "search",
    Selector => "selector",
    Settings => "settings",
    ShieldCheck => "shield-check",
    Stack => "stack-2",
    Sun => "sun",
    Tag => "tag",
    Terminal => "terminal-2",
    Trash => "trash",
    Upload => "upload",
    User => "user",
    UserPlus => "user-plus",
    Users => "users",
    Webhook => "webhook",
    World => "world",
    X => "x",
}

impl Render for Icon {
    fn render(&self) -> Markup {
        html! {
            svg.icon width="16" height="16" aria-hidden="true" {
                use href={ (assets::href(File::Icons)) "#" (self.symbol()) } {}
            }
        }
    }
}

/// Plinth's mark: a column on two steps.
pub fn mark() -> Markup {
    html! {
        svg.mark width="20" height="20" viewBox="0 0 32 32" aria-hidden="true" {
            rect.mark-top x="10" y="1" width="12" height="12.5" rx="1.5" {}
            rect x="6" y="15.5" width="20" height="6.5" rx="1.5" {}
            rect x="2" y="24" width="28" height="6.5" rx="1.5" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_icon_has_its_symbol_in_the_sprite_and_no_symbol_is_unused() {
        let sprite = std::str::from_utf8(assets::find(assets::href(File::Icons)).unwrap().bytes).unwrap();
        for icon in Icon::ALL {
            assert!(
                sprite.contains(&format!("<symbol id=\"{}\" ", icon.symbol())),
                "{icon:?}"
            );
        }
        assert_eq!(sprite.matches("<symbol ").count(), Icon::ALL.len());
    }
}
