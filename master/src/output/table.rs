//! Tables that read the same with and without a terminal, at any width.

use std::mem;

use explain::{Exit, Explain, plain};

use crate::output::{Style, Tone, wrapped};

/// Columns under headings in capitals, two spaces apart, without lines. Every cell is made plain, and an
/// empty one is shown as `-` so that columns can be counted.
///
/// A pipe gets a line a row. On a screen the last column is broken between words; where it has no room
/// beside the others it stands below them, and where those do not fit either, each row is a paragraph.
pub struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<Cell>>,
    columns: Option<usize>,
    spare: Vec<usize>,
    /// Those that are shown, in this order, if they were chosen.
    chosen: Option<Vec<usize>>,
    /// Those that are shown only if they are asked for.
    hidden: Vec<usize>,
    /// Whether only the names of the rows are wanted.
    names: bool,
    style: Style,
}

/// There is no column of this name; there are these.
#[derive(Debug, thiserror::Error)]
#[error("find the column {name}")]
pub struct UnknownColumn {
    name: String,
    known: Vec<String>,
}

impl Explain for UnknownColumn {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        Some(format!("there are: {}", self.known.join(", ")))
    }
}

/// A text that was made plain, and what it means.
struct Cell {
    text: String,
    tone: Tone,
}

const GAP: usize = 2;
/// A last column that would be narrower stands below the others.
const NARROWEST: usize = 24;
/// What stands below the first line of a row is moved to the right by so much.
const BELOW: usize = 2;

