//! Orders: what changes a host, and streams what happens until it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Response;
use http::header::CONTENT_TYPE;
use hyper::body::Incoming;
use protocol::{TransactionId, header};
use serde_json::Value;

use crate::updater_client::connection::{Connection, with_timeout};
use crate::updater_client::host_json::parse;
use crate::updater_client::lines::{Lines, read_whole};
use crate::updater_client::order_stream::OrderStream;
use crate::updater_client::request::{OrderBody, OrderRequest};
use crate::updater_client::unconfirmed_order::UnconfirmedOrder;
use crate::updater_client::{ClientError, OrderResult, UpdaterClient};

impl UpdaterClient {
    /// Sends an order and waits for its result. A connection that breaks proves nothing: the updater is
    /// asked then.
    pub(super) async fn send_order(
        &self,
        order: OrderRequest<'_>,
    ) -> Result<OrderResult, ClientError> {
        self.send_order_of(order, None).await
    }

    /// The same for an order about a transaction that exists already.
    pub(super) async fn send_order_of(
        &self,
        order: OrderRequest<'_>,
        mut transaction: Option<TransactionId>,
    ) -> Result<OrderResult, ClientError> {
        // Until there is a connection nothing was ordered.
        let connection = self.connect().await?;
        let sent = Arc::new(AtomicU64::new(0));
        let upload = match &order.body {
            OrderBody::Archive(archive) => Some((&*sent, archive.bytes)),
            OrderBody::Nothing | OrderBody::Json(_) => None,
        };
        let unconfirmed = UnconfirmedOrder {
            key: &order.key,
            app: order.app,
            upload,
            of_earlier_driver: false,
            progress: &order.progress,
        };
        match self.send_once(connection, &order, &sent, &unconfirmed, &mut transaction).await {
            Err(error) if unconfirmed.may_have_been_taken(&error) => {
                self.wait_for_outcome(&unconfirmed, transaction.as_ref(), error).await
            }
            ended => ended,
        }
    }

    async fn send_once(
        &self,
        mut connection: Connection,
        order: &OrderRequest<'_>,
        sent: &Arc<AtomicU64>,
        unconfirmed: &UnconfirmedOrder<'_>,
        transaction: &mut Option<TransactionId>,
    ) -> Result<OrderResult, ClientError> {
        let request = self.build_request(order, sent)?;
        let what = "get an answer to the order";
        let response = with_timeout(self.timeouts.answer, what, connection.send(request)).await??;
        if let Some(id) = response.headers().get(header::TRANSACTION) {
            *transaction = id.to_str().ok().and_then(|id| id.parse().ok());
        }
        if !response.status().is_success() {
            return self.problem(response).await;
        }
        let mut stream = OrderStream::new(&order.progress, transaction).of_app(order.app);
        if media_type(&response) != header::NDJSON {
            return stream.read_result(&self.json(response).await?);
        }
        let mut lines = Lines::new(response.into_body(), connection.address());
        loop {
            let before = sent.load(Ordering::Relaxed);
            let next = tokio::time::timeout(self.timeouts.silence, lines.next()).await;
            match next {
                Err(_) if sent.load(Ordering::Relaxed) != before => {}
                Err(_) => self.check_still_running(unconfirmed, stream.transaction()).await?,
                Ok(Ok(Some(line))) => {
                    if let Some(answer) = stream.read_line(&line)? {
                        return Ok(answer);
                    }
                }
                Ok(Ok(None)) => {
                    return Err(ClientError::Malformed("it ends without a result".to_owned()));
                }
                Ok(Err(error)) => return Err(error),
            }
        }
    }

    async fn problem(&self, response: Response<Incoming>) -> Result<OrderResult, ClientError> {
        let status = response.status().as_u16();
        let body = with_timeout(
            self.timeouts.answer,
            "get the refusal",
            read_whole(response.into_body(), &self.address),
        );
        let body = body.await??;
        let value = parse(&body)
            .unwrap_or_else(|| Value::String(String::from_utf8_lossy(&body).into_owned()));
        Ok(OrderResult::from_problem(&value, status))
    }
}

