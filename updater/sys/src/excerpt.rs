//! What is shown of an output. The cause of many a failure stands at its beginning, and not at its end:
//! so the first lines, those that tell of an error, and the last ones are shown. A program that tries
//! again and again says the same again and again: that is said once, with how often.

use std::collections::{BTreeMap, VecDeque};

/// Lines that are shown of an output, what is said of those between them among them.
pub const SHOWN_LINES: usize = 40;
/// Lines at the beginning that are always shown.
const FIRST_LINES: usize = 8;
/// Lines that tell of an error, the first of them.
const ERROR_LINES: usize = 10;
/// So many different lines are known to have been said a moment ago: as many as several processes that
/// fail side by side may print between one and the next.
const RECENT_LINES: usize = 8;
/// Fewer repeated lines in a row are shown as they are.
const FOLDED_LINES: usize = 3;

/// What marks a line that tells of an error, in small letters.
const ERRORS: [&str; 14] = [
    "error:",
    "error[",
    "error!",
    "error ",
    "err!",
    "fatal",
    "failed",
    "exception:",
    "panicked",
    "undefined reference",
    "no such file",
    "not found",
    "unable to ",
    "could not ",
];

/// How a date or a time of day begins; a zero stands for any digit.
const TIMES: [&str; 3] = ["0000-00-00", "0000/00/00", "00:00:00"];

/// An output, as it comes: bounded, whatever comes.
#[derive(Debug, Clone)]
pub struct Excerpt {
    /// Lines that are shown of it.
    limit: usize,
    /// Whether its end alone is of interest.
    end_only: bool,
    first: Vec<Item>,
    errors: Vec<Item>,
    last: VecDeque<Item>,
    /// Lines that have come.
    lines: usize,
    /// The last one of them.
    last_line: Option<String>,
    /// What was said lately, without what differs each time.
    recent: VecDeque<String>,
    again: Repetition,
}

/// A line, or what is said in the place of several.
#[derive(Debug, Clone)]
struct Item {
    /// Where in the output.
    begin: usize,
    lines: usize,
    text: String,
}

/// Lines in a row, up to the last one that came, that were all said before.
#[derive(Debug, Clone, Default)]
struct Repetition {
    lines: usize,
    /// The first of them.
    first: Vec<String>,
}

impl Default for Excerpt {
    fn default() -> Self {
        Self {
            limit: SHOWN_LINES,
            end_only: false,
            first: Vec::new(),
            errors: Vec::new(),
            last: VecDeque::new(),
            lines: 0,
            last_line: None,
            recent: VecDeque::new(),
            again: Repetition::default(),
        }
    }
}

impl Excerpt {
    /// Of an output whose beginning is long past: its last lines alone.
    pub fn of_end(limit: usize) -> Self {
        Self { limit, end_only: true, ..Self::default() }
    }

    pub fn push(&mut self, line: &str) {
        let said = without_what_differs(line);
        if self.recent.contains(&said) {
            self.again.lines += 1;
            if self.again.first.len() < FOLDED_LINES {
                self.again.first.push(line.to_owned());
            }
        } else {
            self.end_repetition();
            if self.recent.len() == RECENT_LINES {
                self.recent.pop_front();
            }
            self.recent.push_back(said);
            self.keep(1, line.to_owned());
        }
        self.last_line = Some(line.to_owned());
    }

    /// The last line that came, as it was.
    pub fn last_line(&self) -> Option<&str> {
        self.last_line.as_deref()
    }

    /// What is shown: [`SHOWN_LINES`] at most.
    pub fn shown(&self) -> Vec<String> {
        let mut whole = self.clone();
        whole.end_repetition();
        if whole.end_only {
            return whole.last.into_iter().map(|item| item.text).collect();
        }
        let mut kept: BTreeMap<usize, &Item> = BTreeMap::new();
        if whole.last.front().is_some_and(|item| item.begin > 0) {
            kept.extend(whole.first.iter().chain(&whole.errors).map(|item| (item.begin, item)));
        }
        for item in whole.last.iter().rev() {
            kept.insert(item.begin, item);
            if kept.len() + gaps(&kept) > whole.limit {
                kept.remove(&item.begin);
                break;
            }
        }
        let (mut shown, mut next) = (Vec::new(), 0);
        for item in kept.into_values() {
            if item.begin > next {
                shown.push(match item.begin - next {
                    1 => "… 1 line is left out".to_owned(),
                    gap => format!("… {gap} lines are left out"),
                });
            }
            shown.push(item.text.clone());
            next = item.begin + item.lines;
        }
        shown
    }

    /// Lines that repeat what was said before give way to one that says how many they are.
    fn end_repetition(&mut self) {
        let Repetition { lines, first } = std::mem::take(&mut self.again);
        if lines < FOLDED_LINES {
            for line in first {
                self.keep(1, line);
            }
        } else {
            self.keep(lines, format!("… {lines} more lines that say the same"));
        }
    }

    fn keep(&mut self, lines: usize, text: String) {
        let item = Item { begin: self.lines, lines, text };
        self.lines += lines;
        if self.end_only {
            // Its end is all.
        } else if self.first.len() < FIRST_LINES {
            self.first.push(item.clone());
        } else if self.errors.len() < ERROR_LINES && tells_of_error(&item.text) {
            self.errors.push(item.clone());
        }
        if self.last.len() == self.limit {
            self.last.pop_front();
        }
        self.last.push_back(item);
    }
}

/// How often something is left out.
fn gaps(kept: &BTreeMap<usize, &Item>) -> usize {
    let (mut gaps, mut next) = (0, 0);
    for item in kept.values() {
        gaps += usize::from(item.begin > next);
        next = item.begin + item.lines;
    }
    gaps
}