impl Table {
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self {
            headings: headings.map(str::to_owned).to_vec(),
            rows: Vec::new(),
            columns: None,
            spare: Vec::new(),
            chosen: None,
            hidden: Vec::new(),
            names: false,
            style: Style::default(),
        }
    }

    /// Makes all of it fit a screen of so many columns; a pipe has none, and gets a line a row.
    #[must_use]
    pub const fn within(mut self, columns: Option<usize>) -> Self {
        self.columns = columns;
        self
    }

    /// Columns, by their number from 0, that a screen too narrow for all does without, in this order.
    #[must_use]
    pub fn spare(mut self, columns: &[usize]) -> Self {
        self.spare = columns.to_vec();
        self
    }

    /// Columns, by their number from 0, that are shown only if they are asked for.
    #[must_use]
    pub fn hidden(mut self, columns: &[usize]) -> Self {
        self.hidden = columns.to_vec();
        self
    }

    /// Shows every column, whatever the screen.
    #[must_use]
    pub fn wide(mut self) -> Self {
        self.hidden.clear();
        self.spare.clear();
        self
    }

    /// Shows the name of each row and nothing else, a line each, and each once.
    #[must_use]
    pub const fn names(mut self) -> Self {
        self.names = true;
        self
    }

    /// Shows just these columns, by their headings in small letters, with `-` for a space.
    pub fn choose(mut self, names: &[String]) -> Result<Self, UnknownColumn> {
        let known: Vec<_> =
            self.headings.iter().map(|it| it.to_lowercase().replace(' ', "-")).collect();
        let place = |name: &String| {
            let place = known.iter().position(|it| *it == name.to_lowercase());
            place.ok_or_else(|| UnknownColumn { name: name.clone(), known: known.clone() })
        };
        self.chosen = Some(names.iter().map(place).collect::<Result<_, _>>()?);
        Ok(self)
    }

    /// How its cells are coloured.
    #[must_use]
    pub const fn styled(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    pub fn row<const N: usize>(&mut self, cells: [&str; N]) -> &mut Self {
        let cell = |text: &str| match plain(text) {
            empty if empty.is_empty() => Cell { text: "-".to_owned(), tone: Tone::Plain },
            text => Cell { text, tone: Tone::Plain },
        };
        self.rows.push(cells.map(cell).into());
        self
    }

    /// What a cell of the last row means, by its column.
    pub fn tone(&mut self, column: usize, tone: Tone) -> &mut Self {
        if let Some(cell) = self.rows.last_mut().and_then(|row| row.get_mut(column)) {
            cell.tone = tone;
        }
        self
    }

    /// Whether it has no rows.
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// As lines, without spaces at their ends.
    pub fn render(mut self) -> String {
        if self.names {
            let mut names: Vec<_> = self.rows.iter().filter_map(|row| row.first()).collect();
            names.dedup_by(|one, other| one.text == other.text);
            return in_lines(names.iter().map(|name| name.text.as_str()));
        }
        let widths: Vec<usize> =
            (0..self.headings.len()).map(|column| self.width(column)).collect();
        let shown = self.fitting(&widths);
        let Some((last, others)) = shown.split_last() else { return String::new() };
        let behind: usize = others.iter().map(|column| widths[*column] + GAP).sum();
        let form = match self.columns {
            None => Form::Line,
            Some(columns) if behind + widths[*last] <= columns => Form::Line,
            Some(columns) if behind + NARROWEST <= columns => Form::Beside(columns - behind),
            Some(columns) if behind.saturating_sub(GAP) <= columns => Form::Below(columns),
            Some(columns) => Form::Paragraph(columns),
        };
        let mut lines = Vec::new();
        if !matches!(form, Form::Paragraph(_)) {
            let line = shown.iter().map(|column| padded(&self.headings[*column], widths[*column]));
            let line: String = line.collect();
            match (&form, shown.split_last()) {
                // As its cells stand.
                (Form::Below(columns), Some((last, others)))
                    if line.trim_end().chars().count() > *columns =>
                {
                    let others = others.iter();
                    lines.push(others.map(|it| padded(&self.headings[*it], widths[*it])).collect());
                    lines.push(format!("  {}", self.headings[*last]));
                }
                _ => lines.push(line),
            }
        }
        for row in &self.rows {
            self.lines_of(row, &shown, &widths, &form, &mut lines);
        }
        in_lines(lines.iter().map(|line: &String| line.trim_end()))
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[column].text.chars().count());
        cells.chain([self.headings[column].chars().count()]).max().unwrap_or_default()
    }

    /// The columns that are shown: all of a pipe, and on a screen those that fit.
    fn fitting(&mut self, widths: &[usize]) -> Vec<usize> {
        if let Some(chosen) = self.chosen.take() {
            return chosen;
        }
        let mut shown: Vec<usize> = (0..widths.len()).collect();
        shown.retain(|column| !self.hidden.contains(column));
        let Some(columns) = self.columns else { return shown };
        for spare in mem::take(&mut self.spare) {
            // Nothing is behind the last one, and it may be broken.
            let last = shown.last().copied();
            let needed = |column: &usize| match (last == Some(*column), widths[*column]) {
                (true, width) => width.min(NARROWEST),
                (false, width) => width + GAP,
            };
            if shown.iter().map(needed).sum::<usize>() > columns {
                shown.retain(|column| *column != spare);
            }
        }
        shown
    }

    fn lines_of(
        &self,
        row: &[Cell],
        shown: &[usize],
        widths: &[usize],
        form: &Form,
        lines: &mut Vec<String>,
    ) {
        let Some((last, others)) = shown.split_last() else { return };
        let cell = |column: usize| {
            let Cell { text, tone } = &row[column];
            // Colours take no room: they are put around a text that has its width.
            let space = " ".repeat(widths[column] + GAP - text.chars().count());
            format!("{}{space}", self.style.paint(*tone, text))
        };
        let paint = |column: usize, text: &str| self.style.paint(row[column].tone, text);
        let beginning = |columns: &[usize]| columns.iter().map(|it| cell(*it)).collect::<String>();
        match *form {
            Form::Line => {
                lines.push(format!("{}{}", beginning(others), paint(*last, &row[*last].text)));
            }
            Form::Beside(room) => {
                let behind: usize = others.iter().map(|column| widths[*column] + GAP).sum();
                for (number, part) in wrapped(&row[*last].text, room).iter().enumerate() {
                    let before = if number == 0 { beginning(others) } else { " ".repeat(behind) };
                    lines.push(format!("{before}{}", paint(*last, part)));
                }
            }
            Form::Below(columns) => {
                lines.push(beginning(others));
                let text = &row[*last].text;
                if text != "-" {
                    let parts = wrapped(text, columns.saturating_sub(BELOW));
                    lines.extend(parts.iter().map(|part| format!("  {}", paint(*last, part))));
                }
            }
            Form::Paragraph(columns) => {
                for (number, column) in shown.iter().enumerate() {
                    let text = &row[*column].text;
                    if number == 0 {
                        lines.push(paint(*column, text));
                    } else if text != "-" {
                        let named = format!("{}: {text}", self.headings[*column].to_lowercase());
                        let parts = wrapped(&named, columns.saturating_sub(BELOW));
                        lines
                            .extend(parts.iter().map(|part| format!("  {}", paint(*column, part))));
                    }
                }
            }
        }
    }
}

