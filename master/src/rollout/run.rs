//! Runs a rollout: the hosts' tasks beside it, recording and showing in order.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::fleet::Member;
use crate::output::Output;
use crate::rollout::record::Recorder;
use crate::rollout::told::{Teller, Told};
use crate::rollout::view::View;
use crate::rollout::{Interrupt, Order, ReleaseNames, RolloutError, Row, Summary, drive::drive};
use crate::store::Store;

/// What a rollout needs besides its hosts.
pub struct Surroundings<'a> {
    /// Where it is written down.
    pub store: &'a Store,
    /// Where it is shown.
    pub output: &'a Output,
    /// The time.
    pub now: fn() -> OffsetDateTime,
    /// Who runs it.
    pub who: &'a str,
    /// The selection, as it was written.
    pub selection: &'a str,
}

/// Runs a rollout to its end. Every host has its row in the summary, which has been shown.
///
/// If the store fails, no further host is started: what cannot be written down is not done.
pub async fn run(
    surroundings: &Surroundings<'_>,
    order: Order,
    tasks: Vec<Member>,
    interrupt: Interrupt,
) -> Result<Summary, RolloutError> {
    let Surroundings { store, output, now, who, selection } = *surroundings;
    let recorder = Recorder { store, order: &order, who, now };
    let hosts: Vec<_> = tasks.iter().map(|task| task.host.clone()).collect();
    let view = View::new(output, &hosts, ReleaseNames::read(store)?);
    view.event(&recorder.begin(selection, store.epoch()?, hosts.len())?);

    let (teller, mut told) = Teller::new();
    let driver = tokio::spawn(drive(Arc::new(order.clone()), tasks, interrupt.clone(), teller));
    let mut rows: Vec<Row> = Vec::new();
    let mut fault = None;
    let mut noticed = false;
    loop {
        let next = tokio::select! {
            next = told.recv() => next,
            () = interrupt.asked(1), if !noticed => {
                noticed = true;
                view.interrupted();
                continue;
            }
        };
        let Some(told) = next else { break };
        match recorder.told(&told) {
            Ok(event) => view.told(&told, event.as_ref()),
            Err(error) => {
                interrupt.ask();
                fault.get_or_insert(error);
            }
        }
        if let Told::Done(row) = told {
            rows.push(*row);
        }
    }
    // It has told all it had to.
    let _ = driver.await;
    if let Some(error) = fault {
        view.leave();
        return Err(error.into());
    }
    for host in hosts {
        // Only a defect of this program leaves a host without its row. It is not hidden.
        if !rows.iter().any(|row| row.host == host) {
            let row = Row::failed_here(&host);
            store.record_host_result(order.id, &row.stored())?;
            rows.push(row);
        }
    }
    let summary = Summary::of(&order, rows);
    view.event(&recorder.end(&summary)?);
    view.summary(&summary);
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use protocol::{HostOutcome, OrderOptions};
    use serde_json::{Value, json};
    use tokio::sync::Notify;

    use super::*;
    use crate::rollout::Goal;
    use crate::rollout::testing::{Fleet, NEW, OLD, Requests, ends, keeps, order, runs};
    use crate::store::{EventType, Events, RolloutResult};
    use crate::worker::testing::{Call, TRANSACTION, digest, event};

    /// A host that runs the old release and takes the new one.
    async fn good(fleet: &mut Fleet, name: &str) -> Requests {
        let serve = |mut call: Call| async move {
            if call.is("GET /health") {
                return call.json(200, &runs(OLD, true)).await;
            }
            call.take_archive().await;
            call.begin_stream().await;
            let phase = json!({"type": "phase", "phase": "building", "kind": "update"});
            call.line(&event(1, &phase)).await;
            call.line(&ends("updated", None, OLD, NEW)).await;
        };
        fleet.host(name, serve).await
    }

    fn rows(summary: &Summary) -> Vec<(&str, HostOutcome, Option<&str>)> {
        let hosts = summary.hosts.iter();
        hosts.map(|row| (row.host.as_str(), row.outcome, row.code.as_deref())).collect()
    }

    #[tokio::test]
    async fn every_host_has_a_row_and_every_event_is_kept_before_it_is_shown() {
        let mut fleet = Fleet::new();
        good(&mut fleet, "web-1").await;
        fleet.skip("old-1", "decommissioned");
        let asked = order(Goal::Push(fleet.archive()));
        let id = asked.id;
        let summary = fleet.run(asked).await;
        assert_eq!(summary.result, RolloutResult::Completed);
        assert_eq!(
            rows(&summary),
            [
                ("old-1", HostOutcome::Skipped, Some("decommissioned")),
                ("web-1", HostOutcome::Updated, None),
            ]
        );
        let events = fleet.store.events(Events::Rollout(id), 100).unwrap();
        let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
        assert_eq!(
            kinds,
            [
                EventType::RolloutStarted,
                EventType::HostPhase,
                EventType::HostUpdated,
                EventType::RolloutCompleted,
            ]
        );
        let text = fleet.shown.text();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let kept: Vec<_> = lines
            .iter()
            .filter(|line| line["type"] != "host.progress" && line["type"] != "rollout.summary")
            .map(|line| line["id"].clone())
            .collect();
        let stored: Vec<_> = events.iter().map(|event| json!(event.id)).collect();
        assert_eq!(kept, stored);
        assert_eq!(lines.last().unwrap()["type"], "rollout.summary");
        assert_eq!(lines.last().unwrap()["hosts"].as_array().unwrap().len(), 2);
        assert_eq!(fleet.store.host_results(id).unwrap().len(), 2);
        assert_eq!(fleet.store.rollout(id).unwrap().result, Some(RolloutResult::Completed));
    }

    #[tokio::test]
    async fn lesson_36_a_host_that_answers_nonsense_does_not_cost_the_others_their_rows() {
        let mut fleet = Fleet::new();
        good(&mut fleet, "good-1").await;
        fleet.host("html-1", |mut call| async move { call.say("<html>\r\n\r\n").await }).await;
        fleet.host("wrong-1", |mut call| async move { call.json(200, &json!([])).await }).await;
        let refuses = |mut call: Call| async move {
            if call.is("GET /health") {
                return call.json(200, &runs(OLD, true)).await;
            }
            call.json(507, &json!({"code": "no_space", "detail": {"bytes": 1}})).await;
        };
        fleet.host("full-1", refuses).await;
        let asked = order(Goal::Push(fleet.archive()));
        let summary = fleet.run(asked).await;
        assert_eq!(summary.result, RolloutResult::Failed);
        assert_eq!(
            rows(&summary),
            [
                ("full-1", HostOutcome::Failed, Some("no_space")),
                ("good-1", HostOutcome::Updated, None),
                ("html-1", HostOutcome::Unreachable, Some("connection_broken")),
                ("wrong-1", HostOutcome::Unreachable, Some("bad_answer")),
            ]
        );
    }

    #[tokio::test]
    async fn lesson_43_a_host_on_the_target_is_not_updated_again() {
        let mut fleet = Fleet::new();
        let serve = |mut call: Call| async move {
            call.json(200, &runs(NEW, true)).await;
        };
        let requests = fleet.host("web-1", serve).await;
        let asked = order(Goal::Push(fleet.archive()));
        let summary = fleet.run(asked).await;
        assert_eq!(rows(&summary), [("web-1", HostOutcome::AlreadyCurrent, None)]);
        assert_eq!(summary.hosts[0].to, Some(digest(NEW)));
        assert_eq!(requests.orders(), 0);
    }

    #[tokio::test]
    async fn lesson_40_a_host_that_has_the_release_and_is_not_well_is_not_called_current() {
        let serve = |mut call: Call| async move {
            if call.is("GET /health") {
                return call.json(200, &runs(NEW, false)).await;
            }
            assert!(call.is("POST /update?app=agent&force=true "));
            call.begin_stream().await;
            call.line(&ends("stranded", Some("rollback_failed"), NEW, NEW)).await;
        };
        let mut fleet = Fleet::new();
        let requests = fleet.host("web-1", serve).await;
        let asked = order(Goal::Push(fleet.archive()));
        let summary = fleet.run(asked).await;
        assert_eq!(rows(&summary), [("web-1", HostOutcome::Failed, Some("unhealthy"))]);
        assert_eq!(requests.orders(), 0);
        fleet.host("web-1", serve).await;
        let mut asked = order(Goal::Push(fleet.archive()));
        asked.options = OrderOptions { force: true, ..OrderOptions::default() };
        let summary = fleet.run(asked).await;
        // What the host says after it has looked is what is told.
        assert_eq!(rows(&summary), [("web-1", HostOutcome::Stranded, Some("rollback_failed"))]);
        assert_eq!(summary.result, RolloutResult::Failed);
    }

    #[tokio::test]
    async fn lesson_47_what_was_asked_for_is_not_what_runs() {
        let mut fleet = Fleet::new();
        let serve = |mut call: Call| async move {
            if call.is("GET /health") {
                return call.json(200, &runs(OLD, true)).await;
            }
            call.take_archive().await;
            call.begin_stream().await;
            call.line(&ends("rolled_back", Some("rolled_back"), OLD, OLD)).await;
        };
        fleet.host("web-1", serve).await;
        let asked = order(Goal::Push(fleet.archive()));
        let id = asked.id;
        let summary = fleet.run(asked).await;
        assert_eq!(rows(&summary), [("web-1", HostOutcome::RolledBack, Some("rolled_back"))]);
        assert_eq!(summary.hosts[0].output, ["Traceback", "boom"]);
        let kept = &fleet.store.host_results(id).unwrap()[0];
        assert_eq!((kept.from, kept.to), (Some(digest(OLD)), Some(digest(OLD))));
        assert_eq!(fleet.desired("web-1"), Some(digest(NEW)));
    }

    #[tokio::test]
    async fn a_rollback_goes_to_what_ran_before() {
        let mut fleet = Fleet::new();
        let serve = |mut call: Call| async move {
            if call.is("GET /health") {
                return call.json(200, &runs(NEW, true)).await;
            }
            if call.is("GET /releases") {
                return call.json(200, &keeps(NEW, Some(OLD), &[])).await;
            }
            call.begin_stream().await;
            call.line(&ends("rolled_back", None, NEW, OLD)).await;
        };
        fleet.host("web-1", serve).await;
        let refuses = |mut call: Call| async move {
            if call.is("GET /health") {
                return call.json(200, &runs(NEW, true)).await;
            }
            if call.is("GET /releases") {
                return call.json(200, &keeps(NEW, None, &[])).await;
            }
            call.json(404, &json!({"code": "no_previous_release", "detail": "no"})).await;
        };
        fleet.host("web-2", refuses).await;
        let asked = order(Goal::Back(None));
        let summary = fleet.run(asked).await;
        assert_eq!(
            rows(&summary),
            [
                ("web-1", HostOutcome::RolledBack, None),
                ("web-2", HostOutcome::Failed, Some("no_previous_release")),
            ]
        );
        assert_eq!(fleet.desired("web-1"), Some(digest(OLD)));
        assert_eq!(fleet.desired("web-2"), None);
    }

    #[tokio::test]
    async fn a_confirmation_comes_on_a_connection_of_its_own() {
        let mut fleet = Fleet::new();
        let serve = |mut call: Call| async move {
            if call.is("GET /health") {
                return call.json(200, &runs(OLD, true)).await;
            }
            if call.is("POST /update?app=agent&confirm=true ") {
                call.take_archive().await;
                call.begin_stream().await;
                return call.line(&ends("confirming", None, OLD, NEW)).await;
            }
            assert!(call.is(&format!("POST /confirm/{TRANSACTION} ")));
            call.begin_stream().await;
            call.line(&ends("updated", None, OLD, NEW)).await;
        };
        let requests = fleet.host("web-1", serve).await;
        let mut asked = order(Goal::Push(fleet.archive()));
        asked.options = OrderOptions { confirm: true, ..OrderOptions::default() };
        let summary = fleet.run(asked).await;
        assert_eq!(rows(&summary), [("web-1", HostOutcome::Updated, None)]);
        assert_eq!(requests.orders(), 2);
    }

    #[tokio::test]
    async fn lesson_21_a_new_updater_counts_when_it_answers_on_a_new_connection() {
        let mut fleet = Fleet::new();
        let asked = Arc::new(AtomicUsize::new(0));
        let serve = move |mut call: Call| {
            let asked = Arc::clone(&asked);
            async move {
                if call.is("GET /health") {
                    let mut health = runs(NEW, true);
                    // The preflight, and one question too early.
                    if asked.fetch_add(1, Ordering::Relaxed) > 1 {
                        health["digest"] = json!(digest(NEW));
                    }
                    return call.json(200, &health).await;
                }
                assert!(call.is("POST /update-self?confirm_self=true "));
                call.take_archive().await;
                call.json(200, &json!({"status": "self_update_queued"})).await;
            }
        };
        let requests = fleet.host("web-1", serve).await;
        let mut asked = order(Goal::Push(fleet.archive()));
        asked.own = Some(fleet.archive());
        let summary = fleet.run(asked).await;
        assert_eq!(rows(&summary), [("web-1", HostOutcome::AlreadyCurrent, None)]);
        assert!(summary.hosts[0].detail.as_ref().unwrap().contains("its updater is now"));
        assert_eq!(requests.orders(), 1);
    }

    #[tokio::test]
    async fn no_host_is_started_after_an_interrupt_and_the_one_under_way_is_waited_for() {
        let mut fleet = Fleet::new();
        let interrupt = Interrupt::none();
        let asked = interrupt.clone();
        let first = move |mut call: Call| {
            let asked = asked.clone();
            async move {
                if call.is("GET /health") {
                    return call.json(200, &runs(OLD, true)).await;
                }
                call.take_archive().await;
                asked.ask();
                call.begin_stream().await;
                call.line(&ends("updated", None, OLD, NEW)).await;
            }
        };
        fleet.host("a-1", first).await;
        let second = good(&mut fleet, "b-1").await;
        let mut asked = order(Goal::Push(fleet.archive()));
        asked.parallel = NonZeroUsize::MIN;
        let summary = fleet.run_with(asked, interrupt).await;
        assert_eq!(summary.result, RolloutResult::Interrupted);
        assert_eq!(
            rows(&summary),
            [
                ("a-1", HostOutcome::Updated, None),
                ("b-1", HostOutcome::Skipped, Some("interrupted")),
            ]
        );
        assert!(second.all().is_empty());
    }

    #[tokio::test]
    async fn a_second_interrupt_leaves() {
        let mut fleet = Fleet::new();
        let interrupt = Interrupt::none();
        let asked = interrupt.clone();
        let never = Arc::new(Notify::new());
        let serve = move |mut call: Call| {
            let (asked, never) = (asked.clone(), Arc::clone(&never));
            async move {
                if call.is("GET /health") {
                    return call.json(200, &runs(OLD, true)).await;
                }
                asked.ask();
                asked.ask();
                never.notified().await;
            }
        };
        fleet.host("a-1", serve).await;
        let asked = order(Goal::Push(fleet.archive()));
        let summary = fleet.run_with(asked, interrupt).await;
        assert_eq!(rows(&summary), [("a-1", HostOutcome::Skipped, Some("interrupted"))]);
    }
}
