//! What a database says when it cannot do as asked, in the words of [`types::Error`].

use sqlx::error::ErrorKind;
use types::{Error, ErrorCode};

/// SQLSTATE of a serialization failure: run the transaction again.
const SERIALIZATION_FAILURE: &str = "40001";
/// SQLSTATE of a deadlock that was broken at our cost: run the transaction again.
const DEADLOCK_DETECTED: &str = "40P01";

/// Turns a driver's error into ours. The driver's own text goes to the log as the source, never to a caller.
pub(crate) fn from_sqlx(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::Io(_)
        // A connection that ends while it is being made reads as a strange answer: a proxy whose database is gone does that.
        | sqlx::Error::Protocol(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => unavailable(error),
        sqlx::Error::Database(cause) => match cause.kind() {
            ErrorKind::UniqueViolation => {
                Error::new(ErrorCode::AlreadyExists, "There is one like it already.").with_source(error)
            }
            ErrorKind::ForeignKeyViolation => Error::new(
                ErrorCode::Conflict,
                "Something it refers to does not exist, or something still refers to it.",
            )
            .with_source(error),
            _ if is_outage(cause.as_ref()) => unavailable(error),
            _ => Error::internal(error),
        },
        _ => Error::internal(error),
    }
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable("The database cannot take this now. Nothing was changed; try again in a moment.")
        .with_source(error)
}

/// The same for a commit, which may have taken place although nobody said so.
pub(crate) fn from_commit(error: sqlx::Error) -> Error {
    let broke_off = match &error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(cause) => cause.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    };
    if broke_off {
        outcome_unknown().with_source(error)
    } else {
        from_sqlx(error)
    }
}

/// Nobody said whether a commit took place.
pub(crate) fn outcome_unknown() -> Error {
    Error::new(
        ErrorCode::OutcomeUnknown,
        "The database did not say whether this was done. Look whether it was before you try again.",
    )
    .with_retry_after(1)
}

/// Whether the database is full, locked, starting, stopping or out of connections, rather than the statement wrong.
fn is_outage(cause: &dyn sqlx::error::DatabaseError) -> bool {
    let Some(code) = cause.code() else { return false };
    if cause
        .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
        .is_some()
    {
        // Classes 53 (insufficient resources), 57 (operator intervention), 58 (system error), 08 (connection), a transaction
        // that was idle for too long, and the two that ask for another try.
        return ["53", "57", "58", "08", "25P03"]
            .iter()
            .any(|class| code.starts_with(class))
            || is_retry(&code);
    }
    // SQLite's primary result codes, in the low byte: BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN.
    let primary = code.parse::<u32>().map_or(0, |code| code & 0xff);
    matches!(primary, 5 | 6 | 8 | 10 | 13 | 14)
}

fn is_retry(code: &str) -> bool {
    code == SERIALIZATION_FAILURE || code == DEADLOCK_DETECTED
}

/// What a closure found out that the database could not know.
#[derive(Debug, thiserror::Error)]
#[error("another transaction wrote what this one counted on")]
struct Overtaken;

/// For a closure of a write that finds another transaction's work where it counted on none: its own is undone, and it runs
/// again on what is there now.
pub fn overtaken() -> Error {
    unavailable(Overtaken)
}

/// Whether running the whole transaction again may work at once, because another one was in the way.
pub(crate) fn asks_for_retry(error: &Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<Overtaken>() {
            return true;
        }
        if let Some(sqlx::Error::Database(database)) = error.downcast_ref::<sqlx::Error>() {
            return database.code().is_some_and(|code| is_retry(&code));
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_connection_is_an_outage_and_a_wrong_statement_is_not() {
        let broken = [
            sqlx::Error::Protocol("unexpected response from SSLRequest: 0x00".to_owned()),
            sqlx::Error::Tls("the handshake was cut off".into()),
            sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()),
        ];
        for error in broken {
            assert_eq!(from_sqlx(error).code(), ErrorCode::Unavailable);
        }
        let wrong = sqlx::Error::ColumnNotFound("amuont".to_owned());
        assert_eq!(from_sqlx(wrong).code(), ErrorCode::Internal);
    }

    #[test]
    fn a_commit_that_breaks_off_promises_nothing() {
        let broken = || sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert_eq!(from_sqlx(broken()).code(), ErrorCode::Unavailable);
        assert_eq!(from_commit(broken()).code(), ErrorCode::OutcomeUnknown);
        assert_eq!(
            from_commit(sqlx::Error::PoolTimedOut).code(),
            ErrorCode::Unavailable
        );
    }

    #[test]
    fn whoever_was_overtaken_runs_again() {
        assert!(asks_for_retry(&overtaken()));
        assert!(!asks_for_retry(&outcome_unknown()));
    }
}
