//! What holds for every page, checked on the gallery, which shows every component.

#[path = "../examples/gallery/pages.rs"]
mod pages;

use std::collections::HashSet;

/// The opening tags of a page, without their brackets. Text never holds `<`: it is escaped.
fn tags(page: &str) -> impl Iterator<Item = &str> {
    page.split('<')
        .filter_map(|part| part.split_once('>'))
        .map(|(tag, _)| tag)
        .filter(|tag| !tag.starts_with(['/', '!']))
}

/// The values of an attribute, wherever it stands.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let opening = format!(" {attribute}=\"");
    tags(page)
        .flat_map(|tag| tag.split(opening.as_str()).skip(1).collect::<Vec<_>>())
        .filter_map(|rest| rest.split_once('"').map(|(value, _)| value))
        .collect()
}

fn pages() -> Vec<(&'static str, String)> {
    pages::all()
        .into_iter()
        .map(|(name, page)| (name, page.into_string()))
        .collect()
}

#[test]
fn nothing_is_inline() {
    for (name, page) in pages() {
        for tag in tags(&page) {
            assert!(!tag.contains(" style="), "{name}: {tag}");
            assert!(!tag.starts_with("style"), "{name}: {tag}");
            assert!(!tag.contains("javascript:"), "{name}: {tag}");
            let handler = tag
                .split_whitespace()
                .find(|word| word.starts_with("on") && word.contains('='));
            assert_eq!(handler, None, "{name}: {tag}");
            if tag.starts_with("script") {
                assert!(tag.starts_with("script src=\"/assets/"), "{name}: {tag}");
            }
        }
        assert_eq!(
            page.matches("<script").count(),
            page.matches("></script>").count(),
            "{name}"
        );
    }
}

#[test]
fn ids_are_unique_and_every_reference_leads_to_one() {
    for (name, page) in pages() {
        let ids = values(&page, "id");
        let unique: HashSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{name}: {ids:?}");
        for attribute in [
            "for",
            "aria-describedby",
            "aria-labelledby",
            "commandfor",
            "popovertarget",
        ] {
            for reference in values(&page, attribute).iter().flat_map(|value| value.split(' ')) {
                assert!(unique.contains(reference), "{name}: {attribute}={reference}");
            }
        }
    }
}

#[test]
fn every_input_that_is_seen_has_a_label() {
    for (name, page) in pages() {
        let labelled: HashSet<&str> = values(&page, "for").into_iter().collect();
        for tag in tags(&page).filter(|tag| {
            ["input", "select", "textarea"]
                .iter()
                .any(|kind| tag.starts_with(kind))
        }) {
            let id = tag
                .split_once(" id=\"")
                .and_then(|(_, rest)| rest.split_once('"'))
                .map(|(id, _)| id);
            assert!(
                tag.contains("type=\"hidden\"") || id.is_some_and(|id| labelled.contains(id)),
                "{name}: {tag}"
            );
        }
    }
}

#[test]
fn every_page_has_one_main_and_one_first_heading() {
    for (name, page) in pages() {
        assert_eq!(
            (page.matches("<main").count(), page.matches("<h1").count()),
            (1, 1),
            "{name}"
        );
    }
}

#[test]
fn pages_stay_small() {
    for (name, page) in pages() {
        assert!(page.len() < 50_000, "{name} has {} bytes", page.len());
    }
}

#[test]
fn the_script_evaluates_nothing() {
    let script = include_str!("../assets/app.js");
    for forbidden in ["eval(", "new Function", "innerHTML", ".style."] {
        assert!(!script.contains(forbidden), "{forbidden}");
    }
}
