//! `swarm logs` and `swarm evidence`: what a program printed, and what was kept of a failure, read from afar.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Behaviour, Fleet, Host, LONG, Setup, Tree, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// A release whose program first prints this.
fn printing(version: &str, printed: &str, behaviour: &Behaviour) -> Result<Tree> {
    let tree = Tree::agent(behaviour)?;
    tree.file("release.toml", &format!("name = 'agent'\nversion = '{version}'\n"))?;
    tree.replace("bin/agent", "#!/bin/sh\n", &format!("#!/bin/sh\nprintf '{printed}'\n"))?;
    Ok(tree)
}

fn healthy(version: &str) -> Behaviour {
    Behaviour { message: version.to_owned(), ..Behaviour::default() }
}

/// Lines that the program prints now: they come from its own descriptor.
fn print(host: &Host, text: &str) -> Result<()> {
    let pid = host.app()?.pid.context("an agent runs")?;
    let mut output = File::options().write(true).open(format!("/proc/{pid}/fd/1"))?;
    Ok(output.write_all(text.as_bytes())?)
}

/// A `swarm logs -f` whose output goes to a file. Dropped, it is killed.
struct Following {
    child: Child,
    output: std::path::PathBuf,
}

impl Following {
    fn start(fleet: &Fleet, words: &[&str]) -> Result<Self> {
        let output = fleet.sandbox().path().join("followed");
        let errors = fleet.sandbox().path().join("followed.err");
        let mut command = fleet.command(["logs", "web-1", "-f"])?;
        command.args(words).stdout(File::create(&output)?).stderr(File::create(&errors)?);
        Ok(Self { child: command.stdin(Stdio::null()).spawn()?, output })
    }

    fn shows(&self, part: &str) -> Result<String> {
        eventually("the line", LONG, || {
            let text = fs::read_to_string(&self.output).ok()?;
            text.contains(part).then_some(text)
        })
        .with_context(|| format!("{part} in {:?}", fs::read_to_string(&self.output)))
    }

    fn notes(&self) -> Result<String> {
        Ok(fs::read_to_string(self.output.with_extension("err"))?)
    }

