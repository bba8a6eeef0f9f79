//! `plinth.toml`: its text becomes keys with their line and value. Which keys there may be is not known here.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::declare::Shape;

/// A key of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Dotted name.
    pub key: String,
    /// Counted from 1.
    pub number: usize,
    pub value: Raw,
}

/// A value as the file has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Raw {
    /// Its shape, and the text in the form that flags and the environment use.
    Usable(Shape, String),
    /// A kind of value that no setting has, named with an article.
    Unusable(&'static str),
}

/// Why the text is not TOML.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// Counted from 1.
    pub line: usize,
    pub message: String,
}

/// Reads all keys of the file in their order.
pub(super) fn read(text: &str) -> Result<Vec<Line>, Broken> {
    let table = DeTable::parse(text).map_err(|error| broken(text, &error))?;
    let mut lines = Vec::new();
    flatten(text, "", table.get_ref(), &mut lines);
    lines.sort_by_key(|line| line.number);
    Ok(lines)
}

fn broken(text: &str, error: &toml::de::Error) -> Broken {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    let key = text
        .lines()
        .nth(line - 1)
        .and_then(|source| source.split_once('='))
        .map(|(key, _)| key.trim())
        .filter(|key| !key.is_empty() && !key.starts_with('#'));
    let place = key.map_or(String::new(), |key| format!("`{key}`: "));
    let hint = "text stands in \"double quotes\", lists in [\"square\", \"brackets\"]";
    Broken {
        line,
        message: format!("{place}not valid TOML: {} ({hint})", error.message().trim_end()),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before.filter(|byte| **byte == b'\n').count() + 1
}

fn flatten(text: &str, prefix: &str, table: &DeTable<'_>, lines: &mut Vec<Line>) {
    for (name, value) in table.iter() {
        let key = format!("{prefix}{}", name.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => flatten(text, &format!("{key}."), inner, lines),
            other => lines.push(Line {
                key,
                number: line_of(text, name.span().start),
                value: raw(other),
            }),
        }
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Usable(Shape::Text, text.to_string()),
        DeValue::Integer(number) => {
            let decimal = i128::from_str_radix(number.as_str(), number.radix());
            decimal.map_or(Raw::Unusable("a very large number"), |decimal| {
                Raw::Usable(Shape::Integer, decimal.to_string())
            })
        }
        DeValue::Boolean(flag) => Raw::Usable(Shape::Boolean, flag.to_string()),
        DeValue::Array(elements) => list(elements.iter()),
        DeValue::Float(_) => Raw::Unusable("a number with a fraction"),
        DeValue::Datetime(_) => Raw::Unusable("a date"),
        DeValue::Table(_) => Raw::Unusable("a table"),
    }
}

fn list<'a, 'i: 'a>(elements: impl Iterator<Item = &'a Spanned<DeValue<'i>>>) -> Raw {
    let mut texts = Vec::new();
    for element in elements {
        match raw(element.get_ref()) {
            Raw::Usable(Shape::Text | Shape::Integer, text) if !text.contains(',') => texts.push(text),
            _ => return Raw::Unusable("an array with other elements than plain text and numbers"),
        }
    }
    Raw::Usable(Shape::List, texts.join(","))
}
