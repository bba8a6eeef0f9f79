//! Questions before something that cannot be taken back. Opened by the button's own `command`, so a browser of today
//! needs no script; the script does it for older ones.

use maud::{Markup, Render, html};

use crate::button::Button;
use crate::form;

/// A modal dialog; [`Button::opens`] opens it by its id.
#[derive(Debug, Clone)]
pub struct Dialog {
    id: String,
    title: String,
    body: Markup,
    actions: Option<Markup>,
}

impl Dialog {
    pub fn new(id: impl Into<String>, title: impl Into<String>, body: impl Render) -> Self {
        Dialog {
            id: id.into(),
            title: title.into(),
            body: body.render(),
            actions: None,
        }
    }

    /// Asks whether to do it: `verb` is the button that posts to `action`, beside a button that closes the dialog.
    pub fn confirm(
        id: impl Into<String>,
        title: impl Into<String>,
        body: impl Render,
        verb: Button,
        action: &str,
        csrf: &str,
    ) -> Self {
        let mut dialog = Dialog::new(id, title, body);
        dialog.actions = Some(html! {
            form.form-button method="dialog" { (Button::secondary("Cancel").closes()) }
            form.form-button method="post" action=(action) { (form::csrf_field(csrf)) (verb) }
        });
        dialog
    }
}

impl Render for Dialog {
    fn render(&self) -> Markup {
        let title_id = format!("{}-title", self.id);
        html! {
            dialog.dialog id=(self.id) closedby="any" aria-labelledby=(title_id) {
                h2.dialog-title id=(title_id) { (self.title) }
                div.dialog-body { (self.body) }
                div.dialog-actions {
                    @if let Some(actions) = &self.actions { (actions) }
                    @else { form.form-button method="dialog" { (Button::secondary("Close").closes()) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmation_is_named_by_its_title_and_posts_with_the_token() {
        let dialog = Dialog::confirm(
            "d1",
            "Revoke?",
            "Calls stop.",
            Button::danger("Revoke"),
            "/revoke",
            "tok",
        );
        let markup = dialog.render().into_string();
        assert!(markup.contains("aria-labelledby=\"d1-title\"") && markup.contains("id=\"d1-title\""));
        assert!(markup.contains("action=\"/revoke\"") && markup.contains("value=\"tok\""));
        let opener = Button::danger("Revoke").opens("d1").render().into_string();
        assert!(opener.contains("commandfor=\"d1\""));
    }
}
