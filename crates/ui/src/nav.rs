//! The sidebar's links.

use maud::{Markup, Render, html};

use crate::icon::Icon;
use crate::number;

/// One link.
#[derive(Debug, Clone)]
pub struct NavItem {
    label: String,
    href: String,
    icon: Icon,
    count: Option<i64>,
}

impl NavItem {
    pub fn new(label: impl Into<String>, href: impl Into<String>, icon: Icon) -> Self {
        NavItem {
            label: label.into(),
            href: href.into(),
            icon,
            count: None,
        }
    }

    /// A number at the right, for things that wait for somebody.
    pub fn count(mut self, count: i64) -> Self {
        self.count = Some(count);
        self
    }
}

/// Sections of links. The one that leads to where the reader is, is marked.
#[derive(Debug, Clone, Default)]
pub struct Nav {
    path: String,
    sections: Vec<(Option<String>, Vec<NavItem>)>,
}

impl Nav {
    /// `path` is the address of the page that is shown, without query.
    pub fn at(path: impl Into<String>) -> Self {
        Nav {
            path: path.into(),
            sections: Vec::new(),
        }
    }

    /// Links without a heading.
    pub fn links(mut self, items: Vec<NavItem>) -> Self {
        self.sections.push((None, items));
        self
    }

    pub fn section(mut self, title: impl Into<String>, items: Vec<NavItem>) -> Self {
        self.sections.push((Some(title.into()), items));
        self
    }

    /// The longest link that is the page or a folder above it.
    fn current(&self) -> Option<&str> {
        self.sections
            .iter()
            .flat_map(|(_, items)| items)
            .map(|item| item.href.as_str())
            .filter(|href| is_at_or_below(&self.path, href))
            .max_by_key(|href| href.len())
    }
}

fn is_at_or_below(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Render for Nav {
    fn render(&self) -> Markup {
        let current = self.current();
        html! {
            nav.nav aria-label="Main" {
                @for (title, items) in &self.sections {
                    @if let Some(title) = title { p.nav-title { (title) } }
                    ul role="list" {
                        @for item in items {
                            li {
                                a href=(item.href) aria-current=[(current == Some(&item.href)).then_some("page")] {
                                    (item.icon) span { (item.label) }
                                    @if let Some(count) = item.count { span.nav-count { (number::thousands(count)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn current(path: &str) -> Option<String> {
        let nav = Nav::at(path)
            .links(vec![NavItem::new("Overview", "/w/acme", Icon::Home)])
            .section("Build", vec![NavItem::new("Keys", "/w/acme/keys", Icon::Key)]);
        nav.current().map(str::to_owned)
    }

    #[test]
    fn the_closest_link_is_current() {
        assert_eq!(current("/w/acme").as_deref(), Some("/w/acme"));
        assert_eq!(current("/w/acme/keys/1").as_deref(), Some("/w/acme/keys"));
        assert_eq!(current("/w/acme/keyst").as_deref(), Some("/w/acme"));
        assert_eq!(current("/w/acmeinc"), None);
    }

    #[test]
    fn exactly_one_link_is_marked() {
        let nav = Nav::at("/a/b").links(vec![
            NavItem::new("A", "/a", Icon::Home),
            NavItem::new("B", "/a/b", Icon::Key).count(2),
        ]);
        let markup = nav.render().into_string();
        assert_eq!(markup.matches("aria-current=\"page\"").count(), 1);
        assert!(markup.contains("href=\"/a/b\" aria-current=\"page\""));
    }
}
