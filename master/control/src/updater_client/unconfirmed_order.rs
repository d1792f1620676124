//! What became of an order whose answer was lost: the updater is asked, by the order's name.
//!
//! It never guesses. An order that the updater does not tell of is not taken, or lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::random;
use protocol::{AppHealth, AppName, Phase, Status, TransactionId};
use tokio::time::{Instant, sleep};

use crate::updater_client::{
    ClientError, OrderProgress, OrderResult, ProgressCallback, UpdaterClient,
};

/// An order that may have been taken.
pub(super) struct UnconfirmedOrder<'a> {
    /// The name that was given to it.
    pub(super) key: &'a str,
    /// The app; absent for a self-update, whose outcome is the digest that answers.
    pub(super) app: Option<&'a AppName>,
    /// How much of its archive went out, and how much there was, if it has one.
    pub(super) upload: Option<(&'a AtomicU64, u64)>,
    /// Whether another process gave it, which died then, and may have given it more than once.
    pub(super) of_earlier_driver: bool,
    /// Is told what the updater says on being asked.
    pub(super) progress: &'a ProgressCallback,
}

impl<'a> UnconfirmedOrder<'a> {
    const fn new(key: &'a str, app: &'a AppName, progress: &'a ProgressCallback) -> Self {
        Self { key, app: Some(app), upload: None, of_earlier_driver: false, progress }
    }

    /// Whether the updater may have taken the order, though this is how the call ended.
    pub(super) const fn may_have_been_taken(&self, error: &ClientError) -> bool {
        let broke = matches!(
            error,
            ClientError::Broken { .. } | ClientError::TimedOut { .. } | ClientError::Malformed(_)
        );
        broke && self.app.is_some()
    }

    /// Whether the updater cannot have carried it out: it asked for the archive and got a part of it.
    fn was_cut_off(&self) -> bool {
        self.upload.is_some_and(|(sent, total)| (1..total).contains(&sent.load(Ordering::Relaxed)))
    }
}

