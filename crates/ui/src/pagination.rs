//! Next and back page of a cursor list.

use maud::{Markup, Render, html};

use crate::icon::Icon;

/// Links to the neighbours of a page; nothing at all when there are none.
#[derive(Debug, Clone, Default)]
pub struct Pagination {
    back: Option<(String, String)>,
    next: Option<String>,
    summary: Option<String>,
}

impl Pagination {
    pub fn new() -> Self {
        Pagination::default()
    }

    /// The way back. A cursor only leads forward, so this is usually the first page, and `label` says so: `First page`.
    pub fn back(mut self, label: impl Into<String>, href: Option<String>) -> Self {
        self.back = href.map(|href| (label.into(), href));
        self
    }

    pub fn next(mut self, href: Option<String>) -> Self {
        self.next = href;
        self
    }

    /// What is seen, such as `50 entries, newest first`.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }
}

impl Render for Pagination {
    fn render(&self) -> Markup {
        if self.back.is_none() && self.next.is_none() {
            return html! {};
        }
        html! {
            nav.pagination aria-label="Pages" {
                span.muted { @if let Some(summary) = &self.summary { (summary) } }
                div.actions {
                    @if let Some((label, href)) = &self.back {
                        a.btn.btn-small href=(href) rel="prev" { (Icon::ChevronLeft) (label) }
                    }
                    @if let Some(href) = &self.next {
                        a.btn.btn-small href=(href) rel="next" { "Next" (Icon::ChevronRight) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_page_needs_no_links() {
        assert_eq!(Pagination::new().summary("3 keys").render().into_string(), "");
        let next = Pagination::new()
            .next(Some("?cursor=a&b".into()))
            .render()
            .into_string();
        assert!(next.contains("href=\"?cursor=a&amp;b\"") && !next.contains("rel=\"prev\""));
    }
}
