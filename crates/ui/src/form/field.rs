//! One input with its label, help and error.

use maud::{Markup, PreEscaped, Render, html};
use types::FieldError;

use super::field_id;
use crate::icon::Icon;

/// An option of a select or of a group of radio buttons.
#[derive(Debug, Clone)]
pub struct Choice {
    value: String,
    label: String,
    help: Option<String>,
}

impl Choice {
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Choice {
            value: value.into(),
            label: label.into(),
            help: None,
        }
    }

    /// A second line under a radio button; a select does not show it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

#[derive(Debug, Clone)]
enum Kind {
    Input { r#type: &'static str },
    Textarea { rows: u32 },
    Select(Vec<Choice>),
    Radio(Vec<Choice>),
    Checkbox { checked: bool },
}

/// One input. Its id follows from its name, so that an [`super::error_summary`] can link to it.
#[derive(Debug, Clone)]
pub struct Field {
    kind: Kind,
    name: String,
    label: String,
    scope: String,
    value: String,
    help: Option<String>,
    error: Option<String>,
    suffix: Option<String>,
    placeholder: Option<String>,
    autocomplete: Option<&'static str>,
    min: Option<String>,
    max: Option<String>,
    step: Option<String>,
    min_length: Option<u32>,
    max_length: Option<u32>,
    required: bool,
    optional: bool,
    autofocus: bool,
    disabled: bool,
    code: bool,
}

impl Field {
    pub fn text(name: impl Into<String>, label: impl Into<String>) -> Self {
        Field::of(Kind::Input { r#type: "text" }, name, label)
    }

    pub fn email(name: impl Into<String>, label: impl Into<String>) -> Self {
        Field::of(Kind::Input { r#type: "email" }, name, label).autocomplete("email")
    }

    /// Never shows a value that was sent before.
    pub fn password(name: impl Into<String>, label: impl Into<String>) -> Self {
        Field::of(Kind::Input { r#type: "password" }, name, label).autocomplete("current-password")
    }

    pub fn number(name: impl Into<String>, label: impl Into<String>) -> Self {
        Field::of(Kind::Input { r#type: "number" }, name, label)
    }

    pub fn url(name: impl Into<String>, label: impl Into<String>) -> Self {
        Field::of(Kind::Input { r#type: "url" }, name, label)
    }

    pub fn date(name: impl Into<String>, label: impl Into<String>) -> Self {
        Field::of(Kind::Input { r#type: "date" }, name, label)
    }

    pub fn search(name: impl Into<String>, label: impl Into<String>) -> Self {
        Field::of(Kind::Input { r#type: "search" }, name, label)
    }

    pub fn textarea(name: impl Into<String>, label: impl Into<String>, rows: u32) -> Self {
        Field::of(Kind::Textarea { rows }, name, label)
    }

    pub fn select(
        name: impl Into<String>,
        label: impl Into<String>,
        choices: impl IntoIterator<Item = Choice>,
    ) -> Self {
        Field::of(Kind::Select(choices.into_iter().collect()), name, label)
    }

    pub fn radio(
        name: impl Into<String>,
        label: impl Into<String>,
        choices: impl IntoIterator<Item = Choice>,
    ) -> Self {
        Field::of(Kind::Radio(choices.into_iter().collect()), name, label)
    }

    /// Sends [`Field::value`], `true` unless said, when it is checked, and nothing when it is not.
    pub fn checkbox(name: impl Into<String>, label: impl Into<String>, checked: bool) -> Self {
        Field::of(Kind::Checkbox { checked }, name, label).value("true")
    }

    fn of(kind: Kind, name: impl Into<String>, label: impl Into<String>) -> Self {
        Field {
            kind,
            name: name.into(),
            label: label.into(),
            scope: String::new(),
            value: String::new(),
            help: None,
            error: None,
            suffix: None,
            placeholder: None,
            autocomplete: None,
            min: None,
            max: None,
            step: None,
            min_length: None,
            max_length: None,
            required: false,
            optional: false,
            autofocus: false,
            disabled: false,
            code: false,
        }
    }

    /// Tells two forms on one page apart that have a field of the same name.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }

    /// What is filled in, or the chosen [`Choice`]'s value.
    pub fn value(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn error(mut self, error: Option<impl Into<String>>) -> Self {
        self.error = error.map(Into::into);
        self
    }

    /// Picks the error of this field, if there is one.
    pub fn errors(self, errors: &[FieldError]) -> Self {
        let own = errors
            .iter()
            .find(|error| error.field == self.name)
            .map(|error| error.message.clone());
        match own {
            Some(message) => self.error(Some(message)),
            None => self,
        }
    }

    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Says so beside the label. For the few optional fields of a form whose other fields are required.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// A token of the HTML standard, such as `new-password`, `one-time-code` or `off`.
    pub fn autocomplete(mut self, token: &'static str) -> Self {
        self.autocomplete = Some(token);
        self
    }

    pub fn placeholder(mut self, placeholder: impl Into<String>) -> Self {
        self.placeholder = Some(placeholder.into());
        self
    }

    /// A unit after the input, such as `calls`.
    pub fn suffix(mut self, suffix: impl Into<String>) -> Self {
        self.suffix = Some(suffix.into());
        self
    }

    pub fn min(mut self, min: impl ToString) -> Self {
        self.min = Some(min.to_string());
        self
    }

    pub fn max(mut self, max: impl ToString) -> Self {
        self.max = Some(max.to_string());
        self
    }

    /// `any` for fractions.
    pub fn step(mut self, step: impl ToString) -> Self {
        self.step = Some(step.to_string());
        self
    }

    pub fn min_length(mut self, characters: u32) -> Self {
        self.min_length = Some(characters);
        self
    }

    pub fn max_length(mut self, characters: u32) -> Self {
        self.max_length = Some(characters);
        self
    }

    /// The page's one field to start in.
    pub fn autofocus(mut self) -> Self {
        self.autofocus = true;
        self
    }

    pub fn disabled(mut self, disabled: bool) -> Self {
        self.disabled = disabled;
        self
    }

    /// A value for machines, such as a slug: fixed-width, and neither corrected nor capitalised.
    pub fn code(mut self) -> Self {
        self.code = true;
        self
    }

    fn id(&self) -> String {
        field_id(&self.scope, &self.name)
    }

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
