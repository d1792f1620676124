//! What a command prints: taken in pieces, told line by line, bounded in memory whatever comes.

use std::io::{self, PipeReader, Read, Write};

use super::excerpt::Excerpt;

/// Characters that are kept of a line.
const LINE_CHARACTERS: usize = 500;

/// What comes out of a pipe, line by line, and what is shown of it.
pub(super) struct Lines {
    pub(super) reader: PipeReader,
    partial: Vec<u8>,
    excerpt: Excerpt,
    pub(super) bytes: u64,
}

impl Lines {
    pub(super) fn of(reader: PipeReader) -> Self {
        Self { reader, partial: Vec::new(), excerpt: Excerpt::default(), bytes: 0 }
    }

    /// Reads what is there, until there is more than `limit`.
    pub(super) fn drain(&mut self, limit: u64, on_line: &mut impl FnMut(&str)) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        while self.bytes <= limit {
            match self.reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => {
                    self.bytes += read as u64;
                    self.take(buffer.get(..read).unwrap_or_default(), on_line);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], on_line: &mut impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            // Beyond what will be shown of a line, its bytes are not kept.
            let room = (LINE_CHARACTERS * 4 + 1).saturating_sub(self.partial.len());
            self.partial.extend(piece.iter().take(room));
            if piece.ends_with(b"\n") {
                self.end_line(on_line);
            }
        }
    }

    fn end_line(&mut self, on_line: &mut impl FnMut(&str)) {
        let line = printable(&self.partial);
        self.partial.clear();
        on_line(&line);
        self.excerpt.push(&line);
    }

    /// What was printed, a last line without an end too.
    pub(super) fn finish(mut self, on_line: &mut impl FnMut(&str)) -> Excerpt {
        if !self.partial.is_empty() {
            self.end_line(on_line);
        }
        self.excerpt
    }
}

/// Passes on what is printed, line by line, until nothing can print there any more.
pub fn pass_on(reader: PipeReader, mut to: impl Write) {
    let mut lines = Lines::of(reader);
    let mut told = |line: &str| {
        // Where it cannot be told, there is nowhere to say so.
        let _ = writeln!(to, "{line}");
    };
    // An error is the end of it, as is the end.
    let _ = lines.drain(u64::MAX, &mut told);
    lines.finish(&mut told);
}

/// A line as it may stand on a terminal and in a log: without its end, with control characters
/// escaped, and of bounded length.
pub fn printable(line: &[u8]) -> String {
    printable_within(line, LINE_CHARACTERS)
}

/// The same of a line of which so many characters are shown.
pub fn printable_within(line: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\n', '\r']);
    let mut shown = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == most {
            shown.push('…');
            break;
        }
        match character {
            '\t' => shown.push('\t'),
            _ if character.is_control() || is_direction(character) => {
                shown.extend(character.escape_default());
            }
            _ => shown.push(character),
        }
    }
    shown
}

/// Characters that change the direction of what follows, and so what a reader believes to read.
fn is_direction(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_on_is_escaped_to_its_last_word() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"\x1b[2Jcleared\nhalf \x07a line").unwrap();
        drop(writer);
        let mut told = Vec::new();
        pass_on(reader, &mut told);
        assert_eq!(String::from_utf8(told).unwrap(), "\\u{1b}[2Jcleared\nhalf \\u{7}a line\n");
    }

    #[test]
    fn long_lines_are_cut() {
        assert_eq!(printable(&[b'x'; 10_000]).chars().count(), LINE_CHARACTERS + 1);
        assert_eq!(printable("a\u{202e}b\r\n".as_bytes()), "a\\u{202e}b");
    }
}
