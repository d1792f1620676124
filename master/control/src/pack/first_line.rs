//! The first line of a private key, also where a program puts it together from several strings:
//! `"-----BEGIN " + "RSA PRIVATE KEY-----"`. Each look is a short one, whatever the file has.

/// Letters of the line behind its first word.
const LETTERS: usize = 48;
/// Bytes that may stand between one string and the next.
const BETWEEN: usize = 64;
/// How often the line may go on in another string.
const PARTS: usize = 8;
const DASHES: usize = 5;

/// What a blank is written as, in a URL, in XML and in strings.
const BLANKS: [&[u8]; 7] = [b"%20", b"+", b"&#32;", b"&#x20;", b"\\u0020", b"\\x20", b"\\040"];

/// Where the dashes begin that stand before this place.
pub(super) fn dashes_before(text: &[u8], place: usize) -> Option<usize> {
    let (mut start, mut dashes, mut parts) = (place, 0, 0);
    while dashes < DASHES {
        match text[..start].last()? {
            b'-' => (start, dashes) = (start - 1, dashes + 1),
            quote if is_quote(*quote) && parts < PARTS => {
                (start, parts) = (start - between_before(&text[..start])?, parts + 1);
            }
            _ => return None,
        }
    }
    Some(start)
}

/// Bytes of the rest of the line, if it is a private key's: ` RSA PRIVATE KEY-----`.
pub(super) fn rest_of_first_line(text: &[u8]) -> Option<usize> {
    let mut rest = Parts { text, place: 0, joined: 0 };
    let mut said = Vec::with_capacity(LETTERS);
    let mut letter = rest.next()?;
    while letter != b'-' {
        let is_of_kind = letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == b' ';
        if !is_of_kind || said.len() == LETTERS {
            return None;
        }
        said.push(letter);
        letter = rest.next()?;
    }
    let kind = said.strip_suffix(b" BLOCK").unwrap_or(&said);
    let is_private = kind.first() == Some(&b' ') && kind.ends_with(b" PRIVATE KEY");
    // The first of them has been read.
    let dashes = is_private && (1..DASHES).all(|_| rest.next() == Some(b'-'));
    dashes.then_some(rest.place)
}

pub(super) const fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// A text, letter by letter, that may be in several strings.
struct Parts<'a> {
    text: &'a [u8],
    place: usize,
    /// How often it went on in another string.
    joined: usize,
}

impl Parts<'_> {
    fn next(&mut self) -> Option<u8> {
        while self.joined < PARTS {
            let Some(between) = between_after(&self.text[self.place..]) else { break };
            (self.place, self.joined) = (self.place + between, self.joined + 1);
        }
        let rest = &self.text[self.place..];
        let blank = BLANKS.iter().find(|blank| rest.starts_with(blank));
        let (letter, length) = blank.map_or((*rest.first()?, 1), |blank| (b' ', blank.len()));
        self.place += length;
        Some(letter)
    }
}

/// Bytes from the end of a string to the beginning of the next, with which a text begins.
fn between_after(text: &[u8]) -> Option<usize> {
    let slashes = text.iter().take(PARTS).take_while(|byte| **byte == b'\\').count();
    let rest = &text[slashes..];
    if !is_quote(*rest.first()?) {
        return None;
    }
    let inner = &rest[1..];
    let open = inner.iter().take(BETWEEN).position(|byte| is_quote(*byte))?;
    joins(&inner[..open]).then_some(slashes + 1 + open + 1)
}

/// The same of what a text ends with.
fn between_before(text: &[u8]) -> Option<usize> {
    let (_, before) = text.split_last()?;
    let near = &before[before.len().saturating_sub(BETWEEN)..];
    let close = near.iter().rposition(|byte| is_quote(*byte))?;
    let slashes = near[..close].iter().rev().take_while(|byte| **byte == b'\\').count();
    joins(&near[close + 1..]).then_some(1 + near.len() - close + slashes)
}

/// Whether this is all that joins two strings: blanks, signs of concatenation, of a continued line and of comments,
/// and the letter that says what the next string is of.
fn joins(between: &[u8]) -> bool {
    let between = match between {
        [rest @ .., b'b' | b'B' | b'r' | b'R' | b'u' | b'U' | b'f' | b'F' | b'L' | b'@' | b'$'] => {
            rest
        }
        all => all,
    };
    between.iter().all(|byte| byte.is_ascii_whitespace() || b"+.&|<,()/#*\\".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_first_line(text: &str) -> bool {
        let begin = text.find("BEGIN").unwrap();
        let after = begin + "BEGIN".len();
        dashes_before(text.as_bytes(), begin).is_some()
            && rest_of_first_line(&text.as_bytes()[after..]).is_some()
    }

    #[test]
    fn a_line_is_known_however_it_is_put_together() {
        for text in [
            "-----BEGIN PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----",
            "-----BEGIN PGP PRIVATE KEY BLOCK-----",
            "\"-----BEGIN \" + \"RSA PRIVATE KEY-----\"",
            "\"-----BEGIN \"\n        \"RSA PRIVATE KEY-----\"",
            "'-----' . 'BEGIN RSA PRIVATE' . ' KEY-----'",
            "b\"-----BEGIN \" \\\n    b\"EC PRIVATE KEY--\" b\"---\"",
            "`-----` + `BEGIN ` + `PRIVATE ` + `KEY` + `-----`",
            "\"\\\"-----BEGIN \\\" + \\\"PRIVATE KEY-----\\\"\"",
            "[\"-----BEGIN \", \"PRIVATE KEY-----\"]",
            "// \"-----BEGIN \" +\n// \"PRIVATE KEY-----\"",
            "'-----BEGIN ' || 'PRIVATE KEY-----'",
            "-----BEGIN%20RSA%20PRIVATE%20KEY-----",
        ] {
            assert!(is_first_line(text), "{text}");
        }
    }

    #[test]
    fn what_is_not_joined_is_none() {
        for text in [
            "-----BEGIN PUBLIC KEY-----",
            "-----BEGIN CERTIFICATE-----",
            "\"-----BEGIN \" + kind + \" PRIVATE KEY-----\"",
            "\"-----BEGIN \"; f(\"PRIVATE KEY-----\")",
            "----BEGIN PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY----",
            "-----BEGIN",
            "BEGIN TRANSACTION",
            "-----BEGIN private KEY-----",
        ] {
            assert!(!is_first_line(text), "{text}");
        }
    }
}
