//! Who is counted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use types::{Mode, id};
use uuid::Uuid;

/// The kind of thing that a counter counts for. In the order of their names, so that keys sort in memory as they do in
/// the database: that order is the order in which counters are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    ApiKey,
    Customer,
    Device,
    EndUser,
    Widget,
}

impl SubjectKind {
    pub const ALL: [SubjectKind; 5] = [
        SubjectKind::ApiKey,
        SubjectKind::Customer,
        SubjectKind::Device,
        SubjectKind::EndUser,
        SubjectKind::Widget,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            SubjectKind::ApiKey => "api_key",
            SubjectKind::Customer => "customer",
            SubjectKind::Device => "device",
            SubjectKind::EndUser => "end_user",
            SubjectKind::Widget => "widget",
        }
    }
}

impl fmt::Display for SubjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no kind of subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a subject is an api_key, a customer, a device, an end_user or a widget")]
pub struct ParseSubjectKindError;

impl FromStr for SubjectKind {
    type Err = ParseSubjectKindError;

    fn from_str(text: &str) -> Result<Self, ParseSubjectKindError> {
        SubjectKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(ParseSubjectKindError)
    }
}

/// One thing that is counted, with all that keeps it apart from another tenant's, platform's or mode's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    pub workspace: id::WorkspaceId,
    pub platform: id::PlatformId,
    pub mode: Mode,
    pub kind: SubjectKind,
    /// The UUID of the customer, end user, API key ….
    pub id: Uuid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_sort_and_parse_by_their_names() {
        assert!(SubjectKind::ALL.is_sorted());
        assert!(SubjectKind::ALL.map(SubjectKind::as_str).is_sorted());
        for kind in SubjectKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert!("project".parse::<SubjectKind>().is_err());
    }
}
