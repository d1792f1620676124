//! Releases that are files and no program: what they are proven by, and that nothing is started for them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Fleet, Host, Output, Packing, Release, Setup, Tree, program};
use protocol::{AgentState, Code, Status};

/// A host that leaves it to the releases how they are started, and asks whether the site is there.
fn setup() -> Setup {
    Setup::default()
        .without_command()
        .without_echo()
        .app("links", "['data/']")
        .health("command", "['test', '-f', 'site/index.html']")
}

/// A site whose hook notes each release that it comes to.
fn site(version: u32, toml: &str) -> Result<Tree> {
    let tree = Tree::empty()?;
    tree.file("site/index.html", &format!("<p>{version}"))?;
    tree.file("release.toml", &format!("version = '{version}'\n{toml}"))?;
    Ok(tree)
}

const HOOK: &str = "run = []\n[hooks]\n\
    after_switch = ['sh', '-c', 'echo to $RELEASE_VERSION >> data/log']\n\
    after_rollback = ['sh', '-c', 'echo from $RELEASE_VERSION >> data/log']\n";

fn stands(host: &Host, release: &Release) -> Result<()> {
    let app = host.app()?;
    let active = app.active.as_ref().context("an active release")?;
    ensure!(active.digest == release.digest, "{app:?}");
    ensure!(host.current() == fs::canonicalize(&active.path).ok(), "{:?}", host.current());
    ensure!(app.agent == AgentState::NoProcess && app.healthy && app.pid.is_none(), "{app:?}");
    Ok(())
}

#[test]
fn files_alone_are_updated_watched_and_rolled_back() -> Result<()> {
    let host = Host::alone(&setup())?;
    let (one, two) = (site(1, HOOK)?.pack(Packing::Zstd)?, site(2, HOOK)?.pack(Packing::Zstd)?);
    let result = host.push(&one)?.result()?;
    ensure!(result.status == Status::Updated && result.probe.is_some_and(|it| it.passed));
    stands(&host, &one)?;
    let mut stop = Command::new(program("updater")?);
    let said = Output::of(stop.arg("stop").arg("--config").arg(host.config()))?.good()?.stdout;
    ensure!(said.contains("agent has no process: there is nothing to stop"), "{said}");
    host.push(&two)?.result()?;
    stands(&host, &two)?;
    ensure!(host.push(&two)?.result()?.status == Status::AlreadyCurrent);

    let bad = site(3, HOOK)?;
    fs::rename(bad.path().join("site/index.html"), bad.path().join("site/other.html"))?;
    ensure!(host.push(&bad.pack(Packing::Zstd)?)?.problem()?.code == Code::RolledBack);
    stands(&host, &two)?;

    host.rollback()?.result()?;
    stands(&host, &one)?;
    let log = fs::read_to_string(host.install().join("shared/data/log"))?;
    assert_eq!(log, "to 1\nto 2\nto 3\nfrom 3\nfrom 2\n");

    host.kill()?;
    host.start()?;
    stands(&host, &one)?;
    let mut status = Command::new(program("updater")?);
    let said = Output::of(status.arg("status").arg("--config").arg(host.config()))?.good()?;
    ensure!(said.stdout.contains("agent: idle, no process\n"), "{said:?}");
    Ok(())
}

#[test]
fn a_program_and_a_release_without_one_follow_each_other() -> Result<()> {
    let host = Host::alone(&setup())?;
    let program = Tree::saying("a program")?;
    program.file("site/index.html", "x")?;
    program.file("release.toml", "[run]\ncommand = ['bin/agent']\n")?;
    let program = program.pack(Packing::Zstd)?;
    let site = site(2, "[run]\ncommand = []\n")?.pack(Packing::Zstd)?;
    host.push(&program)?.result()?;
    let pid = host.app()?.pid.context("a process")?;
    host.push(&site)?.result()?;
    stands(&host, &site)?;
    ensure!(!std::path::Path::new(&format!("/proc/{pid}/exe")).exists(), "{pid} runs on");
    host.rollback()?.result()?;
    ensure!(host.app()?.agent == AgentState::Running, "{:?}", host.app()?);
    Ok(())
}

/// What serves them is no agent of the updater's, and no stranger in its place.
#[test]
fn a_url_that_another_program_answers_proves_them() -> Result<()> {
    let host = Host::alone(&Setup::default().without_command().without_echo())?;
    let server = TcpListener::bind(host.agent)?;
    std::thread::spawn(move || {
        for connection in server.incoming().flatten() {
            let mut connection = connection;
            let _ = connection.read(&mut [0; 1024]);
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let release = site(1, "run = []\n")?.pack(Packing::Zstd)?;
    let result = host.push(&release)?.result()?;
    ensure!(result.status == Status::Updated, "{result:?}");
    stands(&host, &release)?;
    // A program of ours could not be proven there, and that is told before it is built.
    let program = Tree::saying("a program")?;
    program
        .file("release.toml", "[run]\ncommand = ['bin/agent']\n[build]\ncommand = ['false']\n")?;
    let problem = host.push(&program.pack(Packing::Zstd)?)?.problem()?;
    ensure!(problem.detail.contains("listens at"), "{problem:?}");
    Ok(())
}

#[test]
fn what_says_nothing_of_its_start_is_files_alone_or_refused_before_a_byte_is_sent() -> Result<()> {
    let fleet = Fleet::of(1, &setup())?;
    let host = &fleet.hosts[0];
    fleet.update(&site(1, "")?, &[])?.good()?;
    ensure!(host.app()?.agent == AgentState::NoProcess);
    let before = host.history().len();
    let said = fleet.update(&Tree::saying("no command")?, &[])?;
    ensure!(said.code != 0, "{said:?}");
    let text = format!("{}{}", said.stdout, said.stderr);
    ensure!(text.contains("not_supported") && text.contains("`run = []`"), "{text}");
    ensure!(host.history().len() == before, "something was sent");
    Ok(())
}
