//! One choice out of several, behind the one that is made. Its items are links: each choice is a page with its own address, so it
//! works without a script and the way back leads back.

use maud::{Markup, Render, html};

use crate::icon::Icon;

/// A closed list of links, labelled with the choice that is made.
#[derive(Debug, Clone)]
pub struct Picker {
    label: String,
    current: String,
    items: Vec<Item>,
}

#[derive(Debug, Clone)]
struct Item {
    label: String,
    href: String,
    current: bool,
}

impl Picker {
    /// `label` says what is chosen, `current` what was: `Feature`, `API calls`.
    pub fn new(label: impl Into<String>, current: impl Into<String>) -> Self {
        Picker {
            label: label.into(),
            current: current.into(),
            items: Vec::new(),
        }
    }

    pub fn item(mut self, label: impl Into<String>, href: impl Into<String>, current: bool) -> Self {
        self.items.push(Item {
            label: label.into(),
            href: href.into(),
            current,
        });
        self
    }
}

impl Render for Picker {
    fn render(&self) -> Markup {
        html! {
            details.menu.menu-down.picker name="menu" {
                summary.btn {
                    span.muted { (self.label) } span.truncate { (self.current) }
                    (Icon::ChevronDown)
                }
                div.menu-panel {
                    ul role="list" {
                        @for item in &self.items {
                            li {
                                a.menu-item href=(item.href) aria-current=[item.current.then_some("true")] {
                                    span.truncate { (item.label) }
                                    @if item.current { (Icon::Check) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What a list is narrowed to, and the way to have it whole again: `Customer: Acme ✕`.
pub fn chip(name: &str, value: &str, without_href: &str) -> Markup {
    html! {
        span.chip {
            span.muted { (name) } span.truncate { (value) }
            a href=(without_href) title="Take this filter away" {
                (Icon::X) span.sr-only { "Take the filter " (name) " " (value) " away" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_that_is_made_is_named_and_marked() {
        let picker = Picker::new("Feature", "API <calls>")
            .item("API <calls>", "?feature=calls&mode=test", true)
            .item("Tokens", "?feature=tokens", false)
            .render()
            .into_string();
        assert!(picker.contains("API &lt;calls&gt;") && picker.contains("?feature=calls&amp;mode=test"));
        assert_eq!(picker.matches("aria-current=\"true\"").count(), 1);
    }

    #[test]
    fn a_chip_says_what_its_cross_does() {
        let chip = chip("Customer", "Acme", "/usage").into_string();
        assert!(chip.contains("href=\"/usage\"") && chip.contains("Take the filter Customer Acme away"));
    }
}
