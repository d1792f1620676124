//! Updaters that lie to the master: each has the identity of an enrolled host. Each ends as its own
//! row, whatever it says; nothing that it says is obeyed by a terminal; and the honest hosts beside it
//! are updated all the same.

use std::fs::File;
use std::process::Command;

use anyhow::{Context as _, Result};
use fleet_tests::{Exchange, Fleet, Setup, Tree, impersonate_updater, peak_until_end};
use serde_json::{Value, json};

/// What `swarm` may need, in MiB, whatever it is told.
const MEBIBYTES: f64 = 128.0;
/// Text that a terminal would obey, and a person would misread.
const ESCAPES: &str = "\u{1b}[31mred\u{1b}]0;title\u{7}\r\u{9b}2J\u{202e}drow\u{2028}\n";
const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const DIGEST: &str = "sha256:0101010101010101010101010101010101010101010101010101010101010101";
const OTHER: &str = "sha256:0202020202020202020202020202020202020202020202020202020202020202";
const TRANSACTION: &str = "0190a5c2-6f00-7000-8000-000000000000";
const EARLIER: &str = "0190a5c2-6f00-7000-8000-00000000000f";
const ANOTHER: &str = "0190a5c2-6f00-7000-8000-000000000001";

/// A lie, and how the row of the host that tells it begins: its outcome and its code.
struct Lie {
    name: &'static str,
    row: (&'static str, &'static str),
    tell: fn(Exchange) -> Result<()>,
}

const fn lie_of(
    name: &'static str,
    row: (&'static str, &'static str),
    tell: fn(Exchange) -> Result<()>,
) -> Lie {
    Lie { name, row, tell }
}

/// Those who lie before anything is ordered: every command hears them.
const ABOUT_HEALTH: &[Lie] = &[
    lie_of("closes", ("unreachable", "connection_broken"), |_| Ok(())),
    lie_of("half", ("unreachable", "connection_broken"), |mut exchange| {
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"format\": 1")
    }),
    lie_of("silent", ("unreachable", "timed_out"), |mut exchange| {
        exchange.wait_for_close();
        Ok(())
    }),
    lie_of("drips", ("unreachable", "timed_out"), |mut exchange| {
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")?;
        exchange.wait_for_close();
        Ok(())
    }),
    lie_of("huge-body", ("unreachable", "bad_answer"), |mut exchange| {
        exchange.send("HTTP/1.1 200 OK\r\n\r\n")?;
        exchange.send_forever(b"[0,0,0,0,0,0,0,0],")
    }),
    lie_of("huge-number", ("unreachable", "bad_answer"), |mut exchange| {
        exchange.respond(200, JSON, format!("[{}0]", "0,".repeat(500_000)))
    }),
    lie_of("huge-head", ("unreachable", "connection_broken"), |mut exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nx: ")?;
        exchange.send_forever(b"y")
    }),
    lie_of("endless-head", ("unreachable", "connection_broken"), |mut exchange| {
        exchange.send("HTTP/1.1 200 OK\r\n")?;
        exchange.send_forever(b"x: y\r\n")
    }),
    lie_of("informs", ("unreachable", "timed_out"), |mut exchange| {
        exchange.send_forever(b"HTTP/1.1 102 Processing\r\n\r\n")
    }),
    lie_of("deep", ("unreachable", "bad_answer"), |mut exchange| {
        exchange.respond(200, JSON, "[".repeat(1 << 19))
    }),
    lie_of("deep-objects", ("unreachable", "bad_answer"), |mut exchange| {
        exchange.respond(200, JSON, "{\"a\":".repeat(100_000))
    }),
    lie_of("no-text", ("unreachable", "bad_answer"), |mut exchange| {
        exchange.respond(200, JSON, b"{\"format\": 1, \"status\": \"\xff\xfe\xc0\x80\"}")
    }),
    lie_of("wrong-types", ("unreachable", "bad_answer"), |mut exchange| {
        let wrong = json!({"format": "one", "status": 7, "apps": [], "version": {}, "host": null});
        exchange.respond(200, JSON, wrong.to_string())
    }),
    lie_of("of-tomorrow", ("unreachable", "bad_answer"), |mut exchange| {
        exchange.respond(200, JSON, json!({"format": 99, "apps": {}}).to_string())
    }),
    lie_of("html", ("unreachable", "bad_answer"), |mut exchange| {
        exchange.respond(200, "text/html", format!("<html><script>alert(1)</script>{ESCAPES}"))
    }),
    lie_of("html-error", ("unreachable", "bad_answer"), |mut exchange| {
        exchange.respond(502, "text/html", format!("<html><h1>Bad Gateway</h1>{ESCAPES}"))
    }),
    lie_of("redirects", ("unreachable", "bad_answer"), |mut exchange| {
        exchange
            .send("HTTP/1.1 302 Found\r\nlocation: https://elsewhere/\r\ncontent-length: 0\r\n\r\n")
    }),
    lie_of("escapes-error", ("failed", ESCAPES_CODE), |mut exchange| {
        let problem = json!({"code": ESCAPES, "detail": ESCAPES, "title": ESCAPES});
        exchange.respond(500, "application/problem+json", problem.to_string())
    }),
    lie_of("other-protocol", ("unreachable", "connection_broken"), |mut exchange| {
        exchange.send("SSH-2.0-OpenSSH_9.2\r\n")
    }),
];

