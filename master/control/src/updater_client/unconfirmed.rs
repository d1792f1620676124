//! What became of an order whose answer was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::{AppHealth, AppName, Phase, Status, TransactionId};
use tokio::time::{Instant, sleep};

use crate::updater_client::{Answer, ClientError, Heard, Listener, UpdaterClient};

/// An order that may have been taken.
pub(super) struct UnconfirmedOrder<'a> {
    /// The name that was given to it.
    pub(super) key: &'a str,
    /// The app; absent for the updater's own, which is settled by its digest.
    pub(super) app: Option<&'a AppName>,
    /// How much of its archive went out, and how much there was, if it has one.
    pub(super) archive: Option<(&'a AtomicU64, u64)>,
    /// Whether somebody else gave it, who died then, and who may have given it more than once.
    pub(super) inherited: bool,
    /// Who wants to hear how it goes on.
    pub(super) listener: &'a Listener,
}

impl<'a> UnconfirmedOrder<'a> {
    const fn of(key: &'a str, app: &'a AppName, listener: &'a Listener) -> Self {
        Self { key, app: Some(app), archive: None, inherited: false, listener }
    }

    /// Whether the host may have taken the order, though this is how the call ended.
    pub(super) const fn is_left_by(&self, error: &ClientError) -> bool {
        let broke = matches!(
            error,
            ClientError::Broken { .. } | ClientError::Silent { .. } | ClientError::Malformed(_)
        );
        broke && self.app.is_some()
    }

    /// Whether the host cannot have carried it out: it asked for the archive and got a part of it.
    fn came_to_nothing(&self) -> bool {
        self.archive.is_some_and(|(sent, total)| (1..total).contains(&sent.load(Ordering::Relaxed)))
    }
}

