//! Where a page of a list begins, for lists in the order of their ids.

use uuid::Uuid;

use crate::id::Kind;
use crate::{Error, Id, PageRequest, Result};

/// The id after which the page begins, of a list with the oldest first.
///
/// # Errors
/// `validation_failed`, when the cursor is none of this list.
pub fn after<K: Kind>(page: &PageRequest) -> Result<Id<K>> {
    start(page, Uuid::nil())
}

/// The id before which the page begins, of a list with the newest first.
///
/// # Errors
/// `validation_failed`, when the cursor is none of this list.
pub fn before<K: Kind>(page: &PageRequest) -> Result<Id<K>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::CustomerId;

    #[test]
    fn a_page_begins_behind_its_cursor_or_at_the_end_of_the_list() {
        let id = CustomerId::generate();
        let mut page = PageRequest::default();
        let ends: (CustomerId, CustomerId) = (after(&page).unwrap(), before(&page).unwrap());
        assert!(ends.0 < id && id < ends.1);
        page.cursor = Some(id.to_string());
        assert_eq!((after(&page).unwrap(), before(&page).unwrap()), (id, id));
    }

    #[test]
    fn what_is_no_cursor_of_the_list_is_refused() {
        for text in ["", "next", "wsp_00000000000000000000000000"] {
            let page = PageRequest {
                cursor: Some(text.to_owned()),
                ..PageRequest::default()
            };
            let begin: Result<CustomerId> = after(&page);
            let refusal = begin.unwrap_err();
            assert_eq!(refusal.fields()[0].field, "cursor", "{text}");
        }
    }
}
