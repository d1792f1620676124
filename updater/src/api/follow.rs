//! Answers to orders: once at the end, or a stream of events until then.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response, Sse, sse};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::{HeaderMap, HeaderValue, StatusCode, header::ACCEPT, header::CONTENT_TYPE};
use protocol::{
    Code, Event, EventKind, Kind, Phase, ProbeReport, Problem, ReleaseSlot, Status, TransactionId,
    TransactionResult, header,
};
use serde::Serialize;
use tokio::time::Instant;

use crate::api::ApiError;
use crate::api::blocking::blocking;
use crate::transaction::{App, EventFilter};

/// How the caller wants to be told, and until when.
#[derive(Debug, Clone)]
pub(super) struct Follow {
    /// Whether it wants a line for each event.
    pub(super) stream: bool,
    /// Whether its answer ends when the master has to come back on a new connection.
    pub(super) early: bool,
    /// The last event before the order.
    pub(super) after: u64,
    /// Whether it waits for the watch after a rollback no longer than [`PATIENCE`].
    pub(super) hurried: bool,
}

/// How long a watch is waited for by clients of the older form, which hang up after 30 seconds. A
/// short watch ends within it.
const PATIENCE: Duration = Duration::from_secs(5);

impl Follow {
    /// What the request's headers ask for.
    pub(super) fn new(headers: &HeaderMap, early: bool, after: u64) -> Self {
        Self { stream: wants_lines(headers), early, after, hurried: false }
    }

    /// Answers with what becomes of a transaction that was begun.
    pub(super) async fn transaction(self, app: &Arc<App>, transaction: TransactionId) -> Response {
        self.until_end(app, transaction, |result| result, answer).await
    }

    /// Answers a rollback that ended an update with what became of the update: that its release was
    /// taken back is what was ordered, and no failure.
    pub(super) async fn taken_back(self, app: &Arc<App>, transaction: TransactionId) -> Response {
        self.until_end(app, transaction, as_rollback, answer).await
    }

    /// Waits for the end of a transaction that is under way.
    pub(super) async fn end_of(&self, app: &App, transaction: TransactionId) {
        let mut events = std::pin::pin!(app.status.listen(self.wanted(app, transaction)));
        while let Some(event) = events.next().await {
            if matches!(event.kind, EventKind::Result(_)) {
                break;
            }
        }
    }

    /// Answers the caller that asked a transaction to stop with what became of it. That it did is no
    /// failure.
    pub(super) async fn stopped(self, app: &Arc<App>, transaction: TransactionId) -> Response {
        let answer = |result: TransactionResult| match result.status {
            Status::Interrupted | Status::RolledBack => axum::Json(result).into_response(),
            _ => answer(result),
        };
        self.until_end(app, transaction, |result| result, answer).await
    }

    fn wanted(&self, app: &App, transaction: TransactionId) -> EventFilter {
        EventFilter {
            app: Some(app.settings.name.clone()),
            transaction: Some(transaction),
            after: self.after,
        }
    }

    async fn until_end(
        self,
        app: &Arc<App>,
        transaction: TransactionId,
        seen: fn(TransactionResult) -> TransactionResult,
        answer: impl FnOnce(TransactionResult) -> Response,
    ) -> Response {
        let events = app.status.listen(self.wanted(app, transaction.clone()));
        let events =
            until_early(events, self.early.then(|| Arc::clone(app))).map(move |event| match event
                .kind
            {
                EventKind::Result(result) => {
                    Event { kind: EventKind::Result(Box::new(seen(*result))), ..event }
                }
                _ => event,
            });
        let mut response = if self.stream {
            lines(events)
        } else {
            match at_the_end(events, app, self.hurried).await {
                Some(result) => answer(with_release(app, result).await),
                None => {
                    ApiError::internal("the transaction ended without a result").into_response()
                }
            }
        };
        if let Ok(value) = HeaderValue::from_str(transaction.as_str()) {
            response.headers_mut().insert(header::TRANSACTION, value);
        }
        response
    }

    /// Answers with a result that needed no transaction.
    pub(super) fn result(self, app: &App, result: TransactionResult) -> Response {
        if !self.stream {
            return answer(result);
        }
        let event = Event {
            id: self.after,
            time: sys::wall_clock(),
            app: app.settings.name.clone(),
            transaction: None,
            kind: EventKind::Result(Box::new(result)),
        };
        lines(futures_util::stream::iter([event]))
    }
}

/// What became of an update, to the caller of a rollback that ended it.
fn as_rollback(result: TransactionResult) -> TransactionResult {
    match result.status {
        Status::RolledBack | Status::Interrupted => {
            TransactionResult { status: Status::RolledBack, code: None, problem: None, ..result }
        }
        Status::Updated => {
            let detail = "the update had ended before it could be undone; order the rollback again";
            let problem = Problem::new(Code::UpdateInProgress, detail);
            let code = Some(problem.code.clone());
            TransactionResult { status: Status::Failed, code, problem: Some(problem), ..result }
        }
        _ => result,
    }
}

/// One answer, with the HTTP status that goes with it.
pub(super) fn answer(result: TransactionResult) -> Response {
    match (result.problem, result.status) {
        (Some(problem), _) => ApiError::from(problem).into_response(),
        (None, Status::Staged) => {
            let result = TransactionResult { problem: None, ..result };
            (StatusCode::CREATED, axum::Json(result)).into_response()
        }
        (None, _) => axum::Json(TransactionResult { problem: None, ..result }).into_response(),
    }
}

