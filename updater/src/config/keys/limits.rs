//! `[limits]`: what is taken from outside, at most.

use listener::Limits;
use protocol::{Bytes, PATH_PARTS, Period};

use super::section::{hours, minutes, seconds};

section! {
    /// `[limits]`.
    pub struct LimitsConfig {
        /// Bytes of an archive as it is sent.
        pub archive_bytes: Bytes = Bytes(2 << 30),
        /// Bytes that it inflates to, tar's padding included.
        pub unpacked_bytes: Bytes = Bytes(8 << 30),
        /// Entries in it, and what they make with the directories that they imply.
        pub entries: u64 = 200_000,
        /// Parts of a path in it.
        pub path_parts: usize = PATH_PARTS,
        /// Connections at a time, of each kind: those on which nothing was said yet, those without a
        /// certificate yet, those of masters, and all others.
        pub connections: usize = 200,
        /// For a TLS handshake.
        pub handshake_timeout: Period = seconds(10),
        /// For the head of a request.
        pub header_timeout: Period = seconds(10),
        /// The time in which nothing of a body moves, in either direction.
        pub body_timeout: Period = seconds(30),
        /// A whole body, from its first byte to its last.
        pub receive_timeout: Period = hours(1),
        /// The longest watch that an order may ask for.
        pub longest_watch: Period = hours(24),
        /// Waiting until the disk has taken a release (`syncfs`).
        pub sync_timeout: Period = minutes(2),
        /// A drill, from its beginning to its end.
        pub drill_timeout: Period = minutes(5),
        /// Free bytes that there must be besides the archive's own.
        pub reserve_bytes: Bytes = Bytes(64 << 20),
        /// Free inodes that there must be.
        pub reserve_inodes: u64 = 1024,
    }
}

impl From<&LimitsConfig> for Limits {
    fn from(config: &LimitsConfig) -> Self {
        Self {
            connections: config.connections,
            handshake_timeout: config.handshake_timeout.0,
            header_timeout: config.header_timeout.0,
            body_timeout: config.body_timeout.0,
        }
    }
}
