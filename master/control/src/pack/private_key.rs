//! A private key, at whatever place of a file and in whatever text: as it is, in a program's strings, also where its
//! first line is put together from several (`first_line.rs`), in JSON, XML or a URL, behind the signs of a comment,
//! in UTF-16, in base64 once more, or in binary form.

use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use memchr::memmem;

use super::first_line::{dashes_before, is_quote, rest_of_first_line};

/// What is read at once of a file in which a key is looked for.
const WINDOW: usize = 128 << 10;
/// What of one window is looked at again with the next: a key's first line, and how it goes on.
const OVERLAP: usize = 16 << 10;
/// So many letters of a key that stands in another text are no accident.
const LETTERS: usize = 32;
/// So many blanks, and so many other signs, may stand between the first line of a key and these.
const BLANKS: usize = 256;
const SIGNS: usize = 24;

/// In the first line of every key, whatever is around it.
const BEGIN: &[u8] = b"BEGIN";
/// What the first line of a key has in UTF-16, of either order.
const WIDE_KIND: &[u8] = b"P\0R\0I\0V\0A\0T\0E\0 \0K\0E\0Y";
/// How a key begins in base64.
const ENCODED: &[u8] = b"LS0tLS1CRUdJTi";
/// The longest first line.
const LINE: usize = 64;
/// Digits of a letter's number.
const LONGEST_NUMBER: usize = 8;

/// Whether a private key stands somewhere in it. However large it is, only a window of it is held.
pub(super) fn holds_key(mut file: impl Read) -> io::Result<bool> {
    let mut window = Vec::with_capacity(WINDOW + OVERLAP);
    let mut ended = false;
    while !ended {
        let before = window.len();
        let read = (&mut file).take(WINDOW as u64).read_to_end(&mut window)?;
        ended = read < WINDOW;
        if has_key(&window) || has_wide_key(&window) || has_encoded_key(&window) {
            return Ok(true);
        }
        let seen = if ended { window.len() } else { before + read - OVERLAP.min(before + read) };
        window.drain(..seen);
    }
    Ok(false)
}

/// Whether a file that begins so is a private key in its binary form (DER): of PKCS#8, sealed or not, of PKCS#1
/// or of SEC 1.
pub(super) fn is_binary_key(head: &[u8]) -> bool {
    let Some((0x30, whole, _)) = element(head) else { return false };
    match element(whole) {
        // A version, and then the kind of the key, its first number, or the key itself.
        Some((0x02, [version @ (0 | 1)], rest)) => match (version, element(rest)) {
            (_, Some((0x30, kind, rest))) => kind.first() == Some(&0x06) && begins(rest, 0x04),
            (0, Some((0x02, number, _))) => number.len() >= LETTERS,
            (1, Some((0x04, key, rest))) => {
                matches!(key.len(), 28 | 32 | 48 | 66) && (begins(rest, 0xa0) || begins(rest, 0xa1))
            }
            _ => false,
        },
        // How it is sealed (PKCS#5 or PKCS#12), and the sealed key.
        Some((0x30, [0x06, _, how @ ..], rest)) => {
            let sealed =
                [&b"\x2a\x86\x48\x86\xf7\x0d\x01\x05"[..], b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01"];
            sealed.iter().any(|kind| how.starts_with(kind)) && begins(rest, 0x04)
        }
        _ => false,
    }
}

/// The tag, the content and what follows of the element with which these bytes begin. Of one that is cut off, what
/// is there of it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, length, rest @ ..] = bytes else { return None };
    let (length, rest) = match usize::from(*length) {
        short @ ..0x80 => (short, rest),
        0x80 => return None,
        long => {
            let (length, rest) = rest.split_at_checked(long & 0x7f).filter(|it| it.0.len() <= 4)?;
            (length.iter().fold(0, |all, byte| all << 8 | usize::from(*byte)), rest)
        }
    };
    let (content, rest) = rest.split_at(length.min(rest.len()));
    Some((*tag, content, rest))
}

fn begins(bytes: &[u8], tag: u8) -> bool {
    bytes.first() == Some(&tag)
}

fn has_key(window: &[u8]) -> bool {
    memmem::find_iter(window, BEGIN).any(|at| begins_key(window, at))
}

