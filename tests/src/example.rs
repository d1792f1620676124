//! The folders of `examples/`, as an operator copies them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::{Tree, entries_below};

/// Where all examples listen.
const IP: &str = "127.0.0.1";
const PORT: &str = "8080";
/// What an example says of its host, and is no part of its release.
const HOST_LINES: &str = "updater.toml";

/// One of them.
#[derive(Debug, Clone)]
pub struct Example {
    directory: PathBuf,
}

impl Example {
    /// The one of this name.
    pub fn named(name: &str) -> Self {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("examples");
        Self::at(examples.join(name))
    }

    /// One that is laid out as those of `examples/`.
    pub const fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The lines for the host's `updater.toml`, with `{agent}` for where the program listens.
    pub(crate) fn host_lines(&self) -> Result<String> {
        let path = self.directory.join(HOST_LINES);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(text.replace(&format!("{IP}:{PORT}"), "{agent}"))
    }

    /// Its release, listening there instead.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn tree(&self, agent: SocketAddr) -> Result<Tree> {
        let tree = Tree::empty()?;
        let (ip, port) = (agent.ip().to_string(), agent.port().to_string());
        for path in entries_below(&self.directory, &[])?.into_keys() {
            let name = path.to_str().context("a name that is text")?;
            if name != HOST_LINES && self.directory.join(name).is_file() {
                let text = fs::read_to_string(self.directory.join(name))?;
                tree.file(name, &text.replace(IP, &ip).replace(PORT, &port))?;
            }
        }
        Ok(tree)
    }
}
