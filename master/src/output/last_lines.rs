//! The last lines of what builds and agents printed where a release failed, below the table of a rollout.

use std::fmt::Write as _;

use engine::HostResult;
use explain::plain;
use protocol::HostName;

use crate::output::wrapped;

/// Lines of output that are shown of one host, in a pipe and on a screen.
const OUTPUT_LINES: usize = 40;
const OUTPUT_LINES_ON_SCREEN: usize = 12;
/// On a screen, as many outputs are shown that differ.
const OUTPUTS_ON_SCREEN: usize = 2;

/// What was printed, that which is equal of several hosts once.
pub(super) fn last_lines(rows: &[HostResult], columns: Option<usize>) -> String {
    let mut outputs: Vec<(Vec<&HostName>, &[String])> = Vec::new();
    for row in rows.iter().filter(|row| !row.output.is_empty()) {
        match outputs.iter_mut().find(|(_, output)| *output == row.output) {
            Some((hosts, _)) => hosts.push(&row.host),
            None => outputs.push((vec![&row.host], &row.output)),
        }
    }
    let (most, most_lines) = if columns.is_some() {
        (OUTPUTS_ON_SCREEN, OUTPUT_LINES_ON_SCREEN)
    } else {
        (usize::MAX, OUTPUT_LINES)
    };
    let mut text: String = outputs
        .iter()
        .take(most)
        .map(|(hosts, output)| of_one(hosts, output, most_lines, columns))
        .collect();
    if let Some((hosts, _)) = outputs.get(most) {
        let left: usize = outputs.iter().skip(most).map(|(hosts, _)| hosts.len()).sum();
        let plural = if left == 1 { "" } else { "s" };
        let more = format!("the output of {left} more host{plural}: swarm why {}", hosts[0]);
        let _infallible = writeln!(text, "\n{}", fitted(&more, columns));
    }
    text
}

fn of_one(
    hosts: &[&HostName],
    output: &[String],
    most_lines: usize,
    columns: Option<usize>,
) -> String {
    let first = output.len().saturating_sub(most_lines);
    let whose = match hosts {
        [host] => format!("{host}: the last lines of its output"),
        [one, other] => format!("{one} and {other}: the last lines of their output"),
        [host, others @ ..] => {
            format!("{host} and {} others: the last lines of their output", others.len())
        }
        [] => return String::new(),
    };
    let mut text = format!("\n{}\n", fitted(&whose, columns));
    for line in &output[first..] {
        let _infallible = writeln!(text, "  | {}", plain(line));
    }
    text
}

/// A line, or as many as it takes on a screen.
fn fitted(line: &str, columns: Option<usize>) -> String {
    columns.map_or_else(|| line.to_owned(), |columns| wrapped(line, columns).join("\n"))
}
