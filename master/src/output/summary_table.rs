//! The end of a rollout: a table of what the hosts came to, the bad ones first, the last lines of what
//! failed, one line that sums it up, and what has to be typed next. With `--json`, one line.
//!
//! A pipe gets a row a host. On a screen rows that say the same are one, so that the end stays on it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use api::SummaryDocument;
use control::rollout::{ReleaseNames, Summary};
use engine::{HostResult, MasterCode, RolloutResult, Urgency};
use explain::span;
use protocol::{Code, HostOutcome};
use time::OffsetDateTime;

use crate::output::last_lines::last_lines;
use crate::output::outcome_words::outcome_word;
use crate::output::{Output, Style, Table, Tone, wrapped};

/// On a screen, as many hosts of which the same is to be said have a row each; of more, one row is made.
const ROWS_OF_ONE_KIND: usize = 5;
/// Lines of names below a table.
const LINES_OF_NAMES: usize = 3;

/// Shows what a rollout came to.
pub(crate) fn show_summary(
    output: &Output,
    summary: &Summary,
    names: &ReleaseNames,
    now: OffsetDateTime,
) {
    if output.json() {
        output.naming(names).line(&SummaryDocument::of(summary, now));
        return;
    }
    output.data(&text(summary, names, output.columns(), output.style()));
    // A note is one line: what is in it is made plain.
    for line in how_to_go_on(summary).iter().flat_map(|words| words.lines()) {
        output.note(line);
    }
}

/// The table, the last lines of what failed, and one line that sums it up.
fn text(summary: &Summary, names: &ReleaseNames, columns: Option<usize>, style: Style) -> String {
    let headings = ["HOST", "OUTCOME", "FROM", "TO", "TIME", "WHY"];
    // Without the time, and then without what ran before.
    let mut table = Table::new(headings).within(columns).spare(&[4, 2]).styled(style);
    let groups = groups(&summary.hosts, names, columns.is_some());
    for group in &groups {
        let row = group[0];
        table.row([
            &host_cell(group),
            outcome_word(row, names),
            &names.of(row.from.as_ref()),
            &names.of(row.to.as_ref()),
            &times(group),
            &said_of(summary, group, names),
        ]);
        table.tone(1, tone(row));
    }
    let large = groups.iter().filter(|group| group.len() > 1 && tone(group[0]) != Tone::Good);
    let below: String = large.map(|group| hosts_of(group, names, columns)).collect();
    let below = if below.is_empty() { below } else { format!("\n{below}") };
    let outputs = last_lines(&summary.hosts, columns);
    let counts = counts(&summary.hosts, names, style);
    format!("{}{below}{outputs}\n{counts}\n", table.render())
}

/// The rows of which the same is said, each in their order, those that are bad first.
fn groups<'a>(
    rows: &'a [HostResult],
    names: &ReleaseNames,
    on_screen: bool,
) -> Vec<Vec<&'a HostResult>> {
    let mut sorted: Vec<_> = rows.iter().collect();
    sorted.sort_by_key(|row| Urgency::of_result(row));
    // What differs in words alone, such as an address, is one kind of thing.
    let said = |row: &HostResult| {
        (outcome_word(row, names), row.from, row.to, row.target, row.code.clone())
    };
    let mut groups: Vec<Vec<&HostResult>> = Vec::new();
    for row in sorted {
        match groups.iter_mut().find(|group| said(group[0]) == said(row)) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    let is_one = |group: &Vec<_>| on_screen && group.len() > ROWS_OF_ONE_KIND;
    let split = |group: Vec<&'a HostResult>| {
        if is_one(&group) { vec![group] } else { group.into_iter().map(|row| vec![row]).collect() }
    };
    groups.into_iter().flat_map(split).collect()
}

/// Why the hosts of one row are as they are.
fn said_of(summary: &Summary, group: &[&HostResult], names: &ReleaseNames) -> String {
    let said = said(summary, group[0], names);
    if group.iter().all(|row| row.detail == group[0].detail) {
        return said;
    }
    format!("{said} (on {}; others alike)", group[0].host)
}

/// Why a host is as it is. One that was not touched says where the release failed.
fn said(summary: &Summary, row: &HostResult, names: &ReleaseNames) -> String {
    let failed: Vec<_> = summary
        .hosts
        .iter()
        .filter(|row| matches!(row.outcome, HostOutcome::RolledBack | HostOutcome::Stranded))
        .filter(|row| row.is_bad())
        .map(|row| row.host.as_str())
        .collect();
    let is_paused = row.code == Some(MasterCode::Paused.into());
    match failed.len() {
        1..=3 if is_paused => format!("paused, the release failed on {}", failed.join(", ")),
        4.. if is_paused => format!("paused, the release failed on {} hosts", failed.len()),
        _ => why(row, names),
    }
}

fn host_cell(group: &[&HostResult]) -> String {
    match group {
        [row] => row.host.to_string(),
        rows => format!("{} hosts", rows.len()),
    }
}

