//! Tables as CSV (RFC 4180), for spreadsheets.

use std::fmt::Display;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use utoipa::ToSchema;

/// In which form a table is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    Json,
    Csv,
}

impl Format {
    /// The form that was asked for: by the parameter, else by the header `Accept`; JSON, unless that prefers CSV.
    pub(super) fn asked_for(parameter: Option<Format>, headers: &HeaderMap) -> Format {
        if let Some(format) = parameter {
            return format;
        }
        let accepts = headers.get_all(header::ACCEPT).iter();
        let ranges: Vec<&str> = accepts
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        let (csv, json) = (weight(&ranges, "text/csv"), weight(&ranges, "application/json"));
        if csv > 0.0 && csv >= json {
            Format::Csv
        } else {
            Format::Json
        }
    }
}

/// How much a media type is wanted, from 0 for not at all to 1.
fn weight(ranges: &[&str], media_type: &str) -> f32 {
    let named = ranges.iter().filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_it = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(media_type));
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        is_it.then(|| quality.map_or(1.0, |text| text.parse().unwrap_or(0.0)))
    });
    named.fold(0.0, f32::max)
}

/// A table being written, line by line.
#[derive(Debug, Default)]
pub(super) struct Csv {
    text: String,
    is_in_line: bool,
}

impl Csv {
    /// Adds a cell whose text is ours, such as a number, an instant or an id.
    pub(super) fn own(&mut self, value: impl Display) {
        self.cell(&value.to_string());
    }

    /// Adds a cell whose text somebody sent. A spreadsheet takes what begins like a formula for one and runs it, so an
    /// apostrophe is put before.
    pub(super) fn foreign(&mut self, text: &str) {
        match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            true => self.cell(&format!("'{text}")),
            false => self.cell(text),
        }
    }

    pub(super) fn end_line(&mut self) {
        self.text.push_str("\r\n");
        self.is_in_line = false;
    }

    fn cell(&mut self, text: &str) {
        if self.is_in_line {
            self.text.push(',');
        }
        self.is_in_line = true;
        if text.contains(['"', ',', '\r', '\n']) {
            self.text.push('"');
            self.text.push_str(&text.replace('"', "\"\""));
            self.text.push('"');
        } else {
            self.text.push_str(text);
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// The answer, as a file of that name.
    pub(super) fn into_response(self, file: &str) -> Response {
        let mut response = self.text.into_response();
        let headers = response.headers_mut();
        let csv = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
        headers.insert(header::CONTENT_TYPE, csv);
        if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{file}\"")) {
            headers.insert(header::CONTENT_DISPOSITION, value);
        }
        vary(headers);
        response
    }
}

/// Tells caches that the header `Accept` decides about the form.
pub(super) fn vary(headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("accept"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_survive_and_run_nothing() {
        let mut csv = Csv::default();
        csv.own(-5);
        for text in [
            "plain",
            "a,b",
            "say \"hi\"",
            "two\nlines",
            "=1+1",
            "-5",
            "@SUM(A1)",
            "a=b",
        ] {
            csv.foreign(text);
        }
        csv.end_line();
        csv.own("");
        csv.foreign("");
        csv.end_line();
        let expected = "-5,plain,\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",'=1+1,'-5,'@SUM(A1),a=b\r\n,\r\n";
        assert_eq!(csv.text, expected);
    }

    #[test]
    fn the_header_decides_when_the_parameter_does_not() {
        let asked = |accept: &'static str, parameter| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            Format::asked_for(parameter, &headers)
        };
        for accept in [
            "text/csv",
            "Text/CSV; q=0.5",
            "text/csv, application/json;q=0.9",
            "*/*;q=0.1, text/csv",
        ] {
            assert_eq!(asked(accept, None), Format::Csv, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "application/json",
            "text/csv;q=0",
            "text/csv;q=0.1, application/json",
            "text/*",
        ] {
            assert_eq!(asked(accept, None), Format::Json, "{accept}");
        }
        assert_eq!(asked("text/csv", Some(Format::Json)), Format::Json);
        assert_eq!(asked("application/json", Some(Format::Csv)), Format::Csv);
    }
}