/// Server-sent events, with the ids that `Last-Event-ID` takes.
pub(super) fn server_sent(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let events = events.map(|event| {
        let data = serde_json::to_string(&event).unwrap_or_default();
        Ok::<_, std::convert::Infallible>(sse::Event::default().id(event.id.to_string()).data(data))
    });
    Sse::new(events).keep_alive(sse::KeepAlive::default()).into_response()
}

/// One line of JSON for each.
pub(super) fn lines<T: Serialize>(events: impl Stream<Item = T> + Send + 'static) -> Response {
    let lines = events.map(|event| {
        serde_json::to_vec(&event).map(|mut line| {
            line.push(b'\n');
            Bytes::from(line)
        })
    });
    ([(CONTENT_TYPE, header::NDJSON)], Body::from_stream(lines)).into_response()
}

/// Whether an order asks for a line for each event.
pub(super) fn wants_lines(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let kinds = accept.split(',').filter_map(|kind| kind.split(';').next());
    kinds.map(str::trim).any(|kind| kind == header::NDJSON)
}

/// Waits for the result. For a caller in a hurry, a rollback that is being watched is one.
async fn at_the_end(
    events: impl Stream<Item = Event>,
    app: &App,
    hurried: bool,
) -> Option<TransactionResult> {
    let mut events = std::pin::pin!(events);
    let (mut deadline, mut probe) = (None, None);
    loop {
        let next = match deadline {
            None => events.next().await,
            Some(deadline) => match tokio::time::timeout_at(deadline, events.next()).await {
                Ok(next) => next,
                Err(_) => match watched(app, probe.take()) {
                    Some(result) => return Some(result),
                    // It has ended in this moment, and its result is on its way.
                    None => events.next().await,
                },
            },
        };
        let event = next?;
        match event.kind {
            EventKind::Result(result) => {
                return Some(TransactionResult { transaction: event.transaction, ..*result });
            }
            EventKind::Phase { phase, kind, .. } => {
                let is_watched = hurried && phase == Phase::Watching && kind == Kind::Rollback;
                deadline = is_watched.then(|| Instant::now() + PATIENCE);
            }
            EventKind::Probe { attempt, passed: true, detail } => {
                let kind = app.probe_kind();
                let attempts = attempt;
                probe = Some(ProbeReport { passed: true, kind, proof: None, attempts, detail });
            }
            _ => {}
        }
    }
}

/// What is known of a rollback that was proven and is being watched; nothing if that is over.
fn watched(app: &App, probe: Option<ProbeReport>) -> Option<TransactionResult> {
    let status = app.status.get();
    let (transaction, _) = status.running?;
    let result = TransactionResult {
        transaction: Some(transaction),
        from: status.from,
        to: Some(status.to?),
        target: status.to,
        probe,
        ..result(Status::RolledBack)
    };
    Some(result)
}

/// A result that comes before the end names the release that the order goes to.
async fn with_release(app: &App, result: TransactionResult) -> TransactionResult {
    let slot = match result.status {
        Status::SelfUpdateQueued => ReleaseSlot::Store,
        Status::Confirming | Status::RolledBack => ReleaseSlot::Active,
        _ => return result,
    };
    let goes_to = result.target.or(result.to);
    let (None, None, Some(release)) = (&result.release, &result.problem, goes_to) else {
        return result;
    };
    let settings = Arc::clone(&app.settings);
    let release = blocking(move || Ok(settings.slot_release(slot, &release))).await;
    TransactionResult { release: release.ok(), ..result }
}

/// Where the master has to come back on a new connection, the answer ends before it: this one must
/// not be the proof. `early` is the app, where that is asked for.
fn until_early(
    events: impl Stream<Item = Event> + Send + 'static,
    early: Option<Arc<App>>,
) -> impl Stream<Item = Event> + Send + 'static {
    let start = (Box::pin(events), None, false);
    futures_util::stream::unfold(start, move |(mut events, queued, ended)| {
        let early = early.clone();
        async move {
            if ended {
                return None;
            }
            if let Some(end) = queued {
                return Some((end, (events, None, true)));
            }
            let event = events.next().await?;
            let ended = matches!(event.kind, EventKind::Result(_));
            let status = early_status(&event);
            let queued = early.zip(status).map(|(app, status)| early_result(&app, &event, status));
            Some((event, (events, queued, ended)))
        }
    })
}

/// The phases in which an order is answered before its end.
fn early_status(event: &Event) -> Option<Status> {
    match event.kind {
        EventKind::Phase { phase: Phase::Confirming, .. } => Some(Status::Confirming),
        EventKind::Phase { phase: Phase::Probing, kind: Kind::SelfUpdate, .. } => {
            Some(Status::SelfUpdateQueued)
        }
        _ => None,
    }
}

/// It names the releases as the result at the end does: `to` is what is active by then.
fn early_result(app: &App, event: &Event, status: Status) -> Event {
    let board = app.status.get();
    let (from, target) = (board.from, board.to);
    let to = if status == Status::Confirming { target } else { from };
    let result = TransactionResult { from, to, target, ..result(status) };
    Event { kind: EventKind::Result(Box::new(result)), ..event.clone() }
}

/// A result that says nothing yet but its status.
const fn result(status: Status) -> TransactionResult {
    TransactionResult {
        status,
        code: None,
        transaction: None,
        release: None,
        from: None,
        to: None,
        target: None,
        probe: None,
        duration_ms: 0,
        problem: None,
        notes: Vec::new(),
    }
}
