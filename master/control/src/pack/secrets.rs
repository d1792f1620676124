//! What must not leave the machine with a release: keys, certificates, passwords, databases.
//!
//! A file is judged by its name, and by its first bytes where they betray it.

/// The names that are never packed unless `[pack] include` names the file letter by letter. `*`
/// stands for anything; case does not matter. One that names a directory means all that is in it.
pub const SECRET_NAMES: &[&str] = &[
    // Environments, and the files of programs that keep passwords.
    ".env*",
    "*.env",
    ".netrc",
    ".pgpass",
    ".htpasswd",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".dockercfg",
    ".ssh",
    ".gnupg",
    ".aws",
    ".kube",
    // Private keys and stores of keys.
    "*.key",
    "*.pem",
    "*.p8",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.ppk",
    "*.kdbx",
    "*.gpg",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    // Certificates: those of one host are wrong on every other.
    "*.crt",
    "*.cer",
    "*.der",
    "*.csr",
    // Databases.
    "*.db",
    "*.db-wal",
    "*.db-shm",
    "*.db-journal",
    "*.sqlite",
    "*.sqlite3",
    "*.sqlite-wal",
    "*.sqlite-shm",
    "*.sqlite-journal",
    "*.sqlite3-wal",
    "*.sqlite3-shm",
    "*.sqlite3-journal",
    "*.rdb",
    "*.mdb",
    "*.dump",
];

/// The first part of the path whose name is a secret's, with all before it.
pub(super) fn secret_part(path: &str) -> Option<&str> {
    let mut start = 0;
    for part in path.split('/') {
        let end = start + part.len();
        if SECRET_NAMES.iter().any(|name| fits(&part.to_ascii_lowercase(), name)) {
            return Some(&path[..end]);
        }
        start = end + 1;
    }
    None
}

fn fits(part: &str, name: &str) -> bool {
    match (name.strip_prefix('*'), name.strip_suffix('*')) {
        (Some(end), _) => part.ends_with(end),
        (None, Some(start)) => part.starts_with(start),
        (None, None) => part == name,
    }
}

/// Whether a file that begins so is a private key or an SQLite database, whatever it is called. A key
/// may stand behind a byte order mark, blanks, certificates and the attributes that OpenSSL writes.
pub(super) fn looks_secret(head: &[u8]) -> bool {
    if head.starts_with(b"SQLite format 3\0") || head.starts_with(b"PuTTY-User-Key-File") {
        return true;
    }
    let text = text(head);
    // What `openssl pkcs12 -nodes` writes: keys and certificates, each with its attributes.
    let exported =
        ["Bag Attributes", "Key Attributes"].iter().any(|begins| text.starts_with(begins));
    exported
        || (text.starts_with(PEM)
            && text
                .lines()
                .any(|line| line.trim_start().starts_with(PEM) && line.contains("PRIVATE KEY")))
}

/// How keys and certificates begin.
const PEM: &str = "-----BEGIN ";

/// Whether what comes later in a file that begins so may be a private key.
pub(super) fn may_hold_a_key(head: &[u8]) -> bool {
    text(head).starts_with(PEM)
}

/// The text without what editors put before it. In UTF-16 each ASCII letter has a NUL beside it.
fn text(head: &[u8]) -> String {
    let wide = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    let narrow: Vec<u8> = head.iter().copied().filter(|byte| !wide || *byte != 0).collect();
    let narrow = if wide { &narrow[2..] } else { &narrow[..] };
    String::from_utf8_lossy(narrow)
        .trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lesson_33_secrets_are_known_by_their_names() {
        for path in [
            ".env",
            "deploy/.env.production",
            "prod.env",
            "tls/server.KEY",
            "a/b.pem",
            "x.sqlite3",
            "data.db-wal",
            ".ssh/config",
            "id_ed25519",
            "certs/ca.crt",
        ] {
            assert!(secret_part(path).is_some(), "{path}");
        }
        for path in ["environment.py", "src/env.rs", "keys.rs", "id_rsa.pub", "db/schema.sql"] {
            assert_eq!(secret_part(path), None, "{path}");
        }
        assert_eq!(secret_part("a/.env/bin/python"), Some("a/.env"));
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
}
