//! The live view, on a terminal that has fewer lines than the fleet has hosts.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Result, ensure};
use fleet_tests::{Fleet, LONG, Setup, Tree, eventually};
use nix::pty::{Winsize, openpty};

/// More than a window of 24 lines shows.
const HOSTS: usize = 28;
const CTRL_C: &[u8] = b"\x03";

/// A command, and the window that it writes to. Dropped, it is killed.
struct Window {
    command: Child,
    terminal: Arc<Mutex<vt100::Parser>>,
    keyboard: File,
    /// The other end of the window.
    line: File,
}

impl Window {
    /// Runs a command in a window of this size, as a shell does: it is the terminal's foreground job.
    fn open(command: &Command, (rows, columns): (u16, u16)) -> Result<Self> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None)?;
        let (keyboard, line) = (File::from(pty.master), File::from(pty.slave));
        let terminal = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let mut job = Command::new("setsid");
        job.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        job.env("TERM", "xterm").env_remove("CI").env_remove("NO_COLOR").env_remove("SUDO_USER");
        job.stdin(Stdio::from(line.try_clone()?));
        job.stdout(Stdio::from(line.try_clone()?)).stderr(Stdio::from(line.try_clone()?));
        let command = job.spawn()?;
        let (mut screen, shown) = (keyboard.try_clone()?, Arc::clone(&terminal));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut bytes) {
                let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
                shown.process(&bytes[..read]);
            }
        });
        Ok(Self { command, terminal, keyboard, line })
    }

    fn press(&mut self, keys: &[u8]) -> Result<()> {
        Ok(self.keyboard.write_all(keys)?)
    }

    /// Makes the window another one, as if it were pulled at a corner.
    fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        let mut terminal = self.terminal.lock().unwrap_or_else(PoisonError::into_inner);
        terminal.screen_mut().set_size(rows, columns);
        let mut stty = Command::new("stty");
        stty.args(["rows", &rows.to_string(), "cols", &columns.to_string()]);
        let set = stty.stdin(Stdio::from(self.line.try_clone()?)).status()?;
        ensure!(set.success(), "{set}");
        Ok(())
    }

    /// What is on the screen, once it is as it should be.
    fn shows(&self, what: &str, is_so: impl Fn(&[String]) -> bool) -> Result<Vec<String>> {
        let seen = || {
            let terminal = self.terminal.lock().unwrap_or_else(PoisonError::into_inner);
            terminal.screen().contents().lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let found = eventually(what, LONG, || Some(seen()).filter(|lines| is_so(lines)));
        found.map_err(|error| error.context(seen().join("\n")))
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        drop(self.command.kill().and_then(|()| self.command.wait()));
    }
}

fn has(lines: &[String], words: &str) -> bool {
    lines.iter().any(|line| line.contains(words))
}

/// A whole frame, and nothing else: what it is about, the batch, the counts, and both hosts that move.
fn is_whole(lines: &[String]) -> bool {
    let once = |words: &str| lines.iter().filter(|line| line.contains(words)).count() == 1;
    let all = ["batch 1 of 1", "26 unreachable, 2 watching", "26 of 28 hosts done", "  and more: "];
    all.iter().all(|words| once(words)) && once("▸ web-1 ") && once("▸ web-2 ")
}

#[test]
fn more_hosts_than_the_window_has_lines_are_shown_whole_whatever_is_typed() -> Result<()> {
    let mut fleet = Fleet::of(2, &Setup::default().health("watch", "'10m'"))?;
    for number in 3..=HOSTS {
        fleet.enroll(&format!("web-{number}"), &Setup::default())?;
    }
    let root = Tree::saying("one")?;
    let words = ["update", "--all", "--parallel", "64", "--root"];
    let mut update = fleet.command(words)?;
    update.arg(root.path());
    let mut window = Window::open(&update, (24, 80))?;

    let first = window.shows("both hosts to be watched", is_whole)?;
    ensure!(first.len() < 24 && has(&first, " left"), "{first:#?}");
    window.press(b"\n\nsome words\n")?;
    window.resize(30, 60)?;
    window.shows("a frame for the other window", |lines| {
        is_whole(lines) && lines.len() > 24 && !has(lines, "some words")
    })?;
    window.resize(16, 100)?;
    window.shows("one for the third", |lines| is_whole(lines) && lines.len() < 16)?;

    // Whoever is asked to stop says so, and the second time leaves: the result is what is seen last.
    window.press(CTRL_C)?;
    window.shows("that it stops", |lines| has(lines, "stopping: no further host"))?;
    window.press(CTRL_C)?;
    let last = window.shows("its end", |lines| has(lines, "to go on: "))?;
    let tail = last.join("\n");
    ensure!(last.last().is_some_and(|line| line.starts_with("to go on: swarm rollout")), "{tail}");
    ensure!(has(&last, "28 hosts: 2 left, 26 unreachable"), "{tail}");
    ensure!(!has(&last, "▸") && !has(&last, "^C"), "{tail}");
    let ended = eventually("the command to end", LONG, || window.command.try_wait().ok()?)?;
    ensure!(ended.code() == Some(130), "{ended}");
    Ok(())
}
