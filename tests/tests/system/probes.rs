//! The ways in which a release can be asked, and what each takes for a proof.

use std::net::TcpListener;

use anyhow::{Context as _, Result};
use fleet_tests::{Behaviour, Ca, Host, Release, Setup, Tree, host, wording};
use insta::assert_snapshot;
use protocol::{Code, ProbeKind, ProbeReport, Proof, Status};

/// An agent that speaks TLS, on the one address that its certificate is for.
fn by_tls() -> Result<(Setup, Release)> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let environment = format!(
        "{{ AGENT_LISTEN = '{address}', AGENT_IDENTITY = '{{directory}}/agent-identity' }}"
    );
    let setup = Setup::default()
        .run("env", &environment)
        .health("url", &format!("'https://{address}/health'"));
    let release = Tree::release(&Behaviour { tls: true, ..Behaviour::default() })?;
    Ok((setup, release))
}

fn proven(host: &Host, release: &Release) -> Result<ProbeReport> {
    let result = host.push(release)?.result()?;
    assert_eq!(result.status, Status::Updated);
    result.probe.context("a probe")
}

/// What has the port is told at once, and found out by the proof where it is passed over.
fn undone_by_force(host: &Host, release: &Release) -> Result<()> {
    let refused = host.push(release)?.problem()?;
    assert_eq!(refused.code, Code::Internal, "{refused:?}");
    let forced = host.order("/update?force=true", release).send()?.problem()?;
    assert_eq!(forced.code, Code::RolledBack, "{forced:?}");
    Ok(())
}

fn undone(host: &Host, release: &Release) -> Result<String> {
    let problem = host.push(release)?.problem()?;
    assert_eq!(problem.code, Code::RolledBack, "{problem:?}");
    Ok(problem.detail)
}

#[test]
fn an_agent_of_the_fleet_is_asked_by_mutual_tls() -> Result<()> {
    let (setup, release) = by_tls()?;
    let host = Host::alone(&setup)?;
    let report = proven(&host, &release)?;
    assert_eq!((report.kind, report.proof), (ProbeKind::Https, Some(Proof::Echo)));
    Ok(())
}

#[test]
fn an_agent_that_wants_a_certificate_does_not_answer_without_one() -> Result<()> {
    let (setup, release) = by_tls()?;
    let host = Host::alone(&setup.health("anonymous", "true"))?;
    undone(&host, &release)?;
    Ok(())
}

#[test]
fn an_agent_of_a_foreign_ca_proves_nothing_unless_the_host_says_so() -> Result<()> {
    for (verify, passes) in [("true", false), ("false", true)] {
        let (setup, release) = by_tls()?;
        let host = Host::alone_and_idle(&setup.health("verify", verify))?;
        let identity = host.directory.join("agent-identity");
        let foreign = Ca::create(&host.sandbox().path().join("foreign"))?;
        let paths = foreign.issue("agent/web-1", &host.sandbox().path().join("foreign-agent"))?;
        std::fs::copy(&paths.certificate, identity.join("worker.crt"))?;
        std::fs::copy(&paths.key, identity.join("worker.key"))?;
        host.start()?;
        if passes {
            proven(&host, &release)?;
        } else {
            undone(&host, &release)?;
        }
    }
    Ok(())
}

#[test]
fn a_connection_is_proven_by_the_process_that_took_it() -> Result<()> {
    let host = Host::alone(&Setup::default().without_echo().health("tcp", "'{agent}'"))?;
    let report = proven(&host, &Tree::healthy("one")?)?;
    assert_eq!((report.kind, report.proof), (ProbeKind::Tcp, Some(Proof::Process)));
    // Something answers there, but it is not what was just started.
    let elsewhere = TcpListener::bind("127.0.0.1:0")?;
    let address = elsewhere.local_addr()?;
    let setup = Setup::default().without_echo().health("tcp", &format!("'{address}'"));
    let host = Host::alone(&setup)?;
    undone_by_force(&host, &Tree::healthy("one")?)
}

#[test]
fn a_command_says_whether_the_release_is_well() -> Result<()> {
    let setup = Setup::default().without_echo().health("command", "['sh', 'bin/check']");
    let host = Host::alone(&setup)?;
    let release = |script: &str| {
        let tree = Tree::agent(&Behaviour::default())?;
        tree.program("bin/check", script)?;
        tree.pack(fleet_tests::Packing::Zstd)
    };
    let well = release("exit 0")?;
    assert_eq!(proven(&host, &well)?.kind, ProbeKind::Command);
    let detail = undone(&host, &release("echo 'no route to the moon' >&2; exit 1")?)?;
    assert_snapshot!(wording(&detail), @"the probe's command exited with status 1: no route to the moon");
    assert_eq!(host.running(), Some(well.digest));
    Ok(())
}

#[test]
fn lesson_09_an_answer_from_somebody_else_proves_nothing() -> Result<()> {
    // The reference to another service's health is a mistake that is easily made.
    let other = host()?;
    other.push(&Tree::healthy("other")?)?.result()?;
    let url = format!("'http://{}/health'", other.agent);
    let echo = Host::alone(&Setup::default().health("url", &url))?;
    undone_by_force(&echo, &Tree::healthy("one")?)?;
    let process = Host::alone(&Setup::default().without_echo().health("url", &url))?;
    undone_by_force(&process, &Tree::healthy("two")?)?;
    Ok(())
}
