//! One feature: how it is shown, and its end.

use axum::extract::State;
use axum::response::Response;
use commerce::features::{self, Feature, FeatureChange};
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Problem, Segments};
use types::Permission;
use types::id::{FeatureId, PlatformId, WorkspaceId};
use ui::code::copyable;
use ui::dialog::Dialog;
use ui::form::columns;
use ui::{Badge, Button, Card, Field, Form, Icon, Kv, time};

use super::features::{counts, kind_word};
use crate::frame::{Draft, Posted, Shopkeeper, go_saying};

type Path = Segments<(WorkspaceId, PlatformId, FeatureId)>;

pub(super) async fn show(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    keeper: Shopkeeper,
) -> Result<Markup, Problem> {
    let feature = features::get(&app, &keeper.caller, id).await?;
    let unit = feature.unit.clone().unwrap_or_default();
    let draft = Draft::of([("name", feature.name.clone()), ("unit", unit)]);
    Ok(page(&keeper, &feature, &draft))
}

pub(super) async fn save(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    let feature = features::get(&app, &keeper.caller, id).await?;
    let change = FeatureChange {
        name: Some(entries.text("name").to_owned()),
        unit: Some(entries.filled("unit").map(str::to_owned)),
    };
    match features::update(&app, &keeper.caller, id, &change).await {
        Ok(_) => Ok(go_saying(&app, &keeper.href("/features"), "Changes saved.")?),
        Err(error) => entries.again(error, |draft| page(&keeper, &feature, &draft)),
    }
}

pub(super) async fn archive(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    Posted(keeper, _): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    features::archive(&app, &keeper.caller, id).await?;
    Ok(go_saying(&app, &keeper.href("/features"), "Feature archived.")?)
}

fn page(keeper: &Shopkeeper, feature: &Feature, draft: &Draft) -> Markup {
    let is_archived = feature.archived_at.is_some();
    let may = keeper.may(Permission::PlatformsManage) && !is_archived;
    let here = keeper.href(&format!("/features/{}", feature.id));
    let badges = html! { @if is_archived { (Badge::status("archived")) } };
    let header = keeper.header(&feature.name, badges);
    let header = if may {
        header.actions(
            Button::danger_quiet("Archive")
                .icon(Icon::Archive)
                .opens("archive"),
        )
    } else {
        header
    };
    let about = Kv::new()
        .row("Key", copyable(&feature.key))
        .row("Kind", kind_word(feature.kind))
        .row_opt("Counts", Some(counts(feature)).filter(|text| !text.is_empty()))
        .row_opt("Dimensions", dimensions(feature))
        .row("Feature id", copyable(&feature.id.to_string()))
        .row("Created", time::date(feature.created_at));
    let name = Field::text("name", "Name").required().max_length(200);
    let unit = Field::text("unit", "Unit").optional().max_length(40);
    let form = Form::post(here, keeper.csrf())
        .part(columns(html! {
            (draft.fill("name", name))
            (draft.fill("unit", unit).help("What one of it is called."))
        }))
        .actions(Button::primary("Save changes"));
    let content = html! {
        (Card::titled("Feature").body(about))
        @if may {
            (Card::titled("How it is shown").body(html! { (draft.alert()) (form) }))
            (Dialog::confirm(
                "archive",
                format!("Archive {}?", feature.name),
                "New plan versions cannot give it any more. Versions that have it keep it, and so do their customers.",
                Button::danger("Archive feature"),
                &keeper.href(&format!("/features/{}/archive", feature.id)),
                keeper.csrf(),
            ))
        }
    };
    keeper.page(("Features", "/features"), &feature.name, header, content)
}

/// The names by which its usage is broken down; none for a feature that is not counted.
fn dimensions(feature: &Feature) -> Option<Markup> {
    let is_counted = !feature.dimensions.is_empty();
    is_counted.then(|| html! { span.tags { @for name in &feature.dimensions { code.tag { (name) } } } })
}