impl UpdaterClient {
    /// What became of an order that somebody else may have given, under this name. Waits for one
    /// that is under way; none if the host knows nothing of it, or only that it was cut short before
    /// it touched anything.
    pub async fn find_out(
        &self,
        app: &AppName,
        key: &str,
        listener: Listener,
    ) -> Result<Option<Answer>, ClientError> {
        let doubt =
            UnconfirmedOrder { inherited: true, ..UnconfirmedOrder::of(key, app, &listener) };
        let gone = ClientError::Malformed("whoever gave the order is gone".to_owned());
        match self.settle(&doubt, None, ClientError::Lost(Box::new(gone))).await {
            Ok(answer) => Ok(Some(answer)),
            Err(ClientError::NotTaken(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How an order ended that was given under this name, by the host's own word; none if it does not
    /// say that it has.
    pub async fn ended(&self, app: &AppName, key: &str) -> Result<Option<Answer>, ClientError> {
        let listener: Listener = Arc::new(|_| {});
        let doubt = UnconfirmedOrder::of(key, app, &listener);
        Ok(match stands(&doubt, None, &self.app_health(&doubt).await?) {
            OrderState::Ended(answer) if answer.status != Status::Confirming => Some(*answer),
            _ => None,
        })
    }

    /// Asks until the host is idle again, and takes its own word for what happened. A host that does
    /// not answer any more is lost: the release itself may have cut it off.
    pub(super) async fn settle(
        &self,
        doubt: &UnconfirmedOrder<'_>,
        transaction: Option<&TransactionId>,
        error: ClientError,
    ) -> Result<Answer, ClientError> {
        let mut lost_since = Instant::now();
        let mut asked_before = false;
        loop {
            match self.app_health(doubt).await {
                Err(now) if lost_since.elapsed() >= self.patience.lost => {
                    return Err(if doubt.came_to_nothing() {
                        error
                    } else {
                        ClientError::Lost(Box::new(now))
                    });
                }
                Err(_) => {}
                Ok(app) => {
                    lost_since = Instant::now();
                    match stands(doubt, transaction, &app) {
                        OrderState::Ended(answer) => return Ok(*answer),
                        OrderState::UnderWay => doubt.hear(app.state),
                        // The order may still have been on its way when it was first asked.
                        OrderState::Unknown if asked_before => {
                            return Err(ClientError::NotTaken(error.row()));
                        }
                        OrderState::Unknown => {}
                    }
                    asked_before = true;
                }
            }
            sleep(self.patience.pause).await;
        }
    }

    /// After a long silence on a stream: an error unless the order is still being carried out.
    pub(super) async fn ask_whether_it_goes_on(
        &self,
        doubt: &UnconfirmedOrder<'_>,
        transaction: Option<&TransactionId>,
    ) -> Result<(), ClientError> {
        let limit = self.patience.silence;
        let silent = ClientError::Silent { what: "hear of the order", limit };
        if doubt.app.is_none() {
            return Err(silent);
        }
        match self.app_health(doubt).await {
            Ok(app) if matches!(stands(doubt, transaction, &app), OrderState::UnderWay) => {
                doubt.hear(app.state);
                Ok(())
            }
            _ => Err(silent),
        }
    }

    async fn app_health(&self, doubt: &UnconfirmedOrder<'_>) -> Result<AppHealth, ClientError> {
        let mut health = self.health().await?;
        let app = doubt.app.and_then(|app| health.apps.remove(app));
        app.ok_or_else(|| ClientError::Malformed("the app is not there any more".to_owned()))
    }
}

fn stands(
    doubt: &UnconfirmedOrder<'_>,
    transaction: Option<&TransactionId>,
    app: &AppHealth,
) -> OrderState {
    if let Some(last) = app.last.as_ref()
        && (last.order.as_deref() == Some(doubt.key) || transaction == Some(&last.transaction))
    {
        let answer = Answer::of_last(last);
        // One that was cut short was perhaps given once more since.
        if !(doubt.inherited && answer.was_interrupted()) {
            return OrderState::Ended(Box::new(answer));
        }
    }
    let another = transaction.is_some() && app.transaction.as_ref() != transaction;
    match (app.state, &app.transaction) {
        (Phase::Idle, _) => OrderState::Unknown,
        (Phase::Confirming, Some(id)) if !another => {
            OrderState::Ended(Box::new(Answer::confirming(id)))
        }
        _ if another => OrderState::Unknown,
        _ => OrderState::UnderWay,
    }
}

impl UnconfirmedOrder<'_> {
    fn hear(&self, phase: Phase) {
        (self.listener)(Heard::Still(phase));
    }
}

/// Where the order stands, as far as the host knows.
enum OrderState {
    Ended(Box<Answer>),
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
    use crate::updater_client::Push;
    use crate::updater_client::testing::{
        Call, TRANSACTION, app, archive, ear, earlier, event, health, last, peer,
    };

    /// A host that takes the archive, says that it works, and drops the connection. `/health` is
    /// answered by `then`, which gets the order's name and how often it was asked before.
    async fn broken(
        then: impl Fn(&str, u32) -> Value + Send + Sync + 'static,
    ) -> (Result<Answer, ClientError>, Vec<Heard>) {
        let key = Arc::new(Mutex::new(String::new()));
        let asked = AtomicU32::new(0);
        let worker = peer(move |call: Call| {
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
        let (push, _) = archive(&directory);
        let (listener, heard) = ear();
        let answer = worker.push(&app(), "a", &push, &OrderOptions::default(), listener).await;
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
            assert!(heard.contains(&Heard::Still(Phase::Probing)));
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
        let worker = peer(|mut call| async move {
            if !call.is("GET /health") {
                call.say("HTTP/1.1 100 Continue\r\n\r\n").await;
                call.stream.read_exact(&mut [0; 1000]).await.unwrap();
            }
        })
        .await;
        let directory = tempfile::tempdir().unwrap();
        // More than the buffers on the way can hold.
        let (push, bytes) = (archive(&directory).0, 64 << 20);
        std::fs::write(&push.path, vec![0; bytes]).unwrap();
        let push = Push { bytes: bytes as u64, ..push };
        let options = OrderOptions::default();
        let error = worker.push(&app(), "a", &push, &options, ear().0).await.unwrap_err();
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
