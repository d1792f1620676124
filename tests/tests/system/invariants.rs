//! The invariants themselves can be broken: each fault that they are about is found.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use fleet_tests::invariants::{Installed, Moment, violations};
use fleet_tests::{Host, Sandbox, Setup};
use protocol::Digest;
use time::OffsetDateTime;
use updater::transaction::ReleaseStates;

/// A host at rest whose updater is down, with a release that is active and one before it.
struct Broken {
    host: Host,
    active: Digest,
    prev: Digest,
    installed: Installed,
    _place: Sandbox,
}

impl Broken {
    fn new() -> Result<Self> {
        let place = Sandbox::new()?;
        let host = Host::alone(&place, &Setup::default())?;
        let (prev, active) = (host.installs("one")?, host.installs("two")?);
        host.rests()?;
        host.kill()?;
        let installed = Installed::of(&host.config(), "agent")?;
        let broken = Self { host, active, prev, installed, _place: place };
        broken.has(None)?;
        Ok(broken)
    }

    fn release(&self, digest: &Digest) -> std::path::PathBuf {
        self.host.install().join("releases/store").join(digest.hex())
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
    let broken = Broken::new()?;
    let (install, state) = (broken.host.install(), broken.host.state());
    let (active, prev) = (broken.release(&broken.active), broken.release(&broken.prev));
    let store = |digest: &Digest| Path::new("store").join(digest.hex());

    broken.with_file(&active.join("agent.json"), b"{}", "was built as")?;
    broken.with_file(&prev.join("new"), b"", "was built as")?;
    broken.with_file(&active.join(".release.json"), b"{", "no readable record")?;
    broken.with_file(&install.join("releases/incoming/x"), b"", "litter")?;
    broken.with_file(&install.join("releases/store/x"), b"", "litter")?;
    broken.with_file(&install.join("releases/active.new"), b"", "litter")?;
    broken.with_file(&install.join("current.new"), b"", "litter")?;
    broken.with_file(&state.join(".new-x"), b"", "litter")?;
    broken.with_file(&state.join("stopped"), b"", "an operator stopped the agent")?;
    broken.with_file(&state.join("releases.json"), b"{", "releases.json")?;
    broken.with_file(&state.join("journal.json"), b"{", "journal.json")?;

    let gone = Digest::from_bytes([6; 32]);
    let mut facts = ReleaseStates::read(&state.join("releases.json"))?;
    facts.proved(gone, OffsetDateTime::now_utc());
    let facts = serde_json::to_vec(&facts)?;
    broken.with_file(&state.join("releases.json"), &facts, "known as whole, and is gone")?;

    let record = fs::read(active.join(".release.json"))?;
    fs::remove_file(active.join(".release.json"))?;
    broken.has(Some("is litter"))?;
    broken.has(Some("not whole on the disk"))?;
    fs::write(active.join(".release.json"), record)?;

    broken.with_link("current", Some(Path::new("/etc")), "current leads to")?;
    broken.with_link("current", None, "without current")?;
    broken.with_link("releases/active", Some(&store(&broken.prev)), "active is")?;
    broken.with_link("releases/active", None, "current resolves to None")?;
    broken.with_link("releases/prev", Some(&store(&broken.active)), "are both")?;
    let unknown = Digest::from_bytes([7; 32]);
    broken.with_link("releases/prev", Some(&store(&unknown)), "never proven")?;

    let history = fs::read_to_string(state.join("history.jsonl"))?;
    let twice = history.lines().last().context("a line")?.to_owned() + "\n";
    broken.with_file(&state.join("history.jsonl"), (history + &twice).as_bytes(), "two lines")?;
    let evidence = state.join("evidence/0190a5c2-6f00-7000-8000-000000000000");
    fs::create_dir_all(&evidence)?;
    broken.has(Some("not in the history"))?;
    fs::remove_dir(&evidence)?;
    broken.has(None)
}

#[test]
fn an_agent_too_many_or_too_few_is_found() -> Result<()> {
    let broken = Broken::new()?;
    let path = broken.release(&broken.prev);
    let mut other = Command::new("sleep")
        .arg("600")
        .env("RELEASE_PATH", &path)
        .env("RELEASE_DIGEST", broken.prev.to_string())
        .env("RELEASE_INSTANCE", "another")
        .stdin(Stdio::null())
        .spawn()?;
    let found = [
        broken.has(Some("more starts of an agent live than 1")),
        broken.has(Some("is not active")),
    ];
    other.kill()?;
    other.wait()?;
    found.into_iter().collect::<Result<()>>()?;
    broken.has(None)?;
    fleet_tests::end_all(&broken.host.install());
    broken.has(Some("no agent runs"))
}
