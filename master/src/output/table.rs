//! Tables that read the same with and without a terminal.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Row};

use crate::output::plain;

/// Columns under headings in capitals, two spaces apart, without lines or colours. Every cell is
/// made plain, and an empty one is shown as `-` so that columns can be counted.
pub struct Table {
    inner: comfy_table::Table,
}

impl Table {
    /// An empty table.
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        inner.set_header(headings);
        Self { inner }
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
        for column in self.inner.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let mut text = String::new();
        for line in self.inner.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
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
}
