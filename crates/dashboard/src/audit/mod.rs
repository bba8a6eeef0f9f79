//! Who did what in the workspace, when and why.

use std::collections::HashMap;

use accounts::memberships;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use maud::{Markup, html};
use runtime::audit::{self, AuditEntry};
use runtime::http::{Params, Problem};
use runtime::{ActorKind, App};
use serde::Deserialize;
use types::page::MAX_LIMIT;
use types::{PageRequest, Permission};
use ui::{Card, Cell, Column, Empty, Icon, PageHeader, Row, Table, time};

use crate::frame::{Member, page_at, pages};

/// Characters of an entry's details that a row shows.
const DETAILS_CHARS: usize = 160;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/w/{workspace}/audit", get(show))
}

#[derive(Deserialize)]
struct At {
    cursor: Option<String>,
}

async fn show(State(app): State<App>, member: Member, Params(at): Params<At>) -> Result<Markup, Problem> {
    let cursor = at.cursor.as_deref();
    let page = audit::list(&app, &member.caller, &page_at(cursor)).await?;
    let names = names(&app, &member).await?;
    let columns = [
        Column::text("Who"),
        Column::text("Did"),
        Column::text("To").wide_only(),
        Column::text("Details").wide_only(),
        Column::text("When"),
    ];
    let empty = Empty::new(
        Icon::ClipboardList,
        "Nothing yet",
        "Whatever is changed here is recorded.",
    );
    let table = Table::new("Audit log", columns)
        .rows(page.data.iter().map(|entry| row(entry, &names)))
        .empty(empty);
    let content = html! {
        div.stack {
            (Card::new().flush(table))
            (pages(&page, cursor, ("entry", "entries"), &member.href("/audit")))
        }
    };
    let header = PageHeader::new("Audit log").description(
        "Newest first. Entries are chained and signed: none can be changed or removed without being noticed.",
    );
    Ok(member.page("Audit log", header, content))
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

fn row(entry: &AuditEntry, names: &HashMap<String, String>) -> Row {
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
        None => Cell::two_lines(kind, html! { code { (short(&entry.actor_id)) } }),
    };
    let target = match names.get(&entry.target_id) {
        Some(name) => Cell::two_lines(name.as_str(), entry.target_kind.as_str()),
        None => Cell::two_lines(
            entry.target_kind.replace('_', " "),
            html! { code title=(entry.target_id) { (short(&entry.target_id)) } },
        ),
    };
    Row::new([
        who,
        Cell::new(html! { code { (entry.action) } }),
        target,
        Cell::from(details(entry)),
        Cell::new(time::instant(entry.occurred_at)),
    ])
}

/// The end of an id, which is the part in which ids differ.
fn short(id: &str) -> String {
    let tail = id.get(id.len().saturating_sub(6)..).unwrap_or(id);
    match id.split_once('_') {
        Some((prefix, rest)) if rest.len() > 12 => format!("{prefix}_…{tail}"),
        _ => id.to_owned(),
    }
}

/// The reason, then what changed.
fn details(entry: &AuditEntry) -> String {
    let mut parts: Vec<String> = entry.reason.iter().map(|reason| format!("“{reason}”")).collect();
    for (name, value) in &entry.details {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if !value.is_null() {
            parts.push(format!("{name}: {text}"));
        }
    }
    let text = parts.join(", ");
    if text.chars().count() <= DETAILS_CHARS {
        return text;
    }
    let kept: String = text.chars().take(DETAILS_CHARS).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn ids_are_told_apart_by_their_ends() {
        assert_eq!(short("plt_01jd3rr0r4e0rs0000abcdef12"), "plt_…cdef12");
        assert_eq!(short("operator"), "operator");
    }
}
