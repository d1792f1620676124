//! What `--json` prints is as `docs/schema/` says, and jq answers with it what `docs/json.md` asks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use clap::CommandFactory as _;
use fleet_tests::{Behaviour, Fleet, LONG, Output, Setup, Tree, eventually, program};
use insta::assert_snapshot;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// From here the page and the schemas are read.
fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// The schemas of each command, by its words.
fn schemas_by_command() -> Result<BTreeMap<String, Vec<String>>> {
    let page = fs::read_to_string(docs().join("json.md"))?;
    let row = |line: &str| {
        let (command, schemas) = line.strip_prefix("| `")?.split_once("` | [")?;
        let schemas = schemas.split("](schema/").skip(1);
        let schemas = schemas.filter_map(|rest| rest.split_once(".json)"));
        Some((command.to_owned(), schemas.map(|(name, _)| name.to_owned()).collect()))
    };
    Ok(page.lines().filter_map(row).collect())
}

/// Documents that were printed, with the command that did.
#[derive(Default)]
struct Printed {
    documents: Vec<(String, Value)>,
}

impl Printed {
    /// Keeps what a command printed: one document, or one a line.
    fn keep(&mut self, command: &str, output: &Output) -> Result<Value> {
        let documents = serde_json::Deserializer::from_str(&output.stdout).into_iter();
        let documents: Vec<Value> =
            documents.collect::<Result<_, _>>().with_context(|| format!("{output:?}"))?;
        let last = documents.last().cloned().with_context(|| format!("{command}: {output:?}"))?;
        self.documents.extend(documents.into_iter().map(|it| (command.to_owned(), it)));
        Ok(last)
    }

    /// Types it, and keeps what it printed. `command` is its row in the book.
    fn swarm(&mut self, fleet: &Fleet, command: &str, rest: &[&str]) -> Result<Value> {
        let words = command.split(' ').skip(1).chain(rest.iter().copied()).chain(["--json"]);
        self.keep(command, &fleet.swarm(words)?)
    }

    fn updater(&mut self, host: &fleet_tests::Host, word: &str, rest: &[&str]) -> Result<Value> {
        let words: Vec<_> =
            [word].into_iter().chain(rest.iter().copied()).chain(["--json"]).collect();
        self.keep(&format!("updater {word}"), &host.local(&words)?)
    }

    /// Holds each of them against its schemas. Every command of the book has to be among them.
    fn check(&self) -> Result<()> {
        let schemas = schemas_by_command()?;
        let printed: BTreeSet<_> = self.documents.iter().map(|(command, _)| command).collect();
        let untried: Vec<_> = schemas.keys().filter(|command| !printed.contains(command)).collect();
        assert_eq!(untried, Vec::<&String>::new(), "not tried");
        let checked = self.documents.iter().map(|(command, document)| {
            let schemas = schemas.get(command).with_context(|| command.clone())?;
            Ok(json!({"what": command, "document": document, "schemas": schemas}))
        });
        let checked = checked.collect::<Result<Vec<_>>>()?;
        check_schemas(&Value::from(checked))
    }
}

/// By a validator that has nothing to do with us.
fn check_schemas(checked: &Value) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/check-schemas.py");
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-W", "ignore"]).arg(script).arg(docs().join("schema"));
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn()?;
    child.stdin.take().context("a pipe")?.write_all(checked.to_string().as_bytes())?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A release of the agent that calls itself so.
fn greeter(version: &str, behaviour: &Behaviour) -> Result<Tree> {
    let tree = Tree::agent(&Behaviour { message: version.to_owned(), ..behaviour.clone() })?;
    tree.file("release.toml", &format!("name = \"greeter\"\nversion = \"{version}\"\n"))?;
    Ok(tree)
}

fn at(tree: &Tree) -> Result<&str> {
    tree.path().to_str().context("a path is a text")
}

