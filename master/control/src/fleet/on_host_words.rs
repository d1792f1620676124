//! What was done on a host itself, in words.

use protocol::{
    CallerKind, HostOperation, Kind, LastTransaction, OperationKind, OperatorName, Outcome,
};

/// `stopped on the host by ada`
pub fn operation_words(line: &HostOperation) -> String {
    let place = place(&line.caller, line.by.as_ref());
    if line.code.is_some() {
        return format!("{} {place} failed", line.operation);
    }
    match &line.operation {
        OperationKind::Stop => format!("stopped {place}"),
        OperationKind::Start => format!("started {place}"),
        OperationKind::Restart => format!("restarted {place}"),
        OperationKind::Rollback => format!("update taken back {place}"),
        OperationKind::ResetCounter => format!("counter of signed releases reset {place}"),
        OperationKind::Unknown(word) => format!("{word} {place}"),
    }
}

/// `rolled back on the host by ada`, `rolled back by another order`
pub fn transaction_words(line: &LastTransaction) -> String {
    let place = place(&line.caller, line.by.as_ref());
    match (line.kind, line.outcome, &line.code) {
        (Kind::Rollback, Outcome::RolledBack, None) => format!("rolled back {place}"),
        (Kind::Update, Outcome::Updated, None) => format!("updated {place}"),
        (kind, ..) => format!("{kind} {place}: {}", line.ended()),
    }
}

fn place(caller: &CallerKind, by: Option<&OperatorName>) -> String {
    match (by, caller) {
        (Some(by), _) => format!("on the host by {by}"),
        (None, CallerKind::Master) => "by another order".to_owned(),
        (None, CallerKind::Rescue) => "on the host by its rescue".to_owned(),
        (None, _) => "on the host".to_owned(),
    }
}
