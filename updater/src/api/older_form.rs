//! Answers in the form of the reference updater, for its clients: those that send
//! `multipart/form-data`, and those that ask for a rollback with nothing but its path.
//!
//! They take any 409 for an update that was undone, read `detail` as an object, and `probe` as a
//! text. What is ours stays beside that.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Uri};
use protocol::{AgentState, AppHealth, FORMAT, Health, SlotRelease, header};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::announced::Form;
use crate::api::follow::wants_lines;

/// Bytes of an answer; no order's answer comes near it.
const ANSWER_BYTES: usize = 16 << 20;

/// `GET /health`, with what clients of the older form read in it.
#[derive(Debug, Serialize)]
pub(super) struct HealthAnswer {
    #[serde(flatten)]
    health: Health,
    role: &'static str,
    agent_status: String,
    /// What the default app's `active` and `prev` name.
    releases: Vec<SlotRelease>,
}

impl HealthAnswer {
    /// `agent` is the default app, if there is one.
    pub(super) fn new(
        health: Health,
        agent: Option<&AppHealth>,
        releases: Vec<SlotRelease>,
    ) -> Self {
        Self { role: "updater", agent_status: agent_status(agent), releases, health }
    }
}

/// `ok` where all is well, which is the word that they look for.
fn agent_status(agent: Option<&AppHealth>) -> String {
    match agent {
        None => AgentState::None.to_string(),
        Some(agent) if ![AgentState::Running, AgentState::NoProcess].contains(&agent.agent) => {
            agent.agent.to_string()
        }
        Some(agent) if agent.healthy => "ok".to_owned(),
        Some(_) => "unhealthy".to_owned(),
    }
}

/// Whether a request is in the older form.
pub(super) fn is_asked_for(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    if method != Method::POST || wants_lines(headers) {
        return false;
    }
    if Form::of(headers).is_ok_and(|form| form == Form::Multipart) {
        return true;
    }
    let ours = [header::EPOCH, header::IDEMPOTENCY_KEY];
    let bare = uri.query().is_none()
        && !headers.contains_key(CONTENT_TYPE)
        && !headers.contains_key(TRANSFER_ENCODING)
        && headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0")
        && !ours.iter().any(|name| headers.contains_key(*name));
    bare && uri.path() == "/rollback"
}

/// Puts the answer to a request of the older form into that form.
pub(super) async fn answer(request: Request, next: Next) -> Response {
    let asked = is_asked_for(request.method(), request.uri(), request.headers());
    // What its clients do with an answer to a rollback follows from 200 and 404 alone.
    let pushed = Form::of(request.headers()).is_ok_and(|form| form == Form::Multipart);
    let response = next.run(request).await;
    if asked { translated(response, pushed).await } else { response }
}

async fn translated(response: Response, pushed: bool) -> Response {
    let (mut head, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, ANSWER_BYTES).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Ok(Value::Object(mut answer)) = serde_json::from_slice(&bytes) else {
        return Response::from_parts(head, Body::from(bytes));
    };
    if head.status.is_success() {
        let probe = answer.get("probe").and_then(|probe| probe.get("detail"));
        let probe = probe.and_then(Value::as_str).unwrap_or_default().to_owned();
        answer.insert("probe".to_owned(), probe.into());
    } else {
        let rolled_back = answer.get("rolled_back") == Some(&Value::Bool(true));
        if pushed && head.status == StatusCode::CONFLICT && !rolled_back {
            head.status = StatusCode::INTERNAL_SERVER_ERROR;
            answer.insert("status".to_owned(), head.status.as_u16().into());
        }
        let lines = answer.get("output").and_then(Value::as_array).into_iter().flatten();
        let lines: Vec<_> = lines.filter_map(Value::as_str).collect();
        let stderr = lines.join("\n");
        let error = answer.remove("detail").unwrap_or_default();
        // Its command line reads them in `detail`, and its pages beside it.
        answer.insert("error".to_owned(), error.clone());
        answer.insert("stderr".to_owned(), stderr.clone().into());
        let detail = json!({ "error": error, "stderr": stderr, "rolled_back": rolled_back });
        answer.insert("detail".to_owned(), detail);
    }
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, Body::from(Value::Object(answer).to_string()))
}

/// `GET /releases`, with what clients of the older form read in it.
#[derive(Debug, Serialize)]
pub(super) struct ReleasesAnswer<T> {
    format: u32,
    apps: T,
    releases: Vec<SlotRelease>,
}

impl<T> ReleasesAnswer<T> {
    /// `releases` are those of the default app.
    pub(super) const fn new(apps: T, releases: Vec<SlotRelease>) -> Self {
        Self { format: FORMAT, apps, releases }
    }
}

#[cfg(test)]
mod tests {
    use axum::Json;
    use http::HeaderValue;
    use protocol::{Code, Problem};

    use super::*;
    use crate::api::ApiError;

    fn asked(path: &str, headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), HeaderValue::from_static(value))
        });
        is_asked_for(&Method::POST, &path.parse().unwrap(), &headers.collect())
    }

    #[test]
    fn a_form_is_told_from_an_order_of_ours() {
        let form = ("content-type", "multipart/form-data; boundary=x");
        assert!(asked("/update", &[form]));
        assert!(!asked("/update", &[form, ("accept", "application/x-ndjson")]));
        assert!(asked("/rollback", &[("accept", "*/*"), ("content-length", "0")]));
        assert!(!asked("/rollback?app=web", &[]));
        assert!(!asked("/rollback", &[("swarm-epoch", "1")]));
        assert!(!asked("/rollback", &[("content-type", "application/json")]));
        assert!(!asked("/rollback", &[("content-length", "2")]));
        assert!(!asked("/update", &[]));
    }

    async fn said(response: Response) -> (u16, Value) {
        let response = translated(response, true).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    fn problem(code: Code, rolled_back: bool) -> Response {
        let problem = Problem::new(code, "why");
        let output = vec!["one".to_owned(), "two".to_owned()];
        let rolled_back = Some(rolled_back);
        ApiError::from(Problem { output, rolled_back, ..problem }).into_response()
    }

    #[tokio::test]
    async fn a_409_says_that_it_was_undone_and_nothing_else() {
        let (status, body) = said(problem(Code::RolledBack, true)).await;
        assert_eq!(status, 409);
        let detail = json!({"error": "why", "stderr": "one\ntwo", "rolled_back": true});
        assert_eq!(body["detail"], detail);
        assert_eq!((&body["error"], &body["stderr"]), (&json!("why"), &json!("one\ntwo")));
        assert_eq!(body["code"], "rolled_back");
        for code in [Code::Quarantined, Code::Interrupted, Code::Irreversible] {
            let (status, body) = said(problem(code, false)).await;
            assert_eq!((status, &body["status"]), (500, &json!(500)));
            assert_eq!(body["detail"]["rolled_back"], false);
        }
        let refused = translated(problem(Code::Irreversible, false), false).await;
        assert_eq!(refused.status(), StatusCode::CONFLICT);
    }

    #[tokio::test]
    async fn a_probe_is_a_text() {
        let report = json!({"status": "updated", "probe": {"passed": true, "detail": "200"}});
        assert_eq!(said(Json(report).into_response()).await.1["probe"], "200");
        let none = json!({"status": "already_current", "probe": null});
        assert_eq!(said(Json(none).into_response()).await.1["probe"], "");
    }
}
