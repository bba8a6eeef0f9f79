//! Which workspace, and a new one.

use accounts::workspaces;
use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use runtime::App;
use runtime::http::Problem;
use ui::{Button, Card, Cell, Column, Empty, Field, Form, Icon, PageHeader, Row, Table, time};

use crate::frame::{Draft, Person, Posted, form_buttons, go_saying, role_word};

pub(super) async fn choose(person: Person) -> Markup {
    let new = || {
        Button::primary("New workspace")
            .icon(Icon::Plus)
            .href("/workspaces/new")
    };
    let rows = person.workspaces.iter().map(|joined| {
        Row::new([
            Cell::from(joined.workspace.name.as_str()),
            Cell::from(role_word(joined.role)),
            Cell::new(time::date(joined.workspace.created_at)),
        ])
        .href(format!("/w/{}", joined.workspace.id))
    });
    let columns = [
        Column::text("Name"),
        Column::text("Your role"),
        Column::text("Created").wide_only(),
    ];
    let table = Table::new("Workspaces", columns).rows(rows).empty(
        Empty::new(
            Icon::Building,
            "You are in no workspace",
            "A workspace holds platforms, customers and keys. Make one, or ask to be added to somebody else's.",
        )
        .action(new()),
    );
    let header =
        PageHeader::new("Workspaces").description("Where you work. Each is on its own: nothing is shared.");
    person.page("Workspaces", header.actions(new()), Card::new().flush(table))
}

pub(super) async fn fresh(person: Person) -> Markup {
    new_page(&person, &Draft::default())
}

pub(super) async fn create(
    State(app): State<App>,
    Posted(person, entries): Posted<Person>,
) -> Result<Response, Problem> {
    match workspaces::create(&app, &person.caller, entries.text("name")).await {
        Ok(made) => Ok(go_saying(&app, &format!("/w/{}", made.id), "Workspace created.")?),
        Err(error) => entries.again(error, |draft| new_page(&person, &draft)),
    }
}

fn new_page(person: &Person, draft: &Draft) -> Markup {
    let name = Field::text("name", "Name").required().max_length(100).autofocus();
    let form = Form::post("/workspaces/new", &person.csrf)
        .part(draft.fill("name", name).help("Your company, team or project."))
        .actions(form_buttons("Create workspace", "/workspaces"));
    let card = Card::new().body(html! { (draft.alert()) (form) });
    let header = PageHeader::new("New workspace").description("You will be its owner.");
    person.page("New workspace", header, card)
}
