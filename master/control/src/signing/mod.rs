//! Signed releases, on the machine that packs or signs them: the files that go with an archive.
//!
//! Nothing here decides what may run: the hosts verify, with the keys that their owners gave them.

mod describe;
mod error;
mod files;
mod key;
mod measure;

pub use describe::{counter_at, describe};
pub use error::SigningError;
pub use files::{SignedFiles, manifest_of, write_unsigned};
pub use key::ReleaseKey;