/// web-1 and web-3 run 1.8.0, which web-2 has missed while it was down; web-3 took 1.9.0 back;
/// db-1 has no room.
fn story(printed: &mut Printed) -> Result<Fleet> {
    let mut fleet = Fleet::new()?;
    for (name, setup) in [
        ("web-1", Setup::default()),
        ("web-2", Setup::default()),
        ("web-3", Setup::default()),
        ("db-1", Setup::default().limits("reserve_bytes", "'9000 TiB'")),
    ] {
        fleet.enroll(name, &setup)?;
    }
    fleet.start()?;
    printed.swarm(&fleet, "swarm label", &["web-1", "zone=a"])?;
    printed.swarm(&fleet, "swarm label", &["web-2", "web-3", "zone=b"])?;
    let first = greeter("1.7.0", &Behaviour::default())?;
    let plan = printed.swarm(&fleet, "swarm plan", &["--all", "--root", at(&first)?])?;
    assert_eq!(plan["release_version"], "1.7.0");
    printed.swarm(&fleet, "swarm update", &["--all", "--root", at(&first)?])?;
    let good = greeter("1.8.0", &Behaviour::default())?;
    fleet.hosts[1].kill()?;
    printed.swarm(&fleet, "swarm update", &["--all", "--root", at(&good)?])?;
    fleet.hosts[1].start()?;
    fleet.hosts[1].answers()?;
    let bad = Behaviour { crash: Some("no database".to_owned()), ..Behaviour::default() };
    let bad = greeter("1.9.0", &bad)?;
    let summary = printed.swarm(&fleet, "swarm update", &["web-3", "--root", at(&bad)?])?;
    assert_eq!(summary["hosts"][0]["target_version"], "1.9.0", "{summary}");
    assert_eq!(summary["hosts"][0]["to_version"], "1.8.0", "{summary}");
    Ok(fleet)
}

#[test]
fn jq_answers_the_questions_of_the_book() -> Result<()> {
    let mut printed = Printed::default();
    let mut fleet = story(&mut printed)?;
    let pid = fleet.hosts[0].app()?.pid.context("it runs")?;
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL)?;
    eventually("the death to be told", LONG, || {
        fleet.hosts[0].app().ok().filter(|app| app.died.is_some() && app.pid.is_some())
    })?;
    fleet.hosts[0].local(&["stop"])?.good()?;
    let next = greeter("2.0.0", &Behaviour::default())?;
    fleet.swarm([
        "update",
        "web-1",
        "--root",
        at(&next)?,
        "--approve",
        "start",
        "--allow-unhealthy",
    ])?;
    fleet.hosts[3].kill()?;
    // One that has left is not asked, and is no answer.
    fleet.enroll("web-4", &Setup::default())?;
    fleet.swarm(["decommission", "web-4"])?.good()?;

    let page = fs::read_to_string(docs().join("json.md"))?;
    let (_, questions) = page.split_once("## Ten questions").context("questions")?;
    let (questions, _) = questions.split_once("\n## ").context("an end")?;
    let mut answers = Vec::new();
    for part in questions.split("```sh\n").skip(1) {
        let (command, _) = part.split_once("```").context("an end of the example")?;
        // So that certificates of 90 days are among them.
        answers.push(answer(&fleet, &command.replace("30 * 86400", "100 * 86400"))?);
    }
    let id = fleet.swarm(["--json", "rollout", "list", "--open"])?.json()?[0]["rollout"].clone();
    let id = id.as_str().context("an open rollout")?;
    let shown = answers.join("\n--\n").replace(&id[id.len() - 8..], "ROLLOUT");
    let shown = without_numbers(&shown)?;
    assert_snapshot!(shown, @r"
    db-1
    web-2
    --
    db-1 does not answer
    web-2 drifts
    web-3 drifts
    --
    web-2 drifts
    web-3 drifts
    --
    2.0.0
    --
    N
    --
    ROLLOUT awaiting_approval, driven by no process
    --
    1.9.0 rolled_back: the agent exited with status 3
    --
    db-1 TIME
    web-1 TIME
    web-2 TIME
    web-3 TIME
    the master TIME
    --
    web-1 agent: 1 restarts, last end: was killed by SIGKILL, stopped since: TIME
    --
    db-1 lacks N bytes
    ");
    Ok(())
}

/// Times, and lengths of times and spaces, differ from run to run.
fn without_numbers(text: &str) -> Result<String> {
    let time = regex::Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")?;
    let bytes = regex::Regex::new(r"lacks \d+ bytes")?;
    let seconds = regex::Regex::new(r"(?m)^\d+$")?;
    let text = time.replace_all(text, "TIME");
    let text = bytes.replace_all(&text, "lacks N bytes");
    Ok(seconds.replace_all(&text, "N").into_owned())
}

