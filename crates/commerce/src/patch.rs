//! Fields of requests in which null means something else than absence.

use serde::{Deserialize, Deserializer};

/// Null is `Some(None)`. For `#[serde(default, deserialize_with = "present")]`, so that absence is `None`.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
