//! What can go wrong. One [`ErrorCode`] has one HTTP status; an [`Error`] adds what happened, where, and what to do.
//!
//! The texts in `detail` and in field errors are shown to whoever made the request: they never hold a secret, another
//! tenant's data or a database's message. The cause of an internal error travels in `source`, for the log alone.

use std::error::Error as StdError;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($variant:ident = $text:literal, $status:literal, $title:literal;)*) => {
        /// The stable name of what went wrong. New codes are added; a code is never renamed or given another status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode {
            $(#[doc = $title] $variant,)*
        }

        impl ErrorCode {
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$variant),*];

            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => $text),* }
            }

            /// HTTP status code.
            pub const fn status(self) -> u16 {
                match self { $(ErrorCode::$variant => $status),* }
            }

            /// The same short sentence for every occurrence (RFC 9457 `title`).
            pub const fn title(self) -> &'static str {
                match self { $(ErrorCode::$variant => $title),* }
            }
        }
    };
}

codes! {
    MalformedRequest = "malformed_request", 400, "The request could not be read";
    Unauthenticated = "unauthenticated", 401, "No valid credential was given";
    ApiKeyExpired = "api_key_expired", 401, "The API key has expired";
    ApiKeyRevoked = "api_key_revoked", 401, "The API key was revoked";
    SessionExpired = "session_expired", 401, "The session has ended";
    InvalidCredentials = "invalid_credentials", 401, "E-mail address or password is wrong";
    PlanLimitReached = "plan_limit_reached", 402, "The plan's limit is reached";
    FeatureNotInPlan = "feature_not_in_plan", 402, "The plan does not include this feature";
    PermissionDenied = "permission_denied", 403, "The credential lacks a permission";
    WrongKeyKind = "wrong_key_kind", 403, "This kind of API key is not accepted here";
    WrongMode = "wrong_mode", 403, "The API key belongs to the other mode";
    OriginRefused = "origin_refused", 403, "The request came from a page of another site";
    NotFound = "not_found", 404, "There is no such thing here";
    MethodNotAllowed = "method_not_allowed", 405, "The method is not allowed here";
    Conflict = "conflict", 409, "It conflicts with what is there";
    AlreadyExists = "already_exists", 409, "There is one already";
    IdempotencyKeyInUse = "idempotency_key_in_use", 409, "A request with this key is under way";
    PayloadTooLarge = "payload_too_large", 413, "The request body is too large";
    UriTooLong = "uri_too_long", 414, "The request's address is too long";
    UnsupportedMediaType = "unsupported_media_type", 415, "The body's media type is not accepted here";
    ValidationFailed = "validation_failed", 422, "A field breaks a rule";
    IdempotencyKeyReused = "idempotency_key_reused", 422, "The key was used with another request";
    CustomerArchived = "customer_archived", 422, "The customer is archived";
    FeatureNotMetered = "feature_not_metered", 422, "The feature is not metered";
    QuotaExceeded = "quota_exceeded", 429, "The quota of this period is used up";
    RateLimited = "rate_limited", 429, "Too many requests";
    HeadersTooLarge = "headers_too_large", 431, "The request's headers are too large";
    Internal = "internal", 500, "Something went wrong on our side";
    Unavailable = "unavailable", 503, "Temporarily unavailable; try again";
    OutcomeUnknown = "outcome_unknown", 503, "The outcome is unknown; retry with the same key";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Where the field stands, such as `limits[2].amount`; a query parameter or header by its name.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// What went wrong, ready to be told to the caller.
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    code: ErrorCode,
    detail: String,
    fields: Vec<FieldError>,
    retry_after_secs: Option<u64>,
    members: Map<String, Value>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error with its own sentence: what happened, and what to do next.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Error {
            inner: Box::new(Inner {
                code,
                detail: detail.into(),
                fields: Vec::new(),
                retry_after_secs: None,
                members: Map::new(),
                source: None,
            }),
        }
    }

    /// There is no such `noun`, or it is another workspace's: the answers are the same.
    pub fn not_found(noun: &str) -> Self {
        Error::new(
            ErrorCode::NotFound,
            format!("There is no such {noun}, or this credential cannot see it."),
        )
    }

    /// One field breaks a rule.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        Error::new(ErrorCode::ValidationFailed, format!("{field}: {message}")).with_field(field, message)
    }

    /// Something that should not happen. The cause is for the log; the caller gets the request id to quote.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Error::new(
            ErrorCode::Internal,
            "Something went wrong on our side. Quote the request id to support.",
        )
        .with_source(source)
    }

    /// Something this depends on does not answer now; the same request may work in a moment.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Error::new(ErrorCode::Unavailable, detail).with_retry_after(1)
    }

    pub fn with_field(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.inner.fields.push(FieldError {
            field: field.into(),
            message: message.into(),
        });
        self
    }

    /// Seconds after which trying again makes sense (`Retry-After`).
    pub fn with_retry_after(mut self, secs: u64) -> Self {
        self.inner.retry_after_secs = Some(secs);
        self
    }

    /// Adds an extension member to the problem (RFC 9457 §3.2), such as the limit that was reached.
    pub fn with_member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.inner.members.insert(name.to_owned(), value.into());
        self
    }

    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    pub fn code(&self) -> ErrorCode {
        self.inner.code
    }

    pub fn detail(&self) -> &str {
        &self.inner.detail
    }

    pub fn fields(&self) -> &[FieldError] {
        &self.inner.fields
    }

    pub fn retry_after_secs(&self) -> Option<u64> {
        self.inner.retry_after_secs
    }

    pub fn members(&self) -> &Map<String, Value> {
        &self.inner.members
    }

    pub fn is(&self, code: ErrorCode) -> bool {
        self.inner.code == code
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.inner.code, self.inner.detail)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, "\n  caused by: {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_names_are_the_serde_names() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn the_cause_is_for_the_log_alone() {
        let error = Error::internal(std::io::Error::other("disk on fire"));
        assert!(!error.to_string().contains("fire"));
        assert!(format!("{error:?}").contains("disk on fire"));
    }
}
