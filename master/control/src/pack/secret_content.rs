//! What must not leave the machine with a release, by what is in a file: a private key at any place of it, a
//! database, a password in a package manager's settings.

use std::io::{self, Read};
use std::path::Path;

use memchr::memmem;

use crate::pack::head::{first, open_plain};
use crate::pack::secrets::Named;

/// What is read at once of a file in which a key is looked for.
const WINDOW: usize = 128 << 10;
/// What of one window is looked at again with the next: a key's first line, and how it goes on.
const OVERLAP: usize = 4 << 10;
/// So much of a file is looked through for a key: one that lies deeper is in no file of a program's.
const LOOKED_THROUGH: u64 = 64 << 20;
/// What is read of settings.
const SETTINGS: u64 = 64 << 10;
/// So many letters of a key that stands in another text are no accident.
const LETTERS: usize = 32;

/// What a key's first line has between its dashes, of whatever kind it is.
const KIND: &[u8] = b"PRIVATE KEY";
/// Bytes between the beginning of that line and these words.
const MOST_BEFORE: usize = 40;

/// Whether a file is a secret by its content; `head` is how it begins.
pub(super) fn is_secret(named: Named<'_>, place: &Path, head: &[u8]) -> io::Result<bool> {
    if looks_secret(head) {
        return Ok(true);
    }
    Ok(match named {
        Named::Certificate if is_binary(head) && !is_public_der(head) => true,
        Named::Key if !is_public_key(head) => true,
        Named::Settings if has_password(&first(place, SETTINGS)?) => true,
        _ => holds_key(open_plain(place)?.take(LOOKED_THROUGH))?,
    })
}

/// Whether a file that begins so is a private key or an SQLite database, whatever it is called. A key
/// may stand behind a byte order mark and blanks, or what OpenSSL writes before it.
fn looks_secret(head: &[u8]) -> bool {
    if head.starts_with(b"SQLite format 3\0") || head.starts_with(b"PuTTY-User-Key-File") {
        return true;
    }
    let text = text(head);
    // What `openssl pkcs12 -nodes` writes: keys and certificates, each with its attributes.
    let exported =
        ["Bag Attributes", "Key Attributes"].iter().any(|begins| text.starts_with(begins));
    let is_key = |line: &str| line.trim_start().starts_with(PEM) && line.contains("PRIVATE KEY");
    exported || (text.starts_with(PEM) && text.lines().any(is_key))
}

/// How keys and certificates begin.
const PEM: &str = "-----BEGIN ";

/// The text without what editors put before it. In UTF-16 each ASCII letter has a NUL beside it.
fn text(head: &[u8]) -> String {
    let wide = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    let narrow: Vec<u8> = head.iter().copied().filter(|byte| !wide || *byte != 0).collect();
    let narrow = if wide { &narrow[2..] } else { &narrow[..] };
    String::from_utf8_lossy(narrow)
        .trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
        .to_owned()
}

fn is_binary(head: &[u8]) -> bool {
    head.contains(&0) && !head.starts_with(b"\xff\xfe") && !head.starts_with(b"\xfe\xff")
}

/// A certificate, a request for one or a list of revoked ones (X.509): a sequence whose first part is a
/// sequence that begins with a version or a number. In a key it begins with its kind.
fn is_public_der(head: &[u8]) -> bool {
    let inner = |bytes: &[u8]| -> Option<usize> {
        let (0x30, length) = (*bytes.first()?, *bytes.get(1)?) else { return None };
        Some(2 + if length & 0x80 == 0 { 0 } else { usize::from(length & 0x7f) })
    };
    let second = inner(head).and_then(|at| head.get(at..));
    let third = second.and_then(|bytes| bytes.get(inner(bytes)?).copied());
    matches!(third, Some(0xa0 | 0x02))
}

/// A public key or a certificate, as a text or as a packet of `gpg`.
fn is_public_key(head: &[u8]) -> bool {
    let text = text(head);
    let begins = |kind: &str| text.starts_with(&format!("{PEM}{kind}"));
    let of_text = ["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE", "PGP PUBLIC KEY BLOCK"];
    // The tag of a packet, in both of its forms: 6 is a public key.
    let tag = head
        .first()
        .filter(|byte| **byte & 0x80 != 0)
        .map(|byte| if byte & 0x40 == 0 { byte >> 2 & 0xf } else { byte & 0x3f });
    of_text.iter().any(|kind| begins(kind)) || tag == Some(6)
}

