//! `GET /logs`: what an app's program has printed, and prints.
//!
//! A stream has bounds of its own: its rate, its time, and how many of them there are. It is the disk that is
//! read, and what the program prints never waits for a reader.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_TYPE};
use protocol::{AppName, Code, LOG_LINES, LogItem, MOST_LOG_LINES, Problem, header};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, sleep_until};

use crate::api::blocking::blocking;
use crate::api::follow::wants_lines;
use crate::api::{ApiError, ApiQuery};
use crate::daemon::Daemon;
use crate::runner::{LogPosition, LogRead, LoggedRun};
use crate::transaction::App;

/// Bytes that one reader gets in a second.
const BYTES_PER_SECOND: u64 = 1 << 20;
/// Bytes that are sent at a time.
const FRAME_BYTES: usize = 64 << 10;
/// How long a program is followed.
const LONGEST: Duration = Duration::from_mins(10);
/// Between two looks at what was printed.
const LOOK: Duration = Duration::from_millis(500);
/// Where nothing is printed, a reader of JSON is told so often that the host is there.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// What may be asked.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LogQuery {
    app: Option<AppName>,
    lines: Option<usize>,
    follow: bool,
    previous: bool,
}

/// Answers with lines of text, or of JSON for a caller that accepts these.
pub(super) async fn logs(
    State(daemon): State<Arc<Daemon>>,
    ApiQuery(query): ApiQuery<LogQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let app = daemon.app(query.app.as_ref())?;
    let lines = query.lines.unwrap_or(LOG_LINES);
    if lines > MOST_LOG_LINES {
        return Err(ApiError::bad_request(format!("lines is {MOST_LOG_LINES} at most")));
    }
    if query.follow && query.previous {
        return Err(ApiError::bad_request("a run that is over cannot be followed"));
    }
    let permit = Arc::clone(&daemon.log_readers).try_acquire_owned().map_err(|_| {
        let detail = "as many logs are being read on this host as there may be; end one of them";
        Problem::new(Code::TooManyReaders, detail)
    })?;
    let run = if query.previous { LoggedRun::Previous } else { LoggedRun::Last };
    let follow = query.follow;
    let reader = Arc::clone(&app);
    let read =
        blocking(move || Ok(reader.agent.runner().logs().read_run(run, lines, follow))).await?;
    let json = wants_lines(&headers);
    let sent = Sending {
        app,
        position: read.position,
        unsent: read.items.into(),
        ends_at: follow.then(|| Instant::now() + LONGEST),
        next_at: Instant::now(),
        json,
        _permit: permit,
    };
    let frames = futures_util::stream::unfold(sent, |mut sent| async move {
        Some((Ok::<_, std::convert::Infallible>(sent.next().await?), sent))
    });
    let kind = if json { header::NDJSON } else { "text/plain; charset=utf-8" };
    Ok(([(CONTENT_TYPE, kind)], Body::from_stream(frames)).into_response())
}

/// One answer, while it is sent.
struct Sending {
    app: Arc<App>,
    position: LogPosition,
    unsent: VecDeque<LogItem>,
    /// Until when more is waited for; not at all where only the past was asked for.
    ends_at: Option<Instant>,
    /// When the next bytes may be sent.
    next_at: Instant,
    json: bool,
    _permit: OwnedSemaphorePermit,
}

impl Sending {
    /// What is to be sent next; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        let quiet_until = Instant::now() + SIGN_OF_LIFE;
        loop {
            if let Some(frame) = self.frame() {
                sleep_until(self.next_at).await;
                let pause =
                    Duration::from_micros(frame.len() as u64 * 1_000_000 / BYTES_PER_SECOND);
                self.next_at = self.next_at.max(Instant::now()) + pause;
                return Some(frame);
            }
            let ends_at = self.ends_at?;
            if Instant::now() >= ends_at {
                self.ends_at = None;
                let minutes = LONGEST.as_secs() / 60;
                self.unsent.push_back(LogItem::Note(format!(
                    "a program is followed for {minutes} minutes at a time: ask again to go on"
                )));
                continue;
            }
            if self.json && quiet_until <= Instant::now() {
                self.unsent.push_back(LogItem::Quiet);
                continue;
            }
            sleep(LOOK).await;
            let (app, position) = (Arc::clone(&self.app), self.position.clone());
            let read = blocking(move || Ok(app.agent.runner().logs().read_after(&position)));
            let LogRead { items, position } = read.await.ok()?;
            self.position = position;
            self.unsent.extend(items);
        }
    }

    fn frame(&mut self) -> Option<Bytes> {
        let mut frame = Vec::new();
        while frame.len() < FRAME_BYTES
            && let Some(item) = self.unsent.pop_front()
        {
            if self.json {
                frame.extend(serde_json::to_vec(&item).unwrap_or_default());
            } else {
                match item {
                    LogItem::Line(line) => frame.extend(line.into_bytes()),
                    LogItem::Note(note) => frame.extend(format!("-- {note} --").into_bytes()),
                    LogItem::Quiet => continue,
                }
            }
            frame.push(b'\n');
        }
        (!frame.is_empty()).then(|| frame.into())
    }
}
