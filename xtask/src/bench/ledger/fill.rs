//! Many customers and many stored events, by SQL: copies of one row that the product wrote itself, under ids of their own. So
//! every column is as the product fills it, whatever columns there are.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::bench::api::Api;
use crate::bench::sql::Sql;
use crate::bench::stand::Stand;

/// Rows of one transaction: few enough that the server, which waits for its turn to write, is not kept waiting for long.
const CHUNK: u64 = 50_000;
/// Uses of one request, as many as the API takes.
const LIST: usize = 1_000;
/// The time that stored events spread over, in microseconds: 30 days.
const SPREAD_MICROS: u64 = 30 * 24 * 60 * 60 * 1_000_000;
/// The upper half of an id as of 2004: older than whatever the server makes, as rows that were there before should be.
const ID_PREFIX: &str = "0100000000007000";

/// Makes `customer-2` to `customer-{last}`, subscribed as the first one is.
pub fn customers(stand: &Stand, last: u32) -> Result<()> {
    let sql = stand.sql()?;
    let id = id(&sql, "n.i");
    let first = "external_id = 'customer-1'";
    let copies = Copies::of(&sql, "customers", first.to_owned())?
        .with("customer_id", id.clone())
        .with("external_id", "'customer-' || n.i".to_owned());
    copies.insert(&sql, 2..=u64::from(last))?;
    // PostgreSQL looks up each subscription's customer, by the wrong index as long as it has not seen how many there are.
    sql.settle()?;
    let theirs = format!("customer_id = (SELECT customer_id FROM customers WHERE {first})");
    let copies = Copies::of(&sql, "subscriptions", theirs)?
        .with("subscription_id", id.clone())
        .with("customer_id", id);
    copies.insert(&sql, 2..=u64::from(last))?;
    sql.settle()
}

/// Stores so many events of `customer-2` to `customer-{last}` in turn, over the last 30 days. Their counters know nothing of
/// them.
pub fn events(stand: &Stand, last: u32, count: u64) -> Result<()> {
    let sql = stand.sql()?;
    let age = format!("({count} - n.i) * CAST({} AS bigint)", SPREAD_MICROS / count);
    let any = "usage_event_id = (SELECT usage_event_id FROM usage_events LIMIT 1)";
    let copies = Copies::of(&sql, "usage_events", any.to_owned())?
        .with("usage_event_id", id(&sql, "n.i"))
        .with("customer_id", id(&sql, &format!("(2 + n.i % {})", last - 1)))
        .with("occurred_at", format!("template.occurred_at - {age}"))
        .with("received_at", format!("template.received_at - {age}"));
    copies.insert(&sql, 1..=count)?;
    sql.settle()
}

/// Counts one call of each of these customers, in lists over the API: afterwards each has a counter.
pub fn counters(stand: &Stand, customers: std::ops::RangeInclusive<u32>) -> Result<()> {
    let api = Api::with_key(stand.server.address(), &stand.shop.api_key);
    let uses: Vec<Value> = customers
        .map(|number| json!({"customer": format!("customer-{number}"), "feature": "calls"}))
        .collect();
    for list in uses.chunks(LIST) {
        let answer = api.post("/v1/usage/consume_batch", &json!({"items": list}))?;
        let items = answer["items"].as_array().map_or(&[][..], Vec::as_slice);
        let refused = items.iter().find(|item| item["status"] != 200);
        anyhow::ensure!(
            items.len() == list.len() && refused.is_none(),
            "refused: {refused:?}"
        );
    }
    Ok(())
}

/// An id that is made of a number, of up to eight digits on SQLite.
fn id(sql: &Sql<'_>, number: &str) -> String {
    match sql {
        Sql::Sqlite { .. } => format!("CAST(x'{ID_PREFIX}' || printf('%08d', {number}) AS blob)"),
        Sql::Postgres(_) => format!("CAST('{ID_PREFIX}' || lpad(CAST({number} AS text), 16, '0') AS uuid)"),
    }
}

/// Copies of one row of a table.
struct Copies {
    table: &'static str,
    /// Which row.
    template: String,
    /// Each column, and what it is given.
    columns: Vec<(String, String)>,
}

impl Copies {
    fn of(sql: &Sql<'_>, table: &'static str, template: String) -> Result<Self> {
        let columns = sql.columns(table)?;
        let same = |column: String| (column.clone(), format!("template.{column}"));
        Ok(Self {
            table,
            template,
            columns: columns.into_iter().map(same).collect(),
        })
    }

    /// Gives a column another value than the template's; `n.i` is the number of the copy.
    fn with(mut self, column: &str, value: String) -> Self {
        for (name, given) in &mut self.columns {
            if name == column {
                given.clone_from(&value);
            }
        }
        self
    }

    fn insert(&self, sql: &Sql<'_>, numbers: std::ops::RangeInclusive<u64>) -> Result<()> {
        let mut from = *numbers.start();
        while from <= *numbers.end() {
            let to = (from + CHUNK - 1).min(*numbers.end());
            sql.run(&self.statement(from, to))
                .with_context(|| format!("cannot fill the table {}", self.table))?;
            from = to + 1;
        }
        Ok(())
    }

    fn statement(&self, from: u64, to: u64) -> String {
        let (table, template) = (self.table, &self.template);
        let (names, values): (Vec<&str>, Vec<&str>) = self
            .columns
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .unzip();
        let (names, values) = (names.join(", "), values.join(", "));
        format!(
            "WITH RECURSIVE n (i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to}) \
             INSERT INTO {table} ({names}) SELECT {values} \
             FROM n CROSS JOIN (SELECT * FROM {table} WHERE {template}) AS template"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_template_in_every_column_that_is_not_replaced() {
        let copies = Copies {
            table: "t",
            template: "a = 1".to_owned(),
            columns: [("a", "template.a"), ("b", "template.b")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        };
        assert_eq!(
            copies.with("a", "n.i * 2".to_owned()).statement(3, 7),
            "WITH RECURSIVE n (i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 7) \
             INSERT INTO t (a, b) SELECT n.i * 2, template.b FROM n CROSS JOIN (SELECT * FROM t WHERE a = 1) AS template"
        );
    }
}
