//! What can be known before the switch is said before it: nothing is touched, and the agent before runs
//! on.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Host, LONG, Output, Packing, Release, Setup, Tree, eventually, host, program};
use protocol::{Code, Health, Problem, Status, header};
use reqwest::Method;

/// Pushes a tree that is refused while the agent before runs on.
fn refused(host: &Host, tree: &Tree) -> Result<Problem> {
    let before = host.app()?;
    let problem = host.push(&tree.pack(Packing::Zstd)?)?.problem()?;
    let after = host.app()?;
    ensure!(after.pid == before.pid && after.pid.is_some(), "it was stopped for {problem:?}");
    ensure!(after.active == before.active, "{after:?}");
    ensure!(!host.releases()?.releases.iter().any(|release| release.quarantined), "quarantined");
    Ok(problem)
}

#[test]
fn a_program_that_no_kernel_starts_is_refused_while_the_one_before_runs() -> Result<()> {
    let host = host()?;
    host.installs("good")?;
    for (content, mode, expected) in [
        ("#!/bin/sh\n", 0o644, Code::ArchiveRejected),
        ("", 0o755, Code::ArchiveRejected),
        ("\u{7f}ELF\u{2}\u{1}\u{1}\u{3}\n\ntouch ran-by-sh\n", 0o755, Code::ArchiveRejected),
        ("#!bin/no-such-interpreter\n", 0o755, Code::ArchiveRejected),
        // What the host lacks.
        ("#!/no/such/interpreter\n", 0o755, Code::Internal),
    ] {
        let tree = Tree::saying("bad")?;
        let agent = tree.path().join("bin/agent");
        fs::write(&agent, content)?;
        fs::set_permissions(&agent, fs::Permissions::from_mode(mode))?;
        let problem = refused(&host, &tree)?;
        ensure!(problem.code == expected, "{content:?}: {problem:?}");
        ensure!(problem.detail.contains("bin/agent"), "{problem:?}");
    }
    let tree = Tree::saying("bad")?;
    fs::remove_file(tree.path().join("bin/agent"))?;
    tree.file("bin/agent/file", "x")?;
    ensure!(refused(&host, &tree)?.code == Code::ArchiveRejected);
    host.rests()
}

#[test]
fn what_lies_in_the_way_is_named_before_the_first_byte_and_stays() -> Result<()> {
    let host = Host::alone_and_idle(&Setup::default())?;
    let current = host.install().join("current");
    fs::create_dir_all(&current)?;
    fs::write(current.join("by-hand"), "old")?;
    let mut check = Command::new(program("updater")?);
    let said = Output::of(check.arg("check").arg("--config").arg(host.config()))?;
    ensure!(said.code == 1 && said.stdout.contains("current.before-updater"), "{said:?}");
    host.start()?;
    let release = Tree::healthy("new")?;
    let problem = host.push(&release)?.problem()?;
    ensure!(problem.detail.contains("current is in the way"), "{problem:?}");
    ensure!(problem.transaction.is_none() && host.history().is_empty(), "{problem:?}");
    assert_eq!(fs::read_to_string(current.join("by-hand"))?, "old");
    fs::rename(&current, host.install().join("current.before-updater"))?;
    host.push(&release)?.result()?;
    host.keeps(&release.digest, None)
}

#[test]
fn a_damaged_release_is_mended_by_its_archive_and_not_gone_back_to() -> Result<()> {
    let host = host()?;
    let (one, two) = (Tree::healthy("one")?, Tree::healthy("two")?);
    host.push(&one)?.result()?;
    host.push(&two)?.result()?;
    let agent = |digest| host.release(digest).join("bin/agent");
    // What was added since is no damage.
    fs::write(agent(&two.digest).with_file_name("added"), "x")?;
    assert_eq!(host.push(&two)?.result()?.status, Status::AlreadyCurrent);
    fs::remove_file(agent(&two.digest).with_file_name("added"))?;

    fs::write(agent(&one.digest), "#!/bin/sh\n")?;
    let problem = host.rollback()?.problem()?;
    ensure!(problem.code == Code::UnknownRelease, "{problem:?}");
    ensure!(problem.detail.contains("bin/agent is not as it was"), "{problem:?}");
    host.runs(&two.digest)?;

    // The one that runs.
    let before = host.app()?.pid;
    fs::remove_file(agent(&two.digest))?;
    let listed = host.master().get(&format!("/releases?check={}", two.digest))?.text();
    ensure!(listed.matches("\"damage\"").count() == 1, "{listed}");
    let mended = host.push(&two)?.result()?;
    assert_eq!(mended.status, Status::Updated);
    ensure!(
        mended.notes.iter().any(|note| note.contains("its copy here was damaged")),
        "{mended:?}"
    );
    ensure!(agent(&two.digest).exists() && host.app()?.pid != before, "it was not mended");
    host.stage(&one)?.result()?;
    host.rollback()?.result()?;
    host.runs(&one.digest)?;
    let all = host.releases()?;
    assert_eq!((all.active, all.prev), (Some(one.digest), Some(two.digest)));
    host.rests().context("it is at rest")
}

/// No release could be proven there, and none is to blame.
#[test]
fn a_port_that_another_program_has_is_told_before_the_first_byte() -> Result<()> {
    let host = host()?;
    let stranger = TcpListener::bind(host.agent)?;
    let release = Tree::healthy("new")?;
    let problem = host.push(&release)?.problem()?;
    ensure!(problem.code == Code::Internal, "{problem:?}");
    let pid = std::process::id();
    ensure!(problem.detail.starts_with(&format!("pid {pid} (")), "{problem:?}");
    ensure!(problem.detail.contains(&format!("listens at {}", host.agent)), "{problem:?}");
    ensure!(host.store().is_empty() && host.incoming().is_empty(), "something was touched");
    drop(stranger);
    ensure!(host.push(&release)?.result()?.status == Status::Updated);
    // What listens there now is its own agent.
    host.installs("newer")?;
    host.rests()
}

