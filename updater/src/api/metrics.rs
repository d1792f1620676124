//! `GET /metrics`: Prometheus' text format (version 0.0.4).

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use protocol::{AppHealth, AppName, Health};
use time::OffsetDateTime;

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
        "1 if the program is well, by its process and its own probe, and a release was proven.",
    );
    for (name, app) in &health.apps {
        sample(&mut text, "updater_app_healthy", &[app_label(name)], u64::from(app.healthy));
    }
    probe_samples(&mut text, health);
    death_samples(&mut text, health);
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
            let metric = "updater_app_last_transaction_timestamp_seconds";
            sample(&mut text, metric, &labels, seconds(last.ended_at));
        }
    }
    text
}

fn probe_samples(text: &mut String, health: &Health) {
    let stranded = "updater_app_stranded";
    family(text, stranded, "gauge", "1 while no release could be proven, and none was since.");
    for (name, app) in &health.apps {
        sample(text, stranded, &[app_label(name)], u64::from(app.stranded));
    }
    let probes = || health.apps.iter().filter_map(|(name, app)| Some((name, app.probe.as_ref()?)));
    let passed = "updater_app_probe_passed";
    family(text, passed, "gauge", "1 if the last answer to the app's own probe passed.");
    for (name, probe) in probes() {
        sample(text, passed, &[app_label(name)], u64::from(probe.passed));
    }
    let at = "updater_app_probe_timestamp_seconds";
    family(text, at, "gauge", "When the last answer to the app's own probe came.");
    for (name, probe) in probes() {
        sample(text, at, &[app_label(name)], seconds(probe.at));
    }
}

fn death_samples(text: &mut String, health: &Health) {
    let deaths = "updater_app_agent_deaths";
    let help = "How often the agent died outside of transactions since its release was proven.";
    family(text, deaths, "gauge", help);
    for (name, app) in &health.apps {
        let times = app.died.as_ref().map_or(0, |death| u64::from(death.times));
        sample(text, deaths, &[app_label(name)], times);
    }
    let last = "updater_app_agent_last_death_timestamp_seconds";
    family(text, last, "gauge", "When the agent last died outside of transactions, and of what.");
    for (name, app) in &health.apps {
        if let Some(death) = &app.died {
            let labels = [app_label(name), ("how", death.how.clone())];
            sample(text, last, &labels, seconds(death.at));
        }
    }
}

fn seconds(time: OffsetDateTime) -> u64 {
    u64::try_from(time.unix_timestamp()).unwrap_or(0)
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
                "agent": "running", "pid": 7, "active": null, "last": null, "stranded": true,
                "probe": { "at": "2026-01-02T03:04:05Z", "passed": false, "failures": 2, "detail": "500" },
                "died": { "how": "exited with status 7", "at": "2026-01-02T03:04:05Z", "times": 4,
                    "since": "2026-01-02T03:04:05Z" },
            }},
        }));
        let text = render(&health.unwrap());
        assert!(text.contains("updater_app_phase{app=\"agent\",phase=\"watching\"} 1\n"), "{text}");
        for line in [
            "updater_app_probe_passed{app=\"agent\"} 0\n",
            "updater_app_stranded{app=\"agent\"} 1\n",
            "updater_app_agent_deaths{app=\"agent\"} 4\n",
            "_last_death_timestamp_seconds{app=\"agent\",how=\"exited with status 7\"} 1767323045\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(text.contains("updater_uptime_seconds 5\n"), "{text}");
    }
}
