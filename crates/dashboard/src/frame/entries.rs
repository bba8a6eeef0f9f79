//! What somebody entered into a form, and the form again with what was wrong about it.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use maud::{Markup, Render, html};
use runtime::http::Problem;
use types::{Error, FieldError};
use ui::{Alert, Button, Field, form};

/// The fields of a form that was sent.
#[derive(Debug, Clone, Default)]
pub struct Entries(Vec<(String, String)>);

impl Entries {
    pub(super) fn parse(body: &[u8]) -> Self {
        Entries(form_urlencoded::parse(body).into_owned().collect())
    }

    fn find(&self, name: &str) -> Option<&str> {
        let entry = self.0.iter().find(|(key, _)| key == name);
        entry.map(|(_, value)| value.as_str())
    }

    /// A field as it was entered; empty when it is missing.
    pub fn raw(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// A field without space around it.
    pub fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// A field, unless it was left empty.
    pub fn filled(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// Every value of a field that may come several times.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a box was ticked.
    pub fn ticked(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// A field that must be read as something.
    ///
    /// # Errors
    /// `validation_failed`, naming the field, with `right` as what would be.
    pub fn parsed<T: std::str::FromStr>(&self, name: &str, right: &str) -> Result<T, Error> {
        self.text(name).parse().map_err(|_| Error::invalid(name, right))
    }

    /// [`Entries::parsed`] for a field that may be left empty.
    ///
    /// # Errors
    /// As [`Entries::parsed`].
    pub fn parsed_if_filled<T: std::str::FromStr>(
        &self,
        name: &str,
        right: &str,
    ) -> Result<Option<T>, Error> {
        self.filled(name).map(|_| self.parsed(name, right)).transpose()
    }

    /// The form that these came from, filled in again.
    pub fn draft(self) -> Draft {
        Draft {
            entries: self,
            ..Draft::default()
        }
    }

    /// Answers a refused form with the same form, filled in again and saying what was wrong: what the reader can put right
    /// there. Anything else becomes an error page.
    ///
    /// # Errors
    /// The error, when no other input would help.
    pub fn again(self, error: Error, page: impl FnOnce(Draft) -> Markup) -> Result<Response, Problem> {
        let status = error.code().status();
        if !matches!(status, 401 | 402 | 409 | 422 | 429) {
            return Err(error.into());
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
        let draft = Draft {
            entries: self,
            wrong: error.fields().iter().map(as_sentence).collect(),
            error: Some(error),
        };
        Ok((status, page(draft)).into_response())
    }
}

/// A form as it is shown: fresh, or as somebody filled it in.
#[derive(Debug, Default)]
pub struct Draft {
    entries: Entries,
    error: Option<Error>,
    /// What is wrong with which field, in sentences.
    wrong: Vec<FieldError>,
}

/// What is wrong with a field begins like a sentence.
fn as_sentence(error: &FieldError) -> FieldError {
    FieldError {
        field: error.field.clone(),
        message: capitalised(&error.message),
    }
}

/// The same where the field's label is not beside it: `Password: it is made of …`.
fn with_label(error: &FieldError) -> FieldError {
    let name = error.field.rsplit(['.', ']']).next().unwrap_or_default();
    let label = capitalised(&name.replace('_', " "));
    FieldError {
        field: error.field.clone(),
        message: format!("{label}: {}", error.message),
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|first| first.to_uppercase().collect::<String>());
    first.unwrap_or_default() + letters.as_str()
}

impl Draft {
    /// A fresh form with some fields filled in.
    pub fn of<N: Into<String>, V: Into<String>>(fields: impl IntoIterator<Item = (N, V)>) -> Self {
        let fields = fields
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        Entries(fields.collect()).draft()
    }

    pub fn value(&self, name: &str) -> &str {
        self.entries.raw(name)
    }

    /// What was entered, or what stands there until something is.
    pub fn value_or<'a>(&'a self, name: &str, otherwise: &'a str) -> &'a str {
        self.entries.find(name).unwrap_or(otherwise)
    }

    /// Whether one of several boxes of a name is ticked; `fresh` while nobody has sent the form.
    pub fn ticked(&self, name: &str, value: &str, fresh: bool) -> bool {
        if self.entries.0.is_empty() {
            return fresh;
        }
        self.entries.all(name).any(|ticked| ticked == value)
    }

    pub fn errors(&self) -> &[FieldError] {
        &self.wrong
    }

    /// Fills a field in, and says what is wrong with it.
    pub fn fill(&self, name: &str, field: Field) -> Field {
        field.value(self.value(name)).errors(self.errors())
    }

    /// What is wrong, to stand above the form.
    pub fn alert(&self) -> Markup {
        match &self.error {
            None => html! {},
            Some(error) if error.fields().is_empty() => {
                Alert::bad(error.code().title()).body(error.detail()).render()
            }
            Some(error) => {
                let wrong: Vec<FieldError> = error.fields().iter().map(with_label).collect();
                form::error_summary("", &wrong)
            }
        }
    }
}

/// An error whose fields are called what the form calls them.
pub fn renamed(error: Error, rename: impl Fn(&str) -> String) -> Error {
    if error.fields().is_empty() {
        return error;
    }
    error
        .fields()
        .iter()
        .fold(Error::new(error.code(), error.detail()), |renamed, wrong| {
            renamed.with_field(rename(&wrong.field), &wrong.message)
        })
}

/// The form's name of a field that the API calls by its place in a list: of `limits[1].amount` the one at `positions[1]`, since a
/// form's empty rows are not sent.
pub fn placed(field: &str, list: &str, positions: &[usize]) -> Option<String> {
    let (place, part) = field.strip_prefix(list)?.strip_prefix('[')?.split_once(']')?;
    let index = positions.get(place.parse::<usize>().ok()?)?;
    Some(format!("{list}[{index}]{part}"))
}

/// The buttons at the end of a form: do it, or go back.
pub fn form_buttons(verb: &str, back: impl Into<String>) -> Markup {
    html! {
        (Button::primary(verb))
        (Button::ghost("Cancel").href(back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::ErrorCode;

    #[test]
    fn fields_are_read_as_they_were_sent() {
        let entries = Entries::parse(b"name=+Ada+%26+Co+&scopes=a&scopes=b&empty=+");
        assert_eq!(
            (entries.text("name"), entries.raw("name")),
            ("Ada & Co", " Ada & Co ")
        );
        assert_eq!(entries.all("scopes").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((entries.filled("empty"), entries.filled("missing")), (None, None));
        assert!(entries.ticked("empty") && !entries.ticked("missing"));
    }

    #[test]
    fn what_is_wrong_is_said_beside_the_row_it_came_from() {
        let error = Error::invalid("limits[1].amount", "is too much").with_field("name", "is taken");
        let positions = [0, 4];
        let error = renamed(error, |field| {
            placed(field, "limits", &positions).unwrap_or_else(|| field.to_owned())
        });
        let fields: Vec<&str> = error.fields().iter().map(|wrong| wrong.field.as_str()).collect();
        assert_eq!(fields, ["limits[4].amount", "name"]);
        for other in [
            "limits[2].amount",
            "limits",
            "limits[x].amount",
            "rate_limits[0].name",
        ] {
            assert_eq!(placed(other, "limits", &positions), None, "{other}");
        }
    }

    #[test]
    fn a_form_comes_back_with_what_was_entered_unless_nothing_entered_would_help() {
        let page = |draft: Draft| html! { (draft.value("name")) (draft.alert()) };
        let refused = |error| Entries::parse(b"name=Ada").again(error, page);
        let again = refused(Error::invalid("name", "is taken")).unwrap();
        assert_eq!(again.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused(Error::new(ErrorCode::PermissionDenied, "no")).is_err());
    }
}
