//! The keys that there are.

use std::collections::HashMap;

use axum::extract::State;
use commerce::api_keys::{self, ApiKey};
use commerce::platforms;
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Params, Problem};
use serde::Deserialize;
use types::id::PlatformId;
use types::page::MAX_LIMIT;
use types::{Page, PageRequest, Permission, Timestamp};
use ui::{Badge, Button, Card, Cell, Column, Empty, Icon, PageHeader, Row, Table, time};

use super::{kind_word, status};
use crate::frame::{Member, Shopkeeper, page_at, pages, with_parameter};

#[derive(Deserialize)]
pub(super) struct At {
    cursor: Option<String>,
}

pub(super) async fn of_workspace(
    State(app): State<App>,
    member: Member,
    Params(at): Params<At>,
) -> Result<Markup, Problem> {
    let cursor = at.cursor.as_deref();
    let page = api_keys::list(&app, &member.caller, None, &page_at(cursor)).await?;
    let all = PageRequest {
        limit: MAX_LIMIT,
        cursor: None,
    };
    let platforms = platforms::list(&app, &member.caller, true, &all).await?.data;
    let names = platforms
        .into_iter()
        .map(|platform| (platform.id, platform.name))
        .collect();
    let new = member.may(Permission::ApiKeysManage).then(|| {
        Button::primary("New key")
            .icon(Icon::Plus)
            .href(member.href("/keys/new"))
    });
    let content = html! {
        div.stack {
            (Card::new().flush(table(&member, &page.data, Some(&names), new.clone(), app.now())))
            (pages(&page, cursor, ("key", "keys"), &member.href("/keys")))
        }
    };
    let header = PageHeader::new("API keys")
        .description("What programs show to act for this workspace or one of its platforms.");
    let header = match new.filter(|_| !page.data.is_empty()) {
        Some(new) => header.actions(new),
        None => header,
    };
    Ok(member.page("API keys", header, content))
}

pub(super) async fn of_platform(
    State(app): State<App>,
    keeper: Shopkeeper,
    Params(at): Params<At>,
) -> Result<Markup, Problem> {
    let cursor = at.cursor.as_deref();
    let platform = keeper.platform.id;
    let page = api_keys::list(&app, &keeper.member.caller, Some(platform), &page_at(cursor)).await?;
    // Of both modes: somebody who looks for a key wants to find it.
    let Page { data, .. } = &page;
    let path = with_parameter(
        &keeper.member.href("/keys/new"),
        "platform",
        &platform.to_string(),
    );
    let path = with_parameter(&path, "mode", keeper.mode().as_str());
    let new = keeper
        .may(Permission::ApiKeysManage)
        .then(|| Button::primary("New key").icon(Icon::Plus).href(path));
    let content = html! {
        (Card::new().flush(table(&keeper.member, data, None, new.clone(), app.now())))
        (pages(&page, cursor, ("key", "keys"), &keeper.href("/keys")))
    };
    let action = html! { @if let Some(new) = new.filter(|_| !data.is_empty()) { (new) } };
    let description = "Keys that work in this platform alone, live and test.";
    Ok(keeper.view("/keys", description, action, content))
}

/// `names` of platforms are given where keys of several stand together.
fn table(
    member: &Member,
    keys: &[ApiKey],
    names: Option<&HashMap<PlatformId, String>>,
    new: Option<Button>,
    now: Timestamp,
) -> Table {
    let rows = keys.iter().map(|key| {
        let mut cells = vec![Cell::two_lines(key.name.as_str(), html! { code { (key.hint) } })];
        if let Some(names) = names {
            let name = |platform| names.get(platform).map_or("Another platform", String::as_str);
            cells.push(Cell::from(key.platform.as_ref().map_or("Whole workspace", name)));
        }
        cells.push(Cell::new(
            html! { (kind_word(key.kind)) " " (Badge::mode(key.mode)) },
        ));
        cells.push(
            key.last_used_at
                .map_or_else(|| Cell::from("Never"), |at| Cell::new(time::ago(at, now))),
        );
        cells.push(Cell::new(status(key, now)));
        Row::new(cells).href(member.href(&format!("/keys/{}", key.id)))
    });
    let mut columns = vec![Column::text("Key")];
    if names.is_some() {
        columns.push(Column::text("Works in").wide_only());
    }
    columns.extend([
        Column::text("Kind").wide_only(),
        Column::text("Last used").wide_only(),
        Column::text("State"),
    ]);
    let empty = Empty::new(
        Icon::Key,
        "No keys yet",
        "A key lets your server call the API. Its secret is shown once.",
    );
    let empty = match new {
        Some(new) => empty.action(new),
        None => empty,
    };
    Table::new("API keys", columns).rows(rows).empty(empty)
}