/// What the shell says to an example of the book.
fn answer(fleet: &Fleet, command: &str) -> Result<String> {
    let swarm = program("swarm")?;
    let directory = swarm.parent().context("it is in a directory")?;
    let path = std::env::var("PATH")?;
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("SWARM_HOME", fleet.home());
    shell.env("PATH", format!("{}:{path}", directory.display()));
    let output = Output::of(&mut shell)?;
    ensure!(output.code == 0 && !output.stderr.contains("jq: error"), "{command}: {output:?}");
    Ok(output.stdout.trim_end().to_owned())
}

#[test]
fn every_document_is_as_its_schema_says() -> Result<()> {
    let mut printed = Printed::default();
    let mut fleet = story(&mut printed)?;
    let directory = fleet.sandbox().path().display().to_string();
    let in_there = |name: &str| format!("{directory}/{name}");
    let all = &mut printed;
    all.swarm(&fleet, "swarm init", &[])?;
    all.swarm(&fleet, "swarm init --take-over", &[])?;
    all.swarm(&fleet, "swarm renew", &["--master"])?;
    let more = ["--name", "old-1", "--address", "127.0.0.1", "--updater", "--out-dir"];
    let enrolled =
        all.swarm(&fleet, "swarm enroll", &[&more[..], &[&in_there("old-1")]].concat())?;
    assert_eq!(enrolled["host"]["host"], "old-1");
    all.swarm(&fleet, "swarm set", &["old-1", "--notes", "in the cellar"])?;
    all.swarm(&fleet, "swarm hold", &["old-1", "--because", "its disk", "--until", "3d"])?;
    all.swarm(&fleet, "swarm check", &["web-1", "old-1"])?;
    all.swarm(&fleet, "swarm status", &["--all"])?;
    all.swarm(&fleet, "swarm why", &["old-1"])?;
    all.swarm(&fleet, "swarm unhold", &["old-1"])?;
    all.swarm(&fleet, "swarm decommission", &["old-1"])?;
    for command in ["swarm list", "swarm status", "swarm check"] {
        all.swarm(&fleet, command, &[])?;
    }
    for command in ["swarm show", "swarm why", "swarm log"] {
        for host in ["web-1", "web-2", "web-3"] {
            all.swarm(&fleet, command, &[host])?;
        }
    }
    all.swarm(&fleet, "swarm logs", &["web-1"])?;
    all.swarm(&fleet, "swarm evidence", &["web-3"])?;
    let rows = all.swarm(&fleet, "swarm list", &[])?;
    assert!(
        rows.as_array().context("rows")?.iter().all(|row| row["host"] == row["name"]),
        "{rows}"
    );
    releases(all, &fleet)?;
    answers(all, &fleet)?;
    all.swarm(&fleet, "swarm history", &[])?;
    all.swarm(&fleet, "swarm rollout list", &[])?;
    all.swarm(&fleet, "swarm release rm", &["--keep", "1"])?;
    all.swarm(&fleet, "swarm drill", &["web-1"])?;
    all.swarm(&fleet, "swarm simulate", &["--hosts", "5"])?;
    all.swarm(&fleet, "swarm simulate", &["--hosts", "5", "--seeds", "2"])?;
    on_a_host(all, &mut fleet)?;
    printed.check()
}

fn releases(all: &mut Printed, fleet: &Fleet) -> Result<()> {
    let directory = fleet.sandbox().path().display().to_string();
    let tree = greeter("2.0.0", &Behaviour::default())?;
    let archive = format!("{directory}/greeter.tar.zst");
    all.swarm(fleet, "swarm pack", &[at(&tree)?, "--output", &archive])?;
    let by_all = ["--all", "--archive", &archive];
    all.swarm(fleet, "swarm update --dry-run", &by_all)?;
    all.swarm(fleet, "swarm release manifest", &[&archive, "--output", &format!("{archive}.m")])?;
    let (secret, public) = (format!("{directory}/key"), format!("{directory}/key.pub"));
    let mut keys = Command::new("minisign");
    Output::of(keys.args(["-G", "-W", "-f", "-s", &secret, "-p", &public]))?.good()?;
    all.swarm(fleet, "swarm release sign", &[&archive, "--key", &secret])?;
    let releases = all.swarm(fleet, "swarm release list", &[])?;
    let failed = releases.as_array().context("rows")?.iter().find(|row| row["version"] == "1.9.0");
    let failed = failed.context("it is kept")?["digest"].as_str().context("a digest")?;
    all.swarm(fleet, "swarm release forgive", &[failed, "--because", "the database is back"])?;
    let unknown = fleet.swarm(["--json", "why", "wbe-1"])?;
    let error: Value = serde_json::from_str(&unknown.stderr)?;
    assert_eq!(error["error"]["code"], "unknown_host");
    check_schemas(&json!([{"what": "an error", "document": error, "schemas": ["error"]}]))
}

