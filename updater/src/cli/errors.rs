//! Errors as a person reads them: what failed, why, and what to do.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use common::{Style, causes};

use crate::self_update::EXIT_HOST_FAULT;

/// What a subcommand failed with.
#[derive(Debug)]
pub struct CliError {
    error: Box<dyn Error + Send + Sync>,
    hint: Option<String>,
    status: u8,
}

impl CliError {
    /// The configuration, the identity or the host itself is at fault: the rescue leaves the
    /// updater's release as it is.
    pub fn of_host(error: impl Error + Send + Sync + 'static) -> Self {
        Self { error: Box::new(error), hint: None, status: EXIT_HOST_FAULT }
    }

    /// With what to do about it.
    pub fn hint(error: impl Error + Send + Sync + 'static, hint: impl Into<String>) -> Self {
        Self { error: Box::new(error), hint: Some(hint.into()), status: 1 }
    }
}

/// A bare text is none: it would not be known to fit after "failed to".
impl<E: Error + Send + Sync + 'static> From<E> for CliError {
    fn from(error: E) -> Self {
        Self { error: Box::new(error), hint: None, status: 1 }
    }
}

/// Prints what failed to stderr, and turns it into the exit status: 0 fine, 1 not, 78 not and it is
/// the host's configuration.
pub fn exit_code(done: Result<bool, CliError>, style: Style) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = std::io::stderr().write_all(style.paint_heads(&render(&error)).as_bytes());
            ExitCode::from(error.status)
        }
    }
}

/// The error, its causes, and the hint.
pub fn render(error: &CliError) -> String {
    let mut text = format!("error: failed to {}\n", error.error);
    for cause in causes(&*error.error) {
        let _ = writeln!(text, "  caused by: {cause}");
    }
    if let Some(hint) = &error.hint {
        let _ = writeln!(text, "  hint: {hint}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("read the configuration")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn an_error_says_what_why_and_what_to_do() {
        let error = CliError::hint(Outer(std::io::Error::other("no such file")), "write one");
        insta::assert_snapshot!(render(&error), @r"
        error: failed to read the configuration
          caused by: no such file
          hint: write one
        ");
    }
}
