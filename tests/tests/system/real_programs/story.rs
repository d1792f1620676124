//! What every program goes through, and what is asked of its host after each step.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{
    Example, Fleet, Host, LONG, Output, Setup, Tree, UserProcess, eventually, processes_of_user,
    program,
};
use serde_json::Value;

/// An answer that takes longer will not come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A host that runs one program, as a user that has nothing else.
pub(super) struct Story {
    fleet: Fleet,
    example: Example,
    user: &'static str,
}

impl Story {
    /// A host with the lines of this example, and with what `more` sets.
    pub(super) fn begin(
        example: &str,
        user: &'static str,
        more: impl FnOnce(Setup) -> Setup,
    ) -> Result<Self> {
        let example = Example::named(example);
        let setup = Setup::of_example(&example)?.app("user", &format!("'{user}'"));
        let running = processes_of_user(user)?;
        ensure!(running.is_empty(), "{user} has processes before the test: {running:?}");
        Ok(Self { fleet: Fleet::of(1, &more(setup))?, example, user })
    }

    /// The same without anything else.
    pub(super) fn of(example: &str, user: &'static str) -> Result<Self> {
        Self::begin(example, user, |setup| setup)
    }

    pub(super) fn host(&self) -> Result<&Host> {
        self.fleet.hosts.first().context("there is a host")
    }

    /// The example, for this host.
    pub(super) fn release(&self) -> Result<Tree> {
        self.example.tree(self.host()?.agent)
    }

    /// The example, with one part of one file replaced.
    pub(super) fn changed(&self, path: &str, part: &str, with: &str) -> Result<Tree> {
        let tree = self.release()?;
        tree.replace(path, part, with)?;
        Ok(tree)
    }

    /// Pushes a release that has to be proven.
    pub(super) fn updates(&self, tree: &Tree) -> Result<()> {
        let output = self.fleet.update(tree, &[])?;
        ensure!(output.code == 0, "{output:?}\n{}", self.host()?.log());
        ensure!(row(&output)?["outcome"] == "updated", "{output:?}");
        self.runs_alone()
    }

    /// Pushes a release that has to be undone; gives its row.
    pub(super) fn undoes(&self, tree: &Tree) -> Result<Value> {
        let output = self.fleet.update(tree, &[])?;
        let row = row(&output)?;
        ensure!(output.code == 1 && row["outcome"] == "rolled_back", "{output:?}");
        self.runs_alone()?;
        Ok(row)
    }

    /// Goes back to the release before.
    pub(super) fn goes_back(&self) -> Result<()> {
        self.fleet.swarm(["rollback", "--all", "--each"])?.good()?;
        self.runs_alone()
    }

    /// Stops the program. When this was said, nothing of it is left.
    pub(super) fn stops(&self) -> Result<()> {
        let mut stop = Command::new(program("updater")?);
        Output::of(stop.arg("stop").arg("--config").arg(self.host()?.config()))?.good()?;
        let left = processes_of_user(self.user)?;
        ensure!(left.is_empty(), "after the stop there is {left:?}");
        Ok(())
    }

    /// Whether this is in what the program answers to `GET path`.
    pub(super) fn says(&self, path: &str, expected: &str) -> Result<()> {
        let answer = Self::ask(self.host()?.agent, path)?;
        ensure!(answer.contains(expected), "{path} was answered {answer}");
        Ok(())
    }

    /// What is answered there, with its head.
    pub(super) fn ask(agent: SocketAddr, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(agent)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {agent}\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Every process of the user is of the agent that runs.
    pub(super) fn runs_alone(&self) -> Result<()> {
        let agent = self.host()?.app()?.pid.context("an agent runs")?;
        let others = || -> Result<Vec<UserProcess>> {
            let all = processes_of_user(self.user)?;
            ensure!(all.iter().any(|process| process.pid == agent), "no agent of {}", self.user);
            Ok(all.into_iter().filter(|process| !process.descends_from(agent)).collect())
        };
        // One of its own may be between its start and its parent's end.
        eventually("only the agent to run", LONG, || others().ok().filter(Vec::is_empty).map(drop))
            .with_context(|| format!("{:?} runs besides", others()))
    }
}

fn row(output: &Output) -> Result<Value> {
    output.row("web-1").with_context(|| format!("{output:?}"))
}
