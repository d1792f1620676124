//! Signed releases on the master's side: the files that go with an archive.
//!
//! Nothing here decides what may run: the hosts verify, with the keys that their owners gave them.

mod error;
mod files;

pub use error::SigningError;
pub use files::SignedFiles;
