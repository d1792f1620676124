//! What must not leave the machine with a release, by what is in a file: a private key at any place of it, a
//! database, a password in a package manager's settings.

use std::io::{self, Read as _};
use std::path::Path;

use crate::pack::head::{first, open_plain};
use crate::pack::private_key::{holds_key, is_binary_key};
use crate::pack::secrets::Named;

/// So much of a file is looked through for a key: one that lies deeper is in no file of a program's.
const LOOKED_THROUGH: u64 = 64 << 20;
/// What is read of settings.
const SETTINGS: u64 = 64 << 10;
/// Whether a file is a secret by its content; `head` is how it begins.
pub(super) fn is_secret(named: Named<'_>, place: &Path, head: &[u8]) -> io::Result<bool> {
    if looks_secret(head) || is_binary_key(head) {
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

/// Whether something stands there, and it is not only the name of a variable: `${NAME}`, also with nothing for where
/// it is not set (`${NAME:-}`, `${NAME?}`).
fn is_value(text: &str) -> bool {
    let text = text.trim().trim_matches(['"', '\'']);
    let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let name = inner.map(|name| name.trim_end_matches(['?', ':', '-']));
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    !text.is_empty() && !name.is_some_and(is_name)
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
    fn a_private_key_makes_a_secret_of_any_file() {
        let account = format!(
            r#"{{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\n{}"}}"#,
            BODY.trim()
        );
        assert!(secret(Named::Plain, account.as_bytes()));
        let key = rcgen::KeyPair::generate().unwrap().serialize_der();
        assert!(secret(Named::Plain, &key));
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
            "npmAuthToken: \"${NPM_TOKEN:-}\"",
        ] {
            assert!(!secret(Named::Settings, text.as_bytes()), "{text}");
        }
        for text in [
            "//registry.npmjs.org/:_authToken=npm_123\n",
            "_auth = YWRhOnNlY3JldA==",
            "registry=https://ada:secret@registry.example.org/",
            "[pypi]\npassword: pypi-abc",
            "npmAuthToken: \"abc\"",
            "//registry.npmjs.org/:_authToken=$ecretToken123",
            "//registry.npmjs.org/:_authToken=%ecretToken123",
            "//registry.npmjs.org/:_authToken=${X:-npm_realtoken}",
            "//registry.npmjs.org/:_authToken=${X}npm_realtoken",
            "registry=https://ada:$ecret@registry.example.org/",
        ] {
            assert!(secret(Named::Settings, text.as_bytes()), "{text}");
        }
        // Elsewhere a URL is a URL.
        assert!(!secret(Named::Plain, b"https://ada:secret@example.org/"));
    }
}
