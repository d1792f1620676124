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

/// Whether a file that begins so is a private key or an SQLite database, whatever it is called.
pub(super) fn looks_secret(head: &[u8]) -> bool {
    if head.starts_with(b"SQLite format 3\0") || head.starts_with(b"PuTTY-User-Key-File") {
        return true;
    }
    let text = String::from_utf8_lossy(head);
    let first = text.trim_start().lines().next().unwrap_or_default();
    first.starts_with("-----BEGIN ") && first.contains("PRIVATE KEY")
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
        assert!(!looks_secret(b"-----BEGIN PUBLIC KEY-----\nabc"));
        assert!(!looks_secret(b"let head = \"-----BEGIN PRIVATE KEY-----\";"));
        assert!(!looks_secret(b""));
    }
}
