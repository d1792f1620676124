//! What was done to a host: by this master, as its store has it, and on the host itself, as the host tells.

use std::collections::HashSet;
use std::time::Duration;

use protocol::{
    AppName, CallerKind, HostHistoryEntry, HostName, HostOperation, LastTransaction, OperatorName,
    SELF_APP,
};
use serde_json::{Value, json};
use store::{Event, EventType};
use time::OffsetDateTime;

use crate::updater_client::{ClientError, UpdaterClient};

/// One line of a host's log.
#[derive(Debug, Clone, PartialEq)]
pub enum LogEntry {
    /// What this master has kept.
    Kept(Event),
    /// What was done on the host, to this app.
    OnHost(AppName, HostHistoryEntry),
}

/// Asks a host what was done to its apps and to its updater, for `patience` at most.
pub async fn host_history(
    client: &UpdaterClient,
    patience: Duration,
) -> Result<Vec<(AppName, HostHistoryEntry)>, ClientError> {
    let asked = tokio::time::timeout(patience, whole_history(client));
    let late = ClientError::TimedOut { what: "hear what was done on the host", limit: patience };
    asked.await.unwrap_or(Err(late))
}

pub(super) async fn whole_history(
    client: &UpdaterClient,
) -> Result<Vec<(AppName, HostHistoryEntry)>, ClientError> {
    let apps = client.health().await?.apps.into_keys();
    let mut history = Vec::new();
    for app in apps.chain(SELF_APP.parse()) {
        let entries = client.history(&app).await?;
        history.extend(entries.into_iter().map(|entry| (app.clone(), entry)));
    }
    Ok(history)
}

/// The last `limit` lines of a host's log, the oldest first. Of what the host tells, what a master
/// ordered is left out: the store has it, as it has each transaction that one of its events names.
pub fn host_log(
    kept: Vec<Event>,
    history: Vec<(AppName, HostHistoryEntry)>,
    limit: usize,
) -> Vec<LogEntry> {
    let named: HashSet<String> = kept.iter().filter_map(transaction_of).collect();
    let is_new = |entry: &HostHistoryEntry| match entry {
        HostHistoryEntry::Transaction(line) => !named.contains(line.transaction.as_str()),
        HostHistoryEntry::Operation(_) => true,
    };
    let on_host = history.into_iter().filter(|(_, entry)| {
        matches!(entry.caller(), CallerKind::Local | CallerKind::Rescue) && is_new(entry)
    });
    let mut on_host: Vec<_> = on_host.collect();
    on_host.sort_by_key(|(_, entry)| entry.ended_at());
    let mut on_host = on_host.into_iter().peekable();
    let mut log = Vec::new();
    // The order of the store's own events stays, whatever its clock did.
    for event in kept {
        while let Some((app, entry)) = on_host.next_if(|(_, entry)| entry.ended_at() <= event.time)
        {
            log.push(LogEntry::OnHost(app, entry));
        }
        log.push(LogEntry::Kept(event));
    }
    log.extend(on_host.map(|(app, entry)| LogEntry::OnHost(app, entry)));
    log.split_off(log.len().saturating_sub(limit))
}

fn transaction_of(event: &Event) -> Option<String> {
    event.data.get("transaction").and_then(Value::as_str).map(str::to_owned)
}

impl LogEntry {
    /// As an event, for programs: what was done on the host has the form of what the store keeps.
    pub fn into_event(self, host: &HostName) -> Event {
        match self {
            Self::Kept(event) => event,
            Self::OnHost(app, HostHistoryEntry::Transaction(line)) => {
                of_transaction(&app, &line, host)
            }
            Self::OnHost(app, HostHistoryEntry::Operation(line)) => of_operation(&app, &line, host),
        }
    }
}

fn of_transaction(app: &AppName, line: &LastTransaction, host: &HostName) -> Event {
    let id = line.transaction.as_str().parse().unwrap_or_default();
    let data = json!({
        "app": app, "operation": line.kind, "caller": line.caller, "outcome": line.outcome,
        "transaction": line.transaction, "from": line.from, "to": line.to, "target": line.target,
        "code": line.code, "detail": line.detail,
    });
    let who = who(&line.caller, line.by.as_ref());
    Event { id, release: line.to, data, ..operated(line.ended_at, host, &who) }
}

