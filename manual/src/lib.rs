//! Manual pages: of a program's commands, as its own help has them, and of the files that it reads, whose pages are
//! chapters of the book (`docs/`) in another form. Nothing is said here that is not said there.

#![warn(missing_docs)]

mod chapter;
mod commands;
mod roff;

pub use chapter::{Chapter, chapter_page};
pub use commands::command_pages;

use std::io;
use std::path::Path;

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its file: `updater.toml.5`.
    pub file: String,
    /// What is in it, for man(1).
    pub text: String,
}

/// Writes pages into a directory, which is made.
///
/// # Errors
/// When the disk refuses.
pub fn write_pages(pages: &[Page], directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    pages.iter().try_for_each(|page| std::fs::write(directory.join(&page.file), &page.text))
}
