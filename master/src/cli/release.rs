//! `swarm release`: what hosts that ask for signatures need of a release, and a second chance for it.

use std::path::{Path, PathBuf};

use api::{DescribedRelease, SignedRelease};
use clap::{Args, Subcommand};
use control::interrupt::CancelToken;
use control::signing;
use control::signing::{ReleaseKey, SignedFiles, SigningError};
use explain::{Exit, Failure, plain};
use protocol::{AppName, Period, SignedManifest};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::forgive::ForgiveArgs;
use crate::cli::release_list;
use crate::cli::runtime::interruptible;
use crate::output::Output;

/// What can be done with a release.
#[derive(Debug, Subcommand)]
pub enum ReleaseCommand {
    /// Write the manifest of an archive, and sign it with a key on this machine
    ///
    /// The key is minisign's (minisign -G makes one). ARCHIVE.manifest and ARCHIVE.manifest.minisig
    /// are written; swarm update --archive ARCHIVE sends them along. Needs no master.
    Sign(SignArgs),
    /// Write the manifest of an archive, to be signed where the key is
    ///
    /// There, minisign -S -H -m ARCHIVE.manifest signs it. Bring ARCHIVE.manifest.minisig back, and
    /// put it beside the manifest. Needs no master.
    Manifest(ManifestArgs),
    /// List the releases that were packed or sent here
    List(release_list::ListArgs),
    /// Remove releases that no host should run
    ///
    /// What was left half packed goes, too. A release that a host runs, should run or would go back to,
    /// as far as is known here, or that a rollout which has not ended sends, stays, and is named.
    Rm(release_list::RemoveArgs),
    /// Lift a release's quarantine
    Forgive(ForgiveArgs),
}

/// What a manifest says, where it is not read off the archive.
#[derive(Debug, Args)]
pub struct ManifestArgs {
    /// The archive, as swarm pack writes it
    #[arg(value_name = "ARCHIVE")]
    pub archive: PathBuf,
    /// The app that may run it; updater for the updaters' own release
    #[arg(long, value_name = "APP", default_value = protocol::DEFAULT_APP)]
    pub app: AppName,
    /// A number higher than that of every release before [default: the time in UTC:
    /// 20261124200509 and the like]
    #[arg(long, value_name = "N")]
    pub counter: Option<u64>,
    /// How long hosts accept it: 12h, 90d
    #[arg(long, value_name = "TIME", default_value = "90d")]
    pub not_after: Period,
    /// The manifest to write [default: ARCHIVE.manifest]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// The words of `swarm release sign`.
#[derive(Debug, Args)]
pub struct SignArgs {
    /// What is signed.
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// The secret key
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// A file with the key's password [default: it is asked for]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// Signs a manifest.
pub(super) fn sign(
    arguments: &SignArgs,
    output: &Output,
    now: OffsetDateTime,
) -> Result<Exit, Failure> {
    let key = ReleaseKey::load(&arguments.key, arguments.password_file.as_deref())?;
    if !key.has_password {
        output.note("note: the key has no password: every user that can read its file can sign");
    }
    let described = arguments.manifest.describe(now)?;
    let path = arguments.manifest.path();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let text = render(&described, &path)?;
    let signature = key.sign(&text, &name)?;
    let signed = SignedFiles { manifest: text.into(), signature: signature.into() };
    let signature = signed.write(&path)?;
    tell(output, "signed", &described);
    if output.json() {
        output.document(&SignedRelease {
            described: DescribedRelease { manifest: &path, says: &described },
            signature: &signature,
            key: &key.public_line(),
        });
    } else {
        output.note(&format!("its key, for trusted_keys: {}", key.public_line()));
        output.data(&lines(&[&path, &signature]));
    }
    Ok(Exit::Success)
}

/// Writes one that is to be signed elsewhere.
pub(super) fn manifest(
    arguments: &ManifestArgs,
    output: &Output,
    now: OffsetDateTime,
) -> Result<Exit, Failure> {
    let described = arguments.describe(now)?;
    let path = arguments.path();
    let text = render(&described, &path)?;
    signing::write_unsigned(&path, text.as_bytes())?;
    tell(output, "described", &described);
    if output.json() {
        output.document(&DescribedRelease { manifest: &path, says: &described });
    } else {
        let path = path.display().to_string();
        output.note(&format!("where the key is, run: minisign -S -H -m {path}"));
        output.data(&plain(&path));
    }
    Ok(Exit::Success)
}

impl ManifestArgs {
    fn describe(&self, now: OffsetDateTime) -> Result<SignedManifest, Failure> {
        let counter = self.counter.unwrap_or_else(|| signing::counter_at(now));
        let not_after =
            now.saturating_add(self.not_after.0.try_into().unwrap_or(time::Duration::MAX));
        let (archive, app) = (self.archive.clone(), self.app.clone());
        let work = move |cancel: &CancelToken| {
            signing::describe(&archive, &app, counter, not_after, cancel)
        };
        Ok(interruptible(work)??)
    }

    fn path(&self) -> PathBuf {
        self.output.clone().unwrap_or_else(|| signing::manifest_of(&self.archive))
    }
}

fn tell(output: &Output, done: &str, manifest: &SignedManifest) {
    let digest = manifest.digest.short();
    let release = manifest
        .version
        .as_ref()
        .map_or_else(|| digest.clone(), |version| format!("{version} ({digest})"));
    let until = manifest.not_after.format(&Rfc3339).unwrap_or_default();
    let (app, counter) = (&manifest.app, manifest.counter);
    output.note(&format!("{done} {release} for {app}: counter {counter}, until {until}"));
}

/// The text that is signed.
fn render(manifest: &SignedManifest, path: &Path) -> Result<String, SigningError> {
    manifest.render().map_err(|source| SigningError::Manifest { path: path.to_owned(), source })
}

fn lines(paths: &[&Path]) -> String {
    let lines: Vec<_> = paths.iter().map(|path| plain(&path.display().to_string())).collect();
    lines.join("\n")
}
