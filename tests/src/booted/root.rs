//! The roots that all booted hosts share, and whether there can be any here.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use skip::skip;

/// What a host runs besides the programs under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Debian {
    /// This machine's own suite.
    This,
    /// The suite after it, with a newer systemd.
    Next,
    /// The suite before it, where programs that were built for this machine do not run.
    Former,
}

impl Debian {
    /// What names its root, and what names the reason why there is none.
    fn variables(self) -> [&'static str; 2] {
        match self {
            Self::This => ["FLEET_BOOTED_ROOT", "FLEET_BOOTED_SKIP"],
            Self::Next => ["FLEET_BOOTED_ROOT_NEXT", "FLEET_BOOTED_SKIP_NEXT"],
            Self::Former => ["FLEET_BOOTED_ROOT_FORMER", "FLEET_BOOTED_SKIP_FORMER"],
        }
    }
}

/// What `tests/booted.sh` says: it ran before the tests, or runs now. None: it said why not, and the calling
/// test is counted as skipped.
pub(super) fn shared_root(debian: Debian) -> Result<Option<PathBuf>> {
    let names = debian.variables();
    let known = names.into_iter().filter_map(|name| Some((name, env::var(name).ok()?)));
    let known: BTreeMap<&str, String> = known.collect();
    if !known.is_empty() {
        return read(names, |name| known.get(name).cloned());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("booted.sh");
    let output = Command::new(script).stderr(Stdio::inherit()).output().context("run booted.sh")?;
    ensure!(output.status.success(), "booted.sh ended with {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let said: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    read(names, |name| said.get(name).map(|value| (*value).to_owned()))
}

fn read(
    [root, skipped]: [&str; 2],
    value: impl Fn(&str) -> Option<String>,
) -> Result<Option<PathBuf>> {
    if let Some(root) = value(root) {
        return Ok(Some(root.into()));
    }
    let reason =
        value(skipped).with_context(|| format!("booted.sh says neither {root} nor {skipped}"))?;
    skip(&format!("no host can be booted here: {reason}"));
    Ok(None)
}
