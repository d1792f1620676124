//! Release keys, as the `minisign` tool makes and uses them: what signs and verifies in the tests is
//! not what signs and verifies in the programs.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::{SignedManifest, header};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::{Call, Release};

/// A key without a password, in a directory of its own.
#[derive(Debug)]
pub struct ReleaseKey {
    directory: TempDir,
}

/// A manifest's file and its signature's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignatureFiles {
    pub manifest: Vec<u8>,
    pub signature: Vec<u8>,
}

impl ReleaseKey {
    /// Makes one.
    ///
    /// # Errors
    /// When there is no `minisign`.
    pub fn generate() -> Result<Self> {
        let key = Self { directory: tempfile::tempdir()? };
        let (public, secret) = (key.public_file(), key.secret_file());
        minisign(&["-G", "-W"], &[("-p", &public), ("-s", &secret)])?;
        Ok(key)
    }

    /// The file with the line for `trusted_keys`.
    pub fn public_file(&self) -> PathBuf {
        self.directory.path().join("release.pub")
    }

    /// The file that must stay where releases are signed.
    pub fn secret_file(&self) -> PathBuf {
        self.directory.path().join("release.key")
    }

    /// The line for `trusted_keys`.
    ///
    /// # Errors
    /// When the file is not as `minisign` writes it.
    pub fn line(&self) -> Result<String> {
        let text = fs::read_to_string(self.public_file())?;
        Ok(text.lines().nth(1).context("a second line")?.to_owned())
    }

    /// Signs the file at `path`, as one does where the key is.
    ///
    /// # Errors
    /// When `minisign` does not.
    pub fn sign_file(&self, path: &Path) -> Result<()> {
        minisign(&["-S", "-H"], &[("-s", &self.secret_file()), ("-m", path)])
    }

    /// Whether `path` and the signature beside it are as this key left them.
    ///
    /// # Errors
    /// When they are not.
    pub fn verify_file(&self, path: &Path) -> Result<()> {
        minisign(&["-V", "-H"], &[("-p", &self.public_file()), ("-m", path)])
    }

    /// Signs any text.
    ///
    /// # Errors
    /// When `minisign` does not.
    pub fn sign_text(&self, text: &str) -> Result<SignatureFiles> {
        let path = self.directory.path().join("text");
        fs::write(&path, text)?;
        self.sign_file(&path)?;
        let signature = fs::read(self.directory.path().join("text.minisig"))?;
        Ok(SignatureFiles { manifest: text.as_bytes().to_vec(), signature })
    }

    /// Signs a manifest of a release, changed by `change`.
    ///
    /// # Errors
    /// When `minisign` does not.
    pub fn sign(
        &self,
        release: &Release,
        counter: u64,
        change: impl FnOnce(&mut SignedManifest),
    ) -> Result<SignatureFiles> {
        let mut manifest = manifest_of(release, counter)?;
        change(&mut manifest);
        self.sign_text(&manifest.render()?)
    }
}

impl Call {
    /// With a manifest and its signature.
    #[must_use]
    pub fn signed(self, signed: &SignatureFiles) -> Self {
        let files = [(header::MANIFEST, &signed.manifest), (header::SIGNATURE, &signed.signature)];
        let there = files.iter().filter(|(_, file)| !file.is_empty());
        there.fold(self, |call, (name, file)| call.header(name, &STANDARD.encode(file)))
    }
}

impl SignatureFiles {
    /// As lines of a request's head.
    pub fn head(&self) -> String {
        let files = [(header::MANIFEST, &self.manifest), (header::SIGNATURE, &self.signature)];
        let there = files.iter().filter(|(_, file)| !file.is_empty());
        let lines = there.map(|(name, file)| [name, ": ", &STANDARD.encode(file), "\r\n"].concat());
        lines.collect()
    }
}

/// What is true of a release, for the app `agent`, for a day.
fn manifest_of(release: &Release, counter: u64) -> Result<SignedManifest> {
    let tar = release.tar()?;
    let headers = tar::Archive::new(tar.as_slice()).entries()?.raw(true).count();
    Ok(SignedManifest {
        format: SignedManifest::FORMAT,
        app: "agent".parse()?,
        name: None,
        version: None,
        counter,
        digest: release.digest,
        archive_bytes: release.bytes.len() as u64,
        unpacked_bytes: tar.len() as u64,
        entries: headers as u64,
        not_after: OffsetDateTime::now_utc() + time::Duration::DAY,
    })
}

impl Release {
    fn tar(&self) -> Result<Vec<u8>> {
        let mut tar = Vec::new();
        zstd::Decoder::new(self.bytes.as_slice())?.read_to_end(&mut tar)?;
        Ok(tar)
    }
}

fn minisign(words: &[&str], files: &[(&str, &Path)]) -> Result<()> {
    let mut command = Command::new("minisign");
    command.args(words).stdin(Stdio::null());
    for (option, file) in files {
        command.arg(option).arg(file);
    }
    let output = command.output().context("run minisign (tests/tools.sh installs it)")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
