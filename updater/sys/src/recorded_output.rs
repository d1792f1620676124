//! An output of which all goes into a file, beside what is shown of it.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::excerpt::Excerpt;

/// The output of commands, as it comes.
#[derive(Debug)]
pub struct RecordedOutput {
    excerpt: Excerpt,
    file: PathBuf,
    whole: Whole,
}

#[derive(Debug)]
enum Whole {
    /// Nothing has come.
    Empty,
    Open(BufWriter<File>),
    /// The disk refused it.
    Lost,
}

impl RecordedOutput {
    /// The file is made when something comes. Where it cannot be, the rest is kept all the same.
    pub fn in_file(file: &Path) -> Self {
        Self { excerpt: Excerpt::default(), file: file.to_owned(), whole: Whole::Empty }
    }

    pub fn push(&mut self, line: &str) {
        if matches!(self.whole, Whole::Empty) {
            let mut options = File::options();
            options.write(true).create(true).truncate(true).mode(0o600);
            let opened = options.open(&self.file).map(BufWriter::new);
            self.whole = opened.map_or(Whole::Lost, Whole::Open);
        }
        if let Whole::Open(file) = &mut self.whole
            && writeln!(file, "{line}").is_err()
        {
            // The command goes on without.
            self.whole = Whole::Lost;
        }
        self.excerpt.push(line);
    }

    /// What is shown.
    pub fn shown(&self) -> Vec<String> {
        self.excerpt.shown()
    }

    /// The last line that came.
    pub fn last_line(&self) -> Option<&str> {
        self.excerpt.last_line()
    }

    /// Puts what is not yet in the file there, and says whether all that came is in it.
    pub fn flush(&mut self) -> bool {
        match &mut self.whole {
            Whole::Open(file) => file.flush().is_ok(),
            Whole::Empty | Whole::Lost => false,
        }
    }

    /// It is of no interest any more.
    pub fn forget(self) {
        if !matches!(self.whole, Whole::Empty) {
            let _ = fs::remove_file(&self.file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("build.log");
        let mut output = RecordedOutput::in_file(&path);
        assert!(!output.flush() && !path.exists());
        for line in 0..100 {
            output.push(&format!("line {line}"));
        }
        assert!(output.flush());
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 100);
        assert_eq!(output.last_line(), Some("line 99"));
        output.forget();
        assert!(!path.exists());
    }

    #[test]
    fn a_disk_that_refuses_it_takes_nothing_of_what_is_shown() {
        let directory = tempfile::tempdir().unwrap();
        let mut output = RecordedOutput::in_file(&directory.path().join("none/build.log"));
        output.push("a line");
        assert!(!output.flush());
        assert_eq!(output.shown(), ["a line"]);
    }
}
