//! The invariants themselves can be broken: each fault that they are about is found.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use fleet_tests::invariants::{InstalledApp, Moment, violations};
use fleet_tests::{Host, host};
use protocol::Digest;
use time::OffsetDateTime;
use updater::transaction::ReleaseStates;

/// A host at rest whose updater is down, with a release that is active and one before it.
struct InspectedHost {
    host: Host,
    active: Digest,
    prev: Digest,
    installed: InstalledApp,
}

impl InspectedHost {
    fn new() -> Result<Self> {
        let host = host()?;
        let (prev, active) = (host.installs("one")?, host.installs("two")?);
        host.rests()?;
        host.kill()?;
        let installed = InstalledApp::of(&host.config(), "agent")?;
        let inspected = Self { host, active, prev, installed };
        inspected.has(None)?;
        Ok(inspected)
    }

    fn release(&self, digest: &Digest) -> std::path::PathBuf {
        self.host.release(digest)
    }

    /// Looks whether exactly this is found, or nothing.
    fn has(&self, expected: Option<&str>) -> Result<()> {
        let found = violations(&self.installed, Moment::AtRest);
        let as_expected = match expected {
            None => found.is_empty(),
            Some(part) => found.iter().any(|sentence| sentence.contains(part)),
        };
        ensure!(as_expected, "expected {expected:?}, found {found:#?}");
        Ok(())
    }

    /// Puts `content` into a file, looks, and puts back what was there.
    fn with_file(&self, path: &Path, content: &[u8], expected: &str) -> Result<()> {
        let before = fs::read(path).ok();
        fs::write(path, content)?;
        self.has(Some(expected))?;
        match before {
            Some(before) => fs::write(path, before)?,
            None => fs::remove_file(path)?,
        }
        self.has(None)
    }

    /// Points a link elsewhere, looks, and puts it back.
    fn with_link(&self, link: &str, target: Option<&Path>, expected: &str) -> Result<()> {
        let link = self.host.install().join(link);
        let before = fs::read_link(&link)?;
        fs::remove_file(&link)?;
        if let Some(target) = target {
            symlink(target, &link)?;
        }
        self.has(Some(expected))?;
        let _ = fs::remove_file(&link);
        symlink(before, &link)?;
        self.has(None)
    }
}

#[test]
fn every_fault_is_found() -> Result<()> {
    let inspected = InspectedHost::new()?;
    let (install, state) = (inspected.host.install(), inspected.host.state());
    let (active, prev) = (inspected.release(&inspected.active), inspected.release(&inspected.prev));
    let store = |digest: &Digest| {
        let release = inspected.release(digest);
        Path::new("store").join(release.file_name().unwrap_or_default())
    };

    inspected.with_file(&active.join("agent.json"), b"{}", "was built as")?;
    inspected.with_file(&prev.join("new"), b"", "was built as")?;
    inspected.with_file(&active.join(".release.json"), b"{", "no readable record")?;
    inspected.with_file(&install.join("releases/incoming/x"), b"", "litter")?;
    inspected.with_file(&install.join("releases/store/x"), b"", "litter")?;
    inspected.with_file(&install.join("releases/store/0123456789ab"), b"", "litter")?;
    inspected.with_file(&install.join("releases/active.new"), b"", "litter")?;
    inspected.with_file(&install.join("current.new"), b"", "litter")?;
    inspected.with_file(&state.join(".new-x"), b"", "litter")?;
    inspected.with_file(&state.join("stopped"), b"", "an operator stopped the agent")?;
    inspected.with_file(&state.join("releases.json"), b"{", "releases.json")?;
    inspected.with_file(&state.join("journal.json"), b"{", "journal.json")?;

    let gone = Digest::from_bytes([6; 32]);
    let mut facts = ReleaseStates::read(&state.join("releases.json"))?;
    facts.proved(gone, OffsetDateTime::now_utc());
    let facts = serde_json::to_vec(&facts)?;
    inspected.with_file(&state.join("releases.json"), &facts, "known as whole, and is gone")?;

    let record = fs::read(active.join(".release.json"))?;
    fs::remove_file(active.join(".release.json"))?;
    inspected.has(Some("is litter"))?;
    inspected.has(Some("not whole on the disk"))?;
    fs::write(active.join(".release.json"), record)?;

    inspected.with_link("current", Some(Path::new("/etc")), "current leads to")?;
    inspected.with_link("current", None, "without current")?;
    inspected.with_link("releases/active", Some(&store(&inspected.prev)), "active is")?;
    inspected.with_link("releases/active", None, "current resolves to None")?;
    inspected.with_link("releases/prev", Some(&store(&inspected.active)), "are both")?;
    let unknown = Digest::from_bytes([7; 32]);
    inspected.with_link("releases/prev", Some(&store(&unknown)), "never proven")?;

    let history = fs::read_to_string(state.join("history.jsonl"))?;
    let twice = history.lines().last().context("a line")?.to_owned() + "\n";
    inspected.with_file(
        &state.join("history.jsonl"),
        (history + &twice).as_bytes(),
        "two lines",
    )?;
    let evidence = state.join("evidence/0190a5c2-6f00-7000-8000-000000000000");
    fs::create_dir_all(&evidence)?;
    inspected.has(Some("not in the history"))?;
    fs::remove_dir(&evidence)?;
    inspected.has(None)
}

#[test]
fn an_agent_too_many_or_too_few_is_found() -> Result<()> {
    let inspected = InspectedHost::new()?;
    let path = inspected.release(&inspected.prev);
    let mut other = Command::new("sleep")
        .arg("600")
        .env("RELEASE_PATH", &path)
        .env("RELEASE_DIGEST", inspected.prev.to_string())
        .env("RELEASE_INSTANCE", "another")
        .stdin(Stdio::null())
        .spawn()?;
    let found = [
        inspected.has(Some("more starts of an agent live than 1")),
        inspected.has(Some("is not active")),
    ];
    other.kill()?;
    other.wait()?;
    found.into_iter().collect::<Result<()>>()?;
    inspected.has(None)?;
    fleet_tests::end_all(&inspected.host.install());
    inspected.has(Some("no agent runs"))
}
