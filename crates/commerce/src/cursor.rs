//! Where a page of a list begins, for lists in the order of their ids.

use types::id::Kind;
use types::{Error, Id, PageRequest, Result};
use uuid::Uuid;

/// The id after which the page begins, of a list with the oldest first.
///
/// # Errors
/// `validation_failed`, when the cursor is none of this list.
pub(crate) fn after<K: Kind>(page: &PageRequest) -> Result<Id<K>> {
    start(page, Uuid::nil())
}

/// The id before which the page begins, of a list with the newest first.
///
/// # Errors
/// `validation_failed`, when the cursor is none of this list.
pub(crate) fn before<K: Kind>(page: &PageRequest) -> Result<Id<K>> {
    start(page, Uuid::max())
}

fn start<K: Kind>(page: &PageRequest, end: Uuid) -> Result<Id<K>> {
    match &page.cursor {
        None => Ok(Id::from_uuid(end)),
        Some(cursor) => cursor
            .parse()
            .map_err(|_| Error::invalid("cursor", "not a cursor of this list")),
    }
}