fn has_wide_key(window: &[u8]) -> bool {
    memmem::find_iter(window, WIDE_KIND).any(|at| {
        let start = at.saturating_sub(2 * LINE);
        let end = window.len().min(at + 2 * (LINE + BLANKS + SIGNS + 2 * LETTERS));
        let narrow: Vec<u8> =
            window[start..end].iter().copied().filter(|byte| *byte != 0).collect();
        has_key(&narrow)
    })
}

/// In a Kubernetes secret and elsewhere the whole file that has the key is base64, in one line or in many.
fn has_encoded_key(window: &[u8]) -> bool {
    let mut from = 0;
    while let Some(at) = memmem::find(&window[from..], ENCODED) {
        let text = &window[from + at..];
        let is_of_it = |byte: &u8| is_letter(*byte) && *byte != b'=' || byte.is_ascii_whitespace();
        let end = text.iter().take(OVERLAP).take_while(|byte| is_of_it(byte)).count();
        let mut letters = text[..end].to_vec();
        letters.retain(u8::is_ascii_graphic);
        letters.truncate(letters.len() / 4 * 4);
        if STANDARD_NO_PAD.decode(letters).is_ok_and(|decoded| has_key(&decoded)) {
            return true;
        }
        from += at + end;
    }
    false
}

/// Whether this word is in a key's first line, and a key follows.
fn begins_key(window: &[u8], begin: usize) -> bool {
    let Some(start) = dashes_before(window, begin) else { return false };
    let after = begin + BEGIN.len();
    let Some(length) = rest_of_first_line(&window[after..]) else { return false };
    let after = &window[after + length..];
    let before = &window[start.saturating_sub(BLANKS)..start];
    let line = before.rsplit(|byte| *byte == b'\n').next();
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte >= 0x80;
    let alone = line.is_none_or(|line| line.iter().all(blank));
    // The words with which a key begins stand in many programs, and in their books.
    alone && goes_on_alone(after) || goes_on_in_text(after)
}

/// Whether the next line is of a key, or says how it is sealed.
fn goes_on_alone(after: &[u8]) -> bool {
    if !after.first().is_some_and(u8::is_ascii_whitespace) {
        return false;
    }
    let text = after.trim_ascii_start();
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or(text).trim_ascii_end();
    let is_header = line.windows(2).any(|two| two == b": ");
    !line.is_empty() && (line.iter().copied().all(is_letter) || is_header)
}

/// Whether a key follows, behind what another text has between two of its lines: quotes, commas, signs of
/// comments and of concatenation, newlines in whichever way they are written.
fn goes_on_in_text(mut after: &[u8]) -> bool {
    let (mut blanks, mut signs) = (0, 0);
    while blanks < BLANKS && signs < SIGNS {
        let newline = escaped_newline(after);
        if newline > 0 {
            (after, signs) = (&after[newline..], signs + 1);
            continue;
        }
        let letters = after.iter().take(LETTERS).take_while(|byte| is_letter(**byte)).count();
        if letters == LETTERS || after.starts_with(b"Proc-Type: ") {
            return true;
        }
        match after {
            [b'+' | b'/' | b'=', rest @ ..] => (after, signs) = (rest, signs + 1),
            [] => return false,
            // What a string of bytes, or a raw one, begins with.
            [_, quote, rest @ ..] if letters == 1 && is_quote(*quote) => {
                (after, signs) = (rest, signs + 1);
            }
            [_, ..] if letters > 0 => return false,
            [blank, rest @ ..] if blank.is_ascii_whitespace() => {
                (after, blanks) = (rest, blanks + 1);
            }
            [_, rest @ ..] => (after, signs) = (rest, signs + 1),
        }
    }
    false
}

/// Bytes of a newline that is written `\n`, `\\r`, `\u000a`, `\x0A`, `\012`, `&#10;`, `&#xA;` or `<br>`, and of what
/// continues a line; 0 where there is none.
fn escaped_newline(text: &[u8]) -> usize {
    match text.first() {
        Some(b'<') => return length_of_one(text, &["<br>", "<br/>", "<br />"]),
        Some(b'&') => return numbered_newline(text),
        _ => {}
    }
    let slashes = text.iter().take_while(|byte| **byte == b'\\').count();
    if slashes == 0 {
        return 0;
    }
    let written = ["u000a", "u000d", "x0a", "x0d", "012", "015", "n", "r", "t"];
    slashes + length_of_one(&text[slashes..], &written)
}

