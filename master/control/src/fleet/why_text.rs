//! What a host is waiting for, since when, and what happens next; else why it is as it is.

use protocol::{
    AgentDeath, AgentState, AppHealth, AppName, Code, HostName, LastTransaction, Phase,
};
use time::{Duration, OffsetDateTime};

use crate::fleet::Expected;
use crate::fleet::drift::named;
use crate::fleet::room::full_disk;
use crate::fleet::status::of_app;
use crate::fleet::why_answer::{HostAnswer, Subject, Why};
use crate::updater_client::{ClientError, UpdaterClient};

/// Asks the host. `expected` is what its apps should run.
pub async fn why(
    host: &HostName,
    client: Result<UpdaterClient, ClientError>,
    expected: &[Expected],
    now: OffsetDateTime,
) -> Vec<Why> {
    let failed = |error: &ClientError| {
        let line = error.one_line();
        let about = HostAnswer { error: Some(line.clone()), ..HostAnswer::default() };
        let missed = expected.iter().filter_map(|expected| missed(host, expected));
        std::iter::once(Why::of_host(host, about, line)).chain(missed).collect()
    };
    let client = match client {
        Ok(client) => client,
        Err(error) => return failed(&error),
    };
    let health = match client.fresh_health().await {
        Ok(health) => health,
        Err(error) => return failed(&error),
    };
    // What is kept there is no reason to say nothing.
    let releases = client.releases().await.ok();
    let mut answers = Vec::new();
    for (app, health) in health.apps {
        let output = match (&health.died, &health.last) {
            // What came last is what it is about.
            (Some(death), _) => death.output.clone(),
            (None, Some(last)) if last.code.is_some() && health.state == Phase::Idle => {
                output(&client, &app, last).await
            }
            _ => Vec::new(),
        };
        let expected = expected.iter().find(|expected| expected.desired.app == app);
        let line = line(&health, expected, now);
        let next = (health.state != Phase::Idle).then(|| next(health.state));
        let prev = releases.as_ref().and_then(|all| all.apps.get(&app)).and_then(|app| app.prev);
        let status = Box::new(of_app(app, health, prev, expected));
        let about = Subject::App { status, next };
        answers.push(Why { host: host.clone(), about, line, output });
    }
    answers
}

/// What was kept of the failure; nothing, if it was none or is too long ago.
async fn output(client: &UpdaterClient, app: &AppName, last: &LastTransaction) -> Vec<String> {
    let evidence = client.evidence(&last.transaction).await.unwrap_or_default();
    // Where it is the reason, the line has it.
    let said = last.detail.as_deref().unwrap_or_default();
    let exit = evidence.agent_exit.filter(|exit| !said.contains(exit.as_str()));
    let exit = exit.map(|exit| format!("the agent ended: {exit}"));
    let whole = |what: &str, log: &str| {
        let transaction = &last.transaction;
        format!(
            "all that {what} printed is in the host's state_dir: apps/{app}/evidence/{transaction}/{log}"
        )
    };
    let log = evidence.build_log.map(|log| whole("the build", &log));
    let built = evidence.build_output.into_iter().chain(log);
    let ran = evidence.commands.into_iter().flat_map(|command| {
        let log = whole(&command.name, &command.log);
        command.output.into_iter().chain([log])
    });
    let log = evidence.agent_log.map(|log| whole("the agent", &log));
    let printed = built.chain(ran).chain(evidence.agent_output).chain(log).chain(exit);
    let said = (!evidence.answer.is_empty()).then(|| "its answer to the probe began:".to_owned());
    printed.chain(said).chain(evidence.answer).collect()
}

/// What a host that does not answer should run, where it has missed that.
fn missed(host: &HostName, expected: &Expected) -> Option<Why> {
    let missed = expected.missed.clone()?;
    let app = &expected.desired.app;
    let line = format!("{app} should run {}: {}", named_desired(expected), missed.words());
    let desired = Some(expected.desired.digest);
    let about = HostAnswer { desired, missed: Some(missed), ..HostAnswer::default() };
    Some(Why::of_host(host, about, line))
}

fn line(app: &AppHealth, expected: Option<&Expected>, now: OffsetDateTime) -> String {
    if app.state != Phase::Idle {
        let since = ago(now - app.since);
        return format!("{} for {since}; next: {}", app.state, next(app.state));
    }
    let runs = match &app.active {
        Some(active) => {
            let has = match app.agent {
                AgentState::NoProcess => "has, without a process,",
                _ => "runs",
            };
            format!("{has} {}", named(&active.digest, active.version.as_deref()))
        }
        None => "has no release".to_owned(),
    };
    let agent = match &app.agent {
        AgentState::Stopped => match &app.start_refused {
            Some(why) => format!(", but is stopped and not to be started: {why}"),
            None => ", but was stopped on the host (there: updater start)".to_owned(),
        },
        _ if app.healthy => died(app.died.as_ref()),
        agent => match &app.reason {
            Some(reason) => format!(", and is not well: {reason}"),
            None => format!(", but its agent is {agent}"),
        },
    };
    let last = app.last.as_ref().map_or_else(String::new, |last| last_words(last, now));
    let drift = expected.and_then(|expected| drift(app, expected)).unwrap_or_default();
    let full = full_disk(app).map(|text| format!("; {text}")).unwrap_or_default();
    format!("idle, waits for nothing; {runs}{drift}{agent}{full}{last}")
}

fn drift(app: &AppHealth, expected: &Expected) -> Option<String> {
    let runs = app.active.as_ref().map(|active| active.digest);
    if runs == Some(expected.desired.digest) {
        return None;
    }
    let reason = expected.drift_reason(app.last.as_ref());
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    Some(format!(", and should run {}{reason}", named_desired(expected)))
}