/// How long it took; of many, from the shortest to the longest.
fn times(group: &[&HostResult]) -> String {
    let times = || group.iter().map(|row| row.duration_ms);
    match (times().min().map(span), times().max().map(span)) {
        (Some(shortest), Some(longest)) if shortest != longest => {
            format!("{shortest} to {longest}")
        }
        (shortest, _) => shortest.unwrap_or_default(),
    }
}

/// Which hosts one row is about.
fn hosts_of(group: &[&HostResult], names: &ReleaseNames, columns: Option<usize>) -> String {
    let hosts: Vec<_> = group.iter().map(|row| row.host.as_str()).collect();
    let text = format!("{}: {}", outcome_word(group[0], names), hosts.join(", "));
    let lines = columns.map_or_else(|| vec![text.clone()], |columns| wrapped(&text, columns));
    let shown = lines.iter().take(LINES_OF_NAMES);
    let mut text = shown.map(String::as_str).collect::<Vec<_>>().join("\n");
    text.push('\n');
    let left: usize =
        lines.iter().skip(LINES_OF_NAMES).map(|line| line.split_whitespace().count()).sum();
    if left > 0 {
        let _infallible = writeln!(text, "and {left} more");
    }
    text
}

/// Why a host is as it is, with the release that failed there: TO has what runs.
pub(super) fn why(row: &HostResult, names: &ReleaseNames) -> String {
    let failed = row.target.filter(|target| row.to != Some(*target));
    match (failed, row.reason()) {
        (None, reason) => reason,
        (Some(failed), reason) if reason.is_empty() => names.of(Some(&failed)),
        (Some(failed), reason) => format!("{}: {reason}", names.of(Some(&failed))),
    }
}

fn tone(row: &HostResult) -> Tone {
    match Urgency::of_result(row) {
        Urgency::Failed => Tone::Bad,
        Urgency::LeftOut => Tone::Warning,
        _ => Tone::Good,
    }
}

fn counts(rows: &[HostResult], names: &ReleaseNames, style: Style) -> String {
    let mut counts: BTreeMap<(Urgency, &str), (usize, Tone)> = BTreeMap::new();
    for row in rows {
        let of = (Urgency::of_result(row), outcome_word(row, names));
        counts.entry(of).or_insert((0, tone(row))).0 += 1;
    }
    let counted: Vec<_> = counts
        .iter()
        .map(|((_, word), (count, tone))| {
            style.paint(*tone, &format!("{count} {}", word.replace('_', " ")))
        })
        .collect();
    let hosts = if rows.len() == 1 { "host" } else { "hosts" };
    format!("{} {hosts}: {}", rows.len(), counted.join(", "))
}