/// A host, and a release whose hook is held where no program runs: it begins with the first of these FIFOs,
/// and ends with the second.
fn held_between_agents(setup: &Setup) -> Result<(Host, Release, [PathBuf; 2])> {
    let host = Host::alone(setup)?;
    host.installs("old")?;
    let fifos = ["stopped", "go-on"].map(|name| host.install().join("shared/data").join(name));
    for fifo in &fifos {
        let made = Command::new("mkfifo").arg("-m").arg("666").arg(fifo).status()?;
        ensure!(made.success(), "mkfifo: {made}");
    }
    let tree = Tree::saying("new")?;
    tree.file("release.toml", "version = '2'\n[hooks]\nafter_switch = 'bin/wait'\n")?;
    tree.program("bin/wait", "#!/bin/sh\necho > data/stopped\nread -r word < data/go-on\n")?;
    let release = tree.pack(Packing::Zstd)?;
    Ok((host, release, fifos))
}

#[test]
fn a_port_that_is_taken_after_the_look_is_put_down_to_who_took_it() -> Result<()> {
    let setup = Setup::default().app("links", "['data/']").health("timeout", "'1s'");
    let (host, release, [stopped, go_on]) = held_between_agents(&setup)?;
    let old = host.app()?.active.context("the old release")?.digest;
    let (problem, stranger) = std::thread::scope(|scope| -> Result<_> {
        let pushing = scope.spawn(|| host.push(&release));
        fs::read(&stopped)?;
        let stranger = TcpListener::bind(host.agent)?;
        fs::write(&go_on, "\n")?;
        let answer = pushing.join().expect("it does not panic")?;
        Ok((answer.problem()?, stranger))
    })?;
    let who = format!("pid {} (", std::process::id());
    ensure!(problem.detail.contains(&who) && problem.host_fault, "{problem:?}");
    ensure!(problem.detail.contains("end it, or mend the address"), "{problem:?}");
    let releases = host.releases()?.releases;
    ensure!(releases.iter().all(|release| !release.quarantined), "{releases:?}");
    // Neither could be proven while the port was taken, and what to do is said for as long as that is so.
    ensure!(problem.stranded, "{problem:?}");
    let app = host.app()?;
    let reason = app.reason.clone().unwrap_or_default();
    ensure!(app.stranded && !app.healthy, "{app:?}");
    ensure!(reason.contains(&who) && reason.contains("end it, or mend the address"), "{app:?}");
    drop(stranger);
    // Then the release that it was left with is proven, without an order.
    let well = eventually("the release before to be proven", LONG, || {
        let asked = host.master().call(Method::GET, "/health").header(header::PROBE, "2s");
        let health: Health = asked.send().ok()?.json().ok()?;
        health.apps.into_values().find(|app| app.healthy)
    });
    let well = well.with_context(|| host.log())?;
    let told = well.warnings.iter().any(|warning| warning.contains("stranded"));
    ensure!(!well.stranded && !told, "{well:?}");
    host.runs(&old)?;
    host.kill()?;
    host.start()?;
    ensure!(!host.idle()?.stranded, "the next updater does not know of it");
    let tree = Tree::saying("newer")?;
    ensure!(host.push(&tree.pack(Packing::Zstd)?)?.result()?.status == Status::Updated);
    host.rests()
}

#[test]
fn a_port_that_is_taken_for_a_moment_costs_no_release() -> Result<()> {
    let setup = Setup::default().app("links", "['data/']").health("attempts", "1000");
    let (host, release, [stopped, go_on]) = held_between_agents(&setup)?;
    let mut lines = host.order("/update", &release).header("accept", header::NDJSON).lines()?;
    fs::read(&stopped)?;
    let stranger = TcpListener::bind(host.agent)?;
    fs::write(&go_on, "\n")?;
    lines.until("waits for its port")?;
    drop(stranger);
    let result = lines.until("\"type\":\"result\"")?;
    ensure!(result.contains("\"updated\""), "{result}");
    host.runs(&release.digest)?;
    host.rests()
}

/// That it could be an agent's, is for the updater to say, and not for the process.
#[test]
fn a_stranger_that_says_that_it_is_an_agent_is_told_all_the_same() -> Result<()> {
    let host = host()?;
    let serve = "import socket, sys, time\n\
        s = socket.create_server((sys.argv[1], int(sys.argv[2])))\nprint(flush=True)\ntime.sleep(600)";
    let mut stranger = Command::new("python3");
    stranger.args(["-c", serve, &host.agent.ip().to_string(), &host.agent.port().to_string()]);
    stranger.env("RELEASE_INSTANCE", "x").stdout(std::process::Stdio::piped());
    let mut stranger = stranger.spawn()?;
    let mut printed = stranger.stdout.take().context("its output")?;
    std::io::Read::read_exact(&mut printed, &mut [0])?;
    let problem = host.push(&Tree::healthy("new")?)?.problem();
    stranger.kill()?;
    stranger.wait()?;
    let problem = problem?;
    ensure!(problem.detail.contains(&format!("pid {}", stranger.id())), "{problem:?}");
    host.installs("new")?;
    host.rests()
}
