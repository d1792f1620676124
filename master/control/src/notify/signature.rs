//! How a webhook is signed, and the secret for that, in the form of Standard Webhooks
//! (<https://www.standardwebhooks.com>): `whsec_` and base64, in a file that only its owner reads.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use explain::Explain;
use pki::FileError;
use ring::hmac;

/// What a secret's text begins with.
const PREFIX: &str = "whsec_";
/// How many bytes it may have; fewer can be guessed.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A key to sign with. It is never shown.
#[derive(Clone)]
pub(super) struct Secret(hmac::Key);

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("read a webhook's secret")]
    File(#[from] FileError),
    /// What is in it.
    #[error("use the webhook's secret in {}: it is not {PREFIX} and 24 to 64 bytes as base64", .0.display())]
    Form(PathBuf),
}

impl Explain for SecretError {
    fn hint(&self) -> Option<String> {
        let Self::Form(path) = self else { return None };
        let path = path.display();
        Some(format!(
            "make one: (umask 077; echo {PREFIX}$(head -c 32 /dev/urandom | base64) > {path})"
        ))
    }
}

impl Secret {
    pub(super) fn read(path: &Path) -> Result<Self, SecretError> {
        let bytes = pki::read_key(path)?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
        Self::parse(text).ok_or_else(|| SecretError::Form(path.to_owned()))
    }

    fn parse(text: &str) -> Option<Self> {
        let key = BASE64.decode(text.strip_prefix(PREFIX)?).ok()?;
        BYTES.contains(&key.len()).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// The header `webhook-signature`: over the message's name, its time in seconds and its body.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let tag = hmac::sign(&self.0, format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", BASE64.encode(tag))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn a_signature_is_that_of_standard_webhooks() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_others_read_or_that_is_none_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hook.secret");
        let refused = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            Secret::read(&path).err()
        };
        let good = format!("whsec_{}\n", BASE64.encode([7; 32]));
        assert!(refused(&good, 0o600).is_none());
        assert!(matches!(refused(&good, 0o644), Some(SecretError::File(_))));
        for bad in ["", "whsec_", "whsec_c2hvcnQ=", "hunter2hunter2hunter2hunter2"] {
            let Some(error) = refused(bad, 0o600) else { panic!("{bad}") };
            assert!(error.hint().unwrap().contains("whsec_$("), "{bad}");
        }
    }
}
