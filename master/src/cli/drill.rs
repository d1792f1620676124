//! `swarm drill`: hosts try on themselves that updates, recovery and rollback work there.

use api::{DrillStepLine, DrillSummary};
use clap::Args;
use control::fleet::{Fleet, HostDrill, drill, record_drill};
use explain::{Exit, Failure, span};
use protocol::{AppName, DrillReport, DrillStep, HostName};

use crate::cli::Context;
use crate::cli::runtime::block_on;
use crate::cli::selection::SelectionArgs;
use crate::cli::table_args::TableArgs;
use crate::output::{Table, Tone};

/// The words of `swarm drill`.
#[derive(Debug, Args)]
pub struct DrillArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Beside which app: its disks, its user and its bounds are what is tried
    #[arg(long, default_value = protocol::DEFAULT_APP)]
    app: AppName,
    /// Which columns.
    #[command(flatten)]
    table: TableArgs,
}

impl DrillArgs {
    /// Lets the hosts drill, and keeps how it went. Exits with 1 if one did not pass.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let Context { home, store, output, now, who, .. } = context;
        let selected = self.selection.selection().resolve(&store.hosts()?)?;
        let members = Fleet::open(home, store, context.timeouts)?.members(&selected);
        let told = output.clone();
        let hear = move |host: &HostName, step: &DrillStep| {
            if told.json() {
                told.line(&DrillStepLine { host, step });
            } else {
                told.note(&line(host, step));
            }
        };
        let hosts = block_on(drill(members, &self.app, hear))?;
        for host in &hosts {
            record_drill(store, host, who, now())?;
        }
        if output.json() {
            output.line(&DrillSummary { hosts: &hosts });
        } else {
            output.data(&self.table.applied(table(&hosts), output)?.render());
            if !self.table.is_for_programs() {
                output.data(&totals(&hosts));
            }
        }
        Ok(exit(&hosts))
    }
}

/// A host that has not passed, for whatever reason, fails the command.
fn exit(hosts: &[HostDrill]) -> Exit {
    if hosts.iter().all(HostDrill::is_fine) { Exit::Success } else { Exit::Failed }
}

/// The times that are worth a look: of each kind of step the longest.
pub(super) fn times(report: &DrillReport) -> String {
    let kinds = ["install", "update", "flip", "kill", "recovery", "reversal", "rollback"];
    let longest = |kind: &&str| {
        let of_kind = |step: &&DrillStep| step.step.split(':').next() == Some(kind);
        let took = report.steps.iter().filter(of_kind).map(|step| step.duration_ms).max()?;
        Some(format!("{kind} {}", span(took)))
    };
    kinds.iter().filter_map(longest).collect::<Vec<_>>().join(", ")
}

fn line(host: &HostName, step: &DrillStep) -> String {
    let verdict = if step.passed { "passed" } else { "FAILED" };
    let detail = step.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{host}  {}  {verdict}, {}{detail}", step.step, span(step.duration_ms))
}

/// A row a host, those that did not pass first.
fn table(hosts: &[HostDrill]) -> Table {
    let mut table = Table::new(["HOST", "DRILL", "TOOK", "DETAIL"]).spare(&[2]);
    let mut sorted: Vec<_> = hosts.iter().collect();
    sorted.sort_by_key(|host| (host.is_fine(), host.status == "passed"));
    for host in sorted {
        let report = host.report.as_ref();
        let longest = || report.map(|report| format!("longest: {}", times(report)));
        table.row([
            host.host.as_str(),
            host.status,
            &report.map(|report| span(report.duration_ms)).unwrap_or_default(),
            &host.detail.clone().or_else(longest).unwrap_or_default(),
        ]);
        let tone = match host.status {
            "passed" => Tone::Good,
            _ if host.is_fine() => Tone::Faint,
            _ => Tone::Bad,
        };
        table.tone(1, tone);
    }
    table
}

/// `3 hosts: 1 failed, 2 passed`
fn totals(hosts: &[HostDrill]) -> String {
    let words = ["failed", "unreachable", "passed", "skipped"];
    let count = |word: &&str| hosts.iter().filter(|host| host.status == *word).count();
    let counts = words.iter().filter(|word| count(word) > 0);
    let counts: Vec<_> = counts.map(|word| format!("{} {word}", count(word))).collect();
    let plural = if hosts.len() == 1 { "host" } else { "hosts" };
    format!("\n{} {plural}: {}", hosts.len(), counts.join(", "))
}

#[cfg(test)]
mod tests {
    use protocol::Code;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_drill_is_a_row_a_host() {
        let step = |step: &str, duration_ms| json!({"step": step, "passed": true, "duration_ms": duration_ms});
        let report = json!({
            "format": 1, "status": "passed", "code": null, "app": "agent", "caller": "master",
            "started_at": "2026-01-02T03:04:05Z", "duration_ms": 4200, "steps": [
                step("prepare", 1), step("install", 310), step("update", 290), step("flip", 4),
                step("kill:received", 80), step("recovery:received", 40),
                step("recovery:agent_started", 650), step("rollback", 300), step("clean_up", 9),
            ],
        });
        let passed = HostDrill {
            host: "web-1".parse().unwrap(),
            status: "passed",
            code: None,
            detail: None,
            report: Some(serde_json::from_value(report).unwrap()),
        };
        let refused = HostDrill {
            host: "web-2".parse().unwrap(),
            status: "failed",
            code: Some(Code::UpdateInProgress.into()),
            detail: Some("failed to get an answer: another drill is under way".to_owned()),
            report: None,
        };
        let hosts = [passed, refused];
        insta::assert_snapshot!(format!("{}{}", table(&hosts).render(), totals(&hosts)));
        assert_eq!((exit(&hosts[..1]), exit(&hosts)), (Exit::Success, Exit::Failed));
        for columns in [40, 80, 120, 220] {
            let text = table(&hosts).within(Some(columns)).render();
            assert!(text.lines().all(|line| line.len() <= columns), "{text}");
            insta::assert_snapshot!(format!("drill_{columns}"), text);
        }
    }
}