fn named_desired(expected: &Expected) -> String {
    named(&expected.desired.digest, expected.version.as_deref())
}

fn died(death: Option<&AgentDeath>) -> String {
    death.map_or_else(String::new, |death| {
        format!("; its agent {death}; it runs again{}", death.last_words())
    })
}

fn last_words(last: &LastTransaction, now: OffsetDateTime) -> String {
    let code = last.code.as_ref().map(Code::name).filter(|code| *code != last.ended());
    let detail = last.detail.as_deref().filter(|_| last.code.is_some());
    let words: Vec<_> = [Some(last.ended()), code, detail].into_iter().flatten().collect();
    format!("; last {}, {} ago: {}", last.kind, ago(now - last.ended_at), words.join(": "))
}

/// What follows a phase, if it goes well and if it does not.
const fn next(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "nothing",
        Phase::Receiving => "the archive's end and digest are checked; a fault changes nothing",
        Phase::Verifying => "the release is built; a fault changes nothing",
        Phase::Building => "the release is staged, then switched to; a failure changes nothing",
        Phase::Staged => "the switch to the release",
        Phase::BackingUp => {
            "the migration of stored data; if the backup fails, the agent is started again"
        }
        Phase::Migrating => "the switch to the release, once stored data has its form",
        Phase::Starting => "the switch, if the new agent becomes ready beside the old one",
        Phase::Switching => "the agent is restarted, or handed over to",
        Phase::Draining | Phase::Restarting => {
            "the release has to prove that it answers, or it is taken back"
        }
        Phase::Probing => "the watch, if the release proves that it answers; else it is taken back",
        Phase::Confirming => {
            "the watch, if the master reaches the host on a new connection; else the release is \
             taken back"
        }
        Phase::Watching => "the end, if the release stays healthy; else it is taken back",
        Phase::Reversing => "the old release is restarted and has to prove that it answers",
    }
}

fn ago(time: Duration) -> String {
    let seconds = time.whole_seconds().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::updater_client::testing::{
        ScriptedPeers, app, digest, health, last, scripted_peer, serve_peer, short_timeouts,
    };

    const NOW: OffsetDateTime = time::macros::datetime!(2026-01-01 00:03:00 UTC);

    fn of(health: &Value) -> String {
        let app = serde_json::from_value(health["apps"]["agent"].clone()).unwrap();
        line(&app, None, NOW)
    }

    #[test]
    fn a_host_under_way_says_since_when_and_what_is_next() {
        assert_eq!(
            of(&health("probing", None, &Value::Null)),
            "probing for 3 min; next: the watch, if the release proves that it answers; else it \
             is taken back"
        );
    }

    #[test]
    fn an_idle_host_says_how_its_last_transaction_ended() {
        let mut ended = last("x", "rolled_back");
        ended["code"] = json!("rolled_back");
        assert_eq!(
            of(&health("idle", None, &ended)),
            format!(
                "idle, waits for nothing; runs 1 ({}); last update, 2 min ago: rolled_back: why",
                digest(1).short()
            )
        );
    }

    #[test]
    fn a_full_disk_is_told_before_a_release_comes() {
        let mut full = health("idle", None, &Value::Null);
        full["apps"]["agent"]["room"] = json!(0);
        assert!(of(&full).contains("; no release fits on its disk"), "{}", of(&full));
        let told = serde_json::from_value(full["apps"]["agent"].clone()).unwrap();
        let status = of_app(app(), told, None, None);
        assert!(status.complaints()[0].starts_with("no release fits on its disk"));
        full["apps"]["agent"]["room"] = json!(1);
        assert!(!of(&full).contains("no release fits"), "{}", of(&full));
    }

    #[tokio::test]
    async fn the_output_of_the_failure_comes_with_it() {
        let client = scripted_peer(|mut call| async move {
            if call.is("GET /health") {
                let mut ended = last("x", "rolled_back");
                ended["code"] = json!("rolled_back");
                return call.json(200, &health("idle", None, &ended)).await;
            }
            let evidence = json!({"build_log": "build.log", "agent_output": ["boom"], "agent_log": "agent.log",
                "commands": [{"name": "up", "output": ["locked"], "log": "up.log"}, {"name": "down", "output": []}],
                "answer": ["no such site"], "agent_exit": "exit status 3"});
            call.json(200, &evidence).await;
        })
        .await;
        let answers = why(&"web-1".parse().unwrap(), Ok(client), &[], NOW).await;
        assert_eq!(answers[0].app(), Some(&app()));
        assert_eq!(
            answers[0].output,
            [
                "all that the build printed is in the host's state_dir: \
                 apps/agent/evidence/0190a5c2-6f00-7000-8000-000000000000/build.log",
                "locked",
                "all that up printed is in the host's state_dir: \
                 apps/agent/evidence/0190a5c2-6f00-7000-8000-000000000000/up.log",
                "boom",
                "all that the agent printed is in the host's state_dir: \
                 apps/agent/evidence/0190a5c2-6f00-7000-8000-000000000000/agent.log",
                "the agent ended: exit status 3",
                "its answer to the probe began:",
                "no such site"
            ]
        );
    }

    #[tokio::test]
    async fn a_host_that_cannot_be_asked_is_an_answer_too() {
        let peers = ScriptedPeers::new();
        let (issued, server) = peers.updater("web-1");
        let address =
            serve_peer(server, |mut call| async move { call.say("?\r\n\r\n").await }).await;
        let host: HostName = "web-1".parse().unwrap();
        let tls = peers.tls("web-1", &issued);
        let client = UpdaterClient::new(host.clone(), address, tls, 1, short_timeouts());
        let answers = why(&host, Ok(client), &[], NOW).await;
        assert!(answers[0].line.starts_with("failed to "), "{}", answers[0].line);
    }
}