    fn ends(&mut self) -> Result<Option<i32>> {
        Ok(eventually("its end", LONG, || self.child.try_wait().ok()?)?.code())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_programs_output_is_read_from_afar_run_by_run_and_moves_no_terminal() -> Result<()> {
    let setup = Setup::default().run("log_bytes", "'4KiB'");
    let fleet = Fleet::of(1, &setup)?;
    let host = &fleet.hosts[0];
    let one = printing("1.7.0", "begun one\\n\\033[2Jcleared\\ta tab\\n", &healthy("1.7.0"))?;
    fleet.update(&one, &[])?.good()?;
    let logs = fleet.swarm(["logs", "web-1"])?.good()?;
    assert!(logs.stdout.starts_with("begun one\n\\u{1b}[2Jcleared\ta tab\n"), "{logs:?}");
    assert_eq!(fleet.swarm(["logs", "web-1", "--lines", "0"])?.good()?.stdout, "");
    let json = fleet.swarm(["--json", "logs", "web-1", "--lines", "1"])?.good()?.lines()?;
    assert_eq!(
        (json.len(), &json[0]["host"], &json[0]["app"]),
        (1, &"web-1".into(), &"agent".into())
    );
    ensure!(json[0]["line"].as_str().is_some_and(|line| line.starts_with("listening")), "{json:?}");
    let none = fleet.swarm(["logs", "web-1", "--previous"])?.good()?;
    assert_eq!(
        (none.stdout.as_str(), none.stderr.trim()),
        ("", "nothing is kept of a run before this one")
    );

    let mut following = Following::start(&fleet, &["--lines", "1"])?;
    following.shows("listening on")?;
    print(host, "while it runs\n")?;
    let shown = following.shows("while it runs")?;
    assert!(!shown.contains("begun one"), "{shown}");

    // Another release, and a log that is put aside, are followed on.
    let two = printing("1.8.0", "begun two\\n", &healthy("1.8.0"))?;
    fleet.update(&two, &[])?.good()?;
    following.shows("begun two")?;
    let notes = following.notes()?;
    ensure!(notes.contains("started again: 1.8.0 ("), "{notes}");
    print(host, &"x".repeat(3000))?;
    print(host, &format!("\n{}\n", "y".repeat(3000)))?;
    print(host, "after the rotation\n")?;
    following.shows("after the rotation")?;
    ensure!(host.state().join("agent.log.1").exists(), "nothing was put aside");

    // The run before is that of the other release, as long as it is kept.
    let gone = fleet.swarm(["logs", "web-1", "--previous"])?.good()?;
    assert!(gone.stdout.contains("begun one") || gone.stderr.contains("put aside"), "{gone:?}");

    // A follower holds up neither the end of the updater nor its start.
    kill(Pid::from_raw(following.child.id().cast_signed()), Signal::SIGINT)?;
    assert_eq!(following.ends()?, Some(130));
    assert_eq!(following.notes()?.matches("error").count(), 0, "{}", following.notes()?);
    let mut second = Following::start(&fleet, &[])?;
    second.shows("begun two")?;
    host.stop()?;
    assert_eq!(second.ends()?, Some(1));
    host.start()
}

#[test]
fn the_route_is_bounded_and_is_a_masters_alone() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    let host = &fleet.hosts[0];
    let tree = printing("1.7.0", "one\\ntwo\\n", &healthy("1.7.0"))?;
    fleet.update(&tree, &[])?.good()?;
    let master = host.master();
    let answer = |path: &str| -> Result<(u16, Value)> {
        let answer = master.get(path)?;
        let status = answer.status;
        Ok((status, answer.json().unwrap_or(Value::Null)))
    };
    let plain = master.get("/logs?app=agent&lines=1")?;
    assert_eq!((plain.status, plain.text().lines().count()), (200, 1));
    assert!(plain.text().starts_with("listening on "), "{}", plain.text());
    for (query, status, code) in [
        ("lines=10001", 400, "bad_request"),
        ("follow=true&previous=true", 400, "bad_request"),
        ("colour=red", 400, "bad_request"),
        ("app=db", 404, "unknown_app"),
    ] {
        let (found, problem) = answer(&format!("/logs?{query}"))?;
        assert_eq!((found, &problem["code"]), (status, &Value::from(code)), "{query}");
    }
    let mut followers = Vec::new();
    for _ in 0..16 {
        let call = master.call(reqwest::Method::GET, "/logs?follow=true");
        followers.push(call.header("accept", "application/x-ndjson").lines()?);
    }
    assert_eq!(followers[0].next_line()?.as_deref(), Some(r#"{"line":"one"}"#));
    let (status, problem) = answer("/logs")?;
    assert_eq!((status, &problem["code"]), (429, &Value::from("too_many_readers")));
    drop(followers);
    eventually("the readers to be gone", LONG, || (answer("/logs").ok()?.0 == 200).then_some(()))
}

#[test]
fn what_was_kept_of_a_failure_is_shown_and_the_run_that_failed_is_the_one_before() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    let one = printing("1.7.0", "begun one\\n", &healthy("1.7.0"))?;
    fleet.update(&one, &[])?.good()?;
    let nothing = fleet.swarm(["evidence", "web-1"])?;
    assert_eq!(nothing.code, 1);
    assert!(nothing.stderr.contains("none is in its history"), "{nothing:?}");

    let crash = Behaviour { crash: Some("no such table".to_owned()), ..Behaviour::default() };
    let two = printing("1.8.0", "begun two\\n\\033[31mred\\n", &crash)?;
    assert_eq!(fleet.update(&two, &[])?.code, 1);
    let shown = fleet.swarm(["evidence", "web-1"])?.good()?.stdout;
    for part in [
        "host      web-1, agent",
        "release   1.8.0 (",
        "ended     rolled_back (rolled_back)",
        "exit      exited with status 3",
        "the program printed:\n  | begun two\n  | \\u{1b}[31mred",
        "no such table",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let document = fleet.swarm(["--json", "evidence", "web-1"])?.good()?.json()?;
    let transaction = document["transaction"].as_str().context("a transaction")?;
    assert_eq!(document["evidence"]["transaction"], document["transaction"]);
    assert_eq!(document["host"], "web-1");
    let end = &transaction[transaction.len() - 8..];
    assert_eq!(fleet.swarm(["evidence", "web-1", end])?.good()?.stdout, shown);
    let unknown = fleet.swarm(["evidence", "web-1", "ffffffff"])?;
    assert!(unknown.stderr.contains(&format!("those that failed: {transaction}")), "{unknown:?}");

    let before = fleet.swarm(["logs", "web-1", "--previous"])?.good()?;
    assert!(before.stdout.contains("begun two\n\\u{1b}[31mred\n"), "{before:?}");
    let now = fleet.swarm(["logs", "web-1"])?.good()?;
    assert!(now.stdout.starts_with("begun one\n"), "{now:?}");
    Ok(())
}
