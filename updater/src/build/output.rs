//! What is kept of a build's output. Its cause stands at the beginning of many a failure, and not at its
//! end: so the first lines, those that tell of an error, and the last ones are shown, and all of them are
//! in a file.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Lines that are shown of an output, what is said of those between them among them.
pub(super) const SHOWN_LINES: usize = 40;
/// Lines at the beginning that are always shown.
const FIRST_LINES: usize = 8;
/// Lines that tell of an error, the first of them.
const ERROR_LINES: usize = 10;

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

/// The output of a build, as it comes.
#[derive(Debug, Default)]
pub(super) struct BuildOutput {
    first: Vec<String>,
    errors: BTreeMap<usize, String>,
    last: VecDeque<String>,
    lines: usize,
    whole: Option<BufWriter<File>>,
}

impl BuildOutput {
    /// All of it goes into a file as well. Where that cannot be made, the rest is kept all the same.
    pub(super) fn kept_in(file: &Path) -> Self {
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        Self { whole: options.open(file).ok().map(BufWriter::new), ..Self::default() }
    }

    pub(super) fn push(&mut self, line: &str) {
        if let Some(whole) = &mut self.whole
            && writeln!(whole, "{line}").is_err()
        {
            // The build goes on without.
            self.whole = None;
        }
        if self.first.len() < FIRST_LINES {
            self.first.push(line.to_owned());
        } else if self.errors.len() < ERROR_LINES && tells_of_error(line) {
            self.errors.insert(self.lines, line.to_owned());
        }
        if self.last.len() == SHOWN_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
        self.lines += 1;
    }

    /// Puts what is not yet in the file there.
    pub(super) fn flush(&mut self) {
        if let Some(whole) = &mut self.whole {
            let _ = whole.flush();
        }
    }

    /// What is shown: [`SHOWN_LINES`] at most.
    pub(super) fn shown(&self) -> Vec<String> {
        let begin = self.lines - self.last.len();
        let mut kept: BTreeMap<usize, &str> = BTreeMap::new();
        if begin > 0 {
            kept.extend(self.first.iter().map(String::as_str).enumerate());
            kept.extend(self.errors.iter().map(|(number, line)| (*number, line.as_str())));
        }
        for (number, line) in (begin..self.lines).zip(&self.last).rev() {
            kept.insert(number, line);
            if kept.len() + gaps(&kept) > SHOWN_LINES {
                kept.remove(&number);
                break;
            }
        }
        let (mut shown, mut next) = (Vec::new(), 0);
        for (number, line) in kept {
            if number > next {
                shown.push(match number - next {
                    1 => "… 1 line is left out".to_owned(),
                    gap => format!("… {gap} lines are left out"),
                });
            }
            shown.push(line.to_owned());
            next = number + 1;
        }
        shown
    }
}

/// How often something is left out.
fn gaps(kept: &BTreeMap<usize, &str>) -> usize {
    let begins = kept.keys().filter(|number| **number > 0 && !kept.contains_key(&(**number - 1)));
    begins.count()
}

fn tells_of_error(line: &str) -> bool {
    let line = line.to_lowercase();
    // A compiler that is told to take warnings for errors has not found one.
    !line.contains("-werror") && ERRORS.iter().any(|mark| line.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lines: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut output = BuildOutput::default();
        lines.into_iter().for_each(|line| output.push(&line));
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
    fn all_of_it_is_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("build.log");
        let mut output = BuildOutput::kept_in(&path);
        (0..100).for_each(|line| output.push(&format!("line {line}")));
        output.flush();
        assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 100);
    }
}
