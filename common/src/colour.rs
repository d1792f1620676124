//! Colours by meaning, and whether there are any. Whatever is coloured says the same in words or by a shape.

use std::ffi::OsString;

/// When words are coloured, by the command line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ColourChoice {
    /// On a terminal, unless the environment says otherwise.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// What decides how a terminal is written to. An empty variable is as one that is not set.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a variable of its own")]
pub struct TerminalEnvironment {
    /// `NO_COLOR`: no colours (<https://no-color.org>).
    pub no_colour: bool,
    /// `CLICOLOR_FORCE`, not 0: colours in a pipe too (<https://bixense.com/clicolors>).
    pub force_colour: bool,
    /// `TERM=dumb`: the cursor cannot be moved.
    pub dumb: bool,
    /// `CI`, not `false` or 0: what is written is kept, and read later.
    pub ci: bool,
}

/// What a word means to the operator who reads it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Not as it should be, or soon not: it may need a look.
    Warning,
    /// It failed.
    Bad,
    /// Of less interest than what stands around it.
    Faint,
    /// Neither.
    #[default]
    Plain,
}

/// Whether words are coloured on a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// They are.
    pub colours: bool,
}

impl ColourChoice {
    /// The words of the command line.
    pub const WORDS: [&str; 3] = ["auto", "always", "never"];

    /// What one of [`Self::WORDS`] means; any other one is `auto`.
    pub fn of(word: &str) -> Self {
        match word {
            "always" => Self::Always,
            "never" => Self::Never,
            _ => Self::Auto,
        }
    }
}

impl TerminalEnvironment {
    /// By the variables that `text` knows.
    pub fn of(text: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name| text(name).filter(|text| !text.is_empty());
        let is_on = |name| text(name).is_some_and(|text| text != "0" && text != "false");
        Self {
            no_colour: text("NO_COLOR").is_some(),
            force_colour: is_on("CLICOLOR_FORCE"),
            dumb: text("TERM").is_some_and(|term| term == "dumb"),
            ci: is_on("CI"),
        }
    }

    /// How words are written to a stream that is a terminal, or is not.
    pub const fn style(&self, choice: ColourChoice, is_terminal: bool) -> Style {
        let colours = match choice {
            ColourChoice::Always => true,
            ColourChoice::Never => false,
            ColourChoice::Auto => {
                !self.no_colour && (self.force_colour || (is_terminal && !self.dumb))
            }
        };
        Style { colours }
    }

    /// Whether lines may be drawn anew on a terminal: it can move its cursor, and no build server keeps all
    /// that is written to it.
    pub const fn is_drawn_on(&self) -> bool {
        !self.dumb && !self.ci
    }
}

impl Style {
    /// The text in the colour of its meaning. It has been made safe for a terminal before.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        match tone.code() {
            Some(code) if self.colours && !text.is_empty() => {
                format!("\u{1b}[{code}m{text}\u{1b}[0m")
            }
            _ => text.to_owned(),
        }
    }

    /// Lines of which the first word says what they are: `error:`, `warning:`, `ok:`.
    pub fn paint_heads(self, text: &str) -> String {
        let heads = [("error:", Tone::Bad), ("warning:", Tone::Warning), ("ok:", Tone::Good)];
        let line = |line: &str| {
            let body = line.trim_start();
            let space = &line[..line.len() - body.len()];
            let found = heads.iter().find_map(|(head, tone)| {
                Some(format!("{space}{}{}", self.paint(*tone, head), body.strip_prefix(head)?))
            });
            found.unwrap_or_else(|| line.to_owned())
        };
        text.split_inclusive('\n').map(line).collect()
    }
}

impl Tone {
    /// The parameter of SGR (ECMA-48, 8.3.117).
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Good => Some("32"),
            Self::Warning => Some("33"),
            Self::Bad => Some("31"),
            Self::Faint => Some("2"),
            Self::Plain => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_stands_above_the_environment() {
        let plain = TerminalEnvironment::default();
        let no = TerminalEnvironment { no_colour: true, force_colour: true, ..plain };
        let force = TerminalEnvironment { force_colour: true, ..plain };
        let dumb = TerminalEnvironment { dumb: true, ..plain };
        let auto = |environment: TerminalEnvironment, is_terminal| {
            environment.style(ColourChoice::Auto, is_terminal).colours
        };
        assert_eq!((auto(plain, true), auto(plain, false)), (true, false));
        assert_eq!((auto(no, true), auto(force, false), auto(dumb, true)), (false, true, false));
        assert!(no.style(ColourChoice::Always, false).colours);
        assert!(!force.style(ColourChoice::Never, true).colours);
        let empty = TerminalEnvironment::of(|name| (name == "NO_COLOR").then(OsString::new));
        assert!(auto(empty, true));
    }

    #[test]
    fn a_word_is_the_same_without_its_colour() {
        let colours = Style { colours: true };
        assert_eq!(colours.paint(Tone::Bad, "failed"), "\u{1b}[31mfailed\u{1b}[0m");
        assert_eq!(colours.paint(Tone::Plain, "failed"), "failed");
        assert_eq!(Style::default().paint(Tone::Bad, "failed"), "failed");
        let text = "error: x\n  warning: y: error: z\nnothing\n";
        let painted = colours.paint_heads(text);
        assert!(painted.contains("  \u{1b}[33mwarning:\u{1b}[0m y: error: z\n"), "{painted:?}");
        assert_eq!(Style::default().paint_heads(text), text);
    }
}