fn of_operation(app: &AppName, line: &HostOperation, host: &HostName) -> Event {
    let data = json!({
        "app": app, "operation": line.operation, "caller": line.caller, "version": line.version,
        "transaction": line.transaction, "code": line.code, "detail": line.detail,
    });
    let who = who(&line.caller, line.by.as_ref());
    Event { id: line.id, release: line.release, data, ..operated(line.ended_at, host, &who) }
}

fn operated(time: OffsetDateTime, host: &HostName, who: &str) -> Event {
    Event { host: Some(host.clone()), ..Event::new(EventType::HostOperated, time, who) }
}

fn who(caller: &CallerKind, by: Option<&OperatorName>) -> String {
    by.map_or_else(|| caller.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use testing::at;

    use super::*;

    fn transaction(number: u8, caller: &str, second: i64) -> (AppName, HostHistoryEntry) {
        let line = json!({
            "format": 1, "transaction": id(number), "kind": "rollback", "outcome": "rolled_back",
            "from": null, "to": null, "target": null, "caller": caller, "by": "ada",
            "started_at": stamp(second), "ended_at": stamp(second),
        });
        entry(line)
    }

    fn stop(number: u8, second: i64) -> (AppName, HostHistoryEntry) {
        entry(json!({
            "format": 1, "id": id(number), "operation": "stop", "caller": "local",
            "ended_at": stamp(second),
        }))
    }

    fn entry(line: Value) -> (AppName, HostHistoryEntry) {
        ("agent".parse().unwrap(), serde_json::from_value(line).unwrap())
    }

    fn id(number: u8) -> String {
        format!("0190a5c2-6f00-7000-8000-0000000000{number:02}")
    }

    fn stamp(second: i64) -> String {
        at(second).format(&time::format_description::well_known::Rfc3339).unwrap()
    }

    fn kept(second: i64, data: Value) -> Event {
        Event { data, ..Event::new(EventType::HostUpdated, at(second), "ada") }
    }

    #[test]
    fn what_was_done_on_the_host_stands_at_its_time_and_what_the_store_has_stands_once() {
        let (one, two) = (kept(10, json!({"transaction": id(1)})), kept(20, Value::Null));
        let history = vec![
            stop(9, 30),
            // What the master ordered, and what the store knows by its name.
            transaction(2, "master", 18),
            transaction(1, "local", 11),
            transaction(3, "local", 15),
            transaction(4, "rescue", 5),
            transaction(5, "drill", 16),
        ];
        let expected = [
            LogEntry::OnHost(history[4].0.clone(), history[4].1.clone()),
            LogEntry::Kept(one.clone()),
            LogEntry::OnHost(history[3].0.clone(), history[3].1.clone()),
            LogEntry::Kept(two.clone()),
            LogEntry::OnHost(history[0].0.clone(), history[0].1.clone()),
        ];
        let log = host_log(vec![one.clone(), two.clone()], history.clone(), 100);
        assert_eq!(log, expected);
        assert_eq!(host_log(vec![one, two], history, 2), expected[3..]);
        assert!(host_log(Vec::new(), Vec::new(), 2).is_empty());
    }

    #[test]
    fn a_program_reads_what_was_done_on_the_host_as_an_event() {
        let host: HostName = "web-1".parse().unwrap();
        let [(app, back), (_, stopped)] = [transaction(3, "local", 15), stop(9, 30)];
        let back = LogEntry::OnHost(app.clone(), back).into_event(&host);
        assert_eq!(
            (back.kind, back.who.as_str(), back.time),
            (EventType::HostOperated, "ada", at(15))
        );
        assert_eq!((back.id.to_string(), &back.data["operation"]), (id(3), &json!("rollback")));
        let stopped = LogEntry::OnHost(app, stopped).into_event(&host);
        assert_eq!((stopped.who.as_str(), stopped.host), ("local", Some(host)));
        assert_eq!((stopped.id.to_string(), &stopped.data["operation"]), (id(9), &json!("stop")));
    }
}
