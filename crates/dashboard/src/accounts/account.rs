//! One's own account: who one is, and where one is signed in.

use accounts::sessions::{self, Session};
use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Params, Problem, Segments};
use serde::Deserialize;
use types::id::SessionId;
use types::{Page, Timestamp};
use ui::dialog::Dialog;
use ui::{Badge, Button, Card, Cell, Column, Icon, Kv, PageHeader, Row, Table, Tone, time};

use crate::frame::{Person, Posted, go_saying, page_at, pages};

const HERE: &str = "/account";

#[derive(Deserialize)]
pub(super) struct At {
    cursor: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    person: Person,
    Params(at): Params<At>,
) -> Result<Markup, Problem> {
    let page = sessions::list(&app, &person.caller, &page_at(at.cursor.as_deref())).await?;
    let about = Kv::new()
        .row("Name", person.user.name.as_str())
        .row("E-mail", person.user.email.as_str())
        .row("Member since", time::date(person.user.created_at));
    let content = html! {
        div.stack {
            (Card::titled("About you").body(about))
            (running(&person, &page, at.cursor.as_deref(), app.now()))
        }
    };
    let header =
        PageHeader::new("Your account").description("Who you are here, and where you are signed in.");
    Ok(person.page("Your account", header, content))
}

pub(super) async fn end(
    State(app): State<App>,
    Segments(session): Segments<SessionId>,
    Posted(person, _): Posted<Person>,
) -> Result<Response, Problem> {
    sessions::revoke(&app, &person.caller, session).await?;
    Ok(go_saying(&app, HERE, "That browser is signed out.")?)
}

pub(super) async fn end_others(
    State(app): State<App>,
    Posted(person, _): Posted<Person>,
) -> Result<Response, Problem> {
    sessions::revoke_others(&app, &person.caller).await?;
    Ok(go_saying(&app, HERE, "Every other browser is signed out.")?)
}

fn running(person: &Person, page: &Page<Session>, cursor: Option<&str>, now: Timestamp) -> Markup {
    let here = person.caller.session();
    let rows = page.data.iter().map(|session| {
        let browser = session
            .user_agent
            .as_deref()
            .map_or("A program without a name", browser);
        let name =
            html! { (browser) @if session.id == here { " " (Badge::new("This browser", Tone::Accent)) } };
        let end = Button::ghost("Sign out")
            .small()
            .post(format!("/account/sessions/{}/end", session.id), &person.csrf);
        Row::new([
            Cell::two_lines(name, session.address.as_str()),
            Cell::new(time::instant(session.created_at)),
            Cell::new(time::ago(session.seen_at, now)),
            if session.id == here {
                Cell::new("")
            } else {
                Cell::new(end)
            },
        ])
    });
    let columns = [
        Column::text("Browser"),
        Column::text("Signed in").wide_only(),
        Column::text("Last used"),
        Column::actions("Actions"),
    ];
    let end_others = Dialog::confirm(
        "end-others",
        "Sign out everywhere else?",
        "Every other browser of yours has to sign in again. This one stays.",
        Button::danger("Sign out others"),
        "/account/sessions/end-others",
        &person.csrf,
    );
    let has_others = page.data.iter().any(|session| session.id != here);
    let card = Card::titled("Sessions")
        .description("Browsers that are signed in as you.")
        .flush(Table::new("Sessions", columns).rows(rows))
        .footer(pages(page, cursor, ("session", "sessions"), HERE));
    let opener = Button::danger_quiet("Sign out others")
        .icon(Icon::Logout)
        .small()
        .opens("end-others");
    html! {
        (if has_others { card.actions(opener) } else { card })
        @if has_others { (end_others) }
    }
}

/// What a browser is called, as far as that can be told from what it says of itself.
fn browser(user_agent: &str) -> &str {
    // Each pretends to be those after it.
    let names = ["Edg", "OPR", "Firefox", "Chrome", "Safari", "curl"];
    let shown = ["Edge", "Opera", "Firefox", "Chrome", "Safari", "curl"];
    let known = names.iter().position(|name| user_agent.contains(name));
    known.map_or(user_agent, |index| shown[index])
}

#[cfg(test)]
mod tests {
    use super::browser;

    #[test]
    fn browsers_are_told_apart() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";
        assert_eq!(browser(chrome), "Chrome");
        assert_eq!(browser(&format!("{chrome} Edg/140.0")), "Edge");
        assert_eq!(browser("something/1"), "something/1");
    }
}
