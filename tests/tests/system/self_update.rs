//! The updater updates itself, and nobody notices but by its digest.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use fleet_tests::{
    Answer, Fleet, Host, LONG, Packing, Release, Setup, Tree, eventually, host, wording,
};
use insta::assert_snapshot;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::{Code, Digest, Kind, LastTransaction, Outcome, Status};
use reqwest::Method;
use updater::release::Layout;
use updater::self_update::PROGRAM;

/// Something that is no updater.
fn impostor(script: &str) -> Result<Release> {
    let tree = Tree::empty()?;
    tree.program("bin/updater", &format!("#!/bin/sh\n{script}\n"))?;
    tree.pack(Packing::Zstd)
}

fn replace_by(host: &Host, release: &Release) -> Result<Answer> {
    host.order("/update-self?confirm_self=true", release).send()
}

fn is_now(host: &Host, digest: &Digest) -> Result<()> {
    eventually("the new updater to answer", LONG, || {
        host.health().ok().filter(|health| health.digest == *digest)
    })
    .with_context(|| host.log())?;
    Ok(())
}

/// How the first try to replace the updater ended.
fn last_attempt(host: &Host) -> Result<LastTransaction> {
    let log = host.directory.join("state/apps/updater/history.jsonl");
    eventually("the attempt to end", LONG, || {
        let text = fs::read_to_string(&log).ok()?;
        serde_json::from_str(text.lines().last()?).ok()
    })
    .with_context(|| host.log())
}

#[test]
fn lesson_21_a_new_updater_takes_over_without_refusing_a_connection() -> Result<()> {
    let host = host()?;
    let service = Tree::healthy("service")?;
    host.push(&service)?.result()?;
    let (before, agent) = (host.health()?.digest, host.app()?.pid);
    let next = Tree::updater("next")?.pack(Packing::Zstd)?;

    let over = AtomicBool::new(false);
    let connections = std::thread::scope(|scope| {
        let knocking = scope.spawn(|| {
            let mut connections = 0_u32;
            while !over.load(Ordering::SeqCst) {
                TcpStream::connect(host.address)?;
                connections += 1;
            }
            anyhow::Ok(connections)
        });
        let replaced = replace_by(&host, &next).and_then(|answer| {
            let queued = answer.result()?;
            assert_eq!(queued.status, Status::SelfUpdateQueued);
            // It is not there yet.
            assert_eq!((queued.from, queued.to), (Some(before), Some(before)));
            assert_eq!(queued.target, Some(next.digest));
            is_now(&host, &next.digest)
        });
        over.store(true, Ordering::SeqCst);
        replaced?;
        knocking.join().ok().context("it does not panic")?
    })?;
    assert!(connections > 0);
    assert_ne!(before, next.digest);

    // It is in charge of the same agent, and works.
    assert_eq!(host.app()?.pid, agent);
    let second = Tree::healthy("second")?;
    // It is told as the updater when it takes orders, and not before.
    let pushed = host.push(&second)?.result().with_context(|| host.log())?;
    assert_eq!(pushed.to, Some(second.digest));
    assert_eq!(host.running(), Some(second.digest));

    // It is what is started from now on.
    host.kill()?;
    host.start()?;
    is_now(&host, &next.digest)
}

#[test]
fn an_updater_that_does_not_start_replaces_nobody() -> Result<()> {
    let host = host()?;
    let before = host.health()?.digest;
    let answer = replace_by(&host, &impostor("echo broken >&2; exit 1")?)?;
    let problem = answer.problem()?;
    assert_eq!(problem.code, Code::SelfUpdateFailed, "{problem:?}");
    assert!(problem.output.iter().any(|line| line.contains("broken")), "{problem:?}");
    assert_eq!(host.health()?.digest, before);
    let good = Tree::healthy("service")?;
    // What is meant for the other of the two.
    let problem = replace_by(&host, &good)?.problem()?;
    assert_eq!((problem.code.status(), &problem.code), (422, &Code::ArchiveRejected));
    assert_eq!(problem.entry.as_deref(), Some(PROGRAM), "{problem:?}");
    host.push(&good)?.result()?;
    assert_eq!(host.running(), Some(good.digest));
    Ok(())
}

