//! What every real program goes through, and what is asked of its host after each step.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use protocol::AgentState;
use serde_json::Value;

use crate::{
    Example, Fleet, Host, LONG, Output, Setup, Tree, UserProcess, eventually, processes_of_user,
    program,
};

/// An answer that takes longer will not come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A host that runs one program, as a user that has nothing else.
#[derive(Debug)]
pub struct Story {
    fleet: Fleet,
    example: Example,
    user: String,
}

impl Story {
    /// A host with the lines of this example, and with what `more` sets.
    ///
    /// # Errors
    /// When the user runs something already, or the host does not answer.
    pub fn begin(example: Example, user: &str, more: impl FnOnce(Setup) -> Setup) -> Result<Self> {
        let setup = Setup::of_example(&example)?.app("user", &format!("'{user}'"));
        let running = processes_of_user(user)?;
        ensure!(running.is_empty(), "{user} has processes before the test: {running:?}");
        Ok(Self { fleet: Fleet::of(1, &more(setup))?, example, user: user.to_owned() })
    }

    /// The same of an example of this name, without anything else.
    ///
    /// # Errors
    /// As of [`Story::begin`].
    pub fn of(example: &str, user: &str) -> Result<Self> {
        Self::begin(Example::named(example), user, |setup| setup)
    }

    /// The host.
    ///
    /// # Errors
    /// When there is none.
    pub fn host(&self) -> Result<&Host> {
        self.fleet.hosts.first().context("there is a host")
    }

    /// The example, for this host.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn release(&self) -> Result<Tree> {
        self.example.tree(self.host()?.agent)
    }

    /// The example, with one part of one file replaced.
    ///
    /// # Errors
    /// When the file does not have it.
    pub fn changed(&self, path: &str, part: &str, with: &str) -> Result<Tree> {
        let tree = self.release()?;
        tree.replace(path, part, with)?;
        Ok(tree)
    }

    /// Pushes a release, whatever becomes of it.
    ///
    /// # Errors
    /// When `swarm` cannot be started.
    pub fn pushes(&self, tree: &Tree) -> Result<Output> {
        self.fleet.update(tree, &[])
    }

    /// Pushes a release that has to be proven.
    ///
    /// # Errors
    /// When it is not.
    pub fn updates(&self, tree: &Tree) -> Result<()> {
        let output = self.pushes(tree)?;
        ensure!(output.code == 0, "{output:?}\n{}", self.host()?.log());
        ensure!(row(&output)?["outcome"] == "updated", "{output:?}");
        self.runs_alone()
    }

    /// Pushes a release that has to be undone; gives its row.
    ///
    /// # Errors
    /// When it is not.
    pub fn undoes(&self, tree: &Tree) -> Result<Value> {
        let output = self.pushes(tree)?;
        let row = row(&output)?;
        ensure!(output.code == 1 && row["outcome"] == "rolled_back", "{output:?}");
        self.runs_alone()?;
        Ok(row)
    }

    /// Goes back to the release before; gives its row.
    ///
    /// # Errors
    /// When that fails.
    pub fn goes_back(&self) -> Result<Value> {
        let output = self.fleet.swarm(["--json", "rollback", "--all", "--each"])?.good()?;
        self.runs_alone()?;
        row(&output)
    }

    /// Stops the program. When this was said, nothing of it is left.
    ///
    /// # Errors
    /// When it cannot be stopped, or something is left.
    pub fn stops(&self) -> Result<()> {
        let mut stop = Command::new(program("updater")?);
        Output::of(stop.arg("stop").arg("--config").arg(self.host()?.config()))?.good()?;
        self.runs_nothing()
    }

    /// No process of the user is left.
    ///
    /// # Errors
    /// When one is.
    pub fn runs_nothing(&self) -> Result<()> {
        let left = processes_of_user(&self.user)?;
        ensure!(left.is_empty(), "there still is {left:?}");
        Ok(())
    }

    /// Whether this is in what the program answers to `GET path`.
    ///
    /// # Errors
    /// When it is not.
    pub fn says(&self, path: &str, expected: &str) -> Result<()> {
        let answer = Self::ask(self.host()?.agent, path)?;
        ensure!(answer.contains(expected), "{path} was answered {answer}");
        Ok(())
    }

    /// What is answered there, with its head.
    ///
    /// # Errors
    /// When nothing is.
    pub fn ask(agent: SocketAddr, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(agent)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // In one piece: PHP's server may close a connection on which it comes in several.
        let request = format!("GET {path} HTTP/1.1\r\nhost: {agent}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Every process of the user is of the agent that runs. A release without a process has none.
    ///
    /// # Errors
    /// When another one runs, or no agent does.
    pub fn runs_alone(&self) -> Result<()> {
        let app = self.host()?.app()?;
        if app.agent == AgentState::NoProcess {
            return self.runs_nothing();
        }
        let agent = app.pid.context("an agent runs")?;
        let others = || -> Result<Vec<UserProcess>> {
            let all = processes_of_user(&self.user)?;
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
