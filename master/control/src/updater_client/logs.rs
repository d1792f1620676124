//! `GET /logs`: what a program on a host prints.

use bytes::Bytes;
use engine::ResultCode;
use http::Request;
use http::header::{ACCEPT, HOST};
use http_body_util::{BodyExt as _, Full};
use protocol::{AppName, Code, LogItem, header};

use crate::updater_client::connection::with_timeout;
use crate::updater_client::lines::Lines;
use crate::updater_client::{ClientError, OrderResult, UpdaterClient};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogsQuery {
    pub app: AppName,
    /// Lines of the past.
    pub lines: usize,
    /// Whether to go on with what is printed from now on.
    pub follow: bool,
    /// The run before the last one.
    pub previous: bool,
}

impl UpdaterClient {
    /// Gives each item to `hear` as it comes, until there are no more, or it says that this is enough. To stop
    /// listening ends nothing on the host.
    pub async fn logs(
        &self,
        query: &LogsQuery,
        mut hear: impl FnMut(LogItem) -> bool,
    ) -> Result<(), ClientError> {
        let mut connection = self.connect().await?;
        let LogsQuery { app, lines, follow, previous } = query;
        let target = format!("/logs?app={app}&lines={lines}&follow={follow}&previous={previous}");
        let request = Request::get(target)
            .header(HOST, self.host.as_str())
            .header(ACCEPT, header::NDJSON)
            .body(Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync())
            .map_err(|error| ClientError::Malformed(error.to_string()))?;
        let sent = connection.send(request);
        let response = with_timeout(self.timeouts.answer, "get an answer", sent).await??;
        let status = response.status();
        if !status.is_success() {
            let value = self.json(response).await?;
            let answer = OrderResult::from_problem(&value, status.as_u16());
            let detail = answer.detail.unwrap_or_default();
            return Err(ClientError::Refused { code: answer.code, detail });
        }
        let mut lines = Lines::unending(response.into_body(), connection.address());
        loop {
            let next = with_timeout(self.timeouts.answer, "hear from the host", lines.next());
            let Some(line) = next.await?? else { return Ok(()) };
            // A newer updater has more to say.
            let Ok(item) = serde_json::from_slice(&line) else { continue };
            if item != LogItem::Quiet && !hear(item) {
                return Ok(());
            }
        }
    }
}

impl ClientError {
    /// Whether an updater refused because it does not have this route yet.
    pub fn is_of_older_updater(&self) -> bool {
        matches!(self, Self::Refused { code: Some(ResultCode::Updater(Code::NotFound)), .. })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::updater_client::testing::{app, scripted_peer};

    #[tokio::test]
    async fn what_is_known_is_heard_until_it_is_enough() {
        let client = scripted_peer(|mut call| async move {
            let wanted = "GET /logs?app=agent&lines=5&follow=true&previous=false ";
            assert!(call.is(wanted), "{}", call.head);
            call.begin_stream().await;
            for line in [
                json!({"line": "one"}),
                json!("quiet"),
                json!({"of": "the future"}),
                json!({"note": "started again"}),
                json!({"line": "two"}),
            ] {
                call.line(&line).await;
            }
        })
        .await;
        let query = LogsQuery { app: app(), lines: 5, follow: true, previous: false };
        let mut heard = Vec::new();
        let ended = client.logs(&query, |item| {
            heard.push(item);
            heard.len() < 2
        });
        ended.await.unwrap();
        assert_eq!(heard, [LogItem::Line("one".into()), LogItem::Note("started again".into())]);
    }

    #[tokio::test]
    async fn an_older_updater_is_known_by_its_answer() {
        for (code, is_older) in [("not_found", true), ("unknown_app", false)] {
            let client = scripted_peer(move |mut call| async move {
                call.json(404, &json!({"code": code, "detail": "no"})).await;
            })
            .await;
            let query = LogsQuery { app: app(), lines: 5, follow: false, previous: false };
            let error = client.logs(&query, |_| true).await.unwrap_err();
            assert_eq!(error.is_of_older_updater(), is_older, "{error:?}");
        }
    }
}
