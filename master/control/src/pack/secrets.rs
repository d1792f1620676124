//! What must not leave the machine with a release, by its name: keys, passwords, databases. Of some names
//! only the content can tell (`secret_content.rs`).

/// The names that are never packed unless `[pack] include` names the file letter by letter. `*`
/// stands for anything; case does not matter. One that names a directory means all that is in it.
pub const SECRET_NAMES: &[&str] = &[
    // Environments, and the files of programs that keep passwords.
    ".env*",
    "*.env",
    ".netrc",
    ".pgpass",
    ".htpasswd",
    ".git-credentials",
    ".dockercfg",
    ".ssh",
    ".gnupg",
    ".aws",
    ".kube",
    // Private keys and stores of keys.
    "*.p8",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.ppk",
    "*.kdbx",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
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

/// Certificates, and what else may be public in such files: packed unless a private key is in them.
const CERTIFICATES: &[&str] = &["*.pem", "*.crt", "*.cer", "*.der", "*.csr"];

/// Keys: packed if they are public ones.
const KEYS: &[&str] = &["*.key", "*.gpg"];

/// Settings of package managers, in which there may be a password.
const SETTINGS: &[&str] = &[".npmrc", ".yarnrc", ".yarnrc.yml", ".pypirc"];

/// What says of an environment that it is only an example of one.
const EXAMPLES: &[&str] = &["example", "sample", "template", "dist", "tmpl"];

/// What a path says of what lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named<'a> {
    /// This part of it, or all of it, is a secret's name.
    Secret(&'a str),
    /// A certificate, or a key that comes with one.
    Certificate,
    /// A key, private or public.
    Key,
    /// A package manager's settings.
    Settings,
    /// Nothing.
    Plain,
}

/// What a path says of what lies there, or of a directory above it.
pub(super) fn named(path: &str) -> Named<'_> {
    let is = |part: &str, names: &[&str]| names.iter().any(|name| fits(part, name));
    let mut start = 0;
    for part in path.split('/') {
        let end = start + part.len();
        let part = part.to_ascii_lowercase();
        if is(&part, SECRET_NAMES) && !is_example(&part) {
            return Named::Secret(&path[..end]);
        }
        start = end + 1;
    }
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    match name.as_str() {
        name if is(name, CERTIFICATES) => Named::Certificate,
        name if is(name, KEYS) => Named::Key,
        name if is(name, SETTINGS) => Named::Settings,
        _ => Named::Plain,
    }
}

/// `.env.example`, `sample.env` and the like.
fn is_example(name: &str) -> bool {
    let parts: Vec<_> = name.split(['.', '-', '_']).collect();
    parts.contains(&"env") && parts.iter().any(|part| EXAMPLES.contains(part))
}

fn fits(part: &str, name: &str) -> bool {
    match (name.strip_prefix('*'), name.strip_suffix('*')) {
        (Some(end), _) => part.ends_with(end),
        (None, Some(start)) => part.starts_with(start),
        (None, None) => part == name,
    }
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
            "tls/server.P12",
            "prod-env/x.jks",
            "x.sqlite3",
            "data.db-wal",
            ".ssh/config",
            "id_ed25519",
        ] {
            assert!(matches!(named(path), Named::Secret(_)), "{path}");
        }
        for path in ["environment.py", "src/env.rs", "keys.rs", "id_rsa.pub", "db/schema.sql"] {
            assert_eq!(named(path), Named::Plain, "{path}");
        }
        assert_eq!(named("a/.env/bin/python"), Named::Secret("a/.env"));
    }

    #[test]
    fn what_may_be_public_is_for_its_content_to_say() {
        for (path, says) in [
            ("vendor/certifi/cacert.PEM", Named::Certificate),
            ("certs/ca.crt", Named::Certificate),
            ("tls/server.key", Named::Key),
            ("usr/share/keyrings/debian.gpg", Named::Key),
            (".npmrc", Named::Settings),
            (".env.example", Named::Plain),
            ("deploy/.env.sample", Named::Plain),
            ("prod-example.env", Named::Plain),
            (".env.local", Named::Secret(".env.local")),
        ] {
            assert_eq!(named(path), says, "{path}");
        }
    }
}
