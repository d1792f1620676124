//! A release key in a file, as `minisign -G` writes it.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign::{PublicKey, SecretKey, SecretKeyBox};
use zeroize::Zeroizing;

use crate::signing::SigningError;

/// A key that signs.
pub struct ReleaseKey {
    secret: SecretKey,
    public: PublicKey,
    /// Whether its file is worth nothing without a password.
    pub has_password: bool,
}

impl ReleaseKey {
    /// Reads a key that its owner alone can read. Its password is in a file that its owner alone
    /// can read, or is asked for on the terminal.
    pub fn load(path: &Path, password_file: Option<&Path>) -> Result<Self, SigningError> {
        let text = read_secret(path)?;
        let failed = |source| SigningError::Key { path: path.to_owned(), source };
        let boxed = SecretKeyBox::from_string(&text).map_err(failed)?;
        let has_password = is_encrypted(&text);
        let secret = if has_password {
            let password = password_file.map(read_secret).transpose()?;
            let first_line = |text: Zeroizing<String>| text.lines().next().map(str::to_owned);
            boxed.into_secret_key(password.map(|text| first_line(text).unwrap_or_default()))
        } else {
            boxed.into_unencrypted_secret_key()
        };
        let secret = secret.map_err(failed)?;
        let public = PublicKey::from_secret_key(&secret).map_err(failed)?;
        Ok(Self { secret, public, has_password })
    }

    /// The line that goes into `trusted_keys`.
    pub fn public_line(&self) -> String {
        self.public.to_base64()
    }

    /// The signature's file. Its comments are for people.
    pub fn sign(&self, manifest: &str, comment: &str) -> Result<String, SigningError> {
        let trusted = format!("of {comment}");
        let untrusted = format!("signature of {comment}");
        let signed = minisign::sign(
            Some(&self.public),
            &self.secret,
            manifest.as_bytes(),
            Some(&trusted),
            Some(&untrusted),
        );
        signed.map(minisign::SignatureBox::into_string).map_err(SigningError::Sign)
    }
}

fn read_secret(path: &Path) -> Result<Zeroizing<String>, SigningError> {
    let bytes = pki::read_key(path).map_err(SigningError::Secret)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(SigningError::NoText(path.to_owned())),
    }
}

/// The second line is the key; its third and fourth byte name how it is encrypted, zero for not.
fn is_encrypted(text: &str) -> bool {
    let line = text.lines().nth(1).unwrap_or_default().trim();
    STANDARD.decode(line).is_ok_and(|bytes| bytes.get(2..4) != Some(&[0, 0]))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use minisign::KeyPair;

    use super::*;

    fn write(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn a_key_signs_with_and_without_a_password() {
        let directory = tempfile::tempdir().unwrap();
        let (key, word) = (directory.path().join("k"), directory.path().join("word"));
        let plain = KeyPair::generate_unencrypted_keypair().unwrap();
        write(&key, &plain.sk.to_box(None).unwrap().into_string());
        let loaded = ReleaseKey::load(&key, None).unwrap();
        assert!(!loaded.has_password);
        assert_eq!(loaded.public_line(), plain.pk.to_base64());
        assert!(loaded.sign("text", "x").unwrap().contains("trusted comment: of x\n"));

        let locked = KeyPair::generate_encrypted_keypair(Some("open".to_owned())).unwrap();
        write(&key, &locked.sk.to_box(None).unwrap().into_string());
        for (password, opens) in [("open\n", true), ("shut\n", false)] {
            write(&word, password);
            let loaded = ReleaseKey::load(&key, Some(&word));
            assert_eq!(loaded.is_ok_and(|key| key.has_password), opens, "{password}");
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join("k");
        write(&key, "untrusted comment: x\nAAAA\n");
        assert!(matches!(ReleaseKey::load(&key, None), Err(SigningError::Key { .. })));
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(ReleaseKey::load(&key, None), Err(SigningError::Secret(_))));
    }
}
