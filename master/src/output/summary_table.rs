//! The end of a rollout: a table with a row for each host, the last lines of what failed, one line that
//! sums it up, and what has to be typed next. With `--json`, one line.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use control::rollout::{ReleaseNames, Summary};
use engine::{HostResult, RolloutResult};
use explain::{plain, span};
use protocol::{Code, HostOutcome};
use strum::VariantArray as _;

use crate::output::outcome_words::outcome_word;
use crate::output::{Output, Table};

/// Lines of output that are shown of one host.
const OUTPUT_LINES: usize = 40;

/// Shows what a rollout came to.
pub(crate) fn show_summary(output: &Output, summary: &Summary, names: &ReleaseNames) {
    if output.json() {
        output.line(summary);
    } else {
        output.data(&text(summary, names, output.columns()));
    }
    // A note is one line: what is in it is made plain.
    for line in how_to_go_on(summary).iter().flat_map(|words| words.lines()) {
        output.note(line);
    }
    if summary.hosts.iter().any(|row| row.code == Some(Code::Quarantined.into())) {
        output.note(
            "to try a quarantined release again, because the reason is gone (its host's updater.toml was \
             changed, for example), give the same command with --retry-quarantined",
        );
    }
}

/// The table, the last lines of what failed, and one line that sums it up.
fn text(summary: &Summary, names: &ReleaseNames, columns: Option<usize>) -> String {
    let headings = ["HOST", "OUTCOME", "FROM", "TO", "TIME", "WHY"];
    let mut table = Table::new(headings).within(columns);
    for row in &summary.hosts {
        table.row([
            row.host.as_str(),
            word(row, names),
            &names.of(row.from.as_ref()),
            &names.of(row.to.as_ref()),
            &span(row.duration_ms),
            &why(row, names),
        ]);
    }
    let outputs = summary.hosts.iter().filter(|row| !row.output.is_empty()).map(output);
    let outputs: String = outputs.collect();
    format!("{}{outputs}\n{}\n", table.render(), counts(&summary.hosts, names))
}

/// Why a host is as it is, with the release that failed there: TO has what runs.
fn why(row: &HostResult, names: &ReleaseNames) -> String {
    let failed = row.target.filter(|target| row.to != Some(*target));
    match (failed, row.reason()) {
        (None, reason) => reason,
        (Some(failed), reason) if reason.is_empty() => names.of(Some(&failed)),
        (Some(failed), reason) => format!("{}: {reason}", names.of(Some(&failed))),
    }
}

fn output(row: &HostResult) -> String {
    let first = row.output.len().saturating_sub(OUTPUT_LINES);
    let mut text = format!("\n{}: the last lines of its output\n", row.host);
    for line in &row.output[first..] {
        let _infallible = writeln!(text, "  | {}", plain(line));
    }
    text
}

fn word(row: &HostResult, names: &ReleaseNames) -> &'static str {
    outcome_word(row.outcome, row.code.is_some(), (row.from, row.to), names)
}

fn counts(rows: &[HostResult], names: &ReleaseNames) -> String {
    let mut counted = Vec::new();
    for kind in HostOutcome::VARIANTS {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.outcome == *kind) {
            *counts.entry(word(row, names)).or_default() += 1;
        }
        let words = |(word, count): (&str, usize)| format!("{count} {}", word.replace('_', " "));
        counted.extend(counts.into_iter().map(words));
    }
    let hosts = if rows.len() == 1 { "host" } else { "hosts" };
    format!("{} {hosts}: {}", rows.len(), counted.join(", "))
}

/// What has to be typed next, if the rollout is not over.
fn how_to_go_on(summary: &Summary) -> Option<String> {
    let id = summary.rollout;
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
            kind: "rollout.summary",
            rollout: serde_json::from_value::<RolloutId>(id.into()).unwrap(),
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
        insta::assert_snapshot!(text(&summary(), &names, None), @r"
        HOST   OUTCOME      FROM            TO              TIME      WHY
        db-1   updated      1.0 (01010101)  02020202        1.2 s     -
        web-1  rolled_back  1.0 (01010101)  1.0 (01010101)  1 m 15 s  02020202: its agent \u{1b}[31mdied\nat once

        web-1: the last lines of its output
          | Traceback:
          | \u{1b}]0;boom\u{7}

        2 hosts: 1 updated, 1 rolled back
        ");
    }

    #[test]
    fn a_rollback_to_a_newer_release_is_called_what_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let now = time::OffsetDateTime::UNIX_EPOCH;
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
        let shown = text(&went, &ReleaseNames::read(&store).unwrap(), None);
        assert_eq!(shown.matches("went_forward").count(), 1, "{shown}");
        assert!(shown.contains("1 rolled back, 1 went forward"), "{shown}");
        let unknown = text(&went, &ReleaseNames::default(), None);
        assert!(unknown.contains("2 rolled back"), "{unknown}");
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
        assert_eq!((next(RolloutResult::Completed), next(RolloutResult::Failed)), (None, None));
    }

    #[test]
    fn the_last_line_of_json_is_the_summary() {
        let value = serde_json::to_value(summary()).unwrap();
        assert_eq!(value["type"], "rollout.summary");
        assert_eq!(value["result"], "failed");
        let row = value["hosts"][1].as_object().unwrap();
        for key in ["host", "outcome", "code", "from", "to", "duration_ms", "detail"] {
            assert!(row.contains_key(key), "{key}");
        }
    }
}
