//! What is shown, in the order in which one would show it to a colleague.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::fleet::{DemoError, Fleet, io_error, write_release};

/// On a terminal: time to read a command before it runs, and a chapter before the next.
const BEFORE_COMMAND: Duration = Duration::from_millis(1200);
const AFTER_CHAPTER: Duration = Duration::from_secs(4);

const SUMMARY: &str = "
── What you have seen ──

Three hosts were updated; each update was proven by the program's own answer.
Three bad releases came: one crashed, one answered 500, one died in its watch.
The hosts undid each of them by themselves; --canary 1 kept the second to one
host. A rollback went where it was told, and an updater replaced itself while
its program ran on. Nothing is left behind.

Go on with:
  SWARM demo --keep  # the same fleet, left running for you to try
  SWARM simulate --hosts 500 --canary 5 --bad 20%  # what a policy is worth
  SWARM update --help  # how to update hosts of your own
and with docs/getting-started.md.";

/// Tells the whole story. With `keep`, the fleet stays up in the end.
pub fn tell(keep: bool) -> Result<(), DemoError> {
    let root = tempfile::Builder::new().prefix("swarm-demo-").tempdir();
    let root = root.map_err(|source| io_error("make a temporary directory", source))?;
    let mut story =
        Story { fleet: Fleet::new(root.path())?, on_terminal: io::stdout().is_terminal() };
    let told = story.tell();
    if told.is_ok() && keep {
        let path = root.keep();
        return story.how_to_go_on(&path);
    }
    story.fleet.stop();
    told?;
    let swarm = std::env::args().next().unwrap_or_else(|| "swarm".to_owned());
    story.say(&SUMMARY.replace("SWARM", &swarm))
}

struct Story {
    fleet: Fleet,
    /// Whether a person watches, who has to read it all.
    on_terminal: bool,
}

impl Story {
    fn tell(&mut self) -> Result<(), DemoError> {
        self.enroll()?;
        self.good_releases()?;
        self.bad_releases()?;
        self.rollback()?;
        self.update_the_updater()?;
        self.chapter("What runs where")?;
        self.swarm(&["status", "--all"], 0)?;
        self.pause(AFTER_CHAPTER);
        Ok(())
    }

    fn enroll(&mut self) -> Result<(), DemoError> {
        self.title("A fleet from nothing: a CA, three hosts, three updaters")?;
        self.swarm(&["init"], 0)?;
        for number in 0..self.fleet.hosts.len() {
            let host = &self.fleet.hosts[number];
            let (name, address) = (host.name.clone(), host.address.clone());
            let bundle = host.bundle().display().to_string();
            let role = if number == 0 { "role=canary" } else { "role=web" };
            let words = [
                "enroll",
                "--name",
                &name,
                "--address",
                &address,
                "--updater",
                "--label",
                role,
                "--out-dir",
                &bundle,
            ];
            self.swarm_in_short(&words)?;
            self.fleet.start(number)?;
        }
        self.swarm(&["check", "--all"], 0)
    }

    fn good_releases(&self) -> Result<(), DemoError> {
        self.chapter("The first release, and an upgrade")?;
        self.update("1.0", "healthy", 0)?;
        self.update("1.1", "healthy", 0)?;
        self.say("\nOnce more: a host that has it gets no bytes.")?;
        let root = self.release("1.1", "healthy")?;
        self.swarm(&["update", "web-1", "--root", &root], 0)
    }

    fn bad_releases(&self) -> Result<(), DemoError> {
        self.chapter("A release that crashes at once")?;
        self.update("1.2-crash", "crash", 1)?;
        self.chapter("A release that answers 500, to one host first")?;
        let root = self.release("1.3-broken", "broken")?;
        self.swarm(
            &["update", "--all", "--canary", "1", "--on-trip", "rollback", "--root", &root],
            1,
        )?;
        self.chapter("A release that dies while it is watched")?;
        self.update("1.4-fading", "fading", 1)?;
        self.chapter("Why did web-1 refuse it?")?;
        self.swarm(&["why", "web-1"], 0)
    }

    fn rollback(&self) -> Result<(), DemoError> {
        self.chapter("Going back by hand")?;
        self.swarm(&["rollback", "--all", "--to", "web@1.0"], 0)
    }