/// A code is shown as it was sent, without its ends.
const ESCAPES_CODE: &str = "\u{1b}[31mred\u{1b}]0;title\u{7}\r\u{9b}2J\u{202e}drow";

/// Those who are well, and lie about the order. What they say of it then is `tell`'s.
const ABOUT_ORDERS: &[Lie] = &[
    lie_of("order-closes", ("failed", "not_taken"), |_| Ok(())),
    lie_of("order-silent", ("failed", "not_taken"), |mut exchange| {
        exchange.wait_for_close();
        Ok(())
    }),
    lie_of("order-html", ("failed", "not_taken"), |mut exchange| {
        exchange.read_archive()?;
        exchange.respond(200, "text/html", format!("<html>{ESCAPES}"))
    }),
    lie_of("order-refused", ("failed", ESCAPES_CODE), |mut exchange| {
        let problem = json!({
            "code": ESCAPES, "detail": {"deep": [ESCAPES]}, "entry": ESCAPES,
            "output": [ESCAPES, 7, null, {"x": ESCAPES}],
        });
        exchange.respond(422, "application/problem+json", problem.to_string())
    }),
    lie_of("order-redirects", ("failed", "redirected"), |mut exchange| {
        let body = json!({"code": "redirected"}).to_string();
        exchange.send(format!(
            "HTTP/1.1 307 X\r\nlocation: https://elsewhere/\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
    }),
    lie_of("endless-events", ("failed", "not_taken"), |mut exchange| {
        begin(&mut exchange)?;
        let probe = event(&json!({"type": "probe", "attempt": 1, "passed": false, "detail": "x"}));
        exchange.send_forever(probe.as_bytes())
    }),
    lie_of("endless-phases", ("failed", "not_taken"), |mut exchange| {
        begin(&mut exchange)?;
        let phase = |phase: &str| {
            let detail = "y".repeat(10_000);
            event(&json!({"type": "phase", "phase": phase, "kind": "update", "detail": detail}))
        };
        exchange.send_forever((phase("building") + &phase("probing")).as_bytes())
    }),
    lie_of("endless-line", ("failed", "not_taken"), |mut exchange| {
        begin(&mut exchange)?;
        exchange.send_forever(b"{\"type\": \"result\", \"status\": ")
    }),
    lie_of("events-of-nothing", ("failed", "not_taken"), |mut exchange| {
        begin(&mut exchange)?;
        exchange.send(format!("{}\n[]\n7\n", json!({"type": {}, "phase": ESCAPES, "id": -1})))
    }),
    lie_of("escapes", ("rolled_back", ESCAPES_CODE), |mut exchange| {
        begin(&mut exchange)?;
        exchange.send(event(&json!({
            "type": "phase", "phase": "building", "kind": "update", "detail": ESCAPES,
        })))?;
        let problem = json!({"detail": ESCAPES, "output": [ESCAPES], "rolled_back": true});
        exchange.send(result(json!({
            "status": "rolled_back", "code": ESCAPES, "problem": problem, "to": DIGEST,
        })))
    }),
    lie_of("updated-to-another", ("failed", "bad_answer"), |mut exchange| {
        begin(&mut exchange)?;
        exchange.send(result(json!({"status": "updated", "to": OTHER})))
    }),
    lie_of("updated-to-nothing", ("failed", "bad_answer"), |mut exchange| {
        begin(&mut exchange)?;
        exchange.send(result(json!({"status": "updated"})))
    }),
    lie_of("current-of-another", ("failed", "bad_answer"), |mut exchange| {
        exchange.respond(200, JSON, json!({"status": "already_current", "to": OTHER}).to_string())
    }),
    lie_of("only-staged", ("failed", "bad_answer"), |mut exchange| {
        begin(&mut exchange)?;
        exchange.send(result(json!({"status": "staged", "to": OTHER})))
    }),
    lie_of("another-transaction", ("failed", "not_taken"), |mut exchange| {
        let asked = exchange.header("content-digest").map(str::to_owned).context("a digest")?;
        begin(&mut exchange)?;
        let digest = protocol::parse_content_digest(&asked)?;
        let lie = json!({"status": "updated", "to": digest, "transaction": ANOTHER});
        exchange.send(result(lie))
    }),
    lie_of("huge-output", ("failed", "build_failed"), |mut exchange| {
        begin(&mut exchange)?;
        let lines = vec!["z".repeat(9_000); 100];
        exchange.send(result(json!({
            "status": "failed", "code": "build_failed", "problem": {"output": lines},
        })))
    }),
];

/// The head of a stream of events, after the archive has been taken.
fn begin(exchange: &mut Exchange) -> Result<()> {
    exchange.read_archive()?;
    exchange.send(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {NDJSON}\r\nswarm-transaction: {TRANSACTION}\r\n\r\n"
    ))
}

fn event(more: &Value) -> String {
    let mut event = json!({
        "id": 1, "time": "2026-01-01T00:00:00Z", "app": "agent", "transaction": TRANSACTION,
    });
    if let (Some(event), Some(more)) = (event.as_object_mut(), more.as_object()) {
        event.extend(more.clone());
    }
    format!("{event}\n")
}

fn result(mut more: Value) -> String {
    more["type"] = json!("result");
    event(&more)
}

/// A host that is well, and says escape sequences wherever it may say a text.
fn health() -> String {
    json!({
        "format": 1, "status": ESCAPES, "host": "web-1", "version": ESCAPES, "digest": DIGEST,
        "uptime_seconds": 5, "epoch": 1,
        "apps": {"agent": {
            "state": "idle", "since": "2026-01-01T00:00:00Z", "transaction": null,
            "healthy": true, "agent": ESCAPES, "pid": 4, "warnings": [ESCAPES],
            "active": {"digest": DIGEST, "version": ESCAPES, "path": ESCAPES},
            "last": {
                "format": 1, "transaction": EARLIER, "kind": "update",
                "outcome": "rolled_back", "code": "rolled_back", "detail": ESCAPES,
                "from": DIGEST, "to": DIGEST, "target": OTHER, "order": ESCAPES,
                "started_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T00:00:02Z",
                "caller": ESCAPES,
            },
        }},
    })
    .to_string()
}

/// Two honest hosts, and a liar for each lie.
fn fleet() -> Result<Fleet> {
    let mut fleet = Fleet::of(2, &Setup::default())?;
    for Lie { name, tell, .. } in ABOUT_HEALTH {
        liar(&mut fleet, name, *tell)?;
    }
    for Lie { name, tell, .. } in ABOUT_ORDERS {
        liar(&mut fleet, name, move |mut exchange: Exchange| {
            if exchange.head.starts_with("GET /health ") {
                return exchange.respond(200, JSON, health());
            }
            if exchange.head.starts_with("GET /evidence/") {
                let lines = json!([ESCAPES, ESCAPES]);
                let evidence = json!({
                    "build_output": lines, "agent_output": lines, "agent_exit": ESCAPES,
                });
                return exchange.respond(200, JSON, evidence.to_string());
            }
            if exchange.head.starts_with("GET ") {
                return exchange.respond(500, JSON, ESCAPES);
            }
            tell(exchange)
        })?;
    }
    Ok(fleet)
}

fn liar(
    fleet: &mut Fleet,
    name: &str,
    tell: impl Fn(Exchange) -> Result<()> + Send + Sync + 'static,
) -> Result<()> {
    let host = fleet.enroll(name, &Setup::default())?;
    impersonate_updater(host, &[host.directory.join("bundle/updater")], tell)
}

/// What a `swarm` command came to, and how much memory it had at most, in MiB.
struct CommandRun {
    code: i32,
    out: String,
    err: String,
    mebibytes: f64,
}

fn told(fleet: &Fleet, words: &[&str]) -> Result<CommandRun> {
    let files = tempfile::tempdir_in(fleet.sandbox().path())?;
    let (out, err) = (files.path().join("out"), files.path().join("err"));
    // As people in a hurry do.
    let mut command: Command = fleet.command(["--timeout", "6s"])?;
    command.args(words).stdout(File::create(&out)?).stderr(File::create(&err)?);
    let mut child = command.spawn()?;
    let mebibytes = peak_until_end(&mut child)?;
    let code = child.wait()?.code().context("it was killed")?;
    let read = |path| Ok::<_, anyhow::Error>(std::fs::read_to_string(path)?);
    Ok(CommandRun { code, out: read(&out)?, err: read(&err)?, mebibytes })
}

impl CommandRun {
    /// Nothing in it is obeyed by a terminal, or turns the direction of writing.
    fn is_harmless(&self, what: &str) {
        for text in [&self.out, &self.err] {
            let harmful = text.chars().find(|character| {
                (character.is_control() && *character != '\n')
                    || "\u{202e}\u{2028}".contains(*character)
            });
            assert_eq!(harmful, None, "{what}: {text}");
        }
        assert!(self.mebibytes <= MEBIBYTES, "{what}: {} MiB", self.mebibytes);
    }
}

#[test]
fn lesson_36_whatever_a_worker_says_is_its_own_row_and_costs_the_others_nothing() -> Result<()> {
    let fleet = fleet()?;
    let tree = Tree::agent(&fleet_tests::Behaviour::default())?;
    let root = tree.path().to_str().context("a path")?;
    let hosts = fleet.hosts.len();
    let everybody = hosts.to_string();
    let update = ["--json", "update", "--all", "--parallel", &everybody, "--root", root];
    let update = told(&fleet, &update)?;
    assert_eq!(update.code, 1, "{}", update.err);
    update.is_harmless("update --json");
    let summary = update.out.lines().last().context("a summary")?;
    let summary: Value = serde_json::from_str(summary)?;
    let rows = summary["hosts"].as_array().context("rows")?;
    assert_eq!(rows.len(), hosts);
    let row = |host: &str| {
        rows.iter().find(|row| row["host"] == host).with_context(|| format!("no row of {host}"))
    };
    let mut wrong = Vec::new();
    for Lie { name, row: expected, .. } in ABOUT_HEALTH.iter().chain(ABOUT_ORDERS) {
        let row = row(name)?;
        let found = (row["outcome"].as_str(), row["code"].as_str());
        if found != (Some(expected.0), Some(expected.1)) {
            wrong.push(format!("{name}: {row}"));
        }
        let detail = row["detail"].as_str().unwrap_or_default();
        assert!(detail.chars().count() <= 2_500, "{name}: {} long", detail.len());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for honest in ["web-1", "web-2"] {
        assert_eq!(row(honest)?["outcome"], "updated");
    }
    for host in &fleet.hosts[..2] {
        assert!(host.running().is_some());
    }
    // And so it is when people look.
    let looks: [(&[&str], i32); 6] = [
        (&["check"], 1),
        (&["check", "--json"], 1),
        (&["status", "--all"], 1),
        (&["status", "--all", "--json"], 1),
        (&["history"], 0),
        (&["history", "--json"], 0),
    ];
    all_at_once(looks, |(words, code)| {
        let told = told(&fleet, words)?;
        assert_eq!(told.code, code, "{words:?}: {}", told.err);
        told.is_harmless(&format!("{words:?}"));
        let has_a_row = |name: &str| words[0] == "history" || told.out.contains(name);
        assert!(fleet.hosts.iter().all(|host| has_a_row(&host.name)), "{words:?}: {}", told.out);
        Ok(())
    })?;
    all_at_once(ABOUT_HEALTH.iter().chain(ABOUT_ORDERS), |Lie { name, .. }| {
        for words in [["why", name].as_slice(), &["log", name], &["log", name, "--json"]] {
            told(&fleet, words)?.is_harmless(&format!("{words:?}"));
        }
        Ok(())
    })?;
    let update = ["update", "--all", "--parallel", &everybody, "--force", "--root", root];
    let update = told(&fleet, &update)?;
    assert_eq!(update.code, 1);
    update.is_harmless("update");
    Ok(())
}

/// Does it to each, in a thread of its own: some of them wait for nobody to answer.
fn all_at_once<T: Send>(
    each: impl IntoIterator<Item = T>,
    act: impl Fn(T) -> Result<()> + Sync,
) -> Result<()> {
    std::thread::scope(|scope| {
        let act = &act;
        let threads: Vec<_> = each.into_iter().map(|one| scope.spawn(move || act(one))).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}
