//! Who did what in the workspace, when and why.

use std::collections::HashMap;

use accounts::memberships;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use maud::{Markup, html};
use runtime::audit::{self, AuditEntry, Filter};
use runtime::http::{Params, Problem};
use runtime::{ActorKind, App};
use serde::Deserialize;
use serde_json::Value;
use types::page::MAX_LIMIT;
use types::{PageRequest, Permission, Timestamp};
use ui::form::Choice;
use ui::{Button, Card, Cell, Column, Empty, Field, Form, Icon, PageHeader, Row, Table, time};

use crate::frame::{Member, page_at, pages, with_parameter};

/// Characters of an entry's details that a row shows.
const DETAILS_CHARS: usize = 160;
/// Characters of an id after its prefix.
const ID_CHARS: usize = 26;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/w/{workspace}/audit", get(show))
}

#[derive(Deserialize)]
struct Query {
    cursor: Option<String>,
    #[serde(default)]
    actor: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    target: String,
}

impl Query {
    /// What is sought, by the names of the form's fields.
    fn fields(&self) -> [(&'static str, &str); 3] {
        [
            ("actor", self.actor.trim()),
            ("action", self.action.trim()),
            ("target", self.target.trim()),
        ]
    }

    fn filter(&self) -> Filter {
        let [actor, action, target] = self
            .fields()
            .map(|(_, text)| Some(text.to_owned()).filter(|text| !text.is_empty()));
        Filter {
            actor_id: actor,
            action,
            target_id: target,
        }
    }
}

async fn show(
    State(app): State<App>,
    member: Member,
    Params(query): Params<Query>,
) -> Result<Markup, Problem> {
    let cursor = query.cursor.as_deref();
    let page = audit::list(&app, &member.caller, &query.filter(), &page_at(cursor)).await?;
    let names = names(&app, &member).await?;
    let columns = [
        Column::text("Who"),
        Column::text("Did"),
        Column::text("To").wide_only(),
        Column::text("Details").wide_only(),
    ];
    let empty = Empty::new(
        Icon::ClipboardList,
        "Nothing yet",
        "Whatever is changed here is recorded.",
    );
    let table = Table::new("Audit log", columns)
        .rows(page.data.iter().map(|entry| row(entry, &names, app.now())))
        .empty(empty);
    let here = query
        .fields()
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .fold(member.href("/audit"), |here, (name, text)| {
            with_parameter(&here, name, text)
        });
    let content = html! {
        div.stack {
            (filter(&member, &query, &names))
            (Card::new().flush(table))
            (pages(&page, cursor, ("entry", "entries"), &here))
        }
    };
    let header = PageHeader::new("Audit log").description(
        "Newest first. Entries are chained and signed: none can be changed or removed without being noticed.",
    );
    Ok(member.page("Audit log", header, content))
}

fn filter(member: &Member, query: &Query, names: &HashMap<String, String>) -> Form {
    let mut people: Vec<Choice> = names.iter().map(|(id, name)| Choice::new(id, name)).collect();
    if !query.actor.is_empty() && !names.contains_key(&query.actor) {
        people.push(Choice::new(&query.actor, &query.actor));
    }
    people.insert(0, Choice::new("", "Everybody"));
    Form::get(member.href("/audit"))
        .inline()
        .part(Field::select("actor", "Who", people).value(&query.actor))
        .part(
            Field::search("action", "Did")
                .value(&query.action)
                .placeholder("api_key.revoke"),
        )
        .part(
            Field::search("target", "To")
                .value(&query.target)
                .placeholder("An id"),
        )
        .actions(Button::secondary("Filter").icon(Icon::Filter))
}

/// Members by their ids, to be named; nobody, for somebody who may not see them.
async fn names(app: &App, member: &Member) -> types::Result<HashMap<String, String>> {
    if !member.may(Permission::MembersRead) {
        return Ok(HashMap::new());
    }
    let all = PageRequest {
        limit: MAX_LIMIT,
        cursor: None,
    };
    let members = memberships::list(app, &member.caller, &all).await?.data;
    Ok(members
        .into_iter()
        .map(|member| (member.user.to_string(), member.name))
        .collect())
}

fn row(entry: &AuditEntry, names: &HashMap<String, String>, now: Timestamp) -> Row {
    let kind = match entry.actor_kind {
        ActorKind::User => "Member",
        ActorKind::ApiKey => "API key",
        ActorKind::Customer => "Customer",
        ActorKind::Job => "Background job",
        ActorKind::Operator => "Operator",
        ActorKind::Visitor => "Visitor",
    };
    let who = match names.get(&entry.actor_id) {
        Some(name) => Cell::two_lines(name.as_str(), kind),
        None if entry.actor_id == entry.actor_kind.as_str() => Cell::from(kind),
        None => Cell::two_lines(
            kind,
            html! { code.truncate title=(entry.actor_id) { (short(&entry.actor_id)) } },
        ),
    };
    let target = match names.get(&entry.target_id) {
        Some(name) => Cell::two_lines(name.as_str(), entry.target_kind.as_str()),
        None => Cell::two_lines(
            entry.target_kind.replace('_', " "),
            html! { code.truncate title=(entry.target_id) { (short(&entry.target_id)) } },
        ),
    };
    Row::new([
        who,
        Cell::two_lines(
            html! { code { (entry.action) } },
            time::ago(entry.occurred_at, now),
        ),
        target,
        Cell::from(details(entry)),
    ])
}

/// The end of an id, which is the part in which ids differ; any other text as it is.
fn short(text: &str) -> String {
    let id = text
        .split_once('_')
        .filter(|(prefix, rest)| prefix.len() == 3 && rest.len() == ID_CHARS);
    match id {
        Some((prefix, rest)) => format!("{prefix}_…{}", rest.get(ID_CHARS - 6..).unwrap_or(rest)),
        None => text.to_owned(),
    }
}

/// The reason, then what changed.
fn details(entry: &AuditEntry) -> String {
    let mut parts: Vec<String> = entry.reason.iter().map(|reason| format!("“{reason}”")).collect();
    let told = entry.details.iter().filter(|(_, value)| !value.is_null());
    parts.extend(told.map(|(name, value)| format!("{}: {}", name.replace('_', " "), words(value))));
    let text = parts.join(" · ");
    if text.chars().count() <= DETAILS_CHARS {
        return text;
    }
    let kept: String = text.chars().take(DETAILS_CHARS).collect();
    format!("{kept}…")
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => short(text),
        Value::Array(values) => values.iter().map(words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn ids_are_told_apart_by_their_ends() {
        assert_eq!(short("plt_01jd3rr0r4e0rs0000abcdef12"), "plt_…cdef12");
        for text in ["operator", "sk_live_p1_…Aggo", "2026-11-21T13:55:41.491178Z"] {
            assert_eq!(short(text), text);
        }
    }
}
