//! One input with its label, help and error, linked to each other.

use maud::{Markup, PreEscaped, Render, html};

use super::field::{Choice, Field, Kind};
use crate::icon::Icon;

impl Field {
    /// The ids of what describes the input, for `aria-describedby`: the error before the help.
    fn described_by(&self) -> Option<String> {
        let id = self.id();
        let mut ids = Vec::new();
        if self.error.is_some() {
            ids.push(format!("{id}-error"));
        }
        if self.help.is_some() {
            ids.push(format!("{id}-help"));
        }
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    fn input(&self, r#type: &str) -> Markup {
        let id = self.id();
        let value = (r#type != "password" && !self.value.is_empty()).then_some(&self.value);
        html! {
            input.input.code-input[self.code] type=(r#type) id=(id) name=(self.name) value=[value]
                placeholder=[self.placeholder.as_ref()] autocomplete=[self.autocomplete]
                min=[self.min.as_ref()] max=[self.max.as_ref()] step=[self.step.as_ref()]
                minlength=[self.min_length] maxlength=[self.max_length]
                spellcheck=[self.code.then_some("false")] autocapitalize=[self.code.then_some("none")]
                aria-describedby=[self.described_by()] aria-invalid=[self.error.as_ref().map(|_| "true")]
                required[self.required] disabled[self.disabled] autofocus[self.autofocus];
            @if r#type == "password" {
                button.btn.btn-ghost.btn-small.btn-icon.js-only type="button" data-reveal=(id) aria-pressed="false"
                    title="Show password" { (Icon::Eye) span.sr-only { "Show password" } }
            }
            @if let Some(suffix) = &self.suffix { span.input-suffix { (suffix) } }
        }
    }

    fn select_or_textarea(&self) -> Markup {
        html! {
            @match &self.kind {
                Kind::Textarea { rows } => {
                    // The first line break after the tag is dropped by the parser: this one, never one of the value.
                    textarea.input.code-input[self.code] id=(self.id()) name=(self.name) rows=(rows)
                        placeholder=[self.placeholder.as_ref()] maxlength=[self.max_length]
                        spellcheck=[self.code.then_some("false")]
                        aria-describedby=[self.described_by()] aria-invalid=[self.error.as_ref().map(|_| "true")]
                        required[self.required] disabled[self.disabled] autofocus[self.autofocus] {
                        (PreEscaped("\n")) (self.value)
                    }
                },
                Kind::Select(choices) => {
                    select.input id=(self.id()) name=(self.name)
                        aria-describedby=[self.described_by()] aria-invalid=[self.error.as_ref().map(|_| "true")]
                        required[self.required] disabled[self.disabled] autofocus[self.autofocus] {
                        @for choice in choices {
                            option value=(choice.value) selected[choice.value == self.value] { (choice.label) }
                        }
                    }
                },
                Kind::Input { .. } | Kind::Radio(_) | Kind::Checkbox { .. } => {}
            }
        }
    }

    fn notes(&self) -> Markup {
        let id = self.id();
        html! {
            @if let Some(error) = &self.error {
                p.field-error id={ (id) "-error" } { (Icon::AlertCircle) span { (error) } }
            }
            @if let Some(help) = &self.help { p.field-help id={ (id) "-help" } { (help) } }
        }
    }

    fn radio_group(&self, choices: &[Choice]) -> Markup {
        let id = self.id();
        html! {
            // The group itself is where the error summary's link leads.
            fieldset.field.radio-group id=(id) tabindex="-1" aria-describedby=[self.described_by()] {
                legend.label { (self.label) @if self.optional { (OPTIONAL) } }
                (self.notes())
                @for (index, choice) in choices.iter().enumerate() {
                    div.check {
                        input type="radio" id={ (id) "-" (index) } name=(self.name) value=(choice.value)
                            checked[choice.value == self.value] required[self.required] disabled[self.disabled]
                            aria-describedby=[choice.help.as_ref().map(|_| format!("{id}-{index}-help"))];
                        div {
                            label for={ (id) "-" (index) } { (choice.label) }
                            @if let Some(help) = &choice.help {
                                p.field-help id={ (id) "-" (index) "-help" } { (help) }
                            }
                        }
                    }
                }
            }
        }
    }

    fn checkbox_line(&self, checked: bool) -> Markup {
        let id = self.id();
        html! {
            div.field {
                div.check {
                    input type="checkbox" id=(id) name=(self.name) value=(self.value) checked[checked]
                        aria-describedby=[self.described_by()] aria-invalid=[self.error.as_ref().map(|_| "true")]
                        required[self.required] disabled[self.disabled];
                    div { label for=(id) { (self.label) } (self.notes()) }
                }
            }
        }
    }
}

const OPTIONAL: PreEscaped<&str> = PreEscaped(" <span class=\"faint\">(optional)</span>");

impl Render for Field {
    fn render(&self) -> Markup {
        let control = match &self.kind {
            Kind::Radio(choices) => return self.radio_group(choices),
            Kind::Checkbox { checked } => return self.checkbox_line(*checked),
            Kind::Input { r#type } => self.input(r#type),
            Kind::Textarea { .. } | Kind::Select(_) => self.select_or_textarea(),
        };
        html! {
            div.field.has-error[self.error.is_some()] {
                label.label for=(self.id()) { (self.label) @if self.optional { (OPTIONAL) } }
                div.control { (control) }
                (self.notes())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_help_and_error_are_linked_to_the_input() {
        let field = Field::email("email", "E-mail")
            .help("Work address")
            .error(Some("is taken"))
            .render()
            .into_string();
        assert!(field.contains("<label class=\"label\" for=\"f-email\">"));
        assert!(field.contains("id=\"f-email\" name=\"email\""));
        assert!(field.contains("aria-describedby=\"f-email-error f-email-help\" aria-invalid=\"true\""));
        assert!(field.contains("id=\"f-email-error\"") && field.contains("id=\"f-email-help\""));
    }

    #[test]
    fn a_password_is_never_sent_back() {
        let field = Field::password("password", "Password")
            .value("hunter2")
            .render()
            .into_string();
        assert!(!field.contains("hunter2"));
    }

    #[test]
    fn the_chosen_value_is_chosen_in_selects_and_radios() {
        let choices = || [Choice::new("a", "A"), Choice::new("b", "B").help("the second")];
        let select = Field::select("kind", "Kind", choices())
            .value("b")
            .render()
            .into_string();
        assert!(
            select.contains("<option value=\"b\" selected>")
                && !select.contains("<option value=\"a\" selected>")
        );
        let radio = Field::radio("kind", "Kind", choices())
            .value("b")
            .render()
            .into_string();
        assert!(radio.contains("id=\"f-kind-1\" name=\"kind\" value=\"b\" checked"));
        assert!(radio.contains("for=\"f-kind-1\"") && radio.contains("aria-describedby=\"f-kind-1-help\""));
    }

    #[test]
    fn values_are_escaped_and_a_textarea_keeps_its_first_line_break() {
        let input = Field::text("name", "Name")
            .value("\"><script>")
            .render()
            .into_string();
        assert!(input.contains("value=\"&quot;&gt;&lt;script&gt;\""));
        let area = Field::textarea("note", "Note", 3)
            .value("\n</textarea>")
            .render()
            .into_string();
        assert!(area.contains(">\n\n&lt;/textarea&gt;</textarea>"));
    }

    #[test]
    fn an_unchecked_box_stays_unchecked() {
        let markup = |checked| {
            Field::checkbox("agree", "I agree", checked)
                .render()
                .into_string()
        };
        assert!(markup(true).contains(" checked") && !markup(false).contains(" checked"));
    }
}