fn tells_of_error(line: &str) -> bool {
    let line = line.to_lowercase();
    // A compiler that is told to take warnings for errors has not found one.
    !line.contains("-werror") && ERRORS.iter().any(|mark| line.contains(mark))
}

/// A line without the time and the number of a process, in which two that say the same differ.
fn without_what_differs(line: &str) -> String {
    let mut said = String::with_capacity(line.len());
    let mut after_name = false;
    for word in line.split_whitespace() {
        let core = word.trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
        let (name, value) = core.rsplit_once(['=', ':']).unwrap_or(("", core));
        let is_alone = name.is_empty() && (after_name || word.starts_with(['[', '(', '#']));
        let is_process = is_number(value) && (is_alone || names_process(name));
        said.push_str(if is_process || is_time(core) { "#" } else { word });
        said.push(' ');
        after_name = names_process(core);
    }
    said
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

fn names_process(word: &str) -> bool {
    let end = word.len().checked_sub("pid".len()).and_then(|start| word.get(start..));
    end.is_some_and(|end| end.eq_ignore_ascii_case("pid")) || word.eq_ignore_ascii_case("process")
}

fn is_time(word: &str) -> bool {
    let begins_as = |time: &&str| {
        word.len() >= time.len()
            && word.bytes().zip(time.bytes()).all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                other => byte == other,
            })
    };
    TIMES.iter().any(begins_as)
        && word.bytes().all(|byte| byte.is_ascii_digit() || b"-/:.,+TZ".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lines: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut output = Excerpt::default();
        for line in lines {
            output.push(&line);
        }
        output.shown()
    }

    #[test]
    fn what_is_short_is_shown_as_it_is() {
        let lines: Vec<_> = (0..SHOWN_LINES).map(|line| format!("error: {line}")).collect();
        assert_eq!(shown(lines.clone()), lines);
        assert!(shown([]).is_empty());
    }

    #[test]
    fn the_cause_at_the_beginning_is_shown_and_the_end_too() {
        let lines = (0..1000).map(|line| match line {
            0 => "npm error package.json and package-lock.json are not in sync".to_owned(),
            500 => "server.c:12:5: error: unknown type name".to_owned(),
            501 => "cc -Werror: no error:".to_owned(),
            _ => format!("line {line}"),
        });
        let one_too_many = shown((0..41).map(|line| format!("line {line}")));
        assert!(one_too_many.iter().all(|line| !line.contains("1 lines")), "{one_too_many:?}");
        let shown = shown(lines);
        assert_eq!(shown.len(), SHOWN_LINES);
        assert!(shown[0].starts_with("npm error"));
        assert_eq!(
            shown[8..11],
            [
                "… 492 lines are left out",
                "server.c:12:5: error: unknown type name",
                "… 470 lines are left out",
            ]
        );
        assert_eq!(shown.last().unwrap(), "line 999");
    }

    #[test]
    fn what_workers_say_again_and_again_is_shown_once() {
        let workers = (0..200).flat_map(|worker| {
            // They come one after another, and now and then at once.
            let (one, other) = (1000 + 2 * worker, 1001 + 2 * worker);
            let mut said = vec![
                format!("[{one}] ! Unable to start worker"),
                format!("[{one}] config.ru:1:in `block in <main>'"),
                format!("[{one}] Early termination of worker"),
                format!("[{other}] Early termination of worker"),
            ];
            said.rotate_left(worker % 4);
            said
        });
        let said = shown(std::iter::once("* Listening".to_owned()).chain(workers));
        assert_eq!(
            said,
            [
                "* Listening",
                "[1000] ! Unable to start worker",
                "[1000] config.ru:1:in `block in <main>'",
                "[1000] Early termination of worker",
                "… 797 more lines that say the same",
            ]
        );
    }

    #[test]
    fn what_is_not_the_same_is_not_taken_for_it() {
        let times = (10..60).map(|second| format!("2026-01-02T03:04:{second}.5Z gave up"));
        assert_eq!(shown(times).len(), 2);
        let different = [
            "port 8080 is taken",
            "port 8081 is taken",
            "port 8082 is taken",
            "port 8083 is taken",
            "v1.2.3-4",
            "v1.2.3-5",
        ];
        assert_eq!(shown(different.map(str::to_owned)), different);
        // Between two others an empty line is no news, and is worth no words.
        let spaced = ["a", "", "b", "", "c", ""];
        assert_eq!(shown(spaced.map(str::to_owned)), spaced);
        for (one, other) in [
            (
                "E, [2026-01-02T03:04:05.123 #12] ERROR -- : x",
                "E, [2026-01-02T03:04:06.1 #7] ERROR -- : x",
            ),
            (
                "[2026-01-02 03:04:05 +0000] [1] [INFO] Booting worker with pid: 8",
                "[2026-01-02 03:04:09 +0000] [1] [INFO] Booting worker with pid: 9",
            ),
            ("worker pid=12 died", "worker pid=1345 died"),
            (
                "2026/01/02 03:04:05 [emerg] bind() failed",
                "2026/01/02 03:04:06 [emerg] bind() failed",
            ),
        ] {
            assert_eq!(without_what_differs(one), without_what_differs(other));
        }
    }

    #[test]
    fn of_an_output_that_began_long_ago_the_end_is_shown() {
        let mut output = Excerpt::of_end(2);
        for line in ["error: 1", "2", "3", "4"] {
            output.push(line);
        }
        assert_eq!(output.shown(), ["3", "4"]);
        for _ in 0..9 {
            output.push("4");
        }
        assert_eq!(output.shown(), ["4", "… 9 more lines that say the same"]);
        assert_eq!(output.last_line(), Some("4"));
    }
}
