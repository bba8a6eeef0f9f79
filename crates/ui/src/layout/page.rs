//! The document around every page.

use maud::{DOCTYPE, Markup, Render, html};

use super::{AppShell, AuthCard};
use crate::assets::{self, File};
use crate::button::Button;
use crate::icon::{Icon, mark};

/// Light, dark, or what the reader's system says. The script remembers the reader's own choice, which stands above this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    const fn attribute(self) -> Option<&'static str> {
        match self {
            Theme::System => None,
            Theme::Light => Some("light"),
            Theme::Dark => Some("dark"),
        }
    }
}

/// htmx as the Content-Security-Policy wants it: no style element, no inheritance by surprise.
const HTMX_CONFIG: &str = r#"{"includeIndicatorCSS":false}"#;

/// A document's head. One of [`Page::app`], [`Page::auth`], [`Page::plain`] and [`Page::message`] gives it its body.
#[derive(Debug, Clone)]
pub struct Page {
    title: String,
    description: Option<String>,
    theme: Theme,
    indexed: bool,
    error_reports: Option<&'static str>,
}

impl Page {
    /// `title` comes before the product's name in the tab.
    pub fn new(title: impl Into<String>) -> Self {
        Page {
            title: title.into(),
            description: None,
            theme: Theme::System,
            indexed: false,
            error_reports: None,
        }
    }

    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    pub fn theme(mut self, theme: Theme) -> Self {
        self.theme = theme;
        self
    }

    /// Search engines may list it. Unless said, they may not.
    pub fn indexed(mut self) -> Self {
        self.indexed = true;
        self
    }

    /// The page tells this address of its script's errors. Unless said, it tells nobody.
    pub fn error_reports(mut self, path: Option<&'static str>) -> Self {
        self.error_reports = path;
        self
    }

    /// A page of the dashboard.
    pub fn app(&self, shell: &AppShell, content: impl Render) -> Markup {
        self.document(true, &shell.around(content.render()))
    }

    /// Sign-in, sign-up and what belongs to them.
    pub fn auth(&self, card: &AuthCard) -> Markup {
        self.document(false, &card.render())
    }

    /// A page of its own with the mark above it, as for readers who are not signed in.
    pub fn plain(&self, content: impl Render) -> Markup {
        let body = html! {
            div.plain {
                header.plain-header { a.brand href="/" { (mark()) "Plinth" } (theme_switch()) }
                main.plain-main #main tabindex="-1" { (content) }
            }
        };
        self.document(false, &body)
    }

    /// One thing to say and one thing to do: not found, no permission, something broke. `reference` is a request id
    /// that support can look up.
    pub fn message(&self, heading: &str, sentence: &str, action: &Button, reference: Option<&str>) -> Markup {
        let body = html! {
            div.auth {
                main.message #main tabindex="-1" {
                    (mark())
                    h1 { (heading) }
                    p.muted { (sentence) }
                    div.actions { (action) }
                    @if let Some(reference) = reference { p.faint { "Reference " code { (reference) } } }
                }
            }
        };
        self.document(false, &body)
    }

    fn document(&self, htmx: bool, body: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" data-theme=[self.theme.attribute()] data-error-reports=[self.error_reports] {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) " · Plinth" }
                    @if let Some(description) = &self.description { meta name="description" content=(description); }
                    @if !self.indexed { meta name="robots" content="noindex"; }
                    meta name="color-scheme" content="light dark";
                    link rel="icon" type="image/svg+xml" href=(assets::href(File::Favicon));
                    link rel="stylesheet" href=(assets::href(File::Css));
                    // Not deferred: it sets the remembered theme before anything is painted.
                    script src=(assets::href(File::Js)) {}
                    @if htmx {
                        meta name="htmx-config" content=(HTMX_CONFIG);
                        script src=(assets::href(File::Htmx)) defer {}
                    }
                }
                body {
                    a.skip-link href="#main" { "Skip to content" }
                    (body)
                }
            }
        }
    }
}

/// System, light or dark. Remembered by the script, so it is there only when the script is.
pub(super) fn theme_switch() -> Markup {
    let choices = [
        ("system", "System theme", Icon::DeviceDesktop),
        ("light", "Light theme", Icon::Sun),
        ("dark", "Dark theme", Icon::Moon),
    ];
    html! {
        div.theme-switch.js-only role="group" aria-label="Theme" {
            @for (theme, label, icon) in choices {
                button type="button" data-theme-choice=(theme) aria-pressed="false" title=(label) {
                    (icon) span.sr-only { (label) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_title_a_language_and_one_main() {
        let page = Page::new("<Keys>").theme(Theme::Dark).plain("text").into_string();
        assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\" data-theme=\"dark\">"));
        assert!(page.contains("<title>&lt;Keys&gt; · Plinth</title>"));
        assert_eq!(page.matches("<main").count(), 1);
        assert!(page.contains("href=\"#main\"") && page.contains("id=\"main\""));
    }

    #[test]
    fn only_a_page_that_says_so_reports_its_errors() {
        let page = |path| Page::new("a").error_reports(path).plain("").into_string();
        assert!(page(Some("/errors")).contains("<html lang=\"en\" data-error-reports=\"/errors\">"));
        assert!(!page(None).contains("data-error-reports"));
    }

    #[test]
    fn only_a_page_that_says_so_is_indexed() {
        assert!(Page::new("a").plain("").into_string().contains("noindex"));
        assert!(
            !Page::new("a")
                .indexed()
                .plain("")
                .into_string()
                .contains("noindex")
        );
    }
}