/// Whether settings of a package manager hold a password or a token, and not only the name of a variable.
fn has_password(settings: &[u8]) -> bool {
    String::from_utf8_lossy(settings).lines().map(str::trim).any(|line| {
        if line.starts_with(['#', ';']) {
            return false;
        }
        let separator = if line.contains('=') { '=' } else { ':' };
        let said = line.split_once(separator).filter(|(key, _)| {
            let key = key.to_ascii_lowercase();
            ["_auth", "password", "passwd", "token", "secret", "authident"]
                .iter()
                .any(|word| key.contains(word))
        });
        password_in_url(line).is_some_and(is_value)
            || said.is_some_and(|(_, value)| is_value(value))
    })
}

/// What stands between a user's name and a host's in the first URL of a line.
fn password_in_url(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("://")?;
    let authority = rest.split(|c: char| c == '/' || c.is_whitespace()).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password)
}

/// Whether something stands there, and it is not the name of a variable.
fn is_value(text: &str) -> bool {
    let text = text.trim().trim_matches(['"', '\'']);
    !text.is_empty() && !text.starts_with('$') && !text.starts_with('%')
}

/// Whether a private key stands somewhere in it. However large it is, only a window of it is held.
fn holds_key(mut file: impl Read) -> io::Result<bool> {
    let mut window = Vec::with_capacity(WINDOW + OVERLAP);
    let mut ended = false;
    while !ended {
        let before = window.len();
        let read = (&mut file).take(WINDOW as u64).read_to_end(&mut window)?;
        ended = read < WINDOW;
        if memmem::find_iter(&window, KIND).any(|at| begins_key(&window, at)) {
            return Ok(true);
        }
        let seen = if ended { window.len() } else { before + read - OVERLAP.min(before + read) };
        window.drain(..seen);
    }
    Ok(false)
}

/// Whether the words at this place are of a key's first line, and a key follows.
fn begins_key(window: &[u8], at: usize) -> bool {
    let before = &window[at.saturating_sub(MOST_BEFORE + PEM.len())..at];
    let Some(start) = memmem::rfind(before, PEM.as_bytes()) else { return false };
    let kind = &before[start + PEM.len()..];
    let is_kind = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ';
    let after = &window[at + KIND.len()..];
    let after = after.strip_prefix(b" BLOCK").unwrap_or(after);
    let Some(after) = after.strip_prefix(b"-----").filter(|_| kind.iter().all(is_kind)) else {
        return false;
    };
    is_key(window, at - (before.len() - start), window.len() - after.len())
}

