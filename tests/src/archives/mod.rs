//! Archives made byte by byte: what no careful packer would write, and what odd packers do.
//!
//! Nothing here checks anything, and nothing is shared with the reader that is tested.

mod header;
pub mod hostile;
pub mod legitimate;
mod packed;
mod tar;

pub use header::{Header, kind};
pub use packed::{GzipHead, gzip, gzip_with, zstd, zstd_frame, zstd_skippable};
pub use tar::{Format, Tar, pax_record};
