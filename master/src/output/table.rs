//! Tables that read the same with and without a terminal.

use std::mem;

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Row, Width};
use explain::plain;

/// Columns under headings in capitals, two spaces apart, without lines or colours. Every cell is
/// made plain, and an empty one is shown as `-` so that columns can be counted.
pub struct Table {
    inner: comfy_table::Table,
    columns: Option<usize>,
    spare: Vec<usize>,
}

const GAP: u16 = 2;
/// A last column that would be narrower is not worth it.
const NARROWEST: usize = 12;

impl Table {
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        inner.set_header(headings);
        Self { inner, columns: None, spare: Vec::new() }
    }

    /// Breaks the last column into lines, so that all fits a screen of so many columns; a pipe has
    /// none, and gets a line a row.
    #[must_use]
    pub fn within(mut self, columns: Option<usize>) -> Self {
        self.columns = columns;
        self
    }

    /// Columns, by their number from 0, that a screen too narrow for all does without, in this order.
    #[must_use]
    pub fn spare(mut self, columns: &[usize]) -> Self {
        self.spare = columns.to_vec();
        self
    }

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
        let Some(columns) = self.columns else { return };
        let widths = self.inner.column_max_content_widths();
        let width = |column: usize| usize::from(widths.get(column).copied().unwrap_or(0) + GAP);
        let mut shown: Vec<usize> = (0..widths.len()).collect();
        // Nothing is behind the last one.
        let needed = |shown: &[usize]| {
            shown.iter().copied().map(width).sum::<usize>().saturating_sub(GAP.into())
        };
        for spare in mem::take(&mut self.spare) {
            if needed(&shown) > columns {
                shown.retain(|column| *column != spare);
                self.constrain(spare, ColumnConstraint::Hidden);
            }
        }
        let Some(last) = shown.pop() else { return };
        let left = columns.saturating_sub(shown.into_iter().map(width).sum());
        if left >= NARROWEST {
            let left = Width::Fixed(u16::try_from(left).unwrap_or(u16::MAX).saturating_add(GAP));
            self.constrain(last, ColumnConstraint::UpperBoundary(left));
        }
    }

    fn constrain(&mut self, column: usize, constraint: ColumnConstraint) {
        if let Some(column) = self.inner.column_mut(column) {
            column.set_constraint(constraint);
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
        assert_eq!(shown(Some(20)), "HOST   RUNS");
    }
}
