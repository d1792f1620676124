//! A host's `updater.toml`, short-tempered so that the tests are quick.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::Example;

/// The keys of each section, with their values as TOML has them. In a value, `{agent}`,
/// `{agent_ip}` and `{agent_port}` stand for where the host's agent listens, and `{directory}` for the host's
/// directory.
#[derive(Debug, Clone)]
pub struct Setup {
    sections: BTreeMap<&'static str, BTreeMap<String, String>>,
}

impl Default for Setup {
    /// One app, `agent`, which is the test agent and proves itself by its echo.
    fn default() -> Self {
        Self { sections: BTreeMap::new() }
            .app("build", "[]")
            .run("command", "['bin/agent']")
            .app("build_unit", "false")
            .app("hooks_unit", "false")
            // Never a unit of the machine that the tests run on.
            .run("transient", "false")
            .run("stop_grace", "'500ms'")
            .run("backoff", "'50ms'")
            .health("release_pointer", "'/release'")
            .health("attempts", "5")
            .health("interval", "'100ms'")
            .health("timeout", "'2s'")
            .health("watch", "'300ms'")
            .health("watch_failures", "2")
    }
}

impl Setup {
    /// Of a real program: what the release says is run, proven by its process, with the lines of a host's
    /// `updater.toml` that an example has.
    ///
    /// # Errors
    /// When the example cannot be read, or has other sections.
    pub fn of_example(example: &Example) -> Result<Self> {
        let mut setup =
            Self::default().without_echo().run("stop_grace", "'10s'").health("attempts", "100");
        setup.sections.entry("app.agent.run").or_default().remove("command");
        let mut section = "";
        for line in example.host_lines()?.lines() {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                let known = ["app.agent", "app.agent.run", "app.agent.health"];
                let found = known.into_iter().find(|known| *known == name);
                section = found.with_context(|| format!("{name} is no section of an example"))?;
            } else if let Some((key, value)) =
                line.split_once('=').filter(|_| !line.starts_with('#'))
            {
                setup = setup.set(section, key.trim(), value.trim());
            }
        }
        Ok(setup)
    }

    /// Sets a key at the top.
    #[must_use]
    pub fn top(self, key: &str, value: &str) -> Self {
        self.set("", key, value)
    }

    /// Sets a key of `[limits]`.
    #[must_use]
    pub fn limits(self, key: &str, value: &str) -> Self {
        self.set("limits", key, value)
    }

    /// Sets a key of `[self]`.
    #[must_use]
    pub fn self_update(self, key: &str, value: &str) -> Self {
        self.set("self", key, value)
    }

    /// Sets a key of `[app.agent]`.
    #[must_use]
    pub fn app(self, key: &str, value: &str) -> Self {
        self.set("app.agent", key, value)
    }

    /// Sets a key of `[app.agent.run]`.
    #[must_use]
    pub fn run(self, key: &str, value: &str) -> Self {
        self.set("app.agent.run", key, value)
    }

    /// Sets a key of `[app.agent.health]`.
    #[must_use]
    pub fn health(self, key: &str, value: &str) -> Self {
        self.set("app.agent.health", key, value)
    }

    /// Asks for the proof by the process, instead of by the echo.
    #[must_use]
    pub fn without_echo(mut self) -> Self {
        if let Some(health) = self.sections.get_mut("app.agent.health") {
            health.remove("release_pointer");
        }
        self
    }

    /// Leaves it to each release to say how it is started.
    #[must_use]
    pub fn without_command(mut self) -> Self {
        if let Some(run) = self.sections.get_mut("app.agent.run") {
            run.remove("command");
        }
        self
    }

    /// Hands one agent over to the next, on a socket that the updater opens.
    #[must_use]
    pub fn handover(self) -> Self {
        self.run("strategy", "'handover'")
            .run("sockets", "['{agent}']")
            .run("drain_timeout", "'10s'")
            .health("ready_url", "'http://{agent}/ready'")
    }

    fn set(mut self, section: &'static str, key: &str, value: &str) -> Self {
        self.sections.entry(section).or_default().insert(key.to_owned(), value.to_owned());
        self
    }

    fn unless_set(self, section: &'static str, key: &str, value: &str) -> Self {
        let there = |keys: &BTreeMap<_, _>| keys.contains_key(key);
        if self.sections.get(section).is_some_and(there) {
            return self;
        }
        self.set(section, key, value)
    }

    /// The whole file, for a host that has this directory and these addresses.
    pub(crate) fn render(
        &self,
        directory: &Path,
        identity: &Path,
        listen: SocketAddr,
        agent: SocketAddr,
    ) -> String {
        let quoted = |path: &Path| format!("'{}'", path.display());
        let health = self.sections.get("app.agent.health");
        let other_probe = health.is_some_and(|health| {
            ["url", "tcp", "command"].iter().any(|key| health.contains_key(*key))
        });
        let mut whole = self
            .clone()
            .set("", "listen", &format!("'{listen}'"))
            .unless_set("", "identity", &quoted(identity))
            .unless_set("", "state_dir", &quoted(&directory.join("state")))
            .unless_set("self", "install_dir", &quoted(&directory.join("self")))
            .unless_set("app.agent", "install_dir", &quoted(&directory.join("install")))
            .unless_set("app.agent.run", "env", &format!("{{ AGENT_LISTEN = '{agent}' }}"));
        if !other_probe {
            whole = whole.health("url", &format!("'http://{agent}/health'"));
        }
        let mut text = String::new();
        for (section, keys) in &whole.sections {
            if !section.is_empty() {
                let _ = writeln!(text, "\n[{section}]");
            }
            for (key, value) in keys {
                let _ = writeln!(text, "{key} = {value}");
            }
        }
        text.replace("{directory}", &directory.display().to_string())
            .replace("{agent}", &agent.to_string())
            .replace("{agent_ip}", &agent.ip().to_string())
            .replace("{agent_port}", &agent.port().to_string())
    }
}