    fn update_the_updater(&self) -> Result<(), DemoError> {
        self.chapter("An update of the updater itself, on one host")?;
        let root = self.release("1.5", "healthy")?;
        self.swarm(&["update", "--host", "web-1", "--include-self", "--root", &root], 0)
    }

    fn update(&self, version: &str, mood: &str, expected: i32) -> Result<(), DemoError> {
        let root = self.release(version, mood)?;
        self.swarm(&["update", "--all", "--root", &root], expected)
    }

    fn release(&self, version: &str, mood: &str) -> Result<String, DemoError> {
        let root = self.fleet.root.join("releases").join(version);
        write_release(&root, version, mood)?;
        Ok(root.display().to_string())
    }

    /// Types a command, as a person would, and shows what it prints; without its progress, where no person
    /// watches that.
    fn swarm(&self, words: &[&str], expected: i32) -> Result<(), DemoError> {
        let mut command = self.types(words)?;
        if !self.on_terminal {
            command.stderr(Stdio::piped());
        }
        let run = |source| io_error("run swarm", source);
        let mut child = command.spawn().map_err(run)?;
        let mut errors = String::new();
        if let Some(stderr) = &mut child.stderr {
            stderr.read_to_string(&mut errors).map_err(run)?;
        }
        let status = child.wait().map_err(run)?;
        if status.code() == Some(expected) {
            return Ok(());
        }
        self.say(&errors)?;
        Err(unexpected(words, &status.to_string(), expected))
    }

    /// The same of a command that has to go well, and of which the first line is enough.
    fn swarm_in_short(&self, words: &[&str]) -> Result<(), DemoError> {
        let output = self.types(words)?.output().map_err(|source| io_error("run swarm", source))?;
        if !output.status.success() {
            self.say(&String::from_utf8_lossy(&output.stderr))?;
            return Err(unexpected(words, &output.status.to_string(), 0));
        }
        let said = String::from_utf8_lossy(&output.stdout);
        self.say(said.lines().next().unwrap_or_default())
    }

    fn types(&self, words: &[&str]) -> Result<Command, DemoError> {
        let command = format!("swarm {}", words.join(" "));
        let shown = command.replace(&format!("{}/", self.fleet.root.display()), "");
        self.say(&format!("\n$ {shown}"))?;
        self.pause(BEFORE_COMMAND);
        let mut command = Command::new(&self.fleet.swarm);
        command.env("SWARM_HOME", &self.fleet.home).args(words);
        Ok(command)
    }

    /// Gives a person the time to read.
    fn pause(&self, time: Duration) {
        let end = Instant::now() + time;
        while self.on_terminal && Instant::now() < end {
            std::thread::park_timeout(end - Instant::now());
        }
    }

    fn chapter(&self, title: &str) -> Result<(), DemoError> {
        self.pause(AFTER_CHAPTER);
        self.title(title)
    }

    fn title(&self, title: &str) -> Result<(), DemoError> {
        self.say(&format!("\n── {title} ──"))
    }

    #[expect(clippy::unused_self, reason = "the story is told in one voice")]
    fn say(&self, line: &str) -> Result<(), DemoError> {
        writeln!(io::stdout(), "{line}").map_err(|source| io_error("print", source))
    }

    fn how_to_go_on(&self, root: &Path) -> Result<(), DemoError> {
        self.say(&format!(
            "\nThe fleet is up. Go on with:\n  export SWARM_HOME={home}\n  {swarm} status --all\n  \
             {swarm} update --all --root {root}/releases/1.5\nAnd end it with:\n  \
             pkill -f {root}; pkill -KILL -f 'demo-agent.*{network}'; rm -r {root}",
            network = self.fleet.network,
            home = self.fleet.home.display(),
            swarm = self.fleet.swarm.display(),
            root = root.display(),
        ))
    }
}

fn unexpected(words: &[&str], got: &str, expected: i32) -> DemoError {
    let command = format!("swarm {}", words.join(" "));
    DemoError::Unexpected {
        command,
        got: got.to_owned(),
        wanted: format!("exit status {expected}"),
    }
}