#[test]
fn lesson_21_an_updater_that_never_answers_is_ended() -> Result<()> {
    let host = Host::alone(&Setup::default().self_update("takeover_timeout", "'1s'"))?;
    let before = host.health()?.digest;
    let _ = replace_by(&host, &silent()?)?;
    let last = last_attempt(&host)?;
    assert_eq!(last.kind, Kind::SelfUpdate);
    assert_ne!(last.outcome, Outcome::Updated);
    assert_snapshot!(wording(&last.detail.context("why")?), @"failed to be asked by the master within 1s");
    assert_eq!(host.health()?.digest, before);
    eventually("the new one to be gone", LONG, || {
        fleet_tests::processes_of(&host.directory.join("self")).is_empty().then_some(())
    })
}

/// One that starts, and never says a word. Its own file is in its arguments, by which it is found.
fn silent() -> Result<Release> {
    impostor("[ $1 = check ] && exit 0\necho >\"$3.tried\"\nexec tail -n 0 -f \"$0\"")
}

#[test]
fn what_a_new_updater_has_started_ends_with_it() -> Result<()> {
    let host = Host::alone(&Setup::default().self_update("takeover_timeout", "'1s'"))?;
    let pid = host.directory.join("left-behind");
    let leaves = format!(
        "[ $1 = check ] && exit 0\nsetsid sh -c 'echo $$ >{}; exec sleep 1000' &\nwait",
        pid.display()
    );
    let _ = replace_by(&host, &impostor(&leaves)?)?;
    assert_ne!(last_attempt(&host)?.outcome, Outcome::Updated);
    let left: i32 = fs::read_to_string(&pid)?.trim().parse()?;
    eventually("what it left to be gone", LONG, || {
        kill(Pid::from_raw(left), None).is_err().then_some(())
    })
}

#[test]
fn what_a_new_updater_prints_is_escaped_while_it_is_tried_and_after() -> Result<()> {
    let host = host()?;
    let prints = "[ $1 = check ] || printf '\\033[2J\\033]0;owned\\007\\rsaid by %s\\n' $1 >&2";
    let next = Tree::updater_behind("next", prints)?;
    let _ = replace_by(&host, &next)?;
    is_now(&host, &next.digest)?;
    let last = last_attempt(&host)?;
    assert_eq!(last.outcome, Outcome::Updated, "{}", host.log());
    let log = eventually("its words to be in the log", LONG, || {
        Some(host.log()).filter(|log| log.contains("said by run"))
    })?;
    assert!(log.contains("\\u{1b}[2J\\u{1b}]0;owned\\u{7}\\rsaid by run\n"), "{log}");
    assert!(!log.contains('\u{1b}'), "{log}");
    // What it logs itself, now that it is in charge, is there as ever.
    let service = Tree::healthy("service")?;
    host.push(&service)?.result()?;
    eventually("its log to go on", LONG, || {
        host.log().contains(&service.digest.short()).then_some(())
    })
}

#[test]
fn why_a_new_updater_cannot_be_started_is_said_with_its_cause() -> Result<()> {
    let host = host()?;
    // It passes the check, and is no program after that.
    let _ = replace_by(&host, &impostor("chmod 0644 \"$0\"")?)?;
    let detail = last_attempt(&host)?.detail.context("why")?;
    let cause = "failed to start the new updater: start the updater: execute ";
    assert!(detail.contains(cause), "{detail}");
    assert!(detail.contains("it is not executable"), "{detail}");
    Ok(())
}

