//! Tables that read the same with and without a terminal.

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Row, Width};

use crate::output::plain;

/// Columns under headings in capitals, two spaces apart, without lines or colours. Every cell is
/// made plain, and an empty one is shown as `-` so that columns can be counted.
pub struct Table {
    inner: comfy_table::Table,
    columns: Option<usize>,
}

/// Between two columns.
const GAP: u16 = 2;
/// A last column that would be narrower is not worth it.
const NARROWEST: usize = 12;

impl Table {
    /// An empty table.
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        inner.set_header(headings);
        Self { inner, columns: None }
    }

    /// Breaks the last column into lines, so that all fits a screen of so many columns; a pipe has
    /// none, and gets a line a row.
    #[must_use]
    pub fn within(mut self, columns: Option<usize>) -> Self {
        self.columns = columns;
        self
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [&str; N]) -> &mut Self {
        self.inner.add_row(Row::from(cells.map(|cell| match plain(cell) {
            empty if empty.is_empty() => "-".to_owned(),
            text => text,
        })));
        self
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// As lines, without spaces at their ends.
    pub fn render(mut self) -> String {
        self.fit();
        for column in self.inner.column_iter_mut() {
            column.set_padding((0, GAP));
        }
        let mut text = String::new();
        for line in self.inner.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn fit(&mut self) {
        let widths = self.inner.column_max_content_widths();
        let Some((_, others)) = widths.split_last() else { return };
        let taken: usize = others.iter().map(|width| usize::from(*width + GAP)).sum();
        let left = self.columns.map(|columns| columns.saturating_sub(taken));
        let Some(left) = left.filter(|left| *left >= NARROWEST) else { return };
        let width = Width::Fixed(u16::try_from(left).unwrap_or(u16::MAX).saturating_add(GAP));
        if let Some(last) = self.inner.column_iter_mut().last() {
            last.set_constraint(ColumnConstraint::UpperBoundary(width));
        }
    }
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

    #[test]
    fn on_a_screen_the_last_column_goes_on_below_itself() {
        let mut table = Table::new(["HOST", "WHY"]).within(Some(40));
        table.row(["web-1", "the agent exited with status 1: nobody may listen at its port"]);
        let text = table.render();
        assert!(text.lines().all(|line| line.len() <= 40), "{text}");
        insta::assert_snapshot!(text, @r"
        HOST   WHY
        web-1  the agent exited with status 1:
               nobody may listen at its port
        ");
    }
}
