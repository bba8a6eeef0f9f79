//! Buttons: links, submits and one-button forms look alike and say what they do with a verb.

use maud::{Markup, Render, html};

use crate::form;
use crate::icon::Icon;

#[derive(Debug, Clone)]
enum Does {
    Submit {
        name_value: Option<(String, String)>,
        form_id: Option<String>,
    },
    Link {
        href: String,
        new_tab: bool,
    },
    Post {
        action: String,
        csrf: String,
    },
    OpenDialog {
        id: String,
    },
    CloseDialog,
}

/// A button. Without more it submits the form that it stands in.
#[derive(Debug, Clone)]
pub struct Button {
    label: String,
    class: &'static str,
    icon: Option<Icon>,
    icon_only: bool,
    small: bool,
    wide: bool,
    disabled: bool,
    does: Does,
}

impl Button {
    /// The one main action of a page or form.
    pub fn primary(label: impl Into<String>) -> Self {
        Button::new(label, "btn btn-primary")
    }

    pub fn secondary(label: impl Into<String>) -> Self {
        Button::new(label, "btn")
    }

    /// Without a frame, for actions that should stay quiet, such as those of a table's row.
    pub fn ghost(label: impl Into<String>) -> Self {
        Button::new(label, "btn btn-ghost")
    }

    /// Leads to an action that destroys something, and is not that action yet: it stands in a header or
    /// a row, and opens the dialog that asks.
    pub fn danger_quiet(label: impl Into<String>) -> Self {
        Button::new(label, "btn btn-danger-quiet")
    }

    /// An action that destroys something.
    pub fn danger(label: impl Into<String>) -> Self {
        Button::new(label, "btn btn-danger")
    }

    fn new(label: impl Into<String>, class: &'static str) -> Self {
        Button {
            label: label.into(),
            class,
            icon: None,
            icon_only: false,
            small: false,
            wide: false,
            disabled: false,
            does: Does::Submit {
                name_value: None,
                form_id: None,
            },
        }
    }

    pub fn icon(mut self, icon: Icon) -> Self {
        self.icon = Some(icon);
        self
    }

    /// The icon alone is seen; the label is its name for assistive technology and its tooltip.
    pub fn icon_only(mut self, icon: Icon) -> Self {
        self.icon_only = true;
        self.icon(icon)
    }

    pub fn small(mut self) -> Self {
        self.small = true;
        self
    }

    /// As wide as its container.
    pub fn wide(mut self) -> Self {
        self.wide = true;
        self
    }

    /// Only for submits: a link that leads nowhere should not be there.
    pub fn disabled(mut self, disabled: bool) -> Self {
        self.disabled = disabled;
        self
    }

    /// A link to a page of ours.
    pub fn href(mut self, href: impl Into<String>) -> Self {
        self.does = Does::Link {
            href: href.into(),
            new_tab: false,
        };
        self
    }

    /// A link that opens in a new tab, without telling the other page where it came from.
    pub fn href_new_tab(mut self, href: impl Into<String>) -> Self {
        self.does = Does::Link {
            href: href.into(),
            new_tab: true,
        };
        self
    }

    /// Sends `name=value` with the form, to tell which of several buttons was pressed.
    pub fn sends(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.does = Does::Submit {
            name_value: Some((name.into(), value.into())),
            form_id: None,
        };
        self
    }

    /// Submits the form with this id, which may stand elsewhere on the page.
    pub fn submits(mut self, form_id: impl Into<String>) -> Self {
        self.does = Does::Submit {
            name_value: None,
            form_id: Some(form_id.into()),
        };
        self
    }

    /// A form of its own that posts nothing but the CSRF token. Not to be nested in another form.
    pub fn post(mut self, action: impl Into<String>, csrf: impl Into<String>) -> Self {
        self.does = Does::Post {
            action: action.into(),
            csrf: csrf.into(),
        };
        self
    }

    /// Opens the dialog with this id (see [`crate::dialog::Dialog`]).
    pub fn opens(mut self, dialog_id: impl Into<String>) -> Self {
        self.does = Does::OpenDialog { id: dialog_id.into() };
        self
    }

    /// Closes the dialog that it stands in, when it stands in a form with `method="dialog"`.
    pub(crate) fn closes(mut self) -> Self {
        self.does = Does::CloseDialog;
        self
    }

    fn classes(&self) -> String {
        let mut classes = self.class.to_owned();
        for (on, class) in [
            (self.small, " btn-small"),
            (self.wide, " btn-wide"),
            (self.icon_only, " btn-icon"),
        ] {
            if on {
                classes.push_str(class);
            }
        }
        classes
    }

    fn content(&self) -> Markup {
        html! {
            @if let Some(icon) = self.icon { (icon) }
            @if self.icon_only { span.sr-only { (self.label) } } @else { (self.label) }
        }
    }
}

impl Render for Button {
    fn render(&self) -> Markup {
        let class = self.classes();
        let title = self.icon_only.then_some(&self.label);
        let content = self.content();
        match &self.does {
            Does::Submit { name_value, form_id } => html! {
                button class=(class) type="submit" title=[title] form=[form_id.as_ref()]
                    name=[name_value.as_ref().map(|pair| &pair.0)] value=[name_value.as_ref().map(|pair| &pair.1)]
                    disabled[self.disabled] { (content) }
            },
            Does::Link { href, new_tab } => html! {
                a class=(class) href=(href) title=[title] target=[new_tab.then_some("_blank")]
                    rel=[new_tab.then_some("noopener noreferrer")] { (content) }
            },
            Does::Post { action, csrf } => html! {
                form.form-button method="post" action=(action) {
                    (form::csrf_field(csrf))
                    button class=(class) type="submit" title=[title] disabled[self.disabled] { (content) }
                }
            },
            Does::OpenDialog { id } => html! {
                button class=(class) type="button" title=[title] command="show-modal" commandfor=(id)
                    aria-haspopup="dialog" { (content) }
            },
            Does::CloseDialog => html! { button class=(class) value="cancel" { (content) } },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_icon_button_keeps_its_name() {
        let button = Button::ghost("Revoke")
            .icon_only(Icon::Trash)
            .render()
            .into_string();
        assert!(
            button.contains("title=\"Revoke\"") && button.contains("<span class=\"sr-only\">Revoke</span>")
        );
    }

    #[test]
    fn a_post_button_carries_the_token_and_escapes_it() {
        let button = Button::danger("Revoke")
            .post("/keys/1?a=1&b=2", "t\"k")
            .render()
            .into_string();
        assert!(button.contains("action=\"/keys/1?a=1&amp;b=2\""));
        assert!(button.contains("value=\"t&quot;k\""));
    }

    #[test]
    fn another_site_never_learns_where_the_click_came_from() {
        let link = Button::secondary("Docs")
            .href_new_tab("https://example.org")
            .render()
            .into_string();
        assert!(link.contains("rel=\"noopener noreferrer\""));
    }
}