#[test]
fn a_parent_that_cannot_start_its_updater_says_why_and_goes_on_trying() -> Result<()> {
    let host = host()?;
    let layout = Layout::new(host.directory.join("self"));
    let digest = Digest::from_bytes([7; 32]);
    layout.create()?;
    let program = layout.release(&digest).join(PROGRAM);
    fs::create_dir_all(program.parent().context("it is in a directory")?)?;
    fs::write(&program, "nothing that could be executed")?;
    layout.flip(&digest)?;
    kill(host.updater()?, Signal::SIGKILL)?;
    let said = |times: &str| format!("failed {times} in a row to start the updater: execute ");
    eventually("the parent to say why", LONG, || {
        host.log().contains(&said("4 times")).then_some(())
    })
    .with_context(|| host.log())?;
    assert!(
        host.log().contains(&said("1 time")) && !host.log().contains(&said("3 times")),
        "{}",
        host.log()
    );
    fs::remove_file(host.directory.join("self/releases/active"))?;
    host.answers()
}

#[test]
fn replacing_the_updater_has_to_be_meant() -> Result<()> {
    let host = host()?;
    let release = impostor("exit 0")?;
    let problem = host.order("/update-self", &release).send()?.problem()?;
    assert_eq!(problem.code, Code::BadRequest);
    assert_snapshot!(wording(&problem.detail), @"say confirm_self=true: this replaces the updater itself");
    Ok(())
}

#[test]
fn the_updater_is_not_replaced_while_an_update_runs_and_none_begins_while_it_is() -> Result<()> {
    let host = Host::alone(&Setup::default().self_update("takeover_timeout", "'1h'"))?;
    let service = Tree::healthy("service")?;
    drop(host.order_until_watched(&service)?);
    let silent = silent()?;
    let problem = replace_by(&host, &silent)?.problem()?;
    assert_eq!((problem.code.status(), &problem.code), (423, &Code::UpdateInProgress));
    assert_eq!(problem.holder.and_then(|holder| holder.to), Some(service.digest));

    host.master().call(Method::DELETE, "/update").send()?.result()?;
    std::thread::scope(|scope| {
        scope.spawn(|| drop(replace_by(&host, &silent)));
        let sign = host.config().with_extension("toml.tried");
        let tried = eventually("the new one to be tried", LONG, || sign.exists().then_some(()));
        let refused = host.push(&service);
        // Nobody answers the other order to the end.
        host.kill()?;
        let refused = tried.and(refused)?.problem()?;
        assert_eq!((refused.code.status(), &refused.code), (423, &Code::UpdateInProgress));
        Ok(())
    })
}

#[test]
fn swarm_updates_the_updater_after_the_service() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    let host = fleet.hosts.first().context("a host")?;
    let tree = Tree::updater("by swarm")?;
    let archive = fleet.sandbox().path().join("updater.tar.zst");
    let release = tree.pack(Packing::Zstd)?;
    fs::write(&archive, &release.bytes)?;
    let service = Tree::agent(&fleet_tests::Behaviour::default())?;
    let output = fleet.swarm([
        "--json",
        "update",
        "--host",
        "web-1",
        "--root",
        &service.path().display().to_string(),
        "--include-self",
        "--updater-archive",
        &archive.display().to_string(),
    ])?;
    let output = output.good()?;
    assert_eq!(output.row("web-1")?["outcome"], "updated");
    is_now(host, &release.digest)
}

#[test]
fn swarm_sends_the_updater_that_lies_beside_it() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    let service = Tree::agent(&fleet_tests::Behaviour::default())?;
    let root = service.path().display().to_string();
    let arguments = ["--json", "update", "--host", "web-1", "--root", &root, "--include-self"];
    fleet.swarm(arguments)?.good()?;
    let host = fleet.hosts.first().context("a host")?;
    let active = fs::canonicalize(host.directory.join("self/current"))?;
    let record = updater::release::read_record(&active)?;
    assert_eq!(host.health()?.digest, record.digest);
    let mode = fs::metadata(active.join("bin/updater"))?.permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    Ok(())
}
