//! One header block of a tar archive.

/// The type flags of entries.
pub mod kind {
    pub const FILE: u8 = b'0';
    /// A file, as before POSIX.
    pub const OLD_FILE: u8 = 0;
    pub const HARDLINK: u8 = b'1';
    pub const SYMLINK: u8 = b'2';
    pub const CHARACTER: u8 = b'3';
    pub const BLOCK: u8 = b'4';
    pub const DIRECTORY: u8 = b'5';
    pub const FIFO: u8 = b'6';
    pub const LONG_NAME: u8 = b'L';
    /// GNU's long target of a link.
    pub const LONG_LINK: u8 = b'K';
    /// PAX records for the next entry.
    pub const PAX: u8 = b'x';
    /// PAX records for all that follow.
    pub const PAX_GLOBAL: u8 = b'g';
}

/// Where a field begins, and how long it is.
type Field = (usize, usize);
const NAME: Field = (0, 100);
const MODE: Field = (100, 8);
const UID: Field = (108, 8);
const GID: Field = (116, 8);
const SIZE: Field = (124, 12);
const MTIME: Field = (136, 12);
const CHECKSUM: Field = (148, 8);
const KIND: usize = 156;
const LINK: Field = (157, 100);
const MAGIC: Field = (257, 8);
const PREFIX: Field = (345, 155);

/// A header block, in the ustar format unless it is told otherwise.
#[derive(Debug, Clone)]
pub struct Header {
    block: [u8; 512],
    checksum: Option<[u8; 8]>,
}

impl Header {
    /// An entry of this kind. A name of more than a hundred bytes is cut.
    pub fn new(kind: u8, name: impl AsRef<[u8]>) -> Self {
        Self { block: [0; 512], checksum: None }
            .field(NAME, name.as_ref())
            .mode(0o644)
            .field(UID, b"0000000")
            .field(GID, b"0000000")
            .size(0)
            .field(MTIME, b"00000000000")
            .at(KIND, &[kind])
            .field(MAGIC, b"ustar\x0000")
    }

    /// The header in the first 512 bytes, but for its checksum; zeros if there are fewer.
    pub fn of(bytes: &[u8]) -> Self {
        Self { block: bytes.first_chunk().copied().unwrap_or([0; 512]), checksum: None }
    }

    #[must_use]
    pub fn link(self, target: impl AsRef<[u8]>) -> Self {
        self.field(LINK, target.as_ref())
    }

    /// The part of the name that stands before it.
    #[must_use]
    pub fn prefix(self, prefix: impl AsRef<[u8]>) -> Self {
        self.field(PREFIX, prefix.as_ref())
    }

    #[must_use]
    pub fn mode(self, mode: u32) -> Self {
        self.field(MODE, format!("{mode:07o}").as_bytes())
    }

    /// The size in octal, or in base 256 where it would not fit.
    #[must_use]
    pub fn size(self, size: u64) -> Self {
        if size < 1 << 33 {
            return self.raw_size(format!("{size:011o}").as_bytes());
        }
        let mut field = [0; 12];
        field[0] = 0x80;
        field[4..].copy_from_slice(&size.to_be_bytes());
        self.raw_size(&field)
    }

    /// The bytes of the size's field.
    #[must_use]
    pub fn raw_size(self, field: &[u8]) -> Self {
        self.field(SIZE, field)
    }

    /// GNU's magic instead of POSIX's.
    #[must_use]
    pub fn gnu(self) -> Self {
        self.magic(b"ustar  \0")
    }

    /// No magic: as before POSIX.
    #[must_use]
    pub fn v7(self) -> Self {
        self.magic(&[0; 8])
    }

    /// Any magic and version.
    #[must_use]
    pub fn magic(self, magic: &[u8; 8]) -> Self {
        self.field(MAGIC, magic)
    }

    #[must_use]
    pub fn checksum(mut self, field: &[u8; 8]) -> Self {
        self.checksum = Some(*field);
        self
    }

    #[must_use]
    pub fn at(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.block[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// The sum of the block's bytes, each taken as `i8` if `signed`.
    pub fn sum(&self, signed: bool) -> i64 {
        let blank = self.clone().at(CHECKSUM.0, &[b' '; CHECKSUM.1]);
        let value =
            |byte: &u8| if signed { i64::from(byte.cast_signed()) } else { i64::from(*byte) };
        blank.block.iter().map(value).sum()
    }

    /// The block, with its checksum.
    pub fn block(&self) -> [u8; 512] {
        let computed = || {
            let mut field = *b"000000\0 ";
            field[..6].copy_from_slice(format!("{:06o}", self.sum(false)).as_bytes());
            field
        };
        let field = self.checksum.unwrap_or_else(computed);
        self.clone().at(CHECKSUM.0, &field).block
    }

    fn field(self, (start, length): Field, bytes: &[u8]) -> Self {
        let mut field = vec![0; length];
        let fits = bytes.len().min(length);
        field[..fits].copy_from_slice(&bytes[..fits]);
        self.at(start, &field)
    }
}
