//! Lists a page at a time.

use maud::{Markup, Render};
use types::{Page, PageRequest};
use ui::number;
use ui::pagination::Pagination;

/// Rows of a page of a list: few enough for a page that is light.
const ROWS: u32 = 30;

/// The page of a list that an address names.
pub fn page_at(cursor: Option<&str>) -> PageRequest {
    PageRequest {
        limit: ROWS,
        cursor: cursor.filter(|cursor| !cursor.is_empty()).map(str::to_owned),
    }
}

/// The way to the neighbours of a page. `list` is the address of the first one, filters included.
pub fn pages<T>(page: &Page<T>, cursor: Option<&str>, noun: (&str, &str), list: &str) -> Markup {
    let first = cursor
        .filter(|cursor| !cursor.is_empty())
        .map(|_| list.to_owned());
    let next = page
        .next_cursor
        .as_ref()
        .map(|cursor| with_parameter(list, "cursor", cursor));
    let count = i64::try_from(page.data.len()).unwrap_or(i64::MAX);
    Pagination::new()
        .summary(number::counted(count, noun.0, noun.1))
        .back("First page", first)
        .next(next)
        .render()
}

/// An address with one parameter more.
pub fn with_parameter(address: &str, name: &str, value: &str) -> String {
    let joint = if address.contains('?') { '&' } else { '?' };
    let pair = form_urlencoded::Serializer::new(String::new())
        .append_pair(name, value)
        .finish();
    format!("{address}{joint}{pair}")
}