/// Bytes of the word with which a text begins, if it is one of these.
fn length_of_one(text: &[u8], words: &[&str]) -> usize {
    let is = |word: &&&str| {
        text.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word.as_bytes()))
    };
    words.iter().find(is).map_or(0, |word| word.len())
}

/// Bytes of a newline or a tab by its number, as HTML and XML have it, also where its `&` is written `&amp;`.
fn numbered_newline(text: &[u8]) -> usize {
    let number = text.strip_prefix(b"&amp;#").or_else(|| text.strip_prefix(b"&#"));
    let Some(number) = number else { return 0 };
    let (radix, digits) = match number {
        [b'x' | b'X', digits @ ..] => (16, digits),
        digits => (10, digits),
    };
    let length =
        digits.iter().take(LONGEST_NUMBER).take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, rest) = digits.split_at(length);
    let value = str::from_utf8(digits).ok().and_then(|text| u32::from_str_radix(text, radix).ok());
    match (value, rest) {
        (Some(9 | 10 | 13), [b';', rest @ ..]) => text.len() - rest.len(),
        _ => 0,
    }
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

#[cfg(test)]
mod tests {
    use rcgen::PublicKeyData as _;

    use super::*;

    const FIRST: &str = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    const SECOND: &str = "MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu";

    fn is_key(content: impl AsRef<[u8]>) -> bool {
        holds_key(content.as_ref()).unwrap()
    }

    fn pem() -> String {
        format!("-----BEGIN PRIVATE KEY-----\n{FIRST}\n{SECOND}\n-----END PRIVATE KEY-----\n")
    }

    #[test]
    fn a_private_key_is_found_at_any_place_of_a_large_file() {
        let key =
            format!("\n-----BEGIN RSA PRIVATE KEY-----\n{FIRST}\n-----END RSA PRIVATE KEY-----\n");
        // Also where two windows meet.
        for before in [0, 5000, WINDOW - 40, WINDOW - 10, WINDOW - 1, WINDOW, 3 * WINDOW + 7] {
            let content = ["#".repeat(before), key.clone(), "#".repeat(2 * WINDOW)].concat();
            assert!(is_key(content), "{before}");
        }
        assert!(is_key("x\n-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nabc"));
    }

    #[test]
    fn a_private_key_is_found_in_whatever_text_it_stands() {
        let each_line = |before: &str, after: &str| {
            let lines: Vec<_> = pem().lines().map(|line| [before, line, after].concat()).collect();
            lines.concat()
        };
        let in_one = |newline: &str| format!("key: \"{}\"", pem().trim().replace('\n', newline));
        for text in [
            in_one("\\n"),
            in_one("\\\\n"),
            in_one("\\r\\n"),
            in_one("\\u000a"),
            in_one("\\u000D\\u000A"),
            in_one("\\x0a"),
            in_one("\\012"),
            in_one(" "),
            in_one("&#10;"),
            in_one("&#xA;"),
            in_one("&#x000D;&#x000A;"),
            in_one("&amp;#10;"),
            in_one("<br />\n"),
            in_one("\\\n"),
            pem().replace('\n', " "),
            format!("KEY = ({})", each_line("        \"", "\\n\"\n")),
            format!("const key = {};", each_line("  '", "\\n' +\n")),
            format!("static const char key[] =\n{};", each_line("    \"", "\\n\"\n")),
            format!("{{\"key\": [{}]}}", each_line("      \"", "\",\n")),
            each_line("    b\"", "\\n\"\n"),
            in_one("\\n").replace("BEGIN PRIVATE", "BEGIN \" + \"PRIVATE"),
            in_one("%0A").replace(' ', "%20").replace("key:%20", "key="),
            each_line("# ", "\n"),
            each_line("> ", "\n"),
            each_line("// ", "\r\n"),
            each_line(" * ", "\n"),
            each_line("        ", "\n"),
            each_line("\"", "\\n\"\n").replace(FIRST, "Proc-Type: 4,ENCRYPTED"),
        ] {
            assert!(is_key(&text), "{text}");
        }
    }

