//! One line a transaction, none applied twice.

use std::collections::BTreeSet;
use std::fs;

use protocol::{Code, Outcome};

use super::Moment;
use super::app_snapshot::AppSnapshot;

pub(super) fn check(app: &AppSnapshot<'_>, moment: Moment, wrong: &mut Vec<String>) {
    let mut transactions = BTreeSet::new();
    let mut orders = BTreeSet::new();
    for line in &app.history {
        if !transactions.insert(line.transaction.as_str()) {
            wrong.push(format!("{} has two lines in the history", line.transaction));
        }
        // One that was cut short touched nothing, and may be given again.
        let cut_short = line.outcome == Outcome::Interrupted
            && line.code.as_ref().is_none_or(|code| *code == Code::Interrupted);
        let order = line.order.as_ref().filter(|_| !cut_short);
        if order.is_some_and(|order| !orders.insert(order)) {
            wrong.push(format!("the order of {} was applied twice", line.transaction));
        }
    }
    if moment == Moment::Any {
        return;
    }
    let evidence = fs::read_dir(app.installed.files.evidence());
    for entry in evidence.into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !transactions.contains(name.as_str()) {
            wrong.push(format!("{name} failed, and is not in the history"));
        }
    }
}
