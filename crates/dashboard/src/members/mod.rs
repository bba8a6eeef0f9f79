//! Who is in the workspace, and as what.

use accounts::memberships::{self, Member as Membership};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Params, Problem, Segments};
use serde::Deserialize;
use types::id::{UserId, WorkspaceId};
use types::{Permission, Role};
use ui::dialog::Dialog;
use ui::form::Choice;
use ui::{Badge, Button, Card, Cell, Column, Field, Form, Icon, PageHeader, Row, Table, Tone, time};

use crate::frame::{Member, Posted, go, go_saying, page_at, pages, role_word};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/w/{workspace}/members", get(list))
        .route("/w/{workspace}/members/{user}", get(show).post(change))
        .route("/w/{workspace}/members/{user}/remove", post(remove))
}

#[derive(Deserialize)]
struct At {
    cursor: Option<String>,
}

async fn list(State(app): State<App>, member: Member, Params(at): Params<At>) -> Result<Markup, Problem> {
    let cursor = at.cursor.as_deref();
    let page = memberships::list(&app, &member.caller, &page_at(cursor)).await?;
    let own = member.person.user.id;
    let may = member.may(Permission::MembersManage);
    let rows = page.data.iter().map(|other| {
        let name = html! { (other.name) @if other.user == own { " " (Badge::new("You", Tone::Accent)) } };
        let row = Row::new([
            Cell::two_lines(name, other.email.as_str()),
            Cell::from(role_word(other.role)),
            Cell::new(time::date(other.created_at)),
        ]);
        if may || other.user == own {
            row.href(member.href(&format!("/members/{}", other.user)))
        } else {
            row
        }
    });
    let columns = [
        Column::text("Name"),
        Column::text("Role"),
        Column::text("Joined").wide_only(),
    ];
    let content = html! {
        div.stack {
            (Card::new().flush(Table::new("Members", columns).rows(rows)))
            (pages(&page, cursor, ("member", "members"), &member.href("/members")))
        }
    };
    let header = PageHeader::new("Members").description("Who works in this workspace, and what each may do.");
    Ok(member.page("Members", header, content))
}

type Path = Segments<(WorkspaceId, UserId)>;

async fn show(State(app): State<App>, Segments((_, id)): Path, member: Member) -> Result<Markup, Problem> {
    let other = find(&app, &member, id).await?;
    Ok(page(&member, &other))
}

/// There is no operation for one: the list is short.
async fn find(app: &App, member: &Member, id: UserId) -> types::Result<Membership> {
    let mut at = types::PageRequest {
        limit: types::page::MAX_LIMIT,
        cursor: None,
    };
    loop {
        let page = memberships::list(app, &member.caller, &at).await?;
        if let Some(found) = page.data.into_iter().find(|other| other.user == id) {
            return Ok(found);
        }
        if page.next_cursor.is_none() {
            return Err(types::Error::not_found("member"));
        }
        at.cursor = page.next_cursor;
    }
}

fn page(member: &Member, other: &Membership) -> Markup {
    let is_own = other.user == member.person.user.id;
    let outranked = other.role.permissions().is_subset_of(member.caller.permissions());
    let may = member.may(Permission::MembersManage) && outranked;
    let path = member.href(&format!("/members/{}", other.user));
    let roles = Role::ALL
        .into_iter()
        .filter(|role| role.permissions().is_subset_of(member.caller.permissions()))
        .map(|role| Choice::new(role.as_str(), role_word(role)).help(describe(role)));
    let form = Form::post(&path, member.csrf())
        .part(Field::radio("role", "Role", roles.collect::<Vec<_>>()).value(other.role.as_str()))
        .actions(Button::primary("Change role"));
    let (verb, title, sentence) = match is_own {
        true => (
            "Leave workspace",
            "Leave this workspace?",
            "You lose all access to it, and somebody else must let you in again.",
        ),
        false => (
            "Remove member",
            "Remove this member?",
            "They lose all access at once. What they made stays.",
        ),
    };
    let content = html! {
        div.stack {
            @if may { (Card::titled("What they may do").body(form)) }
            @else { (Card::titled("What they may do").body(html! { p { (role_word(other.role)) ": " (describe(other.role)) } })) }
            @if may || is_own {
                (Card::titled(verb)
                    .actions(Button::danger_quiet(verb).icon(Icon::Logout).opens("remove"))
                    .body(html! { p.muted { (sentence) } }))
                (Dialog::confirm(
                    "remove", title, sentence, Button::danger(verb), &format!("{path}/remove"), member.csrf(),
                ))
            }
        }
    };
    let header = PageHeader::new(&other.name).description(other.email.clone());
    member.page_under(
        &other.name,
        &[("Members", member.href("/members"))],
        header,
        content,
    )
}

fn describe(role: Role) -> &'static str {
    match role {
        Role::Owner => "Everything, deleting the workspace included.",
        Role::Admin => "Everything but deleting the workspace.",
        Role::Member => "Works on platforms and customers; no keys, members or audit log.",
        Role::Viewer => "Sees platforms, customers and usage; changes nothing.",
    }
}

async fn change(
    State(app): State<App>,
    Segments((_, id)): Path,
    Posted(member, entries): Posted<Member>,
) -> Result<Response, Problem> {
    let role = entries.parsed("role", "choose a role")?;
    let changed = memberships::change_role(&app, &member.caller, id, role).await?;
    let notice = format!(
        "{} is {} now.",
        changed.name,
        role_word(changed.role).to_lowercase()
    );
    Ok(go_saying(&app, &member.href("/members"), &notice)?)
}

async fn remove(
    State(app): State<App>,
    Segments((_, id)): Path,
    Posted(member, _): Posted<Member>,
) -> Result<Response, Problem> {
    memberships::remove(&app, &member.caller, id).await?;
    if id == member.person.user.id {
        return Ok(go("/"));
    }
    Ok(go_saying(&app, &member.href("/members"), "Member removed.")?)
}
