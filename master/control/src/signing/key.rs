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
        let line = text.lines().nth(1).unwrap_or_default().trim();
        let bytes = Zeroizing::new(STANDARD.decode(line).unwrap_or_default());
        // The third and the fourth byte name how the rest is encrypted.
        let has_password = match bytes.get(2..4) {
            Some(kind) => kind != [0, 0],
            None => return Err(SigningError::NoKey(path.to_owned())),
        };
        let secret = if has_password {
            let password = password(path, password_file)?;
            SecretKeyBox::from_string(&text).and_then(|key| key.into_secret_key(Some(password)))
        } else {
            // The tool leaves out the checksum of such a key, which the crate asks for when it
            // reads the file by itself. A damaged one is noticed by what it signs.
            SecretKey::from_bytes(&bytes)
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

/// The first line of a file that its owner alone can read, or what is typed.
fn password(key: &Path, file: Option<&Path>) -> Result<String, SigningError> {
    if let Some(file) = file {
        return Ok(read_secret(file)?.lines().next().unwrap_or_default().to_owned());
    }
    let prompt = format!("Password of {}: ", key.display());
    rpassword::prompt_password(prompt).map_err(SigningError::NoPassword)
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
        for (text, is_none) in [("x\n", true), ("x\nAAA=\n", true), ("x\nRWQAAEIy\n", false)] {
            write(&key, text);
            let loaded = ReleaseKey::load(&key, None);
            assert_eq!(matches!(loaded, Err(SigningError::NoKey(_))), is_none, "{text}");
            assert!(loaded.is_err());
        }
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(ReleaseKey::load(&key, None), Err(SigningError::Secret(_))));
    }
}
