//! Heads of requests, looked at as they come: each line ends in CR LF.
//!
//! The parser takes a bare LF for the end of a line, and what stands before us may not: what is one
//! request to it would be two to us. Such an LF becomes a NUL here, which the parser refuses.

/// Bytes of a line that are kept, to tell how long a body is.
const LINE_BYTES: usize = 128;

/// Where in the stream of requests the next byte stands.
#[derive(Debug)]
pub(crate) struct StrictHeads {
    place: Place,
    /// The beginning of the line, in lower case.
    line: Vec<u8>,
    /// How many bytes the line has, without its end.
    length: usize,
    after_carriage_return: bool,
    /// How long the body is that follows this head.
    body: Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Head,
    /// So many bytes of a body are left.
    Body(u64),
    /// What follows is not followed any more: chunks, or what the parser refuses.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Bytes(u64),
    Unknown,
}

impl StrictHeads {
    pub(crate) const fn new() -> Self {
        Self {
            place: Place::Head,
            line: Vec::new(),
            length: 0,
            after_carriage_return: false,
            body: Body::Bytes(0),
        }
    }

    /// Looks at what has come, and spoils what must not be taken.
    pub(crate) fn look_at(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            match self.place {
                Place::Unknown => return,
                Place::Body(left) => {
                    let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = &mut bytes[skipped..];
                    self.place = match left - skipped as u64 {
                        0 => Place::Head,
                        left => Place::Body(left),
                    };
                }
                Place::Head => {
                    let (byte, rest) = bytes.split_at_mut(1);
                    self.head_byte(&mut byte[0]);
                    bytes = rest;
                }
            }
        }
    }

    fn head_byte(&mut self, byte: &mut u8) {
        match *byte {
            b'\n' if !self.after_carriage_return => {
                *byte = 0;
                self.place = Place::Unknown;
            }
            b'\n' => self.end_line(),
            b'\r' => self.after_carriage_return = true,
            other => {
                self.after_carriage_return = false;
                self.length += 1;
                if self.line.len() < LINE_BYTES {
                    self.line.push(other.to_ascii_lowercase());
                }
            }
        }
    }

    fn end_line(&mut self) {
        self.after_carriage_return = false;
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.length) > 0 {
            self.header(&line);
            return;
        }
        self.place = match std::mem::replace(&mut self.body, Body::Bytes(0)) {
            Body::Bytes(0) => Place::Head,
            Body::Bytes(bytes) => Place::Body(bytes),
            Body::Unknown => Place::Unknown,
        };
    }

    fn header(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        self.body = match name {
            b"content-length" if self.body == Body::Bytes(0) => {
                let value = std::str::from_utf8(value).ok().map(str::trim);
                let length = value.and_then(|value| value.parse().ok());
                length.map_or(Body::Unknown, Body::Bytes)
            }
            b"content-length" | b"transfer-encoding" => Body::Unknown,
            _ => return,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the parser gets, whatever the pieces are.
    fn seen(stream: &str) -> String {
        let mut whole = stream.as_bytes().to_vec();
        StrictHeads::new().look_at(&mut whole);
        let mut heads = StrictHeads::new();
        let mut one_by_one = stream.as_bytes().to_vec();
        one_by_one.chunks_mut(1).for_each(|piece| heads.look_at(piece));
        assert_eq!(whole, one_by_one);
        String::from_utf8(whole).unwrap()
    }

    #[test]
    fn a_line_of_a_head_ends_in_both() {
        for good in [
            "GET / HTTP/1.1\r\na: b\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\na\nb\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\n\n\r\n0\r\n\r\n",
        ] {
            assert_eq!(seen(good), good);
        }
        for (bad, spoilt) in [
            ("GET / HTTP/1.1\na: b\r\n\r\n", "GET / HTTP/1.1\0a: b\r\n\r\n"),
            ("GET / HTTP/1.1\r\na: b\n\r\n", "GET / HTTP/1.1\r\na: b\0\r\n"),
            (
                "POST / HTTP/1.1\r\ncontent-length: 1\r\n\r\n\nGET / HTTP/1.1\n\n",
                "POST / HTTP/1.1\r\ncontent-length: 1\r\n\r\n\nGET / HTTP/1.1\0\n",
            ),
        ] {
            assert_eq!(seen(bad), spoilt);
        }
    }
}