/// Whether what begins there is a key, and not only the words with which one begins: those stand in many
/// programs, and in their books.
fn is_key(window: &[u8], start: usize, end: usize) -> bool {
    let (before, after) = (&window[..start], &window[end..]);
    let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or(before);
    let alone = line.iter().all(|byte| byte.is_ascii_whitespace() || *byte >= 0x80);
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    if alone && after.first().is_some_and(u8::is_ascii_whitespace) {
        let text = after.trim_ascii_start();
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or(text).trim_ascii_end();
        let is_header = line.windows(2).any(|two| two == b": ");
        return !line.is_empty() && (line.iter().all(is_letter) || is_header);
    }
    // In a text of another kind, where its lines may end as that writes them.
    let text = ["\\r\\n", "\\n", "\r\n", "\n"]
        .iter()
        .find_map(|newline| after.strip_prefix(newline.as_bytes()));
    let letters =
        |text: &[u8]| text.trim_ascii_start().iter().take_while(|it| is_letter(it)).count();
    text.is_some_and(|text| letters(text) >= LETTERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n";

    fn secret(named: Named<'_>, content: &[u8]) -> bool {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("file");
        std::fs::write(&place, content).unwrap();
        let head = crate::pack::head::head(&place).unwrap();
        is_secret(named, &place, &head).unwrap()
    }

    #[test]
    fn lesson_33_a_private_key_is_known_by_its_first_line() {
        assert!(looks_secret(b"-----BEGIN OPENSSH PRIVATE KEY-----\nabc"));
        assert!(looks_secret(b"\n-----BEGIN PRIVATE KEY-----\nabc"));
        assert!(looks_secret(b"SQLite format 3\0\x10\0"));
        assert!(looks_secret(b"\xef\xbb\xbf-----BEGIN PRIVATE KEY-----\nabc"));
        assert!(looks_secret(b" \t\r\n\n  -----BEGIN EC PRIVATE KEY-----\nabc"));
        assert!(looks_secret(
            b"Bag Attributes\n    localKeyID: 01\nKey Attributes: <No Attributes>\n"
        ));
        assert!(looks_secret(b"-----BEGIN CERTIFICATE-----\nx\n-----BEGIN PRIVATE KEY-----\n"));
        let wide: Vec<u8> = "\u{feff}-----BEGIN PRIVATE KEY-----\r\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert!(looks_secret(&wide));
        assert!(!looks_secret(b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"));
        assert!(!looks_secret(b"-----BEGIN PUBLIC KEY-----\nabc"));
        assert!(!looks_secret(b"let head = \"-----BEGIN PRIVATE KEY-----\";"));
        assert!(!looks_secret(b""));
    }

    #[test]
    fn a_private_key_is_found_at_any_place_of_a_large_file() {
        let key =
            format!("\n-----BEGIN RSA PRIVATE KEY-----\n{BODY}-----END RSA PRIVATE KEY-----\n");
        // Also where two windows meet.
        for before in [0, 5000, WINDOW - 40, WINDOW - 10, WINDOW - 1, WINDOW, 3 * WINDOW + 7] {
            let content = ["#".repeat(before), key.clone(), "#".repeat(2 * WINDOW)].concat();
            assert!(secret(Named::Plain, content.as_bytes()), "{before}");
        }
        let headed = "x\n-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nabc";
        assert!(secret(Named::Plain, headed.as_bytes()));
        let account = format!(
            r#"{{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\n{}"}}"#,
            BODY.trim()
        );
        assert!(secret(Named::Plain, account.as_bytes()));
    }

    #[test]
    fn the_words_with_which_a_key_begins_are_none() {
        for text in [
            "begin = \"-----BEGIN PRIVATE KEY-----\"\nend = 1",
            "if line == '-----BEGIN RSA PRIVATE KEY-----\\n':",
            "Paste it:\n\n    -----BEGIN PRIVATE KEY-----\n    your key here\n",
            "Paste it:\n\n-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n",
        ] {
            assert!(!secret(Named::Plain, text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn certificates_and_public_keys_are_packed_and_private_ones_beside_them_not() {
        let certificate =
            "# a comment\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        assert!(!secret(Named::Certificate, certificate.as_bytes()));
        let both = format!("{certificate}-----BEGIN PRIVATE KEY-----\n{BODY}");
        assert!(secret(Named::Certificate, both.as_bytes()));
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        assert!(!secret(Named::Certificate, issued.cert.der()));
        assert!(secret(Named::Certificate, &issued.signing_key.serialize_der()));
        assert!(secret(Named::Key, b"anything"));
        assert!(!secret(Named::Key, b"-----BEGIN PUBLIC KEY-----\nMIIB\n"));
        assert!(!secret(Named::Key, b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQIN\n"));
        assert!(!secret(Named::Key, b"\x99\x02\x0d\x04"));
        assert!(secret(Named::Key, b"\x95\x02\x0d\x04"));
    }

    #[test]
    fn settings_are_a_secret_where_a_password_or_a_token_is_in_them() {
        for text in [
            "legacy-peer-deps=true\n",
            "//registry.npmjs.org/:_authToken=${NPM_TOKEN}\n",
            "registry=https://registry.example.org/\nalways-auth=true",
            "; //registry.npmjs.org/:_authToken=npm_123",
            "[pypi]\nusername = __token__\n",
            "registry=https://ada:${PASSWORD}@registry.example.org/",
        ] {
            assert!(!secret(Named::Settings, text.as_bytes()), "{text}");
        }
        for text in [
            "//registry.npmjs.org/:_authToken=npm_123\n",
            "_auth = YWRhOnNlY3JldA==",
            "registry=https://ada:secret@registry.example.org/",
            "[pypi]\npassword: pypi-abc",
            "npmAuthToken: \"abc\"",
        ] {
            assert!(secret(Named::Settings, text.as_bytes()), "{text}");
        }
        // Elsewhere a URL is a URL.
        assert!(!secret(Named::Plain, b"https://ada:secret@example.org/"));
    }
}
