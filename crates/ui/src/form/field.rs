//! What a field is given: [`super::render`] draws it.

use types::FieldError;

use super::field_id;

/// An option of a select or of a group of radio buttons.
#[derive(Debug, Clone)]
pub struct Choice {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) help: Option<String>,
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
pub(super) enum Kind {
    Input { r#type: &'static str },
    Textarea { rows: u32 },
    Select(Vec<Choice>),
    Radio(Vec<Choice>),
    Checkbox { checked: bool },
}

/// One input. Its id follows from its name, so that an [`super::error_summary`] can link to it.
#[derive(Debug, Clone)]
pub struct Field {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) label: String,
    pub(super) scope: String,
    pub(super) value: String,
    pub(super) help: Option<String>,
    pub(super) error: Option<String>,
    pub(super) suffix: Option<String>,
    pub(super) placeholder: Option<String>,
    pub(super) autocomplete: Option<&'static str>,
    pub(super) min: Option<String>,
    pub(super) max: Option<String>,
    pub(super) step: Option<String>,
    pub(super) min_length: Option<u32>,
    pub(super) max_length: Option<u32>,
    pub(super) required: bool,
    pub(super) optional: bool,
    pub(super) autofocus: bool,
    pub(super) disabled: bool,
    pub(super) code: bool,
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

    pub(super) fn id(&self) -> String {
        field_id(&self.scope, &self.name)
    }
}
