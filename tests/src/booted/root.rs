//! The root that all booted hosts share, and whether there can be one here.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use skip::skip;

const ROOT: &str = "FLEET_BOOTED_ROOT";
const SKIP: &str = "FLEET_BOOTED_SKIP";

/// What `tests/booted.sh` says: it ran before the tests, or runs now. None: it said why not, and the calling
/// test is counted as skipped.
pub(super) fn shared_root() -> Result<Option<PathBuf>> {
    let known = [ROOT, SKIP].into_iter().filter_map(|name| Some((name, env::var(name).ok()?)));
    let known: BTreeMap<&str, String> = known.collect();
    if !known.is_empty() {
        return read(|name| known.get(name).cloned());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("booted.sh");
    let output = Command::new(script).stderr(Stdio::inherit()).output().context("run booted.sh")?;
    ensure!(output.status.success(), "booted.sh ended with {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let said: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    read(|name| said.get(name).map(|value| (*value).to_owned()))
}

fn read(value: impl Fn(&str) -> Option<String>) -> Result<Option<PathBuf>> {
    if let Some(root) = value(ROOT) {
        return Ok(Some(root.into()));
    }
    let reason =
        value(SKIP).with_context(|| format!("booted.sh says neither {ROOT} nor {SKIP}"))?;
    skip(&format!("no host can be booted here: {reason}"));
    Ok(None)
}
