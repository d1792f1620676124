//! What is shown, in the order in which one would show it to a colleague.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use super::fleet::{DemoError, Fleet, io_error, write_release};

/// Tells the whole story. With `keep`, the fleet stays up in the end.
pub fn tell(keep: bool) -> Result<(), DemoError> {
    let root = tempfile::Builder::new().prefix("swarm-demo-").tempdir();
    let root = root.map_err(|source| io_error("make a temporary directory", source))?;
    let mut story = Story { fleet: Fleet::new(root.path())? };
    let told = story.tell();
    if told.is_ok() && keep {
        let path = root.keep();
        return story.how_to_go_on(&path);
    }
    story.fleet.stop();
    told.and_then(|()| story.say("Nothing is left behind."))
}

struct Story {
    fleet: Fleet,
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
        self.say("\nEvery bad release was undone by the hosts themselves.")
    }

    fn enroll(&mut self) -> Result<(), DemoError> {
        self.chapter("A fleet from nothing: a CA, three hosts, three updaters")?;
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
            self.swarm(&words, 0)?;
            self.fleet.start(number)?;
        }
        self.swarm(&["check", "--all"], 0)
    }

    fn good_releases(&self) -> Result<(), DemoError> {
        self.chapter("The first release, and an upgrade")?;
        self.update("1.0", "healthy", 0)?;
        self.update("1.1", "healthy", 0)?;
        self.say("Once more: hosts that have it get no bytes.")?;
        self.update("1.1", "healthy", 0)
    }

    fn bad_releases(&self) -> Result<(), DemoError> {
        self.chapter("A release that crashes at once")?;
        self.update("1.2-crash", "crash", 1)?;
        self.chapter("A release that answers 500")?;
        self.update("1.3-broken", "broken", 1)?;
        self.chapter("A release that dies while it is watched")?;
        self.update("1.4-fading", "fading", 1)?;
        self.chapter("Why did web-1 refuse it?")?;
        self.swarm(&["why", "web-1"], 0)
    }

    fn rollback(&self) -> Result<(), DemoError> {
        self.chapter("Going back by hand")?;
        self.swarm(&["rollback", "--all", "--each"], 0)
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

    /// Types a command, as a person would, and shows what it prints.
    fn swarm(&self, words: &[&str], expected: i32) -> Result<(), DemoError> {
        let command = format!("swarm {}", words.join(" "));
        let shown = command.replace(&format!("{}/", self.fleet.root.display()), "");
        self.say(&format!("\n$ {shown}"))?;
        let status = Command::new(&self.fleet.swarm)
            .env("SWARM_HOME", &self.fleet.home)
            .args(words)
            .status()
            .map_err(|source| io_error("run swarm", source))?;
        if status.code() == Some(expected) {
            return Ok(());
        }
        let (got, wanted) = (status.to_string(), format!("exit status {expected}"));
        Err(DemoError::Unexpected { command, got, wanted })
    }

    fn chapter(&self, title: &str) -> Result<(), DemoError> {
        self.say(&format!("\n── {title} ──"))
    }

    #[expect(clippy::unused_self, reason = "the story is told in one voice")]
    fn say(&self, line: &str) -> Result<(), DemoError> {
        writeln!(std::io::stdout(), "{line}").map_err(|source| io_error("print", source))
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