    #[test]
    fn a_private_key_is_found_in_utf_16_and_in_base64() {
        let text = format!("a comment\r\n{}", pem());
        let wide =
            |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<_>>();
        assert!(is_key(wide(u16::to_le_bytes)) && is_key(wide(u16::to_be_bytes)));
        let certificate =
            format!("-----BEGIN CERTIFICATE-----\n{FIRST}\n-----END CERTIFICATE-----\n");
        let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        assert!(is_key(format!("  tls.key: {}\n", encoded(&pem()))));
        let both = encoded(&(certificate.clone() + &pem()));
        let lines = both.as_bytes().chunks(76).map(String::from_utf8_lossy);
        assert!(is_key(lines.collect::<Vec<_>>().join("\n    ")));
        assert!(!is_key(format!("  tls.crt: {}\n", encoded(&certificate))));
        assert!(!is_key("LS0tLS1CRUdJTi ".repeat(100_000)));
    }

    #[test]
    fn the_words_with_which_a_key_begins_are_none() {
        for text in [
            "begin = \"-----BEGIN PRIVATE KEY-----\"\nend = 1",
            "if line == '-----BEGIN RSA PRIVATE KEY-----\\n':",
            "if line == '-----BEGIN RSA PRIVATE KEY-----\\n' + body + end:",
            "Paste it:\n\n    -----BEGIN PRIVATE KEY-----\n    your key here\n",
            "Paste it:\n\n-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n",
            "[\"-----BEGIN PRIVATE KEY-----\", \"-----END PRIVATE KEY-----\"]",
        ] {
            assert!(!is_key(text), "{text}");
        }
        assert!(!is_key(pem().replace("PRIVATE", "PUBLIC")));
        assert!(!is_key(pem().replace("PRIVATE KEY", "CERTIFICATE").replace('\n', "&#10;")));
        assert!(!is_key(in_parts("PUBLIC KEY", FIRST)));
        assert!(!is_key(in_parts("PRIVATE KEY", "the key goes here")));
        assert!(!is_key(format!("\"-----BEGIN \" + kind + \" PRIVATE KEY-----\\n{FIRST}\"")));
    }

    fn in_parts(kind: &str, body: &str) -> String {
        format!("\"-----BEGIN \" + \"{kind}-----\\n\" +\n\"{body}\"")
    }

    #[test]
    fn however_often_a_key_seems_to_begin_the_look_is_short() {
        for text in ["-----BEGIN PRIVATE KEY-----", "-----BEGIN \"\"", "BEGIN\" + \""] {
            assert!(!is_key(text.repeat((256 << 10) / text.len())), "{text}");
        }
    }

    #[test]
    fn a_binary_key_is_told_from_what_is_public() {
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        assert!(is_binary_key(&issued.signing_key.serialize_der()));
        assert!(!is_binary_key(issued.cert.der()));
        assert!(!is_binary_key(&issued.signing_key.subject_public_key_info()));
        let with = |begin: &[u8]| [begin, &[0x5a; 300]].concat();
        for (begin, key) in [
            (&b"\x30\x82\x04\xa4\x02\x01\x00\x02\x82\x01\x01\x00"[..], true),
            (b"\x30\x77\x02\x01\x01\x04\x20", false),
            (b"\x30\x82\x01\x0a\x02\x82\x01\x01\x00", false),
            (b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20", true),
            // SNMP, and a picture.
            (b"\x30\x26\x02\x01\x01\x04\x06public\xa0\x19", false),
            (b"\x89PNG\r\n\x1a\n", false),
            (b"", false),
            (b"\x30\xff\xff\xff", false),
        ] {
            assert_eq!(is_binary_key(&with(begin)), key, "{begin:02x?}");
        }
        let of_a_curve =
            [&b"\x30\x77\x02\x01\x01\x04\x20"[..], &[7; 32], b"\xa0\x0a\x06\x08"].concat();
        assert!(is_binary_key(&of_a_curve));
        let sealed = b"\x30\x81\x9b\x30\x57\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d\x30\x4a";
        let sealed = [&sealed[..], &[0; 0x57 - 13], b"\x04\x40"].concat();
        assert!(is_binary_key(&sealed));
    }
}