/// Every answer that a rollout can have.
fn answers(all: &mut Printed, fleet: &Fleet) -> Result<()> {
    let id = |summary: Value| summary["rollout"].as_str().map(str::to_owned).context("an id");
    let tree = greeter("1.8.1", &Behaviour::default())?;
    let waits = ["web-1", "--root", at(&tree)?, "--approve", "start"];
    for answer in ["reject", "abort", "rollback", "approve"] {
        let rollout = id(all.swarm(fleet, "swarm update", &waits)?)?;
        all.swarm(fleet, "swarm rollout show", &[&rollout])?;
        all.swarm(fleet, &format!("swarm rollout {answer}"), &[&rollout])?;
        all.swarm(fleet, "swarm rollout watch", &[&rollout])?;
        if answer == "approve" {
            all.swarm(fleet, "swarm rollout undo", &[&rollout])?;
        }
    }
    // One whose driver was killed, and that another operator pauses.
    let words = ["update", "web-1", "web-3", "--batch", "1", "--root", at(&tree)?];
    Output::of(fleet.command(words)?.env("SWARM_CRASH_AFTER_EVENT", "2"))?;
    let open = all.swarm(fleet, "swarm rollout list", &["--open"])?;
    let rollout = id(open[0].clone())?;
    all.swarm(fleet, "swarm rollout pause", &[&rollout])?;
    all.swarm(fleet, "swarm rollout resume", &[&rollout])?;
    all.swarm(fleet, "swarm rollback", &["web-1", "--to", "greeter@1.7.0"])?;
    let bad = Behaviour { crash: Some("no queue".to_owned()), ..Behaviour::default() };
    let bad = greeter("1.9.1", &bad)?;
    let trips = ["web-1", "web-3", "--root", at(&bad)?, "--canary", "1", "--batch", "1"];
    let rollout = id(all.swarm(fleet, "swarm update", &trips)?)?;
    all.swarm(fleet, "swarm rollout continue", &[&rollout])?;
    Ok(())
}

/// What is typed on a host.
fn on_a_host(all: &mut Printed, fleet: &mut Fleet) -> Result<()> {
    let directory = fleet.sandbox().path().join("new-1");
    let (bundle, config) = (directory.join("bundle"), directory.join("updater.toml"));
    let port = fleet.sandbox().free_port()?;
    let (ip, number) = (port.ip().to_string(), port.port().to_string());
    let mut enroll = fleet.command(["enroll", "--updater", "--name", "new-1", "--address", &ip])?;
    Output::of(enroll.args(["--updater-port", &number, "--out-dir"]).arg(&bundle))?.good()?;
    let mut command = Command::new(program("updater")?);
    command.arg("enroll").arg(&bundle).arg("--config").arg(config).args(["--no-start", "--json"]);
    all.keep("updater enroll", &Output::of(command.env_remove("SUDO_UID"))?)?;
    let host = &fleet.hosts[2];
    for word in ["check", "status", "stop", "status", "start", "restart", "rollback", "drill"] {
        all.updater(host, word, &[])?;
    }
    host.kill()?;
    all.updater(host, "status", &[])?;
    Ok(())
}

#[test]
fn every_command_of_a_host_has_a_schema_in_the_book() -> Result<()> {
    let book = schemas_by_command()?;
    let command = updater::cli::Arguments::command();
    let with_json = command
        .get_subcommands()
        .filter(|command| command.get_arguments().any(|argument| argument.get_id() == "json"));
    let words: Vec<_> =
        with_json.map(|command| format!("updater {}", command.get_name())).collect();
    assert!(words.len() > 5, "{words:?}");
    for words in words {
        assert!(book.contains_key(&words), "{words} is not in docs/json.md");
    }
    Ok(())
}
