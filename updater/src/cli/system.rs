//! What every command asks of the system: a place for its output, and a runtime to wait in.

use std::io::{self, Write as _};

use common::pretty_document;
use serde::Serialize;
use tokio::runtime::{Builder, Runtime};

use crate::cli::errors::CliError;

/// What was tried, where the system says alone why it could not be.
#[derive(Debug, thiserror::Error)]
#[error("{act}")]
struct SystemError {
    /// A fragment, as every message.
    act: &'static str,
    source: io::Error,
}

/// For what the system says: it does not say what was tried.
pub(super) fn failed_at(act: &'static str) -> impl FnOnce(io::Error) -> CliError {
    move |source| SystemError { act, source }.into()
}

/// Writes a command's output.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    io::stdout().write_all(text.as_bytes()).map_err(failed_at("write the output"))
}

/// What a command tells programs.
pub(super) fn pretty(document: &impl Serialize) -> serde_json::Result<String> {
    pretty_document(document, &|_| None)
}

/// A runtime for a command that only asks the daemon.
pub(super) fn small_runtime() -> Result<Runtime, CliError> {
    built(&mut Builder::new_current_thread())
}

/// A runtime for a command that may have to do all by itself.
pub(super) fn runtime() -> Result<Runtime, CliError> {
    built(Builder::new_multi_thread().worker_threads(2))
}

fn built(builder: &mut Builder) -> Result<Runtime, CliError> {
    builder.enable_all().build().map_err(failed_at("make the threads of this command"))
}
