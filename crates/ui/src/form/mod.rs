//! Forms: every input has a label, says what is wrong with it beside itself, and is linked from a summary above.

mod field;
mod render;

pub use field::{Choice, Field};

use maud::{Markup, Render, html};
use types::FieldError;

use crate::icon::Icon;

/// The name of the hidden field that carries the CSRF token.
pub const CSRF_FIELD: &str = "csrf_token";

/// The hidden field by itself, for forms that are written by hand.
pub fn csrf_field(token: &str) -> Markup {
    html! { input type="hidden" name=(CSRF_FIELD) value=(token); }
}

/// The id of the input for a field of the API, such as `limits[2].amount`. `scope` tells forms on one page apart.
pub fn field_id(scope: &str, name: &str) -> String {
    let mut id = String::from("f");
    for part in [scope, name] {
        for word in part
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty())
        {
            id.push('-');
            id.push_str(word);
        }
    }
    id
}

/// A form.
#[derive(Debug, Clone)]
pub struct Form {
    action: String,
    csrf: Option<String>,
    id: Option<String>,
    class: &'static str,
    hidden: Vec<(String, String)>,
    parts: Vec<Markup>,
    actions: Option<Markup>,
}

impl Form {
    pub fn post(action: impl Into<String>, csrf: impl Into<String>) -> Self {
        Form {
            csrf: Some(csrf.into()),
            ..Form::get(action)
        }
    }

    /// For searches and filters, whose answer has an address.
    pub fn get(action: impl Into<String>) -> Self {
        Form {
            action: action.into(),
            csrf: None,
            id: None,
            class: "form",
            hidden: Vec::new(),
            parts: Vec::new(),
            actions: None,
        }
    }

    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Everything in one line that wraps, as a filter above a table.
    pub fn inline(mut self) -> Self {
        self.class = "form form-inline";
        self
    }

    pub fn hidden(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.hidden.push((name.into(), value.into()));
        self
    }

    /// A field, a fieldset or any other part, in order.
    pub fn part(mut self, part: impl Render) -> Self {
        self.parts.push(part.render());
        self
    }

    /// The buttons at the end.
    pub fn actions(mut self, actions: impl Render) -> Self {
        self.actions = Some(actions.render());
        self
    }
}

impl Render for Form {
    fn render(&self) -> Markup {
        html! {
            form class=(self.class) id=[self.id.as_ref()] action=(self.action)
                method=(if self.csrf.is_some() { "post" } else { "get" }) {
                @if let Some(token) = &self.csrf { (csrf_field(token)) }
                @for (name, value) in &self.hidden { input type="hidden" name=(name) value=(value); }
                @for part in &self.parts { (part) }
                @if let Some(actions) = &self.actions { div.form-actions { (actions) } }
            }
        }
    }
}

/// Fields that belong together.
pub fn fieldset(legend: &str, help: Option<&str>, body: impl Render) -> Markup {
    html! {
        fieldset.fieldset {
            legend { (legend) }
            @if let Some(help) = help { p.fieldset-help { (help) } }
            (body)
        }
    }
}

/// Two or more fields side by side where there is room.
pub fn columns(fields: impl Render) -> Markup {
    html! { div.form-columns { (fields) } }
}

/// Everything that is wrong, above the form, each linked to its field; takes the focus when the page opens. `scope` as in
/// [`Field::scope`]. Nothing when nothing is wrong.
pub fn error_summary(scope: &str, errors: &[FieldError]) -> Markup {
    if errors.is_empty() {
        return html! {};
    }
    let title = match errors.len() {
        1 => "One thing needs your attention".to_owned(),
        count => format!("{count} things need your attention"),
    };
    html! {
        div.alert.is-bad role="alert" tabindex="-1" autofocus {
            (Icon::AlertCircle)
            div.alert-text {
                p.alert-title { (title) }
                ul.alert-body {
                    @for error in errors {
                        li { a href={ "#" (field_id(scope, &error.field)) } { (error.message) } }
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
    fn ids_are_plain_whatever_the_field_is_called() {
        assert_eq!(field_id("", "limits[2].amount"), "f-limits-2-amount");
        assert_eq!(field_id("new key", "external_id"), "f-new-key-external_id");
    }

    #[test]
    fn the_summary_links_to_the_field_it_speaks_of() {
        let errors = [FieldError {
            field: "limits[0].amount".into(),
            message: "must be <positive>".into(),
        }];
        let summary = error_summary("plan", &errors).into_string();
        let field = Field::number("limits[0].amount", "Amount")
            .scope("plan")
            .errors(&errors)
            .render()
            .into_string();
        assert!(summary.contains("href=\"#f-plan-limits-0-amount\"") && summary.contains("&lt;positive&gt;"));
        assert!(field.contains("id=\"f-plan-limits-0-amount\"") && field.contains("&lt;positive&gt;"));
        assert_eq!(error_summary("plan", &[]).into_string(), "");
    }

    #[test]
    fn a_posting_form_carries_the_token_and_a_getting_one_does_not() {
        let post = Form::post("/keys", "tok")
            .hidden("mode", "test")
            .render()
            .into_string();
        assert!(post.contains("name=\"csrf_token\" value=\"tok\"") && post.contains("method=\"post\""));
        assert!(!Form::get("/keys").render().into_string().contains("csrf_token"));
    }
}
