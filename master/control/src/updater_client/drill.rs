//! `POST /drill`: the host tries on itself that updates work there.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use protocol::{AppName, DrillLine, DrillReport, DrillStep};

use crate::updater_client::client::new_order_key;
use crate::updater_client::connection::with_timeout;
use crate::updater_client::host_json::{parse, shown};
use crate::updater_client::lines::Lines;
use crate::updater_client::request::{OrderBody, OrderRequest};
use crate::updater_client::{ClientError, OrderResult, UpdaterClient};

/// Steps of a drill, at most: a host that has more does not end.
const MOST_STEPS: usize = 200;

impl UpdaterClient {
    /// Has the host drill beside an app. `hear` is given each step when it is over. To stop
    /// listening ends nothing on the host.
    pub async fn drill(
        &self,
        app: &AppName,
        hear: impl Fn(&DrillStep),
    ) -> Result<DrillReport, ClientError> {
        let mut connection = self.connect().await?;
        let target = format!("/drill?app={app}");
        let order = OrderRequest::post(
            &new_order_key(),
            Some(app),
            target,
            OrderBody::Nothing,
            Arc::new(|_| {}),
        );
        let request = self.build_request(&order, &Arc::new(AtomicU64::new(0)))?;
        let sent = connection.send(request);
        let response = with_timeout(self.timeouts.answer, "get an answer", sent).await??;
        let status = response.status();
        if !status.is_success() {
            let value = self.json(response).await?;
            let answer = OrderResult::from_problem(&value, status.as_u16());
            let detail = answer.detail.unwrap_or_default();
            return Err(ClientError::Refused { code: answer.code, detail });
        }
        let mut lines = Lines::new(response.into_body(), connection.address());
        for _ in 0..MOST_STEPS {
            let next = with_timeout(self.timeouts.answer, "go on with the drill", lines.next());
            let Some(line) = next.await?? else {
                return Err(ClientError::Malformed("it ends without a result".to_owned()));
            };
            match understand(&line)? {
                DrillLine::Step(step) => hear(&step),
                DrillLine::Result(report) => return Ok(*report),
            }
        }
        Err(ClientError::Malformed(format!("it has more than {MOST_STEPS} steps")))
    }
}

/// What it says is shortened, as everything that a host says.
fn understand(line: &[u8]) -> Result<DrillLine, ClientError> {
    let value = parse(line).unwrap_or_else(|| String::from_utf8_lossy(line).into_owned().into());
    serde_json::from_value(value.clone())
        .map_err(|error| ClientError::Malformed(format!("{error}: {}", shown(&value))))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use engine::MasterCode;
    use serde_json::{Value, json};

    use super::*;
    use crate::updater_client::testing::{app, scripted_peer};

    fn step(name: &str) -> Value {
        json!({"type": "step", "step": name, "passed": true, "duration_ms": 7})
    }

    fn result() -> Value {
        json!({
            "type": "result", "format": 1, "status": "passed", "code": null, "app": "agent",
            "started_at": "2026-01-02T03:04:05Z", "duration_ms": 9, "steps": [], "caller": "master",
        })
    }

    /// What comes of a host that answers with these lines.
    async fn drill_of(lines: Vec<Value>) -> (Result<DrillReport, ClientError>, Vec<String>) {
        let client = scripted_peer(move |mut call| {
            let lines = lines.clone();
            async move {
                assert!(call.is("POST /drill?app=agent "), "{}", call.head);
                call.begin_stream().await;
                for line in &lines {
                    call.line(line).await;
                }
            }
        })
        .await;
        let heard = Mutex::new(Vec::new());
        let ended =
            client.drill(&app(), |step| heard.lock().unwrap().push(step.step.clone())).await;
        (ended, heard.into_inner().unwrap())
    }

    #[tokio::test]
    async fn the_steps_are_heard_and_the_end_is_the_hosts_word() {
        let (ended, heard) = drill_of(vec![step("install"), step("rollback"), result()]).await;
        assert!(ended.unwrap().passed());
        assert_eq!(heard, ["install", "rollback"]);
    }

    #[tokio::test]
    async fn lesson_36_whatever_else_comes_is_an_error_of_its_kind() {
        for (lines, code) in [
            (vec![json!(7)], MasterCode::BadAnswer),
            (vec![step("x"); 300], MasterCode::BadAnswer),
            (vec![step("install")], MasterCode::ConnectionBroken),
        ] {
            let error = drill_of(lines).await.0.unwrap_err();
            assert_eq!(error.kind(), code, "{error:?}");
        }
    }
}
