//! The development mailbox: the mails of an installation that has no SMTP server. They are everybody's, links to reset a
//! password included, so only the owners and admins of the operator's workspace read them.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use commerce::catalogue::OPERATOR_WORKSPACE;
use http::{HeaderName, HeaderValue, header};
use maud::{Markup, PreEscaped, html};
use runtime::http::{Problem, Segments};
use runtime::mail::{self, KeptMail};
use runtime::{App, Caller};
use types::id::{MailId, WorkspaceId};
use types::{Error, Permission, Result};
use ui::{Card, Cell, Column, Empty, Icon, Kv, PageHeader, Row, Table, time};

use crate::frame::{FRAMING_POLICY, Member};

/// A mail's HTML is somebody else's text: it may show itself and style itself, and nothing more.
const MAIL_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'; \
     form-action 'none'; sandbox",
);

/// The newest mails are enough for a development mailbox.
const SHOWN: u32 = 50;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/w/{workspace}/mailbox", get(list))
        .route("/w/{workspace}/mailbox/{mail}", get(show))
        .route("/w/{workspace}/mailbox/{mail}/html", get(html_part))
}

/// Whether there is a mailbox, and the caller may read it.
pub(crate) fn is_open(app: &App, caller: &Caller) -> bool {
    !app.mailer().is_smtp()
        && caller.workspace() == OPERATOR_WORKSPACE
        && caller.may(Permission::MembersManage)
}

async fn mails(app: &App, member: &Member) -> Result<Vec<KeptMail>> {
    if !is_open(app, &member.caller) {
        return Err(Error::not_found("mailbox"));
    }
    mail::mailbox(app, SHOWN).await
}

async fn find(app: &App, member: &Member, id: MailId) -> Result<KeptMail> {
    let mails = mails(app, member).await?;
    mails
        .into_iter()
        .find(|kept| kept.id == id)
        .ok_or_else(|| Error::not_found("mail"))
}

async fn list(State(app): State<App>, member: Member) -> Result<Markup, Problem> {
    let mails = mails(&app, &member).await?;
    let rows = mails.iter().map(|kept| {
        Row::new([
            Cell::two_lines(kept.mail.subject.as_str(), kept.mail.recipient.as_str()),
            Cell::new(time::ago(kept.created_at, app.now())),
        ])
        .href(member.href(&format!("/mailbox/{}", kept.id)))
    });
    let empty = Empty::new(
        Icon::Inbox,
        "No mail yet",
        "What Plinth sends is kept here until an SMTP server is set.",
    );
    let table = Table::new("Mails", [Column::text("Mail"), Column::number("Sent")])
        .rows(rows)
        .empty(empty);
    let header = PageHeader::new("Mailbox").description(
        "No SMTP server is configured, so nothing leaves this machine. Set smtp.url to send mail.",
    );
    Ok(member.page("Mailbox", header, Card::new().flush(table)))
}

type Path = Segments<(WorkspaceId, MailId)>;

async fn show(State(app): State<App>, Segments((_, id)): Path, member: Member) -> Result<Response, Problem> {
    let KeptMail { mail, created_at, .. } = find(&app, &member, id).await?;
    let about = Kv::new()
        .row("To", mail.recipient.as_str())
        .row("Sent", time::instant(created_at));
    let source = member.href(&format!("/mailbox/{id}/html"));
    let content = html! {
        div.stack {
            (Card::new().body(about))
            (Card::titled("Text").body(html! { pre.mail-text tabindex="0" aria-label="Text of the mail" { (mail.text) } }))
            @if !mail.html.is_empty() {
                (Card::titled("HTML").body(html! {
                    iframe src=(source) title="HTML of the mail" sandbox="" width="100%" height="480" {}
                }))
            }
        }
    };
    let header = PageHeader::new(&mail.subject);
    let crumbs = [("Mailbox", member.href("/mailbox"))];
    let page = member.page_under(&mail.subject, &crumbs, header, content);
    Ok(([(header::CONTENT_SECURITY_POLICY, FRAMING_POLICY)], page).into_response())
}

async fn html_part(
    State(app): State<App>,
    Segments((_, id)): Path,
    member: Member,
) -> Result<Response, Problem> {
    let kept = find(&app, &member, id).await?;
    let headers = [
        (header::CONTENT_SECURITY_POLICY, MAIL_POLICY),
        (
            HeaderName::from_static("x-frame-options"),
            HeaderValue::from_static("SAMEORIGIN"),
        ),
    ];
    Ok((headers, PreEscaped(kept.mail.html)).into_response())
}
