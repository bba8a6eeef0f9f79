//! The two streams of a command.

use std::io::{ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;

use serde::Serialize;
use types::{Error, ErrorCode, Result};

/// Writes what was asked for to standard output. Whoever stops reading has read enough.
pub(super) fn print(text: &str) -> Result<ExitCode> {
    let mut out = stdout().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    match write!(out, "{text}{newline}").and_then(|()| out.flush()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => {
            Err(Error::unavailable(format!("Cannot write to standard output: {error}.")).with_source(error))
        }
    }
}

/// Writes a value as JSON, for scripts.
pub(super) fn print_json(value: &impl Serialize) -> Result<ExitCode> {
    let text = serde_json::to_string_pretty(value).map_err(Error::internal)?;
    print(&text)
}

/// Says on standard error what is wrong.
pub(super) fn complain(sentence: &str) {
    // There is nowhere left to say that this failed.
    let _ = writeln!(stderr().lock(), "error: {sentence}");
}

/// An error as its operator reads it: they may know the cause, which a caller of the API may not.
pub(super) fn explain(error: &Error) -> String {
    let mut text = match error.code() {
        ErrorCode::Internal => "something went wrong inside plinth".to_owned(),
        _ => error.detail().to_owned(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        let reason = deeper.to_string();
        // A sentence that was made of its cause says it already.
        if !text.contains(&reason) {
            text.push_str("\n  because: ");
            text.push_str(&reason);
        }
        cause = deeper.source();
    }
    runtime::telemetry::scrub(&text).into_owned()
}