/// What can be typed next.
fn how_to_go_on(summary: &Summary) -> Option<String> {
    let id = summary.rollout.short();
    let is_quarantined = |row: &HostResult| row.code == Some(Code::Quarantined.into());
    Some(match summary.result {
        RolloutResult::Interrupted => format!("to go on: swarm rollout resume {id}"),
        RolloutResult::Unclear => summary.detail.clone(),
        RolloutResult::AwaitingApproval => format!(
            "{}\nto go on: swarm rollout approve {id} --digest {}\nto end it: swarm rollout reject \
             {id}",
            summary.detail, summary.plan
        ),
        RolloutResult::Paused => format!(
            "{}\nto go on: swarm rollout continue {id}\nto take back what it did: swarm rollout \
             rollback {id}\nto leave all as it is: swarm rollout abort {id}",
            summary.detail
        ),
        _ if summary.hosts.iter().any(is_quarantined) => {
            "to try a quarantined release again, because \
             the reason is gone (its host's updater.toml was changed, for example), give the same \
             command with --retry-quarantined"
                .to_owned()
        }
        RolloutResult::Failed => {
            let bad = summary.hosts.iter().find(|row| row.is_bad())?;
            format!("to see what is wrong there: swarm why {}", bad.host)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use protocol::Digest;
    use store::RolloutId;

    use super::*;

    fn summary() -> Summary {
        let (old, new) = (Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32]));
        let row = |host: &str, outcome| HostResult {
            from: Some(old),
            to: Some(new),
            duration_ms: 1234,
            ..HostResult::new(&host.parse().unwrap(), outcome)
        };
        let bad = HostResult {
            to: Some(old),
            target: Some(new),
            code: Some(Code::RolledBack.into()),
            detail: Some("its agent \u{1b}[31mdied\nat once".to_owned()),
            output: vec!["Traceback:".to_owned(), "\u{1b}]0;boom\u{7}".to_owned()],
            duration_ms: 75_000,
            ..row("web-1", HostOutcome::RolledBack)
        };
        let id = "019a5c26-0000-7000-8000-000000000001";
        Summary {
            rollout: serde_json::from_value::<RolloutId>(id.into()).unwrap(),
            who: "ada".to_owned(),
            result: RolloutResult::Failed,
            detail: String::new(),
            plan: old,
            release: Some(new),
            hosts: vec![row("db-1", HostOutcome::Updated), bad],
        }
    }

    #[test]
    fn the_table_has_a_row_for_each_host_and_the_output_of_what_failed() {
        let mut names = ReleaseNames::default();
        names.learn(Digest::from_bytes([1; 32]), Some("1.0"));
        insta::assert_snapshot!(text(&summary(), &names, None, Style::default()), @r"
        HOST   OUTCOME      FROM            TO              TIME      WHY
        web-1  rolled_back  1.0 (01010101)  1.0 (01010101)  1 m 15 s  02020202: its agent \u{1b}[31mdied\nat once
        db-1   updated      1.0 (01010101)  02020202        1.2 s     -

        web-1: the last lines of its output
          | Traceback:
          | \u{1b}]0;boom\u{7}

        2 hosts: 1 rolled back, 1 updated
        ");
    }

    #[test]
    fn a_rollback_to_a_newer_release_is_called_what_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::UNIX_EPOCH;
        let store = store::Store::create(&directory.path().join("db"), "ada", now).unwrap();
        for digest in [1, 2] {
            let digest = Digest::from_bytes([digest; 32]);
            let (name, version, sha) = (None, None, None);
            let release =
                store::KnownRelease { digest, name, version, sha, size: 1, packed_at: now };
            store.add_release(&release).unwrap();
        }
        let row = HostResult { outcome: HostOutcome::RolledBack, ..summary().hosts.remove(0) };
        let back = HostResult { from: row.to, to: row.from, ..row.clone() };
        let went = Summary { hosts: vec![row, back], ..summary() };
        let shown = text(&went, &ReleaseNames::read(&store).unwrap(), None, Style::default());
        assert_eq!(shown.matches("went_forward").count(), 1, "{shown}");
        assert!(shown.contains("1 went back, 1 went forward"), "{shown}");
        let unknown = text(&went, &ReleaseNames::default(), None, Style::default());
        assert!(unknown.contains("2 went back"), "{unknown}");
    }

    #[test]
    fn what_can_be_typed_next_is_what_the_rollout_waits_for() {
        let next =
            |result| how_to_go_on(&Summary { result, detail: "why".to_owned(), ..summary() });
        let tripped = next(RolloutResult::Paused).unwrap();
        // A trip is not simply resumed.
        for answer in ["why\n", "swarm rollout continue ", "rollback ", "swarm rollout abort "] {
            assert!(tripped.contains(answer), "{answer}: {tripped}");
        }
        assert!(!tripped.contains("resume"), "{tripped}");
        assert!(next(RolloutResult::Interrupted).unwrap().contains("swarm rollout resume "));
        assert_eq!(next(RolloutResult::Unclear).as_deref(), Some("why"));
        assert_eq!(next(RolloutResult::Completed), None);
        let failed = next(RolloutResult::Failed);
        assert_eq!(failed.as_deref(), Some("to see what is wrong there: swarm why web-1"));
    }

    #[test]
    fn the_last_line_of_json_is_the_summary() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let value = serde_json::to_value(SummaryDocument::of(&summary(), now)).unwrap();
        assert_eq!(value["type"], "rollout.summary");
        // As every event has them.
        assert_eq!(
            (&value["time"], &value["who"]),
            (&"1970-01-01T00:00:00Z".into(), &"ada".into())
        );
        for key in ["result", "detail", "plan", "hosts"] {
            assert_eq!(value["data"][key], value[key], "{key}");
        }
        assert_eq!(value["result"], "failed");
        let row = value["hosts"][1].as_object().unwrap();
        for key in ["host", "outcome", "code", "from", "to", "duration_ms", "detail"] {
            assert!(row.contains_key(key), "{key}");
        }
    }

    /// A canary that failed, and many hosts that were not touched.
    fn paused() -> Summary {
        let old = Digest::from_bytes([1; 32]);
        let bad = HostResult { output: vec!["boom".to_owned()], ..summary().hosts.remove(1) };
        let left = |number: usize| HostResult {
            from: Some(old),
            to: Some(old),
            ..HostResult::new(&format!("web-{number}").parse().unwrap(), HostOutcome::Skipped)
                .with_reason(
                    MasterCode::Paused,
                    "the rollout is paused: the release failed on web-1",
                )
        };
        let also = HostResult { host: "web-13".parse().unwrap(), ..bad.clone() };
        let hosts = [bad, also].into_iter().chain((2..=12).map(left)).collect();
        Summary { result: RolloutResult::Paused, hosts, ..summary() }
    }

    #[test]
    fn what_is_the_same_of_many_hosts_is_said_once_on_a_screen() {
        let names = ReleaseNames::default();
        for columns in [40, 80, 120, 220] {
            let shown = text(&paused(), &names, Some(columns), Style::default());
            assert!(shown.lines().all(|line| line.chars().count() <= columns), "{shown}");
            insta::assert_snapshot!(format!("paused_{columns}"), shown);
        }
        let piped = text(&paused(), &names, None, Style::default());
        assert_eq!(piped.matches("  skipped  ").count(), 11, "{piped}");
        assert_eq!(piped.matches("boom").count(), 1, "{piped}");
    }
}
