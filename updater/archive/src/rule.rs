//! Every rule that an archive may break, each with a stable name.

use std::fmt;

use protocol::PathRule;

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $text:literal;)*) => {
        /// A rule that an archive broke.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Rule {
            /// A rule of names and of links' targets.
            Path(PathRule),
            $($(#[$doc])* $variant,)*
        }

        impl Rule {
            const OWN: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name of the rule.
            pub const fn code(self) -> &'static str {
                match self {
                    Self::Path(rule) => rule.code(),
                    $(Self::$variant => $code,)*
                }
            }
        }

        impl fmt::Display for Rule {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::Path(rule) => fmt::Display::fmt(rule, formatter),
                    $(Self::$variant => formatter.pad($text),)*
                }
            }
        }
    };
}

rules! {
    /// The first bytes are neither gzip's nor zstd's.
    UnknownFormat = "unknown_format", "an archive must be gzip or zstd";
    /// The compressed stream does not hold together: a checksum, a length, a code.
    Corrupt = "corrupt", "the compressed stream is damaged";
    /// The stream ends in the middle.
    Truncated = "truncated", "the archive ends too early";
    /// A second gzip member after the first.
    SecondMember = "second_member", "a gzip archive must have one member";
    /// Bytes after the end.
    TrailingData = "trailing_data", "nothing may follow the archive's end";
    /// A zstd window of more than 8 MiB.
    Window = "window_too_large", "a zstd window has at most 8 MiB";
    /// No block of zeros at the end.
    NoEndMarker = "no_end_marker", "an archive must end with blocks of zeros";
    /// No entry but the root.
    EmptyArchive = "empty_archive", "an archive must have an entry";
    /// More inflated bytes, or copies of hardlinks, than the limit.
    UnpackedBytes = "unpacked_bytes", "the archive inflates to more bytes than the limit";
    /// More entries than the limit.
    Entries = "entries", "the archive has more entries than the limit";
    /// A header's checksum is wrong.
    HeaderChecksum = "header_checksum", "a header's checksum must be right";
    /// A header is of a kind that readers of archives do not agree on.
    HeaderMagic = "header_magic", "a header must be of the ustar, GNU or V7 kind";
    /// A number in a header is malformed.
    HeaderNumber = "header_number", "a number in a header must be well formed";
    /// An extended header of more than 64 KiB.
    HeaderBytes = "header_bytes", "an extended header has at most 64 KiB";
    /// Two extended headers of one kind for one entry.
    ExtensionRepeated = "extension_repeated", "an entry has at most one extended header of a kind";
    /// Two extended headers give one entry two names.
    ExtensionAmbiguous = "extension_ambiguous", "an entry must have one name and one target";
    /// An extended header with no entry after it.
    ExtensionDangling = "extension_dangling", "an extended header must belong to an entry";
    /// A PAX record that is not `<length> <key>=<value>\n`.
    PaxMalformed = "pax_malformed", "a PAX record must be well formed";
    /// One PAX key twice.
    PaxDuplicate = "pax_duplicate", "a PAX key may stand once in a header";
    /// A PAX key that might change what is unpacked, in a way that is not known here.
    PaxUnknown = "pax_unknown", "a PAX key must be a known one";
    /// A global PAX header that says something of the entries.
    PaxGlobal = "pax_global", "a global PAX header must not say anything of the entries";
    /// The PAX size is not the header's, which is not 0 either.
    PaxSize = "pax_size", "the size in the PAX header must be that in the header, or that must be 0";
    Sparse = "sparse", "a file must not be sparse";
    /// A device, a FIFO or a socket.
    SpecialFile = "special_file", "an archive must not have devices, FIFOs or sockets";
    /// An entry of an unknown type.
    UnknownType = "unknown_type", "an entry must be a file, a directory or a link";
    /// A link or a directory with bytes of its own.
    UnexpectedData = "unexpected_data", "only a file may have content";
    /// The same name twice.
    Duplicate = "duplicate", "a name may stand once in an archive";
    /// Two names that differ only in their Unicode normalisation.
    Normalisation = "normalisation", "names must differ in more than their normalisation";
    /// A name that was something of another kind before.
    KindChanged = "kind_changed", "an entry must not replace one of another kind";
    /// An entry whose directory is a symbolic link.
    ThroughLink = "through_link", "nothing may be written through a link";
    /// An entry whose directory is a file.
    BelowFile = "below_file", "an entry's directory must be a directory";
    /// A hardlink to what is not an earlier file or symlink of this archive.
    HardlinkTarget = "hardlink_target", "a hardlink must be to an earlier file in the archive";
    /// A name that the updater or the host's configuration needs.
    Reserved = "reserved", "the name is reserved on this host";
}

impl Rule {
    /// Whether other programs take such an archive, so that the same tree, packed again, is taken.
    pub const fn is_repackable(self) -> bool {
        matches!(
            self,
            Self::Path(PathRule::NotUtf8)
                | Self::SecondMember
                | Self::Window
                | Self::NoEndMarker
                | Self::HeaderMagic
                | Self::HeaderNumber
                | Self::ExtensionRepeated
                | Self::PaxUnknown
                | Self::PaxGlobal
                | Self::Sparse
                | Self::UnknownType
                | Self::UnexpectedData
        )
    }

    /// Every rule, those of names first, for documentation and tests.
    pub fn all() -> impl Iterator<Item = Self> {
        PathRule::ALL.iter().copied().map(Self::Path).chain(Self::OWN.iter().copied())
    }
}

impl From<PathRule> for Rule {
    fn from(rule: PathRule) -> Self {
        Self::Path(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_own_code_and_says_what_it_asks() {
        let mut codes: Vec<_> = Rule::all().map(Rule::code).collect();
        let number = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), number);
        assert!(Rule::all().all(|rule| !rule.to_string().is_empty()));
    }
}
