//! Lines on a terminal that are drawn anew, in their place, again and again.
//!
//! What is typed meanwhile is not shown, so that Enter moves nothing; a window of another size is wiped
//! and drawn anew, since a terminal may have broken the lines that are on it.

use std::fmt::Write as _;
use std::io::{Write, stderr};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};

/// No line is broken by the terminal, and the cursor is not seen.
const BEGIN: &str = "\u{1b}[?25l\u{1b}[?7l";
const END: &str = "\u{1b}[?7h\u{1b}[?25h";
/// The rest of the line, of the screen; all of it.
const WIPE_LINE: &str = "\u{1b}[K";
const WIPE_BELOW: &str = "\u{1b}[J";
const WIPE_ALL: &str = "\u{1b}[2J\u{1b}[H";

/// What is drawn ends with the line above the cursor.
pub(crate) struct Screen<W> {
    terminal: W,
    /// How many lines are drawn, and on a window of which size.
    drawn: usize,
    size: (usize, usize),
}

impl<W: Write> Screen<W> {
    pub(crate) const fn new(terminal: W) -> Self {
        Self { terminal, drawn: 0, size: (0, 0) }
    }

    /// Draws these lines in place of those before, on a window of so many columns and lines. They fit it,
    /// with a line to spare.
    pub(crate) fn draw(&mut self, lines: &[String], size: (usize, usize)) {
        self.show("", lines, size);
    }

    /// Writes lines that stay, above those that are drawn.
    pub(crate) fn above(&mut self, text: &str, lines: &[String], size: (usize, usize)) {
        self.show(text, lines, size);
    }

    /// What is on the screen is not as it was left: something else was written there.
    pub(crate) const fn forget(&mut self) {
        self.drawn = 0;
    }

    /// Takes the lines off the screen.
    pub(crate) fn leave(&mut self) {
        let text = format!("{}{WIPE_BELOW}{END}", self.back());
        self.drawn = 0;
        self.write(&text);
    }

    fn show(&mut self, above: &str, lines: &[String], size: (usize, usize)) {
        let mut text = BEGIN.to_owned();
        if self.drawn > 0 && self.size != size {
            text.push_str(WIPE_ALL);
        } else {
            text.push_str(&self.back());
        }
        for line in above.lines().chain(lines.iter().map(String::as_str)) {
            let _infallible = write!(text, "{line}{WIPE_LINE}\r\n");
        }
        text.push_str(WIPE_BELOW);
        text.push_str("\u{1b}[?7h");
        self.drawn = lines.len();
        self.size = size;
        self.write(&text);
    }

    /// To the first of the lines that are drawn.
    fn back(&self) -> String {
        if self.drawn == 0 { "\r".to_owned() } else { format!("\r\u{1b}[{}A", self.drawn) }
    }

    /// A terminal that has gone away holds nothing up.
    fn write(&mut self, text: &str) {
        drop(self.terminal.write_all(text.as_bytes()).and_then(|()| self.terminal.flush()));
    }
}

/// While it is there, a terminal does not show what is typed.
pub(crate) struct Unechoed(Option<Termios>);

impl Unechoed {
    /// For the terminal that stderr is; nothing where it is none, or another job's.
    pub(crate) fn stderr() -> Self {
        let terminal = stderr();
        if tcgetpgrp(&terminal).ok() != Some(getpgrp()) {
            return Self(None);
        }
        let Ok(before) = tcgetattr(&terminal) else { return Self(None) };
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        Self(tcsetattr(&terminal, SetArg::TCSANOW, &silent).is_ok().then_some(before))
    }
}

impl Drop for Unechoed {
    fn drop(&mut self) {
        let terminal = stderr();
        if let Some(before) = &self.0
            && tcgetpgrp(&terminal).ok() == Some(getpgrp())
        {
            let _ = tcsetattr(&terminal, SetArg::TCSANOW, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::Stream;

    /// What is seen on a terminal, its empty lines at the end left out.
    fn seen(terminal: &vt100::Parser) -> String {
        terminal.screen().contents().trim_end().to_owned()
    }

    #[test]
    fn what_is_drawn_anew_leaves_nothing_of_what_was_there() {
        let mut terminal = vt100::Parser::new(6, 20, 0);
        let (stream, mut fed) = (Stream::default(), 0);
        let mut show = |stream: &Stream, terminal: &mut vt100::Parser| {
            let text = stream.text();
            terminal.process(&text.as_bytes()[fed..]);
            fed = text.len();
        };
        let lines =
            |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        terminal.process(b"$ swarm update\r\n");
        let mut screen = Screen::new(stream.clone());
        screen.draw(&lines(&["one of four", "two", "three"]), (20, 6));
        screen.draw(&lines(&["two of four", "2"]), (20, 6));
        show(&stream, &mut terminal);
        assert_eq!(seen(&terminal), "$ swarm update\ntwo of four\n2");
        assert!(terminal.screen().hide_cursor());
        // What stays goes above, though the screen scrolls.
        screen.above("batch 1 of 2", &lines(&["a", "b", "c", "d", "e"]), (20, 6));
        show(&stream, &mut terminal);
        assert_eq!(seen(&terminal), "a\nb\nc\nd\ne");
        // The window is made smaller, and the terminal has broken its lines.
        terminal.screen_mut().set_size(4, 10);
        screen.draw(&lines(&["small", "a", "b"]), (10, 4));
        show(&stream, &mut terminal);
        assert_eq!(seen(&terminal), "small\na\nb");
        screen.leave();
        show(&stream, &mut terminal);
        terminal.process(b"2 hosts\r\n");
        assert_eq!(seen(&terminal), "2 hosts");
        assert!(!terminal.screen().hide_cursor());
    }
}