impl UpdaterClient {
    /// What became of an order that another process may have given, under this name. Waits for one
    /// that is under way; none if the updater knows nothing of it, or only that it was cut short
    /// before it touched anything.
    pub async fn recover_outcome(
        &self,
        app: &AppName,
        key: &str,
        progress: ProgressCallback,
    ) -> Result<Option<OrderResult>, ClientError> {
        let unconfirmed = UnconfirmedOrder {
            of_earlier_driver: true,
            ..UnconfirmedOrder::new(key, app, &progress)
        };
        let gone = ClientError::Malformed("the process that gave the order is gone".to_owned());
        match self.wait_for_outcome(&unconfirmed, None, ClientError::Lost(Box::new(gone))).await {
            Ok(answer) => Ok(Some(answer)),
            Err(ClientError::NotTaken(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How an order ended that was given under this name, by the updater's word; none if it does not
    /// say that the order has ended.
    pub async fn outcome_if_ended(
        &self,
        app: &AppName,
        key: &str,
    ) -> Result<Option<OrderResult>, ClientError> {
        let progress: ProgressCallback = Arc::new(|_| {});
        let unconfirmed = UnconfirmedOrder::new(key, app, &progress);
        Ok(match order_state(&unconfirmed, None, &self.app_health(&unconfirmed).await?) {
            OrderState::Ended(answer) if answer.status != Status::Confirming => Some(*answer),
            _ => None,
        })
    }

    /// Asks until the app is idle again, and takes the updater's word for what happened. A host that
    /// does not answer any more is lost: the release itself may have cut it off.
    pub(super) async fn wait_for_outcome(
        &self,
        unconfirmed: &UnconfirmedOrder<'_>,
        transaction: Option<&TransactionId>,
        error: ClientError,
    ) -> Result<OrderResult, ClientError> {
        let mut lost_since = Instant::now();
        let mut asked_before = false;
        let mut attempts = self.timeouts.poll.attempts();
        loop {
            match self.app_health(unconfirmed).await {
                Err(now) if lost_since.elapsed() >= self.timeouts.lost => {
                    return Err(if unconfirmed.was_cut_off() {
                        error
                    } else {
                        ClientError::Lost(Box::new(now))
                    });
                }
                Err(_) => {}
                Ok(app) => {
                    lost_since = Instant::now();
                    attempts.succeed();
                    match order_state(unconfirmed, transaction, &app) {
                        OrderState::Ended(answer) => return Ok(*answer),
                        OrderState::UnderWay => unconfirmed.report(app.state),
                        // The order may still have been on its way when it was first asked.
                        OrderState::Unknown if asked_before => {
                            return Err(ClientError::NotTaken(error.one_line()));
                        }
                        OrderState::Unknown => {}
                    }
                    asked_before = true;
                }
            }
            sleep(attempts.fail(random())).await;
        }
    }

    /// After a long silence on a stream: an error unless the order is still being carried out.
    pub(super) async fn check_still_running(
        &self,
        unconfirmed: &UnconfirmedOrder<'_>,
        transaction: Option<&TransactionId>,
    ) -> Result<(), ClientError> {
        let limit = self.timeouts.silence;
        let silent = ClientError::TimedOut { what: "hear of the order", limit };
        if unconfirmed.app.is_none() {
            return Err(silent);
        }
        match self.app_health(unconfirmed).await {
            Ok(app)
                if matches!(order_state(unconfirmed, transaction, &app), OrderState::UnderWay) =>
            {
                unconfirmed.report(app.state);
                Ok(())
            }
            _ => Err(silent),
        }
    }

    async fn app_health(
        &self,
        unconfirmed: &UnconfirmedOrder<'_>,
    ) -> Result<AppHealth, ClientError> {
        let mut health = self.health().await?;
        let app = unconfirmed.app.and_then(|app| health.apps.remove(app));
        app.ok_or_else(|| ClientError::Malformed("the app is not there any more".to_owned()))
    }
}

fn order_state(
    unconfirmed: &UnconfirmedOrder<'_>,
    transaction: Option<&TransactionId>,
    app: &AppHealth,
) -> OrderState {
    if let Some(last) = app.last.as_ref()
        && (last.order.as_deref() == Some(unconfirmed.key)
            || transaction == Some(&last.transaction))
    {
        let answer = OrderResult::from_last_transaction(last);
        // The process before may have given an order that was cut short once more.
        if !(unconfirmed.of_earlier_driver && answer.was_interrupted()) {
            return OrderState::Ended(Box::new(answer));
        }
    }
    let another = transaction.is_some() && app.transaction.as_ref() != transaction;
    match (app.state, &app.transaction) {
        (Phase::Idle, _) => OrderState::Unknown,
        (Phase::Confirming, Some(id)) if !another => {
            OrderState::Ended(Box::new(OrderResult::confirming(id)))
        }
        _ if another => OrderState::Unknown,
        _ => OrderState::UnderWay,
    }
}

impl UnconfirmedOrder<'_> {
    fn report(&self, phase: Phase) {
        (self.progress)(OrderProgress::Polled(phase));
    }
}

/// Where the order stands, as far as the updater knows.
enum OrderState {
    Ended(Box<OrderResult>),
    UnderWay,
    Unknown,
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicU32;

    use protocol::OrderOptions;
    use serde_json::{Value, json};
    use tokio::io::AsyncReadExt as _;

    use super::*;
    use crate::updater_client::ReleaseArchive;
    use crate::updater_client::testing::{
        PeerRequest, TRANSACTION, app, earlier, event, health, last, record_progress,
        release_archive, scripted_peer,
    };

    /// A host that takes the archive, says that it works, and drops the connection. `/health` is
    /// answered by `then`, which gets the order's name and how often it was asked before.
    async fn broken(
        then: impl Fn(&str, u32) -> Value + Send + Sync + 'static,
    ) -> (Result<OrderResult, ClientError>, Vec<OrderProgress>) {
        let key = Arc::new(Mutex::new(String::new()));
        let asked = AtomicU32::new(0);
        let client = scripted_peer(move |call: PeerRequest| {
            let health = call.is("GET /health");
            if !health {
                *key.lock().unwrap() = call.header("idempotency-key");
            }
            let answer =
                health.then(|| then(&key.lock().unwrap(), asked.fetch_add(1, Ordering::Relaxed)));
            let mut call = call;
            async move {
                if let Some(answer) = answer {
                    return call.json(200, &answer).await;
                }
                call.take_archive().await;
                call.begin_stream().await;
                let phase = json!({"type": "phase", "phase": "probing", "kind": "update"});
                call.line(&event(1, &phase)).await;
            }
        })
        .await;
        let directory = tempfile::tempdir().unwrap();
        let (archive, _) = release_archive(&directory);
        let (progress, heard) = record_progress();
        let answer = client.push(&app(), "a", &archive, &OrderOptions::default(), progress).await;
        let heard = heard.lock().unwrap().clone();
        (answer, heard)
    }

    #[tokio::test]
    async fn lesson_37_a_broken_connection_is_asked_about() {
        for (outcome, status) in [
            ("updated", Status::Updated),
            ("rolled_back", Status::RolledBack),
            ("stranded", Status::Stranded),
            ("interrupted", Status::Interrupted),
        ] {
            let (answer, heard) = broken(move |key, asked| match asked {
                0..3 => health("probing", Some(TRANSACTION), &earlier("rolled_back")),
                _ => health("idle", None, &last(key, outcome)),
            })
            .await;
            let answer = answer.unwrap();
            assert_eq!((answer.status, answer.duration_ms), (status, Some(2000)));
            assert!(heard.contains(&OrderProgress::Polled(Phase::Probing)));
        }
    }

    #[tokio::test]
    async fn lesson_37_an_order_that_the_host_knows_nothing_of_was_not_taken() {
        let (answer, _) = broken(|_, _| health("idle", None, &earlier("updated"))).await;
        assert!(matches!(answer, Err(ClientError::NotTaken(_))), "{answer:?}");
    }

    #[tokio::test]
    async fn lesson_37_a_host_that_stays_away_is_neither_updated_nor_failed() {
        let (answer, _) = broken(|_, asked| match asked {
            0 => health("probing", Some(TRANSACTION), &Value::Null),
            _ => json!("nonsense"),
        })
        .await;
        let error = answer.unwrap_err();
        assert!(matches!(error, ClientError::Lost(_)), "{error:?}");
        assert!(!error.was_reached());
        let (answer, _) = broken(|_, _| json!("nonsense")).await;
        assert!(matches!(answer, Err(ClientError::Lost(_))), "never an answer: {answer:?}");
    }

    #[tokio::test]
    async fn lesson_37_an_order_whose_archive_went_out_in_part_came_to_nothing() {
        let client = scripted_peer(|mut call| async move {
            if !call.is("GET /health") {
                call.say("HTTP/1.1 100 Continue\r\n\r\n").await;
                call.stream.read_exact(&mut [0; 1000]).await.unwrap();
            }
        })
        .await;
        let directory = tempfile::tempdir().unwrap();
        // More than the buffers on the way can hold.
        let (archive, bytes) = (release_archive(&directory).0, 64 << 20);
        std::fs::write(&archive.path, vec![0; bytes]).unwrap();
        let archive = ReleaseArchive { bytes: bytes as u64, ..archive };
        let options = OrderOptions::default();
        let error =
            client.push(&app(), "a", &archive, &options, record_progress().0).await.unwrap_err();
        assert!(matches!(error, ClientError::Broken { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn a_connection_that_breaks_before_the_confirmation_leads_to_it() {
        let (answer, _) =
            broken(|_, _| health("confirming", Some(TRANSACTION), &Value::Null)).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, Status::Confirming);
        assert_eq!(answer.transaction.unwrap().as_str(), TRANSACTION);
    }
}