/// The media type, without its parameters.
fn media_type(response: &Response<Incoming>) -> &str {
    let value = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.split(';').next()).unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use protocol::{Code, EventKind, OrderOptions, Phase, Status};
    use serde_json::json;

    use super::*;
    use crate::updater_client::OrderProgress;
    use crate::updater_client::testing::{
        app, earlier, event, health, record_progress, release_archive, result, scripted_peer,
    };

    /// A small release is pushed: what the client was answered, what it heard on the way, and the
    /// release.
    async fn push(
        client: &UpdaterClient,
    ) -> (Result<OrderResult, ClientError>, Vec<OrderProgress>, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let (archive, bytes) = release_archive(&directory);
        let (progress, heard) = record_progress();
        let answer = client.push(&app(), "a", &archive, &OrderOptions::default(), progress).await;
        let heard = heard.lock().unwrap().clone();
        (answer, heard, bytes)
    }

    #[tokio::test]
    async fn an_archive_is_sent_when_it_is_asked_for() {
        let got = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&got);
        let client = scripted_peer(move |mut call| {
            let kept = Arc::clone(&kept);
            async move {
                let bytes = call.take_archive().await;
                *kept.lock().unwrap() = bytes;
                call.begin_stream().await;
                call.line(&event(
                    1,
                    &json!({"type": "phase", "phase": "building", "kind": "update"}),
                ))
                .await;
                call.line(&json!({"type": "of_the_future", "x": 1})).await;
                call.line(&result("updated")).await;
            }
        })
        .await;
        let (answer, heard, bytes) = push(&client).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, Status::Updated);
        assert_eq!(*got.lock().unwrap(), bytes);
        let total = bytes.len() as u64;
        assert!(heard.contains(&OrderProgress::ArchiveSent { bytes: total, total }));
        let phase = |heard: &OrderProgress| {
            matches!(heard, OrderProgress::Event(event)
            if matches!(event.kind, EventKind::Phase { phase: Phase::Building, .. }))
        };
        assert_eq!(heard.iter().filter(|heard| phase(heard)).count(), 1);
    }

    #[tokio::test]
    async fn a_host_that_has_the_release_gets_no_bytes() {
        let (sender, mut rest) = tokio::sync::mpsc::channel(1);
        let client = scripted_peer(move |mut call| {
            let sender = sender.clone();
            async move {
                assert_eq!(call.header("expect"), "100-continue");
                assert_eq!(call.header("swarm-epoch"), "7");
                call.begin_stream().await;
                call.line(&result("already_current")).await;
                sender.send(call.rest().await).await.unwrap();
            }
        })
        .await;
        let (answer, heard, _) = push(&client).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, Status::AlreadyCurrent);
        assert!(rest.recv().await.unwrap().is_empty());
        assert!(heard.is_empty());
    }

    #[tokio::test]
    async fn an_early_refusal_is_an_answer() {
        let client = scripted_peer(|mut call| async move {
            let problem = json!({
                "type": "about:blank", "title": "t", "status": 507, "code": "no_space",
                "detail": "1 GiB is needed", "needed": {"bytes": 5, "inodes": 5},
            });
            call.json(507, &problem).await;
            call.rest().await;
        })
        .await;
        let (answer, ..) = push(&client).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, Status::Failed);
        assert_eq!(answer.code, Some(Code::NoSpace.into()));
        assert_eq!(answer.detail.as_deref(), Some("1 GiB is needed"));
    }

    #[tokio::test]
    async fn lesson_36_whatever_answers_ends_as_a_value() {
        const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\n\r\n";
        let huge = "x".repeat(3 << 20);
        let deep = "[".repeat(500_000);
        let answers = [
            String::new(),
            "not http at all\r\n\r\n".to_owned(),
            "\0\u{1}\u{2}\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\r\n\r\n<html>a login page</html>".to_owned(),
            "HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\ncontent-length: 0\r\n\r\n".into(),
            "HTTP/1.1 502 Bad\r\ncontent-length: 5\r\n\r\n<html".to_owned(),
            "HTTP/1.1 500 X\r\ncontent-length: 500\r\n\r\n{\"code\": 7".to_owned(),
            format!("HTTP/1.1 422 X\r\n\r\n{huge}"),
            format!("HTTP/1.1 200 OK\r\nx: {huge}\r\n\r\n"),
            STREAM.to_owned(),
            format!("{STREAM}<html>\n"),
            format!("{STREAM}{huge}"),
            format!("{STREAM}{deep}\n"),
            format!("{STREAM}{{\"type\": \"result\", \"status\": 7}}\n"),
            format!("{STREAM}{{\"type\": [], \"status\": {{}}}}\n[]\n"),
            format!("{STREAM}{{\"type\": \"result\", \"status\": \"updated\", \"to"),
            format!("{STREAM}{}", "{\"type\": \"x\"}\n".repeat(1000)),
            format!("{STREAM}\u{fffd}\u{0}\n"),
        ];
        for (number, answer) in answers.into_iter().enumerate() {
            let said = answer.clone();
            let client = scripted_peer(move |mut call| {
                let said = said.clone();
                async move {
                    if call.is("GET /health") {
                        let body = health("idle", None, &earlier("updated"));
                        call.json(200, &body).await;
                    } else {
                        call.take_archive().await;
                        call.say(&said).await;
                    }
                }
            })
            .await;
            match push(&client).await.0 {
                Ok(answer) => assert_eq!(answer.status, Status::Failed, "{number}"),
                Err(ClientError::NotTaken(why)) => assert!(why.len() < 1000, "{number}: {why}"),
                Err(other) => panic!("{number}: {other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn lesson_15_a_slow_build_is_waited_for() {
        let asked = Arc::new(tokio::sync::Notify::new());
        let client = scripted_peer(move |mut call| {
            let asked = Arc::clone(&asked);
            async move {
                if call.is("GET /health") {
                    let busy = health(
                        "building",
                        Some(crate::updater_client::testing::TRANSACTION),
                        &Value::Null,
                    );
                    call.json(200, &busy).await;
                    asked.notify_one();
                    return;
                }
                call.take_archive().await;
                call.begin_stream().await;
                // Silent for twice as long as the client waits before it asks.
                asked.notified().await;
                asked.notified().await;
                call.line(&result("updated")).await;
            }
        })
        .await;
        let (answer, heard, _) = push(&client).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, Status::Updated);
        assert!(heard.contains(&OrderProgress::Polled(Phase::Building)));
    }

    #[tokio::test]
    async fn lesson_16_an_archive_that_vanished_is_our_own_fault() {
        let client = scripted_peer(|mut call| async move {
            call.say("HTTP/1.1 100 Continue\r\n\r\n").await;
            call.rest().await;
        })
        .await;
        let directory = tempfile::tempdir().unwrap();
        let (archive, _) = release_archive(&directory);
        std::fs::remove_file(&archive.path).unwrap();
        let error =
            client.push(&app(), "a", &archive, &OrderOptions::default(), record_progress().0).await;
        assert!(matches!(error, Err(ClientError::Archive(_))), "{error:?}");
    }
}
