//! `GET /metrics`: Prometheus' text format (version 0.0.4).

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use protocol::{AppHealth, AppName, Health};

use crate::daemon::Daemon;

pub(super) async fn metrics(State(daemon): State<Arc<Daemon>>) -> impl IntoResponse {
    let text = render(&daemon.health());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

fn render(health: &Health) -> String {
    let mut text = String::new();
    let labels = [("version", health.version.clone()), ("digest", health.digest.to_string())];
    family(&mut text, "updater_info", "gauge", "The updater that runs.");
    sample(&mut text, "updater_info", &labels, 1);
    family(&mut text, "updater_uptime_seconds", "gauge", "Seconds since it was started.");
    sample(&mut text, "updater_uptime_seconds", &[], health.uptime_seconds);
    family(&mut text, "updater_epoch", "gauge", "The highest epoch of a master seen.");
    sample(&mut text, "updater_epoch", &[], health.epoch);
    family(
        &mut text,
        "updater_app_healthy",
        "gauge",
        "1 unless the agent should run and does not.",
    );
    for (name, app) in &health.apps {
        sample(&mut text, "updater_app_healthy", &[app_label(name)], u64::from(app.healthy));
    }
    family(&mut text, "updater_app_phase", "gauge", "The phase of the app's transaction.");
    for (name, app) in &health.apps {
        let labels = [app_label(name), ("phase", app.state.to_string())];
        sample(&mut text, "updater_app_phase", &labels, 1);
    }
    family(&mut text, "updater_app_release_info", "gauge", "The release that is active.");
    for (name, app) in &health.apps {
        release_sample(&mut text, name, app);
    }
    let help = "When the last transaction ended, by its outcome.";
    family(&mut text, "updater_app_last_transaction_timestamp_seconds", "gauge", help);
    for (name, app) in &health.apps {
        if let Some(last) = &app.last {
            let labels = [app_label(name), ("outcome", last.outcome.to_string())];
            let seconds = u64::try_from(last.ended_at.unix_timestamp()).unwrap_or(0);
            let metric = "updater_app_last_transaction_timestamp_seconds";
            sample(&mut text, metric, &labels, seconds);
        }
    }
    text
}

fn release_sample(text: &mut String, name: &AppName, app: &AppHealth) {
    if let Some(active) = &app.active {
        let version = active.version.clone().unwrap_or_default();
        let labels = [app_label(name), ("digest", active.digest.to_string()), ("version", version)];
        sample(text, "updater_app_release_info", &labels, 1);
    }
}

fn app_label(name: &AppName) -> (&'static str, String) {
    ("app", name.to_string())
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn sample(text: &mut String, name: &str, labels: &[(&str, String)], value: u64) {
    let pairs: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
    let labels = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
    let _ = writeln!(text, "{name}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read_by_a_person_too() {
        let health = serde_json::from_value(serde_json::json!({
            "format": 1, "status": "ok", "host": "web-1", "version": "0.1.0",
            "digest": format!("sha256:{}", "a".repeat(64)), "uptime_seconds": 5, "epoch": 2,
            "apps": { "agent": {
                "state": "watching", "since": "2026-01-02T03:04:05Z", "healthy": true,
                "agent": "running", "pid": 7, "active": null, "last": null,
            }},
        }));
        let text = render(&health.unwrap());
        assert!(text.contains("updater_app_phase{app=\"agent\",phase=\"watching\"} 1\n"), "{text}");
        assert!(text.contains("updater_uptime_seconds 5\n"), "{text}");
    }
}
