//! Lists of things, and ranked lists with a bar in the cell.

use maud::{Markup, Render, html};

use crate::empty::Empty;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Align {
    Start,
    End,
}

/// A column's heading and how its cells are set.
#[derive(Debug, Clone)]
pub struct Column {
    title: String,
    align: Align,
    hidden_title: bool,
    wide_only: bool,
}

impl Column {
    pub fn text(title: impl Into<String>) -> Self {
        Column {
            title: title.into(),
            align: Align::Start,
            hidden_title: false,
            wide_only: false,
        }
    }

    /// Figures, set at the right in digits of one width.
    pub fn number(title: impl Into<String>) -> Self {
        Column {
            align: Align::End,
            ..Column::text(title)
        }
    }

    /// Buttons at the end of a row; the title is for assistive technology.
    pub fn actions(title: impl Into<String>) -> Self {
        Column {
            hidden_title: true,
            ..Column::number(title)
        }
    }

    /// Left out on a phone. Only for what the row's own page shows too.
    pub fn wide_only(mut self) -> Self {
        self.wide_only = true;
        self
    }

    fn class(&self) -> Option<&'static str> {
        match (self.align, self.wide_only) {
            (Align::Start, false) => None,
            (Align::Start, true) => Some("wide-only"),
            (Align::End, false) => Some("num"),
            (Align::End, true) => Some("num wide-only"),
        }
    }
}

/// What stands in a cell.
#[derive(Debug, Clone)]
pub struct Cell {
    content: Markup,
    /// Length of the bar behind the content, in percent of the cell.
    bar_percent: Option<f64>,
}

impl Cell {
    pub fn new(content: impl Render) -> Self {
        Cell {
            content: content.render(),
            bar_percent: None,
        }
    }

    /// With a bar behind it; `share` is 0 to 1.
    pub fn bar(content: impl Render, share: f64) -> Self {
        let share = if share.is_finite() {
            share.clamp(0.0, 1.0)
        } else {
            0.0
        };
        Cell {
            content: content.render(),
            bar_percent: Some((share * 1000.0).round() / 10.0),
        }
    }

    /// A quiet second line under the first.
    pub fn two_lines(first: impl Render, second: impl Render) -> Self {
        Cell::new(html! { span.cell-main { (first) } span.cell-sub { (second) } })
    }

    /// Nothing known: a dash.
    pub fn none() -> Self {
        Cell::new(html! { span.faint { "–" } })
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::new(text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::new(text)
    }
}

impl From<Markup> for Cell {
    fn from(markup: Markup) -> Self {
        Cell::new(markup)
    }
}

/// One row, a cell for each column.
#[derive(Debug, Clone)]
pub struct Row {
    cells: Vec<Cell>,
    href: Option<String>,
}

impl Row {
    pub fn new(cells: impl IntoIterator<Item = Cell>) -> Self {
        Row {
            cells: cells.into_iter().collect(),
            href: None,
        }
    }

    /// The first cell becomes a link whose area is the whole row; buttons and links in other cells stay above it.
    pub fn href(mut self, href: impl Into<String>) -> Self {
        self.href = Some(href.into());
        self
    }
}

/// A table that scrolls sideways by itself when it must.
#[derive(Debug, Clone)]
pub struct Table {
    caption: String,
    columns: Vec<Column>,
    rows: Vec<Row>,
    empty: Option<Empty>,
}

impl Table {
    /// `caption` names the table for assistive technology.
    pub fn new(caption: impl Into<String>, columns: impl IntoIterator<Item = Column>) -> Self {
        Table {
            caption: caption.into(),
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
            empty: None,
        }
    }

    pub fn row(mut self, row: Row) -> Self {
        self.rows.push(row);
        self
    }

    pub fn rows(mut self, rows: impl IntoIterator<Item = Row>) -> Self {
        self.rows.extend(rows);
        self
    }

    /// Shown in place of the table when it has no rows.
    pub fn empty(mut self, empty: Empty) -> Self {
        self.empty = Some(empty);
        self
    }

    fn cell(&self, row: &Row, index: usize, cell: &Cell) -> Markup {
        let link = row.href.as_ref().filter(|_| index == 0);
        let class = self.columns.get(index).and_then(Column::class);
        html! {
            td class=[class] {
                @if let Some(percent) = cell.bar_percent {
                    svg.bar width="100%" height="100%" aria-hidden="true" {
                        rect width={ (percent) "%" } height="100%" rx="3" {}
                    }
                }
                @if let Some(href) = link { a.row-link href=(href) { (cell.content) } }
                @else { (cell.content) }
            }
        }
    }
}

impl Render for Table {
    fn render(&self) -> Markup {
        if let Some(empty) = self.empty.as_ref().filter(|_| self.rows.is_empty()) {
            return empty.render();
        }
        html! {
            div.table-scroll role="region" aria-label=(self.caption) tabindex="0" {
                table.table {
                    caption.sr-only { (self.caption) }
                    thead {
                        tr {
                            @for column in &self.columns {
                                th scope="col" class=[column.class()] {
                                    @if column.hidden_title { span.sr-only { (column.title) } } @else { (column.title) }
                                }
                            }
                        }
                    }
                    tbody {
                        @for row in &self.rows {
                            tr.row-linked[row.href.is_some()] {
                                @for (index, cell) in row.cells.iter().enumerate() { (self.cell(row, index, cell)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The greatest first, each with a bar as long as its share of the greatest.
///
/// `entries` are labels with their amount; `write` writes the amount for people.
pub fn ranked(
    caption: &str,
    noun: &str,
    amount: &str,
    entries: &[(Markup, f64)],
    write: impl Fn(f64) -> String,
) -> Table {
    let greatest = entries.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let mut order: Vec<&(Markup, f64)> = entries.iter().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    Table::new(caption, [Column::text(noun), Column::number(amount)]).rows(order.into_iter().map(
        |(label, value)| {
            let share = if greatest > 0.0 { value / greatest } else { 0.0 };
            Row::new([Cell::bar(label, share), Cell::from(write(*value))])
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::icon::Icon;

    #[test]
    fn an_empty_table_says_what_to_do() {
        let empty = Empty::new(Icon::Key, "No keys yet", "Create one.");
        let table = Table::new("Keys", [Column::text("Name")]).empty(empty);
        let markup = table.render().into_string();
        assert!(markup.contains("No keys yet") && !markup.contains("<table"));
        assert!(
            table
                .row(Row::new([Cell::from("a")]))
                .render()
                .into_string()
                .contains("<table")
        );
    }

    #[test]
    fn bars_stay_within_their_cell() {
        for (share, percent) in [(0.3333, 33.3), (2.0, 100.0), (-1.0, 0.0), (f64::NAN, 0.0)] {
            assert_eq!(Cell::bar("a", share).bar_percent, Some(percent));
        }
    }

    #[test]
    fn ranks_the_greatest_first_and_escapes_labels() {
        let entries = [(html! { "small" }, 1.0), (html! { "<big>" }, 4.0)];
        let markup = ranked("Top", "Customer", "Calls", &entries, |n| format!("{n}"))
            .render()
            .into_string();
        assert!(markup.find("&lt;big&gt;").unwrap() < markup.find("small").unwrap());
        assert!(markup.contains("width=\"100%\" height=\"100%\" rx") && markup.contains("width=\"25%\""));
    }

    #[test]
    fn a_row_is_one_link() {
        let table = Table::new("Keys", [Column::text("Name"), Column::number("Calls")])
            .row(Row::new([Cell::from("a"), Cell::from("1")]).href("/keys/1"));
        assert_eq!(table.render().into_string().matches("<a ").count(), 1);
    }
}