/// How the rows of a table stand on their screen.
enum Form {
    /// Each on one line.
    Line,
    /// The last column is broken into lines of this width.
    Beside(usize),
    /// The last column stands below the others, on a screen of this width.
    Below(usize),
    /// Each column but the first stands below that.
    Paragraph(usize),
}

fn in_lines<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn padded(text: &str, width: usize) -> String {
    format!("{text:width$}{}", " ".repeat(GAP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_reads_without_colour_and_obeys_no_cell() {
        let mut table = Table::new(["HOST", "RELEASE", "SINCE"]);
        table.row(["web-1", "1.2 (9f86d081)", "today"]);
        table.row(["a-much-longer-name", "", "\u{1b}[2J"]);
        insta::assert_snapshot!(table.render(), @r"
        HOST                RELEASE         SINCE
        web-1               1.2 (9f86d081)  today
        a-much-longer-name  -               \u{1b}[2J
        ");
    }

    /// The same rows on screens of these widths.
    fn shown(columns: usize) -> String {
        let mut table = Table::new(["HOST", "OUTCOME", "WHY"]).within(Some(columns));
        let why = "the agent exited with status 1: nobody may listen at its port";
        table.row(["web-1.fra.example.org", "rolled_back", why]);
        table.row(["web-2.fra.example.org", "updated", ""]);
        let text = table.render();
        assert!(text.lines().all(|line| line.len() <= columns), "{text}");
        text
    }

    #[test]
    fn a_screen_breaks_no_word_however_narrow_it_is() {
        insta::assert_snapshot!(shown(70), @"
        HOST                   OUTCOME      WHY
        web-1.fra.example.org  rolled_back  the agent exited with status 1:
                                            nobody may listen at its port
        web-2.fra.example.org  updated      -
        ");
        insta::assert_snapshot!(shown(40), @"
        HOST                   OUTCOME      WHY
        web-1.fra.example.org  rolled_back
          the agent exited with status 1: nobody
          may listen at its port
        web-2.fra.example.org  updated
        ");
        insta::assert_snapshot!(shown(30), @"
        web-1.fra.example.org
          outcome: rolled_back
          why: the agent exited with
          status 1: nobody may listen
          at its port
        web-2.fra.example.org
          outcome: updated
        ");
    }

    #[test]
    fn colours_take_no_room() {
        let table = |colours| {
            let mut table = Table::new(["HOST", "OUTCOME", "WHY"]).styled(Style { colours });
            table.row(["web-1", "failed", "x"]).tone(1, Tone::Bad);
            table.row(["web-2", "rolled_back", "y"]);
            table.render()
        };
        let painted = table(true);
        assert!(painted.contains("\u{1b}[31mfailed\u{1b}[0m       x"), "{painted:?}");
        assert_eq!(painted.replace("\u{1b}[31m", "").replace("\u{1b}[0m", ""), table(false));
    }

    #[test]
    fn columns_can_be_chosen() {
        let table = || {
            let mut table = Table::new(["HOST", "RUNS", "SHOULD RUN", "AGE"]).hidden(&[3]);
            table.row(["web-1", "1.2", "1.3", "2 h"]);
            table.row(["web-1", "0.1", "0.1", "3 h"]);
            table
        };
        let first = |table: Table| table.render().lines().next().unwrap().to_owned();
        assert_eq!(first(table()), "HOST   RUNS  SHOULD RUN");
        assert_eq!(first(table().wide()), "HOST   RUNS  SHOULD RUN  AGE");
        let chosen = table().choose(&["age".to_owned(), "should-run".to_owned()]).unwrap();
        assert_eq!(first(chosen), "AGE  SHOULD RUN");
        assert_eq!(table().names().render(), "web-1\n");
        let unknown = table().choose(&["size".to_owned()]).err().unwrap();
        assert_eq!(unknown.hint().as_deref(), Some("there are: host, runs, should-run, age"));
    }

    #[test]
    fn a_narrow_screen_does_without_what_can_be_spared() {
        let shown = |columns| {
            let mut table =
                Table::new(["HOST", "RUNS", "PREV", "UPDATER"]).within(columns).spare(&[2, 3]);
            table.row(["web-1", "1.2 (9f86d081)", "1.1 (60303ae2)", "0.1.0"]);
            table.render().lines().next().unwrap().to_owned()
        };
        assert_eq!(shown(None), "HOST   RUNS            PREV            UPDATER");
        assert_eq!(shown(Some(46)), "HOST   RUNS            PREV            UPDATER");
        assert_eq!(shown(Some(45)), "HOST   RUNS            UPDATER");
        assert_eq!(shown(Some(21)), "HOST   RUNS");
    }
}
